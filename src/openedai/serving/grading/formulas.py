"""Arithmetic formulas, such as `0.5 * name + max(a, b)`."""

from __future__ import annotations

import ast
import math
import re
from collections.abc import Callable, Collection, Mapping

MAX_LENGTH = 1024  # characters
_MOST_DEPTH = 100
# Python's other notations of numbers, and what it warns about.
_OTHER_NUMBER = re.compile(r"(?<!\w)\d+[^\W\d]")

_OPERATORS: dict[type[ast.operator], Callable[[float, float], float]] = {
    ast.Add: lambda a, b: a + b,
    ast.Sub: lambda a, b: a - b,
    ast.Mult: lambda a, b: a * b,
    ast.Div: lambda a, b: a / b,
    ast.Pow: math.pow,
}
_SIGNS: dict[type[ast.unaryop], Callable[[float], float]] = {
    ast.UAdd: lambda a: a,
    ast.USub: lambda a: -a,
}
_FUNCTIONS: dict[str, Callable[..., float]] = {
    "abs": abs,
    "ceil": math.ceil,
    "exp": math.exp,
    "floor": math.floor,
    "log": math.log,
    "max": lambda *many: max(many),
    "min": lambda *many: min(many),
    "sqrt": math.sqrt,
}
_SEVERAL = ("max", "min")


class Formula:
    """Numbers, names, `+ - * / ^`, brackets, and abs, ceil, exp, floor, log, max, min, sqrt."""

    def __init__(self, text: str, names: Collection[str]) -> None:
        """Raises ValueError for a text that is not a formula of these names."""
        if len(text) > MAX_LENGTH:
            raise ValueError(f"it has more than {MAX_LENGTH} characters")
        if _OTHER_NUMBER.search(text):
            raise ValueError("its numbers may have digits and a point only")
        try:
            tree = ast.parse(text.strip().replace("^", "**"), mode="eval")
        except (SyntaxError, ValueError, MemoryError, RecursionError):
            raise ValueError("it is not a formula") from None
        self._names = names
        self._root = tree.body
        self._check(self._root, _MOST_DEPTH)

    def value(self, numbers: Mapping[str, float]) -> float:
        """Raises ArithmeticError and ValueError if it has no value, such as for a division by
        zero.
        """
        value = self._value(self._root, numbers)
        if not math.isfinite(value):
            raise ArithmeticError("it is not finite")
        return value

    def _check(self, node: ast.expr, depth: int) -> None:
        if depth == 0:
            raise ValueError("it is nested too deeply")
        match node:
            case ast.Constant(value=int() | float() as number) if not isinstance(number, bool):
                if abs(number) > 1e300:
                    raise ValueError("it has a number that is too large")
            case ast.Name(id=name):
                if name not in self._names:
                    raise ValueError(f"'{name}' is not the name of a grader")
            case ast.UnaryOp(op=op, operand=operand) if type(op) in _SIGNS:
                self._check(operand, depth - 1)
            case ast.BinOp(op=op, left=left, right=right) if type(op) in _OPERATORS:
                self._check(left, depth - 1)
                self._check(right, depth - 1)
            case ast.Call(func=ast.Name(id=name), args=args, keywords=[]) if name in _FUNCTIONS:
                if not args or (len(args) > 1 and name not in _SEVERAL):
                    raise ValueError(f"'{name}' has {len(args)} arguments")
                for one in args:
                    self._check(one, depth - 1)
            case _:
                raise ValueError("it has more than numbers, names, operators and functions")

    def _value(self, node: ast.expr, numbers: Mapping[str, float]) -> float:
        match node:
            case ast.Name(id=name):
                return numbers[name]
            case ast.UnaryOp(op=sign, operand=operand):
                return _SIGNS[type(sign)](self._value(operand, numbers))
            case ast.BinOp(op=op, left=left, right=right):
                two = self._value(left, numbers), self._value(right, numbers)
                return _OPERATORS[type(op)](*two)
            case ast.Call(func=ast.Name(id=name), args=args):
                return float(_FUNCTIONS[name](*(self._value(one, numbers) for one in args)))
        assert isinstance(node, ast.Constant)
        return float(node.value)  # type: ignore[arg-type]
