"""A little repository whose lookup dictionaries are locked and changed, and the command line called in this process."""

from __future__ import annotations

import dataclasses
import hashlib
import subprocess
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest

from mitosis.__main__ import run_command
from mitosis.canonical.show import summarize_value
from mitosis.git.repository import Identity
from mitosis.journal.layout import variant_path
from mitosis.records.trial import ParameterRecord
from mitosis.variants import Variant
from support.e2e import write
from support.journal import Desk, make_record, make_variant, run_git

STEPS = '[tool.mitosis.steps]\nmy_exp = ["lab:run", "lab:lookup_dict"]\n'
LAB = """\
lookup_dict = {
    "frequency": {"fast": 10, "slow": 1},
    "noise": {"low": {"scale": 0.01, "kernel": [1, 2]}},
}


def run(frequency, noise=None):
    return {"main": frequency}
"""
ENVIRONMENT = "numpy==2\n"
ADA = Identity("Ada Lovelace", "ada@example.org", 1_772_366_400, 60)


@dataclass(frozen=True)
class Said:
    """What a command printed."""

    out: str
    err: str

    @property
    def lines(self) -> list[str]:
        return self.out.splitlines()

    @property
    def rows(self) -> dict[str, str]:
        """The rows of a table of variants, by the name of the variant, with single blanks between the cells."""
        cells = [line.split() for line in self.lines]
        named = [words[1:] if words[:1] == ["!"] else words for words in cells]
        return {words[0]: " ".join(words[1:]) for words in named if words and "=" in words[0]}


@dataclass(frozen=True)
class Lab:
    """A clone, and what is done in it. The test has it as its working directory."""

    folder: Path
    capsys: pytest.CaptureFixture[str]

    def mitosis(self, *words: str, status: int = 0) -> Said:
        """Call the command line, which has to end with this status."""
        self.capsys.readouterr()
        ended = run_command(list(words))
        said = Said(*self.capsys.readouterr())
        assert ended == status, f"{' '.join(words)}: {ended}\n{said.out}\n{said.err}"
        return said

    def git(self, *words: str) -> str:
        return run_git(*words, cwd=self.folder)

    def write(self, files: Mapping[str, str]) -> None:
        write(self.folder, files)

    def commit(self, files: Mapping[str, str], message: str = "change") -> str:
        """Write files and commit them; returns the commit's id."""
        self.write(files)
        self.git("add", "--all")
        self.git("commit", "--quiet", "--allow-empty", "-m", message)
        return self.git("rev-parse", "HEAD").strip()

    def edit(self, *pairs: tuple[str, str]) -> None:
        """Replace texts in the module of the dictionary."""
        path = self.folder / "lab.py"
        text = path.read_text()
        for old, new in pairs:
            assert old in text
            text = text.replace(old, new)
        path.write_text(text)

    @property
    def journal(self) -> Desk:
        return Desk(self.folder)

    def lock(self, values: Mapping[str, object], parameter: str = "frequency", identity: Identity = ADA) -> None:
        """Lock variants of a parameter of `my_exp`, without asking the dictionary."""
        journal = self.journal
        assert journal.repository.head is not None
        journal.lock(
            [variant(name, value, parameter) for name, value in values.items()], journal.repository.head, identity
        )

    def use(
        self, name: str, value: object, parameter: str = "frequency", started: str = "2026-03-01T12:00:00+00:00"
    ) -> str:
        """Record a trial that used a variant, without running anything; returns its key."""
        journal = self.journal
        used = variant(name, value, parameter)
        record = make_record(
            commit=journal.repository.head,
            environment=hashlib.sha256(ENVIRONMENT.encode()).hexdigest()[:40],
            started=started,
            parameters=(
                ParameterRecord(
                    "my_exp", parameter, "lookup", name, digest=used.digest, summary=summarize_value(used.value)
                ),
            ),
        )
        record = journal.start(record, [used], ENVIRONMENT, ADA).record
        journal.end(record.with_changes(status="finished", main=1, duration_s=0.5, ended=started), ADA)
        return record.key

    def in_journal(self, files: Mapping[str, bytes | str | None]) -> None:
        """Commit files (None: their removal) into the journal, as a merge or somebody without mitosis would."""
        self.journal.rewrite(files)

    def give_meaning(self, name: str, value: object, parameter: str = "frequency") -> Variant:
        """Record one more meaning of a variant, as a merge does."""
        other = variant(name, value, parameter)
        self.in_journal({variant_path(*other.lock): other.value})
        return other


def variant(name: str, value: object, parameter: str = "frequency", step: str = "my_exp") -> Variant:
    made = make_variant(name, value, step=step, parameter=parameter)
    return dataclasses.replace(made, source="lab:lookup_dict")


def make_lab(
    folder: Path,
    capsys: pytest.CaptureFixture[str],
    files: Mapping[str, str] | None = None,
    prepare: Callable[[Lab], None] | None = None,
) -> Lab:
    """A repository with one commit, which has `STEPS` and `LAB` unless told otherwise.

    Args:
        folder: where to put it, in a folder of the test's own.
        capsys: what the command line writes to.
        files: to have in place of those, or besides.
        prepare: what else to do in it; it is made once for all tests that ask for the same, and copied.
    """
    text = repr((sorted((files or {}).items()), prepare and prepare.__qualname__))
    template = folder.parents[1] / f"lab-{hashlib.sha256(text.encode()).hexdigest()[:12]}"
    if not template.exists():
        template.mkdir()
        lab = Lab(template, capsys)
        lab.git("init", "--quiet")
        lab.commit(
            {"pyproject.toml": STEPS, "lab.py": LAB, ".gitignore": "__pycache__\ntrials\n", **(files or {})}, "first"
        )
        if prepare is not None:
            prepare(lab)
    subprocess.run(["cp", "-a", str(template), str(folder)], check=True)
    return Lab(folder, capsys)


def clone(lab: Lab, folder: Path, source: Path, names: Sequence[str] = ("Bob Bell", "bob@example.org")) -> Lab:
    """Another clone of a repository, of somebody else."""
    subprocess.run(["git", "clone", "--quiet", str(source), str(folder)], capture_output=True, check=True)
    other = Lab(folder, lab.capsys)
    other.git("config", "user.name", names[0])
    other.git("config", "user.email", names[1])
    return other
