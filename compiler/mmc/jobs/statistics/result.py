"""The results of a likelihood: limits, expected and observed, with and without the rate, and the verdict."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from mmc.jobs.madminer.event_file import Array
from mmc.jobs.statistics.closure.verdict import Verdict, judge_observed
from mmc.jobs.statistics.limits import Limits
from mmc.jobs.statistics.neyman import Cells, ToySource, with_toys
from mmc.jobs.statistics.problem import LimitProblem
from mmc.jobs.statistics.profiled_toys import with_profiled_toys
from mmc.jobs.statistics.profiling import FilledHistogram, ShapeLikelihood


@dataclass(frozen=True)
class Result:
    """Expected limits with their verdict, and further limits by name (see :meth:`LimitProblem.all_limits`).

    ``verdicts`` holds the verdicts on those further limits to which closure tests apply: limits from observed events,
    and limits on expected data, with fitted nuisance parameters only for estimators that have learned them.
    """

    limits: Limits
    verdict: Verdict
    arrays: Mapping[str, Array]
    variants: Mapping[str, Limits]
    verdicts: Mapping[str, Verdict]
    own: LimitProblem
    """The problem as the likelihood reads it: its events, and the number of measured numbers."""
    histograms: Mapping[str, FilledHistogram]
    """The histogram with expected events (an empty name) and with ``observed`` events, for fits together with others.
    """
    toys: ToySource | None
    """What toys are drawn from; None without toys."""

    @classmethod
    def of(
        cls,
        problem: LimitProblem,
        expected: ShapeLikelihood,
        observed: ShapeLikelihood | None,
        judge: Callable[[Limits, bool], Verdict],
        arrays: Mapping[str, Array],
        *,
        cells: Callable[[], Cells],
        random: np.random.Generator,
        judge_varied: Callable[[Limits, Verdict], Verdict] | None = None,
    ) -> "Result":
        """The result from the likelihoods of expected and observed events.

        :param judge: gives the verdict on expected limits; its second argument says whether they may include the rate
        :param arrays: written together with the arrays of the limits
        :param cells: gives the cells of the likelihood, for toys
        :param judge_varied: gives the verdict on limits with fitted nuisance parameters, from the nominal verdict
        """
        variants, source = problem.all_limits(expected, observed), None
        shapes = {"": expected} | ({} if observed is None else {"observed": observed})
        if problem.toys:  # from random numbers of their own, so that the closure tests are the same without them
            source = ToySource.of(problem, cells())
            variants = with_toys(problem, variants, source.cells, random.spawn(1)[0])
            variants = with_profiled_toys(problem, variants, shapes, source.cells, random.spawn(1)[0])
        limits = variants.pop("")
        verdicts = {name: judge(variants[name], False) for name in ("without_rate",) if name in variants}
        verdict = judge(limits, True)
        for name, rate in (("observed", True), ("observed_without_rate", False)):
            if name in variants:
                verdicts[name] = judge_observed(problem, variants[name], verdict, rate=rate)
        for rate_name, nominal in {"": verdict, "without_rate": verdicts.get("without_rate", verdict)}.items():
            name = "_".join(filter(None, (rate_name, "with_systematics")))
            if judge_varied is not None and name in variants:
                verdicts[name] = judge_varied(variants[name], nominal)
        histograms = {name: shape.histogram for name, shape in shapes.items() if shape.histogram is not None}
        return cls(limits, verdict, arrays, variants, verdicts, problem, histograms, source)

    def all_arrays(self) -> dict[str, Array]:
        """The arrays of ``limits.npz``; the arrays of further limits have the name of the limits as a prefix."""
        variants = {f"{name}_{key}": a for name, limits in self.variants.items() for key, a in limits.values().items()}
        return {**self.limits.arrays(), **self.arrays, **variants}

    def summary(self, problem: LimitProblem) -> dict[str, Any]:
        """The entries of the result file."""
        variants = {
            name: limits.summary(problem.levels) | (self.verdicts[name].summary() if name in self.verdicts else {})
            for name, limits in self.variants.items()
        }
        return {**problem.summary(), **self.limits.summary(problem.levels), **self.verdict.summary(), **variants}
