"""Mistakes in the section `execution`, each said at its place."""

import pytest
from mmc.compiler.checks import check
from mmc.compiler.language.document import load

from tests.support import STUDIES

IMAGES = "images: {physics: 'mmc:1', learning: 'mmc:1'}"


@pytest.mark.parametrize(
    ("section", "code", "message"),
    [
        (
            "{resources: {train: {memory: 4}}}",
            "MMC110",
            "`execution.resources.train.memory` is a number without a unit of memory",
        ),
        ("{resources: {train: {memory: 4 h}}}", "MMC110", "'h' is not a unit of memory (MiB, GiB, MB, GB)"),
        ("{resources: {train: {time: 5 GiB}}}", "MMC110", "'GiB' is not a unit of time (s, min, h, d)"),
        (
            "{resources: {train: {cpus: 2 GiB}}}",
            "MMC103",
            "`execution.resources.train.cpus` must be a whole number, not '2 GiB'",
        ),
        (
            "{resources: {train: {retries: 0}}}",
            "MMC106",
            "`execution.resources.train.retries` must be at least 1, not 0",
        ),
        ("{resources: {train: {gpus: 2}}}", "MMC106", "`execution.resources.train.gpus` must be at most 1, not 2"),
        ("{resources: {train: {gpu: 1}}}", "MMC101", "unknown key 'gpu' in `execution.resources.train`"),
        ("{resources: {report: {gpus: 1}, baselines: {gpus: 0}}}", "MMC612", "the jobs of report cannot use a GPU"),
        ("{resources: {trian: {cpus: 2}}}", "MMC101", "unknown key 'trian' in `execution.resources`"),
        (
            "{batch: {task_time: 9, job_time: {simulate: 1 s}}}",
            "MMC110",
            "`execution.batch.task_time` is a number without a unit of time",
        ),
        ("{batch: {task_time: 1 h, job_time: {simulate: 0 s}}}", "MMC110", "a job cannot run with '0 s'"),
        ("{batch: {task_time: 1 h, job_time: {detect: 4 s}}}", "MMC605", "the study has no stage detect"),
        (
            "{batch: {task_time: 1 h, job_time: {}}}",
            "MMC611",
            "`task_time` needs the time of a job, and no `job_time` is given",
        ),
        (
            "{batch: {job_time: {simulate: 4 s}}}",
            "MMC611",
            "`job_time` needs the time of a task, and no `task_time` is given",
        ),
        ("{batch: {system: lsf}}", "MMC104", "`execution.batch.system` cannot be 'lsf'"),
        (
            f"{{{IMAGES}, resources: {{train: {{gpus: 1}}, evaluate: {{gpus: 0}}}}, reana: {{}}}}",
            "MMC625",
            "REANA cannot ask kubernetes for GPUs",
        ),
        (
            f"{{{IMAGES}, reana: {{jobs: {{compute_backend: lsf}}}}}}",
            "MMC104",
            "`execution.reana.jobs.compute_backend` cannot be 'lsf'",
        ),
        ("{images: {physics: mmc}}", "MMC604", "the image 'mmc' is not pinned, so its content may change"),
    ],
)
def test_a_mistake_is_said_at_its_place(section: str, code: str, message: str) -> None:
    text = (STUDIES / "drell-yan" / "tiny.yaml").read_text() + f"\nexecution: {section}\n"
    (found,) = check(load(text.encode(), "study.yaml"), lambda _: "file").diagnostics
    assert (found.code, found.message) == (code, message)


def test_why_a_job_has_one_gpu_is_told() -> None:
    text = (STUDIES / "drell-yan" / "tiny.yaml").read_text() + "\nexecution: {resources: {train: {gpus: 2}}}\n"
    (found,) = check(load(text.encode(), "study.yaml"), lambda _: "file").diagnostics
    assert found.complete.help.startswith("a job computes on one GPU: write `gpus: 1`")
