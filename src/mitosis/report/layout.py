"""What stands on a page, in order: the facts of a trial, and its notebook cut into the steps.

Everything that a person or a program wrote comes out of here as plain text, to be escaped by the template, or as
`Markup` that was made from escaped text.
"""

from __future__ import annotations

import dataclasses
import inspect
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

from markupsafe import Markup
from nbformat import NotebookNode

from mitosis.records.trial import TrialRecord
from mitosis.report.cells import (
    copy_cell,
    error_line,
    node,
    prepare_code,
    prepare_outputs,
    traceback_entries,
)
from mitosis.report.displays import WIDGET_STATE, Displays
from mitosis.report.excerpts import Excerpt, excerpt, share
from mitosis.report.summary import (
    SENTENCE_CHARACTERS,
    VALUE_CHARACTERS,
    ParameterGroup,
    Value,
    Verdict,
    describe_duration,
    facts_of,
    parameters_of,
    results_of,
    stopped_step,
    time_html,
    verdict_of,
)
from mitosis.report.tracebacks import users_traceback
from mitosis.screen import last_state
from mitosis.text import cut, for_page

TRACEBACK_ROOM = 8_000
ENVIRONMENT_ROOM = 6_000
LOG_ROOM = 4_500
DOC_ROOM = 2_500
CHANGES_ROOM = 700
"""Characters of HTML that a page has for each: the traceback of a failure, the environment, the log, all docstrings,
and the files that were changed."""

RESULT_ROWS = 60
"""At most this many metrics are shown at the top, and as many again in all steps together."""

DOC_CHARACTERS = 600
"""Of the first paragraph of a docstring, at most."""


@dataclass(frozen=True, slots=True)
class PageFacts:
    """What a page says beyond its notebook."""

    record: TrialRecord
    environment: str
    """The installed distributions, as `pip freeze` writes them."""
    log: str | None
    """Text of `experiment.log`, or its end; None where there is none."""
    debug: bool
    """A trial that git has no record of, and whose code need not be the commit's."""
    folder: str
    """URL of the trial's folder, relative to the page."""
    links: Mapping[str, str]
    """URLs relative to the page by the words to show, such as `notebook`, `log`, `previous iteration`."""
    rerun: str
    """The command that runs the trial again."""
    changes: tuple[str, ...] = ()
    """How tracked files differ from the commit, in debug: lines such as ` M sine_experiment/__init__.py`."""


@dataclass(frozen=True, slots=True)
class Trouble:
    """Why the trial did not finish."""

    title: str
    where: str
    message: str
    """What there is to say without a traceback."""
    traceback: Excerpt | None


@dataclass(slots=True)
class Section:
    """One step on the page."""

    anchor: str
    name: str
    place: str
    """`Step 1 of 2`, or just `Step`."""
    state: str
    """`finished`, `failed`, `interrupted`, `running`, `not run`."""
    took: str
    doc: str = ""
    doc_rest: Excerpt | None = None
    doc_text: str = ""
    """What `doc_rest` is made of."""
    results: tuple[Value, ...] = ()
    cells: list[NotebookNode] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Page:
    """A page, but for the cells."""

    title: str
    experiment: str
    verdict: Verdict
    debug: bool
    changes: Excerpt | None
    """What of the commit was changed, in debug."""
    warnings: tuple[str, ...]
    trouble: Trouble | None
    results: tuple[Value, ...]
    parameters: tuple[ParameterGroup, ...]
    facts: tuple[tuple[str, Markup], ...]
    short_key: str
    started: Markup
    author: str
    took: str
    rerun: str
    commit: str
    """The first digits of the commit at which running it again gives the same; empty where none does."""
    links: tuple[tuple[str, str], ...]
    notebook_link: str
    folder: str
    """URL of the trial's folder, relative to the page; empty where that is not a safe link."""
    sections: tuple[Section, ...]
    interpreter: str
    variables: tuple[tuple[str, str], ...]
    environment: Excerpt
    distributions: int
    log: Excerpt | None
    displays: Displays


