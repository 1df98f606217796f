"""Let Pythia integrate the cross section of a process at the benchmark that it is sampled at."""

import logging

from mmc.compiler.catalogue.generators import PYTHIA8
from mmc.compiler.catalogue.stages import GENERATE
from mmc.compiler.settings.generation import Pythia8GenerateSettings
from mmc.errors import StepError
from mmc.jobs.generators import contact_interactions, pythia8
from mmc.jobs.job import StepJob, write_json
from mmc.jobs.madminer.setup_file import Setup

log = logging.getLogger(__name__)


def run(job: StepJob) -> None:
    """Write ``process.json``, with Pythia's settings and the cross section: what all jobs that simulate share.

    :raises StepError: when there is nothing to generate, or Pythia cannot sample that point
    """
    own = job.read(Pythia8GenerateSettings)
    couplings = None
    if PYTHIA8.processes[own.process]:
        point = Setup.read(job.one("setup")).point(own.benchmark)
        couplings = contact_interactions.pythia_couplings(contact_interactions.vector(point, own.parameters))
    lines = pythia8.settings(own.process, own.run_card, own.beams, couplings)
    value, error, mean_weight = pythia8.integrate(pythia8.start(lines, job.seed), own.n_integration)
    if not value > 0.0:
        raise StepError(f"the cross section of {own.sample} at {own.benchmark} is {value:g} pb")
    log.info("cross section of %s at %s: (%.5g +/- %.2g) pb", own.sample, own.benchmark, value, error)
    write_json(
        job.out / GENERATE.record,
        {
            "sample": own.sample,
            "benchmark": own.benchmark,
            "process": own.process,
            "background": own.background,
            "pythia_settings": lines,
            "cross_section_pb": value,
            "cross_section_error_pb": error,
            "mean_weight": mean_weight,
            "n_integration": own.n_integration,
        },
    )
