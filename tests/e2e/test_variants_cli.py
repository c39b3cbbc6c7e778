"""`mitosis variants` and what is below it, as a user calls it."""

from __future__ import annotations

import contextlib
import fcntl
import os
import pty
import re
import shlex
import struct
import subprocess
import sys
import termios
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

from mitosis.records.trial import ParameterRecord
from mitosis.variants import VariantName
from mitosis.verify import verify
from support.e2e import Mitosis, command
from support.variants import ADA, Lab, clone, make_lab, variant
from support.waiting import TIMEOUT_S


@pytest.fixture
def locked(tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Lab:
    """A lab with `slow` and `fast` locked, and a trial that used `slow`, as the working directory."""

    def lock_both(lab: Lab) -> None:
        lab.lock({"fast": 10})
        lab.use("slow", 1)

    lab = make_lab(tmp_path / "locked", capsys, prepare=lock_both)
    monkeypatch.chdir(lab.folder)
    return lab


def on_terminal(
    folder: Path, columns: int, *words: str, variables: Mapping[str, str] | None = None
) -> tuple[list[str], str]:
    """The lines that a command writes to a terminal of so many columns, without colours, and all that it writes."""
    terminal, other_end = pty.openpty()
    fcntl.ioctl(other_end, termios.TIOCSWINSZ, struct.pack("HHHH", 60, columns, 0, 0))
    process = subprocess.Popen(
        command(*words),
        cwd=folder,
        env={**os.environ, "TERM": "xterm", **(variables or {})},
        stdin=other_end,
        stdout=other_end,
        stderr=other_end,
        start_new_session=True,
    )
    os.close(other_end)
    data = b""
    try:
        # Linux raises an error when nobody has the other end any more, others give nothing.
        with contextlib.suppress(OSError):
            while piece := os.read(terminal, 2**16):
                data += piece
        assert process.wait(TIMEOUT_S) == 0
    finally:
        process.kill()
        process.wait()
        os.close(terminal)
    text = data.decode()
    return re.sub(r"\x1b\[[0-9;]*m", "", text).splitlines(), text


# --- the listing ----------------------------------------------------------------------------------


def test_listing_tells_state_value_origin_and_uses(locked: Lab) -> None:
    locked.edit(('"slow": 1', '"slow": 2'))
    said = locked.mitosis("variants")
    head = locked.git("rev-parse", "--short=7", "HEAD").strip()
    moment = "2026-03-01T12:00:00+00:00"
    assert said.lines[0].split() == ["variant", "state", "value", "locked", "by", "trials", "last", "used", "commit"]
    assert said.rows == {
        "my_exp.frequency=fast": f"locked 10 {moment} Ada Lovelace 0 {head}",
        "my_exp.frequency=slow": f"changed 1 → 2 {moment} Ada Lovelace 1 {moment} {head}",
        "my_exp.noise=low": "not used yet {'kernel': [1, 2], 'scale': 0.01}",
    }
    assert [line[0] for line in said.lines[1:]] == [" ", "!", " "]
    assert said.err == ""


def test_listing_is_of_a_step_or_a_parameter(locked: Lab) -> None:
    names = {"my_exp.frequency=fast", "my_exp.frequency=slow", "my_exp.noise=low"}
    assert locked.mitosis("variants", "my_exp").rows.keys() == names
    assert locked.mitosis("variants", "my_exp.noise").rows.keys() == {"my_exp.noise=low"}


REFUSED = [
    ("my_ex", "Did you mean `my_exp`?"),
    ("my_exp.frequenzy", "Did you mean `my_exp.frequency`?"),
    ("my_exp.frequency=slow", "mitosis variants show my_exp.frequency=slow"),
    ("--changed --locked", "leaves the dictionaries out"),
    ("show my_exp.frequency=slwo", "Did you mean `my_exp.frequency=slow`?"),
    ("show my_exb.frequency=slow", "Did you mean `my_exp.frequency=slow`?"),
    ("diff my_exp.frequency=slwo", "Did you mean `my_exp.frequency=slow`?"),
    ("diff my_exp.frequency=slow my_exp.frequency=fats", "Did you mean `my_exp.frequency=fast`?"),
    ("diff my_exp.frequency=gone my_exp.frequency=fast", "neither locked nor in the lookup dictionary"),
    ("diff other.frequency=slow my_exp.frequency=fast", "its step is not registered"),
    ("diff my_exp.frequency slow", "step.param=variant"),
    ("diff", "STEP.PARAM=VARIANT"),
    ("diff my_exp.frequency=slow --rev HEAD..", "no variant can be named"),
    ("diff my_exp.frequency=slow fast", "step.param=variant"),
    ("diff --rev nowhere..", "git knows no commit"),
    ("rename my_exp.frequency gentle", "step.param=variant"),
    ("rename my_exp.frequency=slow my_exp.frequency=soft", "a new name is given alone"),
    ("rename my_exp.frequency=slwo gentle", "is not locked"),
    ("rename my_exp.frequency=slow fast", "with another value"),
    ("rename my_exp.frequency=slow ''", "needs a name"),
    ("retire my_exp.frequency=gone", "is not locked"),
    ("retire my_exp.frequency=slow --undo", "is not retired"),
    ("retire my_exp.frequency=slow --undo --reason x", "--reason is for"),
    (f"retire my_exp.frequency=slow --reason {'x' * 20_000}", "characters"),
    ("retire slow", "step.param=variant"),
    ("release my_exp.frequency=gone --reason x", "is not locked"),
    ("release my_exp.frequency=fast", "--reason is required: mitosis variants release my_exp.frequency=fast --reason"),
    ("release my_exp.frequency=fast --reason", "requires an argument"),
    ("release slow --reason x", "step.param=variant"),
    ("release my_exp.frequency=slow --reason x", "To stop anybody from using it again: mitosis variants retire"),
]


def test_what_cannot_be_done_is_refused_with_what_can(locked: Lab) -> None:
    for words, said in REFUSED:
        assert said in locked.mitosis("variants", *shlex.split(words), status=2).err


def test_released_variant_is_locked_anew(locked: Lab) -> None:
    said = locked.mitosis("variants", "release", "my_exp.frequency=fast", "--reason", "a typing error")
    assert said.lines[0] == "my_exp.frequency=fast is released; it meant 10"
    assert locked.mitosis("variants").rows["my_exp.frequency=fast"] == "not used yet 10"


def test_dictionary_that_cannot_be_imported_is_not_said_to_have_no_variants(lab: Lab) -> None:
    lab.write({"lab.py": "import nothing_of_that_name\n"})
    said = lab.mitosis("variants", "my_exp")
    assert said.out.startswith("no variants")
    assert said.out.endswith("are locked, and what the dictionaries contain could not be determined\n")
    assert "nothing_of_that_name" in said.err


def test_changed_lists_problems_alone_and_says_what_is_different(locked: Lab) -> None:
    locked.lock({"low": {"scale": 0.01, "kernel": [1, 2]}}, "noise")
    assert locked.mitosis("variants", "--changed").lines == ["every locked variant still means the same"]
    locked.edit(("0.01", "0.05"), ('"slow": 1', '"slow": 2'), ('"fast": 10, ', ""))
    said = locked.mitosis("variants", "--changed", status=1)
    assert said.rows.keys() == {"my_exp.frequency=fast", "my_exp.frequency=slow", "my_exp.noise=low"}
    assert said.lines[4:] == [
        "    my_exp.frequency=fast   10 → not in the dictionary",
        "    my_exp.frequency=slow   1 → 2   (1 trial used 1)",
        "    my_exp.noise=low   (0 trials used the locked value)",
        "        scale: 0.01 → 0.05",
        "Add the variants to the dictionary, or rename or retire them: mitosis variants rename, or retire",
    ]
    assert locked.mitosis("variants", "my_exp.noise", "--changed", status=1).rows.keys() == {"my_exp.noise=low"}


def test_value_that_can_never_be_locked_is_no_problem_until_its_name_is_locked(locked: Lab) -> None:
    locked.edit(('"slow": 1', '"slow": 1, "odd": lambda: 1'))
    assert locked.mitosis("variants").rows["my_exp.frequency=odd"].startswith("unlockable")
    assert locked.mitosis("variants", "--changed").lines == ["every locked variant still means the same"]
    locked.lock({"odd": 3})
    assert locked.mitosis("variants", "--changed", status=1).rows.keys() == {"my_exp.frequency=odd"}


def test_dictionary_that_cannot_be_imported_leaves_the_locks_and_one_line(locked: Lab) -> None:
    locked.write({"lab.py": "import nothing_of_that_name\n"})
    said = locked.mitosis("variants")
    assert {name: row.split()[0] for name, row in said.rows.items()} == {
        "my_exp.frequency=fast": "locked",
        "my_exp.frequency=slow": "locked",
    }
    assert len(said.err.splitlines()) == 1
    assert "nothing_of_that_name" in said.err
    unknown = locked.mitosis("variants", "--changed", status=1)
    assert unknown.lines == ["nothing is known to have changed"]
    assert "nothing_of_that_name" in unknown.err


def test_locks_are_listed_without_importing_anything(locked: Lab) -> None:
    locked.write({"lab.py": "open('imported', 'w')\n"})
    assert locked.mitosis("variants", "--locked").rows.keys() == {"my_exp.frequency=fast", "my_exp.frequency=slow"}
    assert not (locked.folder / "imported").exists()


def test_repository_without_steps_or_journal_has_no_variants(lab: Lab) -> None:
    lab.commit({"pyproject.toml": ""})
    assert lab.mitosis("variants").lines == ["there are no variants"]
    assert lab.mitosis("variants", "--locked").lines == ["no variants are locked in this repository"]
    (lab.folder / "pyproject.toml").unlink()
    assert lab.mitosis("variants").lines == ["there are no variants"]
    lab.lock({"slow": 1})
    assert lab.mitosis("variants").rows["my_exp.frequency=slow"].startswith("removed 1 ")


def test_conflict_is_a_problem_that_is_named_with_what_it_belongs_to(locked: Lab) -> None:
    locked.give_meaning("slow", 3)
    said = locked.mitosis("variants", "--changed", status=1)
    assert [line.split()[2] for line in said.lines[1:]] == ["conflict", "conflict"]
    assert "mitosis variants resolve my_exp.frequency=slow" in said.err
    assert locked.mitosis("variants", "my_exp.noise").err == ""
    assert locked.mitosis("variants", "my_exp.noise", "--changed").err == ""


def test_what_is_not_compared_is_not_said_to_be_the_same(locked: Lab) -> None:
    for name in ("fast", "slow"):
        locked.mitosis("variants", "retire", f"my_exp.frequency={name}")
    locked.write({"pyproject.toml": ""})
    assert locked.mitosis("variants", "--changed").lines == [
        "no steps are registered in pyproject.toml, so there is nothing to compare"
    ]


def test_working_tree_is_as_it_was(locked: Lab) -> None:
    before = locked.git("status", "--porcelain", "--ignored"), locked.git("for-each-ref")
    locked.mitosis("variants")
    locked.mitosis("variants", "diff", "--rev", "HEAD~0..")
    locked.mitosis("check", "HEAD")
    assert (locked.git("status", "--porcelain", "--ignored"), locked.git("for-each-ref")) == before


HOSTILE = {"\x1b[31mred": "\x1b]0;title\x07", "a\nb": 2, "a=b": 3, "": 5, "-x": 6, "\u202erev": 7, "n" * 200: 8}


def test_names_and_values_do_not_steer_the_terminal(lab: Lab) -> None:
    lab.lock(HOSTILE)
    lab.journal.retire(VariantName("my_exp", "frequency", "a\nb"), "\x1b[2J\nbecause", ADA)
    lab.journal.rename(VariantName("my_exp", "frequency", "a=b"), "\x1b[32mnew", ADA)
    lab.write({"lab.py": f"lookup_dict = {{'frequency': {dict.fromkeys(HOSTILE, 0)!r}}}\n"})
    said = [
        lab.mitosis("variants"),
        lab.mitosis("variants", "--changed", status=1),
        lab.mitosis("check", status=1),
        lab.mitosis("check", "--format", "github", status=1),
        lab.mitosis("check", "--format", "json", status=1),
        *(lab.mitosis("variants", "show", f"my_exp.frequency={name}") for name in list(HOSTILE)[:2]),
        *(lab.mitosis("variants", "diff", f"my_exp.frequency={name}") for name in list(HOSTILE)[:2]),
        lab.mitosis("variants", "show", "my_exp.frequency=\x1b[1mx", status=2),
        lab.mitosis("variants", "retire", "my_exp.frequency=\x1b[31mred", "--reason", "\x1b"),
        lab.mitosis("variants", "rename", "my_exp.frequency=-x", "\x1b[35m"),
    ]
    for text in (part for some in said for part in (some.out, some.err)):
        assert all(letter.isprintable() or letter == "\n" for letter in text), repr(text[:300])


@pytest.mark.parametrize("name", ["a=b", ""])
def test_any_name_can_be_shown_and_retired(lab: Lab, name: str) -> None:
    lab.lock({name: 4})
    word = f"my_exp.frequency={name}"
    assert "    4" in lab.mitosis("variants", "show", word).lines
    lab.mitosis("variants", "retire", word)
    assert "retired" in lab.mitosis("variants", "show", word).lines[0]
    assert len(lab.mitosis("variants", "show", word).out.split("history")[1].splitlines()) == 4


def test_table_fits_the_terminal(locked: Lab) -> None:
    locked.lock({"v": "long text " * 20}, "text")
    locked.edit(('"slow": 1', '"slow": 2'))
    lines, text = on_terminal(locked.folder, 80, "variants")
    names = [re.split(r" {2,}", line.lstrip("! "))[0] for line in lines[1:5]]
    assert names == ["my_exp.frequency=fast", "my_exp.frequency=slow", "my_exp.noise=low", "my_exp.text=v"]
    assert "1 → 2" in lines[2]
    assert "'long text long" in lines[4]
    assert "Not shown:" in lines[5]
    assert "\x1b[33m!" in text
    assert max(map(len, lines)) <= 80


def test_no_colour_and_ascii_where_asked(locked: Lab) -> None:
    locked.edit(('"slow": 1', '"slow": 2'))
    lines, text = on_terminal(
        locked.folder, 120, "variants", variables={"NO_COLOR": "1", "PYTHONIOENCODING": "ascii", "LC_ALL": "C"}
    )
    assert "\x1b[33m" not in text
    assert text.isascii()
    assert "1 > 2" in lines[2]


# --- one variant ----------------------------------------------------------------------------------


def test_show_tells_value_origin_history_trials_and_difference(locked: Lab) -> None:
    key = locked.use("slow", 1, started="2026-03-02T12:00:00+00:00")
    locked.mitosis("variants", "retire", "my_exp.frequency=slow", "--reason", "too noisy")
    locked.mitosis("variants", "retire", "my_exp.frequency=slow", "--undo")
    locked.edit(('"slow": 1', '"slow": 2'))
    said = locked.mitosis("variants", "show", "my_exp.frequency=slow")
    assert said.lines[:4] == [
        "my_exp.frequency=slow   changed",
        f"    digest {variant('slow', 1).digest}",
        said.lines[2],
        "    my_exp.frequency=slow   1 → 2   (2 trials used 1)",
    ]
    assert re.fullmatch(
        r"    locked 2026-03-01T12:00:00\+00:00 by Ada Lovelace <ada@example.org>"
        r", commit [0-9a-f]{7}, by trial [0-9a-f]{12}",
        said.lines[2],
    )
    assert said.lines[4:6] == ["value", "    1"]
    history = [line.split("  ", 3)[-1].split("Lovelace  ")[1] for line in said.lines[7:10]]
    assert history[:2] == [
        "let my_exp.frequency=slow be used again",
        "retire my_exp.frequency=slow: too noisy",
    ]
    assert "used by 2 trials" in said.lines
    assert key[:6] in said.out


def test_show_gives_the_full_value(lab: Lab) -> None:
    lab.lock({"low": {"scale": 0.01, "kernel": list(range(50)), "name": "x" * 100}}, "noise")
    said = lab.mitosis("variants", "show", "my_exp.noise=low")
    assert "x" * 100 in said.out
    assert "49" in said.out
    assert "…" not in said.out


def test_show_of_a_conflict_gives_both_meanings_and_the_command_that_resolves(locked: Lab) -> None:
    other = locked.give_meaning("slow", 3)
    said = locked.mitosis("variants", "show", "my_exp.frequency=slow")
    assert said.lines.count("my_exp.frequency=slow   conflict") == 2
    assert {"    1", "    3"} <= set(said.lines)
    assert "mitosis variants resolve my_exp.frequency=slow --keep" in said.err
    locked.mitosis("variants", "resolve", "my_exp.frequency=slow", "--keep", other.digest[:6])
    assert locked.mitosis("variants", "show", "my_exp.frequency=slow").lines[0].endswith("   changed")


# --- differences ----------------------------------------------------------------------------------


def test_difference_of_two_variants(lab: Lab) -> None:
    lab.lock({"low": {"scale": 0.01, "kernel": [1, 2]}, "high": {"scale": 1.0, "kernel": [1, 2]}}, "noise")
    assert lab.mitosis("variants", "diff", "my_exp.noise=low", "my_exp.noise=high").lines == [
        "scale: 0.01 → 1.0",
        "(2 other leaves are the same)",
    ]


def test_variants_that_are_not_locked_are_taken_from_the_dictionary(locked: Lab) -> None:
    locked.edit(('"slow": 1', '"slow": 2, "new": 7'))
    assert locked.mitosis("variants", "diff", "my_exp.frequency=slow", "my_exp.frequency=new").lines == ["value: 1 → 7"]


def test_difference_of_the_locked_and_the_present_meaning(locked: Lab) -> None:
    assert locked.mitosis("variants", "diff", "my_exp.frequency=slow").lines == ["no difference"]
    locked.edit(('"slow": 1', '"slow": 2'))
    assert locked.mitosis("variants", "diff", "my_exp.frequency=slow").lines == ["value: 1 → 2"]


def test_difference_of_the_meanings_of_a_conflict(locked: Lab) -> None:
    digests = {1: variant("slow", 1).digest, 3: locked.give_meaning("slow", 3).digest}
    digests[4] = locked.give_meaning("slow", 4).digest
    first, second, third = sorted(digests, key=digests.__getitem__)
    said = locked.mitosis("variants", "diff", "my_exp.frequency=slow")
    assert said.lines == [
        f"{digests[first][:4]}… → {digests[second][:4]}…",
        f"    value: {first} → {second}",
        f"{digests[first][:4]}… → {digests[third][:4]}…",
        f"    value: {first} → {third}",
    ]
    assert "mitosis variants resolve my_exp.frequency=slow --keep" in said.err


def test_difference_from_a_variant_in_conflict_is_refused_until_one_is_chosen(locked: Lab) -> None:
    other = locked.give_meaning("slow", 3)
    said = locked.mitosis("variants", "diff", "my_exp.frequency=fast", "my_exp.frequency=slow", status=2)
    assert said.out == ""
    assert "mitosis variants resolve my_exp.frequency=slow --keep" in said.err
    locked.mitosis("variants", "resolve", "my_exp.frequency=slow", "--keep", other.digest)
    assert locked.mitosis("variants", "diff", "my_exp.frequency=fast", "my_exp.frequency=slow").lines == [
        "value: 10 → 3"
    ]


def test_difference_of_the_dictionaries_of_two_commits(lab: Lab) -> None:
    first = lab.git("rev-parse", "HEAD").strip()
    lab.edit(('"slow": 1', '"slower": 1'), ("0.01", "0.05"))
    lab.commit({})
    lab.edit(("0.05", "0.07"))
    assert lab.mitosis("variants", "diff", "--rev", f"{first}..HEAD").lines == [
        "removed  my_exp.frequency=slow   1",
        "added    my_exp.frequency=slower   1",
        "changed  my_exp.noise=low",
        "    scale: 0.01 → 0.05",
        "    (2 other leaves are the same)",
    ]
    assert (
        lab.mitosis("variants", "diff", "my_exp.noise", "--rev", f"{first}..").lines[0] == "changed  my_exp.noise=low"
    )
    assert lab.mitosis("variants", "diff", "--rev", "HEAD..HEAD").lines == ["the dictionaries say the same"]


def test_what_is_no_range_is_said_in_one_line(locked: Lab) -> None:
    said = "mitosis: cannot check `HEAD`: a range is written with two dots, A..B\n"
    assert locked.mitosis("variants", "diff", "--rev", "HEAD", status=2).err == said


def test_steps_that_cannot_be_evaluated_are_left_out_of_the_difference_of_commits(lab: Lab) -> None:
    two = '[tool.mitosis.steps]\nmy_exp = ["lab:run", "lab:lookup_dict"]\nother = ["other:run", "other:lookup_dict"]\n'
    other = "lookup_dict = {'grid': {'fine': 1}}\n"
    lab.commit({"pyproject.toml": two, "other.py": other})
    lab.edit(('"slow": 1', '"slow": 2'))
    lab.commit({"other.py": f"import nothing_of_that_name\n{other}"})
    for rev in ("HEAD~1..HEAD", "HEAD..HEAD~1"):
        said = lab.mitosis("variants", "diff", "--rev", rev, status=1)
        assert said.lines[0] == "changed  my_exp.frequency=slow"
        assert "other.grid" not in said.out
        assert "nothing_of_that_name" in said.err
        assert said.err.endswith("! not compared: other\n")
    said = lab.mitosis("variants", "diff", "other", "--rev", "HEAD~1..", status=1)
    assert said.out == ""
    assert lab.mitosis("variants", "diff", "my_exp", "--rev", "HEAD~1..").err == ""


def test_value_that_cannot_be_compared_is_neither_added_nor_removed(lab: Lab) -> None:
    lab.edit(('"slow": 1', '"slow": lambda: 1'))
    lab.commit({})
    said = lab.mitosis("variants", "diff", "--rev", "HEAD~1..")
    assert said.lines == ["the dictionaries say the same"]
    assert "my_exp.frequency=slow: a lambda" in said.err


def test_locked_variant_that_the_dictionary_lacks_is_told_from_one_that_is_not_there(locked: Lab) -> None:
    locked.mitosis("variants", "rename", "my_exp.frequency=slow", "gentle")
    locked.edit(('"slow": 1', '"gentle": 1'))
    said = locked.mitosis("variants", "diff", "my_exp.frequency=slow", status=2)
    assert "`my_exp.frequency=slow` is locked, but the lookup dictionary no longer has it" in said.err
    assert "it has been called `gentle`, too\nThere is: my_exp.frequency=gentle" in said.err
    locked.write({"pyproject.toml": ""})
    said = locked.mitosis("variants", "diff", "my_exp.frequency=slow", status=2)
    assert "is locked, but its step is not registered" in said.err


FUNCTION = "def low(): return 1\nlookup_dict = {'f': {'low': low}}\n\n\ndef run(f):\n    return {'main': f()}\n"


def test_difference_names_functions_that_have_changed(lab: Lab) -> None:
    lab.commit({"lab.py": FUNCTION})
    lab.mitosis("lock")
    assert lab.mitosis("variants", "diff", "my_exp.f=low").lines == ["no difference"]
    lab.edit(("return 1", "return 2"))
    changed = ["lab:low has a different body", "(the value is the same)"]
    assert lab.mitosis("variants", "diff", "my_exp.f=low").lines == changed
    lab.commit({})
    assert lab.mitosis("variants", "diff", "--rev", "HEAD~1..").lines == [
        "changed  my_exp.f=low",
        *(f"    {line}" for line in changed),
    ]


def test_show_names_functions_once(lab: Lab) -> None:
    lab.commit({"lab.py": FUNCTION})
    lab.mitosis("lock")
    lab.edit(("return 1", "return 2"))
    lab.commit({})
    lab.mitosis("lock", "--accept-functions")
    lines = lab.mitosis("variants", "show", "my_exp.f=low").lines
    assert [line for line in lines if line.startswith("    names ")] == ["    names lab:low"]


# --- renaming -------------------------------------------------------------------------------------


def test_rename_says_what_to_do_and_the_listing_both_names(locked: Lab) -> None:
    said = locked.mitosis("variants", "rename", "my_exp.frequency=slow", "gentle")
    assert said.lines == [
        "my_exp.frequency=gentle means 1, as slow does",
        "    Trials keep the name that they were run with, and show both.",
        "    Now change the name in the lookup dictionary: `slow` to `gentle`.",
        "Let others know: mitosis push",
    ]
    rows = locked.mitosis("variants").rows
    assert rows["my_exp.frequency=slow"].startswith("locked 1, now called gentle ")
    assert rows["my_exp.frequency=gentle"].startswith("renamed 1, was called slow ")
    locked.edit(('"slow"', '"gentle"'))
    rows = locked.mitosis("variants", "--changed").rows
    assert rows == {}
    assert locked.mitosis("check").lines == ["checked the working tree: every locked variant still means the same"]


def test_changes_describe_objects_as_their_code_does(lab: Lab) -> None:
    model = (
        "class Model:\n    def __init__(self, trees=9, depth=1):\n        self.trees, self.depth = trees, depth\n\n\n"
    )
    lab.commit({"lab.py": f"{model}lookup_dict = {{'model': {{'big': Model(500)}}}}\n"})
    lab.mitosis("lock")
    said = lab.mitosis("variants", "rename", "my_exp.model=big", "large")
    assert said.lines[0] == "my_exp.model=large means Model(trees=500), as big does"
    lab.edit(("'big'", "'large'"))
    said = lab.mitosis("variants", "release", "my_exp.model=large", "--reason", "a typing error")
    assert said.lines[0] == "my_exp.model=large is released; it meant Model(trees=500)"
    digest = next(lock.digest for lock in lab.journal.locks())
    used = ParameterRecord("my_exp", "model", "lookup", "big", digest=digest, summary="Model(trees=500)")
    lab.journal.run_trial(parameters=(used,))
    said = lab.mitosis("variants", "rename", "my_exp.model=big", "large")
    assert "    The lookup dictionary calls it `large` already." in said.lines
    assert "Model(trees=500)" in lab.mitosis("variants", "--locked").rows["my_exp.model=large"]


def test_name_gets_no_second_newer_one(locked: Lab) -> None:
    locked.mitosis("variants", "rename", "my_exp.frequency=slow", "gentle")
    said = locked.mitosis("variants", "rename", "my_exp.frequency=slow", "soft", status=2)
    assert said.err.startswith("mitosis: my_exp.frequency=slow has already been renamed to `gentle`\n")
    locked.mitosis("variants", "rename", "my_exp.frequency=gentle", "soft")


def test_trials_show_both_names_of_a_renamed_variant(locked: Lab) -> None:
    key = locked.use("slow", 1)
    locked.mitosis("variants", "rename", "my_exp.frequency=slow", "gentle")
    locked.mitosis("variants", "rename", "my_exp.frequency=gentle", "soft")
    assert "slow (now soft)" in locked.mitosis("list").out
    assert "  my_exp.frequency  slow = 1  (now called `soft`)" in locked.mitosis("show", key).lines
    used = locked.use("soft", 1)
    assert "  my_exp.frequency  soft = 1" in locked.mitosis("show", used).lines


def test_show_counts_the_trials_that_used_another_name(locked: Lab) -> None:
    locked.mitosis("variants", "rename", "my_exp.frequency=slow", "gentle")
    lines = locked.mitosis("variants", "show", "my_exp.frequency=gentle").lines
    assert lines[-2:] == [
        "no trial has used it",
        "1 trial used it as slow: mitosis variants show my_exp.frequency=slow",
    ]
    locked.use("gentle", 1)
    locked.use("fast", 10)
    lines = locked.mitosis("variants", "show", "my_exp.frequency=slow").lines
    assert "used by 1 trial" in lines
    assert lines[-1] == "1 trial used it as gentle: mitosis variants show my_exp.frequency=gentle"


def test_trial_with_an_old_name_runs_and_says_the_new_one_once(lab: Lab, mitosis: Mitosis) -> None:
    lab.mitosis("lock")
    lab.mitosis("variants", "rename", "my_exp.frequency=slow", "gentle")
    done = mitosis("my_exp", "-p", "my_exp.frequency=slow", cwd=lab.folder)
    assert done.stderr.splitlines() == ["! variant `slow` of `my_exp.frequency` is now called `gentle`"]
    assert lab.mitosis("list").out.count("slow (now gentle)") == 1
    # What trials are listed with says it already.
    assert "called" not in lab.mitosis("list").out
    lab.mitosis("variants", "rename", "my_exp.frequency=gentle", "soft")
    refused = mitosis("my_exp", "-p", "my_exp.frequency=soft", cwd=lab.folder, status=2)
    assert "The dictionary still has it as `slow`: change the name there, or use that." in refused.stderr
    lab.edit(('"slow"', '"soft"'))
    lab.commit({})
    refused = mitosis("my_exp", "-p", "my_exp.frequency=slow", cwd=lab.folder, status=2)
    assert "`frequency` has no variant `slow` in lab:lookup_dict" in refused.stderr
    assert "It is now called `soft`." in refused.stderr


# --- retiring -------------------------------------------------------------------------------------


def test_retired_variant_is_refused_with_its_reason_until_that_is_undone(lab: Lab, mitosis: Mitosis) -> None:
    lab.use("slow", 1)
    [key] = [record.key for record in lab.journal.iter_trials()]
    assert lab.mitosis("variants", "retire", "my_exp.frequency=slow", "--reason", "too noisy").lines == [
        "my_exp.frequency=slow is retired: no trial can use it any more",
        "Let others know: mitosis push",
    ]
    assert lab.mitosis("variants").rows["my_exp.frequency=slow"].startswith("retired 1 ")
    assert "    retired: too noisy" in lab.mitosis("variants", "show", "my_exp.frequency=slow").lines
    assert "  my_exp.frequency  slow = 1  (`slow` is retired: too noisy)" in lab.mitosis("show", key).lines
    words = ("my_exp", "-p", "my_exp.frequency=slow")
    refused = mitosis(*words, cwd=lab.folder, status=2)
    assert "variant `slow` of `my_exp.frequency` is retired: too noisy" in refused.stderr
    assert len(list(lab.journal.iter_trials())) == 1
    lab.mitosis("variants", "retire", "my_exp.frequency=slow", "--undo")
    assert lab.mitosis("variants").rows["my_exp.frequency=slow"].startswith("locked 1 ")


def test_retired_variant_may_be_anything_in_the_dictionary(locked: Lab) -> None:
    locked.mitosis("variants", "retire", "my_exp.frequency=slow")
    for pair in (('"slow": 1', '"slow": 2'), (', "slow": 2', "")):
        locked.edit(pair)
        assert locked.mitosis("variants", "--changed").rows == {}


# --- two clones -----------------------------------------------------------------------------------


@pytest.fixture
def clones(locked: Lab, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], Lab]:
    """Two clones of one repository that have the same locks; calling it goes to the one of `ada` or `bob`."""
    hub = tmp_path / "hub.git"
    locked.git("clone", "--quiet", "--bare", str(locked.folder), str(hub))
    locked.git("remote", "add", "origin", str(hub))
    locked.mitosis("push")
    labs = {"ada": locked, "bob": clone(locked, tmp_path / "bob", hub)}

    def go(name: str) -> Lab:
        monkeypatch.chdir(labs[name].folder)
        return labs[name]

    go("bob").mitosis("pull")
    go("ada")
    return go


