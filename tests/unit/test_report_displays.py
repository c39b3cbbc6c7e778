from __future__ import annotations

import base64
import html
import json
import os
from pathlib import Path
from typing import Any

import pytest
from bs4 import BeautifulSoup

from mitosis.report.displays import Displays, image_url, png_size, svg_url

_VIEW = "application/vnd.jupyter.widget-view+json"
_PLOTLY = "application/vnd.plotly.v1+json"


@pytest.mark.parametrize(
    ("kinds", "chosen"),
    [
        (["text/plain", "text/html", "image/png"], "text/html"),
        (["text/plain", "image/png", "image/svg+xml"], "image/svg+xml"),
        (["text/plain", "image/gif"], "image/gif"),
        (["text/plain", "text/latex", "image/png"], "text/latex"),
        (["text/plain", "application/x-unknown"], "text/plain"),
        (["text/x-rst", "application/x-unknown"], "text/x-rst"),
        (["application/x-unknown"], None),
        ([], None),
    ],
)
def test_the_richest_form_that_can_be_shown_is_chosen(kinds: list[str], chosen: str | None) -> None:
    assert Displays({}).choose(dict.fromkeys(kinds, "")) == chosen


def _widgets(**models: dict[str, Any]) -> dict[str, Any]:
    return {
        model_id: {"model_name": state.pop("name"), "state": state}
        for model_id, state in ((name, dict(model)) for name, model in models.items())
    }


def test_of_a_progress_bar_in_widgets_the_last_state_is_shown() -> None:
    widgets = _widgets(
        box={"name": "HBoxModel", "children": ["IPY_MODEL_a", "IPY_MODEL_b", "IPY_MODEL_c"]},
        a={"name": "HTMLModel", "value": "100%"},
        b={"name": "FloatProgressModel", "value": 5.0, "max": 5.0, "min": 0.0},
        c={"name": "LabelModel", "value": "5/5 <00:00>"},
    )
    data = {_VIEW: {"model_id": "box"}, "text/plain": "0%| | 0/5"}
    displays = Displays(widgets)
    assert displays.choose(data) == _VIEW
    shown = displays.widget(data[_VIEW])
    assert "100%" in shown
    assert '<progress aria-label="progress" max="5.0" value="5.0">' in shown
    assert "5/5 &lt;00:00&gt;" in shown


@pytest.mark.parametrize(
    "widgets",
    [
        {},
        _widgets(box={"name": "IntSliderModel", "value": 3}),
        _widgets(box={"name": "HBoxModel", "children": ["IPY_MODEL_box"]}),
        _widgets(box={"name": "HBoxModel", "children": ["IPY_MODEL_gone"]}),
        {"box": 3},
    ],
)
def test_other_widgets_are_shown_as_text(widgets: dict[str, Any]) -> None:
    assert Displays(widgets).choose({_VIEW: {"model_id": "box"}, "text/plain": "x"}) == "text/plain"


def test_html_is_shown_as_it_is() -> None:
    source = '<b onclick="x()">hello</b><script>let a = 1 < 2;</script><a href="https://example.org/">see</a>'
    assert Displays({}).html(source) == source


@pytest.mark.parametrize(
    "source",
    [
        '<script src="https://cdn.example.org/x.js"></script>',
        "<script async src=//cdn.example.org/x.js></script>",
        '<link rel="stylesheet" href="http://cdn.example.org/x.css">',
        "<IMG alt='' SRC='https://cdn.example.org/x.png'>",
        "<style>@import 'https://cdn.example.org/x.css'; a { }</style>",
        "<div style='background: url(https://cdn.example.org/x.png)'></div>",
    ],
)
def test_html_that_needs_the_network_says_so(source: str) -> None:
    assert "at cdn.example.org is not loaded" in Displays({}).html(source)


def test_scripts_and_frames_that_need_the_network_say_so() -> None:
    load = 'const js_urls = ["https://cdn.bokeh.org/bokeh/release/bokeh-3.9.2.min.js"];'
    assert "at cdn.bokeh.org is not loaded" in Displays({}).javascript(load)
    assert "at cdn.bokeh.org is not loaded" in Displays({}).html(f'<iframe srcdoc="{html.escape(load)}"></iframe>')
    # A whole library has many addresses in it, and needs none of them.
    assert "is not loaded" not in Displays({}).javascript(load + "x();" * 100_000)


