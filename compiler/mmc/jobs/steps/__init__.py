"""The step programs: what the jobs of a workflow run (``mmc step STAGE …``).

Importing this package imports nothing heavy: :mod:`mmc.jobs.steps.runner` imports the module of a stage, and with it
numpy, MadMiner, torch or Pythia, once the threads of the job are limited.
"""

STEPS = {
    "configure": "mmc.jobs.steps.configure",
    "generate": "mmc.jobs.steps.generate",
    "simulate": "mmc.jobs.steps.simulate",
    "detect": "mmc.jobs.steps.detect",
    "import_events": "mmc.jobs.steps.import_events",
    "analyse": "mmc.jobs.steps.analyse",
    "combine": "mmc.jobs.steps.combine",
    "ingest": "mmc.jobs.steps.ingest",
    "track": "mmc.jobs.steps.track",
    "sample": "mmc.jobs.steps.sample",
    "train": "mmc.jobs.steps.train",
    "tune": "mmc.jobs.steps.tune",
    "evaluate": "mmc.jobs.steps.evaluate",
    "baselines": "mmc.jobs.steps.baselines",
    "report": "mmc.jobs.steps.report",
}
"""The module of every stage's step program; each has ``run(job: StepJob) -> None``."""
