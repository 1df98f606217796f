"""Nuisance parameters: MadMiner's form of systematic uncertainties, and their weights in an event file.

A nuisance parameter ν multiplies the weight of an event by exp(a ν + b ν²), which is 1 at the nominal value ν = 0. Its
nuisance benchmarks, ν = 1 and for some parameters also ν = -1, are weight columns like those of the benchmarks:

- ``norm``: the nominal weight times the variation.
- ``scale``: the weights at the last and at the first of the scale factors, with MadMiner's names; relative to the
  weight at nominal scales where the file has one that is not the nominal weight.
- ``pdf``: one parameter per eigenvector of a Hessian LHAPDF set, with both directions where the set has two. The
  nominal weight is multiplied by (weight of the member) / (weight of the set's central member), so ν = 0 is nominal
  even when the events were generated with another set. Members at a confidence level of 90 % are scaled to one
  standard deviation. (MadMiner 0.9.6 finds no PDF weights: no name of a weight group meets its conditions. It would
  make one parameter per member, and treat the central member as an error member unless its number ends in 000.)

MadGraph's systematics program writes the weights of scales and sets; it needs LHAPDF with its Python interface.
"""

from collections.abc import Iterable, Mapping, MutableMapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from mmc.compiler.settings.uncertainties import (
    NormUncertainty,
    PdfUncertainty,
    ScaleUncertainty,
    Uncertainty,
    WeightsUncertainty,
)
from mmc.errors import StepError
from mmc.jobs.formats import pdf_weights, scale_weights
from mmc.jobs.formats.declared_weights import WeightGroup, weight_groups
from mmc.reading import shown

Floats = NDArray[np.float64]

_MOST_UNDEFINED = 0.01
"""The largest part of the cross section of events without a central weight."""


@dataclass(frozen=True)
class Nuisance:
    """A nuisance parameter."""

    name: str
    systematic: str
    weights: Mapping[str, str | None]
    """Nuisance benchmark (ν = 1 first) → name of the weight in the event file; None is the nominal weight."""
    factor: float | None = None
    """A constant factor on the weights."""
    central: str | None = None
    """The weight that the benchmarks' weights are divided by; None for the nominal weight."""
    sigmas: float = 1.0
    """How many standard deviations of ν the weights in the file are away from the nominal ones."""
    warning: str = ""
    """What is assumed of them."""

    @property
    def benchmarks(self) -> tuple[str, str | None]:
        """The benchmarks at ν = 1 and ν = -1."""
        positive, *negative = self.weights
        return positive, negative[0] if negative else None

    @property
    def central_column(self) -> str:
        """The column name of the central weights until :func:`settle` divides by them."""
        return f"{self.systematic}_central"

    @property
    def columns(self) -> dict[str, str | None]:
        """Column name → name of the weight in the event file, the central weight included."""
        return {**self.weights, **({} if self.central is None else {self.central_column: self.central})}


def find_nuisance(systematics: Mapping[str, Uncertainty], path: Path) -> tuple[Nuisance, ...]:
    """The nuisance parameters of systematic uncertainties, with their weights in an event file.

    :param systematics: the uncertainties by name
    :param path: an event file, gzipped or not
    :raises StepError: when the file lacks the weights
    """
    is_known = all(isinstance(entry, NormUncertainty | WeightsUncertainty) for entry in systematics.values())
    groups = () if is_known else weight_groups(path)
    found: list[Nuisance] = []
    for name, entry in systematics.items():
        if isinstance(entry, NormUncertainty):
            found.append(_norm(name, entry))
        elif isinstance(entry, ScaleUncertainty):
            found.append(_scale(name, entry, groups, path))
        elif isinstance(entry, WeightsUncertainty):
            parameter = f"{name}_nuisance_param_0"
            columns = {f"{parameter}_benchmark_{k}": column for k, column in enumerate(entry.columns)}
            found.append(Nuisance(parameter, name, columns))
        else:
            found += _pdf(name, entry, groups, path)
    return tuple(found)


