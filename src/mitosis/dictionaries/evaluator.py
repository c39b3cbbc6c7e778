"""The process that evaluates lookup dictionaries: it imports user code, and tells what it found while it goes on.

The request and the replies are msgpack. Replies are appended to a file one by one, so that whatever the user's code
does to this process, what was found before is known, and what it was about to do.
"""

from __future__ import annotations

import faulthandler
import importlib
import itertools
import os
import signal
import sys
import threading
import traceback
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import msgpack

from mitosis.canonical.decode import decode_value
from mitosis.canonical.encode import digest_value, encode_with_text
from mitosis.canonical.nodes import ARRAYS, Node, changed, write
from mitosis.canonical.plain import article
from mitosis.canonical.sources import source_digests
from mitosis.dictionaries.relocation import Places, Watch, relocate_imports
from mitosis.errors.values import UnstableValue
from mitosis.in_kernel.imports import list_imports, watch_imports
from mitosis.in_kernel.step_checks import Unresolved, is_dictionary, resolve_lookup
from mitosis.in_kernel.user_code import describe_exception
from mitosis.protocol import ListImports
from mitosis.text import cut
from mitosis.typing import Parameter
from mitosis.variants import SUMMARY_LIMIT, VariantName

REPLY_LIMIT_BYTES = 512 * 2**20
"""What all replies together may take."""
_NAMES_LIMIT = 1_000_000
"""Parameters of a dictionary, and variants of a parameter."""
_TEXT_LIMIT = 300
_DETAILS_LIMIT = 20_000


class _Trouble(Exception):
    """A dictionary cannot be evaluated; the text says why, on one line."""


class Replies:
    """The file that replies are appended to.

    It is opened for each: user code may close every file that it finds open.
    """

    def __init__(self, path: str) -> None:
        self._path = Path(path)
        self._process = os.getpid()
        self._left_bytes = REPLY_LIMIT_BYTES

    def send(self, kind: str, **facts: Any) -> None:
        if os.getpid() != self._process:  # a fork of the user's that came back here
            os._exit(0)
        data = msgpack.packb((kind, facts), unicode_errors="surrogatepass")
        self._left_bytes -= len(data)
        if self._left_bytes < 0 and kind in ("meaning", "refused"):
            raise _Trouble(f"its values take more than {REPLY_LIMIT_BYTES // 2**20} MB")
        with self._path.open("ab") as file:
            file.write(data)


def main(request_path: str, replies_path: str, lifeline: str = "") -> None:
    """Evaluate what the request asks for, and end this process.

    Args:
        request_path: a msgpack file with `root` and `top` (see `Places`), `pythonpath` (folders to import from), and
            `steps` (name and reference of the dictionary of each).
        replies_path: the file to append to.
        lifeline: a file descriptor that ends when the asking process does; empty for none.
    """
    if lifeline:
        _die_with(int(lifeline))
    faulthandler.enable()
    if hasattr(faulthandler, "register"):  # by which the asking process learns where this one is at the time limit
        faulthandler.register(signal.SIGUSR1)
    request = msgpack.unpackb(Path(request_path).read_bytes(), unicode_errors="surrogatepass")
    sys.argv[:] = [""]
    replies = Replies(replies_path)
    places = Places(request["root"], request["top"])
    for folder in dict.fromkeys((places.root, places.top)):
        watch_imports(folder)
    modules: dict[str, list[tuple[str, str]]] = {}
    for name, lookup in request["steps"]:
        modules.setdefault(lookup.partition(":")[0], []).append((name, lookup))
    own = {module.partition(".")[0] for module in modules}
    folders = [*map(places.moved, request["pythonpath"]), places.root, str(Path(places.root, "src"))]
    missing, elsewhere = relocate_imports(places, own, folders)
    sys.path.extend(folder for folder in request["pythonpath"] if folder not in sys.path)
    watch = Watch()
    # Nobody wants to know what else of the working tree is looked for.
    watch.start(asking=places.root != places.top)
    for module, steps in modules.items():
        _evaluate_module(module, steps, replies, places)
    replies.send(
        "end",
        files=sorted(_files(places, watch)),
        asked=sorted(_inside(places, watch.read | watch.asked)),
        listed=sorted(_inside(places, watch.listed)),
        missing=sorted(missing - sys.modules.keys()),
        imported=sorted({name.partition(".")[0] for name in sys.modules}),
        elsewhere=elsewhere,
    )
    # Threads, exit functions and what they hold are no longer of use, and might keep the process for ever.
    os._exit(0)


def _die_with(lifeline: int) -> None:
    """Have this process and what it starts end when the other end of a pipe is closed, as it is when a process dies."""
    os.set_inheritable(lifeline, False)

    def wait() -> None:
        os.read(lifeline, 1)
        os.killpg(os.getpgrp(), signal.SIGKILL)

    threading.Thread(target=wait, daemon=True).start()


def _evaluate_module(module: str, steps: list[tuple[str, str]], replies: Replies, places: Places) -> None:
    names = [name for name, _ in steps]
    replies.send("begin", steps=names, what=f"importing `{module}`")
    try:
        importlib.import_module(module)
    except BaseException as error:
        reason = f"`{module}` cannot be imported: {_described(error)}"
        replies.send("trouble", steps=names, reason=reason, details=_details(error))
        return
    for step, lookup in steps:
        replies.send("begin", steps=[step], what=f"evaluating `{lookup}`")
        try:
            _evaluate_dictionary(step, resolve_lookup(lookup), replies, places)
        except Unresolved as error:
            replies.send("trouble", steps=[step], reason=f"`{lookup}`: {error.reason}", details="")
        except _Trouble as trouble:
            details = "" if trouble.__cause__ is None else _details(trouble.__cause__)
            replies.send("trouble", steps=[step], reason=f"`{lookup}`: {trouble}", details=details)
        else:
            replies.send("evaluated", step=step)


