"""Journals in which somebody with git alone has changed or taken away what others know."""

from __future__ import annotations

import contextlib
from dataclasses import replace
from typing import Any

import msgpack
import pytest

from mitosis.errors.journal import JournalError, JournalRewritten
from mitosis.git import program
from mitosis.journal import git_log, layout, merge, sharing
from mitosis.journal.reasons import describe_path, first_recorded
from mitosis.records.codec import encode_trial
from mitosis.records.trial import TrialRecord
from mitosis.variants import VariantName
from mitosis.verify import repair, verify
from support.journal import JOURNAL, Clone, Desk, make_variant, record_path, run_git

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
    assert record.key[:6] in bob.git_note()


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
    with pytest.raises(JournalError, match="names none of the records"):
        ada.settle(record.key, "0123", ada.identity)
    assert ada.settle(record.key[:8], ada.read_ends(record.key)[1].oid[:10], ada.identity) == other
    assert ada.read_ends(record.key) == []
    merged = bob.merge_from(ada)
    assert bob.read_trial(record.key) == other
    assert bob.read_ends(record.key) == []
    assert merged.taken == (f"{ada.identity.name}: settle my_exp {record.key}: finished",)
    # What was chosen stays, as the first end did.
    rewrite_end(eve, record, main=10)
    exchange_all(ada, eve, bob)
    assert {desk.read_trial(record.key).main for desk in (ada, bob, eve)} == {9}
    with pytest.raises(JournalError, match="has one record"):
        ada.settle(ada.run_trial().key, "a", ada.identity)


@pytest.mark.parametrize("is_ahead", [True, False])
def test_a_copy_of_a_folder_lends_no_other_record_to_it(ada: Desk, eve: Desk, is_ahead: bool) -> None:
    record = ada.run_trial()
    eve.merge_from(ada)
    path = record_path(record)
    copy = path.replace("my_exp", "aaa")
    eve.rewrite({copy: encode_trial(record)})
    ada.merge_from(eve)
    if not is_ahead:
        ada.run_trial(experiment="other")
    forged = encode_trial(record.with_changes(main=999))
    eve.rewrite({copy: forged, path: forged})
    assert ada.merge_from(eve).disputes == (record.key,)
    assert ada.read_trial(record.key) == record
    # What was no record of its place may not become one either.
    eve.rewrite({copy: encode_trial(record.with_changes(experiment="aaa"))})
    assert ada.merge_from(eve).disputes == (record.key,)
    assert ada.listed() == ([each for each in ada.listed()[0] if each.experiment != "aaa"], [])
    assert ada.read_trial(record.key) == record


def test_an_end_that_was_taken_away_once_is_not_made_up_anew(ada: Desk, eve: Desk) -> None:
    started = ada.start_trial()
    record = started.with_changes(status="finished", main=1, ended="2026-03-01T12:00:09+00:00")
    ada.end(record, ada.identity)
    for between in (encode_trial(started), b"\xc1"):
        eve.merge_from(ada)
        eve.rewrite({record_path(record): between})
        rewrite_end(eve, record, main=9, ended="2026-03-01T12:00:05+00:00")
        assert ada.merge_from(eve).disputes == (record.key,)
        assert ada.read_trial(record.key) == record
        ada.settle(record.key, ada.read_ends(record.key)[0].oid, ada.identity)


def test_the_start_of_a_trial_does_not_change(ada: Desk, bob: Desk, eve: Desk) -> None:
    started = ada.start_trial()
    eve.merge_from(ada)
    forged = rewrite_end(eve, started, parameters=(), author="Mallory <m@example.org>")
    found = [finding.where for finding in verify(eve.repository).problems if finding.kind == "history"]
    assert found == [record_path(started)]
    bob.merge_from(eve)  # he has known no other
    assert ada.merge_from(eve).disputes == (started.key,)
    assert ada.read_trial(started.key) == started
    assert [(end.record, end.author) for end in ada.read_ends(started.key)] == [(started, "ada"), (forged, "Eve")]
    # An end that tells another start is none.
    rewrite_end(eve, forged, status="finished", main=9, ended="2026-03-01T12:00:05+00:00")
    exchange_all(ada, bob, eve)
    for desk in (ada, bob, eve):
        assert desk.read_trial(started.key) == started
        assert desk.tree() == ada.tree()
    ended = started.with_changes(status="finished", main=1, ended="2026-03-01T12:00:09+00:00")
    ada.end(ended, ada.identity)
    exchange_all(ada, bob, eve)
    assert {desk.read_trial(started.key).main for desk in (ada, bob, eve)} == {1}
    assert ada.tree() == bob.tree() == eve.tree()


