"""Whether two files hold the same events in the same order, by the weights that both hold, or the hard process.

A shower or a detector simulation passes weights on under other names and in other units; Pythia also divides them by
the nominal weight. So ratios to the nominal weight are compared, and the nominal weight itself up to a factor.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from mmc.jobs.formats.hard_process import HardProcess
from mmc.jobs.formats.les_houches_table import EventTable, Floats

_PRECISIONS = (1e-3, 1e-5)
"""Relative differences at which numbers count as the same. The second is for weights that hardly vary: Delphes keeps
single precision."""
_OF_MOMENTA = (1e-4, 1e-2)
"""Relative differences at which momenta in two files count as the same. The second is for those that a shower changed:
Pythia gives massless partons masses."""
_ENERGIES = "energies of the incoming partons"
_SMALLEST = 1e-6
"""Ratios below it are compared as if they were as large."""
_SAME = 0.99
"""At least this part of the events agrees in files with the same events."""
_MOST_CHANGED = 0.5
"""A shower may change the energies of the incoming partons in at most this part of the events."""
_VARIES = 0.1
"""At least this part of the events must have another weight than the event before; else they have no information."""
_COMPARED = 6
"""The number of varying weights that are compared."""
_TRIED = 2_000
"""The number of events by which a weight is found in the other file."""
_MORE_THAN_CHANCE = 0.1
"""Of the same events with changed momenta, at least this part agrees beyond those that agree by chance."""
_FEW = 3
"""Fewer events may agree with their neighbours by chance."""


@dataclass(frozen=True)
class Comparison:
    """How many events of two files have the same weights."""

    n_events: int
    n_same: int
    n_shifted: int
    """How many of the others have the weights of the event before or after."""
    what: str = "weights"
    """What is compared."""
    n_by_chance: int = 0
    """How many events agree with one that is far away in the file: energies near that of a lepton beam pile up."""

    @property
    def is_same(self) -> bool:
        """Whether they are the same events."""
        return self.n_same >= _SAME * self.n_events and not self.is_shifted

    @property
    def has_others(self) -> bool:
        """Whether some of the same events are others: a shower or a detector simulation does not change weights."""
        return self.what != _ENERGIES and self.n_same < self.n_events

    @property
    def is_shifted(self) -> bool:
        """Whether most of the others are those of the event before or after."""
        return self.n_shifted >= _FEW and 2 * self.n_shifted > self.n_events - self.n_same

    @property
    def is_doubtful(self) -> bool:
        """Whether they may be the same events, with momenta that the shower changed. Weights do not change."""
        is_more = self.n_same - self.n_by_chance >= _MORE_THAN_CHANCE * self.n_events
        is_enough = is_more and self.n_same >= _MOST_CHANGED * self.n_events
        return self.what == _ENERGIES and is_enough and not self.is_shifted

    @property
    def told(self) -> str:
        """The difference, as the end of a sentence."""
        text = f"the {self.what} of {self.n_same:,} of {self.n_events:,} events agree"
        if 2 * self.n_shifted > self.n_events - self.n_same:
            text += f", and {self.n_shifted:,} others have those of the event before or after"
        return text


def compare(generated: EventTable, found: Floats) -> Comparison | None:
    """Compare the weights of events with those in another file.

    :param found: shape (events, weights), the nominal weight first
    :returns: by the weight that agrees best, else by all weights; None if the weights of either file hardly vary, so
        that they have no information about the order of the events
    """
    with np.errstate(all="ignore"):  # weights that are not finite are like no other
        for precision in _PRECISIONS:
            if pairs := list(_pairs(generated, found, precision)):
                compared = (_comparison([pair], precision) for pair in pairs)
                best = max(compared, key=lambda one: (one.is_same, one.n_same))
                return best if best.is_same else _comparison(pairs, precision)
    return None


def n_changed(generated: EventTable, found: Floats) -> int:
    """The number of unweighted events whose weights were changed, as by a shower that vetoes or merges events with
    weights; 0 if the generated events have weights of several sizes.

    :param found: as in :func:`compare`; one of these weights must have the same size in all events
    """
    apart = [_n_apart(np.abs(weights)) for weights in (generated.own_weights, *found.T)]
    return 0 if apart[0] else min(apart[1:], default=0)


def _n_apart(sizes: Floats) -> int:
    usual = float(np.median(sizes))
    return int((np.abs(sizes - usual) > _PRECISIONS[0] * usual).sum())


def compare_hard(generated: EventTable, hard: HardProcess) -> Comparison | None:
    """Compare the energies of the incoming partons, which follow from the sum over the outgoing particles.

    :returns: that of the precision at which the events agree, else of the first; None if they hardly vary, or if too
        few events have them in the other file for a decision. Events of Pythia 8 have them; other showers may change
        the momenta
    """
    energy = _incoming(generated)
    found = [_of_energies(energy, hard, precision) for precision in _OF_MOMENTA if _varies(energy, precision)]
    if not found:
        return None
    is_clear = found[0].is_shifted  # less precisely, events may agree by chance
    right = [] if is_clear else [*(one for one in found if one.is_same), *(one for one in found if one.is_doubtful)]
    compared = [*right, found[0]][0]
    return compared if _decides(compared, hard) else None


def _of_energies(energy: Floats, hard: HardProcess, precision: float) -> Comparison:
    owners = np.repeat(np.arange(len(energy)), hard.counts)

    def agree(expected: Floats) -> NDArray[np.bool_]:
        close = _equal(np.repeat(expected, hard.counts), hard.energy, precision)
        return np.bincount(owners[close], minlength=len(energy)) > 0

    same, before, after, far = (agree(np.roll(energy, shift)) for shift in (0, 1, -1, len(energy) // 2))
    return replace(_counted(same, before, after), what=_ENERGIES, n_by_chance=int(far.sum()))


def _decides(compared: Comparison, hard: HardProcess) -> bool:
    """Whether enough events have the incoming partons in the other file, or agree without them."""
    are_there = hard.n_incoming >= _SAME * compared.n_events
    return are_there or 2 * (compared.n_same + compared.n_shifted) > compared.n_events


def _incoming(events: EventTable) -> Floats:
    """The energy of the more energetic incoming parton of each event, in GeV."""
    owners = np.repeat(np.arange(len(events.counts)), events.counts)
    pz, total = (
        np.bincount(owners, weights=events.momenta[:, column], minlength=len(events.counts)) for column in (2, 3)
    )
    return np.asarray((total + np.abs(pz)) / 2.0)


def _pairs(generated: EventTable, found: Floats, precision: float) -> Iterator[tuple[Floats, Floats]]:
    """A quantity of the generated events and the same of the others, for several quantities."""
    own, nominal = generated.own_weights, found[:, 0]
    # Pythia passes weights of varying size on as 1 and -1 where the cross section is that of `<init>`
    sizes_vary = _varies(np.abs(own), precision) and _varies(np.abs(nominal), precision)
    one, other = (_magnitude(weights) if sizes_vary else np.sign(weights) for weights in (own, nominal))
    if _varies(one, precision) and _varies(other, precision):
        yield one, other
    ratios = [values / np.where(own == 0.0, np.inf, own) for values in generated.weights.values()]
    others = [values / np.where(nominal == 0.0, np.inf, nominal) for values in found.T[1:]]
    others = [values for values in others if _varies(values, precision)]
    for values in [values for values in ratios if _varies(values, precision)][:_COMPARED] if others else []:
        agreements = [_agreeing(values[:_TRIED], other[:_TRIED], precision) for other in others]
        yield values, others[agreements.index(max(agreements))]


def _magnitude(weights: Floats) -> Floats:
    """Weights in units of their usual size."""
    size = float(np.median(np.abs(weights)))
    return weights / size if size > 0.0 else weights


def _varies(values: Floats, precision: float) -> bool:
    return float((~_equal(values[1:], values[:-1], precision)).mean()) > _VARIES if len(values) > 1 else False


def _equal(one: Floats, other: Floats, precision: float) -> NDArray[np.bool_]:
    return np.abs(one - other) <= precision * np.maximum(np.abs(one), _SMALLEST)


def _agreeing(one: Floats, other: Floats, precision: float) -> int:
    """The number of events that agree with the same event, or with one of its neighbours."""
    return max(int(_equal(np.roll(one, shift), other, precision).sum()) for shift in (0, 1, -1))


def _comparison(pairs: Sequence[tuple[Floats, Floats]], precision: float) -> Comparison:
    """The events in which all these quantities agree."""
    return _counted(
        *(np.all([_equal(np.roll(one, n), other, precision) for one, other in pairs], axis=0) for n in (0, 1, -1))
    )


def _counted(same: NDArray[np.bool_], before: NDArray[np.bool_], after: NDArray[np.bool_]) -> Comparison:
    return Comparison(len(same), int(same.sum()), max(int((shifted & ~same).sum()) for shifted in (before, after)))
