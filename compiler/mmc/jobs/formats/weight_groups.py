"""Nuisance parameters: MadMiner's form of systematic uncertainties, and their weights in an event file.

A nuisance parameter ν multiplies the weight of an event by exp(a ν + b ν²), which is 1 at the nominal value ν = 0. Its
nuisance benchmarks, ν = 1 and for some parameters also ν = -1, are weight columns like those of the benchmarks:

- ``norm``: the nominal weight times the variation.
- ``scale``: the weights at the last and at the first of the scale factors, with MadMiner's names; relative to the
  weight at nominal scales where the file has one that is not the nominal weight.
- ``pdf``: one parameter per eigenvector of a Hessian LHAPDF set, with both directions where the set has two. The
  nominal weight is multiplied by (weight of the member) / (weight of the set's central member), so ν = 0 is nominal
  even when the events were generated with another set. (MadMiner 0.9.6 finds no PDF weights: no name of a weight group
  meets its conditions. It would make one parameter per member, and treat the central member as an error member unless
  its number ends in 000.)

MadGraph's systematics program writes the weights of scales and sets; it needs LHAPDF with its Python interface.
"""

import math
import re
from collections.abc import Iterable, Mapping, MutableMapping, Sequence
from dataclasses import dataclass
from html import unescape
from pathlib import Path
from xml.sax.saxutils import escape, quoteattr

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
from mmc.jobs.formats import scale_weights
from mmc.jobs.formats.les_houches_text import MOST_WEIGHTS, head, number
from mmc.reading import shown

Floats = NDArray[np.float64]

_TAG = re.compile(r"<(/?)(weightgroup|weight)\b([^<>]*)>([^<]*)")
_ATTRIBUTE = re.compile(r"""(?<![\w.-])([\w.-]+)\s*=\s*(?:'([^']*)'|"([^"]*)")""")
_TOLD = re.compile(r"""(?<![\w.-])([a-z]\w{0,39})\s*=\s*["']?([\w.+-]+)""", re.IGNORECASE | re.ASCII)
_FORTRAN = re.compile(r"^([-+]?[\d.]+)[dD]([-+]?\d+)$", re.ASCII)
_IN_POWHEG = {"renscfact": "mur", "facscfact": "muf", "lhapdf": "pdf"}
"""POWHEG's names in the text of a weight."""
_MOST_UNDEFINED = 0.01
"""The largest part of the cross section of events without a central weight."""


@dataclass(frozen=True)
class WeightGroup:
    """A group of weights that an event file declares."""

    attributes: Mapping[str, str]
    """The attributes of the tag; names in lower case, also in the weights."""
    text: str
    """The text after the tag; for an LHAPDF set its number and description."""
    weights: tuple[Mapping[str, str], ...]

    @property
    def name(self) -> str:
        return self.attributes.get("name", "")


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


