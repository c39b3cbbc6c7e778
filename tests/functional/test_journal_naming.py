"""Locking without a trial, renaming and retiring variants, and the source of functions in them."""

from __future__ import annotations

import dataclasses
import hashlib

import msgpack
import pytest

from mitosis.errors.journal import BadRecord, NamingError
from mitosis.errors.values import VariantConflict, VariantRedefined, VariantRetired
from mitosis.git.repository import Identity
from mitosis.journal import layout, standing
from mitosis.journal.journal import Journal
from mitosis.journal.messages import render_blob
from mitosis.journal.standing import Remarks, remark_file
from mitosis.journal.storage import walking
from mitosis.variants import Variant, VariantName
from mitosis.verify import verify
from support.journal import JOURNAL, PINS, Desk, make_record, make_variant

ADA = Identity("Ada Lovelace", "ada@example.org", 1_772_366_400, 60)
NAME = VariantName("my_exp", "frequency", "slow")


def lock(journal: Journal, *variants: Variant) -> tuple[Variant, ...]:
    assert journal.repository.head is not None
    return journal.lock(variants, journal.repository.head, ADA).newly_locked


def problems_of(journal: Desk) -> list[str]:
    return [finding.what for finding in verify(journal.repository).findings]


# --- locking --------------------------------------------------------------------------------------


def test_lock_records_all_variants_in_one_commit(journal: Desk) -> None:
    slow, fast = make_variant("slow", 1), make_variant("fast", 10)
    assert lock(journal, slow, fast) == (slow, fast)
    assert journal.git("log", "--format=%s", JOURNAL) == f"lock 2 variants of my_exp at {journal.repository.head:.7}\n"
    assert journal.oid_of(f"{PINS}/{journal.repository.head}") == journal.repository.head
    assert {origin.commit for origin in journal.variant_origins().values()} == {journal.repository.head}
    assert lock(journal, slow, fast) == ()
    assert journal.git("rev-list", "--count", JOURNAL).strip() == "1"
    assert problems_of(journal) == []


def test_lock_of_another_value_is_refused_and_locks_none(journal: Desk) -> None:
    lock(journal, make_variant("slow", 1))
    with pytest.raises(VariantRedefined, match="is locked to another value"):
        lock(journal, make_variant("fast", 10), make_variant("slow", 2))
    assert [variant.name.variant for variant in journal.iter_variants()] == ["slow"]


# --- renaming -------------------------------------------------------------------------------------


def test_renamed_variant_has_both_names(journal: Desk) -> None:
    slow = make_variant("slow", 1)
    lock(journal, slow)
    assert journal.rename(NAME, "gentle", ADA).digest == slow.digest
    assert {lock.name.variant: lock.digest for lock in journal.iter_variants()} == {
        "slow": slow.digest,
        "gentle": slow.digest,
    }
    assert journal.remarks()[NAME].new_names == ["gentle"]
    assert journal.git("log", "-1", "--format=%s", JOURNAL) == "rename my_exp.frequency=slow to gentle\n"
    assert journal.check([slow, make_variant("gentle", 1)]) == ()
    with pytest.raises(VariantRedefined):
        journal.check([make_variant("gentle", 2)])
    assert problems_of(journal) == []


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("unknown", "gentle", "is not locked"),
        ("slow", "fast", "with another value"),
        ("slow", "slow", "is already the variant's name"),
        ("slow", "", "needs a name"),
        ("slow", "twin", None),
    ],
)
def test_rename_is_refused_where_it_would_mislead(journal: Desk, old: str, new: str, said: str | None) -> None:
    lock(journal, make_variant("slow", 1), make_variant("fast", 10), make_variant("twin", 1))
    if said is None:
        journal.rename(VariantName("my_exp", "frequency", old), new, ADA)
        said = "already"
    before = journal.tip()
    with pytest.raises(NamingError, match=said):
        journal.rename(VariantName("my_exp", "frequency", old), new, ADA)
    assert journal.tip() == before


def test_variant_in_conflict_is_neither_renamed_nor_locked(journal: Desk) -> None:
    lock(journal, make_variant("slow", 1))
    other = make_variant("slow", 2)
    journal.rewrite({layout.variant_path(NAME, other.digest): other.value})
    with pytest.raises(NamingError, match="2 recorded meanings"):
        journal.rename(NAME, "gentle", ADA)
    with pytest.raises(VariantConflict):
        lock(journal, other)


# --- retiring -------------------------------------------------------------------------------------


