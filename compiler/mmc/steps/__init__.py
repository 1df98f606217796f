"""The step programs: what the jobs of a workflow run (``mmc step STAGE …``).

Importing this package imports nothing heavy: :mod:`mmc.steps.runner` imports the module of a stage, and with it
numpy, MadMiner, torch or Pythia, once the threads of the job are limited.
"""

STEPS = {
    "configure": "mmc.steps.configure",
    "generate": "mmc.steps.generate",
    "simulate": "mmc.steps.simulate",
    "detect": "mmc.steps.detect",
    "import_events": "mmc.steps.import_events",
    "analyse": "mmc.steps.analyse",
    "combine": "mmc.steps.combine",
    "ingest": "mmc.steps.ingest",
    "track": "mmc.steps.track",
    "sample": "mmc.steps.sample",
    "train": "mmc.steps.train",
    "tune": "mmc.steps.tune",
    "evaluate": "mmc.steps.evaluate",
    "baselines": "mmc.steps.baselines",
    "report": "mmc.steps.report",
}
"""The module of every stage's step program; each has ``run(job: StepJob) -> None``."""
