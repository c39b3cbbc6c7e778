"""Journals in which somebody with git alone has changed or taken away what others know."""

from __future__ import annotations

from typing import Any

import pytest

from mitosis.errors.journal import JournalError, JournalRewritten
from mitosis.journal import layout, merge, sharing
from mitosis.records.codec import encode_trial
from mitosis.records.trial import TrialRecord
from mitosis.variants import VariantName
from mitosis.verify import verify
from support.journal import JOURNAL, Clone, Desk, make_variant, record_path

SLOW = VariantName("my_exp", "frequency", "slow")


@pytest.fixture
def eve(clone: Clone) -> Desk:
    eve = clone("eve")
    eve.git("config", "user.name", "Eve")
    return eve


def rewrite_end(eve: Desk, record: TrialRecord, **changes: Any) -> TrialRecord:
    other = record.with_changes(**changes)
    eve.rewrite({record_path(record): encode_trial(other)})
    return other


def exchange_all(*desks: Desk) -> None:
    for _ in desks:
        for desk in desks:
            for other in desks:
                if other is not desk:
                    desk.merge_from(other)


def test_a_trial_that_ended_keeps_its_end_whatever_others_make_of_it(ada: Desk, bob: Desk, eve: Desk) -> None:
    record = ada.run_trial()
    eve.merge_from(ada)
    other = rewrite_end(eve, record, main=9)
    bob.merge_from(eve)  # he has known no other
    merged = ada.merge_from(eve)
    assert ada.read_trial(record.key) == record
    assert merged.disputes == (record.key,)
    assert [(end.record, end.author, end.is_in_place) for end in ada.read_ends(record.key)] == [
        (record, ada.identity.name, True),
        (other, "Eve", False),
    ]
    exchange_all(bob, eve, ada)
    for desk in (ada, bob, eve):
        assert desk.read_trial(record.key) == record
        assert desk.tree() == ada.tree()
    assert record.key[:6] in bob.note()


def test_somebody_chooses_one_of_several_ends_for_everybody(ada: Desk, bob: Desk, eve: Desk) -> None:
    record = ada.run_trial()
    eve.merge_from(ada)
    bob.merge_from(ada)
    other = rewrite_end(eve, record, main=9)
    ada.merge_from(eve)
    disputed = ada.read_ends(record.key)
    ada.forget(record.key, ada.identity)
    ada.bring_back(record.key, ada.identity)
    assert [end.record for end in ada.read_ends(record.key)] == [end.record for end in disputed] == [record, other]
    with pytest.raises(JournalError, match="names none of the recorded ends"):
        ada.settle(record.key, "0123", ada.identity)
    assert ada.settle(record.key[:8], ada.read_ends(record.key)[1].oid[:10], ada.identity) == other
    assert ada.read_ends(record.key) == []
    merged = bob.merge_from(ada)
    assert bob.read_trial(record.key) == other
    assert merged.taken == (f"{ada.identity.name}: settle my_exp {record.key}: finished",)
    # What was chosen stays, as the first end did.
    rewrite_end(eve, record, main=10)
    exchange_all(ada, eve, bob)
    assert {desk.read_trial(record.key).main for desk in (ada, bob, eve)} == {9}
    with pytest.raises(JournalError, match="one recorded end"):
        ada.settle(ada.run_trial().key, "a", ada.identity)


def today(desk: Desk) -> str:
    return desk.git("log", "-1", "--format=%as", JOURNAL).strip()


def test_of_two_ends_that_were_recorded_apart_the_first_stays(ada: Desk, bob: Desk) -> None:
    started = ada.start_trial()
    bob.merge_from(ada)
    ends = [started.with_changes(status="finished", main=n, ended=f"2026-03-01T12:00:0{n}+00:00") for n in (7, 3)]
    for desk, end in zip((ada, bob), ends, strict=True):
        desk.end(end, desk.identity)
    assert ada.merge_from(bob).disputes == (started.key,)
    bob.merge_from(ada)
    assert ada.read_trial(started.key) == bob.read_trial(started.key) == ends[1]
    assert ada.tree() == bob.tree()
    ada.forget(started.key, ada.identity)
    bob.merge_from(ada)
    assert bob.trial_keys() == set()
    assert layout.DISPUTED not in bob.git("ls-tree", "--name-only", JOURNAL)


def test_who_ran_a_trial_knows_best_how_it_ended(ada: Desk, bob: Desk, eve: Desk) -> None:
    started = ada.start_trial()
    for desk in (bob, eve):
        desk.merge_from(ada)
    rewrite_end(eve, started, status="finished", main=9, ended="2026-03-01T12:00:05+00:00")
    exchange_all(ada, bob, eve)
    ended = started.with_changes(status="finished", main=1, ended="2026-03-01T12:00:09+00:00")
    ada.end(ended, ada.identity)
    exchange_all(ada, bob, eve)
    assert {desk.read_trial(started.key).main for desk in (ada, bob, eve)} == {1}
    assert ada.tree() == bob.tree() == eve.tree()


WITHOUT_REASON = [
    ("trial", "trial {key} of my_exp"),
    ("lock", "the lock of my_exp.frequency=slow to {digest}"),
    ("replaced lock", "the lock of my_exp.frequency=slow to {digest}"),
    ("environment", "the file environments/"),
    ("retirement", "the retirement of my_exp.frequency=slow"),
    ("in a merge", "trial {key} of my_exp"),
]


