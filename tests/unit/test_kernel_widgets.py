"""Bars that are widgets, as text."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mitosis.kernel.widgets import VIEW, Widgets

BAR = {"_model_name": "FloatProgressModel", "min": 0.0, "max": 10.0, "value": 5.0, "layout": "IPY_MODEL_layout"}
TQDM: dict[str, dict[str, Any]] = {
    "box": {"_model_name": "HBoxModel", "children": ["IPY_MODEL_left", "IPY_MODEL_bar", "IPY_MODEL_right"]},
    "left": {"_model_name": "HTMLModel", "value": "fit:\u2007<b>50%</b>"},
    "bar": BAR,
    "right": {"_model_name": "HTMLModel", "value": "&nbsp;5/10 [00:00&lt;00:00]"},
    "layout": {"_model_name": "LayoutModel"},
}


def display(model: object) -> dict[str, Any]:
    return {"msg_type": "display_data", "content": {"data": {VIEW: {"model_id": model}}}}


def close(model: str) -> dict[str, Any]:
    return {"msg_type": "comm_close", "content": {"comm_id": model}}


def shown(states: dict[str, Any], *models: str) -> str:
    widgets = Widgets(states)
    for model in models:
        assert widgets.take(display(model))
    return widgets.text()


def test_bar_of_tqdm_is_one_line() -> None:
    assert shown(TQDM, "box") == "fit: 50% |##########          | 5/10 [00:00<00:00]"


def test_bars_are_one_below_the_other_and_go_when_they_are_closed() -> None:
    states: dict[str, dict[str, Any]] = {
        "one": {**BAR, "description": "one"},
        "two": {**BAR, "description": "two", "value": 10},
    }
    widgets = Widgets(states)
    widgets.take(display("one"))
    widgets.take(display("two"))
    assert widgets.text() == f"one |{'#' * 10}{' ' * 10}|\ntwo |{'#' * 20}|"
    assert widgets.take(close("one")) and widgets.text().startswith("two")
    widgets.take(close("two"))
    assert widgets.text() == ""


@pytest.mark.parametrize("layout", [{"display": "none"}, {"visibility": "hidden"}])
def test_what_is_hidden_is_not_shown(layout: dict[str, str]) -> None:
    assert shown({**TQDM, "layout": layout}, "bar") == ""


def test_what_is_printed_in_an_output_widget_is_shown() -> None:
    outputs = [
        {"output_type": "stream", "name": "stdout", "text": "one\n"},
        {"output_type": "display_data", "data": {"text/plain": "two\n", "text/html": "<b>two</b>"}},
    ]
    assert shown({"out": {"_model_name": "OutputModel", "outputs": outputs}}, "out") == "one\ntwo"


def test_bar_without_an_end_is_empty() -> None:
    assert shown({"bar": {**BAR, "bar_style": "info", "value": 1, "max": 1}}, "bar") == f"|{' ' * 20}|"


def test_a_widget_in_itself_comes_to_an_end() -> None:
    assert shown({"box": {"_model_name": "HBoxModel", "children": ["IPY_MODEL_box"]}}, "box") == ""


def test_messages_without_widgets_change_nothing() -> None:
    widgets = Widgets(TQDM)
    assert not widgets.take({"msg_type": "comm_msg", "content": {"comm_id": "bar", "data": {}}})
    assert not widgets.take({"msg_type": "display_data", "content": {"data": {"text/plain": "x"}}})
    assert not widgets.take(display(None))


anything = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=5,
)


@given(
    name=st.sampled_from(["HBoxModel", "FloatProgressModel", "HTMLModel", "OutputModel", "SliderModel"]),
    state=st.dictionaries(
        st.sampled_from(["children", "value", "min", "max", "outputs", "layout", "description", "bar_style"]), anything
    ),
)
def test_no_state_of_a_widget_does_harm(name: str, state: dict[str, Any]) -> None:
    shown({"it": {**state, "_model_name": name}}, "it")
