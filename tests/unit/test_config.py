"""Reading and extending `[tool.mitosis]`."""

from __future__ import annotations

import json
import tomllib
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mitosis.config import (
    FIGURE_FORMATS,
    HOOK_SETTINGS,
    KEYS,
    Config,
    StepConfig,
    add_steps_table,
    find_config,
    module_step,
    read_config,
    select_steps,
)
from mitosis.errors.usage import BadModule, ConfigError, NoStep, RepeatedStep, UnknownStep, UsageError
from mitosis.files import find_trials_folder

STEP = 'my_exp = ["sine_experiment:run", "sine_experiment:lookup_dict"]\n'


def write(folder: Path, text: str | bytes) -> Path:
    path = folder / "pyproject.toml"
    path.write_bytes(text.encode() if isinstance(text, str) else text)
    return path


def refused(folder: Path, text: str | bytes) -> ConfigError:
    path = write(folder, text)
    with pytest.raises(ConfigError) as caught:
        read_config(path)
    assert caught.value.path == path
    assert str(path) in str(caught.value)
    if caught.value.key is not None:
        assert f"[{caught.value.key}]" in str(caught.value)
    return caught.value


def test_every_key_is_read(tmp_path: Path) -> None:
    path = write(
        tmp_path,
        "[tool.mitosis]\ntrials-folder = '../runs'\npythonpath = ['src', '..']\n"
        "[tool.mitosis.steps]\n" + STEP + 'fit-2 = ["pkg.mod:Fit.run", "pkg.mod:Fit.lookup"]\n',
    )
    assert read_config(path) == Config(
        path=path,
        steps={
            "my_exp": StepConfig("my_exp", "sine_experiment:run", "sine_experiment:lookup_dict"),
            "fit-2": StepConfig("fit-2", "pkg.mod:Fit.run", "pkg.mod:Fit.lookup"),
        },
        trials_folder="../runs",
        pythonpath=(tmp_path / "src", tmp_path.parent),
    )


def test_defaults_are_the_folder_of_the_file_and_no_trials_folder(tmp_path: Path) -> None:
    config = read_config(write(tmp_path, "[tool.mitosis.steps]\n" + STEP))
    assert config.pythonpath == (tmp_path,)
    assert config.trials_folder is None


def test_relative_path_is_taken_from_the_working_directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(tmp_path, "[tool.mitosis.steps]\n" + STEP)
    monkeypatch.chdir(tmp_path)
    config = read_config(Path("pyproject.toml"))
    assert config.path == tmp_path / "pyproject.toml"
    assert config.pythonpath == (tmp_path,)


def test_file_with_a_byte_order_mark_and_windows_line_endings_is_read(tmp_path: Path) -> None:
    text = "\ufeff[tool.mitosis.steps]\r\n" + STEP.replace("\n", "\r\n")
    assert list(read_config(write(tmp_path, text)).steps) == ["my_exp"]


def test_missing_file_is_refused_with_the_two_ways_on(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="no such file") as caught:
        read_config(tmp_path / "absent.toml")
    assert "absent.toml" in str(caught.value)
    assert "mitosis init" in str(caught.value)
    assert "--config" in str(caught.value)


def test_folder_in_place_of_the_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="cannot be read"):
        read_config(tmp_path)


def test_text_that_is_not_utf8_is_refused_with_its_line(tmp_path: Path) -> None:
    assert "line 2 " in str(refused(tmp_path, b"[a]\nb = '\xff'\n"))


@pytest.mark.parametrize(
    ("text", "line", "shown"),
    [
        ("[tool]\nx = \n", "line 2, column 5", "2 | x = "),
        ("[tool]\nx = 1\nx = 2\n", "line 3", "overwrite"),
        ("[tool]\n\nx", "line 3", "3 | x"),
        ("[tool\n", "line 1", "1 | [tool"),
        ("[tool]\nmitosis = {}\n[tool.mitosis.steps]\n", "line 3", "mitosis"),
    ],
)
def test_malformed_toml_is_refused_with_its_place(tmp_path: Path, text: str, line: str, shown: str) -> None:
    message = str(refused(tmp_path, text))
    assert "not valid TOML" in message
    assert line in message
    assert shown in message


