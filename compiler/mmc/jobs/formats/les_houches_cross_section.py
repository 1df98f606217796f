"""The cross section of a Les Houches event file: what its header, ``<init>`` and its events say of it must agree."""

import math
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from mmc.errors import StepError
from mmc.jobs.formats.event_numbers import OF_PARTS
from mmc.jobs.formats.les_houches_head import UNITY, Head, with_integrated, with_processes

DIFFERENCE = 0.02
"""The largest relative difference between two cross sections of the same file, in addition to their errors."""
SIGNIFICANT = 5.0
"""The largest difference between two cross sections, in standard errors."""
_MOST_UNSURE = 0.25
"""The largest relative difference that the error in ``<init>`` explains: programs write any number for it, or the cross
section again."""
_UNIT_WEIGHTS = 3
"""The weighting strategy of the Les Houches accord (hep-ph/0109068), without its sign, by which events have the weights
1 and -1, and the cross section is that of ``<init>``."""
_PLACEHOLDER = (1.0, 1.0)
"""The cross section of Sherpa's ``<init>`` and its error: Sherpa writes the head before it knows them."""
_UNKNOWN = -1.0
"""The cross section in ``<init>`` of POWHEG's weighted events."""
_MOST_LACKING = 0.05
"""The largest fraction of events that a generator does not make."""
_SAME_SIZE = 1e-5
"""The largest relative difference between weights of unweighted events, for rounding."""
_MOST_CANCELLED = 20.0
"""The mean of |w| is at most so many times the mean of w, in files that do not say how they are normalised."""


@dataclass
class NominalWeights:
    """The nominal weights of the events of a file, added up one by one."""

    n_events: int = 0
    total: float = 0.0
    squares: float = 0.0
    sizes: float = 0.0
    """Σ |w|."""
    least: float = math.inf
    """The smallest and the largest |w|."""
    largest: float = 0.0
    has_negative: bool = False
    trials: int = 0
    """The number of points that were tried for all events; 0 if no event contains it."""
    n_untold: int = 0
    """The number of events without this number."""
    by_process: dict[str, tuple[float, float]] = field(default_factory=lambda: defaultdict(lambda: (0.0, 0.0)))
    """Σ w and Σ w² by the number of the process, IDPRUP."""

    def add(self, process: str, weight: float, trials: int | None = None) -> None:
        """Add an event.

        :param trials: the number of points that were tried for it; None if the event does not contain it
        """
        square = weight**2
        total, squares = self.by_process[process]
        self.by_process[process] = total + weight, squares + square
        self.n_events += 1
        self.total, self.squares = self.total + weight, self.squares + square
        self.sizes += abs(weight)
        self.least, self.largest = min(self.least, abs(weight)), max(self.largest, abs(weight))
        self.has_negative |= weight < 0.0
        self.trials, self.n_untold = self.trials + (trials or 0), self.n_untold + (trials is None)

    @property
    def size(self) -> float | None:
        """|w| of unweighted events; None if it varies."""
        return self.largest if self.largest - self.least <= _SAME_SIZE * self.largest else None

    @property
    def are_units(self) -> bool:
        """Whether all weights are 1 or -1."""
        return self.size is not None and math.isclose(self.size, 1.0, rel_tol=1e-6)


def told_or_found(head: Head, nominal: NominalWeights, name: str) -> tuple[Head, float | None]:
    """The head with the cross section of the weights, if ``<init>`` does not contain it, and its statistical error in
    pb; None if ``<init>`` contains the cross section.

    It is the sum of the weights over the number of points that were tried, if events contain it, else their mean. With
    N events in n trials, the variance is (Σw² - (Σw)²/n) / n². Later steps count (Σw² - (Σw)²/N) / n² as that of the
    events, so the errors in the head are the rest alone, that of the number of trials: (Σw)² (1/N - 1/n) / n². All
    processes share it, and have parts of it by their Σw².

    :raises StepError: when it is not positive, or only some events contain the number of points that were tried
    """
    if nominal.n_untold not in (0, nominal.n_events):
        raise StepError(
            f"{nominal.n_untold:,} of {nominal.n_events:,} events of {name} have no number of trials: "
            "were files of different programs merged?"
        )
    told = head.cross_section_pb
    values = {value for value, _ in head.processes.values()}
    if told[0] < 0.0 < nominal.total and not values <= {0.0, _UNKNOWN}:
        raise StepError(
            f"the cross section of {name} in its <init> is {told[0]:.4g} pb, and its weights add up to a positive one: "
            "were signs changed? Write the cross section, or 0, which stands for none, into <init>"
        )
    if told[0] > 0.0 and not (nominal.trials and told == _PLACEHOLDER):
        return head, None
    n = nominal.trials or nominal.n_events
    if not nominal.total > 0.0:
        value = nominal.total / n
        raise StepError(f"<init> of {name} has no cross section, and the weights give {value:.4g} pb")
    of_trials = nominal.total / n * math.sqrt(max(1.0 / nominal.n_events - 1.0 / n, 0.0))
    found = _of_processes(head, nominal, 1.0 / n, of_trials)
    return with_processes(head, found), math.sqrt(max(nominal.squares - nominal.total**2 / n, 0.0)) / n


