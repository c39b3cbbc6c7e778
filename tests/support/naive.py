"""Conditions evaluated one trial at a time, in Python: what the language of conditions means, slowly."""

from __future__ import annotations

import ast
import fnmatch
import math
import operator
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from mitosis.query.moments import parse_period
from mitosis.text import parse_moment

MOMENTS = ("started", "ended")
IDS = ("key", "commit", "environment")
ORDER: dict[type, Callable[[Any, Any], bool]] = {
    ast.Lt: operator.lt,
    ast.LtE: operator.le,
    ast.Gt: operator.gt,
    ast.GtE: operator.ge,
}
ARITHMETIC: dict[type, Callable[[Any, Any], Any]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: operator.truediv,
    ast.FloorDiv: operator.floordiv,
    ast.Mod: operator.mod,
    ast.Pow: operator.pow,
}
CALCULATIONS: dict[str, Callable[[float], float]] = {
    "abs": abs,
    "sqrt": math.sqrt,
    "exp": math.exp,
    "log": math.log,
    "log10": math.log10,
}
TEXTS: dict[str, Callable[..., Any]] = {
    "startswith": str.startswith,
    "endswith": str.endswith,
    "like": fnmatch.fnmatchcase,
    "lower": str.lower,
}


class Naive:
    """Whether a trial meets a condition.

    Args:
        values: of the trial's fields, by all names that they can be called; those that are missing are None.
        ranges: the commits in each range.
    """

    def __init__(self, values: Mapping[str, Any], ranges: Mapping[str, Sequence[str]]) -> None:
        self.values = values
        self.ranges = ranges

    def meets(self, text: str) -> bool:
        return self.truth(ast.parse(text.strip(), mode="eval").body) is True

    def truth(self, node: ast.expr) -> bool | None:
        if isinstance(node, ast.BoolOp):
            found = [self.truth(value) for value in node.values]
            decisive = isinstance(node.op, ast.Or)
            return decisive if decisive in found else None if None in found else not decisive
        if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.Not):
            found_one = self.truth(node.operand)
            return None if found_one is None else not found_one
        if isinstance(node, ast.Compare):
            operands = [node.left, *node.comparators]
            found = [self.compare(op, operands[at], operands[at + 1]) for at, op in enumerate(node.ops)]
            return False if False in found else None if None in found else True
        value = self.value(node)
        return value if isinstance(node, ast.Call) or value is None else value is True

    def compare(self, op: ast.cmpop, left: ast.expr, right: ast.expr) -> bool | None:
        if isinstance(op, ast.Is | ast.IsNot):
            return (self.value(left) is None) == isinstance(op, ast.Is)
        if isinstance(op, ast.In | ast.NotIn):
            found = self.contains(left, right)
            return None if found is None else found == isinstance(op, ast.In)
        if type(op) in ORDER:
            return self.order(type(op), left, right)
        found = self.equal(left, right)
        return None if found is None else found == isinstance(op, ast.Eq)

    def contains(self, left: ast.expr, right: ast.expr) -> bool | None:
        if isinstance(right, ast.List | ast.Tuple | ast.Set):
            found = [self.equal(left, item) for item in right.elts]
            return True if True in found else None if None in found else False
        part, whole = self.value(left), self.value(right)
        if name_of(left) == "commit" and isinstance(right, ast.Constant):
            return part in self.ranges[str(right.value)]
        if name_of(right) == "tags":
            return None if part is None else part in (whole or "").split(", ")
        return part in whole if isinstance(part, str) and isinstance(whole, str) else None

    def equal(self, left: ast.expr, right: ast.expr) -> bool | None:
        one, other = self.value(left), self.value(right)
        if one is None or other is None:
            return None
        for node, value, constant in ((left, one, right), (right, other, left)):
            if not isinstance(constant, ast.Constant):
                continue
            if name_of(node) in MOMENTS:
                return self.times(ast.Eq, value, str(constant.value))
            if name_of(node) in IDS:
                return bool(value.startswith(str(constant.value).lower()))
        return kind(one) == kind(other) and (kind(one) == "nan" or one == other)

    def order(self, op: type, left: ast.expr, right: ast.expr) -> bool | None:
        one, other = self.value(left), self.value(right)
        if one is None or other is None:
            return None
        if name_of(left) in MOMENTS and isinstance(right, ast.Constant):
            return self.times(op, one, other)
        if name_of(right) in MOMENTS and isinstance(left, ast.Constant):
            mirrored: dict[type, type] = {ast.Lt: ast.Gt, ast.Gt: ast.Lt, ast.LtE: ast.GtE, ast.GtE: ast.LtE}
            return self.times(mirrored[op], other, one)
        one, other = (float(v) if is_huge_constant(n) else v for n, v in ((left, one), (right, other)))
        if kind(one) != kind(other) or kind(one) not in ("number", "text"):
            return None
        return ORDER[op](one, other)

    def times(self, op: type, recorded: str, said: str) -> bool:
        moment, period = parse_moment(recorded), parse_period(said, datetime.now(UTC))
        assert moment is not None and period is not None
        is_moment = period.start == period.end
        is_before, is_after = moment < period.start, moment > period.end or (moment == period.end and not is_moment)
        outcomes: dict[type, bool] = {ast.Eq: not is_before and not is_after, ast.Lt: is_before, ast.Gt: is_after}
        return {**outcomes, ast.LtE: not is_after, ast.GtE: not is_before}[op]

    def value(self, node: ast.expr) -> Any:
        if isinstance(node, ast.Constant):
            return node.value
        if isinstance(node, ast.Name | ast.Attribute | ast.Subscript):
            return self.values[name_of(node)]
        if isinstance(node, ast.UnaryOp) and isinstance(node.operand, ast.Constant):
            constant: Any = node.operand.value
            return constant if isinstance(node.op, ast.UAdd) else -constant
        if isinstance(node, ast.UnaryOp):
            number = self.number(node.operand)
            return None if number is None else number if isinstance(node.op, ast.UAdd) else -number
        if isinstance(node, ast.BinOp):
            return self.calculated(ARITHMETIC[type(node.op)], node.left, node.right)
        assert isinstance(node, ast.Call) and isinstance(node.func, ast.Name)
        if node.func.id in CALCULATIONS:
            return self.calculated(CALCULATIONS[node.func.id], *node.args)
        texts = [self.value(item) for item in node.args]
        return TEXTS[node.func.id](*texts) if all(isinstance(text, str) for text in texts) else None

    def calculated(self, function: Callable[..., Any], *nodes: ast.expr) -> float | None:
        numbers = [self.number(node) for node in nodes]
        if None in numbers:
            return None
        try:
            result = function(*numbers)
        except (ValueError, ArithmeticError):
            return None
        return result if isinstance(result, float) and not math.isnan(result) else None

    def number(self, node: ast.expr) -> float | None:
        value = self.value(node)
        return float(value) if kind(value) == "number" or is_huge_constant(node) else None


def name_of(node: ast.expr) -> str:
    """A field as it is written."""
    return ast.unparse(node).replace("'", '"') if isinstance(node, ast.Name | ast.Attribute | ast.Subscript) else ""


def kind(value: Any) -> str:
    if isinstance(value, bool):
        return "truth"
    if isinstance(value, str):
        return "text"
    if isinstance(value, int) and not -(2**63) <= value < 2**63:
        return "huge"
    return "nan" if value != value else "missing" if value is None else "number"


def is_huge_constant(node: ast.expr) -> bool:
    node = node.operand if isinstance(node, ast.UnaryOp) else node
    return isinstance(node, ast.Constant) and kind(node.value) == "huge"
