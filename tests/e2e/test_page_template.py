"""Pages made with a template of the user's, and trials that are not lost for one."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from bs4 import BeautifulSoup

from mitosis.records.trial import TrialRecord
from support.e2e import PYPROJECT, SLOW, Project, write

HOUSE = """\
{% extends "mitosis/index.html.j2" %}
{% block page_banner %}
<p class="house">{{ record.key }} {{ page.verdict.word }} {{ page.results[0].shown }} {{ '<i>' }}</p>
{{ super() }}
{% endblock %}
{% block page_environment %}{% endblock %}
{% block step_begin %}<hr class="{{ cell.begins.name }}">{{ super() }}{% endblock %}
"""


def configured(template: str) -> str:
    return f'[tool.mitosis]\ntemplate = "{template}"\n{PYPROJECT}'


@pytest.fixture
def with_template(project: Project) -> Callable[..., None]:
    """Configure a template, with files in its folder."""

    def choose(template: str, **files: str) -> None:
        names = {"index": "index.html.j2", "conf": "conf.json", "base": "base.html.j2"}
        project.commit(
            {"pyproject.toml": configured(template)}
            | {f"{template}/{names[name]}": text for name, text in files.items()}
        )

    return choose


def page_of(project: Project, record: TrialRecord) -> BeautifulSoup:
    return BeautifulSoup(project.page_of(record).read_text(), "html.parser")


def texts(page: BeautifulSoup, selector: str) -> list[str]:
    return [element.get_text(" ", strip=True) for element in page.select(selector)]


def test_own_template_adds_to_the_page_and_escapes(project: Project, with_template: Callable[..., None]) -> None:
    with_template("templates/house", index=HOUSE, conf='{"base_template": "mitosis"}')
    project.mitosis(*SLOW, cwd=project / "lab")
    record = project.record()
    page = page_of(project, record)
    assert texts(page, ".house") == [f"{record.key} finished 4 <i>"]
    assert texts(page, "h1") == ["my_exp frequency=slow · amplitude=4"]
    assert len(page.select("hr.my_exp")) == 1
    assert page.select("#environment") == []
    assert record.warnings == ()


def test_installed_template_shows_the_notebook(project: Project, with_template: Callable[..., None]) -> None:
    with_template("basic")
    project.mitosis(*SLOW)
    page = page_of(project, project.record())
    assert "my_exp = lab.run(**my_exp_parameters)" in page.get_text()
    assert texts(page, "h2#record") == []


def test_template_on_one_of_nbconverts_knows_page_and_record(
    project: Project, with_template: Callable[..., None]
) -> None:
    index = (
        '{% extends "basic/index.html.j2" %}\n'
        "{% block body_footer %}<footer>{{ resources.record.key }} {{ resources.page.results[0].name }}</footer>"
        "{% endblock %}\n"
    )
    with_template("plain", index=index, conf='{"base_template": "basic"}')
    project.mitosis(*SLOW)
    record = project.record()
    page = page_of(project, record)
    assert texts(page, "footer") == [f"{record.key} main"]
    assert "my_exp = lab.run(**my_exp_parameters)" in page.get_text()


@pytest.mark.parametrize(
    ("template", "files", "said"),
    [
        ("templates/none", {}, "there is no folder"),
        ("house", {"index": "\n{{ page | loud }}"}, "house/index.html.j2, line 2: No filter named 'loud'"),
    ],
)
def test_unusable_template_is_refused_before_the_trial_runs(
    project: Project, with_template: Callable[..., None], template: str, files: dict[str, str], said: str
) -> None:
    with_template(template, **files)
    for words in (SLOW, (*SLOW, "--debug")):
        done = project.mitosis(*words, status=2)
        assert said in done.stderr
        assert "[tool.mitosis.template]" in done.stderr
        assert "multiplying" not in done.stdout + done.stderr
    assert project.records() == []
    assert [path for path in project.glob("trials/*") if path.is_dir()] == []
    project.mitosis("list")


def test_template_that_fails_costs_its_look_and_not_the_trial(
    project: Project, with_template: Callable[..., None]
) -> None:
    with_template(
        "house", index='{% extends "mitosis/index.html.j2" %}\n{% block page_head %}{{ 1 / 0 }}{% endblock %}'
    )
    done = project.mitosis(*SLOW)
    record = project.record()
    (warning,) = record.warnings
    assert warning.startswith("the template house failed, so the page looks like mitosis's own")
    assert warning.endswith("index.html.j2, line 2: ZeroDivisionError: division by zero")
    assert warning in done.stdout + done.stderr
    page = page_of(project, record)
    assert texts(page, "h1") == ["my_exp frequency=slow · amplitude=4"]
    assert texts(page, ".warnings li") == [warning]


def test_template_may_be_missing_where_no_page_is_made(project: Project, with_template: Callable[..., None]) -> None:
    with_template("nowhere")
    project.mitosis(*SLOW, "--output", "ipynb")
    assert len(project.records()) == 1


def test_template_being_written_is_tried_without_committing(project: Project) -> None:
    project.commit({"pyproject.toml": configured("house")})
    write(project, {"house/index.html.j2": HOUSE})
    project.mitosis(*SLOW, "--debug")
    (page,) = (project / "trials").glob("*.html")
    assert 'class="house"' in page.read_text()