def of_written(head: Head, written: NominalWeights, factor: float, error: float) -> Head:
    """The head with the cross sections of the events that are written, where not all are that were generated.

    :param factor: the factor on the weights that makes their mean the cross section in pb
    :param error: the relative error of the cross section
    """
    per_event = factor / written.n_events
    value = per_event * written.total
    return with_integrated(with_processes(head, _of_processes(head, written, per_event, error * abs(value))), value)


def _of_processes(head: Head, nominal: NominalWeights, factor: float, error: float) -> dict[str, tuple[float, float]]:
    """The cross sections of the processes from the sums of their weights, with parts of a common error by their Σw²."""
    sums: Mapping[str, tuple[float, float]] = nominal.by_process
    if not sums.keys() <= head.processes.keys():
        sums = {next(iter(head.processes), ""): (nominal.total, nominal.squares)}
    return {
        process: (factor * total, error * math.sqrt(squares / nominal.squares) if squares else 0.0)
        for process, (total, squares) in sums.items()
    }


def number_generated(head: Head, n_events: int, name: str, *, filtered: bool) -> int:
    """The number of events before any were removed.

    A file with more events than its program counted in one run is of several runs, and their weights must agree with
    ``<init>``.

    :raises StepError: when the header does not contain it, or events are missing unsaid
    """
    if is_of_several_runs(head, n_events):
        head = replace(head, n_generated=None, n_asked=None)
    generated = n_events if head.n_generated is None else head.n_generated
    asked = generated if head.n_asked is None else head.n_asked
    if filtered:
        # a filter may have changed one of the two numbers
        generated = generated if _nearly_all(generated, asked) else max(generated, asked)
        if head.n_generated is None or generated < n_events:
            raise StepError(
                f"the header of {name} does not say how many events there were before some were removed: write their "
                f"number into {_where(head)}"
            )
        return generated
    if generated != n_events:
        place = head.counted_in
        if place == "MGGenerationInfo":
            place = f"<{place}>" + (f" and, as `{n_events} = nevents`, into the run card" if head.n_asked else "")
        of_part = f"; if it is one part of a run, write the number of its events into {place}"
        raise StepError(
            f"the header of {name} says that {generated:,} events were generated, and the file holds {n_events:,}: if "
            "events were cut or filtered, write `filtered: true` beside the file; if files were merged, name each"
            f"{of_part if n_events < generated else ''}"
        )
    if not _nearly_all(generated, asked):
        raise StepError(
            f"the header of {name} contradicts itself: {asked:,} events were asked for (nevents), and {generated:,} "
            f"generated (<{head.told_in}>): were files merged or events removed?"
        )
    return generated


def of_one_run(head: Head, name: str) -> list[str]:
    """A warning where the number of events before some were removed may be that of the first of several runs."""
    if head.counted_in not in OF_PARTS:
        return []
    return [
        f"{head.n_generated:,} is the number of events of one run in {name} ({head.counted_in}): if runs were merged "
        f"before events were removed, write the sum of their numbers into {_where(head)}"
    ]


def of_none_removed(head: Head, n_events: int, name: str) -> list[str]:
    """A warning where a file from which events were removed has as many as its header says were generated."""
    if head.n_generated != n_events or head.n_asked not in (None, n_events):
        return []
    return [
        f"`filtered: true` stands beside {name}, and its header says that {n_events:,} events were generated, as many "
        "as it holds, so its cross section is the whole one: if events were removed, write how many there were before "
        f"into {_where(head)}"
    ]


def _where(head: Head) -> str:
    """Where to write a number of events, and how."""
    entry = "10000 = nevents"
    return (
        f"its run card, as in `{entry}`" if head.has_card else f"its <header>, as in `<MGRunCard> {entry} </MGRunCard>`"
    )


def factor(head: Head, nominal: NominalWeights, name: str, *, n_generated: int, filtered: bool) -> float:
    """The factor on the weights that makes their mean the cross section in pb.

    :raises StepError: when the weights contradict the header or ``<init>``
    """
    written, allowed = head.cross_section_pb[0], _allowed(*head.cross_section_pb)
    if head.integrated_pb is not None and abs(head.integrated_pb - written) > allowed:
        raise StepError(
            f"the header of {name} contradicts itself: the cross section is {head.integrated_pb:.4g} pb in "
            f"<{head.told_in}>, and {written:.4g} pb in the rows of <init>"
        )
    if filtered:
        return _of_filtered(head, nominal, name, n_generated)
    found = _of_all(head, nominal, name)
    _check_processes(head, nominal, found / nominal.n_events, name)
    return found


