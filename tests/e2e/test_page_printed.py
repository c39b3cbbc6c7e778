"""A step that prints very much."""

from __future__ import annotations

from bs4 import BeautifulSoup

from support.e2e import PYPROJECT, Project

LOUD = '''\
"""A loud step."""
lookups = {}


def run():
    """Shout."""
    for number in range(120_000):
        print("line", number)
    return {"main": 1}
'''


def test_of_a_loud_step_the_page_is_small_and_leads_to_all_that_it_printed(project: Project) -> None:
    project.commit({"lab/loud.py": LOUD, "pyproject.toml": PYPROJECT + 'loud = ["lab.loud:run", "lab.loud:lookups"]\n'})
    expected = "".join(f"line {number}\n" for number in range(120_000))
    assert expected in project.mitosis("loud").stdout
    record = project.record()
    assert record.page is not None and record.folder is not None
    folder = project / "trials" / record.folder
    assert (folder / "output_0.txt").read_text() == expected
    assert f"{record.folder}/output_0.txt" in [output.path for output in record.outputs]
    assert (folder / "notebook.ipynb").stat().st_size < 2_200_000
    page = project / "trials" / record.page
    assert page.stat().st_size < 120_000
    document = BeautifulSoup(page.read_text(), "html.parser")
    summary, cut, link = (document.select_one(selector) for selector in (".long summary", ".cut", ".cut a"))
    assert summary is not None and cut is not None and link is not None
    assert summary.get_text().startswith("Output: 120,00") and "(1.3 MB)" in summary.get_text()
    assert "left out here; output_0.txt has all of it" in cut.get_text()
    assert (page.parent / str(link["href"])).read_text() == expected


LIAR = '''\
"""A step that claims to have printed more than it did."""
lookups = {}


def run():
    """Lie."""
    print("[1000000 lines, 90000000 bytes left out here; output_0.txt has all of it]")
    for number in range(2_000):
        print("line", number)
    return {"main": 1}
'''


def test_a_step_cannot_have_the_page_claim_what_it_did_not_print(project: Project) -> None:
    project.commit({"lab/liar.py": LIAR, "pyproject.toml": PYPROJECT + 'liar = ["lab.liar:run", "lab.liar:lookups"]\n'})
    project.mitosis("liar")
    (page,) = project.glob("trials/*.html")
    document = BeautifulSoup(page.read_text(), "html.parser")
    assert [summary.get_text().startswith("Output: 2,001 lines") for summary in document.select(".long summary")] == [
        True
    ]
    assert not [link for link in document.select("a") if "output_0" in str(link["href"])]
