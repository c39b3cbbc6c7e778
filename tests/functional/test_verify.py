"""`verify` finds everything that can be wrong, says which command mends it, and `repair` mends what is derived."""

from __future__ import annotations

import contextlib
import hashlib
import itertools
import os
import platform
import shutil
import sqlite3
import subprocess
import sys
import tempfile
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from mitosis.__main__ import run_command
from mitosis.canonical.encode import digest_value, encode_value
from mitosis.files import blob_id
from mitosis.git.repository import find_repository
from mitosis.journal import layout
from mitosis.process import this_process
from mitosis.records.codec import encode_trial
from mitosis.records.trial import Output, ParameterRecord, ProcessRecord, TrialRecord
from mitosis.variants import VariantName
from mitosis.verify import repair, verify
from mitosis.verify.findings import Finding, Report
from support.journal import ENVIRONMENT, JOURNAL, NOTES, Desk, make_variant, record_path, run_git

DIGEST = hashlib.sha256(ENVIRONMENT.encode()).hexdigest()[:40]
SLOW = make_variant("slow", 1)


class Sound(Desk):
    """A repository whose journal is sound, until the test damages it."""

    def run(self, **fields: Any) -> TrialRecord:
        """Run a trial whose record is sound in every respect."""
        parameters = (ParameterRecord("my_exp", "frequency", "lookup", "slow", digest=SLOW.digest, summary="1"),)
        return self.run_trial(variants=[SLOW], **{"parameters": parameters, "environment": DIGEST, **fields})

    def verify(self, **options: Any) -> Report:
        """Verify as a new process would."""
        report = verify(find_repository(self.folder), **options)
        assert all(
            finding.remedy.startswith(("git ", "mitosis ", "rm ")) for finding in report.findings if finding.remedy
        )
        return report

    def found(self, kind: str | None = None, **options: Any) -> list[Finding]:
        """The problems that are found, only those of a kind if one is given."""
        return [finding for finding in self.verify(**options).problems if kind in (None, finding.kind)]

    def mend(self) -> list[str]:
        return repair(find_repository(self.folder), self.identity)

    def damage(self, name: str, how: str) -> str:
        """Damage the object that a name stands for; returns its id."""
        oid = self.oid_of(name)
        path = self.loose_file(oid)
        data = path.read_bytes()
        if how == "missing":
            path.unlink()
        elif how == "truncated":
            path.write_bytes(data[: len(data) // 2])
        elif how == "empty":
            path.write_bytes(b"")
        elif how == "exchanged":
            other = next(file for file in path.parents[1].glob("??/*") if file != path and file.stat().st_size > 40)
            path.write_bytes(other.read_bytes())
        else:
            path.write_bytes(data[:-3] + bytes(byte ^ 0xFF for byte in data[-3:]))
        return oid

    def back_up(self, folder: Path) -> None:
        """Have a mirror of the repository be its `origin`."""
        self.git("clone", "--quiet", "--mirror", f"file://{self.folder}", str(folder))
        self.git("remote", "add", "origin", str(folder))

    def cloned(self, folder: Path, *options: str) -> Sound:
        self.git("clone", "--quiet", *options, f"file://{self.folder}", str(folder))
        run_git("symbolic-ref", "refs/refs/mitosis", JOURNAL, cwd=folder)
        return Sound(folder)

    def run_remedy(self, finding: Finding) -> None:
        """Have a shell run the command that a finding shows."""
        done = subprocess.run(finding.remedy, shell=True, cwd=self.folder, check=False, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr

    def leave_outputs(self, **fields: Any) -> TrialRecord:
        """Run a trial that leaves a file in its folder, and a page."""
        key = "5f2c91d07a3b"
        folder, page = f"2026-03-01_{key}", f"trial_my_exp_0_{key}.html"
        trials = self.folder / "trials"
        files = {f"{folder}/deep/data.bin": b"data", page: b"<html>"}
        (trials / folder / "deep").mkdir(parents=True)
        for name, data in files.items():
            (trials / name).write_bytes(data)
        listed = tuple(Output(name, len(data), blob_id(data)) for name, data in files.items())
        told: dict[str, Any] = {"trials_folder": str(trials), "folder": folder, "page": page, "outputs": listed}
        return self.run(key=key, process=replace(this_process(), host=platform.node()), **{**told, **fields})


@pytest.fixture
def desk(repository_folder: Path) -> Sound:
    return Sound(repository_folder)


# --- no problems found ----------------------------------------------------------------------------------


def test_sound_journal_has_no_problems(desk: Sound) -> None:
    for day in range(1, 4):
        desk.run(started=f"2026-03-0{day}T12:00:00+00:00")
    report = desk.verify()
    assert report.findings == ()
    assert report.is_sound
    assert report.counts == {
        "trials": 3,
        "locks": 1,
        "environments": 1,
        "notes": 1,
        "pins": 1,
        "commits": 6,
        "objects": int(desk.git("rev-list", "--objects", "--count", JOURNAL)),
    }
    desk.git("gc", "--quiet", "--prune=now")
    assert desk.verify().findings == ()


def test_repository_without_trials_is_sound(desk: Sound) -> None:
    report = desk.verify()
    assert report.is_sound
    assert [finding.what for finding in report.findings] == ["no trial is recorded in this repository"]


def test_verify_writes_nothing(desk: Sound) -> None:
    desk.run()
    desk.git("update-ref", "-d", NOTES)

    def state() -> dict[str, float]:
        return {str(path): path.stat().st_mtime_ns for path in (desk.folder / ".git").rglob("*")}

    before = state()
    assert not desk.verify().is_sound
    assert state() == before


def test_trial_that_runs_or_is_lost_is_no_problem(desk: Sound) -> None:
    gone = subprocess.Popen([sys.executable, "-c", ""])
    gone.wait()
    here = this_process()
    desk.run()
    lost = desk.start_trial(environment=DIGEST, parameters=(), process=replace(here, pid=gone.pid))
    running = desk.start_trial(environment=DIGEST, parameters=(), process=here)
    report = desk.verify()
    assert report.is_sound
    said = {finding.where: finding for finding in report.findings}
    assert "lost" in said[f"trial {lost.key}"].what
    assert said[f"trial {lost.key}"].remedy == f"mitosis forget {lost.key}"
    assert "runs" in said[f"trial {running.key}"].what


# --- the tree -------------------------------------------------------------------------------------


def test_record_that_cannot_be_read_is_found(desk: Sound) -> None:
    bad, newer = desk.run(), desk.run()
    desk.rewrite({record_path(bad): b"\xc1", record_path(newer): b"\x81\xa6format\x63"})
    problems = {finding.where: finding for finding in desk.found("record")}
    assert "not msgpack" in problems[record_path(bad)].what
    assert record_path(bad) in problems[record_path(bad)].remedy
    assert (problems[record_path(newer)].remedy, problems[record_path(newer)].hint) == ("", "Upgrade mitosis.")


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"key": "0123456789ab"}, "says the key 0123456789ab"),
        ({"experiment": "other"}, "belongs to trials/other/"),
        ({"started": "2026-04-01T12:00:00+00:00"}, "belongs to trials/my_exp/2026-04-01/"),
        ({"started": "yesterday"}, "is not an ISO 8601 time"),
        ({"started": "0001-01-01T00:00:00+23:59"}, "is not an ISO 8601 time"),
    ],
)
def test_record_in_a_wrong_place_is_found(desk: Sound, change: dict[str, str], said: str) -> None:
    record = desk.run()
    desk.rewrite({record_path(record): encode_trial(record.with_changes(**change))})
    (finding,) = desk.found("path")
    assert finding.where == record_path(record)
    assert said in finding.what


