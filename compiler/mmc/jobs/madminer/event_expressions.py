"""Expressions of one event, as MadMiner evaluates them: with Python, over its particles.

The functions that take a quantity of an element (`sorted(j, abs(it.eta))`) get it as a function of the element.
"""

import ast
import math
from collections.abc import Callable, Iterable, Mapping
from functools import cache
from itertools import permutations
from types import CodeType
from typing import Any

import numpy as np

from mmc.compiler.expressions.vocabulary import QUANTITIES
from mmc.errors import StepError

UNDEFINED = (IndexError, RuntimeError, TypeError, ZeroDivisionError)
"""The errors by which MadMiner knows that an expression has no value in an event."""
_SAME = 1e-9
"""Particles are the same if no component of their momenta differs by more than this fraction of the energy."""
Quantity = Callable[..., Any]


def evaluate(expression: str, variables: dict[str, Any]) -> Any:
    """Replacement for ``eval`` in MadMiner's observables, cuts and efficiencies.

    :raises ZeroDivisionError: when the value is undefined for this event; MadMiner then uses the default
    :raises StepError: when the expression is wrong for every event
    """
    try:
        return eval(_compiled(expression), variables)
    except (ValueError, OverflowError) as error:
        raise ZeroDivisionError(str(error)) from error
    except (SyntaxError, NameError, AttributeError) as error:
        raise StepError(f"cannot evaluate {expression!r}: {error}") from error


@cache
def _compiled(expression: str) -> CodeType:
    tree = ast.parse(expression.lstrip(" \t"), mode="eval")  # unlike eval, compile rejects leading blanks
    return compile(ast.fix_missing_locations(_Forms().visit(tree)), "<expression>", "eval")


class _Forms(ast.NodeTransformer):
    """Lets functions of expressions be those of :data:`FUNCTIONS`, with functions instead of quantities."""

    def visit_Call(self, node: ast.Call) -> ast.expr:
        self.generic_visit(node)
        name = node.func.id if isinstance(node.func, ast.Name) else ""
        if f"_{name}" not in FUNCTIONS:
            return node
        first, names = QUANTITIES.get(name, (len(node.args), ()))
        parameters = [ast.arg(parameter) for parameter in names]
        given = ast.arguments(posonlyargs=[], args=parameters, kwonlyargs=[], kw_defaults=[], defaults=[])
        quantities = [ast.Lambda(given, argument) for argument in node.args[first:]]
        return ast.Call(ast.Name(f"_{name}", ast.Load()), [*node.args[:first], *quantities], [])


def _sorted(items: Iterable[Any], by: Quantity) -> list[Any]:
    return sorted(items, key=by)


def _argmin(items: Iterable[Any], by: Quantity) -> Any:
    return sorted(items, key=by)[0]


def _argmax(items: Iterable[Any], by: Quantity) -> Any:
    return sorted(items, key=lambda item: -by(item))[0]


def _pair(items: Iterable[Any], condition: Quantity, by: Quantity) -> Any:
    """The sum of the two particles with the smallest quantity, which become its attributes."""
    chosen = [(by(*both), both) for both in permutations(items, 2) if condition(*both)]
    first, second = sorted(chosen, key=lambda found: found[0])[0][1]
    total = first + second
    total.a, total.b = first, second
    return total


def _without(items: Iterable[Any], other: Any) -> list[Any]:
    removed = other if isinstance(other, list) else [other.a, other.b] if hasattr(other, "a") else [other]
    return [item for item in items if not any(_same(item, particle) for particle in removed)]


def _same(first: Any, second: Any) -> bool:
    scale = _SAME * abs(first.t)
    return all(abs(getattr(first, name) - getattr(second, name)) <= scale for name in ("x", "y", "z", "t"))


def _neutrino(lepton: Any, met: Any, mass: float, by: Quantity) -> Any:
    """The solution of (lepton + neutrino)² = mass² with the smallest quantity."""
    divisor = lepton.t * lepton.t - lepton.z * lepton.z
    if not divisor > 0.0:
        raise ZeroDivisionError("a lepton without transverse momentum")
    square = divisor - (lepton.x * lepton.x + lepton.y * lepton.y)
    k = 0.5 * (mass * mass - square) + (lepton.x * met.x + lepton.y * met.y)
    root = math.sqrt(_at_least_zero(k * k - divisor * (met.x * met.x + met.y * met.y)))
    found = []
    for sign in (1.0, -1.0):
        pz = (k * lepton.z) / divisor + sign * (lepton.t * root / divisor)
        found.append(_massless(np.float64(met.x), np.float64(met.y), np.float64(pz)))
    return sorted(found, key=by)[0]


def _massless(x: Any, y: Any, z: Any) -> Any:
    from madminer.utils.particle import MadMinerParticle

    return MadMinerParticle.from_xyzt(x, y, z, np.sqrt(x * x + y * y + z * z))


def _transverse_mass(first: Any, second: Any) -> float:
    energies = [math.sqrt(_at_least_zero(item.t * item.t - item.z * item.z)) for item in (first, second)]
    x, y = first.x + second.x, first.y + second.y
    return math.sqrt(_at_least_zero(sum(energies) ** 2 - x * x - y * y))


def _at_least_zero(square: float) -> float:
    """A square whose rounding errors may be negative; what is not a number stays, unlike in ``max``."""
    return 0.0 if square < 0.0 else square


def _sign(number: float) -> float:
    return float(number > 0) - float(number < 0)


FUNCTIONS: Mapping[str, Callable[..., Any]] = {
    "_all": all,
    "_prod": math.prod,
    "_hypot": math.hypot,
    "_sign": _sign,
    "_sorted": _sorted,
    "_argmin": _argmin,
    "_argmax": _argmax,
    "_pair": _pair,
    "_without": _without,
    "_neutrino": _neutrino,
    "_transverse_mass": _transverse_mass,
}
"""The functions that MadMiner's expressions do not have, or not under the name. ``all`` is also one of its objects."""
