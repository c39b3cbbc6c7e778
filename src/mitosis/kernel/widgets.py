"""Progress bars that are widgets, as text: a terminal has no others. tqdm and rich choose them inside a notebook."""

from __future__ import annotations

import html
import re
from collections.abc import Mapping, Sequence
from typing import Any

VIEW = "application/vnd.jupyter.widget-view+json"
_REFERENCE = "IPY_MODEL_"
_TAG = re.compile(r"<[^<>]*>")
_BAR_WIDTH = 20
_DEPTH_LIMIT = 8


class Widgets:
    """The widgets that a cell shows.

    Args:
        states: of all models by their id, as nbclient keeps them up to date. It is looked at, and not changed.
    """

    def __init__(self, states: Mapping[str, Mapping[str, Any]]) -> None:
        self._states = states
        self._shown: dict[str, None] = {}

    def take(self, message: Mapping[str, Any]) -> bool:
        """Learn from a message of the kernel's; returns whether what is shown may have changed."""
        content = message["content"]
        if message["msg_type"] == "display_data":
            view = content["data"].get(VIEW)
            model = view.get("model_id") if isinstance(view, dict) else None
            if not isinstance(model, str):
                return False
            self._shown[model] = None
            return True
        if message["msg_type"] == "comm_close":
            self._shown.pop(content["comm_id"], None)
        return bool(self._shown) and message["msg_type"].startswith("comm_")

    def text(self) -> str:
        """All that is shown, as lines. What is not a bar, text or output of others is passed over."""
        return "\n".join(filter(None, (self._text(model) for model in self._shown)))

    def _text(self, model: str, depth: int = 0) -> str:
        state = self._states.get(model, {})
        if depth > _DEPTH_LIMIT or self._is_hidden(state):
            return ""
        name = str(state.get("_model_name", ""))
        if name in ("HBoxModel", "VBoxModel", "BoxModel"):
            children = [self._text(_target(child), depth + 1) for child in _listed(state, "children")]
            return (" " if name == "HBoxModel" else "\n").join(filter(None, children))
        if name in ("FloatProgressModel", "IntProgressModel"):
            return " ".join(filter(None, (_plain(state.get("description")), _bar(state))))
        if name in ("HTMLModel", "LabelModel", "HTMLMathModel"):
            return _plain(state.get("value"))
        if name == "OutputModel":
            return "".join(_printed(output) for output in _listed(state, "outputs")).rstrip("\n")
        return ""

    def _is_hidden(self, state: Mapping[str, Any]) -> bool:
        layout = self._states.get(_target(state.get("layout")), {})
        return layout.get("display") == "none" or layout.get("visibility") == "hidden"


def _listed(state: Mapping[str, Any], name: str) -> Sequence[Any]:
    value = state.get(name)
    return value if isinstance(value, list) else ()


def _target(reference: object) -> str:
    return str(reference).removeprefix(_REFERENCE)


def _plain(value: object) -> str:
    """The text of a widget's HTML on one line."""
    return " ".join(html.unescape(_TAG.sub("", str(value or ""))).split())


def _bar(state: Mapping[str, Any]) -> str:
    try:
        least, most, value = (float(state[name]) for name in ("min", "max", "value"))
        filled = round(_BAR_WIDTH * (value - least) / (most - least))
    except (KeyError, TypeError, ValueError, ZeroDivisionError, OverflowError):
        filled = 0
    if state.get("bar_style") == "info":  # it is not known how far it goes
        filled = 0
    return f"|{'#' * min(max(filled, 0), _BAR_WIDTH):{_BAR_WIDTH}}|"


def _printed(output: object) -> str:
    if not isinstance(output, dict):
        return ""
    if output.get("output_type") == "stream":
        return str(output.get("text", ""))
    data = output.get("data")
    return str(data.get("text/plain", "")) if isinstance(data, dict) else ""