def lay_out(notebook: NotebookNode, facts: PageFacts) -> tuple[NotebookNode, Page]:
    """The cells of a page in their order, prepared for the template, and all else that stands on it.

    Each cell gets `begins` and `ends`, the `Section` that does so with it or None; of code `code` (an `Excerpt` or
    None) and `is_long`. Each output of text type gets `excerpt`.
    """
    facts = _showable(facts)
    record = facts.record
    widgets = notebook.get("metadata", {}).get("widgets", {}).get(WIDGET_STATE, {}).get("state", {})
    displays = Displays(widgets)
    sections = _sections(notebook, record, displays)
    trouble = _trouble(record, sections)
    _make_fit(sections)
    cells = [cell for section in sections for cell in section.cells]
    prepare_code(cells)
    prepare_outputs(cells, displays)
    for section in sections:
        if not section.cells:
            section.cells.append(node(cell_type="markdown", source="", metadata=node()))
        for cell in section.cells:
            cell.begins = cell.ends = None
        section.cells[0].begins = section
        section.cells[-1].ends = section
    # The oldest minor version has the fewest demands: nbconvert need not add cell ids that nobody looks at.
    shown = node(
        nbformat=4,
        nbformat_minor=4,
        metadata=node(),
        cells=[cell for section in sections for cell in section.cells],
    )
    links = tuple((label, url) for label, url in {"folder": facts.folder, **facts.links}.items() if _is_safe(url))
    verdict = verdict_of(record)
    finished = record.status == "finished" and bool(record.steps)
    page = Page(
        title=f"{record.experiment} {verdict.word}{', debug' if facts.debug else ''} · {record.key}",
        experiment=record.experiment,
        verdict=verdict,
        debug=facts.debug,
        changes=excerpt("\n".join(facts.changes), CHANGES_ROOM, from_head=1) if facts.changes else None,
        warnings=record.warnings,
        trouble=trouble,
        results=_first(results_of(record.main, record.steps[-1].metrics), RESULT_ROWS) if finished else (),
        parameters=parameters_of(record),
        facts=tuple(facts_of(record, debug=facts.debug, changes=facts.changes)),
        short_key=record.key[:6],
        started=time_html(record.started),
        author=record.author.partition(" <")[0],
        took=describe_duration(record.duration_s),
        rerun=facts.rerun,
        commit="" if facts.debug else record.commit[:7],
        links=links,
        notebook_link=next((url for _, url in links if url.endswith(".ipynb")), ""),
        folder=facts.folder if _is_safe(facts.folder) else "",
        sections=tuple(sections),
        interpreter=", ".join(part for part in (record.interpreter, record.platform) if part),
        variables=tuple(sorted(record.variables.items())),
        environment=excerpt(facts.environment, ENVIRONMENT_ROOM, from_head=1),
        distributions=sum(1 for line in facts.environment.splitlines() if line.strip() and not line.startswith("#")),
        log=excerpt(last_state(facts.log), LOG_ROOM, from_head=0.2) if facts.log and facts.log.strip() else None,
        displays=displays,
    )
    return shown, page


def shows_all(notebook: NotebookNode, facts: PageFacts) -> bool:
    """Whether the page, or a file beside it, has all that the experiment displayed, so that no notebook is needed."""
    shown, page = lay_out(notebook, facts)
    if page.displays.has_cut:
        return False
    if page.trouble is not None and page.trouble.traceback is not None and page.trouble.traceback.left_out:
        return False
    return not any(output.get("is_partial") for cell in shown.cells for output in cell.get("outputs", ()))


def _trouble(record: TrialRecord, sections: Sequence[Section]) -> Trouble | None:
    """What went wrong; the output that shows it is taken from its cell and stands for a pointer there."""
    if record.status not in ("failed", "interrupted"):
        return None
    failure = record.failure
    traceback = _take_traceback(sections)
    message = failure.message.strip() if failure is not None else ""
    kind = (failure.type or "") if failure is not None else ""
    title = ": ".join(part for part in (kind, message.partition("\n")[0]) if part)
    if not title:
        title = "Interrupted" if record.status == "interrupted" else "Failed"
    elif not kind:
        # What mitosis says itself begins small, for it stands in a line on the terminal.
        title = title[0].upper() + title[1:]
    title = cut(title, SENTENCE_CHARACTERS)
    return Trouble(
        title=title,
        where=(failure.location or "") if failure is not None else "",
        message=cut(message, 2 * VALUE_CHARACTERS) if not traceback and not title.endswith(message[1:]) else "",
        traceback=excerpt(traceback, TRACEBACK_ROOM, from_head=0.35) if traceback else None,
    )


