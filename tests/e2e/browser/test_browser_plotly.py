"""Figures of plotly on paper."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from mitosis.report.displays import PLOTLY, Displays

_SCRIPT = """\
window.Plotly = { newPlot: function (place) {
  var figure = document.getElementById(place);
  figure.className = "js-plotly-plot";
  figure.innerHTML = '<svg class="main-svg" width="1000" height="300"><circle id="end" cx="990" cy="9" r="5"/></svg>';
} };
"""
_STYLE = "<style>body { margin: 0 } svg { max-width: 100%; height: auto }</style>"


def test_on_narrow_paper_a_figure_of_plotly_is_whole(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, opened: Callable[..., Any]
) -> None:
    library = tmp_path / "plotly" / "package_data"
    library.mkdir(parents=True)
    (tmp_path / "plotly" / "__init__.py").touch()
    (library / "plotly.min.js").write_text(_SCRIPT)
    monkeypatch.syspath_prepend(str(tmp_path))
    path = tmp_path / "page.html"
    path.write_text(f"<!DOCTYPE html>{_STYLE}{Displays({}).other(PLOTLY, {'data': [], 'layout': {}})}")
    page = opened(path).page
    drawn = "document.getElementById('end').getBoundingClientRect().right"
    assert page.evaluate(drawn) == 995
    page.evaluate(
        f"addEventListener('beforeprint', () => {{ document.body.style.width = '500px'; window.seen = {drawn} }})"
    )
    page.pdf(format="A4")
    assert page.evaluate("window.seen") == 497.5
    page.evaluate("document.body.style.width = ''")
    assert page.evaluate(drawn) == 995
