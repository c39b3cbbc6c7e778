"""HTML that an experiment displays, as a piece of a page: it ends where it should, and has with it what it shows."""

from __future__ import annotations

import html
import mimetypes
import os
import re
from base64 import b64encode
from collections.abc import Callable
from pathlib import Path
from urllib.parse import quote, unquote

from bs4 import BeautifulSoup, Tag

_SHOWN = {
    "audio": ("src",),
    "embed": ("src",),
    "iframe": ("src",),
    "img": ("src",),
    "input": ("src",),
    "link": ("href",),
    "object": ("data",),
    "script": ("src",),
    "source": ("src",),
    "track": ("src",),
    "video": ("src", "poster"),
}
"""The attributes by which elements refer to files that they show or use."""
_EMPTY_IF_AWAY = ("audio", "embed", "iframe", "object", "video")
"""Those that are an empty area, or a spinner, if what they show is not loaded."""
_OF_DOCUMENTS = ("base", "meta", "title")
"""Elements that would be about the whole page; by one of them it might even leave for another."""
_PLAIN = frozenset(
    (
        *("b", "br", "caption", "code", "col", "colgroup", "dd", "div", "dl", "dt", "em", "h1", "h2", "h3", "h4", "h5"),
        *("h6", "hr", "i", "li", "ol", "p", "pre", "small", "span", "strong", "sub", "sup", "table", "tbody", "td"),
        *("tfoot", "th", "thead", "tr", "ul"),
    )
)
_VOID = frozenset(("br", "col", "hr"))
_TAG = re.compile(r"<(/?)([a-zA-Z][a-zA-Z0-9]*)((?:\s[^<>]*)?)>")
_STYLE = re.compile(r"<style\b[^<>]*>[^<]*</style>")
_TOGETHER_BYTES = 30_000_000
"""So much of all files together is put into a page."""

_NO_FILE = re.compile(r"(?!file:///)[a-z][a-z0-9+.-]*:|//|#|$", re.IGNORECASE)
"""How an address begins that does not lead to a file."""
_NO_LINK = re.compile(rf"{_NO_FILE.pattern}|/|file:", re.IGNORECASE)
_AWAY = re.compile(r"(?:https?:)?//", re.IGNORECASE)
_ALTAIR_LOADS = re.compile(r'maybeLoadScript\("([a-z-]+)", "([\d.]+)"\)')
_ALTAIR_SCRIPT = re.compile(r"(?<=<script type=\"text/javascript\">).*(?=</script>)", re.DOTALL)
_TAG_OF_SCRIPT = re.compile(r"<(?=/?script)", re.IGNORECASE)
_LOADS = re.compile(
    r"<(?:script|link|img|iframe|audio|video|source|embed|object|track)\b[^>]*?\s(?:src|href|data|srcset)\s*=\s*"
    r"[\"']?\s*(?:https?:)?//(?!cdnjs\.cloudflare\.com/ajax/libs/mathjax)([^/\"'\s>?#]+)"
    r"|(?:url\(|@import)\s*[\"']?(?:https?:)?//([^/\"'\s)?#]+)",
    re.IGNORECASE,
)
"""Charts of plotly load MathJax, too, which only formulas in them need."""
_SCRIPT_LOADS = re.compile(
    r"[\"']https?://(?!cdnjs\.cloudflare\.com/ajax/libs/mathjax)([^/\"'\s>?#\\]+)/[^\"'\s\\]*\.m?js[\"']", re.IGNORECASE
)
_LIBRARY_CHARACTERS = 300_000
"""What is longer has its libraries with it, and they name many addresses."""


def hosts_in(source: str) -> list[str]:
    """The hosts from which HTML or a script would load something, in the order of their first mention."""
    if "srcdoc" in source:
        source = html.unescape(source)
    hosts = [one or other for one, other in _LOADS.findall(source)]
    if len(source) < _LIBRARY_CHARACTERS:
        hosts += _SCRIPT_LOADS.findall(source)
    return list(dict.fromkeys(hosts))


def altair_loads(source: str) -> dict[str, str]:
    """The versions, by name, of the libraries that a chart of Altair would load; empty if it is none."""
    return dict(_ALTAIR_LOADS.findall(source))