@pytest.mark.parametrize("is_elsewhere", [True, False])
def test_a_key_is_recorded_once(ada: Desk, bob: Desk, eve: Desk, is_elsewhere: bool) -> None:
    record = ada.run_trial()
    eve.merge_from(ada)
    bob.run_trial()
    other = record.with_changes(main=999, **({"experiment": "aaa"} if is_elsewhere else {}))
    direct, in_shard = layout.record_paths(layout.trial_folder(other.experiment, other.started), other.key)
    eve.rewrite({direct if is_elsewhere else in_shard: encode_trial(other)})
    merged = ada.merge_from(eve)
    assert (merged.received, merged.updated, merged.disputes) == (0, 0, (record.key,))
    assert ada.listed() == ([record], [])
    known = [(record, "ada", True), (other, "Eve", False)]
    assert [(end.record, end.author, end.is_in_place) for end in ada.read_ends(record.key)] == known
    bob.merge_from(eve)  # he has known none, so both are there as Eve has them
    bob.run_trial()
    exchange_all(bob, eve, ada)
    for desk in (ada, bob, eve):
        assert desk.read_trial(record.key) == record
        assert desk.tree() == ada.tree()
        assert not [finding for finding in verify(desk.repository).problems if finding.kind == "history"]
    oids = [end.oid for end in bob.read_ends(record.key)]
    if is_elsewhere:
        with pytest.raises(JournalError, match=f"no record of trial {record.key} of my_exp"):
            bob.settle(record.key, oids[1], bob.identity)
        chosen = bob.settle(record.key, oids[0], bob.identity)
    else:
        chosen = bob.settle(record.key, oids[1], bob.identity)
    exchange_all(ada, bob, eve)
    assert [desk.read_trial(record.key) for desk in (ada, eve)] == [chosen] * 2
    assert [desk.read_ends(record.key) for desk in (ada, bob, eve)] == [[]] * 3


def test_what_is_in_dispute_was_first_elsewhere(ada: Desk, eve: Desk) -> None:
    record = ada.run_trial()
    eve.merge_from(ada)
    path = record_path(record)
    other = record.with_changes(main=999, experiment="aaa")
    # As if the real record were the copy.
    disputed = layout.disputed_path(record.key, eve.oid_of(f"{JOURNAL}:{path}"))
    eve.rewrite({path: None, disputed: encode_trial(record), record_path(other): encode_trial(other)})
    with pytest.raises(JournalRewritten, match=f"trial {record.key} of my_exp"):
        ada.merge_from(eve)
    ada.merge(eve.tip() or "", ada.identity, "eve", keep=True)
    assert ada.read_trial(record.key) == record


def test_records_of_one_key_that_were_made_apart_are_refused(ada: Desk, eve: Desk) -> None:
    record = ada.run_trial()
    other = record.with_changes(main=999, experiment="aaa")
    eve.run_trial()
    eve.rewrite({record_path(other): encode_trial(other)})
    for desk, source, ours, theirs in ((ada, eve, "my_exp", "aaa"), (eve, ada, "aaa", "my_exp")):
        tip = desk.tip()
        words = f"trial {record.key} of {ours}, which it has as trial {record.key} of {theirs}"
        with pytest.raises(JournalRewritten, match=words):
            desk.merge_from(source)
        assert desk.tip() == tip
    merged = ada.merge(eve.tip() or "", ada.identity, "eve", keep=True)
    assert (merged.received, merged.disputes) == (1, (record.key,))
    assert ada.read_trial(record.key) == record
    # Whoever has taken it in first lets go of it.
    eve.forget(record.key, eve.identity)
    eve.merge_from(ada)
    assert eve.read_trial(record.key) == record