def test_record_in_the_folder_of_another_key_is_found(desk: Sound) -> None:
    record = desk.run(key="5f2c91d07a3b")
    in_shard = layout.record_paths(layout.trial_folder(record.experiment, record.started), record.key)[1]
    desk.rewrite({record_path(record): None, in_shard.replace("/5f/", "/aa/"): encode_trial(record)})
    (finding,) = desk.found("path")
    assert "belongs to" in finding.what


def test_key_that_two_trials_have_is_found(desk: Sound) -> None:
    record = desk.run()
    second = record.with_changes(experiment="other")
    desk.rewrite({record_path(second): encode_trial(second)})
    (finding,) = desk.found("key")
    assert finding.where in (record_path(record), record_path(second))


def test_folder_that_is_in_two_places_is_found(desk: Sound) -> None:
    record = desk.run()
    day = desk.oid_of(f"{JOURNAL}:trials/my_exp/2026-03-01")
    name, other = f"040000 tree {day}\t2026-03-01\n", desk.git("ls-tree", f"{JOURNAL}:trials")
    other += f"040000 tree {desk.git('mktree', stdin=name).strip()}\tother\n"
    desk.replace_folder("trials", desk.git("mktree", stdin=other).strip())
    findings = desk.found("path")
    assert {finding.where for finding in findings} == {f"trials/other/2026-03-01/{record.key}.msgpack"}


