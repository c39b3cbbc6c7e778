"""What an experiment displays, other than text: which form of it is shown, and how.

A display comes in several forms by MIME type, of which the richest that works without a network is taken. plotly
and Vega charts need a script that a notebook leaves to its front end; it is put into the page from the package that
is installed here, once.
"""

from __future__ import annotations

import base64
import binascii
import importlib.util
import json
import re
import struct
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from markupsafe import Markup

from mitosis.report.excerpts import excerpt
from mitosis.report.fragments import Fragments, altair_loads, hosts_in
from mitosis.report.markup import PLOTLY_SCRIPT, adapt, is_for_light, is_picture, table_width
from mitosis.report.tracebacks import users_traceback
from mitosis.screen import last_state

WIDGET = "application/vnd.jupyter.widget-view+json"
WIDGET_STATE = "application/vnd.jupyter.widget-state+json"
PLOTLY = "application/vnd.plotly.v1+json"
IMAGES = ("image/svg+xml", "image/png", "image/jpeg", "image/webp", "image/gif")
_PREFERRED = (
    PLOTLY,
    WIDGET,
    "application/vnd.vegalite",
    "application/vnd.vega",
    "text/html",
    "application/javascript",
    "text/markdown",
    "image/svg+xml",
    "text/latex",
    "image/png",
    "image/jpeg",
    "image/webp",
    "image/gif",
    "application/json",
    "application/pdf",
    "text/plain",
)
_VEGA = re.compile(r"application/vnd\.(?P<mode>vega-?lite|vega)\.v\d+(\.\d+)*\+json")
_CAPTURED = ("text/html", "image/png", "image/jpeg", "text/plain")
CAPTURED_ROOM = 3_000
"""Characters of HTML that a page has for each text that a widget has caught."""
_BOKEH = "cdn.bokeh.org"
_MODEL_REFERENCE = "IPY_MODEL_"
_PLOTLY_ON_PAPER = """
(function () {
  function each(change) { document.querySelectorAll(".js-plotly-plot .main-svg").forEach(change); }
  addEventListener("beforeprint", function () {
    each(function (svg) {
      svg.setAttribute("viewBox", "0 0 " + svg.getAttribute("width") + " " + svg.getAttribute("height"));
    });
  });
  addEventListener("afterprint", function () { each(function (svg) { svg.removeAttribute("viewBox"); }); });
})();
"""
"""plotly draws for the width of the window. With a `viewBox`, that is made smaller where paper is narrower."""


