"""What stands on a page, in order: the facts of a trial, and its notebook cut into the steps.

Everything that a person or a program wrote comes out of here as plain text, to be escaped by the template, or as
`Markup` that was made from escaped text.
"""

from __future__ import annotations

import dataclasses
import inspect
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from markupsafe import Markup, escape
from nbformat import NotebookNode

from mitosis.records.trial import StepRecord, TrialRecord
from mitosis.report.cells import (
    copy_cell,
    node,
    prepare_code,
    prepare_outputs,
)
from mitosis.report.displays import WIDGET_STATE, Displays
from mitosis.report.excerpts import Excerpt, excerpt, share
from mitosis.report.markup import highlight
from mitosis.report.summary import (
    ParameterGroup,
    Value,
    Verdict,
    commit_of,
    describe_duration,
    facts_of,
    parameters_of,
    results_of,
    stopped_step,
    telling_of,
    time_html,
    verdict_of,
)
from mitosis.report.trouble import Trouble, trouble_of
from mitosis.screen import last_state
from mitosis.text import cut, for_page

ENVIRONMENT_ROOM = 4_000
LOG_ROOM = 3_500
DOC_ROOM = 2_500
SOURCE_ROOM = 6_000
CHANGES_ROOM = 700
"""Characters of HTML that a page has for each: the environment, the log, all docstrings,
the source of all steps, and the files that were changed."""

RESULT_ROWS, CURVES = 60, 8
"""At most this many results are shown of all steps together, and as many of them as curves."""

NEXT_ITERATION = "next iteration"
"""The word of the link that leads to it."""
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
    place: Path | None = None
    """Path of the trial's folder, where relative addresses in what was displayed lead from."""
    root: Path | None = None
    """Of the repository's working tree, from which the page may have files, too."""
    values: Mapping[str, str] = field(default_factory=dict)
    """Whole values by `step.name`, of parameters of which the record has a short text that says less."""


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
    action: str = ""
    """Reference of the callable."""
    file: str = ""
    """Where its source is."""
    source: Excerpt | None = None
    source_text: str = ""
    """What `source` is made of."""
    curves: Mapping[str, Any] = field(default_factory=dict)
    """The metrics that are lists of numbers."""
    record: StepRecord | None = None
    """Where there are results to show."""
    results: tuple[Value, ...] = ()
    cells: list[NotebookNode] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Page:
    """A page, but for the cells."""

    title: str
    experiment: str
    told: tuple[tuple[str, str], ...]
    """What tells the trial from others of the experiment: names and texts of parameters."""
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
    at: Markup
    """The commit, and what differs from it."""
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
    displays = Displays(widgets, facts.place, facts.root)
    sections = _sections(notebook, record, displays)
    trouble = trouble_of(record, [cell for section in sections for cell in section.cells])
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
    safe = {label: url for label, url in {"folder": facts.folder, **facts.links}.items() if _is_safe(url)}
    # Nobody knows whether there will be one, so it does not stand among what is there.
    later = safe.pop(NEXT_ITERATION, "")
    links = tuple(safe.items())
    verdict = verdict_of(record)
    told = telling_of(record)
    results: tuple[Value, ...] = ()
    if record.status == "finished" and sections:
        # They stand on top, and so not with their step.
        results, sections[-1].results = sections[-1].results, ()
    name = f"{record.experiment} {verdict.word}{', debug' if facts.debug else ''} · {record.key}"
    page = Page(
        title=" · ".join(filter(None, (", ".join(text for _, text in told), name))),
        experiment=record.experiment,
        told=told,
        verdict=verdict,
        debug=facts.debug,
        changes=excerpt("\n".join(facts.changes), CHANGES_ROOM, from_head=1) if facts.changes else None,
        warnings=record.warnings,
        trouble=trouble,
        results=results,
        parameters=parameters_of(record, facts.values),
        facts=tuple(facts_of(record, later=later)),
        short_key=record.key[:6],
        at=commit_of(record, debug=facts.debug, changes=facts.changes),
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
            action=step.action,
            file=step.source or "",
            record=step if step.name in recorded else None,
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
        _describe(current, about)
        if kind in ("result", "metrics") and is_told and all(_is_text(output, displays) for output in outputs):
            continue
        current.cells.append(cell)
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
    source, curves = about.get("source"), about.get("curves")
    if isinstance(source, str):
        section.source_text = source
    if isinstance(curves, Mapping):
        section.curves = curves
    duration = about.get("duration_s")
    if not section.took and isinstance(duration, int | float):
        section.took = describe_duration(duration)


def _make_fit(sections: Sequence[Section]) -> None:
    """Divide among the steps what room there is for docstrings, sources and results."""
    for section, room in zip(sections, share(DOC_ROOM, [2 * len(s.doc_text) for s in sections]), strict=True):
        section.doc_rest = excerpt(section.doc_text, room, from_head=1) if section.doc_text else None
    wanted = [len(highlight(text) if len(text) < SOURCE_ROOM else text) for text in (s.source_text for s in sections)]
    for section, room, whole in zip(sections, share(SOURCE_ROOM, wanted), wanted, strict=True):
        if section.source_text:  # without colours, more of it has room
            markup = highlight if whole <= room else lambda text: escape(for_page(text))
            section.source = excerpt(section.source_text, room, from_head=0.7, markup=markup)
    counts = [1 + len(section.record.metrics) if section.record else 0 for section in sections]
    drawn = share(CURVES, [len(section.curves) for section in sections])
    for section, rows, curves in zip(sections, share(RESULT_ROWS, counts), drawn, strict=True):
        if section.record is not None:
            section.results = results_of(section.record, dict(islice(section.curves.items(), curves)), rows)


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
