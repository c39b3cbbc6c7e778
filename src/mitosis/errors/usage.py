"""The configuration and the command line."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

from mitosis.errors.base import SHOWN_LIMIT, WINDOW, MitosisError, bulleted, nearest, suggestion, window


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
        hint = f"{suggestion(name, self.known)} Steps are registered in the table [tool.mitosis.steps].".lstrip()
        super().__init__(
            f"there is no step `{name}` in {path}\n    registered: {', '.join(self.known) or 'none'}\n{hint}"
        )


class UsageError(MitosisError):
    """What was asked for on the command line makes no sense as it stands."""


class NoStep(UsageError):
    def __init__(self, known: Iterable[str], path: Path) -> None:
        self.known = sorted(known)
        self.path = path
        super().__init__(
            f"no step was given\n    registered in {path}: {', '.join(self.known) or 'none'}\n"
            "Name one, or several for a chain: mitosis STEP..."
        )


class RepeatedStep(UsageError):
    def __init__(self, name: str) -> None:
        self.name = name
        super().__init__(
            f"the step `{name}` is given twice, and its parameters could not be told apart\n"
            "Register the same callable under a second name to run it twice."
        )


class BadModule(UsageError):
    def __init__(self, module: str) -> None:
        self.module = module
        meant = module.removesuffix(".py").removeprefix("./").replace("/", ".")
        hint = f": did you mean -m {meant}?" if module.endswith(".py") else ""
        super().__init__(
            f"`{module}` is not a module that can be run{hint}\n"
            "Write -m package.module for its `run` and `lookup_dict`, or -m package.module:Class for those of a class."
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
        hint = suggestion(step, steps, 1) or "Add the step to the command, or leave the parameter out."
        super().__init__(
            f"`{option}` is for the step `{step}`, which is not run\n    steps: {', '.join(self.steps)}\n{hint}"
        )


class RepeatedParameter(UsageError):
    """A parameter that is given twice. Attributes: parameter, options (as they were given)."""

    def __init__(self, parameter: str, options: Sequence[str]) -> None:
        self.parameter = parameter
        self.options = list(options)
        super().__init__(f"`{parameter}` is given more than once\n{bulleted(self.options)}\nKeep only one of them.")


class SecretMissing(UsageError):
    """The environment variable that a parameter is to be taken from is not set. Attributes: parameter, variable."""

    def __init__(self, parameter: str, variable: str) -> None:
        self.parameter = parameter
        self.variable = variable
        super().__init__(
            f"the environment variable {variable}, which has the value of {parameter}, is not set\n"
            f"Set it without showing it: read -rs {variable} && export {variable}"
        )


class BadExpression(UsageError):
    """The expression of an eval parameter is not Python.

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
        shown = [window(text, 1) for text in expression.splitlines()]
        if line is not None and column is not None and line <= len(shown):
            text = expression.splitlines()[line - 1]
            shown[line - 1 : line] = [window(text, column), " " * min(column - 1, WINDOW // 2) + "^"]
        super().__init__(f"the expression of {parameter} is not valid Python: {reason}\n{bulleted(shown)}\n{hint}")


class UnknownName(UsageError):
    """What was given names nothing that is there. Attributes: name (as it was given), known (what there is)."""

    def __init__(self, name: str, reason: str, known: Sequence[str]) -> None:
        self.name = name
        self.known = tuple(known)
        lines = [f"`{name}` {reason}"]
        there = f"There is: {', '.join(known[:SHOWN_LIMIT])}{', ...' if len(known) > SHOWN_LIMIT else ''}"
        # All variants of a parameter are alike in what is before their own names.
        common = name[: name.find("=") + 1]
        alike = [other.removeprefix(common) for other in known if other.startswith(common)]
        near = nearest(name.removeprefix(common), alike) if alike else nearest(name, known)
        if known:
            lines.append(f"Did you mean `{common if alike else ''}{near[0]}`?" if near else there)
        lines.append("`mitosis variants` lists all of them.")
        super().__init__("\n".join(lines))
