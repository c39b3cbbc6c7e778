"""Tags of trials and notes on them: recorded, shared, checked, and never lost."""

from __future__ import annotations

import itertools
import re

import msgpack
import pytest

from mitosis.errors.journal import JournalError, JournalRewritten, TrialNotFound, UnfitAnnotation
from mitosis.git.repository import Identity
from mitosis.journal import layout
from mitosis.journal.annotations import annotation_file
from mitosis.setup import set_up
from mitosis.verify import verify
from support.journal import JOURNAL, Clone, Desk

KEY, OTHER = "5f2c91d07a3b", "81aa03000000"
WHEN = "2026-03-01T12:00:00.123456+00:00"


@pytest.fixture
def eve(clone: Clone) -> Desk:
    return clone("eve")


def record_two(desk: Desk) -> None:
    for key in (KEY, OTHER):
        desk.run_trial(key=key)


def tags(desk: Desk, key: str = KEY) -> list[str]:
    return [tag.name for tag in desk.annotations(key).tags]


def notes(desk: Desk, key: str = KEY) -> list[str]:
    return [note.text for note in desk.annotations(key).notes]


def files(desk: Desk) -> list[str]:
    return desk.git("ls-tree", "-r", "--name-only", JOURNAL, "annotations/").splitlines()


def problems(desk: Desk) -> dict[str, tuple[str, str]]:
    """Of what `verify` finds in the annotations, the kind and the remedy."""
    found = verify(desk.again().repository).findings
    return {f.where: (f.kind, f.remedy) for f in found if f.where.startswith("annotations")}


# --- one clone ------------------------------------------------------------------------------------


def test_a_tag_of_several_trials_is_one_commit(journal: Desk) -> None:
    record_two(journal)
    before = journal.oid_of(JOURNAL)
    assert journal.tag([KEY[:4], OTHER, KEY], "paper", journal.identity) == (KEY, OTHER)
    assert journal.git("rev-list", f"{before}..{JOURNAL}").split() == [journal.oid_of(JOURNAL)]
    assert journal.git("log", "-1", "--format=%B", JOURNAL).strip() == (
        f"tag 2 trials: paper\n\nTrial: {KEY}\nTrial: {OTHER}\nTag: paper"
    )
    [tag] = journal.annotations(KEY).tags
    assert (tag.name, tag.author) == ("paper", str(journal.identity))
    assert [path.split("/")[2] for path in files(journal)] == [KEY, OTHER]
    data = journal.repository.read_blob(journal.oid_of(f"{JOURNAL}:{files(journal)[0]}"))
    assert msgpack.unpackb(data) == {"tag": "paper", "author": tag.author, "when": tag.when}
    journal.git("fsck", "--strict")
    assert not problems(journal)


def test_nothing_is_written_where_nothing_changes(journal: Desk) -> None:
    record_two(journal)
    assert journal.tag([KEY], "paper", journal.identity) == (KEY,)
    assert journal.note(KEY, " one\ntwo\n", journal.identity)
    tip = journal.tip()
    assert journal.tag([KEY], "paper", journal.identity) == ()
    assert journal.untag([KEY, OTHER], "best", journal.identity) == ()
    assert journal.untag([OTHER], "paper", journal.identity) == ()
    assert journal.note(KEY, "one\ntwo", journal.identity) is False
    assert journal.tip() == tip
    assert journal.tag([KEY, OTHER], "paper", journal.identity) == (OTHER,)


def test_a_tag_can_be_taken_back_and_set_again(journal: Desk) -> None:
    record_two(journal)
    for _ in range(3):
        assert journal.tag([KEY], "paper", journal.identity) == (KEY,)
        assert tags(journal) == ["paper"]
        assert journal.untag([KEY], "paper", journal.identity) == (KEY,)
        assert tags(journal) == []
    assert journal.git("log", "-1", "--format=%s", JOURNAL).strip() == f"untag {KEY} my_exp: paper"
    assert len(files(journal)) == 6


def test_all_notes_stay_in_the_order_in_which_they_were_written(journal: Desk) -> None:
    record_two(journal)
    texts = ["two lines\n\nand more", "x" * 10_000, "two lines\n\nand more"]
    for text in texts:
        assert journal.note(KEY, text, journal.identity)
    assert notes(journal) == texts
    assert notes(journal, OTHER) == []


def test_what_cannot_be_recorded_is_refused(journal: Desk) -> None:
    record_two(journal)
    tip = journal.tip()
    with pytest.raises(UnfitAnnotation, match="`a,b` cannot be a tag: there is a comma in it\nA tag is a word"):
        journal.tag([KEY], "a,b", journal.identity)
    for text in (" \n", "x" * 10_001):
        with pytest.raises(UnfitAnnotation, match="nothing was noted"):
            journal.note(KEY, text, journal.identity)
    with pytest.raises(TrialNotFound):
        journal.tag([KEY, "ff"], "paper", journal.identity)
    assert journal.tip() == tip


