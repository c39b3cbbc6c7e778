"""--output: page, notebook or both; and the command that runs the same again."""

from __future__ import annotations

import json
import shlex
from pathlib import Path

import pytest
from bs4 import BeautifulSoup

import mitosis as library
from mitosis.runner.request import Request, rerun_command
from support.e2e import SLOW, Project

ALWAYS = {"source.py", "experiment.log", "requirements.txt", "results_0.dill", "parameters_0.dill"}
WITH_PAGE = {"experiment", "next_iteration.html"}
"""Links, which a record does not list."""
LOUD = """\
lookup_dict = {}


def run(lines):
    for number in range(lines):
        print("line", number)
    return {"main": lines}
"""


def names_in(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()}


def test_both_are_written_by_default(project: Project) -> None:
    told = json.loads(project.mitosis(*SLOW, "--json").stdout)
    folder = project.folder_of(project.record())
    assert names_in(folder) == ALWAYS | WITH_PAGE | {"notebook.ipynb"}
    assert told["notebook"] == str(folder / "notebook.ipynb")
    assert told["page"] == str(project.page_of(project.record()))


def test_html_leaves_no_notebook_and_no_link_to_one(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    project.commit_lab(LOUD)
    told = json.loads(project.mitosis("my_exp", "-e", "my_exp.lines=5000", "--output", "html", "--json").stdout)
    record = project.record()
    folder = project.folder_of(record)
    assert names_in(folder) == ALWAYS | WITH_PAGE | {"output_0.txt"}
    assert told["notebook"] is None
    assert told["page"] == str(project.page_of(record))
    assert (folder / "output_0.txt").read_text() == "".join(f"line {number}\n" for number in range(5000))
    page = BeautifulSoup(project.page_of(record).read_text(), "html.parser")
    links = [str(link["href"]) for link in page.select("a[href]")]
    assert f"{record.folder}/output_0.txt" in links
    assert not [link for link in links if "notebook" in link]
    assert "the notebook" not in page.get_text()
    assert {Path(output.path).name for output in record.outputs} == names_in(folder) - WITH_PAGE | {record.page}
    assert "no problems found" in project.mitosis("verify", "--outputs").stdout
    assert project.mitosis("open", record.key).stdout.strip() == told["page"]
    monkeypatch.chdir(project)
    assert library.load_trial_data(record.key) == [{"main": 5000}]


DISPLAYS = """\
from IPython.display import display
lookup_dict = {{}}
def run():
    {display}
    return {{"main": 1}}
"""


@pytest.mark.parametrize(
    ("shown", "kept"),
    [
        ("display([str(number) * 50 for number in range(900)])", "899899"),
        ("display({'application/x-unknown': 'only here', 'text/plain': 'something'}, raw=True)", "only here"),
        ("raise ValueError('\\n'.join(map(str, range(20000))))", "19999"),
    ],
    ids=["text", "unknown with text", "error"],
)
def test_what_the_page_cannot_show_is_in_a_notebook_whatever_was_asked_for(
    project: Project, shown: str, kept: str
) -> None:
    project.commit_lab(DISPLAYS.format(display=shown))
    done = project.mitosis("my_exp", "--output", "html", "--json", status=None)
    record = project.record()
    folder = project.folder_of(record)
    assert kept in (folder / "notebook.ipynb").read_text()
    assert json.loads(done.stdout)["notebook"] == str(folder / "notebook.ipynb")
    assert "the notebook is written as well" in done.stderr
    assert f"{record.folder}/notebook.ipynb" in {output.path for output in record.outputs}
    page = BeautifulSoup(project.page_of(record).read_text(), "html.parser")
    assert f"{record.folder}/notebook.ipynb" in [link["href"] for link in page.select("a[href]")]


def test_what_the_page_or_a_file_has_needs_no_notebook(project: Project) -> None:
    shown = [
        "display([1, 2, 3])",
        "display({'text/html': '<table>' + '<tr><td>1</td></tr>' * 9000 + '</table>', 'text/plain': 'x'}, raw=True)",
        "print('much ' * 90000)",
    ]
    project.commit_lab(DISPLAYS.format(display="\n    ".join(shown)))
    done = project.mitosis("my_exp", "--output", "html")
    assert "notebook.ipynb" not in names_in(project.folder_of(project.record()))
    assert "notebook" not in done.stderr


def test_file_of_the_experiments_own_is_not_overwritten(project: Project) -> None:
    code = "lookup_dict = {}\n\ndef run():\n    open('output_0.txt', 'w').write('mine')\n    print('hello')\n"
    project.commit_lab(code + "    return {'main': 1}\n")
    project.mitosis("my_exp", "--output", "html")
    assert (project.folder_of(project.record()) / "output_0.txt").read_text() == "mine"


def test_ipynb_makes_no_page_and_says_where_the_notebook_is(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    done = project.mitosis(*SLOW, "--output", "ipynb")
    record = project.record()
    notebook = project.folder_of(record) / "notebook.ipynb"
    assert record.page is None
    assert record.warnings == ()
    assert list((project / "trials").glob("*.html")) == []
    assert names_in(notebook.parent) == ALWAYS | {"notebook.ipynb"}
    assert done.stdout.rstrip().endswith(str(notebook.relative_to(project)))
    opened = project.mitosis("open", record.key)
    assert opened.stdout.strip() == str(notebook)
    assert "has no page" in opened.stderr
    assert "no problems found" in project.mitosis("verify", "--outputs").stdout
    for command in ("list", "show"):
        assert record.key[:6] in project.mitosis(*([command, record.key] if command == "show" else [command])).stdout
    monkeypatch.chdir(project)
    assert library.load_trial_data(record.key)[0]["main"] == 4


@pytest.mark.usefixtures("slow_trial")
def test_page_after_a_trial_without_one_has_the_link_to_the_one_before(project: Project) -> None:
    project.mitosis(*SLOW, "--output", "ipynb")
    project.mitosis(*SLOW, "--output", "html")
    last, middle, first = project.records()
    assert (first.iteration, middle.iteration, last.iteration) == (0, 1, 2)
    assert str(first.page) in project.page_of(last).read_text()


def test_open_and_ipynb_exclude_each_other(project: Project) -> None:
    done = project.mitosis(*SLOW, "--output", "ipynb", "--open", "--json", status=2)
    assert "--output ipynb makes none" in done.stderr
    assert json.loads(done.stdout)["status"] == "refused"
    assert project.records() == []


def test_other_formats_are_refused(project: Project) -> None:
    assert '"html", "ipynb", "both"' in project.mitosis(*SLOW, "--output", "pdf", status=2).stderr


def test_failed_trial_leaves_the_page_that_was_asked_for(project: Project) -> None:
    project.commit_lab("lookup_dict = {}\n\ndef run():\n    print('so far')\n    1 / 0\n")
    project.mitosis("my_exp", "--output", "html", status=1)
    folder = project.folder_of(project.record())
    assert "notebook.ipynb" not in names_in(folder)
    assert (folder / "output_0.txt").read_text() == "so far\n"


def rerun_on(page: Path) -> list[str]:
    (command,) = BeautifulSoup(page.read_text(), "html.parser").select("pre.command")
    return shlex.split(command.get_text())


def test_command_on_a_debug_page_runs_a_debug_trial(project: Project) -> None:
    words = (*SLOW, "-d", "--timeout", "30", "--output", "html", "-F", "out")
    project.mitosis(*words)
    (page,) = (project / "out").glob("*.html")
    command = rerun_on(page)
    assert command[0] == "mitosis"
    project.mitosis(*command[1:])
    first, second = sorted((project / "out").glob("*.html"))
    assert rerun_on(first) == rerun_on(second) == command
    assert {"--debug", "--timeout", "--output", "-F"} <= set(command)
    assert project.records() == []


def test_command_has_every_option_that_changes_what_is_left() -> None:
    request = Request(
        folder=Path("/"),
        steps=(),
        lookups=("a=b c",),
        evaluated=("+d='e'",),
        module="pack.mod:Class",
        debug=True,
        trials_folder="my trials",
        config="other.toml",
        timeout_s=0.1,
        output="ipynb",
    )
    assert shlex.join(rerun_command(request)) == (
        "mitosis -m pack.mod:Class -p 'a=b c' -e '+d='\"'\"'e'\"'\"'' --config other.toml -F 'my trials' --timeout 0.1 "
        "--output ipynb --debug"
    )
    assert list(rerun_command(Request(folder=Path("/"), steps=("list",)))) == ["mitosis", "run", "list"]
