"""Make a clone show the journal well, and fetch those of others: what `mitosis setup` writes."""

from __future__ import annotations

import shlex
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path

from mitosis.errors.files import FileTrouble
from mitosis.errors.repository import NoIdentity
from mitosis.git.repository import Repository
from mitosis.journal import layout
from mitosis.journal.journal import Journal

ATTRIBUTES_LINE = "*.msgpack diff=mitosis"
TEXTCONV = "diff.mitosis.textconv"
"""The key of git's configuration that says how records are shown as text."""
_CACHE = "diff.mitosis.cachetextconv"
_ISOLATED = " -P -m mitosis textconv"
"""git starts the command at the top of the working tree: without -P, Python would import modules from there."""


@dataclass(frozen=True, slots=True)
class Written:
    """One thing that set-up sees to."""

    what: str
    """The setting, as text."""
    where: Path
    changed: bool
    """False when it was so already."""
    is_removed: bool = False
    """Whether it was taken away."""


def set_up(repository: Repository, remotes: Sequence[str]) -> tuple[Written, ...]:
    """Have `git log -p refs/mitosis` show records and locks as text, and `git fetch` bring those of remotes.

    Writes to the clone's configuration and its info/attributes, and nothing where it is there already. What it wrote
    for a remote under an earlier name is taken away. The short name `refs/mitosis` is made to work if there is a
    journal.

    Args:
        repository: the clone.
        remotes: the names of the remotes whose journals are to be fetched.
    """
    Journal(repository).name_shortly()
    written = [*_write_textconv(repository), _write_attributes(repository)]
    for key, refspec in _outdated_refspecs(repository):
        if key in {f"remote.{remote}.fetch" for remote in remotes}:
            repository.git("config", "--local", "--fixed-value", "--unset-all", key, refspec)
            written.append(Written(f"{key} = {refspec}", repository.common_dir / "config", True, is_removed=True))
    for remote in remotes:
        refspecs = layout.fetch_refspecs(remote, with_pins=not repository.is_shallow())
        written += [_write_refspec(repository, remote, refspec) for refspec in refspecs]
    return tuple(written)


def _write_refspec(repository: Repository, remote: str, refspec: str) -> Written:
    key = f"remote.{remote}.fetch"
    changed = refspec not in _read_all(repository, key)
    if changed:
        repository.git("config", "--local", "--add", key, refspec)
    return Written(f"{key} = {refspec}", repository.common_dir / "config", changed)


def refspecs_problems(repository: Repository) -> Iterator[tuple[str, str]]:
    """The settings of remotes that `set_up` would take away, each with what is wrong."""
    for key, refspec in _outdated_refspecs(repository):
        yield key, f"with {refspec}, git fetch takes records for those of another remote: this one was renamed"


def _outdated_refspecs(repository: Repository) -> Iterator[tuple[str, str]]:
    """What `set_up` wrote for remotes when they had other names: `git remote rename` leaves it as it is."""
    text = repository.ask("config", "--local", "--null", "--get-regexp", r"^remote\..*\.fetch$")
    ends = [refspec.split("\0") for refspec in layout.fetch_refspecs("\0", with_pins=True)]
    for item in text.split("\0")[:-1]:
        key, _, refspec = item.partition("\n")
        remote = key.removeprefix("remote.").removesuffix(".fetch")
        is_own = any(refspec.startswith(start) and refspec.endswith(end) for start, end in ends)
        if is_own and refspec not in layout.fetch_refspecs(remote, with_pins=True):
            yield key, refspec


def _command_end() -> str:
    """The end of the command for texts. Each version may show records in its own way, and git keeps them by command."""
    return f" -X mitosis={metadata.version('mitosis')}{_ISOLATED}"  # Python lets anything be said by -X


def textconv_problem(repository: Repository) -> str:
    """What is wrong with how this clone shows records as text, which `set_up` mends; empty if nothing is."""
    present = _read_all(repository, TEXTCONV)
    if not present or present[-1].endswith(_command_end()):
        return ""
    if present[-1].endswith(_ISOLATED):
        return "git may keep texts of records that another version of mitosis has written"
    return "with it, `git log -p` can run modules of the working tree in place of those of Python and mitosis"


def _write_textconv(repository: Repository) -> list[Written]:
    command = f"{shlex.quote(Path(sys.executable).as_posix())}{_command_end()}"
    try:
        repository.identity()
        # One Python a blob takes minutes for some hundred; git keeps the texts in refs/notes/textconv/mitosis.
        cached = "true"
    except NoIdentity:
        cached = "false"  # git would want to know who keeps them, and show nothing
    written = []
    for key, value in ((TEXTCONV, command), (_CACHE, cached)):
        present = ([None, *_read_all(repository, key)])[-1]
        if present != value:
            repository.git("config", "--local", "--replace-all", key, value)
        written.append(Written(f"{key} = {value}", repository.common_dir / "config", present != value))
    return written


def _read_all(repository: Repository, key: str) -> list[str]:
    """All values of a setting in the clone's own configuration."""
    return repository.ask("config", "--local", "--get-all", key).splitlines()


def _write_attributes(repository: Repository) -> Written:
    path = repository.common_dir / "info" / "attributes"
    try:
        present = path.read_bytes() if path.exists() else b""
        changed = ATTRIBUTES_LINE.encode() not in map(bytes.strip, present.splitlines())
        if changed:
            path.parent.mkdir(exist_ok=True)
            with path.open("ab") as file:
                file.write(b"" if present[-1:] in (b"", b"\n") else b"\n")
                file.write(f"{ATTRIBUTES_LINE}\n".encode())
    except OSError as error:
        raise FileTrouble(path, "written", error) from error
    return Written(ATTRIBUTES_LINE, path, changed)