def test_names_that_were_changed_apart_are_all_kept(clones: Callable[[str], Lab]) -> None:
    for name, new in (("ada", "gentle"), ("bob", "soft")):
        lab = clones(name)
        lab.mitosis("variants", "rename", "my_exp.frequency=slow", new)
        lab.mitosis("variants", "retire", "my_exp.frequency=fast", "--reason", f"says {name}")
        lab.mitosis("lock")
    clones("ada").mitosis("sync")
    clones("bob").mitosis("sync")
    clones("ada").mitosis("sync")
    for name in ("ada", "bob"):
        lab = clones(name)
        said = lab.mitosis("variants")
        assert said.err == ""
        assert said.rows["my_exp.frequency=slow"].startswith("locked 1, now called gentle or soft ")
        shown = lab.mitosis("variants", "show", "my_exp.frequency=fast").lines
        assert {"    retired: says ada", "    retired: says bob"} <= set(shown)
        assert "slow (now gentle or soft)" in lab.mitosis("list").out
        assert verify(lab.journal.repository).findings == ()
        lab.edit(('"slow"', '"gentle"'))
        assert lab.mitosis("variants", "--changed").rows == {}
    assert clones("ada").git("rev-parse", "refs/mitosis/journal^{tree}") == clones("bob").git(
        "rev-parse", "refs/mitosis/journal^{tree}"
    )


