"""One trial: the kernel, the checks that need it, the steps, the record."""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from mitosis import notebook as notebooks
from mitosis.errors.base import MitosisError
from mitosis.errors.journal import NotRecorded
from mitosis.kernel.kernel import Kernel
from mitosis.process import command_line, this_process
from mitosis.protocol import Setup
from mitosis.provenance.environment import Environment
from mitosis.records.trial import Failure, ParameterRecord, StepRecord, TrialRecord
from mitosis.runner.background import Background
from mitosis.runner.refusals import Settled
from mitosis.runner.request import Announcement, Interrupted, Outcome, Progress
from mitosis.runner.signals import Signals
from mitosis.runner.steps import Ran, Steps
from mitosis.runner.trial_folder import LOG, REQUIREMENTS, TrialFolder
from mitosis.runner.user_code import Loaded, Loader

if TYPE_CHECKING:
    from mitosis.journal.journal import Journal
    from mitosis.runner.documents import Saved

CLOSE_TIMEOUT_S = 10.0
"""How long exit functions and threads of the experiment may take after its last step."""
BREAKDOWN_LIMIT = 2000
"""Characters of an error of mitosis itself that are recorded."""


@dataclass(frozen=True, slots=True)
class _Begun:
    """A trial whose start is recorded."""

    environment: Environment
    record: TrialRecord
    journal: Journal | None
    """None in debug."""
    announcement: Announcement
    loader: Loader
    loaded: Loaded


