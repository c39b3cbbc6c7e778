"""Makes a journal of many trials quickly: the same commits, trees and blobs that as many runs of mitosis would leave.

Everything goes through `git fast-import`. It is packed as in a repository that git keeps up itself: some 6,700 objects
at a time, as `gc.auto` has it, and at the end by `git gc`. Notes are left out.
"""

from __future__ import annotations

import dataclasses
import random
import subprocess
from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

from mitosis.canonical.encode import digest_value, encode_value
from mitosis.files import blob_id
from mitosis.journal import layout
from mitosis.journal.messages import ended_message, started_message
from mitosis.records.codec import encode_trial
from mitosis.records.trial import Output, ParameterRecord, ProcessRecord, StepRecord, TrialRecord
from mitosis.variants import VariantLock, VariantName

TRIALS_A_DAY = 100
_TRIALS_A_PACK = 560
"""A trial leaves twelve objects."""
_FIRST_DAY = datetime(2020, 1, 6, 8, tzinfo=UTC)
"""Early enough that 100,000 trials end in the past: git is slow where commits seem to come from the future."""
_ENVIRONMENT = "".join(f"package-{number}==1.{number}.0\n" for number in range(120)).encode()
_ENVIRONMENT_DIGEST = "e" * 40
_MACHINE = "machine=3f2a9c0d1e4b5a67 boot=7b1f2c3d-4e5f-4a6b-8c7d-9e0f1a2b3c4d pids=4026531836"
_AUTHOR = "Ada Lovelace <ada@example.org>"
VARIANTS = {"slow": 1, "middle": 2, "fast": 10}
"""What each variant of `frequency` means."""
_NOISE = {"low": {"kind": "normal", "scale": 0.01}, "high": {"kind": "normal", "scale": 0.2}}
"""What each variant of `noise` means."""
_VALUES = {name: encode_value(value) for name, value in (VARIANTS | _NOISE).items()}


def build_journal(
    folder: Path, trials: int, *, commit: str, trials_a_day: int = TRIALS_A_DAY, experiments: int = 3, seed: int = 0
) -> list[TrialRecord]:
    """Give the repository in `folder`, which has no journal, one of so many trials.

    Args:
        folder: the working tree.
        trials: how many.
        commit: the experiments' commit; it is pinned.
        trials_a_day: how many started on each day.
        experiments: how many experiments take turns.
        seed: of everything that is random; equal seeds give equal journals.

    Returns:
        The records, oldest first.
    """
    generator = random.Random(seed)
    records = [_record(number, commit, trials_a_day, experiments, generator) for number in range(trials)]
    builder = _Builder(folder)
    for start in range(0, trials, _TRIALS_A_PACK):
        builder.add(records[start : start + _TRIALS_A_PACK])
    for ref, target in [(layout.pin_ref(commit), commit)]:
        subprocess.run(["git", "update-ref", ref, target], cwd=folder, check=True)
    subprocess.run(["git", "symbolic-ref", layout.SYMBOLIC_REF, layout.JOURNAL_REF], cwd=folder, check=True)
    subprocess.run(["git", "gc", "--quiet"], cwd=folder, check=True)
    return records


def _record(number: int, commit: str, trials_a_day: int, experiments: int, generator: random.Random) -> TrialRecord:
    def digits(count: int) -> str:
        return f"{generator.getrandbits(4 * count):0{count}x}"

    experiment = f"experiment_{number % experiments}"
    key = digits(layout.KEY_DIGITS)
    day, within = divmod(number, trials_a_day)
    started = _FIRST_DAY + timedelta(days=day, seconds=within * 36_000 / trials_a_day, microseconds=number % 1_000_000)
    duration_s = 0.2 + generator.expovariate(0.1)
    amplitude = number % 250
    degree = 1 + number % 5
    variant, noise = generator.choice(list(VARIANTS)), generator.choice(list(_NOISE))
    main = generator.random() * 1e-4
    folder = f"{started:%Y-%m-%d}_{key}"
    page = f"trial_{experiment}-{amplitude}-{variant}_0_{key}.html"
    files = ["notebook.ipynb", "source.py", "experiment.log", "results_0.dill", "parameters_0.dill"]
    return TrialRecord(
        key=key,
        experiment=experiment,
        steps=(
            StepRecord(
                name=experiment,
                action=f"lab.{experiment}:run",
                lookup=f"lab.{experiment}:lookup_dict",
                source=f"lab/{experiment}.py",
                duration_s=duration_s,
                main=main,
                metrics={name: generator.random() for name in ("loss", "accuracy", "f1")},
            ),
        ),
        parameters=(
            ParameterRecord(experiment, "frequency", "lookup", variant, True, _digest(variant), str(VARIANTS[variant])),
            ParameterRecord(experiment, "noise", "lookup", noise, True, _digest(noise), str(_NOISE[noise])),
            *(_evaluated(experiment, name, value) for name, value in (("amplitude", amplitude), ("degree", degree))),
        ),
        commit=commit,
        status="finished",
        iteration=0,
        started=started.isoformat(timespec="microseconds"),
        author=_AUTHOR,
        process=ProcessRecord("engine.lab.example", 1000 + number, f"{_MACHINE} start={generator.randrange(10**8)}"),
        environment=_ENVIRONMENT_DIGEST,
        ended=(started + timedelta(seconds=duration_s)).isoformat(timespec="microseconds"),
        duration_s=duration_s,
        cpu_s=duration_s * 0.9,
        peak_memory_bytes=200_000_000 + generator.randrange(10_000_000),
        step=0,
        main=main,
        subject="Tune the amplitude",
        branch="main",
        interpreter="CPython 3.11.7",
        platform="Linux-6.1.0-x86_64-with-glibc2.36",
        cpu_count=16,
        command=(
            "mitosis",
            experiment,
            "-p",
            f"{experiment}.frequency={variant}",
            "-p",
            f"{experiment}.noise={noise}",
            "-e",
            f"{experiment}.amplitude={amplitude}",
            "-e",
            f"{experiment}.degree={degree}",
        ),
        variables={"OMP_NUM_THREADS": "1", "PYTHONHASHSEED": "0"},
        imported=("lab/__init__.py", f"lab/{experiment}.py"),
        trials_folder="/home/ada/lab/trials",
        folder=folder,
        page=page,
        outputs=(
            *(Output(f"{folder}/{file}", generator.randrange(100, 1_000_000), digits(40)) for file in files),
            Output(f"{folder}/requirements.txt", len(_ENVIRONMENT), blob_id(_ENVIRONMENT)),
            Output(page, generator.randrange(100, 1_000_000), digits(40)),
        ),
    )


