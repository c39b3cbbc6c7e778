"""Every error that a user can cause.

A `MitosisError` says what happened, where, and what to do next. The command line prints it without a
traceback and exits with the class's `exit_status`. Errors carry their facts as attributes; the class
builds the text.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

_SHOWN_LIMIT = 10
_WINDOW = 80


def bulleted(items: Sequence[str], *, limit: int = _SHOWN_LIMIT) -> str:
    """Indent `items` one a line, the first `limit` of them and a count of the rest."""
    lines = [f"    {item}" for item in items[:limit]]
    if len(items) > limit:
        lines.append(f"    ... and {len(items) - limit} more")
    return "\n".join(lines)


def _window(text: str, column: int) -> str:
    """The part of a long line that is around `column` (from 1), which is then at most at the middle."""
    start = max(0, column - 1 - _WINDOW // 2)
    before = "…" if start else ""
    after = "…" if len(text) > start + _WINDOW else ""
    return before + text[start + len(before) : start + _WINDOW] + after


def nearest(name: str, known: Iterable[str]) -> list[str]:
    """The names among `known` that somebody who typed `name` may have meant."""
    return difflib.get_close_matches(name, list(known), n=3, cutoff=0.5)


class MitosisError(RuntimeError):
    """Base of every error that mitosis raises on purpose."""

    exit_status: ClassVar[int] = 2


# --- the repository -------------------------------------------------------------------------------


class RepositoryError(MitosisError):
    """The repository at hand cannot be used, or not for this."""


class NotARepository(RepositoryError):
    """Attributes: folder."""

    def __init__(self, folder: Path, *, to_record: bool = False) -> None:
        self.folder = folder
        if to_record:
            super().__init__(
                f"{folder} is not inside a git repository, so no commit could be recorded\n"
                "Run `git init` and commit your code, or pass --debug to try things out without recording."
            )
        else:
            super().__init__(f"{folder} is not inside a git repository\nChange to the repository of your experiments.")


class BareRepository(RepositoryError):
    def __init__(self, folder: Path) -> None:
        self.folder = folder
        super().__init__(
            f"{folder} is a bare repository: it has no working tree to run an experiment from\n"
            "Run mitosis in a clone of it or in a worktree (`git worktree add`)."
        )


class NotInWorkTree(RepositoryError):
    def __init__(self, folder: Path, git_dir: Path) -> None:
        self.folder = folder
        self.git_dir = git_dir
        super().__init__(
            f"{folder} is not in the working tree of the repository {git_dir}\n"
            "Run mitosis in the folder that holds your code."
        )


class NoCommit(RepositoryError):
    def __init__(self, root: Path) -> None:
        self.root = root
        super().__init__(
            f"the repository {root} has no commit yet, so there is no code to record a trial of\n"
            "Commit your experiment first (`git add ... && git commit`), or pass --debug."
        )


class NoIdentity(RepositoryError):
    def __init__(self, reason: str) -> None:
        self.reason = reason
        super().__init__(
            f"git does not know who you are, and a trial is recorded under a name\n{bulleted(reason.splitlines())}\n"
            'Tell it: git config user.name "Your Name" && git config user.email you@example.org'
        )


class UnsupportedRepository(RepositoryError):
    def __init__(self, root: Path, feature: str, remedy: str) -> None:
        self.root = root
        self.feature = feature
        super().__init__(f"the repository {root} uses {feature}, which mitosis cannot write\n{remedy}")


class DirtyRepository(RepositoryError):
    """Attributes: changes, lines such as ` M sine_experiment/__init__.py`."""

    def __init__(self, changes: Sequence[str]) -> None:
        self.changes = list(changes)
        super().__init__(
            "the repository has changes that are not committed, so this trial could not be reproduced\n"
            f"{bulleted(self.changes)}\n"
            "Commit or stash them, or pass --debug to try things out without recording."
        )


class UncommittedImports(RepositoryError):
    """Imported code that is not the commit's.

    Attributes:
        commit: full id of the commit.
        imports: module, path relative to the working tree, and the reason, for each file.
    """

    def __init__(self, commit: str, imports: Sequence[tuple[str, str, str]]) -> None:
        self.commit = commit
        self.imports = list(imports)
        width = min(40, max(len(path) for _, path, _ in self.imports))
        lines = [f"{path:<{width}}  {reason} (module {module})" for module, path, reason in self.imports]
        number = "a file was imported that is" if len(lines) == 1 else f"{len(lines)} files were imported that are"
        super().__init__(
            f"{number} not as in commit {commit[:7]}, so this trial could not be reproduced\n{bulleted(lines)}\n"
            "Commit what the experiment imports, or pass --debug to try things out without recording."
        )


class GitError(RepositoryError):
    """The git program failed. Attributes: command, status (exit status), output (what git said)."""

    def __init__(self, command: Sequence[str], status: int, output: str) -> None:
        self.command = list(command)
        self.status = status
        self.output = output.strip()
        said = self.output or "it said nothing"
        super().__init__(f"`{' '.join(self.command)}` failed with status {status}\n{bulleted(said.splitlines())}")


class UnreadableObject(RepositoryError):
    """An object of the repository is missing, damaged or too large. Attributes: oid, reason (a clause on `it`)."""

    def __init__(self, oid: str, reason: str) -> None:
        self.oid = oid
        self.reason = reason
        super().__init__(
            f"the object {oid} cannot be read from the repository: {reason}\n"
            "`git fsck` tells what else is damaged; a collaborator's clone or a backup may have it."
        )


class GitMissing(RepositoryError):
    def __init__(self) -> None:
        super().__init__("the program `git` was not found on PATH\nInstall git 2.31 or newer and try again.")


# --- configuration and the command line -----------------------------------------------------------


class ConfigError(MitosisError):
    """A configuration file that cannot be used. Attributes: path, key (dotted, where there is one)."""

    def __init__(self, path: Path, message: str, *, key: str | None = None) -> None:
        self.path = path
        self.key = key
        where = f"{path}, [{key}]" if key else str(path)
        super().__init__(f"{where}: {message}")


class UnknownStep(MitosisError):
    def __init__(self, name: str, known: Iterable[str], path: Path) -> None:
        self.name = name
        self.known = sorted(known)
        self.path = path
        near = nearest(name, self.known)
        hint = f"Did you mean {' or '.join(f'`{n}`' for n in near)}? " if near else ""
        super().__init__(
            f"there is no step `{name}` in {path}\n"
            f"    registered: {', '.join(self.known) or 'none'}\n"
            f"{hint}Steps are registered in the table [tool.mitosis.steps]."
        )


class UsageError(MitosisError):
    """What was asked for on the command line makes no sense as it stands."""


class NoStep(UsageError):
    def __init__(self, known: Iterable[str], path: Path) -> None:
        self.known = sorted(known)
        self.path = path
        super().__init__(
            f"no step is given\n    registered in {path}: {', '.join(self.known) or 'none'}\n"
            "Name one, or several for a chain: mitosis STEP..."
        )


class RepeatedStep(UsageError):
    def __init__(self, name: str) -> None:
        self.name = name
        super().__init__(
            f"the step `{name}` stands twice, and its parameters could not be told apart\n"
            "Register the same callable under a second name to run it twice."
        )


def _module_hint(module: str) -> str:
    if not module.endswith(".py"):
        return ""
    return f": did you mean -m {module.removesuffix('.py').removeprefix('./').replace('/', '.')}?"


class BadModule(UsageError):
    def __init__(self, module: str) -> None:
        self.module = module
        super().__init__(
            f"`{module}` is no module to run{_module_hint(module)}\nWrite -m package.module for its `run` and "
            "`lookup_dict`, or -m package.module:Class for those of a class."
        )


class MalformedParameter(UsageError):
    """A parameter that cannot be read. Attributes: option (as it was given), reason, remedy."""

    def __init__(self, option: str, reason: str, remedy: str) -> None:
        self.option = option
        self.reason = reason
        self.remedy = remedy
        super().__init__(f"cannot read `{option}`: {reason}\n{remedy}")


class MisdirectedParameter(UsageError):
    """A parameter of a step that is not run. Attributes: option, step, steps (those that are run)."""

    def __init__(self, option: str, step: str, steps: Sequence[str]) -> None:
        self.option = option
        self.step = step
        self.steps = list(steps)
        near = nearest(step, steps)
        hint = f"Did you mean `{near[0]}`?" if near else "Add the step to the command, or leave the parameter out."
        super().__init__(
            f"`{option}` is for the step `{step}`, which is not run\n    steps: {', '.join(self.steps)}\n{hint}"
        )


class RepeatedParameter(UsageError):
    """A parameter that is given twice. Attributes: parameter, options (as they were given)."""

    def __init__(self, parameter: str, options: Sequence[str]) -> None:
        self.parameter = parameter
        self.options = list(options)
        super().__init__(f"`{parameter}` is given more than once\n{bulleted(self.options)}\nLeave one of them.")


class BadExpression(UsageError):
    """The expression of an eval parameter is no Python.

    Attributes: parameter, expression, reason, line and column (from 1; None where Python does not say).
    """

    def __init__(
        self, parameter: str, expression: str, reason: str, line: int | None, column: int | None, hint: str
    ) -> None:
        self.parameter = parameter
        self.expression = expression
        self.reason = reason
        self.line = line
        self.column = column
        shown = [_window(text, 1) for text in expression.splitlines()]
        if line is not None and column is not None and line <= len(shown):
            text = expression.splitlines()[line - 1]
            shown[line - 1 : line] = [_window(text, column), " " * min(column - 1, _WINDOW // 2) + "^"]
        super().__init__(f"the expression of {parameter} is not valid Python: {reason}\n{bulleted(shown)}\n{hint}")


# --- values and locks -----------------------------------------------------------------------------


class UnstableValue(MitosisError):
    """A value without a meaning that lasts.

    Attributes:
        path: where it is inside the value, such as `solver.tol` or `kernel[3]`; empty for the value itself.
        reason: why it has no stable meaning, a clause such as `a lambda has no name to find it by`.
    """

    def __init__(self, path: str, reason: str) -> None:
        self.path = path
        self.reason = reason
        super().__init__(f"{path or 'the value'}: {reason}")


class UntrackableParameter(MitosisError):
    """A tracked parameter of the command line whose value cannot be locked or compared."""

    def __init__(self, parameter: str, option: str, path: str, reason: str) -> None:
        self.parameter = parameter
        self.path = path
        self.reason = reason
        where = f" (at {path})" if path else ""
        super().__init__(
            f"the value of {parameter} has no stable meaning{where}: {reason}\n"
            f"Put a + before it to record it without tracking: {option}"
        )


@dataclass(frozen=True, slots=True)
class Meaning:
    """A value that is recorded for a variant, in texts for people."""

    digest: str
    summary: str
    author: str
    """Name of who locked it; empty if the journal does not tell."""
    date: str
    """The day it was locked, `YYYY-MM-DD`; empty if the journal does not tell."""
    commit: str | None
    """The experiment's commit that it was locked at."""
    used_by: int
    """How many trials used it."""

    @property
    def uses(self) -> str:
        return f"{self.used_by} trial{'' if self.used_by == 1 else 's'}"

    @property
    def origin(self) -> str:
        """Such as `by Ada Lovelace on 2026-03-01, commit 8c1d2e0, used by 14 trials`."""
        parts = [f"by {self.author} on {self.date}"] if self.author else []
        parts += [f"commit {self.commit[:7]}"] if self.commit else []
        return ", ".join([*parts, f"used by {self.uses}"])


