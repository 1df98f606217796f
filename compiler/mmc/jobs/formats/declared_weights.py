"""The weights that a Les Houches event file declares, in groups or outside of them.

The head is not parsed as XML: LHAPDF's descriptions may contain a bare ampersand.
"""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from html import unescape
from pathlib import Path
from xml.sax.saxutils import escape, quoteattr

from mmc.errors import StepError
from mmc.jobs.formats import scale_weights
from mmc.jobs.formats.les_houches_text import MOST_WEIGHTS, head, without_comments
from mmc.reading import shown

_TAG = re.compile(r"<(/?)(weightgroup|weight)\b([^<>]*)>([^<]*)")
_ATTRIBUTE = re.compile(r"""(?<![\w.-])([\w.-]+)\s*=\s*(?:'([^']*)'|"([^"]*)")""")
_TOLD = re.compile(r"""(?<![\w.-])([a-z]\w{0,39})\s*=\s*["']?([\w.+-]+)""", re.IGNORECASE | re.ASCII)
_BLOCK = re.compile(r"<initrwgt(.*?)(?:</initrwgt>|$)", re.DOTALL)
_FORTRAN = re.compile(r"^([-+]?[\d.]+)[dD]([-+]?\d+)$", re.ASCII)
_SAME = {"renscfact": "mur", "facscfact": "muf", "lhapdf": "pdf", "set": "pdf"}
"""Names in POWHEG, and in aMC@NLO's ``PDF set = 260001``, of what others call differently."""


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


def weight_groups(path: Path) -> tuple[WeightGroup, ...]:
    """The weight groups that the head of an event file declares; weights outside a group are in one without a name.

    :raises StepError: when the head cannot be read, or declares more than :data:`MOST_WEIGHTS`, or one in two ways
    """
    try:
        groups = declared_groups(declarations(head(path)))
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


def declarations(text: str) -> str:
    """The text of ``<initrwgt>``, or of several, without comments.

    POWHEG copies its settings into a comment, which may declare the weights too. If nothing else does, that counts.
    """
    found = _BLOCK.findall(without_comments(text)) or _BLOCK.findall(text)[:1]
    return without_comments("".join(found))


def _of_weight(attributes: str, text: str) -> dict[str, str]:
    """The attributes of a weight. aMC@NLO and POWHEG write scales and set into the text, with Fortran's exponents, and
    Sherpa into the name or the text."""
    named = {_SAME.get(name, name): value for name, value in _attributes(attributes).items()}
    told = {_SAME.get(name.lower(), name.lower()): _of_fortran(value) for name, value in _TOLD.findall(text)}
    of_sherpa = scale_weights.of_sherpa(named.get("id", "")) or scale_weights.of_sherpa(text)
    return {name: value for name, value in (of_sherpa or told).items() if name != "id"} | named


def _of_fortran(value: str) -> str:
    """A number with the exponent that other languages have; other words stay."""
    return _FORTRAN.sub(r"\1E\2", value)


def _attributes(text: str) -> dict[str, str]:
    return {name.lower(): unescape(one or two) for name, one, two in _ATTRIBUTE.findall(text)}
