"""The files that a trial leaves in the trials folder."""

from __future__ import annotations

import contextlib
import os
import shutil
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path

from mitosis.errors.files import FolderNotWritable
from mitosis.files import file_blob_id, write_whole
from mitosis.journal.unrecorded import ROOM
from mitosis.omission import output_file
from mitosis.records.trial import Output

NOTEBOOK = "notebook.ipynb"
SOURCE = "source.py"
LOG = "experiment.log"
REQUIREMENTS = "requirements.txt"
PAGE_LINK = "experiment"
_IGNORED = ".gitignore"
_ROOM_BYTES = 2**16
OUTPUTS_LIMIT = 10_000
"""This many files at most are listed in a record."""


class TrialFolder:
    """The folder of one trial, which is also its working directory.

    Args:
        trials_folder: where the folders and pages of trials are. It is made if missing, with a `.gitignore` that
            keeps what is in it out of git.
        key: of the trial.
        debug: whether to mark the folder as that of a trial that is not recorded.
    """

    def __init__(self, trials_folder: Path, key: str, *, debug: bool) -> None:
        self.trials_folder = trials_folder
        day = datetime.now().astimezone().strftime("%Y-%m-%d")
        self.path = trials_folder / f"{day}_{key}{'debug' if debug else ''}"
        try:
            is_new = not trials_folder.exists()
            trials_folder.mkdir(parents=True, exist_ok=True)
            entries = list(trials_folder.iterdir())
            # Or it was made for a trials folder inside of it, such as `trials/debug`.
            if is_new or (entries and all((entry / _IGNORED).exists() for entry in entries)):
                (trials_folder / _IGNORED).write_text("*\n", encoding="utf-8")
            self.path.mkdir()
        except OSError as error:
            raise FolderNotWritable(trials_folder, error.strerror or str(error)) from error

    def reserve_room(self) -> None:
        """Keep room for `unrecorded.msgpack`, until `release_room`.

        Raises:
            FolderNotWritable: there is none.
        """
        try:
            (self.path / ROOM).write_bytes(os.urandom(_ROOM_BYTES))  # some file systems compress
        except OSError as error:
            raise FolderNotWritable(self.trials_folder, error.strerror or str(error)) from error

    def release_room(self) -> None:
        """Make way for `unrecorded.msgpack`."""
        with contextlib.suppress(OSError):
            (self.path / ROOM).unlink(missing_ok=True)

    def results(self, number: int) -> Path:
        """What step `number` returned; steps count from 0."""
        return self.path / f"results_{number}.dill"

    def parameters(self, number: int) -> Path:
        """What step `number` was given; steps count from 0."""
        return self.path / f"parameters_{number}.dill"

    def printed(self, number: int) -> Path:
        """What step `number` printed, where a file has it; steps count from 0."""
        return self.path / output_file(number)

    def write(self, name: str, text: str) -> None:
        """Write a file of the trial's folder, so that it appears whole or not at all.

        Raises:
            FolderNotWritable: it cannot be written; perhaps the disk is full.
        """
        try:
            self.path.mkdir(exist_ok=True)  # an experiment may have removed it
            write_whole(self.path / name, text)
        except OSError as error:
            raise FolderNotWritable(self.trials_folder, error.strerror or str(error)) from error

    def write_page(self, name: str, html: str) -> Path:
        """Write the trial's page beside its folder, and a link to it inside, where links are to be had."""
        page = self.trials_folder / name
        write_whole(page, html)
        with contextlib.suppress(OSError, NotImplementedError):
            (self.path / PAGE_LINK).symlink_to(Path("..") / name)
        return page

    def remove(self) -> None:
        """Remove the folder of a trial that was refused."""
        shutil.rmtree(self.path, ignore_errors=True)

    def read_log(self, limit_bytes: int) -> str | None:
        """The end of the experiment's log; None where nothing was logged."""
        try:
            with (self.path / LOG).open("rb") as file:
                size = file.seek(0, os.SEEK_END)
                file.seek(max(0, size - limit_bytes))
                text = file.read().decode("utf-8", "replace")
        except FileNotFoundError:
            return None
        if size > limit_bytes:
            text = f"... (the first {size - limit_bytes} bytes are in {LOG})\n" + text.partition("\n")[2]
        return text or None

    def list_outputs(self, page: Path | None, without: Path | None = None) -> tuple[tuple[Output, ...], int]:
        """The files of the trial with size and git's blob id.

        Args:
            page: the trial's page, which is not in the folder.
            without: a file that is not listed.

        Returns:
            At most `OUTPUTS_LIMIT` of them, and how many more there are.
        """
        paths = [path for path in self._iter_files() if path != without]
        if page is not None:
            paths.append(page)
        listed = tuple(_describe(path, self.trials_folder) for path in sorted(paths)[:OUTPUTS_LIMIT])
        return listed, max(0, len(paths) - OUTPUTS_LIMIT)

    def _iter_files(self) -> Iterator[Path]:
        for folder, _, names in os.walk(self.path):
            for name in names:
                path = Path(folder, name)
                if path.is_file() and not path.is_symlink() and path != self.path / ROOM:
                    yield path


def _describe(path: Path, trials_folder: Path) -> Output:
    oid, size_bytes = file_blob_id(path)
    shown = path.relative_to(trials_folder).as_posix().encode("utf-8", "backslashreplace").decode()
    return Output(shown, size_bytes, oid)
