"""Unweighted events of a process of a UFO model at one benchmark, each weighted at every benchmark."""

import logging
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from mmc.compiler.catalogue.stages import GENERATE, SIMULATE
from mmc.compiler.settings.generation import UfoSimulateSettings
from mmc.errors import StepError
from mmc.jobs.formats import les_houches
from mmc.jobs.formats.events import Event
from mmc.jobs.formats.les_houches import EVENTS
from mmc.jobs.generators import ufo_collision, ufo_variations
from mmc.jobs.generators.madgraph_process import work_folder
from mmc.jobs.job import StepJob, read_json, write_json
from mmc.jobs.madminer.setup_file import Benchmarks
from mmc.jobs.matrix_elements import Model, Point
from mmc.jobs.scattering import integration, variations
from mmc.jobs.scattering.collision import Collider, Differential
from mmc.jobs.scattering.event_record import Recorder
from mmc.jobs.scattering.integration import Channelled
from mmc.jobs.scattering.phase_space import Points
from mmc.jobs.scattering.subprocesses import Subprocess
from mmc.jobs.scattering.variations import Variation

log = logging.getLogger(__name__)

Floats = npt.NDArray[np.float64]

_CHUNK = 5_000
"""The number of events in memory at a time."""
_ROUND = 200_000
"""The largest number of tries in memory at a time."""
_MOST_TRIES = 2_000
"""For each event: fewer are accepted only if the grids do not fit the process."""


def run(job: StepJob) -> None:
    """Write ``events.lhe.gz`` and ``simulate.json``; with a shower also ``events.hepmc.gz``.

    The weight of an event at a benchmark is the cross section at the sampled benchmark times the ratio of the squared
    matrix elements. The mean of the weights over the file is the cross section at that benchmark in pb.

    :raises StepError: when a weight is not finite, or Pythia fails
    """
    settings = job.read(UfoSimulateSettings)
    model = ufo_collision.model(job, settings)
    points = ufo_collision.points(settings, Benchmarks.of(job), model)
    process = read_json(job.pick("process", settings.process_job) / GENERATE.record)
    if (process["sample"], process["benchmark"]) != (settings.sample, settings.benchmark):
        raise StepError(f"{settings.process_job} is the process {process['sample']} at {process['benchmark']}")
    names = [name for name in Benchmarks.of(job).benchmarks if name in points]
    collider = ufo_collision.collider(settings)
    varied = ufo_variations.varied(settings.systematics, collider.partons)
    header = les_houches.Header(
        n_events=settings.n_events,
        beams=ufo_collision.beam_ids(settings.beams.particles),
        beam_energy_gev=settings.beams.energy_gev,
        cross_section_pb=(process["cross_section_pb"], process["cross_section_error_pb"]),
        benchmarks=names,
        generator=[f"model {process['model']}", *(f"generate {line}" for line in process["processes"])],
        settings_of="UFO",
        variations=varied.groups,
    )
    source = _Source(model, settings, process, points, collider=collider, varied=varied.variations, seed=job.seed)
    sums, squares, n_events = np.zeros(len(names)), np.zeros(len(names)), settings.n_events
    with les_houches.writing(job.out / EVENTS, header) as text:
        for start in range(0, n_events, _CHUNK):
            records, weights = source.take(min(_CHUNK, n_events - start), names)
            les_houches.write_events(text, records, [*names, *varied.names], settings.benchmark, weights)
            sums += weights[:, : len(names)].sum(axis=0)
            squares += (weights[:, : len(names)] ** 2).sum(axis=0)
            log.info("%d of %d events", start + len(records), n_events)
    les_houches.verify(job.out / EVENTS, n_events, [*names, *varied.names])
    n_lost = 0
    if settings.shower is not None:
        from mmc.jobs.generators import showered  # imports Pythia's shower

        with work_folder(job.out) as work:
            n_lost = showered.shower(
                job, settings.shower, settings.benchmark, names, n_events=n_events, trust=settings.trust, work=work
            )
    write_json(
        job.out / SIMULATE.record,
        {
            "sample": settings.sample,
            "benchmark": settings.benchmark,
            "n_events": n_events - n_lost,
            "cross_section_pb": process["cross_section_pb"],
            "cross_section_error_pb": process["cross_section_error_pb"],
            "mean_weights_pb": dict(zip(names, (sums / n_events).tolist(), strict=True)),
            "effective_sample_size": dict(zip(names, (sums**2 / squares).tolist(), strict=True)),
        },
    )