def test_retired_variant_is_refused_with_its_reason(journal: Desk) -> None:
    slow = make_variant("slow", 1)
    lock(journal, slow)
    journal.rename(NAME, "gentle", ADA)
    journal.retire(NAME, "the sensor was\nbroken", ADA)
    with pytest.raises(VariantRetired) as caught:
        journal.run_trial(variants=[slow])
    assert str(caught.value).splitlines() == [
        "variant `slow` of `my_exp.frequency` is retired: the sensor was broken",
        "    it is now called `gentle`",
        "Use another variant. To let it be used again:",
        "    mitosis variants retire my_exp.frequency=slow --undo",
    ]
    assert caught.value.retirements[0].reasons == ("the sensor was\nbroken",)
    assert list(journal.iter_trials()) == []
    assert problems_of(journal) == []
    journal.run_trial(variants=[make_variant("gentle", 1)])


def test_retired_variant_can_be_used_again(journal: Desk) -> None:
    slow = make_variant("slow", 1)
    lock(journal, slow)
    journal.retire(NAME, "", ADA)
    with pytest.raises(NamingError, match="already retired"):
        journal.retire(NAME, "", ADA)
    journal.unretire(NAME, ADA)
    journal.run_trial(variants=[slow])
    with pytest.raises(NamingError, match="is not retired"):
        journal.unretire(NAME, ADA)
    with pytest.raises(NamingError, match="is not locked"):
        journal.retire(VariantName("my_exp", "frequency", "unknown"), "", ADA)


def test_variants_retired_apart_keep_both_reasons(journal: Desk) -> None:
    lock(journal, make_variant("slow", 1))
    journal.retire(NAME, "too noisy", ADA)
    path, data = remark_file(layout.RETIRED, NAME, "not used")
    journal.rewrite({path: data})
    assert sorted(journal.remarks()[NAME].reasons) == ["not used", "too noisy"]
    journal.unretire(NAME, ADA)
    assert journal.remarks() == {}


# --- functions ------------------------------------------------------------------------------------


def with_functions(variant: Variant, **functions: str) -> Variant:
    return dataclasses.replace(variant, functions={f"lab:{name}": digit * 40 for name, digit in functions.items()})


def test_changed_body_of_a_function_is_told_and_stops_nothing(journal: Desk) -> None:
    identity, head = journal.identity, journal.repository.head
    assert head is not None
    slow = make_variant("slow", 1)
    journal.lock([with_functions(slow, kernel="a", window="b")], head, identity)
    assert journal.lock([with_functions(slow, kernel="a", window="b")], head, identity).changed == ()
    [changed] = journal.lock([with_functions(slow, kernel="c", window="b")], head, identity).changed
    assert changed.functions == ("lab:kernel",)
    assert str(changed) == "`lab:kernel` has a different body than when variant `slow` of `my_exp.frequency` was locked"


def test_trial_tells_of_changed_bodies(journal: Desk) -> None:
    identity = journal.identity
    slow = make_variant("slow", 1)
    for digit, names in (("a", ()), ("b", ("lab:kernel",)), ("a", ())):
        record = make_record(commit=journal.repository.head)
        started = journal.start(record, [with_functions(slow, kernel=digit)], "", identity)
        assert tuple(name for changed in started.changed for name in changed.functions) == names


def test_changed_bodies_can_be_accepted(journal: Desk) -> None:
    identity, head = journal.identity, journal.repository.head
    assert head is not None
    before, now = (with_functions(make_variant("slow", 1), kernel=digit) for digit in "ab")
    journal.lock([before], head, identity)
    [changed] = journal.lock([now], head, identity, accept_functions=True).changed
    assert changed.functions == ("lab:kernel",)
    # A clone or branch that has the other body still means the same.
    assert journal.lock([now], head, identity).changed == journal.lock([before], head, identity).changed == ()
    [changed] = journal.lock([with_functions(before, kernel="c")], head, identity).changed
    assert changed.functions == ("lab:kernel",)


def test_lock_from_before_gets_the_sources_at_its_next_use(journal: Desk) -> None:
    slow = make_variant("slow", 1)
    lock(journal, slow)
    lock(journal, with_functions(slow, kernel="a"))
    assert journal.remarks()[NAME].sources == [{"lab:kernel": "a" * 40}]
    journal.rename(NAME, "gentle", ADA)
    assert journal.remarks()[NAME.renamed("gentle")].sources == [{"lab:kernel": "a" * 40}]


# --- what others write ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    "content", [b"\xc1", b"", msgpack.packb({"reason": 1}), msgpack.packb(["reason"]), msgpack.packb({"name": "x"})]
)
def test_unreadable_remark_is_named_and_lets_nobody_run(journal: Desk, content: bytes) -> None:
    slow = make_variant("slow", 1)
    lock(journal, slow)
    folder = layout.remark_folder(layout.RETIRED, NAME)
    journal.rewrite({f"{folder}/{'a' * 40}.msgpack": content})
    problems: list[BadRecord] = []
    assert journal.remarks(problems=problems) == {}
    assert [problem.where for problem in problems] == [f"{folder}/{'a' * 40}.msgpack"]
    assert any(finding.where == problems[0].where for finding in verify(journal.repository).findings)
    with pytest.raises(BadRecord):
        journal.run_trial(variants=[slow])


