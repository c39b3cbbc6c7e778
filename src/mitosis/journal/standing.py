"""What the journal says of a variant beside its value: a newer name, that it is retired, the source of its functions,
that it was released.

Each remark is a file of its own, named by the digest of its content, so that those of two people stand side by side
when their journals are merged:

    renamed/<step>/<parameter>/<variant>/<digest>.msgpack     {"name": the new variant}
    retired/<step>/<parameter>/<variant>/<digest>.msgpack     {"reason": why, perhaps empty}
    sources/<step>/<parameter>/<variant>/<digest>.msgpack     {"functions": digests of their sources by name}
    released/<step>/<parameter>/<variant>/<digest>.msgpack    {"lock": digest of the value that it had}
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import msgpack

from mitosis.errors.journal import BadRecord
from mitosis.journal import layout
from mitosis.journal.storage.objects import ReadOnlyStore
from mitosis.variants import VariantName, changed_functions

MAX_REMARK_BYTES = 2**20
MAX_REASON_LENGTH = 10_000
"""Of a reason that is given; a longer one that was recorded is read all the same."""
_MAX_ITEMS = 10_000

_KEYS: Mapping[str, tuple[str, type]] = {
    layout.RENAMED: ("name", str),
    layout.RETIRED: ("reason", str),
    layout.SOURCES: ("functions", dict),
    layout.RELEASED: ("lock", str),
}


@dataclass(slots=True)
class Remarks:
    """All remarks on one variant."""

    new_names: list[str] = field(default_factory=list)
    """Variants that it has been renamed to."""
    reasons: list[str] = field(default_factory=list)
    """Why it is retired; it is not while there is none."""
    sources: list[Mapping[str, str]] = field(default_factory=list)
    """Digests of the source of the functions that the value names, by name; several if it was locked apart."""

    releases: list[str] = field(default_factory=list)
    """Digests of values that it was locked to, before somebody released it."""

    @property
    def is_retired(self) -> bool:
        return bool(self.reasons)

    def add(self, kind: str, content: Any) -> None:
        lists: dict[str, list[Any]] = {
            layout.RENAMED: self.new_names,
            layout.RETIRED: self.reasons,
            layout.SOURCES: self.sources,
            layout.RELEASED: self.releases,
        }
        lists[kind].append(content)

    def changed_functions(self, now: Mapping[str, str]) -> tuple[str, ...]:
        """The functions whose source is not as when the variant was locked; none where nothing is known of that."""
        changes = [changed_functions(recorded, now) for recorded in self.sources]
        return min(changes, key=len, default=())


def remark_file(kind: str, variant: VariantName, content: object) -> tuple[str, bytes]:
    """Path and bytes of a remark.

    Args:
        kind: `layout.RENAMED`, `RETIRED`, `SOURCES` or `RELEASED`.
        variant: what the remark is about.
        content: the new name, the reason, the digests, or the digest of the value.
    """
    data: bytes = msgpack.packb({_KEYS[kind][0]: content}, unicode_errors="surrogatepass")
    return f"{layout.remark_folder(kind, variant)}/{layout.digest_name(data)}", data


def decode_remark(kind: str, name: str, data: bytes, where: str) -> Any:
    """What a remark says.

    Args:
        kind: as in `remark_file`.
        name: of its file.
        data: its bytes.
        where: its path, to name in errors.

    Raises:
        BadRecord: it is not a remark of that kind, or not the one that its name says.
    """
    if layout.digest_name(data) != name:
        raise BadRecord(where, "its content does not have the digest that its name says")
    key = _KEYS[kind][0]
    fields = parse_remark(data)
    if fields is None or key not in fields:
        raise BadRecord(where, f"it does not say its {key}")
    return fields[key]


def parse_remark(data: bytes) -> dict[str, Any] | None:
    """The fields of a remark of any kind, by name; None if the bytes are not a remark. A later version may add some."""
    if len(data) > MAX_REMARK_BYTES:
        return None
    try:
        fields = msgpack.unpackb(data, max_map_len=_MAX_ITEMS, max_array_len=_MAX_ITEMS, unicode_errors="surrogatepass")
    except Exception:  # msgpack raises several unrelated classes for bytes that are not msgpack
        return None
    if not isinstance(fields, dict):
        return None
    for key, expected in _KEYS.values():
        content = fields.get(key)
        if isinstance(content, expected) and _is_text(content):
            return fields
    return None


def _is_text(content: object) -> bool:
    """Whether it is text, or a mapping of nothing else."""
    if isinstance(content, dict):
        return all(isinstance(name, str) and isinstance(text, str) for name, text in content.items())
    return isinstance(content, str)


def read_remarks(store: ReadOnlyStore, tree: str | None, variant: VariantName) -> Remarks:
    """The remarks on a variant in a journal's tree (None: there is no journal yet).

    Raises:
        BadRecord: one of them cannot be read.
    """
    remarks = Remarks()
    for kind in _KEYS:
        folder = layout.remark_folder(kind, variant)
        oid = store.folder_oid(tree, folder)
        if oid is not None:
            for content in read_folder(store, kind, folder, oid):
                remarks.add(kind, content)
    return remarks


def latest_names(remarks: Mapping[VariantName, Remarks], name: VariantName) -> tuple[str, ...]:
    """What a variant is called now, after all that it and its newer names have been renamed to.

    There are several where it was renamed apart, and none where it was not renamed.

    Args:
        remarks: those of all variants of the parameter.
        name: the variant.
    """
    newer: dict[str, list[str]] = {}
    left = [name.variant]
    while left:
        reached = left.pop()
        if reached not in newer:
            of_name = remarks.get(name.renamed(reached))
            newer[reached] = [] if of_name is None else of_name.new_names
            left += newer[reached]
    latest = [reached for reached, names in newer.items() if not names]
    # Where names lead back to each other, none is the latest.
    return tuple(sorted(set(latest or newer) - {name.variant}))


def same_names(remarks: Mapping[VariantName, Remarks]) -> dict[VariantName, frozenset[str]]:
    """The other names that a variant has or had, for all that were ever renamed."""
    linked: dict[VariantName, set[VariantName]] = {}
    for old, of_name in remarks.items():
        for new in map(old.renamed, of_name.new_names):
            linked.setdefault(old, set()).add(new)
            linked.setdefault(new, set()).add(old)
    found: dict[VariantName, frozenset[str]] = {}
    for name in linked:
        if name in found:
            continue
        group = {name}
        left = [name]
        while left:
            fresh = linked[left.pop()] - group
            group |= fresh
            left += fresh
        for member in group:
            found[member] = frozenset(other.variant for other in group - {member})
    return found


def read_folder(
    store: ReadOnlyStore, kind: str, path: str, oid: str, *, problems: list[BadRecord] | None = None
) -> Iterator[Any]:
    """What the remarks of one kind say that are in the folder of a variant; foreign files are left out.

    Args:
        store: the repository's objects.
        kind: of the remarks.
        path: of the folder.
        oid: its tree.
        problems: what cannot be read is appended to it and skipped; None to be told by an error.

    Raises:
        BadRecord: the folder cannot be read, or without `problems` a remark.
    """
    for name, entry in store.read_tree(oid, path).items():
        where = f"{path}/{name}"
        if entry.is_tree or not layout.DIGEST_PATTERN.fullmatch(name.removesuffix(layout.RECORD_SUFFIX)):
            continue
        try:
            content = decode_remark(kind, name, store.read_blob(entry.oid, where, MAX_REMARK_BYTES), where)
        except BadRecord as error:
            if problems is None:
                raise
            problems.append(error)
        else:
            yield content
