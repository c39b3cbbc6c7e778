"""HTML of well-known libraries on a page."""

from __future__ import annotations

import io

import matplotlib.figure
import pandas
import pytest
from bs4 import BeautifulSoup
from matplotlib import animation, pyplot

from mitosis.report.displays import Displays
from mitosis.report.markup import PLOTLY_SCRIPT, adapt, is_for_light, is_picture

_VIEW = "application/vnd.jupyter.widget-view+json"
_RICH = (
    "<pre style=\"white-space:pre;overflow-x:auto;line-height:normal;font-family:Menlo,'DejaVu Sans Mono',consolas,"
    "'Courier New',monospace\">{}</pre>\n"
)
_SVG = '<svg xmlns="http://www.w3.org/2000/svg" width="9"><defs><g id="g"/></defs><use href="#g"/></svg>'


@pytest.fixture
def animated(monkeypatch: pytest.MonkeyPatch) -> BeautifulSoup:
    """What matplotlib writes for an animation, adapted."""
    monkeypatch.setitem(matplotlib.rcParams, "backend", "agg")
    figure, axes = pyplot.subplots(figsize=(1, 1))
    (line,) = axes.plot([0, 1])
    source = animation.FuncAnimation(figure, lambda i: [line], frames=2).to_jshtml()
    pyplot.close(figure)
    return BeautifulSoup(str(Displays({}).html(source)), "html.parser")


def test_an_animation_has_signs_on_its_buttons_without_a_font_of_icons(animated: BeautifulSoup) -> None:
    assert animated.select("link") == []
    assert "is not loaded" not in animated.get_text()
    styles = "".join(style.get_text() for style in animated.select("style"))
    names = {name for icon in animated.select(".anim-buttons i") for name in icon["class"]} - {"fa"}
    assert len(names) == 9
    for name in names:
        assert f".fa-{name.removeprefix('fa-')}" in styles


def test_an_animation_can_be_told_without_seeing_it(animated: BeautifulSoup) -> None:
    assert animated.select("img[alt]") == animated.select("img") != []
    assert animated.select("input[type=range][aria-label]") != []


def test_colours_of_rich_can_be_read_in_both_themes() -> None:
    span = '<span style="color: #800000; text-decoration-color: #800000; font-weight: bold">a &lt; b</span>'
    (shown,) = BeautifulSoup(adapt(_RICH.format(span)), "html.parser").select("pre > span.c")
    style = str(shown["style"])
    assert style.startswith("--l:#800000;--d:#") and style.endswith(";font-weight: bold")
    assert shown.get_text() == "a < b"
    on_blue = adapt(_RICH.format('<span style="background-color: #000080">x</span>'))
    assert "background:#000080" in on_blue and "color:#000000" not in on_blue


def test_what_rich_writes_to_clear_its_place_is_not_shown() -> None:
    assert Displays({}).html(_RICH.format("")) == ""


def test_a_frame_gets_a_title_unless_it_has_one() -> None:
    frame = BeautifulSoup(adapt('<iframe src="data:,x"></iframe>'), "html.parser").select_one("iframe")
    assert frame is not None and frame.attrs == {"title": "Output", "src": "data:,x"}
    assert adapt('<iframe src="data:,x" title="Map"></iframe>') == '<iframe src="data:,x" title="Map"></iframe>'


@pytest.mark.parametrize(
    "piece",
    [
        "<iframe ",
        '<link rel="stylesheet" href="https://a/font-awesome/',
        "<script src='https://cdn.plot.ly/plotly-",
        "<svg ",
        '<img id="_anim_img',
    ],
)
def test_html_that_is_broken_comes_to_an_end(piece: str) -> None:
    """Were the time not in proportion to the length, this would take for ever."""
    source = piece * 5_000
    adapt(source)
    is_picture(source)
    PLOTLY_SCRIPT.search(source)


@pytest.mark.parametrize("mark", ["'", '"', "`"])
def test_texts_of_scripts_that_make_frames_stay_texts(mark: str) -> None:
    adapted = adapt(f"<script>f({mark}<iframe frameborder=0>{mark})</script>")
    assert adapted.removeprefix("<script>f(").removesuffix(")</script>").count(mark) == 2


@pytest.mark.parametrize(
    "script",
    [
        '<script charset="utf-8" src="https://cdn.plot.ly/plotly-3.1.0.min.js" crossorigin="anonymous"></script>',
        '<script type="module">import "https://cdn.plot.ly/plotly-3.1.0.min"</script>',
    ],
)
def test_what_loads_plotly_is_found(script: str) -> None:
    match = PLOTLY_SCRIPT.search(f"<div></div>{script}<script>Plotly.newPlot()</script>")
    assert match is not None and match[0] == script


def test_html_that_is_one_svg_is_a_picture() -> None:
    figure = io.StringIO()
    matplotlib.figure.Figure(figsize=(1, 1)).savefig(figure, format="svg")
    assert is_picture(_SVG) and is_picture(f"\n{_SVG}\n") and is_picture(figure.getvalue())
    assert not is_picture(_SVG + _SVG)
    assert not is_picture(f"<p>{_SVG}</p>")
    assert not is_picture(_SVG.replace("<use", "<script>alert(1)</script><use"))
    assert not is_picture("<svg><rect/></svg>"), "an image has to say what it is"


def test_what_a_widget_has_caught_is_shown() -> None:
    outputs = [
        {"output_type": "stream", "name": "stdout", "text": "0%\r100% <done>\n"},
        {"output_type": "display_data", "data": {"text/html": "<em>on purpose</em>", "text/plain": "no"}},
        {"output_type": "display_data", "data": {"image/png": "iVBORw0KGgo=", "text/plain": "no"}},
        {"output_type": "execute_result", "data": {"text/plain": "<b>"}},
        {"output_type": "error", "ename": "ValueError", "evalue": "x", "traceback": ["ValueError: x"]},
        {"output_type": "stream", "name": "stdout", "text": "line\n" * 5000},
    ]
    displays = Displays({"out": {"model_name": "OutputModel", "state": {"outputs": outputs}}})
    assert displays.choose({_VIEW: {"model_id": "out"}, "text/plain": "Output()"}) == _VIEW
    shown = displays.widget({"model_id": "out"})
    document = BeautifulSoup(shown, "html.parser")
    assert [pre.get_text() for pre in document.select("pre")][:3] == ["100% <done>", "<b>", "ValueError: x"]
    assert document.select("em") and document.select("img[src='data:image/png;base64,iVBORw0KGgo='][alt]")
    assert "left out here" in document.select(".cut")[0].get_text()
    assert len(shown) < 5000


def test_a_styled_table_is_shown_on_a_light_ground() -> None:
    frame = pandas.DataFrame({"a": [1, 2]})
    assert is_for_light(frame.style.highlight_max().to_html())
    assert is_for_light(frame.style.bar().to_html())
    assert is_for_light(frame.style.set_properties(color="black").to_html())
    assert is_for_light('<td style="background:#ff0">1</td>')
    assert not is_for_light(frame.to_html())
    assert not is_for_light(frame.style.format(precision=1).to_html())
    assert not is_for_light(_RICH.format('<span style="background-color: #000080">1</span>'))


@pytest.mark.parametrize(
    "own", ["@media (prefers-color-scheme: dark) { p { background: #000 } }", "p { color: light-dark(#000, #fff) }"]
)
def test_html_that_knows_dark_pages_is_left_to_itself(own: str) -> None:
    assert not is_for_light(f"<style>p {{ background: #fff }} {own}</style><p>text</p>")
