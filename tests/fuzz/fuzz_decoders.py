"""Feeds damaged and made-up bytes to everything in mitosis that reads what somebody else may have written.

    python tests/fuzz/fuzz_decoders.py --inputs 1000000 --seed 1

Each input is a mutation of something real (flipped bits, cut ends, pieces of two, false lengths, fields of other
types) or random. What reads it may return a value or raise a `MitosisError`, and nothing else; a value that it returns
can be written again, and read back as the same; what is made of it for people holds no control characters. Memory is
bounded for the process, time for each input. A failure is printed with the bytes that caused it, and is the exit
status.
"""

from __future__ import annotations

import argparse
import contextlib
import hashlib
import random
import re
import resource
import signal
import sys
import time
import zlib
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import msgpack

from mitosis.canonical.decode import decode_value
from mitosis.canonical.difference import compare_values
from mitosis.canonical.encode import encode_value
from mitosis.canonical.full_text import render_value
from mitosis.canonical.nodes import write
from mitosis.canonical.show import summarize_value
from mitosis.cli.output.trial_text import describe_annotations, describe_trial
from mitosis.errors.base import MitosisError
from mitosis.errors.journal import BadRecord
from mitosis.errors.repository import UnreadableObject
from mitosis.git.objects import GitObject, inflate
from mitosis.git.repository import Repository
from mitosis.journal import layout
from mitosis.journal.annotations import Annotations, Note, Tag, Untag, annotation_file, decode_annotation
from mitosis.journal.messages import ended_message, note_line, render_blob, started_message
from mitosis.journal.notes import note_of, parse_note
from mitosis.journal.storage.store import Store
from mitosis.journal.storage.walking import iter_changes
from mitosis.records.codec import decode_trial, encode_trial
from mitosis.text import clean
from mitosis.variants import VariantLock, VariantName

sys.path.insert(0, str(Path(__file__).parents[1]))

from support.records import FAILED

FORMATS = Path(__file__).parents[1] / "formats"
MEMORY_LIMIT_BYTES = 2 * 2**30
TIME_LIMIT_S = 1.0
"""Of the processor, for one input."""
HANG_LIMIT_S = 20

HOSTILE_TEXTS = (
    "",
    "\x1b[2J\x1b]0;title\x07",
    "<script>alert(1)</script>",
    "\u202eevil\u2066",
    "a\nb\rc\x85d\u2028e",
    "../../../etc/passwd",
    "\x00",
    "x" * 5000,
    "0001-01-01T00:00:00+23:59",
    "9999-12-31T23:59:59.999999-23:59",
    "2026-03-01",
    "%s{0}%(name)s",
)
HOSTILE_VALUES: tuple[Any, ...] = (
    *HOSTILE_TEXTS,
    *(None, True, 0, -1, 2**63, 2**64 - 1, -(2**63)),
    *(1e308, float("nan"), float("inf"), float("-inf"), -0.0),
    b"bytes",
    [],
    {},
    [[]],
    {"a": {"b": [1]}},
    {"x\x1b[1m": "y"},
)

RECORD = FAILED.with_changes(extra={"new field": [1, {"deep": None}]})


class Found(AssertionError):
    """Something that must not happen, happened."""


class Target(NamedTuple):
    """One thing that reads bytes."""

    seeds: Sequence[bytes]
    read: Callable[[bytes], None]
    """Reads an input, and checks what comes of it."""
    restructure: Callable[[bytes, random.Random], bytes] | None = None
    """Makes a mutation that keeps the input well formed."""


# --- inputs ---------------------------------------------------------------------------------------