def _of_all(head: Head, nominal: NominalWeights, name: str) -> float:
    """The factor where no event was removed: the mean is the cross section of ``<init>``."""
    written, allowed = head.cross_section_pb[0], _allowed(*head.cross_section_pb)
    n_events, mean = nominal.n_events, nominal.total / nominal.n_events
    if _has_units(head, nominal) and mean > 0.0:
        return written / mean
    spread = math.sqrt(max(nominal.squares / n_events - mean**2, 0.0) / n_events)
    candidates = _candidates(head, nominal, n_events)
    factor = min(candidates.values(), key=lambda one: abs(one * mean - written))
    if abs(factor * mean - written) <= allowed + SIGNIFICANT * factor * spread:
        return factor
    told = " or ".join(f"{factor * mean:.4g} pb (their {norm})" for norm, factor in candidates.items())
    raise StepError(
        f"the weights in {name} give a cross section of {told.replace('their average', 'their mean')}, and its <init> "
        f"says {written:.4g} pb: was the file cut, merged, scaled or filtered? For events that were removed, write "
        "`filtered: true` beside the file"
    )


def _of_filtered(head: Head, nominal: NominalWeights, name: str, n_generated: int) -> float:
    """The factor where the remaining events have a part of the cross section.

    Their sum cannot be compared with ``<init>``. But |w| of unweighted events, times 1 or the number of generated
    events, is the cross section, and more only if some are negative.
    """
    written = head.cross_section_pb[0]
    remaining = nominal.n_events / n_generated
    if _has_units(head, nominal):
        if nominal.has_negative:
            raise StepError(
                f"the weights in {name} are 1 and -1, and events were removed: their sum before is not known, so the "
                "file does not contain the cross section of those that remain"
            )
        return written * remaining
    candidates, error = _candidates(head, nominal, n_generated), _allowed(*head.cross_section_pb)
    if nominal.size is not None:
        # a filter may have put the cross section of the remaining events into `<init>`
        cancelled = 1.0 if not nominal.has_negative else _MOST_CANCELLED if len(candidates) > 1 else math.inf
        least, most = written - error, cancelled * (written + error) / remaining
        candidates = {norm: k for norm, k in candidates.items() if least <= nominal.size * k <= most}
    if len(candidates) != 1:
        raise StepError(
            f"the weights in {name} and the cross section of {written:.4g} pb in its <init> do not show how the "
            "weights are normalised: write `average = event_norm` into its run card if the cross section is the mean "
            "of the weights of all generated events, `sum = event_norm` if it is their sum"
        )
    return remaining * next(iter(candidates.values()))


def allowed_part(head: Head) -> float:
    """The largest relative difference from a cross section that a file tells, in addition to the statistical error."""
    written, error = head.cross_section_pb
    return _allowed(written, error) / written


def is_of_several_runs(head: Head, n_events: int) -> bool:
    """Whether a file has more events than its program counted in one run, so that its head is that of the first."""
    return head.counted_in in OF_PARTS and n_events > (head.n_generated or 0)


def _allowed(written: float, error: float) -> float:
    """The largest difference from a cross section of ``<init>`` in pb, by its error there."""
    return DIFFERENCE * abs(written) + min(SIGNIFICANT * error, _MOST_UNSURE * abs(written))


def _has_units(head: Head, nominal: NominalWeights) -> bool:
    """Whether weights only give the sign of an event."""
    says_so = head.norm == UNITY or (head.norm is None and abs(head.strategy) == _UNIT_WEIGHTS)
    return says_so and nominal.are_units and not nominal.trials


def _candidates(head: Head, nominal: NominalWeights, n_events: int) -> Mapping[str, float]:
    """The factors that the header allows, by what the cross section is of the weights of all events.

    The points that were tried for removed events are gone with them, so each event counts as the mean of the others.

    :param n_events: the number of all events, removed ones included
    """
    candidates = {"average": 1.0, "sum": float(n_events)}
    if head.norm in candidates:
        return {head.norm: candidates[head.norm]}
    if nominal.trials:
        return {"sum over the trials": nominal.n_events / nominal.trials}
    return {"average": 1.0} if head.is_mean else candidates


def _check_processes(head: Head, nominal: NominalWeights, factor: float, name: str) -> None:
    """:raises StepError: when the events of a process do not add up to its cross section in ``<init>``"""
    if len(head.processes) < 2 or not nominal.by_process.keys() <= head.processes.keys():
        return
    for process, (written, error) in head.processes.items():
        total, squares = nominal.by_process[process]
        # the events expected of a rare process have a variance too, if there are none
        spread = factor * math.sqrt(squares + abs(written) / factor * nominal.largest)
        if abs(factor * total - written) > _allowed(written, error) + SIGNIFICANT * spread:
            raise StepError(
                f"the events of process {process} in {name} have a cross section of {factor * total:.4g} pb, and "
                f"<init> says {written:.4g} pb: were files of different processes merged? Name each of them, with a "
                "`slice` of its own"
            )


def _nearly_all(generated: int, asked: int) -> bool:
    """Whether a generator may make so many events; MadGraph sometimes finds a few less than it is asked for."""
    return (1.0 - _MOST_LACKING) * asked <= generated <= asked