@pytest.mark.parametrize("text", ["", "[project]\nname = 'x'\n", "[tool.mitosis]\ntrials-folder = 'x'\n"])
def test_missing_steps_table_is_refused_with_lines_that_work(tmp_path: Path, text: str) -> None:
    error = refused(tmp_path, text)
    lines = [line.removeprefix("    ") for line in str(error).splitlines() if line.startswith("    ")]
    assert lines[0] == "[tool.mitosis.steps]"
    config = read_config(write(tmp_path, text + "\n".join(lines)))
    assert len(config.steps) == 1


def test_steps_table_may_be_missing_where_no_step_is_needed(tmp_path: Path) -> None:
    config = read_config(write(tmp_path, "[project]\nname = 'x'\n"), steps_needed=False)
    assert config == Config(tmp_path / "pyproject.toml", {}, None, (tmp_path,))


@pytest.mark.parametrize(
    "entry",
    [
        *("'pkg:run'", "3", "true", "[]", "['a:b', 'a:c', 'a:d']", "['pkg:run', 3]"),
        *(
            "{}",
            "{ action = 'pkg:run', lookup = false }",
            "{ lookup = 'pkg:l', main = 'error' }",
            "{ action = 'a:b', lookup = 3 }",
        ),
    ],
)
def test_entry_that_is_no_pair_of_strings_is_refused(tmp_path: Path, entry: str) -> None:
    error = refused(tmp_path, f"[tool.mitosis.steps]\nmy_exp = {entry}\n")
    assert error.key == "tool.mitosis.steps.my_exp"
    assert '["module:callable", "module:lookup_dict"]' in str(error)
    assert '{ action = "module:callable", lookup = "module:lookup_dict", main = "accuracy" }' in str(error)


def test_step_may_be_a_table_that_names_its_result(tmp_path: Path) -> None:
    path = write(
        tmp_path,
        '[tool.mitosis.steps]\na = { action = "m:a", lookup = "m:l" }\nc = ["m:c"]\nd = { action = "m:d" }\n'
        '[tool.mitosis.steps.b]\naction = "m:b"\nlookup = "m:l"\nmain = "F₁ score"\nbetter = "higher"\n',
    )
    assert list(read_config(path).steps.values()) == [
        StepConfig("a", "m:a", "m:l"),
        StepConfig("c", "m:c"),
        StepConfig("d", "m:d"),
        StepConfig("b", "m:b", "m:l", "F₁ score", "higher"),
    ]


@pytest.mark.parametrize(
    ("field", "key", "shown"),
    [
        ("main = ''", ".main", "a name for the main result"),
        ("main = ' x'", ".main", "a name for the main result"),
        ('main = "a\\nb"', ".main", "a name for the main result"),
        (f"main = '{41 * 'x'}'", ".main", "at most 40 characters"),
        ("main = 3", ".main", "a name for the main result"),
        ("better = 'Higher'", ".better", '"higher" or "lower"'),
        ("better = true", ".better", '"higher" or "lower"'),
        ("mian = 'x'", "", "unknown key `mian`: did you mean `main`?"),
        ("zzz = 'x'", "", "unknown key `zzz`: the keys are action, lookup, main, better"),
    ],
)
def test_other_fields_of_a_step_are_refused_with_what_there_can_be(
    tmp_path: Path, field: str, key: str, shown: str
) -> None:
    error = refused(tmp_path, f"[tool.mitosis.steps]\nfit = {{ action = 'm:a', lookup = 'm:l', {field} }}\n")
    assert error.key == f"tool.mitosis.steps.fit{key}"
    assert shown in str(error) and "dot" not in str(error)