_LENGTHS = (
    b"\xdc\xff\xff",
    b"\xdd\x7f\xff\xff\xff",
    b"\xdd\xff\xff\xff\xff",
    b"\xde\xff\xff",
    b"\xdf\x7f\xff\xff\xff",
    b"\xdb\x7f\xff\xff\xff",
    b"\xc6\x7f\xff\xff\xff",
    b"\xc9\x7f\xff\xff\xff\x01",
    b"\xd4\x01\x00",
    b"\xc7\x05\x01\xff\xff\xff\xff\xff",
    b"\xcf" + b"\xff" * 8,
    b"\xcb\x7f\xf8\x00\x00\x00\x00\x00\x00",
    b"\x91" * 600,
    b"\x81\xa1x" * 300,
    b"\xc1",
)
"""Tokens of msgpack that promise more than there is, nest deeply, or are not allowed."""


def mutate(data: bytes, other: bytes, generator: random.Random) -> bytes:
    """A damaged copy: of one to four random injuries."""
    result = bytearray(data)
    for _ in range(generator.randint(1, 4)):
        at = generator.randrange(len(result) + 1)
        end = min(len(result), at + generator.randint(0, 24))
        kind = generator.randrange(8)
        if kind == 0 and at < len(result):
            result[at] ^= 1 << generator.randrange(8)
        elif kind == 1 and at < len(result):
            result[at] = generator.randrange(256)
        elif kind == 2:
            del result[at:end]
        elif kind == 3:
            result[at:at] = result[at:end] * generator.randint(1, 4)
        elif kind == 4:
            start = generator.randrange(len(other) + 1)
            result[at:end] = other[start : start + generator.randint(0, 64)]
        elif kind == 5:
            token = generator.choice(_LENGTHS)
            result[at : at + len(token) * generator.randrange(2)] = token
        elif kind == 6:
            del result[at:]
        else:
            result[at:at] = generator.randbytes(generator.randint(1, 8))
    return bytes(result)


def make_input(target: Target, generator: random.Random) -> bytes:
    """One input for a target."""
    choice = generator.random()
    if choice < 0.05:
        return generator.randbytes(generator.choice((1, 4, 16, 64, 300)))
    data = generator.choice(target.seeds)
    if choice < 0.06:
        return data
    if target.restructure is not None and choice < 0.4:
        data = target.restructure(data, generator)
        if choice < 0.3:
            return data
    return mutate(data, generator.choice(target.seeds), generator)


def restructure_plain(data: bytes, generator: random.Random) -> bytes:
    """The msgpack with some of its parts replaced by parts of another type or by hostile texts."""
    plain = msgpack.unpackb(data, strict_map_key=False)
    for _ in range(generator.randint(1, 5)):
        plain = _replaced(plain, generator)
    packed: bytes = msgpack.packb(plain)
    return packed


def _replaced(value: Any, generator: random.Random) -> Any:
    if isinstance(value, dict) and value and generator.random() < 0.9:
        name = generator.choice(list(value))
        if generator.random() < 0.1:
            return {(generator.choice(HOSTILE_TEXTS) if key == name else key): item for key, item in value.items()}
        return {**value, name: _replaced(value[name], generator)}
    if isinstance(value, list) and value and generator.random() < 0.8:
        at = generator.randrange(len(value))
        return [*value[:at], _replaced(value[at], generator), *value[at + generator.randrange(2) :]]
    if generator.random() < 0.8:  # something of the same type gets further
        alike = [other for other in HOSTILE_VALUES if type(other) is type(value)]
        return generator.choice(alike or HOSTILE_VALUES)
    return generator.choice(HOSTILE_VALUES)


def restructure_canonical(data: bytes, generator: random.Random) -> bytes:
    """The entries of a canonical value with some items exchanged, references among them."""
    version, root, *entries = msgpack.unpackb(data, strict_map_key=False)
    for _ in range(generator.randint(1, 6)):
        if not entries:
            break
        entry = generator.choice(entries)
        at = generator.randrange(len(entry) + 1)
        new: Any = generator.choice(HOSTILE_VALUES[:-5])
        if generator.random() < 0.6:
            new = msgpack.ExtType(generator.choice((1, 1, 3)), bytes([generator.randrange(len(entries) + 1)]))
        if at == 0:
            entry[0] = generator.randrange(9)
        else:
            entry[at : at + generator.randrange(2)] = [new]
    if generator.random() < 0.3:
        entries += [list(entry) for entry in entries[: generator.randint(0, 3)]]
    packed: bytes = msgpack.packb([version, root, *entries])
    return packed


