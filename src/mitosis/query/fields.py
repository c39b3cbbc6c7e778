"""The fields of trials: what each is called, what it holds, and where the index has it.

| Field | Holds |
|---|---|
| `key`, `main`, `started`, ... | what any trial may have, see `mitosis.records.view` |
| `tags`, `note` | the tags of a trial, and what somebody has said of it last |
| `params.STEP.NAME` | the variant's name, or the value of another parameter |
| `value.STEP.NAME`, `value.STEP.NAME.LEAF` | what a variant means, and the leaves of that |
| `metrics.STEP.NAME` | a metric |
| `package.NAME` | the version of a package that was installed |

The step may be left out where only one has such a parameter or metric, and for these `params.` and `metrics.`, too.
"""

from __future__ import annotations

import fnmatch
import functools
from collections.abc import Iterable, Iterator
from enum import Enum
from typing import NamedTuple

from mitosis.errors.base import few, nearest, quoted
from mitosis.errors.usage import UsageError
from mitosis.journal.index import Index
from mitosis.journal.index_schema import NOTE, TAGS, loaded, package_name
from mitosis.query.sql import Sql
from mitosis.records.view import COLUMN_KINDS, Kind, Scalar
from mitosis.text import clean

_NEAR = 5
_ENTRIES = ("params", "metrics", "value", "digest", "expression", "default", "untracked")
"""What the names of fields of parameters and metrics begin with; those in `_SHORT` may go without."""
_SHORT = ("params", "metrics")
SHOWN = ("params", "metrics")
"""Fields that listings and exports have if they are not told which."""


class Type(Enum):
    """What can be known of a field's values before they are read."""

    ANY = "any"
    NUMBER = "number"
    TEXT = "text"
    MOMENT = "moment"
    ID = "id"
    TAGS = "tags"
    TRUTH = "truth"
    """Of conditions, not of fields."""


_TYPES = {
    Kind.TEXT: Type.TEXT,
    Kind.VALUE: Type.ANY,
    Kind.COUNT: Type.NUMBER,
    Kind.SECONDS: Type.NUMBER,
    Kind.BYTES: Type.NUMBER,
    Kind.MOMENT: Type.MOMENT,
    Kind.ID: Type.ID,
}


class Field(NamedTuple):
    """A field that some trial has."""

    name: str
    type: Type
    sql: Sql
    """Its value, of a row of `listing`."""


class UnknownField(UsageError):
    """A word that names no field, or several. Attributes: name (as it was given), near (what may have been meant)."""

    def __init__(self, name: str, near: Iterable[str], *, is_ambiguous: bool = False) -> None:
        self.name = name
        self.near = tuple(near)
        if is_ambiguous:
            self.reason = f"`{clean(name, 80)}` could be several fields"
            hint = f"Write which: {few([f'`{clean(other)}`' for other in self.near], ' or ')}."
        else:
            self.reason = f"there is no field `{clean(name, 80)}`"
            hint = f"Nearest: {quoted(map(clean, self.near))}. " if self.near else ""
            hint += "`mitosis fields` lists all."
        self.hint = hint
        super().__init__(f"{self.reason}\n{hint}")