class Trial:
    """The course of one trial.

    Args:
        settled: what to run.
        progress: is told what happens.
    """

    def __init__(self, settled: Settled, progress: Progress) -> None:
        self._settled = settled
        self._progress = progress
        self._debug = settled.request.debug
        self._begun = time.monotonic()
        self._started = datetime.now(UTC)
        self._warnings: list[str] = []
        self._signals = Signals(progress)
        self._background: Background | None = None

    async def run(self) -> Outcome:
        """Run it; see `mitosis.runner.run`."""
        self._progress.phase("starting")
        with self._signals.handled():
            self._folder = TrialFolder(self._settled.trials_folder, self._settled.key, debug=self._debug)
            kernel: Kernel | None = None
            try:
                kernel = self._signals.kernel = self._new_kernel()
                begun = await self._begin(kernel)
            except BaseException as error:
                if self._background is not None:
                    self._background.stop()
                if kernel is not None:
                    await kernel.close()
                self._folder.remove()
                if isinstance(error, asyncio.CancelledError) and self._signals.received is not None:
                    raise Interrupted(self._signals.received) from None
                raise
            record = begun.record
            steps = Steps(begun.loader, begun.loaded, kernel, self._folder, self._signals, self._progress, self._warn)
            try:
                self._progress.announce(begun.announcement)
                ran = await steps.run(self._settled.request.timeout_s)
                kernel.begin_close()
                record = self._complete(record, ran, steps.records)
                saved = self._save(record, begun)
            except Exception as error:
                self._record_breakdown(begun.journal, record, steps.records, error)
                raise
            finally:
                if not await kernel.close(CLOSE_TIMEOUT_S):
                    self._warn(f"the kernel did not end within {CLOSE_TIMEOUT_S:.0f} s of the last step and was killed")
            return self._finish(record, ran, begun.journal, saved)

    # --- before the steps -------------------------------------------------------------------------

    def _new_kernel(self) -> Kernel:
        settled = self._settled
        setup = Setup(
            root=str(settled.root.resolve()),
            pythonpath=tuple(str(folder) for folder in settled.config.pythonpath),
            log=str(self._folder.path / LOG),
            debug=self._debug,
            figure_dpi=settled.config.figure_dpi,
            figure_format="svg" if settled.config.figure_format == "svg" else "png",
        )
        return Kernel(self._progress.output, self._folder.path, setup)

    async def _begin(self, kernel: Kernel) -> _Begun:
        """Import the user's code, resolve the parameters, check all of it, and record the start.

        The kernel starts in a process of its own: what speaks to it is imported meanwhile.
        """
        self._notebook = notebooks.new_notebook()
        kernel.load_client()
        background = self._background = Background(self._settled.repository)
        await kernel.connect(self._notebook)
        if self._settled.request.output != "ipynb":
            background.prepare_page(self._settled.template)
        self._progress.phase("checking")
        loader = Loader(self._settled, kernel, self._folder, self._warn)
        loaded = await loader.load()
        environment = await background.environment()
        if self._settled.template is not None:
            await background.page()
        self._folder.write(REQUIREMENTS, environment.text)
        record = self._new_record(environment, loaded.steps, loaded.parameters)
        journal: Journal | None = None
        newly_locked = 0
        if not self._debug:
            record, journal, newly_locked = self._record_start(record, environment, loaded)
        self._signals.is_recorded = True
        announcement = Announcement(
            experiment=record.experiment,
            parameters=record.parameters,
            commit=record.commit,
            subject=record.subject,
            debug=self._debug,
            newly_locked=newly_locked,
            untracked_files=self._settled.untracked_files,
            checked_s=time.monotonic() - self._begun,
        )
        return _Begun(environment, record, journal, announcement, loader, loaded)

    def _record_start(
        self, record: TrialRecord, environment: Environment, loaded: Loaded
    ) -> tuple[TrialRecord, Journal, int]:
        """Record the start; returns the record with its iteration, and how many variants it has locked."""
        from mitosis.journal.journal import Journal
        from mitosis.journal.unrecorded import record_ends

        assert self._settled.repository is not None and self._settled.identity is not None
        journal = Journal(self._settled.repository)
        try:
            for earlier in record_ends(journal):
                self._progress.warn(f"the end of trial {earlier.key} is now recorded: {earlier.status}")
        except MitosisError as error:
            self._progress.warn(f"the end of an earlier trial still could not be recorded: {error}")
        started = journal.start(record, loaded.variants, environment.text, self._settled.identity)
        for changed in started.changed:
            self._warn(str(changed))
        if started.changed:
            from mitosis.journal.locks import ACCEPT_FUNCTIONS

            self._progress.warn(ACCEPT_FUNCTIONS)
        for renamed in started.renamed:
            # The record has no need of it: whatever lists the trial says both names.
            self._progress.warn(str(renamed))
        return started.record, journal, len(started.newly_locked)

    def _new_record(
        self, environment: Environment, steps: tuple[StepRecord, ...], parameters: tuple[ParameterRecord, ...]
    ) -> TrialRecord:
        from mitosis.journal.layout import experiment_name

        settled = self._settled
        return TrialRecord(
            key=settled.key,
            experiment=experiment_name(step.name for step in settled.steps),
            steps=steps,
            parameters=parameters,
            commit=settled.head.commit if settled.head is not None else "",
            status="running",
            iteration=0,
            started=self._started.isoformat(),
            author=str(settled.identity) if settled.identity is not None else "",
            process=this_process(),
            environment=environment.digest,
            subject=settled.head.subject if settled.head is not None else "",
            branch=settled.head.branch if settled.head is not None else None,
            interpreter=environment.interpreter,
            platform=environment.platform,
            cpu_count=environment.cpu_count,
            command=command_line(),
            variables=environment.variables,
            untracked_files=settled.untracked_files,
            trials_folder=_recordable(settled.trials_folder),
            folder=_recordable(self._folder.path.name),
            step=0,
        )

    # --- the end ----------------------------------------------------------------------------------

    def _complete(self, record: TrialRecord, ran: Ran, steps: Sequence[StepRecord]) -> TrialRecord:
        """The record of how the steps went; the notebook with its heading."""
        self._progress.phase("saving")
        heading = notebooks.heading_source(
            record.experiment,
            [
                (p.full_name, p.text if p.kind == "lookup" else "", p.summary if p.kind == "lookup" else p.text)
                for p in record.parameters
            ],
        )
        self._notebook.cells.insert(0, notebooks.markdown_cell(heading, "heading"))
        return record.with_changes(
            status=ran.status,
            failure=ran.failure,
            step=ran.index,
            steps=tuple(steps),
            main=steps[-1].main if ran.status == "finished" else None,
            ended=datetime.now(UTC).isoformat(),
            duration_s=ran.duration_s,
            cpu_s=ran.usage.cpu_s,
            peak_memory_bytes=ran.usage.peak_memory_bytes,
            warnings=tuple(self._warnings),
        )

    def _save(self, record: TrialRecord, begun: _Begun) -> Saved:
        # It imports what makes the page, which the background has done by now.
        from mitosis.runner.documents import Saver

        saver = Saver(self._settled, self._folder, self._notebook, record, self._progress, self._warn)
        return saver.save(begun.environment.text, begun.journal)

    def _finish(self, record: TrialRecord, ran: Ran, journal: Journal | None, saved: Saved) -> Outcome:
        """List the outputs, which are complete now that the kernel has ended, and record the end."""
        try:
            listed, unlisted = self._folder.list_outputs(saved.page, without=saved.next_iteration)
        except OSError as error:
            self._warn(f"the outputs cannot be listed: {error}")
            listed, unlisted = (), 0
        if unlisted:
            self._warn(f"{unlisted} more files of the trial's folder are not listed in its record")
        record = record.with_changes(
            outputs=listed,
            page=saved.page.name if saved.page is not None else None,
            warnings=tuple(self._warnings),
        )
        if journal is not None:
            self._record_end(journal, record)
        return Outcome(
            record=record,
            debug=self._debug,
            trials_folder=self._settled.trials_folder,
            page=saved.page,
            folder=self._folder.path,
            notebook=saved.notebook,
            context=ran.failed_at.context,
            failed_line=ran.failed_at.line,
            signal=self._signals.received,
            recorded_in=None if journal is None else journal.repository,
            # Whoever interrupts a trial does not want to wait for a network.
            is_to_be_pushed=(journal is not None and self._settled.config.auto_push and self._signals.received is None),
            remote=self._settled.config.remote,
        )

    def _record_end(self, journal: Journal, record: TrialRecord) -> None:
        from mitosis.errors.journal import NoteNotWritten
        from mitosis.journal.unrecorded import discard_end, keep_end

        assert self._settled.identity is not None and self._settled.repository is not None
        # First, since waiting for the journal's lock may take minutes, in which this process may be killed.
        is_kept = keep_end(self._folder.path, record)
        try:
            journal.end(record, self._settled.repository.identity())
        except NoteNotWritten as error:
            self._progress.warn(str(error))
        except MitosisError as error:
            raise NotRecorded(record.key, record.status, str(error), self._folder.path, is_kept=is_kept) from error
        discard_end(self._folder.path)

    def _record_breakdown(
        self, journal: Journal | None, record: TrialRecord, steps: Sequence[StepRecord], error: Exception
    ) -> None:
        """Record that the trial ended by an error of mitosis itself, which is on its way to the user."""
        if journal is None:
            return
        failure = Failure("mitosis", str(error)[:BREAKDOWN_LIMIT], type(error).__name__)
        ended = record.with_changes(status="failed", failure=failure, ended=datetime.now(UTC).isoformat())
        self._record_end(journal, ended.with_changes(steps=tuple(steps), warnings=tuple(self._warnings)))

    def _warn(self, text: str) -> None:
        self._warnings.append(text)
        self._progress.warn(text)


def _recordable(path: Path | str) -> str:
    return os.fspath(path).encode("utf-8", "backslashreplace").decode()
