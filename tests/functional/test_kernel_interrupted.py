"""A kernel that is given up before it is ready."""

from __future__ import annotations

import asyncio
import contextlib
from pathlib import Path

from mitosis import notebook
from mitosis.kernel.kernel import Kernel


def test_giving_up_a_kernel_that_starts_leaves_nothing_that_asks_it(tmp_path: Path) -> None:
    """It would go on with sockets that are closed by then."""

    async def give_up() -> int:
        kernel = Kernel(lambda *_: None, tmp_path)
        before = len(asyncio.all_tasks())
        connecting = asyncio.create_task(kernel.connect(notebook.new_notebook()))
        await asyncio.sleep(0.01)
        connecting.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await connecting
        await asyncio.sleep(0.01)
        left = len(asyncio.all_tasks()) - before
        await kernel.close()
        return left

    assert asyncio.run(give_up()) == 0
