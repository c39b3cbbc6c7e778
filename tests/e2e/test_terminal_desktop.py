"""--open and --notify: who looks elsewhere is called back, and no trial fails for it."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from support.e2e import SLOW, Project
from support.journal import write_script
from support.terminal import on_terminal


def program(folder: Path, name: str, *, status: int = 0) -> tuple[Path, Path]:
    """A program that writes its words to a file, one a line, and the file."""
    folder.mkdir(exist_ok=True)
    path, called = folder / name, folder / f"{name}.called"
    return write_script(path, f'printf "%s\\n" "$@" > {called}\nexit {status}\n'), called


@pytest.fixture
def desktop(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder for programs, first on the search path, and no desktop."""
    for name in ("DISPLAY", "WAYLAND_DISPLAY", "BROWSER"):
        monkeypatch.delenv(name, raising=False)
    folder = tmp_path / "programs"
    monkeypatch.setenv("PATH", f"{folder}:{os.environ['PATH']}")
    return folder


def test_page_is_opened_afterwards(desktop: Path, project: Project) -> None:
    browser, called = program(desktop, "browser")
    project.mitosis(*SLOW, "--open", "-q", environment={"BROWSER": f"{browser} %s"})
    assert called.read_text().strip() == project.page_of(project.record()).as_uri()
    called.unlink()
    shown = project.mitosis("open", environment={"BROWSER": f"{browser} %s"})
    assert called.read_text().strip() == Path(shown.stdout.strip()).as_uri()


def test_missing_browser_is_a_warning(project: Project, desktop: Path) -> None:
    assert "there is no browser here" in project.mitosis(*SLOW, "--open").stderr


def test_page_of_a_failure_is_opened_too(project: Project, desktop: Path) -> None:
    browser, called = program(desktop, "browser")
    project.commit_lab("lookup_dict = {}\ndef run():\n    raise ValueError\n")
    project.mitosis("my_exp", "--open", status=1, environment={"BROWSER": f"{browser} %s"})
    assert called.exists()


def test_desktop_shows_how_it_ended(project: Project, desktop: Path) -> None:
    project.commit_lab("lookup_dict = {}\ndef run():\n    raise ValueError('a < b')\n")
    _, called = program(desktop, "notify-send")
    done = project.mitosis("my_exp", "--notify", status=1, environment={"DISPLAY": ":9"})
    words = called.read_text().splitlines()
    assert words[:3] == ["--app-name=mitosis", "--", f"my_exp {project.record().key[:6]} failed"]
    assert words[3].startswith("ValueError: a &lt; b (")
    assert "\a" not in done.stdout + done.stderr


def test_refusal_calls_back_as_well(project: Project, desktop: Path) -> None:
    _, called = program(desktop, "notify-send")
    project.mitosis("nothing", "--notify", status=2, environment={"DISPLAY": ":9"})
    assert "there is no step `nothing`" in called.read_text()


def test_notification_that_fails_fails_no_trial(project: Project, desktop: Path) -> None:
    _, called = program(desktop, "notify-send", status=1)
    done = project.mitosis(*SLOW, "--notify", environment={"DISPLAY": ":9"})
    assert called.exists()
    assert "\a" not in done.stdout + done.stderr


def test_bell_rings_on_a_terminal_without_a_desktop(desktop: Path, project: Project) -> None:
    seen = on_terminal(project, *SLOW, "-q", "--notify")
    assert seen.raw.count("\a") == 1
    assert seen.status == 0


def test_no_bell_without_being_asked(desktop: Path, project: Project) -> None:
    assert "\a" not in on_terminal(project, *SLOW, "-q").raw


@pytest.mark.usefixtures("slow_trial")
def test_open_shows_pages_by_the_same_browser(desktop: Path, project: Project) -> None:
    browser, called = program(desktop, "browser")
    on_terminal(project, "open", project.record().key[:6], environment={"BROWSER": f"{browser} %s"})
    assert called.read_text().strip().endswith(".html")
    piped = project.mitosis("open", project.record().key[:6])
    assert piped.stdout.strip() == str(project.page_of(project.record()))