def test_what_is_not_utf8_is_escaped(journal: Desk) -> None:
    record_two(journal)
    identity = Identity("\udcff" * 2_000, "a@b", 1, 0)
    journal.tag([KEY], "a\udc80", identity)
    journal.note(KEY, "b\udc80", identity)
    assert (tags(journal), notes(journal)) == (["a\\udc80"], ["b\\udc80"])
    assert not problems(journal)


def test_a_forgotten_trial_has_its_annotations_again(journal: Desk) -> None:
    record_two(journal)
    journal.tag([KEY], "paper", journal.identity)
    journal.note(KEY, "a note", journal.identity)
    journal.forget(KEY, journal.identity)
    assert len(files(journal)) == 2
    assert not problems(journal)
    journal.bring_back(KEY, journal.identity)
    assert (tags(journal), notes(journal)) == (["paper"], ["a note"])


def test_git_shows_annotations_as_text(journal: Desk) -> None:
    record_two(journal)
    journal.tag([KEY], "paper", journal.identity)
    set_up(journal.repository, [])
    shown = journal.git("log", "-1", "-p", "refs/mitosis").splitlines()
    assert "+tag: paper" in shown
    assert f"+author: {journal.identity}" in shown
    assert journal.git("log", "--format=%s", "--grep", f"^Trial: {KEY}$", "--grep", "^Tag: paper$", "--all-match",
                       "refs/mitosis").splitlines() == [f"tag {KEY} my_exp: paper"]  # fmt: skip


# --- several clones -------------------------------------------------------------------------------


@pytest.mark.parametrize("order", list(itertools.permutations(range(3))), ids=str)
def test_what_three_people_say_at_once_is_the_same_for_all(
    ada: Desk, bob: Desk, eve: Desk, order: tuple[int, ...]
) -> None:
    desks = [ada, bob, eve]
    record_two(ada)
    ada.tag([KEY], "old", ada.identity)
    for desk in (bob, eve):
        desk.merge_from(ada)
    for desk in desks:
        desk.tag([KEY, OTHER], "paper", desk.identity)
        desk.tag([KEY], desk.folder.name, desk.identity)
        desk.note(KEY, f"seen by {desk.folder.name}", desk.identity)
    bob.untag([KEY], "old", bob.identity)
    bob.untag([KEY], "paper", bob.identity)
    eve.untag([OTHER], "paper", eve.identity)
    eve.untag([KEY], "old", eve.identity)
    eve.tag([KEY], "old", eve.identity)
    ada.untag([KEY], "old", ada.identity)
    first, second, third = (desks[number] for number in order)
    for into, source in ((first, second), (third, second), (third, first), (second, third), (first, third)):
        into.merge_from(source)
    for desk in desks:
        assert desk.tree() == ada.tree()
        assert tags(desk) == ["ada", "bob", "eve", "old", "paper"]
        assert tags(desk, OTHER) == ["paper"]
        assert notes(desk) == ["seen by ada", "seen by bob", "seen by eve"]
        assert desk.git("fsck", "--strict", "--no-dangling") == ""
        assert not problems(desk)


def test_who_unites_several_tags_of_one_name_takes_all_of_them_back(ada: Desk, bob: Desk) -> None:
    record_two(ada)
    bob.merge_from(ada)
    for desk in (ada, bob):
        desk.tag([KEY], "paper", desk.identity)
    ada.merge_from(bob)
    assert [(tag.name, tag.author) for tag in ada.annotations(KEY).tags] == [("paper", str(ada.identity))]
    ada.untag([KEY], "paper", ada.identity)
    bob.merge_from(ada)
    assert tags(ada) == tags(bob) == []


def test_a_single_trial_is_pushed_with_its_annotations(ada: Desk, bob: Desk) -> None:
    record_two(ada)
    ada.tag([KEY, OTHER], "paper", ada.identity)
    ada.note(KEY, "first", ada.identity)
    ada.push(KEY)
    bob.pull()
    assert (tags(bob), notes(bob)) == (["paper"], ["first"])
    assert {path.split("/")[2] for path in files(bob)} == {KEY}
    ada.untag([KEY], "paper", ada.identity)
    ada.note(KEY, "second", ada.identity)
    assert ada.push(KEY).is_changed
    bob.pull()
    assert (tags(bob), notes(bob)) == ([], ["first", "second"])


