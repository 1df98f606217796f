"""Weights of existing events at the benchmarks, from the matrix elements of a UFO model."""

import logging
import time
from collections.abc import Callable, Collection, Mapping
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from mmc.compiler.settings.generation import Reweighting
from mmc.errors import StepError
from mmc.jobs.formats import les_houches_legs
from mmc.jobs.formats.les_houches_legs import HardProcesses, Process
from mmc.jobs.generators import ufo_source
from mmc.jobs.job import StepJob
from mmc.jobs.matrix_elements import Allowed, MatrixElement, Model, Part, Point, running
from mmc.jobs.matrix_elements.invariance import check_frames
from mmc.jobs.matrix_elements.morphing import MorphedPoint

log = logging.getLogger(__name__)

Floats = NDArray[np.float64]

_CONSERVED = 1e-6
"""The largest sum of the momenta, relative to the energy of the collision."""
_ON_SHELL = 1e-6
"""The largest difference between E² - p² and m², relative to E²; files have ten digits or fewer."""
_LIGHT_GEV = 2.0
"""Below this, masses may differ: generators give leptons and quarks a mass that a model neglects, and the reverse."""
_OWN = 0.01
"""The largest relative difference between a weight of mmc and one of the file."""
_MOST_OTHER = 0.01
"""The largest fraction of events with a larger difference: strong cancellations show the rounding of the points."""
_TRIED = 3
"""The number of events that show whether ratios depend on the strong coupling."""


def load(job: StepJob, settings: Reweighting, trust: Collection[str]) -> Model:
    """The model of a job.

    :param trust: the file inputs that the study trusts
    :raises StepError: the study does not trust the model, the model does not load, or an undecayed particle has a spin
    """
    card = None if settings.param_card_file is None else job.one(settings.param_card_file)
    source = ufo_source.source(job, settings.model, trust)
    model = Model.load(source, restriction=settings.model.restriction, card=card, values=settings.param_card)
    for name in settings.undecayed:
        if model.particle(name).spin != 1:
            raise StepError(
                f"`undecayed` names {name}, which has a spin: its decay depends on how it was produced, so the weights "
                "cannot leave the decay out"
            )
    return model


def ratios(
    path: Path,
    model: Model,
    settings: Reweighting,
    points: Mapping[str, Point],
    sampled: str,
    *,
    names: Mapping[str, str],
    compared: Collection[str],
    morphed: tuple[MorphedPoint, Point] | None,
) -> tuple[dict[str, Floats], list[str]]:
    """|M|² at each benchmark, relative to that at the sampled benchmark, summed over helicities; (events,) each.

    :param path: the event file
    :param points: the values in the param card at each benchmark
    :param names: the names of the benchmarks' weights in the file, where they differ
    :param compared: the benchmarks at which weights of the file are compared
    :param morphed: a point at which morphing is checked, with its values in the param card
    :returns: the ratios by benchmark, and warnings
    :raises StepError: when an event is not of a process that the model has, its momenta are not those of its particles,
        |M|² vanishes at the sampled benchmark, weights of the file differ, or morphing does not give |M|²
    """
    undecayed = {model.particle(name).pdg for name in settings.undecayed}
    undecayed |= {-pdg for pdg in undecayed}
    hard = les_houches_legs.read(path, undecayed, set(compared), names)
    found = {name: np.ones(len(hard.nominal)) for name in points}
    start = time.perf_counter()
    for process in hard.processes:
        element = _element(path.name, model, settings, process, undecayed)
        _check_momenta(path.name, element, process, points[sampled], undecayed)
        check_frames(element, points[sampled])
        squared = _squared(path.name, element, process, points, sampled)
        reference = squared(points[sampled])
        if not reference.all():
            event = process.numbers[np.argmin(reference != 0.0)]
            raise StepError(
                f"event {event} of {path.name}: |M|² of {element} vanishes at {sampled!r}, where the event was sampled"
            )
        for name in points.keys() - {sampled}:
            found[name][process.numbers - 1] = squared(points[name]) / reference
        if morphed is not None:
            of_process = {name: values[process.numbers - 1] for name, values in found.items()}
            morphed[0].require(str(element), of_process, squared(morphed[1]) / reference)
        log.info("%s: %d events", element, len(process.numbers))
    spent = time.perf_counter() - start
    log.info("%.3g ms for each event and benchmark", 1e3 * spent / len(hard.nominal) / len(points))
    return found, [*_negative(path.name, hard), *_check_own(path.name, hard, found, sampled)]


