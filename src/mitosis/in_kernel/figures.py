"""How figures of matplotlib come out: sharp on screens of high resolution, in the size that they would have anyway."""

from __future__ import annotations

import struct
from base64 import b64encode
from typing import Any

from IPython.core import pylabtools
from IPython.core.getipython import get_ipython

_SHARPNESS = 2
"""Pixels of a figure for each of the page, where nothing else is asked for: what screens of high resolution show."""
_DESCRIPTION_CHARACTERS = 250
_PNG_SIZE = struct.Struct(">16xII")
"""Width and height stand at the same place in every PNG (PNG specification, 11.2.1)."""


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
        """The figure as PNG, its size on a page and what to say where it is not seen.

        In place of IPython's `retina_figure`, which knows no `dpi`.
        """
        pixels_per_inch = dpi or _SHARPNESS * figure.dpi
        data: bytes | None = print_figure(figure, "png", **{**options, "dpi": pixels_per_inch})
        if data is None:
            return None
        width, height = (max(round(n * figure.dpi / pixels_per_inch), 1) for n in _PNG_SIZE.unpack_from(data))
        about: dict[str, Any] = {"width": width, "height": height}
        description = describe_figure(figure)
        if description:
            about["alt"] = description
        return b64encode(data).decode("ascii") if base64 else data, about

    tools.retina_figure = sharp_figure


def describe_figure(figure: Any) -> str:
    """What a figure of matplotlib says of itself, such as `Pendulum: angle against time (s)`; empty if nothing."""
    parts = [figure.get_suptitle()]
    for axes in figure.axes:
        names = " against ".join(name for name in (axes.get_ylabel(), axes.get_xlabel()) if name)
        parts.append(": ".join(part for part in (axes.get_title(), names) if part))
    text = " ".join("; ".join(dict.fromkeys(part for part in parts if part)).split())
    return text if len(text) <= _DESCRIPTION_CHARACTERS else text[: _DESCRIPTION_CHARACTERS - 1] + "…"
