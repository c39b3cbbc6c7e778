"""`verify` finds everything that can be wrong, says which command mends it, and `repair` mends what is derived."""

from __future__ import annotations

import contextlib
import hashlib
import os
import platform
import shutil
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from mitosis.__main__ import run_command
from mitosis.canonical.encode import digest_value, encode_value
from mitosis.files import blob_id
from mitosis.git.repository import find_repository
from mitosis.journal import layout
from mitosis.journal.journal import Journal
from mitosis.process import this_process
from mitosis.records.codec import encode_trial
from mitosis.records.trial import Output, ParameterRecord, ProcessRecord, TrialRecord
from mitosis.variants import Variant, VariantName
from mitosis.verify import repair, verify
from mitosis.verify.findings import Finding, Report
from support.journal import record_path

Git = Callable[..., str]
RunTrial = Callable[..., TrialRecord]
MakeVariant = Callable[..., Variant]
Rewrite = Callable[[dict[str, bytes | str | None]], None]
Found = Callable[..., list[Finding]]

ENVIRONMENT = "numpy==2.0.0\npandas==2.2.0\n"
DIGEST = hashlib.sha256(ENVIRONMENT.encode()).hexdigest()[:40]


@pytest.fixture
def slow(make_variant: MakeVariant) -> Variant:
    return make_variant("slow", 1)


@pytest.fixture
def run(run_trial: RunTrial, slow: Variant) -> RunTrial:
    """Runs a trial whose record is sound in every respect."""

    def run_sound(**fields: object) -> TrialRecord:
        parameters = (ParameterRecord("my_exp", "frequency", "lookup", "slow", digest=slow.digest, summary="1"),)
        return run_trial(variants=[slow], **{"parameters": parameters, "environment": DIGEST, **fields})

    return run_sound


@pytest.fixture
def check(repository_folder: Path) -> Callable[..., Report]:
    """Verifies as a new process would."""
    return lambda **options: verify(find_repository(repository_folder), **options)


@pytest.fixture
def found(check: Callable[..., Report]) -> Found:
    """The problems that are found, only those of a kind if one is given."""

    def problems(kind: str | None = None, **options: object) -> list[Finding]:
        return [finding for finding in check(**options).problems if kind in (None, finding.kind)]

    return problems


@pytest.fixture
def mend(repository_folder: Path) -> Callable[[], list[str]]:
    def run_repair() -> list[str]:
        repository = find_repository(repository_folder)
        return repair(repository, repository.identity())

    return run_repair


def loose_file(folder: Path, oid: str) -> Path:
    return folder / ".git" / "objects" / oid[:2] / oid[2:]


def damage(folder: Path, oid: str, how: str) -> None:
    path = loose_file(folder, oid)
    path.chmod(0o644)
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


# --- no problems found ----------------------------------------------------------------------------------


def test_sound_journal_has_no_problems(run: RunTrial, check: Callable[..., Report], git: Git) -> None:
    for day in range(1, 4):
        run(started=f"2026-03-0{day}T12:00:00+00:00")
    report = check()
    assert report.findings == ()
    assert report.is_sound
    assert report.counts == {
        "trials": 3,
        "locks": 1,
        "environments": 1,
        "notes": 1,
        "pins": 1,
        "commits": 6,
        "objects": int(git("rev-list", "--objects", "--count", "refs/mitosis/journal")),
    }
    git("gc", "--quiet", "--prune=now")
    assert check().findings == ()


def test_repository_without_trials_is_sound(repository_folder: Path, check: Callable[..., Report]) -> None:
    report = check()
    assert report.is_sound
    assert [finding.what for finding in report.findings] == ["no trial is recorded in this repository"]


def test_verify_writes_nothing(repository_folder: Path, run: RunTrial, check: Callable[..., Report], git: Git) -> None:
    run()
    git("update-ref", "-d", "refs/notes/mitosis")

    def state() -> dict[str, float]:
        return {str(path): path.stat().st_mtime_ns for path in (repository_folder / ".git").rglob("*")}

    before = state()
    assert not check().is_sound
    assert state() == before