def test_trial_that_is_pushed_alone_takes_along_what_its_functions_were(
    clones: Callable[[str], Lab], mitosis: Mitosis
) -> None:
    ada = clones("ada")
    ada.commit({"lab.py": FUNCTION})
    ada.git("push", "--quiet", "origin", "HEAD")
    mitosis("my_exp", "-p", "my_exp.f=low", cwd=ada.folder)
    key = next(iter(ada.journal.iter_trials())).key
    ada.use("slow", 1)
    ada.mitosis("push", key)
    bob = clones("bob")
    bob.mitosis("pull")
    assert {record.key for record in bob.journal.iter_trials()} >= {key}
    name = VariantName("my_exp", "f", "low")
    assert bob.journal.remarks()[name].sources == ada.journal.remarks()[name].sources != []
    bob.git("pull", "--quiet", "origin", "HEAD")
    bob.edit(("return 1\n", "return 2\n"))
    assert bob.mitosis("variants").rows["my_exp.f=low"].startswith("function changed ")


# --- help -----------------------------------------------------------------------------------------


def test_help_fits_a_terminal(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    below = ("", " show", " diff", " rename", " retire", " resolve")
    for words in (*(f"variants{word}" for word in below), "lock", "check"):
        said = lab.mitosis(*words.split(), "--help")
        assert said.lines[0].startswith(f"Usage: mitosis {words}")
        assert max(map(len, said.lines)) <= 80
        assert not re.search(r"^ *-{2,}$", said.out, re.MULTILINE)
        assert sys.executable not in said.out