def test_many_altered_ends_take_no_more_readings_of_the_history(
    ada: Desk, eve: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    records = [ada.run_trial() for _ in range(5)]
    eve.merge_from(ada)
    read = program.reading_git
    runs: list[int] = []

    def count(*words: Any, **named: Any) -> Any:
        runs[-1] += 1
        return read(*words, **named)

    monkeypatch.setattr(git_log, "reading_git", count)
    for altered in (records[:1], records[1:]):
        eve.rewrite({record_path(record): encode_trial(record.with_changes(main=9)) for record in altered})
        runs.append(0)
        assert len(ada.merge_from(eve).disputes) == len(altered)
    assert runs[0] == runs[1]


def test_what_has_the_digest_of_its_name_wins(ada: Desk, bob: Desk, eve: Desk) -> None:
    slow = replace(make_variant("slow", 1), functions={"m:f": "a" * 40})
    record = ada.run_trial(variants=[slow])
    ada.tag([record.key], "paper", ada.identity)
    eve.merge_from(ada)
    whole = ada.tree()
    paths = [path for path in eve.git("ls-tree", "-r", "--name-only", JOURNAL).splitlines() if is_digest(path)]
    assert {path.partition("/")[0] for path in paths} == {"annotations", "environments", "sources", "variants"}
    eve.rewrite(dict.fromkeys(paths, b"\x01\x02"))
    bob.merge_from(eve)  # he has known no other
    assert not ada.merge_from(eve).unexplained
    assert ada.tree() == whole
    for desk in (bob, eve):
        other = desk.run_trial(experiment="other")
        desk.merge_from(ada)
        desk.forget(other.key, desk.identity)
        assert desk.tree() == whole
    # Somebody has removed what was of no use there, and here it is not.
    eve.rewrite({paths[-1]: b"\x01"})
    eve.remove(paths[-1], eve.identity)
    with pytest.raises(JournalRewritten, match=r"the lock of my_exp\.frequency=slow"):
        ada.merge_from(eve)


def is_digest(path: str) -> bool:
    return "/" in path and not path.startswith("trials/")


@pytest.mark.parametrize("kind", ["trial", "lock", "annotation"])
def test_only_what_cannot_be_used_is_removed_for_that(ada: Desk, eve: Desk, kind: str) -> None:
    slow = make_variant("slow", 1)
    record = ada.run_trial(variants=[slow])
    ada.tag([record.key], "paper", ada.identity)
    eve.merge_from(ada)
    folders = {"lock": layout.VARIANTS, "annotation": layout.ANNOTATIONS, "trial": layout.TRIALS}
    (path,) = eve.git("ls-tree", "-r", "--name-only", JOURNAL, f"{folders[kind]}/").splitlines()
    eve.rewrite({path: None})
    say(eve, f"remove it\n\nRemoved: {path}\n")
    with pytest.raises(JournalRewritten):
        ada.merge_from(eve)
    assert [finding.where for finding in verify(eve.repository).problems if finding.kind == "history"] == [path]


def say(desk: Desk, message: str) -> None:
    """Let the journal's newest commit say something else."""
    words = ("commit-tree", f"{JOURNAL}^{{tree}}", "-p", f"{JOURNAL}^", "-m", message)
    desk.git("update-ref", JOURNAL, desk.git(*words).strip())


@pytest.mark.parametrize("kind", ["garbage", "newer", "running"])
def test_a_record_that_cannot_have_been_written_is_kept_out(ada: Desk, bob: Desk, eve: Desk, kind: str) -> None:
    record = ada.run_trial()
    for desk in (eve, bob):
        desk.merge_from(ada)
    fields = msgpack.unpackb(encode_trial(record))
    changes = {"newer": {"format": 2}, "running": {"status": "running", "ended": None}}.get(kind)
    eve.rewrite({record_path(record): b"\xc1" if changes is None else msgpack.packb(fields | changes)})
    with pytest.raises(JournalRewritten, match=f"trial {record.key} of my_exp"):
        ada.merge_from(eve)
    ada.merge(eve.tip() or "", ada.identity, "eve", keep=True)
    for desk in (ada, bob, eve):
        desk.merge_from(ada)
        assert desk.read_trial(record.key) == record
        assert desk.read_ends(record.key) == []


@pytest.mark.parametrize("kind", ["garbage", "newer", "misplaced"])
def test_a_journal_without_a_past_spoils_no_record(ada: Desk, eve: Desk, kind: str) -> None:
    record = ada.run_trial()
    eve.merge_from(ada)
    spoiled = {"garbage": b"\xc1", "newer": b"\x81\xa6format\x63"}
    eve.rewrite({record_path(record): spoiled.get(kind, encode_trial(record.with_changes(experiment="other")))})
    eve.git("update-ref", JOURNAL, eve.git("commit-tree", f"{JOURNAL}^{{tree}}", "-m", "by hand").strip())
    with contextlib.suppress(JournalRewritten):
        ada.merge_from(eve)
    ada.merge(eve.tip() or "", ada.identity, "eve", keep=True)
    assert ada.listed() == ([record], [])


@pytest.mark.parametrize("where", ["trials", "day", "record", "environments", "variants", "slow", "lock", "disputed"])
def test_what_is_in_the_place_of_a_file_or_folder_goes(ada: Desk, bob: Desk, eve: Desk, where: str) -> None:
    slow = make_variant("slow", 1)
    record = ada.run_trial(variants=[slow])
    eve.merge_from(ada)
    bob.merge_from(ada)
    whole = ada.tree()
    path = record_path(record)
    lock = layout.variant_path(*slow.lock)
    folders = {"day": path.rpartition("/")[0], "slow": lock.rpartition("/")[0]}
    if where in ("record", "lock"):
        file = {"record": path, "lock": lock}[where]
        eve.rewrite({file: None, f"{file}/sub/x": b"x"})
    else:
        folder = folders.get(where, where)
        inside = eve.git("ls-tree", "-r", "--name-only", JOURNAL, f"{folder}/").splitlines()
        eve.rewrite({**dict.fromkeys(inside), folder: b"x"})
    if where == "disputed":
        rewrite_end(eve, record, main=9)
        assert ada.merge_from(eve).disputes == (record.key,)
    else:
        with pytest.raises(JournalRewritten):
            ada.merge_from(eve)
        ada.merge(eve.tip() or "", ada.identity, "eve", keep=True)
        assert ada.tree() == whole
    for desk in (bob, eve):
        desk.merge_from(ada)
        assert desk.tree() == ada.tree()
        assert desk.read_trial(record.key) == record
    ada.git("fsck", "--strict")


def test_only_what_was_in_dispute_can_be_chosen(ada: Desk, bob: Desk, eve: Desk) -> None:
    record = ada.run_trial()
    eve.merge_from(ada)
    path = record_path(record)
    other = rewrite_end(eve, record, main=99)
    say(eve, f"settle\n\nChosen: {eve.oid_of(f'{JOURNAL}:{path}')} {record.key}\nSettled: {record.key}\n")
    assert [finding.where for finding in verify(eve.repository).problems if finding.kind == "history"] == [path]
    bob.merge_from(eve)
    assert ada.merge_from(eve).disputes == (record.key,)
    exchange_all(ada, bob, eve)
    for desk in (ada, bob, eve):
        assert [end.record for end in desk.read_ends(record.key)] == [record, other]


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
    ("renaming", "the new name of my_exp.frequency=slow"),
    ("release", "the release of my_exp.frequency=fast"),
    ("sources", "what the functions of my_exp.frequency=slow were"),
    ("in a merge", "trial {key} of my_exp"),
]


