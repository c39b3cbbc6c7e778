"""The parameters of a command line: `-p step.param=variant` and `-e step.param=expression`."""

from __future__ import annotations

import keyword
import shlex
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from mitosis.confidential import environment_variable
from mitosis.errors.usage import BadExpression, MalformedParameter, MisdirectedParameter, RepeatedParameter
from mitosis.text import cut
from mitosis.variants import MAX_NAME_BYTES, VariantName, is_too_long

COMMANDS = frozenset(
    (
        *("check", "compare", "completion", "demo", "fields", "forget", "hook", "init", "list", "lock", "log"),
        *("note", "open", "pull", "push", "run", "settle", "setup", "show", "sql", "sync", "tag", "textconv"),
        *("untag", "variants", "verify"),
    )
)
"""What the command line takes for a command where a step could stand."""
_FLAGS = {"lookup": "-p", "eval": "-e"}
_SHOWN_LIMIT = 80
"""Characters of an argument that an error shows."""
_TEXT_NAMES = {"lookup": "variant", "eval": "expression"}


@dataclass(frozen=True, slots=True)
class ParameterArgument:
    """One parameter as it was given."""

    step: str
    name: str
    kind: Literal["lookup", "eval"]
    text: str
    """The variant of a lookup parameter, the expression of an eval parameter, or `env:NAME` for it."""
    tracked: bool
    """False when a `+` stood before it, and for a secret."""

    @property
    def full_name(self) -> str:
        return f"{self.step}.{self.name}"

    @property
    def secret(self) -> str | None:
        """The environment variable that holds its value, which is written nowhere; None where the value is given."""
        return environment_variable(self.text) if self.kind == "eval" else None

    @property
    def expression(self) -> str:
        """Of an eval parameter, the expression in Python."""
        return self.text if self.secret is None else f'os.environ["{self.secret}"]'


def parse_parameters(
    lookups: Sequence[str], evaluated: Sequence[str], steps: Sequence[str], *, module: bool = False
) -> tuple[ParameterArgument, ...]:
    """Read the parameters of one invocation.

    Args:
        lookups: the arguments of `-p`, each `[+]step.param=variant`.
        evaluated: the arguments of `-e`, each `[+]step.param=expression`.
        steps: the names of the steps that are run.
        module: whether the one step was given with `-m`; parameters are then written without a step.

    Returns:
        The lookup parameters and then the eval parameters, each in the order given.

    Raises:
        MalformedParameter: one that does not have this form.
        MisdirectedParameter: one of a step that is not run.
        RepeatedParameter: one given twice, also once by variant and once by expression.
        BadExpression: an expression that is not valid Python.
    """
    found: dict[tuple[str, str], tuple[str, ParameterArgument]] = {}
    given: list[tuple[Literal["lookup", "eval"], str]] = [("lookup", word) for word in lookups]
    given += [("eval", word) for word in evaluated]
    for kind, word in given:
        option = f"{_FLAGS[kind]} {_shell_word(word)}"
        parameter = _parse_one(kind, word, option, steps, module)
        key = (parameter.step, parameter.name)
        if key in found:
            shown = parameter.name if module else parameter.full_name
            raise RepeatedParameter(shown, [found[key][0], option])
        found[key] = (option, parameter)
    return tuple(parameter for _, parameter in found.values())


def parse_variant(word: str) -> VariantName:
    """The variant that `step.param=variant` names.

    Raises:
        MalformedParameter: it does not have this form.
    """
    target, equals, variant = word.partition("=")
    step, dot, name = target.partition(".")
    if not equals or not dot or not step or not name:
        raise MalformedParameter(
            _shell_word(word), "it names no variant", "Write it as step.param=variant, without spaces around the `=`."
        )
    return VariantName(step, name, variant)


def quoting_hint(parameter: str, text: str) -> str:
    """How to write the string `text` as the expression of `parameter` on a command line.

    Args:
        parameter: what stands before the `=`, such as `my_exp.kernel`.
        text: what was given as an expression, perhaps meant as a string.

    Returns:
        One sentence; without the text where that is too long to be a help.
    """
    if len(text) > _SHOWN_LIMIT or not text.isprintable():
        text = "text"
    literal = repr(text) if '"' in text or "\\" in text else f'"{text}"'
    return f"For a string, quote it for Python and for the shell: -e {parameter}={shlex.quote(literal)}"


