"""HTML that an experiment displays, as a piece of a page: it ends where it should, and has with it what it shows."""

from __future__ import annotations

import html
import mimetypes
import re
from base64 import b64encode
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path
from urllib.parse import quote, unquote

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
_OF_DOCUMENTS = frozenset(("base", "body", "head", "html", "meta"))
"""Elements that would be about the whole page; by one of them it might even leave for another."""
_TOGETHER_BYTES = 30_000_000
"""So much of all files together is put into a page."""

_NO_FILE = re.compile(r"(?!file:///)[a-z][a-z0-9+.-]*:|//|#|$", re.IGNORECASE)
"""How an address begins that does not lead to a file."""
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

# How browsers read tags: "Tokenization" and "Tree construction" in the HTML standard (html.spec.whatwg.org).
_BLANK = " "
_S = r"[ \t\n\f\r]"
_ATTRIBUTE = (
    r"(?:[ \t\n\f\r/]*+([^ \t\n\f\r/>][^ \t\n\f\r/>=]*+)"
    rf"(?:{_S}*+={_S}*+(\"[^\"]*+\"|'[^']*+'|(?![\"'])[^ \t\n\f\r>]*+)|(?!{_S}*+=)))"
)
_EACH_ATTRIBUTE = re.compile(_ATTRIBUTE)
_MARKUP = re.compile(
    rf"<(?:(?P<end>/?)(?P<name>[a-zA-Z][^ \t\n\f\r/>]*+)(?P<attributes>{_ATTRIBUTE}*+)[ \t\n\f\r/]*+(?P<whole>>)?"
    r"|!--(?:-?>|(?s:.*?)--!?>)|(?P<cdata>!\[CDATA\[)|(?!!--)(?:[!?]|/(?!>))[^>]*>|/>|(?P<open>[!?/]))"
)
"""A tag, a comment, or what browsers take for one; `open` where nothing ends it."""
_VOID = frozenset("area base bgsound br col embed frame hr img input link meta param source track wbr".split(_BLANK))
_RAW = frozenset(("iframe", "noembed", "noframes", "script", "style", "textarea", "title", "xmp"))
"""Elements whose content is text up to their end, except within an SVG or a formula."""
_FOREIGN = frozenset(("svg", "math"))
_NEVER_FOREIGN = frozenset(
    "b big blockquote body br center code dd div dl dt em embed h1 h2 h3 h4 h5 h6 head hr i img li listing menu meta"
    " nobr ol p pre ruby s small span strong strike sub sup table tt u ul var".split(_BLANK)
)
"""Elements that end an SVG or a formula that they begin in."""
_HTML_INSIDE = frozenset("annotation-xml desc foreignobject mi mn mo ms mtext title".split(_BLANK))
"""Elements of an SVG or a formula that have HTML in them again."""
_CELLS = ("td", "th", "caption", "colgroup")
_ROWS = ("tr", *_CELLS)
_PARTS = ("tbody", "tfoot", "thead", *_ROWS)
_ENDS: dict[str, tuple[str, ...]] = {
    **dict.fromkeys(("tbody", "tfoot", "thead", "caption", "colgroup"), _PARTS),
    **dict.fromkeys(("td", "th"), _CELLS),
    **dict.fromkeys(("dt", "dd"), ("dt", "dd")),
    "tr": _ROWS,
    "li": ("li",),
    "option": ("option",),
    "optgroup": ("option", "optgroup"),
    **dict.fromkeys(
        "address article aside blockquote center details div dl fieldset figcaption figure footer form h1 h2 h3 h4 h5"
        " h6 header hr main menu nav ol p pre search section summary table ul xmp".split(_BLANK),
        ("p",),
    ),
}
"""The elements that end, where their own ends are left out, as one begins."""
_TABLE_BOUNDS = frozenset(("table", "template"))
_BOUNDS = _TABLE_BOUNDS | {"td", "th", "caption", "marquee", "object", "applet", *_FOREIGN, "foreignobject"}
"""Elements that no end tag from within reaches beyond, other than those of a table's parts."""
_LIST_BOUNDS = _BOUNDS | {"ul", "ol", "dl", "menu", "button", "select"}


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

    def make_self_contained(self, source: str) -> tuple[str, list[str]]:
        """The HTML with all its elements ended, and the files in it that it shows.

        What is left open, a comment as well, would take in the rest of the page.

        Returns:
            It, and the addresses of the files that could not be put in.
        """
        if altair_loads(source):
            source = _ALTAIR_SCRIPT.sub(_without_script_tags, source)
        absent: list[str] = []
        return _Reading(source, lambda *tag: self._bring_files(absent, *tag)).ended(), absent

    def _bring_files(self, absent: list[str], name: str, attributes: str) -> str:
        """The attributes of a tag with relative addresses that lead to where they should, and files in their place."""
        folder = self._folder
        if folder is None:
            return attributes

        def changed(attribute: re.Match[str]) -> str:
            if attribute[1].lower() not in _SHOWN.get(name, ("href",)):
                return attribute[0]
            address = html.unescape((attribute[2] or "").strip("\"'")).strip()
            new = None
            if _NO_FILE.match(address):
                return attribute[0]
            if name in _SHOWN:
                path = unquote(re.split("[?#]", address.removeprefix("file://"))[0])
                new = self._read(name, attribute[1], folder / path)
                if new is None:
                    absent.append(address)
            elif not address.startswith(("/", "file:")):
                new = f'{attribute[1]}="{html.escape(f"{quote(folder.name)}/{address}")}"'
            return attribute[0] if new is None else f" {new}"

        return _EACH_ATTRIBUTE.sub(changed, attributes)

    def _read(self, tag: str, attribute: str, path: Path) -> str | None:
        """The attribute with what is in a file; None where there is none that a page may have, or no room for it."""
        try:
            path = path.resolve()
            # Others, such as pipes and devices, may never end.
            if not path.is_file() or path.stat().st_size > self._room_bytes:
                return None
            inside = (path.relative_to(place).parts for place in self._places if path.is_relative_to(place))
            if not any(".git" not in parts for parts in inside):
                return None
            data = path.read_bytes()
        except (OSError, ValueError):  # an address can be anything
            return None
        self._room_bytes -= len(data)
        kind = mimetypes.guess_type(path.name)[0] or "application/octet-stream"
        if tag == "iframe" and kind == "text/html":
            return f'srcdoc="{html.escape(self._complete(data.decode("utf-8", "replace")))}"'
        return f'{attribute}="data:{kind};base64,{b64encode(data).decode("ascii")}"'


