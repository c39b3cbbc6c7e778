"""What a step is given and what it returns: looked at, reduced to what is recorded, and saved."""

from __future__ import annotations

import contextlib
import io
import math
import os
import pickle
import re
import sys
import time
from collections.abc import Coroutine, Iterator, Mapping
from pathlib import Path
from typing import IO, Any

import dill

from mitosis.canonical.encode import digest_value, encode_value, encode_with_text
from mitosis.canonical.show import summarize_value
from mitosis.canonical.sources import source_digests
from mitosis.errors.values import UnstableValue
from mitosis.in_kernel import streams
from mitosis.in_kernel.imports import run_as_script
from mitosis.in_kernel.step_checks import can_be_called, default_for_data, defaults_of, resolve
from mitosis.in_kernel.user_code import bounded_repr, describe_exception, let_interrupts_pass, user_namespace
from mitosis.protocol import (
    ChangedParameter,
    Curve,
    DescribedParameters,
    DescribedValue,
    DescribeParameters,
    FindChangedParameters,
    Meaning,
    MeasureUsage,
    NoMeaning,
    Plain,
    StepResult,
    Successor,
    TakeResult,
    Usage,
)
from mitosis.text import cut
from mitosis.typing import NotSaved
from mitosis.variants import SUMMARY_LIMIT

TEXT_LIMIT = 500
"""Characters of a result's text that go into the record."""
METRICS_LIMIT = 1000
"""Metrics of one step that go into the record."""
_ADDRESS = re.compile(r" at 0x[0-9A-Fa-f]+")
"""Of an object in memory, which is another one in each process."""
_DEPTH_LIMIT = 20
_LEAST_OF_CURVE, _CURVE_NUMBERS, _MOST_OF_CURVE = 3, 60, 20_000
"""Of the numbers in a list: with fewer it is no curve, so many are drawn, and with more it is not looked at."""
_CURVES_LIMIT = 40
_INT_BITS = 63
_UNSAVED_SHOWN = 10


def describe_parameters(question: DescribeParameters) -> tuple[DescribedParameters, ...]:
    """The canonical values of the parameters and defaults of each step, which are saved as well. Then steps may begin.

    A default that has none is not saved: it may be an open file, and nobody wants a warning of that with each trial.
    """
    namespace = user_namespace()
    described = []
    for step in question.steps:
        values = namespace[step.variable] if step.variable else {}
        shown = tuple(_describe(name, values[name]) for name in step.names)
        defaults = defaults_of(resolve(step.action), step.names, takes_data=step.takes_data)
        shown_defaults = tuple(_describe(name, value) for name, value in defaults.items())
        lasting = {d.name: defaults[d.name] for d in shown_defaults if isinstance(d.meaning, Meaning)}
        unsaved = save({**values, **lasting}, Path(step.file))
        described.append(DescribedParameters(shown, shown_defaults, tuple(unsaved)))
    if Path.cwd() == Path(question.root):  # or a module has gone elsewhere
        os.chdir(question.folder)
    return tuple(described)


def find_changed_parameters(question: FindChangedParameters) -> tuple[ChangedParameter, ...]:
    """Which parameters of a step are not what was recorded any more, for a step before it has changed them."""
    values = user_namespace()[question.variable] if question.variable else {}
    changed = []
    for name, recorded in question.digests.items():
        try:
            is_changed = digest_value(encode_value(values[name])) != recorded
        except UnstableValue:
            is_changed = True
        if is_changed:
            changed.append(ChangedParameter(name, _describe(name, values[name]).summary))
    return tuple(changed)


def _describe(name: str, value: Any) -> DescribedValue:
    try:
        data, text = encode_with_text(value, SUMMARY_LIMIT)
    except UnstableValue as error:
        text = _ADDRESS.sub("", bounded_repr(value, SUMMARY_LIMIT))
        return DescribedValue(name, text, NoMeaning(error.path, error.reason))
    meaning = Meaning(data, digest_value(data), source_digests(data))
    return DescribedValue(name, text or summarize_value(data, limit=SUMMARY_LIMIT), meaning)


