"""Trials whose records are signed, and what happens when that cannot be done."""

from __future__ import annotations

from pathlib import Path

from support.e2e import SLOW, Project
from support.signing import make_key, needs_ssh, sign_with, statuses, trust

pytestmark = needs_ssh

LAB = """\
from pathlib import Path

lookup_dict = {{"frequency": {{"slow": 1}}}}


def run(amplitude, frequency):
    Path({key!r}).rename({away!r})
    return {{"main": amplitude}}
"""


def test_end_that_cannot_be_signed_is_kept_and_signed_by_the_next_command(project: Project, tmp_path: Path) -> None:
    key, away = tmp_path / "key", tmp_path / "away"
    table = "[tool.mitosis]\nsign = true\n" + (project / "pyproject.toml").read_text()
    project.commit({"pyproject.toml": table, "lab/__init__.py": LAB.format(key=str(key), away=str(away))})
    sign_with(project, key, sign=None)

    done = project.mitosis(*SLOW, status=2)
    assert "the record could not be signed" in done.stderr and "user.signingKey" in done.stderr
    assert project.git("for-each-ref", "refs/mitosis") == "" and not list(project.glob("trials/2*"))

    make_key(tmp_path, "key")
    trust(project, ada=key)
    done = project.mitosis(*SLOW, status=3)
    assert "finished, but that could not be recorded: the record could not be signed" in done.stderr
    assert project.record().status == "running" and statuses(project) == ["G"]
    assert "not recorded yet" in project.mitosis("list").stderr

    away.rename(key)
    assert "recorded the end of trial" in project.mitosis("verify", "--repair", "--signatures").stdout
    assert project.record().status == "finished" and statuses(project) == ["G", "G"]
    assert "2 good signatures" in project.mitosis("verify", "--signatures").stdout

    done = project.mitosis("pull", "--no-verify-signatures", str(project))
    assert "nothing new" in done.stdout
