"""Long texts made to fit: how much of each a page shows, and which part."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from markupsafe import Markup

from mitosis.omission import Omission, take_omissions
from mitosis.report.colours import STDERR_BEGIN, STDERR_END, terminal_html
from mitosis.screen import without_escapes
from mitosis.text import cut, for_page, format_size

NARROW_CHARACTERS = 36
"""A line of more does not fit into the window of a phone."""

FOLD_LINES = 25
FOLD_CHARACTERS = 3000
"""A text with more lines or characters than these is folded."""

_LAST_LINE_CHARACTERS = 100


@dataclass(frozen=True, slots=True)
class Excerpt:
    """A text as the page shows it."""

    head: Markup
    """All of the text, or its beginning."""
    tail: Markup
    """Its end; empty where all of it is shown."""
    lines: int
    """Of the whole text, with what the notebook leaves out of it."""
    size_bytes: int
    """Of the same, in UTF-8."""
    left_out: str
    """How much is not shown, such as `1,204 lines (56 kB)`; empty where all is."""
    last_line: str
    """The last line with anything on it, cut to a bearable length, without colours."""
    whole_file: str = ""
    """Name of the file of the trial's folder that has all of it, where the notebook has not."""
    is_lost: bool = False
    """Whether nothing has all of it."""
    is_narrow: bool = False
    """Whether each line fits into the window of a phone, so that nobody has to move it sideways."""

    @property
    def length(self) -> str:
        return describe_length(self.lines, self.size_bytes)

    @property
    def is_long(self) -> bool:
        return self.lines > FOLD_LINES or self.size_bytes > FOLD_CHARACTERS


def describe_length(lines: int, size_bytes: int) -> str:
    """Such as `1,204 lines (56 kB)`."""
    return f"{lines:,} line{'' if lines == 1 else 's'} ({format_size(size_bytes)})"


def share(room: int, wanted: Sequence[int]) -> list[int]:
    """Divide `room` so that who wants little gets it, and the others get equally much."""
    shares = [0] * len(wanted)
    left = room
    order = sorted(range(len(wanted)), key=lambda index: wanted[index])
    for rank, index in enumerate(order):
        shares[index] = min(wanted[index], left // (len(order) - rank))
        left -= shares[index]
    return shares


def excerpt(
    text: str,
    room: int,
    *,
    from_head: float = 0.5,
    markup: Callable[[str], Markup] = terminal_html,
    omissions: Sequence[Omission] = (),
) -> Excerpt:
    """`text`, or as much of its two ends as takes about `room` characters of HTML.

    Args:
        text: as it came, with colours.
        room: characters of HTML to take at most. What `markup` returns may be longer than the text by far.
        from_head: the part of `room` that is for the beginning, from 0 to 1.
        markup: turns text into HTML.
        omissions: what is known to be left out of the cell that the text is of. A line in the text that says so is
            believed only where it tells of one of these.
    """
    text = text.strip("\n")
    lines, size_bytes, omissions = _measure(text, omissions)
    whole_file = omissions[-1].file if omissions else ""
    is_lost = bool(omissions) and not whole_file
    last_line = without_escapes(text[-4000:]).rstrip().rpartition("\n")[2].strip()
    last_line = cut(for_page(last_line), _LAST_LINE_CHARACTERS)
    if len(without_escapes(text)) <= room:
        whole = markup(text)
        if len(whole) <= room:
            is_narrow = all(len(line) <= NARROW_CHARACTERS for line in without_escapes(text).split("\n"))
            return Excerpt(whole, Markup(""), lines, size_bytes, "", last_line, whole_file, is_lost, is_narrow)
    head_room = round(room * from_head)
    head = _fitting(text, head_room, markup, from_end=False)
    tail = _fitting(text[len(head) :], room - head_room, markup, from_end=True)
    between = text[len(head) : len(text) - len(tail)]
    if not between:
        return Excerpt(markup(text), Markup(""), lines, size_bytes, "", last_line, whole_file, is_lost)
    left_out_lines, left_out_bytes, _ = _measure(between, omissions)
    left_out = describe_length(max(left_out_lines, 1), left_out_bytes)
    cut_at = len(text) - len(tail)
    tail = tail.lstrip("\n")
    if text.rfind(STDERR_BEGIN, 0, cut_at) > text.rfind(STDERR_END, 0, cut_at):
        tail = STDERR_BEGIN + tail
    return Excerpt(markup(head.rstrip("\n")), markup(tail), lines, size_bytes, left_out, last_line, whole_file, is_lost)


def _fitting(text: str, room: int, markup: Callable[[str], Markup], *, from_end: bool) -> str:
    """The longest run of whole lines at one end of `text` that takes at most `room` characters of HTML.

    Of a first line that is too long by itself, a part is taken.
    """
    size = room
    while size > 0:
        part = text[-size:] if from_end else text[:size]
        if len(part) < len(text):
            border = part.find("\n") if from_end else part.rfind("\n")
            if border >= 0:
                part = part[border:] if from_end else part[: border + 1]
        taken = len(markup(part))
        if taken <= room:
            return part
        size = min(len(part) * room // taken, len(part) - 1)
    return ""


def _measure(text: str, omissions: Sequence[Omission]) -> tuple[int, int, list[Omission]]:
    """Lines and bytes of `text` with what is left out of it, and which of the omissions are in it."""
    kept, found = take_omissions(text, omissions)
    shown = kept.strip("\n")
    lines = shown.count("\n") + 1 if shown else 0
    return (
        lines + sum(omission.lines for omission in found),
        _size_bytes(kept) + sum(omission.size_bytes for omission in found),
        found,
    )


def _size_bytes(text: str) -> int:
    return len(text) if text.isascii() else len(text.encode("utf-8", "replace"))
