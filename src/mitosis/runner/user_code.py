"""Have the kernel import the user's code and resolve the parameters, and check both: the last that can be refused."""

from __future__ import annotations

import dataclasses
import os
import shlex
from collections.abc import Callable, Sequence
from importlib import metadata
from pathlib import Path
from typing import Any

from mitosis import notebook as notebooks
from mitosis.errors.base import MitosisError
from mitosis.errors.experiment import (
    BadReference,
    ExperimentError,
    ExpressionFailed,
    ImportFailed,
    LookupFailed,
    SignatureMismatch,
    UnknownVariant,
)
from mitosis.errors.journal import JournalError
from mitosis.errors.values import UntrackableParameter
from mitosis.kernel.kernel import Kernel
from mitosis.kernel.kernel_process import AnswerFailed, KernelDied
from mitosis.parameters import ParameterArgument, instead_of, quoting_hint
from mitosis.protocol import (
    CheckSteps,
    DescribedStep,
    DescribedValue,
    DescribeParameters,
    FindFailedParameter,
    GivenParameter,
    ImportedFile,
    Imports,
    ListImports,
    Meaning,
    MissingVariant,
    NoMeaning,
    ParametersOfStep,
    StepToCheck,
    UnresolvedReference,
    WrongParameters,
)
from mitosis.provenance.imported_code import check_imports, imported_elsewhere
from mitosis.records.trial import ParameterRecord, StepRecord
from mitosis.runner.refusals import Settled
from mitosis.runner.trial_folder import TrialFolder
from mitosis.variants import Variant, VariantName


