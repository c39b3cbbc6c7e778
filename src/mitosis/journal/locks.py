"""Variant locks: the promise that the name of a variant means one value for ever."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from mitosis.errors.base import MitosisError
from mitosis.errors.journal import BadRecord, JournalError, NamingError
from mitosis.errors.repository import UnfitObject
from mitosis.journal import layout
from mitosis.journal.standing import Remarks, latest_names, read_folder
from mitosis.journal.storage.objects import Entry, ReadOnlyStore, object_oid
from mitosis.variants import MAX_NAME_BYTES, Variant, VariantLock, VariantName, is_too_long

MAX_VALUE_BYTES = 64 * 2**20
"""A larger canonical value is neither locked nor read."""
ACCEPT_FUNCTIONS = "If the variants still mean the same with these functions: mitosis lock --accept-functions"
"""What to do about `ChangedFunctions`."""
_SHOWN_LETTERS = 60


@dataclass(frozen=True, slots=True)
class ChangedFunctions:
    """A variant whose value names functions, or classes, with other bodies than when it was locked."""

    variant: VariantName
    functions: tuple[str, ...]
    """`module:qualified.name` of each."""

    def __str__(self) -> str:
        names = ", ".join(f"`{name}`" for name in self.functions)
        has = "has a different body" if len(self.functions) == 1 else "have different bodies"
        return f"{names} {has} than when {self.variant.phrase} was locked"


@dataclass(frozen=True, slots=True)
class RenamedVariant:
    """A variant that has newer names."""

    variant: VariantName
    new_names: tuple[str, ...]

    def __str__(self) -> str:
        names = " or ".join(f"`{name}`" for name in self.new_names)
        return f"{self.variant.phrase} is now called {names}"


@dataclass(frozen=True, slots=True)
class Locks:
    """What the locks say to the variants that a trial wants to use."""

    missing: tuple[Variant, ...]
    """Not locked yet."""
    redefined: tuple[tuple[Variant, Variant], ...]
    """Locked to another value."""
    in_conflict: tuple[tuple[Variant, tuple[Variant, ...]], ...]
    """With several recorded meanings."""
    retired: tuple[tuple[Variant, Remarks], ...]
    """Not to be used any more."""
    changed: tuple[ChangedFunctions, ...]
    """With functions whose bodies have changed."""
    unknown_sources: tuple[Variant, ...]
    """With functions, and nothing is recorded of their sources yet."""
    renamed: tuple[RenamedVariant, ...]
    """With newer names."""

    @property
    def are_violated(self) -> bool:
        return bool(self.redefined or self.in_conflict or self.retired)


def check_locks(store: ReadOnlyStore, tree: str | None, variants: Sequence[Variant]) -> Locks:
    """Compare variants with the locks in a journal's tree (None: there is no journal yet).

    Raises:
        JournalError: a folder of variants cannot be read, or two values are given for one variant.
    """
    missing: list[Variant] = []
    redefined: list[tuple[Variant, Variant]] = []
    in_conflict: list[tuple[Variant, tuple[Variant, ...]]] = []
    folders = _Folders(store, tree)
    distinct = list(_distinct(variants))
    for variant in distinct:
        folder, name = layout.variant_folder(variant.name).rsplit("/", 1)
        entry = folders.read(folder).get(name)
        if entry is None or not entry.is_tree:
            missing.append(variant)
            continue
        if entry.oid == _folder_oid(variant):
            continue
        meanings = list(read_meanings(store, entry.oid, f"{folder}/{name}", variant.name))
        if not meanings:
            missing.append(variant)
        elif len(meanings) > 1:
            in_conflict.append((variant, tuple(meanings)))
        elif not is_whole(meanings[0]):
            raise unreadable_value(meanings[0])
        elif meanings[0].digest != variant.digest:
            redefined.append((variant, meanings[0]))
    retired = [(variant, remarks) for variant, remarks in _remarks(store, folders, layout.RETIRED, distinct)]
    with_functions = [variant for variant in distinct if variant.functions]
    known = list(_remarks(store, folders, layout.SOURCES, with_functions))
    names_known = {variant.name for variant, _ in known}
    changed = [
        ChangedFunctions(variant.name, names)
        for variant, remarks in known
        if (names := remarks.changed_functions(variant.functions))
    ]
    return Locks(
        missing=tuple(missing),
        redefined=tuple(redefined),
        in_conflict=tuple(in_conflict),
        retired=tuple(retired),
        changed=tuple(changed),
        unknown_sources=tuple(variant for variant in with_functions if variant.name not in names_known),
        renamed=tuple(
            RenamedVariant(variant.name, latest_names(_renamings(store, folders, variant, remarks), variant.name))
            for variant, remarks in _remarks(store, folders, layout.RENAMED, distinct)
        ),
    )


def _remarks(
    store: ReadOnlyStore, folders: _Folders, kind: str, variants: Sequence[Variant]
) -> Iterator[tuple[Variant, Remarks]]:
    """Those of the variants that have remarks of one kind.

    One that cannot be read might say that a variant is retired, so that is an error; other kinds are advice.
    """
    problems: list[BadRecord] | None = None if kind == layout.RETIRED else []
    for variant in variants:
        folder, name = layout.remark_folder(kind, variant.name).rsplit("/", 1)
        entry = folders.read(folder).get(name)
        if entry is not None and entry.is_tree:
            remarks = Remarks()
            for content in read_folder(store, kind, f"{folder}/{name}", entry.oid, problems=problems):
                remarks.add(kind, content)
            if remarks != Remarks():
                yield variant, remarks


def _renamings(
    store: ReadOnlyStore, folders: _Folders, variant: Variant, remarks: Remarks
) -> dict[VariantName, Remarks]:
    """The renamings of a variant and of all its newer names."""
    found = {variant.name: remarks}
    left = list(remarks.new_names)
    while left:
        newer = dataclasses.replace(variant, name=variant.name.renamed(left.pop()))
        if newer.name in found:
            continue
        found[newer.name] = Remarks()
        for _, further in _remarks(store, folders, layout.RENAMED, [newer]):
            found[newer.name] = further
            left += further.new_names
    return found


def read_meanings(store: ReadOnlyStore, folder: str, path: str, variant: VariantName) -> Iterator[Variant]:
    """The meanings recorded in the folder of a variant, in order of their digests; foreign files are left out.

    Raises:
        BadRecord: the folder or a value cannot be read.
    """
    for name, entry in store.read_tree(folder, path).items():
        digest = digest_of_file(name)
        if digest is not None and not entry.is_tree:
            yield Variant(variant, digest, _read_value(store, entry.oid, f"{path}/{name}"))


def _read_value(store: ReadOnlyStore, oid: str, path: str) -> bytes:
    """A locked value; nothing, which is no value, if it is one that nobody can read, now or later."""
    try:
        return store.read_blob(oid, path, MAX_VALUE_BYTES)
    except BadRecord as error:
        if isinstance(error.__cause__, UnfitObject):
            return b""
        raise


def read_lock(store: ReadOnlyStore, lock: VariantLock, oid: str) -> Variant:
    """A meaning with its value.

    Args:
        store: the repository's objects.
        lock: which.
        oid: of its file.

    Raises:
        BadRecord: the value cannot be read.
    """
    return Variant(*lock, _read_value(store, oid, layout.variant_path(*lock)))


def is_whole(locked: Variant) -> bool:
    """Whether a recorded value can be read, and is the one that its name says."""
    from mitosis.canonical.encode import digest_value
    from mitosis.canonical.show import summarize_value

    try:
        summarize_value(locked.value)
    except MitosisError:
        return False
    return digest_value(locked.value) == locked.digest


def unreadable_value(locked: Variant) -> BadRecord:
    """What to say of a recorded value for which `is_whole` is false."""
    path = layout.variant_path(*locked.lock)
    large = f"it has more than the {MAX_VALUE_BYTES} bytes that are read"
    reason = "it is no value, or not the one that its name says" if locked.value else large
    return BadRecord(path, reason, layout.VERIFY)


def digest_of_file(name: str) -> str | None:
    """The digest that the name of a file in a variant's folder says; None for a foreign file."""
    digest = name.removesuffix(layout.RECORD_SUFFIX)
    return digest if digest != name and layout.DIGEST_PATTERN.fullmatch(digest) else None


