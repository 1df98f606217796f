"""What is written of a likelihood: its limits, expected and observed, with and without the rate, and the verdict."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from mmc.jobs.madminer.event_file import Array
from mmc.jobs.statistics.closure.verdict import Verdict
from mmc.jobs.statistics.limits import Limits, Setting
from mmc.jobs.statistics.profiling import Kinematics


@dataclass(frozen=True)
class Outcome:
    """Expected limits with their verdict, and the limits beside them by name (see :meth:`Setting.others`).

    ``verdicts`` has a verdict of those among the others that the closure tests apply to: on expected data, and with
    nuisance parameters of those estimators that have learned them.
    """

    limits: Limits
    verdict: Verdict
    arrays: Mapping[str, Array]
    others: Mapping[str, Limits]
    verdicts: Mapping[str, Verdict]

    @classmethod
    def of(
        cls,
        setting: Setting,
        expected: Kinematics,
        observed: Kinematics | None,
        judge: Callable[[Limits, bool], Verdict],
        arrays: Mapping[str, Array],
        *,
        judge_varied: Callable[[Limits, Verdict], Verdict] | None = None,
    ) -> "Outcome":
        """From what expected and observed events say; ``arrays`` are written besides those of the limits.

        ``judge`` gives the verdict on expected limits, and is told whether the rate may be part of them;
        ``judge_varied`` the one with nuisance parameters fitted, from the nominal one.
        """
        limits, others = setting.limits(expected.mean_log), setting.others(expected, observed)
        verdicts = {name: judge(others[name], False) for name in ("without_rate",) if name in others}
        verdict = judge(limits, True)
        for kind, nominal in {"": verdict, "without_rate": verdicts.get("without_rate", verdict)}.items():
            name = "_".join(filter(None, (kind, "with_systematics")))
            if judge_varied is not None and name in others:
                verdicts[name] = judge_varied(others[name], nominal)
        return cls(limits, verdict, arrays, others, verdicts)

    def all_arrays(self) -> dict[str, Array]:
        """What ``limits.npz`` holds: of other limits the same arrays with their name before them."""
        others = {f"{name}_{key}": a for name, limits in self.others.items() for key, a in limits.values().items()}
        return {**self.limits.arrays(), **self.arrays, **others}

    def summary(self, setting: Setting) -> dict[str, Any]:
        """As the result files hold it."""
        others = {
            name: limits.summary(setting.levels) | (self.verdicts[name].summary() if name in self.verdicts else {})
            for name, limits in self.others.items()
        }
        return {**setting.summary(), **self.limits.summary(setting.levels), **self.verdict.summary(), **others}
