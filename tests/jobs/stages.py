"""Runs the jobs of a study stage by stage, in the process of the test."""

from collections.abc import Collection
from pathlib import Path

from mmc.cli.study_file import read
from mmc.compiler.settings.encoding import to_json

from tests.jobs.physics import Folder

Outputs = dict[tuple[str, str], Path]
"""The output of each job, by stage and job."""


def run_stages(study: Path, last: str, *, leave_out: Collection[tuple[str, str]] = ()) -> Outputs:
    """The outputs of the jobs of a study up to a stage; files that it names are beside it."""
    folder, made = Folder(study.parent), Outputs()
    for stage in read(str(study)).plan().stages:
        files = {file.name: study.parent / file.path.name for file in stage.files}
        for job in (job for job in stage.jobs if (stage.name, job.name) not in leave_out):
            inputs = {item.name: [made[key] for key in made if key[0] == item.stage] for item in stage.inputs}
            settings = {**to_json(stage.settings), **job.settings}
            made[stage.name, job.name] = folder.run(stage.name, job.name, settings, seed=job.seed, **inputs, **files)
        if stage.name == last:
            return made
    raise AssertionError(f"the study has no stage {last}")
