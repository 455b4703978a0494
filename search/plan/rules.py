"""Rules between hyperparameters, such as "a + b <= 0.8": Python's expressions, of which only arithmetic,
comparisons and a few functions are allowed. Nothing of a rule is ever executed as code."""

from __future__ import annotations

import ast
import math
import operator
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

_LONGEST = 500
"""Characters of a rule."""
_LARGEST_POWER = 64
"""Exponents beyond this could take all memory."""

_BINARY: Mapping[type[ast.operator], Callable[[Any, Any], Any]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: operator.truediv,
    ast.FloorDiv: operator.floordiv,
    ast.Mod: operator.mod,
    ast.Pow: operator.pow,
}
_COMPARED: Mapping[type[ast.cmpop], Callable[[Any, Any], Any]] = {
    ast.Lt: operator.lt,
    ast.LtE: operator.le,
    ast.Gt: operator.gt,
    ast.GtE: operator.ge,
    ast.Eq: operator.eq,
    ast.NotEq: operator.ne,
}
_FUNCTIONS: Mapping[str, Callable[..., Any]] = {
    "abs": abs,
    "min": min,
    "max": max,
    "sum": sum,
    "len": len,
    "log": math.log,
    "sqrt": math.sqrt,
}


class BadRule(ValueError):
    """A rule that is none, or that cannot be computed."""


class RuleBroken(ValueError):
    """A recipe that does not keep a rule."""


@dataclass(frozen=True)
class Rule:
    """A condition on a recipe."""

    text: str
    """As it was written."""
    tree: ast.expr
    """Checked: nothing else than what is allowed."""

    @classmethod
    def parse(cls, text: str) -> Rule:
        """Raises BadRule."""
        return _parsed(text)

    @property
    def names(self) -> tuple[str, ...]:
        """The hyperparameters in it, in order."""
        functions = {id(node.func) for node in ast.walk(self.tree) if isinstance(node, ast.Call)}
        named = [node for node in ast.walk(self.tree) if isinstance(node, ast.Name)]
        named.sort(key=lambda node: (node.lineno, node.col_offset))
        return tuple(dict.fromkeys(node.id for node in named if id(node) not in functions))

    def holds(self, recipe: Mapping[str, Any]) -> bool:
        """Whether a recipe, its fields as plain values, keeps the rule. Raises BadRule if it cannot be
        computed, as of a text and a number."""
        try:
            return bool(_value(self.tree, recipe))
        except BadRule:
            raise
        except (ArithmeticError, TypeError, ValueError, IndexError, KeyError) as error:
            raise BadRule(f"cannot be computed: {type(error).__name__}: {error}") from error

    def check(self, recipe: Mapping[str, Any]) -> None:
        """Raises RuleBroken unless the recipe keeps the rule, and BadRule."""
        if not self.holds(recipe):
            values = ", ".join(f"{name} = {recipe[name]!r}" for name in self.names)
            raise RuleBroken(f"the rule {self.text!r} must hold, but got {values}")


@lru_cache(maxsize=256)
def _parsed(text: str) -> Rule:
    if len(text) > _LONGEST:
        raise BadRule(f"must have at most {_LONGEST} characters, but has {len(text)}")
    try:
        tree = ast.parse(text.strip(), mode="eval").body
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
        raise BadRule(f'must be a comparison such as "a + b <= 0.8", but got {text!r}') from error
    _check(tree)
    if not isinstance(tree, ast.Compare | ast.BoolOp | ast.UnaryOp):
        raise BadRule(f'must be a comparison such as "a + b <= 0.8", but got {text!r}')
    return Rule(text, tree)


def _check(node: ast.AST) -> None:
    """Raises BadRule for anything that is not allowed."""
    match node:
        case ast.BinOp(op=op) if type(op) in _BINARY:
            parts: list[ast.AST] = [node.left, node.right]
        case ast.UnaryOp(op=ast.USub() | ast.UAdd() | ast.Not()):
            parts = [node.operand]
        case ast.BoolOp():
            parts = [*node.values]
        case ast.Compare() if all(type(op) in _COMPARED for op in node.ops):
            parts = [node.left, *node.comparators]
        case ast.Call(func=ast.Name(id=name), keywords=[]) if name in _FUNCTIONS:
            parts = [*node.args]
        case ast.Subscript(slice=ast.Constant(value=int()) | ast.UnaryOp(operand=ast.Constant(value=int()))):
            parts = [node.value]
        case ast.Name() | ast.Constant(value=bool() | int() | float() | str()):
            parts = []
        case _:
            allowed = f"numbers, comparisons, and, or, not, {', '.join(_FUNCTIONS)}"
            raise BadRule(f"must have only hyperparameters, {allowed}, but got {ast.unparse(node)!r}")
    for part in parts:
        _check(part)


def _value(node: ast.expr, recipe: Mapping[str, Any]) -> Any:
    match node:
        case ast.Constant():
            return node.value
        case ast.Name():
            return recipe[node.id]
        case ast.UnaryOp(op=ast.Not()):
            return not _value(node.operand, recipe)
        case ast.UnaryOp():
            value = _number(_value(node.operand, recipe))
            return -value if isinstance(node.op, ast.USub) else value
        case ast.BinOp():
            left, right = _number(_value(node.left, recipe)), _number(_value(node.right, recipe))
            if isinstance(node.op, ast.Pow) and abs(right) > _LARGEST_POWER:
                raise BadRule(f"must have exponents of at most {_LARGEST_POWER}, but got {right}")
            return _BINARY[type(node.op)](left, right)
        case ast.BoolOp():
            results = (_value(value, recipe) for value in node.values)
            return all(results) if isinstance(node.op, ast.And) else any(results)
        case ast.Compare():
            values = [_value(each, recipe) for each in (node.left, *node.comparators)]
            pairs = zip(node.ops, values, values[1:], strict=False)
            return all(_COMPARED[type(op)](left, right) for op, left, right in pairs)
        case ast.Call(func=ast.Name(id=name)):
            return _FUNCTIONS[name](*(_value(each, recipe) for each in node.args))
        case ast.Subscript():
            return _value(node.value, recipe)[ast.literal_eval(node.slice)]
    raise BadRule(f"cannot be computed: {ast.unparse(node)!r}")


def _number(value: Any) -> Any:
    """The operand of an arithmetic operator: of text or lists, * could take all memory."""
    if not isinstance(value, bool | int | float):
        raise TypeError(f"{value!r} is no number")
    return value
