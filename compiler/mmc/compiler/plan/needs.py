"""What jobs call that others of their stage do without: it follows from their settings."""

from mmc.compiler.catalogue.generators import MADGRAPH, generator_of
from mmc.compiler.catalogue.stages import SIMULATE, TUNE
from mmc.compiler.plan.model import Stage
from mmc.compiler.settings.generation import MadGraphSimulateSettings
from mmc.compiler.settings.tuning import TuneSettings


def needs_lhapdf(stage: Stage) -> bool:
    """Whether MadGraph varies scales or parton distributions for jobs of the stage, or takes a set of LHAPDF."""
    if stage.name != SIMULATE.name or generator_of(stage.settings) != MADGRAPH.name:
        return False
    return any(stage.read(job, MadGraphSimulateSettings).needs_lhapdf for job in stage.jobs)


def needs_optuna(stage: Stage) -> bool:
    """Whether Optuna searches for hyperparameters in jobs of the stage."""
    if stage.name != TUNE.name:
        return False
    choices = (stage.read(job, TuneSettings).choice for job in stage.jobs)
    return any(choice is not None and choice.optuna is not None for choice in choices)
