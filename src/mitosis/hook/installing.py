"""Put the script where git looks for it, and take it away again. A hook that is there already gets another name."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator, Mapping

from mitosis.config import find_config
from mitosis.errors.files import FileTrouble, HookEdited, HookInTheWay, HooksNotOurs, HooksTurnedOff
from mitosis.git.repository import Repository
from mitosis.hook import CONFIG_KEY
from mitosis.hook.place import (
    PYTHON_KEY,
    STRICT_KEY,
    HookFile,
    Place,
    find_place,
    line_by_hand,
    read_hook,
    read_setting,
    stamped_script,
    this_python,
)


def install(repository: Repository, *, strict: bool | None = None, config: str | None = None) -> bool:
    """Have git run the check before each commit, after the hook that is there already.

    Writes to the folder of hooks and to the clone's configuration, and nothing where all is so already.

    Args:
        repository: the clone; all its worktrees share the hook.
        strict: whether a commit that changes a locked variant is to be stopped; None leaves it as it is set.
        config: the configuration in place of pyproject.toml, relative to the top; None leaves it as it is set.

    Returns:
        Whether anything was changed.

    Raises:
        HooksNotOurs: git looks for hooks in the working tree or outside the repository.
        HooksTurnedOff: git looks for them nowhere.
        HookEdited: the script is there, and somebody has edited it.
        HookInTheWay: there are another hook, and one that was kept before.
        FileTrouble: a file cannot be written.
        GitError: git's configuration cannot be.
        ConfigError: `config` cannot be used.
    """
    if config is not None:
        find_config(repository.root, config, steps_needed=False)
    settings = {PYTHON_KEY: this_python()}
    settings |= {STRICT_KEY: "true"} if strict else {}
    settings |= {} if config is None else {CONFIG_KEY: config}
    with _alone(repository):
        place = find_place(repository)
        if place.whose == "nobody":
            raise HooksTurnedOff(place.folder)
        if place.whose != "repository":
            raise HooksNotOurs(place.path, place.whose, line_by_hand(place.whose, strict=bool(strict), config=config))
        installed = _unedited(place)
        keeps = installed is None and os.path.lexists(place.path)
        if keeps and os.path.lexists(place.chained):
            raise HookInTheWay(place.path, place.chained)
        if installed is not None and installed.is_current:
            return _configure(repository, settings, strict)
        target = place.path if installed is None else installed.path
        new = place.path.with_name("pre-commit.mitosis-new")
        try:
            new.parent.mkdir(parents=True, exist_ok=True)
            new.write_bytes(stamped_script())
            new.chmod(0o755)
            _configure(repository, settings, strict)
            if keeps:
                # Whoever is interrupted here has both files, and calls this once more, or `uninstall`.
                place.path.replace(place.chained)
            new.replace(target)
        except OSError as error:
            raise FileTrouble(target, "written", error) from error
        finally:
            with contextlib.suppress(OSError):
                new.unlink()
        return True


def uninstall(repository: Repository) -> list[str]:
    """Undo what `install` did: the hook that was there before is there again, as it was.

    Returns:
        What was done, such as `removed: PATH`, a line each.

    Raises:
        HookEdited: somebody has edited the script; nothing is changed then.
        FileTrouble: a file cannot be written.
        GitError: git's configuration cannot be.
    """
    with _alone(repository):
        place = find_place(repository)
        done = _clear(place) if place.whose == "repository" else []
        settings = [key for key in (PYTHON_KEY, STRICT_KEY, CONFIG_KEY) if _unset(repository, key)]
        return done + [f"removed: {key} from git's configuration" for key in settings]


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


def _unedited(place: Place) -> HookFile | None:
    """The script of mitosis that is there.

    Raises:
        HookEdited: somebody has edited it.
    """
    installed = place.installed()
    if installed is not None and installed.kind == "edited":
        raise HookEdited(installed.path)
    return installed


def _clear(place: Place) -> list[str]:
    """Remove what is mitosis' at a place, and put back what was there before; returns what was done."""
    installed, current, kept = _unedited(place), place.current(), read_hook(place.chained)
    gone = [] if installed is None else [installed.path]
    done = []
    try:
        if kept is not None and current is not None and kept.kind == current.kind == "pre-commit":
            # pre-commit has installed its hook once more, after mitosis had kept the one of before.
            gone.append(kept.path)
        elif kept is not None and (installed is not None or current is None):
            back = gone.pop() if gone else place.path
            kept.path.replace(back)
            done.append(f"restored: {back}")
        for path in gone:
            path.unlink()
            done.append(f"removed: {path}")
    except OSError as error:
        raise FileTrouble(place.folder, "written", error) from error
    if gone:
        # An empty folder means nothing to git, and installing may have made it; another folder stays.
        with contextlib.suppress(OSError):
            place.folder.rmdir()
    return done


def _configure(repository: Repository, settings: Mapping[str, str], strict: bool | None) -> bool:
    """Write the settings that the script reads; returns whether they were others."""
    changed = strict is False and _unset(repository, STRICT_KEY)
    for key, value in settings.items():
        if read_setting(repository, "--local", key) != value:
            repository.git("config", "--local", "--replace-all", key, value)
            changed = True
    return changed


def _unset(repository: Repository, key: str) -> bool:
    """Take a setting out of the clone's configuration; returns whether it was there."""
    if read_setting(repository, "--local", "--get-all", key) is None:
        return False
    repository.git("config", "--local", "--unset-all", key)
    return True
