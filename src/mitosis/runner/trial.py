"""One trial: the kernel, the checks that need it, the steps, the record."""

from __future__ import annotations

import asyncio
import contextlib
import os
import sys
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from mitosis import notebook as notebooks
from mitosis.confidential import why_secret
from mitosis.errors.base import MitosisError
from mitosis.errors.journal import JournalBusy, NoteNotWritten, NotRecorded
from mitosis.git.repository import Repository
from mitosis.kernel.kernel import Kernel
from mitosis.process import command_line, this_process
from mitosis.protocol import Setup
from mitosis.provenance.environment import read_environment
from mitosis.records.trial import MOST_IMPORTED, Failure, StepRecord, TrialRecord
from mitosis.report.templates import Template
from mitosis.runner.refusals import Settled
from mitosis.runner.request import Announcement, Interrupted, Outcome, Progress
from mitosis.runner.signals import Signals
from mitosis.runner.steps import Ran, Steps
from mitosis.runner.trial_folder import LOG, REQUIREMENTS, TrialFolder
from mitosis.runner.user_code import Loader

if TYPE_CHECKING:
    from mitosis.journal.journal import Journal
    from mitosis.runner.documents import Saved

CLOSE_TIMEOUT_S = 10.0
"""How long exit functions and threads of the experiment may take after its last step."""
TIME_TO_THINK_S = 3.0
"""How long somebody at a terminal has to keep a secret from being written."""
BREAKDOWN_LIMIT = 2000
"""Characters of an error of mitosis itself that are recorded."""
_SWITCH_INTERVAL_S = 0.0005
"""How long the thread may go on when an answer of the kernel waits: with Python's own 5 ms, each answer would."""


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
        self._background = ThreadPoolExecutor(1, "mitosis-background")
        self._journal: Journal | None = None
        """None in debug, and before the start is recorded."""

    async def run(self) -> Outcome:
        """Run it; see `mitosis.runner.run`."""
        self._progress.phase("starting")
        with self._signals.handled():
            self._folder = TrialFolder(self._settled.trials_folder, self._settled.key, debug=self._debug)
            kernel: Kernel | None = None
            try:
                await self._warn_of_secrets()
                kernel = self._signals.kernel = self._new_kernel()
                announcement = await self._begin(kernel)
            except BaseException as error:
                self._background.shutdown(wait=False, cancel_futures=True)
                if kernel is not None:
                    await kernel.close(is_heard=not isinstance(error, asyncio.CancelledError))
                self._folder.remove()
                if isinstance(error, asyncio.CancelledError) and self._signals.received is not None:
                    raise Interrupted(self._signals.received) from None
                raise
            record = announcement.record
            steps = Steps(self._loader, kernel, self._folder, self._signals, self._progress, self._warn)
            try:
                self._progress.announce(announcement)
                ran = await steps.run(self._settled.request.timeout_s)
                kernel.begin_close()
                record = self._complete(record, ran, steps)
                saved = self._save(record)
            except Exception as error:
                self._record_breakdown(record, steps.records, error)
                raise
            finally:
                killed = await kernel.close(CLOSE_TIMEOUT_S)
                for text in killed:
                    self._warn(text)
            if kernel.has_late_output or killed:
                saved = self._save(record.with_changes(warnings=tuple(self._warnings)))
            return self._finish(record, ran, saved)

    # --- before the steps -------------------------------------------------------------------------

    def _new_kernel(self) -> Kernel:
        settled = self._settled
        setup = Setup(
            root=str(settled.root.resolve()),
            pythonpath=tuple(str(folder) for folder in settled.config.pythonpath),
            log=str(self._folder.path / LOG),
            debug=self._debug,
            module=settled.steps[0].action.partition(":")[0],
            figure_dpi=settled.config.figure_dpi,
            figure_format="svg" if settled.config.figure_format == "svg" else "png",
        )
        return Kernel(self._progress.output, self._folder.path, setup)

    async def _begin(self, kernel: Kernel) -> Announcement:
        """Import the user's code, resolve the parameters, check all of it, and record the start.

        The kernel starts in a process of its own: what speaks to it is imported meanwhile. What is needed later is
        done in a thread. What fails there fails again, and is told, where it is needed.
        """
        self._notebook = notebooks.new_notebook()
        import mitosis.kernel.client  # noqa: F401  # 0.1 s of work that `connect` would have to do

        sys.setswitchinterval(_SWITCH_INTERVAL_S)
        environment = self._background.submit(read_environment, self._settled.repository)
        self._background.submit(_open_journal, self._settled.repository)
        await kernel.connect(self._notebook)
        page: Future[None] | None = None
        if self._settled.request.output != "ipynb":
            # It takes so long that the kernel should have started by then.
            page = self._background.submit(_prepare_page, self._settled.template)
        self._progress.phase("checking")
        self._loader = Loader(self._settled, kernel, self._folder, self._warn)
        await self._loader.load()
        self._environment = await asyncio.wrap_future(environment)
        if page is not None and self._settled.template is not None:
            await asyncio.wrap_future(page)  # a template that cannot be used is refused before the first step
        self._folder.write(REQUIREMENTS, self._environment.text)
        if not self._debug and self._settled.changes:
            names = ", ".join(change[3:] for change in self._settled.changes)
            self._warn(f"changed since the commit, as `allow-changes` permits: {names}")
        record = self._new_record()
        newly_locked = 0
        if not self._debug:
            self._folder.reserve_room()
            record, newly_locked = self._record_start(record)
        self._signals.is_recorded = True
        return Announcement(record, self._debug, newly_locked, checked_s=time.monotonic() - self._begun)

    async def _warn_of_secrets(self) -> None:
        """Say which parameters seem to be secrets and are given in the open, before they are written anywhere."""
        settled = self._settled
        is_warned = False
        for argument in settled.arguments:
            why = None if argument.secret else why_secret(argument.name, argument.text, settled.config.secrets)
            if why is not None:
                shown = argument.full_name if settled.request.module is None else argument.name
                kept = "in the outputs" if self._debug else "in the record and the outputs for good"
                self._progress.warn(
                    f"{shown} {why}, and what it is given will be kept {kept}: press Ctrl-C now and pass "
                    f"-e {shown}=env:NAME instead, which keeps only the name of an environment variable"
                )
                is_warned = True
        if is_warned and sys.stdin is not None and sys.stdin.isatty():
            await asyncio.sleep(TIME_TO_THINK_S)

    def _record_start(self, record: TrialRecord) -> tuple[TrialRecord, int]:
        """Record the start; returns the record with its iteration, and how many variants it has locked."""
        from mitosis.journal.journal import Journal
        from mitosis.journal.unrecorded import record_ends, remember_folder

        assert self._settled.repository is not None and self._settled.identity is not None
        journal = self._journal = Journal(self._settled.repository)
        journal.store.should_give_up = lambda: self._signals.noted is not None
        with self._terminal_left(journal):
            try:
                for earlier in record_ends(journal):
                    self._progress.warn(f"the end of trial {earlier.key} is now recorded: {earlier.status}")
            except MitosisError as error:
                self._progress.warn(f"the end of an earlier trial still could not be recorded: {error}")
            try:
                started = journal.start(record, self._loader.variants, self._environment.text, self._settled.identity)
            except JournalBusy as error:
                if self._signals.noted is None:
                    raise
                self._signals.received = self._signals.noted
                raise Interrupted(self._signals.noted) from error
        remember_folder(journal, started.record.key, self._folder.path)
        for changed in started.changed:
            self._warn(str(changed))
        if started.changed:
            from mitosis.journal.locks import ACCEPT_FUNCTIONS

            self._progress.warn(ACCEPT_FUNCTIONS)
        for renamed in started.renamed:
            # The record has no need of it: whatever lists the trial says both names.
            self._progress.warn(str(renamed))
        return started.record, len(started.newly_locked)

    def _new_record(self) -> TrialRecord:
        from mitosis.journal.layout import experiment_name

        settled, environment = self._settled, self._environment
        secrets = {argument.secret for argument in settled.arguments}
        return TrialRecord(
            key=settled.key,
            experiment=experiment_name(step.name for step in settled.steps),
            steps=tuple(self._loader.steps),
            parameters=self._loader.parameters,
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
            variables={name: value for name, value in environment.variables.items() if name not in secrets},
            untracked_files=settled.untracked_files,
            imported=self._loader.imported[:MOST_IMPORTED],
            trials_folder=_recordable(settled.trials_folder),
            folder=_recordable(self._folder.path.name),
            step=0,
        )

    # --- the end ----------------------------------------------------------------------------------

    def _complete(self, record: TrialRecord, ran: Ran, steps: Steps) -> TrialRecord:
        """The record of how the steps went; the notebook with its heading."""
        self._progress.phase("saving")
        record = record.with_changes(parameters=(*record.parameters, *steps.defaults))
        heading = notebooks.heading_source(
            record.experiment,
            [
                (p.full_name, p.text, p.summary)
                if p.kind == "lookup"
                else (p.full_name, "", f"{p.text} (default)" if p.is_default else p.text)
                for p in record.parameters
            ],
        )
        self._notebook.cells.insert(0, notebooks.markdown_cell(heading, "heading"))
        return record.with_changes(
            status=ran.status,
            failure=ran.failure,
            step=ran.index,
            steps=tuple(steps.records),
            main=steps.records[-1].main if ran.status == "finished" else None,
            ended=datetime.now(UTC).isoformat(),
            duration_s=ran.duration_s,
            cpu_s=ran.usage.cpu_s,
            peak_memory_bytes=ran.usage.peak_memory_bytes,
            imported=self._loader.imported[:MOST_IMPORTED],
            warnings=tuple(self._warnings),
        )

    def _save(self, record: TrialRecord) -> Saved:
        """Write the notebook and the page, while the kernel ends; again if that tells of something."""
        # It imports what makes the page, which the background has done by now.
        from mitosis.runner.documents import Saver

        values = self._loader.values
        saver = Saver(self._settled, self._folder, self._notebook, record, values, self._progress, self._warn)
        return saver.save(self._environment.text, self._journal)

    def _finish(self, record: TrialRecord, ran: Ran, saved: Saved) -> Outcome:
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
        if self._journal is not None:
            self._record_end(self._journal, record)
        return Outcome(
            record=record,
            debug=self._debug,
            trials_folder=self._settled.trials_folder,
            page=saved.page,
            folder=self._folder.path,
            notebook=saved.notebook,
            context=ran.failed_at.context,
            failed_line=ran.failed_at.line,
            more=ran.failed_at.more,
            signal=self._signals.received,
            recorded_in=self._settled.repository if self._journal is not None else None,
            # Whoever interrupts a trial does not want to wait for a network.
            is_to_be_pushed=not self._debug and self._settled.config.auto_push and self._signals.received is None,
            remote=self._settled.config.remote,
        )

    def _record_end(self, journal: Journal, record: TrialRecord) -> None:
        from mitosis.journal.unrecorded import discard_end, keep_end

        assert self._settled.identity is not None and self._settled.repository is not None
        # First, since waiting for the journal's lock may take minutes, in which this process may be killed.
        self._folder.release_room()
        self._signals.noted = None  # what has come before was for the experiment
        is_kept = keep_end(self._folder.path, record)
        try:
            with self._terminal_left(journal):
                journal.end(record, self._settled.repository.identity())
        except NoteNotWritten as error:
            self._progress.warn(str(error))
        except MitosisError as error:
            signal = self._signals.noted if isinstance(error, JournalBusy) else None
            raise NotRecorded(
                record.key, record.status, str(error), self._folder.path, is_kept=is_kept, signal=signal
            ) from error
        discard_end(journal, record.key, self._folder.path)

    @contextlib.contextmanager
    def _terminal_left(self, journal: Journal) -> Iterator[None]:
        """Leave the terminal to git, if it may ask for the passphrase of the key that it signs with."""
        if journal.store.sign == "no":
            yield
            return
        self._progress.suspend()
        try:
            yield
        finally:
            self._progress.resume()

    def _record_breakdown(self, record: TrialRecord, steps: Sequence[StepRecord], error: Exception) -> None:
        """Record that the trial ended by an error of mitosis itself, which is on its way to the user."""
        if self._journal is None:
            return
        failure = Failure("mitosis", str(error)[:BREAKDOWN_LIMIT], type(error).__name__)
        ended = record.with_changes(status="failed", failure=failure, ended=datetime.now(UTC).isoformat())
        self._record_end(self._journal, ended.with_changes(steps=tuple(steps), warnings=tuple(self._warnings)))

    def _warn(self, text: str) -> None:
        self._warnings.append(text)
        self._progress.warn(text)


def _recordable(path: Path | str) -> str:
    return os.fspath(path).encode("utf-8", "backslashreplace").decode()


def _open_journal(repository: Repository | None) -> None:
    if repository is not None:
        import mitosis.journal.journal  # noqa: F401

        _ = repository.objects


def _prepare_page(template: Template | None) -> None:
    import mitosis.runner.documents  # noqa: F401
    from mitosis.report.exporter import prepared_exporter

    prepared_exporter(template)