@pytest.mark.parametrize(("what", "named"), WITHOUT_REASON)
def test_nothing_is_taken_away_without_a_reason(ada: Desk, eve: Desk, what: str, named: str) -> None:
    slow, other = replace(make_variant("slow", 1), functions={"m:f": "a" * 40}), make_variant("slow", 2)
    record = ada.run_trial(variants=[slow])
    if what == "retirement":
        ada.retire(SLOW, "wrong", ada.identity)
    if what == "renaming":
        ada.rename(SLOW, "one", ada.identity)
    if what == "release":
        ada.lock([make_variant("fast", 3)], ada.repository.head or "", ada.identity)
        ada.release(SLOW.renamed("fast"), "wrong", ada.identity)
    eve.merge_from(ada)
    new = eve.run_trial()
    lock = layout.variant_path(*slow.lock)
    kinds = {"environment": layout.ENVIRONMENTS, "retirement": layout.RETIRED, "sources": layout.SOURCES}
    kinds |= {"renaming": layout.RENAMED, "release": layout.RELEASED}
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
    assert "pull '../my lab' --keep" in str(JournalRewritten("../my lab", "1" * 40, "2" * 40, ["x"]))
    assert ada.tip() == tip
    looked = next(line for line in str(caught.value).splitlines() if "git log" in line)
    folders = {"environment": "environments/", "retirement": "retired/", "sources": "sources/"}
    folders |= {"renaming": "renamed/", "release": "released/"}
    path = folders.get(what, lock if "lock" in what else record.key)
    assert path in ada.git(*looked.split()[1:], "--stat=2000")
    ada.merge(eve.tip() or "", ada.identity, "eve", keep=True)
    assert ada.trial_keys() == {record.key, new.key}
    eve.merge_from(ada)
    assert ada.tree() == eve.tree()
    assert slow.lock in ada.locks()
    assert not ada.merge_from(eve).is_changed


