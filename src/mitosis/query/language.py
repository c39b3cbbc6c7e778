"""The language of conditions: Python's syntax, read by `ast` and compiled to SQL over the index; nothing is evaluated.

A condition is true, false, or unknown. A value that is missing satisfies nothing but `is None`, also not what is behind
a `not`. Numbers are compared with numbers and texts with texts: a value is never equal to one of another kind, and
neither less nor greater. Arithmetic is that of floats, and a result that is no number is missing.
"""

from __future__ import annotations

import ast
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from itertools import pairwise
from typing import NamedTuple

from mitosis.errors.base import MitosisError, nearest
from mitosis.journal.index_schema import stored
from mitosis.query.fields import Field, Fields, Type, UnknownField
from mitosis.query.moments import EXAMPLES, Period, parse_period
from mitosis.query.sql import Sql, compose, join
from mitosis.query.syntax import Source

_MOST_ITEMS = 300
"""Of a list that has to be compared one by one."""
_ORDER: dict[type[ast.cmpop], str] = {ast.Lt: "<", ast.LtE: "<=", ast.Gt: ">", ast.GtE: ">="}
_EQUALITY: dict[type[ast.cmpop], str] = {ast.Eq: "=", ast.NotEq: "<>"}
_ARITHMETIC: dict[type[ast.operator], str] = {ast.Add: "+", ast.Sub: "-", ast.Mult: "*", ast.Div: "/"}
_MATHEMATICAL = {"abs": "abs", "sqrt": "square_root", "exp": "exponential", "log": "logarithm", "log10": "logarithm_10"}
_TEXTUAL = {"startswith": "starts_with", "endswith": "ends_with", "like": "matches", "lower": "lower_case"}
"""Functions of the language, and those of `mitosis.query.functions` that they are."""
_ARGUMENTS = {**dict.fromkeys(_MATHEMATICAL, 1), "startswith": 2, "endswith": 2, "like": 2, "lower": 1}
_NUMBERS = "typeof({}) IN ('integer', 'real')"


class _Part(NamedTuple):
    """A part of a condition, compiled."""

    type: Type
    sql: Sql
    constant: bool | int | float | str | None = None
    """Its value, if it is written in the condition."""
    field: Field | None = None

    @property
    def is_constant(self) -> bool:
        return self.constant is not None


def compile_condition(text: str, fields: Fields, find_commits: Callable[[str], Sequence[str]]) -> Sql:
    """The SQL of a condition on rows of `listing`.

    Args:
        text: the condition.
        fields: of the journal.
        find_commits: gives the ids of the commits in a range of git's; raises a MitosisError if there is no such range.

    Raises:
        QueryError: it is no condition; it says where, and what would be right.
    """
    source = Source(text)
    return _Compiler(source, fields, find_commits).truth(source.tree)


