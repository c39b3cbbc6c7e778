"""How long a commit takes with the hook, and a check of many locks.

Run as `python tests/benchmarks/bench_hook.py`. The repository has 5,000 files, packed, and 200 locked variants of 20
steps, whose lookup modules import numpy. Times are of the whole `git commit`, and beside those of `git commit
--no-verify` and of starting Python, taken in turns. The best and the median are given, since others may use the
machine.
"""

from __future__ import annotations

import itertools
import os
import statistics
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

from measuring import NOTHING, git, make_repository, time_call, time_command, write

from mitosis.canonical.encode import digest_value, encode_value
from mitosis.git.repository import find_repository
from mitosis.hook import installing
from mitosis.journal.journal import Journal
from mitosis.variants import Variant, VariantName

FILES = 5_000
STEPS = 20
VARIANTS_A_STEP = 10
REPEATS = 15
LOCKS = 1_000

_numbers = itertools.count()


def main() -> None:
    # As for those who use mitosis, the modules are compiled already when they are timed.
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        _set_up(folder)
        _measure(folder)
    with tempfile.TemporaryDirectory() as name:
        _measure_check(Path(name))


def _set_up(folder: Path) -> None:
    lines = [f'step_{n} = ["lab.step_{n}:run", "lab.step_{n}:lookup_dict"]\n' for n in range(STEPS)]
    files = {
        "pyproject.toml": "[tool.mitosis.steps]\n" + "".join(lines),
        "lab/__init__.py": "",
        "lab/common.py": "import numpy as np\n\n\ndef ramp(n):\n    return np.arange(1000) * n\n",
    }
    files |= {f"lab/step_{step}.py": _module(step, 0) for step in range(STEPS)}
    for number in range(FILES - len(files)):
        files[f"other/part_{number % 50}/file_{number}.py"] = f"import os\nx = {number}\n" * 20
    make_repository(folder, files)
    git(folder, "gc", "--quiet")
    repository = find_repository(folder)
    assert repository.head is not None
    Journal(repository).lock(
        [_variant(f"step_{s}", f"v{v}", s * v) for s in range(STEPS) for v in range(VARIANTS_A_STEP)],
        repository.head,
        repository.identity(),
    )
    installing.install(repository)


def _module(step: int, start: int) -> str:
    entries = "".join(f'    "v{v}": ramp({start if v == 0 else step * v}),\n' for v in range(VARIANTS_A_STEP))
    return f'from lab.common import ramp\n\nlookup_dict = {{"size": {{\n{entries}}}}}\n\n\ndef run(size): ...\n'


def _variant(step: str, name: str, value: int) -> Variant:
    import numpy as np

    data = encode_value(np.arange(1000) * value)
    return Variant(VariantName(step, "size", name), digest_value(data), data, f"lab.{step}:lookup_dict")


def _measure(folder: Path) -> None:
    kept = folder / ".git" / "mitosis" / "lookup-files"
    numpy = [sys.executable, "-c", "import numpy"]

    def noted(name: str, *words: str) -> float:
        """A commit of a file that only has one more comment."""
        write(folder / name, f"{(folder / name).read_text()}# {next(_numbers)}\n")
        git(folder, "add", name)
        return _timed_commit(folder, *words)

    def unknown() -> float:
        kept.unlink(missing_ok=True)
        return noted("other/part_0/file_0.py")

    def changed(name: str, text: str) -> float:
        """A commit of another text, which is taken back."""
        write(folder / name, text)
        git(folder, "add", name)
        took_s = _timed_commit(folder)
        git(folder, "reset", "--quiet", "--hard", "HEAD~")
        return took_s

    def all_changed() -> float:
        common = (folder / "lab/common.py").read_text()
        return changed("lab/common.py", common.replace(" * n", f" * (n + {next(_numbers) + 1})"))

    cases: dict[str, Callable[[], float]] = {
        "python -c pass": lambda: time_command(NOTHING, folder),
        "python -c 'import numpy', what the modules import": lambda: time_command(numpy, folder),
        "git commit --no-verify": lambda: noted("other/part_0/file_0.py", "--no-verify"),
        "git commit, nothing that matters, first": unknown,
        "git commit, nothing that matters, later": lambda: noted("other/part_0/file_0.py"),
        "git commit, evaluated, nothing changes": lambda: noted("lab/common.py"),
        "git commit, evaluated, a variant changes": lambda: changed("lab/step_3.py", _module(3, next(_numbers) + 1)),
        "git commit, evaluated, all variants change": all_changed,
    }
    times: dict[str, list[float]] = {name: [] for name in cases}
    for _ in range(REPEATS):
        for name, case in cases.items():
            times[name].append(case())
    medians = {name: statistics.median(some) for name, some in times.items()}
    print(
        f"{FILES:,} files, {STEPS * VARIANTS_A_STEP} locked variants          best    median   / bare commit  / python"
    )
    for name, some in times.items():
        ratios = [medians[name] / medians[base] for base in ("git commit --no-verify", "python -c pass")]
        print(f"  {name:50} {min(some):6.3f} s {medians[name]:6.3f} s {ratios[0]:8.1f} {ratios[1]:12.1f}")


def _measure_check(folder: Path) -> None:
    make_repository(folder, {"a": ""})
    repository = find_repository(folder)
    assert repository.head is not None
    variants = [_variant(f"step_{n // 100}", f"v{n % 100}", n) for n in range(LOCKS)]
    Journal(repository).lock(variants, repository.head, repository.identity())
    git(folder, "gc", "--quiet")
    times = []
    for _ in range(REPEATS):
        journal = Journal(find_repository(folder))
        times.append(time_call(lambda journal=journal: journal.check(variants)))  # type: ignore[misc]
    print(f"  {f'{LOCKS:,} locked variants checked':50} {min(times):6.3f} s {statistics.median(times):6.3f} s")


def _timed_commit(folder: Path, *words: str) -> float:
    return time_command(["git", "commit", "--quiet", "-m", "change", *words], folder)


if __name__ == "__main__":
    main()
