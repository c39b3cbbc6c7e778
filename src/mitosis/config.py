"""The table `[tool.mitosis]` of a pyproject.toml: the registered steps and where things are.

Every key is described in docs/reference/configuration.md.
"""

from __future__ import annotations

import keyword
import os
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from mitosis.errors.base import nearest
from mitosis.errors.usage import BadModule, ConfigError, NoStep, RepeatedStep, UnknownStep

FIGURE_FORMATS = ("png", "svg")
FIGURE_DPI = (10, 2400)
"""The least and the most."""
HOOK_SETTINGS = ("warn", "strict", "off")
Sign = Literal["no", "yes", "require"]
"""Whether commits of the journal are signed, and those that come from others have to be."""
SIGN_SETTINGS: Mapping[object, Sign] = {False: "no", True: "yes", "require": "require"}

_HEADER = "[tool.mitosis.steps]"
_EXAMPLE = 'my_step = ["my_package.my_module:run", "my_package.my_module:lookup_dict"]'
_INIT_LINES = (
    _HEADER,
    "# One step a line: the callable to run, and the dictionary that its variants are looked up in, if it has any.",
    f"# {_EXAMPLE}",
)

_PLACE = re.compile(r"(.*?)(?: \(at (?:line (\d+), column (\d+)|end of document)\))?", re.DOTALL)
"""What tomllib says is wrong, and where: until Python 3.14 only its message says that."""

CONFIG_NAME = "pyproject.toml"


@dataclass(frozen=True, slots=True)
class StepConfig:
    """A registered step. References have the form `package.module:attribute` or `package.module:Class.method`."""

    name: str
    action: str
    """Reference of the callable."""
    lookup: str | None = None
    """Reference of the lookup dictionary; None for a step that has no variants."""
    main: str = "main"
    """What its main result is called where it is shown."""
    better: Literal["higher", "lower"] | None = None
    """Which of two main results is the better one; None where nothing was said."""

    @property
    def references(self) -> tuple[str, ...]:
        """All that it has."""
        return (self.action,) if self.lookup is None else (self.action, self.lookup)


@dataclass(frozen=True, slots=True)
class Config:
    """What `[tool.mitosis]` says."""

    path: Path
    """The file, absolute."""
    steps: Mapping[str, StepConfig]
    """Steps by name, in the order of the file."""
    trials_folder: str | None
    """As it was written; None when the file says nothing."""
    pythonpath: tuple[Path, ...]
    """Folders to import from, after what is installed; absolute."""
    allow_changes: tuple[str, ...] = ()
    """Pathspecs of git's for tracked files that a trial does not need to find as they were committed."""
    remote: str | None = None
    """The remote to exchange records with; None for that which `git push` pushes to."""
    auto_push: bool = False
    """Whether records are pushed after each trial."""
    hook: str = "warn"
    """What the hook does about a commit that changes a locked variant: one of `HOOK_SETTINGS`."""
    figure_dpi: float | None = None
    """Pixels per inch of figures as PNG; None for twice as many as they say themselves."""
    figure_format: str = "png"
    """One of `FIGURE_FORMATS`."""
    template: str | None = None
    """For the page: a folder, relative to that of the file, or the name of an installed one; None for mitosis's own."""
    sign: Sign = "no"
    secrets: tuple[str, ...] = ()
    """Patterns for names of parameters that hold secrets; of those that do not, where a `!` stands before them."""


def read_config(path: Path, *, steps_needed: bool = True) -> Config:
    """Read `[tool.mitosis]`.

    Args:
        path: a TOML file, as a rule pyproject.toml.
        steps_needed: whether a file without the table of steps is an error.

    Raises:
        ConfigError: the file is missing, unreadable or no TOML, or the table does not say what it should.
    """
    path = path.absolute()
    return parse_config(_read_text(path), path, steps_needed=steps_needed)


