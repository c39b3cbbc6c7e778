"""Files and folders."""

from __future__ import annotations

from pathlib import Path

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
