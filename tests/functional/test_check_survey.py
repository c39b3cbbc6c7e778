"""The states of variants: what the journal and the dictionaries say of each, together."""

from __future__ import annotations

import tracemalloc
from collections.abc import Callable
from pathlib import Path

import pytest

from mitosis.check.survey import Survey, VariantStatus, survey
from mitosis.dictionaries.states import working_state
from mitosis.git.repository import find_repository
from mitosis.journal.journal import Journal
from mitosis.records.trial import TrialRecord
from mitosis.variants import VariantName
from support.variants import ADA, Lab, make_lab, variant

MANY_LOCKS = 200


@pytest.fixture
def lab(tmp_path: Path, capsys: pytest.CaptureFixture[str], make_record: Callable[..., TrialRecord]) -> Lab:
    return make_lab(tmp_path / "lab", capsys, make_record)


def survey_of(lab: Lab, step: str | None = None, parameter: str | None = None, *, locked: bool = False) -> Survey:
    repository = find_repository(lab.folder)
    state = None if locked else working_state(repository)
    return survey(Journal(repository), state, step=step, parameter=parameter)


def states(found: Survey) -> dict[str, str]:
    return {str(status.name).partition(".")[2]: status.state for status in found.statuses}


def only(found: Survey, name: str) -> VariantStatus:
    [status] = [status for status in found.statuses if status.name.variant == name]
    return status


def set_dictionary(lab: Lab, text: str, before: str = "") -> None:
    lab.write(
        {"lab.py": f"{before}\nlookup_dict = {{'frequency': {text}}}\n\n\ndef run(frequency):\n    return {{}}\n"}
    )


