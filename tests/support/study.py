"""The study of 200 trials that is kept in a bundle; `tests/study/make_study.py` tells how it was run."""

from __future__ import annotations

from pathlib import Path

from support.journal import run_git

BUNDLE = Path(__file__).parents[1] / "study" / "study.bundle"
TRIALS = 200
REFS = ("refs/mitosis/*:refs/mitosis/*", "refs/notes/mitosis:refs/notes/mitosis")


def clone_study(folder: Path) -> Path:
    """Clone the study, with its journal and the branches `main` and `legendre`; returns the folder."""
    run_git("clone", "--quiet", str(BUNDLE), str(folder), cwd=folder.parent)
    run_git("fetch", "--quiet", "origin", *REFS, "legendre:legendre", cwd=folder)
    return folder
