"""What is done while the kernel works."""

from __future__ import annotations

import asyncio
import subprocess
import sys

import pytest

from mitosis.provenance.environment import Environment, read_environment
from mitosis.runner.trial import Background

IMPORTED_AFTER = """\
import asyncio, sys
from mitosis.runner.trial import Background
async def run():
    background = Background(None)
    background.prepare_page(None)
    {then}
    await background.environment()
asyncio.run(run())
background = None
import concurrent.futures.thread
concurrent.futures.thread._python_exit()
print("nbconvert" in sys.modules)
"""


def test_environment_is_read() -> None:
    async def run() -> Environment:
        return await Background(None).environment()

    assert asyncio.run(run()) == read_environment(None)


@pytest.mark.parametrize(("then", "imported"), [("pass", "True"), ("background.stop()", "False")])
def test_page_is_prepared_unless_the_trial_was_refused(then: str, imported: str) -> None:
    code = IMPORTED_AFTER.format(then=then)
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == imported