def test_foreign_files_are_named_and_no_problem(desk: Sound) -> None:
    desk.run()
    places = [
        "README", "trials/README", "trials/my_exp/README", "trials/my_exp/2026-03-01/README",
        "variants/README", "variants/my_exp/frequency/slow/README", "environments/README",
    ]  # fmt: skip
    desk.rewrite(dict.fromkeys(places, "hello\n"))
    report = desk.verify()
    assert report.is_sound
    assert sorted(f.where for f in report.findings if f.kind == "foreign file") == sorted(places)


def test_environment_is_compared_with_its_digest(desk: Sound) -> None:
    desk.run()
    desk.rewrite({f"environments/{DIGEST}.txt": "other\n"})
    (finding,) = desk.found("environment")
    assert "does not have the digest" in finding.what


def test_environment_that_is_missing_is_found(desk: Sound) -> None:
    record = desk.run()
    desk.rewrite({f"environments/{DIGEST}.txt": None})
    (finding,) = desk.found("environment")
    assert finding.where == f"trial {record.key}"
    assert record_path(record) in finding.remedy


def test_locked_value_is_compared_with_its_digest_and_decoded(desk: Sound) -> None:
    desk.run()
    nonsense = b"nonsense"
    wrong = layout.variant_path(SLOW.name, SLOW.digest)
    unread = layout.variant_path(VariantName("my_exp", "frequency", "fast"), digest_value(nonsense))
    desk.rewrite({wrong: encode_value(2), unread: nonsense})
    problems = {finding.where: finding.what for finding in desk.found("lock")}
    assert problems.keys() == {wrong, unread}
    assert "does not have the digest" in problems[wrong]


def test_name_that_mitosis_does_not_write_is_found(desk: Sound) -> None:
    desk.run()
    value = encode_value(1)
    desk.rewrite({f"variants/my exp/frequency/%41/{digest_value(value)}.msgpack": value})
    (finding,) = [finding for finding in desk.verify().findings if finding.kind == "foreign file"]
    assert finding.where.startswith("variants/my exp/frequency/%41/")


