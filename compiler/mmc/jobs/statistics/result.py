"""What is written of a likelihood: its limits, expected and observed, with and without the rate, and the verdict."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from mmc.jobs.madminer.event_file import Array
from mmc.jobs.statistics.closure.verdict import Verdict
from mmc.jobs.statistics.limits import Limits
from mmc.jobs.statistics.problem import LimitProblem
from mmc.jobs.statistics.profiling import ShapeLikelihood


@dataclass(frozen=True)
class Result:
    """Expected limits with their verdict, and the limits beside them by name (see :meth:`LimitProblem.variants`).

    ``verdicts`` has a verdict of those among the others that the closure tests apply to: on expected data, and with
    nuisance parameters of those estimators that have learned them.
    """

    limits: Limits
    verdict: Verdict
    arrays: Mapping[str, Array]
    variants: Mapping[str, Limits]
    verdicts: Mapping[str, Verdict]

    @classmethod
    def of(
        cls,
        problem: LimitProblem,
        expected: ShapeLikelihood,
        observed: ShapeLikelihood | None,
        judge: Callable[[Limits, bool], Verdict],
        arrays: Mapping[str, Array],
        *,
        judge_varied: Callable[[Limits, Verdict], Verdict] | None = None,
    ) -> "Result":
        """From what expected and observed events say; ``arrays`` are written besides those of the limits.

        ``judge`` gives the verdict on expected limits, and is told whether the rate may be part of them;
        ``judge_varied`` the one with nuisance parameters fitted, from the nominal one.
        """
        limits, variants = problem.limits(expected.mean_log), problem.variants(expected, observed)
        verdicts = {name: judge(variants[name], False) for name in ("without_rate",) if name in variants}
        verdict = judge(limits, True)
        for kind, nominal in {"": verdict, "without_rate": verdicts.get("without_rate", verdict)}.items():
            name = "_".join(filter(None, (kind, "with_systematics")))
            if judge_varied is not None and name in variants:
                verdicts[name] = judge_varied(variants[name], nominal)
        return cls(limits, verdict, arrays, variants, verdicts)

    def all_arrays(self) -> dict[str, Array]:
        """What ``limits.npz`` holds: of other limits the same arrays with their name before them."""
        variants = {f"{name}_{key}": a for name, limits in self.variants.items() for key, a in limits.values().items()}
        return {**self.limits.arrays(), **self.arrays, **variants}

    def summary(self, problem: LimitProblem) -> dict[str, Any]:
        """As the result files hold it."""
        variants = {
            name: limits.summary(problem.levels) | (self.verdicts[name].summary() if name in self.verdicts else {})
            for name, limits in self.variants.items()
        }
        return {**problem.summary(), **self.limits.summary(problem.levels), **self.verdict.summary(), **variants}
