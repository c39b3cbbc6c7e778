"""What was drawn on a terminal, as lines."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mitosis.screen import LINE_LIMIT, Screen, colours_at_end, last_state, without_colour


def lines_of(*chunks: str) -> list[str]:
    screen = Screen()
    return [line for chunk in chunks for line in screen.feed(chunk)] + screen.drain()


@pytest.mark.parametrize(
    ("text", "lines"),
    [
        ("one\ntwo\n", ["one", "two"]),
        ("one\r\ntwo", ["one", "two"]),
        ("a\n\nb\n", ["a", "", "b"]),
        (" 10%\r 50%\r100%\ndone\n", ["100%", "done"]),
        ("\r 10%\r 50%", [" 50%"]),
        ("abc\x08\x08d\n", ["ad"]),
        ("\x1b]0;title\x07one\x1b[?25l\x1b(B\a\n", ["one"]),
        ("\x1b[31mred\x1b[0m\n", ["\x1b[31mred\x1b[0m"]),
        ("old text\r\x1b[Knew\n", ["new"]),
        ("one\r\x1b[2K\n", []),
        ("\router 0\n\rinner 0\x1b[A\router 1\n\rinner 1\x1b[A", ["outer 1", "inner 1"]),
        ("x\ty\x9b\n", ["x\ty"]),
    ],
)
def test_lines_are_what_a_terminal_shows_in_the_end(text: str, lines: list[str]) -> None:
    assert lines_of(text) == lines


def test_nested_bars_that_come_piece_by_piece_are_drawn_once() -> None:
    chunks = ["\router 0"]
    for outer in range(3):
        for inner in range(3):
            chunks += ["\n", f"\rinner {inner}", "\x1b[A"]
        chunks.append(f"\router {outer + 1}")
    assert lines_of(*chunks, "\n\n") == ["outer 3", "inner 2"]


def test_bars_at_positions_are_each_drawn_over() -> None:
    """As tqdm does it: down to the position line by line, and up again in single steps."""
    chunks = [
        "\n" * position + f"\rbar {position}: {percent}%" + "\x1b[A" * position
        for percent in (0, 50, 100)
        for position in range(3)
    ]
    assert lines_of(*chunks, "\n\n\n", "after\n") == ["bar 0: 100%", "bar 1: 100%", "bar 2: 100%", "after"]


@given(st.lists(st.text("a \n\té"), min_size=1))
def test_text_in_which_nothing_moves_is_its_lines(parts: list[str]) -> None:
    """However it comes. A control sequence that means nothing keeps the second screen from taking the short way."""
    assert lines_of(*parts) == lines_of(*(f"{part}\x1b[?25l" for part in parts))


@pytest.mark.parametrize(
    ("text", "colours"),
    [
        ("plain", ""),
        ("\x1b[31mred\x1b[0m", ""),
        ("\x1b[31mred\x1b[m \x1b[1m\x1b[32mgreen", "\x1b[1m\x1b[32m"),
    ],
)
def test_colours_go_on_in_the_next_line(text: str, colours: str) -> None:
    assert colours_at_end(text) == colours


@given(st.lists(st.sampled_from(["a", "bc", "\n", "\r", "\x1b[31m", "\x1b[A", "\x1b]0;t\x07", "\x08", "\x1b[K", "é"])))
def test_where_the_text_is_cut_makes_no_difference(parts: list[str]) -> None:
    text = "".join(parts)
    assert lines_of(text) == lines_of(*text)


@given(st.text())
def test_nothing_that_steers_a_terminal_is_left(text: str) -> None:
    for line in lines_of(text):
        assert all(c == "\t" or not (ord(c) < 32 or 127 <= ord(c) < 160) for c in without_colour(line))


def test_line_that_has_begun_is_not_told_twice() -> None:
    screen = Screen()
    assert screen.feed("loading") == []
    assert screen.take_begun() == "loading"
    assert screen.feed("... done\nnext") == ["... done"]
    assert screen.take_begun() == "next"
    assert screen.feed("\rover it") == [""]
    assert screen.take_begun() == ""
    assert screen.drain() == ["over it"]


def test_line_without_an_end_is_ended() -> None:
    screen = Screen()
    ended = [line for _ in range(100) for line in screen.feed("x" * 1000)]
    assert len(ended) >= 10
    assert all(len(line) <= LINE_LIMIT + 1000 for line in ended)
    assert sum(map(len, [*ended, *screen.drain()])) == 100_000


def test_bars_are_settled_when_they_are_through() -> None:
    screen = Screen()
    screen.feed("\router\n\rinner\x1b[A")
    assert screen.settle() == []
    assert screen.feed("\n\n") + screen.settle() == ["outer", "inner"]
    assert screen.drain() == []


def test_what_is_said_among_bars_is_taken_with_all_above_it() -> None:
    screen = Screen()
    screen.feed("\router\n\rinner\x1b[A")
    screen.feed("said\n", is_said=True)
    screen.feed("\router 2\n\rinner 2\x1b[A")
    assert screen.take_said() == ["said"]
    assert screen.take_said() == []
    assert screen.feed("\router 3\n\rinner 3\x1b[A") + screen.drain() == ["outer 3", "inner 3"]


def test_many_carriage_returns_come_to_an_end() -> None:
    assert lines_of("\r" * 100_000 + "x\n") == ["x"]


@pytest.mark.parametrize(
    ("written", "left"),
    [
        ("plain\ntext\n", "plain\ntext\n"),
        ("windows\r\nlines\r\n", "windows\nlines\n"),
        ("\r  0%|   |\r 50%|#  |\r100%|###|\n", "100%|###|\n"),
        ("\r 50%|#  |\r100%|###|", "100%|###|"),
        ("working\rdone\r", "done"),
        ("\r 50%|#  |\r            \rall done\n", "all done\n"),
        ("\r 50%|#  |\r            \r", ""),
        ("a\r\x1b[Kb\n", "b\n"),
        ("50%\x1b[2K\r", ""),
        ("|\b/\b-\b\\", "\\"),
        ("\router 0%\n\rinner 0%\x1b[A\n\rinner 9%\x1b[A\router 1%\n", "outer 1%\ninner 9%"),
        ("one\ntwo\nthree\x1b[1A\x1b[2K\rnew", "one\nnew\nthree"),
        ("one\ntwo\nthree\x1b[2F\x1b[J", "one"),
        ("\router\n\rinner\x1b[A\r     \r\n\r     \r\x1b[A", ""),
    ],
)
def test_last_state_is_shown_of_what_is_redrawn(written: str, left: str) -> None:
    assert last_state(written) == left


@given(st.text(st.characters(exclude_characters="\r\b\x1b")))
def test_last_state_leaves_what_is_not_redrawn_alone(text: str) -> None:
    assert last_state(text) == text


@given(st.text(st.sampled_from(list("ab\n\r\b \x1b[1AK"))))
def test_last_state_takes_any_movements(text: str) -> None:
    assert "\r" not in last_state(text)


def test_last_state_keeps_up_with_a_bar_of_many_updates() -> None:
    assert last_state("\r 50%|" * 100_000 + "\r100%|\n") == "100%|\n"
    assert last_state("\n\r 50%|\x1b[A" * 20_000) == "\n 50%|"