class Fragments:
    """The HTML of one page's displays.

    Args:
        folder: that the experiment ran in, beside the page. Relative addresses lead from it.
        root: of the repository's working tree. Only what is in one of the two is put into a page.
        complete: gives the HTML of a file in a frame what it would load.
    """

    def __init__(self, folder: Path | None, root: Path | None, complete: Callable[[str], str]) -> None:
        self._folder = folder
        self._places = [place.resolve() for place in (folder, root) if place is not None]
        self._complete = complete
        self._room_bytes = _TOGETHER_BYTES

    def make_self_contained(self, source: str) -> str:
        """The HTML with all its elements ended, and the files in it that it shows, or remarks in their place.

        What is left open, a comment as well, would take in the rest of the page.
        """
        if altair_loads(source):
            source = _ALTAIR_SCRIPT.sub(lambda script: _TAG_OF_SCRIPT.sub(r"\\u003c", script[0]), source)
        if _is_sound(source):
            return source
        soup = BeautifulSoup(source, "html.parser", multi_valued_attributes=None)
        for tag in soup.find_all(_OF_DOCUMENTS):
            if tag.find_parent("svg") is None:
                tag.decompose()
        for tag in soup.find_all("plaintext"):  # nothing can end it
            tag.name = "pre"
        for tag in soup.find_all("script"):
            if tag.string and "<!--" in tag.string:  # by these two together, the end of a script is not its end
                tag.string = _TAG_OF_SCRIPT.sub(r"\\u003c", tag.string)
        self._bring_files(soup, self._folder)
        return soup.decode(formatter="minimal")

    def _bring_files(self, soup: BeautifulSoup, folder: Path | None, *, in_frame: bool = False) -> None:
        """Have relative addresses lead to where they should.

        Args:
            soup: of the display, or of a file in a frame.
            folder: that relative addresses lead from.
            in_frame: whether it is such a file, which cannot hold others, and whose links have to leave the frame.
        """
        for tag in soup.find_all(["a", "area", *_SHOWN]):
            for name in _SHOWN.get(tag.name, ("href",)):
                address = "" if tag.decomposed else str(tag.get(name) or "").strip()
                if tag.name not in _SHOWN:
                    if in_frame and not address.startswith("#"):
                        tag["target"] = "_blank"
                    if folder is not None and self._folder is not None and not _NO_LINK.match(address):
                        tag[name] = f"{quote(os.path.relpath(folder, self._folder.parent))}/{address}"
                elif _AWAY.match(address) and tag.name in _EMPTY_IF_AWAY:
                    link = soup.new_tag("a", href=address, target="_blank", string=address)
                    _remark(soup, tag, name, link, " is not loaded: the page uses no network.")
                elif folder is not None and not _NO_FILE.match(address):
                    path = folder / unquote(re.split("[?#]", address.removeprefix("file://"))[0])
                    if (in_frame and tag.name == "iframe") or not self._bring(tag, name, path):
                        where = "no such file is in the trial's folder or the working tree"
                        why = f" cannot be shown: {where}, or it is too large."
                        _remark(soup, tag, name, soup.new_tag("code", string=address), why)

    def _bring(self, tag: Tag, name: str, path: Path) -> bool:
        """Put a file into the page; returns whether there is such a file, and room for it."""
        try:
            path = path.resolve()
            # Others, such as pipes and devices, may never end.
            if not path.is_file() or path.stat().st_size > self._room_bytes:
                return False
            inside = (path.relative_to(place).parts for place in self._places if path.is_relative_to(place))
            if all(".git" in parts for parts in inside):
                return False
            data = path.read_bytes()
        except (OSError, ValueError):  # an address can be anything
            return False
        self._room_bytes -= len(data)
        kind = mimetypes.guess_type(path.name)[0] or "application/octet-stream"
        if tag.name == "iframe" and kind == "text/html":
            framed = BeautifulSoup(data.decode("utf-8", "replace"), "html.parser", multi_valued_attributes=None)
            self._bring_files(framed, path.parent, in_frame=True)
            tag["srcdoc"] = self._complete(framed.decode(formatter="minimal"))
            del tag[name]
        else:
            tag[name] = f"data:{kind};base64,{b64encode(data).decode('ascii')}"
        return True


def _is_sound(source: str) -> bool:
    """Whether HTML is made of plain elements that are all ended, as tables of data frames are: they can be long."""
    rest = _STYLE.sub("", source)
    waiting: list[str] = []
    count = 0
    for tag in _TAG.finditer(rest):
        end, name, attributes = tag[1], tag[2].lower(), tag[3]
        count += 1
        if name not in _PLAIN or attributes.count('"') % 2 or attributes.count("'") % 2:
            return False
        if end and (not waiting or waiting.pop() != name):
            return False
        if not end and name not in _VOID:
            waiting.append(name)
    return not waiting and rest.count("<") == count


def _remark(soup: BeautifulSoup, tag: Tag, name: str, what: Tag, why: str) -> None:
    """Put a remark in the place of an element that would show nothing, or after one that can do without."""
    remark = soup.new_tag("span", attrs={"class": "remark"})
    remark.extend([what, why])
    media = tag.find_parent(["audio", "video", "picture"])
    if name == "poster":
        del tag[name]
        tag.insert_after(remark)
    elif media is None:
        tag.replace_with(remark)
    else:
        tag.decompose()
        media.insert_after(remark)
        if not media.get("src") and media.find(["source", "img"]) is None:
            media.decompose()