def test_the_history_is_searched_for_what_was_taken_away(ada: Desk, bob: Desk, eve: Desk) -> None:
    gone, changed, kept = (ada.run_trial(variants=[make_variant("slow", 1)], parameters=()) for _ in range(3))
    for desk in (bob, eve):
        desk.merge_from(ada)
    bob.forget(gone.key, bob.identity)
    bob.run_trial(parameters=())
    ada.run_trial(parameters=())
    ada.merge_from(bob)
    assert not [finding for finding in verify(ada.repository).problems if finding.kind == "history"]
    rewrite_end(eve, changed, main=9)
    eve.rewrite({record_path(kept): None, layout.variant_path(*make_variant("slow", 1).lock): None})
    found = {finding.where: finding for finding in verify(eve.repository).problems if finding.kind == "history"}
    assert set(found) == {record_path(changed), record_path(kept), layout.variant_path(*make_variant("slow", 1).lock)}
    finding = found[record_path(kept)]
    assert finding.what == f"trial {kept.key} of my_exp was taken away without a reason by Eve, {today(eve)}"
    assert finding.remedy == "mitosis verify --repair"
    assert eve.git(*found[record_path(changed)].remedy.split()[1:])
    ada.merge(eve_tip(ada, eve), ada.identity, "eve", keep=True)
    # What is as it was again is no problem.
    assert [(finding.kind, finding.where) for finding in verify(ada.repository).problems] == [("trial", changed.key)]
    remarks = {finding.where for finding in verify(ada.repository).findings if finding.kind == "history"}
    assert remarks == set(found)
    oid = ada.read_ends(changed.key)[1].oid
    ada.settle(changed.key, oid, ada.identity)
    assert verify(ada.repository).is_sound
    eve.merge_from(ada)
    assert not [finding for finding in verify(eve.repository).problems if finding.kind != "pin"]


