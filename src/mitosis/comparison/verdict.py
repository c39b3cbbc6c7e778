"""What a person would say who has looked at all that differs between trials, in a sentence."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from mitosis.comparison.change import delta
from mitosis.comparison.result import Row
from mitosis.text import counted, cut

CAUSES: Mapping[str, tuple[str, str]] = {
    "experiment": ("the experiment", ""),
    "parameter": ("one parameter", "{} parameters"),
    "code": ("code", ""),
    "commit": ("the commit", ""),
    "package": ("a package", "{} packages"),
    "environment": ("the environment", ""),
    "python": ("Python", ""),
    "machine": ("the machine", ""),
    "variable": ("an environment variable", "{} environment variables"),
}
"""Kinds of what may be why results differ: what is said of one, and of several where they are counted. A commit or an
environment counts as such where what it holds is not here to be compared."""
_ENDS = {"failed": "failed", "interrupted": "was interrupted", "running": "is running", "lost": "is lost"}
_DETAIL = 40
"""Characters of a text."""


def say_verdict(keys: Sequence[str], statuses: Sequence[str], rows: Sequence[Row], code: str = "code") -> str:
    """The sentence.

    Args:
        keys: what the trials are called.
        statuses: of the trials, in the same order.
        rows: all that differs but for when, and how long, the trials ran.
        code: what to call what was compared of the code.
    """
    causes = {kind: [row for row in rows if row.cause == kind] for kind in CAUSES}
    causes = {kind: found for kind, found in causes.items() if found}
    kinds = {code: ("code", "commit"), "parameters": ("parameter",), "packages": ("package", "environment")}
    same = f"Same {_listed([word for word, its in kinds.items() if causes.keys().isdisjoint(its)])}"
    result = _result(keys, statuses, rows)
    alike = "the same result" if statuses[0] == "finished" else f"{'both' if len(keys) == 2 else 'all'} {statuses[0]}"
    if not causes:
        lead = same if any(not _is_result(row) for row in rows) else "Same in everything that is recorded"
        return f"{lead}, {f'but {result}' if result else f'and {alike}'}."
    if len(causes) == 1:
        [(kind, found)] = causes.items()
        return f"{same}; {_detail(kind, found, rows)}; {result or alike}."
    phrases = [f"in {_count(kind, found)}" for kind, found in causes.items()]
    is_told = set(statuses) == {"finished"} and result
    end = "" if is_told else f"; {result}" if result else f", but {alike}"
    return f"Differ{'s' if len(keys) == 2 else ''} {_listed(phrases)}{end}."


def _is_result(row: Row) -> bool:
    return row.name in ("main", "status", "failure", "failure.at") or row.name.startswith("metrics.")


def _result(keys: Sequence[str], statuses: Sequence[str], rows: Sequence[Row]) -> str:
    """How the results differ; empty if they do not."""
    if len(set(statuses)) > 1:
        return _listed(
            [f"{key} {_ENDS[status]}" for key, status in zip(keys, statuses, strict=True) if status in _ENDS]
        )
    main = next((row for row in rows if row.name == "main"), None)
    if main is not None:
        first, *others = (cell and cell.value for cell in main.cells)
        deltas = [delta(first, other) for other in others]
        known = [abs(change) for change in deltas if change is not None]
        by = f" by {'up to ' * (len(others) > 1)}{max(known):.3g}" if len(known) == len(deltas) else ""
        return f"{main.label} differs{by}"
    if any(row.name.startswith("failure") for row in rows):
        return f"they {'failed' if statuses[0] == 'failed' else 'ended'} for different reasons"
    count = sum(row.name.startswith("metrics.") for row in rows)
    return f"{counted(count, 'metric')} differ{'s' * (count == 1)}" if count else ""


def _detail(kind: str, found: Sequence[Row], rows: Sequence[Row]) -> str:
    """The causes, all of one kind: the two values if it is one."""
    if len(found) > 1 or kind == "machine":
        return f"{_count(kind, found)} differ{'s' * (not CAUSES[kind][1])}"
    [row] = found
    parts = [part for part in rows if part.name.startswith(f"values.{row.name.removeprefix('params.')}.")]
    texts = list(dict.fromkeys(cut(text, _DETAIL) for text in row.texts))
    label = row.label
    if len(texts) == 1 and len(parts) == 1:
        label, texts = f"{label}.{parts[0].label}", list(dict.fromkeys(parts[0].texts))
    if kind in ("code", "commit") or len(texts) == 1:
        return f"{label} {next(filter(None, row.differences), 'differs')}"
    return f"{label} {(' → ' if len(row.cells) == 2 else ', ').join(texts)}"


def _count(kind: str, found: Sequence[Row]) -> str:
    one, several = CAUSES[kind]
    return several.format(len(found)) if several and len(found) > 1 else one


def _listed(words: Sequence[str]) -> str:
    return " and ".join(filter(None, [", ".join(words[:-1]), *words[-1:]]))
