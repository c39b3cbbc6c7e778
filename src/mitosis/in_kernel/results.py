"""What a step returned: looked at, reduced to what is recorded, and saved."""

from __future__ import annotations

import contextlib
import math
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from mitosis.in_kernel import describe_exception, let_interrupts_pass, user_namespace
from mitosis.in_kernel.usage import measure_usage
from mitosis.typing import NotSaved

TEXT_LIMIT = 500
"""Characters of a result's text that go into the record."""
METRICS_LIMIT = 1000
"""Metrics of one step that go into the record."""
_DEPTH_LIMIT = 20
_INT_BITS = 63
_UNSAVED_SHOWN = 10


def take_result(*, variable: str, file: str, successor: dict[str, Any] | None) -> dict[str, Any]:
    """Look at a step's result, save it, and reduce it to what is recorded.

    Args:
        variable: the name of the result in the notebook.
        file: where to save it.
        successor: `action` and `given` (names of its parameters) of the next step; None after the last one.

    Returns:
        `problem`: why it cannot be accepted, or None; `main`, `metrics`, `has_metrics`, `pass_data` (whether the
        next step is to be called with it), `unsaved`, `warnings`, and `usage`.
    """
    result = user_namespace()[variable]
    answer: dict[str, Any] = {
        "problem": None,
        "main": None,
        "metrics": {},
        "has_metrics": False,
        "pass_data": False,
        "unsaved": [],
        "warnings": [],
    }
    if not isinstance(result, Mapping):
        answer["problem"] = f"it returned {type(result).__name__}, not a dictionary"
        answer["usage"] = measure_usage()
        return answer
    answer["unsaved"] = save(result, Path(file))
    if "main" in result:
        answer["main"] = _recorded(result["main"], "main", answer["warnings"])
    elif successor is None:
        answer["problem"] = f'it returned a dictionary without "main" (it has: {_key_names(result)})'
    else:
        answer["warnings"].append('its result has no "main"')
    if "metrics" in result:
        answer["has_metrics"] = True
        answer["metrics"] = _flatten(result["metrics"], answer["warnings"])
    if successor is not None:
        _check_data(result, successor, answer)
    answer["usage"] = measure_usage()
    return answer


def _check_data(result: Mapping[str, Any], successor: dict[str, Any], answer: dict[str, Any]) -> None:
    from mitosis.in_kernel.steps import can_be_called_with_data, can_be_called_without_data, resolve_action

    action = resolve_action(successor["action"])
    given = dict.fromkeys(successor["given"])
    with_data = can_be_called_with_data(action, given)
    without_data = can_be_called_without_data(action, given)
    if "data" in result and with_data:
        answer["pass_data"] = True
        return
    if "data" in result and without_data:
        if result["data"] is not None:
            answer["warnings"].append(f"its data is not used: `{successor['name']}` takes no positional argument")
        return
    if without_data:
        if "data" not in result:
            answer["warnings"].append(f'its result has no "data": `{successor["name"]}` is called without')
    else:
        needing = f"the next step, `{successor['name']}`, needs it"
        answer["problem"] = f'its result has no "data", and {needing} (it has: {_key_names(result)})'


def _key_names(result: Mapping[Any, Any]) -> str:
    return ", ".join(sorted(str(key) for key in result)) or "nothing"


def _recorded(value: Any, name: str, warnings: list[str]) -> Any:
    """The value as a plain number, bool or None where it is one, else as a bounded text."""
    from mitosis.in_kernel.parameters import bounded_repr

    if value is None or isinstance(value, bool):
        return value
    plain = _plain_number(value)
    if plain is not None:
        return plain
    if isinstance(value, str):
        text = str.__str__(value)
        return text if len(text) <= TEXT_LIMIT else text[: TEXT_LIMIT - 1] + "…"
    text = bounded_repr(value, TEXT_LIMIT)
    if text.startswith("<") and " whose repr raised " in text:
        warnings.append(f"{name}: {text.strip('<>')}")
    return text


