"""The states of variants: what the journal and the dictionaries say of each, together."""

from __future__ import annotations

import tracemalloc
from pathlib import Path

import pytest

from mitosis.check.survey import Survey, VariantStatus, survey
from mitosis.dictionaries.states import working_state
from mitosis.git.repository import find_repository
from mitosis.journal.journal import Journal
from mitosis.variants import VariantName
from support.variants import ADA, Lab, make_lab, variant


@pytest.fixture
def lab(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Lab:
    return make_lab(tmp_path / "lab", capsys)


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


def test_a_misplaced_file_is_named_once(lab: Lab) -> None:
    lab.lock({"slow": 1})
    lab.in_journal({"variants/my_exp/frequency/slow/README": "not a value"})
    found = survey_of(lab, locked=True)
    assert [status.summary for status in found.statuses] == ["1"]
    assert len(found.problems) == 1
