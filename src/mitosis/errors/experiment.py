"""The experiment's code."""

from __future__ import annotations

from collections.abc import Sequence

from mitosis.errors.base import MitosisError, few, nearest, quoted, suggestion, window


class ExperimentError(MitosisError):
    """The experiment's code cannot be run as it was asked for."""


class ImportFailed(ExperimentError):
    """Importing the steps' modules raised. Attributes: modules, summary, traceback (as text, perhaps coloured)."""

    def __init__(self, modules: Sequence[str], summary: str, traceback: str) -> None:
        self.modules = list(modules)
        self.summary = summary
        self.traceback = traceback
        super().__init__(f"importing {quoted(self.modules)} failed: {summary}\n{traceback}".rstrip())


class BadReference(ExperimentError):
    """What a step is registered as cannot be found, or is not a callable."""

    def __init__(
        self, step: str, reference: str, reason: str, known: Sequence[str], *, registered: bool = True
    ) -> None:
        self.step = step
        self.reference = reference
        self.reason = reason
        self.known = list(known)
        hint = suggestion(reference.rpartition(".")[2].rpartition(":")[2], self.known)
        what = f"step `{step}` is registered as" if registered else f"-m {step} needs"
        super().__init__(f"{what} `{reference}`, but {reason}\n{hint}".rstrip())


class SignatureMismatch(ExperimentError):
    """A step cannot be called with the parameters given.

    Attributes: step, missing, unknown (names), takes (the callable as text), from_step (the name of the parameter that
    a step before it would give).
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
        from_step: str | None = None,
    ) -> None:
        self.step = step
        self.missing = list(missing)
        self.unknown = list(unknown)
        self.takes = takes
        lines: list[str] = []
        if self.unknown:
            lines.append(f"step `{step}` takes no {quoted(self.unknown)}: {takes}")
            near = [match for name in self.unknown for match in nearest(name, names)]
            if near:
                lines.append(f"Did you mean {quoted(near, ' or ')}?")
        if self.missing:
            lines.append(f"step `{step}` needs {quoted(self.missing)}: {takes}")
            first = self.missing[0]
            other = ", or run a step before it that returns it as its data" if first == from_step else ""
            lines.append(f"Pass it with -e {prefix}{first}=... or -p {prefix}{first}=...{other}")
        if not lines:
            lines.append(f"step `{step}` cannot be called with these parameters: {takes}")
        super().__init__("\n".join(lines))


class UnknownVariant(ExperimentError):
    """A lookup dictionary has no such parameter or variant.

    Attributes: step, parameter, variant, lookup, known (what there is instead), other_keys (those that are not strings,
    as Python writes them), alike (the one of them that is written like what was asked for, and its class; or None),
    new_names (what the journal says that the variant is called now), there (other names that the dictionary has).
    """

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
        new_names: Sequence[str] = (),
        there: Sequence[str] = (),
        other_keys: Sequence[str] = (),
        alike: tuple[str, str] | None = None,
    ) -> None:
        self.step = step
        self.parameter = parameter
        self.variant = variant
        self.lookup = lookup
        self.known = list(known)
        self.other_keys = list(other_keys)
        self.alike = alike
        self.new_names = tuple(new_names)
        self.there = tuple(there)
        if error is not None:
            message = f"looking up `{parameter}` = `{variant}` in {lookup} failed: {error}"
        elif parameter_known:
            message = f"`{parameter}` has no variant `{variant}` in {lookup}"
        else:
            message = f"step `{step}` has no lookup parameter `{parameter}` in {lookup}"
        if self.known or not self.other_keys:
            message += f"\n    it has: {', '.join(self.known) or 'nothing'}"
        if self.other_keys:
            message += f"\n    its keys that are not strings: {', '.join(self.other_keys)}"
        asked = variant if parameter_known else parameter
        near = suggestion(asked, self.known)
        if alike is not None:
            key, kind = alike
            message += f"\nIts key {key} is of type `{kind}`, and names are strings: write it as {asked!r} there."
        elif instead is not None:
            message += f"\nTo pass the value itself, write an expression: {instead}"
        elif self.new_names:
            message += f"\nIt is now called {few([f'`{name}`' for name in self.new_names], ' or ')}."
        elif self.there:
            message += (
                f"\nThe dictionary still has it as {quoted(self.there, ' and ')}: change the name there, or use that."
            )
        elif near:
            message += f"\n{near}"
        super().__init__(message)


class ExpressionFailed(ExperimentError):
    """Evaluating an eval parameter raised. Attributes: parameter, expression, error."""

    def __init__(self, parameter: str, expression: str, error: str, hint: str | None) -> None:
        self.parameter = parameter
        self.expression = expression
        self.error = error
        shown = window(expression.replace("\n", " "), 1)
        super().__init__(f"cannot evaluate `{shown}` for {parameter}: {error}" + (f"\n{hint}" if hint else ""))


class LookupFailed(ExperimentError):
    """Getting the value of a variant raised. Attributes: parameter, variant, error."""

    def __init__(self, parameter: str, variant: str, error: str) -> None:
        self.parameter = parameter
        self.variant = variant
        self.error = error
        super().__init__(f"cannot get the value of {parameter}={variant}: {error}")


class LookupTrouble(ExperimentError):
    """A lookup dictionary could not be evaluated. Attributes: reason (one line), details (a traceback, or empty)."""

    def __init__(self, reason: str, details: str) -> None:
        self.reason = reason
        self.details = details.strip()
        super().__init__(f"{reason}\n{self.details}" if self.details else reason)