def parse_config(text: str, path: Path, *, steps_needed: bool = True) -> Config:
    """What a TOML text says in `[tool.mitosis]`; see `read_config`.

    Args:
        text: the whole file.
        path: where it is, or would be: folders are relative to that; absolute.
        steps_needed: whether a file without the table of steps is an error.

    Raises:
        ConfigError: it is not TOML, or the table does not say what it should.
    """
    table = _table(path, _table(path, _parse(text, path), "tool", "tool"), "mitosis", "tool.mitosis")
    _check_keys(path, table, KEYS, "tool.mitosis")
    if steps_needed and "steps" not in table:
        raise ConfigError(
            path,
            f"no steps are registered, because there is no table {_HEADER}\n"
            f"Add these lines with your own names, or run `mitosis init`:\n    {_HEADER}\n    {_EXAMPLE}",
        )
    steps = _table(path, table, "steps", "tool.mitosis.steps")
    return Config(
        path=path,
        steps={name: _read_step(path, name, entry) for name, entry in steps.items()},
        trials_folder=_read_value(path, table, "trials-folder"),
        pythonpath=tuple((path.parent / item).resolve() for item in _read_value(path, table, "pythonpath", ["."])),
        remote=_read_value(path, table, "remote"),
        auto_push=_read_value(path, table, "auto-push", False),
        hook=_read_value(path, table, "hook", "warn"),
        allow_changes=tuple(_read_value(path, table, "allow-changes", [])),
        figure_dpi=_read_value(path, table, "figure-dpi"),
        figure_format=_read_value(path, table, "figure-format", "png"),
        template=_read_value(path, table, "template"),
        sign=SIGN_SETTINGS[_read_value(path, table, "sign", False)],
        secrets=tuple(_read_value(path, table, "secrets", [])),
    )


def find_config(root: Path, name: str | None, *, steps_needed: bool) -> Config:
    """Read the configuration.

    Args:
        root: top of the working tree, which `name` is relative to.
        name: the file; None for pyproject.toml, which may be missing when no steps are needed.
        steps_needed: whether a table of steps has to be there.
    """
    path = root / (name or CONFIG_NAME)
    if name is None and not steps_needed and not path.exists():
        return Config(path=path, steps={}, trials_folder=None, pythonpath=(root,))
    return read_config(path, steps_needed=steps_needed)


def config_name(root: Path, name: str | None) -> str:
    """The path of the configuration relative to the top, with `/`, as git has it; see `find_config`."""
    return Path(os.path.relpath(root / (name or CONFIG_NAME), root)).as_posix()


def select_steps(config: Config, names: Sequence[str]) -> tuple[StepConfig, ...]:
    """The steps of one experiment, in the order of `names`.

    Raises:
        NoStep: `names` is empty.
        UnknownStep: a name is not registered.
        RepeatedStep: a name is given twice.
    """
    if not names:
        raise NoStep(config.steps, config.path)
    for position, name in enumerate(names):
        if name not in config.steps:
            raise UnknownStep(name, config.steps, config.path)
        if name in names[:position]:
            raise RepeatedStep(name)
    return tuple(config.steps[name] for name in names)


def module_step(module: str) -> StepConfig:
    """The step that `-m MODULE` stands for, without registration.

    Args:
        module: `package.module` for its `run` and `lookup_dict`, or `package.module:Class` for those of a class.

    Raises:
        BadModule: it is neither.
    """
    name, colon, qualified = module.partition(":")
    if not _is_dotted_name(name) or name.endswith(".py") or (colon and not _is_dotted_name(qualified)):
        raise BadModule(module)
    prefix = f"{module}." if colon else f"{module}:"
    return StepConfig(name=module, action=f"{prefix}run", lookup=f"{prefix}lookup_dict")


def add_steps_table(text: str, path: Path = Path("pyproject.toml")) -> str | None:
    """Add an empty `[tool.mitosis.steps]` with a commented example to a TOML text.

    What stands there already stays as it is, byte for byte; line endings follow it.

    Args:
        text: the whole file.
        path: the file to name in errors.

    Returns:
        The new text, or None when the table is there already.

    Raises:
        ConfigError: `text` is not TOML, or holds something else where the table should be.
    """
    table = _table(path, _table(path, _parse(text, path), "tool", "tool"), "mitosis", "tool.mitosis")
    if "steps" in table:
        _table(path, table, "steps", "tool.mitosis.steps")
        return None
    newline = "\r\n" if "\r\n" in text else "\n"
    ending = "" if not text.strip("\ufeff") or text.endswith("\n") else newline
    gap = "" if not text.strip("\ufeff\r\n") or text.endswith("\n" + newline) else newline
    longer = text + ending + gap + "".join(line + newline for line in _INIT_LINES)
    try:
        _parse(longer, path)
    except ConfigError as error:
        # A table written in braces cannot be continued under a header further down.
        raise ConfigError(
            path,
            "the steps cannot be added to a table that is written in braces\n"
            "Write it with a header of its own, [tool.mitosis], and try again.",
            key="tool.mitosis" if table else "tool",
        ) from error
    return longer


