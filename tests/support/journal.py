"""Repositories with a journal, and what somebody does in them; records and variants to put there."""

from __future__ import annotations

import os
import secrets
import subprocess
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from mitosis.canonical.encode import digest_value, encode_value
from mitosis.errors.journal import BadRecord
from mitosis.git.repository import Identity, find_repository
from mitosis.journal import layout
from mitosis.journal.journal import Journal
from mitosis.journal.reading import read_problems
from mitosis.journal.sharing import Merged
from mitosis.journal.variants import iter_values
from mitosis.records.trial import ParameterRecord, ProcessRecord, StepRecord, TrialRecord
from mitosis.sync import exchange
from mitosis.sync.exchange import Pulled, Pushed
from mitosis.sync.remotes import find_remote
from mitosis.sync.transport import Transport
from mitosis.variants import Variant, VariantName

Git = Callable[..., str]
"""The fixture `git`."""

JOURNAL = "refs/mitosis/journal"
NOTES = "refs/notes/mitosis"
PINS = "refs/mitosis/commits"
ENVIRONMENT = "numpy==2.0.0\npandas==2.2.0\n"


class Desk(Journal):
    """Somebody's repository with its journal, and what they do in it.

    Args:
        folder: its working tree.
    """

    def __init__(self, folder: Path) -> None:
        super().__init__(find_repository(folder))
        self.folder = self.repository.root

    def again(self) -> Desk:
        """The same for another process."""
        return Desk(self.folder)

    @property
    def identity(self) -> Identity:
        return self.repository.identity()

    def git(self, *words: str, stdin: str | None = None) -> str:
        return run_git(*words, cwd=self.folder, stdin=stdin)

    def iter_variants(self, *, problems: list[BadRecord] | None = None) -> Iterator[Variant]:
        """All recorded meanings of all variants. What cannot be read is appended to `problems` and skipped."""
        if problems is not None:
            problems += read_problems(self.index, layout.VARIANTS)
        yield from iter_values(self.store, self.index, None, problems)

    def start_trial(self, **given: Any) -> TrialRecord:
        return start_trial(self, **given)

    def run_trial(self, **given: Any) -> TrialRecord:
        return run_trial(self, **given)

    def listed(self, **chosen: Any) -> tuple[list[TrialRecord], list[str]]:
        """The trials, and the places of what cannot be read, in order."""
        problems: list[BadRecord] = []
        records = list(self.iter_trials(problems=problems, **chosen))
        return records, sorted(problem.where for problem in problems)

    def trial_keys(self) -> set[str]:
        return {record.key for record in self.iter_trials()}

    def oid_of(self, name: str) -> str:
        return self.git("rev-parse", name).strip()

    def loose_file(self, oid: str) -> Path:
        """The file of an object that is not packed; it can be written to."""
        path = self.repository.common_dir / "objects" / oid[:2] / oid[2:]
        path.chmod(0o644)
        return path

    def read(self, path: str) -> str:
        """The text of a file in the journal."""
        return self.git("cat-file", "-p", f"{JOURNAL}:{path}")

    def git_note(self) -> str:
        """The note of HEAD."""
        return self.git("notes", "--ref=mitosis", "show")

    def tree(self) -> str:
        """The id of what the journal holds."""
        return self.oid_of(f"{JOURNAL}^{{tree}}")

    def refs(self) -> dict[str, str]:
        return refs_of(self.folder)

    def rewrite(self, files: Mapping[str, bytes | str | None]) -> None:
        """Commit files (None: their removal) into the journal, as somebody without mitosis would."""
        with tempfile.TemporaryDirectory() as name:
            index = {"GIT_INDEX_FILE": f"{name}/index"}
            run_git("read-tree", JOURNAL, cwd=self.folder, variables=index)
            for path, content in files.items():
                if content is None:
                    run_git("update-index", "--force-remove", path, cwd=self.folder, variables=index)
                    continue
                blob = Path(name, "blob")
                blob.write_bytes(content if isinstance(content, bytes) else content.encode())
                oid = self.git("hash-object", "-w", "--no-filters", str(blob)).strip()
                words = ("update-index", "--add", "--cacheinfo", f"100644,{oid},{path}")
                run_git(*words, cwd=self.folder, variables=index)
            tree = run_git("write-tree", cwd=self.folder, variables=index).strip()
        self.commit_tree(tree)

    def replace_folder(self, name: str, tree: str | None) -> None:
        """Commit another tree as a folder at the top of the journal, or none."""
        lines = [line for line in self.git("ls-tree", JOURNAL).splitlines() if not line.endswith(f"\t{name}")]
        if tree is not None:
            lines.append(f"040000 tree {tree}\t{name}")
        self.commit_tree(self.git("mktree", stdin="\n".join(lines)).strip())

    def commit_tree(self, tree: str) -> None:
        """Let a tree be the journal's next state."""
        self.git("update-ref", JOURNAL, self.git("commit-tree", tree, "-p", JOURNAL, "-m", "by hand").strip())

    def write_tree(self, data: bytes) -> str:
        """Write a tree object that git itself would not make."""
        file = self.repository.git_dir / "tree-to-write"
        file.write_bytes(data)
        return self.git("hash-object", "-w", "-t", "tree", "--literally", str(file)).strip()

    def merge_from(self, source: Desk) -> Merged:
        """Fetch and merge the journal of somebody else."""
        name = source.folder.name
        remote = f"refs/mitosis/remotes/{name}"
        specs = (f"+{JOURNAL}:{remote}/journal", f"+{NOTES}*:{remote}/notes*")
        self.git("fetch", "--quiet", str(source.folder), *specs)
        tip = self.read_tip(f"{remote}/journal")
        assert tip is not None
        lines = self.git("for-each-ref", "--format=%(objectname)", f"{remote}/notes").split()
        return self.merge(tip, self.identity, name, lines[0] if lines else None)

    def push(
        self, *keys: str, word: str | None = None, said: list[bytes] | None = None, with_commits: bool = True
    ) -> Pushed:
        """What `mitosis push` does; what git says is appended to `said`."""
        remote = find_remote(self.repository, word)
        return exchange.push(self.repository, remote, self.transport(said), keys=keys, with_commits=with_commits)

    def pull(self, word: str | None = None, said: list[bytes] | None = None) -> Pulled:
        """What `mitosis pull` does."""
        return exchange.pull(self.repository, find_remote(self.repository, word), self.transport(said))

    def transport(self, said: list[bytes] | None) -> Transport:
        return Transport(self.repository, (lambda _: None) if said is None else said.append)


