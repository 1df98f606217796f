"""Set up the parameter space: parameters, benchmarks and the morphing basis, as MadMiner keeps them."""

import logging
from typing import Any

import numpy as np

from mmc.errors import StepError
from mmc.steps import madminer_compat, setup
from mmc.steps.contact_interactions import COEFFICIENTS
from mmc.steps.job import StepJob, write_json

log = logging.getLogger(__name__)

_MAX_CONDITION_NUMBER = 1e13
"""Beyond it morphed weights keep fewer than three digits. A basis in small parameters (0.05 TeV^-2) has 1e5."""


def run(job: StepJob) -> None:
    """Write ``setup.h5`` and ``setup.json``."""
    madminer_compat.apply()
    from madminer.core import MadMiner

    miner = MadMiner()
    for name, parameter in job.settings["parameters"].items():
        miner.add_parameter(
            lha_block="contact",
            lha_id=1 + COEFFICIENTS.index(parameter["coefficient"]),
            parameter_name=name,
            param_card_transform="theta",  # MadMiner's own default breaks its param cards
            morphing_max_power=parameter["max_power"],
            parameter_range=tuple(parameter["range"]),
        )
    if list(miner.parameters) != list(job.settings["parameters"]):
        raise StepError(f"MadMiner calls the parameters {', '.join(miner.parameters)}")
    for name, point in job.settings["benchmarks"].items():
        # MadMiner saves the values in the order in which they come.
        miner.add_benchmark({parameter: float(point[parameter]) for parameter in miner.parameters}, name)
    _set_morphing(miner, job.settings["morphing"])
    miner.save(str(job.out / setup.FILE))

    components, matrix = miner.morpher.components, miner.morpher.morphing_matrix
    condition_number = float(np.linalg.cond(matrix))
    log.info("morphing basis of %d benchmarks, condition number %.3g", len(components), condition_number)
    if not condition_number < _MAX_CONDITION_NUMBER:
        raise StepError(
            f"the morphing basis is close to singular (condition number {condition_number:.1e}): "
            "move benchmarks apart, or leave some to MadMiner"
        )
    write_json(
        job.out / setup.RECORD,
        {
            "parameters": {
                name: {"range": [float(limit) for limit in parameter.val_range], "max_power": parameter.max_power}
                for name, parameter in miner.parameters.items()
            },
            "benchmarks": {
                name: {key: float(value) for key, value in benchmark.values.items()}
                for name, benchmark in miner.benchmarks.items()
            },
            "components": components.tolist(),
            "morphing_matrix": matrix.tolist(),
            "condition_number": condition_number,
        },
    )


def _set_morphing(miner: Any, settings: dict[str, int]) -> None:
    """Complete the benchmarks to a morphing basis.

    :raises StepError: when there are too many of them, or no basis holds them all
    """
    n_components = _n_components([p.max_power for p in miner.parameters.values()], settings["max_overall_power"])
    if len(miner.benchmarks) > n_components:
        raise StepError(
            f"{len(miner.benchmarks)} benchmarks for a morphing basis of {n_components}: "
            "remove benchmarks, or raise max_power or max_overall_power"
        )
    try:
        miner.set_morphing(
            max_overall_power=settings["max_overall_power"],
            n_trials=settings["n_trials"],
            n_test_thetas=settings["n_test_thetas"],
        )
    except np.linalg.LinAlgError as error:
        raise StepError(
            "the morphing basis is singular: two benchmarks are at the same point, or they do not tell all powers of "
            "the parameters apart"
        ) from error


def _n_components(max_powers: list[int], max_overall_power: int) -> int:
    """How many products of powers of the parameters a squared matrix element may hold."""
    counts = {0: 1}
    for max_power in max_powers:
        sums = [(total + power, n) for total, n in counts.items() for power in range(max_power + 1)]
        counts = {total: sum(n for other, n in sums if other == total) for total, _ in sums}
    return sum(n for total, n in counts.items() if total <= max_overall_power)