def take_result(question: TakeResult) -> StepResult:
    """Look at a step's result, save it, and reduce it to what is recorded."""
    result = user_namespace()[question.variable]
    problem: str | None = None
    if not isinstance(result, Mapping):
        problem = f"it returned {type(result).__name__}, not a dictionary"
        return StepResult(problem, None, {}, {}, False, False, (), (), measure_usage())
    unsaved = save(result, Path(question.file))
    warnings: list[str] = []
    if streams.streams is not None:
        warnings += [f"it left sys.{name} unusable, which was put back" for name in streams.streams.take_revived()]
    main = None
    if "main" in result:
        main = _recorded(result["main"], "main", warnings)
        if isinstance(result["main"], Iterator | Coroutine):
            problem = f'its "main" is a {type(result["main"]).__name__} object, which has no value yet'
    elif question.successor is None:
        problem = f'it returned a dictionary without "main" (it has: {_key_names(result)})'
    else:
        warnings.append('its result has no "main"')
    metrics, curves = _flatten(result["metrics"], warnings) if "metrics" in result else ({}, {})
    pass_data = False
    if question.successor is not None:
        run_as_script(question.successor.action.partition(":")[0])
        pass_data = _takes_data(question.successor, result)
        problem = problem or (None if pass_data else _check_data(result, question.successor, warnings))
    return StepResult(
        problem=problem,
        main=main,
        metrics=metrics,
        curves=curves,
        has_metrics="metrics" in result,
        pass_data=pass_data,
        unsaved=tuple(unsaved),
        warnings=tuple(warnings),
        usage=measure_usage(),
    )


def _takes_data(successor: Successor, result: Mapping[str, Any]) -> bool:
    action = resolve(successor.action)
    if "data" not in result or not can_be_called(action, successor.given, with_data=True):
        return False
    return result["data"] is not None or not can_be_called(action, successor.given, with_data=False)


def _check_data(result: Mapping[str, Any], successor: Successor, warnings: list[str]) -> str | None:
    """Why the next step cannot run without the data of this one; None if it can."""
    action = resolve(successor.action)
    if not can_be_called(action, successor.given, with_data=False):
        needing = f"the next step, `{successor.name}`, needs it"
        return f'its result has no "data", and {needing} (it has: {_key_names(result)})'
    default = default_for_data(action, successor.given)
    used = f", but with its default {default}, which is not recorded" if default else ""
    if "data" not in result:
        warnings.append(f'its result has no "data": `{successor.name}` is called without it{used}')
    elif result["data"] is None and default:
        warnings.append(f'its "data" is None: `{successor.name}` is called without it{used}')
    elif result["data"] is not None:
        warnings.append(f"its data is not used: `{successor.name}` has no positional argument left for it")
    return None


def measure_usage(_: MeasureUsage | None = None) -> Usage:
    """CPU seconds of this process and its finished children, and the largest resident set in bytes."""
    try:
        import resource
    except ImportError:  # Windows
        return Usage(cpu_s=time.process_time())
    own = resource.getrusage(resource.RUSAGE_SELF)
    children = resource.getrusage(resource.RUSAGE_CHILDREN)
    unit_bytes = 1 if sys.platform == "darwin" else 1024
    return Usage(
        cpu_s=own.ru_utime + own.ru_stime + children.ru_utime + children.ru_stime,
        peak_memory_bytes=max(own.ru_maxrss, children.ru_maxrss) * unit_bytes,
    )


def _key_names(result: Mapping[Any, Any]) -> str:
    return ", ".join(sorted(str(key) for key in result)) or "nothing"


