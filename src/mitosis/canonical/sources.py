"""Digests of the source of the functions and classes that a value names.

A canonical value holds a function by its name alone, so the value stays the same when the function's body changes.
What is found here beside a value tells that it has.

A digest is made from the syntax tree, so that comments, docstrings and layout make no difference, by a walk of its own,
since what `ast` writes changes from one version of Python to the next.
"""

from __future__ import annotations

import ast
import hashlib
import linecache
import os
import stat
import sys
import types
import warnings
from collections.abc import Iterator
from typing import Any, Final

from mitosis.canonical.decode import read
from mitosis.canonical.names import MISSING, ancestors, find, raw_name, wrapped_functions
from mitosis.canonical.nodes import ATOM, RECORD, Item, Node, distinct_nodes
from mitosis.files import is_installed

_DIGITS: Final = 40

_MARKS: Final = (b"\xa8function", b"\xa5class", b"\xa6method")
"""The labels, as msgpack has them, of which one must be in the bytes for there to be anything to look for."""

_MAX_FILE_BYTES: Final = 4 * 2**20
"""A longer file is not read: its syntax tree would take seconds to make, and hundreds of megabytes."""

_MAX_KNOWN_FILES: Final = 64


def source_digests(data: bytes) -> dict[str, str]:
    """Digests of the source of each function and class that a value names as a value of its own.

    The class of an object counts only where the class itself is a value too. The object of a bound method leads to
    the method. A decorated function counts with every function that its `__wrapped__` leads through. Only code outside
    the interpreter's environment counts; functions without a source (compiled ones, those of `exec`) are left out.

    A name that a module assigns counts with the statement that does so.

    Sources are read as the files are now, which need not be as they were when they were imported.

    Args:
        data: canonical bytes of a value that was made in this process.

    Returns:
        40 hexadecimal digits for each `module:qualified.name`, sorted by name.

    Raises:
        FormatTooNew: a newer mitosis wrote the bytes.
        BadRecord: they are not a canonical value.
    """
    if not any(mark in data for mark in _MARKS):
        return {}
    found: dict[str, str] = {}
    for label, value in sorted(_named_code(read(data)).items()):
        digest = _digest(label, value)
        if digest is not None:
            found[label] = digest
    return found


def _named_code(root: Item) -> dict[str, object]:
    """The functions and classes that a value names, as they are in this process, by `module:qualified.name`."""
    found: dict[str, object] = {}
    for node in distinct_nodes(root):
        if node.kind == ATOM and node.label in ("function", "class") and len(node.items) == 1:
            label = str(node.items[0])
            found[label] = _lead(label)
        elif node.kind == RECORD and node.label == "method":
            label, function = _method(node)
            found[label] = function
    found.pop("", None)
    return {label: value for label, value in found.items() if value is not MISSING}


def _lead(label: str) -> object:
    """What a label leads to."""
    module, _, name = label.partition(":")
    try:
        return find(module, name)
    except KeyboardInterrupt:
        raise
    except BaseException:  # attributes of a user's module or class may do anything; then nothing is known of it
        return MISSING


def _method(node: Node) -> tuple[str, object]:
    """Name and function of a bound method; an empty name where its object is of no class with a name."""
    owner, name = node.parts.get(".__self__"), node.parts.get(".__name__")
    if not isinstance(owner, Node) or not isinstance(name, str):
        return "", MISSING
    label = str(owner.items[0]) if owner.kind == ATOM and owner.label in ("class", "enum") else owner.label
    cls = _lead(label) if ":" in label else MISSING
    if not isinstance(cls, type):
        return "", MISSING
    for base in ancestors(cls):
        function = base.__dict__.get(name, MISSING)
        if function is not MISSING:
            return f"{label}.{name}", getattr(function, "__func__", function)
    return "", MISSING


def _digest(label: str, value: object) -> str | None:
    """The digest of the source of a function or class; None where there is none, or none of the user's own."""
    try:
        if isinstance(value, type):
            forms = _forms_of_class(value)
        else:
            forms = [form for function in (value, *wrapped_functions(value)) for form in _forms_of_code(function)]
            forms += _forms_of_assignment(label)
    except KeyboardInterrupt:
        raise
    except BaseException:  # functions and classes are what a user made them; what cannot be looked at has no source
        return None
    return hashlib.sha256("\n".join(forms).encode()).hexdigest()[:_DIGITS] if forms else None


def _forms_of_code(function: object) -> list[str]:
    if not isinstance(function, types.FunctionType):
        return []
    code = function.__code__
    source = _source(code.co_filename, function.__globals__)
    return [] if source is None else source.forms(code.co_qualname, {code.co_firstlineno})


def _forms_of_assignment(label: str) -> list[str]:
    """The statement by which a callable got a name that no definition gives it, such as `fast = jit(slow)`."""
    module, _, name = label.partition(":")
    space = getattr(sys.modules.get(module), "__dict__", {})
    file = space.get("__file__")
    source = _source(file, space) if isinstance(file, str) else None
    return [] if source is None else source.forms(f"{name} =", set())


def _forms_of_class(cls: type) -> list[str]:
    module, name = raw_name(cls)
    codes = list(_codes(cls))
    space = getattr(sys.modules.get(module), "__dict__", {})
    # A class may say that it is from the package that offers it; where it was written is known of its methods.
    for file in dict.fromkeys([space.get("__file__"), *(code.co_filename for code in codes)]):
        source = _source(file, space) if isinstance(file, str) else None
        forms = [] if source is None else source.forms(name, {code.co_firstlineno for code in codes})
        if forms:
            return forms
    return []


