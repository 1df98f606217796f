"""Lists in expressions, in columns: loops, functions of lists, chosen elements, pairs, and neutrinos of W bosons."""

import ast
from abc import abstractmethod
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from itertools import permutations

import numpy as np
from numpy.typing import NDArray

from mmc.compiler.expressions.vocabulary import ELEMENT, MEMBERS, PARTICLE_FUNCTIONS, QUANTITIES
from mmc.jobs.formats.les_houches_table import Floats
from mmc.jobs.madminer.light_vector import vector
from mmc.jobs.readers.arithmetic import Arithmetic, UndefinedError
from mmc.jobs.readers.values import (
    Items,
    Mask,
    Number,
    UnusualExpressionError,
    Value,
    Vector,
    compact,
    extreme,
    numbers,
    truth,
    vector_sum,
    where,
)

FORMS = (*QUANTITIES, *PARTICLE_FUNCTIONS)
"""Functions of particles."""
SAME = 1e-9
"""Particles are the same if no component of their momenta differs by more than this fraction of the energy."""


class ListEvaluator(Arithmetic):
    """Evaluation of the parts of expressions that use lists."""

    def __init__(self, n_events: int, wanted: Mask, continuous: bool) -> None:
        super().__init__(n_events, wanted, continuous)
        self.n_events = n_events
        self.variables: dict[str, Value] = {}
        """The elements that names mean inside a loop."""

    @abstractmethod
    def value(self, node: ast.expr) -> Value:
        """The value of a part."""

    @abstractmethod
    def branch(self, node: ast.expr, mask: Mask) -> Value | None:
        """The value of a part for the events in ``mask``; None if it is not needed or undefined in all of them."""

    @abstractmethod
    def number_in(self, node: ast.expr, mask: Mask) -> Number:
        """A number for the events in ``mask``, with arbitrary values for all other events."""

    @contextmanager
    def bound(self, **elements: Value) -> Iterator[None]:
        before, self.variables = self.variables, {**self.variables, **elements}
        try:
            yield
        finally:
            self.variables = before

    def nowhere(self) -> Mask:
        return np.zeros(self.n_events, dtype=bool)

    # -- loops --------------------------------------------------------------------------------------------------------

    def comprehension(self, node: ast.GeneratorExp | ast.ListComp) -> Items:
        found = list(self._loop(node))
        return compact([value for value, _ in found], [mask for _, mask in found])

    def _loop(self, node: ast.GeneratorExp | ast.ListComp) -> Iterator[tuple[Value, Mask]]:
        """The elements of the lists, each with the events in which it is present."""
        loop = node.generators[0]
        source = self.value(loop.iter)
        if len(node.generators) > 1 or not isinstance(loop.target, ast.Name) or not isinstance(source, Items):
            raise UnusualExpressionError("a loop that is not implemented")
        for element, present in zip(source.elements, source.present, strict=True):
            mask = present
            with self.bound(**{loop.target.id: element}):
                for condition in loop.ifs:
                    mask = mask & truth(self.number_in(condition, mask))
                value = self.branch(node.elt, mask)
            if value is not None:
                yield value, mask

    # -- functions of one list ----------------------------------------------------------------------------------------

    def list_function(self, name: str, arguments: Sequence[ast.expr]) -> Number:
        if len(arguments) != 1:
            raise UnusualExpressionError(f"the arguments of {name!r}")
        if name in ("any", "all"):
            return self._any_or_all(name, arguments[0])
        items = self.items(arguments[0])
        if name == "len":
            return Number(sum((mask.astype(float) for mask in items.present), start=np.zeros(self.n_events)), True)
        if name in ("sum", "prod"):
            return self._sum_or_product(name, items)
        total, found = self.constant(0.0), self.nowhere()
        for number, mask in numbers(items):
            total = where(mask, where(found, extreme(name, total, number), number), total)
            found = found | mask
        self.undefined |= self.active & ~found
        return total

    def _sum_or_product(self, name: str, items: Items) -> Number:
        neutral = 0.0 if name == "sum" else 1.0
        total = self.constant(neutral)
        for number, mask in numbers(items):
            term = np.where(mask, number.values.astype(float), neutral)
            values = total.values + term if name == "sum" else total.values * term
            total = self.exact(Number(values, total.plain and number.plain))
        return total

    def _any_or_all(self, name: str, node: ast.expr) -> Number:
        before = self.undefined.copy()
        items = self.items(node)
        result = self.nowhere() if name == "any" else ~self.nowhere()
        for number, mask in numbers(items):
            result = result | (mask & truth(number)) if name == "any" else result & (~mask | truth(number))
        if isinstance(node, ast.GeneratorExp) and (self.undefined != before).any():
            raise UnusualExpressionError(f"`{name}` stops before an undefined value")
        return Number(result, plain=True)

    def items(self, node: ast.expr) -> Items:
        """The value of a part that is a list."""
        value = self.value(node)
        if not isinstance(value, Items):
            raise UnusualExpressionError("a value that is not a list")
        return value

    # -- chosen elements ----------------------------------------------------------------------------------------------

    def form(self, name: str, arguments: Sequence[ast.expr]) -> Value:
        """The value of one of :data:`FORMS`."""
        if name == "neutrino":
            return self._neutrino(arguments)
        if name == "transverse_mass":
            first, second = (self._vector(argument) for argument in arguments)
            return Number(transverse_mass(first, second))
        items = self.items(arguments[0])
        if name == "pair":
            return self._pair(items, *arguments[1:])
        if name == "without":
            return self._without(items, self.value(arguments[1]))
        order, present = self._order(items, arguments[1], falling=name == "argmax")
        if name == "sorted":
            ranks = range(len(items.elements))
            return Items([self._at(items, order[rank]) for rank in ranks], [present > rank for rank in ranks])
        self.undefined |= self.active & (present == 0)
        if not self.active.any():
            raise UndefinedError
        return self._at(items, order[0])

    def _order(self, items: Items, by: ast.expr, *, falling: bool) -> tuple[NDArray[np.intp], NDArray[np.int_]]:
        """The indices of the elements in their order in each event, shape (elements, events), and their number."""
        keys = np.full((len(items.elements), self.n_events), np.inf)
        for index, (element, mask) in enumerate(zip(items.elements, items.present, strict=True)):
            with self.bound(**{ELEMENT: element}):
                keys[index] = self._key(by, mask, falling=falling)
        present = sum((mask.astype(int) for mask in items.present), start=np.zeros(self.n_events, dtype=int))
        absent = ~np.array(items.present, dtype=bool).reshape(keys.shape)
        return np.lexsort((keys, absent), axis=0), present

    def _key(self, by: ast.expr, mask: Mask, *, falling: bool = False) -> Floats:
        """The quantity by which elements are compared; infinite for the events outside ``mask``."""
        key = self.number_in(by, mask).values.astype(float)
        if (np.isnan(key) & mask & self.active).any():
            raise UnusualExpressionError("a comparison with what is not a number")
        return np.where(mask, -key if falling else key, np.inf)

    def _at(self, items: Items, index: NDArray[np.intp]) -> Value:
        """In each event the element with that index."""
        chosen = [index == number for number in range(len(items.elements))]
        with self.only(np.any([c & p for c, p in zip(chosen, items.present, strict=True)], axis=0)):
            if not self.active.any():
                return items.elements[0]
            return self.merged(Items(items.elements, chosen))

    def _pair(self, items: Items, condition: ast.expr, by: ast.expr) -> Vector:
        """The two elements that fulfil the condition and have the smallest quantity; of equal ones the first."""
        best = np.full(self.n_events, np.inf)
        found, indices = self.nowhere(), [np.zeros(self.n_events, dtype=int) for _ in MEMBERS]
        for chosen in permutations(range(len(items.elements)), len(MEMBERS)):
            both = [self._particle(items.elements[index]) for index in chosen]
            with self.bound(**dict(zip(MEMBERS, both, strict=True))):
                mask = items.present[chosen[0]] & items.present[chosen[1]]
                mask = mask & truth(self.number_in(condition, mask))
                key = self._key(by, mask)
            better = mask & (~found | (key < best))
            found, best = found | mask, np.where(better, key, best)
            indices = [np.where(better, new, old) for new, old in zip(chosen, indices, strict=True)]
        self.undefined |= self.active & ~found
        if not self.active.any():
            raise UndefinedError
        first, second = (self._particle(self._at(items, index)) for index in indices)
        members = dict(zip(MEMBERS, (first, second), strict=True))
        return replace(vector_sum(first, second, minus=False), members=members)

    def _without(self, items: Items, other: Value) -> Items:
        """The elements whose momentum is not that of the other particle, or of one of the other list or pair."""
        if isinstance(other, Items):
            others = list(zip(other.elements, other.present, strict=True))
        else:
            particles = [*other.members.values()] if isinstance(other, Vector) and other.members else [other]
            others = [(particle, ~self.nowhere()) for particle in particles]
        kept = []
        for element, present in zip(items.elements, items.present, strict=True):
            removed = self.nowhere()
            for particle, there in others:
                removed |= there & _same(self._particle(element), self._particle(particle))
            kept.append(present & ~removed)
        return compact(items.elements, kept)

    def _particle(self, value: Value) -> Vector:
        if not isinstance(value, Vector) or value.is_3d:
            raise UnusualExpressionError("a value that is not a particle")
        return value

    def _vector(self, node: ast.expr) -> Vector:
        return self._particle(self.value(node))

    def _neutrino(self, arguments: Sequence[ast.expr]) -> Vector:
        """Solve (lepton + neutrino)² = mass² with the neutrino's pT; the real part where there is no real solution."""
        lepton, missing = self._vector(arguments[0]), self._vector(arguments[1])
        mass = self.value(arguments[2])
        if not isinstance(mass, Number):
            raise UnusualExpressionError("a mass that is not a number")
        centre, distance, divisor = neutrino_solutions(lepton, missing, mass.values.astype(float))
        self.undefined |= self.active & ~(divisor > 0.0)
        if not self.active.any():
            raise UndefinedError
        solutions = []
        for pz in (centre + distance, centre - distance):
            x, y = missing.array.x, missing.array.y
            array = vector.array({"px": x, "py": y, "pz": pz, "E": np.sqrt(x * x + y * y + pz * pz)})
            solutions.append(Vector(array, _untagged(self.n_events), is_particle=True, is_computed=True))
        keys = []
        for solution in solutions:
            with self.bound(**{ELEMENT: solution}):
                keys.append(self._key(arguments[3], self.active))
        return self._particle(self._at(Items(solutions, [~self.nowhere()] * 2), np.argmin(keys, axis=0)))