class Fields:
    """The fields that the trials of a journal have.

    Args:
        index: of the journal.
    """

    def __init__(self, index: Index) -> None:
        self._index = index
        rows = index.ask("SELECT name, id, kind, step, label FROM names ORDER BY kind, step, id")
        self._entries = {name: (number, kind, step, label) for name, number, kind, step, label in rows}

    @functools.cached_property
    def _leaves(self) -> dict[str, tuple[str, str]]:
        """For the full name of each leaf of a locked value that was used, the parameter's name and its path."""
        found = {}
        question = "SELECT DISTINCT step, parameter, leaf FROM variants JOIN leaves USING (digest) WHERE leaf != ''"
        for step, parameter, leaf in self._index.ask(f"{question} ORDER BY step, parameter, leaf"):
            of_parameter = f"{step}.{parameter}"
            if f"value.{of_parameter}" in self._entries:
                found[f"value.{of_parameter}{_dotted(leaf)}"] = (of_parameter, leaf)
        return found

    @functools.cached_property
    def _packages(self) -> list[str]:
        return [f"package.{name}" for (name,) in self._index.ask("SELECT DISTINCT name FROM packages ORDER BY name")]

    def names(self) -> Iterator[str]:
        """The full names of all fields: those that any trial may have, parameters and metrics, and then the rest."""
        yield from COLUMN_KINDS
        yield from ("tags", "note")
        kinds = sorted({kind for _, kind, _, _ in self._entries.values()}, key=_rank)
        for kind in kinds:
            yield from (name for name, entry in self._entries.items() if entry[1] == kind)
        yield from self._leaves
        yield from self._packages

    def find(self, word: str) -> Field:
        """The field that a word names.

        Raises:
            UnknownField: it names none, or several.
        """
        if word in COLUMN_KINDS:
            return Field(word, _TYPES[COLUMN_KINDS[word]], Sql(f'listing."{word}"'))
        if word in ("tags", "note"):
            return Field(word, Type.TAGS if word == "tags" else Type.TEXT, Sql(TAGS if word == "tags" else NOTE))
        kind, _, rest = word.partition(".")
        if kind == "package":
            return self._package(word, rest)
        if word in self._entries:
            return self._entry(word)
        if kind == "value" and word in self._leaves:
            return self._leaf(word)
        found = [name for name, (_, of, _, label) in self._entries.items() if of == kind and label == rest]
        if kind == "value":
            found += [name for name, (of, leaf) in self._leaves.items() if rest == _label(of) + _dotted(leaf)]
        if not found:
            found = [name for name, (_, of, _, label) in self._entries.items() if of in _SHORT and label == word]
        if not found:
            found = [name for name, (_, of, _, _) in self._entries.items() if of in _SHORT and name == f"{of}.{word}"]
        if len(found) == 1:
            return self.find(found[0])
        raise UnknownField(word, found or self._nearest(word), is_ambiguous=len(found) > 1)

    def match(self, pattern: str) -> list[Field]:
        """The fields that a word names, or all whose full names match a pattern such as `metrics.*`.

        Raises:
            UnknownField: there are none.
        """
        if not any(mark in pattern for mark in "*?"):
            return [self.find(pattern)]
        found = [name for name in self.names() if fnmatch.fnmatchcase(name, pattern)]
        if not found:
            raise UnknownField(pattern, self._nearest(pattern.strip("*.")))
        return [self.find(name) for name in found]

    def shown(self) -> list[Field]:
        """What exports have if they are not told which fields: all but leaves, packages and how a value was given."""
        entries = [name for kind in SHOWN for name, entry in self._entries.items() if entry[1] == kind]
        return [self.find(name) for name in (*COLUMN_KINDS, "tags", "note", *entries)]

    def example(self, field: Field) -> Scalar:
        """The value of a field in the newest trial that has it."""
        sql = field.sql
        question = (
            f"SELECT {sql.text} AS value FROM listing WHERE value IS NOT NULL ORDER BY started DESC, key DESC LIMIT 1"
        )
        rows = self._index.ask(question, sql.values)
        return loaded(rows[0][0]) if rows else None

    def _entry(self, name: str) -> Field:
        number, kind, *_ = self._entries[name]
        sql = Sql(f"(SELECT value FROM entries WHERE name = {number:d} AND trial = listing.id)")
        return Field(name, Type.ID if kind == "digest" else Type.ANY, sql)

    def _leaf(self, name: str) -> Field:
        of_parameter, leaf = self._leaves[name]
        number = self._entries[f"digest.{of_parameter}"][0]
        text = (
            "(SELECT leaves.value FROM entries JOIN leaves ON leaf = ? AND digest = entries.value "
            f"WHERE name = {number:d} AND trial = listing.id)"
        )
        return Field(name, Type.ANY, Sql(text, (leaf,)))

    def _package(self, word: str, name: str) -> Field:
        full_name = f"package.{package_name(name)}"
        if full_name not in self._packages:
            raise UnknownField(word, self._nearest(full_name))
        text = "(SELECT version FROM packages WHERE name = ? AND packages.environment = listing.environment)"
        return Field(full_name, Type.TEXT, Sql(text, (package_name(name),)))

    def _nearest(self, word: str) -> list[str]:
        """Full names like a word, by all of it or by what is behind their last dot."""
        known = list(self.names())
        by_label = {name.rpartition(".")[2]: name for name in reversed(known) if name.partition(".")[0] in _SHORT}
        labels = nearest(word.rpartition(".")[2], by_label)
        return list(dict.fromkeys([*nearest(word, known), *(by_label[label] for label in labels)]))[:_NEAR]


def _rank(kind: str) -> tuple[int, str]:
    return _ENTRIES.index(kind) if kind in _ENTRIES else len(_ENTRIES), kind


def _dotted(leaf: str) -> str:
    return leaf if leaf.startswith(("[", "(", "<")) else f".{leaf}"


def _label(of_parameter: str) -> str:
    return of_parameter.rpartition(".")[2]
