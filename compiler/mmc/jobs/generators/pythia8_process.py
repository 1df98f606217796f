"""Let Pythia integrate the cross section of a process at its sampled benchmark."""

import logging

from mmc.compiler.catalogue.generators import PYTHIA8
from mmc.compiler.catalogue.stages import GENERATE
from mmc.compiler.settings.generation import Pythia8GenerateSettings
from mmc.errors import StepError
from mmc.jobs.generators import contact_interactions, pythia8
from mmc.jobs.job import StepJob, write_json
from mmc.jobs.madminer.setup_file import Benchmarks

log = logging.getLogger(__name__)


def run(job: StepJob) -> None:
    """Write ``process.json``: Pythia's settings and the cross section, for all jobs that simulate the process.

    :raises StepError: when Pythia finds no phase space, or cannot sample that point
    """
    settings = job.read(Pythia8GenerateSettings)
    couplings = None
    if PYTHIA8.processes[settings.process]:
        point = Benchmarks.of(job).point(settings.benchmark)
        couplings = contact_interactions.pythia_couplings(contact_interactions.vector(point, settings.parameters))
    lines = pythia8.settings(settings.process, settings.run_card, settings.beams, couplings)
    value, error, mean_weight = pythia8.integrate(pythia8.start(lines, job.seed), settings.n_integration)
    if not value > 0.0:
        raise StepError(f"the cross section of {settings.sample} at {settings.benchmark} is {value:g} pb")
    log.info("cross section of %s at %s: (%.5g +/- %.2g) pb", settings.sample, settings.benchmark, value, error)
    write_json(
        job.out / GENERATE.record,
        {
            "sample": settings.sample,
            "benchmark": settings.benchmark,
            "process": settings.process,
            "background": settings.background,
            "pythia_settings": lines,
            "cross_section_pb": value,
            "cross_section_error_pb": error,
            "mean_weight": mean_weight,
            "n_integration": settings.n_integration,
        },
    )