@pytest.mark.parametrize(
    ("source", "closed"),
    [
        ("<!-- open", "&lt;!-- open"),
        ("<b>x<textarea>a", "<b>x<textarea>a</textarea></b>"),
        ("<style>a{}", "<style></style>"),
        ("<div class='x", "&lt;div class='x"),
        ("</div></main>a", "a"),
        ("<style>a{}</style><table><tr><TD class='a'>1<br></TD></tr></table>",) * 2,
        ("<plaintext>a", "<pre>a</pre>"),
        ("<base href='x'><meta http-equiv=refresh content='0;url=x'>a", "a"),
        ("<script><!-- <script> </script>", r"<script><!-- \u003cscript> </script>"),
        ("<svg><title>a</title></svg>", "<svg><title>a</title></svg>"),
    ],
)
def test_html_ends_where_it_should(source: str, closed: str) -> None:
    assert Displays({}).html(source) == closed


def test_no_text_of_a_chart_of_altair_ends_its_script() -> None:
    load = 'maybeLoadScript("vega", "6");'
    script = f'<script type="text/javascript">{load} x = "</script><b>";</script>'
    shown = Displays({}).html(f"<div></div>{script}")
    assert r'x = "\u003c/script><b>";</script>' in shown


def test_files_that_html_shows_are_in_the_page(tmp_path: Path, plotly_script: str) -> None:
    folder = tmp_path / "2026-03-01_5f2c 91"
    folder.mkdir()
    (folder / "a b.mp4").write_bytes(b"film")
    load = '<script src="https://cdn.plot.ly/plotly-3.0.0.min.js"></script>'
    (folder / "sub").mkdir()
    inner = "<img src='../a%20b.mp4'><a href='more.html'>m</a><a href='#x'>x</a><iframe src='chart.html'></iframe>"
    (folder / "sub" / "chart.html").write_text(f"{load}<p>&lt;</p>{inner}")
    displays = Displays({}, folder)
    film = base64.b64encode(b"film").decode()
    assert displays.html("<video src='a%20b.mp4#t=1'></video>") == f'<video src="data:video/mp4;base64,{film}"></video>'
    assert f'src="data:video/mp4;base64,{film}"' in displays.html(f'<embed src="{folder.as_uri()}/a%20b.mp4">')
    frame = BeautifulSoup(displays.html('<iframe title="x" src="sub/chart.html"></iframe>'), "html.parser").iframe
    assert frame is not None and frame.get("src") is None
    assert plotly_script in str(frame["srcdoc"]) and "<p>&lt;</p>" in str(frame["srcdoc"])
    # From the page, a link has further to go.
    assert displays.html("<a href='a%20b.mp4'>it</a>") == '<a href="2026-03-01_5f2c%2091/a%20b.mp4">it</a>'
    for address in ("https://example.org/", "#top", "mailto:a@example.org", "//example.org", "/abc"):
        assert displays.html(f'<a href="{address}">x</a>') == f'<a href="{address}">x</a>'
    # From a frame, too, and it cannot go there inside of it; what would show nothing makes way for a remark.
    framed = BeautifulSoup(str(frame["srcdoc"]), "html.parser")
    links = [(str(link["href"]), link.get("target")) for link in framed("a")]
    assert links == [("2026-03-01_5f2c%2091/sub/more.html", "_blank"), ("#x", None)]
    assert [str(image["src"]) for image in framed("img")] == [f"data:video/mp4;base64,{film}"]
    assert not framed("iframe") and "chart.html cannot be shown" in framed.get_text(), "or it might hold itself"
    why = "no such file is in the trial's folder or the working tree, or it is too large"
    gone = f'<span class="remark"><code>gone.mp4</code> cannot be shown: {why}.</span>'
    for element in ("<img src='gone.mp4'>", "<video src='gone.mp4'></video>", "<audio><source src='gone.mp4'></audio>"):
        assert displays.html(element) == gone
    assert displays.html("<video poster='gone.mp4'><source src='a%20b.mp4'></video>").endswith(f"</video>{gone}")
    away = displays.html("<iframe src='https://example.org/a'></iframe>")
    assert "<iframe" not in away and '<a href="https://example.org/a" target="_blank">' in away


