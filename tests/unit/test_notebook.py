"""The notebook that a trial runs: names, expressions, cells."""

from __future__ import annotations

import ast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mitosis import notebook
from mitosis.config import StepConfig
from mitosis.parameters import ParameterArgument


def lookup(name: str, variant: str, step: str = "my_exp") -> ParameterArgument:
    return ParameterArgument(step, name, "lookup", variant, True)


def evaluated(name: str, text: str, step: str = "my_exp") -> ParameterArgument:
    return ParameterArgument(step, name, "eval", text, True)


SINE = StepConfig("my_exp", "sine_experiment:run", "sine_experiment:lookup_dict")


def test_cells_are_what_a_colleague_would_write() -> None:
    plan = notebook.plan_notebook([SINE], [lookup("frequency", "slow"), evaluated("amplitude", "4")])
    (planned,) = plan.steps
    assert plan.imports == "import sine_experiment"
    assert notebook.parameters_source(planned, {"frequency": "1"}) == (
        "my_exp_parameters = {\n"
        '    "amplitude": 4,\n'
        '    "frequency": sine_experiment.lookup_dict["frequency"]["slow"],  # 1\n'
        "}"
    )
    assert notebook.call_source(planned, None) == "my_exp = sine_experiment.run(**my_exp_parameters)"


def test_second_step_gets_the_data_of_the_first() -> None:
    second = StepConfig("fit", "pack.fit:Fit.run", "pack.fit:Fit.lookups")
    plan = notebook.plan_notebook([SINE, second], [])
    assert plan.imports == "import sine_experiment\nimport pack.fit"
    first, last = plan.steps
    assert notebook.call_source(first, None) == "my_exp = sine_experiment.run()"
    assert notebook.call_source(last, first) == 'fit = pack.fit.Fit.run(my_exp["data"])'


@pytest.mark.parametrize(
    ("step", "variable"),
    [
        ("my-exp", "my_exp"),
        ("sine_experiment", "sine_experiment_result"),
        ("list", "list_result"),
        ("class", "class_result"),
        ("2nd", "step_2nd"),
        ("np", "np_result"),
        ("pack.mod:Class", "Class"),
    ],
)
def test_variables_hide_nothing(step: str, variable: str) -> None:
    plan = notebook.plan_notebook([StepConfig(step, SINE.action, SINE.lookup)], [])
    assert plan.steps[0].variable == variable


def test_variables_of_two_steps_differ() -> None:
    steps = [StepConfig(name, SINE.action, SINE.lookup) for name in ("a-b", "a_b", "a_b_parameters")]
    plan = notebook.plan_notebook(steps, [evaluated("x", "1", step.name) for step in steps])
    names = [name for step in plan.steps for name in (step.variable, step.parameters_variable)]
    assert len(set(names)) == 6


def test_names_that_expressions_use_are_imported() -> None:
    plan = notebook.plan_notebook([SINE], [evaluated("x", "np.zeros(3)"), evaluated("y", "Path('a') / str(math.pi)")])
    assert plan.imports.splitlines() == [
        "from pathlib import Path",
        "import math",
        "import numpy as np",
        "import sine_experiment",
    ]


def test_shadowed_module_is_reached_by_its_names() -> None:
    step = StepConfig("go", "pack.run:run", "pack.run:lookups")
    plan = notebook.plan_notebook([step], [lookup("a", "x", "go")], shadowed=frozenset({"pack.run"}))
    assert plan.imports == (
        "import pack.run\nfrom pack.run import run as run_run\nfrom pack.run import lookups as run_lookups"
    )
    (planned,) = plan.steps
    assert planned.action == "run_run"
    assert planned.parameters[0].source == '"a": run_lookups["a"]["x"]'


def test_parameter_object_of_a_lookup_gives_its_value() -> None:
    argument = lookup("a", "x")
    plan = notebook.plan_notebook([SINE], [argument], wrapped=frozenset({argument}))
    assert plan.steps[0].parameters[0].source.endswith('["a"]["x"].vals')


@pytest.mark.parametrize(
    "expression",
    [
        "1, 2",
        "1 # one",
        "(\n1,\n2)",
        "lambda: 1, 2",
        "'a' 'b'",
        "1 if True else 2",
        "[i for i in 'ab']",
    ],
)
def test_expressions_mean_in_the_cell_what_they_mean_alone(expression: str) -> None:
    plan = notebook.plan_notebook([SINE], [evaluated("a", expression), evaluated("b", "7")])
    (planned,) = plan.steps
    tree = ast.parse(notebook.parameters_source(planned)).body[0]
    assert isinstance(tree, ast.Assign) and isinstance(tree.value, ast.Dict)
    assert [ast.literal_eval(key) for key in tree.value.keys if key is not None] == ["a", "b"]
    assert ast.dump(tree.value.values[0]) == ast.dump(ast.parse(expression.strip(), mode="eval").body)


@given(st.text(st.characters(exclude_categories=["Cs"]), max_size=40))
def test_variants_are_quoted_whatever_they_hold(variant: str) -> None:
    plan = notebook.plan_notebook([SINE], [lookup("a", variant)])
    tree = ast.parse("{" + plan.steps[0].parameters[0].source + "}", mode="eval").body
    assert isinstance(tree, ast.Dict) and isinstance(tree.values[0], ast.Subscript)
    assert ast.literal_eval(tree.values[0].slice) == variant


def test_line_of_a_failure_leads_to_its_parameter() -> None:
    plan = notebook.plan_notebook([SINE], [evaluated("a", "1"), evaluated("b", "(\n2,\n3 / 0)"), evaluated("c", "4")])
    (planned,) = plan.steps
    lines = notebook.parameters_source(planned).splitlines()
    for number, line in enumerate(lines, 1):
        found = notebook.find_parameter(planned, number)
        if "3 / 0" in line or "2," in line:
            assert found is not None and found.argument.name == "b"
        if '"c"' in line:
            assert found is not None and found.argument.name == "c"
    assert notebook.find_parameter(planned, 1) is None
    assert notebook.find_parameter(planned, None) is None


def test_heading_shows_hostile_texts_as_they_are() -> None:
    heading = notebook.heading_source("a*b", [("x|y", "<b>", "line\nbreak `code`")])
    assert heading.splitlines()[0] == r"# a\*b"
    assert heading.splitlines()[-1] == r"| x\|y | \<b\> | line break \`code\` |"
    without = notebook.heading_source("a", [("x", "", "1")])
    assert without.splitlines()[2:] == ["| parameter | value |", "| --- | --- |", "| x | 1 |"]


def test_script_has_the_code_and_nothing_else() -> None:
    whole = notebook.new_notebook()
    whole.cells = [notebook.markdown_cell("# x", "heading"), notebook.code_cell("a = 1", "step", "s")]
    assert notebook.script(whole) == "# %%\na = 1\n"
    assert whole.cells[1].metadata == {"mitosis": {"kind": "step", "step": "s"}}
