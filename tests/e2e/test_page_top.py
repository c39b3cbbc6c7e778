"""What the page of a trial says on top, in real repositories."""

from __future__ import annotations

from pathlib import Path

import pytest
from bs4 import BeautifulSoup

from support.e2e import SLOW, Project, write

FAST = ("my_exp", "-p", "my_exp.frequency=fast", "-e", "my_exp.amplitude=4")


def pages(project: Project) -> dict[str, BeautifulSoup]:
    """The pages by name."""
    return {path.name: BeautifulSoup(path.read_text(), "html.parser") for path in project.glob("trials/trial_*.html")}


def links(page: BeautifulSoup) -> dict[str, str]:
    return {link.get_text(): str(link["href"]) for link in page.select("header nav a, .facts a")}


def test_a_page_leads_to_the_previous_iteration_that_is_there(project: Project) -> None:
    for words in (SLOW, FAST, SLOW, SLOW):
        project.mitosis(*words)
    found = {name.rsplit("_", 1)[0]: (name, links(page)) for name, page in pages(project).items()}
    first, second, third = (found[f"trial_my_exp-4-slow_{iteration}"] for iteration in range(3))
    assert "previous iteration" not in first[1]
    assert "previous iteration" not in found["trial_my_exp-4-fast_0"][1]
    assert second[1]["previous iteration"] == first[0]
    assert third[1]["previous iteration"] == second[0]

    (project / "trials" / third[0]).unlink()
    project.mitosis(*SLOW)
    (fourth,) = (page for name, page in pages(project).items() if "slow_3_" in name)
    assert links(fourth)["previous iteration"] == second[0], "the latest of which there is a page"


def following(project: Project, page: BeautifulSoup) -> str | None:
    """Where the link to the next iteration leads in the end: the name of a page, None where there is none."""
    place = project / "trials" / links(page)["run again since?"]
    document = BeautifulSoup(place.read_text(), "html.parser")
    refresh = document.select_one("meta[http-equiv=refresh]")
    if refresh is None:
        assert document.h1 is not None and document.h1.get_text() == "There is no later iteration"
        return None
    target = str(refresh["content"]).removeprefix("0; url=")
    assert (place.parent / target).is_file()
    link = document.select_one("a")
    assert link is not None and link["href"] == target
    return Path(target).name


@pytest.mark.usefixtures("slow_trial")
def test_a_page_leads_to_the_next_iteration_once_there_is_one(project: Project) -> None:
    (first,) = pages(project)
    assert following(project, pages(project)[first]) is None
    project.mitosis(*FAST)
    assert following(project, pages(project)[first]) is None
    project.mitosis(*SLOW)
    project.mitosis(*SLOW, "--debug")
    project.mitosis(*SLOW)
    first, second, third = sorted(name for name in pages(project) if "-slow_" in name and "debug" not in name)
    found = pages(project)
    assert [following(project, found[name]) for name in (first, second, third)] == [second, third, None]

    assert "no problems found" in project.mitosis("verify", "--outputs").stdout
    key = next(record.key for record in project.records() if record.page == second)
    project.mitosis("forget", key, "--outputs")
    assert following(project, found[first]) == third


def test_a_file_of_that_name_of_the_experiment_is_left_alone(project: Project) -> None:
    source = (
        "import pathlib\nlookup_dict = {}\ndef run():\n    pathlib.Path('next_iteration.html').write_text('mine')\n"
    )
    project.commit_lab(source + "    return {'main': 1}\n")
    project.mitosis("my_exp")
    project.mitosis("my_exp")
    for record in project.records():
        path = project.folder_of(record) / "next_iteration.html"
        assert path.read_text() == "mine"
        assert f"{record.folder}/next_iteration.html" in [output.path for output in record.outputs]
        assert "run again since?" not in links(pages(project)[str(record.page)])


@pytest.mark.usefixtures("slow_trial")
def test_every_link_of_a_page_leads_to_a_file(project: Project) -> None:
    project.mitosis(*SLOW)
    for page in pages(project).values():
        for link in page.select("a[href]"):
            target = str(link["href"])
            if target.startswith("#"):
                assert page.find(id=target[1:]) is not None
            else:
                assert (project / "trials" / target).exists(), target


def test_a_page_of_that_name_but_other_parameters_is_no_iteration(project: Project) -> None:
    for expression in ("4", "(4)", "4"):
        project.mitosis("my_exp", "-p", "my_exp.frequency=slow", "-e", f"my_exp.amplitude={expression}")
    (last,) = (page for name, page in pages(project).items() if "slow_1_" in name)
    previous = links(last)["previous iteration"]
    command = pages(project)[previous].select_one(".command")
    assert command is not None and "amplitude=4" in command.get_text()


def test_a_debug_page_names_the_files_that_differ_from_the_commit(project: Project) -> None:
    write(project, {"lab/chain.py": "lookups = {}\n"})
    project.mitosis(*SLOW, "--debug")
    (page,) = pages(project).values()
    assert [pre.get_text() for pre in page.select(".note pre")] == [" M lab/chain.py"]
    lede = page.select_one(".lede")
    assert lede is not None and "dirty" in lede.get_text()
    source = page.select_one(".source pre")
    assert source is not None
    assert source.get_text().splitlines()[:2] == ["def run(amplitude, frequency):", '    """Multiply."""']


SOURCES = """\
import functools

import numpy as np

lookup_dict = {}


def base(k):
    return {"main": k, "data": k}


first = functools.partial(base, k=1)


class Second:
    def __call__(self, data):
        curves = {"list": (1, np.float32(2.5), float("nan"), 3), "vector": np.linspace(0, 1, 500)}
        others = {"two": [1, 2], "flags": [True] * 4, "texts": ["a"] * 4}
        return {"main": data, "data": data, "metrics": curves | others}


second = Second()


class Third:
    @staticmethod
    def run(data):
        return {"main": data}
"""


def test_each_step_has_its_own_source_and_its_curves_and_an_empty_log_no_link(project: Project) -> None:
    steps = "".join(f'{name} = ["lab:{name}", "lab:lookup_dict"]\n' for name in ("first", "second"))
    third = 'third = ["lab:Third.run", "lab:lookup_dict"]\n'
    project.commit({"lab/__init__.py": SOURCES, "pyproject.toml": f"[tool.mitosis.steps]\n{steps}{third}"})
    project.mitosis("first", "second", "third")
    (page,) = pages(project).values()
    assert [pre.get_text().splitlines()[0] for pre in page.select(".source pre")] == [
        "def base(k):",
        "class Second:",
        "@staticmethod",
    ]
    assert page.select(".source summary")[2].get_text() == "Source of lab:Third.run: lab/__init__.py, 3 lines"
    curves = {row.th.get_text(): row.select("svg") for row in page.select("#step-2 .results tr") if row.th}
    assert [name for name, drawn in curves.items() if drawn] == ["list", "vector"]
    assert [len(str(line["points"]).split()) for line in page.select("polyline")] == [2, 2, 60]
    assert [part.get_text() for part in page.select(".curve")] == [" 1 → 3 4 values, 1 not finite", " 0 → 1 500 values"]
    assert "log" not in links(page) and "notebook" in links(page)
