"""The texts that people read with plain git: commit messages of the journal, lines of notes, and blobs as text."""

from __future__ import annotations

import dataclasses
import itertools
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from typing import Any

from mitosis.confidential import without_password
from mitosis.errors.base import MitosisError
from mitosis.errors.journal import BadRecord, FormatTooNew
from mitosis.journal.annotations import parse_annotation
from mitosis.journal.git_log import TRAILER_LIMIT
from mitosis.journal.layout import SHORT_KEY_DIGITS
from mitosis.journal.standing import parse_remark
from mitosis.records.codec import decode_trial
from mitosis.records.trial import TrialRecord
from mitosis.records.view import View
from mitosis.text import exact_value, one_line
from mitosis.variants import VariantLock, VariantName

_SHORT_COMMIT_DIGITS = 7
_SHORT_DIGEST_DIGITS = 6
_NAME_LIMIT = 200
_SUMMARY_VALUE_LIMIT = 40
_SUMMARY_PARAMETERS_LIMIT = 200
_FAILURE_LIMIT = 80
_REASON_LIMIT = 200
_METRICS_LIMIT = 100
_TRIALS_LIMIT = 1_000
_TEXT_LIMIT = 10_000
_PLAIN_LIMIT = 100


def started_message(record: TrialRecord, locked: Collection[VariantLock]) -> str:
    """The message of the commit that starts a trial.

    Args:
        record: the trial.
        locked: what this commit locks.
    """
    commit = one_line(record.commit[:_SHORT_COMMIT_DIGITS], TRAILER_LIMIT)
    summary = f"{_heading(record)} started at {commit}"
    parameters = _summary_parameters(View.of(record), {lock.name[:2] for lock in locked})
    trailers = _common_trailers(View.of(record))
    # The digest comes first, since it is the part that must not be cut off.
    trailers += [("Locked", f"{lock.digest} {lock.name}") for lock in locked]
    trailers.append(("Status", record.status))
    return _message(f"{summary}: {parameters}" if parameters else summary, trailers)


def ended_message(record: TrialRecord) -> str:
    """The message of the commit that ends a trial."""
    view = View.of(record)
    status, detail, took = _outcome(view)
    outcome = " ".join(part for part in (f"{status}: {detail}" if detail else status, took) if part)
    return _message(f"{_heading(record)} {outcome}", [*_common_trailers(view), *_end_trailers(view)])


def merged_message(source: str, received: int) -> str:
    """The message of the commit that merges another journal into this one."""
    trials = "" if not received else ": 1 trial received" if received == 1 else f": {received} trials received"
    return f"merge {one_line(without_password(source), _NAME_LIMIT)}{trials}\n"


def shared_message(records: Sequence[TrialRecord]) -> str:
    """The message of the commit that adds some trials to a journal that does not get the others."""
    what = _heading(records[0]) if len(records) == 1 else f"{len(records)} trials"
    return _message(f"share {what}", [("Shared", record.key) for record in records])


def forgotten_message(record: TrialRecord) -> str:
    """The message of the commit that takes a trial out of the listing."""
    trailers = [("Forgotten", record.key), ("Experiment", record.experiment), ("Commit", record.commit)]
    return _message(f"forget {_heading(record)}", trailers)


def removed_message(path: str, reason: str, kept: Sequence[str]) -> str:
    """The message of the commit that takes away a file or folder which mitosis cannot use.

    Args:
        path: of it.
        reason: why, a clause.
        kept: each file that has to be named.
    """
    summary = f"remove {one_line(path, _NAME_LIMIT)}: {one_line(reason, _REASON_LIMIT)}"
    return _message(summary, [("Removed", name) for name in dict.fromkeys([path, *kept])])


def put_back_message(paths: Iterable[str]) -> str:
    """The message of the commit that puts back files as they were before somebody spoiled them."""
    first, *others = paths
    what = f"{len(others) + 1} files" if others else one_line(first, _NAME_LIMIT)
    return _message(
        f"put back {what}: nobody has said why it went",
        [("Restored", path) for path in [first, *others]],
    )


