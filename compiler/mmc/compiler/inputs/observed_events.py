"""Observed events: a CSV file with one row per event and one column per observable, named in its first row.

Columns may be in any order, and additional columns are ignored, except weights that are not 1. The checks read the file
when a study is compiled; the steps read it when they set limits.
"""

import csv
import io
import math
import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence

from mmc.compiler.catalogue.names import madminer_name
from mmc.reading import shown

WEIGHTS = re.compile(r"w|(?i:.*(weight|wgt).*)")
"""Names of columns with weights; `W` is the mass of hadrons."""
FEWEST_DIFFERENT = 10
"""Fewer different events may be alike by chance."""
MOST_TWICE = 0.1
"""At most this part of the events may be there twice, if none is there three times."""
_MOST_BY_CHANCE = 20
"""So many events of two files may be alike by chance if no two events of one file are."""
_MOST_TRIPLES = 5.0
"""So many triples are not expected where there are none: the probability is below exp(-5)."""
_MOST_SHOWN = 60


class ObservedError(ValueError):
    """The problem of the file in one line."""


def parse_observed(text: str, observables: Sequence[str]) -> list[list[float]]:
    """The events, each with the values of ``observables`` in that order.

    >>> parse_observed("pt, eta\\n31.5, 0.2\\n", ["eta", "pt"])
    [[0.2, 31.5]]

    :raises ObservedError: when a column is missing or duplicated, a value is not a finite number, there is no event, an
        event has a weight, or each event is there several times
    """
    if "\0" in text:
        raise ObservedError("it is not UTF-8 text: write a CSV file")
    text = text.removeprefix("\ufeff").removeprefix("#")  # numpy.savetxt writes one before the names
    rows = csv.reader(io.StringIO(text), skipinitialspace=True)
    try:
        header = [madminer_name(cell.strip()) for cell in next(rows, [])]
        columns = _columns(header, observables)
        weights = {name: k for k, name in enumerate(header) if WEIGHTS.fullmatch(name) and name not in columns}
        events = []
        for row in filter(None, rows):
            events.append(_event(row, columns, rows.line_num))
            _check_weights(row, weights, rows.line_num)
    except csv.Error as error:
        raise ObservedError(f"line {rows.line_num} is not a row of a CSV file: {error}") from error
    if not events:
        raise ObservedError("it holds no event")
    counts = Counter(map(tuple, events)).values()
    n_again = len(events) - len(counts)
    if len(counts) >= FEWEST_DIFFERENT and math.gcd(*counts) > 1:
        raise ObservedError(f"it holds each event {math.gcd(*counts)} times: give each event once")
    if len(counts) >= FEWEST_DIFFERENT and max(counts) == 2 and are_copies(n_again, len(events), MOST_TWICE):
        raise ObservedError(f"it holds {n_again:,} of its {len(events):,} events twice: give each event once")
    return events


def are_copies(n_again: int, n_events: int, most: float) -> bool:
    """Whether events are there twice by more than chance, if none is there three times.

    Of N independent events in M equally likely places, N²/(2M) pairs and N³/(6M²) triples are alike. So p pairs go with
    2p²/(3N) triples, and with more where some places are likelier.

    :param n_again: the number of pairs
    :param most: the largest part of the events that may be there twice
    """
    return n_again > most * n_events and 2.0 * n_again**2 / (3.0 * n_events) > _MOST_TRIPLES


def n_shared(one: Sequence[Sequence[float]], other: Sequence[Sequence[float]]) -> int:
    """How many events two files have in common; 0 if so many may be alike by chance.

    Independent events of two files are alike at most about as often as two events of one file (a b < (a² + b²)/2). So
    that many more are alike between the files has a probability below 2**-20. The same holds for ten events if these
    are all events of a file.

    >>> [n_shared([[k + 0.5] for k in range(10)], [[k + 0.5] for k in some]) for some in (range(15), range(5, 20))]
    [10, 0]
    """
    events = [set(map(tuple, file)) for file in (one, other)]
    n, n_again = len(events[0] & events[1]), len(one) + len(other) - len(events[0]) - len(events[1])
    least = 0 if n == min(map(len, events)) else _MOST_BY_CHANCE
    is_many = n > least + 10 * n_again and n > MOST_TWICE * min(len(one), len(other))
    return n if n >= FEWEST_DIFFERENT and is_many else 0


def _columns(header: list[str], observables: Iterable[str]) -> dict[str, int]:
    wanted = [madminer_name(name) for name in observables]
    missing = [name for name in wanted if name not in header]
    if missing:
        names = ",".join(header)
        begins = f"; it begins with {shown(names, _MOST_SHOWN)}" if names else ""
        raise ObservedError(f"its first row does not name the observable {missing[0]}, between commas{begins}")
    twice = [name for name in wanted if header.count(name) > 1]
    if twice:
        raise ObservedError(f"two columns are called {twice[0]}")
    return {name: header.index(name) for name in wanted}


def _check_weights(row: list[str], columns: Mapping[str, int], line: int) -> None:
    """:raises ObservedError: when an event has a weight that is not 1"""
    for (name, _), weight in zip(columns.items(), _event(row, dict(columns), line), strict=True):
        if weight != 1.0:
            raise ObservedError(
                f"line {line} has the weight {weight:g} in the column {name}, which is not one of the observables, and "
                "observed events count as one each: draw events without weights from simulated ones, or remove the "
                "column"
            )


def _event(row: list[str], columns: dict[str, int], line: int) -> list[float]:
    values = []
    for name, k in columns.items():
        try:
            value = math.nan if "_" in row[k] else float(row[k])
        except (IndexError, ValueError):
            value = math.nan
        if not math.isfinite(value):
            found = repr(row[k].strip()) if k < len(row) and row[k].strip() else "nothing"
            raise ObservedError(f"line {line} has {found} for {name}, which is not a finite number")
        values.append(value)
    return values
