"""Set up the parameter space for MadMiner: parameters, benchmarks and the morphing basis."""

import logging
from pathlib import Path
from typing import Any

from mmc.compiler.catalogue.stages import CONFIGURE
from mmc.compiler.settings.configure import CardParameter, CoefficientParameter, ConfigureSettings
from mmc.compiler.settings.encoding import to_json
from mmc.compiler.settings.uncertainties import NormUncertainty, PdfUncertainty, Uncertainty, WeightsUncertainty
from mmc.errors import StepError
from mmc.jobs.generators.contact_interactions import COEFFICIENTS
from mmc.jobs.job import StepJob, write_json
from mmc.jobs.madminer import setup_file, systematics_workarounds, workarounds
from mmc.jobs.madminer.morphing_basis import Basis, find_basis

_MATRIX = 1000
"""Between the numbers of two rows of a matrix, in files of MadMiner."""

log = logging.getLogger(__name__)


def run(job: StepJob) -> None:
    """Write ``setup.h5``, ``setup.json`` and ``benchmarks.json``."""
    workarounds.apply()
    systematics_workarounds.apply_setup()
    from madminer.core import MadMiner

    settings = job.read(ConfigureSettings)
    basis = find_basis(settings, job.seed)
    miner = MadMiner()
    for number, (name, parameter) in enumerate(settings.parameters.items(), start=1):
        miner.add_parameter(
            parameter_name=name,
            morphing_max_power=parameter.max_power,
            parameter_range=parameter.range,
            **_card_entry(parameter, number),
        )
    if list(miner.parameters) != list(settings.parameters):
        raise StepError(f"MadMiner calls the parameters {', '.join(miner.parameters)}")
    for name, point in ({} if basis is None else basis.points).items():
        miner.add_benchmark(dict(point), name)
    for name, point in settings.benchmarks.items():
        if name not in miner.benchmarks:
            # MadMiner saves the values in the order of this dictionary.
            miner.add_benchmark({parameter: float(point[parameter]) for parameter in miner.parameters}, name)
    if basis is not None:
        _set_morphing(miner, basis)
    for name, entry in settings.systematics.items():
        miner.add_systematics(systematic_name=name, **_madminer_words(entry))
    miner.save(str(job.out / setup_file.FILE))
    _check_saved(miner, job.out / setup_file.FILE)
    benchmarks = {
        name: {key: float(value) for key, value in benchmark.values.items()}
        for name, benchmark in miner.benchmarks.items()
    }
    write_json(job.out / setup_file.BENCHMARKS, benchmarks)
    write_json(
        job.out / CONFIGURE.record,
        {
            "parameters": {
                name: {"range": [float(limit) for limit in parameter.val_range], "max_power": parameter.max_power}
                for name, parameter in miner.parameters.items()
            },
            "benchmarks": benchmarks,
            "outside_basis": list(settings.outside_basis),
            "systematics": to_json(settings.systematics),
            "components": None if basis is None else basis.components.tolist(),
            "morphing_matrix": None if basis is None else basis.matrix.tolist(),
            "condition_number": None if basis is None else basis.condition_number,
            "largest_squared_weight": None if basis is None else basis.largest_squared_weight,
        },
    )


def _card_entry(parameter: CardParameter | CoefficientParameter, position: int) -> dict[str, Any]:
    """The entry of a parameter in MadGraph's param card. MadMiner requires one, also for the embedded generator and for
    event files, which have no card.

    :param position: of the parameter, from 1
    """
    if isinstance(parameter, CardParameter):
        number = parameter.lha_id
        return {
            "lha_block": parameter.lha_block,
            # MadMiner has room for one number, and mmc does not read it again
            "lha_id": number if isinstance(number, int) else _MATRIX * number[0] + number[1],
            "param_card_transform": parameter.transform,
        }
    coefficient = parameter.coefficient
    lha_id = position if coefficient is None else 1 + COEFFICIENTS.index(coefficient)
    return {"lha_block": "contact" if coefficient else "none", "lha_id": lha_id, "param_card_transform": "theta"}


def _set_morphing(miner: Any, basis: Basis) -> None:
    """Give MadMiner the basis. Benchmarks outside the basis come last; the matrix has no rows for them, and MadMiner
    reads the missing coefficients as 0."""
    from madminer.utils.morphing import PhysicsMorpher

    log.info(
        "morphing basis of %d benchmarks, condition number %.3g, largest squared weight %.3g",
        len(basis.points),
        basis.condition_number,
        basis.largest_squared_weight,
    )
    miner.morpher = PhysicsMorpher(miner.parameters)
    miner.morpher.set_components(basis.components)
    miner.morpher.set_basis(miner.benchmarks, morphing_matrix=basis.matrix)


def _madminer_words(uncertainty: Uncertainty) -> dict[str, Any]:
    """The arguments of MadMiner's ``add_systematics`` for a systematic uncertainty."""
    if isinstance(uncertainty, NormUncertainty):
        return {"effect": "norm", "norm_variation": float(uncertainty.variation)}
    if isinstance(uncertainty, PdfUncertainty):
        return {"effect": "pdf", "pdf_variation": uncertainty.variation}
    if isinstance(uncertainty, WeightsUncertainty):  # MadMiner has no such effect; the name alone is used
        return {"effect": "norm", "norm_variation": 1.0}
    variations = tuple(float(factor) for factor in uncertainty.variations)
    return {"effect": "scale", "scale": uncertainty.scale, "scale_variations": variations}


def _check_saved(miner: Any, path: Path) -> None:
    """Load the file again: MadMiner truncates long texts and drops non-ASCII characters.

    :raises StepError: when the file differs from what was saved
    """
    saved = type(miner)()
    saved.load(str(path))
    for what in ("parameters", "benchmarks", "systematics"):
        told, kept = getattr(miner, what), getattr(saved, what)
        wrong = [name for name in told if told[name] != kept.get(name)]
        if wrong:
            raise StepError(f"MadMiner does not save the {what} {', '.join(wrong)}: use shorter names and expressions")