@dataclass(frozen=True, slots=True)
class Redefinition:
    """A variant that is locked to another value than the one at hand."""

    step: str
    parameter: str
    variant: str
    locked: Meaning
    now_digest: str
    now_summary: str
    differences: tuple[tuple[str, str], ...]
    """Path of each leaf that differs, empty for the value itself, and in what."""
    same_count: int
    """How many leaves do not differ."""
    source: str
    """Where the value at hand comes from, such as `sine_experiment:lookup_dict`."""
    more_count: int = 0
    """How many leaves differ beyond `differences`."""

    @property
    def is_whole(self) -> bool:
        """Whether the values differ as such, and look different, not in parts of theirs."""
        return all(not path for path, _ in self.differences) and self.locked.summary != self.now_summary

    def lines(self) -> list[str]:
        head = f"variant `{self.variant}` of `{self.step}.{self.parameter}` is locked to another value"
        return [head, *(self._whole_lines() if self.is_whole else self._part_lines())]

    def _whole_lines(self) -> list[str]:
        texts = (self.locked.summary, self.now_summary)
        width = max(map(len, texts))
        notes = (self.locked.origin, self.source)
        return [
            f"    {name} {text:{width}}    {note}".rstrip()
            for name, text, note in zip(("locked:", "now:   "), texts, notes, strict=True)
        ]

    def _part_lines(self) -> list[str]:
        shown = self.differences[:_SHOWN_LIMIT]
        named = [(path or "value", text) for path, text in shown]
        width = max(len(path) for path, _ in named) + 1
        lines = [f"    {f'{path}:':{width}}  {text}" for path, text in named]
        more = self.more_count + len(self.differences) - len(shown)
        if more:
            lines.append(f"    ... and {more} more")
        if self.same_count:
            same = "1 other leaf is" if self.same_count == 1 else f"{self.same_count} other leaves are"
            lines.append(f"    ({same} the same)")
        return lines