def brought_back_message(record: TrialRecord) -> str:
    """The message of the commit that puts a forgotten trial into the listing again."""
    trailers = [("Restored", record.key), ("Experiment", record.experiment), ("Commit", record.commit)]
    return _message(f"list {_heading(record)} again", trailers)


def resolved_message(name: VariantName, kept: str, others: Sequence[tuple[str, VariantName | None]]) -> str:
    """The message of the commit that chooses one of the meanings of a variant.

    Args:
        name: the variant.
        kept: digest of the meaning that the name keeps.
        others: digest of each other one, with its new name; None where it is dropped.
    """
    shown = one_line(str(name), _NAME_LIMIT)
    trailers = [("Kept", f"{kept} {name}")]
    words = [f"keep {kept[:_SHORT_DIGEST_DIGITS]}"]
    for digest, new_name in others:
        trailers.append(("Dropped", f"{digest} {name}"))
        if new_name is None:
            words.append(f"drop {digest[:_SHORT_DIGEST_DIGITS]}")
        else:
            trailers.append(("Locked", f"{digest} {new_name}"))
            words.append(f"{digest[:_SHORT_DIGEST_DIGITS]} is now {one_line(new_name.variant, _SUMMARY_VALUE_LIMIT)}")
    return _message(f"resolve {shown}: {', '.join(words)}", trailers)


def settled_message(record: TrialRecord, oid: str) -> str:
    """The message of the commit that chooses one of several records of a trial's end.

    Args:
        record: the one that is chosen.
        oid: id of its blob.
    """
    summary = f"settle {_heading(record)}: {record.status}"
    return _message(summary, [("Chosen", f"{oid} {record.key}"), ("Settled", record.key)])


def locked_message(locked: Sequence[VariantLock], commit: str, accepted: Sequence[VariantName] = ()) -> str:
    """The message of the commit that locks variants without a trial.

    Args:
        locked: what is locked.
        commit: the experiment's commit whose dictionaries they are from.
        accepted: those that are locked already, and whose functions may be as they are.
    """
    trailers = [("Commit", commit)]
    trailers += [("Locked", f"{lock.digest} {lock.name}") for lock in locked]
    trailers += [("Accepted", str(variant)) for variant in accepted]
    if not locked and accepted:
        return _message(f"accept the functions of {_counted(accepted)}", trailers)
    if not locked:
        return _message("record the sources of functions", trailers)
    what = _counted([lock.name for lock in locked])
    return _message(f"lock {what} at {one_line(commit[:_SHORT_COMMIT_DIGITS], TRAILER_LIMIT)}", trailers)


def _counted(names: Sequence[VariantName]) -> str:
    """The name of a variant; of several, how many there are of which steps."""
    if len(names) == 1:
        return one_line(str(names[0]), _NAME_LIMIT)
    return f"{len(names)} variants of {one_line(', '.join(dict.fromkeys(name.step for name in names)), _NAME_LIMIT)}"


def renamed_message(old: VariantName, new: VariantName, digest: str) -> str:
    """The message of the commit that gives the value of a variant another name.

    Args:
        old: the variant.
        new: its new name.
        digest: of the value.
    """
    summary = f"rename {one_line(str(old), _NAME_LIMIT)} to {one_line(new.variant, _SUMMARY_VALUE_LIMIT)}"
    return _message(summary, [("Renamed", str(old)), ("Locked", f"{digest} {new}")])


def retired_message(variant: VariantName, reason: str, *, is_undone: bool) -> str:
    """The message of the commit that retires a variant, or lets it be used again.

    Args:
        variant: which.
        reason: why; may be empty.
        is_undone: whether it may be used again.
    """
    shown = one_line(str(variant), _NAME_LIMIT)
    if is_undone:
        return _message(f"let {shown} be used again", [("Unretired", str(variant))])
    summary = f"retire {shown}: {one_line(reason, _REASON_LIMIT)}" if reason else f"retire {shown}"
    return _message(summary, [("Retired", str(variant))])


