"""What a trial needs later, done in a thread while the kernel starts and is at work."""

from __future__ import annotations

import asyncio
import sys
from concurrent.futures import Future, ThreadPoolExecutor

from mitosis.git.repository import Repository
from mitosis.provenance.environment import Environment, read_environment
from mitosis.report.templates import Template

_SWITCH_INTERVAL_S = 0.0005
"""How long the thread may go on when an answer of the kernel waits: with Python's own 5 ms, each answer would."""


class Background:
    """Reads the environment, opens the journal's repository and imports what makes the page, in this order.

    What fails here fails again, and is told, where it is needed.

    Args:
        repository: that of the trial; None outside one, in debug.
    """

    def __init__(self, repository: Repository | None) -> None:
        sys.setswitchinterval(_SWITCH_INTERVAL_S)
        self._executor = ThreadPoolExecutor(1, "mitosis-background")
        self._environment = self._executor.submit(read_environment, repository)
        self._executor.submit(_open_journal, repository)
        self._page: Future[None] | None = None

    def prepare_page(self, template: Template | None) -> None:
        """Begin with what makes the page. It takes so long that the kernel should have started by then.

        Args:
            template: for the page, in place of that of mitosis.
        """
        self._page = self._executor.submit(_prepare_page, template)

    async def environment(self) -> Environment:
        """The environment of the trial, as soon as it is known."""
        return await asyncio.wrap_future(self._environment)

    async def page(self) -> None:
        """Wait until a page can be made.

        Raises:
            ConfigError: the template cannot be used.
        """
        if self._page is not None:
            await asyncio.wrap_future(self._page)

    def stop(self) -> None:
        """Begin nothing more: the trial ends without."""
        self._executor.shutdown(wait=False, cancel_futures=True)


def _open_journal(repository: Repository | None) -> None:
    if repository is not None:
        import mitosis.journal.journal  # noqa: F401

        _ = repository.objects


def _prepare_page(template: Template | None) -> None:
    import mitosis.runner.documents  # noqa: F401
    from mitosis.report.exporter import prepared_exporter

    prepared_exporter(template)
