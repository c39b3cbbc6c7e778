"""Journals of several clones, merged: what the union holds, for everybody the same."""

from __future__ import annotations

import pytest

from mitosis.errors.journal import JournalError, NamingError, TrialNotFound, TrialStillRuns
from mitosis.errors.values import VariantConflict, VariantRedefined
from mitosis.journal import sharing
from mitosis.journal.notes import note_of
from mitosis.journal.storage import walking
from mitosis.process import this_process
from mitosis.records.trial import ParameterRecord
from mitosis.variants import Variant, VariantName
from support.journal import JOURNAL, PINS, Clone, Desk, make_variant

SLOW = VariantName("my_exp", "frequency", "slow")


def slow(digest: str = "a" * 40) -> tuple[ParameterRecord, ...]:
    return (ParameterRecord("my_exp", "frequency", "lookup", "slow", digest=digest, summary="1"),)


def disagree(ada: Desk, bob: Desk) -> tuple[Variant, Variant]:
    """Let one variant mean 1 to Ada and 3 to Bob; she then knows of it, and he does not."""
    adas, bobs = make_variant("slow", 1), make_variant("slow", 3)
    ada.run_trial(variants=[adas], parameters=slow(adas.digest))
    bob.run_trial(variants=[bobs], parameters=slow(bobs.digest))
    ada.merge_from(bob)
    return adas, bobs


def test_union_of_two_journals_is_the_same_for_both(ada: Desk, bob: Desk) -> None:
    one = ada.run_trial(variants=[make_variant("slow", 1)])
    bob.merge_from(ada)
    two = ada.run_trial(variants=[make_variant("fast", 10)])
    three = bob.run_trial(variants=[make_variant("middle", 5)])
    bobs_tip = bob.tip() or ""
    merged = ada.merge_from(bob)
    assert (merged.received, merged.updated, merged.forgotten) == (1, 0, 0)
    # Bob merges what Ada had before she merged his.
    bob.git("fetch", "--quiet", str(ada.folder), f"{JOURNAL}:refs/heads/adas")
    adas_tip = bob.oid_of("adas^1")
    assert bob.merge(adas_tip, bob.identity, "ada").received == 1
    assert ada.tree() == bob.tree()
    assert ada.trial_keys() == bob.trial_keys() == {one.key, two.key, three.key}
    assert ada.git("log", "-1", "--format=%s", JOURNAL) == "merge bob: 1 trial received\n"
    assert bobs_tip in ada.git("rev-parse", f"{JOURNAL}^2")
    assert {locked.name.variant for locked in ada.iter_variants()} == {"slow", "fast", "middle"}
    assert bob.merge_from(ada).received == 0
    ada.git("fsck", "--strict")


def test_journals_that_began_apart_are_united(ada: Desk, bob: Desk) -> None:
    variant = make_variant("slow", 1)
    ada.run_trial(variants=[variant])
    bob.run_trial(variants=[variant])
    ada.merge_from(bob)
    bob.merge_from(ada)
    assert ada.tree() == bob.tree()
    assert ada.trial_keys() == bob.trial_keys()
    assert len(ada.trial_keys()) == 2
    assert ada.conflicts() == ()


def test_what_is_ahead_is_taken_as_it_is(ada: Desk, bob: Desk) -> None:
    ada.run_trial()
    assert bob.merge_from(ada).before is None
    assert bob.tip() == ada.tip()
    assert bob.oid_of("refs/mitosis") == ada.tip()
    ada.run_trial()
    merged = bob.merge_from(ada)
    assert (merged.received, merged.is_changed, bob.tip()) == (1, True, ada.tip())
    bob.run_trial()
    tip = bob.tip()
    assert not bob.merge_from(ada).is_changed
    assert bob.tip() == tip


