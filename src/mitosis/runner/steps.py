"""Run the steps of a trial, one after the other, until one fails or the trial is interrupted."""

from __future__ import annotations

import contextlib
import dataclasses
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from mitosis import notebook as notebooks
from mitosis.canonical.difference import compare_values
from mitosis.errors.base import MitosisError
from mitosis.kernel.kernel import Kernel
from mitosis.kernel.kernel_process import AnswerFailed, CellError, KernelDied
from mitosis.protocol import (
    DescribedFailure,
    DescribedValue,
    DescribeFailure,
    FindChangedParameters,
    Imports,
    Meaning,
    MeasureUsage,
    Successor,
    TakeResult,
    Usage,
)
from mitosis.records.trial import Failure, ParameterRecord, Status, StepRecord
from mitosis.runner.request import Progress
from mitosis.runner.signals import Signals
from mitosis.runner.trial_folder import TrialFolder
from mitosis.runner.user_code import Loader
from mitosis.text import counted, one_line

_DIFFERENCES, _DIFFERENCE_CHARACTERS = 4, 100
"""So many are told of a value that was changed, each in so many characters."""


@dataclass(frozen=True, slots=True)
class Ran:
    """How far the steps came."""

    status: Status
    failure: Failure | None
    index: int
    """Of the last step that was begun."""
    duration_s: float
    usage: Usage
    failed_at: DescribedFailure
    """Where in the user's code, if it failed there."""


