"""Files and folders, and the hook that git runs before a commit."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from mitosis.errors.base import MitosisError


class FileTrouble(MitosisError):
    """A file or folder cannot be read or written. Attributes: path, reason."""

    def __init__(self, path: Path, action: str, error: OSError) -> None:
        self.path = path
        self.reason = error.strerror or str(error)
        super().__init__(f"{path} cannot be {action}: {self.reason}")


class FolderNotWritable(MitosisError):
    """The outputs have nowhere to go. Attributes: folder, reason."""

    def __init__(self, folder: Path, reason: str) -> None:
        self.folder = folder
        self.reason = reason
        super().__init__(
            f"the trials folder {folder} cannot be written: {reason}\n"
            "Choose another with -F, or with `trials-folder` in [tool.mitosis]."
        )


class NoTemporaryPlace(MitosisError):
    """There is no folder for temporary files."""

    def __init__(self) -> None:
        super().__init__(
            "no folder for temporary files can be written, neither /tmp nor /var/tmp\n"
            "Make room there, or set TMPDIR to another folder."
        )


class HooksNotOurs(MitosisError):
    """git looks for hooks in a folder that is not mitosis' to write to.

    Attributes:
        path: where git looks for the hook.
        whose: whether the folder is in the working tree, or shared with other repositories.
        line: what to add to the hook by hand.
    """

    def __init__(self, path: Path, whose: Literal["working tree", "shared"], line: str) -> None:
        self.path = path
        self.whose = whose
        self.line = line
        reason = {
            "working tree": "which is in the working tree: its files are yours, and mitosis does not change them",
            "shared": "which is outside this repository: hooks there may run in others as well",
        }[whose]
        super().__init__(
            f"git looks for hooks in {path.parent}, {reason}\n"
            f"Add this line to {path} by hand (a new file starts with `#!/bin/sh` and must be executable):\n"
            f"    {line}"
        )


class HooksTurnedOff(MitosisError):
    """git is told to look for hooks in something that is not a folder. Attributes: folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        super().__init__(
            f"git looks for hooks in {folder}, which is not a folder, so no hook runs in this repository\n"
            "`git config --show-origin core.hooksPath` shows where it is set; "
            "`git config --unset core.hooksPath` undoes it."
        )


class HookEdited(MitosisError):
    """The script of mitosis was changed after it was installed. Attributes: path."""

    def __init__(self, path: Path) -> None:
        self.path = path
        super().__init__(
            f"{path} is mitosis's hook, but somebody has edited it, so it is neither replaced nor removed\n"
            "Move it away or delete it, and run this command again."
        )


class HookInTheWay(MitosisError):
    """Another hook is installed, and one that was kept before is still there. Attributes: path, chained."""

    def __init__(self, path: Path, chained: Path) -> None:
        self.path = path
        self.chained = chained
        super().__init__(
            "there are two other hooks here, and only one can be kept and run first\n"
            f"    {path}\n"
            f"    {chained}  (was here before mitosis's hook)\n"
            "Have one of them call the other, or delete the one that is not needed, and run this command again."
        )
