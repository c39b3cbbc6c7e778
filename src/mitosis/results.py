"""Bring back what a trial left: the results of its steps, and their parameters.

Everything here reads pickles, which may run code: load only what people that you trust have left.
"""

from __future__ import annotations

import contextlib
import os
import re
import shlex
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mitosis.config import Config, find_config
from mitosis.errors.base import MitosisError
from mitosis.errors.files import FileTrouble
from mitosis.errors.journal import AmbiguousKey, TrialNotFound
from mitosis.errors.repository import RepositoryError
from mitosis.errors.usage import ConfigError
from mitosis.files import file_blob_id, find_trials_folder
from mitosis.git.repository import find_repository
from mitosis.git.tracked import is_tracked
from mitosis.records.output_names import belongs_to_trial

if TYPE_CHECKING:
    from mitosis.records.trial import TrialRecord

_FOLDER_NAME = re.compile(r"\d{4}-\d{2}-\d{2}_(?P<key>[^_]+?)(?:debug)?")
_OLD_RESULTS = "results.dill"
_RESULTS_NAME = re.compile(r"results_(\d+)\.dill")


def load_trial_data(
    key: str | None = None, *, trials_folder: str | os.PathLike[str] | None = None, hexstr: str | None = None
) -> list[Any]:
    """The dictionaries that the steps of a trial returned, in order.

    What could not be pickled when the trial ran is a `mitosis.typing.NotSaved` in them. Results are unpickled, so
    the modules that define their classes have to be importable; those of the repository at hand are.

    Args:
        key: the trial's key, any unique prefix of it, or a word such as `latest`, `best` or `@TAG`.
        trials_folder: where to look, relative to the working directory. By default where the configuration of the
            repository at hand says, and where the trial's record says.
        hexstr: another name of `key`.

    Returns:
        One dictionary a step; fewer if the trial failed. If it failed for a step that returned something else, that.

    Raises:
        TrialNotFound: no such trial, or its outputs are not here. Also a FileNotFoundError.
        AmbiguousKey: several trials have keys that begin so.
        ValueError: the results of a step before the last one are missing, are as releases up to 0.4 saved them, or are
            not what the trial has left, as the journal of the repository at hand has it.
        GitError: that is not recorded, and git refuses to say whether they have come with a clone.
    """
    folder = find_trial_folder(_only_one(key, hexstr), trials_folder)
    numbers = sorted(int(match[1]) for path in folder.iterdir() if (match := _RESULTS_NAME.fullmatch(path.name)))
    missing = next((n for n, number in enumerate(numbers) if n != number), None)
    if missing is not None:
        raise ValueError(f"{folder} has no results_{missing}.dill, but those of later steps")
    if not numbers and (folder / _OLD_RESULTS).exists():
        raise ValueError(f"{folder / _OLD_RESULTS} was saved by a release up to 0.4, whose results are not read")
    with _experiments_importable():
        recorded = _recorded_outputs(folder)
        return [_load(folder / f"results_{number}.dill", recorded) for number in numbers]


def load_trial_params(
    key: str | None = None,
    step: int = 0,
    trials_folder: str | os.PathLike[str] | None = None,
    *,
    hexstr: str | None = None,
) -> dict[str, Any]:
    """The parameters that a step of a trial was called with, by name.

    Args:
        key: as for `load_trial_data`.
        step: the step's number, from 0.
        trials_folder: as for `load_trial_data`.
        hexstr: another name of `key`.

    Raises:
        TrialNotFound: no such trial, or its outputs are not here. Also a FileNotFoundError.
        AmbiguousKey: several trials have keys that begin so.
        ValueError: the trial has no such step, or its parameters were not saved, or are not what it has left.
        GitError: as for `load_trial_data`.
    """
    name = _only_one(key, hexstr)
    folder = find_trial_folder(name, trials_folder)
    path = folder / f"parameters_{step}.dill"
    if not path.is_file():
        raise ValueError(f"trial {name} has no saved parameters of a step {step}: there is no {path}")
    with _experiments_importable():
        parameters: dict[str, Any] = _load(path, _recorded_outputs(folder))
    return parameters


_load_trial_params = load_trial_params
"""What it was called in version 0.6."""


def _only_one(key: str | None, hexstr: str | None) -> str:
    given = key if key is not None else hexstr
    if given is None or (key is not None and hexstr is not None):
        raise TypeError("pass the trial's key once: load_trial_data(key) or load_trial_data(hexstr=key)")
    return given


