"""A quick look into the journal says what reading it says, and nothing where it cannot be read."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from mitosis.git.repository import find_repository
from mitosis.journal.glance import Glance
from mitosis.journal.journal import Journal
from mitosis.records.trial import TrialRecord
from mitosis.variants import Variant, VariantName

NOON = "2026-03-01T12:00:{:02}+00:00"


def glance(journal: Journal) -> Glance:
    return Glance(journal.repository)


def test_variants_are_those_that_are_locked(
    journal: Journal, start_trial: Callable[..., TrialRecord], make_variant: Callable[..., Variant]
) -> None:
    start_trial(variants=[make_variant("slow", 1), make_variant("naïve: 100 %", [1, 2])])
    with glance(journal) as seen:
        assert seen.steps() == ["my_exp"]
        assert seen.parameters("my_exp") == ["frequency"]
        found = seen.variants("my_exp", "frequency")
        assert {name: len(digests) for name, digests in found.items()} == {"slow": 1, "naïve: 100 %": 1}
        assert seen.summary("my_exp", "frequency", "slow", *found["slow"]) == "1"
        assert seen.parameters("other") == []


def test_retired_variants_are_known(
    journal: Journal, start_trial: Callable[..., TrialRecord], make_variant: Callable[..., Variant]
) -> None:
    start_trial(variants=[make_variant("slow", 1)])
    journal.retire(VariantName("my_exp", "frequency", "slow"), "too slow", journal.repository.identity())
    with glance(journal) as seen:
        assert seen.retired("my_exp", "frequency") == {"slow"}
    journal.unretire(VariantName("my_exp", "frequency", "slow"), journal.repository.identity())
    with glance(journal) as seen:
        assert seen.retired("my_exp", "frequency") == set()


def test_newest_trials_come_first(journal: Journal, run_trial: Callable[..., TrialRecord]) -> None:
    keys = [run_trial(key=f"{second:012x}", started=NOON.format(second)).key for second in range(5)]
    with glance(journal) as seen:
        assert [trial.key for trial in seen.newest_trials("", 3)] == keys[:-4:-1]
        assert [trial.key for trial in seen.newest_trials(keys[0], 3)] == [keys[0]]
        assert seen.newest_trials("", 1)[0].main == pytest.approx(3.1706776324915e-05)


def test_the_newest_of_many_on_one_day_are_found(
    journal: Journal, run_trial: Callable[..., TrialRecord], monkeypatch: pytest.MonkeyPatch
) -> None:
    keys = [run_trial(key=f"{second:012x}", started=NOON.format(second)).key for second in range(10)]
    monkeypatch.setattr("mitosis.journal.glance._MOST_RECORDS", 5)
    with glance(journal) as seen:
        assert [trial.key for trial in seen.newest_trials("", 2)] == keys[:-3:-1]


def test_packed_trials_are_seen(
    journal: Journal, run_trial: Callable[..., TrialRecord], git: Callable[..., str]
) -> None:
    key = run_trial().key
    git("gc", "--quiet", "--prune=now")
    with glance(journal) as seen:
        assert [trial.key for trial in seen.newest_trials("", 50)] == [key]


def test_without_a_journal_there_is_nothing(journal: Journal) -> None:
    with glance(journal) as seen:
        assert seen.steps() == []
        assert seen.newest_trials("", 50) == []


def test_damaged_records_are_left_out(
    journal: Journal,
    run_trial: Callable[..., TrialRecord],
    rewrite: Callable[[dict[str, bytes | str | None]], None],
) -> None:
    record = run_trial()
    rewrite({f"trials/{record.experiment}/{record.started[:10]}/aaaaaaaaaaaa.msgpack": b"damaged"})
    with glance(journal) as seen:
        assert [trial.key for trial in seen.newest_trials("", 50)] == [record.key]


def test_a_missing_object_hides_only_what_it_holds(
    journal: Journal,
    repository_folder: Path,
    git: Callable[..., str],
    run_trial: Callable[..., TrialRecord],
) -> None:
    gone, kept = run_trial(started=NOON.format(1)), run_trial(started=NOON.format(2))
    day = f"trials/{gone.experiment}/{gone.started[:10]}"
    listing = git("ls-tree", "-r", "refs/mitosis/journal", f"{day}/").splitlines()
    oid = next(line.split()[2] for line in listing if gone.key in line)
    (repository_folder / ".git" / "objects" / oid[:2] / oid[2:]).unlink()
    with glance(journal) as seen:
        assert [trial.key for trial in seen.newest_trials("", 50)] == [kept.key]


def test_a_cut_off_object_is_no_trouble(
    journal: Journal,
    repository_folder: Path,
    git: Callable[..., str],
    run_trial: Callable[..., TrialRecord],
) -> None:
    run_trial()
    oid = git("rev-parse", "refs/mitosis/journal^{tree}").strip()
    path = repository_folder / ".git" / "objects" / oid[:2] / oid[2:]
    path.chmod(0o644)
    path.write_bytes(path.read_bytes()[:10])
    with glance(journal) as seen:
        assert seen.newest_trials("", 50) == []


def test_a_newer_journal_is_left_alone(
    journal: Journal,
    run_trial: Callable[..., TrialRecord],
    rewrite: Callable[[dict[str, bytes | str | None]], None],
) -> None:
    run_trial()
    rewrite({"format": b"99\n"})
    with glance(journal) as seen:
        assert seen.newest_trials("", 50) == []


def test_partial_clones_fetch_nothing(
    journal: Journal, run_trial: Callable[..., TrialRecord], git: Callable[..., str]
) -> None:
    key = run_trial().key
    git("config", "remote.origin.promisor", "true")
    git("config", "remote.origin.url", "ext::false")
    with Glance(find_repository(journal.repository.root)) as seen:
        assert [trial.key for trial in seen.newest_trials("", 50)] == [key]


def test_libgit2_is_not_loaded(journal: Journal, run_trial: Callable[..., TrialRecord]) -> None:
    run_trial()
    program = (
        "import sys\nfrom pathlib import Path\nfrom mitosis.git.repository import find_repository\n"
        "from mitosis.journal.glance import Glance\n"
        "with Glance(find_repository(Path.cwd())) as seen:\n    assert seen.newest_trials('', 50)\n"
        "assert 'pygit2' not in sys.modules\nassert 'mitosis.journal.journal' not in sys.modules\n"
    )
    subprocess.run([sys.executable, "-c", program], cwd=journal.repository.root, check=True)