Clone = Callable[..., Desk]
"""The fixture `clone`."""


def run_git(*words: str, cwd: Path, stdin: str | None = None, variables: Mapping[str, str] | None = None) -> str:
    """Run the git program; fails the test if git fails."""
    done = subprocess.run(
        ["git", *words],
        cwd=cwd,
        env={**os.environ, **(variables or {})},
        input=stdin,
        capture_output=True,
        encoding="utf-8",
        errors="surrogateescape",
        check=False,
    )
    assert done.returncode == 0, f"git {' '.join(words)}: {done.stderr}"
    return done.stdout


def refs_of(folder: Path) -> dict[str, str]:
    lines = run_git("for-each-ref", "--format=%(refname) %(objectname)", cwd=folder).splitlines()
    return dict(line.split() for line in lines)


def start_trial(journal: Journal, *, variants: Sequence[Variant] = (), **fields: Any) -> TrialRecord:
    """Start a trial that uses some variants; any field of its record can be given."""
    record = make_record(**{"commit": journal.repository.head, **fields})
    return journal.start(record, variants, ENVIRONMENT, journal.repository.identity()).record


def run_trial(journal: Journal, *, ended: str | None = None, **given: Any) -> TrialRecord:
    """Start a trial, and end it."""
    started = start_trial(journal, **given)
    record = started.with_changes(
        status="finished", main=3.1706776324915e-05, duration_s=0.61, ended=ended or started.started
    )
    journal.end(record, journal.repository.identity())
    return record


def write_script(path: Path, script: str) -> Path:
    """Write a program, which the shell runs."""
    path.write_text(f"#!/bin/sh\n{script}")
    path.chmod(0o755)
    return path


def write_hook(git_dir: Path, name: str, script: str) -> None:
    """Install a hook, which the shell runs."""
    hook = git_dir / "hooks" / name
    hook.parent.mkdir(exist_ok=True)
    write_script(hook, script)


def record_path(record: TrialRecord) -> str:
    """The path of a trial's record, on a day with few trials."""
    direct, _ = layout.record_paths(layout.trial_folder(record.experiment, record.started), record.key)
    return direct


def make_variant(
    variant: str = "slow", value: object = 1, *, step: str = "my_exp", parameter: str = "frequency"
) -> Variant:
    data = encode_value(value)
    return Variant(VariantName(step, parameter, variant), digest_value(data), data, "sine_experiment:lookup_dict")


def make_record(**fields: Any) -> TrialRecord:
    """The record of a trial that has just started, with a random key; any field can be given."""
    defaults: dict[str, Any] = {
        "key": secrets.token_hex(6),
        "experiment": "my_exp",
        "steps": (StepRecord("my_exp", "sine_experiment:run", "sine_experiment:lookup_dict"),),
        "parameters": (
            ParameterRecord("my_exp", "frequency", "lookup", "slow", digest="a" * 40, summary="1"),
            ParameterRecord("my_exp", "amplitude", "eval", "4", digest="b" * 40, summary="4"),
        ),
        "commit": "c" * 40,
        "status": "running",
        "iteration": 0,
        "started": "2026-03-01T12:00:00.123456+00:00",
        "author": "Ada Lovelace <ada@example.org>",
        "process": ProcessRecord("engine", 1843),
        "environment": digest_value(ENVIRONMENT.encode()),
    }
    return TrialRecord(**{**defaults, **fields})
