"""The cells of a notebook, prepared for the template.

All texts on a page share a fixed room, so that a page stays small however much a step prints.
"""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from nbformat import NotebookNode

from mitosis.omission import Omission, omissions_of, printed_file
from mitosis.report.colours import STDERR_BEGIN, STDERR_END, terminal_html
from mitosis.report.displays import (
    IMAGES,
    Displays,
    as_picture,
    image_url,
    joined,
    png_size,
    svg_url,
    traceback_entries,
)
from mitosis.report.excerpts import excerpt, share
from mitosis.report.markup import highlight
from mitosis.report.tracebacks import users_traceback
from mitosis.screen import above_cursor, last_state, without_escapes
from mitosis.text import for_page

OUTPUT_ROOM = 10_000
CODE_ROOM = 3_500
"""Characters of HTML that a page has for all outputs of text type, and for all code."""

_LONG_CODE_LINES = 20


def node(**fields: Any) -> NotebookNode:
    """A part of a notebook."""
    return NotebookNode(**fields)


def copy_cell(cell: NotebookNode) -> NotebookNode:
    """A cell that can be changed; what its outputs hold is shared with the original."""
    copied = node(cell_type=cell.get("cell_type"), source=joined(cell.get("source")), metadata=node())
    if copied.cell_type == "code":
        copied.outputs = [node(**output) for output in cell.get("outputs", ())]
        copied.printed = printed_file(cell.get("metadata", {}))
        copied.omissions = omissions_of(cell.get("metadata", {}))
    if "attachments" in cell:
        copied.attachments = cell["attachments"]
    return copied


def prepare_code(cells: Iterable[NotebookNode]) -> None:
    """Give each code cell `code`, an `Excerpt` or None where it has none, and `is_long`."""
    coded = [cell for cell in cells if cell.cell_type == "code"]
    wanted = [len(highlight(cell.source)) if len(cell.source) < CODE_ROOM else len(cell.source) for cell in coded]
    for cell, room in zip(coded, share(CODE_ROOM, wanted), strict=True):
        cell.code = excerpt(cell.source, room, markup=highlight) if cell.source.strip() else None
        cell.is_long = cell.code is not None and cell.code.lines > _LONG_CODE_LINES


@dataclass(frozen=True, slots=True)
class _Text:
    """An output of text type."""

    output: NotebookNode
    text: str
    omissions: tuple[Omission, ...] = ()
    """What is left out of its cell."""
    file: str = ""
    """Name of the file that has all that its cell printed, where no notebook has."""


def prepare_outputs(cells: Iterable[NotebookNode], displays: Displays) -> None:
    """Give each output what the template shows of it.

    Outputs of text type get `excerpt`; displays keep in `data` only the form to show, `chosen`; figures get `url`,
    `number`, `alt`, `width` and `height`. `is_partial` is set where nothing but the notebook has all of an output.
    """
    texts: list[_Text] = []
    figures = 0
    for cell in cells:
        if cell.cell_type != "code":
            continue
        cell.outputs = _merged_streams(cell.outputs)
        for output in cell.outputs:
            kind = output.get("output_type")
            if kind == "stream":
                texts.append(_Text(output, output.text, cell.omissions, cell.printed))
            elif kind == "error":
                output.ename = for_page(joined(output.get("ename")))
                if not output.get("elsewhere"):
                    entries = traceback_entries(output.get("traceback"))
                    texts.append(_Text(output, users_traceback(entries) or error_line(output)))
            elif kind in ("display_data", "execute_result"):
                chosen = _choose(output, displays)
                if chosen in IMAGES:
                    figures += 1
                    _prepare_figure(output, chosen, figures)
                elif chosen in ("text/plain", "application/json"):
                    texts.append(_Text(output, output.data[chosen]))
    sizes = [len(without_escapes(t.text)) for t in texts]
    wanted = [len(terminal_html(t.text)) if n < OUTPUT_ROOM else n for t, n in zip(texts, sizes, strict=True)]
    for item, room in zip(texts, share(OUTPUT_ROOM, wanted), strict=True):
        shown = excerpt(item.text, room, omissions=item.omissions)
        item.output.excerpt = dataclasses.replace(shown, whole_file=shown.whole_file or item.file)
        if shown.left_out and not item.output.excerpt.whole_file:
            item.output.is_partial = True


