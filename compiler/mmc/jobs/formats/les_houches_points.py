"""Compare the points at which an event file was sampled and reweighted with the benchmarks of the study.

MadGraph writes the param card of the sampled point into the head of the file, and beside the name of each reweighting
weight the entries of the card that it changes. Without this check a weight at a wrong point would pass unnoticed.
"""

import re
from collections.abc import Iterator, Mapping
from html import unescape
from types import MappingProxyType

from mmc.compiler.inputs import cards
from mmc.errors import StepError
from mmc.jobs.formats.les_houches_text import part, without_comments
from mmc.reading import shown

_WEIGHT = re.compile(r"""(?><weight\b[^<>]*?\sid\s*=\s*(?:'([^']*)'|"([^"]*)"))[^<>]*>""")
_NEXT = re.compile(r"</|<weight(?:group)?\b")
"""What ends the text of a weight, also if its own end is missing."""
_CHANGE = re.compile(r"set\s+(?:param_card\s+)?(\w+)[ \t]+(\d+(?:[ \t]+\d+)?)[ \t]+([-+.\dEeDd]+)", re.ASCII)
_TOLERANCE = 1e-3
"""Tolerance relative to a parameter's largest value at the benchmarks: hand-written points are rounded."""
_FOLLOWING = "decay "
"""Widths follow from other entries, so MadGraph's reweighting may change them."""


def check_points(
    header: str,
    sampled: str,
    expected: Mapping[str, Mapping[str, float]],
    file: str,
    names: Mapping[str, str] = MappingProxyType({}),
) -> list[str]:
    """Compare the points in the head of a file, where it declares any.

    :param header: the text before the first event
    :param expected: values of the param card by benchmark and entry, as in ``dim6 2``
    :param names: the names of benchmarks in the file, where they differ
    :returns: a warning for each entry that is no parameter of the study and differs between the benchmarks, or that the
        param card does not have although it is not 0 at the sampled benchmark
    :raises StepError: when a point of the file differs from the benchmark of the study, a weight is declared at two
        points, or MadGraph computes a parameter of the study from others
    """
    # POWHEG copies its settings into a comment, which may declare weights. If nothing else does, that counts
    bare = without_comments(header)
    header = bare if _WEIGHT.search(bare) else header
    computed = sorted({place for values in expected.values() for place in values} & cards.dependent(_card(header)))
    if computed:
        raise StepError(
            f"{file} has {computed[0]} below the line Dependent parameters of its param card: MadGraph computes it "
            "from others and ignores its value, so it cannot be a parameter"
        )
    try:
        points = _points(header, sampled)
    except ValueError as error:
        raise StepError(f"the header of {file} {error}") from error
    points |= {name: points[other] for name, other in names.items() if other in points}
    for benchmark, values in expected.items():
        for place, value in values.items():
            written = points.get(benchmark, {}).get(place, value)
            largest = max(abs(others[place]) for others in expected.values())
            if abs(written - value) > _TOLERANCE * largest:
                done = "sampled" if benchmark == sampled else "reweighted"
                raise StepError(
                    f"{file} was {done} at {place} = {written:g} for {benchmark!r}, where the study has {value:g}: "
                    "correct the benchmark, or `lha_block`, `lha_id` and `transform` of its parameters"
                )
    held = points.get(sampled, {})
    unknown = [place for place, value in expected.get(sampled, {}).items() if held and value and place not in held]
    return [
        f"the param card in {file} has no {place}, which is {expected[sampled][place]:g} at {sampled!r}: were the "
        "events made with another model, or are `lha_block` and `lha_id` those of another entry?"
        for place in unknown
    ] + _further({name: points[name] for name in expected if name in points}, expected, sampled, file)


def _further(
    points: Mapping[str, Mapping[str, float]], expected: Mapping[str, Mapping[str, float]], sampled: str, file: str
) -> list[str]:
    """The warnings of :func:`check_points`.

    :param points: of the benchmarks that the file declares
    """
    own, found = points.get(sampled, {}), dict[str, str]()
    known = {place for values in expected.values() for place in values}
    for name, point in points.items():
        for place in point.keys() & own.keys() - known:
            if abs(point[place] - own[place]) > _TOLERANCE * abs(own[place]) and not place.startswith(_FOLLOWING):
                found[place] = (
                    f"the weights at {name!r} in {file} are those at {place} = {point[place]:g}, and those at "
                    f"{sampled!r} at {own[place]:g}: this entry of the param card is no parameter of the study"
                )
    return [found[place] for place in sorted(found)]


def _card(header: str) -> str:
    """The param card."""
    return part(header, "slha") or ""


def _points(header: str, sampled: str) -> dict[str, dict[str, float]]:
    """The param card values that the file declares for each benchmark.

    :raises ValueError: when a weight is declared at two points

    >>> head = "<slha>Block dim6\\n2 5.0</slha><weight id='sm'>set param_card dim6 2 0.0 # orig: 5.0\\n</weight>"
    >>> _points(head, "w")
    {'w': {'dim6 2': 5.0}, 'sm': {'dim6 2': 0.0}}
    """
    held = cards.param_card(_card(header))
    card = {
        f"{block} {cards.numbers(entry)}": value
        for (block, entry), text in held.items()
        if (value := cards.number(text)) is not None
    }
    points: dict[str, dict[str, float]] = {}
    for name, told in _weights(header):
        changes = {
            f"{block.lower()} {' '.join(entry.split())}": value
            for block, entry, text in _CHANGE.findall(told)
            if (value := cards.number(text)) is not None
        }
        if changes:
            point = {**card, **changes}
            if points.setdefault(name, point) != point:
                raise ValueError(f"declares the weight {shown(name)} at two points")
    return {sampled: card, **points}


def _weights(header: str) -> Iterator[tuple[str, str]]:
    """The names of the weights that a head declares, and the texts after their tags."""
    for opening in _WEIGHT.finditer(header):
        if opening[0].endswith("/>"):
            continue
        end = _NEXT.search(header, opening.end())
        yield unescape(opening[1] or opening[2] or ""), header[opening.end() : end.start() if end else len(header)]
