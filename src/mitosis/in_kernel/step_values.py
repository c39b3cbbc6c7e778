"""What a step is given and what it returns: looked at, reduced to what is recorded, and saved."""

from __future__ import annotations

import contextlib
import io
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
from mitosis.confidential import is_secret_name
from mitosis.errors.values import UnstableValue
from mitosis.in_kernel import streams
from mitosis.in_kernel.imports import run_as_script
from mitosis.in_kernel.recorded import flatten, named, recorded
from mitosis.in_kernel.step_checks import can_be_called, default_for_data, defaults_of, resolve
from mitosis.in_kernel.user_code import bounded_repr, describe_exception, let_interrupts_pass, user_namespace
from mitosis.protocol import (
    DescribedParameters,
    DescribedValue,
    DescribeParameters,
    FindChangedParameters,
    Meaning,
    MeasureUsage,
    NoMeaning,
    ParametersOfStep,
    StepResult,
    Successor,
    TakeResult,
    Usage,
)
from mitosis.typing import NotSaved
from mitosis.variants import SUMMARY_LIMIT

_ADDRESS = re.compile(r" at 0x[0-9A-Fa-f]+")
"""Of an object in memory, which is another one in each process."""
_DEPTH_LIMIT = 20
_UNSAVED_SHOWN = 10
_SECRET = NoMeaning("", "it is a secret")
_WHOLE = "the whole result"


def describe_parameters(question: DescribeParameters) -> tuple[DescribedParameters, ...]:
    """The canonical values of the parameters and defaults of each step, which are saved as well. Then steps may begin.

    A default that has none is not saved: it may be an open file, and nobody wants a warning of that with each trial.
    """
    described = []
    for step in question.steps:
        values, defaults = _arguments_of(step)
        shown = tuple(
            DescribedValue(name, "", _SECRET) if name in step.secrets else _describe(name, values[name])
            for name in step.names
        )
        shown_defaults = tuple(_default(name, value, question.secret_names) for name, value in defaults.items())
        lasting = {d.name: defaults[d.name] for d in shown_defaults if isinstance(d.meaning, Meaning)}
        kept = {name: NotSaved(f"it is a secret: {text}") for name, text in step.secrets.items()}
        unsaved = save({**values, **lasting, **kept}, Path(step.file))
        described.append(DescribedParameters(shown, shown_defaults, tuple(unsaved)))
    if Path.cwd() == Path(question.root):  # or a module has gone elsewhere
        os.chdir(question.folder)
    return tuple(described)


def _default(name: str, value: Any, secret_names: tuple[str, ...]) -> DescribedValue:
    """A default; one that is a text may come from anywhere, so it is not recorded where the name is a secret's."""
    if isinstance(value, str | bytes) and value and is_secret_name(name, secret_names):
        return DescribedValue(name, "(not recorded: the name is one that secrets have)", _SECRET)
    return _describe(name, value)


def _arguments_of(step: ParametersOfStep) -> tuple[dict[str, Any], dict[str, Any]]:
    """The parameters of a step, and the defaults of those that are not given."""
    values = user_namespace()[step.variable] if step.variable else {}
    return values, defaults_of(resolve(step.action), step.names, takes_data=step.takes_data)


def find_changed_parameters(question: FindChangedParameters) -> dict[str, DescribedValue]:
    """Which parameters of later steps are not what was recorded any more, for the step that ran has changed them."""
    changed = {}
    for step, its in question.steps.items():
        values, defaults = _arguments_of(its)
        for name, value in {**defaults, **values}.items():
            recorded = question.digests.get(f"{step}.{name}")
            if recorded is None:
                continue
            try:
                is_same = digest_value(encode_value(value)) == recorded
            except UnstableValue:
                is_same = False
            if not is_same:
                changed[f"{step}.{name}"] = _describe(name, value)
    return changed


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
    result, file = user_namespace()[question.variable], Path(question.file)
    problem: str | None = None
    if not isinstance(result, Mapping):
        problem = f"it returned {type(result).__name__}, not a dictionary"
        unsaved = [] if result is None else save(result, file)
        if result is not None and not any(text.startswith((_WHOLE, file.name)) for text in unsaved):
            problem += f"; load_trial_data gives it ({file.parent.name}/{file.name})"
        return StepResult(problem, None, {}, {}, False, False, None, tuple(unsaved), (), measure_usage())
    unsaved = save(result, file)
    warnings: list[str] = []
    if streams.streams is not None:
        warnings += [f"it left sys.{name} unusable, which was put back" for name in streams.streams.take_revived()]
    main = None
    if "main" in result:
        main = recorded(result["main"], "main", warnings)
        if isinstance(result["main"], Iterator | Coroutine):
            problem = f'its "main" is a {type(result["main"]).__name__} object, which has no value yet'
    elif question.successor is None:
        problem = f'it returned a dictionary without "main" (it has: {_key_names(result)})'
    else:
        warnings.append('its result has no "main"')
    metrics, curves = flatten(named(result.get("metrics", {})), warnings, file.name)
    pass_data, default = False, None
    if question.successor is not None:
        run_as_script(question.successor.action.partition(":")[0])
        pass_data = _takes_data(question.successor, result)
        if not pass_data:
            instead = default_for_data(resolve(question.successor.action), question.successor.given)
            default = None if instead is None else _default(*instead, ())
            problem = problem or _check_data(result, question.successor, default, warnings)
    return StepResult(
        problem=problem,
        main=main,
        metrics=metrics,
        curves=curves,
        has_metrics="metrics" in result,
        pass_data=pass_data,
        default=default,
        unsaved=tuple(unsaved),
        warnings=tuple(warnings),
        usage=measure_usage(),
    )


def _takes_data(successor: Successor, result: Mapping[str, Any]) -> bool:
    action = resolve(successor.action)
    if "data" not in result or not can_be_called(action, successor.given, with_data=True):
        return False
    return result["data"] is not None or not can_be_called(action, successor.given, with_data=False)


def _check_data(
    result: Mapping[str, Any], successor: Successor, default: DescribedValue | None, warnings: list[str]
) -> str | None:
    """Why the next step cannot run without the data of this one; None if it can."""
    action = resolve(successor.action)
    if not can_be_called(action, successor.given, with_data=False):
        needing = f"the next step, `{successor.name}`, needs it"
        return f'its result has no "data", and {needing} (it has: {_key_names(result)})'
    used = "" if default is None else f", with its default {default.name}={default.summary}"
    if "data" not in result:
        warnings.append(f'its result has no "data": `{successor.name}` is called without it{used}')
    elif result["data"] is None and default is not None:
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
            unsaved += [f"{_WHOLE}: {reason}", *save(NotSaved(reason), path)]
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
        unsaved.append(f"{path or _WHOLE}: {reason}")
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
