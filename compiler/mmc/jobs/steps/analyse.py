"""Read generated events with MadMiner's readers: detector effects, observables, cuts and efficiencies."""

import logging
from collections.abc import Mapping
from typing import Any

import numpy as np

from mmc.compiler.catalogue.stages import ANALYSE, SIMULATE
from mmc.compiler.settings.reading import DelphesAnalyseSettings, LesHouchesAnalyseSettings, TableAnalyseSettings
from mmc.errors import StepError
from mmc.jobs.job import StepJob, read_json, write_json
from mmc.jobs.madminer.setup_file import Setup
from mmc.jobs.readers import les_houches
from mmc.jobs.readers.functions import functions
from mmc.jobs.readers.reading import define
from mmc.jobs.readers.regions import count_events, define_cuts, events_file, save_region, take_regions, with_observable

log = logging.getLogger(__name__)

_SETTINGS: Mapping[str | None, type[LesHouchesAnalyseSettings | DelphesAnalyseSettings | TableAnalyseSettings]] = {
    None: LesHouchesAnalyseSettings,
    "delphes": DelphesAnalyseSettings,
    "table": TableAnalyseSettings,
}
"""The settings by the reader that they name."""


def run(job: StepJob) -> None:
    """Write ``events.h5`` and ``analyse.json``; without passing events only ``analyse.json``.

    With regions, the events of each region with events are in a file ``events_REGION.h5`` instead.
    """
    settings = job.read(_SETTINGS[job.settings.get("reader")])
    setup = Setup.read(job.one("setup"))
    setup.point(settings.benchmark)
    known = functions(job, settings)
    simulated: Mapping[str, Any] = {}
    if isinstance(settings, DelphesAnalyseSettings):
        from mmc.jobs.readers import delphes

        reader = delphes.make(setup.path, settings)
        define(reader, settings, known)
        define_cuts(reader, settings.regions)
        delphes.read(reader, job, settings)
    elif isinstance(settings, TableAnalyseSettings):
        from mmc.jobs.readers import tables

        reader = tables.make(setup.path, settings)
        define(reader, settings)
        define_cuts(reader, settings.regions)
        simulated = tables.read(reader, job, settings)
    else:
        reader = les_houches.make(setup.path, settings)
        define(reader, settings, known)
        define_cuts(reader, settings.regions)
        les_houches.read(reader, job, settings)

    n_passed = 0 if reader.observations is None else len(reader.events_sampling_benchmark_ids)
    if not isinstance(settings, TableAnalyseSettings):
        simulated = read_json(job.counterpart("events") / SIMULATE.record)
    n_read = simulated["n_events"]
    log.info("%d of %d events pass", n_passed, n_read)
    undefined, regions = {}, {}
    if n_passed:
        for name, weights in reader.weights.items():
            if n_bad := int((~np.isfinite(weights)).sum()):
                raise StepError(
                    f"the weights {name!r} are not finite in {n_bad:,} of {len(weights):,} events that pass: check the "
                    "weights in the file, and the efficiencies"
                )
        # charges are exact fractions, which numpy can neither compare nor store
        reader.observations = {name: np.asarray(values, dtype=float) for name, values in reader.observations.items()}
        inside = take_regions(reader, settings.regions)
        undefined = {
            name: int((~np.isfinite(values) & with_observable(name, settings.regions, inside)).sum())
            for name, values in reader.observations.items()
        }
        if not settings.regions:
            reader.save(str(job.out / events_file(None)), shuffle=False)  # the step combine shuffles
        for name, mask in inside.items():
            if mask.any():
                save_region(reader, settings.regions[name], mask, job.out / events_file(name))
        regions = count_events(inside, np.asarray(reader.weights[settings.benchmark]))
    for name, count in undefined.items():
        if count:
            log.warning(
                "the observable %s is not a finite number in %d events; give it a default or make it required",
                name,
                count,
            )
    write_json(
        job.out / ANALYSE.record,
        {
            "sample": settings.sample,
            "benchmark": settings.benchmark,
            "background": settings.background,
            "n_read": n_read,
            "n_generated": simulated.get("n_generated", n_read),
            "size": simulated.get("size", simulated.get("n_generated", n_read)),
            "cross_section_pb": _cross_section(simulated),
            "integrated_pb": [simulated["cross_section_pb"], simulated["cross_section_error_pb"]],
            "n_passed": n_passed,
            "undefined": {name: count for name, count in undefined.items() if count},
            **({"regions": regions} if regions else {}),
            **{key: simulated[key] for key in ("warnings", "events_of_files", "beams", "cuts") if simulated.get(key)},
        },
    )


def _cross_section(simulated: Mapping[str, Any]) -> list[float]:
    """The mean weight of the simulated events at their benchmark and its statistical error, in pb."""
    mean, size = (simulated[key][simulated["benchmark"]] for key in ("mean_weights_pb", "effective_sample_size"))
    return [mean, abs(mean) / max(size, 1.0) ** 0.5]