def _element(file: str, model: Model, settings: Reweighting, process: Process, undecayed: set[int]) -> MatrixElement:
    """:raises StepError: the model does not have the process; the message names an event"""
    without = frozenset(abs(model.particle(name).pdg) for name in settings.without)
    allowed = Allowed(Part(settings.orders, without))
    try:
        return MatrixElement(model, process.incoming, process.outgoing, allowed)
    except StepError as error:
        raise StepError(f"event {process.numbers[0]} of {file}: {error}") from error


def _squared(
    file: str, element: MatrixElement, process: Process, points: Mapping[str, Point], sampled: str
) -> Callable[[Point], Floats]:
    """|M|² of the events at a point, (events,): with the strong coupling of each event where ratios depend on it.

    :raises StepError: when ratios depend on it, and the file does not contain it
    """
    every = [points[sampled], *(point for name, point in points.items() if name != sampled)]
    if not running.follows_coupling(element, process.momenta[:_TRIED], every):
        return lambda point: element.squared(process.momenta, point)
    unknown = process.couplings <= 0.0
    if unknown.any():
        raise StepError(
            f"event {process.numbers[np.argmax(unknown)]} of {file}: the weights of {element} depend on the strong "
            "coupling, which the event does not contain (AQCD)"
        )
    return lambda point: running.squared(element, process.momenta, process.couplings, point)


def _check_momenta(file: str, element: MatrixElement, process: Process, point: Point, undecayed: set[int]) -> None:
    """:raises StepError: when momenta are not conserved, or a particle does not have the mass of the model"""
    momenta, incoming = process.momenta, len(process.incoming)
    energy = momenta[:, :incoming, 0].sum(axis=1)
    lost = np.abs(momenta[:, :incoming].sum(axis=1) - momenta[:, incoming:].sum(axis=1)).max(axis=1)
    if (wrong := lost > _CONSERVED * energy).any():
        at = int(np.argmax(wrong))
        raise StepError(
            f"event {process.numbers[at]} of {file}: momenta of {element} are not conserved, by {lost[at]:.3g} GeV: "
            "are particles missing?"
        )
    squared = momenta[..., 0] ** 2 - (momenta[..., 1:] ** 2).sum(axis=2)
    for leg, pdg in enumerate((*process.incoming, *process.outgoing)):
        mass = abs(element.model.mass(pdg, point))
        there = np.sqrt(np.maximum(squared[:, leg], 0.0))
        wrong = np.abs(squared[:, leg] - mass**2) > _ON_SHELL * (momenta[:, leg, 0] ** 2 + mass**2)
        wrong &= (there > _LIGHT_GEV) | (mass > _LIGHT_GEV)
        if pdg not in undecayed and wrong.any():
            at = int(np.argmax(wrong))
            name = element.model.particle(pdg).name
            raise StepError(
                f"event {process.numbers[at]} of {file}: {name} has a mass of {there[at]:.5g} GeV, and {mass:.5g} GeV "
                f"in the model {element.model.name}: set `mass {abs(pdg)}` in its param card"
            )


def _negative(file: str, hard: HardProcesses) -> list[str]:
    """A warning for events at next-to-leading order, which some generators write with negative weights."""
    n_negative = int((hard.nominal < 0.0).sum())
    if not n_negative:
        return []
    return [
        f"{n_negative:,} of {len(hard.nominal):,} events of {file} have negative weights: at next-to-leading order, "
        "ratios of |M|² at tree level are an approximation"
    ]


def _check_own(file: str, hard: HardProcesses, found: Mapping[str, Floats], sampled: str) -> list[str]:
    """Compare the weights with those that the file has under the names of benchmarks.

    :returns: a warning for a few events with other weights
    :raises StepError: when more events have other weights
    """
    warnings = []
    for name, written in hard.weights.items():
        computed = hard.nominal * found[name]
        size = np.maximum(np.abs(written), np.abs(written).mean() * 1e-3)
        deviating = np.flatnonzero(np.abs(computed - written) > _OWN * size)
        if name == sampled or not len(deviating):
            continue
        listed = ", ".join(f"{event + 1} ({_ratio(computed[event], written[event])})" for event in deviating[:3])
        more = ", …" if len(deviating) > 3 else ""
        text = (
            f"{len(deviating):,} of {len(written):,} events of {file} have another weight at {name!r} than mmc "
            f"computes, for instance (mmc / file) {listed}{more}"
        )
        if len(deviating) > max(_MOST_OTHER * len(written), 1):
            raise StepError(
                f"{text}: check the model, its param card, `orders`, `without`, `undecayed` and the benchmark's point"
            )
        warnings.append(text)
    return warnings


def _ratio(computed: float, written: float) -> str:
    return f"{computed / written:.4g}" if written else "0 in the file"
