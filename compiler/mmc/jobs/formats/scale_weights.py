"""The weights of other scales that an event file has, among all that it declares.

Programs vary more than the scales: the parton distributions, the choice of the scale, hdamp. A file may have weights of
the same factors for each of them, and those of the nominal choice are the ones beside the nominal weight.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from mmc.errors import StepError
from mmc.jobs.formats.les_houches_text import UnusualFileError, blocks, number, weights
from mmc.reading import shown

Weight = Mapping[str, str]
"""What a file declares of a weight, by lower-case name."""
Factors = tuple[float, float]
"""The factors on the renormalisation and the factorisation scale."""

Values = Mapping[str, NDArray[np.float64]]
"""Weights relative to the nominal ones by name, (events,) each."""

NOMINAL: Factors = (1.0, 1.0)
_TOLERANCE = 1e-6
_SAME = 1e-4
"""The largest relative difference between weights that are the same; files have six digits."""
_COMPARED = 200
"""The number of events whose weights are compared."""
_OTHER_CHOICES = {"dynscale", "dyn_scale", "alpsfact"}
"""What MadGraph declares of weights that are not those of the scale choice of the events."""
_NOT_NOMINAL = {*_OTHER_CHOICES, "hdamp"}
"""With POWHEG's varied matching of matrix elements and shower."""
_DYN = "-1"
"""aMC@NLO's number of the scale choice of the events."""
_MOST_LISTED = 12
"""At most this many weights are listed in a message."""
_NAMES = {"id", "mur", "muf", "name", "index", "memberid"}
"""What may differ among the weights of one choice."""
_SHERPA = re.compile(r"MUR=?([\d.]+)_+MUF=?([\d.]+)_+(?:PDF|LHAPDF)=?(\d+)", re.ASCII)


@dataclass(frozen=True)
class Choice:
    """The weights of other scales for one choice of everything else."""

    ids: tuple[str, ...]
    """One for each pair of factors."""
    nominal: str | None
    """That of the nominal scales; None without any."""
    told: Weight
    """What else the file declares of them."""


def of_sherpa(text: str) -> dict[str, str]:
    """The factors in a name of Sherpa.

    >>> of_sherpa("MUR=0.5__MUF=2__LHAPDF=303400")
    {'mur': '0.5', 'muf': '2', 'pdf': '303400'}
    """
    found = _SHERPA.fullmatch(text.strip())
    return {} if found is None else dict(zip(("mur", "muf", "pdf"), found.groups(), strict=True))


def choose(declared: Sequence[Weight], wanted: Sequence[Factors], what: str, path: Path) -> Choice:
    """The weights with these factors on the scales, for the choices with which the events were generated.

    :param declared: the weights of a file, those that count first
    :param what: the uncertainty, for messages
    :raises StepError: when there are no such weights, or several, and those of the nominal choice are not distinguished
    """
    usable = [weight for weight in declared if {"id", "mur", "muf"} <= set(weight) and not _OTHER_CHOICES & set(weight)]
    found = {factors: [weight for weight in usable if _has(weight, factors)] for factors in (*wanted, NOMINAL)}
    for factors in wanted:
        if not found[factors]:
            raise StepError(
                f"{path.name} has no weight for {what} {_in_words(factors)}: MadGraph writes it where LHAPDF and its "
                f"Python interface are installed; {listed(declared)}"
            )
    values = _values(path, [weight["id"] for group in found.values() for weight in group])
    several = next((factors for factors in wanted if len(found[factors]) > 1), None)
    if several is None:
        told = _told(found[wanted[0]][0])
        nominal = next((weight["id"] for weight in found[NOMINAL] if _told(weight) == told), None)
        return _settled(Choice(tuple(found[factors][0]["id"] for factors in wanted), nominal, told), values)
    choices = _choices(found, wanted, values)
    for likely in (
        choices,
        [choice for choice in choices if choice.nominal is not None],
        [choice for choice in choices if _is_nominal(values, choice.nominal, 1.0)],
        [choice for choice in choices if _is_nominal(values, choice.nominal, None)],
    ):
        if likely and _are_one(values, likely):
            return _settled(likely[0], values)
    raise StepError(
        f"{path.name} has several weights for {what} {_in_words(several)}: {listed(found[several])}. Which of them go "
        "with the nominal weight is not known: write the weights with varied scales for one choice alone"
    )