class Loader:
    """Loads an experiment into the kernel.

    Args:
        settled: what to run.
        kernel: where.
        folder: of the trial; the parameters are saved to it.
        warn: is told what the user should know and what stops nothing.

    Attributes:
        plan: of the notebook.
        steps: records of the steps; once they are loaded, with the file of each step's code.
        described: what the steps say of themselves, by name.
        parameters: records of the parameters, once they are loaded: those that are given, then the defaults.
        variants: what the tracked lookup parameters mean.
        values: canonical values of parameters by `step.name`, of those that have one.
        imported: what of the commit was imported when `check_imports` found nothing wrong last.
        parameters_of: what was asked of the parameters of each step, by its name.
    """

    def __init__(self, settled: Settled, kernel: Kernel, folder: TrialFolder, warn: Callable[[str], None]) -> None:
        self._settled = settled
        self._kernel = kernel
        self._folder = folder
        self._warn = warn
        self.is_debug = settled.request.debug
        self.root = str(settled.root.resolve())
        self._is_registered = settled.request.module is None
        self.plan = notebooks.plan_notebook(settled.steps, settled.arguments)
        self.steps = [
            StepRecord(step.name, step.action, step.lookup, main_name=step.main, better=step.better)
            for step in settled.steps
        ]
        self.described: dict[str, DescribedStep] = {}
        self.parameters: tuple[ParameterRecord, ...] = ()
        self.variants: tuple[Variant, ...] = ()
        self.values: dict[str, bytes] = {}
        self.imported: tuple[str, ...] = ()
        self.parameters_of: dict[str, ParametersOfStep] = {}

    async def load(self) -> None:
        """Import the steps, evaluate the parameters, and check all of it.

        Raises:
            MitosisError: what is wrong; no step ran.
        """
        try:
            await self._import()
            values, defaults, imports = await self._evaluate()
            given = [self._parameter_record(a, values[a]) for a in self._settled.arguments]
            self.parameters = (*given, *(self.default_record(step, value) for step, value in defaults))
            described = [(a.step, value) for a, value in values.items()] + defaults
            self.values = {f"{s}.{v.name}": v.meaning.data for s, v in described if isinstance(v.meaning, Meaning)}
            self.check_imports(imports)
        except KernelDied as death:
            raise ExperimentError(f"{death}\nIt was about to evaluate the parameters; no step ran.") from death
        except AnswerFailed as failure:
            raise ExperimentError(
                f"the experiment's code or values cannot be inspected: {failure.reason}\n"
                f"It happened in `{failure.question}`; no step ran."
            ) from failure
        self.variants = tuple(self._variants(values))

    async def _import(self) -> None:
        """Execute the imports, and check that the steps are there and can be called so."""
        cell = notebooks.code_cell(self.plan.imports, "imports")
        await self._run_import_cell(cell)
        question = CheckSteps(tuple(self._step_to_check(step) for step in self.plan.steps))
        checked, imports = await self._kernel.ask_all(question, self.list_imports())
        if checked.problem is not None:
            raise self._refusal(checked.problem)
        if checked.shadowed or checked.wrapped or checked.awaited:
            self.plan = notebooks.plan_notebook(
                self._settled.steps,
                self._settled.arguments,
                shadowed=frozenset(checked.shadowed),
                wrapped=frozenset(a for a in self._settled.arguments if (a.step, a.name) in checked.wrapped),
                awaited=frozenset(checked.awaited),
            )
            if cell.source != self.plan.imports:
                cell.source = self.plan.imports
                await self._run_import_cell(cell, again=True)
        for index, described in enumerate(checked.steps):
            self.described[described.name] = described
            source = self._source_of(described, self._settled.steps[index].action, imports.folders)
            self.steps[index] = dataclasses.replace(self.steps[index], source=source)

    async def _run_import_cell(self, cell: Any, *, again: bool = False) -> None:
        try:
            error = await (self._kernel.run_cell_again(cell) if again else self._kernel.run_cell(cell))
        except KernelDied as death:
            raise ImportFailed(self._modules(), str(death), "") from death
        if error is not None:
            summary = f"{error.type}: {error.message}" if error.message else error.type
            raise ImportFailed(self._modules(), summary, "\n".join(error.traceback))

    def _modules(self) -> list[str]:
        references = [ref for step in self._settled.steps for ref in step.references]
        return list(dict.fromkeys(reference.partition(":")[0] for reference in references))

    def _step_to_check(self, planned: notebooks.PlannedStep) -> StepToCheck:
        return StepToCheck(
            name=planned.step.name,
            action=planned.step.action,
            lookup=planned.step.lookup,
            needs_lookup=self._is_registered or any(p.argument.kind == "lookup" for p in planned.parameters),
            parameters=tuple(
                GivenParameter(p.argument.name, p.argument.kind, p.argument.text) for p in planned.parameters
            ),
        )

    def _refusal(self, problem: UnresolvedReference | WrongParameters | MissingVariant) -> MitosisError:
        """The error for a problem that the kernel found."""
        step = problem.step
        if isinstance(problem, UnresolvedReference):
            return BadReference(step, problem.reference, problem.reason, problem.known, registered=self._is_registered)
        if isinstance(problem, WrongParameters):
            return SignatureMismatch(
                step,
                self._prefix(step),
                missing=problem.missing,
                unknown=problem.unknown,
                takes=problem.takes,
                names=problem.names,
                from_step=problem.from_step if self._is_registered else None,
            )
        new_names, other_names = self._other_names(step, problem.parameter, problem.variant)
        return UnknownVariant(
            step,
            problem.parameter,
            problem.variant,
            next(s.lookup for s in self._settled.steps if s.name == step) or "",
            problem.known,
            parameter_known=problem.has_parameter,
            error=problem.error,
            instead=instead_of(problem.variant, self._prefix(step) + problem.parameter) if problem.is_taken else None,
            new_names=new_names,
            there=[name for name in other_names if name in problem.known and problem.has_parameter],
            other_keys=problem.other_keys,
            alike=problem.alike,
        )

    def _other_names(self, step: str, parameter: str, variant: str) -> tuple[Sequence[str], Sequence[str]]:
        """What the journal says that a variant is called now, and all that it was ever called besides."""
        from mitosis.journal.journal import Journal
        from mitosis.journal.standing import latest_names, same_names

        if self._settled.repository is None:
            return (), ()
        try:
            remarks = Journal(self._settled.repository).remarks()
        except JournalError:  # this is only for a hint: a trial that is recorded says what is wrong with the journal
            return (), ()
        name = VariantName(step, parameter, variant)
        return latest_names(remarks, name), sorted(same_names(remarks).get(name, ()))

    def _prefix(self, step: str) -> str:
        """What stands before a parameter of the step on the command line."""
        return "" if self._settled.request.module is not None else f"{step}."

    def _source_of(self, described: DescribedStep, action: str, folders: Sequence[str]) -> str | None:
        """The file of a step relative to the repository, or what it was installed from.

        Also warns where the code is not the commit's, although the commit has a file of that name.

        Args:
            described: what the kernel tells of the step.
            action: the step's reference.
            folders: of the interpreter's environment.
        """
        if described.file is None:
            return None
        path = Path(described.file)
        root = self._settled.root.resolve()
        module = described.module or action.partition(":")[0]
        repository, head = self._settled.repository, self._settled.head
        if repository is not None and head is not None and not self.is_debug:
            imported = ImportedFile(module, str(path), None)
            committed = imported_elsewhere(repository, head.commit, imported, folders, self._source_folders(root))
            if committed is not None:
                self._warn(
                    f"step `{described.name}` runs {path}, not {committed} of this repository, so its code is "
                    "not the commit's (install the repository in editable mode, or uninstall the copy)"
                )
        if path.is_relative_to(root) and not any(path.is_relative_to(folder) for folder in folders):
            return path.relative_to(root).as_posix()
        return _distribution_of(module) or str(path)

    def _source_folders(self, root: Path) -> list[str]:
        folders = ["", "src"]
        for folder in self._settled.config.pythonpath:
            if folder.resolve().is_relative_to(root):
                name = folder.resolve().relative_to(root).as_posix()
                folders.append("" if name == "." else name)
        return list(dict.fromkeys(folders))

    async def _evaluate(
        self,
    ) -> tuple[dict[ParameterArgument, DescribedValue], list[tuple[str, DescribedValue]], Imports]:
        """Execute the cells of parameters.

        Returns:
            What the kernel tells of each value, the step and value of each default, and what is imported then.
        """
        cells = {}
        for planned in self.plan.steps:
            if planned.parameters_variable is not None:
                cell = notebooks.code_cell(notebooks.parameters_source(planned), "parameters", planned.step.name)
                cells[planned.step.name] = cell
                error = await self._kernel.run_cell(cell)
                if error is not None:
                    raise await self._parameter_refusal(planned)
        self.parameters_of = {
            planned.step.name: ParametersOfStep(
                variable=planned.parameters_variable,
                file=str(self._folder.parameters(index)),
                names=tuple(parameter.argument.name for parameter in planned.parameters),
                action=planned.step.action,
                takes_data=index > 0,
                secrets={p.argument.name: p.argument.text for p in planned.parameters if p.argument.secret},
            )
            for index, planned in enumerate(self.plan.steps)
        }
        steps = tuple(self.parameters_of.values())
        question = DescribeParameters(steps, self.root, str(self._folder.path), self._settled.config.secrets)
        described, imports = await self._kernel.ask_all(question, self.list_imports())
        values: dict[ParameterArgument, DescribedValue] = {}
        defaults: list[tuple[str, DescribedValue]] = []
        for planned, answer in zip(self.plan.steps, described, strict=True):
            for parameter, value in zip(planned.parameters, answer.values, strict=True):
                values[parameter.argument] = value
            defaults += ((planned.step.name, value) for value in answer.defaults)
            for unsaved in answer.unsaved:
                self._warn(f"parameters of step `{planned.step.name}` could not be saved: {unsaved}")
            if planned.step.name in cells:
                comments = {
                    p.argument.name: values[p.argument].summary
                    for p in planned.parameters
                    if p.argument.kind == "lookup"
                }
                cells[planned.step.name].source = notebooks.parameters_source(planned, comments)
        return values, defaults, imports

    async def _parameter_refusal(self, planned: notebooks.PlannedStep) -> MitosisError:
        given = {parameter.argument.name: parameter.argument.text for parameter in planned.parameters}
        failed = await self._kernel.ask(FindFailedParameter(planned.step.lookup, given))
        parameter = notebooks.find_parameter(planned, failed.line)
        if parameter is None:
            return ExpressionFailed(
                f"a parameter of {planned.step.name}", planned.parameters[0].source, failed.error, None
            )
        argument = parameter.argument
        shown = f"{self._prefix(argument.step)}{argument.name}"
        if argument.kind == "lookup":
            return LookupFailed(shown, argument.text, failed.error)
        hint = None
        if failed.is_unknown_name and argument.name in failed.variants:
            hint = f"It is the name of a variant: -p {shown}={argument.text}"
        elif failed.is_unknown_name:
            hints = [] if "(" in argument.text else [quoting_hint(shown, argument.text)]
            if not argument.text.isidentifier():
                modules = ", ".join(f"`{module}`" for module in self._modules())
                hints.append(
                    f"An expression can use {', '.join(notebooks.EXPRESSION_NAMES)}, Python's built-in names, and what "
                    f"{modules} has, such as {self._modules()[0]}.NAME"
                )
            hint = "\n".join(hints)
        return ExpressionFailed(shown, argument.text, failed.error, hint)

    def _lasting(self, value: DescribedValue) -> Meaning | NoMeaning:
        """The meaning of a value, if it is the same in every trial."""
        if isinstance(value.meaning, Meaning) and os.fsencode(self._folder.path) in value.meaning.data:
            return NoMeaning("", "it holds the path of this trial's folder, which is another for each trial")
        return value.meaning

    def default_record(self, step: str, value: DescribedValue, *, tracked: bool = True) -> ParameterRecord:
        """The record of a default argument; one whose value has no digest is not tracked."""
        meaning = self._lasting(value)
        digest = meaning.digest if isinstance(meaning, Meaning) else None
        is_tracked = tracked and digest is not None
        return ParameterRecord(step, value.name, "default", value.summary, is_tracked, digest, value.summary)

    def _parameter_record(self, argument: ParameterArgument, value: DescribedValue) -> ParameterRecord:
        meaning = self._lasting(value)
        if isinstance(meaning, NoMeaning) and argument.tracked:
            shown = f"{self._prefix(argument.step)}{argument.name}"
            if not self.is_debug:
                flag = "-p" if argument.kind == "lookup" else "-e"
                option = f"{flag} {shlex.quote(f'+{shown}={argument.text}')}"
                raise UntrackableParameter(shown, option, meaning.path, meaning.reason)
            where = f" at {meaning.path}" if meaning.path else ""
            self._warn(f"the value of {shown} has no stable meaning{where}: {meaning.reason}")
        return ParameterRecord(
            step=argument.step,
            name=argument.name,
            kind=argument.kind,
            text=argument.text,
            tracked=argument.tracked,
            digest=meaning.digest if isinstance(meaning, Meaning) else None,
            summary=value.summary,
        )

    def _variants(self, values: dict[ParameterArgument, DescribedValue]) -> list[Variant]:
        lookups = {step.name: step.lookup for step in self._settled.steps}
        return [
            Variant(
                VariantName(argument.step, argument.name, argument.text),
                value.meaning.digest,
                value.meaning.data,
                source=lookups[argument.step] or "",
                functions=value.meaning.functions,
                text=value.summary,
            )
            for argument, value in values.items()
            if argument.kind == "lookup" and argument.tracked and isinstance(value.meaning, Meaning)
        ]

    def list_imports(self) -> ListImports:
        """The question whose answer `check_imports` takes."""
        return ListImports(self.root)

    def check_imports(self, imports: Imports) -> None:
        """Check that everything imported from the working tree so far is as in the commit.

        Args:
            imports: the kernel's answer to `list_imports`.

        Raises:
            UncommittedImports: something is not.
        """
        repository, head = self._settled.repository, self._settled.head
        if not self.is_debug and repository is not None and head is not None:
            self.imported = check_imports(repository, head.commit, imports.files, imports.folders)


def _distribution_of(module: str) -> str | None:
    """Name and version of the distribution that a module was installed with."""
    for name in metadata.packages_distributions().get(module.partition(".")[0], []):
        return f"{name} {metadata.version(name)}"
    return None
