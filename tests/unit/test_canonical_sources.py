"""Digests of the source of functions and classes: what makes a difference, and what does not."""

from __future__ import annotations

import ast
import functools
import hashlib
import importlib.util
import linecache
import os
import sys
import textwrap
import time
import types
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest

from mitosis.canonical import sources
from mitosis.canonical.encode import encode_value
from mitosis.canonical.sources import source_digests
from mitosis.variants import changed_functions

Load = Callable[..., ModuleType]

HEADER = "import functools\n\n\n"


@pytest.fixture
def load(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Load]:
    """Imports a text as a module; again under the same name it is as in another process."""

    def import_text(text: str, name: str = "code_of_a_user") -> ModuleType:
        path = tmp_path / f"{name}.py"
        path.write_text(HEADER + textwrap.dedent(text), encoding="utf-8")
        # A file that is written twice in one tick of the clock must not look the same.
        stamp = time.time_ns() + len(text)
        os.utime(path, ns=(stamp, stamp))
        spec = importlib.util.spec_from_file_location(name, path)
        assert spec is not None and spec.loader is not None
        module = importlib.util.module_from_spec(spec)
        monkeypatch.setitem(sys.modules, name, module)
        monkeypatch.setattr(sys, "dont_write_bytecode", True)
        code = compile(path.read_text(encoding="utf-8"), path, "exec")
        exec(code, module.__dict__)  # noqa: S102
        return module

    yield import_text
    linecache.clearcache()


def digests(value: object) -> dict[str, str]:
    return source_digests(encode_value(value))


def digest_of(load: Load, text: str, name: str = "f") -> str:
    module = load(text)
    (digest,) = digests(getattr(module, name)).values()
    return digest


PLAIN = """
    def f(a, b=1):
        if a > b:
            return "x" * (a + 1)
        return [a, b]
    """

SAME = {
    "comments": """
    # Before.
    def f(a, b=1):  # Behind.
        # Inside.
        if a > b:
            return "x" * (a + 1)  # More.
        return [a, b]
        # After.
    """,
    "docstring": '''
    def f(a, b=1):
        """What it is for.

        Much of it.
        """
        if a > b:
            return "x" * (a + 1)
        return [a, b]
    ''',
    "layout": """
    def f(
      a,
      b = 1,
    ):


      if (a > b):
            return ('x' *
                    (a + 0x1))

      return [
          a,
          b,
      ]
    """,
    "strings in pieces": """
    def f(a, b=1):
        if a > b: return ("" 'x') * (a + 1)
        pass; return [a, b]
    """,
    "place": """
    import os


    def f_before():
        return 1

    if os.sep:
        try:
            def f(a, b=1):
                if a > b:
                    return u"x" * (a + 1)
                return [a, b]
        finally:
            pass
    """,
}

OTHER = {
    "number": PLAIN.replace("+ 1", "+ 2"),
    "type of a number": PLAIN.replace("+ 1", "+ 1.0"),
    "truth": PLAIN.replace("+ 1", "+ True"),
    "text": PLAIN.replace('"x"', '"X"'),
    "bytes": PLAIN.replace('"x"', 'b"x"'),
    "default": PLAIN.replace("b=1", "b=2"),
    "keyword only": PLAIN.replace("a, b=1", "a, *, b=1"),
    "operator": PLAIN.replace(">", ">="),
    "grouping": PLAIN.replace('"x" * (a + 1)', '"x" * a + 1'),
    "order of statements": PLAIN.replace("return [a, b]", "return [b, a]"),
    "annotation": PLAIN.replace("(a, b=1)", "(a: int, b=1)"),
    "decorator": PLAIN.replace("def f", "@functools.cache\n    def f"),
    "async": PLAIN.replace("def f", "async def f"),
    "indentation that means something": """
    def f(a, b=1):
        if a > b:
            return "x" * (a + 1)
            return [a, b]
    """,
}


