"""Put the script where git looks for it, and take it away again. A hook that is there already gets another name."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from mitosis.errors.files import FileTrouble
from mitosis.errors.hook import HookEdited, HookInTheWay, HooksNotOurs, HooksTurnedOff
from mitosis.git.repository import Repository
from mitosis.hook.place import (
    PYTHON_KEY,
    STRICT_KEY,
    HookFile,
    Place,
    find_place,
    find_places,
    line_by_hand,
    read_hook,
    read_setting,
    stamped_script,
    this_python,
)


@dataclass(frozen=True, slots=True)
class Installed:
    """What `install` has done."""

    path: Path
    """The script."""
    changed: bool
    """False when all was so already."""
    chained: Path | None
    """The hook that was there before, and runs first."""
    python: str
    """What runs the check."""
    called_by: str | None
    """The program that runs the script, where git does not do it itself."""


@dataclass(frozen=True, slots=True)
class Uninstalled:
    """What `uninstall` has done."""

    removed: tuple[Path, ...]
    """Files that are gone."""
    restored: tuple[Path, ...]
    """The hook that was there before, where it is again; in two folders if git was told to look elsewhere meanwhile."""
    settings: tuple[str, ...]
    """Settings of git that are gone."""
    left: HookFile | None
    """The hook that git runs now, which is not mitosis'."""

    @property
    def changed(self) -> bool:
        return bool(self.removed or self.restored or self.settings)


def install(repository: Repository, *, strict: bool | None = None) -> Installed:
    """Have git run the check before each commit, after the hook that is there already.

    Writes to the folder of hooks and to the clone's configuration, and nothing where all is so already.

    Args:
        repository: the clone; all its worktrees share the hook.
        strict: whether a commit that changes a locked variant is to be stopped; None leaves it as it is set.

    Raises:
        HooksNotOurs: git looks for hooks in the working tree or outside the repository.
        HooksTurnedOff: git looks for them nowhere.
        HookEdited: the script is there, and somebody has edited it.
        HookInTheWay: there are another hook, and one that was kept before.
        FileTrouble: a file cannot be written.
        GitError: git's configuration cannot be.
    """
    with _alone(repository):
        return _install(repository, strict)


def _install(repository: Repository, strict: bool | None) -> Installed:
    place = find_place(repository)
    if place.is_turned_off:
        raise HooksTurnedOff(place.folder)
    if place.whose != "repository":
        raise HooksNotOurs(place.path, place.whose, line_by_hand(place.whose, strict=bool(strict)))
    installed = place.installed()
    if installed is not None and installed.kind == "edited":
        raise HookEdited(installed.path)
    keeps = installed is None and os.path.lexists(place.path)
    if keeps and os.path.lexists(place.chained):
        raise HookInTheWay(place.path, place.chained)
    target = place.path if installed is None else installed.path
    writes = installed is None or not installed.is_current
    if writes:
        _write(place.new, stamped_script())
    try:
        changed = _configure(repository, strict)
        if keeps:
            # Whoever is interrupted here has both files, and calls this once more, or `uninstall`.
            _replace(place.path, place.chained)
        if writes:
            _replace(place.new, target)
    except BaseException:
        place.new.unlink(missing_ok=True)
        raise
    return Installed(
        path=target,
        changed=changed or writes,
        chained=place.chained if os.path.lexists(place.chained) else None,
        python=this_python(),
        called_by=None if target == place.path else "pre-commit",
    )


def uninstall(repository: Repository) -> Uninstalled:
    """Undo what `install` did: the hook that was there before is there again, as it was.

    Raises:
        HookEdited: somebody has edited the script; nothing is changed then.
        FileTrouble: a file cannot be written.
        GitError: git's configuration cannot be.
    """
    with _alone(repository):
        return _uninstall(repository)


def _uninstall(repository: Repository) -> Uninstalled:
    places = find_places(repository)
    for file in (file for place in places for file in place.ours()):
        if file.kind == "edited":
            raise HookEdited(file.path)
    removed: list[Path] = []
    restored: list[Path] = []
    for place in places:
        _clear(place, removed, restored)
    settings = tuple(key for key in (PYTHON_KEY, STRICT_KEY) if _unset(repository, key))
    return Uninstalled(tuple(removed), tuple(restored), settings, find_place(repository).current())


@contextlib.contextmanager
def _alone(repository: Repository) -> Iterator[None]:
    """Have others who install or uninstall at the same moment wait: each of them has to see what the last one did.

    Where folders cannot be locked (Windows, some network file systems), whoever comes second is refused at worst.
    """
    folder = None
    try:
        import fcntl

        folder = os.open(repository.common_dir, os.O_RDONLY)
        fcntl.flock(folder, fcntl.LOCK_EX)
    except (ImportError, OSError):
        pass
    try:
        yield
    finally:
        if folder is not None:
            os.close(folder)


def _clear(place: Place, removed: list[Path], restored: list[Path]) -> None:
    """Remove what is mitosis' at a place, and put back what was there before."""
    ours = place.ours()
    gone = [place.new] if os.path.lexists(place.new) else []
    if _is_superseded(place):
        gone.append(place.chained)
    elif os.path.lexists(place.chained) and (ours or place.current() is None):
        back = ours.pop(0).path if ours else place.path
        _replace(place.chained, back)
        restored.append(back)
    gone += [file.path for file in ours]
    for path in gone:
        try:
            path.unlink()
        except OSError as error:
            raise FileTrouble(path, "removed", error) from error
    removed += gone
    if gone:
        # An empty folder means nothing to git, and installing may have made it; another folder stays.
        with contextlib.suppress(OSError):
            place.folder.rmdir()


def _is_superseded(place: Place) -> bool:
    """Whether pre-commit has installed its hook once more, after mitosis had kept the one of before."""
    return all(file is not None and file.kind == "pre-commit" for file in (place.current(), read_hook(place.chained)))


def _configure(repository: Repository, strict: bool | None) -> bool:
    """Write the settings that the script reads; returns whether they were others."""
    changed = read_setting(repository, "--local", PYTHON_KEY) != this_python()
    if changed:
        repository.git("config", "--local", "--replace-all", PYTHON_KEY, this_python())
    if strict is False and _unset(repository, STRICT_KEY):
        changed = True
    if strict and read_setting(repository, "--local", "--type=bool", STRICT_KEY) != "true":
        repository.git("config", "--local", "--replace-all", STRICT_KEY, "true")
        changed = True
    return changed


def _unset(repository: Repository, key: str) -> bool:
    """Take a setting out of the clone's configuration; returns whether it was there."""
    if read_setting(repository, "--local", "--get-all", key) is None:
        return False
    repository.git("config", "--local", "--unset-all", key)
    return True


def _write(path: Path, script: bytes) -> None:
    """Write an executable file that is on the disk before it takes another's place."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.unlink(missing_ok=True)
        with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o777), "wb") as file:
            file.write(script)
            file.flush()
            os.fsync(file.fileno())
    except OSError as error:
        raise FileTrouble(path, "written", error) from error


def _replace(old: Path, new: Path) -> None:
    try:
        old.replace(new)
    except OSError as error:
        raise FileTrouble(new, "written", error) from error
