"""Repositories with a small package and with a submodule."""

from __future__ import annotations

from pathlib import Path

import pytest

from support.e2e import Project


@pytest.fixture
def project(tmp_path: Path) -> Project:
    """The root of a repository with one commit: `pkg/__init__.py`, `pkg/model.py`, `.gitignore` (build/)."""
    root = Project(tmp_path / "project")
    root.mkdir()
    root.git("init", "--quiet")
    root.commit({"pkg/__init__.py": "", "pkg/model.py": "A = 1\nB = 2\n", ".gitignore": "build/\n"}, "first")
    return root


@pytest.fixture
def with_submodule(project: Project, tmp_path: Path) -> Project:
    """The same repository with a submodule `lib`, which holds `lib/tool.py`, committed."""
    origin = Project(tmp_path / "origin")
    origin.mkdir()
    origin.git("init", "--quiet")
    origin.commit({"tool.py": "T = 1\n"})
    project.git("submodule", "--quiet", "add", str(origin), "lib")
    project.commit({})
    return project
