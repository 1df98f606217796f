"""What the jobs of the generator ``ufo`` share: the model, the parameter points, the collider."""

import logging
from collections.abc import Mapping

from mmc.compiler.settings.generation import UfoGenerateSettings, UfoSimulateSettings
from mmc.jobs.generators import ufo_source
from mmc.jobs.generators.madgraph_cards import card_values
from mmc.jobs.job import StepJob
from mmc.jobs.madminer.setup_file import Benchmarks
from mmc.jobs.matrix_elements import Model, Point
from mmc.jobs.scattering import widths
from mmc.jobs.scattering.collision import Collider
from mmc.jobs.scattering.partons import Partons

log = logging.getLogger(__name__)

Settings = UfoGenerateSettings | UfoSimulateSettings

_LEPTONS = {"e-": 11, "e+": -11, "mu-": 13, "mu+": -13}
_PROTON = {"p": 2212, "pbar": -2212}
_PARTONS = frozenset((21, 22, 1, 2, 3, 4, 5, -1, -2, -3, -4, -5))


def model(job: StepJob, settings: Settings) -> Model:
    """The model of a job with the values of its cards.

    :raises StepError: the model is not trusted, or does not load
    """
    chosen, process = settings.model, settings.process
    source = ufo_source.source(job, chosen, settings.trust)
    card = None if process.param_card_file is None else job.one(process.param_card_file)
    return Model.load(source, restriction=chosen.restriction, card=card, values=process.param_card)


def points(settings: Settings, setup: Benchmarks, model: Model) -> dict[str, Point]:
    """The values in the param card at each benchmark for which the events have weights, the sampled one first."""
    names = [
        settings.benchmark,
        *(() if settings.background else (n for n in setup.benchmarks if n != settings.benchmark)),
    ]
    found = {name: point(settings, setup.point(name), model) for name in names}
    for name, values in found.items():
        for pdg in settings.process.auto_widths:
            log.info("width of %s at %s: %.6g GeV", model.particle(pdg).name, name, values[f"decay {pdg}"])
    return found


def point(settings: Settings, parameters: Mapping[str, float], model: Model) -> Point:
    """The values in the param card at a point of the parameters, with the widths that follow from the model."""
    card = card_values(settings.parameters, parameters)
    return card | {f"decay {pdg}": widths.total(model, pdg, card) for pdg in settings.process.auto_widths}


def collider(settings: Settings) -> Collider:
    """The beams, cuts and scale of a job."""
    beams = settings.beams
    hadrons = beams.particles[0] in _PROTON
    return Collider(
        energy=2.0 * beams.energy_gev,
        beams=beams.particles,
        partons=Partons.of_pythia(beams.pdf) if hadrons else None,
        cuts=settings.process.cuts,
        fixed_scale=None if settings.scale.fixed_gev is None else settings.scale.fixed_gev * settings.scale.factor,
        scale_factor=settings.scale.factor,
        scale_choice=settings.scale.choice,
        bwcutoff=settings.process.bwcutoff,
        cut_decays=settings.process.cut_decays,
    )


def beam_ids(particles: tuple[str, str]) -> tuple[int, int]:
    """The PDG ids of the beams."""
    first, second = ({**_PROTON, **_LEPTONS}[name] for name in particles)
    return first, second


def contents(particles: tuple[str, str]) -> list[frozenset[int]]:
    """The particles that each beam has."""
    return [_PARTONS if name in _PROTON else frozenset({_LEPTONS[name]}) for name in particles]