# --- what reads them ------------------------------------------------------------------------------


def demand(truth: bool, what: str) -> None:
    if not truth:
        raise Found(what)


_UNPRINTABLE = re.compile("[\x00-\x09\x0b-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069]")
"""Control characters but for the line break, and what changes lines or the direction of text."""


def demand_lines(text: str, what: str) -> None:
    """Nothing in a text for people steers the terminal or reorders the text."""
    found = _UNPRINTABLE.search(text)
    demand(found is None, f"{what} holds {found}")


def read_record(data: bytes) -> None:
    text = render_blob("trials/my_exp/2026-03-01/5f/5f2c91d07a3b.msgpack", data)
    demand_lines(text, "textconv of a record")
    record = decode_trial(data, "here")
    try:
        again = encode_trial(record)
    except BadRecord:
        return  # it is too large to be written
    demand(encode_trial(decode_trial(again, "again")) == again, "a record does not come back")
    for text in (
        note_line(record),
        started_message(record, [VariantLock(VariantName("s", "p", "v"), "d")]),
        ended_message(record),
    ):
        demand_lines(text, "a text for git")
    demand("\n" not in note_line(record), "a line of a note has several")
    note_of([record])
    for line in describe_trial(record, {}):
        clean(line)
    with contextlib.suppress(MitosisError):
        path, _ = layout.record_paths(layout.trial_folder(record.experiment, record.started), record.key)
        demand(".." not in path.split("/") and path.isascii(), f"a path leads elsewhere: {path}")


def read_value(data: bytes) -> None:
    for show in (summarize_value, render_value):
        with contextlib.suppress(MitosisError):
            demand_lines(show(data), f"{show.__name__} of a value")
    demand_lines(render_blob("1" * 40 + ".msgpack", data), "textconv of a value")
    with contextlib.suppress(MitosisError):
        for difference in compare_values(VALUES[0], data).differences:
            str(difference)
    demand(write(decode_value(data)) == data, "a value does not come back")


def read_note(data: bytes) -> None:
    try:
        text = data.decode()
    except UnicodeDecodeError:
        return
    note = parse_note(text)
    if note is not None:
        demand(parse_note(note.to_text()) == note, "a note does not come back")


def read_annotation(data: bytes) -> None:
    demand_lines(render_blob("1" * 40 + ".msgpack", data), "textconv of an annotation")
    entry = decode_annotation(layout.digest_name(data), data, "here")
    fields: dict[str, object] = {"note": entry.text} if isinstance(entry, Note) else {"tag": entry.name}
    if isinstance(entry, Untag):
        fields = {"untag": entry.name, "of": entry.of}
    path, again = annotation_file("0" * 12, fields, entry.author, entry.when)
    demand(decode_annotation(path.rpartition("/")[2], again, path) == entry, "an annotation does not come back")
    tags, notes = (entry,) if isinstance(entry, Tag) else (), (entry,) if isinstance(entry, Note) else ()
    for line in describe_annotations(Annotations(tags, notes, ())):
        demand_lines(line, "a line of mitosis show")


def read_name(data: bytes) -> None:
    component = data.decode("utf-8", "surrogateescape")
    name = layout.decode_name(component)
    path = layout.encode_name(name)
    demand(path.isascii() and path.isprintable(), "an unsafe path")
    demand("/" not in path and path not in ("", ".", ".."), "a path that leads elsewhere")
    if "~" not in path:
        demand(layout.decode_name(path) == name, "a name does not come back")


