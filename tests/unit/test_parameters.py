"""Reading `-p step.param=variant` and `-e step.param=expression`."""

from __future__ import annotations

import shlex

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mitosis.errors.usage import BadExpression, MalformedParameter, MisdirectedParameter, RepeatedParameter, UsageError
from mitosis.parameters import ParameterArgument, parse_parameters, quoting_hint


@pytest.mark.parametrize(
    ("word", "read"),
    [
        ("-p my_exp.mode=a=b", ParameterArgument("my_exp", "mode", "lookup", "a=b", True)),
        ("-e my_exp.opts=dict(a=1)", ParameterArgument("my_exp", "opts", "eval", "dict(a=1)", True)),
        ("-p +my_exp.gpu=first", ParameterArgument("my_exp", "gpu", "lookup", "first", False)),
        ("-e +my_exp.jobs=+4", ParameterArgument("my_exp", "jobs", "eval", "+4", False)),
        ("-p my_exp.noise=a.b/c d+e ", ParameterArgument("my_exp", "noise", "lookup", "a.b/c d+e ", True)),
        ("-e my_exp.a=  1 + 1 ", ParameterArgument("my_exp", "a", "eval", "1 + 1", True)),
        # It is not run, and it gives no warning, which would be an error here.
        ("-e my_exp.a=1/0 is 1", ParameterArgument("my_exp", "a", "eval", "1/0 is 1", True)),
    ],
)
def test_parameter_is_read(word: str, read: ParameterArgument) -> None:
    option, _, text = word.partition(" ")
    lookups, evaluated = ([text], []) if option == "-p" else ([], [text])
    assert parse_parameters(lookups, evaluated, ["my_exp"]) == (read,)
    assert read.full_name == f"my_exp.{read.name}"


def test_order_is_that_of_the_command_line() -> None:
    parsed = parse_parameters(["b.z=1", "a.y=1"], ["b.x=1", "a.w=1"], ["a", "b"])
    assert [p.full_name for p in parsed] == ["b.z", "a.y", "b.x", "a.w"]


def test_module_parameters_are_written_without_a_step() -> None:
    (parameter,) = parse_parameters(["+frequency=slow"], [], ["pkg.mod"], module=True)
    assert parameter == ParameterArgument("pkg.mod", "frequency", "lookup", "slow", False)


def test_module_parameter_with_a_step_is_refused_with_its_right_form() -> None:
    with pytest.raises(MalformedParameter, match=r"-p frequency=variant") as caught:
        parse_parameters(["mod.frequency=slow"], [], ["pkg.mod"], module=True)
    assert "without a step" in caught.value.reason


@pytest.mark.parametrize(
    ("word", "reason", "remedy"),
    [
        ("my_exp.frequency", "no `=`", "-p my_exp.frequency=variant"),
        ("frequency", "no `=`", "-p my_exp.frequency=variant"),
        ("frequency=slow", "which step", "-p my_exp.frequency=slow"),
        ("+frequency=slow", "which step", "-p +my_exp.frequency=slow"),
        (".frequency=slow", "which step", "-p my_exp.frequency=slow"),
        ("=slow", "which step", "-p my_exp.param=slow"),
        ("my_exp.=slow", "no name", "-p my_exp.param=variant"),
        ("my_exp.frequency=", "variant is empty", "-p my_exp.param=variant"),
        ("my_exp.frequency =slow", "`frequency `", "-p my_exp.param=variant"),
        ("my_exp.solver.tol=low", "`solver.tol`", "-p my_exp.param=variant"),
        ("my_exp.lambda=low", "`lambda`", "-p my_exp.param=variant"),
        ("my_exp.2nd=low", "`2nd`", "-p my_exp.param=variant"),
    ],
)
def test_malformed_parameter_is_refused_with_the_form_to_write(word: str, reason: str, remedy: str) -> None:
    with pytest.raises(MalformedParameter) as caught:
        parse_parameters([word], [], ["my_exp"])
    assert reason in caught.value.reason
    assert remedy in caught.value.remedy
    assert word.partition("=")[0] in str(caught.value)


def test_corrected_parameter_is_quoted_for_the_shell() -> None:
    with pytest.raises(MalformedParameter, match=r"-e my_exp\.a='\[1, 2\]'"):
        parse_parameters([], ["a=[1, 2]"], ["my_exp"])


@pytest.mark.parametrize("word", ["my_exp.a=", "my_exp.a=  "])
def test_empty_expression_is_refused_with_what_to_write_instead(word: str) -> None:
    with pytest.raises(MalformedParameter, match="expression is empty") as caught:
        parse_parameters([], [word], ["my_exp"])
    assert "-e my_exp.a='\"\"'" in caught.value.remedy


