"""The trial's page: one HTML file that says what was run, how it ended and what came out.

The page is complete in itself. It loads nothing, from the network or from its folder, and its content security
policy keeps whatever an experiment displays from doing so. Text of the user's is escaped; HTML that an experiment
displays on purpose is shown as it is.

It is made by nbconvert with the template in `template/`, or with one of the user's, who then answers for what it shows
and loads. nbconvert takes a while to import: `prepare` does that ahead, in a thread while the kernel starts.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from mitosis.records.trial import TrialRecord
from mitosis.report.naming import page_name
from mitosis.report.templates import Template, describe_template_error, find_template

if TYPE_CHECKING:
    from nbformat import NotebookNode

__all__ = [
    "PageFacts",
    "Template",
    "describe_template_error",
    "find_template",
    "page_name",
    "prepare",
    "render_page",
    "shows_all",
]


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
    notices: tuple[str, ...] = ()
    """Sentences to show at the top."""


def prepare(template: Template | None = None) -> None:
    """Import nbconvert and compile the template, so that `render_page` is quick.

    May be called any number of times, from any thread, and need not be called at all.

    Args:
        template: that of the user, if the page is to be made with one.

    Raises:
        ConfigError: the user's template cannot be used.
    """
    from mitosis.report.exporter import prepared_exporter

    prepared_exporter(template)


def render_page(notebook: NotebookNode, facts: PageFacts, template: Template | None = None) -> str:
    """The page of a trial, a complete HTML document.

    Args:
        notebook: the trial's notebook with its outputs, as far as it got. `metadata.mitosis` of a cell tells what the
            cell is for: `kind` (`heading`, `imports`, `parameters`, `step`, `result`, `metrics`), `step`, `doc` (the
            step's docstring), `duration_s`, `printed` (the file that has all that it printed). Any of it may be
            missing.
        facts: the rest of what the page says.
        template: that of the user, in place of that of mitosis. What goes wrong in it is raised as it is.
    """
    from mitosis.report.exporter import prepared_exporter
    from mitosis.report.layout import lay_out

    cells, page = lay_out(notebook, facts)
    return prepared_exporter(template).render(cells, page, facts.record, notebook)


def shows_all(notebook: NotebookNode, facts: PageFacts) -> bool:
    """Whether the page, or a file beside it, has all that the experiment displayed, so that no notebook is needed.

    Args:
        notebook: as for `render_page`.
        facts: the same.
    """
    from mitosis.report.layout import shows_all as page_shows_all

    return page_shows_all(notebook, facts)