@pytest.mark.parametrize("is_related", [True, False])
def test_end_of_a_trial_wins_over_its_start(ada: Desk, bob: Desk, is_related: bool) -> None:
    if is_related:
        ada.run_trial()
        bob.merge_from(ada)
    started = ada.start_trial()
    if is_related:
        bob.merge_from(ada)
    else:
        # The same start reaches Bob's journal in another way, so there is no common ancestor.
        bob.start(started, [], "numpy==2.0.0\npandas==2.2.0\n", bob.identity)
    bob.run_trial()
    ended = started.with_changes(status="finished", main=1, ended="2026-03-01T12:00:09+00:00", duration_s=9.0)
    ada.end(ended, ada.identity)
    merged = bob.merge_from(ada)
    assert merged.updated == 1
    assert bob.read_trial(started.key) == ended
    ada.merge_from(bob)
    assert ada.read_trial(started.key) == ended
    assert ada.tree() == bob.tree()


def test_trial_that_was_forgotten_stays_forgotten(ada: Desk, bob: Desk) -> None:
    gone, kept = ada.run_trial(), ada.run_trial()
    bob.merge_from(ada)
    assert ada.forget(gone.key[:8], ada.identity) == gone
    new = bob.run_trial()
    merged = bob.merge_from(ada)
    assert merged.forgotten == 1
    ada.merge_from(bob)
    assert ada.trial_keys() == bob.trial_keys() == {kept.key, new.key}
    for journal in (ada, bob):
        note = journal.git_note()
        assert gone.key[:6] not in note
        assert kept.key[:6] in note
        assert new.key[:6] in note
    assert gone.key in bob.git("log", "--format=%B", JOURNAL)
    with pytest.raises(TrialNotFound):
        bob.read_trial(gone.key)


def test_end_is_kept_where_the_start_was_forgotten(ada: Desk, bob: Desk) -> None:
    started = ada.start_trial()
    bob.merge_from(ada)
    bob.forget(started.key, bob.identity)
    ended = started.with_changes(status="finished", ended="2026-03-01T12:00:09+00:00")
    ada.end(ended, ada.identity)
    ada.merge_from(bob)
    bob.merge_from(ada)
    assert bob.read_trial(started.key) == ada.read_trial(started.key) == ended


def test_trial_that_runs_is_not_forgotten(journal: Desk) -> None:
    started = journal.start_trial(process=this_process())
    with pytest.raises(TrialStillRuns, match=started.key):
        journal.forget(started.key, journal.identity)
    assert journal.read_trial(started.key) == started


def test_two_meanings_are_kept_and_cannot_be_run(ada: Desk, bob: Desk) -> None:
    adas, bobs = disagree(ada, bob)
    bob.merge_from(ada)
    assert ada.tree() == bob.tree()
    for journal in (ada, bob):
        [conflict] = journal.conflicts()
        assert str(conflict.name) == "my_exp.frequency=slow"
        assert {(m.digest, m.summary, m.author, m.used_by) for m in conflict.meanings} == {
            (adas.digest, "1", "ada", 1),
            (bobs.digest, "3", "bob", 1),
        }
        for variant in (adas, bobs):
            with pytest.raises(VariantConflict, match=r"mitosis variants resolve my_exp\.frequency=slow --keep"):
                journal.check([variant])


def test_resolution_holds_for_everybody(ada: Desk, bob: Desk) -> None:
    adas, bobs = disagree(ada, bob)
    bob.merge_from(ada)
    resolution = ada.resolve(
        SLOW,
        adas.digest[:6],
        ada.identity,
        rename_others=["bobs-slow"],
    )
    assert resolution.kept.digest == adas.digest
    assert [(other.digest, str(name)) for other, name in resolution.others] == [
        (bobs.digest, "my_exp.frequency=bobs-slow")
    ]
    bob.run_trial()
    bob.merge_from(ada)
    for journal in (ada, bob):
        assert journal.conflicts() == ()
        assert journal.check([adas]) == ()
        assert journal.check([make_variant("bobs-slow", 3)]) == ()
        with pytest.raises(VariantRedefined):
            journal.check([bobs])
    kept, locked = adas.digest, bobs.digest
    message = ada.git("log", "-1", "--format=%B", JOURNAL)
    assert message.startswith(f"resolve my_exp.frequency=slow: keep {kept[:6]}, {locked[:6]} is now bobs-slow")
    assert f"Kept: {kept} my_exp.frequency=slow" in message
    assert f"Locked: {locked} my_exp.frequency=bobs-slow" in message