def _recorded(value: Any, name: str, warnings: list[str]) -> Plain:
    """The value as a plain number, bool or None where it is one, else as a bounded text."""
    if value is None or isinstance(value, bool):
        return value
    plain = _plain_number(value)
    if plain is not None:
        return plain
    if isinstance(value, str):
        text = str.__str__(value)
        return cut(text, TEXT_LIMIT)
    if type(value) in (list, tuple):  # numpy's numbers say their type with each of them
        numbers = [(item, _plain_number(item)) for item in value[:TEXT_LIMIT]]
        value = type(value)(item if number is None else number for item, number in numbers)
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


def _curve(value: Any) -> Curve | None:
    """The numbers of a list, tuple or vector, or as many of them as can be drawn; None if it is no such thing."""
    numpy = sys.modules.get("numpy")
    is_vector = numpy is not None and type(value) is numpy.ndarray and value.ndim == 1
    if not (is_vector or type(value) in (list, tuple)) or not _LEAST_OF_CURVE <= len(value) <= _MOST_OF_CURVE:
        return None
    plain = map(_plain_number, value)
    numbers = [number for number in plain if isinstance(number, int | float) and not isinstance(number, bool)]
    last = len(numbers) - 1
    if last + 1 != len(value):
        return None
    steps = min(last, _CURVE_NUMBERS - 1)
    drawn = (numbers[round(step * last / steps)] for step in range(steps + 1))
    return Curve(len(numbers), tuple(float(f"{number:.6g}") if math.isfinite(number) else None for number in drawn))


def _flatten(metrics: Any, warnings: list[str]) -> tuple[dict[str, Plain], dict[str, Curve]]:
    """Metrics by name, nested ones joined by dots, and the curves among them."""
    flat: dict[str, Plain] = {}
    curves: dict[str, Curve] = {}

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
            curve = _curve(value) if len(curves) < _CURVES_LIMIT else None
            if curve is not None:
                curves[name] = curve

    try:
        add("", metrics, 0)
    except BaseException as error:
        let_interrupts_pass(error)
        warnings.append(f"its metrics cannot be read: {describe_exception(error)}")
    if len(flat) >= METRICS_LIMIT:
        warnings.append(f"only the first {METRICS_LIMIT} metrics are recorded")
    return flat, curves


def save(value: Any, path: Path) -> list[str]:
    """Pickle `value` to `path`, and what of it cannot be pickled as `NotSaved`.

    Returns:
        What could not be saved: its place in the value or the file's name, and why.
    """
    partial = path.with_name(path.name + ".partial")
    unsaved: list[str] = []

    def write(what: Any) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)  # an experiment may tidy up too much
        with partial.open("wb") as file:
            _dump(what, file)
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
        except BaseException as whole_error:  # a mapping's keys may not be picklable, or it cannot be iterated over
            let_interrupts_pass(whole_error)
            reason = describe_exception(whole_error)
            unsaved += [f"the whole result: {reason}", *save(NotSaved(reason), path)]
    with contextlib.suppress(OSError):
        partial.unlink(missing_ok=True)
    if len(unsaved) > _UNSAVED_SHOWN:
        return [*unsaved[:_UNSAVED_SHOWN], f"... and {len(unsaved) - _UNSAVED_SHOWN} more"]
    return unsaved


def _dump(value: Any, file: IO[bytes]) -> None:
    """Pickle a value with dill; with pickle if dill cannot, as with optimizers of torch."""
    try:
        dill.dump(value, file)
    except OSError:
        raise
    except BaseException as error:
        let_interrupts_pass(error)
        file.seek(0)
        file.truncate()
        try:
            pickle.dump(value, file)
        except BaseException as second_error:
            let_interrupts_pass(second_error)
            raise error from None


def _picklable(value: Any, path: str, error: BaseException, unsaved: list[str], depth: int) -> Any:
    """A copy of `value` in which what cannot be pickled is a `NotSaved`."""
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
            _dump(item, io.BytesIO())
        except BaseException as item_error:
            let_interrupts_pass(item_error)
            item = _picklable(item, item_path, item_error, unsaved, depth + 1)
        kept.append((key, item))
    if isinstance(value, Mapping):
        return dict(kept)
    return type(value)(item for _, item in kept)