class _Compiler:
    def __init__(self, source: Source, fields: Fields, find_commits: Callable[[str], Sequence[str]]) -> None:
        self._source = source
        self._fields = fields
        self._find_commits = find_commits
        self._now = datetime.now(UTC)

    # --- conditions -------------------------------------------------------------------------------

    def truth(self, node: ast.expr) -> Sql:
        """A condition: SQL that is true, false or null."""
        if isinstance(node, ast.BoolOp):
            between = " AND " if isinstance(node.op, ast.And) else " OR "
            return compose("({})", join(between, map(self.truth, node.values)))
        if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.Not):
            return compose("(NOT {})", self.truth(node.operand))
        if isinstance(node, ast.Compare):
            pairs = zip(node.ops, pairwise([node.left, *node.comparators]), strict=True)
            return compose("({})", join(" AND ", (self._comparison(op, *pair) for op, pair in pairs)))
        part = self._value(node)
        if part.type is Type.TRUTH:
            return part.sql
        if part.type is Type.ANY and part.field is not None:
            return compose("({} = {})", part.sql, Sql("?", (stored(True),)))
        raise self._source.error(
            f"`{self._source.text_of(node)}` is not a condition", node, "Compare it with something, as in: main < 0.1"
        )

    def _comparison(self, op: ast.cmpop, left: ast.expr, right: ast.expr) -> Sql:
        if isinstance(op, ast.Is | ast.IsNot):
            if not (isinstance(right, ast.Constant) and right.value is None):
                raise self._source.error("`is` is for None alone", right, "Write == to compare with anything else.")
            return compose("({} IS NULL)" if isinstance(op, ast.Is) else "({} IS NOT NULL)", self._field(left).sql)
        if isinstance(op, ast.In | ast.NotIn):
            found = self._membership(left, right)
            return found if isinstance(op, ast.In) else compose("(NOT {})", found)
        return self._relation(type(op), self._value(left), self._value(right), left, right)

    def _membership(self, left: ast.expr, right: ast.expr) -> Sql:
        if isinstance(right, ast.List | ast.Tuple | ast.Set):
            return self._among(self._value(left), left, right)
        part, whole = self._value(left), self._value(right)
        if part.field is not None and part.field.name == "commit" and isinstance(whole.constant, str):
            return self._in_range(part, whole.constant, right)
        if whole.is_constant or whole.type not in (Type.TAGS, Type.TEXT, Type.ANY):
            raise self._source.error(
                f"nothing can be in `{self._source.text_of(right)}`",
                right,
                'Write a list, as in: noise in ["low", "high"]',
            )
        if part.type not in (Type.TEXT, Type.ANY):
            raise self._source.error("only a text can be in a text or among tags", left)
        if whole.type is Type.TAGS:
            return compose("EXISTS (SELECT 1 FROM tags WHERE tags.trial = listing.key AND tag = {})", part.sql)
        return compose("contains({}, {})", whole.sql, part.sql)

    def _among(self, part: _Part, left: ast.expr, items: ast.List | ast.Tuple | ast.Set) -> Sql:
        if not items.elts:
            raise self._source.error("nothing is in an empty list", items)
        parts = [self._value(item) for item in items.elts]
        is_plain = part.type not in (Type.ID, Type.MOMENT) and all(other.is_constant for other in parts)
        if not is_plain and len(parts) > _MOST_ITEMS:
            raise self._source.error("the list is too long", items)
        relations = [
            self._relation(ast.Eq, part, other, left, item) for item, other in zip(items.elts, parts, strict=True)
        ]
        if is_plain:
            return compose("({} IN ({}))", part.sql, join(", ", (other.sql for other in parts)))
        return compose("({})", join(" OR ", relations))

    def _in_range(self, part: _Part, text: str, node: ast.expr) -> Sql:
        import json

        try:
            commits = self._find_commits(text)
        except MitosisError as error:
            hint = 'Write a range as git does, as in: commit in "main..feature"'
            raise self._source.error(str(error).partition("\n")[0], node, hint) from error
        return compose("({} IN (SELECT value FROM json_each({})))", part.sql, Sql("?", (json.dumps(list(commits)),)))

    def _relation(self, op: type[ast.cmpop], left: _Part, right: _Part, at: ast.expr, other: ast.expr) -> Sql:
        """How two values compare."""
        for part, node in ((left, at), (right, other)):
            if part.type is Type.TAGS:
                raise self._source.error("tags are many", node, 'Write: "NAME" in tags')
            if part.type is Type.TRUTH:
                raise self._source.error("a condition is compared with nothing", node)
        if Type.MOMENT in (left.type, right.type):
            return self._relation_of_times(op, left, right, at, other)
        if Type.ID in (left.type, right.type) and (left.is_constant or right.is_constant):
            return self._relation_of_ids(op, left, right, at, other)
        if op in _EQUALITY:
            self._refuse_mixed(left, right, other)
            return compose(f"({{}} {_EQUALITY[op]} {{}})", left.sql, right.sql)
        kind = self._refuse_mixed(left, right, other)
        for part, node in ((left, at), (right, other)):
            if isinstance(part.constant, bool):
                raise self._source.error(
                    f"{part.constant} is neither less nor greater than anything", node, "Write ==."
                )
        relation = compose(f"{{}} {_ORDER[op]} {{}}", self._ordered(left, at), self._ordered(right, other))
        guarded = [part.sql for part in (left, right) if part.field is not None]
        if not guarded:
            return compose("({})", relation)
        are_numbers = join(" AND ", (compose(_NUMBERS, sql) for sql in guarded))
        are_texts = join(" AND ", (compose("typeof({}) = 'text'", sql) for sql in guarded))
        alike = {"number": are_numbers, "text": are_texts, "": compose("{} OR {}", are_numbers, are_texts)}[kind]
        return compose("(CASE WHEN {} THEN {} END)", alike, relation)

    def _ordered(self, part: _Part, node: ast.expr) -> Sql:
        """A value that is less or greater than others: of constants, a number however large."""
        is_huge = isinstance(part.constant, int) and not -(2**63) <= part.constant < 2**63
        return self._number(node) if is_huge else part.sql

    def _refuse_mixed(self, left: _Part, right: _Part, node: ast.expr) -> str:
        """Whether numbers or texts are compared, empty where that is not known; never one with the other."""
        kinds = [kind for kind in (_kind_of(left), _kind_of(right)) if kind]
        if len(set(kinds)) > 1:
            said = "a text is compared with a number" if kinds[0] == "text" else "a number is compared with a text"
            raise self._source.error(said, node)
        return kinds[0] if kinds else ""

    def _relation_of_times(self, op: type[ast.cmpop], left: _Part, right: _Part, at: ast.expr, other: ast.expr) -> Sql:
        if left.type is right.type:
            return compose(f"({{}} {(_EQUALITY | _ORDER)[op]} {{}})", left.sql, right.sql)
        if right.type is Type.MOMENT:
            mirrored: dict[type[ast.cmpop], type[ast.cmpop]] = {
                ast.Lt: ast.Gt,
                ast.LtE: ast.GtE,
                ast.Gt: ast.Lt,
                ast.GtE: ast.LtE,
            }
            return self._relation_of_times(mirrored.get(op, op), right, left, other, at)
        period = parse_period(right.constant, self._now) if isinstance(right.constant, str) else None
        if period is None:
            raise self._source.error(
                f"`{self._source.text_of(other)}` is not a time", other, f"Write one such as {EXAMPLES}."
            )
        return _in_period(op, left.sql, period)

    def _relation_of_ids(self, op: type[ast.cmpop], left: _Part, right: _Part, at: ast.expr, other: ast.expr) -> Sql:
        if left.type is not Type.ID:
            left, right, at, other = right, left, other, at
        digits = right.constant.lower() if isinstance(right.constant, str) else ""
        if op not in _EQUALITY or not digits or digits.strip("0123456789abcdef"):
            is_commit = left.field is not None and left.field.name == "commit"
            hint = 'For what a name means to git, write: commit in "main"' if is_commit else ""
            raise self._source.error(
                f"`{self._source.text_of(at)}` is hexadecimal, and its beginning is compared by == or !=", other, hint
            )
        beginning = compose(f"substr({{}}, 1, {len(digits)})", left.sql)
        return compose(f"({{}} {_EQUALITY[op]} {{}})", beginning, Sql("?", (digits,)))

    # --- values -----------------------------------------------------------------------------------

    def _value(self, node: ast.expr) -> _Part:
        if isinstance(node, ast.Constant):
            return self._constant(node.value, node)
        if isinstance(node, ast.Name | ast.Attribute | ast.Subscript):
            return self._field(node)
        if isinstance(node, ast.Call):
            return self._call(node)
        if isinstance(node, ast.BinOp):
            return self._arithmetic(node)
        if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub | ast.UAdd):
            sign = -1 if isinstance(node.op, ast.USub) else 1
            inner = node.operand.value if isinstance(node.operand, ast.Constant) else None
            if isinstance(inner, int | float) and not isinstance(inner, bool):
                return self._constant(sign * inner, node)
            return _Part(Type.NUMBER, compose(f"({sign} * {{}})", self._number(node.operand)))
        if isinstance(node, ast.BoolOp | ast.Compare) or (
            isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.Not)
        ):
            return _Part(Type.TRUTH, self.truth(node))
        if isinstance(node, ast.List | ast.Tuple | ast.Set):
            raise self._source.error("a list stands behind `in` alone", node)
        raise self._source.error(f"`{self._source.text_of(node):.60}` is not part of this language", node)

    def _constant(self, value: object, node: ast.expr) -> _Part:
        if value is None:
            raise self._source.error("nothing is equal to None", node, "Write: is None, or: is not None")
        if not isinstance(value, bool | int | float | str):
            raise self._source.error(f"`{self._source.text_of(node):.60}` is neither a number nor a text", node)
        of_type = Type.ANY if isinstance(value, bool) else Type.TEXT if isinstance(value, str) else Type.NUMBER
        return _Part(of_type, Sql("?", (stored(value),)), value)

    def _field(self, node: ast.expr) -> _Part:
        word = self._word(node)
        try:
            field = self._fields.find(word)
        except UnknownField as error:
            is_perhaps_text = not error.near and isinstance(node, ast.Name)
            hint = f'If it is a text, write: "{word}"' if is_perhaps_text else error.hint
            raise self._source.error(error.reason, node, hint) from error
        return _Part(field.type, field.sql, field=field)

    def _word(self, node: ast.expr) -> str:
        """The name of a field as it is written: `metrics.fit.f1`, `metrics["fit.f1"]`, `value.fit.noise.kernel[3]`."""
        if isinstance(node, ast.Name):
            return node.id
        if isinstance(node, ast.Attribute):
            return f"{self._word(node.value)}.{self._source.text_of(node).rpartition('.')[2].strip()}"
        if isinstance(node, ast.Subscript) and isinstance(node.slice, ast.Constant):
            key = node.slice.value
            if isinstance(node.value, ast.Name) and isinstance(key, str):
                return f"{node.value.id}.{key}"
            return f"{self._word(node.value)}[{key!r}]"
        raise self._source.error(
            f"`{self._source.text_of(node):.60}` is not the name of a field", node, "`mitosis fields` lists all."
        )

    def _number(self, node: ast.expr) -> Sql:
        part = self._value(node)
        if isinstance(part.constant, int | float) and not isinstance(part.constant, bool):
            try:
                return Sql("?", (float(part.constant),))
            except OverflowError as error:
                raise self._source.error("the number is too large to calculate with", node) from error
        if part.type is Type.NUMBER and part.field is None:
            return part.sql
        if part.field is None or part.type not in (Type.NUMBER, Type.ANY):
            raise self._source.error(f"`{self._source.text_of(node):.60}` is not a number", node)
        return compose(f"(CASE WHEN {_NUMBERS} THEN CAST({{}} AS REAL) END)", part.sql, part.sql)

    def _arithmetic(self, node: ast.BinOp) -> _Part:
        left, right = self._number(node.left), self._number(node.right)
        if type(node.op) in _ARITHMETIC:
            return _Part(Type.NUMBER, compose(f"({{}} {_ARITHMETIC[type(node.op)]} {{}})", left, right))
        names = {ast.Pow: "power", ast.Mod: "modulo", ast.FloorDiv: "floor_divide"}
        if type(node.op) not in names:
            raise self._source.error("only + - * / // % ** calculate", node, "Conditions are joined by: and, or, not")
        return _Part(Type.NUMBER, compose(f"{names[type(node.op)]}({{}}, {{}})", left, right))

    def _call(self, node: ast.Call) -> _Part:
        name = node.func.id if isinstance(node.func, ast.Name) else ""
        count = _ARGUMENTS.get(name)
        if count is None:
            near = nearest(name, _ARGUMENTS)
            hint = f"Did you mean `{near[0]}`? " if near else ""
            raise self._source.error(
                f"there is no function `{self._source.text_of(node.func):.60}`",
                node.func,
                hint + f"There are: {', '.join(_ARGUMENTS)}.",
            )
        if node.keywords or len(node.args) != count or any(isinstance(item, ast.Starred) for item in node.args):
            raise self._source.error(f"`{name}` takes {count} argument{'s' * (count > 1)}", node)
        if name in _MATHEMATICAL:
            return _Part(Type.NUMBER, compose(f"{_MATHEMATICAL[name]}({{}})", self._number(node.args[0])))
        texts = [self._text_of(item) for item in node.args]
        call = compose(f"{_TEXTUAL[name]}({', '.join(['{}'] * count)})", *texts)
        return _Part(Type.TEXT if name == "lower" else Type.TRUTH, call)

    def _text_of(self, node: ast.expr) -> Sql:
        part = self._value(node)
        if part.type not in (Type.TEXT, Type.ANY, Type.ID) or isinstance(part.constant, bool):
            raise self._source.error(f"`{self._source.text_of(node):.60}` is not a text", node)
        return part.sql


def _kind_of(part: _Part) -> str:
    """Whether a value is a number or a text, as far as it is known."""
    if isinstance(part.constant, bool):
        return ""
    return {Type.NUMBER: "number", Type.TEXT: "text", Type.ID: "text"}.get(part.type, "")


def _in_period(op: type[ast.cmpop], sql: Sql, period: Period) -> Sql:
    """How a time compares with a period: earlier than its start, later than its end, or in it."""
    start, end = (Sql("?", (moment.isoformat(timespec="microseconds"),)) for moment in period)
    is_moment = period.start == period.end
    within = compose("{} = {}", sql, start) if is_moment else compose("{} >= {} AND {} < {}", sql, start, sql, end)
    sides: dict[type[ast.cmpop], Sql] = {
        ast.Eq: within,
        ast.NotEq: compose("NOT ({})", within),
        ast.Lt: compose("{} < {}", sql, start),
        ast.LtE: compose("{} <= {}" if is_moment else "{} < {}", sql, end),
        ast.Gt: compose("{} > {}" if is_moment else "{} >= {}", sql, end),
        ast.GtE: compose("{} >= {}", sql, start),
    }
    return compose("({})", sides[op])
