"""Values of parts of expressions: columns over events that are evaluated together."""

import ast
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from mmc.jobs.formats.les_houches_table import Floats

Mask = NDArray[np.bool_]


class UnusualExpressionError(Exception):
    """An expression that MadMiner has to evaluate event by event."""


@dataclass(frozen=True)
class Vector:
    """A column of particles or of other vectors, with what MadMiner attaches to particles."""

    array: Any
    """An array of the package vector, shape (events,)."""
    flavour: Mapping[str, NDArray[Any]]
    """Some of charge, pdgid, spin, tau_tag, b_tag and t_tag."""
    is_particle: bool = False
    """Whether it is a ``MadMinerParticle``, to which MadMiner adds nothing else."""

    is_computed: bool = False
    """Whether MadMiner's coordinates are numpy's numbers for sure, which can be divided by zero."""

    @property
    def is_3d(self) -> bool:
        return not hasattr(self.array, "t")


@dataclass(frozen=True)
class Number:
    """A column of numbers or conditions."""

    values: Floats | Mask
    plain: bool = False
    """Whether they are Python's numbers for sure, which raise an error when something is divided by zero."""
    is_charge: bool = False
    """Whether it comes from charges, which Python holds as exact fractions."""


@dataclass(frozen=True)
class Items:
    """A list per event: some of these elements, in their order."""

    elements: Sequence["Value"]
    present: Sequence[Mask]


Value = Number | Vector | Items


class Objects(Protocol):
    """What a reader finds in some events, in columns over them."""

    def __len__(self) -> int:
        """How many events there are."""

    def items(self, name: str) -> Items:
        """The elements of one of the lists of particles."""

    def single(self, name: str) -> Vector:
        """``met``, ``visible`` or ``all``."""


def truth(number: Number) -> Mask:
    return number.values.astype(bool)


def where(mask: Mask, first: Number, second: Number) -> Number:
    values = np.where(mask, first.values, second.values)
    return Number(values, first.plain and second.plain)


def extreme(name: str, first: Number, second: Number) -> Number:
    """Python's `min` or `max` of two: the first unless the second is beyond it."""
    beyond = second.values < first.values if name == "min" else second.values > first.values
    return where(beyond, second, first)


def everywhere(elements: Sequence[Value], n_events: int) -> Items:
    """Elements that are in every event's list."""
    return Items(elements, [np.ones(n_events, dtype=bool)] * len(elements))


def compact(elements: Sequence[Value], masks: Sequence[Mask]) -> Items:
    """Without the elements that are in no event's list."""
    some = [(element, mask) for element, mask in zip(elements, masks, strict=True) if mask.any()]
    return Items([element for element, _ in some], [mask for _, mask in some])


def numbers(items: Items) -> Iterator[tuple[Number, Mask]]:
    for element, mask in zip(items.elements, items.present, strict=True):
        if not isinstance(element, Number):
            raise UnusualExpressionError("a list of particles in the place of one of numbers")
        yield element, mask


def vector_sum(left: Vector, right: Vector, minus: bool) -> Vector:
    if left.is_particle and not right.is_particle:
        raise UnusualExpressionError("MadMiner adds nothing but particles to particles")
    array = left.array - right.array if minus else left.array + right.array
    is_computed = left.is_computed or right.is_computed
    if not left.is_particle:
        return Vector(array, {}, is_computed=is_computed)
    flavour: dict[str, NDArray[Any]] = {
        name: left.flavour[name] | right.flavour[name] for name in ("tau_tag", "b_tag", "t_tag")
    }
    if "charge" in left.flavour and "charge" in right.flavour:
        charges = left.flavour["charge"], right.flavour["charge"]
        flavour["charge"] = charges[0] - charges[1] if minus else charges[0] + charges[1]
    return Vector(array, flavour, is_computed=is_computed)


def whole(node: ast.expr) -> int:
    value = ast.literal_eval(node)
    if type(value) is not int:
        raise UnusualExpressionError("an index that is no whole number")
    return value