@pytest.mark.parametrize("name", SAME)
def test_comments_docstrings_and_layout_make_no_difference(load: Load, name: str) -> None:
    assert digest_of(load, SAME[name]) == digest_of(load, PLAIN)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("def f(*, x): pass", "def f(*, x=None): pass"),
        ("def f(a): return {**a}", "def f(a): return {None: a}"),
    ],
)
def test_what_is_left_out_is_not_none(one: str, other: str) -> None:
    assert sources.normal_form(ast.parse(one)) != sources.normal_form(ast.parse(other))


@pytest.mark.parametrize("name", OTHER)
def test_changed_body_has_another_digest(load: Load, name: str) -> None:
    assert digest_of(load, OTHER[name]) != digest_of(load, PLAIN)


def test_docstring_alone_equals_pass(load: Load) -> None:
    documented = 'def f():\n    """Nothing."""\n'
    assert digest_of(load, documented) == digest_of(load, "def f():\n    pass\n") != digest_of(load, PLAIN)
    assert digest_of(load, "class f:\n    x = 1\n    'Of x.'\n") == digest_of(load, "class f:\n    x = 1\n")


def test_long_strings_are_kept_as_they_are(load: Load) -> None:
    text = 'class A:\n    def f(self):\n        x = """\n{}a\n  b\n"""\n        return x\n'
    digest_of(load, text.format(""), "A")
    assert digests(load(text.format("")).A.f) != digests(load(text.format("    ")).A.f)
    assert list(digests(load(text.format("")).A.f)) == ["code_of_a_user:A.f"]


def test_digests_are_the_same_on_every_python() -> None:
    """Recorded once; the tests run on each version of Python that is supported."""
    text = textwrap.dedent('''
        @decorated(1, key=None, other=...)
        async def f(a, /, b: "int" = -1, *args, c, d=2.50, **kwargs) -> dict[str, tuple[int, ...]]:
            """Doc."""
            global x
            with open(a) as file, (lock):
                async for line in file:
                    yield f"{line!r:>{b}} {{x}}" "tail" f"{a=}{b:}{c:%Y-%m}" f'{d["key"]}'
            try:
                del a[1:2, ..., ::3], (b)
            except* (KeyError, ValueError) as error:
                raise RuntimeError("é\\N{BULLET}\\ud800\\U0001FAE8", b"\\xff", 1e400, 2j, 0x10, 10**400) from error
            else:
                nonlocal_ = [i async for i in x if i if not i]
            match a:
                case {"x": [1, *rest], **others} | Point(x=None, y=-1.5) | (True as b) if b:
                    return lambda q, *r, s=1: (yield)
                case _:
                    pass
            while (n := n - 1) > 0 < 5 is not None: continue
            print(*args, sep="", **{**kwargs, 1: 2, None: {3}})
            assert a if b else c, "no"

            class Inner(Base, metaclass=Meta):
                x: int
                (y): int = 1
                from . import z
                from .a.b import c as d
                @property
                def m(self): return await self
    ''')
    (definition,) = ast.parse(text).body
    form = sources.normal_form(definition)
    assert hashlib.sha256(form.encode()).hexdigest()[:16] == "bd3f4d12a400167f"


MODULE = """
    def plain(x):
        return x

    def traced(function):
        @functools.wraps(function)
        def wrapper(*arguments):
            return function(*arguments)
        return wrapper

    @traced
    def decorated(x):
        return x

    @functools.lru_cache
    def cached(x):
        return x

    class Base:
        def step(self):
            return 1

        @classmethod
        def make(cls):
            return cls()

        @staticmethod
        def helper():
            return 0

    class Noise(Base):
        class Inner:
            depth = 1

        def __init__(self, function=None):
            self.function = function
    """


