"""The histogram as pyhf workspaces (HistFactory in JSON), for further work with pyhf or cabinetry.

HistFactory does not know the parameters of a theory. So there is one workspace for each benchmark except the true
point. Its channel has two samples: ``reference``, the expected events at the true point, and ``signal``, the difference
at the benchmark, which may be negative. The signal strength ``mu`` is 0 at the true point and 1 at the benchmark. Other
values of ``mu`` are a point of the theory only if the parameters enter linearly. The data are those of the limits: the
observed events if there are any, otherwise the Asimov data.

Nuisance parameters become modifiers of both samples: ``normsys`` if the effect is the same in all bins, otherwise
``histosys`` with the templates at ±1. ``staterror`` is the statistical error of the simulated events at the reference.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from mmc.jobs.madminer.event_file import Array
from mmc.jobs.statistics.histograms import Filled
from mmc.jobs.statistics.problem import LimitProblem

VERSION = "1.0.0"
"""The version of the workspace format, not of pyhf."""
EQUAL_EFFECTS = 1e-6
"""Effects on bins with a smaller relative difference count as equal."""


@dataclass(frozen=True)
class Yields:
    """The expected events in each bin at a point: nominal, and with each nuisance parameter at 1 and at -1."""

    nominal: Array
    varied: Mapping[str, tuple[Array, Array]]

    def minus(self, other: "Yields") -> "Yields":
        """The difference of the expected events."""
        varied = {
            name: (up - other.varied[name][0], down - other.varied[name][1]) for name, (up, down) in self.varied.items()
        }
        return Yields(self.nominal - other.nominal, varied)

    @property
    def positive(self) -> npt.NDArray[np.bool_]:
        """True for bins in which all expected numbers of events are positive."""
        yields = [self.nominal, *(item for pair in self.varied.values() for item in pair)]
        return np.asarray(np.min(yields, axis=0) > 0.0)

    def take(self, bins: npt.NDArray[np.bool_]) -> "Yields":
        """The expected events in some of the bins."""
        return Yields(self.nominal[bins], {name: (up[bins], down[bins]) for name, (up, down) in self.varied.items()})


def make_workspaces(problem: LimitProblem, filled: Filled, data: Array, channel: str) -> dict[str, dict[str, Any]]:
    """The workspaces of all benchmarks except the true point.

    A bin is left out if its expected number of events is not positive at one of the points.

    :param data: the number of events in each bin
    """
    nominal, varied = filled.template, filled.varied
    benchmarks = problem.file.benchmarks
    rows = dict(zip(benchmarks, problem.file.coefficients(np.array(list(benchmarks.values()))), strict=True))

    def yields(row: Array) -> Yields:
        """Yields scaled to the rate of the limits."""
        rate = problem.luminosity * float(row @ problem.rate_sums)
        scale = rate / float((nominal.sums @ row).sum())
        return Yields(
            scale * (nominal.sums @ row),
            {name: (scale * (up @ row), scale * (down @ row)) for name, (up, down) in varied.items()},
        )

    reference = yields(problem.true_coefficients)
    points = {
        name: yields(rows[name])
        for name, point in benchmarks.items()
        if not np.array_equal(point, problem.theta_true) and rows[name] @ nominal.sums.sum(axis=0) > 0.0
    }
    known = np.all([item.positive for item in (reference, *points.values())], axis=0)
    row = problem.true_coefficients
    relative = np.sqrt(np.einsum("i,bij,j->b", row, nominal.products, row)[known]) / (nominal.sums @ row)[known]
    reference = reference.take(known)
    return {
        name: make_workspace(channel, reference, relative * reference.nominal, point.take(known), data[known])
        for name, point in points.items()
        if known.any()
    }


def make_workspace(channel: str, reference: Yields, errors: Array, point: Yields, data: Array) -> dict[str, Any]:
    """The workspace of a point.

    :param errors: the Monte Carlo errors of ``reference.nominal``
    :param data: the number of events in each bin
    """
    common = {
        name: effect
        for name, (up, down) in reference.varied.items()
        if (effect := _common_effect(reference.nominal, point.nominal, (up, down), point.varied[name])) is not None
    }
    stat = {"name": f"staterror_{channel}", "type": "staterror", "data": errors.tolist()}
    strength = {"name": "mu", "type": "normfactor", "data": None}
    return {
        "channels": [
            {
                "name": channel,
                "samples": [
                    _sample("reference", reference, common, stat),
                    _sample("signal", point.minus(reference), common, strength),
                ],
            }
        ],
        "observations": [{"name": channel, "data": data.tolist()}],
        "measurements": [
            {"name": "limits", "config": {"poi": "mu", "parameters": [{"name": "mu", "bounds": [[-5, 5]]}]}}
        ],
        "version": VERSION,
    }


def _sample(
    name: str, yields: Yields, common: Mapping[str, tuple[float, float]], modifier: Mapping[str, Any]
) -> dict[str, Any]:
    """A sample with its own ``modifier`` and those of the nuisance parameters; ``common`` are effects on all bins."""
    modifiers = [dict(modifier)]
    for nuisance, (up, down) in yields.varied.items():
        if nuisance in common:
            high, low = common[nuisance]
            modifiers.append({"name": nuisance, "type": "normsys", "data": {"hi": high, "lo": low}})
        else:
            templates = {"hi_data": up.tolist(), "lo_data": down.tolist()}
            modifiers.append({"name": nuisance, "type": "histosys", "data": templates})
    return {"name": name, "data": yields.nominal.tolist(), "modifiers": modifiers}


def _common_effect(
    reference: Array, point: Array, of_reference: tuple[Array, Array], of_point: tuple[Array, Array]
) -> tuple[float, float] | None:
    """The factors at 1 and -1 if they are the same in all bins of both points, otherwise None."""
    found = []
    for up_or_down in (0, 1):
        ratios = np.concatenate([of_reference[up_or_down] / reference, of_point[up_or_down] / point])
        if np.ptp(ratios) > EQUAL_EFFECTS * np.abs(ratios).max():
            return None
        found.append(float(ratios.mean()))
    return found[0], found[1]
