"""One trial: the kernel, the checks that need it, the steps, the record."""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import os
import signal
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mitosis import notebook as notebooks
from mitosis.errors.base import MitosisError
from mitosis.errors.journal import NotRecorded
from mitosis.kernel.endings import AnswerFailed, CellError, KernelDied
from mitosis.kernel.kernel import Kernel
from mitosis.process import this_process
from mitosis.provenance.command import command_line
from mitosis.provenance.environment import Environment
from mitosis.records.trial import Failure, ParameterRecord, Status, StepRecord, TrialRecord
from mitosis.runner import outputs
from mitosis.runner.ahead import Ahead
from mitosis.runner.loading import Loader
from mitosis.runner.outputs import TrialFolder
from mitosis.runner.request import Announcement, Interrupted, Outcome, Progress
from mitosis.runner.saving import Saved, Saver
from mitosis.runner.settle import Settled

if TYPE_CHECKING:
    from mitosis.journal.journal import Journal

INTERRUPT_GRACE_S = 10.0
"""How long an interrupted step may take to end before its kernel is killed."""
CLOSE_TIMEOUT_S = 10.0
"""How long exit functions and threads of the experiment may take after its last step."""
BREAKDOWN_LIMIT = 2000
"""Characters of an error of mitosis itself that are recorded."""