@pytest.mark.parametrize(
    "reference",
    ["pkg", "pkg.mod.run", ":run", "pkg:", "pkg:run()", "pkg:a:b", "pkg mod:run", "pkg/mod.py:run", "pkg..mod:run", ""],
)
@pytest.mark.parametrize("position", [0, 1])
def test_bad_reference_is_refused_with_its_form(tmp_path: Path, reference: str, position: int) -> None:
    entry = ["pkg:good", "pkg:good"]
    entry[position] = reference
    error = refused(tmp_path, f"[tool.mitosis.steps]\nmy_exp = {entry}\n")
    assert error.key == "tool.mitosis.steps.my_exp"
    assert f"`{reference}` is not a reference" in str(error)
    assert "`package.module:name`" in str(error)


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        ("my.exp", "`.`"),
        ("a=b", "`=`"),
        ("a+b", "`+`"),
        ("a b", "a space"),
        (r"a\tb", r"`\t`"),
        (r"a\nb", r"`\n`"),
        (r"a\u0007b", r"`\x07`"),
        ("", "empty"),
        ("-x", "option"),
    ],
)
def test_step_name_that_breaks_the_command_line_is_refused(tmp_path: Path, name: str, shown: str) -> None:
    error = refused(tmp_path, f'[tool.mitosis.steps]\n"{name}" = ["pkg:run", "pkg:lookup"]\n')
    assert error.key is not None
    assert error.key.startswith("tool.mitosis.steps")
    assert shown in str(error)


def test_dotted_step_name_is_refused_as_such(tmp_path: Path) -> None:
    error = refused(tmp_path, '[tool.mitosis.steps]\nmy.exp = ["pkg:run", "pkg:lookup"]\n')
    assert "cannot contain a dot" in str(error)


@pytest.mark.parametrize("name", ["list", "my-exp", "größe", "a/b", "2nd"])
def test_step_name_may_be_anything_else(tmp_path: Path, name: str) -> None:
    config = read_config(write(tmp_path, f'[tool.mitosis.steps]\n"{name}" = ["pkg:run", "pkg:lookup"]\n'))
    assert list(config.steps) == [name]


@pytest.mark.parametrize(("key", "near"), [("trials_folder", "trials-folder"), ("step", "steps")])
def test_unknown_key_is_refused_with_the_nearest_one(tmp_path: Path, key: str, near: str) -> None:
    error = refused(tmp_path, f"[tool.mitosis]\n{key} = 'x'\n[tool.mitosis.steps]\n")
    assert error.key == "tool.mitosis"
    assert f"unknown key `{key}`: did you mean `{near}`?" in str(error)


def test_unknown_key_near_to_none_is_refused_with_all(tmp_path: Path) -> None:
    message = str(refused(tmp_path, "[tool.mitosis]\nzzz = 'x'\n[tool.mitosis.steps]\n"))
    assert all(key in message for key in KEYS)


@pytest.mark.parametrize(
    ("key", "attribute", "default", "value"),
    [
        ("trials-folder", "trials_folder", None, "out"),
        ("remote", "remote", None, "lab"),
        ("auto-push", "auto_push", False, True),
        *(("hook", "hook", "warn", value) for value in HOOK_SETTINGS),
        *(("figure-dpi", "figure_dpi", None, value) for value in (10, 72.5, 2400)),
        *(("figure-format", "figure_format", "png", value) for value in FIGURE_FORMATS),
        ("template", "template", None, "lab"),
    ],
)
def test_values_are_read(tmp_path: Path, key: str, attribute: str, default: object, value: object) -> None:
    steps = "[tool.mitosis.steps]\n"
    assert getattr(read_config(write(tmp_path, steps)), attribute) == default
    assert getattr(find_config(tmp_path / "nowhere", None, steps_needed=False), attribute) == default
    text = f"[tool.mitosis]\n{key} = {json.dumps(value)}\n{steps}"
    assert getattr(read_config(write(tmp_path, text)), attribute) == value


@pytest.mark.parametrize(
    ("key", "expected", "values"),
    [
        ("trials-folder", "a folder", ["3", "''", "' '", "['a']"]),
        ("pythonpath", "a list of folders", ["'src'", "[3]", "['']", "{}"]),
        ("remote", "a git remote", ["3", "''", "'--all'"]),
        ("auto-push", "true or false", ["'x'"]),
        ("hook", '"warn", "strict" or "off"', ["'Strict'", "''", "true", "['off']"]),
        ("figure-dpi", "from 10 to 2400", ["9", "2401", "0", "-100", "nan", "inf", "true", "'150'", "[150]"]),
        ("figure-format", '"png" or "svg"', ["'SVG'", "'jpg'", "''", "3", "['svg']"]),
        ("template", "a template", ["3", "''"]),
    ],
)
def test_other_values_are_refused_with_what_should_be_there(
    tmp_path: Path, key: str, expected: str, values: list[str]
) -> None:
    for value in values:
        error = refused(tmp_path, f"[tool.mitosis]\n{key} = {value}\n[tool.mitosis.steps]\n")
        assert error.key == f"tool.mitosis.{key}"
        assert expected in str(error)