def instead_of(variant: str, parameter: str) -> str:
    """How to give a parameter by an expression what was given as a variant: `env:NAME` was meant as one."""
    return f"-e {parameter}={variant if environment_variable(variant) else '...'}"


def _parse_one(
    kind: Literal["lookup", "eval"], word: str, option: str, steps: Sequence[str], module: bool
) -> ParameterArgument:
    flag, text_name = _FLAGS[kind], _TEXT_NAMES[kind]
    example_step = "" if module else f"{steps[0] if len(steps) == 1 else 'step'}."
    form = f"Write it as {flag} {example_step}param={text_name}"
    target, equals, text = word.partition("=")
    if not equals:
        example = word if "." in word or module else f"{example_step}{word or 'param'}"
        remedy = f"Write it as {flag} {example}={text_name}, without spaces around the `=`."
        raise MalformedParameter(option, "it has no `=`", remedy)
    tracked = not target.startswith("+")
    target = target.removeprefix("+")
    if module:
        step, name = steps[0], target
        if "." in name:
            bare = name.rpartition(".")[2]
            raise MalformedParameter(
                option, "with -m, parameters are written without a step", f"Write it as {flag} {bare}={text_name}."
            )
    else:
        step, dot, name = target.partition(".")
        if not dot or not step:
            owner = steps[0] if len(steps) == 1 else "step"
            plus = "" if tracked else "+"
            corrected = f"{plus}{owner}.{name or step or 'param'}={text or text_name}"
            raise MalformedParameter(
                option, "it does not say which step it is for", f"Write it as {flag} {_shell_word(corrected)}"
            )
        if step not in steps:
            raise MisdirectedParameter(option, step, steps)
    if not name:
        raise MalformedParameter(option, "the parameter has no name", f"{form}.")
    if not name.isidentifier() or keyword.iskeyword(name):
        raise MalformedParameter(
            option,
            f"`{name}` cannot be the name of a parameter in Python",
            f"{form}, with the name that the step's callable has for it.",
        )
    shown = name if module else f"{step}.{name}"
    if kind == "eval":
        text = text.strip()
        if not text:
            raise MalformedParameter(
                option,
                "the expression is empty",
                f"For an empty string write -e {shown}='\"\"', for no value -e {shown}=None",
            )
        variable = environment_variable(text)
        if variable == "":
            reason = "`env:` is followed by the name of an environment variable, which this is not"
            raise MalformedParameter(option, reason, f"Write it as -e {shown}=env:NAME.")
        if variable is None:
            _check_expression(shown, text)
        tracked = tracked and variable is None
    elif not text:
        raise MalformedParameter(option, "the variant is empty", f"{form}: a name that the step's lookup has.")
    for recorded in (step, name, text) if kind == "lookup" else (step, name):
        if is_too_long(recorded):
            raise MalformedParameter(
                option,
                f"the name `{recorded[:_SHOWN_LIMIT]}...` is too long to be recorded",
                f"Names of steps, parameters and variants can have at most {MAX_NAME_BYTES} bytes.",
            )
    return ParameterArgument(step, name, kind, text, tracked)


def _check_expression(parameter: str, text: str) -> None:
    """Compile the expression without running it."""
    hint = quoting_hint(parameter, text)
    try:
        with warnings.catch_warnings():
            # Doubtful code such as `x is 1` is the user's business; it is compiled again where it is run.
            warnings.simplefilter("ignore")
            compile(text, "<parameter>", "eval")
    except SyntaxError as error:
        raise BadExpression(parameter, text, error.msg or "invalid syntax", error.lineno, error.offset, hint) from error
    except UnicodeEncodeError as error:
        raise BadExpression(parameter, ascii(text)[1:-1], "it is not UTF-8", None, None, hint) from error
    except (ValueError, RecursionError, MemoryError) as error:
        reason = str(error) or "it is nested too deeply"
        raise BadExpression(parameter, text, reason, None, None, hint) from error


def _shell_word(word: str) -> str:
    """The word as it can be typed; a long one shortened, and printable whatever it holds."""
    if not word.isprintable():
        word = ascii(word)[1:-1]
    head, equals, text = cut(word, _SHOWN_LIMIT).partition("=")
    return f"{head}={shlex.quote(text)}" if equals and text else cut(word, _SHOWN_LIMIT)
