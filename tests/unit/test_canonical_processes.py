"""What importing the package costs. Values in other processes are in `test_canonical_realistic_dictionary`."""

from __future__ import annotations

import subprocess
import sys

IMPORT_ONLY = """
import sys
before = set(sys.modules)
import mitosis.canonical.decode, mitosis.canonical.difference, mitosis.canonical.encode, mitosis.canonical.full_text
print(*sorted({name.partition(".")[0] for name in set(sys.modules) - before}))
"""


def test_importing_brings_in_no_library() -> None:
    done = subprocess.run([sys.executable, "-c", IMPORT_ONLY], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    imported = set(done.stdout.split())
    assert not imported & {"numpy", "pandas", "polars", "scipy", "sklearn", "pygit2", "jupyter_client"}
    assert {"msgpack", "mitosis"} <= imported
