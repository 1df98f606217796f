"""A UFO model with values for its parameters."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from mmc.compiler.inputs import cards
from mmc.errors import StepError
from mmc.jobs.matrix_elements import corrections
from mmc.jobs.matrix_elements.expressions import Expressions
from mmc.jobs.matrix_elements.sources import model_folder

if TYPE_CHECKING:
    from ufoamp.ufo_model import Model as UfoModel
    from ufoamp.ufo_model import Particle

Point = Mapping[str, float]
"""Values of parameters by their entries in a param card, block and number: ``{"dim6 2": 16.52, "decay 25": 0.004}``."""

_INPUTS = {"sminputs", "mass", "decay", "yukawa", "ckmblock", "wolfenstein", "loop", "frblock"}
"""The blocks where a model's own default value is a measurement. In other blocks it is often 1, and rarely meant."""


@dataclass(frozen=True)
class Model:
    """A UFO model with values for its external parameters. Make one with :meth:`load`."""

    name: str
    ufo: "UfoModel" = field(repr=False)
    values: Mapping[str, float] = field(repr=False)
    """The values that cards and the caller set, by the model's name of the parameter."""
    own_propagators: frozenset[int] = frozenset()
    """The PDG ids, without sign, of particles with a propagator that the model defines: they are not supported."""
    hierarchy: Mapping[str, int] = field(default_factory=dict, repr=False)
    """The weight of each coupling order in MadGraph's order WEIGHTED."""
    expansion: Mapping[str, int] = field(default_factory=dict, repr=False)
    """The largest power of an order in a diagram, if the model limits it."""

    @classmethod
    def load(
        cls,
        source: str | Path,
        *,
        restriction: str | None = None,
        card: Path | None = None,
        values: Point | None = None,
    ) -> "Model":
        """Read a model and set its parameters: first by the restriction, then by the param card, then by ``values``.

        A restriction that is named sets all the values in its card. Without a name the model's
        ``restrict_default.dat`` counts, as in MadGraph: masses, widths and the like, and coefficients that it sets
        to zero. Other coefficients have no default value (models write 1, or numbers that only differ from each other):
        they must be set by a card, by ``values``, or by the point at which a matrix element is computed.

        This runs the model's Python code.

        :param source: a folder, an archive (.tar.gz, .tar, .zip) or an installed package, such as ``ufo_sm``
        :param restriction: NAME of the model's file ``restrict_NAME.dat``, ``none`` for none, or the path of a card
        :param card: a param card, for instance of the MadGraph run that made the events
        :param values: by block and number, or for all others of a block ``dim6 all``
        :raises StepError: no such model or card, or the model does not load, or does not have these parameters
        :raises MissingExtraError: ufoamp is not installed
        """
        with model_folder(source) as folder:
            loaded = corrections.load(folder)
            restricted = _restriction(folder, restriction)
        ufo = loaded.ufo
        names = _names_by_entry(ufo)
        held = restricted | ({} if card is None else _card_values(card))
        chosen = {names[entry]: value for entry, value in held.items() if entry in names}
        chosen |= _by_name(ufo.name, names, values or {})
        return cls(ufo.name, ufo, chosen, loaded.own_propagators, loaded.hierarchy, loaded.expansion)

    def particle(self, identity: int | str) -> "Particle":
        """A particle by its PDG id or its name in the model, with ``pdg``, ``name``, ``spin`` (2s + 1) and ``color``.

        :raises StepError: the model does not have it
        """
        found = self._particles.get(identity.lower() if isinstance(identity, str) else identity)
        if found is None:
            raise StepError(f"the model {self.name} does not have a particle {identity}")
        return found

    def has(self, entry: str) -> bool:
        """Whether an entry of the param card is a parameter of the model."""
        return entry in self._names

    def value(self, entry: str) -> float:
        """The value of an entry that the model has."""
        return self.parameters()[self._names[entry]].real

    def mass(self, pdg: int, point: Point | None = None) -> float:
        """A particle's mass in GeV.

        :raises StepError: the model does not have the particle
        """
        return self._property(self.particle(pdg).mass, point)

    def width(self, pdg: int, point: Point | None = None) -> float:
        """A particle's total width in GeV.

        :raises StepError: the model does not have the particle
        """
        return self._property(self.particle(pdg).width, point)

    def without_widths(self) -> dict[str, float]:
        """The point at which no particle has a width, as far as widths are entries of the param card."""
        return {entry: 0.0 for entry in self._names if entry.startswith("decay ")}

    def parameters(self, point: Point | None = None) -> dict[str, complex]:
        """All parameters at a point, by their names in the model; one without a value has the model's default.

        :raises StepError: a parameter of the point is not in the model, or an expression of it cannot be computed
        """
        return self._expressions.parameters(self._values_at(point))

    def evaluated(self, point: Point | None) -> tuple[dict[str, complex], dict[str, complex]]:
        """All parameters and all couplings at a point, by their names in the model.

        :raises StepError: a parameter of the point is not in the model, a coefficient does not have a value, or an
            expression of the model cannot be computed
        """
        values = self._values_at(point)
        unset = [entry for entry, name in self._names.items() if name not in values and entry.split()[0] not in _INPUTS]
        if unset:
            more = f" and {len(unset) - 4} others" if len(unset) > 4 else ""
            raise StepError(
                f"the model {self.name} needs values for {', '.join(unset[:4])}{more}: give a param card with them, a "
                "restriction, or the values"
            )
        return self._expressions.evaluate(values)

    def _values_at(self, point: Point | None) -> dict[str, float]:
        return {**self.values, **_by_name(self.name, self._names, point or {})}

    def _property(self, parameter: str, point: Point | None) -> float:
        return 0.0 if parameter == "ZERO" else self.parameters(point)[parameter].real

    @cached_property
    def _names(self) -> dict[str, str]:
        return _names_by_entry(self.ufo)

    @cached_property
    def _expressions(self) -> Expressions:
        return Expressions(self.ufo)

    @cached_property
    def _particles(self) -> dict[int | str, "Particle"]:
        named = {particle.name.lower(): particle for particle in self.ufo.particles}
        return {**named, **{particle.pdg: particle for particle in self.ufo.particles}}