@contextlib.contextmanager
def _experiments_importable() -> Iterator[None]:
    """Have the repository at hand on the search path as when its experiments run: pickles name its modules."""
    try:
        folders = [str(folder) for folder in _configuration(Path.cwd())[1].pythonpath]
    except ConfigError:  # the results may well load without
        folders = []
    added = [folder for folder in folders if folder not in sys.path]
    sys.path.extend(added)
    try:
        yield
    finally:
        for folder in added:
            sys.path.remove(folder)


def _recorded_outputs(folder: Path) -> dict[str, str] | None:
    """The ids of the files of a trial's folder, by name, as they are recorded; None if they are not.

    They are not of a debug trial, of one that runs, or outside of its repository.
    """
    from mitosis.journal.journal import Journal

    match = _FOLDER_NAME.fullmatch(folder.name)
    try:
        record = Journal(find_repository(Path.cwd())).read_trial(match["key"] if match else "")
    except MitosisError:
        return None
    outputs = {output.path: output.oid for output in record.outputs}
    return {path.rpartition("/")[2]: oid for path, oid in outputs.items() if path.startswith(f"{folder.name}/")} or None


def _load(path: Path, recorded: dict[str, str] | None) -> Any:
    """Read a pickle that a trial has left, unless it is another one than is recorded, or has come with a clone."""
    import dill

    with path.open("rb") as file:
        if recorded is None and is_tracked(path.absolute()):
            quoted = shlex.quote(str(path))
            raise ValueError(
                f"{path} has come with the repository, and the journal does not say that a trial left it: reading it "
                "could run anything\n"
                f"`git log -- {quoted}` shows who has put it there. If you trust them: git rm --cached {quoted}"
            )
        if recorded is not None and file_blob_id(file)[0] != recorded.get(path.name):
            raise ValueError(
                f"{path} is not what the trial left: reading it could run anything\n"
                "`mitosis verify --outputs` shows what else has changed."
            )
        file.seek(0)
        return dill.load(file)


def find_trial_folder(key: str, trials_folder: str | os.PathLike[str] | None = None) -> Path:
    """The folder of a trial.

    Args:
        key: the trial's key, or any unique prefix of it.
        trials_folder: where to look; None for where the configuration and the trial's record say.

    Raises:
        TrialNotFound: there is none here.
        AmbiguousKey: there are several.
    """
    from mitosis.journal.journal import Journal
    from mitosis.query.selection import is_selection, select_one

    if is_selection(key):
        key = select_one(Journal(find_repository(Path.cwd())), key)
    prefix = key.strip().lower()
    folder = Path(trials_folder).absolute() if trials_folder is not None else default_trials_folder(Path.cwd())
    matches: dict[str, Path] = {}
    if prefix and folder.is_dir():
        for path in folder.iterdir():
            match = _FOLDER_NAME.fullmatch(path.name)
            if match is not None and match["key"].lower().startswith(prefix) and path.is_dir():
                matches[match["key"].lower()] = path
    if prefix in matches:
        return matches[prefix]
    if len(matches) > 1:
        raise AmbiguousKey(key, sorted(path.name for path in matches.values()))
    if matches:
        return next(iter(matches.values()))
    if trials_folder is not None:
        raise TrialNotFound(key, f"no trial in {folder} has a key that starts with `{key}`")
    return _folder_on_record(key, folder)


def remove_outputs(
    record: TrialRecord, read_trial: Callable[[str], TrialRecord], config: str | None = None
) -> list[Path]:
    """Delete the folder and the page of a trial from the repository at hand, and have no other page lead to it.

    Those are looked for in its trials folder, and where the record says if that is inside its working tree: a record
    may come from somebody else, whose outputs are not ours to delete. Nothing is deleted that does not have the name
    that mitosis gives to the outputs of this trial.

    Args:
        record: of the trial.
        read_trial: returns the record of a trial by its key.
        config: the configuration in place of pyproject.toml, relative to the top.

    Returns:
        What was deleted.

    Raises:
        FileTrouble: something cannot be deleted.
    """
    import shutil

    from mitosis.report.page_files import lead_on

    root = _configuration(Path.cwd(), config)[0]
    folders = {default_trials_folder(Path.cwd(), config).resolve()}
    recorded = _recorded_place(record, record.folder)
    if recorded is not None and recorded.resolve().is_relative_to(root.resolve()):
        folders.add(recorded.parent.resolve())
    removed: list[Path] = []
    for trials_folder in sorted(folders):
        for path in sorted(trials_folder.iterdir()) if trials_folder.is_dir() else ():
            if not belongs_to_trial(path.name, record.key):
                continue
            try:
                shutil.rmtree(path) if path.is_dir() and not path.is_symlink() else path.unlink()
            except OSError as error:
                raise FileTrouble(path, "deleted", error) from error
            removed.append(path)
        if removed:
            try:
                lead_on(record, trials_folder, read_trial)
            except OSError as error:
                raise FileTrouble(trials_folder, "written", error) from error
    return removed


