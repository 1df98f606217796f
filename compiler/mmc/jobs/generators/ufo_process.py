"""Integrate the cross section of a process of a UFO model at its sampled benchmark."""

import logging
from collections.abc import Mapping, Sequence
from itertools import islice

import numpy as np
import numpy.typing as npt

from mmc.compiler.catalogue.stages import GENERATE
from mmc.compiler.settings.generation import UfoGenerateSettings
from mmc.errors import StepError
from mmc.jobs.generators import ufo_collision
from mmc.jobs.job import StepJob, write_json
from mmc.jobs.madminer.setup_file import Benchmarks
from mmc.jobs.matrix_elements import Model, Point
from mmc.jobs.matrix_elements.invariance import check_frames
from mmc.jobs.matrix_elements.morphing import random_point
from mmc.jobs.scattering import error_sets
from mmc.jobs.scattering.collision import Differential
from mmc.jobs.scattering.integration import Channelled, Part, integrate
from mmc.jobs.scattering.subprocesses import subprocesses

log = logging.getLogger(__name__)

_TRIED = 50
"""The number of points of phase space at which morphing and the dependence on the parameters are checked."""
_MOVED = 3
"""The number of points at which |M|² of a decay chain is compared with that in another frame."""
_EXACT, _WIDTHS = 1e-6, 0.02
"""The largest relative difference; the second where widths break the gauge invariance of photons and gluons."""
_SAME = 1e-9
"""The largest relative difference of equal matrix elements."""


def run(job: StepJob) -> None:
    """Write ``process.json``: the subprocesses, the cross section, and the grids from which events are sampled.

    :raises StepError: the model does not load or lacks the process; the squared matrix element depends on the frame, is
        not a polynomial with the study's powers, or is the same at all benchmarks; the cross section vanishes at a
        benchmark or does not converge; no point of phase space passes the cuts; or no folder has the parton
        distributions of an uncertainty
    """
    settings = job.read(UfoGenerateSettings)
    for name in settings.error_sets:
        error_sets.find(name)
    setup = Benchmarks.of(job)
    model, collider = ufo_collision.model(job, settings), ufo_collision.collider(settings)
    points = ufo_collision.points(settings, setup, model)
    found = subprocesses(
        settings.process.processes,
        settings.process.definitions,
        model,
        list(points.values()),
        energy=collider.energy,
        beams=ufo_collision.contents(settings.beams.particles),
    )
    log.info("%d subprocesses with %d different matrix elements", sum(len(s.members) for s in found), len(found))
    differentials = [Differential(model, s, collider, points[settings.benchmark], list(points.values())) for s in found]
    random = np.random.default_rng(job.seed)
    for differential in differentials:
        _require_frames(differential, points[settings.benchmark], random)
    _require_rates(settings, differentials, points, random)
    _require_morphing(settings, setup, differentials, points, model=model, random=random)
    value, error, parts = integrate(differentials, settings.precision, random)
    log.info("cross section of %s at %s: (%.5g +/- %.2g) pb", settings.sample, settings.benchmark, value, error)
    channels = [Channelled(p.subprocess, p.channel, p.grid.edges.tolist(), p.largest()) for p in parts]
    write_json(
        job.out / GENERATE.record,
        {
            "sample": settings.sample,
            "benchmark": settings.benchmark,
            "model": model.name,
            "processes": settings.process.processes,
            "background": settings.background,
            "cross_section_pb": value,
            "cross_section_error_pb": error,
            "mean_weight": _mean_weight(parts),
            "subprocesses": [subprocess.as_json() for subprocess in found],
            "channels": [channel._asdict() for channel in channels],
        },
    )


def _mean_weight(parts: Sequence[Part]) -> float:
    """The mean weight of unweighted events: slightly above 1, as some are above the largest weight of their channel."""
    return sum(part.value for part in parts) / sum(
        float(np.minimum(part.weights, part.largest()).mean()) for part in parts
    )


def _require_morphing(
    settings: UfoGenerateSettings,
    setup: Benchmarks,
    differentials: Sequence[Differential],
    points: Mapping[str, Point],
    *,
    model: Model,
    random: np.random.Generator,
) -> None:
    """:raises StepError: at a random point of the parameters, |M|² is not what morphing makes of that at the basis"""
    powers = settings.powers
    if powers is None:
        return
    basis = dict(islice(setup.benchmarks.items(), powers.basis))
    seed = int(random.integers(2**31))
    morphed = random_point(basis, powers.max_powers, powers.max_overall_power, seed)
    if morphed is None:
        return
    card = ufo_collision.point(settings, morphed.values, model)
    for differential in differentials:
        momenta = _momenta(differential, random)
        at_basis = {name: differential.squared(momenta, points[name]) for name in basis}
        morphed.require(str(differential.element), at_basis, differential.squared(momenta, card))


def _require_frames(differential: Differential, point: Point, random: np.random.Generator) -> None:
    """:raises StepError: |M|² depends on the frame"""
    subprocess = differential.subprocess
    if not subprocess.allowed.decays:
        check_frames(differential.element, point)
        return
    massless = {21, 22} & {*subprocess.incoming, *subprocess.outgoing}
    momenta = _momenta(differential, random)[:_MOVED]
    check_frames(differential.element, point, momenta, _WIDTHS if massless else _EXACT)


def _require_rates(
    settings: UfoGenerateSettings,
    differentials: Sequence[Differential],
    points: Mapping[str, Point],
    random: np.random.Generator,
) -> None:
    """:raises StepError: when the squared matrix element vanishes at a benchmark, or is the same at all of them"""
    momenta = [_momenta(differential, random) for differential in differentials]
    values = {
        name: np.concatenate([one.squared(p, point) for one, p in zip(differentials, momenta, strict=True)])
        for name, point in points.items()
    }
    for name, squared in values.items():
        if not squared.any():
            raise StepError(f"the cross section vanishes at the benchmark {name}: take another point")
    nominal = values[settings.benchmark]
    if len(values) > 1 and all(np.allclose(squared, nominal, rtol=_SAME, atol=0.0) for squared in values.values()):
        raise StepError(
            f"the sample {settings.sample} does not depend on the parameters: allow their order in the process (`NP=1`,"
            " say), as the default is that of MadGraph, the smallest orders; or write `background: true`"
        )


def _momenta(differential: Differential, random: np.random.Generator) -> npt.NDArray[np.float64]:
    """The momenta at a few points of phase space, within cuts or not, (points, legs, 4)."""
    channel = differential.channels[0]
    made = channel.points(random.random((_TRIED, channel.dimension)))
    return made.momenta[made.volume > 0.0]
