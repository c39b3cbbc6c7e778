"""Checks of what is staged, the working tree and commits, against a real journal."""

from __future__ import annotations

from pathlib import Path

import pytest

from mitosis.check.reports import Report, check_revisions, check_staged, check_working_tree
from mitosis.journal.layout import variant_path
from support.variants import Lab, make_lab, variant

LOCK = variant_path(variant("slow", 1).name, variant("slow", 1).digest)


def dictionary(**variants: object) -> dict[str, str]:
    return {"lab.py": f"lookup_dict = {{'frequency': {variants!r}}}\n"}


@pytest.fixture
def lab(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Lab:
    """A repository whose variants `slow` and `fast` are locked."""
    files = {"README.md": "", **dictionary(slow=1, fast=10)}
    return make_lab(tmp_path / "lab", capsys, files, prepare=lambda lab: lab.lock({"slow": 1, "fast": 10}))


def shown(report: Report) -> list[tuple[str, str, str | None]]:
    return [(change.kind, change.name.variant, change.commit) for change in report.changes]


def in_working_tree(lab: Lab) -> Report:
    return check_working_tree(lab.journal.repository)


def staged(lab: Lab) -> Report:
    lab.git("add", ".")
    return check_staged(lab.journal.repository)


def in_range(lab: Lab, text: str) -> Report:
    return check_revisions(lab.journal.repository, text)


def test_of_a_range_what_data_files_bring_is_told_with_their_commits(lab: Lab) -> None:
    text = "import json\nlookup_dict = {'frequency': json.loads(open('params.json').read())}\n"
    before = lab.commit({"lab.py": text, "params.json": '{"slow": 1, "fast": 10}'})
    bad = lab.commit({"params.json": '{"slow": 2, "fast": 10}'})
    lab.commit({"README.md": "more\n"})
    lab.commit({"params.json": '{"slow": 1, "fast": 10}'})
    lab.commit({"README.md": "still more\n"})
    assert shown(in_range(lab, f"{before}..")) == [("changed", "slow", bad)]


def test_a_damaged_lock_does_not_hide_what_is_changed_besides(lab: Lab) -> None:
    lab.in_journal({LOCK: b"\xc1 no value"})
    lab.write(dictionary(slow=2, fast=11))
    report = in_working_tree(lab)
    assert shown(report) == [("changed", "fast", None), ("unlockable", "slow", None)]
    assert "mitosis verify" in report.changes[1].reason


def test_a_damaged_lock_of_what_is_gone_is_told_without_its_value(lab: Lab) -> None:
    lab.in_journal({LOCK: b"\xc1 no value"})
    lab.write(dictionary(fast=10))
    report = in_working_tree(lab)
    assert [(change.kind, change.locked) for change in report.changes] == [("removed", "")]


def test_remarks_that_cannot_be_read_are_a_problem(lab: Lab) -> None:
    lab.in_journal({"retired/my_exp/frequency/slow/0123456789012345678901234567890123456789.msgpack": b"\xc1"})
    lab.write(dictionary(slow=2, fast=10))
    report = in_working_tree(lab)
    assert shown(report) == [("changed", "slow", None)]
    assert len(report.problems) == 1


def test_a_removed_parameter_and_one_that_is_no_dictionary_are_told(lab: Lab) -> None:
    lab.write({"lab.py": "lookup_dict = {}\n"})
    assert [change.kind for change in in_working_tree(lab).changes] == ["removed", "removed"]
    lab.write({"lab.py": "lookup_dict = {'frequency': 3}\n"})
    assert [change.kind for change in in_working_tree(lab).changes] == ["unlockable", "unlockable"]


def test_what_another_report_has_found_can_be_left_out(lab: Lab) -> None:
    lab.commit(dictionary(slow=2, fast=10))
    lab.write(dictionary(slow=2, fast=11))
    assert shown(staged(lab).without(in_range(lab, "HEAD"))) == [("changed", "fast", None)]
    lab.write(dictionary(slow=3, fast=10))
    assert shown(staged(lab).without(in_range(lab, "HEAD"))) == [("changed", "slow", None)]
