"""How help looks: a box for each group of commands or parameters.

cyclopts would have rich draw them as tables inside of panels, which takes as long as all that comes before.
"""

from __future__ import annotations

import math
import textwrap
from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from cyclopts.help import HelpEntry, HelpPanel
    from rich.console import Console, ConsoleOptions

_NAMES_SHARE = 0.35
"""Of the width, which names may take before they are wrapped."""
_LEAST_TEXT_WIDTH = 10
_FRAME_WIDTH = 4
"""Of the lines to the left and right, each with a space."""
_GAP = "  "
_LINES = ("╭─╮", "│ │", "╰─╯")
_ASCII_LINES = ("+-+", "| |", "+-+")


class _Span(NamedTuple):
    """A text in one style, as rich names it."""

    text: str
    style: str = ""


class Boxes:
    """Draws help; cyclopts calls it a formatter."""

    def __call__(self, console: Console, options: ConsoleOptions, panel: HelpPanel) -> None:
        """Draw the entries of one group."""
        if not panel.entries:
            return
        top, side, bottom = _ASCII_LINES if options.ascii_only else _LINES
        inner = max(console.width - _FRAME_WIDTH, _LEAST_TEXT_WIDTH)
        title = f" {_plain(panel.title)} "
        lines = [[_Span(f"{top[0]}{top[1]}{title}{top[1] * (inner + 1 - len(title))}{top[2]}")]]
        for line in _entry_lines(panel.entries, inner, math.ceil(console.width * _NAMES_SHARE)):
            missing = inner - sum(len(span.text) for span in line)
            lines.append([_Span(f"{side[0]} "), *line, _Span(f"{' ' * missing} {side[2]}")])
        lines.append([_Span(f"{bottom[0]}{bottom[1] * (inner + 2)}{bottom[2]}")])
        _print(console, lines)

    def render_usage(self, console: Console, options: ConsoleOptions, usage: Any) -> None:
        """Print how the command is called."""
        text = _plain(usage)
        if text:
            text = text if text.startswith("Usage:") else f"Usage: {text}"
            _print(console, [*([_Span(line, "bold")] for line in _wrapped(text, console.width)), []])

    def render_description(self, console: Console, options: ConsoleOptions, description: Any) -> None:
        """Print what the command does."""
        text = _plain(description)
        if text:
            _print(console, [*([_Span(line)] for line in _wrapped(text, console.width)), []])


def _entry_lines(entries: Sequence[HelpEntry], width: int, names_limit: int) -> Iterator[list[_Span]]:
    """The lines of a table of names and what they are for, no longer than `width`."""
    texts = [" ".join(entry.display_labels_with_metavar) for entry in entries]
    longest = max((len(word) for text in texts for word in text.split()), default=0)
    limit = max(names_limit, min(longest, width // 2))
    names = [textwrap.wrap(text, limit, subsequent_indent=_GAP, break_on_hyphens=False) for text in texts]
    names_width = max((len(line) for lines in names for line in lines), default=0)
    has_marks = any(entry.required for entry in entries)
    marks_width = len("*" + _GAP) if has_marks else 0
    text_width = max(width - marks_width - names_width - len(_GAP), _LEAST_TEXT_WIDTH)
    for entry, name_lines in zip(entries, names, strict=True):
        text_lines = _styled_lines(entry, text_width)
        for number in range(max(len(name_lines), len(text_lines), 1)):
            name = name_lines[number] if number < len(name_lines) else ""
            mark = "*" if entry.required and number == 0 else ""
            line = [_Span(f"{name:{names_width}}{_GAP}", "cyan")]
            if has_marks:
                line.insert(0, _Span(f"{mark:{marks_width}}", "bold red"))
            yield [*line, *(text_lines[number] if number < len(text_lines) else [])]


def _styled_lines(entry: HelpEntry, width: int) -> list[list[_Span]]:
    """What an entry is for, with what it may be and is by default."""
    remarks = [
        _Span(f"[choices: {', '.join(entry.choices)}]", "grey58") if entry.choices else None,
        _Span(f"[env var: {', '.join(entry.env_var)}]", "grey58") if entry.env_var else None,
        _Span(f"[default: {entry.default}]", "grey58") if entry.default is not None else None,
        _Span("[required]", "red") if entry.required else None,
    ]
    spans = [_Span(_plain(entry.description)), *filter(None, remarks)]
    text = " ".join(span.text for span in spans if span.text)
    return _with_styles(_wrapped(text, width), spans)


def _with_styles(lines: Sequence[str], spans: Sequence[_Span]) -> list[list[_Span]]:
    """Wrapped lines, in which the texts of `spans` follow each other, in the styles of these."""
    styles = "".join(chr(number) * len("".join(span.text.split())) for number, span in enumerate(spans))
    at = 0
    styled = []
    for line in lines:
        parts: list[_Span] = []
        for word in line.split():
            style = spans[ord(styles[at])].style
            at += len(word)
            if parts and parts[-1].style == style:
                parts[-1] = _Span(f"{parts[-1].text} {word}", style)
            else:
                parts += [_Span(" ")] if parts else []
                parts.append(_Span(word, style))
        styled.append(parts)
    return styled


def _wrapped(text: str, width: int) -> list[str]:
    lines: list[str] = []
    for line in text.split("\n"):
        lines += textwrap.wrap(line, width, break_on_hyphens=False) or [""]
    return lines


def _plain(text: Any) -> str:
    """The text of what cyclopts hands over: a string, a text of rich, or its own with such a text inside."""
    found = getattr(text, "primary_renderable", text)
    return str(getattr(found, "plain", found) or "").rstrip()


def _print(console: Console, lines: Iterable[Sequence[_Span]]) -> None:
    from rich.segment import Segment, Segments

    segments = []
    for line in lines:
        segments += [Segment(span.text, console.get_style(span.style) if span.style else None) for span in line]
        segments.append(Segment.line())
    console.print(Segments(segments), end="", crop=False, soft_wrap=True)