def test_each_state_of_a_variant_is_told(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    values: dict[str, object] = {
        name: number
        for number, name in enumerate(("same", "changed", "lambda", "gone", "retired", "old", "torn", "sunk"))
    }
    lab.lock(values)
    lab.journal.rename(VariantName("my_exp", "frequency", "old"), "new", ADA)
    lab.journal.retire(VariantName("my_exp", "frequency", "retired"), "", ADA)
    lab.journal.retire(VariantName("my_exp", "frequency", "sunk"), "", ADA)
    lab.give_meaning("torn", "another")
    lab.commit(
        {"lab.py": "def body(): return 1\nlookup_dict = {'frequency': {'function': body}}\ndef run(frequency): ...\n"}
    )
    monkeypatch.chdir(lab.folder)
    lab.mitosis("lock")
    set_dictionary(
        lab,
        "{'same': 0, 'changed': 'x', 'lambda': lambda: 1, 'retired': 4, 'new': 5, 'torn': 6, 'fresh': [1],"
        " 'function': body, 'unlockable': lambda: 2}",
        "def body(): return 2",
    )
    found = survey_of(lab)
    assert states(found) == {
        "frequency=changed": "changed",
        "frequency=fresh": "not used yet",
        "frequency=function": "function changed",
        "frequency=gone": "removed",
        "frequency=lambda": "unlockable",
        "frequency=new": "locked",
        "frequency=old": "renamed",
        "frequency=retired": "retired",
        "frequency=same": "locked",
        "frequency=sunk": "retired",
        "frequency=torn": "conflict",
        "frequency=unlockable": "unlockable",
    }
    assert {status.name.variant for status in found.statuses if status.is_problem} == {
        "changed",
        "function",
        "gone",
        "lambda",
        "torn",
    }
    assert [status.name.variant for status in found.statuses].count("torn") == 2
    assert not only(found, "unlockable").is_locked
    assert only(found, "lambda").is_locked
    assert only(found, "fresh").summary == "[1]"
    assert only(found, "old").remarks.new_names == ["new"]
    assert only(found, "new").old_names == ("old",)


@pytest.mark.parametrize(
    ("dictionary", "slow", "gentle"),
    [
        ("{'slow': 1}", "locked", "renamed"),
        ("{'gentle': 1}", "renamed", "locked"),
        ("{'slow': 1, 'gentle': 1}", "locked", "locked"),
        ("{'slow': 1, 'gentle': 2}", "locked", "changed"),
        ("{}", "removed", "removed"),
    ],
)
def test_renamed_variant_may_have_either_name(lab: Lab, dictionary: str, slow: str, gentle: str) -> None:
    lab.lock({"slow": 1})
    lab.journal.rename(VariantName("my_exp", "frequency", "slow"), "gentle", ADA)
    set_dictionary(lab, dictionary)
    assert states(survey_of(lab)) == {"frequency=slow": slow, "frequency=gentle": gentle}


def test_variant_renamed_twice_may_have_the_newest_name_alone(lab: Lab) -> None:
    lab.lock({"slow": 1})
    lab.journal.rename(VariantName("my_exp", "frequency", "slow"), "gentle", ADA)
    lab.journal.rename(VariantName("my_exp", "frequency", "gentle"), "soft", ADA)
    set_dictionary(lab, "{'soft': 1}")
    assert states(survey_of(lab)) == {
        "frequency=slow": "renamed",
        "frequency=gentle": "renamed",
        "frequency=soft": "locked",
    }


def test_trials_and_their_last_use_are_counted_for_each_meaning(lab: Lab) -> None:
    lab.use("slow", 1, started="2026-03-02T12:00:00+00:00")
    lab.use("slow", 1, started="2026-03-01T12:00:00+00:00")
    lab.use("fast", 10)
    other = lab.give_meaning("slow", 3)
    found = survey_of(lab, parameter="frequency").statuses
    uses = {(status.name.variant, status.digest): status.uses for status in found}
    assert uses["slow", variant("slow", 1).digest].trials == 2
    assert uses["slow", variant("slow", 1).digest].last == "2026-03-02T12:00:00+00:00"
    assert uses["slow", other.digest].trials == 0
    assert uses["fast", variant("fast", 10).digest].trials == 1


def test_step_and_parameter_choose(lab: Lab) -> None:
    lab.lock({"slow": 1})
    journal = lab.journal
    assert journal.repository.head is not None
    journal.lock([variant("slow", 2, step="other")], journal.repository.head, ADA)
    assert [str(s.name) for s in survey_of(lab, "other").statuses] == ["other.frequency=slow"]
    assert [str(s.name) for s in survey_of(lab, "my_exp", "noise").statuses] == ["my_exp.noise=low"]
    assert {s.name.step for s in survey_of(lab).statuses} == {"my_exp", "other"}


def test_locks_alone_are_told_without_the_dictionaries(lab: Lab) -> None:
    lab.lock({"slow": 1})
    lab.write({"lab.py": "raise SystemExit\n"})
    found = survey_of(lab, locked=True)
    assert states(found) == {"frequency=slow": "locked"}
    assert not found.troubles


def test_what_cannot_be_imported_leaves_the_states_that_the_journal_tells(lab: Lab) -> None:
    lab.lock({"slow": 1})
    lab.write({"lab.py": "import nothing_of_that_name\n"})
    found = survey_of(lab)
    assert states(found) == {"frequency=slow": "locked"}
    [trouble] = found.troubles
    assert "nothing_of_that_name" in trouble.reason
    assert "\n" not in trouble.reason


def test_parameter_that_has_no_variants_is_named(lab: Lab) -> None:
    lab.write({"lab.py": "lookup_dict = {'frequency': 3}\n"})
    assert survey_of(lab).unlisted == ["my_exp.frequency has no variants: this is an int, but should be a dictionary"]
    assert survey_of(lab, "my_exp", "noise").unlisted == []


def test_unreadable_value_is_a_problem_and_the_others_are_told(lab: Lab) -> None:
    lab.lock({"slow": 1, "fast": 10})
    digest = variant("slow", 1).digest
    lab.in_journal({f"variants/my_exp/frequency/slow/{digest}.msgpack": b"\xc1"})
    found = survey_of(lab)
    assert only(found, "slow").summary is None
    assert only(found, "fast").state == "locked"
    assert any(digest in problem.where for problem in found.problems)


def test_hundreds_of_locks_are_listed(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(lab.folder)
    lab.lock({f"v{number:04}": number for number in range(MANY_LOCKS)})
    set_dictionary(lab, f"{{f'v{{n:04}}': n for n in range({MANY_LOCKS})}}")
    said = lab.mitosis("variants")
    assert len(said.rows) == MANY_LOCKS
    assert {row.split()[0] for row in said.rows.values()} == {"locked"}


def test_variants_of_a_step_that_is_registered_no_more_are_removed(lab: Lab) -> None:
    journal = lab.journal
    assert journal.repository.head is not None
    lab.lock({"slow": 1})
    others = [variant("slow", 2, step=step) for step in ("gone", "pack.lab", "pack:Lab")]
    journal.lock(others, journal.repository.head, ADA)
    assert {s.name.step: s.state for s in survey_of(lab).statuses if s.name.variant == "slow"} == {
        "gone": "removed",
        "my_exp": "locked",
        "pack.lab": "locked",
        "pack:Lab": "locked",
    }
    assert [status.state for status in survey_of(lab, "gone").statuses] == ["removed"]
    assert [status.state for status in survey_of(lab, locked=True).statuses] == ["locked"] * 4


def test_large_values_are_held_one_at_a_time(lab: Lab) -> None:
    size_bytes = 2_000_000
    lab.lock({f"v{n}": bytes([n]) * size_bytes for n in range(12)})
    tracemalloc.start()
    try:
        found = survey_of(lab, locked=True)
        _, peak_bytes = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert len(found.statuses) >= 12
    assert peak_bytes < 6 * size_bytes


def test_a_misplaced_file_is_named_once(
    repository_folder: Path, git: Callable[..., str], rewrite: Callable[[dict[str, bytes | str | None]], None]
) -> None:
    git("commit", "--quiet", "--allow-empty", "-m", "start")
    repository = find_repository(repository_folder)
    journal = Journal(repository)
    assert repository.head is not None
    journal.lock([variant("slow", 1)], repository.head, ADA)
    rewrite({"variants/my_exp/frequency/slow/README": "not a value"})
    found = survey(journal, None)
    assert [status.summary for status in found.statuses] == ["1"]
    assert len(found.problems) == 1