class Displays:
    """The displays of one page, in the order in which they stand on it."""

    def __init__(self, widgets: Mapping[str, Any], folder: Path | None = None, root: Path | None = None) -> None:
        """Prepare for the first.

        Args:
            widgets: the state of each Jupyter widget by the id of its model.
            folder: that the experiment ran in.
            root: of the repository's working tree. The page has files from it and from `folder`, and no others.
        """
        self._widgets = widgets
        self._fragments = Fragments(folder, root, _with_plotly)
        self._count = 0
        self._loaded: set[str] = set()
        self.has_cut = False
        """Whether of something that a widget has caught not all is shown."""

    def choose(self, data: Mapping[str, Any]) -> str | None:
        """The type to show of those in `data`; None where nothing can be made of any."""
        for preferred in _PREFERRED:
            for kind in data:
                if (kind == preferred or (_VEGA.fullmatch(kind) and kind.startswith(preferred))) and self._works(
                    kind, data
                ):
                    return kind
        return next((kind for kind in data if kind.startswith("text/")), None)

    def _works(self, kind: str, data: Mapping[str, Any]) -> bool:
        if kind == PLOTLY:
            return isinstance(data[kind], dict) and _plotly_path() is not None
        if kind == WIDGET:
            # Where it is shown, a script that it needs must not count as loaded yet.
            other = Displays(self._widgets)
            shown = other.widget(data[kind])
            self.has_cut = self.has_cut or other.has_cut
            return bool(shown)
        if _VEGA.fullmatch(kind):
            return isinstance(data[kind], dict) and importlib.util.find_spec("vl_convert") is not None
        return True

    def other(self, kind: str, value: Any) -> Markup:
        """A display of a type that has no block of its own in nbconvert's templates."""
        if kind == PLOTLY:
            return self._plotly(value)
        vega = _VEGA.fullmatch(kind)
        if vega:
            return self._vega(value, "vega" if vega["mode"] == "vega" else "vega-lite")
        if kind == "application/pdf":
            link = Markup('<p><a download="output.pdf" href="data:application/pdf;base64,{}">A PDF file</a></p>')
            return link.format(_base64(value))
        raise ValueError(f"nothing is known about showing {kind}")

    def html(self, source: str) -> Markup:
        """HTML that the experiment displays on purpose, with what it needs to work here, without a network."""
        source = self._fragments.make_self_contained(adapt(source))
        if PLOTLY_SCRIPT.search(source):
            source = _with_plotly(source, self._library("plotly"))
        before, hosts = Markup(""), hosts_in(source)
        loads = altair_loads(source)
        if loads and importlib.util.find_spec("vl_convert") is not None:
            versions = {f"{name.replace('-', '')}_version": version for name, version in loads.items()}
            # Its script loads nothing that these say is there.
            present = Markup("<script>var VEGA_DEBUG={};</script>").format(_script_json(versions))
            before, hosts = self._library("vega") + present, []
        elif loads:
            hosts = ["cdn.jsdelivr.net"]
        return before + Markup(source) + _absence(hosts, altair=bool(loads))

    is_for_light = staticmethod(is_for_light)
    table_width = staticmethod(table_width)

    def javascript(self, source: str) -> Markup:
        """A script that the experiment displays; `element` is the place where it stands."""
        place = self._place("script")
        inside = Markup(re.sub("<(?=/script|!--)", r"\\x3c", source, flags=re.IGNORECASE))
        return Markup(
            '<div id="{place}"></div>\n<script>(function (element) {{\n{inside}\n}})'
            '(document.getElementById("{place}"));</script>{absence}'
        ).format(place=place, inside=inside, absence=_absence(hosts_in(source)))

    def widget(self, view: Any) -> Markup:
        """The last state of a Jupyter widget that shows text, progress or what was output in it; empty for any other.

        Such are tqdm's and rich's bars. Others live by scripts and a kernel, and have no meaning on a page.
        """
        model_id = view.get("model_id") if isinstance(view, dict) else None
        shown = self._model(str(model_id), depth=0)
        return Markup('<div class="widget">{}</div>').format(shown) if shown else Markup("")

    def _model(self, model_id: str, depth: int) -> Markup:
        model = self._widgets.get(model_id)
        state = model.get("state") if isinstance(model, dict) else None
        if not isinstance(model, dict) or not isinstance(state, dict) or depth > 5:
            return Markup("")
        name = str(model.get("model_name"))
        value = state.get("value")
        if name in ("HBoxModel", "VBoxModel", "BoxModel"):
            references = [str(child).removeprefix(_MODEL_REFERENCE) for child in _listed(state, "children")]
            children = [self._model(reference, depth + 1) for reference in references]
            return Markup(" ").join(children) if all(children) else Markup("")
        if name == "OutputModel":
            caught = Markup("\n").join(self._captured(output) for output in _listed(state, "outputs"))
            return Markup("<div>{}</div>").format(caught) if caught.strip() else Markup("")
        if name in ("HTMLModel", "HTMLMathModel"):
            return Markup("<span>{}</span>").format(self.html(str(value or "")))
        if name == "LabelModel":
            return Markup("<span>{}</span>").format(str(value or ""))
        if name in ("FloatProgressModel", "IntProgressModel"):
            least = _number(state.get("min"), 0)
            return Markup('<progress aria-label="progress" max="{}" value="{}"></progress>').format(
                _number(state.get("max"), 100) - least, _number(value, 0) - least
            )
        return Markup("")

    def _captured(self, output: Any) -> Markup:
        """An output that a widget has caught: what is printed in it, or displayed."""
        if not isinstance(output, dict):
            return Markup("")
        data = output.get("data")
        text = ""
        if isinstance(data, dict):
            chosen = self.choose({kind: value for kind, value in data.items() if kind in _CAPTURED})
            if chosen is not None and chosen.startswith("image/"):
                return Markup('<img src="{}" alt="Figure, drawn by the experiment">').format(
                    image_url(chosen, joined(data[chosen]))
                )
            if chosen == "text/html":
                return self.html(joined(data[chosen]))
            text = joined(data.get("text/plain"))
        elif output.get("output_type") == "stream":
            text = last_state(joined(output.get("text")))
        elif output.get("output_type") == "error":
            text = users_traceback(traceback_entries(output.get("traceback")))
        shown = excerpt(text, CAPTURED_ROOM)
        if not shown.left_out:
            return Markup("<pre>{}</pre>").format(shown.head) if text.strip() else Markup("")
        self.has_cut = True
        return Markup('<pre>{}</pre><p class="cut">{} left out here</p><pre>{}</pre>').format(
            shown.head, shown.left_out, shown.tail
        )

    def _plotly(self, figure: Mapping[str, Any]) -> Markup:
        place = self._place("plotly")
        layout = figure.get("layout")
        height = layout.get("height") if isinstance(layout, dict) else None
        return self._library("plotly") + Markup(
            '<div id="{place}" style="height:{height}px"></div>\n'
            '<script>Plotly.newPlot("{place}",{data},{layout},{config});</script>'
        ).format(
            place=place,
            height=_number(height, 450),
            data=_script_json(figure.get("data") or []),
            layout=_script_json(layout or {}),
            config=_script_json({"responsive": True, **(figure.get("config") or {})}),
        )

    def _vega(self, specification: Mapping[str, Any], mode: str) -> Markup:
        place = self._place("vega")
        return self._library("vega") + Markup(
            '<div id="{place}"></div>\n<script>vegaEmbed("#{place}",{specification},{options});</script>'
        ).format(
            place=place,
            specification=_script_json(specification),
            options=_script_json({"mode": mode, "actions": False}),
        )

    def _place(self, kind: str) -> str:
        self._count += 1
        return f"{kind}-{self._count}"

    def _library(self, name: str) -> Markup:
        """The script of a library, before its first use; empty after."""
        if name in self._loaded:
            return Markup("")
        self._loaded.add(name)
        return _plotly_script() if name == "plotly" else _vega_script()