def test_functions_and_classes_are_found_wherever_a_value_holds_them(load: Load) -> None:
    m = load(MODULE)
    array = np.empty(1, object)
    array[0] = m.plain
    cases: list[tuple[Any, list[str]]] = [
        (m.plain, ["plain"]),
        ({"a": [(m.plain,), {m.cached}]}, ["cached", "plain"]),
        ({m.plain: 1}, ["plain"]),
        (functools.partial(m.plain, 1), ["plain"]),
        (m.Noise(m.plain), ["plain"]),
        (array, ["plain"]),
        (m.Noise, ["Noise"]),
        (m.Noise.Inner, ["Noise.Inner"]),
        (types.GenericAlias(list, (m.Noise,)), ["Noise"]),
        (m.Noise.helper, ["Base.helper"]),
        (m.Noise().step, ["Noise.step"]),
        (m.Noise.make, ["Noise", "Noise.make"]),
        (m.Noise(), []),
        ([1, "function", b"\xa8function"], []),
        (m, []),
    ]
    for value, names in cases:
        assert list(digests(value)) == [f"code_of_a_user:{name}" for name in names], value


def test_change_of_a_method_is_seen_where_it_is_inherited(load: Load) -> None:
    before = digests(load(MODULE).Noise().step)
    after = digests(load(MODULE.replace("return 1", "return 2")).Noise().step)
    assert changed_functions(before, after) == ("code_of_a_user:Noise.step",)


@pytest.mark.parametrize(("old", "new"), [("return x", "return -x"), ("return function(*", "return -function(*")])
def test_change_of_a_decorated_function_or_of_its_wrapper_is_seen(load: Load, old: str, new: str) -> None:
    before = digests(load(MODULE).decorated)
    after = digests(load(MODULE.replace(old, new)).decorated)
    assert changed_functions(before, after) == ("code_of_a_user:decorated",)


def test_changes_are_named_only_where_both_sides_know_the_function() -> None:
    before = {"m:c": "1", "m:b": "1", "m:a": "1", "m:gone": "1"}
    now = {"m:a": "2", "m:b": "1", "m:c": "3", "m:new": "1"}
    assert changed_functions(before, now) == ("m:a", "m:c")
    assert changed_functions({}, now) == changed_functions(now, now) == ()


def test_code_of_the_environment_is_left_out() -> None:
    assert digests([len, functools.wraps, textwrap.TextWrapper, np.mean, np.sin, np.ndarray, dict, ast.AST]) == {}


def test_code_of_the_environment_around_a_function_of_the_user_is_left_out(load: Load) -> None:
    alone = load("@functools.cache\ndef f(x):\n    return x\n")
    assert list(digests(alone.f)) == ["code_of_a_user:f"]


def test_definition_in_effect_counts_where_there_are_several(load: Load) -> None:
    text = "if {}:\n    def f(): return {}\nelse:\n    def f(): return {}\n"
    assert digest_of(load, text.format(1, 5, 6)) == digest_of(load, text.format(0, 7, 5))
    assert digest_of(load, text.format(1, 5, 6)) != digest_of(load, text.format(0, 5, 6))
    classes = (
        "if {}:\n    class f:\n        def m(self): return {}\nelse:\n    class f:\n        def m(self): return {}\n"
    )
    assert digest_of(load, classes.format(1, 5, 6)) == digest_of(load, classes.format(0, 7, 5))


def test_all_definitions_of_a_class_count_where_nothing_tells_which_is_in_effect(load: Load) -> None:
    text = "if True:\n    class f: x = {}\nelse:\n    class f: x = {}\n"
    assert len({digest_of(load, text.format(*numbers)) for numbers in ((1, 2), (2, 2), (1, 1))}) == 3


def test_class_that_says_it_is_from_another_module_is_found_by_its_methods(load: Load) -> None:
    text = "class A:\n    def m(self): return {}\n"
    found = []
    for number in (1, 2):
        hidden, offered = load(text.format(number), "code_inside"), load("", "code_outside")
        offered.__dict__["A"] = hidden.A
        hidden.A.__module__ = "code_outside"
        found.append(digests(hidden.A))
    assert changed_functions(*found) == ("code_outside:A",)


def test_functions_without_a_source_are_left_out(load: Load) -> None:
    module = load(
        """
        exec("def made(): return 1")
        Made = type("Made", (), {})

        def sane():
            return 1
        """
    )
    assert list(digests([module.made, module.Made, module.sane])) == ["code_of_a_user:sane"]


