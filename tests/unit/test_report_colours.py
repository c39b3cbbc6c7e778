from __future__ import annotations

import html
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mitosis.report import colours
from mitosis.report.colours import terminal_html
from mitosis.report.templates import OWN_FOLDER
from mitosis.screen import without_escapes
from mitosis.text import for_page

_pieces = st.lists(
    st.one_of(
        st.text(max_size=8),
        st.sampled_from(
            ["\x1b[31m", "\x1b[0m", "\x1b[1;38;5;28m", "\x1b[48;2;1;2;3m", "\x1b[", "\x1b]8;;http://x\x07"]
        ),
    ),
    max_size=12,
).map("".join)


def _text(markup: str) -> str:
    return html.unescape(re.sub(r"<[^>]*>", "", markup))


@given(_pieces)
def test_all_of_a_text_is_shown_and_nothing_of_it_is_markup(text: str) -> None:
    markup = terminal_html(text)
    assert _text(markup) == for_page(without_escapes(text))
    assert re.sub(r'<span( class="[a-z0-9 ]+")?( style="[-a-z0-9:;#]+")?>|</span>', "", markup).count("<") == 0


@pytest.mark.parametrize(
    ("written", "markup"),
    [
        ("\x1b[32mgreen\x1b[0m", '<span class="c2">green</span>'),
        ("\x1b[1;31mbold red\x1b[m", '<span class="b c1">bold red</span>'),
        ("\x1b[31ma\x1b[39m\x1b[31mb\x1b[39m", '<span class="c1">ab</span>'),
        ("\x1b[95mbright\x1b[0m", '<span class="c13">bright</span>'),
        ("\x1b[4;9;3mx\x1b[24;29;23my", '<span class="i u s">x</span>y'),
        ("\x1b[30;43mx\x1b[0m", '<span class="mark">x</span>'),
        ("\x1b[30;42mx\x1b[0m", '<span style="color:#000000;background:#258c24">x</span>'),
        ("\x1b[38;5;9mx", '<span class="c9">x</span>'),
        ("\x1b[38;5;300mx", "x"),
        ("\x1b[38mx", "x"),
        ("\x1b[2Kx\x1b[3;4Hy\x1b]0;title\x07z\x1b(Bend", "xyzend"),
    ],
)
def test_colours_become_markup(written: str, markup: str) -> None:
    assert terminal_html(written) == markup


@pytest.mark.parametrize("code", [*range(16, 256, 7)])
def test_any_colour_can_be_read_on_both_pages_and_on_any_background(code: int) -> None:
    on_page = str(terminal_html(f"\x1b[38;5;{code}mx"))
    for variable, page in (("l", colours._LIGHT_PAGE), ("d", colours._DARK_PAGE)):
        match = re.search(rf"--{variable}:#([0-9a-f]{{6}})", on_page)
        assert match
        assert colours._contrast(_rgb(match[1]), page) >= 4.5
    match = re.search(r"color:#([0-9a-f]{6});background:#([0-9a-f]{6})", terminal_html(f"\x1b[31;48;5;{code}mx"))
    assert match
    assert colours._contrast(_rgb(match[1]), _rgb(match[2])) >= 4.5


def test_the_style_sheets_colours_can_be_read_in_both_themes() -> None:
    sheet = (OWN_FOLDER / "mitosis" / "page.css").read_text(encoding="utf-8")
    themes = re.findall(r"--page: .*?}", sheet, flags=re.DOTALL)
    basics = [dict(enumerate(re.findall(r"\.c\d+ { color: #([0-9a-f]{6})", part))) for part in _basic_rules(sheet)]
    assert len(themes) == len(basics) == 2
    for theme, basic in zip(themes, basics, strict=True):
        colour = {name: _rgb(value) for name, value in re.findall(r"--([a-z-]+): #([0-9a-f]+)", theme)}
        assert len(basic) == 16
        for value in basic.values():
            assert colours._contrast(_rgb(value), colour["panel"]) >= 4.5
        for name in ("ink", "quiet", "link", "care", *"kqmnf"):
            assert colours._contrast(colour[name], colour["page"]) >= 4.5
            assert colours._contrast(colour[name], colour["panel"]) >= 4.5
        assert colours._contrast(colour["ink"], colour["mark-panel"]) >= 4.5
        for name in ("good", "bad", "care"):
            assert colours._contrast(colour[name], colour[f"{name}-panel"]) >= 4.5


def _basic_rules(sheet: str) -> list[str]:
    start = sheet.index("pre .c0")
    dark = sheet.index("@media", start)
    return [sheet[start:dark], sheet[dark : sheet.index("\n}", dark)]]


def _rgb(digits: str) -> tuple[int, int, int]:
    digits = digits if len(digits) == 6 else "".join(2 * digit for digit in digits)
    red, green, blue = (int(digits[i : i + 2], 16) for i in (0, 2, 4))
    return red, green, blue