class Trial:
    """The course of one trial.

    Args:
        settled: what to run.
        progress: is told what happens.
    """

    def __init__(self, settled: Settled, progress: Progress) -> None:
        self._settled = settled
        self._progress = progress
        self._debug = settled.request.debug
        self._begun = time.monotonic()
        self._started = datetime.now(UTC)
        self._steps: list[StepRecord] = []
        self._warnings: list[str] = []
        self._usage: dict[str, Any] = {}
        self._context: tuple[tuple[int, str], ...] = ()
        self._failed_line: int | None = None
        self._signal: int | None = None
        self._has_timed_out = False
        self._is_killed = False
        self._is_recorded = False
        self._kernel: Kernel | None = None
        self._ahead: Ahead | None = None
        self._task: asyncio.Task[Any] | None = None

    async def run(self) -> Outcome:
        """Run it; see `mitosis.runner.run`."""
        self._task = asyncio.current_task()
        self._progress.phase("starting")
        with self._signals_handled():
            self._folder = TrialFolder(self._settled.trials_folder, self._settled.key, debug=self._debug)
            try:
                kernel = self._kernel = Kernel(self._progress.output)
                try:
                    await self._start(kernel)
                    environment, record, journal, announcement = await self._check_and_record(kernel)
                except BaseException:
                    if self._ahead is not None:
                        self._ahead.stop()
                    await kernel.close()
                    self._folder.remove()
                    raise
            except asyncio.CancelledError:
                if self._signal is None:
                    raise
                raise Interrupted(self._signal) from None
            try:
                self._progress.announce(announcement)
                record = await self._run_steps(kernel, record)
                kernel.begin_close()
                record = self._complete(record)
                saver = Saver(self._settled, self._folder, self._notebook, record, self._progress, self._warn)
                saved = saver.save(environment.text, journal)
            except Exception as error:
                self._record_breakdown(journal, record, error)
                raise
            finally:
                if not await kernel.close(CLOSE_TIMEOUT_S):
                    self._warn(f"the kernel did not end within {CLOSE_TIMEOUT_S:.0f} s of the last step and was killed")
            return self._finish(record, journal, saved)

    # --- signals ----------------------------------------------------------------------------------

    @contextlib.contextmanager
    def _signals_handled(self) -> Iterator[None]:
        """Have SIGINT, SIGTERM, SIGHUP and SIGQUIT end the trial in good order; a signal that is ignored stays so."""
        loop = asyncio.get_running_loop()
        names = ("SIGINT", "SIGTERM", "SIGHUP", "SIGQUIT")
        numbers = [number for name in names if (number := getattr(signal, name, None))]
        before = {number: signal.getsignal(number) for number in numbers}
        handled = [number for number in numbers if before[number] != signal.SIG_IGN]
        for number in handled:
            try:
                loop.add_signal_handler(number, self._on_signal, number)
            except NotImplementedError:  # Windows
                signal.signal(number, lambda n, _: loop.call_soon_threadsafe(self._on_signal, n))
        can_suspend = hasattr(signal, "SIGTSTP") and signal.getsignal(signal.SIGTSTP) == signal.SIG_DFL
        if can_suspend:
            loop.add_signal_handler(signal.SIGTSTP, self._on_suspension)
        try:
            yield
        finally:
            if can_suspend:
                loop.remove_signal_handler(signal.SIGTSTP)
            for number in handled:
                with contextlib.suppress(NotImplementedError):
                    loop.remove_signal_handler(number)
                signal.signal(number, before[number])

    def _on_signal(self, number: int) -> None:
        again = self._signal is not None
        self._signal = number
        if again:
            self._kill()
        elif not self._is_recorded:
            assert self._task is not None
            self._task.cancel()
        elif number == getattr(signal, "SIGQUIT", None):  # Ctrl-\, for whom Ctrl-C is not enough
            self._progress.warn("killing the experiment")
            self._kill()
        elif self._kernel is not None:
            self._progress.warn("interrupting; once more to kill the experiment at once")
            self._kernel.interrupt()
            asyncio.get_running_loop().call_later(INTERRUPT_GRACE_S, self._kill)

    def _on_suspension(self) -> None:
        """Ctrl-Z: have the experiment stop along with this process, and go on along with it.

        The kernel is in a session of its own, so that the terminal's signals do not reach it.
        """
        loop = asyncio.get_running_loop()
        self._progress.suspend()
        if self._kernel is not None:
            self._kernel.suspend()
        loop.remove_signal_handler(signal.SIGTSTP)  # what is left is what the system does: stop here
        signal.raise_signal(signal.SIGTSTP)
        loop.add_signal_handler(signal.SIGTSTP, self._on_suspension)
        if self._kernel is not None:
            self._kernel.resume()
        self._progress.resume()

    def _on_timeout(self, timeout_s: float) -> None:
        if self._signal is not None or self._kernel is None:
            return
        self._has_timed_out = True
        grace_s = min(timeout_s, INTERRUPT_GRACE_S)
        self._progress.warn(f"the timeout of {timeout_s:g} s is over; interrupting, and killing in {grace_s:g} s")
        self._kernel.interrupt()
        asyncio.get_running_loop().call_later(grace_s, self._kill)

    def _kill(self) -> None:
        self._is_killed = True
        if self._kernel is not None:
            self._kernel.kill()

    @contextlib.contextmanager
    def _time_limited(self) -> Iterator[None]:
        """Have the steps end when they have taken as long as they may."""
        timeout_s = self._settled.request.timeout_s
        if timeout_s is None:
            yield
            return
        timer = asyncio.get_running_loop().call_later(timeout_s, self._on_timeout, timeout_s)
        try:
            yield
        finally:
            timer.cancel()

    def _interruption(self, step: str) -> Failure | None:
        """Why the trial ends although nothing in it failed; None if it goes on."""
        if self._signal is not None:
            kind, text = "interrupt", f"interrupted by {signal.Signals(self._signal).name}"
        elif self._has_timed_out:
            kind, text = "timeout", f"timed out after {self._settled.request.timeout_s:g} s"
        else:
            return None
        return Failure(kind, f"{text}, and killed" if self._is_killed else text, step=step)

    # --- before the steps -------------------------------------------------------------------------

    async def _start(self, kernel: Kernel) -> None:
        """Start the kernel, and import meanwhile what speaks to it."""
        settled = self._settled
        kernel.launch(
            self._folder.path,
            {
                "root": str(settled.root.resolve()),
                "pythonpath": [str(folder) for folder in settled.config.pythonpath],
                "log": str(self._folder.path / outputs.LOG),
                "debug": self._debug,
                "figure_dpi": settled.config.figure_dpi,
                "figure_format": settled.config.figure_format,
            },
        )
        self._notebook = notebooks.new_notebook()
        kernel.load_client()
        self._ahead = Ahead(settled.repository)
        await kernel.connect(self._notebook)
        if settled.request.output != "ipynb":
            self._ahead.prepare_page(settled.template)

    async def _check_and_record(self, kernel: Kernel) -> tuple[Environment, TrialRecord, Journal | None, Announcement]:
        """Import the user's code, resolve the parameters, check all of it, and record the start."""
        self._progress.phase("checking")
        self._loader = Loader(self._settled, kernel, self._folder, self._warn)
        self._loaded = await self._loader.load()
        self._steps = list(self._loaded.steps)
        assert self._ahead is not None
        environment = await self._ahead.environment()
        if self._settled.template is not None:
            await self._ahead.page()
        self._folder.write(outputs.REQUIREMENTS, environment.text)
        record = self._new_record(environment, self._loaded.parameters)
        journal: Journal | None = None
        newly_locked = 0
        if not self._debug:
            from mitosis.journal.journal import Journal

            assert self._settled.repository is not None and self._settled.identity is not None
            journal = Journal(self._settled.repository)
            started = journal.start(record, self._loaded.variants, environment.text, self._settled.identity)
            record, newly_locked = started.record, len(started.newly_locked)
            for changed in started.changed:
                self._warn(str(changed))
            if started.changed:
                from mitosis.journal.locks import ACCEPT_FUNCTIONS

                self._progress.warn(ACCEPT_FUNCTIONS)
            for renamed in started.renamed:
                # The record has no need of it: whatever lists the trial says both names.
                self._progress.warn(str(renamed))
        self._is_recorded = True
        announcement = Announcement(
            experiment=record.experiment,
            parameters=record.parameters,
            commit=record.commit,
            subject=record.subject,
            debug=self._debug,
            newly_locked=newly_locked,
            untracked_files=self._settled.untracked_files,
            checked_s=time.monotonic() - self._begun,
        )
        return environment, record, journal, announcement

    def _new_record(self, environment: Environment, parameters: tuple[ParameterRecord, ...]) -> TrialRecord:
        from mitosis.journal.layout import experiment_name

        settled = self._settled
        return TrialRecord(
            key=settled.key,
            experiment=experiment_name(step.name for step in settled.steps),
            steps=tuple(self._steps),
            parameters=parameters,
            commit=settled.head.commit if settled.head is not None else "",
            status="running",
            iteration=0,
            started=self._started.isoformat(),
            author=str(settled.identity) if settled.identity is not None else "",
            process=this_process(),
            environment=environment.digest,
            subject=settled.head.subject if settled.head is not None else "",
            branch=settled.head.branch if settled.head is not None else None,
            interpreter=environment.interpreter,
            platform=environment.platform,
            cpu_count=environment.cpu_count,
            command=command_line(),
            variables=environment.variables,
            untracked_files=settled.untracked_files,
            trials_folder=_recordable(settled.trials_folder),
            folder=_recordable(self._folder.path.name),
            step=0,
        )

    # --- the steps --------------------------------------------------------------------------------

    async def _run_steps(self, kernel: Kernel, record: TrialRecord) -> TrialRecord:
        """Run the steps until one fails or a signal comes; returns the record of how it went."""
        begun = time.monotonic()
        status: Status = "finished"
        failure: Failure | None = None
        pass_data = False
        index = 0
        with self._time_limited():
            for index, planned in enumerate(self._loaded.plan.steps):
                previous = self._loaded.plan.steps[index - 1] if pass_data else None
                self._progress.step_started(planned.step.name, index + 1, len(self._loaded.plan.steps))
                try:
                    failure, pass_data = await self._run_step(kernel, index, planned, previous)
                except KernelDied as death:
                    failure = Failure("kernel", str(death), step=planned.step.name)
                except AnswerFailed as error:
                    failure = Failure(
                        "mitosis", f"mitosis failed to look at it: {error.reason}", step=planned.step.name
                    )
                interruption = self._interruption(planned.step.name)
                if interruption is not None:
                    status, failure = "interrupted", interruption
                elif failure is not None:
                    status = "failed"
                self._progress.step_ended(self._steps[index], None if failure is None else failure.summary)
                if failure is not None:
                    break
        if status == "finished":
            await self._show_results(kernel)
        await self._measure(kernel)
        return record.with_changes(
            status=status,
            failure=failure,
            step=index,
            steps=tuple(self._steps),
            main=self._steps[-1].main if status == "finished" else None,
            ended=datetime.now(UTC).isoformat(),
            duration_s=time.monotonic() - begun,
        )

    async def _run_step(
        self, kernel: Kernel, index: int, planned: notebooks.PlannedStep, previous: notebooks.PlannedStep | None
    ) -> tuple[Failure | None, bool]:
        """Run one step; returns why it failed, and whether the next one gets its data."""
        name = planned.step.name
        cell = notebooks.code_cell(notebooks.call_source(planned, previous), "step", name)
        cell.metadata["mitosis"]["doc"] = self._loaded.docs.get(name) or None
        self._usage = {}
        begun = time.monotonic()
        try:
            error = await kernel.run_cell(cell, self._folder.printed(index))
        finally:
            if kernel.print_trouble is not None:
                self._warn(f"step `{name}` printed much, and not all of it could be kept: {kernel.print_trouble}")
            if kernel.message_trouble:
                self._warn(f"step `{name}`: {kernel.message_trouble}")
            duration_s = time.monotonic() - begun
            cell.metadata["mitosis"]["duration_s"] = duration_s
            self._steps[index] = _changed(self._steps[index], duration_s=duration_s)
        if error is not None:
            return await self._failure(kernel, name, error), False
        successor = self._loaded.plan.steps[index + 1] if index + 1 < len(self._loaded.plan.steps) else None
        take = {
            "variable": planned.variable,
            "file": str(self._folder.results(index)),
            "successor": None
            if successor is None
            else {
                "name": successor.step.name,
                "action": successor.step.action,
                "given": [parameter.argument.name for parameter in successor.parameters],
            },
        }
        answer, imports, changed = await kernel.ask_all(
            ("take_result", take),
            self._loader.list_imports(),
            ("find_changed_parameters", self._recorded_parameters(successor)),
        )
        self._usage = answer["usage"]
        self._steps[index] = _changed(self._steps[index], main=answer["main"], metrics=answer["metrics"])
        for unsaved in answer["unsaved"]:
            self._warn(f"step `{name}`: a part of its result could not be saved: {unsaved}")
        for warning in answer["warnings"]:
            self._warn(f"step `{name}`: {warning}")
        if answer["problem"] is not None:
            return Failure("result", answer["problem"], step=name), False
        self._check_late_imports(name, imports)
        if answer["has_metrics"]:
            await self._show(kernel, f'{planned.variable}["metrics"]', "metrics", name)
        return self._changed_parameters(successor, name, changed), answer["pass_data"]

    def _recorded_parameters(self, planned: notebooks.PlannedStep | None) -> dict[str, Any]:
        """What `find_changed_parameters` has to know of the step that comes next."""
        if planned is None:
            return {"variable": None, "digests": {}}
        recorded = (p for p in self._loaded.parameters if p.step == planned.step.name and p.tracked)
        return {
            "variable": planned.parameters_variable,
            "digests": {p.name: p.digest for p in recorded if p.digest is not None},
        }

    def _changed_parameters(
        self, successor: notebooks.PlannedStep | None, step: str, changed: list[dict[str, str]]
    ) -> Failure | None:
        """Why the next step must not run, if the record would say that it got other values than it does."""
        if successor is None or not changed:
            return None
        name, now = changed[0]["name"], changed[0]["summary"]
        recorded = next(p for p in self._loaded.parameters if (p.step, p.name) == (successor.step.name, name))
        was = f"from {recorded.summary} to {now}" if now != recorded.summary else f"which still looks like {now}"
        message = (
            f"it changed the value of `{recorded.step}.{name}`, {was}, so that `{recorded.step}` would not run with "
            "what is recorded; let it change a copy"
        )
        if self._debug:
            self._warn(f"step `{step}`: {message}")
            return None
        return Failure("parameter", message, step=step)

    async def _failure(self, kernel: Kernel, step: str, error: CellError) -> Failure:
        facts = await kernel.ask("describe_failure", root=str(self._settled.root.resolve()))
        self._context = tuple((number, text) for number, text in facts["context"])
        self._failed_line = facts["line"]
        message = facts["message"] or error.message
        return Failure("exception", message, facts["type"] or error.type, step, facts["location"])

    def _check_late_imports(self, step: str, imports: dict[str, Any]) -> None:
        """What a step imported while it ran is checked too, but then it is too late to refuse."""
        try:
            self._loader.check_imports(imports)
        except MitosisError as error:
            self._warn(f"while step `{step}` ran, {error}")

    async def _show_results(self, kernel: Kernel) -> None:
        last = self._loaded.plan.steps[-1]
        await self._show(kernel, f'{last.variable}["main"]', "result", last.step.name)

    async def _show(self, kernel: Kernel, source: str, kind: str, step: str) -> None:
        """Let the notebook show a result. That the result cannot be shown does not fail the trial."""
        try:
            error = await kernel.run_cell(notebooks.code_cell(source, kind, step))
        except KernelDied as death:
            self._warn(f"step `{step}`: showing {source} ended the kernel: {death}")
            return
        if kernel.message_trouble:
            self._warn(f"step `{step}`: showing {source}: {kernel.message_trouble}")
        if error is not None:
            self._warn(f"step `{step}`: {source} cannot be shown: {error.type}: {error.message}")

    async def _measure(self, kernel: Kernel) -> None:
        """Ask what the kernel used, unless the last step's result came with it."""
        if kernel.is_alive and not self._usage:
            with contextlib.suppress(KernelDied, AnswerFailed):
                self._usage = await kernel.ask("measure_usage")

    # --- the end ----------------------------------------------------------------------------------

    def _complete(self, record: TrialRecord) -> TrialRecord:
        """The record with what the kernel used; the notebook with its heading."""
        self._progress.phase("saving")
        heading = notebooks.heading_source(
            record.experiment,
            [
                (p.full_name, p.text if p.kind == "lookup" else "", p.summary if p.kind == "lookup" else p.text)
                for p in record.parameters
            ],
        )
        self._notebook.cells.insert(0, notebooks.markdown_cell(heading, "heading"))
        usage = self._usage or _usage_of_children()
        return record.with_changes(
            cpu_s=usage.get("cpu_s"),
            peak_memory_bytes=usage.get("peak_memory_bytes"),
            warnings=tuple(self._warnings),
        )

    def _finish(self, record: TrialRecord, journal: Journal | None, saved: Saved) -> Outcome:
        """List the outputs, which are complete now that the kernel has ended, and record the end."""
        try:
            listed, unlisted = self._folder.list_outputs(saved.page, without=saved.next_iteration)
        except OSError as error:
            self._warn(f"the outputs cannot be listed: {error}")
            listed, unlisted = (), 0
        if unlisted:
            self._warn(f"{unlisted} more files of the trial's folder are not listed in its record")
        record = record.with_changes(
            outputs=listed,
            page=saved.page.name if saved.page is not None else None,
            warnings=tuple(self._warnings),
        )
        if journal is not None:
            self._record_end(journal, record)
        return Outcome(
            record=record,
            debug=self._debug,
            trials_folder=self._settled.trials_folder,
            page=saved.page,
            folder=self._folder.path,
            notebook=saved.notebook,
            context=self._context,
            failed_line=self._failed_line,
            signal=self._signal,
            recorded_in=None if journal is None else journal.repository,
            # Whoever interrupts a trial does not want to wait for a network.
            is_to_be_pushed=journal is not None and self._settled.config.auto_push and self._signal is None,
            remote=self._settled.config.remote,
        )

    def _record_end(self, journal: Journal, record: TrialRecord) -> None:
        from mitosis.errors.journal import NoteNotWritten

        assert self._settled.identity is not None and self._settled.repository is not None
        try:
            journal.end(record, self._settled.repository.identity())
        except NoteNotWritten as error:
            self._progress.warn(str(error))
        except MitosisError as error:
            raise NotRecorded(record.key, record.status, str(error), self._folder.path) from error

    def _record_breakdown(self, journal: Journal | None, record: TrialRecord, error: Exception) -> None:
        """Record that the trial ended by an error of mitosis itself, which is on its way to the user."""
        if journal is None:
            return
        failure = Failure("mitosis", str(error)[:BREAKDOWN_LIMIT], type(error).__name__)
        ended = record.with_changes(status="failed", failure=failure, ended=datetime.now(UTC).isoformat())
        self._record_end(journal, ended.with_changes(steps=tuple(self._steps), warnings=tuple(self._warnings)))

    def _warn(self, text: str) -> None:
        self._warnings.append(text)
        self._progress.warn(text)


def _changed(step: StepRecord, **changes: Any) -> StepRecord:
    return dataclasses.replace(step, **changes)


def _recordable(path: Path | str) -> str:
    return os.fspath(path).encode("utf-8", "backslashreplace").decode()


def _usage_of_children() -> dict[str, Any]:
    """What the kernel used, as far as its parent can tell, where it died before it could say."""
    try:
        import resource
        import sys
    except ImportError:  # Windows
        return {}
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return {
        "cpu_s": used.ru_utime + used.ru_stime,
        "peak_memory_bytes": used.ru_maxrss * (1 if sys.platform == "darwin" else 1024),
    }
