"""Compare the morphed weights of every event with the file's own weights, at the benchmarks outside the basis."""

from pathlib import Path

import numpy as np

from mmc.errors import StepError
from mmc.jobs.madminer import workarounds

WRONG, DOUBTFUL = 0.01, 0.001
"""A larger deviation than WRONG is refused; one larger than DOUBTFUL is a warning."""
PRECISION = 1e-6
"""The relative error of weights in event files, which MadGraph writes with seven digits."""


def check_morphing(path: Path) -> tuple[dict[str, float], list[str]]:
    """The deviation at each benchmark outside the basis, and warnings.

    The deviation is Σ |morphed weight - weight| / Σ |weight|, over all events. Rounding errors of the weights grow with
    the morphing coefficients; what they can explain is subtracted.

    :param path: a MadMiner event file
    :raises StepError: when the deviation is larger than :data:`WRONG`
    """
    workarounds.apply()
    from madminer.analysis import DataAnalyzer

    data = DataAnalyzer(str(path))
    if data.morpher is None:
        return {}, []
    n_basis = np.shape(data.morpher.morphing_matrix)[1]
    outside = list(data.benchmarks.values())[n_basis : int(data.n_benchmarks_phys)]
    if not outside:
        return {}, []
    _, weights = next(data.event_loader(batch_size=None, include_nuisance_parameters=False))
    found, warnings = {}, []
    for column, benchmark in enumerate(outside, start=n_basis):
        terms = weights[:, :n_basis] * data.morpher.calculate_morphing_weights(
            np.array(list(benchmark.values.values()))
        )
        own, total = weights[:, column], np.abs(weights[:, column]).sum()
        rounding = PRECISION * (np.abs(terms).sum(axis=1) + np.abs(own))
        excess = np.maximum(np.abs(terms.sum(axis=1) - own) - rounding, 0.0).sum()
        size = found[benchmark.name] = float(excess / total) if total > 0.0 else 0.0 if excess == 0.0 else np.inf
        text = (
            f"at benchmark {benchmark.name!r}, which is not in the morphing basis, morphed weights differ from the "
            f"weights of the events by {size:.2%}"
        )
        if size > WRONG:
            raise StepError(
                f"{text}: the weights are not a polynomial with the powers of the parameters, or a benchmark is at "
                "another point; check max_power, max_overall_power, the points of the benchmarks, and widths that "
                "depend on the parameters"
            )
        if size > DOUBTFUL:
            warnings.append(text)
    return found, warnings
