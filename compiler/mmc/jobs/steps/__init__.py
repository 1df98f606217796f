"""The step programs, which the jobs of a workflow run (``mmc step STAGE …``): one module per stage.

Each has ``run(job: StepJob) -> None``. Importing this package imports nothing heavy: :mod:`mmc.jobs.steps.runner`
imports the module of a stage, and with it numpy, MadMiner, torch or Pythia, once the threads of the job are limited.
"""
