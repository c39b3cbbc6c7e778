"""Variant locks: a name means one value for ever, and whoever breaks that is told how."""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mitosis.canonical.encode import digest_value, encode_value
from mitosis.errors.journal import BadRecord, JournalError, NamingError
from mitosis.errors.values import VariantConflict, VariantRedefined
from mitosis.git.repository import Identity
from mitosis.journal import locks as locks_module
from mitosis.journal.journal import Journal
from mitosis.journal.reasons import read_taken
from mitosis.records.trial import ParameterRecord, TrialRecord
from mitosis.variants import Variant, VariantName
from support.journal import JOURNAL, Desk, Git, make_record, make_variant, record_path

Lock = Callable[..., TrialRecord]

ADA = Identity("Ada Lovelace", "ada@example.org", 1_772_366_400, 60)
"""At noon of 2026-03-01 in UTC."""
BOB = Identity("Bob Bell", "bob@example.org", 1_772_452_800, 0)
"""A day later."""


def lookup(variant: Variant) -> tuple[ParameterRecord, ...]:
    return (ParameterRecord(*variant.name[:2], "lookup", variant.name.variant, True, variant.digest),)


@pytest.fixture
def lock(journal: Desk) -> Lock:
    """Start a trial that uses one variant."""

    def start(variant: Variant, identity: Identity = ADA, into: Journal = journal) -> TrialRecord:
        record = make_record(commit=into.repository.head, parameters=lookup(variant))
        return into.start(record, [variant], "", identity).record

    return start


def test_first_use_locks_and_later_uses_agree(journal: Desk) -> None:
    slow, fast = make_variant("slow", 1), make_variant("fast", 10)
    identity = journal.identity

    def start(*variants: Variant) -> tuple[Variant, ...]:
        return journal.start(make_record(commit=journal.repository.head), variants, "", identity).newly_locked

    assert journal.check([slow, fast]) == (slow, fast)
    assert start(slow) == (slow,)
    assert journal.check([slow, fast]) == (fast,)
    assert start(slow, fast) == (fast,)
    assert start(slow, fast) == ()
    assert list(journal.iter_variants()) == [
        Variant(VariantName("my_exp", "frequency", "fast"), fast.digest, fast.value),
        Variant(VariantName("my_exp", "frequency", "slow"), slow.digest, slow.value),
    ]


def test_refusal_shows_values_as_they_were_described_beside_the_objects(ada: Desk, bob: Desk) -> None:
    def start(desk: Desk, value: object, text: str) -> None:
        variant = dataclasses.replace(make_variant(value=value), text=text)
        (parameter,) = lookup(variant)
        desk.start_trial(variants=[variant], parameters=(dataclasses.replace(parameter, summary=text),))

    start(ada, [1], "Forest(trees=500)")
    with pytest.raises(VariantRedefined, match=r"locked: Forest\(trees=500\) .*\n +now: +Lasso\(\) "):
        start(ada, {"a": 1}, "Lasso()")
    with pytest.raises(VariantRedefined, match=r"locked: \[1\] .*\n +now: +{'a': 1} "):
        start(ada, {"a": 1}, "")
    start(bob, {"a": 1}, "Lasso()")
    ada.git("fetch", "--quiet", str(bob.folder), f"{JOURNAL}:bobs")
    ada.merge(ada.oid_of("bobs"), ada.identity, "bob")
    assert {meaning.summary for meaning in ada.conflicts()[0].meanings} == {"Forest(trees=500)", "Lasso()"}


def test_changed_scalar_is_refused_as_told(journal: Desk, lock: Lock) -> None:
    for _ in range(3):
        record = lock(make_variant(value=1))
    tip = journal.tip()
    with pytest.raises(VariantRedefined) as caught:
        lock(make_variant(value=2))
    assert str(caught.value) == (
        "variant `slow` of `my_exp.frequency` is locked to another value\n"
        f"    locked: 1    by Ada Lovelace on 2026-03-01, commit {record.commit[:7]}, used by 3 trials\n"
        "    now:    2    sine_experiment:lookup_dict\n"
        "Give the new value a name of its own, or restore the locked one."
    )
    assert isinstance(caught.value, RuntimeError)
    [found] = caught.value.redefinitions
    assert found.name == ("my_exp", "frequency", "slow")
    assert found.locked.digest == make_variant(value=1).digest
    assert found.now_digest == make_variant(value=2).digest
    assert found.locked.used_by == 3
    assert found.source == "sine_experiment:lookup_dict"
    assert journal.tip() == tip
    with pytest.raises(VariantRedefined):
        journal.check([make_variant(value=2)])