def test_only_files_of_the_trial_and_of_the_working_tree_are_in_the_page(tmp_path: Path) -> None:
    root, elsewhere = tmp_path / "project", tmp_path / "elsewhere"
    folder = root / "trials" / "2026-03-01_5f2c91"
    for place in (folder, elsewhere, root / ".git"):
        place.mkdir(parents=True)
    for path in (root / "logo.png", elsewhere / "key", root / ".git" / "config"):
        path.write_bytes(b"secret")
    (folder / "link.png").symlink_to(elsewhere / "key")
    os.mkfifo(folder / "pipe")
    displays = Displays({}, folder, root)
    secret = base64.b64encode(b"secret").decode()
    assert f'src="data:image/png;base64,{secret}"' in displays.html("<img src=../../logo.png>")
    for address in (elsewhere / "key", "../../../elsewhere/key", "link.png", "../../.git/config", "pipe", "/dev/zero"):
        shown = displays.html(f"<img src='{address}'>")
        assert f"<code>{address}</code> cannot be shown" in shown and secret not in shown


def test_a_script_cannot_end_the_script_around_it() -> None:
    shown = Displays({}).javascript('element.innerHTML = "<script>1</script><!--";')
    assert shown.count("<script") == 2  # the one around, and the harmless opening in the text
    assert shown.count("</script") == 1
    assert "<!--" not in shown
    assert '"<script>1\\x3c/script>\\x3c!--"' in shown


@pytest.fixture
def plotly_script(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """The script of a package `plotly` that is laid out as the real one."""
    package = tmp_path / "plotly"
    (package / "package_data").mkdir(parents=True)
    (package / "__init__.py").write_text("raise RuntimeError('not to be imported')\n")
    script = "window.Plotly = {};"
    (package / "package_data" / "plotly.min.js").write_text(script)
    monkeypatch.syspath_prepend(str(tmp_path))
    return script


def test_plotly_figures_come_with_the_installed_script_once(plotly_script: str) -> None:
    figure = {"data": [{"y": [1, 2], "name": "</script><script>alert(1)"}], "layout": {"height": 300}}
    displays = Displays({})
    assert displays.choose({_PLOTLY: figure, "text/plain": "Figure()"}) == _PLOTLY
    first, second = displays.other(_PLOTLY, figure), displays.other(_PLOTLY, figure)
    assert plotly_script in first
    assert plotly_script not in second
    assert "</script><script>alert" not in first
    assert json.dumps(figure["layout"], separators=(",", ":")) in first
    assert 'id="plotly-1"' in first
    assert 'id="plotly-2"' in second


def test_html_that_would_load_plotly_gets_the_installed_script_once(plotly_script: str) -> None:
    source = (
        '<div><script src="https://cdn.plot.ly/plotly-3.1.0.min.js"></script><script>Plotly.newPlot()</script></div>'
    )
    displays = Displays({})
    first, second = displays.html(source), displays.html(source)
    assert plotly_script in first and plotly_script not in second
    assert "cdn.plot.ly" not in first + second and "is not loaded" not in first + second


def test_asking_whether_a_widget_can_be_shown_loads_no_script_for_it(plotly_script: str) -> None:
    source = '<script src="https://cdn.plot.ly/plotly-3.1.0.min.js"></script>'
    displays = Displays(_widgets(box={"name": "HTMLModel", "value": source}))
    view = {"model_id": "box"}
    assert displays.choose({_VIEW: view, "text/plain": "x"}) == _VIEW
    assert plotly_script in displays.widget(view)
    assert plotly_script not in displays.widget(view)


def test_png_size_is_read_from_its_header() -> None:
    header = b"\x89PNG\r\n\x1a\n\x00\x00\x00\rIHDR\x00\x00\x02X\x00\x00\x01@"
    assert png_size(base64.encodebytes(header + bytes(100)).decode()) == (600, 320)
    assert png_size("not base64!") is None
    assert png_size("") is None


def test_images_stand_in_the_page() -> None:
    assert image_url("image/png", "aGVs\nbG8=\n") == "data:image/png;base64,aGVsbG8="
    encoded = svg_url("<svg><script>alert(1)</script></svg>").removeprefix("data:image/svg+xml;base64,")
    assert base64.b64decode(encoded) == b"<svg><script>alert(1)</script></svg>"
