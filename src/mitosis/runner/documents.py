"""What a trial leaves to look at when its steps are through: notebook, source and page."""

from __future__ import annotations

import dataclasses
import shlex
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import quote

import nbformat

from mitosis import notebook as notebooks
from mitosis.canonical.full_text import render_value
from mitosis.errors.files import FolderNotWritable
from mitosis.omission import PRINTED
from mitosis.records.trial import TrialRecord
from mitosis.report import page_files
from mitosis.report.exporter import render_page
from mitosis.report.layout import NEXT_ITERATION, PageFacts, shows_all
from mitosis.report.templates import describe_template_error
from mitosis.runner.refusals import Settled
from mitosis.runner.request import Progress, rerun_command
from mitosis.runner.trial_folder import LOG, NOTEBOOK, SOURCE, TrialFolder

if TYPE_CHECKING:
    from mitosis.journal.journal import Journal

LOG_SHOWN_BYTES = 200_000
"""Of a log, so much of its end is given to the page."""


@dataclasses.dataclass(frozen=True, slots=True)
class Saved:
    """The files that were written, of those that were asked for."""

    page: Path | None = None
    notebook: Path | None = None
    next_iteration: Path | None = None
    """What the page links to as the next iteration. It changes when there is one, so it is not an output."""


@dataclasses.dataclass(slots=True)
class Saver:
    """Writes the notebook, the source and the page of a trial.

    Whatever of it cannot be done is told, and the rest is done: a trial has to be recorded.
    """

    settled: Settled
    folder: TrialFolder
    notebook: nbformat.NotebookNode
    """With all outputs."""
    record: TrialRecord
    """The trial's, as far as it is known."""
    values: Mapping[str, bytes]
    """Canonical values of parameters by `step.name`."""
    progress: Progress
    """Is told what does not matter later."""
    warn: Callable[[str], None]
    """Is told what belongs in the record as well."""
    next_iteration: Path | None = None

    def save(self, environment: str, journal: Journal | None) -> Saved:
        """Write what was asked for.

        Args:
            environment: the text about it.
            journal: knows other iterations; None in debug.
        """
        output = self.settled.request.output
        notebook = self._save_notebook() if output != "html" else None
        self._write(SOURCE, notebooks.script(self.notebook), "the source")
        if output == "ipynb":
            return Saved(notebook=notebook)
        if output == "html":
            self._save_printed()
        try:
            facts = self._page_facts(environment, journal)
            if output == "html" and not shows_all(self.notebook, facts):
                notebook = self._save_notebook()
                if notebook is not None:
                    self.progress.warn(
                        "the page cannot show everything that was displayed: the notebook is written as well"
                    )
                    facts = self._page_facts(environment, journal)
            name = page_files.page_name(self.record, debug=self.settled.request.debug)
            page = self.folder.write_page(name, self._render_page(facts))
            self._lead_on(journal)
        except Exception as error:  # whatever an experiment displays, its trial has to be recorded
            self.warn(f"the page could not be made: {type(error).__name__}: {error}")
            # It has what the page would have had.
            return Saved(notebook=notebook or self._save_notebook(), next_iteration=self.next_iteration)
        return Saved(page, notebook, self.next_iteration)

    def _save_notebook(self) -> Path | None:
        # nbformat's other way to write validates first, which takes long, and writes what is not valid all the same.
        return self._write(NOTEBOOK, nbformat.v4.writes(self.notebook) + "\n", "the notebook")

    def _write(self, name: str, text: str, what: str) -> Path | None:
        """Write a file of the trial's folder; returns it, or None if it cannot be written, which is told."""
        try:
            self.folder.write(name, text)
        except FolderNotWritable as error:
            self.warn(f"{what} could not be written to {self.folder.path}: {error.reason}")
            return None
        return self.folder.path / name

    def _save_printed(self) -> None:
        """Write what each step printed to a file, of which the page has only the two ends where it is long."""
        names = [step.name for step in self.record.steps]
        for cell in self.notebook.cells:
            about = cell.metadata.get("mitosis", {})
            printed = notebooks.printed(cell)
            if about.get("kind") != "step" or not printed:
                continue
            path = self.folder.printed(names.index(about["step"]))
            if path.exists():  # it was too much for a notebook as well, or the experiment has a file of that name
                continue
            if self._write(path.name, printed, f"what step `{about['step']}` printed") is not None:
                about[PRINTED] = path.name

    def _render_page(self, facts: PageFacts) -> str:
        """The page: if the user's template fails, with the template of mitosis."""
        template = self.settled.template
        if template is not None:
            try:
                return render_page(self.notebook, facts, template)
            except Exception as error:
                problem = describe_template_error(error, template)
                warning = f"the template {template.name} failed, so the page looks like mitosis's own: {problem}"
                self.warn(warning)
                warnings = (*facts.record.warnings, warning)
                facts = dataclasses.replace(facts, record=facts.record.with_changes(warnings=warnings))
        return render_page(self.notebook, facts)

    def _page_facts(self, environment: str, journal: Journal | None) -> PageFacts:
        record, folder = self.record, self.folder.path.name
        names = {"notebook": NOTEBOOK, "source": SOURCE, "log": LOG}
        # A step may have removed them, and most logs are empty.
        sizes = {name: path.stat().st_size for name in names.values() if (path := self.folder.path / name).exists()}
        links = {label: f"{folder}/{name}" for label, name in names.items() if sizes.get(name)}
        for index, step in enumerate(record.steps):
            if self.folder.results(index).exists():
                links[f"results of {step.name}"] = f"{folder}/{self.folder.results(index).name}"
        if journal is not None:
            previous = page_files.find_previous(record, self.settled.trials_folder, journal.read_trial)
            if previous is not None:
                links["previous iteration"] = quote(previous)
            if page_files.is_free(self.folder.path):
                self.next_iteration = self.folder.path / page_files.NEXT_ITERATION
                links[NEXT_ITERATION] = f"{folder}/{page_files.NEXT_ITERATION}"
        return PageFacts(
            record=record,
            environment=environment,
            log=self.folder.read_log(LOG_SHOWN_BYTES),
            debug=self.settled.request.debug,
            folder=folder,
            links=links,
            rerun=shlex.join(rerun_command(self.settled.request)),
            changes=self.settled.changes,
            place=self.folder.path,
            root=self.settled.root,
            values=dict(self._whole_values()),
        )

    def _whole_values(self) -> Iterator[tuple[str, str]]:
        """The names and values of the parameters of which the record does not say all."""
        for parameter in self.record.parameters:
            if parameter.full_name in self.values:
                whole = render_value(self.values[parameter.full_name])
                if whole != parameter.summary:
                    yield parameter.full_name, whole

    def _lead_on(self, journal: Journal | None) -> None:
        """Have the pages of this iteration and of the one before lead to the next."""
        if self.next_iteration is None or journal is None:
            return
        try:
            page_files.lead_on(self.record, self.settled.trials_folder, journal.read_trial)
        except OSError as error:
            self.warn(f"the pages of iterations could not be linked: {error}")