def test_trial_that_runs_or_is_lost_is_no_problem(
    start_trial: RunTrial, run: RunTrial, check: Callable[..., Report]
) -> None:
    gone = subprocess.Popen([sys.executable, "-c", ""])
    gone.wait()
    here = this_process()
    run()
    lost = start_trial(environment=DIGEST, parameters=(), process=replace(here, pid=gone.pid))
    running = start_trial(environment=DIGEST, parameters=(), process=here)
    report = check()
    assert report.is_sound
    said = {finding.where: finding for finding in report.findings}
    assert "lost" in said[f"trial {lost.key}"].what
    assert said[f"trial {lost.key}"].remedy == f"mitosis forget {lost.key}"
    assert "runs" in said[f"trial {running.key}"].what


# --- the tree -------------------------------------------------------------------------------------


def test_record_that_cannot_be_read_is_found(run: RunTrial, found: Found, rewrite: Rewrite) -> None:
    bad, newer = run(), run()
    rewrite({record_path(bad): b"\xc1", record_path(newer): b"\x81\xa6format\x63"})
    problems = {finding.where: finding for finding in found("record")}
    assert "not msgpack" in problems[record_path(bad)].what
    assert record_path(bad) in problems[record_path(bad)].remedy
    assert problems[record_path(newer)].remedy == "upgrade mitosis"


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
def test_record_in_a_wrong_place_is_found(
    run: RunTrial, found: Found, rewrite: Rewrite, change: dict[str, str], said: str
) -> None:
    record = run()
    rewrite({record_path(record): encode_trial(record.with_changes(**change))})
    (finding,) = found("path")
    assert finding.where == record_path(record)
    assert said in finding.what


def test_record_in_the_folder_of_another_key_is_found(run: RunTrial, found: Found, rewrite: Rewrite) -> None:
    record = run(key="5f2c91d07a3b")
    in_shard = layout.record_paths(layout.trial_folder(record.experiment, record.started), record.key)[1]
    rewrite({record_path(record): None, in_shard.replace("/5f/", "/aa/"): encode_trial(record)})
    (finding,) = found("path")
    assert "belongs to" in finding.what


def test_key_that_two_trials_have_is_found(run: RunTrial, found: Found, rewrite: Rewrite) -> None:
    record = run()
    second = record.with_changes(experiment="other")
    rewrite({record_path(second): encode_trial(second)})
    (finding,) = found("key")
    assert finding.where in (record_path(record), record_path(second))


def test_folder_that_is_in_two_places_is_found(run: RunTrial, found: Found, git: Git, rewrite: Rewrite) -> None:
    record = run()
    day = git("rev-parse", "refs/mitosis/journal:trials/my_exp/2026-03-01").strip()
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("GIT_INDEX_FILE", "index-of-the-test")
        git("read-tree", "refs/mitosis/journal")
        git("read-tree", "--prefix=trials/other/2026-03-01/", day)
        tree = git("write-tree").strip()
    git("update-ref", "refs/mitosis/journal", git("commit-tree", tree, "-m", "x", "-p", "refs/mitosis/journal").strip())
    findings = found("path")
    assert any("it is the same folder as" in finding.what for finding in findings)
    assert record.key not in "".join(finding.what for finding in found("record"))


def test_foreign_files_are_named_and_no_problem(run: RunTrial, check: Callable[..., Report], rewrite: Rewrite) -> None:
    run()
    places = [
        "README", "trials/README", "trials/my_exp/README", "trials/my_exp/2026-03-01/README",
        "variants/README", "variants/my_exp/frequency/slow/README", "environments/README",
    ]  # fmt: skip
    rewrite(dict.fromkeys(places, "hello\n"))
    report = check()
    assert report.is_sound
    assert sorted(f.where for f in report.findings if f.kind == "foreign file") == sorted(places)


def test_environment_is_compared_with_its_digest(run: RunTrial, found: Found, rewrite: Rewrite) -> None:
    run()
    rewrite({f"environments/{DIGEST}.txt": "other\n"})
    (finding,) = found("environment")
    assert "does not have the digest" in finding.what


def test_environment_that_is_missing_is_found(run: RunTrial, found: Found, rewrite: Rewrite) -> None:
    record = run()
    rewrite({f"environments/{DIGEST}.txt": None})
    (finding,) = found("environment")
    assert finding.where == f"trial {record.key}"
    assert record_path(record) in finding.remedy