def _plain_number(value: Any) -> int | float | bool | None:
    numpy = sys.modules.get("numpy")
    if numpy is not None and (
        isinstance(value, numpy.generic) or (isinstance(value, numpy.ndarray) and value.ndim == 0)
    ):
        value = value.item()
    if isinstance(value, bool):
        return value
    if isinstance(value, int) and abs(int(value)) < 2**_INT_BITS:
        return int(value)
    if isinstance(value, float):
        return float(value)
    if isinstance(value, int | str | bytes | complex):
        return None
    return _through_float(value)


def _through_float(value: Any) -> float | None:
    """Decimals, fractions and one-element tensors are numbers too."""
    if isinstance(value, list | tuple | dict | set) or not hasattr(type(value), "__float__"):
        return None
    if getattr(value, "ndim", 0) != 0:
        return None
    try:
        number = float(value)
    except BaseException as error:
        let_interrupts_pass(error)
        return None
    return number if isinstance(number, float) and not math.isnan(number) else None


def _flatten(metrics: Any, warnings: list[str]) -> dict[str, Any]:
    """Metrics by name, nested ones joined by dots."""
    flat: dict[str, Any] = {}

    def add(prefix: str, value: Any, depth: int) -> None:
        if len(flat) >= METRICS_LIMIT:
            return
        if isinstance(value, Mapping) and depth < _DEPTH_LIMIT:
            for key, item in value.items():
                add(f"{prefix}.{key}" if prefix else str(key), item, depth + 1)
        else:
            name = prefix[:TEXT_LIMIT] or "metrics"
            if name in flat:
                warnings.append(f"several metrics are called `{name}`: the last one is recorded")
            flat[name] = _recorded(value, prefix, warnings)

    try:
        add("", metrics, 0)
    except BaseException as error:
        let_interrupts_pass(error)
        warnings.append(f"its metrics cannot be read: {describe_exception(error)}")
    if len(flat) >= METRICS_LIMIT:
        warnings.append(f"only the first {METRICS_LIMIT} metrics are recorded")
    return flat


def save(value: Any, path: Path) -> list[str]:
    """Pickle `value` to `path`, and what of it cannot be pickled as `NotSaved`.

    Returns:
        What could not be saved: its place in the value or the file's name, and why.
    """
    import dill

    partial = path.with_name(path.name + ".partial")
    unsaved: list[str] = []

    def write(what: Any) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)  # an experiment may tidy up too much
        with partial.open("wb") as file:
            dill.dump(what, file)
        partial.replace(path)

    try:
        write(value)
    except OSError as error:
        unsaved.append(f"{path.name}: {describe_exception(error)}")
    except BaseException as error:  # pickling runs the objects' own code, which may raise anything
        let_interrupts_pass(error)
        try:
            write(_picklable(value, "", error, unsaved, 0))
        except OSError as write_error:
            unsaved.append(f"{path.name}: {describe_exception(write_error)}")
    with contextlib.suppress(OSError):
        partial.unlink(missing_ok=True)
    if len(unsaved) > _UNSAVED_SHOWN:
        return [*unsaved[:_UNSAVED_SHOWN], f"... and {len(unsaved) - _UNSAVED_SHOWN} more"]
    return unsaved


def _picklable(value: Any, path: str, error: BaseException, unsaved: list[str], depth: int) -> Any:
    """A copy of `value` in which what cannot be pickled is a `NotSaved`."""
    import dill

    if depth < _DEPTH_LIMIT and isinstance(value, Mapping):
        items = [(key, item, f"{path}[{key!r}]") for key, item in value.items()]
    elif depth < _DEPTH_LIMIT and type(value) in (list, tuple):
        items = [(index, item, f"{path}[{index}]") for index, item in enumerate(value)]
    else:
        reason = describe_exception(error)
        unsaved.append(f"{path or 'the whole result'}: {reason}")
        return NotSaved(reason)
    kept: list[tuple[Any, Any]] = []
    for key, item, item_path in items:
        try:
            dill.dumps(item)
        except BaseException as item_error:
            let_interrupts_pass(item_error)
            item = _picklable(item, item_path, item_error, unsaved, depth + 1)
        kept.append((key, item))
    if isinstance(value, Mapping):
        return dict(kept)
    return type(value)(item for _, item in kept)