class _Reading:
    """One pass through HTML that leaves it as it is, except where something would reach beyond its end."""

    def __init__(self, source: str, change: Callable[[str, str], str]) -> None:
        self._source = source
        self._change = change
        self._open: list[tuple[str, bool]] = []
        """The elements that are open, and whether what is in each is that of an SVG or a formula, not HTML."""
        self._counts: Counter[str] = Counter()
        self._parts: list[str] = []
        self._at = 0

    def ended(self) -> str:
        """The HTML with every element ended."""
        while (found := _MARKUP.search(self._source, self._at)) is not None:
            self._parts.append(self._source[self._at : found.start()])
            self._at = found.end()
            if found["open"] is not None or (found["name"] is not None and found["whole"] is None):
                # Browsers drop the rest. Here, it can be read.
                self._at = found.start()
                self._take_as_text(len(self._source))
            elif found["cdata"] is not None:
                self._take_cdata()
            elif found["name"] is None:
                self._parts.append(found[0])
            elif found["end"]:
                self._take_end(found["name"].lower())
            else:
                self._take_start(found["name"].lower(), found)
        self._parts.append(self._source[self._at :])
        self._end_from(0)
        return "".join(self._parts)

    def _take_as_text(self, end: int) -> None:
        self._parts.append(html.escape(self._source[self._at : end], quote=False))
        self._at = end

    def _take_cdata(self) -> None:
        if self._open and self._open[-1][1]:
            end = self._source.find("]]>", self._at)
            self._take_as_text(end if end >= 0 else len(self._source))
            self._at += len("]]>")
        else:  # a comment
            self._at = self._source.find(">", self._at) + 1 or len(self._source)

    def _take_start(self, name: str, tag: re.Match[str]) -> None:
        while name in _NEVER_FOREIGN and self._open and self._open[-1][1]:
            self._end_from(len(self._open) - 1)
        is_foreign = bool(self._open) and self._open[-1][1]
        if not is_foreign and name in _ENDS:
            self._end_outermost(_ENDS[name], _TABLE_BOUNDS if name in _PARTS else _LIST_BOUNDS)
        if name in _OF_DOCUMENTS and not is_foreign:
            return
        text = tag[0]
        if tag["attributes"] and (name in _SHOWN or name in ("a", "area")):
            attributes = self._change(name, tag["attributes"])
            if attributes is not tag["attributes"]:
                text = f"<{tag['name']}{attributes}{self._source[tag.end('attributes') : tag.end()]}"
        if name == "plaintext":  # nothing can end it
            self._parts.append("<pre>")
            self._begin("pre", is_foreign=False)
            self._take_as_text(len(self._source))
        elif name in _RAW and not is_foreign:
            self._take_raw(name, text)
        else:
            self._parts.append(text)
            is_closed = text.endswith("/>") and (is_foreign or name in _FOREIGN)
            if name not in _VOID and not is_closed:
                self._begin(name, is_foreign=name in _FOREIGN or (is_foreign and name not in _HTML_INSIDE))

    def _begin(self, name: str, *, is_foreign: bool) -> None:
        self._open.append((name, is_foreign))
        self._counts[name] += 1

    def _take_raw(self, name: str, tag: str) -> None:
        """An element with its text, up to its end or that of the whole."""
        end = re.compile(rf"</{name}(?=[ \t\n\f\r/>])[^>]*>", re.IGNORECASE).search(self._source, self._at)
        text = self._source[self._at : None if end is None else end.start()]
        self._at = len(self._source) if end is None else end.end()
        if name == "title":
            return
        if name == "script" and "<!--" in text:  # by these two together, the end of a script is not its end
            text = _TAG_OF_SCRIPT.sub(r"\\u003c", text)
        self._parts += tag, text, f"</{name}>" if end is None else end[0]

    def _take_end(self, name: str) -> None:
        self._end_outermost((name,), _TABLE_BOUNDS if name in _PARTS or name == "table" else _BOUNDS, is_inner=True)

    def _end_outermost(self, names: Sequence[str], bounds: frozenset[str], *, is_inner: bool = False) -> None:
        """End the outermost open element of these names, or the innermost, that is not beyond one of the bounds."""
        if not any(self._counts[name] for name in names):
            return
        found = None
        for index in range(len(self._open) - 1, -1, -1):
            if self._open[index][0] in names:
                found = index
                if is_inner:
                    break
            elif self._open[index][0] in bounds:
                break
        if found is not None:
            self._end_from(found)

    def _end_from(self, index: int) -> None:
        """End an element and all that are open in it."""
        while len(self._open) > index:
            name, _ = self._open.pop()
            self._counts[name] -= 1
            self._parts.append(f"</{name}>")


def _without_script_tags(script: re.Match[str]) -> str:
    return _TAG_OF_SCRIPT.sub(r"\\u003c", script[0])