def released_message(
    locks: Sequence[VariantLock], reason: str, *, is_retired: bool, removed: Iterable[str] = ()
) -> str:
    """The message of the commit that releases a variant.

    Args:
        locks: what it was locked to.
        reason: why.
        is_retired: whether that ends its retirement, too.
        removed: paths of remarks on others that go with it.
    """
    name = str(locks[0].name)
    summary = f"release {one_line(name, _NAME_LIMIT)}: {one_line(reason, _FAILURE_LIMIT)}"
    released = [("Released", f"{lock.digest} {name}") for lock in locks]
    unretired = [("Unretired", name)] if is_retired else []
    others = [("Removed", path) for path in removed]
    return _message(summary, [*released, *unretired, *others, ("Reason", reason)])


def annotated_message(kind: str, text: str, trials: Mapping[str, str]) -> str:
    """The message of the commit that tags trials, takes back a tag, or adds a note.

    Args:
        kind: `tag`, `untag` or `note`.
        text: the tag or the note.
        trials: the experiment of each, by key.
    """
    [key, experiment], *others = trials.items()
    what = f"{len(trials)} trials" if others else f"{key} {one_line(experiment, _NAME_LIMIT)}"
    trailers = [("Trial", key) for key in itertools.islice(trials, _TRIALS_LIMIT)]
    return _message(f"{kind} {what}: {one_line(text, _REASON_LIMIT)}", [*trailers, (kind.capitalize(), text)])


def note_line(record: TrialRecord) -> str:
    """The line of a trial in the git note of its commit, without a line break."""
    view = View.of(record)
    key = one_line(record.key[:SHORT_KEY_DIGITS], TRAILER_LIMIT)
    columns = [key, one_line(record.experiment, _NAME_LIMIT), _summary_parameters(view, ()), *_outcome(view)]
    return "  ".join(column for column in columns if column)


def _heading(record: TrialRecord) -> str:
    return f"{one_line(record.experiment, _NAME_LIMIT)} {one_line(record.key, _NAME_LIMIT)}"


def _outcome(view: View) -> tuple[str, str, str]:
    """How a trial ended, what came of it, and how long it took; the last two can be empty."""
    status = view.raw("status")
    detail = view.main
    if status == "failed":
        first, more = view.raw("failure"), ""
        if first.startswith("KeyError: "):  # it shows what is missing as Python writes it, line breaks escaped
            first, more, _ = first.partition("\\n")
        detail = one_line(f"{first}…" if more else first, _FAILURE_LIMIT)
    if "failure.step" in view and view.place:
        status += f" in {one_line(view.raw('failure.step'), _NAME_LIMIT)}"
    took = f"({view.text('took')})" if "took" in view else ""
    return status, detail, took


def _summary_parameters(view: View, locked: Collection[tuple[str, str]]) -> str:
    """All parameters that were given in few words; the step is said only where there are several."""
    words: list[str] = []
    length = 0
    parameters = [parameter for parameter in view.parameters if not parameter.is_default]
    for parameter in parameters:
        name = parameter.full_name if view.place else parameter.name
        mark = "" if parameter.tracked else "+"
        word = f"{mark}{one_line(name, _NAME_LIMIT)}={one_line(parameter.text, _SUMMARY_VALUE_LIMIT)}"
        if (parameter.step, parameter.name) in locked:
            word += " (locked)"
        length += len(word) + 1
        if length > _SUMMARY_PARAMETERS_LIMIT and words:
            words.append(f"and {len(parameters) - len(words)} more")
            break
        words.append(word)
    return " ".join(words)


_TRAILERS = {"lookup": "Variant", "eval": "Parameter", "default": "Default"}


