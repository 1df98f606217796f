"""Compare the points at which an event file was sampled and reweighted with the benchmarks of the study.

MadGraph writes the param card of the sampled point into the head of the file, and beside the name of each reweighting
weight the entries of the card that it changes. Without this check a weight at a wrong point would pass unnoticed.
"""

import re
from collections.abc import Mapping

from mmc.compiler.inputs import cards
from mmc.errors import StepError
from mmc.jobs.formats.les_houches_text import between, number

_WEIGHT = re.compile(r"""<weight\s+id=(?:'([^']*)'|"([^"]*)")\s*>""")
_CHANGE = re.compile(r"set\s+param_card\s+(\w+)\s+(\d+)\s+([-+.\dEe]+)", re.ASCII)
_TOLERANCE = 1e-3
"""Tolerance relative to a parameter's largest value at the benchmarks: hand-written points are rounded."""


def check_points(header: str, sampled: str, expected: Mapping[str, Mapping[str, float]], file: str) -> None:
    """Compare the points in the head of a file, where it declares any.

    :param header: the text between the header's tags
    :param expected: values of the param card by benchmark and entry, as in ``dim6 2``
    :raises StepError: when a point of the file differs from the benchmark of the study
    """
    points = _points(header, sampled)
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


def _points(header: str, sampled: str) -> dict[str, dict[str, float]]:
    """The param card values that the file declares for each benchmark.

    >>> head = "<slha>Block dim6\\n2 5.0</slha><weight id='sm'>set param_card dim6 2 0.0 # orig: 5.0\\n</weight>"
    >>> _points(head, "w")
    {'w': {'dim6 2': 5.0}, 'sm': {'dim6 2': 0.0}}
    """
    held = cards.param_card(between(header, "<slha>", "</slha>") or "")
    card = {f"{block} {entry}": value for (block, entry), text in held.items() if (value := _value(text)) is not None}
    points = {sampled: card}
    for part in header.split("</weight>")[:-1]:
        opening = _WEIGHT.search(part)
        changes = {
            f"{block.lower()} {entry}": value
            for block, entry, text in (_CHANGE.findall(part, opening.end()) if opening else ())
            if (value := _value(text)) is not None
        }
        if opening and changes:
            points[opening[1] or opening[2]] = {**card, **changes}
    return points


def _value(text: str) -> float | None:
    try:
        return number(text)
    except ValueError:
        return None
