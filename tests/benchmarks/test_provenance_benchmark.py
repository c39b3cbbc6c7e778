"""How long a trial's provenance takes to find. Run with `pytest -n 0 -s --override-ini addopts= tests/benchmarks`."""

from __future__ import annotations

import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

from mitosis.files import blob_id
from mitosis.git.repository import find_repository
from mitosis.protocol import ImportedFile
from mitosis.provenance.imported_code import check_imports


def test_environment_of_two_hundred_distributions_takes_80_ms(tmp_path: Path) -> None:
    for number in range(200):
        folder = tmp_path / f"package{number}-1.0.dist-info"
        folder.mkdir()
        description = "One line of a long description, as they are on the index.\n" * 200
        (folder / "METADATA").write_text(f"Metadata-Version: 2.1\nName: package{number}\nVersion: 1.0\n\n{description}")
    code = f"""if True:
        import sys, time, mitosis.provenance as p
        sys.path.insert(0, {str(tmp_path)!r})
        started = time.perf_counter()
        text = p.read_environment().text
        print(text.count("package"), time.perf_counter() - started)
    """
    durations_s = []
    for _ in range(7):
        words = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()
        assert int(words[0]) == 200
        durations_s.append(float(words[1]))
    median_s = statistics.median(durations_s)
    print(f"\nread_environment in a new process: {median_s * 1000:.0f} ms")
    assert median_s < 0.08


def test_check_of_three_thousand_imports_takes_150_ms(repository_folder: Path, git: Callable[..., str]) -> None:
    files = []
    for number in range(3000):
        folder = repository_folder / f"pkg{number % 50}"
        folder.mkdir(exist_ok=True)
        path = folder / f"m{number}.py"
        path.write_text(f"x = {number}\n")
        files.append(ImportedFile(f"m{number}", str(path), blob_id(path.read_bytes())))
    git("add", ".")
    git("commit", "--quiet", "-m", "many")
    repository = find_repository(repository_folder)
    assert repository.head is not None
    started = time.perf_counter()
    check_imports(repository, repository.head, files, [sys.prefix])
    duration_s = time.perf_counter() - started
    print(f"\ncheck_imports of 3000 files: {duration_s * 1000:.0f} ms")
    assert duration_s < 0.15