@pytest.mark.parametrize(("what", "named"), WITHOUT_REASON)
def test_nothing_is_taken_away_without_a_reason(ada: Desk, eve: Desk, what: str, named: str) -> None:
    slow, other = make_variant("slow", 1), make_variant("slow", 2)
    record = ada.run_trial(variants=[slow])
    if what == "retirement":
        ada.retire(SLOW, "wrong", ada.identity)
    eve.merge_from(ada)
    new = eve.run_trial()
    lock = layout.variant_path(*slow.lock)
    kinds = {"environment": layout.ENVIRONMENTS, "retirement": layout.RETIRED}
    if what in kinds:
        eve.replace_folder(kinds[what], None)
    elif "lock" in what:
        eve.rewrite({lock: None, **({layout.variant_path(*other.lock): other.value} if "replaced" in what else {})})
    else:
        eve.rewrite({record_path(record): None})
    if what == "in a merge":
        # The commit that takes it away has two parents which both have it.
        words = ("commit-tree", f"{JOURNAL}^{{tree}}", "-p", ada.tip() or "", "-p", f"{JOURNAL}^", "-m", "merge")
        eve.git("update-ref", JOURNAL, eve.git(*words).strip())
    tip = ada.tip()
    with pytest.raises(JournalRewritten) as caught:
        ada.merge_from(eve)
    assert named.format(key=record.key, digest=slow.digest[:6]) in str(caught.value)
    assert "mitosis pull eve --keep" in str(caught.value)
    assert ada.tip() == tip
    looked = next(line for line in str(caught.value).splitlines() if "git log" in line)
    path = {"environment": "environments/", "retirement": "retired/"}.get(what, lock if "lock" in what else record.key)
    assert path in ada.git(*looked.split()[1:], "--stat=2000")
    ada.merge(eve.tip() or "", ada.identity, "eve", keep=True)
    assert ada.trial_keys() == {record.key, new.key}
    eve.merge_from(ada)
    assert ada.tree() == eve.tree()
    assert slow.lock in ada.locks()
    assert not ada.merge_from(eve).is_changed


def test_the_history_is_searched_for_what_was_taken_away(ada: Desk, bob: Desk, eve: Desk) -> None:
    gone, changed, kept = (ada.run_trial(variants=[make_variant("slow", 1)]) for _ in range(3))
    for desk in (bob, eve):
        desk.merge_from(ada)
    bob.forget(gone.key, bob.identity)
    bob.run_trial()
    ada.run_trial()
    ada.merge_from(bob)
    assert not [finding for finding in verify(ada.repository).problems if finding.kind == "history"]
    rewrite_end(eve, changed, main=9)
    eve.rewrite({record_path(kept): None, layout.variant_path(*make_variant("slow", 1).lock): None})
    found = {finding.where: finding for finding in verify(eve.repository).problems if finding.kind == "history"}
    assert set(found) == {record_path(changed), record_path(kept), layout.variant_path(*make_variant("slow", 1).lock)}
    finding = found[record_path(kept)]
    assert finding.what == f"trial {kept.key} of my_exp was taken away without a reason by Eve, {today(eve)}"
    assert eve.git(*finding.remedy.split()[1:])
    ada.merge(eve_tip(ada, eve), ada.identity, "eve", keep=True)
    problems = {(finding.kind, finding.where): finding for finding in verify(ada.repository).problems}
    assert ("trial", changed.key) in problems and ("history", record_path(kept)) in problems


def eve_tip(ada: Desk, eve: Desk) -> str:
    with pytest.raises(JournalRewritten):
        ada.merge_from(eve)
    return eve.tip() or ""


def test_what_is_taken_away_with_a_reason_is_named(ada: Desk, bob: Desk) -> None:
    gone, kept = ada.run_trial(), ada.run_trial()
    bob.merge_from(ada)
    bob.forget(gone.key, bob.identity)
    bob.run_trial()
    ada.run_trial()
    merged = ada.merge_from(bob)
    assert merged.taken == (f"{bob.identity.name}: forget my_exp {gone.key}",)
    assert kept.key in ada.trial_keys() and gone.key not in ada.trial_keys()


def test_histories_that_cross_many_times_are_merged_at_once(ada: Desk, bob: Desk) -> None:
    ada.run_trial()
    bob.merge_from(ada)
    ada.run_trial()
    bob.run_trial()
    ada.git("fetch", "--quiet", str(bob.folder), f"{JOURNAL}:refs/heads/bobs")
    one, two, tree = ada.tip() or "", ada.oid_of("refs/heads/bobs"), ada.oid_of(f"{JOURNAL}^{{tree}}")
    for _ in range(33):
        parents = ("-p", one, "-p", two)
        one, two = (ada.git("commit-tree", tree, *parents, "-m", f"merge {n}").strip() for n in "ab")
    ada.git("update-ref", JOURNAL, one)
    record = ada.run_trial()
    ada.merge(two, ada.identity, "bob")
    assert record.key in ada.trial_keys()


def test_a_merge_keeps_nobody_from_recording(ada: Desk, bob: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    ada.run_trial()
    theirs = bob.run_trial()
    unite = merge.unite
    recorded: list[TrialRecord] = []

    def unite_slowly(*words: Any, **named: Any) -> Any:
        union = unite(*words, **named)
        if len(recorded) < 2:
            recorded.append(ada.again().run_trial())
        return union

    monkeypatch.setattr(sharing, "unite", unite_slowly)
    ada.merge_from(bob)
    assert len(recorded) == 2
    assert {theirs.key, *(record.key for record in recorded)} <= ada.trial_keys()