class VariantRedefined(MitosisError):
    """Variants are locked to other values than those at hand.

    Attributes:
        redefinitions: all of them, in the order in which the variants were given.
        step, parameter, variant, locked, now_digest, differences, same_count, source: those of the first.
    """

    def __init__(self, redefinitions: Sequence[Redefinition]) -> None:
        self.redefinitions = tuple(redefinitions)
        first = self.redefinitions[0]
        self.step = first.step
        self.parameter = first.parameter
        self.variant = first.variant
        self.locked = first.locked
        self.now_digest = first.now_digest
        self.differences = first.differences
        self.same_count = first.same_count
        self.source = first.source
        if len(self.redefinitions) == 1:
            origin = "" if first.is_whole else f" (locked {first.locked.origin})"
            lines = first.lines()
            lines.append(f"Give the new value a name of its own, or restore the locked one{origin}.")
        else:
            lines = []
            for redefinition in self.redefinitions:
                lines += redefinition.lines()
                if not redefinition.is_whole:
                    lines.append(f"    locked {redefinition.locked.origin}")
            lines.append("Give each new value a name of its own, or restore the locked ones.")
        super().__init__("\n".join(lines))


@dataclass(frozen=True, slots=True)
class Conflict:
    """A variant with several recorded meanings."""

    step: str
    parameter: str
    variant: str
    meanings: tuple[Meaning, ...]

    @property
    def full_name(self) -> str:
        return f"{self.step}.{self.parameter}={self.variant}"

    def lines(self) -> list[str]:
        count = len(self.meanings)
        digits = _telling_digits([meaning.digest for meaning in self.meanings])
        width = max(len(meaning.summary) for meaning in self.meanings)
        lines = []
        for meaning in self.meanings:
            who = [text for text in (meaning.author, meaning.date, meaning.uses) if text]
            lines.append(f"    {meaning.digest[:digits]}…  {meaning.summary:{width}}    {', '.join(who)}")
        number = "two" if count == 2 else str(count)
        return [f"variant `{self.variant}` of `{self.step}.{self.parameter}` has {number} recorded meanings", *lines]


