"""Make a clone show the journal well: what `mitosis setup` writes."""

from __future__ import annotations

import shlex
import sys
from dataclasses import dataclass
from pathlib import Path

from mitosis.errors import FileTrouble, GitError
from mitosis.git import Repository

ATTRIBUTES_LINE = "*.msgpack diff=mitosis"
_CONFIG = "diff.mitosis.textconv"


@dataclass(frozen=True, slots=True)
class Written:
    """One thing that set-up sees to."""

    what: str
    """The setting, as text."""
    where: Path
    changed: bool
    """False when it was so already."""


def set_up(repository: Repository) -> tuple[Written, ...]:
    """Have `git log -p refs/mitosis` show records and locks as text, in this clone.

    Writes `diff.mitosis.textconv` to the clone's configuration and a line to its info/attributes, and nothing where
    they are there already.
    """
    return (_write_textconv(repository), _write_attributes(repository))


def _write_textconv(repository: Repository) -> Written:
    value = f"{shlex.quote(Path(sys.executable).as_posix())} -m mitosis textconv"
    try:
        present = repository.git("config", "--local", "--get", _CONFIG).rstrip("\n")
    except GitError as error:
        if error.status != 1:  # 1: it is not set
            raise
        present = None
    if present != value:
        repository.git("config", "--local", "--replace-all", _CONFIG, value)
    return Written(f"{_CONFIG} = {value}", repository.common_dir / "config", present != value)


def _write_attributes(repository: Repository) -> Written:
    path = repository.common_dir / "info" / "attributes"
    try:
        text = path.read_text(encoding="utf-8", errors="surrogateescape") if path.exists() else ""
        changed = ATTRIBUTES_LINE not in (line.strip() for line in text.splitlines())
        if changed:
            path.parent.mkdir(exist_ok=True)
            if text and not text.endswith("\n"):
                text += "\n"
            path.write_text(f"{text}{ATTRIBUTES_LINE}\n", encoding="utf-8", errors="surrogateescape")
    except OSError as error:
        raise FileTrouble(path, "written", error) from error
    return Written(ATTRIBUTES_LINE, path, changed)
