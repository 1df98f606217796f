"""Programs and packages that only some jobs of a stage need, depending on their settings."""

from collections.abc import Iterable

from mmc.compiler.catalogue.generators import MADGRAPH, UFO, generator_of
from mmc.compiler.catalogue.stages import GENERATE, IMPORT_EVENTS, SIMULATE, TUNE
from mmc.compiler.plan.model import Stage
from mmc.compiler.settings.generation import ImportEventsSettings, MadGraphSimulateSettings, UfoGenerateSettings
from mmc.compiler.settings.tuning import TuneSettings


def needs_lhapdf(stage: Stage) -> bool:
    """Whether jobs of the stage vary scales or parton distributions with MadGraph, or use an LHAPDF set."""
    if stage.name != SIMULATE.name or generator_of(stage.settings) != MADGRAPH.name:
        return False
    return any(stage.read(job, MadGraphSimulateSettings).needs_lhapdf for job in stage.jobs)


def needs_optuna(stage: Stage) -> bool:
    """Whether Optuna searches for hyperparameters in jobs of the stage."""
    if stage.name != TUNE.name:
        return False
    choices = (stage.read(job, TuneSettings).choice for job in stage.jobs)
    return any(choice is not None and choice.optuna is not None for choice in choices)


def needs_ufoamp(stage: Stage) -> bool:
    """Whether jobs of the stage compute matrix elements of a UFO model."""
    if stage.name == IMPORT_EVENTS.name:
        return any(stage.read(job, ImportEventsSettings).reweight is not None for job in stage.jobs)
    return generator_of(stage.settings) == UFO.name


def parton_sets(stages: Iterable[Stage]) -> list[str]:
    """The sets of parton distributions with whose members jobs of the generator ufo vary events."""
    settings = (
        stage.read(job, UfoGenerateSettings)
        for stage in stages
        if stage.name == GENERATE.name and generator_of(stage.settings) == UFO.name
        for job in stage.jobs
    )
    return sorted({name for one in settings for name in one.error_sets})
