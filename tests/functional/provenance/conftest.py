"""Repositories with a small package and with a submodule."""

from __future__ import annotations

from pathlib import Path

import pytest

from mitosis.git.program import run_git


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """The root of a repository with one commit: `pkg/__init__.py`, `pkg/model.py`, `.gitignore` (build/)."""
    root = tmp_path / "project"
    (root / "pkg").mkdir(parents=True)
    (root / "pkg" / "__init__.py").write_text("")
    (root / "pkg" / "model.py").write_text("A = 1\nB = 2\n")
    (root / ".gitignore").write_text("build/\n")
    run_git("init", "--quiet", cwd=root)
    run_git("add", "--all", cwd=root)
    run_git("commit", "--quiet", "--message", "first", cwd=root)
    return root


@pytest.fixture
def with_submodule(project: Path, tmp_path: Path) -> Path:
    """The same repository with a submodule `lib`, which holds `lib/tool.py`, committed."""
    origin = tmp_path / "origin"
    origin.mkdir()
    run_git("init", "--quiet", cwd=origin)
    (origin / "tool.py").write_text("T = 1\n")
    run_git("add", "--all", cwd=origin)
    run_git("commit", "--quiet", "--message", "tool", cwd=origin)
    run_git("submodule", "--quiet", "add", str(origin), "lib", cwd=project)
    run_git("commit", "--quiet", "--all", "--message", "add lib", cwd=project)
    return project