@pytest.mark.parametrize("text", ["tool = 3\n", "[tool]\nmitosis = []\n", "[[tool.mitosis]]\n", "tool.mitosis.steps=1"])
def test_something_else_in_place_of_a_table_is_refused(tmp_path: Path, text: str) -> None:
    error = refused(tmp_path, text)
    assert error.key in ("tool", "tool.mitosis", "tool.mitosis.steps")
    assert "should be a table" in str(error)


def steps_config(*names: str) -> Config:
    steps = {name: StepConfig(name, f"{name}:run", f"{name}:lookup") for name in names}
    return Config(Path("/x/pyproject.toml"), steps, None, ())


def test_configuration_is_found_at_the_root_or_where_told(tmp_path: Path) -> None:
    write(tmp_path, "[tool.mitosis.steps]\n" + STEP)
    (tmp_path / "sub").mkdir()
    write(tmp_path / "sub", "[tool.mitosis.steps]\n" + STEP.replace("my_exp", "other"))
    assert list(find_config(tmp_path, None, steps_needed=True).steps) == ["my_exp"]
    assert list(find_config(tmp_path, "sub/pyproject.toml", steps_needed=True).steps) == ["other"]
    elsewhere = str(tmp_path / "sub" / "pyproject.toml")
    assert find_config(Path("/"), elsewhere, steps_needed=True).pythonpath == (tmp_path / "sub",)


def test_configuration_may_be_missing_only_when_nobody_named_it_and_no_step_is_needed(tmp_path: Path) -> None:
    assert find_config(tmp_path, None, steps_needed=False) == Config(tmp_path / "pyproject.toml", {}, None, (tmp_path,))
    with pytest.raises(ConfigError, match="no such file"):
        find_config(tmp_path, None, steps_needed=True)
    with pytest.raises(ConfigError, match="no such file"):
        find_config(tmp_path, "pyproject.toml", steps_needed=False)


def test_trials_folder_is_relative_to_whoever_names_it(tmp_path: Path) -> None:
    folder = tmp_path / "sub"
    assert find_trials_folder(folder, tmp_path, None, None) == tmp_path / "trials"
    assert find_trials_folder(folder, tmp_path, None, "runs") == tmp_path / "runs"
    assert find_trials_folder(folder, tmp_path, "mine", "runs") == folder / "mine"
    assert find_trials_folder(folder, tmp_path, "/elsewhere", "runs") == Path("/elsewhere")


def test_steps_are_selected_in_the_order_asked_for() -> None:
    assert [step.name for step in select_steps(steps_config("data", "fit"), ["fit", "data"])] == ["fit", "data"]


def test_unknown_step_names_the_nearest_and_all() -> None:
    with pytest.raises(UnknownStep) as caught:
        select_steps(steps_config("data", "my_exp"), ["data", "my_epx"])
    assert caught.value.name == "my_epx"
    assert "`my_exp`?" in str(caught.value)
    assert "data, my_exp" in str(caught.value)


def test_step_named_twice_is_refused() -> None:
    with pytest.raises(RepeatedStep) as caught:
        select_steps(steps_config("data", "fit"), ["data", "fit", "data"])
    assert caught.value.name == "data"
    assert isinstance(caught.value, UsageError)


def test_no_step_is_refused_with_the_registered_ones() -> None:
    with pytest.raises(NoStep, match="data, fit"):
        select_steps(steps_config("fit", "data"), [])


def test_module_step_uses_run_and_lookup_dict() -> None:
    assert module_step("pkg.mod") == StepConfig("pkg.mod", "pkg.mod:run", "pkg.mod:lookup_dict")


def test_module_step_of_a_class_uses_its_attributes() -> None:
    assert module_step("pkg.mod:A.B") == StepConfig("pkg.mod:A.B", "pkg.mod:A.B.run", "pkg.mod:A.B.lookup_dict")


