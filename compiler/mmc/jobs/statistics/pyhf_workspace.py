"""The histogram as workspaces of pyhf (HistFactory in JSON), for those who go on with pyhf or cabinetry.

HistFactory knows no parameters of a theory, so that there is one workspace for each benchmark but the true point: a
channel with the events expected at the true point, ``reference``, and with what the benchmark changes, ``signal``, that
may be negative. The strength ``mu`` of the signal is 0 at the true point and 1 at the benchmark; between them is
another theory, unless the parameters enter linearly. The data are those of the limits: the observed events, or else the
Asimov data.

Nuisance parameters become modifiers that both samples share: ``normsys`` where one has the same effect on all bins,
``histosys`` with the templates at ±1 else. ``staterror`` is that of the simulated events of the reference.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from mmc.jobs.madminer.event_file import Array, Events
from mmc.jobs.statistics.histograms import Binning, Template, bin_sums
from mmc.jobs.statistics.problem import LimitProblem

VERSION = "1.0.0"
"""Of the format, not of pyhf."""
SAME = 1e-6
"""Relative differences of effects on bins that count as none."""


@dataclass(frozen=True)
class Yields:
    """Events expected at a point, in each bin, and those with each nuisance parameter at 1 and at -1."""

    nominal: Array
    varied: Mapping[str, tuple[Array, Array]]

    def less(self, other: "Yields") -> "Yields":
        """The difference."""
        varied = {
            name: (up - other.varied[name][0], down - other.varied[name][1]) for name, (up, down) in self.varied.items()
        }
        return Yields(self.nominal - other.nominal, varied)

    @property
    def positive(self) -> npt.NDArray[np.bool_]:
        """In which bins events are expected."""
        every = [self.nominal, *(item for pair in self.varied.values() for item in pair)]
        return np.asarray(np.min(every, axis=0) > 0.0)

    def take(self, bins: npt.NDArray[np.bool_]) -> "Yields":
        """Some of the bins."""
        return Yields(self.nominal[bins], {name: (up[bins], down[bins]) for name, (up, down) in self.varied.items()})


def make_workspaces(
    problem: LimitProblem, binning: Binning, template: Events, data: Array, channel: str
) -> dict[str, dict[str, Any]]:
    """The workspace of each benchmark but the true point.

    Bins in which the simulated events say nothing of one of the points are left out.

    :param template: the events that fill the histogram, those of the partition ``rest``
    :param data: events in each bin
    """
    index, variations = binning.index(template.x), problem.file.variations("rest")
    nominal = Template.of(index, template, binning.size)
    varied = {
        name: tuple(bin_sums(index, template.weights * factor[:, np.newaxis], binning.size) for factor in factors)
        for name, factors in variations.items()
    }
    benchmarks = problem.file.benchmarks
    rows = dict(zip(benchmarks, problem.file.coefficients(np.array(list(benchmarks.values()))), strict=True))

    def yields(row: Array) -> Yields:
        """Rates are those of the test events, as in the limits, and so scale the template."""
        rate = problem.luminosity * float(row @ problem.file.part("test").weights.sum(axis=0))
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

    :param errors: the standard errors of ``reference.nominal`` from the number of simulated events
    :param data: events in each bin
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
                    _sample("signal", point.less(reference), common, strength),
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
    name: str, yields: Yields, common: Mapping[str, tuple[float, float]], own: Mapping[str, Any]
) -> dict[str, Any]:
    modifiers = [dict(own)]
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
    """The factors at 1 and -1, if they are the same in all bins of both; None else."""
    found = []
    for up_or_down in (0, 1):
        ratios = np.concatenate([of_reference[up_or_down] / reference, of_point[up_or_down] / point])
        if np.ptp(ratios) > SAME * np.abs(ratios).max():
            return None
        found.append(float(ratios.mean()))
    return found[0], found[1]
