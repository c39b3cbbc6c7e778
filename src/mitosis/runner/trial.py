"""One trial: the kernel, the checks that need it, the steps, the record."""

from __future__ import annotations

import asyncio
import contextlib
import os
import shlex
import signal
import time
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mitosis import notebook as notebooks
from mitosis import provenance
from mitosis.errors import (
    BadReference,
    ExpressionFailed,
    FolderNotWritable,
    ImportFailed,
    LookupFailed,
    MitosisError,
    NotRecorded,
    SignatureMismatch,
    UnknownVariant,
    UntrackableParameter,
)
from mitosis.kernel import AnswerFailed, CellError, Kernel, KernelDied
from mitosis.parameters import ParameterArgument, quoting_hint
from mitosis.records import Failure, ParameterRecord, Status, StepRecord, TrialRecord
from mitosis.runner import outputs
from mitosis.runner.outputs import TrialFolder
from mitosis.runner.request import Announcement, Interrupted, Outcome, Progress, rerun_command
from mitosis.runner.settle import Settled

if TYPE_CHECKING:
    from mitosis.journal import Journal, VariantValue

INTERRUPT_GRACE_S = 10.0
"""How long an interrupted step may take to end before its kernel is killed."""
LOG_SHOWN_BYTES = 200_000
_MAIN_KEY = "main"


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
        self._notebook = notebooks.new_notebook()
        self._plan = notebooks.plan_notebook(settled.steps, settled.arguments)
        self._steps = [StepRecord(step.name, step.action, step.lookup) for step in settled.steps]
        self._docs: dict[str, str] = {}
        self._warnings: list[str] = []
        self._usage: dict[str, Any] = {}
        self._context: tuple[tuple[int, str], ...] = ()
        self._failed_line: int | None = None
        self._signal: int | None = None
        self._is_recorded = False
        self._task: asyncio.Task[Any] | None = None

    async def run(self) -> Outcome:
        """Run it; see `mitosis.runner.run`."""
        self._task = asyncio.current_task()
        self._progress.phase("starting")
        with self._signals_handled():
            self._folder = TrialFolder(self._settled.trials_folder, self._settled.key, debug=self._debug)
            try:
                self._kernel = Kernel(self._notebook, self._progress.output)
                try:
                    environment = await self._start()
                    record, journal = await self._check_and_record(environment)
                except BaseException:
                    await self._kernel.close()
                    self._folder.remove()
                    raise
            except asyncio.CancelledError:
                if self._signal is None:
                    raise
                raise Interrupted(self._signal) from None
            try:
                record = await self._run_steps(record)
                self._kernel.begin_close()
                record = self._complete(record)
                page = self._save(record, environment)
            finally:
                await self._kernel.close()
            return self._finish(record, journal, page)

    # --- signals ----------------------------------------------------------------------------------

    @contextlib.contextmanager
    def _signals_handled(self) -> Iterator[None]:
        """Have SIGINT, SIGTERM and SIGHUP end the trial in good order; a signal that is ignored stays so."""
        loop = asyncio.get_running_loop()
        numbers = [number for name in ("SIGINT", "SIGTERM", "SIGHUP") if (number := getattr(signal, name, None))]
        before = {number: signal.getsignal(number) for number in numbers}
        handled = [number for number in numbers if before[number] != signal.SIG_IGN]
        for number in handled:
            try:
                loop.add_signal_handler(number, self._on_signal, number)
            except NotImplementedError:  # Windows
                signal.signal(number, lambda n, _: loop.call_soon_threadsafe(self._on_signal, n))
        try:
            yield
        finally:
            for number in handled:
                with contextlib.suppress(NotImplementedError):
                    loop.remove_signal_handler(number)
                signal.signal(number, before[number])

    def _on_signal(self, number: int) -> None:
        again = self._signal is not None
        self._signal = number
        if not self._is_recorded:
            assert self._task is not None
            self._task.cancel()
        elif again:
            self._kernel.kill()
        else:
            self._progress.warn("interrupting; once more to kill the experiment at once")
            self._kernel.interrupt()
            asyncio.get_running_loop().call_later(INTERRUPT_GRACE_S, self._kernel.kill)

    # --- before the steps -------------------------------------------------------------------------

    async def _start(self) -> provenance.Environment:
        """Start the kernel, and do meanwhile what does not need it."""
        from mitosis import report

        settled = self._settled
        preparing = asyncio.gather(
            asyncio.to_thread(provenance.read_environment, settled.repository),
            asyncio.to_thread(report.prepare),
        )
        await self._kernel.start(self._folder.path)
        environment, _ = await preparing
        await self._kernel.ask(
            "prepare",
            root=str(settled.root.resolve()),
            pythonpath=[str(folder) for folder in settled.config.pythonpath],
            log=str(self._folder.path / outputs.LOG),
            debug=self._debug,
        )
        self._folder.write(outputs.REQUIREMENTS, environment.text)
        return environment

    async def _check_and_record(self, environment: provenance.Environment) -> tuple[TrialRecord, Journal | None]:
        """Import the user's code, resolve the parameters, check all of it, and record the start."""
        self._progress.phase("checking")
        await self._import()
        values = await self._evaluate()
        parameters = [self._parameter_record(argument, values[argument]) for argument in self._settled.arguments]
        variants = self._variants(values)
        await self._check_imports()
        record = self._new_record(environment, tuple(parameters))
        journal: Journal | None = None
        newly_locked = 0
        if not self._debug:
            from mitosis.journal import Journal

            assert self._settled.repository is not None and self._settled.identity is not None
            journal = Journal(self._settled.repository)
            started = journal.start(record, variants, environment.text, self._settled.identity)
            record, newly_locked = started.record, len(started.newly_locked)
        self._is_recorded = True
        self._progress.announce(
            Announcement(
                experiment=record.experiment,
                parameters=record.parameters,
                commit=record.commit,
                subject=record.subject,
                debug=self._debug,
                newly_locked=newly_locked,
                untracked_files=self._settled.untracked_files,
                checked_s=time.monotonic() - self._begun,
            )
        )
        return record, journal

    async def _import(self) -> None:
        """Execute the imports, and check that the steps are there and can be called so."""
        cell = notebooks.code_cell(self._plan.imports, "imports")
        await self._run_import_cell(cell)
        answer = await self._kernel.ask("check_steps", steps=[self._step_facts(step) for step in self._plan.steps])
        if answer["problems"]:
            raise self._refusal(answer["problems"][0])
        if answer["shadowed"] or answer["wrapped"]:
            wrapped = {tuple(names) for names in answer["wrapped"]}
            self._plan = notebooks.plan_notebook(
                self._settled.steps,
                self._settled.arguments,
                shadowed=frozenset(answer["shadowed"]),
                wrapped=frozenset(a for a in self._settled.arguments if (a.step, a.name) in wrapped),
            )
            cell.source = self._plan.imports
            await self._run_import_cell(cell, again=True)
        for index, described in enumerate(answer["steps"]):
            self._docs[described["name"]] = described["doc"] or ""
            source = self._source_of(described, self._settled.steps[index].action)
            self._steps[index] = _changed(self._steps[index], source=source)

    async def _run_import_cell(self, cell: Any, *, again: bool = False) -> None:
        try:
            error = await (self._kernel.run_cell_again(cell) if again else self._kernel.run_cell(cell))
        except KernelDied as death:
            raise ImportFailed(self._modules(), str(death), "") from death
        if error is not None:
            summary = f"{error.type}: {error.message}" if error.message else error.type
            raise ImportFailed(self._modules(), summary, "\n".join(error.traceback))

    def _modules(self) -> list[str]:
        references = [ref for step in self._settled.steps for ref in (step.action, step.lookup)]
        return list(dict.fromkeys(reference.partition(":")[0] for reference in references))

    def _step_facts(self, planned: notebooks.PlannedStep) -> dict[str, Any]:
        return {
            "name": planned.step.name,
            "action": planned.step.action,
            "lookup": planned.step.lookup,
            "parameters": [
                {"name": p.argument.name, "kind": p.argument.kind, "text": p.argument.text} for p in planned.parameters
            ],
        }

    def _refusal(self, problem: dict[str, Any]) -> MitosisError:
        """The error for a problem that `check_steps` found."""
        step = problem["step"]
        if problem["kind"] == "reference":
            return BadReference(step, problem["reference"], problem["reason"], problem["known"])
        if problem["kind"] == "signature":
            return SignatureMismatch(
                step,
                self._prefix(step),
                missing=problem["missing"],
                unknown=problem["unknown"],
                takes=problem["takes"],
                names=problem["names"],
                data=problem["data"],
            )
        return UnknownVariant(
            step,
            problem["parameter"],
            problem["variant"],
            next(s.lookup for s in self._settled.steps if s.name == step),
            problem["known"],
            parameter_known=problem["found"] == "parameter",
            error=problem["error"],
        )

    def _prefix(self, step: str) -> str:
        """What stands before a parameter of the step on the command line."""
        return "" if self._settled.request.module is not None else f"{step}."

    def _source_of(self, described: dict[str, Any], action: str) -> str | None:
        """The file of a step relative to the repository, or what it was installed from."""
        if described["file"] is None:
            return None
        path = Path(described["file"])
        root = self._settled.root.resolve()
        module = described["module"] or action.partition(":")[0]
        folders = _environment_folders()
        repository, head = self._settled.repository, self._settled.head
        if repository is not None and head is not None and not self._debug:
            imported = provenance.ImportedFile(module, str(path), None)
            committed = provenance.imported_elsewhere(
                repository, head.commit, imported, folders, self._source_folders(root)
            )
            if committed is not None:
                self._warn(
                    f"step `{described['name']}` runs {path}, not {committed} of this repository: its code is not "
                    "the commit's (install the repository in editable mode, or uninstall the copy)"
                )
        if path.is_relative_to(root) and not str(path).startswith(folders):
            return path.relative_to(root).as_posix()
        return _distribution_of(module) or str(path)

    def _source_folders(self, root: Path) -> list[str]:
        folders = ["", "src"]
        for folder in self._settled.config.pythonpath:
            if folder.resolve().is_relative_to(root):
                folders.append(folder.resolve().relative_to(root).as_posix().strip("."))
        return list(dict.fromkeys(folders))

    async def _evaluate(self) -> dict[ParameterArgument, dict[str, Any]]:
        """Execute the cells of parameters; returns what the kernel tells of each value."""
        cells = {}
        for planned in self._plan.steps:
            if planned.parameters_variable is not None:
                cell = notebooks.code_cell(notebooks.parameters_source(planned), "parameters", planned.step.name)
                cells[planned.step.name] = cell
                error = await self._kernel.run_cell(cell)
                if error is not None:
                    raise await self._parameter_refusal(planned)
        described = await self._kernel.ask(
            "describe_parameters",
            steps=[
                {
                    "variable": planned.parameters_variable,
                    "file": str(self._folder.parameters(index)),
                    "names": [parameter.argument.name for parameter in planned.parameters],
                }
                for index, planned in enumerate(self._plan.steps)
            ],
        )
        values: dict[ParameterArgument, dict[str, Any]] = {}
        for planned, answer in zip(self._plan.steps, described, strict=True):
            for parameter, value in zip(planned.parameters, answer["parameters"], strict=True):
                values[parameter.argument] = value
            for unsaved in answer["unsaved"]:
                self._warn(f"parameters of step `{planned.step.name}` could not be saved: {unsaved}")
            if planned.step.name in cells:
                comments = {
                    p.argument.name: values[p.argument]["summary"]
                    for p in planned.parameters
                    if p.argument.kind == "lookup"
                }
                cells[planned.step.name].source = notebooks.parameters_source(planned, comments)
        return values

    async def _parameter_refusal(self, planned: notebooks.PlannedStep) -> MitosisError:
        found = await self._kernel.ask("find_failed_parameter")
        parameter = notebooks.find_parameter(planned, found["line"])
        if parameter is None:
            return ExpressionFailed(
                f"a parameter of {planned.step.name}", planned.parameters[0].source, found["error"], None
            )
        argument = parameter.argument
        shown = f"{self._prefix(argument.step)}{argument.name}"
        if argument.kind == "lookup":
            return LookupFailed(shown, argument.text, found["error"])
        hint = quoting_hint(shown, argument.text) if found["name"] is not None else None
        return ExpressionFailed(shown, argument.text, found["error"], hint)

    def _parameter_record(self, argument: ParameterArgument, value: dict[str, Any]) -> ParameterRecord:
        unstable = value.get("unstable")
        if unstable is not None and argument.tracked:
            shown = f"{self._prefix(argument.step)}{argument.name}"
            if not self._debug:
                flag = "-p" if argument.kind == "lookup" else "-e"
                option = f"{flag} {shlex.quote(f'+{shown}={argument.text}')}"
                raise UntrackableParameter(shown, option, unstable["path"], unstable["reason"])
            where = f" at {unstable['path']}" if unstable["path"] else ""
            self._warn(f"the value of {shown} has no stable meaning{where}: {unstable['reason']}")
        return ParameterRecord(
            step=argument.step,
            name=argument.name,
            kind=argument.kind,
            text=argument.text,
            tracked=argument.tracked,
            digest=value.get("digest"),
            summary=value["summary"],
        )

    def _variants(self, values: dict[ParameterArgument, dict[str, Any]]) -> list[VariantValue]:
        from mitosis.journal import VariantValue

        lookups = {step.name: step.lookup for step in self._settled.steps}
        return [
            VariantValue(
                argument.step,
                argument.name,
                argument.text,
                value["digest"],
                value["value"],
                source=lookups[argument.step],
            )
            for argument, value in values.items()
            if argument.kind == "lookup" and argument.tracked and "digest" in value
        ]

    async def _check_imports(self) -> None:
        repository, head = self._settled.repository, self._settled.head
        if self._debug or repository is None or head is None:
            return
        answer = await self._kernel.ask("list_imports", root=str(repository.root.resolve()))
        files = [provenance.ImportedFile(module, path, oid) for module, path, oid in answer["files"]]
        provenance.check_imports(repository, head.commit, files, answer["folders"])

    def _new_record(self, environment: provenance.Environment, parameters: tuple[ParameterRecord, ...]) -> TrialRecord:
        from mitosis.journal import experiment_name

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
            process=provenance.this_process(),
            environment=environment.digest,
            subject=settled.head.subject if settled.head is not None else "",
            branch=settled.head.branch if settled.head is not None else None,
            interpreter=environment.interpreter,
            platform=environment.platform,
            cpu_count=environment.cpu_count,
            command=provenance.command_line(),
            variables=environment.variables,
            untracked_files=settled.untracked_files,
            trials_folder=_recordable(settled.trials_folder),
            folder=_recordable(self._folder.path.name),
            step=0,
        )

    # --- the steps --------------------------------------------------------------------------------

    async def _run_steps(self, record: TrialRecord) -> TrialRecord:
        """Run the steps until one fails or a signal comes; returns the record of how it went."""
        begun = time.monotonic()
        status: Status = "finished"
        failure: Failure | None = None
        pass_data = False
        index = 0
        for index, planned in enumerate(self._plan.steps):
            previous = self._plan.steps[index - 1] if pass_data else None
            self._progress.step_started(planned.step.name, index + 1, len(self._plan.steps))
            try:
                failure, pass_data = await self._run_step(index, planned, previous)
            except KernelDied as death:
                failure = Failure("kernel", str(death), step=planned.step.name)
            except AnswerFailed as error:
                failure = Failure("mitosis", f"mitosis failed to look at it: {error.reason}", step=planned.step.name)
            if self._signal is not None:
                status = "interrupted"
                name = signal.Signals(self._signal).name
                failure = Failure("interrupt", f"interrupted by {name}", step=planned.step.name)
            elif failure is not None:
                status = "failed"
            self._progress.step_ended(self._steps[index], None if failure is None else _summary(failure))
            if failure is not None:
                break
        if status == "finished":
            await self._show_results()
        await self._measure()
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
        self, index: int, planned: notebooks.PlannedStep, previous: notebooks.PlannedStep | None
    ) -> tuple[Failure | None, bool]:
        """Run one step; returns why it failed, and whether the next one gets its data."""
        name = planned.step.name
        cell = notebooks.code_cell(notebooks.call_source(planned, previous), "step", name)
        cell.metadata["mitosis"]["doc"] = self._docs.get(name) or None
        begun = time.monotonic()
        try:
            error = await self._kernel.run_cell(cell)
        finally:
            duration_s = time.monotonic() - begun
            cell.metadata["mitosis"]["duration_s"] = duration_s
            self._steps[index] = _changed(self._steps[index], duration_s=duration_s)
        if error is not None:
            return await self._failure(name, error), False
        successor = self._plan.steps[index + 1] if index + 1 < len(self._plan.steps) else None
        answer = await self._kernel.ask(
            "take_result",
            variable=planned.variable,
            file=str(self._folder.results(index)),
            successor=None
            if successor is None
            else {
                "name": successor.step.name,
                "action": successor.step.action,
                "given": [parameter.argument.name for parameter in successor.parameters],
            },
        )
        self._usage = answer["usage"]
        self._steps[index] = _changed(self._steps[index], main=answer["main"], metrics=answer["metrics"])
        for unsaved in answer["unsaved"]:
            self._warn(f"step `{name}`: a part of its result could not be saved: {unsaved}")
        for warning in answer["warnings"]:
            self._warn(f"step `{name}`: {warning}")
        if answer["problem"] is not None:
            return Failure("result", answer["problem"], step=name), False
        await self._check_late_imports(name)
        if answer["has_metrics"]:
            await self._show(f'{planned.variable}["metrics"]', "metrics", name)
        return None, answer["pass_data"]

    async def _failure(self, step: str, error: CellError) -> Failure:
        facts = await self._kernel.ask("describe_failure", root=str(self._settled.root.resolve()))
        self._context = tuple((number, text) for number, text in facts["context"])
        self._failed_line = facts["line"]
        message = facts["message"] or error.message
        return Failure("exception", message, facts["type"] or error.type, step, facts["location"])

    async def _check_late_imports(self, step: str) -> None:
        """What a step imported while it ran is checked too, but then it is too late to refuse."""
        try:
            await self._check_imports()
        except MitosisError as error:
            self._warn(f"while step `{step}` ran, {error}")

    async def _show_results(self) -> None:
        await self._show(f'{self._plan.steps[-1].variable}["{_MAIN_KEY}"]', "result", self._plan.steps[-1].step.name)

    async def _show(self, source: str, kind: str, step: str) -> None:
        """Let the notebook show a result. That the result cannot be shown does not fail the trial."""
        try:
            error = await self._kernel.run_cell(notebooks.code_cell(source, kind, step))
        except KernelDied as death:
            self._warn(f"step `{step}`: showing {source} ended the kernel: {death}")
            return
        if error is not None:
            self._warn(f"step `{step}`: {source} cannot be shown: {error.type}: {error.message}")

    async def _measure(self) -> None:
        if self._kernel.is_alive:
            with contextlib.suppress(KernelDied, AnswerFailed):
                self._usage = await self._kernel.ask("measure_usage")

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

    def _finish(self, record: TrialRecord, journal: Journal | None, page: Path | None) -> Outcome:
        """List the outputs, which are complete now that the kernel has ended, and record the end."""
        try:
            listed, unlisted = self._folder.list_outputs(page)
        except OSError as error:
            self._warn(f"the outputs cannot be listed: {error}")
            listed, unlisted = (), 0
        if unlisted:
            self._warn(f"{unlisted} more files of the trial's folder are not listed in its record")
        record = record.with_changes(
            outputs=listed,
            page=page.name if page is not None else None,
            warnings=tuple(self._warnings),
        )
        if journal is not None:
            self._record_end(journal, record)
        return Outcome(
            record=record,
            debug=self._debug,
            trials_folder=self._settled.trials_folder,
            page=page,
            folder=self._folder.path,
            context=self._context,
            failed_line=self._failed_line,
            signal=self._signal,
        )

    def _save(self, record: TrialRecord, environment: provenance.Environment) -> Path | None:
        """Write notebook, source and page; returns the page's path, None if it could not be written."""
        import nbformat

        from mitosis import report

        try:
            self._folder.write(outputs.NOTEBOOK, nbformat.writes(self._notebook) + "\n")
            self._folder.write(outputs.SOURCE, notebooks.script(self._notebook))
        except FolderNotWritable as error:
            self._warn(f"the notebook could not be written to {self._folder.path}: {error.reason}")
        try:
            html = report.render_page(self._notebook, self._page_facts(record, environment))
            return self._folder.write_page(report.page_name(record, debug=self._debug), html)
        except Exception as error:  # whatever an experiment displays, its trial has to be recorded
            self._warn(f"the page could not be made: {type(error).__name__}: {error}")
            return None

    def _page_facts(self, record: TrialRecord, environment: provenance.Environment) -> Any:
        from mitosis import report

        folder = self._folder.path.name
        names = {"notebook": outputs.NOTEBOOK, "source": outputs.SOURCE, "log": outputs.LOG}
        links = {label: f"{folder}/{name}" for label, name in names.items() if (self._folder.path / name).exists()}
        for index, step in enumerate(self._steps):
            if self._folder.results(index).exists():
                links[f"results of {step.name}"] = f"{folder}/{self._folder.results(index).name}"
        return report.PageFacts(
            record=record,
            environment=environment.text,
            log=self._folder.read_log(LOG_SHOWN_BYTES),
            debug=self._debug,
            folder=folder,
            links=links,
            rerun=shlex.join(rerun_command(self._settled.request)),
        )

    def _record_end(self, journal: Journal, record: TrialRecord) -> None:
        from mitosis.errors import NoteNotWritten

        assert self._settled.identity is not None and self._settled.repository is not None
        try:
            journal.end(record, self._settled.repository.identity())
        except NoteNotWritten as error:
            self._progress.warn(str(error))
        except MitosisError as error:
            raise NotRecorded(record.key, record.status, str(error), self._folder.path) from error

    def _warn(self, text: str) -> None:
        self._warnings.append(text)
        self._progress.warn(text)


def _changed(step: StepRecord, **changes: Any) -> StepRecord:
    import dataclasses

    return dataclasses.replace(step, **changes)


def _summary(failure: Failure) -> str:
    if failure.type is None:
        return failure.message
    first = failure.message.splitlines()[0] if failure.message else ""
    return f"{failure.type}: {first}" if first else failure.type


def _recordable(path: Path | str) -> str:
    return os.fspath(path).encode("utf-8", "backslashreplace").decode()


def _environment_folders() -> tuple[str, ...]:
    import sys
    import sysconfig

    names: Sequence[str] = ("purelib", "platlib", "stdlib")
    return (*(sysconfig.get_paths()[name] for name in names), *([sys.prefix] if sys.prefix != sys.base_prefix else []))


def _distribution_of(module: str) -> str | None:
    """Name and version of the distribution that a module was installed with."""
    from importlib import metadata

    for name in metadata.packages_distributions().get(module.partition(".")[0], []):
        return f"{name} {metadata.version(name)}"
    return None


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
