"""What a study may say of REANA, and what is a mistake."""

from pathlib import Path

import pytest
from mmc.compiler.catalogue.reana import AMOUNTS
from mmc.compiler.checks import check
from mmc.compiler.language.document import load

from tests.support import reana_study

BEGINNING = """
execution:
  images: {physics: "mmc:1", learning: "mmc:1"}
"""


def said(folder: Path, section: str, *, before: str = BEGINNING) -> list[tuple[str, str]]:
    """Codes and messages about a section `reana` of the tiny study."""
    file = reana_study(folder)
    text = file.read_text()
    study = text[: text.index("\nexecution:")] + before + section
    found = check(load(study.encode(), "study.yaml"), lambda _: "file").diagnostics
    return [(item.code, item.message) for item in found]


def test_everything_at_once_is_fine(tmp_path: Path) -> None:
    assert check(load(reana_study(tmp_path).read_bytes(), "study.yaml"), lambda _: "file").diagnostics == []


@pytest.mark.parametrize(
    "section",
    [
        "  reana: {}\n",
        "  reana: {jobs: {compute_backend: slurmcern, slurm_time: 60, slurm_partition: inf-short}}\n",
        # one stage is enough for a key that is for all, and a stage can leave the others
        "  reana: {jobs: {slurm_time: 60}, stages: {train: {compute_backend: slurmcern}}}\n",
        "  reana: {jobs: {compute_backend: slurmcern}, stages: {train: {compute_backend: kubernetes}}}\n",
        "  reana: {engine: serial, jobs: {compute_backend: htcondorcern, htcondor_request_cpus: 4}}\n",
        "  reana: {jobs: {kubernetes_cpu_request: 0.5, kubernetes_cpu_limit: 500m, kubernetes_memory_limit: 100000}}\n",
        # the request of `resources` is replaced
        "  resources: {train: {memory: 8 GiB}}\n"
        "  reana: {stages: {train: {kubernetes_memory_request: 1Gi, kubernetes_memory_limit: 2Gi}}}\n",
    ],
)
def test_what_is_fine(section: str, tmp_path: Path) -> None:
    assert said(tmp_path, section) == []


@pytest.mark.parametrize(
    ("section", "expected"),
    [
        (
            "  reana: {jobs: {htcondor_max_runtime: workday}}\n",
            [("MMC620", "`htcondor_max_runtime` is for htcondorcern, and no stage runs there")],
        ),
        (
            "  reana: {stages: {train: {slurm_time: 60}, report: {compute_backend: slurmcern}}}\n",
            [("MMC620", "`slurm_time` is for slurmcern, and the stage train runs on kubernetes")],
        ),
        ("  reana: {stages: {detect: {kubernetes_uid: 9}}}\n", [("MMC605", "the study has no stage detect")]),
        (
            "  reana: {jobs: {kubernetes_cpu_limit: 1}, stages: {train: {kubernetes_cpu_request: 1500m}}}\n",
            [("MMC623", "the limit is 1, and the jobs of train request 1500m")],
        ),
        (
            "  resources: {train: {cpus: 4}}\n  reana: {jobs: {kubernetes_cpu_limit: 2}}\n",
            [("MMC623", "the limit is 2, and the jobs of train request 4")],
        ),
        (
            "  resources: {train: {cpus: 4, time: 1 h}}\n"
            "  reana: {engine: cwl, jobs: {compute_backend: htcondorcern}}\n",
            [("MMC625", "REANA does not pass `cpus` on to htcondorcern with the engine cwl")],
        ),
        (
            "  resources: {train: {cpus: 4}}\n"
            "  reana: {engine: snakemake, jobs: {compute_backend: htcondorcern, htcondor_request_cpus: 4}}\n",
            [
                ("MMC625", "REANA does not pass `cpus` on to htcondorcern with the engine snakemake"),
                ("MMC621", "REANA's engine snakemake does not read `htcondor_request_cpus`"),
            ],
        ),
        (
            "  reana: {retention_days: {../x: 3}}\n",
            [("MMC626", "'../x' is not a pattern of files within the workspace")],
        ),
        ("  reana: {retention_days: {'': 3}}\n", [("MMC626", "'' is not a pattern of files within the workspace")]),
        (
            "  reana: {jobs: {compute_backend: htcondorcern, htcondor_request_memory: 8Gi}}\n",
            [("MMC622", "`htcondor_request_memory` cannot be '8Gi'")],
        ),
        (
            "  reana: {jobs: {compute_backend: slurmcern, slurm_time: '1:00'}}\n",
            [("MMC622", "`slurm_time` cannot be '1:00'")],
        ),
        # amounts that cannot be read are not compared
        (
            "  reana: {jobs: {kubernetes_memory_limit: 1 Gi, kubernetes_memory_request: 2Gi}}\n",
            [("MMC622", "`kubernetes_memory_limit` cannot be '1 Gi'")],
        ),
    ],
)
def test_what_is_a_mistake(section: str, expected: list[tuple[str, str]], tmp_path: Path) -> None:
    assert said(tmp_path, section) == expected


def test_images_that_are_not_pinned(tmp_path: Path) -> None:
    images = '\nexecution:\n  images: {physics: "mmc", learning: "mmc:latest"}\n'
    assert [code for code, _ in said(tmp_path, "  reana: {}\n", before=images)] == ["MMC624", "MMC624"]
    assert [code for code, _ in said(tmp_path, "", before=images)] == ["MMC604", "MMC604"]


@pytest.mark.parametrize(
    ("kind", "good", "bad"),
    [
        ("kubernetes_cpu", ["1", "0.5", ".5", "500m", "2.0"], ["0", "0.0", "0m", "1.5m", "2 ", "-1", "1k"]),
        ("kubernetes_memory", ["128", "8Gi", "8G", "1.5Gi", "64K"], ["8 Gi", "8GiB", "1.5", "8gi", "Gi"]),
        ("htcondor_size", ["4096", "4 GB", "4gb", "4K"], ["0", "4 GiB", "1.5 GB", "4Gi"]),
        ("htcondor_runtime", ["3600", "espresso"], ["0", "1 h", "breakfast"]),
        ("count", ["1", "60"], ["0", "1.5", "1:00"]),
    ],
)
def test_amounts(kind: str, good: list[str], bad: list[str]) -> None:
    assert [text for text in good if not AMOUNTS[kind].fullmatch(text)] == []
    assert [text for text in bad if AMOUNTS[kind].fullmatch(text)] == []