def test_changed_structure_is_refused_with_its_leaves(journal: Desk, lock: Lock) -> None:
    kernel = np.zeros((512, 512))
    before = {"scale": 0.01, "kernel": [1, 2, 3, kernel], "solver": {"tol": 1e-6, "name": "lu"}}
    record = lock(make_variant("low", before, parameter="noise", step="fit"))
    kernel[17, 240] = 1e-12
    after = {"scale": 0.05, "kernel": [1, 2, 3, kernel], "solver": {"name": "lu"}}
    with pytest.raises(VariantRedefined) as caught:
        lock(make_variant("low", after, parameter="noise", step="fit"))
    said = str(caught.value).splitlines()
    assert said[0] == "variant `low` of `fit.noise` is locked to another value"
    assert sorted(said[1:4]) == [
        "    kernel[3]:   array(512×512 float64) differs in 1 element: [17, 240]: 0.0 → 1e-12",
        "    scale:       0.01 → 0.05",
        "    solver.tol:  removed",
    ]
    assert said[4:] == [
        "    (4 other leaves are the same)",
        "Give the new value a name of its own, or restore the locked one "
        f"(locked by Ada Lovelace on 2026-03-01, commit {record.commit[:7]}, used by 1 trial).",
    ]
    assert ("scale", "0.01 → 0.05") in caught.value.redefinitions[0].differences
    assert caught.value.redefinitions[0].same_count == 4


def test_many_differences_are_counted(lock: Lock) -> None:
    lock(make_variant(value={f"key_{i:02}": i for i in range(30)}))
    with pytest.raises(VariantRedefined) as caught:
        lock(make_variant(value={f"key_{i:02}": -i for i in range(30)}))
    said = str(caught.value).splitlines()
    assert "    ... and 19 more" in said
    assert "    (1 other leaf is the same)" in said
    assert len(said) == 14


def test_all_violated_variants_are_named(journal: Desk) -> None:
    def variants(value: int) -> list[Variant]:
        return [
            make_variant("slow", value),
            make_variant("kept", 7),
            make_variant("low", {"scale": value}, parameter="noise"),
        ]

    identity = journal.identity
    journal.start(make_record(commit=journal.repository.head), variants(1), "", identity)
    with pytest.raises(VariantRedefined) as caught:
        journal.check(variants(2))
    assert [r.name.variant for r in caught.value.redefinitions] == ["slow", "low"]
    text = str(caught.value)
    assert "variant `slow` of `my_exp.frequency` is locked" in text
    assert "variant `low` of `my_exp.noise` is locked" in text
    assert "`kept`" not in text
    assert text.count("by Ada Lovelace") == 2


@pytest.mark.parametrize(("before", "after"), [(1, 1.0), (1, True), ("1", 1), (0.0, -0.0), ([1], (1,))])
def test_values_that_only_look_alike_are_refused(lock: Lock, before: object, after: object) -> None:
    lock(make_variant(value=before))
    with pytest.raises(VariantRedefined):
        lock(make_variant(value=after))


def test_names_are_told_apart(journal: Desk, lock: Lock) -> None:
    names = ["slow", "Slow", "slow ", "", "a/b", "a%2Fb", "..", ".git", "ü", "u\u0308", "x" * 200, "\0" * 200]
    for value, name in enumerate(names):
        lock(make_variant(name, value))
        lock(make_variant("v", value, parameter=name))
        lock(make_variant("v", value, step=name))
    for value, name in enumerate(names):
        assert journal.check([make_variant(name, value)]) == ()
        with pytest.raises(VariantRedefined):
            journal.check([make_variant(name, -1)])
    assert set(names) <= {lock.name.variant for lock in journal.iter_variants()}
    assert set(names) <= {lock.name.parameter for lock in journal.iter_variants()}
    assert set(names) <= {lock.name.step for lock in journal.iter_variants()}


@pytest.mark.parametrize("names", [{"variant": "ä" * 101}, {"parameter": "x" * 201}, {"step": "x" * 201}])
def test_name_that_is_too_long_is_refused(journal: Desk, lock: Lock, names: dict[str, str]) -> None:
    with pytest.raises(NamingError, match="at most 200 bytes"):
        lock(make_variant(**names))
    assert journal.tip() is None


def test_two_values_for_one_variant_at_once_are_refused(journal: Desk) -> None:
    with pytest.raises(JournalError, match="two values are given for variant `slow`"):
        journal.check([make_variant(value=1), make_variant(value=2)])
    assert journal.check([make_variant(value=1), make_variant(value=1)]) == (make_variant(value=1),)