class MadeUp(Repository):
    """A repository in which every tree is one input, or what stands below it."""

    def with_tree(self, data: bytes) -> MadeUp:
        object.__setattr__(self, "_tree", data)
        object.__setattr__(self, "_reads", 0)
        return self

    def read_object(self, oid: str, limit_bytes: int | None = None) -> GitObject:
        reads = getattr(self, "_reads") + 1  # noqa: B009
        object.__setattr__(self, "_reads", reads)
        if reads > 300 or oid.startswith("00"):
            raise UnreadableObject(oid, "it is missing")
        return GitObject("tree", getattr(self, "_tree"))  # noqa: B009

    def read_blob(self, oid: str, limit_bytes: int | None = None) -> bytes:
        return SEEDS_OF_RECORDS[0]


MADE_UP = MadeUp(Path("/nowhere"), Path("/nowhere/.git"), Path("/nowhere/.git"), None)


def read_tree(data: bytes) -> None:
    repository = MADE_UP.with_tree(data)
    entries = repository.read_entries("1" * 40)
    written = b"".join(b"%s %s\0%s" % (mode, name, raw) for name, mode, raw in entries)
    demand(written == data, "a tree does not come back")

    def tell(problem: BadRecord, oid: str | None = None) -> None:
        clean(str(problem))

    for path, _, _ in iter_changes(Store(repository), None, "1" * 40, "trials", limit=1000, tell=tell, once_each=True):
        layout.parse_record_path(path)
    repository.with_tree(data)
    for path, _, _ in iter_changes(Store(repository), None, "1" * 40, "variants", limit=1000, tell=tell):
        layout.parse_variant_path(path)


def read_loose(data: bytes) -> None:
    with contextlib.suppress(UnreadableObject):
        inflate(data, LOOSE_OID, 10**6)
    found = inflate(data, LOOSE_OID, None)
    demand(found.data == LOOSE_CONTENT, "an object that nobody wrote")


# --- what there is to read ------------------------------------------------------------------------

VALUES = tuple(
    data for path in sorted((FORMATS / "canonical").iterdir()) if len(data := path.read_bytes()) < 4000
) + tuple(encode_value(value) for value in (1, "slow", [1, 2.5, None], {"a": {1, 2}, "b": (True, b"x")}))
SEEDS_OF_RECORDS = (
    encode_trial(RECORD),
    encode_trial(RECORD.with_changes(status="running", ended=None, failure=None, outputs=(), extra={})),
    encode_trial(RECORD.with_changes(status="finished", failure=None, main=3.17e-05)),
    (FORMATS / "journal" / "trial-1.msgpack").read_bytes(),
)
LOOSE_CONTENT = SEEDS_OF_RECORDS[0]
_LOOSE = b"blob %d\0" % len(LOOSE_CONTENT) + LOOSE_CONTENT
LOOSE_OID = hashlib.sha1(_LOOSE, usedforsecurity=False).hexdigest()


def _tree(*entries: tuple[bytes, bytes]) -> bytes:
    return b"".join(b"%s %s\0%s" % (mode, name, b"\x11" * 20) for mode, name in entries)


TREES = (
    _tree((b"100644", b"format"), (b"40000", b"trials"), (b"40000", b"variants")),
    _tree((b"40000", b"trials"), (b"40000", b"2026-03-01"), (b"40000", b"5f"), (b"100644", b"5f2c91d07a3b.msgpack")),
    _tree((b"40000", b"variants"), (b"40000", b"my_exp"), (b"100644", b"1" * 40 + b".msgpack")),
    _tree((b"120000", b".."), (b"160000", b".git"), (b"40000", b"\x1b[31m")),
)
NAMES = (b"my_exp", b"data+fit", b"%2Egit", b"%", b"a%2Fb", b"x" * 160 + b"~" + b"a" * 32, "größe".encode(), b"%C3%A9")
NOTES = (
    note_of([RECORD]).to_text().encode(),
    note_of([RECORD.with_changes(key=f"{number:012x}") for number in range(60)]).to_text().encode(),
)

