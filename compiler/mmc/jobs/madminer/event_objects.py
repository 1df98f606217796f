"""The variables of MadMiner's expressions in one event, with sums that are made only where an expression uses them."""

import builtins
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from functools import cached_property
from typing import Any, ClassVar

import numpy as np

from mmc.jobs.madminer.event_expressions import FUNCTIONS, UNDEFINED, evaluate

Definitions = Mapping[str, tuple[str, float | None]]
"""The expressions of objects, definitions and observables, each with its default, by name."""


Functions = Mapping[str, Callable[[Mapping[str, Any]], float]]
"""Observables that are functions of the objects of an event, by name."""


class GeneratedObjects(dict[str, Any]):
    """The objects of a generated event; sums and definitions are computed when an expression uses them."""

    definitions: ClassVar[Definitions] = {}
    functions: ClassVar[Functions] = {}

    def __missing__(self, name: str) -> Any:
        if name == "visible":
            value = self.visible()
        elif name == "all":
            value = self["visible"] + self["met"]
        elif name in FUNCTIONS:
            value = FUNCTIONS[name]
        elif name in self.definitions:
            value = self._named[name]
        else:
            raise KeyError(name)
        super().__setitem__(name, value)
        return value

    def __setitem__(self, name: str, value: Any) -> None:
        """Add an observable, as MadMiner does before cuts, unless its name is that of an object or a function."""
        if name not in self and name not in ("visible", "all") and not hasattr(builtins, name):
            super().__setitem__(name, value)

    @cached_property
    def _named(self) -> "_Named":
        return _Named(self)

    def visible(self) -> Any:
        """The sum over all generated particles that a detector sees."""
        from madminer.utils.interfaces.lhe import get_elementary_pdg_ids

        visible = set(get_elementary_pdg_ids()) - {12, 14, 16, -12, -14, -16}
        return momentum_sum((particle for particle in self["p"] if particle.pdgid in visible), zero=0.0)


class DetectedObjects(GeneratedObjects):
    """The objects of a detected event."""

    def update(self, objects: dict[str, Any]) -> None:  # type: ignore[override]
        """Take the objects without their sums."""
        super().update({name: value for name, value in objects.items() if not isinstance(value, NotSummed)})
        self["boost_to_com"] = lambda momentum: momentum.boost(self["all"].to_Vector3D())

    def visible(self) -> Any:
        """The sum over all detected particles, in MadMiner's order."""
        return momentum_sum(
            (particle for name in ("e", "j", "mu", "a") for particle in self[name]), zero=np.float64(0.0)
        )


class _Named(dict[str, Any]):
    """The values of definitions in an event, which do not see what MadMiner makes of undefined observables."""

    def __init__(self, objects: GeneratedObjects) -> None:
        super().__init__()
        self._objects = objects

    def __missing__(self, name: str) -> Any:
        if name not in self._objects.definitions:
            return self._objects[name]
        expression, default = self._objects.definitions[name]
        function = self._objects.functions.get(name)
        try:
            self[name] = evaluate(expression, self) if function is None else function(self)
        except UNDEFINED:
            if default is None:
                raise
            self[name] = default
        return self[name]


@contextmanager
def defined(definitions: Definitions, functions: Functions | None = None) -> Iterator[None]:
    """Let expressions of all events use these definitions; some of them are functions."""
    before = GeneratedObjects.definitions, GeneratedObjects.functions
    GeneratedObjects.definitions, GeneratedObjects.functions = definitions, functions or {}
    try:
        yield
    finally:
        GeneratedObjects.definitions, GeneratedObjects.functions = before


class NotSummed:
    """In place of MadMiner's sums over the particles of a detected event."""

    def __add__(self, _particle: object) -> "NotSummed":
        return self


def momentum_sum(particles: Iterable[Any], zero: float) -> Any:
    """The sum of momenta, a plain four-vector: MadMiner's particles add only to such a vector."""
    from mmc.jobs.madminer.light_vector import vector

    return sum(particles, start=vector.MomentumObject4D.from_xyzt(zero, zero, zero, zero))


def smeared(value: float, resolutions: Mapping[int, tuple[float, float]], code: int) -> float:
    """A value with a Gaussian error."""
    absolute, relative = resolutions[code]
    width = absolute + relative * abs(value)
    return value + np.random.normal(0.0, width) if width > 0.0 else value