def _evaluated(step: str, name: str, value: int) -> ParameterRecord:
    return ParameterRecord(step, name, "eval", str(value), True, digest_value(encode_value(value)), str(value))


def _running(record: TrialRecord) -> TrialRecord:
    """What was recorded when the trial started."""
    return record.with_changes(
        status="running",
        steps=tuple(dataclasses.replace(step, duration_s=None, main=None, metrics={}) for step in record.steps),
        ended=None,
        duration_s=None,
        cpu_s=None,
        peak_memory_bytes=None,
        main=None,
        page=None,
        outputs=(),
    )


def _digest(variant: str) -> str:
    return digest_value(_VALUES[variant])


class _Builder:
    """Adds trials to the journal of a repository: of each one commit that starts it and one that ends it."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._packs = folder / ".git" / "objects" / "pack"
        self._locked: set[tuple[str, str, str]] = set()
        self._days: Counter[str] = Counter()
        self._has_begun = False
        self._continues = False

    def add(self, records: list[TrialRecord]) -> None:
        """Add some trials, in one pack."""
        old_packs = set(self._packs.glob("*"))
        range_text = f"{self._git('rev-parse', layout.JOURNAL_REF).strip()}.." if self._has_begun else ""
        importer = subprocess.Popen(["git", "fast-import", "--quiet"], cwd=self._folder, stdin=subprocess.PIPE)
        assert importer.stdin is not None
        self._continues = self._has_begun
        for record in records:
            for data in self._trial(record):
                importer.stdin.write(data)
        importer.stdin.close()
        if importer.wait() != 0:
            raise RuntimeError("git fast-import failed")
        # fast-import makes other differences than git makes of loose objects.
        undeltified = set(self._packs.glob("*")) - old_packs
        objects = self._git("rev-list", "--objects", f"{range_text}{layout.JOURNAL_REF}")
        self._git("pack-objects", "--quiet", "--no-reuse-delta", str(self._packs / "pack"), stdin=objects)
        for path in undeltified:
            path.unlink()

    def _git(self, *words: str, stdin: str = "") -> str:
        done = subprocess.run(
            ["git", *words], cwd=self._folder, input=stdin, capture_output=True, text=True, check=True
        )
        return done.stdout

    def _trial(self, record: TrialRecord) -> Iterator[bytes]:
        folder = layout.trial_folder(record.experiment, record.started)
        path = layout.record_paths(folder, record.key)[self._days[folder] >= layout.CROWDED]
        self._days[folder] += 1
        running = _running(record)
        files = {path: encode_trial(running)}
        new = []
        for parameter in record.parameters:
            name = VariantName(parameter.step, parameter.name, parameter.text)
            if parameter.kind == "lookup" and name not in self._locked:
                self._locked.add(name)
                new.append(VariantLock(name, _digest(parameter.text)))
                files[layout.variant_path(*new[-1])] = _VALUES[parameter.text]
        if not self._has_begun:
            files[layout.FORMAT_FILE] = b"%d\n" % layout.FORMAT
            files[layout.environment_path(record.environment)] = _ENVIRONMENT
        yield from self._commit(record.started, started_message(running, new), files)
        yield from self._commit(record.ended or record.started, ended_message(record), {path: encode_trial(record)})

    def _commit(self, time: str, message: str, files: dict[str, bytes]) -> Iterator[bytes]:
        seconds = int(datetime.fromisoformat(time).timestamp())
        yield f"commit {layout.JOURNAL_REF}\ncommitter {_AUTHOR} {seconds} +0000\n".encode()
        yield from _data(message.encode())
        if self._continues:
            yield f"from {layout.JOURNAL_REF}^0\n".encode()
        self._has_begun, self._continues = True, False
        for path, data in files.items():
            yield f"M 100644 inline {path}\n".encode()
            yield from _data(data)


def _data(data: bytes) -> Iterator[bytes]:
    yield b"data %d\n" % len(data)
    yield data
    yield b"\n"