def test_meaning_that_is_not_kept_can_be_dropped(ada: Desk, bob: Desk) -> None:
    _, bobs = disagree(ada, bob)
    ada.resolve(SLOW, bobs.digest, ada.identity)
    assert [locked.digest for locked in ada.iter_variants()] == [bobs.digest]
    bob.merge_from(ada)
    assert [locked.digest for locked in bob.iter_variants()] == [bobs.digest]


def test_third_meaning_is_not_what_two_different_resolutions_leave(ada: Desk, bob: Desk, clone: Clone) -> None:
    cy = clone("cy")
    adas, bobs, cys = (make_variant("slow", value) for value in (1, 3, 5))
    for journal, variant in ((ada, adas), (bob, bobs), (cy, cys)):
        journal.run_trial(variants=[variant])
    ada.merge_from(bob)
    bob.merge_from(ada)
    ada.resolve(SLOW, adas.digest, ada.identity)
    bob.resolve(SLOW, bobs.digest, bob.identity)
    bob.merge_from(cy)
    ada.merge_from(bob)
    bob.merge_from(ada)
    for journal in (ada, bob):
        [conflict] = journal.conflicts()
        assert {meaning.digest for meaning in conflict.meanings} == {adas.digest, bobs.digest, cys.digest}
    assert ada.tree() == bob.tree()


@pytest.mark.parametrize(
    ("variant", "keep", "names", "message"),
    [
        ("slow", "0", [], "no meaning"),
        ("slow", "", [], "no meaning"),
        ("fast", "9", [], "is not locked"),
        ("middle", "9", [], "one meaning"),
        ("slow", "adas", ["x", "y"], "1 other meaning"),
        ("slow", "adas", ["middle"], "with another value"),
        ("slow", "adas", ["slow"], "is the name that is in conflict"),
        ("slow", "adas", [""], "needs a name"),
    ],
)
def test_resolution_that_makes_no_sense_is_refused(
    ada: Desk, bob: Desk, variant: str, keep: str, names: list[str], message: str
) -> None:
    adas = make_variant("slow", 1)
    ada.run_trial(variants=[adas, make_variant("middle", 7)])
    bob.run_trial(variants=[make_variant("slow", 3)])
    ada.merge_from(bob)
    tip = ada.tip()
    keep = adas.digest if keep == "adas" else "f" * 39 if keep == "0" else keep
    with pytest.raises(NamingError, match=message):
        ada.resolve(VariantName("my_exp", "frequency", variant), keep, ada.identity, rename_others=names)
    assert ada.tip() == tip


def test_meaning_that_cannot_be_read_is_neither_kept_nor_suggested(ada: Desk) -> None:
    good = make_variant("slow", 1)
    ada.run_trial(variants=[good])
    bad = "1" * 40
    ada.rewrite({f"variants/my_exp/frequency/slow/{bad}.msgpack": "no value"})
    [conflict] = ada.conflicts()
    assert conflict.resolve_command == f"mitosis variants resolve my_exp.frequency=slow --keep {good.digest[:4]}"
    tip = ada.tip()
    for keep, names in ((bad, []), (good.digest, ["other"])):
        with pytest.raises(NamingError, match=f"{bad} cannot be read"):
            ada.resolve(SLOW, keep, ada.identity, rename_others=names)
    assert ada.tip() == tip
    ada.resolve(SLOW, f"{good.digest[:4]}…", ada.identity)
    assert ada.check([good]) == ()