def _telling_digits(digests: Sequence[str]) -> int:
    """How many leading digits, at least four, tell these digests apart."""
    return next((n for n in range(4, 40) if len({digest[:n] for digest in digests}) == len(digests)), 40)


class VariantConflict(MitosisError):
    """Variants cannot be used, since several values are recorded under their name.

    Attributes:
        conflicts: all of them, in the order in which the variants were given.
        step, parameter, variant, meanings: those of the first.
    """

    def __init__(self, conflicts: Sequence[Conflict]) -> None:
        self.conflicts = tuple(conflicts)
        first = self.conflicts[0]
        self.step = first.step
        self.parameter = first.parameter
        self.variant = first.variant
        self.meanings = first.meanings
        lines = [line for conflict in self.conflicts for line in conflict.lines()]
        super().__init__(
            "\n".join(lines) + "\nIt cannot be run until one of them is chosen: "
            f"mitosis variants resolve {first.full_name} --keep DIGEST"
        )


# --- the journal and its records ------------------------------------------------------------------


class JournalError(MitosisError):
    """The journal cannot be read or written."""


class JournalBusy(JournalError):
    """Somebody else held the journal's lock for too long. Attributes: lock_path, waited_s."""

    def __init__(self, lock_path: Path, waited_s: float) -> None:
        self.lock_path = lock_path
        self.waited_s = waited_s
        super().__init__(
            f"the journal is locked by another process: waited {waited_s:.0f} s for {lock_path}\n"
            "If no mitosis or git process is running in this repository, delete that file and try again."
        )