def _codes(cls: type) -> Iterator[types.CodeType]:
    """The code of the functions that were written in the body of a class."""
    _, name = raw_name(cls)
    for value in list(cls.__dict__.values()):
        function = getattr(value, "__func__", None) or getattr(value, "fget", None) or value
        if isinstance(function, types.FunctionType) and function.__code__.co_qualname.startswith(f"{name}."):
            yield function.__code__


_Span = tuple[int, int]
"""First and last line of a definition with its decorators, from 1."""


class _Source:
    """The definitions of a file."""

    def __init__(self, lines: list[str]) -> None:
        self.lines = lines
        self._spans = _definitions(lines)
        self._forms: dict[_Span, str] = {}

    def forms(self, name: str, lines: set[int]) -> list[str]:
        """The normal forms of the definitions of a name: of those that hold one of the lines, else of all."""
        spans = self._spans.get(name, [])
        at_lines = [span for span in spans if any(span[0] <= line <= span[1] for line in lines)]
        return [self._form(span) for span in (at_lines if len(spans) > 1 and at_lines else spans)]

    def _form(self, span: _Span) -> str:
        if span not in self._forms:
            text = "".join(self.lines[span[0] - 1 : span[1]])
            # What is indented stands in a block of its own: taking the indentation away would change long strings.
            indented = text[:1] in " \t\f"
            tree = _parse(f"if 1:\n{text}" if indented else text)
            block: Any = tree.body[0]
            self._forms[span] = normal_form(block.body[0] if indented else block)
        return self._forms[span]


_known: dict[str, _Source] = {}


def _source(file: str, space: dict[str, Any]) -> _Source | None:
    """The definitions of a file of the user's own; None where it cannot be read or is not Python."""
    if file.startswith("<") or not file.endswith((".py", ".pyw")) or is_installed(file):
        return None
    try:
        status = os.stat(file)  # noqa: PTH116
    except OSError:
        pass  # It may be inside an archive, from which the module's loader gives the source.
    else:
        if not stat.S_ISREG(status.st_mode) or status.st_size > _MAX_FILE_BYTES:
            return None
    linecache.checkcache(file)
    lines = linecache.getlines(file, space)
    known = _known.get(file)
    if known is not None and known.lines is lines:
        return known
    try:
        source = _Source(lines)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return None  # The file was changed since it was imported, and is not Python now.
    if len(_known) >= _MAX_KNOWN_FILES:
        del _known[next(iter(_known))]
    _known[file] = source
    return source


def _parse(text: str) -> ast.Module:
    with warnings.catch_warnings():
        # Python has warned of odd escapes when it compiled the file.
        warnings.simplefilter("ignore")
        return ast.parse(text)


def _definitions(lines: list[str]) -> dict[str, list[_Span]]:
    """The definitions of functions and classes in a file by qualified name, in their order.

    What a module assigns to a name is under this name and ` =`.
    """
    found: dict[str, list[_Span]] = {}

    def visit(node: ast.AST, scope: str) -> None:
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            name = scope + node.name
            first = min([node.lineno, *(decorator.lineno for decorator in node.decorator_list)])
            found.setdefault(name, []).append((first, node.end_lineno or first))
            scope = f"{name}." if isinstance(node, ast.ClassDef) else f"{name}.<locals>."
        elif isinstance(node, ast.Assign | ast.AnnAssign) and not scope:
            for target in node.targets if isinstance(node, ast.Assign) else [node.target]:
                if isinstance(target, ast.Name):
                    found.setdefault(f"{target.id} =", []).append((node.lineno, node.end_lineno or node.lineno))
        for child in ast.iter_child_nodes(node):
            if isinstance(child, ast.stmt | ast.excepthandler | ast.match_case):
                visit(child, scope)

    visit(_parse("".join(lines)), "")
    return found


def normal_form(item: object) -> str:
    """A syntax tree as text that comments, docstrings, layout and the version of Python make no difference to.

    Fields are in the order of their names; those that are empty are left out, as new versions add fields; so are
    statements that do nothing (`pass`, and constants, among them docstrings).

    Raises:
        RecursionError: it is nested more deeply than anybody writes.
    """
    if isinstance(item, ast.Constant):
        return _constant_form(item.value)
    if isinstance(item, ast.AST):
        fields = [(name, _field(item, name)) for name in sorted(item._fields)]
        inner = [f" {name}={normal_form(value)}" for name, value in fields if value is not None and value != []]
        return f"({type(item).__name__}{''.join(inner)})"
    if isinstance(item, list):
        # A list may lack something at a place, such as a default; that is not the constant None.
        return f"[{''.join(['-' if part is None else normal_form(part) for part in item])}]"
    return _constant_form(item)


def _field(node: ast.AST, name: str) -> object:
    """A field of a node as it counts; None where it says nothing."""
    value = getattr(node, name, None)
    if isinstance(value, ast.expr_context):
        return None
    if isinstance(value, list):
        if isinstance(node, ast.JoinedStr):
            return _joined(value)
        return [part for part in value if not _does_nothing(part)]
    if name == "format_spec" and isinstance(value, ast.JoinedStr) and not _joined(value.values):
        return None
    return value


def _does_nothing(part: object) -> bool:
    return isinstance(part, ast.Pass) or (isinstance(part, ast.Expr) and isinstance(part.value, ast.Constant))


def _joined(parts: list[Any]) -> list[object]:
    """The parts of an f-string, neighbouring texts in one: versions of Python cut them differently."""
    joined: list[object] = []
    for part in parts:
        if isinstance(part, ast.Constant) and isinstance(part.value, str):
            if joined and isinstance(joined[-1], str):
                joined[-1] += part.value
            elif part.value:
                joined.append(part.value)
        else:
            joined.append(part)
    return joined


def _constant_form(value: object) -> str:
    if type(value) is int:
        return f"{value:#x} "
    # Letters that one version of Python prints and another does not are escaped.
    return f"{value!a} "