def test_histories_that_cross_are_merged_alike(ada: Desk, bob: Desk, clone: Clone) -> None:
    first, second = ada.run_trial(), ada.run_trial()
    bob.merge_from(ada)
    carol = clone("carol")
    carol.merge_from(ada)
    ada.forget(first.key, ada.identity)
    bob.run_trial()
    # Ada and Bob merge the same two tips, each in their own way, so there are two best common ancestors.
    ada.git("fetch", "--quiet", str(bob.folder), f"{JOURNAL}:refs/heads/bobs")
    bob.git("fetch", "--quiet", str(ada.folder), f"{JOURNAL}:refs/heads/adas")
    ada.merge(ada.oid_of("bobs"), ada.identity, "bob")
    bob.merge(bob.oid_of("adas"), bob.identity, "ada")
    assert ada.tip() != bob.tip()
    assert ada.tree() == bob.tree()
    bob.forget(second.key, bob.identity)
    new = ada.run_trial()
    ada.merge_from(bob)
    assert len(ada.git("merge-base", "--all", f"{JOURNAL}^1", f"{JOURNAL}^2").split()) == 2
    carol.merge_from(bob)
    carol.merge_from(ada)
    bob.merge_from(carol)
    assert ada.tree() == bob.tree() == carol.tree()
    assert not {first.key, second.key} & carol.trial_keys()
    assert new.key in carol.trial_keys()


def test_notes_of_both_are_one_and_need_no_merge(ada: Desk, bob: Desk) -> None:
    for number in range(40):
        ada.run_trial(ended=f"2026-03-01T12:{number:02}:00+00:00")
        bob.run_trial(ended=f"2026-03-01T12:{number:02}:30+00:00")
    ada.merge_from(bob)
    bob.merge_from(ada)
    expected = note_of(list(ada.iter_trials())).to_text()
    assert expected.endswith("... and 30 more\n")
    for journal in (ada, bob):
        assert journal.git_note() == expected
    bob.run_trial(ended="2026-03-02T12:00:00+00:00")
    ada.merge_from(bob)
    assert ada.git_note() == note_of(list(ada.iter_trials())).to_text()
    for journal, other in ((ada, bob), (bob, ada)):
        journal.git("push", "--quiet", str(other.folder), "refs/notes/mitosis:refs/notes/mitosis")


def test_notes_that_differ_in_their_order_alone_are_settled_by_one_exchange(ada: Desk, bob: Desk) -> None:
    first, second = ada.start_trial(), ada.start_trial()
    bob.merge_from(ada)
    # The one that ended first is recorded last.
    for started, minute in ((second, 9), (first, 8)):
        ada.end(
            started.with_changes(status="finished", ended=f"2026-03-01T12:0{minute}:00+00:00"),
            ada.identity,
        )
    for _ in range(2):
        bob.merge_from(ada)
        ada.merge_from(bob)
    tips = [journal.git("rev-parse", "refs/notes/mitosis") for journal in (ada, bob)]
    bob.merge_from(ada)
    ada.merge_from(bob)
    assert [journal.git("rev-parse", "refs/notes/mitosis") for journal in (ada, bob)] == tips
    assert tips[0] == tips[1]


def test_clone_without_notes_takes_those_of_the_other(ada: Desk, bob: Desk) -> None:
    trial = ada.run_trial()
    bob.merge_from(ada)
    bob.git("update-ref", "-d", "refs/notes/mitosis")
    bob.merge_from(ada)
    assert trial.key[:6] in bob.git_note()


