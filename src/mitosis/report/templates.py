"""The user's own template for the page: where it is, and what it is built on.

A template is a folder, as nbconvert has them: `index.html.j2`, and `conf.json`, which may name another template as
its base. nbconvert itself is not imported here, so that a trial is refused in no time where there is no such template.
"""

from __future__ import annotations

import json
import traceback
from dataclasses import dataclass
from pathlib import Path

from mitosis.errors.base import nearest
from mitosis.errors.usage import ConfigError
from mitosis.text import cut

OWN_NAME = "mitosis"
OWN_FOLDER = Path(__file__).parent / "template"
"""Holds the template of that name."""
INDEX = "index.html.j2"
CONF = "conf.json"
KEY = "tool.mitosis.template"

_PROBLEM_CHARACTERS = 300


@dataclass(frozen=True, slots=True)
class Template:
    """A template that the user has chosen."""

    name: str
    """As it was written."""
    config: Path
    """The file that names it."""
    folders: tuple[Path, ...]
    """Its own, and those of the templates that it is built on, in the order in which files are looked for."""
    extends_own: bool
    """Whether it is built on the template of mitosis."""


def find_template(name: str | None, config: Path) -> Template | None:
    """The template that a configuration names; None for that of mitosis.

    Args:
        name: a folder, relative to that of `config`, or the name of a template that is installed for nbconvert.
        config: the configuration file.

    Raises:
        ConfigError: there is no such template, or one that it is built on is missing.
    """
    if name is None:
        return None
    try:
        folder = config.parent / Path(name).expanduser()
        is_template = (folder / INDEX).is_file() or (folder / CONF).is_file()
    except (OSError, RuntimeError) as error:  # RuntimeError: the home of nobody
        raise ConfigError(config, f"there can be no template `{name}`: {error}", key=KEY) from error
    if is_template:
        folders, base, reader = [folder], _base(folder), folder / CONF
    elif name == OWN_NAME:
        return None
    else:
        folders, base, reader = [], name, config
    extends_own = False
    seen: set[str] = set()
    while base is not None:
        if base in seen:
            raise ConfigError(reader, f"the template `{base}` is built on itself")
        seen.add(base)
        places = [OWN_FOLDER] if base == OWN_NAME else template_roots()
        found = [place / base for place in places if _is_name(base) and (place / base).is_dir()]
        if not found:
            raise _unknown(base, reader, config)
        extends_own = extends_own or base == OWN_NAME
        folders += found
        conf = next((place for place in found if (place / CONF).is_file()), None)
        base, reader = (None, reader) if conf is None else (_base(conf), conf / CONF)
    if not any((place / INDEX).is_file() for place in folders):
        raise ConfigError(
            config, f"the template `{name}` makes no page: neither it nor what it is built on has {INDEX}", key=KEY
        )
    return Template(name, config, tuple(folders), extends_own)


def template_roots() -> list[Path]:
    """The folders that hold templates for nbconvert, in the order in which they are looked in.

    Those beside nbconvert come first: they are the ones of its version.
    """
    from importlib.util import find_spec

    from jupyter_core.paths import ENV_JUPYTER_PATH, jupyter_path

    spec = find_spec("nbconvert")
    assert spec is not None and spec.origin is not None
    # Wheels put nbconvert's templates below the prefix that its package is below: `lib/pythonX.Y/site-packages`,
    # or on Windows `Lib/site-packages`.
    beside = [above / "share" / "jupyter" for above in Path(spec.origin).parents[3:5]]
    folders = dict.fromkeys([*beside, *map(Path, ENV_JUPYTER_PATH), *map(Path, jupyter_path())])
    return [folder / "nbconvert" / "templates" for folder in folders]


def describe_template_error(error: Exception, template: Template) -> str:
    """What went wrong while a template was at work, and where in it."""
    text = f"{type(error).__name__}: {error}" if str(error) else type(error).__name__
    text = cut(text, _PROBLEM_CHARACTERS)
    # jinja2 gives a template's frames its file and line.
    for frame in reversed(traceback.extract_tb(error.__traceback__)):
        path = Path(frame.filename)
        if any(path.is_relative_to(folder) for folder in template.folders) and path.suffix == ".j2":
            return f"{path.name}, line {frame.lineno}: {text}"
    return text


def _is_name(text: str) -> bool:
    return not text.startswith((".", "~")) and "/" not in text and "\\" not in text


def _base(folder: Path) -> str | None:
    """The template that the one in `folder` is built on. A folder without `conf.json` is built on that of mitosis."""
    path = folder / CONF
    try:
        conf = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return OWN_NAME
    except (OSError, ValueError) as error:
        raise ConfigError(path, f"the configuration of the template cannot be read: {error}") from error
    base = conf.get("base_template") if isinstance(conf, dict) else conf
    if not isinstance(conf, dict) or not (base is None or isinstance(base, str)):
        raise ConfigError(
            path, 'this should be an object that names the base as a string: {"base_template": "mitosis"}'
        )
    return base


def _installed() -> list[str]:
    """The names of the templates that can make a page."""
    found = (path.parent.name for root in template_roots() for path in root.glob(f"*/{INDEX}"))
    return sorted({OWN_NAME, *found})


def _unknown(name: str, reader: Path, config: Path) -> ConfigError:
    """The error for a template that `reader` names: the configuration, or the `conf.json` of one built on it."""
    known = _installed()
    near = nearest(name, known)
    is_own = reader == config
    text = f"no template `{name}` is installed"
    if is_own:
        text += f", and there is no folder {config.parent / name} with {INDEX}"
    text += f"\n    installed: {', '.join(known)}"
    if near:
        text += f"\nDid you mean {' or '.join(f'`{n}`' for n in near)}?"
    elif is_own:
        text += "\nName one of these, or a folder of your own, relative to this file."
    return ConfigError(reader, text, key=KEY if is_own else None)
