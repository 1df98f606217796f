"""Let Pythia generate events at one benchmark, and weight each event at every benchmark."""

import logging
from itertools import islice

import numpy as np

from mmc.compiler.catalogue.stages import GENERATE, SIMULATE
from mmc.compiler.settings.generation import Pythia8SimulateSettings
from mmc.errors import StepError
from mmc.jobs.formats import les_houches
from mmc.jobs.formats.les_houches import EVENTS
from mmc.jobs.generators import pythia8
from mmc.jobs.generators.event_weights import Weigher
from mmc.jobs.job import StepJob, read_json, write_json
from mmc.jobs.madminer.setup_file import Benchmarks

log = logging.getLogger(__name__)

_CHUNK = 5_000
"""The number of events in memory at a time."""


def run(job: StepJob) -> None:
    """Write ``events.lhe.gz`` and ``simulate.json``.

    The weight of an event at a benchmark is the cross section at the sampled benchmark times the ratio of the squared
    matrix elements. The mean of the weights over the file is the cross section at that benchmark in pb.
    """
    settings = job.read(Pythia8SimulateSettings)
    n_events = settings.n_events
    benchmarks = Benchmarks.of(job).benchmarks
    process = read_json(job.pick("process", settings.process_job) / GENERATE.record)
    if (process["sample"], process["benchmark"]) != (settings.sample, settings.benchmark):
        raise StepError(f"{settings.process_job} is the process {process['sample']} at {process['benchmark']}")
    names, sampled = list(benchmarks), settings.benchmark
    weigher = Weigher(process, benchmarks, settings.parameters)
    header = les_houches.Header(
        n_events=n_events,
        beams=pythia8.beam_ids(settings.beams),
        beam_energy_gev=settings.beams.energy_gev,
        cross_section_pb=(process["cross_section_pb"], process["cross_section_error_pb"]),
        benchmarks=names,
        generator=process["pythia_settings"],
    )
    source = pythia8.events(pythia8.start(process["pythia_settings"], job.seed))
    sums, sums_of_squares = np.zeros(len(names)), np.zeros(len(names))
    with les_houches.writing(job.out / EVENTS, header) as text:
        for start in range(0, n_events, _CHUNK):
            events = list(islice(source, min(_CHUNK, n_events - start)))
            weights = weigher.weights(events)
            if not np.isfinite(weights).all():
                raise StepError(f"weights of the events {start} to {start + len(events)} are not finite")
            les_houches.write_events(text, events, names, sampled, weights)
            sums += weights.sum(axis=0)
            sums_of_squares += (weights**2).sum(axis=0)
            log.info("%d of %d events", start + len(events), n_events)
    les_houches.verify(job.out / EVENTS, n_events, names)
    write_json(
        job.out / SIMULATE.record,
        {
            "sample": settings.sample,
            "benchmark": sampled,
            "n_events": n_events,
            "cross_section_pb": process["cross_section_pb"],
            "cross_section_error_pb": process["cross_section_error_pb"],
            "mean_weights_pb": dict(zip(names, (sums / n_events).tolist(), strict=True)),
            "effective_sample_size": dict(zip(names, (sums**2 / sums_of_squares).tolist(), strict=True)),
        },
    )