def settle(weights: MutableMapping[str, Floats], parameters: Iterable[Nuisance], reference: str) -> None:
    """Divide the weights by the central weights, and drop the central weights.

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
    for name in {parameter.central_column for parameter in parameters if parameter.central is not None}:
        del weights[name]


def weight_groups(path: Path) -> tuple[WeightGroup, ...]:
    """The weight groups that the head of an event file declares; weights outside a group are in one without a name.

    The head is not parsed as XML: LHAPDF descriptions may contain a bare ampersand.

    :raises StepError: when the head cannot be read, or declares more than :data:`MOST_WEIGHTS`, or one in two ways
    """
    try:
        groups = declared_groups(_declarations(path))
        _check_declared_once(weight for group in groups for weight in group.weights)
    except ValueError as error:
        raise StepError(f"{path.name} {error}") from error
    return groups


def declared_groups(text: str) -> tuple[WeightGroup, ...]:
    """The weight groups in the text of ``<initrwgt>``, like :func:`weight_groups`.

    :raises ValueError: when it declares more than :data:`MOST_WEIGHTS`
    """
    loose: list[Mapping[str, str]] = []
    groups: list[tuple[Mapping[str, str], str, list[Mapping[str, str]]]] = []
    n_weights, inside = 0, False
    for closing, tag, attributes, after in map(re.Match.groups, _TAG.finditer(text)):
        if tag == "weightgroup":
            inside = not closing
            if inside:
                groups.append((_attributes(attributes), after.strip(), []))
        elif not closing:
            (groups[-1][2] if inside else loose).append(_of_weight(attributes, after))
            n_weights += 1
        if max(n_weights, len(groups)) > MOST_WEIGHTS:
            raise ValueError(f"declares more than {MOST_WEIGHTS:,} weights")
    named = [WeightGroup(attributes, after, tuple(weights)) for attributes, after, weights in groups]
    return (*named, *([WeightGroup({}, "", tuple(loose))] if loose else []))


def _check_declared_once(weights: Iterable[Mapping[str, str]]) -> None:
    declared: dict[str, Mapping[str, str]] = {}
    for weight in weights:
        if "id" in weight and declared.setdefault(weight["id"], weight) != weight:
            raise ValueError(f"declares the weight {shown(weight['id'])} twice, in different ways")


def as_xml(groups: Iterable[WeightGroup]) -> str:
    """``<initrwgt>`` with the declarations of weight groups, as valid XML."""
    return "\n".join(["<initrwgt>", *(line for group in groups for line in lines_of(group)), "</initrwgt>"])


def lines_of(group: WeightGroup) -> list[str]:
    """The declarations of one weight group, as valid XML."""
    weights = [f"<weight{_written(weight)}> </weight>" for weight in group.weights]
    return [f"<weightgroup{_written(group.attributes)}> {escape(group.text)}", *weights, "</weightgroup>"]


def _written(attributes: Mapping[str, str]) -> str:
    return "".join(f" {name}={quoteattr(value)}" for name, value in attributes.items())


def _declarations(path: Path) -> str:
    """The text of ``<initrwgt>``."""
    return head(path).partition("<initrwgt")[2].partition("</initrwgt>")[0]


def _value(text: str) -> float:
    """A number among the attributes of a weight; NaN, which is like no other number, for anything else."""
    try:
        return number(text)
    except ValueError:
        return math.nan


def _of_weight(attributes: str, text: str) -> dict[str, str]:
    """The attributes of a weight. aMC@NLO and POWHEG write scales and set into the text, with Fortran's exponents, and
    Sherpa into the name or the text."""
    named = _attributes(attributes)
    told = {_IN_POWHEG.get(name.lower(), name.lower()): _of_fortran(value) for name, value in _TOLD.findall(text)}
    of_sherpa = scale_weights.of_sherpa(named.get("id", "")) or scale_weights.of_sherpa(text)
    return {name: value for name, value in (of_sherpa or told).items() if name != "id"} | named


def _of_fortran(value: str) -> str:
    """A number with the exponent that other languages have; other words stay."""
    return _FORTRAN.sub(r"\1E\2", value)


def _attributes(text: str) -> dict[str, str]:
    return {name.lower(): unescape(one or two) for name, one, two in _ATTRIBUTE.findall(text)}


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
    wanted = str(entry.variation)
    # when the events were generated with this set, MadGraph starts a second group at the central member
    of_set = [group for group in groups if _is_set(group, wanted)]
    members = {
        int(w["pdf"]): w["id"]
        for group in of_set
        for w in group.weights
        if {"id", "pdf"} <= set(w) and _value(w["pdf"]).is_integer()
    }
    if len(members) < 2:
        raise StepError(
            f"{path.name} has no weights for the PDF uncertainty {name} ({wanted}): MadGraph writes them where LHAPDF, "
            f"its Python interface and that set are installed; {_declared_groups(groups)}"
        )
    sort = of_set[0].attributes.get("combine", "unknown")
    directions = _directions(sort, len(members) - 1)
    central = min(members)
    if sorted(members) != list(range(central, central + len(members))) or directions is None:
        raise StepError(
            f"the PDF set {wanted} in {path.name} ({len(members)} members, {sort}) has no eigenvectors: nuisance "
            "parameters need a Hessian set"
        )
    return [
        Nuisance(
            f"{name}_nuisance_param_{index}",
            name,
            {
                f"{name}_nuisance_param_{index}_benchmark_{k}": members[central + member]
                for k, member in enumerate(direction)
            },
            central=members[central],
        )
        for index, direction in enumerate(directions)
    ]


def _declared_groups(groups: Sequence[WeightGroup]) -> str:
    """The groups that a file declares, for messages."""
    names = [shown(group.name or group.text[:40] or "no name") for group in groups]
    return f"it declares the groups {', '.join(names)}" if names else "it declares no groups of weights"


def _is_set(group: WeightGroup, wanted: str) -> bool:
    number = re.match(r"#\s*(\d+)", group.text)
    return group.name == wanted or (number is not None and number[1] == wanted)


def _directions(error_type: str, n_members: int) -> list[tuple[int, ...]] | None:
    """The members at ν = 1 and ν = -1 for each eigenvector, in LHAPDF's numbering; None for sets without eigenvectors.

    Each ``+as`` adds a pair of members at the end, with a smaller and a larger α_s.
    """
    sort, *more = error_type.split("+")
    n_vectors = n_members - 2 * len(more)
    tail: list[tuple[int, ...]] = [(first + 1, first) for first in range(n_vectors + 1, n_members, 2)]
    if sort == "symmhessian" and n_vectors > 0:
        return [*((member,) for member in range(1, n_vectors + 1)), *tail]
    if sort == "hessian" and n_vectors > 0 and n_vectors % 2 == 0:
        return [*((member, member + 1) for member in range(1, n_vectors, 2)), *tail]
    return None