def _restriction(folder: Path, name: str | None) -> dict[str, float]:
    if name == "none":
        return {}
    if name is not None:
        path = Path(name) if Path(name).is_file() else folder / f"restrict_{name}.dat"
        if not path.is_file():
            known = ", ".join(sorted(file.stem.removeprefix("restrict_") for file in folder.glob("restrict_*.dat")))
            raise StepError(f"the model {folder.name} does not have a restriction {name}, only: {known or 'none'}")
        return _card_values(path)
    default = folder / "restrict_default.dat"
    found = _card_values(default) if default.is_file() else {}
    return {entry: value for entry, value in found.items() if entry.split()[0] in _INPUTS or value == 0}


def _card_values(path: Path) -> dict[str, float]:
    """The values of a card by entry, as in ``dim6 2``.

    :raises StepError: the card cannot be read, or an entry is not a number
    """
    try:
        held = cards.param_card(path.read_text(encoding="utf-8", errors="replace"))
    except OSError as error:
        raise StepError(f"the card {path.name} cannot be read: {error.strerror}") from error
    return {
        f"{block} {cards.numbers(number)}": _number(text, f"{block} {cards.numbers(number)} in {path.name}")
        for (block, number), text in held.items()
        if block != "qnumbers"
    }


def _number(text: str, where: str) -> float:
    """A number as C or Fortran write it.

    :raises StepError: it is not a number
    """
    try:
        return float(re.sub(r"(?<=[\d.])d(?=[+-]?\d)", "e", text))
    except ValueError as error:
        raise StepError(f"{where} is not a number: {text!r}") from error


def _names_by_entry(ufo: "UfoModel") -> dict[str, str]:
    return {
        f"{parameter.lhablock.lower()} {' '.join(map(str, parameter.lhacode or ()))}": parameter.name
        for parameter in ufo.parameters
        if parameter.nature == "external" and parameter.lhablock
    }


def _by_name(model: str, names: Mapping[str, str], point: Point) -> dict[str, float]:
    """:raises StepError: the model does not have one of the entries"""
    return dict(_named(model, names, point))


def _named(model: str, names: Mapping[str, str], point: Point) -> Iterator[tuple[str, float]]:
    for entry, value in sorted(point.items(), key=lambda item: not item[0].endswith(" all")):
        block, _, number = entry.lower().partition(" ")
        there = [key for key in names if key.split()[0] == block] if number == "all" else [f"{block} {number}"]
        if not there or not set(there) <= set(names):
            raise StepError(f"the model {model} does not have a parameter {entry}")
        yield from ((names[key], float(value)) for key in there)