@pytest.mark.parametrize("text", ["def f(:\n", "\0", "\xff", "(" * 5000, "x = 1\n", "", "-" * 200_000 + "1"])
def test_file_that_was_changed_into_something_else_is_survived(load: Load, text: str) -> None:
    module = load(PLAIN)
    path = Path(module.f.__code__.co_filename)
    path.write_bytes(text.encode("latin-1"))
    assert digests(module.f) == {}
    path.unlink()
    assert digests(module.f) == {}


def test_file_counts_as_it_is_now(load: Load) -> None:
    module = load(PLAIN)
    before = digests(module.f)
    path = Path(module.f.__code__.co_filename)
    path.write_text("\n\n# Moved.\n" + path.read_text().replace("+ 1", "+ 3"))
    assert changed_functions(before, digests(module.f)) == ("code_of_a_user:f",)


def test_special_and_enormous_files_are_not_read(load: Load, tmp_path: Path) -> None:
    space: dict[str, Any] = {"__name__": "code_of_a_user"}
    module = load("")
    for place in ("/dev/zero.py", str(tmp_path / "pipe.py")):
        if place.endswith("pipe.py") and hasattr(os, "mkfifo"):
            os.mkfifo(place)
        exec(compile("def f(): return 1", place, "exec"), space)  # noqa: S102
        module.__dict__["f"] = space["f"]
        assert digests(module.f) == {}
    big = tmp_path / "big.py"
    big.write_text("def f(): return 1\n" + "#" * (4 * 2**20))
    exec(compile("def f(): return 1", big, "exec"), space)  # noqa: S102
    module.__dict__["f"] = space["f"]
    assert digests(module.f) == {}


class Lying:
    """Nothing about it can be asked."""

    __module__ = "code_of_a_user"
    __qualname__ = "f"

    def __reduce__(self) -> str:
        return "f"

    def __getattr__(self, name: str) -> Any:
        if name in ("__wrapped__", "__code__"):
            raise SystemError(name)
        raise AttributeError(name)


def test_hostile_objects_are_survived(load: Load) -> None:
    module = load("def g(): return 1\ndef h(): return 2\n")
    module.__dict__["f"] = Lying()
    assert digests(module.f) == {}
    module.g.__wrapped__ = module.g
    module.h.__wrapped__ = Lying()
    assert list(digests(module.g)) == ["code_of_a_user:g"]
    assert list(digests(module.h)) == ["code_of_a_user:h"]


def test_names_that_lead_nowhere_here_are_left_out(load: Load, monkeypatch: pytest.MonkeyPatch) -> None:
    data = encode_value([load(PLAIN).f])
    assert list(source_digests(data)) == ["code_of_a_user:f"]
    monkeypatch.delitem(sys.modules, "code_of_a_user")
    assert source_digests(data) == {}


def test_source_inside_an_archive_is_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    archive = tmp_path / "code.zip"
    with zipfile.ZipFile(archive, "w") as file:
        file.writestr("code_of_an_archive.py", textwrap.dedent(PLAIN))
    monkeypatch.syspath_prepend(str(archive))
    module = importlib.import_module("code_of_an_archive")
    assert list(digests(module.f)) == ["code_of_an_archive:f"]
    monkeypatch.delitem(sys.modules, "code_of_an_archive")


def test_odd_escapes_in_the_source_give_no_warning(load: Load) -> None:
    with pytest.warns((DeprecationWarning, SyntaxWarning)):
        module = load('def f():\n    return "\\d"\n')
    assert list(digests(module.f)) == ["code_of_a_user:f"]


def test_function_nested_more_deeply_than_anybody_writes_has_no_digest(load: Load) -> None:
    module = load(f"def f(x):\n    return {'-' * 800}x\n\n\ndef g():\n    return 1\n")
    assert list(digests([module.f, module.g])) == ["code_of_a_user:g"]


def test_value_that_names_no_code_is_not_even_read() -> None:
    assert source_digests(b"no canonical value") == {}
