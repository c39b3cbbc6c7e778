"""How figures of matplotlib come out: sharp on screens of high resolution, in the size that they would have anyway."""

from __future__ import annotations

import contextlib
import struct
import sys
from base64 import b64encode
from collections.abc import Callable
from functools import partial
from typing import Any

from IPython.core import pylabtools
from IPython.core.display_functions import display
from IPython.core.getipython import get_ipython

from mitosis.text import cut

_SHARPNESS = 2
"""Pixels of a figure for each of the page, where nothing else is asked for: what screens of high resolution show."""
_DESCRIPTION_CHARACTERS = 250
_PNG_SIZE = struct.Struct(">16xII")
"""Width and height stand at the same place in every PNG (PNG specification, 11.2.1)."""
_DESCRIBED = ("image/png", "image/jpeg", "image/svg+xml")
_FIGURE = ("matplotlib.figure", "Figure")


def set_up_figures(dpi: float | None, kind: str) -> None:
    """Have the notebook show figures in this way, until the experiment asks IPython for another.

    Nothing of matplotlib is imported: not every experiment needs it.

    Args:
        dpi: pixels per inch of a figure as PNG; None for twice as many as it says itself. Its size on a page is what it
            says itself, whatever this is.
        kind: `png` or `svg`.
    """
    tools: Any = pylabtools
    shell: Any = get_ipython()
    shell.config.InlineBackend.figure_formats = {"svg"} if kind == "svg" else {"retina"}
    print_figure = tools.print_figure

    def sharp_figure(figure: Any, base64: bool = False, **options: Any) -> tuple[Any, dict[str, Any]] | None:
        """The figure as PNG, and its size on a page.

        In place of IPython's `retina_figure`, which knows no `dpi`.
        """
        pixels_per_inch = dpi or _SHARPNESS * figure.dpi
        data: bytes | None = print_figure(figure, "png", **{**options, "dpi": pixels_per_inch})
        if data is None:
            return None
        width, height = (max(round(n * figure.dpi / pixels_per_inch), 1) for n in _PNG_SIZE.unpack_from(data))
        return b64encode(data).decode("ascii") if base64 else data, {"width": width, "height": height}

    tools.retina_figure = sharp_figure
    select_formats = tools.select_figure_formats

    def select_described_formats(shell: Any, formats: Any, **options: Any) -> None:
        """Choose the formats of figures, as IPython does, and have each say what its figure shows."""
        own.deferred_printers.pop(_FIGURE, None)
        select_formats(shell, formats, **options)
        from matplotlib.figure import Figure

        for name in _DESCRIBED:
            formatter = shell.display_formatter.formatters[name]
            with contextlib.suppress(KeyError):  # it is none of those chosen
                formatter.for_type(Figure, _described(formatter.lookup_by_type(Figure)))

    tools.select_figure_formats = select_described_formats
    # IPython knows how to show a figure once pyplot was imported, unless the experiment has chosen another backend.
    own = shell.display_formatter.formatters["image/svg+xml" if kind == "svg" else "image/png"]
    draw = partial(print_figure, fmt="svg") if kind == "svg" else partial(sharp_figure, base64=True)
    own.for_type_by_name(*_FIGURE, _described(draw))
    shell.events.register("post_run_cell", _show_open_figures)


def _show_open_figures(_: object) -> None:
    """Show what is open at the end of a cell, as Jupyter's own backend of matplotlib does: with others, it is lost."""
    pyplot: Any = sys.modules.get("matplotlib.pyplot")
    if pyplot is None or "inline" in pyplot.get_backend():
        return
    show: Any = display
    for number in pyplot.get_fignums():
        show(pyplot.figure(number))
    pyplot.close("all")


def _described(draw: Callable[[Any], Any]) -> Callable[[Any], Any]:
    """What draws a figure, so that it also tells what to say where the figure is not seen."""

    def draw_described(figure: Any) -> Any:
        drawn = draw(figure)
        description = describe_figure(figure)
        if drawn is None or not description:
            return drawn
        data, about = drawn if isinstance(drawn, tuple) else (drawn, {})
        return data, {**about, "alt": description}

    return draw_described


def describe_figure(figure: Any) -> str:
    """What a figure of matplotlib says of itself, such as `Pendulum: angle against time (s)`; empty if nothing."""
    # matplotlib has it from 3.8 on.
    parts = [figure.get_suptitle()] if hasattr(figure, "get_suptitle") else []
    for axes in figure.axes:
        names = " against ".join(name for name in (axes.get_ylabel(), axes.get_xlabel()) if name)
        parts.append(": ".join(part for part in (axes.get_title(), names) if part))
    text = " ".join("; ".join(dict.fromkeys(part for part in parts if part)).split())
    return cut(text, _DESCRIPTION_CHARACTERS)