def _read_text(path: Path) -> str:
    try:
        data = path.read_bytes()
    except FileNotFoundError as error:
        raise ConfigError(
            path, "there is no such file\nMake one with `mitosis init`, or name another with --config."
        ) from error
    except OSError as error:
        raise ConfigError(path, f"it cannot be read: {error.strerror}") from error
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise ConfigError(path, f"line {line} is not UTF-8, as TOML has to be") from error


def _parse(text: str, path: Path) -> Mapping[str, Any]:
    """What a TOML text says."""
    import tomllib

    try:
        return tomllib.loads(text.removeprefix("\ufeff"))
    except RecursionError as error:
        raise ConfigError(path, "not valid TOML: it is nested too deeply") from error
    except tomllib.TOMLDecodeError as error:
        problem, number, column = _PLACE.fullmatch(str(error)).groups()  # type: ignore[union-attr]
        lines = text.splitlines()
        at = int(number or len(lines))
        shown = f"\n    {at} | {lines[at - 1]}" if 0 < at <= len(lines) else ""
        place = f"line {at}, column {column}" if column else f"line {at}"
        raise ConfigError(path, f"{place}: not valid TOML: {problem}{shown}") from error


def _table(path: Path, parent: Mapping[str, Any], name: str, key: str) -> Mapping[str, Any]:
    """The table `name` of `parent`; an empty one where there is none."""
    table = parent.get(name, {})
    if not isinstance(table, dict):
        raise ConfigError(path, "this should be a table", key=key)
    return table


def _check_keys(path: Path, table: Mapping[str, Any], known: Sequence[str], key: str) -> None:
    for name, value in table.items():
        if name not in known:
            near = nearest(name, known)
            hint = f"did you mean `{near[0]}`?" if near else f"the keys are {', '.join(known)}"
            if known is STEP_KEYS and isinstance(value, list | dict):
                hint += "\nA step's name cannot contain a dot."
            raise ConfigError(path, f"unknown key `{name}`: {hint}", key=key)


def _read_step(path: Path, name: str, entry: object) -> StepConfig:
    key = f"tool.mitosis.steps.{name}" if name.isidentifier() else f'tool.mitosis.steps."{name}"'
    _check_step_name(path, name, key)
    table: Mapping[str, Any] = entry if isinstance(entry, dict) else {}
    if isinstance(entry, list) and 0 < len(entry) <= len(_REFERENCES):
        table = dict(zip(_REFERENCES, entry, strict=False))
    _check_keys(path, table, STEP_KEYS, key)
    action, lookup = table.get("action"), table.get("lookup")
    if not (isinstance(action, str) and isinstance(table.get("lookup", ""), str)):
        raise ConfigError(
            path,
            'this should be a list of strings: ["module:callable", "module:lookup_dict"], or the first alone\n'
            'or a table: { action = "module:callable", lookup = "module:lookup_dict", main = "accuracy" }',
            key=key,
        )
    main, better = _read_value(path, table, "main", "main", of=key), _read_value(path, table, "better", of=key)
    step = StepConfig(name, action, lookup, main, better)
    for reference in step.references:
        if not is_reference(reference):
            form = "it should look like `package.module:name` or `package.module:Class.name`"
            raise ConfigError(path, f"`{reference}` is not a reference: {form}", key=key)
    return step