class NoteNotWritten(JournalError):
    """A trial's end is in the journal, but the git note of its commit does not tell of it.

    Attributes: key, ref (of the notes), reason.
    """

    def __init__(self, key: str, ref: str, reason: str) -> None:
        self.key = key
        self.ref = ref
        self.reason = reason
        super().__init__(
            f"the end of trial {key} is recorded, but not in the git note of its commit ({ref}):\n"
            f"{bulleted(reason.splitlines())}\n"
            "Nothing is lost: the notes are only a view of the journal."
        )


class FormatTooNew(JournalError):
    """A journal or record of a format that this version does not know."""

    def __init__(self, what: str, version: object, known: int) -> None:
        self.what = what
        self.version = version
        self.known = known
        super().__init__(
            f"{what} has format {version}, and this mitosis knows formats up to {known}\nUpgrade mitosis to read it."
        )


class BadRecord(JournalError):
    """A record or value that does not decode. Attributes: where (path or id), reason."""

    def __init__(self, where: str, reason: str) -> None:
        self.where = where
        self.reason = reason
        super().__init__(f"{where} cannot be read: {reason}")


class TrialNotFound(MitosisError, FileNotFoundError):
    """No trial has that key. Also a FileNotFoundError."""

    def __init__(self, key: str, message: str) -> None:
        self.key = key
        super().__init__(message)

    def __str__(self) -> str:
        return str(self.args[0])


class AmbiguousKey(MitosisError):
    """Several trials have keys that start so. Attributes: key, matches."""

    def __init__(self, key: str, matches: Sequence[str]) -> None:
        self.key = key
        self.matches = list(matches)
        super().__init__(
            f"several trials have a key that starts with `{key}`\n{bulleted(self.matches)}\nGive more of its digits."
        )


# --- the experiment's code ------------------------------------------------------------------------


class ExperimentError(MitosisError):
    """The experiment's code cannot be run as it was asked for."""


class ImportFailed(ExperimentError):
    """Importing the steps' modules raised. Attributes: modules, summary, traceback (as text, perhaps coloured)."""

    def __init__(self, modules: Sequence[str], summary: str, traceback: str) -> None:
        self.modules = list(modules)
        self.summary = summary
        self.traceback = traceback
        names = ", ".join(f"`{module}`" for module in self.modules)
        super().__init__(f"importing {names} failed: {summary}\n{traceback}".rstrip())


class BadReference(ExperimentError):
    """What a step is registered as cannot be found, or is no callable."""

    def __init__(
        self, step: str, reference: str, reason: str, known: Sequence[str], *, registered: bool = True
    ) -> None:
        self.step = step
        self.reference = reference
        self.reason = reason
        self.known = list(known)
        near = nearest(reference.rpartition(".")[2].rpartition(":")[2], self.known)
        hint = f"\nDid you mean {' or '.join(f'`{name}`' for name in near)}?" if near else ""
        what = f"step `{step}` is registered as" if registered else f"-m {step} needs"
        super().__init__(f"{what} `{reference}`, but {reason}{hint}")


