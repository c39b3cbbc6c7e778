"""The files that trials left: whether they are as recorded."""

from __future__ import annotations

import platform
from collections.abc import Collection, Iterator
from pathlib import Path, PurePosixPath

from mitosis.files import file_blob_id
from mitosis.records.output_names import belongs_to_trial, key_in_folder_name
from mitosis.records.trial import Output, TrialRecord
from mitosis.verify.findings import Report

_BACKUP = "Restore it from a backup or a copy."


class OutputsChecker:
    """Compares the outputs of trials on this machine with their records.

    A record may come from somebody else. So no file is read but in the folder, or at the page, that mitosis makes for
    the trial of that key, in this repository's trials folder or, if the record is of this machine, where it says.

    Args:
        trials_folder: this repository's trials folder.
        report: takes what is wrong.
    """

    def __init__(self, trials_folder: Path, report: Report) -> None:
        self._trials_folder = trials_folder
        self._report = report
        self._host = platform.node()
        self.checked = 0
        self.elsewhere = 0
        """Trials whose outputs are not on this machine."""

    def check(self, record: TrialRecord) -> None:
        """Check the outputs of one trial."""
        if not record.outputs:
            return
        parts = {part for output in record.outputs for part in PurePosixPath(output.path).parts[:1]}
        names = [part for part in parts if belongs_to_trial(part, record.key)]
        places = [self._trials_folder]
        is_here = record.process.host == self._host
        if is_here and Path(record.trials_folder).is_absolute():
            places.append(Path(record.trials_folder))
        found = [place for place in places if any((place / name).exists() for name in names)]
        if not found and not is_here:
            self.elsewhere += 1
            return
        for output, problem in self._compare(record, (found or places)[0]):
            where = f"{(found or places)[0]}/{output.path}"
            self._report.warning("output", where, f"{problem} (trial {record.key})", "", _BACKUP)

    def name_left(self, keys: Collection[str]) -> None:
        """Name the folders of trials that the journal has no record of; `keys` are those that it has."""
        folders = sorted(self._trials_folder.iterdir()) if self._trials_folder.is_dir() else []
        for folder in folders:
            key = key_in_folder_name(folder.name)
            if key is not None and key not in keys:
                what = "the journal has no trial of that key: it was forgotten, or killed before it was recorded"
                self._report.info("output", str(folder), what)

    def _compare(self, record: TrialRecord, place: Path) -> Iterator[tuple[Output, str]]:
        for output in record.outputs:
            parts = PurePosixPath(output.path).parts
            if not parts or ".." in parts or "\0" in output.path or not belongs_to_trial(parts[0], record.key):
                yield output, "its record names a file that is not the trial's, so it was not checked"
                continue
            path = place.joinpath(*parts)
            self.checked += 1
            # A link could lead anywhere, and mitosis lists none.
            if path.is_symlink() or not path.is_file():
                yield output, "it is missing"
                continue
            try:
                if path.stat().st_size != output.size_bytes:
                    yield output, f"it has {path.stat().st_size} bytes, but had {output.size_bytes}"
                elif file_blob_id(path)[0] != output.oid:
                    yield output, "its content has changed"
            except OSError as error:
                yield output, f"it cannot be read: {error.strerror}"