def as_picture(kind: str, value: str) -> str:
    """The type to show a display of that type as: HTML that is one picture is that."""
    return "image/svg+xml" if kind == "text/html" and is_picture(value) else kind


def joined(value: Any) -> str:
    """Text as nbformat keeps it: whole, or in the notebook's file as a list of lines."""
    return "".join(value) if isinstance(value, list) else str(value if value is not None else "")


def traceback_entries(value: Any) -> list[str]:
    """An output's `traceback`, which should be a list of texts."""
    return [str(item) for item in value] if isinstance(value, list) else [joined(value)] if value else []


def svg_url(source: str) -> str:
    """An SVG as a `data:` URL, so that its scripts and names stay out of the page."""
    return "data:image/svg+xml;base64," + base64.b64encode(source.encode("utf-8", "replace")).decode("ascii")


def image_url(kind: str, value: str) -> str:
    """An image that comes in base64 as a `data:` URL."""
    return f"data:{kind};base64,{_base64(value)}"


def png_size(value: str) -> tuple[int, int] | None:
    """Width and height in pixels of a PNG in base64; None if it is none."""
    try:
        start = base64.b64decode(_base64(value[:64])[:32])
    except (binascii.Error, ValueError):
        return None
    if not start.startswith(b"\x89PNG\r\n\x1a\n") or len(start) < 24:
        return None
    width, height = struct.unpack(">II", start[16:24])
    return width, height


def _absence(hosts: Sequence[str], *, altair: bool = False) -> Markup:
    """A remark on what is missing, since the page loads nothing."""
    if not hosts:
        return Markup("")
    names = ", ".join(hosts[:3]) + (" and others" if len(hosts) > 3 else "")
    remedy = "; with the package vl-convert-python installed, Altair charts are shown in full" if altair else ""
    if _BOKEH in hosts:
        remedy = "; Bokeh's scripts come along with output_notebook(bokeh.resources.INLINE)"
    return Markup(
        '\n<p class="remark">What this output refers to at {} is not loaded: the page uses no network{}.</p>'
    ).format(names, remedy)


def _listed(state: Mapping[str, Any], name: str) -> Sequence[Any]:
    value = state.get(name)
    return value if isinstance(value, list) else ()


def _base64(value: str) -> str:
    """Base64 on one line, without what has no place in it."""
    return re.sub(r"[^A-Za-z0-9+/=]+", "", value)


def _number(value: Any, default: float) -> float:
    return value if isinstance(value, int | float) and not isinstance(value, bool) and value == value else default


def _script_json(value: Any) -> Markup:
    """`value` as JSON inside a `script` element."""
    text = json.dumps(value, ensure_ascii=True, separators=(",", ":"))
    return Markup(text.replace("<", "\\u003c"))


def _plotly_path() -> Path | None:
    found = importlib.util.find_spec("plotly")
    for folder in (found.submodule_search_locations or ()) if found else ():
        path = Path(folder, "package_data", "plotly.min.js")
        if path.is_file():
            return path
    return None


def _plotly_script() -> Markup:
    path = _plotly_path()
    return _script(path.read_text(encoding="utf-8") + _PLOTLY_ON_PAPER if path else "")


def _with_plotly(source: str, script: Markup | None = None) -> str:
    """HTML with the script of plotly in place of what would load it, if plotly is installed."""
    if _plotly_path() is None:
        return source
    return PLOTLY_SCRIPT.sub(lambda _: str(_plotly_script() if script is None else script), source)


def _vega_script() -> Markup:
    # Its own types ask for an argument that it does not need.
    vl_convert: Any = importlib.import_module("vl_convert")
    # It is written as a module. As a script of the page its names must not become the page's.
    return _script(f"(function () {{{vl_convert.javascript_bundle()}}})();")


def _script(source: str) -> Markup:
    return Markup("<script>{}</script>\n").format(Markup(source))