def _common_trailers(view: View) -> list[tuple[str, str]]:
    trailers = [(name.capitalize(), view.raw(name)) for name in ("experiment", "commit")]
    for parameter in view.parameters:
        if parameter.is_default and not parameter.tracked:
            continue
        mark = "" if parameter.tracked else "+"
        trailers.append((_TRAILERS[parameter.kind], f"{mark}{parameter.full_name}={parameter.text}"))
    return [("Trial", view.raw("key")), *trailers]


def _end_trailers(view: View) -> list[tuple[str, str]]:
    trailers = [(name.capitalize(), view.raw(name)) for name in ("status", "main") if name in view]
    metrics = itertools.islice(view.metrics, _METRICS_LIMIT)
    return [*trailers, *(("Metric", f"{name}={exact_value(field.value)}") for name, field in metrics)]


def _message(summary: str, trailers: Iterable[tuple[str, str]]) -> str:
    lines = [f"{name}: {one_line(value, TRAILER_LIMIT)}" for name, value in trailers]
    return "\n".join([summary, "", *lines, ""])


# --- blobs ------------------------------------------------------------------------------------------


def render_blob(path: str, data: bytes) -> str:
    """A blob of the journal as text that a person can read and git can compare line by line.

    Args:
        path: where the blob is in the journal, or just its file name: git gives a textconv no more.
        data: its bytes.

    Returns:
        Lines that each end in a line break. Bytes that cannot be read give a line that says why: a history must stay
        readable whatever is in it.
    """
    if not path.endswith(".msgpack"):
        return "".join(f"{one_line(line, _TEXT_LIMIT)}\n" for line in data.decode("utf-8", "replace").splitlines())
    try:
        record = decode_trial(data, path)
    except FormatTooNew as error:
        return _unreadable(error)
    except BadRecord as error:
        return _render_value(path, data, error)
    return "".join(f"{line}\n" for line in _lines(record, ""))


def _render_value(path: str, data: bytes, reason: BadRecord) -> str:
    from mitosis.canonical.full_text import render_value

    fields = parse_annotation(data) or parse_remark(data)
    if fields is not None:
        return "".join(f"{line}\n" for line in _lines(fields, ""))
    try:
        text = render_value(data)
    except MitosisError as error:
        return _unreadable(reason if "/" in path and path.startswith("trials/") else error)
    return text if text.endswith("\n") else f"{text}\n"


def _unreadable(error: MitosisError) -> str:
    return f"# {one_line(str(error), _TEXT_LIMIT)}\n"


def _lines(value: Any, indent: str) -> Iterator[str]:
    """A record, mapping or list in the manner of YAML, one leaf a line."""
    for name, item in _items(value):
        head = f"{indent}{name}"
        if _items(item):
            yield head.rstrip()
            yield from _lines(item, indent + "  ")
        else:
            yield f"{head} {_leaf(item)}"


def _items(value: Any) -> list[tuple[str, Any]]:
    """What a value holds, by the text that stands before each; empty for a leaf."""
    if dataclasses.is_dataclass(value):
        names = [field.name for field in dataclasses.fields(value)]
        return [(f"{name}:", getattr(value, name)) for name in names if getattr(value, name) not in _UNSAID]
    if isinstance(value, dict):
        # Others may have put bytes beside texts, which have no order.
        items = sorted(value.items(), key=lambda item: str(item[0]))
        return [(f"{one_line(str(name), _PLAIN_LIMIT)}:", item) for name, item in items]
    if isinstance(value, list | tuple):
        return [("-", item) for item in value]
    return []


_UNSAID: tuple[Any, ...] = (None, (), {}, "")
"""Values of optional fields that say nothing."""


def _leaf(value: Any) -> str:
    if isinstance(value, str):
        return one_line(value, _TEXT_LIMIT)
    if isinstance(value, bytes):
        return value.hex()
    return one_line(repr(value), _TEXT_LIMIT)
