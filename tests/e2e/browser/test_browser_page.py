"""Pages of trials in a browser."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

from support.e2e import PYPROJECT

SHOW = '''\
"""Shows all kinds of things."""
import sys
from pathlib import Path

import matplotlib.pyplot as plt
import pandas as pd
from IPython.display import HTML, Audio, IFrame, Latex, Markdown, Video, display

lookups = {"kind": {"<b>": {"degree": 3}}}


def look(kind):
    """Show.

    And go on about it.
    """
    print("\\x1b[31mred\\x1b[0m on <b>standard</b> output")
    print("a complaint", file=sys.stderr)
    plt.figure(figsize=(12, 3)).add_subplot().plot([1, 3, 2])
    plt.show()
    display(pd.DataFrame({f"a long name {i}": [1.0, 2.0] for i in range(30)}))
    display(Markdown("## A heading\\n\\nwith $x^2$"), Latex(r"$$\\sum_i x_i$$"), HTML("<em>on purpose</em>"))
    display(Audio([0.0, 0.5] * 4000, rate=8000))
    for i in range(2000):
        print("line", i)
    return {"main": 1 / 3, "metrics": {"<script>alert(1)</script>": 2.5}}


def frame():
    """Show what needs files."""
    Path("other.html").write_text("<title>Other</title>other")
    Path("report.html").write_text("<html lang=en><title>Report</title><a href='other.html'>other</a></html>")
    display(IFrame("report.html", 300, 80), Video(url="gone.mp4"), IFrame("https://example.org/", 300, 80))
    return {"main": 1}


def fail(kind):
    """Fail."""
    raise ValueError("<script>alert(1)</script>")
'''

STEPS = "".join(f'{name} = ["lab.show:{name}", "lab.show:lookups"]\n' for name in ("look", "frame", "fail"))


@pytest.fixture(autouse=True)
def lab(commit: Callable[[Mapping[str, str]], str]) -> None:
    """The steps `look` and `fail`."""
    commit({"lab/show.py": SHOW, "pyproject.toml": PYPROJECT + STEPS})


def test_pages_load_nothing_complain_of_nothing_and_can_be_read_by_everybody(
    made: Callable[..., Path], opened: Callable[..., Any], serious: Callable[[Any], list[str]]
) -> None:
    pages = [
        made("look", "-p", "look.kind=<b>"),
        made("fail", "-p", "fail.kind=<b>", status=1),
        made("look", "-p", "look.kind=<b>", "--debug"),
    ]
    for path in pages:
        for width in (1200, 390):
            for dark in (False, True):
                found = opened(path, width=width, dark=dark)
                assert found.overflow_px == 0, (path.name, width)
                assert serious(found.page) == []
                found.page.evaluate("document.querySelectorAll('details').forEach(part => part.open = true)")
                assert found.overflow_px == 0, (path.name, width)
                assert serious(found.page) == []
                assert (found.requests, found.complaints) == ([], [])


def test_what_is_displayed_is_there_and_what_is_text_stays_text(
    made: Callable[..., Path], opened: Callable[..., Any]
) -> None:
    found = opened(made("look", "-p", "look.kind=<b>"))
    page = found.page
    assert page.locator("em", has_text="on purpose").is_visible()
    assert page.locator("pre", has_text="red on <b>standard</b> output").is_visible()
    assert page.locator("th", has_text="<script>alert(1)</script>").first.is_visible()
    assert page.locator("figure img").evaluate("image => image.complete && image.naturalWidth") > 1800
    assert page.locator("figure img").bounding_box()["width"] < 1000
    assert page.locator("math").count() == 2
    assert page.evaluate("getComputedStyle(document.body).fontSize") == "16px"


def test_long_output_unfolds_with_the_keyboard(made: Callable[..., Path], opened: Callable[..., Any]) -> None:
    page = opened(made("look", "-p", "look.kind=<b>")).page
    end = page.locator("details.long pre").last
    assert not end.is_visible()
    page.locator("details.long summary").focus()
    page.keyboard.press("Enter")
    assert end.is_visible()
    assert "line 1999" in end.inner_text()


def test_the_first_key_leads_past_the_links_and_every_link_somewhere(
    made: Callable[..., Path], opened: Callable[..., Any]
) -> None:
    path = made("fail", "-p", "fail.kind=<b>", status=1)
    page = opened(path).page
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.className") == "skip"
    page.locator(".remark a").click()
    assert page.evaluate("location.hash") == "#trouble"
    box = page.locator("#trouble").bounding_box()
    assert 0 <= box["y"] < 900
    for link in page.locator("header nav a").all():
        target = link.get_attribute("href")
        assert (path.parent / target).exists(), target


def test_dark_is_dark_and_light_is_light(made: Callable[..., Path], opened: Callable[..., Any]) -> None:
    path = made("look", "-p", "look.kind=<b>")
    lightness = "getComputedStyle(document.body).backgroundColor.match(/\\d+/g).map(Number)[0]"
    assert opened(path).page.evaluate(lightness) > 200
    dark = opened(path, dark=True).page
    assert dark.evaluate(lightness) < 60
    dark.emulate_media(media="print")
    assert dark.evaluate(lightness) > 200, "paper is white"


def test_numbers_of_a_wide_table_stay_whole_on_paper(made: Callable[..., Path], opened: Callable[..., Any]) -> None:
    page = opened(made("look", "-p", "look.kind=<b>"), width=1000).page
    page.emulate_media(media="print")
    heights = page.locator(".shown td").evaluate_all("all => all.map(one => one.getClientRects()[0].height)")
    size = page.locator(".shown td").first.evaluate("one => parseFloat(getComputedStyle(one).fontSize)")
    assert size >= 4 / 72 * 96 and max(heights) < 2.2 * size
    widths = page.locator(".shown table").first.evaluate("one => [one.offsetWidth, one.closest('.shown').clientWidth]")
    assert widths[0] <= widths[1]


def test_figures_are_dimmed_on_a_dark_page_until_they_are_pointed_at(
    made: Callable[..., Path], opened: Callable[..., Any]
) -> None:
    path = made("look", "-p", "look.kind=<b>")
    shade = "image => getComputedStyle(image).filter"
    image = opened(path, dark=True).page.locator("figure img").first
    assert image.evaluate(shade) == "brightness(0.86)", "all colours alike, so that none is another"
    image.hover()
    assert image.evaluate(shade) == "none"
    assert opened(path).page.locator("figure img").first.evaluate(shade) == "none"


def test_links_in_a_frame_lead_to_the_folder_and_nothing_is_left_of_what_cannot_be_shown(
    made: Callable[..., Path], opened: Callable[..., Any]
) -> None:
    path = made("frame")
    page = opened(path).page
    shade = "frame => getComputedStyle(frame).filter"
    assert opened(path, dark=True).page.locator("iframe").evaluate(shade) == "brightness(0.86)"
    with page.context.expect_page() as other:
        page.frame_locator("iframe").locator("a").click()
    assert other.value.title() == "Other"
    assert page.locator("iframe, video").count() == 1
    assert "gone.mp4 cannot be shown" in page.inner_text("main")
    assert page.locator("span.remark a").get_attribute("href") == "https://example.org/"