class _Made(NamedTuple):
    """An event before it has a flavour."""

    subprocess: int
    channel: int
    weight: float
    momenta: Floats
    x: Floats


class _Source:
    """Events of a process with their weights."""

    def __init__(
        self,
        model: Model,
        settings: UfoSimulateSettings,
        process: Mapping[str, Any],
        points: Mapping[str, Point],
        *,
        collider: Collider,
        varied: Sequence[Variation],
        seed: int,
    ) -> None:
        every = list(points.values())
        self._collider, self._variations = collider, varied
        self._points, self._sampled = points, settings.benchmark
        self._random = np.random.default_rng(seed)
        self._differentials = [
            Differential(model, Subprocess.from_json(entry), collider, every[0], every)
            for entry in process["subprocesses"]
        ]
        self._recorders = [Recorder(model, differential, every) for differential in self._differentials]
        self._channels = [Channelled(**channel) for channel in process["channels"]]
        self._nominal: float = process["cross_section_pb"] / process["mean_weight"]
        self._left: list[_Made] = []
        self._efficiency = 0.2

    def take(self, n_events: int, names: Sequence[str]) -> tuple[list[Event], Floats]:
        """The next events and their weights in pb, (events, benchmarks and variations).

        :raises StepError: too few tries are accepted, or a weight is not finite
        """
        self._refill(n_events)
        chosen, self._left = self._left[:n_events], self._left[n_events:]
        events: list[Event | None] = [None] * n_events
        weights = np.zeros((n_events, len(names) + len(self._variations)))
        for at, (differential, recorder) in enumerate(zip(self._differentials, self._recorders, strict=True)):
            places = [place for place, made in enumerate(chosen) if made.subprocess == at]
            if not places:
                continue
            mine = [chosen[place] for place in places]
            momenta, x = np.stack([made.momenta for made in mine]), np.stack([made.x for made in mine])
            points = Points(momenta, x, np.ones(len(mine)))
            channels, own = [made.channel for made in mine], [made.weight for made in mine]
            recorded = recorder.events(points, channels, own, self._random)
            for place, event in zip(places, recorded, strict=True):
                events[place] = event
            squared = {name: differential.squared(momenta, self._points[name]) for name in names}
            nominal = self._nominal * np.array(own) / squared[self._sampled]
            weights[places, : len(names)] = np.stack([nominal * squared[name] for name in names], axis=1)
            ratios = self._varied(differential, recorded, points)
            weights[places, len(names) :] = ratios * (nominal * squared[self._sampled])[:, None]
        if not np.isfinite(weights).all():
            raise StepError("the weights of some events are not finite")
        return [event for event in events if event is not None], weights

    def _varied(self, differential: Differential, recorded: Sequence[Event], points: Points) -> Floats:
        """The weights of the variations relative to the nominal weight, (events, variations)."""
        if self._collider.partons is None or not self._variations:
            return np.zeros((len(recorded), 0))
        incoming = [(event.particles[0].pdg_id, event.particles[1].pdg_id) for event in recorded]
        return variations.ratios(
            differential,
            self._points[self._sampled],
            points,
            self._variations,
            incoming=incoming,
            beams=self._collider.beams,
            generated=self._collider.partons,
        )

    def _refill(self, n_events: int) -> None:
        """Sample until there are so many events, in whole rounds: the channels of a round come one after another.

        :raises StepError: too few tries are accepted
        """
        tried = 0
        while (missing := n_events - len(self._left)) > 0:
            tries = min(int(1.1 * missing / self._efficiency) + 100, _ROUND)
            batches = integration.accepted(self._differentials, self._channels, self._random, tries)
            made = [
                _Made(batch.subprocess, batch.channel, weight, momenta, x)
                for batch in batches
                for weight, momenta, x in zip(batch.weights.tolist(), batch.points.momenta, batch.points.x, strict=True)
            ]
            tried += tries
            if tried > _MOST_TRIES * n_events and not made:
                raise StepError("almost no try becomes an event: the process has a peak that no diagram explains")
            self._efficiency = max(len(made) / tries, 1.0 / _MOST_TRIES)
            order = self._random.permutation(len(made)).tolist()
            self._left += [made[place] for place in order]
