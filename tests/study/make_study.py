"""Run the study that is kept in `study.bundle`: 200 trials that fit curves to noisy points.

    python tests/study/make_study.py FOLDER FIRST SECOND

FIRST and SECOND are Python interpreters with mitosis and two versions of numpy; the trials after the change of the code
run in the second one. It takes about ten minutes, and is not to be run again: tests and guides name keys and numbers of
the bundle. Nothing in it should tell where it was made. So FOLDER is one such as /home/ada, the environment is emptied,
and an interpreter names a host of its own if there is a `sitecustomize.py` in its site-packages:

    import platform
    platform._uname_cache = platform.uname()._replace(node="engine", release="6.12.0")
"""

from __future__ import annotations

import itertools
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

_PYPROJECT = """\
[tool.mitosis.steps]
data = ["curves.data:make", "curves.data:lookup"]
fit = { action = "curves.fit:fit", lookup = "curves.fit:lookup", better = "lower" }
"""
_DATA = '''\
"""Noisy points on a curve."""

import numpy as np

lookup = {
    "noise": {
        "low": {"scale": 0.05, "outliers": 0.0},
        "mid": {"scale": 0.2, "outliers": 0.05},
        "high": {"scale": 0.5, "outliers": 0.1},
    }
}


def curve(x):
    return np.sin(3 * x) + 0.5 * x**2


def make(noise, seed, size=40):
    """Draw points to fit, and as many exact ones to test by."""
    random = np.random.default_rng(seed)
    x, test = np.sort(random.uniform(-1, 1, size)), np.linspace(-1, 1, size)
    error = random.normal(0, noise["scale"], size)
    error[random.random(size) < noise["outliers"]] *= 5
    snr = float(np.var(curve(x)) / np.var(error))
    return {"main": snr, "metrics": {"snr": snr}, "data": (x, curve(x) + error, test, curve(test))}
'''
_FIT = '''\
"""Fit curves to points."""

import numpy as np

lookup = {
    "model": {
        "ols": {"penalty": "none", "alpha": 0.0},
        "ridge": {"penalty": "l2", "alpha": 0.1},
        "lasso": {"penalty": "l1", "alpha": 0.02},
    }
}


def columns(x, degree):
    return x[:, None] ** np.arange(degree + 1)


def fit(data, model, degree, weight=1.0, sweeps=500):
    """Fit a curve by least squares, with a penalty on its coefficients."""
    if weight < 0:
        raise ValueError(f"weight is {weight}: a penalty cannot be negative")
    x, y, test, truth = data
    a, alpha = columns(x, degree), weight * model["alpha"]
    if model["penalty"] == "l1":
        found = descend(a, y, alpha * len(y), sweeps)
    else:
        root = np.linalg.cholesky(a.T @ a + alpha * np.eye(degree + 1))
        found = np.linalg.solve(root.T, np.linalg.solve(root, a.T @ y))
    error = columns(test, degree) @ found - truth
    is_high, is_found = truth > 0.5, truth + error > 0.5
    return {
        "main": float(np.sqrt(np.mean(error**2))),
        "metrics": {
            "r2": float(1 - np.mean(error**2) / np.var(truth)),
            "f1": float(2 * np.sum(is_high & is_found) / np.sum(is_high * 1 + is_found)),
            "nonzero": int(np.sum(np.abs(found) > 1e-9)),
        },
        "data": found,
    }


def descend(a, y, alpha, sweeps):
    """The lasso, one coefficient at a time."""
    found, norms = np.zeros(a.shape[1]), np.sum(a**2, axis=0)
    for _ in range(sweeps):
        for at in range(a.shape[1]):
            along = a[:, at] @ (y - a @ found) + norms[at] * found[at]
            found[at] = np.sign(along) * max(abs(along) - alpha, 0) / norms[at]
    return found
'''
_POWERS = "    return x[:, None] ** np.arange(degree + 1)\n"
_LEGENDRE = "    return np.polynomial.legendre.legvander(x, degree)\n"

Words = tuple[str, ...]


def _trial(noise: str, model: str, degree: int, seed: int, *more: str) -> Words:
    given = ("-p", f"data.noise={noise}", "-e", f"data.seed={seed}", "-p", f"fit.model={model}")
    return ("data", "fit", *given, "-e", f"fit.degree={degree}", *more)


