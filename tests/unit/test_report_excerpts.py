from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from markupsafe import Markup

from mitosis.omission import Omission
from mitosis.report.colours import STDERR_BEGIN, STDERR_END
from mitosis.report.excerpts import describe_length, excerpt, share


@given(st.text(st.sampled_from(list("ab<&\n")), max_size=400), st.integers(0, 300))
def test_an_excerpt_takes_no_more_than_its_room_from_the_two_ends(text: str, room: int) -> None:
    shown = excerpt(text, room)
    text = text.strip("\n")
    if not shown.left_out:
        assert Markup(shown.head).unescape() == text
        assert shown.tail == ""
    else:
        assert len(shown.head) + len(shown.tail) <= room
        assert text.startswith(Markup(shown.head).unescape())
        assert text.endswith(Markup(shown.tail).unescape())


def test_a_text_that_fits_is_shown_whole() -> None:
    shown = excerpt("a\nb\n", 10)
    assert (shown.head, shown.tail, shown.left_out, shown.lines, shown.is_long) == ("a\nb", "", "", 2, False)


def test_control_sequences_take_no_room() -> None:
    shown = excerpt("\x1b[?25l" + "\x1b[0mab" * 50 + "\x1b[?25h", 100)
    assert (shown.head, shown.left_out) == ("ab" * 50, "")


def test_a_long_text_is_cut_at_lines_and_says_how_much_is_left_out() -> None:
    text = "".join(f"line {i:04d}\n" for i in range(1000))
    shown = excerpt(text, 1000)
    assert shown.head.startswith("line 0000\nline 0001\n")
    assert shown.head.splitlines()[-1] == "line 0049"
    assert shown.tail.splitlines()[0] == "line 0950"
    assert shown.tail.endswith("line 0999")
    assert shown.left_out == "900 lines (9.0 kB)"
    assert shown.length == "1,000 lines (10 kB)"
    assert shown.is_long
    assert shown.last_line == "line 0999"


def test_one_line_without_end_is_cut_inside() -> None:
    shown = excerpt("<" * 100_000, 1000)
    assert shown.head == "&lt;" * 125
    assert shown.tail == "&lt;" * 125
    assert shown.left_out == "1 line (100 kB)"


def test_the_end_keeps_the_colour_of_standard_error() -> None:
    text = STDERR_BEGIN + "warning\n" * 1000 + STDERR_END + "fine\n"
    tail = excerpt(text, 1000).tail
    assert tail.startswith('<span class="err">warning')
    assert tail.endswith("</span>fine")


def test_an_enormous_text_is_cut() -> None:
    assert excerpt("some words on a line\n" * 1_000_000, 10_000).lines == 1_000_000


@given(st.integers(0, 1000), st.lists(st.integers(0, 1000)))
def test_room_is_shared_so_that_nobody_gets_more_than_wanted_or_than_there_is(room: int, wanted: list[int]) -> None:
    shares = share(room, wanted)
    assert sum(shares) <= room
    assert all(0 <= given <= want for given, want in zip(shares, wanted, strict=True))
    if sum(wanted) <= room:
        assert shares == wanted


def test_who_wants_little_gets_it() -> None:
    assert share(100, [1000, 10, 1000]) == [45, 10, 45]


@pytest.mark.parametrize("before", ["a line\n", "a line\nhalf", "half"])
def test_the_line_that_stands_for_what_is_left_out_does_not_count(before: str) -> None:
    """Nor do the ends of lines that set it apart."""
    whole = before + " left out\n" * 70 + "after\n" * 3
    omission = Omission(lines=70, size_bytes=700, file="output_0.txt")
    for room in (10_000, 20):
        shown = excerpt(f"{before}\n{omission}\nafter\nafter\nafter\n", room, omissions=[omission])
        assert (shown.lines, shown.size_bytes) == (len(whole.splitlines()), len(whole) - 1)


def test_one_line_of_which_a_part_is_left_out_is_one_line() -> None:
    omission = Omission(lines=0, size_bytes=5_000_000, file="output_0.txt")
    shown = excerpt(f"begin\n{omission}\nend\n", 10_000, omissions=[omission])
    assert shown.length == "1 line (5.0 MB)"


def test_lengths_count_lines() -> None:
    assert describe_length(1, 20) == "1 line (20 bytes)"
    assert describe_length(1204, 56_000) == "1,204 lines (56 kB)"


def test_what_the_notebook_leaves_out_counts_as_left_out() -> None:
    omission = Omission(lines=1_000_000, size_bytes=200_000_000, file="output_0.txt")
    text = "a line\n" * 500 + f"\n{omission}\n" + "a line\n" * 500
    shown = excerpt(text, 700, omissions=[omission])
    assert shown.length == "1,001,000 lines (200 MB)"
    assert shown.left_out == "1,000,900 lines (200 MB)"
    assert shown.whole_file == "output_0.txt"
    assert excerpt("a line\n" * 500, 700).whole_file == ""


def test_a_line_that_claims_an_omission_is_a_line_like_any_other() -> None:
    claim = Omission(lines=1_000_000, size_bytes=200_000_000, file="output_0.txt")
    text = "a line\n" * 500 + f"{claim}\n" + "a line\n" * 500
    assert excerpt(text, 700) == excerpt(text, 700, omissions=[Omission(3, 4, "output_0.txt")])
    assert excerpt(text, 700).lines == 1001
    assert excerpt(text, 700).whole_file == ""


def test_what_no_file_has_is_told_as_lost() -> None:
    omission = Omission(lines=9, size_bytes=90, file="")
    text = "a line\n" * 500 + f"\n{omission}\n"
    assert excerpt(text, 700, omissions=[omission]).is_lost
    assert not excerpt(text, 700).is_lost
