"""The documentation is true: its examples do what it shows, its links lead somewhere, nothing is left out.

What counts as an example, and what may differ from what a page shows, is told in `support.documented`. The tutorial
begins in an empty home folder; README.md and the how-to guides in the folder `sine`, a repository, in which the guides
find the experiment of README.md committed. Beside it is the bundle of the study, `study.bundle`.
"""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from cyclopts import App

from mitosis.cli.app import app
from support.documented import Command, File, Ids, Session, Transcript, is_as_shown, read_examples
from support.journal import run_git
from support.study import BUNDLE
from support.warm import make_program

ROOT = Path(__file__).parents[2]
TUTORIALS = sorted((ROOT / "docs" / "tutorial").glob("*.md"))
GUIDES = sorted((ROOT / "docs" / "how-to").glob("*.md"))
README = ROOT / "README.md"
PAGES = [page for page in (README, *TUTORIALS, *GUIDES) if any(read_examples(page.read_text(encoding="utf-8")))]
GENERATED = {ROOT / "docs" / "reference" / "cli.md"}
"""What the build of the documentation writes, so that links to it lead nowhere where the repository is read."""
LINK = re.compile(r"(?<!!)\[[^\]]*\]\((?P<target>[^)\s]+)\)|!\[[^\]]*\]\((?P<image>[^)\s]+)\)")