def _take_traceback(sections: Sequence[Section]) -> str:
    cells = [cell for section in sections for cell in section.cells if cell.get("cell_type") == "code"]
    for cell in reversed(cells):
        for output in reversed(cell.outputs):
            if output.get("output_type") == "error":
                output.elsewhere = True
                return users_traceback(traceback_entries(output.get("traceback"))) or error_line(output)
    return ""


def _sections(notebook: NotebookNode, record: TrialRecord, displays: Displays) -> list[Section]:
    """The steps with their cells; cells that belong to no step go with the step that follows, or else came before.

    Cells that show a result as text are left out where the record has it: a table shows it better.
    """
    sections: dict[str, Section] = {}
    count = len(record.steps)
    recorded = {step.name for step in record.steps if step.main is not None or step.metrics}
    for index, step in enumerate(record.steps):
        sections[step.name] = Section(
            anchor=f"step-{index + 1}",
            name=step.name,
            place=f"Step {index + 1} of {count}" if count > 1 else "Step",
            state=_state(record, index),
            took=describe_duration(step.duration_s),
            results=results_of(step.main, step.metrics) if step.name in recorded else (),
        )
    current: Section | None = None
    waiting: list[NotebookNode] = []
    for original in notebook.cells:
        about = original.get("metadata", {}).get("mitosis") or {}
        kind = about.get("kind")
        if kind == "heading":
            continue
        cell = copy_cell(original)
        current = sections.get(str(about.get("step")), current)
        if current is None:
            waiting.append(cell)
            continue
        current.cells.extend(waiting)
        waiting = []
        outputs = cell.get("outputs", ())
        is_told = current.name in recorded or not outputs
        if kind in ("result", "metrics") and is_told and all(_is_text(output, displays) for output in outputs):
            continue
        current.cells.append(cell)
        _describe(current, about)
    if waiting:
        next(iter(sections.values())).cells[:0] = waiting
    return list(sections.values())


def _is_text(output: NotebookNode, displays: Displays) -> bool:
    return output.get("output_type") == "execute_result" and displays.choose(output.get("data") or {}) == "text/plain"


def _state(record: TrialRecord, index: int) -> str:
    """How far the step with that index came."""
    if record.status == "finished":
        return "finished"
    names = [step.name for step in record.steps]
    stopped = stopped_step(record)
    if stopped not in names or index > names.index(stopped):
        return "not run"
    return "finished" if index < names.index(stopped) else record.status


def _describe(section: Section, about: Any) -> None:
    """Take docstring and duration from a cell's metadata, as far as they are not known."""
    doc = about.get("doc")
    if isinstance(doc, str) and doc.strip() and not section.doc:
        summary, _, rest = inspect.cleandoc(doc).partition("\n\n")
        section.doc = cut(for_page(" ".join(summary.split())), DOC_CHARACTERS)
        section.doc_text = rest if rest.strip() else ""
    duration = about.get("duration_s")
    if not section.took and isinstance(duration, int | float):
        section.took = describe_duration(duration)


def _make_fit(sections: Sequence[Section]) -> None:
    """Divide among the steps what room there is for docstrings and results."""
    for section, room in zip(sections, share(DOC_ROOM, [2 * len(s.doc_text) for s in sections]), strict=True):
        section.doc_rest = excerpt(section.doc_text, room, from_head=1) if section.doc_text else None
    for section, rows in zip(sections, share(RESULT_ROWS, [len(s.results) for s in sections]), strict=True):
        section.results = _first(section.results, rows)


def _first(results: tuple[Value, ...], count: int) -> tuple[Value, ...]:
    """This many results, and how many there are beside."""
    if len(results) <= count:
        return results
    count = max(count, 1)
    return (*results[:count], Value(f"and {len(results) - count:,} more", "in the results"))


def _showable(value: Any) -> Any:
    """A copy of a record in which every text can be shown; logs and environments keep their colours until later."""
    if isinstance(value, str):
        return for_page(value)
    if isinstance(value, tuple):
        return tuple(_showable(item) for item in value)
    if isinstance(value, Mapping):
        return {_showable(name): _showable(item) for name, item in value.items()}
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        names = [item.name for item in dataclasses.fields(value) if item.name not in ("environment", "log", "extra")]
        return dataclasses.replace(value, **{name: _showable(getattr(value, name)) for name in names})
    return value


def _is_safe(url: str) -> bool:
    """Whether a link to `url` can do no more than lead somewhere."""
    try:
        return urlsplit(url.strip()).scheme.lower() in ("", "http", "https", "file")
    except ValueError:
        return False
