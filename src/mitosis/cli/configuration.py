"""`--config FILE`: where the steps are registered, said once for all commands.

A command that reads the configuration has a parameter `config` of the type here. Before a command's name, the option
means the same as behind it. A command that reads no configuration takes no notice, so that an alias for
`mitosis --config FILE` goes with every command.
"""

from __future__ import annotations

import inspect
from collections.abc import Sequence
from typing import Annotated

from cyclopts import App, Parameter

_NAME = "--config"

ConfigFile = Annotated[
    str | None,
    Parameter(
        name=_NAME,
        help="Configuration file in place of pyproject.toml, relative to the top of the repository.",
    ),
]


def with_config_in_place(app: App, words: Sequence[str]) -> list[str]:
    """The words of a command line, with the option where the command takes it.

    Args:
        app: the command line.
        words: what stands after `mitosis`.
    """
    if words[:1] == ["__complete"]:
        return ["__complete", *with_config_in_place(app, words[1:])]
    count = _length(words, 0)
    if not words[count:] or words[count].startswith("-") or words[count] not in app:
        return list(words)  # it is a trial's
    option, rest = list(words[:count]), list(words[count:])
    names, apps, _ = app.parse_commands(rest)
    function = apps[-1].default_command
    if function is not None and "config" in inspect.signature(function).parameters:
        return [*names, *option, *rest[len(names) :]]
    kept = list(names)
    at = len(names)
    while at < len(rest) and rest[at] != "--":
        kept += rest[at : at + 1] if not (skipped := _length(rest, at)) else []
        at += skipped or 1
    return kept + rest[at:]


def _length(words: Sequence[str], at: int) -> int:
    """How many words the option takes that begins here; 0 where there is another word, or no file."""
    if words[at : at + 1] == [_NAME]:
        return 2 if at + 1 < len(words) else 0
    return int(words[at].startswith(f"{_NAME}=")) if at < len(words) else 0
