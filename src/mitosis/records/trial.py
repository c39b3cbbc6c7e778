"""What is recorded about a trial: frozen dataclasses of plain values."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass, field
from typing import Any, Literal, get_args

from mitosis.variants import VariantLock, VariantName

Status = Literal["running", "finished", "failed", "interrupted"]
STATUSES: tuple[Status, ...] = get_args(Status)
ParameterKind = Literal["lookup", "eval", "default"]
Better = Literal["higher", "lower"]
Number = int | float
MainResult = None | bool | int | float | str
Metric = MainResult | tuple[Number, ...]

MOST_IMPORTED = 1_000
"""So many imported files are recorded at most."""


@dataclass(frozen=True, slots=True)
class StepRecord:
    """One step of a trial: where its code is, and how it went."""

    name: str
    action: str
    """Reference of the callable, `module:qualified.name`."""
    lookup: str | None = None
    """Reference of the lookup dictionary, if the step has one."""
    source: str | None = None
    """File of the callable relative to the repository, or the distribution it was installed from."""
    duration_s: float | None = None
    """Wall time; None for a step that did not end."""
    main: MainResult = None
    metrics: dict[str, Metric] = field(default_factory=dict)
    """Metrics by name, nested ones joined by dots; what is neither a number nor a list of them is a bounded text."""
    main_name: str = "main"
    """What `main` is called where it is shown."""
    better: Better | None = None
    """Which of two values of `main` is the better one, where the step's registration says so."""
    extra: dict[str, Any] | None = None
    """Fields that this version does not know."""


@dataclass(frozen=True, slots=True)
class ParameterRecord:
    """One parameter as it was given, or the default argument that stood in for it, and what it meant."""

    step: str
    name: str
    kind: ParameterKind
    text: str
    """The variant's name of a lookup parameter, the expression of an eval parameter, the short text of a default."""
    tracked: bool = True
    """Whether it tells trials apart. Nobody asks for a default, so one whose value has no digest is not tracked."""
    digest: str | None = None
    """Digest of the canonical value; None where the value has none (only possible untracked)."""
    summary: str = ""
    """The value as a bounded text."""
    extra: dict[str, Any] | None = None
    """Fields that this version does not know."""

    @property
    def full_name(self) -> str:
        return f"{self.step}.{self.name}"

    @property
    def is_default(self) -> bool:
        """Whether it was not given."""
        return self.kind == "default"

    @property
    def lock(self) -> VariantLock | None:
        """The lock that it needs; None if it is no variant, or is not tracked."""
        if self.kind != "lookup" or not self.tracked or self.digest is None:
            return None
        return VariantLock(VariantName(self.step, self.name, self.text), self.digest)


@dataclass(frozen=True, slots=True)
class Failure:
    """Why a trial did not finish."""

    kind: str
    """`exception`, `result` (a step returned what it may not), `parameter` (it changed a value of the next step's),
    `kernel` (it died), `interrupt` (by a signal), `timeout`, `mitosis`."""
    message: str
    type: str | None = None
    """Class of the exception, as the traceback shows it."""
    step: str | None = None
    location: str | None = None
    """`file:line in function` of the innermost frame of the user's code, relative to the repository."""

    @property
    def summary(self) -> str:
        """`Class: message` on one line, or the message alone."""
        first = self.message.split("\n", 1)[0].strip()
        return ": ".join(text for text in (self.type, first) if text)

    extra: dict[str, Any] | None = None
    """Fields that this version does not know."""


@dataclass(frozen=True, slots=True)
class Output:
    """A file that a trial left. Path is relative to the trials folder, with `/`."""

    path: str
    size_bytes: int
    oid: str
    """The id that git gives a blob with these bytes."""
    extra: dict[str, Any] | None = None
    """Fields that this version does not know."""


@dataclass(frozen=True, slots=True)
class ProcessRecord:
    """Who runs the trial: enough to tell later, on the same machine, whether it still does."""

    host: str
    pid: int
    started: str | None = None
    """Opaque text that differs between two processes that had the same pid (boot id and start time)."""
    extra: dict[str, Any] | None = None
    """Fields that this version does not know."""


