"""Journals of several clones, merged: what the union holds, for everybody the same."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from mitosis.errors.journal import JournalError, NamingError, TrialNotFound, TrialStillRuns
from mitosis.errors.values import VariantConflict, VariantRedefined
from mitosis.git.repository import find_repository
from mitosis.journal import sharing
from mitosis.journal.journal import Journal
from mitosis.journal.notes import note_of
from mitosis.journal.sharing import Merged
from mitosis.process import this_process
from mitosis.records.trial import ParameterRecord, TrialRecord
from mitosis.variants import Variant, VariantName

RunTrial = Callable[..., TrialRecord]
MakeVariant = Callable[..., Variant]
Git = Callable[..., str]
Clone = Callable[[str], Journal]

JOURNAL = "refs/mitosis/journal"


@pytest.fixture
def pull(git: Git) -> Callable[[Journal, Journal], Merged]:
    """Fetch and merge the journal of the second clone into that of the first."""

    def run(into: Journal, source: Journal) -> Merged:
        name = source.repository.root.name
        remote = f"refs/mitosis/remotes/{name}"
        specs = (f"+{JOURNAL}:{remote}/journal", f"+refs/notes/mitosis*:{remote}/notes*")
        git("fetch", "--quiet", str(source.repository.root), *specs, cwd=into.repository.root)
        tip = into.read_tip(f"{remote}/journal")
        assert tip is not None
        lines = git("for-each-ref", "--format=%(objectname)", f"{remote}/notes", cwd=into.repository.root).split()
        return into.merge(tip, into.repository.identity(), name, lines[0] if lines else None)

    return run


Pull = Callable[[Journal, Journal], Merged]


def tree_of(journal: Journal, git: Git) -> str:
    return git("rev-parse", f"{JOURNAL}^{{tree}}", cwd=journal.repository.root).strip()


def keys_of(journal: Journal) -> set[str]:
    return {record.key for record in journal.iter_trials()}


def slow(digest: str = "a" * 40) -> tuple[ParameterRecord, ...]:
    return (ParameterRecord("my_exp", "frequency", "lookup", "slow", digest=digest, summary="1"),)


def test_union_of_two_journals_is_the_same_for_both(
    ada: Journal, bob: Journal, run_trial: RunTrial, make_variant: MakeVariant, pull: Pull, git: Git
) -> None:
    one = run_trial(journal=ada, variants=[make_variant("slow", 1)])
    pull(bob, ada)
    two = run_trial(journal=ada, variants=[make_variant("fast", 10)])
    three = run_trial(journal=bob, variants=[make_variant("middle", 5)])
    bobs_tip = bob.tip() or ""
    merged = pull(ada, bob)
    assert (merged.received, merged.updated, merged.forgotten) == (1, 0, 0)
    # Bob merges what Ada had before she merged his.
    git("fetch", "--quiet", str(ada.repository.root), f"{JOURNAL}:refs/heads/adas", cwd=bob.repository.root)
    adas_tip = git("rev-parse", "adas^1", cwd=bob.repository.root).strip()
    assert bob.merge(adas_tip, bob.repository.identity(), "ada").received == 1
    assert tree_of(ada, git) == tree_of(bob, git)
    assert keys_of(ada) == keys_of(bob) == {one.key, two.key, three.key}
    assert git("log", "-1", "--format=%s", JOURNAL, cwd=ada.repository.root) == "merge bob: 1 trial received\n"
    assert bobs_tip in git("rev-parse", f"{JOURNAL}^2", cwd=ada.repository.root)
    assert {locked.name.variant for locked in ada.iter_variants()} == {"slow", "fast", "middle"}
    assert pull(bob, ada).received == 0
    git("fsck", "--strict", cwd=ada.repository.root)


def test_journals_that_began_apart_are_united(
    ada: Journal, bob: Journal, run_trial: RunTrial, make_variant: MakeVariant, pull: Pull, git: Git
) -> None:
    variant = make_variant("slow", 1)
    run_trial(journal=ada, variants=[variant])
    run_trial(journal=bob, variants=[variant])
    pull(ada, bob)
    pull(bob, ada)
    assert tree_of(ada, git) == tree_of(bob, git)
    assert keys_of(ada) == keys_of(bob)
    assert len(keys_of(ada)) == 2
    assert ada.conflicts() == ()


def test_what_is_ahead_is_taken_as_it_is(ada: Journal, bob: Journal, run_trial: RunTrial, pull: Pull, git: Git) -> None:
    run_trial(journal=ada)
    assert pull(bob, ada).before is None
    assert bob.tip() == ada.tip()
    assert git("rev-parse", "refs/mitosis", cwd=bob.repository.root).strip() == ada.tip()
    run_trial(journal=ada)
    merged = pull(bob, ada)
    assert (merged.received, merged.is_changed, bob.tip()) == (1, True, ada.tip())
    run_trial(journal=bob)
    tip = bob.tip()
    assert not pull(bob, ada).is_changed
    assert bob.tip() == tip


@pytest.mark.parametrize("is_related", [True, False])
def test_end_of_a_trial_wins_over_its_start(
    ada: Journal, bob: Journal, start_trial: RunTrial, run_trial: RunTrial, pull: Pull, git: Git, is_related: bool
) -> None:
    if is_related:
        run_trial(journal=ada)
        pull(bob, ada)
    started = start_trial(journal=ada)
    if is_related:
        pull(bob, ada)
    else:
        # The same start reaches Bob's journal in another way, so there is no common ancestor.
        bob.start(started, [], "numpy==2.0.0\npandas==2.2.0\n", bob.repository.identity())
    run_trial(journal=bob)
    ended = started.with_changes(status="finished", main=1, ended="2026-03-01T12:00:09+00:00", duration_s=9.0)
    ada.end(ended, ada.repository.identity())
    merged = pull(bob, ada)
    assert merged.updated == 1
    assert bob.read_trial(started.key) == ended
    pull(ada, bob)
    assert ada.read_trial(started.key) == ended
    assert tree_of(ada, git) == tree_of(bob, git)


def test_trial_that_was_forgotten_stays_forgotten(
    ada: Journal, bob: Journal, run_trial: RunTrial, pull: Pull, git: Git
) -> None:
    gone, kept = run_trial(journal=ada), run_trial(journal=ada)
    pull(bob, ada)
    assert ada.forget(gone.key[:8], ada.repository.identity()) == gone
    new = run_trial(journal=bob)
    merged = pull(bob, ada)
    assert merged.forgotten == 1
    pull(ada, bob)
    assert keys_of(ada) == keys_of(bob) == {kept.key, new.key}
    for journal in (ada, bob):
        note = git("notes", "--ref=mitosis", "show", cwd=journal.repository.root)
        assert gone.key[:6] not in note
        assert kept.key[:6] in note
        assert new.key[:6] in note
    assert gone.key in git("log", "--format=%B", JOURNAL, cwd=bob.repository.root)
    with pytest.raises(TrialNotFound):
        bob.read_trial(gone.key)


def test_end_is_kept_where_the_start_was_forgotten(
    ada: Journal, bob: Journal, start_trial: RunTrial, pull: Pull, git: Git
) -> None:
    started = start_trial(journal=ada)
    pull(bob, ada)
    bob.forget(started.key, bob.repository.identity())
    ended = started.with_changes(status="finished", ended="2026-03-01T12:00:09+00:00")
    ada.end(ended, ada.repository.identity())
    pull(ada, bob)
    pull(bob, ada)
    assert bob.read_trial(started.key) == ada.read_trial(started.key) == ended


def test_trial_that_runs_is_not_forgotten(journal: Journal, start_trial: RunTrial) -> None:
    started = start_trial(process=this_process())
    with pytest.raises(TrialStillRuns, match=started.key):
        journal.forget(started.key, journal.repository.identity())
    assert journal.read_trial(started.key) == started


def test_two_meanings_are_kept_and_cannot_be_run(
    ada: Journal, bob: Journal, run_trial: RunTrial, make_variant: MakeVariant, pull: Pull, git: Git
) -> None:
    adas, bobs = make_variant("slow", 1), make_variant("slow", 3)
    run_trial(journal=ada, variants=[adas], parameters=slow(adas.digest))
    run_trial(journal=bob, variants=[bobs], parameters=slow(bobs.digest))
    pull(ada, bob)
    pull(bob, ada)
    assert tree_of(ada, git) == tree_of(bob, git)
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


def test_resolution_holds_for_everybody(
    ada: Journal, bob: Journal, run_trial: RunTrial, make_variant: MakeVariant, pull: Pull, git: Git
) -> None:
    adas, bobs = make_variant("slow", 1), make_variant("slow", 3)
    run_trial(journal=ada, variants=[adas])
    run_trial(journal=bob, variants=[bobs])
    pull(ada, bob)
    pull(bob, ada)
    resolution = ada.resolve(
        VariantName("my_exp", "frequency", "slow"),
        adas.digest[:6],
        ada.repository.identity(),
        rename_others=["bobs-slow"],
    )
    assert resolution.kept.digest == adas.digest
    assert [(other.digest, str(name)) for other, name in resolution.others] == [
        (bobs.digest, "my_exp.frequency=bobs-slow")
    ]
    run_trial(journal=bob)
    pull(bob, ada)
    for journal in (ada, bob):
        assert journal.conflicts() == ()
        assert journal.check([adas]) == ()
        assert journal.check([make_variant("bobs-slow", 3)]) == ()
        with pytest.raises(VariantRedefined):
            journal.check([bobs])
    kept, locked = adas.digest, bobs.digest
    message = git("log", "-1", "--format=%B", JOURNAL, cwd=ada.repository.root)
    assert message.startswith(f"resolve my_exp.frequency=slow: keep {kept[:6]}, {locked[:6]} is now bobs-slow")
    assert f"Kept: {kept} my_exp.frequency=slow" in message
    assert f"Locked: {locked} my_exp.frequency=bobs-slow" in message


def test_meaning_that_is_not_kept_can_be_dropped(
    ada: Journal, bob: Journal, run_trial: RunTrial, make_variant: MakeVariant, pull: Pull
) -> None:
    adas, bobs = make_variant("slow", 1), make_variant("slow", 3)
    run_trial(journal=ada, variants=[adas])
    run_trial(journal=bob, variants=[bobs])
    pull(ada, bob)
    ada.resolve(VariantName("my_exp", "frequency", "slow"), bobs.digest, ada.repository.identity())
    assert [locked.digest for locked in ada.iter_variants()] == [bobs.digest]
    pull(bob, ada)
    assert [locked.digest for locked in bob.iter_variants()] == [bobs.digest]


def test_two_resolutions_that_differ_are_a_conflict_again(
    ada: Journal, bob: Journal, run_trial: RunTrial, make_variant: MakeVariant, pull: Pull, git: Git
) -> None:
    adas, bobs = make_variant("slow", 1), make_variant("slow", 3)
    run_trial(journal=ada, variants=[adas])
    run_trial(journal=bob, variants=[bobs])
    pull(ada, bob)
    pull(bob, ada)
    ada.resolve(VariantName("my_exp", "frequency", "slow"), adas.digest, ada.repository.identity())
    bob.resolve(VariantName("my_exp", "frequency", "slow"), bobs.digest, bob.repository.identity())
    pull(ada, bob)
    pull(bob, ada)
    for journal in (ada, bob):
        assert {m.digest for m in journal.conflicts()[0].meanings} == {adas.digest, bobs.digest}
    assert tree_of(ada, git) == tree_of(bob, git)


def test_third_meaning_is_not_what_two_different_resolutions_leave(
    ada: Journal, bob: Journal, clone: Clone, run_trial: RunTrial, make_variant: MakeVariant, pull: Pull, git: Git
) -> None:
    cy = clone("cy")
    adas, bobs, cys = (make_variant("slow", value) for value in (1, 3, 5))
    for journal, variant in ((ada, adas), (bob, bobs), (cy, cys)):
        run_trial(journal=journal, variants=[variant])
    pull(ada, bob)
    pull(bob, ada)
    ada.resolve(VariantName("my_exp", "frequency", "slow"), adas.digest, ada.repository.identity())
    bob.resolve(VariantName("my_exp", "frequency", "slow"), bobs.digest, bob.repository.identity())
    pull(bob, cy)
    pull(ada, bob)
    pull(bob, ada)
    for journal in (ada, bob):
        [conflict] = journal.conflicts()
        assert {meaning.digest for meaning in conflict.meanings} == {adas.digest, bobs.digest, cys.digest}
    assert tree_of(ada, git) == tree_of(bob, git)


def test_folder_of_variants_that_was_removed_by_hand_comes_back(
    ada: Journal, bob: Journal, run_trial: RunTrial, make_variant: MakeVariant, pull: Pull, git: Git
) -> None:
    variant = make_variant("slow", 1)
    run_trial(journal=ada, variants=[variant])
    pull(bob, ada)
    root = bob.repository.root
    lines = [line for line in git("ls-tree", JOURNAL, cwd=root).splitlines() if not line.endswith("variants")]
    tree = git("mktree", cwd=root, stdin="\n".join(lines)).strip()
    git("update-ref", JOURNAL, git("commit-tree", tree, "-p", JOURNAL, "-m", "x", cwd=root).strip(), cwd=root)
    run_trial(journal=ada)
    pull(ada, bob)
    assert ada.check([variant]) == ()


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
    ada: Journal,
    bob: Journal,
    run_trial: RunTrial,
    make_variant: MakeVariant,
    pull: Pull,
    variant: str,
    keep: str,
    names: list[str],
    message: str,
) -> None:
    adas = make_variant("slow", 1)
    run_trial(journal=ada, variants=[adas, make_variant("middle", 7)])
    run_trial(journal=bob, variants=[make_variant("slow", 3)])
    pull(ada, bob)
    tip = ada.tip()
    keep = adas.digest if keep == "adas" else "f" * 39 if keep == "0" else keep
    with pytest.raises(NamingError, match=message):
        ada.resolve(VariantName("my_exp", "frequency", variant), keep, ada.repository.identity(), rename_others=names)
    assert ada.tip() == tip


def test_meaning_that_cannot_be_read_is_neither_kept_nor_suggested(
    ada: Journal, run_trial: RunTrial, make_variant: MakeVariant, git: Git
) -> None:
    good = make_variant("slow", 1)
    run_trial(journal=ada, variants=[good])
    root = ada.repository.root
    bad = "1" * 40
    blob = git("hash-object", "-w", "--stdin", cwd=root, stdin="no value").strip()
    folder = git("ls-tree", JOURNAL, "variants/my_exp/frequency/slow/", cwd=root)
    tree = git(
        "mktree",
        cwd=root,
        stdin=f"{folder.replace('variants/my_exp/frequency/slow/', '')}100644 blob {blob}\t{bad}.msgpack\n",
    )
    for name in ("slow", "frequency", "my_exp"):
        tree = git("mktree", cwd=root, stdin=f"040000 tree {tree.strip()}\t{name}\n")
    top = git("ls-tree", JOURNAL, cwd=root).splitlines()
    lines = [line for line in top if not line.endswith("variants")] + [f"040000 tree {tree.strip()}\tvariants"]
    commit = git(
        "commit-tree", git("mktree", cwd=root, stdin="\n".join(lines)).strip(), "-p", JOURNAL, "-m", "x", cwd=root
    )
    git("update-ref", JOURNAL, commit.strip(), cwd=root)
    [conflict] = ada.conflicts()
    assert conflict.resolve_command == f"mitosis variants resolve my_exp.frequency=slow --keep {good.digest[:4]}"
    tip = ada.tip()
    for keep, names in ((bad, []), (good.digest, ["other"])):
        with pytest.raises(NamingError, match=f"{bad} cannot be read"):
            ada.resolve(
                VariantName("my_exp", "frequency", "slow"), keep, ada.repository.identity(), rename_others=names
            )
    assert ada.tip() == tip
    ada.resolve(VariantName("my_exp", "frequency", "slow"), f"{good.digest[:4]}…", ada.repository.identity())
    assert ada.check([good]) == ()


def test_histories_that_cross_are_merged_alike(
    ada: Journal, bob: Journal, clone: Clone, run_trial: RunTrial, pull: Pull, git: Git
) -> None:
    first, second = run_trial(journal=ada), run_trial(journal=ada)
    pull(bob, ada)
    carol = clone("carol")
    pull(carol, ada)
    ada.forget(first.key, ada.repository.identity())
    run_trial(journal=bob)
    # Ada and Bob merge the same two tips, each in their own way, so there are two best common ancestors.
    git("fetch", "--quiet", str(bob.repository.root), f"{JOURNAL}:refs/heads/bobs", cwd=ada.repository.root)
    git("fetch", "--quiet", str(ada.repository.root), f"{JOURNAL}:refs/heads/adas", cwd=bob.repository.root)
    ada.merge(git("rev-parse", "bobs", cwd=ada.repository.root).strip(), ada.repository.identity(), "bob")
    bob.merge(git("rev-parse", "adas", cwd=bob.repository.root).strip(), bob.repository.identity(), "ada")
    assert ada.tip() != bob.tip()
    assert tree_of(ada, git) == tree_of(bob, git)
    bob.forget(second.key, bob.repository.identity())
    new = run_trial(journal=ada)
    pull(ada, bob)
    assert len(git("merge-base", "--all", f"{JOURNAL}^1", f"{JOURNAL}^2", cwd=ada.repository.root).split()) == 2
    pull(carol, bob)
    pull(carol, ada)
    pull(bob, carol)
    assert tree_of(ada, git) == tree_of(bob, git) == tree_of(carol, git)
    assert not {first.key, second.key} & keys_of(carol)
    assert new.key in keys_of(carol)


def test_notes_of_both_are_one_and_need_no_merge(
    ada: Journal, bob: Journal, run_trial: RunTrial, pull: Pull, git: Git
) -> None:
    for number in range(40):
        run_trial(journal=ada, ended=f"2026-03-01T12:{number:02}:00+00:00")
        run_trial(journal=bob, ended=f"2026-03-01T12:{number:02}:30+00:00")
    pull(ada, bob)
    pull(bob, ada)
    expected = note_of(list(ada.iter_trials())).to_text()
    assert expected.endswith("... and 30 more\n")
    for journal in (ada, bob):
        assert git("notes", "--ref=mitosis", "show", cwd=journal.repository.root) == expected
    run_trial(journal=bob, ended="2026-03-02T12:00:00+00:00")
    pull(ada, bob)
    assert git("notes", "--ref=mitosis", "show", cwd=ada.repository.root) == note_of(list(ada.iter_trials())).to_text()
    for journal, other in ((ada, bob), (bob, ada)):
        git(
            "push",
            "--quiet",
            str(other.repository.root),
            "refs/notes/mitosis:refs/notes/mitosis",
            cwd=journal.repository.root,
        )


def test_notes_that_differ_in_their_order_alone_are_settled_by_one_exchange(
    ada: Journal, bob: Journal, start_trial: RunTrial, pull: Pull, git: Git
) -> None:
    first, second = start_trial(journal=ada), start_trial(journal=ada)
    pull(bob, ada)
    # The one that ended first is recorded last.
    for started, minute in ((second, 9), (first, 8)):
        ada.end(
            started.with_changes(status="finished", ended=f"2026-03-01T12:0{minute}:00+00:00"),
            ada.repository.identity(),
        )
    for _ in range(2):
        pull(bob, ada)
        pull(ada, bob)
    tips = [git("rev-parse", "refs/notes/mitosis", cwd=journal.repository.root) for journal in (ada, bob)]
    pull(bob, ada)
    pull(ada, bob)
    assert [git("rev-parse", "refs/notes/mitosis", cwd=journal.repository.root) for journal in (ada, bob)] == tips
    assert tips[0] == tips[1]


def test_clone_without_notes_takes_those_of_the_other(
    ada: Journal, bob: Journal, run_trial: RunTrial, pull: Pull, git: Git
) -> None:
    trial = run_trial(journal=ada)
    pull(bob, ada)
    git("update-ref", "-d", "refs/notes/mitosis", cwd=bob.repository.root)
    pull(bob, ada)
    assert trial.key[:6] in git("notes", "--ref=mitosis", "show", cwd=bob.repository.root)


def test_folders_that_hold_each_other_many_times_over_are_not_taken_in(
    ada: Journal, bob: Journal, run_trial: RunTrial, pull: Pull, git: Git, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sharing, "MOST_ENTRIES", 10_000)
    monkeypatch.setattr(sharing, "_COUNTED_CHANGES", 10_000)
    run_trial(journal=ada)
    run_trial(journal=bob)
    root = bob.repository.root
    tree = git("mktree", cwd=root, stdin="").strip()
    for _ in range(12):
        tree = git("mktree", cwd=root, stdin="".join(f"040000 tree {tree}\tname{n}\n" for n in range(10))).strip()
    top = git("ls-tree", JOURNAL, cwd=root).splitlines()
    lines = [line for line in top if not line.endswith("trials")] + [f"040000 tree {tree}\ttrials"]
    commit = git(
        "commit-tree", git("mktree", cwd=root, stdin="\n".join(lines)).strip(), "-p", JOURNAL, "-m", "x", cwd=root
    )
    git("update-ref", JOURNAL, commit.strip(), cwd=root)
    tip = ada.tip()
    with pytest.raises(JournalError, match=r"was not merged: .* more than 10,000 files and folders"):
        pull(ada, bob)
    assert ada.tip() == tip
    git("remote", "rename", "origin", "bob", cwd=ada.repository.root)
    assert [(found.remote, found.trials) for found in ada.unmerged()] == [("bob", 0)]


def test_names_that_are_no_text_do_not_stop_the_clone(
    ada: Journal, bob: Journal, run_trial: RunTrial, pull: Pull, git: Git
) -> None:
    run_trial(journal=ada)
    trial = run_trial(journal=bob)
    root = bob.repository.root
    odd = git("ls-tree", f"{JOURNAL}:trials", cwd=root).split("\t")[0].split()[2]
    raw = b"40000 my_exp\0" + bytes.fromhex(odd) + b"40000 \xff\0" + bytes.fromhex(odd)
    trials = write_tree(git, root, raw)
    top = git("ls-tree", JOURNAL, cwd=root).splitlines()
    lines = [line for line in top if not line.endswith("trials")] + [f"040000 tree {trials}\ttrials"]
    commit = git(
        "commit-tree", git("mktree", cwd=root, stdin="\n".join(lines)).strip(), "-p", JOURNAL, "-m", "x", cwd=root
    )
    git("update-ref", JOURNAL, commit.strip(), cwd=root)
    pull(ada, bob)
    new = run_trial(journal=ada)
    assert {trial.key, new.key} <= keys_of(ada)


@pytest.mark.parametrize("note", [None, "somebody wrote this\n", "abcdef  my_exp  finished\n"])
def test_note_that_is_missing_or_foreign_is_made_anew_by_a_merge(
    ada: Journal, bob: Journal, run_trial: RunTrial, pull: Pull, git: Git, note: str | None
) -> None:
    run_trial(journal=ada)
    pull(bob, ada)
    run_trial(journal=bob, ended="2026-03-01T13:00:00+00:00")
    if note is None:
        git("update-ref", "-d", "refs/notes/mitosis", cwd=ada.repository.root)
    else:
        git("notes", "--ref=mitosis", "add", "-f", "-m", note, cwd=ada.repository.root)
    assert pull(ada, bob).notes_problem is None
    assert git("notes", "--ref=mitosis", "show", cwd=ada.repository.root) == note_of(list(ada.iter_trials())).to_text()


def test_notes_that_cannot_be_read_do_not_keep_the_journal_from_merging(
    ada: Journal, bob: Journal, run_trial: RunTrial, pull: Pull, git: Git
) -> None:
    run_trial(journal=ada)
    new = run_trial(journal=bob)
    blob = git("rev-parse", "HEAD:experiment.py", cwd=ada.repository.root).strip()
    git("update-ref", "refs/notes/mitosis", blob, cwd=ada.repository.root)
    merged = pull(ada, bob)
    assert merged.notes_problem is not None
    assert new.key in keys_of(ada)


@pytest.mark.parametrize("name", ["..", ".git", ".GIT", "GIT~1", ".git. ", ".g\u200cit", ".git::$INDEX_ALLOCATION"])
def test_names_that_git_would_not_check_out_are_not_taken_in(
    ada: Journal, bob: Journal, run_trial: RunTrial, pull: Pull, git: Git, name: str
) -> None:
    run_trial(journal=ada)
    run_trial(journal=bob)
    root = bob.repository.root
    blob = git("rev-parse", f"{JOURNAL}:format", cwd=root).strip()
    raw = f"40000 {name}\0".encode() + bytes.fromhex(write_tree(git, root, b"100644 x\0" + bytes.fromhex(blob)))
    entries = git("cat-file", "-p", f"{JOURNAL}^{{tree}}", cwd=root).splitlines()
    trees = [(line.split("\t")[1], line.split()[0], line.split()[2]) for line in entries]
    data = raw + b"".join(f"{mode.lstrip('0')} {entry}\0".encode() + bytes.fromhex(oid) for entry, mode, oid in trees)
    commit = git("commit-tree", write_tree(git, root, data), "-p", JOURNAL, "-m", "hostile", cwd=root).strip()
    git("update-ref", JOURNAL, commit, cwd=root)
    tip = ada.tip()
    with pytest.raises(JournalError, match="none of it was merged"):
        pull(ada, bob)
    assert ada.tip() == tip


def test_more_files_than_any_journal_has_are_not_taken_in(
    ada: Journal, bob: Journal, run_trial: RunTrial, pull: Pull, monkeypatch: pytest.MonkeyPatch
) -> None:
    run_trial(journal=bob)
    pull(ada, bob)
    monkeypatch.setattr(sharing, "MOST_ENTRIES", 12)
    for _ in range(15):
        run_trial(journal=bob)
    tip = ada.tip()
    with pytest.raises(JournalError, match=r"was not merged: .* more than 12 files and folders"):
        pull(ada, bob)
    assert ada.tip() == tip


def write_tree(git: Git, root: Path, data: bytes) -> str:
    """Write a tree object that git itself would not make."""
    file = root / ".git" / "tree-to-write"
    file.write_bytes(data)
    return git("hash-object", "-w", "-t", "tree", "--literally", str(file), cwd=root).strip()


def test_foreign_files_travel_and_the_same_one_is_taken_by_both(
    ada: Journal, bob: Journal, run_trial: RunTrial, pull: Pull, git: Git
) -> None:
    for journal in (ada, bob):
        run_trial(journal=journal)
        root = journal.repository.root
        tree = git("cat-file", "-p", f"{JOURNAL}^{{tree}}", cwd=root)
        blob = git("hash-object", "-w", "--stdin", cwd=root, stdin=f"of {root.name}\n").strip()
        text = f"{tree}100644 blob {blob}\tREADME\n100644 blob {blob}\tonly-{root.name}\n"
        commit = git("commit-tree", git("mktree", cwd=root, stdin=text).strip(), "-p", JOURNAL, "-m", "x", cwd=root)
        git("update-ref", JOURNAL, commit.strip(), cwd=root)
    pull(ada, bob)
    pull(bob, ada)
    assert tree_of(ada, git) == tree_of(bob, git)
    names = git("ls-tree", "--name-only", JOURNAL, cwd=ada.repository.root).split()
    assert {"README", "only-ada", "only-bob"} <= set(names)


def test_folder_wins_over_a_file_in_its_place(
    ada: Journal, bob: Journal, run_trial: RunTrial, pull: Pull, git: Git
) -> None:
    run_trial(journal=ada)
    trial = run_trial(journal=bob)
    root = ada.repository.root
    git("fetch", "--quiet", str(bob.repository.root), JOURNAL, cwd=root)
    blob = git("rev-parse", f"{JOURNAL}:format", cwd=root).strip()
    tree = git("mktree", cwd=root, stdin=f"100644 blob {blob}\tformat\n100644 blob {blob}\ttrials\n").strip()
    git("update-ref", JOURNAL, git("commit-tree", tree, "-m", "hostile", cwd=root).strip(), cwd=root)
    pull(ada, bob)
    assert keys_of(ada) == {trial.key}


def test_what_was_fetched_and_not_merged_is_noticed(
    ada: Journal, bob: Journal, run_trial: RunTrial, pull: Pull, git: Git
) -> None:
    run_trial(journal=ada)
    pull(bob, ada)
    assert bob.unmerged() == ()
    run_trial(journal=ada)
    run_trial(journal=ada)
    git("remote", "add", "team/ada", "../ada", cwd=bob.repository.root)
    for remote in ("origin", "team/ada", "gone"):
        spec = f"+{JOURNAL}:refs/mitosis/remotes/{remote}/journal"
        git("fetch", "--quiet", str(ada.repository.root), spec, cwd=bob.repository.root)
    assert {(found.remote, found.trials) for found in bob.unmerged()} == {("origin", 2), ("team/ada", 2)}
    pull(bob, ada)
    run_trial(journal=bob)
    assert bob.unmerged() == ()
    (bob.repository.common_dir / "mitosis" / "merged").unlink()
    assert bob.unmerged() == ()
    assert len(bob.missing_keys(ada.tip())) == 1
    assert len(bob.missing_keys(None)) == 4


def test_some_trials_can_be_shared_without_the_others(
    ada: Journal, bob: Journal, run_trial: RunTrial, make_variant: MakeVariant, pull: Pull, git: Git
) -> None:
    used, other = make_variant("slow", 1), make_variant("fast", 10)
    run_trial(journal=bob)
    pull(ada, bob)
    wanted = run_trial(journal=ada, variants=[used], parameters=slow(used.digest))
    run_trial(journal=ada, variants=[other])
    commit = ada.select([wanted.key], bob.tip(), ada.repository.identity())
    tip = ada.tip()
    spec = f"{commit}:{JOURNAL}"
    git("push", "--quiet", str(bob.repository.root), spec, cwd=ada.repository.root)
    assert ada.tip() == tip
    assert bob.read_trial(wanted.key) == wanted
    assert [locked.name.variant for locked in bob.iter_variants()] == ["slow"]
    assert bob.read_environment(wanted.environment)
    assert len(keys_of(bob)) == 2
    pull(ada, bob)
    assert len(keys_of(ada)) == 3
    with pytest.raises(TrialNotFound):
        ada.select(["f" * 12], None, ada.repository.identity())


def test_pins_that_git_alone_fetched_are_taken_over(ada: Journal, bob: Journal, run_trial: RunTrial, git: Git) -> None:
    root = bob.repository.root
    git("commit", "--quiet", "--allow-empty", "-m", "Bob's", cwd=root)
    bobs = Journal(find_repository(root))
    trial = run_trial(journal=bobs)
    spec = "+refs/mitosis/commits/*:refs/mitosis/remotes/bob/commits/*"
    git("fetch", "--quiet", str(root), spec, cwd=ada.repository.root)
    assert ada.pins() == {}
    assert ada.adopt_pins("bob") == 1
    assert ada.adopt_pins("bob") == 0
    assert ada.pins() == {trial.commit: f"refs/mitosis/commits/{trial.commit}"}


def test_passwords_in_urls_do_not_get_into_the_history(
    ada: Journal, bob: Journal, run_trial: RunTrial, pull: Pull, git: Git
) -> None:
    run_trial(journal=ada)
    run_trial(journal=bob)
    git("fetch", "--quiet", str(bob.repository.root), f"{JOURNAL}:refs/heads/bobs", cwd=ada.repository.root)
    tip = git("rev-parse", "bobs", cwd=ada.repository.root).strip()
    ada.merge(tip, ada.repository.identity(), "https://ada:secret@example.org/x.git")
    message = git("log", "-1", "--format=%B", JOURNAL, cwd=ada.repository.root)
    assert "https://example.org/x.git" in message
    assert "secret" not in message
