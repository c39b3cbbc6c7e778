"""Annotations as bytes, and what several of them say together."""

from __future__ import annotations

from typing import Any

import msgpack
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mitosis.errors.journal import BadRecord
from mitosis.journal import layout
from mitosis.journal.annotations import (
    MAX_ANNOTATION_BYTES,
    MAX_NOTE_LENGTH,
    MAX_TAG_LENGTH,
    Annotation,
    Note,
    Tag,
    Untag,
    annotation_file,
    decode_annotation,
    note_problem,
    present_tags,
    tag_problem,
)
from mitosis.journal.messages import annotated_message, render_blob

KEY = "5f2c91d07a3b"
ADA = "Ada Lovelace <ada@example.org>"
WHEN = "2026-03-01T12:00:00.123456+00:00"
DIGEST = "1f" * 20


def decode(data: bytes) -> Annotation:
    return decode_annotation(layout.digest_name(data), data, "here")


def made(**fields: object) -> tuple[str, Annotation]:
    """The digest of an annotation, and what is read of it."""
    path, data = annotation_file(KEY, fields, ADA, WHEN)
    assert layout.parse_annotation_path(path) == KEY
    return path.rpartition("/")[2].removesuffix(".msgpack"), decode(data)


def test_what_is_written_is_read() -> None:
    assert made(tag="paper")[1] == Tag("paper", ADA, WHEN)
    assert made(untag="paper", of=[DIGEST])[1] == Untag("paper", (DIGEST,), ADA, WHEN)
    assert made(note="a\nb")[1] == Note("a\nb", ADA, WHEN)
    assert decode(annotation_file(KEY, {"note": "a"}, "x" * 9_999, WHEN)[1]).author.endswith("x…")


def test_longest_texts_are_read() -> None:
    for text in ("x", "\U0001f389", "\x01"):
        assert made(note=text * MAX_NOTE_LENGTH)[1] == Note(text * MAX_NOTE_LENGTH, ADA, WHEN)
    assert made(tag="\U0001f389" * MAX_TAG_LENGTH)[1].author == ADA
    assert made(untag="x", of=[DIGEST] * 1_000)[1] == Untag("x", (DIGEST,) * 1_000, ADA, WHEN)


def test_fields_of_later_versions_are_passed_over() -> None:
    assert made(tag="paper", of=3, colour=[{"red": 1}])[1] == Tag("paper", ADA, WHEN)


WRONG: list[dict[str, Any]] = [
    {},
    {"tag": 3},
    {"tag": "paper", "note": "x"},
    {"untag": "paper"},
    {"untag": "paper", "of": "1f"},
    {"untag": "paper", "of": ["1f"]},
    {"untag": "paper", "of": [DIGEST] * 1_001},
    {"untag": "a,b", "of": [DIGEST]},
    {"tag": "paper", "author": None},
    {"tag": "paper", "author": "x" * 1_001},
    *({"tag": name} for name in ("", "a,b", " a", "a\u00a0", "@a", "a\nb", "a\x1b[2J", "a\u2028b", "x" * 101)),
    *({"note": text} for text in ("", " \n", "x" * 10_001, b"x")),
    *({"tag": "paper", "when": when} for when in ("", "x", "2026-03-01", "2026-13-01T12:00:00.123456+00:00", 1)),
    *({"tag": "paper", "when": WHEN.replace(*change)} for change in (("+00:00", "+01:00"), (".123456", ""))),
    {str(number): 1 for number in range(101)},
]


@pytest.mark.parametrize("fields", WRONG)
def test_what_nobody_can_have_made_is_refused(fields: dict[str, Any]) -> None:
    with pytest.raises(BadRecord, match=r"here cannot be read: .*what can be done: mitosis verify"):
        decode(msgpack.packb({"author": ADA, "when": WHEN, **fields}))


@pytest.mark.parametrize(
    "data",
    [b"", b"\xc1", b"\x91" * 60_000, b"\xdf\xff\xff\xff\xff", b"\x81\xa3tag\xa3\xff\xff\xff", b" " * 2**17],
    ids=lambda data: str(len(data)),
)
def test_what_is_no_mapping_of_texts_is_refused(data: bytes) -> None:
    with pytest.raises(BadRecord, match="neither a tag nor a note"):
        decode(data)


