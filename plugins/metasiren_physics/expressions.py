"""Formulas in a recipe, such as `-sin(pi*x)`: parsed and checked, never executed as Python.

The text becomes a syntax tree (`ast.parse`, which runs nothing). Numbers, the names of coordinates and constants, the
operators + - * / ** and the functions below are accepted; every other node is an error. So a formula from an untrusted
recipe can compute a wrong number, but cannot import, call or read anything.
"""

from __future__ import annotations

import ast
import math
import operator
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor

from metasiren import RecipeError, did_you_mean
from metasiren.nn.constants import constant

CONSTANTS = {"pi": math.pi, "e": math.e}
FUNCTIONS: dict[str, Callable[[Tensor], Tensor]] = {
    name: getattr(torch, name)
    for name in ("sin", "cos", "tan", "exp", "log", "sqrt", "sinh", "cosh", "tanh", "abs", "sign", "erf", "erfc")
}
_BINARY: dict[type[ast.AST], Callable[[Any, Any], Any]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: operator.truediv,
    ast.Pow: operator.pow,
}
_UNARY: dict[type[ast.AST], Callable[[Any], Any]] = {ast.UAdd: operator.pos, ast.USub: operator.neg}
LONGEST, DEEPEST = 1000, 50


@dataclass(frozen=True)
class Expression:
    """A formula in named coordinates.

    Args:
        text: such as `x**2 * cos(pi*x)`; or a number.
        names: the coordinates in the order of the points' last axis.
        where: how errors name the place in the recipe.

    Raises:
        RecipeError: text that is no formula of these names.
    """

    text: str | float
    names: Sequence[str]
    where: str
    tree: ast.expr = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        text = str(self.text)
        if len(text) > LONGEST:
            raise self._error(f"the formula has {len(text)} characters.", f"At most {LONGEST} are read.")
        try:
            tree = ast.parse(text.strip(), mode="eval").body
        except (SyntaxError, ValueError, RecursionError, MemoryError):
            raise self._error(f"{text!r} is no formula.", "An example is `-sin(pi*x) + t**2`.") from None
        self._check(tree, 0)
        object.__setattr__(self, "tree", tree)

    def __call__(self, points: Tensor) -> Tensor:
        """Values (...) at points (..., d), in the points' dtype."""
        known = {name: points[..., i] for i, name in enumerate(self.names)}
        return self._value(self.tree, known, points).expand(points.shape[:-1])

    def _error(self, found: str, advice: str) -> RecipeError:
        return RecipeError(self.where, found, advice)

    def _check(self, node: ast.AST, depth: int) -> None:
        """Accept a node and all below it, or raise."""
        if depth > DEEPEST:
            raise self._error("the formula is nested too deeply.", f"At most {DEEPEST} levels are read.")
        match node:
            case ast.Constant(value=int() | float() as value) if not isinstance(value, bool):
                try:
                    finite = math.isfinite(float(value))
                except OverflowError:
                    finite = False
                if not finite:
                    raise self._error("a number of the formula is out of range.", "Give finite numbers.")
                return
            case ast.Name(id=name):
                if name not in self.names and name not in CONSTANTS:
                    known = [*self.names, *CONSTANTS]
                    advice = f"{did_you_mean(name, known)}\nknown: {', '.join(known)}".strip()
                    raise self._error(f"{str(self.text)!r}: no coordinate is called {name!r}.", advice)
                return
            case ast.BinOp(op=op) if type(op) in _BINARY:
                below: Sequence[ast.AST] = (node.left, node.right)
            case ast.UnaryOp(op=op) if type(op) in _UNARY:
                below = (node.operand,)
            case ast.Call(func=ast.Name(id=name), args=[argument], keywords=[]):
                if name not in FUNCTIONS:
                    advice = f"{did_you_mean(name, FUNCTIONS)}\nfunctions: {', '.join(FUNCTIONS)}".strip()
                    raise self._error(f"{str(self.text)!r}: no function is called {name!r}.", advice)
                below = (argument,)
            case _:
                advice = f"Write numbers, {', '.join(self.names)}, + - * / ** and {', '.join(FUNCTIONS)}."
                raise self._error(f"{str(self.text)!r}: {type(node).__name__} is no part of a formula.", advice)
        for each in below:
            self._check(each, depth + 1)

    def _value(self, node: ast.expr, known: Mapping[str, Tensor], like: Tensor) -> Tensor:
        match node:
            case ast.Constant(value=value):
                return constant(float(value), like)  # type: ignore[arg-type]
            case ast.Name(id=name):
                return known[name] if name in known else constant(CONSTANTS[name], like)
            case ast.BinOp(left=left, op=op, right=right):
                found: Tensor = _BINARY[type(op)](self._value(left, known, like), self._value(right, known, like))
                return found
            case ast.UnaryOp(op=op, operand=operand):
                signed: Tensor = _UNARY[type(op)](self._value(operand, known, like))
                return signed
            case ast.Call(func=ast.Name(id=name), args=[argument]):
                return FUNCTIONS[name](self._value(argument, known, like))
        raise AssertionError(f"{type(node).__name__} passed the check")