def test_folders_that_hold_each_other_many_times_over_are_not_taken_in(
    ada: Desk, bob: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(walking, "_ALWAYS_READ", 1_000)
    monkeypatch.setattr(sharing, "_COUNTED_CHANGES", 10_000)
    ada.run_trial()
    bob.run_trial()
    tree = bob.git("mktree", stdin="").strip()
    for _ in range(12):
        tree = bob.git("mktree", stdin="".join(f"040000 tree {tree}\tname{n}\n" for n in range(10))).strip()
    bob.replace_folder("trials", tree)
    tip = ada.tip()
    with pytest.raises(JournalError, match=r"cannot be merged: .* more than [0-9,]+ files and folders"):
        ada.merge_from(bob)
    assert ada.tip() == tip
    ada.git("remote", "rename", "origin", "bob")
    assert [(found.remote, found.trials) for found in ada.unmerged()] == [("bob", 0)]


def test_names_that_are_no_text_do_not_stop_the_clone(ada: Desk, bob: Desk) -> None:
    ada.run_trial()
    trial = bob.run_trial()
    odd = bob.git("ls-tree", f"{JOURNAL}:trials").split("\t")[0].split()[2]
    raw = b"40000 my_exp\0" + bytes.fromhex(odd) + b"40000 \xff\0" + bytes.fromhex(odd)
    bob.replace_folder("trials", bob.write_tree(raw))
    ada.merge_from(bob)
    new = ada.run_trial()
    assert {trial.key, new.key} <= ada.trial_keys()


@pytest.mark.parametrize("note", [None, "somebody wrote this\n", "abcdef  my_exp  finished\n"])
def test_note_that_is_missing_or_foreign_is_rebuilt_by_a_merge(ada: Desk, bob: Desk, note: str | None) -> None:
    ada.run_trial()
    bob.merge_from(ada)
    bob.run_trial(ended="2026-03-01T13:00:00+00:00")
    if note is None:
        ada.git("update-ref", "-d", "refs/notes/mitosis")
    else:
        ada.git("notes", "--ref=mitosis", "add", "-f", "-m", note)
    assert ada.merge_from(bob).notes_problem is None
    assert ada.git_note() == note_of(list(ada.iter_trials())).to_text()


def test_notes_that_cannot_be_read_do_not_keep_the_journal_from_merging(ada: Desk, bob: Desk) -> None:
    ada.run_trial()
    new = bob.run_trial()
    blob = ada.oid_of("HEAD:experiment.py")
    ada.git("update-ref", "refs/notes/mitosis", blob)
    merged = ada.merge_from(bob)
    assert merged.notes_problem is not None
    assert new.key in ada.trial_keys()


@pytest.mark.parametrize("name", ["..", ".git", ".GIT", "GIT~1", ".git. ", ".g\u200cit", ".git::$INDEX_ALLOCATION"])
def test_names_that_git_would_not_check_out_are_not_taken_in(ada: Desk, bob: Desk, name: str) -> None:
    ada.run_trial()
    bob.run_trial()
    blob = bob.oid_of(f"{JOURNAL}:format")
    raw = f"40000 {name}\0".encode() + bytes.fromhex(bob.write_tree(b"100644 x\0" + bytes.fromhex(blob)))
    entries = bob.git("cat-file", "-p", f"{JOURNAL}^{{tree}}").splitlines()
    trees = [(line.split("\t")[1], line.split()[0], line.split()[2]) for line in entries]
    data = raw + b"".join(f"{mode.lstrip('0')} {entry}\0".encode() + bytes.fromhex(oid) for entry, mode, oid in trees)
    bob.commit_tree(bob.write_tree(data))
    tip = ada.tip()
    with pytest.raises(JournalError, match="a name that mitosis never writes"):
        ada.merge_from(bob)
    assert ada.tip() == tip


def test_foreign_files_travel_and_the_same_one_is_taken_by_both(ada: Desk, bob: Desk) -> None:
    for journal in (ada, bob):
        journal.run_trial()
        name = journal.folder.name
        journal.rewrite({"README": "the same\n", f"only-{name}": f"of {name}\n"})
    ada.merge_from(bob)
    bob.merge_from(ada)
    assert ada.tree() == bob.tree()
    names = ada.git("ls-tree", "--name-only", JOURNAL).split()
    assert {"README", "only-ada", "only-bob"} <= set(names)


def test_folder_wins_over_a_file_in_its_place(ada: Desk, bob: Desk) -> None:
    ada.run_trial()
    trial = bob.run_trial()
    ada.git("fetch", "--quiet", str(bob.folder), JOURNAL)
    blob = ada.oid_of(f"{JOURNAL}:format")
    tree = ada.git("mktree", stdin=f"100644 blob {blob}\tformat\n100644 blob {blob}\ttrials\n").strip()
    ada.git("update-ref", JOURNAL, ada.git("commit-tree", tree, "-m", "hostile").strip())
    ada.merge_from(bob)
    assert ada.trial_keys() == {trial.key}


def test_what_was_fetched_and_not_merged_is_noticed(ada: Desk, bob: Desk) -> None:
    ada.run_trial()
    bob.merge_from(ada)
    assert bob.unmerged() == ()
    ada.run_trial()
    ada.run_trial()
    bob.git("remote", "add", "team/ada", "../ada")
    for remote in ("origin", "team/ada", "gone"):
        spec = f"+{JOURNAL}:refs/mitosis/remotes/{remote}/journal"
        bob.git("fetch", "--quiet", str(ada.folder), spec)
    assert {(found.remote, found.trials) for found in bob.unmerged()} == {("origin", 2), ("team/ada", 2)}
    before = bob.tip()
    bob.merge_from(ada)
    assert bob.unmerged() == ()
    bob.git("update-ref", JOURNAL, before or "")
    assert {found.trials for found in bob.unmerged()} == {2}
    bob.merge_from(ada)
    bob.run_trial()
    assert bob.unmerged() == ()
    (bob.repository.common_dir / "mitosis" / "merged").unlink()
    assert bob.unmerged() == ()
    assert len(bob.missing_keys(ada.tip())) == 1
    assert len(bob.missing_keys(None)) == 4


def test_some_trials_can_be_shared_without_the_others(ada: Desk, bob: Desk) -> None:
    used, other = make_variant("slow", 1), make_variant("fast", 10)
    bob.run_trial()
    ada.merge_from(bob)
    wanted = ada.run_trial(variants=[used], parameters=slow(used.digest))
    ada.run_trial(variants=[other])
    commit = ada.select([wanted.key], bob.tip(), ada.identity)
    tip = ada.tip()
    spec = f"{commit}:{JOURNAL}"
    ada.git("push", "--quiet", str(bob.folder), spec)
    assert ada.tip() == tip
    assert bob.read_trial(wanted.key) == wanted
    assert [locked.name.variant for locked in bob.iter_variants()] == ["slow"]
    assert bob.read_environment(wanted.environment)
    assert len(bob.trial_keys()) == 2
    ada.merge_from(bob)
    assert len(ada.trial_keys()) == 3
    with pytest.raises(TrialNotFound):
        ada.select(["f" * 12], None, ada.identity)


def test_pins_that_git_alone_fetched_are_taken_over(ada: Desk, bob: Desk) -> None:
    root = bob.folder
    bob.git("commit", "--quiet", "--allow-empty", "-m", "Bob's")
    bobs = Desk(root)
    trial = bobs.run_trial()
    spec = "+refs/mitosis/commits/*:refs/mitosis/remotes/bob/commits/*"
    ada.git("fetch", "--quiet", str(root), spec)
    assert ada.pins() == {}
    assert ada.adopt_pins("bob") == 1
    assert ada.adopt_pins("bob") == 0
    assert ada.pins() == {trial.commit: f"{PINS}/{trial.commit}"}


def test_passwords_in_urls_do_not_get_into_the_history(ada: Desk, bob: Desk) -> None:
    ada.run_trial()
    bob.run_trial()
    ada.git("fetch", "--quiet", str(bob.folder), f"{JOURNAL}:refs/heads/bobs")
    tip = ada.oid_of("bobs")
    ada.merge(tip, ada.identity, "https://ada:secret@example.org/x.git")
    message = ada.git("log", "-1", "--format=%B", JOURNAL)
    assert "https://example.org/x.git" in message
    assert "secret" not in message