@pytest.mark.parametrize("kind", ["garbage", "removed", "running", "lock", "forgotten lock"])
def test_what_the_history_has_whole_is_put_back(ada: Desk, bob: Desk, eve: Desk, kind: str) -> None:
    slow = make_variant("slow", 1)
    record = ada.run_trial(variants=[slow], parameters=())
    bob.merge_from(ada)
    path = layout.variant_path(*slow.lock) if "lock" in kind else record_path(record)
    running = record.with_changes(status="running", ended=None)
    spoiled = {"removed": None, "running": encode_trial(running)}.get(kind, b"\xc1")
    eve.merge_from(ada)
    whole = eve.tree()
    eve.rewrite({path: spoiled})
    if kind == "forgotten lock":
        assert "mitosis verify --repair" in eve.remove(path, eve.identity)[1]
    ada.git("fetch", "--quiet", "--force", str(eve.folder), f"{JOURNAL}:{JOURNAL}")
    found = {finding.where: finding.remedy for finding in verify(ada.repository).findings}
    assert found[path] == "mitosis verify --repair"
    assert not [remedy for remedy in found.values() if "forget" in remedy]
    assert f"put back {describe_path(path)}" in repair(ada.repository, ada.identity)
    assert ada.tree() == whole
    assert verify(ada.repository).is_sound
    assert repair(ada.repository, ada.identity) == []
    assert not bob.merge_from(ada).unexplained
    eve.merge_from(ada)
    for desk in (ada, bob, eve):
        assert desk.tree() == whole
        assert desk.read_trial(record.key) == record


def eve_tip(ada: Desk, eve: Desk) -> str:
    with pytest.raises(JournalRewritten):
        ada.merge_from(eve)
    return eve.tip() or ""


def test_the_history_tells_which_of_two_records_of_a_key_was_first(ada: Desk, eve: Desk) -> None:
    record = ada.run_trial()
    path = record_path(record)
    copies = [path.replace("my_exp", name) for name in ("aaa", "zzz")]
    eve.merge_from(ada)
    eve.rewrite({copies[0]: "x"})
    eve.rewrite({path: "x"})  # what it is now does not count
    base = eve.oid_of(JOURNAL)
    eve.rewrite({copies[1]: "x"})
    # By its date, it was first.
    words = ("-c", "user.name=Eve", "commit-tree", f"{JOURNAL}^{{tree}}", "-p", base, "-m", "by hand")
    dated = {"GIT_AUTHOR_DATE": "2001-01-01T00:00:00Z", "GIT_COMMITTER_DATE": "2001-01-01T00:00:00Z"}
    eve.git("update-ref", JOURNAL, run_git(*words, cwd=eve.folder, variables=dated).strip())
    for paths in ([*copies, path], [path, *copies], [copies[1], path]):
        assert first_recorded(eve.store, JOURNAL, paths) == path
    assert first_recorded(eve.store, JOURNAL, copies[::-1]) == copies[0]
    assert first_recorded(eve.store, JOURNAL, ["trials/b", "trials/a"]) == "trials/a"


def test_what_is_taken_away_with_a_reason_is_named(ada: Desk, bob: Desk) -> None:
    gone, kept = ada.run_trial(), ada.run_trial()
    bob.merge_from(ada)
    bob.forget(gone.key, bob.identity)
    bob.run_trial()
    ada.run_trial()
    merged = ada.merge_from(bob)
    assert merged.taken == (f"{bob.identity.name}: forget my_exp {gone.key}",)
    assert kept.key in ada.trial_keys() and gone.key not in ada.trial_keys()


def test_remarks_go_with_a_reason(ada: Desk, bob: Desk) -> None:
    slow = replace(make_variant("slow", 1), functions={"m:f": "a" * 40})
    late = replace(slow, name=SLOW.renamed("late"))
    commit = ada.repository.head or ""
    for change in (
        lambda: ada.lock([slow], commit, ada.identity),
        lambda: ada.rename(SLOW, "late", ada.identity),
        lambda: ada.release(late.name, "wrong", ada.identity),
        lambda: ada.lock([late], commit, ada.identity),
        lambda: ada.rename(SLOW, "late", ada.identity),
        lambda: ada.rename(late.name, "slow", ada.identity),
    ):
        before = ada.tip()
        change()
        assert ada.tip() != before
        bob.merge_from(ada)
    kept = {path.partition("/")[0] for path in bob.git("ls-tree", "-r", "--name-only", JOURNAL).splitlines()}
    assert kept == {"format", layout.VARIANTS, layout.SOURCES, layout.RENAMED}
    assert not [finding for finding in verify(bob.repository).problems if finding.kind == "history"]


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
