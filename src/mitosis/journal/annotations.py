"""What people say of a trial once it is recorded: its tags, and notes on it.

Each annotation is a file of its own, named by the digest of its content, so that those of several people stand side by
side when their journals are merged. None is ever changed or removed:

    annotations/<key[:2]>/<key>/<digest>.msgpack    {"tag": a name, "author": "Name <email>", "when": ISO 8601 in UTC}
                                          {"untag": a name, "of": digests of the tags that it takes back, ...}
                                          {"note": a text, ...}

A trial has a tag while there is one of that name that nobody has taken back. So one that somebody else sets at the same
time stays, and no clock decides.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import msgpack

from mitosis.errors.journal import BadRecord
from mitosis.journal import layout
from mitosis.journal.storage.objects import Entry, ReadOnlyStore
from mitosis.text import cut, one_line, parse_moment

MAX_ANNOTATION_BYTES = 64 * 2**10
MAX_TAG_LENGTH = 100
MAX_NOTE_LENGTH = 10_000
MOST_TAKEN_BACK = 1_000
"""By one annotation. A tag that is there is not set again, so there are several only where people did not know that."""
_MAX_AUTHOR_LENGTH = 1_000
_MOST_FIELDS = 100
_MOST_FILES = 10_000
"""So many of one trial are read."""
_KINDS = ("tag", "untag", "note")
_CONTROL = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029]")


@dataclass(frozen=True, slots=True)
class Tag:
    """That somebody has set a tag."""

    name: str
    author: str
    when: str
    """ISO 8601 in UTC, always to the microsecond, so that the order of the texts is that of the times."""


@dataclass(frozen=True, slots=True)
class Untag:
    """That somebody has taken back a tag, as far as they knew of it."""

    name: str
    of: tuple[str, ...]
    """Digests of the annotations that set it."""
    author: str
    when: str


@dataclass(frozen=True, slots=True)
class Note:
    """What somebody has written on a trial."""

    text: str
    author: str
    when: str


Annotation = Tag | Untag | Note
Entries = Mapping[str, Annotation]
"""The annotations of one trial by their digests, in the order in which they were made."""


@dataclass(frozen=True, slots=True)
class Annotations:
    """What the annotations of a trial say together."""

    tags: tuple[Tag, ...]
    """Those that it has, by name; where several people have set one, the first of them."""
    notes: tuple[Note, ...]
    """Oldest first."""
    problems: tuple[BadRecord, ...]
    """What cannot be read, and does not count."""


def tag_problem(name: str) -> str:
    """Why a text cannot be a tag, in a clause on it; empty where it can."""
    if not name:
        return "it is empty"
    if len(name) > MAX_TAG_LENGTH:
        return f"it has {len(name):,} characters, more than the {MAX_TAG_LENGTH} that a tag may have"
    if _CONTROL.search(name):
        return "there is a line break or another control character in it"
    if name != name.strip():
        return "it begins or ends with a blank"
    if name.startswith("@"):
        return "it begins with `@`"
    return "there is a comma in it" if "," in name else ""


def note_problem(text: str) -> str:
    """Why a text cannot be a note, in a clause on it; empty where it can."""
    if not text.strip():
        return "it is empty"
    is_long = len(text) > MAX_NOTE_LENGTH
    return f"it has {len(text):,} characters, more than the {MAX_NOTE_LENGTH:,} that are kept" if is_long else ""


def annotation_file(key: str, fields: Mapping[str, object], author: str, when: str) -> tuple[str, bytes]:
    """Path and bytes of an annotation.

    Args:
        key: of the trial.
        fields: `tag`, `note`, or `untag` and `of`.
        author: who makes it.
        when: as in `Tag`.
    """
    data: bytes = msgpack.packb({**fields, "author": cut(author, _MAX_AUTHOR_LENGTH), "when": when})
    return f"{layout.annotation_folder(key)}/{layout.digest_name(data)}", data


def decode_annotation(name: str, data: bytes, where: str) -> Annotation:
    """What an annotation says.

    Args:
        name: of its file.
        data: its bytes.
        where: its path, to name in errors.

    Raises:
        BadRecord: it is not an annotation, or not the one that its name says.
    """
    fields = parse_annotation(data)
    reason = "it is neither a tag nor a note, and takes back no tag" if fields is None else _problem(fields)
    if layout.digest_name(data) != name:
        reason = "its content does not have the digest that its name says"
    if fields is None or reason:
        raise BadRecord(where, reason, layout.VERIFY)
    who = (fields["author"], fields["when"])
    if "note" in fields:
        return Note(fields["note"], *who)
    return Tag(fields["tag"], *who) if "tag" in fields else Untag(fields["untag"], tuple(fields["of"]), *who)


def parse_annotation(data: bytes) -> dict[str, Any] | None:
    """The fields of an annotation of any kind, by name; None if the bytes are not one. A later version may add some."""
    if len(data) > MAX_ANNOTATION_BYTES:
        return None
    try:
        fields = msgpack.unpackb(data, max_map_len=_MOST_FIELDS, max_array_len=MOST_TAKEN_BACK)
    except Exception:  # msgpack raises several unrelated classes for bytes that are not msgpack
        return None
    kinds = [kind for kind in _KINDS if isinstance(fields, dict) and kind in fields]
    if len(kinds) != 1 or not all(isinstance(fields.get(name), str) for name in (*kinds, "author", "when")):
        return None
    of = fields.get("of") if kinds == ["untag"] else []
    is_whole = isinstance(of, list) and all(isinstance(d, str) and layout.DIGEST_PATTERN.fullmatch(d) for d in of)
    return fields if is_whole else None


def _problem(fields: Mapping[str, Any]) -> str:
    """Why nobody can have made an annotation with these fields, in a clause; empty if somebody can."""
    when = parse_moment(fields["when"])
    is_exact = when is not None and when.isoformat(timespec="microseconds") == fields["when"]
    if len(fields["author"]) > _MAX_AUTHOR_LENGTH or not is_exact:
        return "it does not say who has made it, and when"
    return note_problem(fields["note"]) if "note" in fields else tag_problem(fields.get("tag", fields.get("untag")))


# --- reading --------------------------------------------------------------------------------------


def read_annotations(store: ReadOnlyStore, tree: str | None, key: str) -> Annotations:
    """What the annotations of a trial say in a journal's tree.

    Args:
        store: the repository's objects.
        tree: of the journal; None while there is none.
        key: of the trial, in full.
    """
    entries: Entries = {}
    problems: list[BadRecord] = []
    try:
        [(_, entries)] = iter_entries(store, tree, [key], problems)
    except BadRecord as error:
        problems.append(error)
    tags: dict[str, Tag] = {}
    for tag in present_tags(entries).values():
        tags.setdefault(tag.name, tag)
    notes = (entry for entry in entries.values() if isinstance(entry, Note))
    return Annotations(tuple(tags[name] for name in sorted(tags)), tuple(notes), tuple(problems))


def present_tags(entries: Entries) -> dict[str, Tag]:
    """The tags that nobody has taken back, by the digests of their annotations."""
    taken_back = {digest for entry in entries.values() if isinstance(entry, Untag) for digest in entry.of}
    return {d: entry for d, entry in entries.items() if isinstance(entry, Tag) and d not in taken_back}


def iter_entries(
    store: ReadOnlyStore, tree: str | None, keys: Iterable[str], problems: list[BadRecord]
) -> Iterator[tuple[str, Entries]]:
    """The full keys of trials, each with the annotations that a journal's tree has of it. Foreign files are left out.

    What of them cannot be read is appended to `problems`.

    Raises:
        BadRecord: a folder cannot be read.
    """
    shards: dict[str, Mapping[str, Entry]] = {}
    for key in keys:
        folder = layout.annotation_folder(key)
        shard, _, name = folder.rpartition("/")
        if shard not in shards:
            oid = store.folder_oid(tree, shard)
            shards[shard] = {} if oid is None else store.read_tree(oid, shard)
        entry = shards[shard].get(name)
        yield key, {} if entry is None or not entry.is_tree else _read_folder(store, key, entry.oid, problems)


def _read_folder(store: ReadOnlyStore, key: str, oid: str, problems: list[BadRecord]) -> Entries:
    folder = layout.annotation_folder(key)
    files = {f"{folder}/{name}": entry.oid for name, entry in store.read_tree(oid, folder).items() if not entry.is_tree}
    found: dict[str, Annotation] = {}
    for path in itertools.islice(filter(layout.parse_annotation_path, files), _MOST_FILES):
        name = path.rpartition("/")[2]
        try:
            data = store.read_blob(files[path], path, MAX_ANNOTATION_BYTES)
            found[name.removesuffix(layout.RECORD_SUFFIX)] = decode_annotation(name, data, path)
        except BadRecord as error:
            problems.append(error)
    if len(files) > _MOST_FILES:
        problems.append(BadRecord(folder, f"it has more than {_MOST_FILES:,} files; no more are read"))
    return dict(sorted(found.items(), key=lambda item: (item[1].when, item[0])))


def describe_annotation(store: ReadOnlyStore, path: str, oid: str) -> str:
    """What the annotation at a path of the journal is, in words."""
    trial = f"trial {layout.parse_annotation_path(path)}"
    try:
        entry = decode_annotation(path.rpartition("/")[2], store.read_blob(oid, path, MAX_ANNOTATION_BYTES), path)
    except BadRecord:
        return f"an annotation of {trial}"
    if isinstance(entry, Note):
        return f"a note on {trial}"
    tag = f"the tag `{one_line(entry.name)}`"
    return f"{tag} of {trial}" if isinstance(entry, Tag) else f"that {trial} has lost {tag}"