def _choose(output: NotebookNode, displays: Displays) -> str:
    """Leave of an output's forms only the one to show, as text where it is text, and note its type as `chosen`."""
    data = output.get("data") or {}
    chosen = displays.choose(data)
    if chosen is None:
        kinds = ", ".join(sorted(str(kind) for kind in data))
        remark = f"(an output of {kinds}, which a page cannot show; the notebook has it)" if data else ""
        chosen, value = "text/plain", remark
    elif chosen == "application/json":
        value = json.dumps(data[chosen], indent=2, ensure_ascii=False, default=str)
    elif isinstance(data[chosen], dict):
        value = data[chosen]
    else:
        value = joined(data[chosen])
    if chosen.startswith("text/") and chosen not in ("text/html", "text/markdown", "text/latex"):
        chosen = "text/plain"
    if isinstance(value, str):
        chosen = as_picture(chosen, value)
    output.chosen = chosen
    # As text, a widget or a chart that needs a script is less than it is.
    output.is_partial = chosen == "text/plain" and not all(str(kind).startswith("text/") for kind in data)
    output.data = node(**{chosen: value})
    return chosen


def _prepare_figure(output: NotebookNode, kind: str, number: int) -> None:
    metadata: Mapping[str, Any] = output.get("metadata") or {}
    own = metadata.get(kind)
    about: Mapping[str, Any] = own if isinstance(own, dict) else {}
    value = output.data[kind]
    output.url = svg_url(value) if kind == "image/svg+xml" else image_url(kind, value)
    output.number = number
    output.alt = for_page(str(about.get("alt") or metadata.get("alt") or f"Figure {number}, drawn by the experiment"))
    size = (about.get("width"), about.get("height"))
    if size == (None, None) and kind == "image/png":
        size = png_size(value) or size
    output.width, output.height = (length if isinstance(length, int) else None for length in size)


def _merged_streams(outputs: Sequence[NotebookNode]) -> list[NotebookNode]:
    """The outputs with neighbouring streams in one text, as a terminal would show them.

    A progress bar on standard error that goes on after something was printed is shown once, where it ended.
    """
    merged: list[NotebookNode] = []
    run: list[_Segment] = []
    for output in outputs:
        if output.get("output_type") == "stream":
            name, text = str(output.get("name")), joined(output.get("text"))
            if not run or run[-1].name != name:
                if text.startswith("\r"):
                    _drop_unfinished_lines(run, name)
                run.append(_Segment(name))
            run[-1].texts.append(text)
            continue
        _close_run(run, merged)
        merged.append(output)
    _close_run(run, merged)
    return merged


@dataclass(slots=True)
class _Segment:
    """What was written to one stream until something was written to another."""

    name: str
    texts: list[str] = field(default_factory=list)


def _drop_unfinished_lines(run: Sequence[_Segment], name: str) -> None:
    """Take back the last lines of a stream, those of bars, which goes on with a carriage return."""
    for segment in reversed(run):
        if segment.name == name:
            segment.texts = [above_cursor("".join(segment.texts))]
            return


def _close_run(run: list[_Segment], merged: list[NotebookNode]) -> None:
    parts: list[str] = []
    has_text = False
    at_start = True
    for segment in run:
        shown = last_state("".join(segment.texts))
        if parts and not at_start:
            # Where a bar was left standing and something else was printed, that gets a line of its own.
            parts.append("\n")
            shown = shown.removeprefix("\n")
        at_start = not shown or shown.endswith("\n")
        has_text = has_text or bool(shown.strip())
        if segment.name == "stderr" and shown:
            end = "\n" if shown.endswith("\n") else ""
            shown = f"{STDERR_BEGIN}{shown.removesuffix(end)}{STDERR_END}{end}"
        parts.append(shown)
    run.clear()
    if has_text:
        merged.append(node(output_type="stream", name="stdout", text="".join(parts)))


def error_line(output: NotebookNode) -> str:
    """What an `error` output says where it has no traceback."""
    return ": ".join(part for part in (joined(output.get("ename")), joined(output.get("evalue"))) if part)
