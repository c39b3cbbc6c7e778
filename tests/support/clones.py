"""Several clones of one repository, whose journals grow, are pushed, pulled, pruned and hurt in any order.

A state machine for hypothesis. What it claims at every moment: no clone loses a trial that nobody has forgotten, or the
end of one; none changes a lock that nobody has resolved. And at the end: when everybody has pushed and pulled, all have
the same journal, with every trial and name that anybody ever had, without the trials that were forgotten, and git finds
nothing wrong.
"""

from __future__ import annotations

import itertools
import shutil
import subprocess
import tempfile
from collections import defaultdict
from pathlib import Path
from typing import ClassVar

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, precondition, rule

from mitosis.errors.journal import BadRecord
from mitosis.errors.values import VariantConflict, VariantRedefined
from mitosis.journal.notes import note_of
from mitosis.journal.sharing import Merged
from mitosis.records.trial import ParameterRecord, TrialRecord
from mitosis.variants import VariantName
from support.faults import Nursery
from support.journal import JOURNAL, NOTES, Desk, make_variant
from support.kills import git, make_repository

REFS = (f"{JOURNAL}:{JOURNAL}", f"{NOTES}:{NOTES}")
CENTRAL = "central.git"
CLONES_LIMIT = 5
LAST_EVENT = 300
"""An append may be killed at about so many moments."""

picks = st.integers(0, 10**6)
"""Choose among what there is then: the number modulo how many there are."""