@pytest.fixture
def session(
    home: Path, git: Callable[..., str], tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> Session:
    """Somebody at a terminal, in an empty home folder, whose git calls the first branch as git does by itself."""
    git("config", "--global", "init.defaultBranch", "master", cwd=home)
    for name in ("DISPLAY", "WAYLAND_DISPLAY", "BROWSER", "PYTHONPATH"):
        monkeypatch.delenv(name, raising=False)
    shared = tmp_path_factory.getbasetemp()
    if "PYTEST_XDIST_WORKER" in os.environ:
        shared = shared.parent
    programs = tmp_path_factory.mktemp("programs")
    make_program(programs)
    # Finding the fonts takes matplotlib a while: once is enough.
    return Session(home, programs, {"MPLCONFIGDIR": str(shared / "matplotlib")})


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_examples_do_what_the_page_shows(page: Path, session: Session, git: Callable[..., str]) -> None:
    if page not in TUTORIALS:
        session.folder = session.home / "sine"
        git("init", "--quiet", "--initial-branch=main", str(session.folder), cwd=session.home)
    if page in GUIDES:
        shutil.copy(BUNDLE, session.home / "study.bundle")
        for example in read_examples(README.read_text(encoding="utf-8")):
            if isinstance(example, File):
                session.write(example)
        git("add", ".", cwd=session.folder)
        git("commit", "--quiet", "-m", "A first experiment", cwd=session.folder)
    for example in read_examples(page.read_text(encoding="utf-8")):
        if isinstance(example, File):
            session.write(example)
            continue
        for printed in session.run(example):
            assert printed.is_as_shown, (
                f"{page.relative_to(ROOT)}, block at line {example.line}: {printed.command.source}\n"
                f"--- shown\n{printed.command.shown}\n--- printed\n{printed.text}"
            )


def test_pages_with_examples_are_found() -> None:
    assert {"README", "first-trial", "chain-steps", "when-refused"} <= {page.stem for page in PAGES}


# --- that the check itself bites ------------------------------------------------------------------


def test_examples_are_read_from_fences() -> None:
    page = (
        "# Title\n```console\n$ one \\\n>   --more\nout\n\n  put\n$ two\n```\n"
        "```pycon\n>>> if 1:\n...     2\n...\n2\n```\n"
        "```python\n# a/b.py\nx = 1\n```\n```python\nx = 1\n```\n```console\npython -m venv x\n```\n"
    )
    assert read_examples(page) == [
        Transcript(2, "console", (Command("one \\\n  --more", "out\n\n  put"), Command("two", ""))),
        Transcript(10, "pycon", (Command("if 1:\n    2", "...\n2"),)),
        File(16, "a/b.py", "# a/b.py\nx = 1\n"),
    ]


@pytest.mark.parametrize(
    ("shown", "printed"),
    [
        ("main = 3", "main = 4"),
        ("", "something"),
        ("something", ""),
        ("one\ntwo", "one"),
        ("one\n...\ntwo", "one\nthree"),
        ("took 0.3 s", "took 0.3"),
        ("at 2026-03-01", "at noon"),
        ("main = 3.17067763249", "main = 3.17087763249"),
        ("key 4a5d2c and 4a5d2cb690ee", "key 11aa22 and 33bb44cc55dd"),
        ("key 4a5d2c and 5b6e3d", "key 11aa22 and 11aa22"),
    ],
)
def test_other_output_is_noticed(shown: str, printed: str) -> None:
    assert not is_as_shown(shown, printed, Ids())


@pytest.mark.parametrize(
    ("shown", "printed"),
    [
        ("one\n...\ntwo", "one\nand\nmore\ntwo"),
        ("one\n...", "one"),
        ("a  0.3 s", "a   1 min 3 s"),
        ("2026-03-01T12:00:00+00:00 (just now)", "2031-12-24T01:02:03+02:00 (3 min ago)"),
        ("main = 3.17067763249", "main = 3.170677632491348"),
        ("key 4a5d2c and 4a5d2cb690ee", "key 11aa22 and 11aa22cc55dd"),
    ],
)
def test_output_that_differs_as_it_may_passes(shown: str, printed: str) -> None:
    assert is_as_shown(shown, printed, Ids())


def test_ids_are_translated_where_they_are_typed() -> None:
    ids = Ids()
    assert is_as_shown("key 4a5d2c · trial_0_4a5d2cb690ee.html", "key aaa111 · trial_0_aaa111222333.html", ids)
    assert ids.translate("mitosis show 4a5d && echo 4000") == "mitosis show aaa1 && echo 4000"


def test_command_without_shown_output_has_to_succeed(session: Session) -> None:
    with pytest.raises(AssertionError, match="no such folder"):
        session.run(Transcript(1, "console", (Command("echo no such folder; false", ""),)))


def test_session_keeps_its_folder_and_its_home_is_adas(session: Session) -> None:
    commands = (Command("mkdir -p here && cd here", ""), Command("pwd", "/home/ada/here"))
    assert all(printed.is_as_shown for printed in session.run(Transcript(1, "console", commands)))


# --- completeness ---------------------------------------------------------------------------------


def test_every_command_and_option_is_told_of() -> None:
    text = "".join(page.read_text(encoding="utf-8") for page in (README, *TUTORIALS, *GUIDES))
    missing = []
    commands = dict(all_commands(app))
    assert {"", "check", "variants retire", "hook install"} <= commands.keys()
    for name, command in commands.items():
        if name and not re.search(rf"mitosis {name}\b", text):
            missing.append(f"mitosis {name}")
        for argument in command.assemble_argument_collection():
            if argument.index is not None:  # `show KEY` is how it is told of, not `show --key`
                continue
            options = [option for option in argument.names if option.startswith("-")]
            if options and not any(re.search(rf"(?<![\w-]){option}(?![\w-])", text) for option in options):
                missing.append(f"{name} {'/'.join(options)}")
    assert missing == []


def all_commands(parent: App, name: str = "") -> Iterator[tuple[str, App]]:
    """Every command with its words, the program itself among them."""
    yield name, parent
    for word in parent:
        if not word.startswith("-"):
            yield from all_commands(parent[word], f"{name} {word}".lstrip())


def documents() -> list[Path]:
    listed = run_git("ls-files", "--cached", "--others", "--exclude-standard", "--", "*.md", cwd=ROOT)
    return [ROOT / name for name in listed.splitlines()]


def test_relative_links_lead_to_files() -> None:
    broken = []
    for page in documents():
        prose = re.sub(r"^```.*?^```$|`[^`\n]*`", "", page.read_text(encoding="utf-8"), flags=re.MULTILINE | re.DOTALL)
        for match in LINK.finditer(prose):
            target = (match["target"] or match["image"]).partition("#")[0]
            path = (page.parent / target).resolve()
            if target and "://" not in target and (path in GENERATED or not path.is_file()):
                broken.append(f"{page.relative_to(ROOT)}: {target}")
    assert broken == []


def test_messages_of_refusals_are_those_of_the_program() -> None:
    """The guide names messages by pieces of them, with … for what varies."""
    page = (ROOT / "docs" / "how-to" / "when-refused.md").read_text(encoding="utf-8")
    source = "".join(path.read_text(encoding="utf-8") for path in (ROOT / "src" / "mitosis").rglob("*.py"))
    cells = re.findall(r"^\| (`.*?) \|", page, flags=re.MULTILINE)
    pieces = [piece.strip("` ") for cell in cells for text in re.findall(r"`[^`]+`", cell) for piece in text.split("…")]
    assert len(pieces) > 30
    assert [piece for piece in pieces if piece not in source] == []