@dataclass(slots=True)
class Steps:
    """The steps of one trial."""

    loader: Loader
    """Has loaded the experiment."""
    kernel: Kernel
    """Where they were loaded."""
    folder: TrialFolder
    """Results are saved to it."""
    signals: Signals
    """Say whether the trial was interrupted."""
    progress: Progress
    warn: Callable[[str], None]
    """Is told what the user should know and what stops nothing."""
    records: list[StepRecord] = field(init=False)
    """Of the steps, as far as they came."""
    defaults: list[ParameterRecord] = field(default_factory=list)
    """What steps had in place of the data of the step before. It is known too late to tell iterations apart."""
    _usage: Usage | None = None
    _failed_at: DescribedFailure = field(default_factory=DescribedFailure)

    def __post_init__(self) -> None:
        self.records = list(self.loader.steps)

    async def run(self, timeout_s: float | None) -> Ran:
        """Run them, as long as they may take together."""
        begun = time.monotonic()
        status: Status = "finished"
        failure: Failure | None = None
        pass_data = False
        index = 0
        with self.signals.time_limited(timeout_s):
            for index, planned in enumerate(self.loader.plan.steps):
                previous = self.loader.plan.steps[index - 1] if pass_data else None
                self.progress.step_started(planned.step.name, index + 1, len(self.loader.plan.steps))
                await self.signals.catch_up()
                try:
                    if self.signals.interruption(planned.step.name) is None:
                        failure, pass_data = await self._run_step(index, planned, previous)
                except KernelDied as death:
                    failure = Failure("kernel", str(death), step=planned.step.name)
                except AnswerFailed as error:
                    message = f"mitosis failed to inspect it: {error.reason}"
                    failure = Failure("mitosis", message, step=planned.step.name)
                interruption = self.signals.interruption(planned.step.name)
                if interruption is not None:
                    status, failure = "interrupted", interruption
                elif failure is not None:
                    status = "failed"
                self.progress.step_ended(self.records[index], None if failure is None else failure.summary)
                if failure is not None:
                    break
        if status == "finished":
            last = self.loader.plan.steps[-1]
            await self._show(f'{last.variable}["main"]', "result", last.step.name)
        usage = await self._measure()
        return Ran(status, failure, index, time.monotonic() - begun, usage, self._failed_at)

    async def _run_step(
        self, index: int, planned: notebooks.PlannedStep, previous: notebooks.PlannedStep | None
    ) -> tuple[Failure | None, bool]:
        """Run one step; returns why it failed, and whether the next one gets its data."""
        name = planned.step.name
        self._usage = None
        error = await self._call(index, planned, previous)
        if error is not None:
            package = planned.step.action.partition(":")[0].partition(".")[0]
            self._failed_at = await self.kernel.ask(DescribeFailure(self.loader.root, package))
            message = self._failed_at.message or error.message
            kind = self._failed_at.type or error.type
            return Failure("exception", message, kind, name, self._failed_at.location), False
        successor = self.loader.plan.steps[index + 1] if index + 1 < len(self.loader.plan.steps) else None
        result, imports, changed = await self.kernel.ask_all(
            TakeResult(planned.variable, str(self.folder.results(index)), _successor(successor)),
            self.loader.list_imports(),
            self._recorded_parameters(index + 1),
        )
        self._usage = result.usage
        self._change(index, main=result.main, metrics=result.metrics)
        for unsaved in result.unsaved:
            self.warn(f"step `{name}`: a part of its result could not be saved: {unsaved}")
        for warning in result.warnings:
            self.warn(f"step `{name}`: {warning}")
        if result.problem is not None:
            return Failure("result", result.problem, step=name), False
        if successor is not None and result.default is not None:
            self.defaults.append(self.loader.default_record(successor.step.name, result.default, tracked=False))
        self._check_late_imports(name, imports)
        if result.has_metrics:
            curves = {
                label: [curve.count, curve.not_finite, list(curve.numbers)] for label, curve in result.curves.items()
            }
            await self._show(f'{planned.variable}["metrics"]', "metrics", name, curves=curves)
        return self._changed_parameters(name, changed), result.pass_data

    async def _call(
        self, index: int, planned: notebooks.PlannedStep, previous: notebooks.PlannedStep | None
    ) -> CellError | None:
        """Execute the cell that calls a step; returns what it raised."""
        name = planned.step.name
        cell = notebooks.code_cell(notebooks.call_source(planned, previous), "step", name)
        described = self.loader.described[name]
        cell.metadata["mitosis"] |= {"doc": described.doc or None, "source": described.source or None}
        begun = time.monotonic()
        try:
            return await self.kernel.run_cell(cell, self.folder.printed(index))
        finally:
            for trouble in self.kernel.troubles:
                self.warn(f"step `{name}`: {trouble}")
            duration_s = time.monotonic() - begun
            cell.metadata["mitosis"]["duration_s"] = duration_s
            self._change(index, duration_s=duration_s)

    def _change(self, index: int, **changes: Any) -> None:
        self.records[index] = dataclasses.replace(self.records[index], **changes)

    def _recorded_parameters(self, index: int) -> FindChangedParameters:
        """What the steps from that index on are recorded to get."""
        later = {planned.step.name for planned in self.loader.plan.steps[index:]}
        return FindChangedParameters(
            {name: its for name, its in self.loader.parameters_of.items() if name in later},
            {p.full_name: p.digest for p in self.loader.parameters if p.tracked and p.digest is not None},
        )

    def _changed_parameters(self, step: str, changed: Mapping[str, DescribedValue]) -> Failure | None:
        """Why no later step must run, if the record would say that it got other values than it does."""
        name, now = next(iter(changed.items()), (None, None))
        if name is None or now is None:
            return None
        reader = name.rpartition(".")[0]
        said = f"it changed the value of `{name}` in place, which `{reader}` would get; have it change a copy"
        lines = _differences(self.loader.values[name], now)
        if self.loader.is_debug:
            self.warn(f"step `{step}`: {said} ({'; '.join(lines)})")
            return None
        self._failed_at = DescribedFailure(more=lines)
        return Failure("parameter", "\n".join([said, *lines]), step=step)

    def _check_late_imports(self, step: str, imports: Imports) -> None:
        """What a step imported while it ran is checked too, but then it is too late to refuse."""
        try:
            self.loader.check_imports(imports)
        except MitosisError as error:
            self.warn(f"while step `{step}` ran, {error}")

    async def _show(self, source: str, kind: str, step: str, **about: Any) -> None:
        """Let the notebook show a result. That the result cannot be shown does not fail the trial."""
        try:
            cell = notebooks.code_cell(source, kind, step)
            cell.metadata["mitosis"] |= about
            error = await self.kernel.run_cell(cell)
        except KernelDied as death:
            self.warn(f"step `{step}`: showing {source} ended the kernel: {death}")
            return
        for trouble in self.kernel.troubles:
            self.warn(f"step `{step}`: showing {source}: {trouble}")
        if error is not None:
            self.warn(f"step `{step}`: {source} cannot be shown: {error.type}: {error.message}")

    async def _measure(self) -> Usage:
        """What the kernel used: as the last step's result has it, or the kernel, or else its parent."""
        if self.kernel.process.is_alive and self._usage is None:
            with contextlib.suppress(KernelDied, AnswerFailed):
                self._usage = await self.kernel.ask(MeasureUsage())
        return self._usage or _usage_of_children()


def _differences(recorded: bytes, now: DescribedValue) -> tuple[str, ...]:
    """The first differences between what was recorded and what a value is now, each on a line."""
    if not isinstance(now.meaning, Meaning):
        return (one_line(f"{now.meaning.path}: {now.meaning.reason}".removeprefix(": "), _DIFFERENCE_CHARACTERS),)
    found = compare_values(recorded, now.meaning.data)
    lines = [one_line(str(difference), _DIFFERENCE_CHARACTERS) for difference in found.differences[:_DIFFERENCES]]
    more = len(found.differences) + found.more - len(lines)
    return (*lines, *([f"and {counted(more, 'more difference')}"] if more else []))


def _successor(planned: notebooks.PlannedStep | None) -> Successor | None:
    if planned is None:
        return None
    given = tuple(parameter.argument.name for parameter in planned.parameters)
    return Successor(planned.step.name, planned.step.action, given)


def _usage_of_children() -> Usage:
    """What the kernel used, as far as its parent can tell, where it died before it could say."""
    try:
        import resource
    except ImportError:  # Windows
        return Usage()
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return Usage(used.ru_utime + used.ru_stime, used.ru_maxrss * (1 if sys.platform == "darwin" else 1024))