@dataclass(frozen=True, slots=True)
class TrialRecord:
    """One trial. Times are ISO 8601 in UTC (`2026-03-01T12:00:00.123456+00:00`)."""

    key: str
    experiment: str
    steps: tuple[StepRecord, ...]
    parameters: tuple[ParameterRecord, ...]
    commit: str
    """Full hexadecimal id of the experiment's commit."""
    status: Status
    iteration: int
    """How many trials of the same experiment and tracked parameters this clone knew before it."""
    started: str
    author: str
    """`Name <email>`, as git gives it."""
    process: ProcessRecord
    environment: str
    """Digest of the environment's text, under `environments/`."""
    ended: str | None = None
    duration_s: float | None = None
    """Wall time from the start of the first step to the end of the last."""
    cpu_s: float | None = None
    """CPU time of the kernel and the processes it waited for, whole life."""
    peak_memory_bytes: int | None = None
    """Largest resident set of the kernel."""
    step: int | None = None
    """Index of the step that is running, or was when the trial ended early."""
    main: MainResult = None
    """`main` of the last step."""
    failure: Failure | None = None
    warnings: tuple[str, ...] = ()
    subject: str = ""
    """First line of the commit's message."""
    branch: str | None = None
    interpreter: str = ""
    """Version and implementation, such as `CPython 3.11.7`."""
    platform: str = ""
    cpu_count: int | None = None
    command: tuple[str, ...] = ()
    """The command line, one word an item."""
    variables: dict[str, str] = field(default_factory=dict)
    """Chosen environment variables that were set."""
    untracked_files: int = 0
    """Files in the working tree that git does not know and no module was imported from."""
    imported: tuple[str, ...] = ()
    """What of the commit the experiment had imported when its last step to return did: sorted paths with `/`, of files
    and of submodules. The first `MOST_IMPORTED`, so a list of that length may not be all."""
    trials_folder: str = ""
    """Where the outputs were written, an absolute path on `process.host`."""
    folder: str | None = None
    """The trial's folder, relative to `trials_folder`."""
    page: str | None = None
    """The HTML page, relative to `trials_folder`."""
    outputs: tuple[Output, ...] = ()
    extra: dict[str, Any] = field(default_factory=dict)
    """Fields that this version does not know."""

    @property
    def asked(self) -> tuple[object, ...]:
        """What trials that are iterations of each other have in common: the experiment and its tracked parameters.

        A default counts by its value: nobody wrote a text for it.
        """
        tracked = (p for p in self.parameters if p.tracked)
        return self.experiment, sorted((p.step, p.name, p.kind, (p.is_default and p.digest) or p.text) for p in tracked)

    @property
    def main_name(self) -> str:
        """What `main` is called where it is shown."""
        return self.steps[-1].main_name if self.steps else "main"

    @property
    def note(self) -> str:
        """Why the trial did not finish, or of what it warned, in a few words; may be empty."""
        if self.failure is not None:
            return self.failure.summary + (f" ({self.failure.step})" if self.failure.step else "")
        return f"{len(self.warnings)} warnings" if len(self.warnings) > 1 else "".join(self.warnings)

    def is_end_of(self, start: TrialRecord) -> bool:
        """Whether it says how a trial ended, and all else as the record of its start does.

        Defaults that were not given are only known when their steps have run.
        """
        known = {name: getattr(start, name) for name in ("steps", *_WRITTEN_AT_END)}
        known_parameters = self.parameters[: len(start.parameters)]
        codes = [[(step.name, step.action, step.lookup) for step in record.steps] for record in (self, start)]
        is_same = self.with_changes(**known, parameters=known_parameters) == start and codes[0] == codes[1]
        return is_same and start.ended is None and self.ended is not None

    def with_changes(self, **changes: Any) -> TrialRecord:
        """A copy with some fields replaced."""
        return dataclasses.replace(self, **changes)


_WRITTEN_AT_END = (
    "status", "ended", "duration_s", "cpu_s", "peak_memory_bytes", "step", "main", "failure", "warnings", "page",
    "outputs", "extra",
)  # fmt: skip