def _check_step_name(path: Path, name: str, key: str) -> None:
    bad = next((c for c in name if c in ".=+" or c.isspace() or not c.isprintable()), None)
    if not name:
        problem = "a step's name cannot be empty"
    elif name.startswith("-"):
        problem = "a step's name cannot begin with `-`: the command line would take it for an option"
    elif bad is not None:
        shown = "a space" if bad == " " else f"`{ascii(bad)[1:-1]}`"
        problem = (
            f"a step's name cannot contain {shown}: parameters are written `step.param=value`, and steps are "
            "joined with `+`"
        )
    else:
        return
    raise ConfigError(path, problem, key=key)


def _read_value(path: Path, table: Mapping[str, Any], key: str, default: Any = None, of: str = "tool.mitosis") -> Any:
    """What a key is set to, if that is something that it can be."""
    if key not in table:
        return default
    is_possible, expected = {**_VALUES, **_STEP_VALUES}[key]
    if not is_possible(table[key]):
        raise ConfigError(path, expected, key=f"{of}.{key}")
    return table[key]


def _is_text(value: object) -> bool:
    return isinstance(value, str) and bool(value.strip()) and "\0" not in value


def _is_remote(value: object) -> bool:
    return isinstance(value, str) and _is_text(value) and not value.startswith("-")


def _are_texts(value: object) -> bool:
    return isinstance(value, list) and all(isinstance(item, str) and item for item in value)


def _is_label(value: object) -> bool:
    return isinstance(value, str) and value.isprintable() and 0 < len(value.strip()) == len(value) <= 40


def _is_dpi(value: object) -> bool:
    least, most = FIGURE_DPI
    return isinstance(value, int | float) and not isinstance(value, bool) and least <= value <= most


_VALUES: Mapping[str, tuple[Callable[[object], bool], str]] = {
    "trials-folder": (_is_text, 'this should be the path of a folder, such as "trials"'),
    "pythonpath": (_are_texts, 'this should be a list of folders, relative to this file, such as ["."] or ["src"]'),
    "remote": (_is_remote, 'this should be the name of a git remote, such as "origin"'),
    "auto-push": (lambda value: isinstance(value, bool), "this should be true or false"),
    "hook": (
        lambda value: value in HOOK_SETTINGS,
        'this should be "warn", "strict" or "off": whether a commit that changes a locked variant passes with a '
        "warning, is stopped, or is not checked",
    ),
    "allow-changes": (_are_texts, 'this should be a list of patterns for files, such as ["*.md", "paper/**"]'),
    "figure-dpi": (_is_dpi, f"this should be a number of pixels per inch, from {FIGURE_DPI[0]} to {FIGURE_DPI[1]}"),
    "figure-format": (lambda value: value in FIGURE_FORMATS, 'this should be "png" or "svg"'),
    "template": (
        _is_text,
        "this should be the folder of a template, relative to this file, or the name of an installed one, such as "
        '"lab"',
    ),
    "sign": (lambda value: isinstance(value, bool) or value == "require", 'this should be true, false or "require"'),
    "secrets": (_are_texts, 'this should be a list of patterns for names of parameters, such as ["*_pin", "!token"]'),
}
"""Of each key beside the steps: what can be its value, and what to say where something else stands."""
_STEP_VALUES: Mapping[str, tuple[Callable[[object], bool], str]] = {
    "main": (_is_label, 'this should be a name for the main result, of at most 40 characters, such as "accuracy"'),
    "better": (
        lambda value: value in ("higher", "lower"),
        'this should be "higher" or "lower": which of two main results is the better one',
    ),
}
"""The same for the table of a step, beside its references."""
KEYS = ("steps", *_VALUES)
"""The keys of `[tool.mitosis]`."""
_REFERENCES = ("action", "lookup")
STEP_KEYS = (*_REFERENCES, *_STEP_VALUES)
"""The keys of a step that is registered as a table."""


def is_reference(text: str) -> bool:
    """Whether `text` has the form `package.module:attribute`, each side perhaps dotted."""
    module, colon, qualified = text.partition(":")
    return bool(colon) and _is_dotted_name(module) and _is_dotted_name(qualified)


def _is_dotted_name(text: str) -> bool:
    return all(part.isidentifier() and not keyword.iskeyword(part) for part in text.split("."))