def is_nominal(weight: Weight) -> bool:
    """Whether a weight is of the choices of the event but for the parton distributions, as far as the file tells."""
    told = {"mur": "1", "muf": "1", "dyn": _DYN, **weight}
    return _has(told, NOMINAL) and _value(told["dyn"]) == _value(_DYN) and not _NOT_NOMINAL & set(told)


def are_same(path: Path, ids: Sequence[str]) -> bool:
    """Whether weights are the same in the first events."""
    return len(ids) < 2 or _alike(_values(path, ids), ids)


def listed(weights: Sequence[Weight]) -> str:
    """The weights that a file declares, for messages."""
    told = [" ".join(f"{key}={value}" for key, value in weight.items()) for weight in weights[:_MOST_LISTED]]
    more = f" and {len(weights) - _MOST_LISTED:,} more" if len(weights) > _MOST_LISTED else ""
    return f"it declares {'; '.join(map(shown, told))}{more}" if told else "it declares no weights"


def _choices(found: Mapping[Factors, Sequence[Weight]], wanted: Sequence[Factors], values: Values) -> list[Choice]:
    """The choices of everything else for which there is one weight for each pair of factors, or several equal ones."""
    choices = []
    for told in _different(map(_told, found[wanted[0]])):
        own = {factors: [one["id"] for one in group if _told(one) == told] for factors, group in found.items()}
        if all(own[factors] and _alike(values, own[factors]) for factors in wanted):
            nominal = own[NOMINAL][0] if own[NOMINAL] else None
            choices.append(Choice(tuple(own[factors][0] for factors in wanted), nominal, told))
    return choices


def _has(weight: Weight, factors: Factors) -> bool:
    return all(
        abs(_value(weight[key]) - factor) < _TOLERANCE for key, factor in zip(("mur", "muf"), factors, strict=True)
    )


def _value(text: str) -> float:
    try:
        return number(text)
    except ValueError:
        return float("nan")


def _told(weight: Weight) -> Weight:
    return {key: value for key, value in weight.items() if key not in _NAMES}


def _in_words(factors: Factors) -> str:
    return f"(MUR={factors[0]:g}, MUF={factors[1]:g})"


def _different(items: Iterable[Weight]) -> list[Weight]:
    found: list[Weight] = []
    for item in items:
        if item not in found:
            found.append(item)
    return found


def _values(path: Path, names: Sequence[str]) -> Values:
    """The weights of the first events by name, relative to the nominal weights; only those that all of them have."""
    rows: list[dict[str, float]] = []
    try:
        for block in islice(blocks(path), _COMPARED):
            body, tag, rest = block.text.partition("<")
            own = number(body.split(maxsplit=3)[2])
            found = dict(weights(tag + rest))
            if own != 0.0:
                rows.append({name: number(found[name]) / own for name in names if name in found})
    except (UnusualFileError, StepError, ValueError, IndexError):
        return {}  # whatever reads the events reports the error
    return {name: np.array([row[name] for row in rows]) for name in names if rows and all(name in row for row in rows)}


def _alike(values: Values, ids: Sequence[str | None]) -> bool:
    """Whether weights are the same in all events."""
    found = [None if name is None else values.get(name) for name in ids]
    first = found[0]
    return len(ids) < 2 or all(
        own is not None and first is not None and np.allclose(own, first, rtol=_SAME) for own in found
    )


def _are_one(values: Values, choices: Sequence[Choice]) -> bool:
    """Whether choices have the same weights, as a scale that a program declares under two numbers."""
    columns = zip(*((*choice.ids, choice.nominal) for choice in choices), strict=True)
    return all(set(ids) == {None} or _alike(values, ids) for ids in columns)


def _is_nominal(values: Values, name: str | None, ratio: float | None) -> bool:
    """Whether a weight is the nominal weight times a ratio; None for one that all events share."""
    ratios = None if name is None else values.get(name)
    if ratios is None:
        return False
    expected = float(np.median(ratios)) if ratio is None else ratio
    return expected > 0.0 and np.allclose(ratios, expected, rtol=_SAME)


def _settled(choice: Choice, values: Values) -> Choice:
    """The choice without its nominal weight where it is that of the event anyway, or is not in the events."""
    ratios = None if choice.nominal is None else values.get(choice.nominal)
    is_needed = ratios is not None and not np.allclose(ratios, 1.0, rtol=_SAME)
    return choice if is_needed else Choice(choice.ids, None, choice.told)