class SignatureMismatch(ExperimentError):
    """A step cannot be called with the parameters given.

    Attributes: step, missing, unknown (names), takes (the callable as text), data (the name of the parameter that
    takes the previous step's data, where it was given as a parameter too), from_step (the name of the parameter that a
    step before it would give).
    """

    def __init__(
        self,
        step: str,
        prefix: str,
        *,
        missing: Sequence[str],
        unknown: Sequence[str],
        takes: str,
        names: Sequence[str],
        data: str | None,
        from_step: str | None = None,
    ) -> None:
        self.step = step
        self.missing = list(missing)
        self.unknown = list(unknown)
        self.takes = takes
        self.data = data
        lines: list[str] = []
        if self.unknown:
            lines.append(f"step `{step}` takes no {_named(self.unknown)}: {takes}")
            near = [match for name in self.unknown for match in nearest(name, names)]
            if near:
                lines.append(f"Did you mean {' or '.join(f'`{name}`' for name in near)}?")
        if self.missing:
            lines.append(f"step `{step}` needs {_named(self.missing)}: {takes}")
            first = self.missing[0]
            other = ", or run a step before it whose data it is" if first == from_step else ""
            lines.append(f"Pass it with -e {prefix}{first}=... or -p {prefix}{first}=...{other}")
        if data is not None:
            lines.append(f"step `{step}` gets `{data}` from the step before it, and as a parameter too: {takes}")
        if not lines:
            lines.append(f"step `{step}` cannot be called with these parameters: {takes}")
        super().__init__("\n".join(lines))


def _named(names: Sequence[str]) -> str:
    return ", ".join(f"`{name}`" for name in names)


class UnknownVariant(ExperimentError):
    """A lookup dictionary has no such parameter or variant. Attributes: step, parameter, variant, lookup, known."""

    def __init__(
        self,
        step: str,
        parameter: str,
        variant: str,
        lookup: str,
        known: Sequence[str],
        *,
        parameter_known: bool,
        error: str | None = None,
        instead: str | None = None,
    ) -> None:
        self.step = step
        self.parameter = parameter
        self.variant = variant
        self.lookup = lookup
        self.known = list(known)
        if error is not None:
            message = f"looking up `{parameter}` = `{variant}` in {lookup} failed: {error}"
        elif parameter_known:
            message = f"`{parameter}` has no variant `{variant}` in {lookup}"
        else:
            message = f"step `{step}` has no lookup parameter `{parameter}` in {lookup}"
        message += f"\n    it has: {', '.join(self.known) or 'nothing'}"
        near = nearest(variant if parameter_known else parameter, self.known)
        if instead is not None:
            message += f"\nTo give the value itself, write an expression: {instead}"
        elif near:
            message += f"\nDid you mean {' or '.join(f'`{name}`' for name in near)}?"
        super().__init__(message)


class ExpressionFailed(ExperimentError):
    """Evaluating an eval parameter raised. Attributes: parameter, expression, error."""

    def __init__(self, parameter: str, expression: str, error: str, hint: str | None) -> None:
        self.parameter = parameter
        self.expression = expression
        self.error = error
        shown = _window(expression.replace("\n", " "), 1)
        super().__init__(f"cannot evaluate `{shown}` for {parameter}: {error}" + (f"\n{hint}" if hint else ""))


class LookupFailed(ExperimentError):
    """Getting the value of a variant raised. Attributes: parameter, variant, error."""

    def __init__(self, parameter: str, variant: str, error: str) -> None:
        self.parameter = parameter
        self.variant = variant
        self.error = error
        super().__init__(f"cannot get the value of {parameter}={variant}: {error}")


class FileTrouble(MitosisError):
    """A file or folder cannot be read or written. Attributes: path, reason."""

    def __init__(self, path: Path, action: str, error: OSError) -> None:
        self.path = path
        self.reason = error.strerror or str(error)
        super().__init__(f"{path} cannot be {action}: {self.reason}")


class FolderNotWritable(MitosisError):
    """The outputs have nowhere to go. Attributes: folder, reason."""

    def __init__(self, folder: Path, reason: str) -> None:
        self.folder = folder
        self.reason = reason
        super().__init__(
            f"the trials folder {folder} cannot be written: {reason}\n"
            "Choose another with -F, or with `trials-folder` in [tool.mitosis]."
        )


class NotRecorded(MitosisError):
    """A trial ran, but git could not take its end. Attributes: key, reason, folder."""

    exit_status = 3

    def __init__(self, key: str, status: str, reason: str, folder: Path) -> None:
        self.key = key
        self.reason = reason
        self.folder = folder
        super().__init__(
            f"trial {key} {status}, but that could not be recorded: {reason}\n"
            f"Its outputs are in {folder}. `mitosis list` will show it as lost."
        )
