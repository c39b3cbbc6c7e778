"""The notebook of a trial: what a colleague would have written by hand.

A heading with the parameters, the imports, one dictionary of parameters and one call a step, the results. It
needs nothing of mitosis to run again.
"""

from __future__ import annotations

import ast
import builtins
import keyword
import re
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from mitosis.config import StepConfig
from mitosis.parameters import ParameterArgument

if TYPE_CHECKING:
    from nbformat import NotebookNode

EXPRESSION_NAMES = {
    "Path": "from pathlib import Path",
    "logging": "import logging",
    "math": "import math",
    "mpl": "import matplotlib as mpl",
    "np": "import numpy as np",
    "pd": "import pandas as pd",
}
"""Names that an eval parameter's expression may use besides the modules of the steps, and their imports."""


@dataclass(frozen=True, slots=True)
class PlannedParameter:
    """A parameter's place in its cell."""

    argument: ParameterArgument
    source: str
    """Lines of the dictionary entry, without a comma."""


@dataclass(frozen=True, slots=True)
class PlannedStep:
    """A step as it stands in the notebook."""

    step: StepConfig
    action: str
    """Expression that reaches the callable."""
    lookup: str
    """Expression that reaches the lookup dictionary; empty where there is none."""
    variable: str
    """Name of the step's result."""
    parameters_variable: str | None
    """Name of the dictionary of parameters; None where there are none."""
    parameters: tuple[PlannedParameter, ...]
    is_awaited: bool
    """Whether the callable is an `async def`."""


@dataclass(frozen=True, slots=True)
class Plan:
    """The whole notebook before it runs."""

    imports: str
    steps: tuple[PlannedStep, ...]


def plan_notebook(
    steps: Sequence[StepConfig],
    arguments: Sequence[ParameterArgument],
    *,
    shadowed: frozenset[str] = frozenset(),
    wrapped: frozenset[ParameterArgument] = frozenset(),
    awaited: frozenset[str] = frozenset(),
) -> Plan:
    """Choose names and expressions for the steps and their parameters.

    Args:
        steps: in the order in which they run.
        arguments: of all steps.
        shadowed: modules that their package hides behind another object of the same name, so that
            `package.module` does not reach them.
        wrapped: lookup parameters whose dictionary holds a `mitosis.typing.Parameter`.
        awaited: names of the steps that are `async def`.
    """
    references = [reference for step in steps for reference in step.references]
    modules = list(dict.fromkeys(reference.partition(":")[0] for reference in references))
    lines = _expression_imports(arguments, modules)
    lines += [f"import {module}" for module in modules]
    taken = {"os", *(module.partition(".")[0] for module in modules), *EXPRESSION_NAMES, *dir(builtins)}
    aliases: dict[str, str] = {}
    for reference in dict.fromkeys(references):
        module, _, qualified_name = reference.partition(":")
        if module in shadowed:
            first = qualified_name.partition(".")[0]
            alias = _free_name(f"{module.rpartition('.')[2]}_{first}", taken)
            aliases[reference] = alias + qualified_name[len(first) :]
            lines.append(f"from {module} import {first} as {alias}")
    planned = []
    for step in steps:
        own = sorted((a for a in arguments if a.step == step.name), key=lambda a: a.name)
        variable = _free_name(_identifier(step.name), taken)
        lookup = "" if step.lookup is None else aliases.get(step.lookup, step.lookup.replace(":", "."))
        planned.append(
            PlannedStep(
                step=step,
                action=aliases.get(step.action, step.action.replace(":", ".")),
                lookup=lookup,
                variable=variable,
                parameters_variable=_free_name(f"{variable}_parameters", taken) if own else None,
                parameters=tuple(PlannedParameter(a, _entry(a, lookup, wrapped=a in wrapped)) for a in own),
                is_awaited=step.name in awaited,
            )
        )
    return Plan("\n".join(lines), tuple(planned))


def _expression_imports(arguments: Sequence[ParameterArgument], modules: Sequence[str]) -> list[str]:
    used: set[str] = set()
    for argument in arguments:
        if argument.kind == "eval":
            tree = ast.parse(argument.expression, mode="eval")
            used.update(node.id for node in ast.walk(tree) if isinstance(node, ast.Name))
    bound = {module.partition(".")[0] for module in modules}
    lines = [line for name, line in EXPRESSION_NAMES.items() if name in used and name not in bound]
    return [*lines, "import os"] if any(argument.secret for argument in arguments) else lines


def _identifier(name: str) -> str:
    """The nearest Python name to a step's name; of `package.module:Class` its last part."""
    last = re.split(r"[.:]", name)[-1]
    text = re.sub(r"\W", "_", last)
    if not text or text[0].isdigit():
        text = f"step_{text}"
    return text


def _free_name(name: str, taken: set[str]) -> str:
    """`name`, or a variation on it that is not taken yet; it is taken from now on."""
    chosen = name
    if chosen in taken or keyword.iskeyword(chosen):
        chosen = f"{name}_result"
    number = 2
    while chosen in taken:
        chosen = f"{name}_result{number}"
        number += 1
    taken.add(chosen)
    return chosen


def _entry(argument: ParameterArgument, lookup: str, *, wrapped: bool) -> str:
    if argument.kind == "lookup":
        suffix = ".vals" if wrapped else ""
        return f'"{argument.name}": {lookup}["{argument.name}"][{_quoted(argument.text)}]{suffix}'
    return f'"{argument.name}": {_as_dictionary_value(argument.expression)}'