def assumptions(parameters: Iterable[Nuisance]) -> list[str]:
    """The warnings of nuisance parameters, each once."""
    return list(dict.fromkeys(parameter.warning for parameter in parameters if parameter.warning))


def settle(weights: MutableMapping[str, Floats], parameters: Iterable[Nuisance], reference: str) -> None:
    """Divide the weights by the central weights, drop the central weights, and bring the others to ν = 1 and -1.

    Of weights w at s standard deviations and nominal ones w₀, those at one are w₀ + (w - w₀) / s, as LHAPDF scales
    uncertainties (arXiv:1412.7420).

    :param weights: by benchmark or :attr:`Nuisance.columns`, all at the parameters θ of the reference benchmark
    :raises StepError: when central weights are 0 in events that are not
    """
    parameters = tuple(parameters)
    for parameter in parameters:
        if parameter.central is not None:
            central, nominal = weights[parameter.central_column], np.abs(weights[reference])
            undefined = float(nominal[central == 0.0].sum())
            if undefined > _MOST_UNDEFINED * float(nominal.sum()):
                raise StepError(
                    f"the weight {shown(parameter.central)} of the uncertainty {parameter.systematic}, to which its "
                    f"other weights are relative, is 0 in {undefined / float(nominal.sum()):.1%} of the cross section"
                )
            # an event of weight 0 has weight 0 at other values of the nuisance parameters too
            ratio = np.divide(weights[reference], central, out=np.zeros_like(central), where=central != 0.0)
            for benchmark in parameter.weights:
                weights[benchmark] = weights[benchmark] * ratio
        if parameter.sigmas != 1.0:
            for benchmark in parameter.weights:
                weights[benchmark] = weights[reference] + (weights[benchmark] - weights[reference]) / parameter.sigmas
    for name in {parameter.central_column for parameter in parameters if parameter.central is not None}:
        del weights[name]


def _norm(name: str, entry: NormUncertainty) -> Nuisance:
    parameter = f"{name}_nuisance_param_0"
    return Nuisance(parameter, name, {f"{parameter}_benchmark_0": None}, factor=float(entry.variation))


def _scale(name: str, entry: ScaleUncertainty, groups: Sequence[WeightGroup], path: Path) -> Nuisance:
    wanted = [
        (factor if entry.scale in ("mu", "mur") else 1.0, factor if entry.scale in ("mu", "muf") else 1.0)
        for factor in scale_factors(entry.variations)
    ]
    # MadGraph's systematics program writes some scale weights outside the group for them
    in_order = sorted(groups, key=lambda group: "scale variation" not in group.name.lower())
    declared = [weight for group in in_order for weight in group.weights]
    found = scale_weights.choose(declared, wanted, f"the scale uncertainty {name}", path)
    parameter = f"{name}_nuisance_param_0"
    weights = {f"{parameter}_benchmark_{index}": weight for index, weight in enumerate(found.ids)}
    return Nuisance(parameter, name, weights, central=found.nominal)


def scale_factors(variations: Sequence[float]) -> tuple[float, ...]:
    """The scale factors at ν = 1 and ν = -1: as in MadMiner the last and the first factor, without the nominal 1.

    >>> scale_factors([0.5, 1.0, 2.0]), scale_factors([1.0, 2.0])
    ((2.0, 0.5), (2.0,))
    """
    varied = [float(factor) for factor in variations if factor != 1.0]
    return (varied[-1],) if len(varied) == 1 else (varied[-1], varied[0])


def _pdf(name: str, entry: PdfUncertainty, groups: Sequence[WeightGroup], path: Path) -> list[Nuisance]:
    found = pdf_weights.choose(groups, str(entry.variation), name, path)
    return [
        Nuisance(
            f"{name}_nuisance_param_{index}",
            name,
            {f"{name}_nuisance_param_{index}_benchmark_{k}": weight for k, weight in enumerate(direction)},
            central=found.central,
            sigmas=found.sigmas,
            warning=found.warning,
        )
        for index, direction in enumerate(found.directions)
    ]