_SIGNED = ("Ada Lovelace <ada@example.org>", "2026-03-01T12:00:00.123456+00:00")
ANNOTATIONS = [
    annotation_file("0" * 12, fields, *_SIGNED)[1]
    for fields in ({"tag": "paper"}, {"note": "a\nb\x1b"}, {"untag": "paper", "of": ["1f" * 20]})
]

TARGETS = {
    "record": Target(SEEDS_OF_RECORDS, read_record, restructure_plain),
    "value": Target(VALUES, read_value, restructure_canonical),
    "note": Target(NOTES, read_note),
    "annotation": Target(ANNOTATIONS, read_annotation, restructure_plain),
    "name": Target(NAMES, read_name),
    "tree": Target(TREES, read_tree),
    "loose": Target([zlib.compress(_LOOSE), zlib.compress(_LOOSE, 0)], read_loose),
}
_WEIGHTS = {"record": 35, "value": 35, "note": 5, "annotation": 5, "name": 5, "tree": 12, "loose": 8}


class Tally(NamedTuple):
    """What became of some inputs."""

    inputs: int
    accepted: int
    """How many were read as what they pretend to be."""
    slowest_s: float


@contextlib.contextmanager
def time_limit() -> Iterator[Callable[[], None]]:
    """Gives a function that starts the clock again; when the time is up, `Found` is raised wherever the program is."""

    def give_up(signum: int, frame: object) -> None:
        raise Found(f"no end after {HANG_LIMIT_S} s")

    previous = signal.signal(signal.SIGALRM, give_up)
    try:
        yield lambda: signal.setitimer(signal.ITIMER_REAL, HANG_LIMIT_S) and None
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, previous)


def fuzz(inputs: int, seed: int, only: str | None = None) -> dict[str, Tally]:
    """Feed so many inputs to the targets.

    Args:
        inputs: how many.
        seed: equal seeds give equal inputs.
        only: the name of one target.

    Returns:
        What became of them, by target.

    Raises:
        Found: a target did what it must not; the message has the input.
    """
    generator = random.Random(seed)
    names = random.Random(seed + 1).choices(list(_WEIGHTS), list(_WEIGHTS.values()), k=inputs)
    tallies = {name: Tally(0, 0, 0.0) for name in TARGETS}
    with time_limit() as restart:
        for number, name in enumerate(names):
            target = TARGETS[only or name]
            data = make_input(target, generator)
            if number % 100 == 0:
                restart()
            began = time.process_time()
            accepted = 1
            try:
                target.read(data)
            except MitosisError:
                accepted = 0
            except Exception as error:
                raise Found(f"{only or name}: {type(error).__name__}: {error}\n{data!r}") from error
            took_s = time.process_time() - began
            if took_s > TIME_LIMIT_S:
                raise Found(f"{only or name}: it took {took_s:.1f} s\n{data!r}")
            old = tallies[only or name]
            tallies[only or name] = Tally(old.inputs + 1, old.accepted + accepted, max(old.slowest_s, took_s))
    return tallies


def main() -> int:
    """Run the fuzzer from the command line."""
    parser = argparse.ArgumentParser(description="Feed damaged bytes to the decoders.")
    parser.add_argument("--inputs", type=int, default=100_000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--only", choices=list(TARGETS))
    given = parser.parse_args()
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY_LIMIT_BYTES, MEMORY_LIMIT_BYTES))
    began = time.perf_counter()
    try:
        tallies = fuzz(given.inputs, given.seed, given.only)
    except Found as error:
        sys.stdout.write(f"FOUND {error}\n")
        import traceback

        traceback.print_exc()
        return 1
    for name, tally in tallies.items():
        sys.stdout.write(
            f"{name:<10} {tally.inputs:>9,} inputs  {tally.accepted:>9,} accepted  slowest {tally.slowest_s:.3f} s\n"
        )
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    sys.stdout.write(f"{given.inputs:,} inputs in {time.perf_counter() - began:.0f} s, peak memory {peak:.0f} MB\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
