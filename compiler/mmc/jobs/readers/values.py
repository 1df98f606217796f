"""Values in expressions: columns over events that are evaluated together."""

import ast
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from mmc.jobs.formats.les_houches_table import Floats

Mask = NDArray[np.bool_]


class UnusualExpressionError(Exception):
    """MadMiner must evaluate the expression event by event; the message names the part of it that is the reason."""


@dataclass(frozen=True)
class Vector:
    """A column of particles or other vectors, with MadMiner's properties of particles."""

    array: Any
    """An array of the package vector, shape (events,)."""
    flavour: Mapping[str, NDArray[Any]]
    """Some of charge, pdgid, spin, tau_tag, b_tag and t_tag."""
    is_particle: bool = False
    """Whether it is a ``MadMinerParticle``; MadMiner cannot add other vectors to it."""

    is_computed: bool = False
    """Whether MadMiner's coordinates are certainly numpy numbers, for which a division by zero gives no error."""

    members: Mapping[str, "Vector"] = field(default_factory=dict)
    """The two particles of a pair, by name."""

    @property
    def is_3d(self) -> bool:
        return not hasattr(self.array, "t")


@dataclass(frozen=True)
class Number:
    """A column of numbers or conditions."""

    values: Floats | Mask
    plain: bool = False
    """Whether they are certainly Python numbers, for which a division by zero raises an error."""
    is_charge: bool = False
    """Whether the number comes from charges, which MadMiner stores as exact fractions."""


@dataclass(frozen=True)
class Items:
    """One list per event: those of the elements that are present in the event, in their order."""

    elements: Sequence["Value"]
    present: Sequence[Mask]


Value = Number | Vector | Items
Known = Mapping[str, tuple[Number, Mask]]
"""Values by name, and the events for which they are defined."""


@dataclass(frozen=True)
class Definition:
    """An object, a definition or an observable that expressions use."""

    expression: str
    default: float | None = None
    """The value in events for which the expression is undefined."""


class Objects(Protocol):
    """The objects of some events, in columns over the events."""

    def __len__(self) -> int:
        """The number of events."""

    def items(self, name: str) -> Items:
        """The elements of one of the lists of particles."""

    def single(self, name: str) -> Vector:
        """The momentum ``met``, ``visible`` or ``all``."""


def truth(number: Number) -> Mask:
    """Where a number is not zero."""
    return number.values.astype(bool)


def where(mask: Mask, first: Number, second: Number) -> Number:
    """The first number in the events of the mask, the second one in all others."""
    values = np.where(mask, first.values, second.values)
    return Number(values, first.plain and second.plain)


def extreme(name: str, first: Number, second: Number) -> Number:
    """Python's `min` or `max` of two numbers; the first one if they are equal."""
    take_second = second.values < first.values if name == "min" else second.values > first.values
    return where(take_second, second, first)


def everywhere(elements: Sequence[Value], n_events: int) -> Items:
    """Lists that contain the elements in every event."""
    return Items(elements, [np.ones(n_events, dtype=bool)] * len(elements))


def compact(elements: Sequence[Value], masks: Sequence[Mask]) -> Items:
    """Lists without the elements that are not present in any event."""
    present = [(element, mask) for element, mask in zip(elements, masks, strict=True) if mask.any()]
    return Items([element for element, _ in present], [mask for _, mask in present])


def numbers(items: Items) -> Iterator[tuple[Number, Mask]]:
    """The elements of a list of numbers, each with the events that have it.

    :raises UnusualExpressionError: when the list has particles
    """
    for element, mask in zip(items.elements, items.present, strict=True):
        if not isinstance(element, Number):
            raise UnusualExpressionError("a list of particles instead of a list of numbers")
        yield element, mask


def vector_sum(left: Vector, right: Vector, minus: bool) -> Vector:
    """The sum of two vectors, or their difference.

    :raises UnusualExpressionError: when a particle comes before another vector, which MadMiner does not support
    """
    if left.is_particle and not right.is_particle:
        raise UnusualExpressionError("the sum of a particle and another vector, which MadMiner does not support")
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


def integer(node: ast.expr) -> int:
    """The value of a literal.

    :raises UnusualExpressionError: when it is not an integer
    """
    value = ast.literal_eval(node)
    if type(value) is not int:
        raise UnusualExpressionError("an index that is not an integer")
    return value