def _evaluate_dictionary(step: str, lookup: Any, replies: Replies, places: Places) -> None:
    try:
        names = _text_keys(lookup)
    except _Trouble:
        raise
    except BaseException as error:
        raise _Trouble(f"listing its parameters raised {_described(error)}") from error
    for name in names:
        try:
            variants = lookup[name]
            texts = _text_keys(variants)
        except _Trouble as trouble:
            replies.send("refused", name=(step, name, ""), reason=str(trouble))
        except BaseException as error:
            reason = f"looking it up raised {_described(error)}"
            replies.send("refused", name=(step, name, ""), reason=reason, has_raised=True)
        else:
            for text in texts:
                _evaluate_entry((step, name, text), variants, replies, places)


def _text_keys(mapping: Any) -> list[str]:
    """The keys of a mapping that can be named on the command line, in its order, as plain texts.

    Raises:
        _Trouble: it is not a mapping, or has too many keys.
    """
    if not is_dictionary(mapping):
        raise _Trouble(f"this is {article(type(mapping).__name__)}, but should be a dictionary")
    keys = list(itertools.islice(iter(mapping.keys()), _NAMES_LIMIT + 1))
    if len(keys) > _NAMES_LIMIT:
        raise _Trouble(f"it has more than {_NAMES_LIMIT:,} keys")
    return [str.__str__(key) for key in keys if isinstance(key, str)]


def _evaluate_entry(name: tuple[str, str, str], variants: Any, replies: Replies, places: Places) -> None:
    try:
        value = variants[name[2]]
        if isinstance(value, Parameter):
            value = value.vals
        data, text = encode_with_text(value, SUMMARY_LIMIT)
        functions = source_digests(data)
    except UnstableValue as error:
        where = f"at {error.path}: " if error.path else ""
        has_raised = error.__cause__ is not None
        replies.send("refused", name=name, reason=_line(f"{where}{error.reason}"), has_raised=has_raised)
    except BaseException as error:
        replies.send("refused", name=name, reason=f"getting its value raised {_described(error)}", has_raised=True)
    else:
        data = _without_root(data, places)
        if places.root != places.top and _says(data, places.root):
            what = "contains the path of the working tree in a long string or an array"
            raise _Trouble(f"{VariantName(*name)} {what}; a check of the working tree can tell")
        text = text.replace(places.root, places.top)
        replies.send("meaning", name=name, digest=digest_value(data), value=data, functions=functions, text=text)


def _without_root(data: bytes, places: Places) -> bytes:
    """Canonical bytes with the place of the working tree wherever they say where the checkout is.

    So a path that a module makes from its `__file__` is the one that a trial locks.
    """
    if places.root == places.top or not _says(data, places.root):
        return data
    root, top = os.fsencode(places.root), os.fsencode(places.top)

    def replaced(item: Any) -> Any:
        if type(item) is str:
            return item.replace(places.root, places.top)
        return item.replace(root, top) if type(item) is bytes else item

    def change(node: Node) -> Node:
        return node if node.kind in ARRAYS else Node(node.kind, node.label, list(map(replaced, node.items)))

    value = decode_value(data)
    return write(changed(value, change) if isinstance(value, Node) else replaced(value))


def _says(data: bytes, path: str) -> bool:
    """Whether a path is somewhere in canonical bytes, as text or as arrays of numpy hold text."""
    return os.fsencode(path) in data or path.encode("utf-32-le", "replace") in data


def _files(places: Places, watch: Watch) -> set[str]:
    """The files below the top that were imported or read."""
    paths = {path for path in watch.read if Path(path).is_file()}
    for folder in dict.fromkeys((places.root, places.top)):
        paths.update(file.path for file in list_imports(ListImports(folder)).files)
    return _inside(places, paths)


def _inside(places: Places, paths: Iterable[str]) -> set[str]:
    """Those paths that are below the top, relative to it, with `/`; of a symbolic link also where it leads."""
    found = {places.inside(path) for path in paths for path in (path, os.path.realpath(path))}
    return {path.replace(os.sep, "/") for path in found if path is not None and not path.startswith(".git" + os.sep)}


def _described(error: BaseException) -> str:
    return _line(describe_exception(error))


def _line(text: str) -> str:
    return cut(" ".join(text.split()), _TEXT_LIMIT)


def _details(error: BaseException) -> str:
    """The traceback, from where user code begins."""
    position = error.__traceback__
    while position is not None and _is_not_users(position.tb_frame.f_code.co_filename):
        position = position.tb_next
    try:
        shown = traceback.TracebackException(type(error), error, position)
        # What stands between user code and what it imports is not theirs, either.
        shown.stack = traceback.StackSummary.from_list([f for f in shown.stack if not _is_not_users(f.filename)])
        text = "".join(shown.format())
    except BaseException:  # formatting asks the exception, which may do anything
        text = _described(error)
    return text if len(text) <= _DETAILS_LIMIT else f"…{text[-_DETAILS_LIMIT:]}"


def _is_not_users(file: str) -> bool:
    own = (__file__, watch_imports.__code__.co_filename, importlib.__file__)
    return file.startswith("<frozen importlib") or file in own
