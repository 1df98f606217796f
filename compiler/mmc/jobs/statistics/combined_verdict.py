"""The verdict on limits of several regions: the worst of their own, and tests of the combination."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Any

import numpy as np

from mmc.jobs.statistics.closure.declaration import DOUBTFUL, FAILED, PASSED, VERDICTS, WIDTH
from mmc.jobs.statistics.closure.tests.integration import MOST
from mmc.jobs.statistics.limits import Limits

MOST_SHARED = 0.01
"""Regions may share this part of their cross section; their likelihoods are then nearly independent."""
P_TRUE = 0.05
"""The smallest p-value of the true point on its own Asimov data."""


@dataclass(frozen=True)
class Part:
    """One of the regions that are combined."""

    name: str
    """The name of the job of its limits."""
    group: str
    limits: Mapping[str, Any]
    """The record of its limits."""
    events: Mapping[str, Any]
    """The record of its events."""
    other: bool = False
    """Whether it is of another study."""

    def judged(self, kind: str) -> Mapping[str, Any]:
        """The verdict on a kind of limits; those without a verdict of their own have the one of expected limits."""
        found = self.limits.get(kind, {})
        return found if "verdict" in found else self.limits


@dataclass(frozen=True)
class Integration:
    """The integration of the cross sections of all regions of a study."""

    error: float
    """The relative error of their expected events at the true point."""
    in_limits: bool
    """Whether limits include it."""


def shared_events(parts: Sequence[Part]) -> list[dict[str, Any]]:
    """The pairs of regions of the same data that share simulated events: their number, and the larger of both shares of
    the cross section."""
    found = []
    for first, second in combinations(parts, 2):
        both = [one.events.get("overlaps", {}).get(other.group) for one, other in ((first, second), (second, first))]
        known = [entry for entry in both if entry is not None]
        if known:
            n, share = (max(entry[key] for entry in known) for key in ("n_events", "share"))
            found.append({"of": [first.group, second.group], "n_events": n, "share": share})
    return found


def judge(
    parts: Sequence[Part],
    limits: Limits,
    overlaps: Sequence[Mapping[str, Any]],
    kind: str = "",
    *,
    independent: bool = False,
    f_shared: float = 0.0,
    integration: Integration | None = None,
) -> dict[str, Any]:
    """Verdict and reasons, as in the results of a method.

    :param overlaps: the pairs of regions that share simulated events, with their number, their share of the cross
        section, and the correlation of the errors of the cross sections
    :param kind: the kind of limits, empty for expected ones
    :param independent: whether the regions are of different data, which may be compared with the same simulated events
    :param f_shared: the part of f at the true point from events that make the distributions of two regions
    :param integration: the error of the expected events; None if it is not known
    """
    found = [
        *(_same_simulation(limits, overlaps, f_shared) if independent else _same_data(overlaps)),
        *_own(limits, kind),
        *([] if integration is None or "without_rate" in kind else _integrated(parts, integration)),
    ]
    for part in parts:
        own = part.judged(kind)
        if own["verdict"] != PASSED:
            found.append((own["verdict"], f"{part.name}: {'; '.join(own['reasons'])}"))
    found.sort(key=lambda item: -VERDICTS.index(item[0]))
    return {"verdict": found[0][0] if found else PASSED, "reasons": [reason for _, reason in found]}


def _same_data(overlaps: Sequence[Mapping[str, Any]]) -> Iterator[tuple[str, str]]:
    for pair in overlaps:
        regions = " and ".join(pair["of"])
        reason = (
            f"{pair['n_events']:,} simulated events, {pair['share']:.2g} of the cross section, are in both {regions}, "
            "so their likelihoods are not independent: let cuts separate the regions, or write `independent: true` if "
            "they are of different data"
        )
        yield FAILED if pair["share"] > MOST_SHARED else DOUBTFUL, reason


def _same_simulation(
    limits: Limits, overlaps: Sequence[Mapping[str, Any]], f_shared: float
) -> Iterator[tuple[str, str]]:
    """Toys take the simulated events in the bins of regions with common events as independent. They are the same,
    which only asymptotic limits include. The integration, and numbers of events, fluctuate together in toys too."""
    if limits.critical is None:
        return
    f = float(np.broadcast_to(limits.per_simulated, len(limits.log_likelihood))[-1])
    too_large = f_shared / (1.0 + f - f_shared)
    if too_large > WIDTH:
        names = dict.fromkeys(name for pair in overlaps for name in pair["of"])
        reason = (
            f"{', '.join(names)} have the same simulated events, so the errors of the simulation add, and -2 ln λ is "
            f"too large by up to {too_large:.0%}: remove `confidence: toys`, or generate more events"
        )
        yield DOUBTFUL, reason


def _own(limits: Limits, kind: str) -> Iterator[tuple[str, str]]:
    if "observed" not in kind and limits.p_true < P_TRUE:
        yield FAILED, f"the true point has a p-value of {limits.p_true:.2g} on its own Asimov data"
    if limits.scans is not None:
        for problem in limits.scans.problems:
            yield DOUBTFUL if limits.scans.fit.converged else FAILED, problem


def _integrated(parts: Sequence[Part], integration: Integration) -> Iterator[tuple[str, str]]:
    own = [part for part in parts if not part.other]
    n, error = sum(part.limits["n_expected"] for part in own), integration.error
    with_rate = all(part.limits["closure"]["integration_error"] is not None for part in own)
    if with_rate and n * error**2 > (MOST if integration.in_limits else WIDTH):
        reason = (
            f"the integration of the cross sections gives the expected events of all regions an error of {error:.2%}, "
            f"and the data have one of {n**-0.5:.2%}: integrate more precisely"
        )
        yield DOUBTFUL, reason