def find_page(record: TrialRecord, config: str | None = None) -> Path | None:
    """The page of a trial: in the trials folder of the repository at hand, or where it was written."""
    return next((path for path in _places(record, record.page, config) if path.is_file()), None)


def require_page(record: TrialRecord, config: str | None = None) -> Path:
    """As `find_page`.

    Raises:
        TrialNotFound: the page is not here.
    """
    page = find_page(record, config)
    if page is None:
        where = f"{record.trials_folder}/{record.page}" if record.page else "nowhere: it has no page"
        raise TrialNotFound(
            record.key,
            f"the page of trial {record.key} is not here\n    it was written on {record.process.host}, to {where}",
        )
    return page


def find_notebook(record: TrialRecord, config: str | None = None) -> Path | None:
    """The notebook of a trial: in the trials folder of the repository at hand, or where it was written."""
    paths = (folder / "notebook.ipynb" for folder in _places(record, record.folder, config))
    return next((path for path in paths if path.is_file() and not path.is_symlink()), None)


def _places(record: TrialRecord, name: str | None, config: str | None) -> Iterator[Path]:
    """Where the folder or page of a trial may be, if the name is one that mitosis gives."""
    if name is not None and belongs_to_trial(name, record.key):
        yield default_trials_folder(Path.cwd(), config) / name
        recorded = _recorded_place(record, name)
        if recorded is not None:
            yield recorded


def _recorded_place(record: TrialRecord, name: str | None) -> Path | None:
    """Where the record says that the folder or page of its trial was written, if the name is one that mitosis gives.

    A record may come from somebody else, who must not choose which files are opened here, or which results unpickled:
    the place has to be this user's own, nothing that came with a clone, and is not to depend on the process as
    `/proc/self/cwd` does.
    """
    if name is None or not belongs_to_trial(name, record.key) or "\0" in record.trials_folder:
        return None
    place = Path(record.trials_folder)
    if not place.is_absolute() or place.parts[1:2] == ("proc",) or ".." in place.parts:
        return None
    try:
        is_own = not hasattr(os, "getuid") or place.stat().st_uid == os.getuid()
        return place / name if is_own and not is_tracked(place / name) else None
    except (OSError, RuntimeError):  # it is not there, links lead in a circle, or git refuses to look
        return None


def _folder_on_record(key: str, looked_in: Path) -> Path:
    """The folder that a trial's record tells of, for trials that were run with another trials folder."""
    from mitosis.journal.journal import Journal

    try:
        record = Journal(find_repository(Path.cwd())).read_trial(key)
    except AmbiguousKey:
        raise
    except MitosisError as error:
        raise TrialNotFound(
            key, f"no trial in {looked_in} has a key that starts with `{key}`, and none is recorded ({error})"
        ) from error
    folder = _recorded_place(record, record.folder)
    if folder is not None and folder.is_dir():
        return folder
    raise TrialNotFound(
        key,
        f"trial {record.key} is recorded, but its outputs are not in {looked_in}\n"
        f"They were written on {record.process.host}, to {record.trials_folder}/{record.folder or ''}",
    )


def default_trials_folder(folder: Path, config: str | None = None) -> Path:
    """The trials folder of the repository that `folder` is in, as pyproject.toml has it, or another file."""
    root, found = _configuration(folder, config)
    return find_trials_folder(folder, root, None, found.trials_folder)


def _configuration(folder: Path, config: str | None = None) -> tuple[Path, Config]:
    """The main root of the repository that `folder` is in, and its configuration; of the folder itself outside one."""
    try:
        repository = find_repository(folder)
    except RepositoryError:
        return folder, find_config(folder, config, steps_needed=False)
    return repository.main_root, find_config(repository.root, config, steps_needed=False)