def neutrino_solutions(lepton: Vector, missing: Vector, mass: Floats) -> tuple[Floats, Floats, Floats]:
    """Mean and half distance of the two solutions for pz, and the divisor, which must be above 0.

    With k = (M² - m²) / 2 + pT · pT', E and pz of the lepton: pz' = (k pz ± E √(k² - (E² - pz²) pT'²)) / (E² - pz²).
    """
    charged, other = lepton.array, missing.array
    energy, pz = charged.t, charged.z
    transverse = charged.x * other.x + charged.y * other.y
    divisor = energy * energy - pz * pz
    square = divisor - (charged.x * charged.x + charged.y * charged.y)
    k = 0.5 * (mass * mass - square) + transverse
    root = np.sqrt(np.maximum(0.0, k * k - divisor * (other.x * other.x + other.y * other.y)))
    safe = np.where(divisor > 0.0, divisor, 1.0)
    return k * pz / safe, energy * root / safe, divisor


def transverse_mass(first: Vector, second: Vector) -> Floats:
    """√((ET + ET')² - |pT + pT'|²), where ET² = m² + pT² = E² - pz²."""
    a, b = first.array, second.array
    energies = [np.sqrt(np.maximum(0.0, c.t * c.t - c.z * c.z)) for c in (a, b)]
    x, y = a.x + b.x, a.y + b.y
    return np.asarray(np.sqrt(np.maximum(0.0, (energies[0] + energies[1]) ** 2 - x * x - y * y)))


def _same(first: Vector, second: Vector) -> Mask:
    a, b = first.array, second.array
    scale = SAME * np.abs(a.t)
    differences = [np.abs(p - q) for p, q in ((a.x, b.x), (a.y, b.y), (a.z, b.z), (a.t, b.t))]
    return np.asarray(np.max(differences, axis=0) <= scale)


def _untagged(n_events: int) -> dict[str, Mask]:
    return dict.fromkeys(("tau_tag", "b_tag", "t_tag"), np.zeros(n_events, dtype=bool))
