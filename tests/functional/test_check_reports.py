"""Checks of what is staged, the working tree and commits, against a real journal."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

from mitosis.canonical.encode import digest_value, encode_value
from mitosis.check.reports import Report, check_revisions, check_staged, check_working_tree
from mitosis.git.repository import find_repository
from mitosis.journal.journal import Journal
from mitosis.journal.layout import variant_path
from mitosis.variants import Variant, VariantName
from support.e2e import write

Git = Callable[..., str]
Rewrite = Callable[[dict[str, bytes | str | None]], None]

STEP = '[tool.mitosis.steps]\nmy_exp = ["lab:run", "lab:lookup_dict"]\n'


def dictionary(**variants: object) -> dict[str, str]:
    return {"lab.py": f"lookup_dict = {{'frequency': {variants!r}}}\n"}


@pytest.fixture
def lab(repository_folder: Path, git: Git) -> Path:
    """A repository whose variants `slow` and `fast` are locked."""
    write(repository_folder, {"pyproject.toml": STEP, "README.md": "", **dictionary(slow=1, fast=10)})
    git("add", ".")
    git("commit", "--quiet", "-m", "lab")
    lock(repository_folder, slow=1, fast=10)
    return repository_folder


def lock(folder: Path, **values: object) -> None:
    repository = find_repository(folder)
    variants = []
    for name, value in values.items():
        data = encode_value(value)
        variants.append(Variant(VariantName("my_exp", "frequency", name), digest_value(data), data, "lab:lookup_dict"))
    assert repository.head is not None
    Journal(repository).lock(variants, repository.head, repository.identity())


def commit(folder: Path, git: Git, files: Mapping[str, str]) -> str:
    write(folder, files)
    git("add", ".")
    git("commit", "--quiet", "-m", "change")
    return git("rev-parse", "HEAD").strip()


def shown(report: Report) -> list[tuple[str, str, str | None]]:
    return [(change.kind, change.name.variant, change.commit) for change in report.changes]


def staged(folder: Path) -> Report:
    return check_staged(find_repository(folder))


def in_range(folder: Path, text: str) -> Report:
    return check_revisions(find_repository(folder), text)


def test_of_a_range_what_data_files_bring_is_told_with_their_commits(lab: Path, git: Git) -> None:
    text = "import json\nlookup_dict = {'frequency': json.loads(open('params.json').read())}\n"
    before = commit(lab, git, {"lab.py": text, "params.json": '{"slow": 1, "fast": 10}'})
    bad = commit(lab, git, {"params.json": '{"slow": 2, "fast": 10}'})
    commit(lab, git, {"README.md": "more\n"})
    commit(lab, git, {"params.json": '{"slow": 1, "fast": 10}'})
    commit(lab, git, {"README.md": "still more\n"})
    assert shown(in_range(lab, f"{before}..")) == [("changed", "slow", bad)]


def test_a_damaged_lock_does_not_hide_what_is_changed_besides(lab: Path, rewrite: Rewrite) -> None:
    digest = digest_value(encode_value(1))
    rewrite({variant_path(VariantName("my_exp", "frequency", "slow"), digest): b"\xc1 no value"})
    write(lab, dictionary(slow=2, fast=11))
    report = check_working_tree(find_repository(lab))
    assert shown(report) == [("changed", "fast", None), ("unlockable", "slow", None)]
    assert "mitosis verify" in report.changes[1].reason


def test_a_damaged_lock_of_what_is_gone_is_told_without_its_value(lab: Path, rewrite: Rewrite) -> None:
    digest = digest_value(encode_value(1))
    rewrite({variant_path(VariantName("my_exp", "frequency", "slow"), digest): b"\xc1 no value"})
    write(lab, dictionary(fast=10))
    report = check_working_tree(find_repository(lab))
    assert [(change.kind, change.locked) for change in report.changes] == [("removed", "")]


def test_remarks_that_cannot_be_read_are_a_problem(lab: Path, rewrite: Rewrite) -> None:
    rewrite({"retired/my_exp/frequency/slow/0123456789012345678901234567890123456789.msgpack": b"\xc1"})
    write(lab, dictionary(slow=2, fast=10))
    report = check_working_tree(find_repository(lab))
    assert shown(report) == [("changed", "slow", None)]
    assert len(report.problems) == 1


def test_a_removed_parameter_and_one_that_is_no_dictionary_are_told(lab: Path) -> None:
    write(lab, {"lab.py": "lookup_dict = {}\n"})
    assert [change.kind for change in check_working_tree(find_repository(lab)).changes] == ["removed", "removed"]
    write(lab, {"lab.py": "lookup_dict = {'frequency': 3}\n"})
    assert [change.kind for change in check_working_tree(find_repository(lab)).changes] == ["unlockable", "unlockable"]


def test_what_another_report_has_found_can_be_left_out(lab: Path, git: Git) -> None:
    commit(lab, git, dictionary(slow=2, fast=10))
    write(lab, dictionary(slow=2, fast=11))
    git("add", ".")
    assert shown(staged(lab).without(in_range(lab, "HEAD"))) == [("changed", "fast", None)]
    write(lab, dictionary(slow=3, fast=10))
    git("add", ".")
    assert shown(staged(lab).without(in_range(lab, "HEAD"))) == [("changed", "slow", None)]