def test_annotation_has_the_digest_of_its_name() -> None:
    data = annotation_file(KEY, {"tag": "paper"}, ADA, WHEN)[1]
    with pytest.raises(BadRecord, match="does not have the digest"):
        decode_annotation("1" * 40 + ".msgpack", data, "here")
    assert len(annotation_file(KEY, {"note": "\U0001f389" * MAX_NOTE_LENGTH}, ADA, WHEN)[1]) < MAX_ANNOTATION_BYTES


@pytest.mark.parametrize(
    "name", ["paper", "to read", "v1.5", "\U0001f389", "<b>&amp;</b>", "caf\u00e9", "a@b", "#1", "-x"]
)
def test_names_that_people_use_are_tags(name: str) -> None:
    assert tag_problem(name) == ""


@pytest.mark.parametrize("path", ["", "/KEY", "/KEY/x.msgpack", "/x/DIGEST.msgpack", "/KEY/a/DIGEST.msgpack"])
def test_nothing_else_is_in_the_place_of_an_annotation(path: str) -> None:
    path = f"annotations{path.replace('KEY', KEY).replace('DIGEST', DIGEST)}"
    assert layout.parse_annotation_path(path) is None


@given(st.text(), st.text())
def test_texts_for_git_are_one_line_each(name: str, text: str) -> None:
    for kind in ("tag", "note"):
        message = annotated_message(kind, text, {KEY: name})
        assert message.split("\n")[1::3] == ["", ""]
        assert all(line.isprintable() for line in message.split("\n"))
    if not note_problem(text) and text.isprintable():
        rendered = render_blob("x.msgpack", annotation_file(KEY, {"note": text}, ADA, WHEN)[1])
        assert rendered == f"author: {ADA}\nnote: {text}\nwhen: {WHEN}\n"


def test_messages_for_people_and_for_git() -> None:
    assert (
        annotated_message("tag", "paper", {KEY: "my_exp"}) == f"tag {KEY} my_exp: paper\n\nTrial: {KEY}\nTag: paper\n"
    )
    keys = [f"{number:012x}" for number in range(2_000)]
    summary, _, *trailers, last, _ = annotated_message("untag", "paper", dict.fromkeys(keys, "my_exp")).split("\n")
    assert (summary, last) == ("untag 2000 trials: paper", "Untag: paper")
    assert trailers == [f"Trial: {key}" for key in keys[:1_000]]


# --- several of them ------------------------------------------------------------------------------

CLONES = 3
steps = st.tuples(st.sampled_from(["tag", "untag", "merge"]), st.integers(0, CLONES - 1), st.integers(0, CLONES - 1),
                  st.sampled_from(["paper", "best"]))  # fmt: skip


@given(st.lists(steps, max_size=30), st.permutations(range(CLONES)))
def test_a_tag_goes_by_nothing_but_an_untag_that_knew_of_it(
    done: list[tuple[str, int, int, str]], order: list[int]
) -> None:
    """Clones tag and untag one trial, and merge. What they know of each other decides, not when they did it."""
    clones: list[dict[str, Annotation]] = [{} for _ in range(CLONES)]
    known: list[set[int]] = [set() for _ in range(CLONES)]
    """The steps that each clone knows of."""
    told: dict[int, set[int]] = {}
    """What the clone of an untag knew then."""
    for number, (kind, clone, other, name) in enumerate(done):
        if kind == "merge":
            clones[clone] = {**clones[clone], **clones[other]}
            known[clone] |= known[other]
            continue
        of = [digest for digest, tag in present_tags(clones[clone]).items() if tag.name == name]
        if kind == "untag" and of:
            told[number] = set(known[clone])
            digest, annotation = made(untag=name, of=of, number=number)
        elif kind == "tag" and not of:
            digest, annotation = made(tag=name, number=number)
        else:
            continue
        clones[clone][digest] = annotation
        known[clone].add(number)
    everything = set().union(*known)

    def is_gone(step: int) -> bool:
        return any(step in knew and done[by][3] == done[step][3] for by, knew in told.items() if by in everything)

    expected = {done[step][3] for step in everything if done[step][0] == "tag" and not is_gone(step)}
    united: dict[str, Annotation] = {}
    for clone in order:
        united.update(clones[clone])
    assert {tag.name for tag in present_tags(united).values()} == expected