def test_misdirected_parameter_names_the_steps_that_are_run() -> None:
    with pytest.raises(MisdirectedParameter) as caught:
        parse_parameters(["fot.noise=low"], [], ["data", "fit"])
    assert caught.value.steps == ["data", "fit"]
    assert "data, fit" in str(caught.value)
    assert "Did you mean `fit`?" in str(caught.value)


@pytest.mark.parametrize(
    ("lookups", "evaluated"),
    [
        (["fit.a=x", "fit.a=y"], []),
        ([], ["fit.a=1", "fit.a=1"]),
        (["fit.a=x"], ["fit.a=1"]),
        (["fit.a=x"], ["+fit.a=1"]),
    ],
)
def test_parameter_given_twice_is_refused(lookups: list[str], evaluated: list[str]) -> None:
    with pytest.raises(RepeatedParameter) as caught:
        parse_parameters(lookups, evaluated, ["fit"])
    assert caught.value.parameter == "fit.a"
    assert len(caught.value.options) == 2
    for option in caught.value.options:
        assert option in str(caught.value)


def test_same_name_in_two_steps_is_two_parameters() -> None:
    assert len(parse_parameters(["data.a=x", "fit.a=x"], [], ["data", "fit"])) == 2


def test_syntax_error_is_shown_with_a_caret_under_its_place() -> None:
    with pytest.raises(BadExpression) as caught:
        parse_parameters([], ["my_exp.a=1 + don't"], ["my_exp"])
    lines = str(caught.value).splitlines()
    assert caught.value.reason.startswith("unterminated string")
    assert caught.value.column == 8
    assert lines[1] == "    1 + don't"
    assert lines[2] == "    " + " " * 7 + "^"


def test_syntax_error_says_how_a_string_is_quoted() -> None:
    with pytest.raises(BadExpression) as caught:
        parse_parameters([], ["my_exp.file=/data/x y"], ["my_exp"])
    assert "-e my_exp.file='\"/data/x y\"'" in str(caught.value)


def test_caret_stays_under_its_place_in_a_long_expression() -> None:
    text = "9," * 500 + "a b" + ",9" * 500
    with pytest.raises(BadExpression) as caught:
        parse_parameters([], [f"my_exp.a={text}"], ["my_exp"])
    shown, caret = str(caught.value).splitlines()[1:3]
    assert shown[caret.index("^") :].startswith("b,9")
    assert len(shown) < 100


@pytest.mark.parametrize("text", ["-" * 100_000 + "1", "(" * 500 + "1" + ")" * 500, "9" * 5000, "\udcff"])
def test_expression_beyond_the_compiler_is_refused_in_a_short_message(text: str) -> None:
    with pytest.raises(BadExpression) as caught:
        parse_parameters([], [f"my_exp.a={text}"], ["my_exp"])
    message = str(caught.value)
    assert len(message) < 1000
    message.encode()


def test_statement_is_no_expression() -> None:
    with pytest.raises(BadExpression):
        parse_parameters([], ["my_exp.a=import os"], ["my_exp"])


@given(st.text(st.characters(codec="utf-8", exclude_characters="\0"), min_size=1, max_size=60))
def test_hint_can_be_pasted_for_any_string(text: str) -> None:
    hint = quoting_hint("my_exp.a", text)
    words = shlex.split(hint.partition("shell: ")[2])
    (parameter,) = parse_parameters([], [words[1]], ["my_exp"])
    assert eval(parameter.text) == (text if text.isprintable() else "text")


@given(st.text(max_size=40), st.text(max_size=40), st.booleans())
def test_any_argument_is_read_or_refused(target: str, text: str, evaluated: bool) -> None:
    word = f"{target}={text}"
    try:
        (parameter,) = parse_parameters(*([], [word]) if evaluated else ([word], []), ["s", "a"])
    except UsageError as error:
        assert str(error)
    else:
        untracked, _, name = word.partition("=")[0].rpartition("+")
        assert name == parameter.full_name
        assert bool(untracked or word.startswith("+")) is not parameter.tracked


@given(
    st.sampled_from(["data", "my-step", "ünï"]),
    st.from_regex(r"\A[a-z_][a-z0-9_]{0,8}\Z").filter(lambda n: n.isidentifier() and n not in ("if", "in", "is")),
    st.text(min_size=1, max_size=30),
    st.booleans(),
)
def test_well_formed_lookup_is_read_back(step: str, name: str, text: str, tracked: bool) -> None:
    import keyword

    if keyword.iskeyword(name):
        name += "_"
    word = f"{'' if tracked else '+'}{step}.{name}={text}"
    assert parse_parameters([word], [], ["data", "my-step", "ünï"]) == (
        ParameterArgument(step, name, "lookup", text, tracked),
    )