class Clones(RuleBasedStateMachine):
    """The machine. A subclass has to set `processes` and `parent`."""

    processes: ClassVar[Nursery]
    parent: ClassVar[Path]
    """An existing folder to work in."""

    def __init__(self) -> None:
        super().__init__()
        self.folder = Path(tempfile.mkdtemp(dir=self.parent))
        self.names = itertools.count()
        self.clones: list[Path] = []
        self.trials: dict[Path, dict[str, bool]] = {}
        """Of each clone, the trials that it has had, and whether they had ended."""
        self.locks: dict[Path, set[tuple[str, str]]] = {}
        """Of each clone, the variants and digests that it has had."""
        self.started: dict[str, TrialRecord] = {}
        self.ends: dict[str, list[str]] = defaultdict(list)
        """When each trial is said to have ended, by whoever said so."""
        self.forgotten: set[str] = set()
        self.forgotten_ended: set[str] = set()
        """Those of which nothing new could be told after they were forgotten."""
        self.resolved: set[str] = set()
        self.was_killed = False
        make_repository(self.folder / "first")
        git(self.folder, "clone", "--quiet", "--bare", "first", CENTRAL)

    @initialize(count=st.integers(2, 3))
    def begin(self, count: int) -> None:
        """Everybody begins a journal of their own, with a lock that not all agree on."""
        for number in range(count):
            self.add_clone()
            self.start(number, "slow", 1 + number % 2)

    def teardown(self) -> None:
        if self.clones:
            self.everybody_converges()
        shutil.rmtree(self.folder)

    # --- what people do ---------------------------------------------------------------------------

    @precondition(lambda self: len(self.clones) < CLONES_LIMIT)
    @rule()
    def add_clone(self) -> None:
        folder = self.folder / f"clone-{next(self.names)}"
        git(self.folder, "clone", "--quiet", CENTRAL, folder.name)
        # Whoever commits at the same second is told apart by name, as people are.
        git(folder, "config", "user.name", folder.name)
        self.clones.append(folder)
        self.trials[folder] = {}
        self.locks[folder] = set()

    @rule(where=picks, variant=st.sampled_from(["slow", "fast"]), value=st.sampled_from([1, 2]))
    def start(self, where: int, variant: str, value: int) -> None:
        folder, journal = self.choose(where)
        meaning = make_variant(variant, value)
        present = {digest for name, digest in self.locks[folder] if name == variant}
        key = f"{next(self.names):012x}"
        parameters = (ParameterRecord("my_exp", "frequency", "lookup", variant, digest=meaning.digest),)
        try:
            # On a machine that nothing is known of, so that it may be forgotten while it runs.
            record = journal.start_trial(variants=[meaning], key=key, parameters=parameters)
        except VariantConflict:
            assert len(present) > 1
        except VariantRedefined:
            assert present
            assert present != {meaning.digest}
        else:
            assert present in (set(), {meaning.digest})
            self.started[record.key] = record
            self.trials[folder][record.key] = False
        self.look(folder)

    @precondition(lambda self: self.with_running())
    @rule(where=picks, which=picks, second=st.integers(0, 59))
    def end(self, where: int, which: int, second: int) -> None:
        """End a trial that runs, or that is still thought to run here. So two clones may tell two ends of one trial."""
        folder, journal = self.choose(where, self.with_running())
        keys = self.running(folder)
        record = self.started[keys[which % len(keys)]]
        ended = record.with_changes(status="finished", main=which, ended=f"2026-03-01T12:00:{second:02}+00:00")
        journal.end(ended, journal.identity)
        self.ends[record.key].append(ended.ended or "")
        self.trials[folder][record.key] = True
        self.look(folder)

    @precondition(lambda self: any(self.trials.values()))
    @rule(where=picks, which=picks)
    def forget(self, where: int, which: int) -> None:
        folder, journal = self.choose(where, [folder for folder in self.clones if self.trials[folder]])
        keys = sorted(self.trials[folder])
        key = keys[which % len(keys)]
        self.forgotten.add(key)
        if self.trials[folder][key]:
            self.forgotten_ended.add(key)
        journal.forget(key, journal.identity)
        assert key not in journal.trial_keys()
        self.look(folder)

    @precondition(lambda self: self.in_conflict())
    @rule(where=picks, which=picks, keep=picks, is_renamed=st.booleans())
    def resolve(self, where: int, which: int, keep: int, is_renamed: bool) -> None:
        folder, journal = self.choose(where, self.in_conflict())
        conflicts = journal.conflicts()
        conflict = conflicts[which % len(conflicts)]
        digests = sorted(meaning.digest for meaning in conflict.meanings)
        kept = digests.pop(keep % len(digests))
        variant = conflict.name.variant
        self.resolved.add(variant)
        # The names are of the digests, so that two people who rename a meaning name it alike.
        names = [f"{variant}-{digest[:6]}" for digest in digests] if is_renamed else []
        identity = journal.identity
        journal.resolve(VariantName("my_exp", "frequency", variant), kept, identity, rename_others=names)
        assert {lock.digest for lock in journal.iter_variants() if lock.name.variant == variant} == {kept}
        self.look(folder)

    @precondition(lambda self: self.in_conflict())
    @rule(one=picks, other=picks, which=picks)
    def resolve_apart(self, one: int, other: int, which: int) -> None:
        """Two people who resolve a conflict in two ways have it again: no meaning is lost by that."""
        ours, journal = self.choose(one, self.in_conflict())
        theirs, their_journal = self.choose(other, [folder for folder in self.clones if folder != ours])
        self.merge_into_each_other(ours, theirs)
        conflicts = journal.conflicts()
        if not conflicts:
            return  # it had been resolved there
        conflict = conflicts[which % len(conflicts)]
        digests = sorted(meaning.digest for meaning in conflict.meanings)
        variant = conflict.name.variant
        self.resolved.add(variant)
        for folder, into, kept in ((ours, journal, digests[0]), (theirs, their_journal, digests[-1])):
            into.resolve(VariantName("my_exp", "frequency", variant), kept, into.identity)
            self.look(folder)
        self.merge_into_each_other(ours, theirs)
        assert sorted(digest for name, digest in self.locks[ours] if name == variant) == digests

    # --- sharing ----------------------------------------------------------------------------------

    @rule(where=picks, source=picks)
    def pull(self, where: int, source: int) -> None:
        """Pull from the central repository or from another clone."""
        folder, journal = self.choose(where)
        sources = [self.folder / CENTRAL, *(other for other in self.clones if other != folder)]
        self.pull_from(folder, journal, sources[source % len(sources)])

    @rule(where=picks)
    def push(self, where: int) -> None:
        folder, journal = self.choose(where)
        self.push_to_central(folder, journal)

    @rule(where=picks)
    def push_without_pull(self, where: int) -> None:
        """git takes what is ahead, and refuses the rest: nobody's trials are overwritten."""
        folder, journal = self.choose(where)
        central = self.folder / CENTRAL
        before = git(central, "for-each-ref", JOURNAL)
        if journal.tip() is None:
            return
        words = ["git", "push", "--quiet", "--porcelain", f"../{CENTRAL}", f"{JOURNAL}:{JOURNAL}"]
        done = subprocess.run(words, cwd=folder, capture_output=True, check=False)
        assert done.returncode == 0 or git(central, "for-each-ref", JOURNAL) == before

    @rule(one=picks, other=picks)
    def merge_both_ways(self, one: int, other: int) -> None:
        """Two clones that merge each other's tips have the same tree, though not the same commit."""
        ours, _ = self.choose(one)
        theirs, _ = self.choose(other, [folder for folder in self.clones if folder != ours])
        self.merge_into_each_other(ours, theirs)

    # --- what happens to them ---------------------------------------------------------------------

    @rule(where=picks)
    def prune(self, where: int) -> None:
        folder, _ = self.choose(where)
        git(folder, "gc", "--quiet", "--prune=now")
        self.look(folder)

    @rule(where=picks)
    def pack(self, where: int) -> None:
        folder, _ = self.choose(where)
        git(folder, "pack-refs", "--all", "--prune")
        git(folder, "repack", "-adfq")
        self.look(folder)

    @rule(where=picks, moment=st.integers(1, LAST_EVENT))
    def kill_in_an_append(self, where: int, moment: int) -> None:
        folder, journal = self.choose(where)
        before = journal.trial_keys()
        job = {"do": "append", "folder": str(folder), "variants": {"killed": 1}, "is_swept": True, "kill_at": moment}
        killed = self.processes.run_one(**job).check_no_crash()
        assert killed.error is None
        self.was_killed = self.was_killed or killed.was_killed
        after = journal.trial_keys()
        assert before | set(killed.values("started")) <= after <= before | set(killed.values("trying"))
        for key in killed.values("ended"):
            self.trials[folder][key] = True
        self.look(folder)

    # --- what has to hold -------------------------------------------------------------------------

    def choose(self, where: int, folders: list[Path] | None = None) -> tuple[Path, Desk]:
        """One of these clones, or of all."""
        folders = folders or self.clones
        folder = folders[where % len(folders)]
        return folder, Desk(folder)

    def running(self, folder: Path) -> list[str]:
        """The trials that run as far as a clone knows, but for those of processes that were killed."""
        return sorted(key for key, has_ended in self.trials[folder].items() if not has_ended and key in self.started)

    def with_running(self) -> list[Path]:
        return [folder for folder in self.clones if self.running(folder)]

    def in_conflict(self) -> list[Path]:
        """The clones in which a variant has several meanings."""
        return [folder for folder, locks in self.locks.items() if len({name for name, _ in locks}) < len(locks)]

    def look(self, folder: Path) -> None:
        """Compare a clone with what it had before, and remember what it has now."""
        journal = Desk(folder)
        problems: list[BadRecord] = []
        records = list(journal.iter_trials(problems=problems))
        found = {record.key: record.ended is not None for record in records}
        locks = {(lock.name.variant, lock.digest) for lock in journal.iter_variants(problems=problems)}
        assert problems == []
        assert len(found) == len(records)
        for key, had_ended in self.trials[folder].items():
            assert key in self.forgotten or key in found, f"trial {key} is lost in {folder}"
            assert key in self.forgotten or not had_ended or found[key], f"the end of {key} is lost in {folder}"
        for variant, digest in self.locks[folder]:
            assert variant in self.resolved or (variant, digest) in locks, f"lock {variant} has changed in {folder}"
        assert {variant for variant, _ in self.locks[folder]} <= {variant for variant, _ in locks}
        self.trials[folder] = found
        self.locks[folder] = locks

    def fetch(self, folder: Path, source: Path) -> tuple[str | None, str | None]:
        """Fetch journal and notes; their tips."""
        name = f"refs/mitosis/remotes/{source.stem}"
        specs = (f"+{JOURNAL}*:{name}/journal*", f"+{NOTES}*:{name}/notes*")
        git(folder, "fetch", "--quiet", f"../{source.name}", *specs)
        lines = git(folder, "for-each-ref", "--format=%(refname) %(objectname)", name).splitlines()
        tips: dict[str, str] = {ref: oid for ref, _, oid in (line.partition(" ") for line in lines)}
        return tips.get(f"{name}/journal"), tips.get(f"{name}/notes")

    def merge(self, folder: Path, journal: Desk, tip: str, notes: str | None) -> Merged:
        merged = journal.merge(tip, journal.identity, "other", notes)
        assert merged.notes_problem is None
        self.look(folder)
        return merged

    def merge_into_each_other(self, ours: Path, theirs: Path) -> None:
        tips = [self.fetch(ours, theirs), self.fetch(theirs, ours)]
        for folder, (tip, notes) in zip((ours, theirs), tips, strict=True):
            if tip is not None:
                self.merge(folder, Desk(folder), tip, notes)
        if all(tip is not None for tip, _ in tips):
            assert tree(ours) == tree(theirs)

    def pull_from(self, folder: Path, journal: Desk, source: Path) -> None:
        tip, notes = self.fetch(folder, source)
        if tip is not None:
            self.merge(folder, journal, tip, notes)

    def push_to_central(self, folder: Path, journal: Desk) -> None:
        self.pull_from(folder, journal, self.folder / CENTRAL)
        refs = [spec for spec in REFS if git(folder, "for-each-ref", spec.partition(":")[0])]
        if refs:
            git(folder, "push", "--quiet", "--atomic", f"../{CENTRAL}", *refs)

    def everybody_converges(self) -> None:
        known = {key for trials in self.trials.values() for key in trials} - self.forgotten
        ended = {key for trials in self.trials.values() for key, has_ended in trials.items() if has_ended}
        names = {variant for locks in self.locks.values() for variant, _ in locks}
        journals = [(folder, Desk(folder)) for folder in self.clones]
        for folder, journal in journals:
            self.push_to_central(folder, journal)
        for folder, journal in journals:
            self.pull_from(folder, journal, self.folder / CENTRAL)
        last, journal = journals[-1]
        if journal.tip() is None:
            return
        assert len({tree(folder) for folder in [self.folder / CENTRAL, *self.clones]}) == 1
        records = {record.key: record for record in journal.iter_trials()}
        assert known <= records.keys()
        assert all(records[key].ended is not None for key in ended - self.forgotten)
        for key, ends in self.ends.items():
            assert key in self.forgotten or records[key].ended == min(ends), f"another end of {key} than the first"
        # Where a trial ended elsewhere otherwise than was known when it was forgotten, that is news, and it comes back.
        gone = {key for key in self.forgotten_ended if len(self.ends[key]) <= 1} | (self.forgotten - self.ends.keys())
        assert not gone & records.keys(), "forgotten trials are back"
        assert names == {lock.name.variant for lock in journal.iter_variants()}
        for folder in [self.folder / CENTRAL, *self.clones]:
            assert git(folder, "fsck", "--strict", "--no-dangling") == ""
        if not self.was_killed:
            self.check_notes(last, list(records.values()))

    def check_notes(self, folder: Path, records: list[TrialRecord]) -> None:
        for commit in {record.commit for record in records}:
            note = note_of([record for record in records if record.commit == commit]).to_text()
            shown = git(folder, "notes", "--ref=mitosis", "show", commit, status=0 if note else None)
            assert shown == note


def tree(folder: Path) -> str:
    return git(folder, "rev-parse", f"{JOURNAL}^{{tree}}").strip()