def test_conflict_is_named_with_the_command_that_resolves_it(desk: Sound, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(desk.folder)
    desk.run()
    other = encode_value(3)
    desk.rewrite({layout.variant_path(SLOW.name, digest_value(other)): other})
    (finding,) = desk.found()
    assert finding.where == "my_exp.frequency=slow"
    assert run_command(finding.remedy.replace("NAME", "bobs-slow").split()[1:]) == 0
    assert desk.found() == []


def test_meaning_that_was_dropped_is_known_from_the_history(desk: Sound) -> None:
    desk.run()
    other = encode_value(3)
    digest = digest_value(other)
    desk.rewrite({layout.variant_path(SLOW.name, digest): other})
    parameter = ParameterRecord("my_exp", "frequency", "lookup", "slow", digest=digest, summary="3")
    desk.run_trial(parameters=(parameter,), environment=DIGEST)
    desk.resolve(SLOW.name, SLOW.digest, desk.identity)
    assert desk.found() == []


def test_value_that_never_was_a_meaning_is_found(desk: Sound) -> None:
    parameter = ParameterRecord("my_exp", "frequency", "lookup", "slow", digest="a" * 40, summary="3")
    records = [desk.run_trial(parameters=(parameter,), environment=DIGEST) for _ in range(2)]
    (finding,) = desk.found("lock")
    assert finding.where in [f"trial {record.key} and 1 more" for record in records]
    assert "variants/my_exp/frequency/slow" in finding.what


@pytest.mark.parametrize("folder", ["variants", "variants/my_exp/frequency", "environments"])
def test_what_is_in_a_damaged_folder_is_said_to_be_unchecked(desk: Sound, folder: str) -> None:
    record = desk.run()
    desk.damage(f"{JOURNAL}:{folder}", "missing")
    report = desk.verify()
    assert {(finding.kind, finding.where) for finding in report.problems} >= {("folder", folder)}
    what = f"whether what it used is recorded could not be checked: {folder} cannot be read"
    assert [f.what for f in report.findings if f.where == f"trial {record.key}"] == [what]
    assert not [finding for finding in report.findings if "never" in finding.what or "is not in" in finding.what]


def test_tracked_lookup_without_a_digest_is_found(desk: Sound) -> None:
    tracked = ParameterRecord("my_exp", "frequency", "lookup", "slow", digest=None)
    record = desk.run_trial(parameters=(tracked, replace(tracked, tracked=False)), environment=DIGEST)
    assert [finding.where for finding in desk.found("lock")] == [f"trial {record.key}"]


# --- refs and objects -----------------------------------------------------------------------------


def test_journal_of_a_newer_format_is_not_misread(desk: Sound) -> None:
    desk.run()
    desk.rewrite({"format": "99\n"})
    (finding,) = desk.found()
    assert (finding.remedy, finding.hint) == ("", "Upgrade mitosis.")


PLACES = {
    "record": "refs/mitosis/journal:{path}",
    "old record": "refs/mitosis/journal~1:{path}",
    "lock": "refs/mitosis/journal:variants/my_exp/frequency/slow/{digest}.msgpack",
    "environment": "refs/mitosis/journal:environments/{environment}.txt",
    "format": "refs/mitosis/journal~1:format",
    "day": "refs/mitosis/journal:trials/my_exp/2026-03-01",
    "old tree": "refs/mitosis/journal~1:trials",
    "old commit": "refs/mitosis/journal~1",
    "tip": JOURNAL,
    "root": "refs/mitosis/journal^{{tree}}",
}


@pytest.mark.parametrize("how", ["missing", "truncated", "empty", "changed", "exchanged"])
@pytest.mark.parametrize("place", PLACES)
def test_damaged_object_is_found_at_each_place(desk: Sound, place: str, how: str) -> None:
    record = desk.run()
    name = PLACES[place].format(path=record_path(record), digest=SLOW.digest, environment=DIGEST)
    oid = desk.damage(name, how)
    report = desk.verify()
    assert any(finding.severity == "error" for finding in report.problems)
    named = [finding for finding in report.problems if oid in finding.where or oid in finding.what or place == "root"]
    assert named or place in ("tip", "format"), report.problems
    assert any("git fetch" in finding.remedy for finding in report.problems)


def test_command_that_is_shown_brings_a_damaged_object_back(desk: Sound, tmp_path: Path) -> None:
    record = desk.run()
    desk.back_up(tmp_path / "backup.git")
    oid = desk.damage(f"{JOURNAL}~1:{record_path(record)}", "truncated")
    (finding,) = desk.found("object")
    assert finding.where == oid
    desk.run_remedy(finding)
    assert desk.found() == []
    desk.damage(f"{JOURNAL}:{record_path(record)}", "truncated")
    desk.run_remedy(desk.found("record")[0])
    assert desk.found() == []


REFS = {"garbage": "garbage\n", "symbolic": "ref: refs/mitosis/other\n", "missing": "1" * 40, "empty": ""}
OBJECTS = {"blob": "HEAD:experiment.py", "tree": "HEAD^{tree}", "tag": "a-tag", "no journal": "HEAD"}


@pytest.mark.parametrize("state", [*REFS, *OBJECTS, "loop", "commit", "root"])
def test_ref_that_is_no_journal_is_found_and_the_command_that_is_shown_brings_the_journal_back(
    desk: Sound, tmp_path: Path, state: str
) -> None:
    desk.run()
    tip = desk.oid_of(JOURNAL)
    desk.back_up(tmp_path / "backup.git")
    desk.git("tag", "-a", "-m", "x", "a-tag")
    is_damaged = state in ("commit", "root")
    if is_damaged:
        desk.damage({"commit": tip, "root": f"{tip}^{{tree}}"}[state], "truncated")
    elif state == "loop":
        desk.git("symbolic-ref", JOURNAL, "refs/refs/mitosis")
    else:
        ref = desk.folder / ".git" / "refs" / "mitosis" / "journal"
        ref.write_text(REFS[state] if state in REFS else desk.oid_of(OBJECTS[state]))
    (finding,) = desk.found("journal" if is_damaged else None)
    assert (finding.severity, finding.kind) == ("error", "journal")
    assert is_damaged or finding.where == JOURNAL
    desk.run_remedy(finding)
    assert desk.oid_of(JOURNAL) == tip
    assert desk.found() == []
    desk.git("fsck", "--strict")


def test_damage_in_a_pack_is_found(desk: Sound) -> None:
    record = desk.run(subject="x" * 3000)
    desk.git("repack", "-a", "-d", "-q")
    oid = desk.oid_of(f"refs/mitosis/journal:{record_path(record)}")
    index = next((desk.folder / ".git" / "objects" / "pack").glob("*.idx"))
    listed = desk.git("verify-pack", "-v", str(index))
    offset = next(int(line.split()[4]) for line in listed.splitlines() if line.startswith(oid))
    pack = index.with_suffix(".pack")
    pack.chmod(0o644)
    data = bytearray(pack.read_bytes())
    data[offset + 8 : offset + 12] = b"\xff\xff\xff\xff"
    pack.write_bytes(data)
    assert oid in {finding.where for finding in desk.found("object")}


def test_commit_that_is_not_pinned_is_pinned_again(desk: Sound) -> None:
    record = desk.run()
    desk.git("update-ref", "-d", f"refs/mitosis/commits/{record.commit}")
    (finding,) = desk.found()
    assert (finding.kind, finding.where, finding.remedy) == ("pin", record.commit, "mitosis verify --repair")
    assert desk.mend() == ["pinned 1 commit"]
    assert desk.oid_of(f"refs/mitosis/commits/{record.commit}") == record.commit
    assert desk.found() == []


def test_commit_that_is_missing_is_named(desk: Sound) -> None:
    record = desk.run()
    elsewhere = record.with_changes(key="0123456789ab", commit="ab" * 20, status="running", ended=None)
    desk.rewrite({record_path(elsewhere): encode_trial(elsewhere)})
    (finding,) = desk.found("commit")
    assert finding.where == "ab" * 20
    assert "mitosis pull" in finding.remedy
    desk.mend()
    assert desk.found("commit") == [finding]


@pytest.mark.parametrize(
    ("what", "how"),
    [("HEAD:experiment.py", "missing"), *itertools.product(["HEAD^{tree}", "HEAD"], ["missing", "truncated"])],
)
def test_incomplete_commit_of_a_trial_is_found(desk: Sound, tmp_path: Path, what: str, how: str) -> None:
    record = desk.run()
    desk.back_up(tmp_path / "backup.git")
    oid = desk.damage(what, how)
    findings = desk.found()
    assert findings
    assert any(word in f"{f.where} {f.what}" for f in findings for word in (oid, record.commit))
    if what != "HEAD" and how == "missing":
        desk.run_remedy(findings[0])
        assert desk.found() == []


def test_pin_of_what_is_no_commit_is_found(desk: Sound) -> None:
    record = desk.run()
    blob = desk.oid_of(f"{record.commit}:experiment.py")
    desk.git("update-ref", f"refs/mitosis/commits/{blob}", blob)
    (finding,) = desk.found("commit")
    assert "is a blob" in finding.what
    desk.git(*finding.remedy.split()[1:])
    assert desk.found() == []


def test_journal_that_is_gone_beside_what_belongs_to_it_is_found(desk: Sound, tmp_path: Path) -> None:
    record = desk.run()
    desk.back_up(tmp_path / "mirror.git")
    desk.git("update-ref", "-d", JOURNAL)
    (finding,) = desk.found()
    assert finding.what == "it is gone, though there are still 2 refs that belong to it"
    assert finding.remedy == "mitosis pull origin"
    desk.pull()
    assert desk.again().trial_keys() == {record.key}


def test_pin_that_points_elsewhere_is_found(desk: Sound) -> None:
    record = desk.run()
    other = desk.git("commit-tree", "HEAD^{tree}", "-m", "other").strip()
    desk.git("update-ref", f"refs/mitosis/commits/{record.commit}", other)
    (finding,) = desk.found("pin")
    desk.git(*finding.remedy.split()[1:])
    assert desk.found() == []


@pytest.mark.parametrize("state", ["missing", "elsewhere", "plain"])
def test_short_name_is_checked(desk: Sound, state: str) -> None:
    desk.run()
    desk.git("symbolic-ref", "--delete", "refs/refs/mitosis")
    if state == "elsewhere":
        desk.git("symbolic-ref", "refs/refs/mitosis", "refs/heads/main")
    elif state == "plain":
        desk.git("update-ref", "refs/refs/mitosis", "HEAD")
    (finding,) = desk.found()
    assert (finding.where, finding.remedy) == ("refs/refs/mitosis", "mitosis verify --repair")
    assert desk.mend() == ["made refs/refs/mitosis point to the journal"]
    assert desk.git("symbolic-ref", "refs/refs/mitosis").strip() == JOURNAL
    assert desk.found() == []


# --- notes and index ------------------------------------------------------------------------------


@pytest.mark.parametrize("how", ["removed", "changed", "too many", "blob", "unreadable", "added"])
def test_notes_are_compared_with_the_journal_and_rebuilt(desk: Sound, how: str) -> None:
    record = desk.run()
    right = desk.git("notes", "--ref=mitosis", "show", record.commit)
    if how == "removed":
        desk.git("update-ref", "-d", NOTES)
    elif how == "changed":
        desk.git("notes", "--ref=mitosis", "add", "-f", "-m", "something else", record.commit)
    elif how == "too many":
        desk.git("notes", "--ref=mitosis", "append", "-m", f"{record.key[:6]}  my_exp  finished", record.commit)
    elif how == "blob":
        desk.git("update-ref", NOTES, desk.oid_of("HEAD:experiment.py"))
    elif how == "unreadable":
        desk.damage(desk.oid_of("refs/notes/mitosis^{tree}"), "truncated")
    else:
        other = desk.git("commit-tree", "HEAD^{tree}", "-m", "other").strip()
        desk.git("notes", "--ref=mitosis", "add", "-m", right, other)
    assert [finding.kind for finding in desk.found()] == ["note"]
    assert desk.mend() == ["rebuilt 1 note"]
    assert desk.git("notes", "--ref=mitosis", "show", record.commit) == right
    assert desk.found() == []
    assert len(desk.git("notes", "--ref=mitosis", "list").splitlines()) == 1


def test_note_in_the_order_in_which_ends_were_recorded_is_right(desk: Sound) -> None:
    for hour in (12, 10, 11):
        desk.run(ended=f"2026-03-01T{hour}:00:00+00:00", started="2026-03-01T09:00:00+00:00")
    assert desk.found() == []


def test_note_of_many_trials_is_counted(desk: Sound) -> None:
    for _ in range(52):
        desk.run()
    assert desk.found() == []
    wrong = desk.git("notes", "--ref=mitosis", "show").replace("and 2 more", "and 3 more")
    desk.git("notes", "--ref=mitosis", "add", "-f", "-m", wrong)
    assert [finding.kind for finding in desk.found()] == ["note"]


def test_note_that_somebody_wrote_by_hand_is_left_alone(desk: Sound) -> None:
    desk.run()
    other = desk.git("commit-tree", "HEAD^{tree}", "-m", "other").strip()
    desk.git("notes", "--ref=mitosis", "add", "-m", "remember this", other)
    assert desk.verify().is_sound
    assert desk.mend() == []
    assert desk.git("notes", "--ref=mitosis", "show", other) == "remember this\n"


def test_note_keeps_what_it_tells_of_a_record_that_is_damaged(desk: Sound) -> None:
    first, _ = desk.run(), desk.run()
    right = desk.git("notes", "--ref=mitosis", "show")
    desk.damage(desk.oid_of(f"refs/mitosis/journal:{record_path(first)}"), "truncated")
    assert desk.found("note") == []
    desk.mend()
    assert desk.git("notes", "--ref=mitosis", "show") == right


def test_damaged_index_is_found_and_rebuilt(desk: Sound) -> None:
    desk.run()
    desk.index.close()
    with contextlib.closing(sqlite3.connect(desk.index.path)) as index:
        index.execute("UPDATE trials SET key = '000000000000'")
        index.commit()
    (finding,) = desk.found()
    assert (finding.kind, finding.severity) == ("index", "warning")
    assert desk.mend() == ["rebuilt the index of the journal"]
    assert desk.found() == []
    assert desk.run().iteration == 1


def test_index_that_is_missing_or_behind_is_right(desk: Sound) -> None:
    record = desk.run()
    desk.rewrite({record_path(record): None})
    assert desk.found("index") == []
    shutil.rmtree(desk.folder / ".git" / "mitosis")
    assert desk.found("index") == []


# --- locks that were left -------------------------------------------------------------------------


@pytest.mark.parametrize("ref", [JOURNAL, NOTES])
def test_lock_of_a_process_that_is_gone_is_found_and_taken_away(desk: Sound, ref: str) -> None:
    desk.run()
    lock = desk.folder / ".git" / f"{ref}.lock"
    code = (
        "import os, sys; from pathlib import Path; from mitosis.git.repository import find_repository\n"
        "from mitosis.journal.storage.locking import RefLock\n"
        f"lock = RefLock(find_repository(Path.cwd()), {ref!r}, durable=False); lock.acquire()\n"
        "lock._move = lambda new: os._exit(0)\nlock.replace('x')"
    )
    subprocess.run([sys.executable, "-c", code], cwd=desk.folder, check=True)
    assert lock.exists()
    (finding,) = desk.found()
    assert (finding.kind, finding.where) == ("lock file", str(lock))
    assert "no longer runs" in finding.what
    assert desk.mend() == [f"removed the lock file {lock}"]
    assert not lock.exists()
    assert list((desk.folder / ".git" / "mitosis").glob("ref-*")) == []
    assert desk.found() == []


def test_lock_that_says_no_owner_is_named_once_it_is_old(desk: Sound) -> None:
    desk.run()
    lock = desk.folder / ".git" / "refs" / "mitosis" / "journal.lock"
    lock.touch()
    assert desk.found() == []
    os.utime(lock, (time.time() - 7200,) * 2)
    (finding,) = desk.found()
    assert "120 min" in finding.what
    assert finding.remedy.startswith(f"rm {lock}")


# --- outputs --------------------------------------------------------------------------------------


def test_outputs_are_compared_with_their_record(desk: Sound) -> None:
    record = desk.leave_outputs()
    trials = desk.folder / "trials"
    report = desk.verify(trials_folder=trials)
    assert report.findings == ()
    assert report.counts["outputs"] == 2
    (trials / f"2026-03-01_{record.key}" / "deep" / "data.bin").write_bytes(b"DATA")
    (trials / f"trial_my_exp_0_{record.key}.html").write_bytes(b"longer than before")
    problems = {Path(finding.where).name: finding.what for finding in desk.found("output", trials_folder=trials)}
    assert "content has changed" in problems["data.bin"]
    assert "18 bytes, but had 6" in problems[f"trial_my_exp_0_{record.key}.html"]
    shutil.rmtree(trials)
    missing = [finding.what.startswith("it is missing") for finding in desk.found("output", trials_folder=trials)]
    assert missing == [True] * 2
    assert desk.found() == []


def test_folder_of_a_trial_without_a_record_is_named_and_stays(desk: Sound) -> None:
    desk.leave_outputs()
    trials = desk.folder / "trials"
    left = trials / "2026-03-02_0123456789ab"
    for folder in (left, trials / "2026-03-02_0123456789abdebug", trials / "mine"):
        folder.mkdir()
    report = desk.verify(trials_folder=trials)
    assert report.is_sound
    assert [(finding.where, finding.what.partition(":")[0]) for finding in report.findings] == [
        (str(left), "the journal has no trial of that key")
    ]
    desk.mend()
    assert left.exists()
    shutil.rmtree(trials)
    assert desk.verify(trials_folder=trials).counts["trials"] == 1


def test_temporary_folders_of_killed_processes_are_removed(
    desk: Sound, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    code = (
        "import os, signal; from mitosis.files import TemporaryFolder as F; F(); os.kill(os.getpid(), signal.SIGKILL)"
    )
    subprocess.run([sys.executable, "-c", code], env={**os.environ, "TMPDIR": str(tmp_path)}, check=False)
    assert len(list(tmp_path.glob("mitosis-*"))) == 1
    desk.mend()
    assert not list(tmp_path.glob("mitosis-*"))


def test_outputs_on_other_machines_are_counted(desk: Sound, tmp_path: Path) -> None:
    for _ in range(2):
        desk.run(
            process=ProcessRecord("gpu-2", 12), trials_folder="/data/trials", outputs=(Output("x/y", 1, "a" * 40),)
        )
    report = desk.verify(trials_folder=tmp_path / "trials")
    assert report.is_sound
    assert [f.what for f in report.findings if f.kind == "output"] == [
        "the outputs of 2 trials are on other machines, and were not checked"
    ]


@pytest.mark.parametrize("path", ["../secret", "/etc/hostname", "2026-03-01_KEY/../../secret", "secret", ".", "a\0b"])
def test_outputs_outside_of_the_trials_own_are_not_read(desk: Sound, path: str) -> None:
    secret = desk.folder / "secret"
    secret.write_bytes(b"secret")
    (desk.folder / "trials").mkdir()
    (desk.folder / "trials" / "secret").write_bytes(b"secret")
    key = "5f2c91d07a3b"
    good = Output(f"2026-03-01_{key}/deep/data.bin", 4, blob_id(b"data"))
    bad = Output(path.replace("KEY", key), 6, blob_id(b"secret"))
    desk.leave_outputs(outputs=(good, bad))
    (finding,) = desk.found("output", trials_folder=desk.folder / "trials")
    assert "not checked" in finding.what


def test_links_in_place_of_outputs_are_not_followed(desk: Sound) -> None:
    record = desk.leave_outputs()
    file = desk.folder / "trials" / f"2026-03-01_{record.key}" / "deep" / "data.bin"
    file.unlink()
    (desk.folder / "same").write_bytes(b"data")
    file.symlink_to(desk.folder / "same")
    (finding,) = desk.found("output", trials_folder=desk.folder / "trials")
    assert "missing" in finding.what


# --- the command ----------------------------------------------------------------------------------


def test_command_prints_what_is_wrong_and_exits_with_1(
    desk: Sound, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(desk.folder)
    record = desk.run()
    assert run_command(["verify"]) == 0
    assert capsys.readouterr().out.splitlines() == [
        "checked 1 trial, 1 lock, 1 environment, 2 commits, 1 pin, 1 note",
        "no problems found",
    ]
    desk.git("update-ref", "-d", NOTES)
    assert run_command(["verify"]) == 1
    assert capsys.readouterr().out.splitlines() == [
        "checked 1 trial, 1 lock, 1 environment, 2 commits, 1 pin, 0 notes",
        f"! note: the note on {record.commit}: it is missing",
        "    mitosis verify --repair",
        "1 warning",
    ]
    assert run_command(["verify", "--repair"]) == 0
    assert capsys.readouterr().out.splitlines()[0] == "repaired: rebuilt 1 note"
    assert run_command(["verify", "--repair"]) == 0
    assert capsys.readouterr().out.splitlines()[0] == "there was nothing to repair"


def test_many_findings_are_counted(
    desk: Sound, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(desk.folder)
    desk.run()
    desk.rewrite({"trials/my_exp/2026-03-01/aa/README": "x"})
    desk.rewrite({f"{number}": "x" for number in range(21)})
    blob = desk.oid_of("refs/mitosis/journal:trials/my_exp/2026-03-01/aa/README")
    tree = desk.git("mktree", stdin="".join(f"100644 blob {blob}\taa{n:010x}.msgpack\n" for n in range(1200))).strip()
    for name in ("aa", "2026-03-01", "my_exp", "trials"):
        tree = desk.git("mktree", stdin=f"040000 tree {tree}\t{name}\n").strip()
    desk.replace_folder("trials", desk.oid_of(f"{tree}:trials"))
    assert run_command(["verify"]) == 1
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) < 110
    assert "  ... and 1,180 more findings of the kind error: record" in lines
    assert "  ... and 1 more finding of the kind info: foreign file" in lines


def test_outside_of_a_repository_nothing_can_be_checked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    assert run_command(["verify"]) == 2


# --- clones ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("options", [["--depth=1"], ["--filter=blob:none"], []])
def test_clone_that_lacks_what_it_may_is_sound(desk: Sound, tmp_path: Path, options: list[str]) -> None:
    for number in range(3):
        desk.run(started=f"2026-03-0{number + 1}T12:00:00+00:00")
    desk.git("config", "uploadpack.allowFilter", "true")
    clone = desk.cloned(tmp_path / "clone", *options)
    refspec = ["+refs/mitosis/*:refs/mitosis/*", "+refs/notes/mitosis:refs/notes/mitosis"]
    clone.git("fetch", "--quiet", *[o for o in options if "depth" in o], "origin", *refspec)
    report = clone.verify()
    assert report.problems == ()


def test_shallow_clone_may_lack_commits_of_others_and_can_fetch_them(desk: Sound, tmp_path: Path) -> None:
    old = desk.run().commit
    desk.git("commit", "--quiet", "--allow-empty", "-m", "next")
    new = desk.run(commit=desk.oid_of("HEAD")).commit
    clone = desk.cloned(tmp_path / "clone", "--depth=1")
    clone.git("fetch", "--quiet", "origin", "refs/mitosis/journal*:refs/mitosis/journal*")
    clone.git("fetch", "--quiet", "origin", "refs/notes/mitosis*:refs/notes/mitosis*")
    report = clone.verify()
    assert report.problems == ()
    (unpinned,) = [finding for finding in report.findings if finding.kind in ("pin", "commit")]
    assert (unpinned.where, unpinned.what.partition(":")[0]) == (old, "2 commits that trials ran on are not pinned")
    clone.git(*unpinned.remedy.split()[1:])
    assert clone.mend() == ["pinned 1 commit"]
    assert {f.kind for f in clone.verify().findings} == {"history"}
    assert clone.git("rev-list", "--count", new) == "1\n"
    assert clone.git("rev-list", "--count", old) == "1\n"


def test_records_that_are_not_merged_are_told_of(desk: Sound) -> None:
    desk.run()
    desk.git("remote", "add", "origin", ".")
    tree = desk.oid_of("refs/mitosis/journal^{tree}")
    ahead = desk.git("commit-tree", tree, "-p", JOURNAL, "-m", "resolve").strip()
    desk.git("update-ref", "refs/mitosis/remotes/origin/journal", ahead)
    (finding,) = [finding for finding in desk.verify().findings if finding.kind == "remote"]
    assert finding.what == "records were fetched from it that are not merged yet; to merge them, or to see why not"
    assert finding.remedy == "mitosis pull origin"
    _, before = desk.run(started="2026-03-02T12:00:00+00:00"), desk.oid_of(f"{JOURNAL}~2")
    desk.git("update-ref", "refs/mitosis/remotes/origin/journal", JOURNAL)
    desk.git("update-ref", JOURNAL, before)
    (finding,) = [finding for finding in desk.verify().findings if finding.kind == "remote"]
    assert finding.what == "1 trial was fetched from it that is not merged yet; to merge it, or to see why not"