def _quoted(text: str) -> str:
    """A Python literal, in double quotes where that needs no escapes."""
    literal = repr(text)
    if literal.startswith("'") and '"' not in literal and "\\" not in literal:
        return f'"{literal[1:-1]}"'
    return literal


def _as_dictionary_value(expression: str) -> str:
    """The expression as it stands, or in parentheses where it would not mean the same inside a dictionary."""
    expression = expression.strip()
    if "\n" not in expression and "#" not in expression:
        try:
            tree = ast.parse("{0: " + expression + ", }", mode="eval").body
        except SyntaxError:
            tree = None
        alone = ast.parse(expression, mode="eval").body
        if isinstance(tree, ast.Dict) and len(tree.values) == 1 and ast.dump(tree.values[0]) == ast.dump(alone):
            return expression
    return f"(\n        {expression}\n    )"


def parameters_source(planned: PlannedStep, comments: Mapping[str, str] | None = None) -> str:
    """The cell that makes a step's dictionary of parameters.

    Args:
        planned: the step.
        comments: by parameter, what to say behind its entry (its value, once that is known).
    """
    lines = [f"{planned.parameters_variable} = {{"]
    for parameter in planned.parameters:
        comment = (comments or {}).get(parameter.argument.name)
        lines.append(f"    {parameter.source}," + (f"  # {comment}" if comment else ""))
    lines.append("}")
    return "\n".join(lines)


def find_parameter(planned: PlannedStep, line: int | None) -> PlannedParameter | None:
    """The parameter whose entry stands at `line` (from 1) of the step's cell of parameters."""
    if line is None:
        return None
    first = 2
    for parameter in planned.parameters:
        last = first + parameter.source.count("\n")
        if first <= line <= last:
            return parameter
        first = last + 1
    return None


def call_source(planned: PlannedStep, previous: PlannedStep | None) -> str:
    """The cell that calls a step.

    Args:
        planned: the step.
        previous: the step whose data it is given; None where it is given none.
    """
    arguments = []
    if previous is not None:
        arguments.append(f'{previous.variable}["data"]')
    if planned.parameters_variable is not None:
        arguments.append(f"**{planned.parameters_variable}")
    keyword = "await " if planned.is_awaited else ""
    return f"{planned.variable} = {keyword}{planned.action}({', '.join(arguments)})"


def heading_source(experiment: str, rows: Sequence[tuple[str, str, str]]) -> str:
    """The Markdown cell on top.

    Args:
        experiment: its name.
        rows: name, variant (empty unless it is a lookup parameter) and value of each parameter, as texts.
    """
    lines = [f"# {_markdown_text(experiment)}"]
    if rows:
        table = [("parameter", "variant", "value"), ("---", "---", "---"), *rows]
        columns = (0, 1, 2) if any(variant for _, variant, _ in rows) else (0, 2)
        lines += ["", *(f"| {' | '.join(_markdown_text(row[column]) for column in columns)} |" for row in table)]
    return "\n".join(lines)


def _markdown_text(text: str) -> str:
    """The text so that Markdown shows it as it is, on one line."""
    return re.sub(r"([\\`*_{}\[\]<>()#+!|~$&])", r"\\\1", " ".join(text.split()))


def new_notebook() -> NotebookNode:
    """An empty notebook for this interpreter."""
    from nbformat import v4

    notebook: NotebookNode = v4.new_notebook(
        metadata={
            "kernelspec": {"name": "python3", "display_name": "Python 3 (ipykernel)", "language": "python"},
            # As ipykernel describes it, so that an editor that opens the notebook has nothing to add.
            "language_info": {
                "name": "python",
                "version": ".".join(map(str, sys.version_info[:3])),
                "mimetype": "text/x-python",
                "file_extension": ".py",
                "codemirror_mode": {"name": "ipython", "version": sys.version_info[0]},
                "pygments_lexer": "ipython3",
                "nbconvert_exporter": "python",
            },
        }
    )
    return notebook


def code_cell(source: str, kind: str, step: str | None = None) -> NotebookNode:
    """A code cell that says what it is for in its metadata."""
    from nbformat import v4

    about = {"kind": kind} if step is None else {"kind": kind, "step": step}
    cell: NotebookNode = v4.new_code_cell(source, metadata={"mitosis": about})
    return cell


def markdown_cell(source: str, kind: str) -> NotebookNode:
    """A Markdown cell that says what it is for in its metadata."""
    from nbformat import v4

    cell: NotebookNode = v4.new_markdown_cell(source, metadata={"mitosis": {"kind": kind}})
    return cell


def printed(cell: NotebookNode) -> str:
    """What a code cell has of what it printed."""
    return "".join(output.text for output in cell.get("outputs", ()) if output.output_type == "stream")


def script(notebook: NotebookNode) -> str:
    """The notebook's code as a Python file, a `# %%` before each cell.

    Python allows `await` in a notebook alone.
    """
    sources = [cell.source for cell in notebook.cells if cell.cell_type == "code"]
    run = [re.sub(r"\A(\w+ = )await (.*)\Z", r"\1asyncio.run(\2)", source) for source in sources]
    if run != sources:
        run.insert(0, "import asyncio")
    return "\n\n".join(f"# %%\n{source}" for source in run) + "\n"