@pytest.mark.parametrize("what", ["tag", "untag", "note"])
def test_an_annotation_that_is_taken_away_without_a_reason_is_named_and_stays(ada: Desk, eve: Desk, what: str) -> None:
    record_two(ada)
    ada.tag([KEY], "paper", ada.identity)
    if what == "untag":
        ada.untag([KEY], "paper", ada.identity)
    if what == "note":
        ada.note(KEY, "x", ada.identity)
    [path] = ada.git("diff", "--name-only", f"{JOURNAL}~", JOURNAL).splitlines()
    eve.merge_from(ada)
    eve.rewrite({path: None})
    tree = ada.tree()
    with pytest.raises(JournalRewritten) as caught:
        ada.merge_from(eve)
    named = {"note": f"a note on trial {KEY}", "untag": f"that trial {KEY} has lost the tag `paper`"}
    assert f"    {named.get(what, f'the tag `paper` of trial {KEY}')}\n" in str(caught.value)
    assert ada.tree() == tree
    ada.merge(eve.tip() or "", ada.identity, "eve", keep=True)
    assert ada.tree() == tree
    found = [finding for finding in verify(eve.repository).problems if finding.kind == "history"]
    assert [finding.where for finding in found] == [path]
    assert "without a reason by" in found[0].what


# --- what is of no use ----------------------------------------------------------------------------


def test_what_is_of_no_use_is_named_passed_over_and_removed(ada: Desk, bob: Desk) -> None:
    record_two(ada)
    ada.tag([KEY], "paper", ada.identity)
    sound = files(ada)
    path, data = annotation_file(KEY, {"tag": "best"}, "E", WHEN)
    misnamed = f"annotations/{KEY[:2]}/{KEY}/{'2' * 40}.msgpack"
    huge, unfit = (annotation_file(KEY, {"note": "x" * size}, "E", WHEN) for size in (70_000, 20_000))
    bad = [misnamed, huge[0], unfit[0]]
    ada.rewrite({misnamed: data, **dict([huge, unfit])})
    foreign = [f"annotations/{KEY[:2]}/{KEY}/README", "annotations/README", f"annotations/x/{path.rpartition('/')[2]}"]
    ada.rewrite(dict.fromkeys(foreign, data))
    assert tags(ada) == ["paper"]
    assert [problem.where for problem in ada.annotations(KEY).problems] == sorted(bad)
    bob.merge_from(ada)
    found = problems(bob)
    assert {where: kind for where, (kind, _) in found.items()} == {
        **dict.fromkeys(bad, "annotation"),
        **dict.fromkeys(foreign, "foreign file"),
    }
    # It stands in nobody's way.
    assert bob.tag([KEY], "best", bob.identity) == (KEY,)
    bob.untag([KEY], "best", bob.identity)
    for remedy in {remedy for _, remedy in found.values()}:
        assert remedy.startswith("mitosis forget ")
        bob.remove(remedy.split()[-1], bob.identity)
    assert not problems(bob)
    merged = ada.merge_from(bob)
    assert any(f"remove {misnamed}" in line for line in merged.taken)
    assert set(sound) < set(files(ada)) and not set(bad) & set(files(ada))


def test_what_is_sound_stays(journal: Desk) -> None:
    record_two(journal)
    journal.tag([KEY], "paper", journal.identity)
    for path in (files(journal)[0], f"annotations/{KEY[:2]}/{KEY}", "annotations"):
        with pytest.raises(JournalError, match=re.escape(f"mitosis untag TAG {KEY}, if it is a tag")):
            journal.remove(path, journal.identity)


def test_a_damaged_folder_hides_no_trial(journal: Desk) -> None:
    record_two(journal)
    journal.tag([KEY], "paper", journal.identity)
    for name in (f"{JOURNAL}:annotations/{KEY[:2]}/{KEY}", f"{JOURNAL}:annotations"):
        journal.loose_file(journal.oid_of(name)).unlink()
        found = journal.again().annotations(KEY)
        assert (found.tags, len(found.problems)) == ((), 1)
        with pytest.raises(JournalError):
            journal.again().tag([KEY], "best", journal.identity)


def test_of_more_files_than_anybody_writes_some_are_read(journal: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("mitosis.journal.annotations._MOST_FILES", 2)
    record_two(journal)
    for name in "abc":
        journal.tag([KEY], name, journal.identity)
    found = journal.annotations(KEY)
    assert len(found.tags) == 2
    assert ["more than 2 files" in str(problem) for problem in found.problems] == [True]


def test_annotations_of_a_trial_that_is_not_there_do_no_harm(journal: Desk) -> None:
    record_two(journal)
    path, data = annotation_file("0" * 12, {"tag": "paper"}, "E", WHEN)
    journal.rewrite({path: data, f"{layout.ANNOTATIONS}/{'1' * 12}": b"x"})
    assert tags(journal, "0" * 12) == ["paper"]
    assert tags(journal, "1" * 12) == []
    assert problems(journal) == {f"annotations/{'1' * 12}": ("foreign file", f"mitosis forget annotations/{'1' * 12}")}