@pytest.mark.parametrize("module", ["", "pkg/mod.py", "pkg.", "pkg:", ":Class", "pkg:a:b", "my-pkg"])
def test_bad_module_is_refused(module: str) -> None:
    with pytest.raises(BadModule):
        module_step(module)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "\n",
        "# only a comment",
        "[project]\nname = 'x'  # kept\n",
        "[project]\nname = 'x'\n\n",
        "[project]\nname = 'x'",
        "[project]\r\nname = 'x'\r\n",
        "[project]\r\nname = 'x'",
        "[project]\r\nname = 'x'\r\n\r\n",
        "[tool.mitosis]\ntrials-folder = 'runs'\n\n[tool.other]\nx = 1\n",
        "tool.mitosis.trials-folder = 'runs'\n",
        "\ufeff[project]\nname = 'x'\n",
        "[project]\n\tname   =   'x'\n",
    ],
)
def test_steps_table_is_added_and_the_rest_stays(text: str) -> None:
    longer = add_steps_table(text)
    assert longer is not None
    assert longer.startswith(text)
    before = tomllib.loads(text.removeprefix("\ufeff"))
    after = tomllib.loads(longer.removeprefix("\ufeff"))
    assert after["tool"]["mitosis"].pop("steps") == {}
    if not after["tool"]["mitosis"]:
        del after["tool"]["mitosis"]
    if not after["tool"]:
        del after["tool"]
    assert after == before
    assert add_steps_table(longer) is None


@pytest.mark.parametrize("text", ["[a]\r\nb = 1\r\n", "[a]\r\nb = 1"])
def test_added_lines_have_the_line_endings_of_the_file(text: str) -> None:
    longer = add_steps_table(text)
    assert longer is not None
    assert longer.count("\n") == longer.count("\r\n")


@pytest.mark.parametrize("newline", ["\n", "\r\n"])
@pytest.mark.parametrize("end", ["", "N", "NN"])
def test_one_blank_line_stands_before_the_added_table(newline: str, end: str) -> None:
    longer = add_steps_table(f"[a]{newline}b = 1{end.replace('N', newline)}")
    assert longer is not None
    assert f"b = 1{newline}{newline}[tool.mitosis.steps]{newline}" in longer


def test_commented_example_works_when_the_comment_sign_is_taken_away(tmp_path: Path) -> None:
    longer = add_steps_table("[project]\nname = 'x'\n")
    assert longer is not None
    active = longer.replace("# my_step", "my_step")
    assert active != longer
    assert list(read_config(write(tmp_path, active)).steps) == ["my_step"]


@pytest.mark.parametrize(
    "text",
    ["[tool.mitosis.steps]\n", "tool.mitosis.steps = {}\n", "[tool]\nmitosis = { steps = {} }\n"],
)
def test_steps_table_that_is_there_is_left_alone(text: str) -> None:
    assert add_steps_table(text) is None


@pytest.mark.parametrize("text", ["[tool]\nmitosis = { trials-folder = 'x' }\n", "tool = { x = 1 }\n"])
def test_table_in_braces_is_refused_with_the_remedy(text: str) -> None:
    with pytest.raises(ConfigError, match="braces") as caught:
        add_steps_table(text, Path("my.toml"))
    assert "my.toml" in str(caught.value)
    assert "[tool.mitosis]" in str(caught.value)


def test_malformed_text_gets_no_table() -> None:
    with pytest.raises(ConfigError, match="line 1"):
        add_steps_table("x = \n")


@given(st.lists(st.sampled_from(["[a]", "b = 1", "# c", "", "[tool.x]", "[[d]]", '"tool" = 2']), max_size=6))
def test_steps_table_is_added_to_any_valid_text(lines: list[str]) -> None:
    text = "\n".join(lines)
    try:
        before = tomllib.loads(text)
    except tomllib.TOMLDecodeError:
        return
    if before.get("tool") == 2:
        with pytest.raises(ConfigError):
            add_steps_table(text)
        return
    longer = add_steps_table(text)
    assert longer is not None
    assert longer.startswith(text)
    assert tomllib.loads(longer)["tool"]["mitosis"]["steps"] == {}
