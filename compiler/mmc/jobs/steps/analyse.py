"""Read generated events: detector effects, observables, cuts and efficiencies, as MadMiner's readers define them."""

import logging

import numpy as np

from mmc.compiler.catalogue.stages import ANALYSE, SIMULATE
from mmc.compiler.settings.reading import DelphesAnalyseSettings, LesHouchesAnalyseSettings
from mmc.errors import StepError
from mmc.jobs.job import StepJob, read_json, write_json
from mmc.jobs.madminer.setup_file import Setup
from mmc.jobs.readers import les_houches
from mmc.jobs.readers.reading import define

log = logging.getLogger(__name__)


def run(job: StepJob) -> None:
    """Write ``events.h5`` and ``analyse.json``; only the latter when no event passes."""
    kind: type[LesHouchesAnalyseSettings | DelphesAnalyseSettings] = (
        DelphesAnalyseSettings if job.settings.get("reader") == "delphes" else LesHouchesAnalyseSettings
    )
    own = job.read(kind)
    setup = Setup.read(job.one("setup"))
    setup.point(own.benchmark)
    if isinstance(own, DelphesAnalyseSettings):
        from mmc.jobs.readers import delphes

        reader = delphes.make(setup.path, own)
        define(reader, own)
        delphes.read(reader, job, own)
    else:
        reader = les_houches.make(setup.path, own)
        define(reader, own)
        les_houches.read(reader, job, own)

    n_passed = 0 if reader.observations is None else len(reader.events_sampling_benchmark_ids)
    n_read = read_json(job.pick("events", own.simulate_job) / SIMULATE.record)["n_events"]
    log.info("%d of %d events pass", n_passed, n_read)
    undefined = {}
    if n_passed:
        if not all(np.isfinite(weights).all() for weights in reader.weights.values()):
            raise StepError("some weights are not finite: check the efficiencies")
        # a charge is an exact fraction, which numpy can neither compare nor store
        reader.observations = {name: np.asarray(values, dtype=float) for name, values in reader.observations.items()}
        undefined = {name: int((~np.isfinite(values)).sum()) for name, values in reader.observations.items()}
        reader.save(str(job.out / "events.h5"), shuffle=False)  # the step combine shuffles
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
            "sample": own.sample,
            "benchmark": own.benchmark,
            "background": own.background,
            "n_read": n_read,
            "n_passed": n_passed,
            "undefined": {name: count for name, count in undefined.items() if count},
        },
    )