def too_long(name: str) -> str:
    """What to say of a name that is longer than any that is recorded."""
    return (
        f"the name `{name[:_SHOWN_LETTERS]}...` is too long: names of steps, parameters and variants can have at most "
        f"{MAX_NAME_BYTES} bytes\nGive it a shorter one."
    )


def _distinct(variants: Sequence[Variant]) -> Iterator[Variant]:
    digests: dict[VariantName, str] = {}
    for variant in variants:
        for name in filter(is_too_long, variant.name):
            raise NamingError(too_long(name))
        if len(variant.value) > MAX_VALUE_BYTES:
            raise JournalError(
                f"the value of {variant.name.phrase} takes "
                f"{len(variant.value)} bytes, more than the {MAX_VALUE_BYTES} that can be locked\n"
                "Let the lookup dictionary hold what makes the value (a path, a seed, a function) instead of the value."
            )
        if variant.name not in digests:
            digests[variant.name] = variant.digest
            yield variant
        elif digests[variant.name] != variant.digest:
            raise JournalError(f"two values are given for {variant.name.phrase}")


class _Folders:
    """Trees of the journal by path, each read once."""

    def __init__(self, store: ReadOnlyStore, root: str | None) -> None:
        self._store = store
        self._read: dict[str, dict[str, Entry]] = {"": {} if root is None else store.read_tree(root, "")}

    def read(self, path: str) -> dict[str, Entry]:
        """The entries of the folder at `path`; none if there is no such folder."""
        if path not in self._read:
            above, _, name = path.rpartition("/")
            entry = self.read(above).get(name)
            self._read[path] = self._store.read_tree(entry.oid, path) if entry is not None and entry.is_tree else {}
        return self._read[path]


def _folder_oid(variant: Variant) -> str:
    """The id of the folder that holds this value and nothing else: with it a lock is checked without being read."""
    name = f"{variant.digest}{layout.RECORD_SUFFIX}".encode()
    blob = bytes.fromhex(object_oid(b"blob", variant.value))
    return object_oid(b"tree", b"100644 " + name + b"\0" + blob)