def test_digest_of_another_value_is_a_mistake_of_the_caller(journal: Desk, lock: Lock) -> None:
    forged = Variant(make_variant().name, make_variant(value=1).digest, make_variant(value=2).value)
    with pytest.raises(ValueError, match="is not the digest"):
        lock(forged)
    assert journal.tip() is None


def test_value_that_is_too_large_is_refused(lock: Lock, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(locks_module, "MAX_VALUE_BYTES", 1000)
    with pytest.raises(JournalError, match="more than the 1000 that can be locked"):
        lock(make_variant(value="x" * 1001))


@pytest.fixture
def conflict(journal: Desk, lock: Lock) -> tuple[Variant, Variant]:
    """Two meanings of one name, as a merge of two people's journals makes them."""
    ours, theirs = make_variant(value=1), make_variant(value=3)
    lock(ours)
    lock(ours)
    lock(make_variant("other", 3), BOB)
    folder = "variants/my_exp/frequency"
    journal.rewrite(
        {f"{folder}/slow/{theirs.digest}.msgpack": theirs.value, f"{folder}/other/{theirs.digest}.msgpack": None}
    )
    return ours, theirs


def test_variant_with_two_meanings_is_refused(journal: Desk, lock: Lock, conflict: tuple[Variant, Variant]) -> None:
    for variant in conflict:
        with pytest.raises(VariantConflict) as caught:
            lock(variant)
    first, second = sorted(caught.value.conflicts[0].meanings, key=lambda meaning: meaning.summary)
    assert (first.summary, first.author, first.date, first.used_by) == ("1", "Ada Lovelace", "2026-03-01", 2)
    assert (second.summary, second.used_by) == ("3", 0)
    text = str(caught.value)
    assert text.startswith("variant `slow` of `my_exp.frequency` has two recorded meanings\n")
    assert f"    {first.digest[:4]}…  1    Ada Lovelace, 2026-03-01, 2 trials\n" in text
    assert "mitosis variants resolve my_exp.frequency=slow --keep 1f5b --rename-other slow-4be3" in text
    assert len(list(journal.iter_variants())) == 2


def test_foreign_files_in_a_variant_folder_do_not_count(journal: Desk, lock: Lock) -> None:
    slow = make_variant()
    lock(slow)
    journal.rewrite(
        {"variants/my_exp/frequency/slow/README": "hello\n", "variants/my_exp/frequency/new/x.msgpack": "x"}
    )
    assert journal.check([slow]) == ()
    with pytest.raises(VariantRedefined):
        journal.check([make_variant(value=2)])
    assert journal.check([make_variant("new", 2)]) == (make_variant("new", 2),)
    problems: list[BadRecord] = []
    assert [lock.name.variant for lock in journal.iter_variants(problems=problems)] == ["slow"]
    assert sorted(problem.where for problem in problems) == [
        "variants/my_exp/frequency/new/x.msgpack",
        "variants/my_exp/frequency/slow/README",
    ]


def test_lock_whose_content_was_changed_is_never_believed(journal: Desk, lock: Lock) -> None:
    slow = make_variant()
    lock(slow)
    journal.rewrite({f"variants/my_exp/frequency/slow/{slow.digest}.msgpack": "forged"})
    with pytest.raises(BadRecord, match="not the one that its name says"):
        lock(slow)
    problems: list[BadRecord] = []
    assert list(journal.iter_variants(problems=problems)) == []
    assert [problem.where for problem in problems] == [f"variants/my_exp/frequency/slow/{slow.digest}.msgpack"]


def test_origin_is_the_first_appearance(journal: Desk, lock: Lock) -> None:
    slow = make_variant()
    first = lock(slow, ADA)
    (journal.folder / "experiment.py").write_text("changed\n")
    journal.git("commit", "--quiet", "-am", "second")
    later = journal.again()
    second = lock(make_variant("fast", 2), BOB, later)
    lock(slow, BOB, later)
    origins = later.variant_origins()
    assert set(origins) == set(later.locks())
    origin = origins[slow.lock]
    assert (origin.author, origin.name) == ("Ada Lovelace <ada@example.org>", "Ada Lovelace")
    assert origin.date == datetime(2026, 3, 1, 12, tzinfo=UTC)
    assert (origin.commit, origin.trial) == (first.commit, first.key)
    (fast,) = (found for name, found in origins.items() if name.name.variant == "fast")
    assert (fast.commit, fast.trial) == (second.commit, second.key)
    assert (
        journal.git("log", "--format=%an", "refs/mitosis", "--", "variants/my_exp/frequency/slow") == "Ada Lovelace\n"
    )


def test_history_does_not_depend_on_the_users_configuration(journal: Desk, lock: Lock, home: Path) -> None:
    slow = make_variant()
    lock(slow, Identity("Jörg", "j@example.org", 1_772_366_400, 0))
    kept, forgotten = journal.run_trial(), journal.run_trial()
    base = journal.oid_of(JOURNAL)
    journal.forget(forgotten.key, journal.identity)
    # A merge that takes away what both its parents have.
    journal.rewrite({record_path(kept): None})
    parents = ("-p", f"{JOURNAL}~", "-p", base)
    journal.git("update-ref", JOURNAL, journal.git("commit-tree", journal.tree(), *parents, "-m", "merge").strip())

    def taken() -> list[tuple[str, bool]]:
        return [(each.path, each.is_explained) for each in read_taken(journal.store, f"{base}..{JOURNAL}")]

    expected, taken_before = journal.variant_origins(), taken()
    lost = [(record_path(kept), False)]
    assert sorted(taken_before) == sorted([*lost * 2, (record_path(forgotten), False), (record_path(forgotten), True)])
    (home / "mailmap").write_text("Somebody Else <else@example.org> <j@example.org>\n")
    for name, value in {
        "log.showRoot": "false",
        "log.showSignature": "true",
        "log.mailmap": "true",
        "mailmap.file": str(home / "mailmap"),
        "log.date": "relative",
        "log.decorate": "full",
        "log.diffMerges": "combined",
        "i18n.logOutputEncoding": "latin1",
        "color.ui": "always",
        "diff.renames": "copies",
        "diff.external": "false",
        "format.pretty": "fuller",
        "notes.displayRef": "refs/notes/*",
        "core.quotePath": "true",
        "trailer.separators": "=",
        "diff.orderFile": "/nonexistent",
        "diff.relative": "true",
    }.items():
        journal.git("config", "--global", name, value)
    for merges in ("separate", "off", "first-parent", "combined"):
        journal.git("config", "--global", "log.diffMerges", merges)
        assert taken() == taken_before
    journal.git("config", "--global", "i18n.logOutputEncoding", "utf-16")
    assert taken() == taken_before
    assert journal.variant_origins() == expected
    assert [origin.name for origin in expected.values()] == ["Jörg"]


def test_same_lock_taken_by_two_people_has_the_earlier_origin(journal: Desk, lock: Lock) -> None:
    lock(make_variant("other", 5), ADA)
    base = journal.tip()
    lock(make_variant("slow", 1), BOB)
    theirs = journal.oid_of(JOURNAL)
    journal.git("update-ref", JOURNAL, str(base))
    first = lock(make_variant("slow", 1), ADA)
    tree = journal.oid_of("refs/mitosis/journal^{tree}")
    for parents in (("-p", JOURNAL, "-p", theirs), ("-p", theirs, "-p", JOURNAL)):
        merge = journal.git("commit-tree", tree, *parents, "-m", "merge").strip()
        journal.git("update-ref", JOURNAL, merge)
        origin = journal.variant_origins()[make_variant("slow", 1).lock]
        assert (origin.name, origin.trial) == ("Ada Lovelace", first.key)
        journal.git("update-ref", JOURNAL, f"{merge}^{1 if parents[3] == theirs else 2}")


def test_a_thousand_variants_are_checked_in_a_moment(journal: Desk) -> None:
    variants = []
    for number in range(1000):
        data = encode_value(number)
        variants.append(Variant(VariantName("fit", f"p{number % 10}", f"v{number}"), digest_value(data), data))
    identity = journal.identity
    started = journal.start(make_record(commit=journal.repository.head), variants, "", identity)
    assert started.newly_locked == tuple(variants)
    times_s = []
    for _ in range(5):
        began = time.process_time()
        assert journal.check(variants) == ()
        times_s.append(time.process_time() - began)
    assert min(times_s) < 0.05


@settings(max_examples=10, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.tuples(st.sampled_from("abc"), st.integers(1, 3)), max_size=12))
def test_locked_variant_never_changes(
    tmp_path_factory: pytest.TempPathFactory, git: Git, uses: list[tuple[str, int]]
) -> None:
    folder = tmp_path_factory.mktemp("lab")
    git("init", "--quiet", ".", cwd=folder)
    git("commit", "--quiet", "--allow-empty", "-m", "first", cwd=folder)
    journal = Desk(folder)
    meanings: dict[str, int] = {}
    for name, value in uses:
        variant = make_variant(name, value)
        record = make_record(commit=journal.repository.head)
        if meanings.setdefault(name, value) == value:
            journal.start(record, [variant], "", ADA)
        else:
            with pytest.raises(VariantRedefined):
                journal.start(record, [variant], "", ADA)
    assert {lock.name.variant: lock.digest for lock in journal.iter_variants()} == {
        name: make_variant(name, value).digest for name, value in meanings.items()
    }