def _grid() -> Iterator[Words]:
    for values in itertools.product(("low", "mid", "high"), ("ols", "ridge", "lasso"), (1, 2, 3, 5, 8), (1, 2)):
        yield _trial(*values)


def _first() -> Iterator[Words]:
    """Of powers of x: the grid, and what went wrong."""
    yield from _grid()
    yield _trial("low", "ols", 30, 1)
    yield _trial("mid", "ols", 30, 1)
    yield _trial("low", "lasso", 8, 1, "-e", "fit.sweeps=10**9", "--timeout", "2")


def _second() -> Iterator[Words]:
    """Of Legendre polynomials: the grid again, and other weights of the penalty."""
    yield from _grid()
    yield from (_trial("mid", model, 8, 1, "-e", "fit.weight=-1") for model in ("ridge", "lasso"))
    for weight, seed in itertools.product(("0.01", "0.1", "0.5", "2.0", "10.0"), (1, 2, 3)):
        yield _trial("mid", "ridge", 8, seed, "-e", f"fit.weight={weight}")


class _Lab:
    """The repository of the study, and what people do in it."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._home = folder.parent
        folder.mkdir()

    def run(self, *words: str, author: str = "Ada Lovelace", is_to_succeed: bool = True) -> None:
        names = {f"GIT_{role}_NAME": author for role in ("AUTHOR", "COMMITTER")}
        emails = {f"GIT_{role}_EMAIL": f"{author.split()[0].lower()}@example.org" for role in ("AUTHOR", "COMMITTER")}
        variables = {"HOME": str(self._home), "PATH": os.environ["PATH"], "LANG": "C.UTF-8", "GIT_CONFIG_NOSYSTEM": "1"}
        subprocess.run(words, cwd=self._folder, env=variables | names | emails, check=is_to_succeed)

    def commit(self, files: dict[str, str], subject: str, author: str) -> None:
        for name, text in files.items():
            path = self._folder / name
            path.parent.mkdir(exist_ok=True)
            path.write_text(text, encoding="utf-8")
        self.run("git", "add", ".", author=author)
        self.run("git", "commit", "--quiet", "-m", subject, author=author)


def main(folder: Path, first: str, second: str) -> None:
    """Make the repository `lab` and `study.bundle` in a folder."""
    lab = _Lab(folder / "lab")
    lab.run("git", "init", "--quiet", "--initial-branch=main")
    files = {"pyproject.toml": _PYPROJECT, "curves/__init__.py": "", "curves/data.py": _DATA, "curves/fit.py": _FIT}
    lab.commit(files | {".gitignore": "trials/\n"}, "Fit powers of x", "Ada Lovelace")
    for words in _first():
        lab.run(first, "-m", "mitosis", *words, "--quiet", is_to_succeed=False)
    lab.run("git", "switch", "--quiet", "--create", "legendre")
    lab.commit({"curves/fit.py": _FIT.replace(_POWERS, _LEGENDRE)}, "Fit Legendre polynomials instead", "Bob Bell")
    for words in _second():
        lab.run(second, "-m", "mitosis", *words, "--quiet", author="Bob Bell", is_to_succeed=False)
    lab.run(second, __file__, "--annotate")
    lab.run("git", "switch", "--quiet", "main")
    lab.run("git", "gc", "--quiet", "--prune=now")
    refs = ("main", "legendre", "--glob=refs/mitosis", "refs/notes/mitosis")
    lab.run("git", "bundle", "create", "--quiet", str(folder / "study.bundle"), "HEAD", *refs)


def annotate() -> None:
    """Tag some trials, and say something of one."""
    from mitosis.git.repository import find_repository
    from mitosis.journal.journal import Journal
    from mitosis.query.search import Search

    journal = Journal(find_repository(Path.cwd()))
    identity = journal.repository.identity()
    candidates = "status == 'finished' and noise == 'mid' and model == 'ridge' and weight == 1 and seed == 1"
    for commits, tags in (("main", ("baseline",)), ("main..legendre", ("paper", "seed 1"))):
        where = [candidates, f"commit in {commits!r}"]
        (key,) = Search(journal, where, ["main"], limit=1).keys()
        for tag in tags:
            journal.tag([key], tag, identity)
    journal.note(key, "The one in the paper: see table 2.", identity)


if __name__ == "__main__":
    if sys.argv[1:] == ["--annotate"]:
        annotate()
    else:
        main(Path(sys.argv[1]), *sys.argv[2:])