def test_locked_value_is_compared_with_its_digest_and_decoded(
    run: RunTrial, slow: Variant, found: Found, rewrite: Rewrite
) -> None:
    run()
    nonsense = b"nonsense"
    wrong = layout.variant_path(VariantName("my_exp", "frequency", "slow"), slow.digest)
    unread = layout.variant_path(VariantName("my_exp", "frequency", "fast"), digest_value(nonsense))
    rewrite({wrong: encode_value(2), unread: nonsense})
    problems = {finding.where: finding.what for finding in found("lock")}
    assert problems.keys() == {wrong, unread}
    assert "does not have the digest" in problems[wrong]


def test_name_that_mitosis_does_not_write_is_found(run: RunTrial, found: Found, rewrite: Rewrite) -> None:
    run()
    value = encode_value(1)
    rewrite({f"variants/my exp/frequency/%41/{digest_value(value)}.msgpack": value})
    (finding,) = found("path")
    assert finding.where.startswith("variants/my exp/frequency/%41/")


def test_conflict_is_named_with_the_command_that_resolves_it(
    repository_folder: Path,
    run: RunTrial,
    slow: Variant,
    found: Found,
    rewrite: Rewrite,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(repository_folder)
    run()
    other = encode_value(3)
    rewrite({layout.variant_path(VariantName("my_exp", "frequency", "slow"), digest_value(other)): other})
    (finding,) = found()
    assert finding.where == "my_exp.frequency=slow"
    assert run_command(finding.remedy.replace("NAME", "bobs-slow").split()[1:]) == 0
    assert found() == []


def test_meaning_that_was_dropped_is_known_from_the_history(
    repository_folder: Path, run_trial: RunTrial, run: RunTrial, found: Found, rewrite: Rewrite, journal: Journal
) -> None:
    run()
    other = encode_value(3)
    digest = digest_value(other)
    rewrite({layout.variant_path(VariantName("my_exp", "frequency", "slow"), digest): other})
    parameter = ParameterRecord("my_exp", "frequency", "lookup", "slow", digest=digest, summary="3")
    run_trial(parameters=(parameter,), environment=DIGEST)
    rewrite({layout.variant_path(VariantName("my_exp", "frequency", "slow"), digest): None})
    assert found() == []


def test_value_that_never_was_a_meaning_is_found(run_trial: RunTrial, found: Found) -> None:
    parameter = ParameterRecord("my_exp", "frequency", "lookup", "slow", digest="a" * 40, summary="3")
    records = [run_trial(parameters=(parameter,), environment=DIGEST) for _ in range(2)]
    (finding,) = found("lock")
    assert finding.where in [f"trial {record.key} and 1 more" for record in records]
    assert "variants/my_exp/frequency/slow" in finding.what


def test_tracked_lookup_without_a_digest_is_found(run_trial: RunTrial, found: Found) -> None:
    tracked = ParameterRecord("my_exp", "frequency", "lookup", "slow", digest=None)
    record = run_trial(parameters=(tracked, replace(tracked, tracked=False)), environment=DIGEST)
    assert [finding.where for finding in found("lock")] == [f"trial {record.key}"]


# --- refs and objects -----------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["blob", "tree", "tag", "no journal", "missing", "loop"])
def test_ref_that_is_no_journal_is_found(
    repository_folder: Path, run: RunTrial, found: Found, git: Git, kind: str
) -> None:
    run()
    if kind == "loop":
        git("symbolic-ref", "refs/mitosis/journal", "refs/refs/mitosis")
    else:
        git("tag", "-a", "-m", "x", "a-tag")
        target = {
            "blob": lambda: git("rev-parse", "HEAD:experiment.py"),
            "tree": lambda: git("rev-parse", "HEAD^{tree}"),
            "tag": lambda: git("rev-parse", "a-tag"),
            "no journal": lambda: git("rev-parse", "HEAD"),
            "missing": lambda: "1" * 40,
        }[kind]()
        (repository_folder / ".git" / "refs" / "mitosis" / "journal").write_text(target.strip() + "\n")
    (finding,) = found()
    assert (finding.severity, finding.kind, finding.where) == ("error", "journal", "refs/mitosis/journal")
    assert "git fetch" in finding.remedy


def test_journal_of_a_newer_format_is_not_misread(run: RunTrial, found: Found, rewrite: Rewrite) -> None:
    run()
    rewrite({"format": "99\n"})
    (finding,) = found()
    assert finding.remedy == "upgrade mitosis"


PLACES = {
    "record": "refs/mitosis/journal:{path}",
    "old record": "refs/mitosis/journal~1:{path}",
    "lock": "refs/mitosis/journal:variants/my_exp/frequency/slow/{digest}.msgpack",
    "environment": "refs/mitosis/journal:environments/{environment}.txt",
    "format": "refs/mitosis/journal~1:format",
    "day": "refs/mitosis/journal:trials/my_exp/2026-03-01",
    "old tree": "refs/mitosis/journal~1:trials",
    "old commit": "refs/mitosis/journal~1",
    "tip": "refs/mitosis/journal",
    "root": "refs/mitosis/journal^{{tree}}",
}


@pytest.mark.parametrize("how", ["missing", "truncated", "empty", "changed", "exchanged"])
@pytest.mark.parametrize("place", PLACES)
def test_damaged_object_is_found_at_each_place(
    repository_folder: Path,
    run: RunTrial,
    slow: Variant,
    check: Callable[..., Report],
    git: Git,
    place: str,
    how: str,
) -> None:
    record = run()
    name = PLACES[place].format(path=record_path(record), digest=slow.digest, environment=DIGEST)
    oid = git("rev-parse", name).strip()
    damage(repository_folder, oid, how)
    report = check()
    assert any(finding.severity == "error" for finding in report.problems)
    named = [finding for finding in report.problems if oid in finding.where or oid in finding.what or place == "root"]
    assert named or place in ("tip", "format"), report.problems
    assert any(
        "git fetch --refetch CLONE" in finding.remedy or "git fetch" in finding.remedy for finding in report.problems
    )


def test_command_that_is_shown_brings_a_damaged_object_back(
    repository_folder: Path, run: RunTrial, found: Found, git: Git, tmp_path: Path
) -> None:
    record = run()
    git("clone", "--quiet", "--mirror", f"file://{repository_folder}", str(tmp_path / "backup.git"))
    git("remote", "add", "origin", str(tmp_path / "backup.git"))
    oid = git("rev-parse", f"refs/mitosis/journal~1:{record_path(record)}").strip()
    damage(repository_folder, oid, "truncated")
    (finding,) = found("object")
    assert finding.where == oid
    done = subprocess.run(
        finding.remedy, shell=True, cwd=repository_folder, check=False, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    assert found() == []


@pytest.mark.parametrize(
    "state", ["empty", "garbage", "symbolic", "blob", "tree", "tag", "no journal", "commit", "root"]
)
def test_command_that_is_shown_brings_a_journal_back_that_cannot_be_read(
    repository_folder: Path, run: RunTrial, found: Found, git: Git, tmp_path: Path, state: str
) -> None:
    run()
    tip = git("rev-parse", "refs/mitosis/journal").strip()
    git("clone", "--quiet", "--mirror", f"file://{repository_folder}", str(tmp_path / "backup.git"))
    git("remote", "add", "origin", str(tmp_path / "backup.git"))
    git("tag", "-a", "-m", "x", "a-tag")
    ref = repository_folder / ".git" / "refs" / "mitosis" / "journal"
    texts = {"empty": "", "garbage": "garbage\n", "symbolic": "ref: refs/mitosis/other\n"}
    names = {"blob": "HEAD:experiment.py", "tree": "HEAD^{tree}", "tag": "a-tag", "no journal": "HEAD"}
    places = {"commit": tip, "root": f"{tip}^{{tree}}"}
    if state in places:
        damage(repository_folder, git("rev-parse", places[state]).strip(), "truncated")
    else:
        ref.write_text(texts[state] if state in texts else git("rev-parse", names[state]))
    (finding,) = found("journal")
    command = finding.remedy.partition("   (")[0]
    done = subprocess.run(command, shell=True, cwd=repository_folder, check=False, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert git("rev-parse", "refs/mitosis/journal").strip() == tip
    assert found() == []
    git("fsck", "--strict")


def test_damage_in_a_pack_is_found(repository_folder: Path, run: RunTrial, found: Found, git: Git) -> None:
    record = run(subject="x" * 3000)
    git("repack", "-a", "-d", "-q")
    oid = git("rev-parse", f"refs/mitosis/journal:{record_path(record)}").strip()
    index = next((repository_folder / ".git" / "objects" / "pack").glob("*.idx"))
    listed = git("verify-pack", "-v", str(index))
    offset = next(int(line.split()[4]) for line in listed.splitlines() if line.startswith(oid))
    pack = index.with_suffix(".pack")
    pack.chmod(0o644)
    data = bytearray(pack.read_bytes())
    data[offset + 8 : offset + 12] = b"\xff\xff\xff\xff"
    pack.write_bytes(data)
    assert oid in {finding.where for finding in found("object")}


def test_commit_that_is_not_pinned_is_pinned_again(
    run: RunTrial, found: Found, mend: Callable[[], list[str]], git: Git
) -> None:
    record = run()
    git("update-ref", "-d", f"refs/mitosis/commits/{record.commit}")
    (finding,) = found()
    assert (finding.kind, finding.where, finding.remedy) == ("pin", record.commit, "mitosis verify --repair")
    assert mend() == ["pinned 1 commit"]
    assert git("rev-parse", f"refs/mitosis/commits/{record.commit}").strip() == record.commit
    assert found() == []


def test_commit_that_is_missing_is_named(
    run: RunTrial, found: Found, mend: Callable[[], list[str]], rewrite: Rewrite
) -> None:
    record = run()
    elsewhere = record.with_changes(key="0123456789ab", commit="ab" * 20, status="running", ended=None)
    rewrite({record_path(elsewhere): encode_trial(elsewhere)})
    (finding,) = found("commit")
    assert finding.where == "ab" * 20
    assert "mitosis pull" in finding.remedy
    mend()
    assert found("commit") == [finding]


@pytest.mark.parametrize(
    ("what", "how"),
    [
        ("HEAD:experiment.py", "missing"),
        ("HEAD^{tree}", "missing"),
        ("HEAD^{tree}", "truncated"),
        ("HEAD", "missing"),
        ("HEAD", "truncated"),
    ],
)
def test_incomplete_commit_of_a_trial_is_found(
    repository_folder: Path, run: RunTrial, found: Found, git: Git, what: str, how: str
) -> None:
    record = run()
    oid = git("rev-parse", what).strip()
    damage(repository_folder, oid, how)
    findings = found()
    assert findings
    assert any(word in f"{f.where} {f.what}" for f in findings for word in (oid, record.commit))


def test_pin_that_points_elsewhere_is_found(run: RunTrial, found: Found, git: Git) -> None:
    record = run()
    other = git("commit-tree", "HEAD^{tree}", "-m", "other").strip()
    git("update-ref", f"refs/mitosis/commits/{record.commit}", other)
    (finding,) = found("pin")
    git(*finding.remedy.split()[1:])
    assert found() == []


@pytest.mark.parametrize("state", ["missing", "elsewhere", "plain"])
def test_short_name_is_checked(
    run: RunTrial, found: Found, mend: Callable[[], list[str]], git: Git, state: str
) -> None:
    run()
    git("symbolic-ref", "--delete", "refs/refs/mitosis")
    if state == "elsewhere":
        git("symbolic-ref", "refs/refs/mitosis", "refs/heads/main")
    elif state == "plain":
        git("update-ref", "refs/refs/mitosis", "HEAD")
    (finding,) = found()
    assert (finding.where, finding.remedy) == ("refs/refs/mitosis", "mitosis verify --repair")
    assert mend() == ["made refs/refs/mitosis point to the journal"]
    assert git("symbolic-ref", "refs/refs/mitosis").strip() == "refs/mitosis/journal"
    assert found() == []


# --- notes and index ------------------------------------------------------------------------------


@pytest.mark.parametrize("how", ["removed", "changed", "too many", "blob", "unreadable", "added"])
def test_notes_are_compared_with_the_journal_and_made_anew(
    repository_folder: Path, run: RunTrial, found: Found, mend: Callable[[], list[str]], git: Git, how: str
) -> None:
    record = run()
    right = git("notes", "--ref=mitosis", "show", record.commit)
    if how == "removed":
        git("update-ref", "-d", "refs/notes/mitosis")
    elif how == "changed":
        git("notes", "--ref=mitosis", "add", "-f", "-m", "something else", record.commit)
    elif how == "too many":
        git("notes", "--ref=mitosis", "append", "-m", f"{record.key[:6]}  my_exp  finished", record.commit)
    elif how == "blob":
        git("update-ref", "refs/notes/mitosis", git("rev-parse", "HEAD:experiment.py").strip())
    elif how == "unreadable":
        damage(repository_folder, git("rev-parse", "refs/notes/mitosis^{tree}").strip(), "truncated")
    else:
        other = git("commit-tree", "HEAD^{tree}", "-m", "other").strip()
        git("notes", "--ref=mitosis", "add", "-m", right, other)
    assert [finding.kind for finding in found()] == ["note"]
    assert mend() == ["rebuilt 1 note"]
    assert git("notes", "--ref=mitosis", "show", record.commit) == right
    assert found() == []
    assert len(git("notes", "--ref=mitosis", "list").splitlines()) == 1


def test_note_in_the_order_in_which_ends_were_recorded_is_right(run: RunTrial, found: Found) -> None:
    for hour in (12, 10, 11):
        run(ended=f"2026-03-01T{hour}:00:00+00:00", started="2026-03-01T09:00:00+00:00")
    assert found() == []


def test_note_of_many_trials_is_counted(repository_folder: Path, run: RunTrial, found: Found, git: Git) -> None:
    for _ in range(52):
        run()
    assert found() == []
    wrong = git("notes", "--ref=mitosis", "show").replace("and 2 more", "and 3 more")
    git("notes", "--ref=mitosis", "add", "-f", "-m", wrong)
    assert [finding.kind for finding in found()] == ["note"]


def test_note_that_somebody_wrote_by_hand_is_left_alone(
    run: RunTrial, check: Callable[..., Report], mend: Callable[[], list[str]], git: Git
) -> None:
    run()
    other = git("commit-tree", "HEAD^{tree}", "-m", "other").strip()
    git("notes", "--ref=mitosis", "add", "-m", "remember this", other)
    assert check().is_sound
    assert mend() == []
    assert git("notes", "--ref=mitosis", "show", other) == "remember this\n"


def test_note_keeps_what_it_tells_of_a_record_that_is_damaged(
    repository_folder: Path, run: RunTrial, found: Found, mend: Callable[[], list[str]], git: Git
) -> None:
    first, _ = run(), run()
    right = git("notes", "--ref=mitosis", "show")
    damage(repository_folder, git("rev-parse", f"refs/mitosis/journal:{record_path(first)}").strip(), "truncated")
    assert found("note") == []
    mend()
    assert git("notes", "--ref=mitosis", "show") == right


def test_damaged_index_is_found_and_made_anew(
    repository_folder: Path, run: RunTrial, found: Found, mend: Callable[[], list[str]], journal: Journal
) -> None:
    run()
    journal.index.close()
    with contextlib.closing(sqlite3.connect(journal.index.path)) as index:
        index.execute("UPDATE trials SET key = '000000000000'")
        index.commit()
    (finding,) = found()
    assert (finding.kind, finding.severity) == ("index", "warning")
    assert mend() == ["rebuilt the index of the journal"]
    assert found() == []
    assert run().iteration == 1


def test_index_that_is_missing_or_behind_is_right(
    repository_folder: Path, run: RunTrial, found: Found, rewrite: Rewrite
) -> None:
    record = run()
    rewrite({record_path(record): None})
    assert found("index") == []
    shutil.rmtree(repository_folder / ".git" / "mitosis")
    assert found("index") == []


# --- locks that were left -------------------------------------------------------------------------


@pytest.mark.parametrize("ref", ["refs/mitosis/journal", "refs/notes/mitosis"])
def test_lock_of_a_process_that_is_gone_is_found_and_taken_away(
    repository_folder: Path, run: RunTrial, found: Found, mend: Callable[[], list[str]], ref: str
) -> None:
    run()
    lock = repository_folder / ".git" / f"{ref}.lock"
    code = (
        "import os, sys; from pathlib import Path; from mitosis.git.repository import find_repository\n"
        "from mitosis.journal.locking import RefLock\n"
        f"RefLock(find_repository(Path.cwd()), {ref!r}, durable=False).acquire(); os._exit(0)"
    )
    subprocess.run([sys.executable, "-c", code], cwd=repository_folder, check=True)
    assert lock.exists()
    (finding,) = found()
    assert (finding.kind, finding.where) == ("lock file", str(lock))
    assert "no longer runs" in finding.what
    assert mend() == [f"removed the lock file {lock}"]
    assert not lock.exists()
    assert found() == []


def test_lock_that_says_no_owner_is_named_once_it_is_old(
    repository_folder: Path, run: RunTrial, found: Found, mend: Callable[[], list[str]]
) -> None:
    run()
    lock = repository_folder / ".git" / "refs" / "mitosis" / "journal.lock"
    lock.touch()
    assert found() == []
    os.utime(lock, (time.time() - 7200,) * 2)
    (finding,) = found()
    assert "120 min" in finding.what
    assert finding.remedy.startswith(f"rm {lock}")


# --- outputs --------------------------------------------------------------------------------------


@pytest.fixture
def outputs(repository_folder: Path, run: RunTrial) -> Callable[..., TrialRecord]:
    """Runs a trial that leaves a file in its folder, and a page."""

    def leave(key: str = "5f2c91d07a3b", **fields: object) -> TrialRecord:
        folder, page = f"2026-03-01_{key}", f"trial_my_exp_0_{key}.html"
        trials = repository_folder / "trials"
        (trials / folder / "deep").mkdir(parents=True)
        files = {f"{folder}/deep/data.bin": b"data", page: b"<html>"}
        for name, data in files.items():
            (trials / name).write_bytes(data)
        listed = tuple(Output(name, len(data), blob_id(data)) for name, data in files.items())
        told: dict[str, object] = {"trials_folder": str(trials), "folder": folder, "page": page, "outputs": listed}
        return run(key=key, process=replace(this_process(), host=platform.node()), **{**told, **fields})

    return leave


def test_outputs_are_compared_with_their_record(
    repository_folder: Path, outputs: RunTrial, check: Callable[..., Report], found: Found
) -> None:
    record = outputs()
    trials = repository_folder / "trials"
    report = check(trials_folder=trials)
    assert report.findings == ()
    assert report.counts["outputs"] == 2
    (trials / f"2026-03-01_{record.key}" / "deep" / "data.bin").write_bytes(b"DATA")
    (trials / f"trial_my_exp_0_{record.key}.html").write_bytes(b"longer than before")
    problems = {Path(finding.where).name: finding.what for finding in found("output", trials_folder=trials)}
    assert "content has changed" in problems["data.bin"]
    assert "18 bytes, but had 6" in problems[f"trial_my_exp_0_{record.key}.html"]
    shutil.rmtree(trials)
    assert [finding.what.startswith("it is missing") for finding in found("output", trials_folder=trials)] == [True] * 2
    assert found() == []


def test_outputs_on_other_machines_are_counted(tmp_path: Path, run: RunTrial, check: Callable[..., Report]) -> None:
    for _ in range(2):
        run(process=ProcessRecord("gpu-2", 12), trials_folder="/data/trials", outputs=(Output("x/y", 1, "a" * 40),))
    report = check(trials_folder=tmp_path / "trials")
    assert report.is_sound
    assert [f.what for f in report.findings if f.kind == "output"] == [
        "the outputs of 2 trials are on other machines, and were not checked"
    ]


@pytest.mark.parametrize("path", ["../secret", "/etc/hostname", "2026-03-01_KEY/../../secret", "secret", ".", "a\0b"])
def test_outputs_outside_of_the_trials_own_are_not_read(
    repository_folder: Path, outputs: RunTrial, found: Found, path: str
) -> None:
    secret = repository_folder / "secret"
    secret.write_bytes(b"secret")
    (repository_folder / "trials").mkdir()
    (repository_folder / "trials" / "secret").write_bytes(b"secret")
    key = "5f2c91d07a3b"
    good = Output(f"2026-03-01_{key}/deep/data.bin", 4, blob_id(b"data"))
    bad = Output(path.replace("KEY", key), 6, blob_id(b"secret"))
    outputs(outputs=(good, bad))
    (finding,) = found("output", trials_folder=repository_folder / "trials")
    assert "not checked" in finding.what


def test_links_in_place_of_outputs_are_not_followed(repository_folder: Path, outputs: RunTrial, found: Found) -> None:
    record = outputs()
    file = repository_folder / "trials" / f"2026-03-01_{record.key}" / "deep" / "data.bin"
    file.unlink()
    (repository_folder / "same").write_bytes(b"data")
    file.symlink_to(repository_folder / "same")
    (finding,) = found("output", trials_folder=repository_folder / "trials")
    assert "missing" in finding.what


# --- the command ----------------------------------------------------------------------------------


def test_command_prints_what_is_wrong_and_exits_with_1(
    repository_folder: Path,
    run: RunTrial,
    git: Git,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(repository_folder)
    record = run()
    assert run_command(["verify"]) == 0
    assert capsys.readouterr().out.splitlines() == [
        "checked 1 trial, 1 lock, 1 environment, 2 commits, 1 pin, 1 note",
        "no problems found",
    ]
    git("update-ref", "-d", "refs/notes/mitosis")
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
    repository_folder: Path,
    run: RunTrial,
    rewrite: Rewrite,
    git: Git,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(repository_folder)
    run()
    rewrite({"trials/my_exp/2026-03-01/aa/README": "x"})
    blob = git("rev-parse", "refs/mitosis/journal:trials/my_exp/2026-03-01/aa/README").strip()
    tree = git("mktree", stdin="".join(f"100644 blob {blob}\taa{n:010x}.msgpack\n" for n in range(1200))).strip()
    for name in ("aa", "2026-03-01", "my_exp", "trials"):
        tree = git("mktree", stdin=f"040000 tree {tree}\t{name}\n").strip()
    form = git("ls-tree", "refs/mitosis/journal", "format")
    tree = git("mktree", stdin=f"{form}040000 tree {git('rev-parse', f'{tree}:trials').strip()}\ttrials\n").strip()
    git("update-ref", "refs/mitosis/journal", git("commit-tree", tree, "-m", "x").strip())
    assert run_command(["verify"]) == 1
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) < 60
    assert "  ... and 1,180 more findings of the kind error: record" in lines


def test_outside_of_a_repository_nothing_can_be_checked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    assert run_command(["verify"]) == 2


# --- clones ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("options", [["--depth=1"], ["--filter=blob:none"], []])
def test_clone_that_lacks_what_it_may_is_sound(
    repository_folder: Path, run: RunTrial, git: Git, tmp_path: Path, options: list[str]
) -> None:
    for number in range(3):
        run(started=f"2026-03-0{number + 1}T12:00:00+00:00")
    git("config", "uploadpack.allowFilter", "true")
    clone = tmp_path / "clone"
    git("clone", "--quiet", *options, f"file://{repository_folder}", str(clone))
    refspec = ["+refs/mitosis/*:refs/mitosis/*", "+refs/notes/mitosis:refs/notes/mitosis"]
    git("fetch", "--quiet", *[o for o in options if "depth" in o], "origin", *refspec, cwd=clone)
    git("symbolic-ref", "refs/refs/mitosis", "refs/mitosis/journal", cwd=clone)
    report = verify(find_repository(clone))
    assert report.problems == ()


def test_shallow_clone_may_lack_commits_of_others_and_can_fetch_them(
    repository_folder: Path, run: RunTrial, git: Git, tmp_path: Path
) -> None:
    old = run().commit
    git("commit", "--quiet", "--allow-empty", "-m", "next")
    new = run(commit=git("rev-parse", "HEAD").strip()).commit
    clone = tmp_path / "clone"
    git("clone", "--quiet", "--depth=1", f"file://{repository_folder}", str(clone))
    git("fetch", "--quiet", "origin", "refs/mitosis/journal*:refs/mitosis/journal*", cwd=clone)
    git("fetch", "--quiet", "origin", "refs/notes/mitosis*:refs/notes/mitosis*", cwd=clone)
    git("symbolic-ref", "refs/refs/mitosis", "refs/mitosis/journal", cwd=clone)
    report = verify(find_repository(clone))
    assert report.problems == ()
    (unpinned,) = [finding for finding in report.findings if finding.kind in ("pin", "commit")]
    assert (unpinned.where, unpinned.what.partition(":")[0]) == (old, "2 commits that trials ran on are not pinned")
    git(*unpinned.remedy.split()[1:], cwd=clone)
    assert repair(find_repository(clone), find_repository(clone).identity()) == ["pinned 1 commit"]
    assert {f.kind for f in verify(find_repository(clone)).findings} == {"history"}
    assert git("rev-list", "--count", new, cwd=clone) == "1\n"
    assert git("rev-list", "--count", old, cwd=clone) == "1\n"


def test_records_that_are_not_merged_are_told_of(
    repository_folder: Path, run: RunTrial, check: Callable[..., Report], git: Git
) -> None:
    run()
    git("remote", "add", "origin", ".")
    tree = git("rev-parse", "refs/mitosis/journal^{tree}").strip()
    ahead = git("commit-tree", tree, "-p", "refs/mitosis/journal", "-m", "resolve").strip()
    git("update-ref", "refs/mitosis/remotes/origin/journal", ahead)
    (finding,) = [finding for finding in check().findings if finding.kind == "remote"]
    assert finding.what == "records were fetched from it that are not merged yet"
    assert finding.remedy == "mitosis pull origin"