def test_remarks_are_shown_as_text_in_a_log() -> None:
    for kind, content, shown in (
        (layout.RETIRED, "too\x1b noisy", "reason: too\\x1b noisy\n"),
        (layout.RENAMED, "gentle", "name: gentle\n"),
        (layout.SOURCES, {"lab:kernel": "a" * 40}, f"functions:\n  lab:kernel: {'a' * 40}\n"),
    ):
        path, data = remark_file(kind, NAME, content)
        assert render_blob(path.rpartition("/")[2], data) == shown


def test_foreign_file_beside_remarks_is_left_alone(journal: Desk) -> None:
    slow = make_variant("slow", 1)
    lock(journal, slow)
    folder = layout.remark_folder(layout.RETIRED, NAME)
    journal.rewrite({f"{folder}/README": "hello\n"})
    journal.run_trial(variants=[slow])
    assert journal.remarks() == {}


def test_names_of_retired_variants_are_neither_given_nor_left(journal: Desk) -> None:
    lock(journal, make_variant("slow", 1), make_variant("fast", 1))
    journal.retire(VariantName("my_exp", "frequency", "fast"), "", ADA)
    with pytest.raises(NamingError, match="fast is retired"):
        journal.rename(NAME, "fast", ADA)
    with pytest.raises(NamingError, match="fast is retired"):
        journal.rename(VariantName("my_exp", "frequency", "fast"), "swift", ADA)
    other = make_variant("slow", 2)
    journal.rewrite({layout.variant_path(NAME, other.digest): other.value})
    with pytest.raises(NamingError, match="fast is retired"):
        journal.resolve(NAME, make_variant("slow", 1).digest, ADA, rename_others=["fast"])


@pytest.mark.parametrize("kind", [layout.RENAMED, layout.SOURCES])
def test_advice_that_cannot_be_read_stops_no_trial(journal: Desk, kind: str) -> None:
    slow = with_functions(make_variant("slow", 1), kernel="a")
    lock(journal, slow)
    journal.rewrite({f"{layout.remark_folder(kind, NAME)}/{'a' * 40}.msgpack": b"\xc1"})
    journal.run_trial(variants=[slow])
    lock(journal, slow)


def test_remark_with_fields_of_a_later_version_is_read(journal: Desk) -> None:
    slow = make_variant("slow", 1)
    lock(journal, slow)
    data = msgpack.packb({"reason": "broken", "since": [2026, 1]})
    digest = hashlib.sha256(data).hexdigest()[:40]
    journal.rewrite({f"{layout.remark_folder(layout.RETIRED, NAME)}/{digest}.msgpack": data})
    with pytest.raises(VariantRetired, match="broken"):
        journal.run_trial(variants=[slow])


def test_too_many_and_too_large_remarks_are_not_read(journal: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    lock(journal, make_variant("slow", 1))
    large = msgpack.packb({"reason": "x" * standing.MAX_REMARK_BYTES})
    names = [(large, "slow")] + [(msgpack.packb({"reason": str(number)}), f"v{number}") for number in range(4)]
    journal.rewrite(
        {
            f"{layout.remark_folder(layout.RETIRED, VariantName('my_exp', 'frequency', name))}/"
            f"{hashlib.sha256(data).hexdigest()[:40]}.msgpack": data
            for data, name in names
        }
    )
    problems: list[BadRecord] = []
    assert {name[2] for name in journal.remarks(problems=problems)} == {"v0", "v1", "v2", "v3"}
    assert ["slow" in problem.where for problem in problems] == [True]
    monkeypatch.setattr(walking, "_ALWAYS_READ", 5)
    monkeypatch.setattr(walking, "_REPEATED", 0)
    journal.index.close()
    journal.index.path.unlink()
    assert len(journal.remarks(problems=problems)) < 4
    assert "more than 5 files" in str(problems[-1])


@pytest.mark.parametrize(
    ("renamings", "latest"),
    [
        ({"fast": ["a10", "c0x"], "a10": ["c0x"]}, ("c0x",)),
        ({"fast": ["c0x", "a10"], "a10": ["c0x"]}, ("c0x",)),
        ({"fast": ["a"], "a": ["b", "c"]}, ("b", "c")),
        ({"fast": ["a"], "a": ["fast"]}, ("a",)),
        ({}, ()),
    ],
)
def test_latest_names_are_those_without_newer_ones(renamings: dict[str, list[str]], latest: tuple[str, ...]) -> None:
    remarks = {VariantName("s", "p", name): Remarks(new_names=list(names)) for name, names in renamings.items()}
    assert standing.latest_names(remarks, VariantName("s", "p", "fast")) == latest
