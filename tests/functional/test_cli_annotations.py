"""`mitosis tag`, `untag`, `note`, and what `show` says of it."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from support.variants import Lab

KEY, OTHER = "5f2c91d07a3b", "81aa03000000"
HARMFUL = "\U0001f389 <b>\u202e\u200f"
"""A tag that may be recorded, and would turn the direction of what is behind it."""


@pytest.fixture
def lab(repository_folder: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Lab:
    monkeypatch.chdir(repository_folder)
    lab = Lab(repository_folder, capsys)
    for key in (KEY, OTHER):
        lab.journal.run_trial(key=key)
    return lab


def section(lab: Lab, name: str, key: str = KEY) -> list[str]:
    """The lines of a section of what `show` says."""
    lines = lab.mitosis("show", key).lines
    start = lines.index(name) + 1 if name in lines else len(lines)
    end = next((n for n in range(start, len(lines)) if not lines[n].startswith(" ")), len(lines))
    return lines[start:end]


def test_each_trial_is_said_to_be_tagged(lab: Lab) -> None:
    said = lab.mitosis("tag", "to read", KEY[:5], OTHER[:1])
    assert said.lines == [f"tagged {KEY}, my_exp: to read", f"tagged {OTHER}, my_exp: to read"]
    assert lab.mitosis("tag", "to read", KEY).lines == [f"{KEY}, my_exp, is tagged already: to read"]
    [line] = section(lab, "tags")
    assert line.startswith("  to read  Ada Lovelace <ada@example.org>, 20")
    assert lab.mitosis("untag", "to read", KEY, KEY[:2]).lines == [f"untagged {KEY}, my_exp: to read"]
    assert lab.mitosis("untag", "to read", KEY).lines == [f"{KEY}, my_exp, is not tagged: to read"]
    assert (section(lab, "tags"), len(section(lab, "tags", OTHER))) == ([], 1)


def test_notes_are_shown_line_by_line(lab: Lab) -> None:
    assert lab.mitosis("note", KEY[:5], "-m", "one\n  two").lines == [f"noted on {KEY}, my_exp"]
    lab.mitosis("note", KEY, "--message", "three")
    assert "the same is noted already" in lab.mitosis("note", KEY, "-m", "three").out
    first, one, two, second, three = section(lab, "notes")
    assert (one, two, three) == ("    one", "      two", "    three")
    assert first.startswith("  Ada Lovelace <ada@example.org>, 20") and second.startswith("  Ada Lovelace")


def test_others_are_to_be_told_where_there_are_any(lab: Lab) -> None:
    last = "Let others know: mitosis push"
    assert last not in lab.mitosis("tag", "paper", KEY).lines
    lab.git("remote", "add", "origin", "nowhere")
    assert lab.mitosis("tag", "best", KEY).lines[-1] == last
    assert lab.mitosis("note", KEY, "-m", "x").lines[-1] == last
    assert lab.mitosis("untag", "best", KEY).lines[-1] == last
    assert last not in lab.mitosis("untag", "best", KEY).lines


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("tag", "paper"), "give the key of a trial: mitosis tag TAG KEY..."),
        (("untag", "paper"), "give the key of a trial: mitosis untag TAG KEY..."),
        (("tag", "@paper", KEY), "`@paper` cannot be a tag: it begins with `@`"),
        (("tag", "a\x1b[2J", KEY), "cannot be a tag: there is a line break or another control character in it"),
        (("tag", "paper", "0123"), "no trial is recorded with a key that begins with `0123`"),
        (("note", KEY), "there is no terminal to write a note in\nGive the text: mitosis note KEY -m TEXT"),
        (("note", KEY, "-m", " "), "nothing was noted: it is empty"),
        (("note", KEY, "-m", "x" * 10_001), "nothing was noted: it has 10,001 characters, more than the 10,000"),
    ],
)
def test_refusals_say_what_to_do(lab: Lab, words: tuple[str, ...], said: str) -> None:
    tip = lab.journal.tip()
    error = lab.mitosis(*words, status=2).err
    assert said in error
    assert "\x1b" not in error
    assert lab.journal.tip() == tip


def test_what_is_shown_does_no_harm(lab: Lab) -> None:
    said = lab.mitosis("tag", HARMFUL, KEY).out + lab.mitosis("note", KEY, "-m", f"{HARMFUL}\x1b[2J\rx\u2028y").out
    said += lab.mitosis("show", KEY).out + lab.mitosis("untag", HARMFUL, KEY).out
    said += lab.git("log", "--format=%B", "refs/mitosis")
    assert all(character.isprintable() for character in said.replace("\n", ""))
    assert "\U0001f389 <b>\\u202e\\u200f" in said


# --- in an editor ---------------------------------------------------------------------------------


@pytest.fixture
def at_terminal(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> Lab:
    monkeypatch.setattr("mitosis.cli.annotations.is_terminal", lambda stream=sys.stdout: True)
    return lab


def use_editor(lab: Lab, script: str) -> None:
    """Have git use an editor, which gets the file's name behind the options that it is set with."""
    editor = lab.folder / "an editor"
    editor.write_text(f'#!/bin/sh\nfile="$2"\n{script}\n')
    editor.chmod(0o755)
    lab.git("config", "core.editor", f"'{editor}' --wait")


def drafts(lab: Lab) -> list[Path]:
    return list((lab.folder / ".git" / "mitosis").glob("note-*"))


def test_a_note_is_written_in_the_editor_of_git(at_terminal: Lab) -> None:
    use_editor(at_terminal, 'cp "$file" seen; printf "# no\\n\\none # two\\n #three\\n\\n" >> "$file"')
    assert at_terminal.mitosis("note", KEY).lines == [f"noted on {KEY}, my_exp"]
    assert at_terminal.journal.annotations(KEY).notes[0].text == "one # two\n #three"
    assert (at_terminal.folder / "seen").read_text().startswith(f"\n# A note on trial {KEY}, my_exp. Lines that begin")
    assert drafts(at_terminal) == []


def test_without_a_text_nothing_is_noted(at_terminal: Lab) -> None:
    tip = at_terminal.journal.tip()
    for script in ("true", 'rm "$file"', "exit 1"):
        use_editor(at_terminal, script)
        at_terminal.mitosis("note", KEY, status=2)
        assert drafts(at_terminal) == []
    assert "ended with status 1" in at_terminal.mitosis("note", KEY, status=2).err
    assert at_terminal.journal.tip() == tip


def test_what_was_written_and_not_recorded_is_there_the_next_time(at_terminal: Lab) -> None:
    use_editor(at_terminal, 'head -c 10001 /dev/zero | tr "\\0" x > "$file"; echo >> "$file"; echo y >> "$file"')
    error = at_terminal.mitosis("note", KEY, status=2).err
    [draft] = drafts(at_terminal)
    assert f"what you wrote is kept for the next `mitosis note {KEY}`: {draft}" in error
    use_editor(at_terminal, 'sed -i s/x.*/x/ "$file"')
    at_terminal.mitosis("note", KEY)
    assert at_terminal.journal.annotations(KEY).notes[0].text == "x\ny"
    assert drafts(at_terminal) == []
