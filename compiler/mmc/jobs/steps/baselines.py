"""``baselines``: limits without machine learning (rate, histogram, truth), and the Fisher information."""

import numpy as np

from mmc.compiler.catalogue.stages import BASELINES_STAGE
from mmc.compiler.settings.baselines import BaselineSettings
from mmc.compiler.settings.encoding import to_json
from mmc.jobs.job import StepJob, group_entry, write_json
from mmc.jobs.madminer.event_file import EventFile
from mmc.jobs.statistics.baseline_information import fisher_information
from mmc.jobs.statistics.baselines import LIKELIHOODS, density
from mmc.jobs.statistics.limits import save_arrays
from mmc.jobs.statistics.problem import LimitProblem
from mmc.jobs.statistics.region_likelihood import LIKELIHOOD, RegionLikelihood
from mmc.jobs.statistics.scanning.fitted import fitted


def run(job: StepJob) -> None:
    """Write ``baseline.json`` and ``limits.npz``; for the Fisher information ``fisher.npz`` instead of limits.

    A histogram also writes ``workspace_BENCHMARK.json``.
    """
    settings = job.read(BaselineSettings)
    about = {"baseline": settings.baseline, **group_entry(settings.group), **settings.luminosity_entry}
    file = EventFile.of(job.events(settings.group), settings.own_limits)
    grouped = settings.group is not None
    if settings.fisher is not None:
        problem = LimitProblem.of(file, settings.own_limits, grouped=grouped)
        arrays, found = fisher_information(problem, settings.fisher)
        save_arrays(job.out / "fisher.npz", arrays)
        write_json(job.out / BASELINES_STAGE.record, {**about, **to_json(settings.fisher), **found})
        return
    problem = LimitProblem.of(file, settings.own_limits, job.optional(settings.observed), grouped=grouped)
    if problem.box is not None:
        problem = fitted(problem, *density(problem, settings), job.seed)
    outcome, workspaces = LIKELIHOODS[settings.baseline](problem, settings, np.random.default_rng(job.seed))
    for name, workspace in workspaces.items():
        write_json(job.out / f"workspace_{name}.json", workspace)
    save_arrays(job.out / "limits.npz", outcome.all_arrays())
    if settings.combined:
        save_arrays(job.out / LIKELIHOOD, RegionLikelihood.of(problem, outcome).arrays())
    binning = {} if settings.histogram is None else to_json(settings.histogram)
    write_json(job.out / BASELINES_STAGE.record, {**about, **binning, **outcome.summary(problem)})
