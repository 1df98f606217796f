"""The commands that all targets would run are those of the plan, whatever texts the plan holds."""

import os
import subprocess
import sys
import tempfile
import warnings
from dataclasses import replace
from difflib import ndiff
from pathlib import Path

import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from mmc.compiler.catalogue.batch import Batch
from mmc.compiler.plan.model import Plan
from mmc.compiler.targets import TARGETS, Options
from mmc.compiler.targets.cwl import without_gathering
from mmc.errors import MmcError

from tests.compiler.targets.emitted import cwl_commands, yadage_commands
from tests.compiler.targets.plans import expected_commands, make_plan, plans
from tests.compiler.targets.test_script import dry_run_words
from tests.engines import quickly


@given(plan=plans)
@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_all_targets_run_what_the_plan_says(plan: Plan) -> None:
    expected = expected_commands(plan)
    texts = {target: TARGETS[target](plan, Options()).texts for target in TARGETS if target != "reana"}
    assert yadage_commands(texts["yadage"]) == expected
    assert cwl_commands(texts["cwl"]) == expected_commands(without_gathering(plan))
    with tempfile.TemporaryDirectory() as folder:
        for name in ("run.sh", "jobs.tsv"):
            Path(folder, name).write_text(texts["script"][name], encoding="utf-8")
        Path(folder, "task.sh").write_text(texts["slurm"]["task.sh"], encoding="utf-8")
        done = subprocess.run(["bash", "run.sh", "-n"], cwd=folder, capture_output=True, text=True, check=True)
        task = subprocess.run(
            ["bash", "task.sh", "-n", *map(str, range(plan.n_jobs))],
            cwd=folder,
            capture_output=True,
            text=True,
            check=True,
        )
    for name in ("jobs.tsv", "task.sh"):
        assert texts["htcondor"][name] == texts["snakemake"][name] == texts["slurm"][name]
    assert texts["slurm"]["jobs.tsv"] == texts["script"]["jobs.tsv"]
    for said in (done.stdout, task.stdout):
        assert dict(zip(expected, dry_run_words(said), strict=True)) == expected


@given(plan=plans)
@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_yadage_accepts_every_workflow(plan: Plan) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        loader = pytest.importorskip("yadage.workflow_loader")
        with tempfile.TemporaryDirectory() as folder:
            for name, text in TARGETS["yadage"](plan, Options()).texts.items():
                Path(folder, name).parent.mkdir(parents=True, exist_ok=True)
                Path(folder, name).write_text(text, encoding="utf-8")
            loaded = loader.workflow("workflow.yml", toplevel=folder)
    for stage in plan.stages:
        group = next(sub for sub in loaded["stages"] if sub["name"] == stage.group)
        made = next(s for s in group["scheduler"]["workflow"]["stages"] if s["name"] == stage.name)
        environment = made["scheduler"]["step"]["environment"]
        assert environment["environment_type"] == ("docker-encapsulated" if stage.image else "localproc-env")


@pytest.fixture(scope="module")
def cwltool() -> str:
    """The program, which takes long to import what it needs."""
    pytest.importorskip("cwltool")
    return quickly([str(Path(sys.executable).with_name("cwltool"))], os.environ)[0]


@pytest.mark.engine
@given(plan=plans)
@settings(max_examples=5, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_cwltool_accepts_every_workflow(cwltool: str, plan: Plan) -> None:
    _validate(cwltool, plan)


@pytest.mark.engine
def test_cwltool_knows_what_a_gpu_is(cwltool: str) -> None:
    _validate(cwltool, make_plan(gpus=1), "--enable-ext")


def _validate(cwltool: str, plan: Plan, *options: str) -> None:
    with tempfile.TemporaryDirectory() as folder:
        bundle = TARGETS["cwl"](plan, Options())
        for name, text in {**bundle.texts, **dict.fromkeys(bundle.copies, "")}.items():
            Path(folder, name).parent.mkdir(parents=True, exist_ok=True)
            Path(folder, name).write_text(text, encoding="utf-8")
        words = [cwltool, *options, "--validate", "--strict", "workflow.cwl", "job.yml"]
        done = subprocess.run(words, cwd=folder, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "WARNING" not in done.stderr


@pytest.mark.parametrize("target", [target for target in TARGETS if target != "reana"])
@pytest.mark.parametrize("image", ["repo/image:1.0", "registry:5000/image", None])
def test_local_leaves_images_out(target: str, image: str | None) -> None:
    plan = make_plan(image=image)
    local = TARGETS[target](plan, Options(local=True)).texts
    assert not any(image in text for text in local.values()) if image else True
    assert local == TARGETS[target](make_plan(), Options()).texts


@pytest.mark.parametrize(
    ("image", "name", "tag"),
    [
        ("repo/image:1.0", "repo/image", "1.0"),
        ("registry:5000/image", "registry:5000/image", "latest"),
        ("mmc@sha256:0123", "mmc@sha256", "0123"),
        ("an image; ls", "'an image; ls'", "latest"),
    ],
)
def test_yadage_images(image: str, name: str, tag: str) -> None:
    texts = TARGETS["yadage"](make_plan(image=image), Options()).texts
    environment = yaml.safe_load(texts["steps.yml"])["train"]["environment"]
    assert environment == {"environment_type": "docker-encapsulated", "image": name, "imagetag": tag}


GPU: dict[str, dict[str, list[str]]] = {
    "yadage": {},
    "script": {},
    "slurm": {"slurm/train.sbatch": ["#SBATCH --gres=gpu:1"]},
    "htcondor": {"htcondor/train.sub": ["request_gpus = 1"]},
    "snakemake": {"Snakefile": ["        gpu=1,"]},
    "hyperqueue": {"hyperqueue.json": ['  "gpus": {', '    "train": 1', "  },"]},
    "cwl": {
        "tools/train.cwl": [
            "$namespaces:",
            '  cwltool: "http://commonwl.org/cwltool#"',
            "hints:",
            '  "cwltool:CUDARequirement":',
            '    cudaVersionMin: "11.8"',
            '    cudaComputeCapability: "5.0"',
            "    cudaDeviceCountMin: 1",
            "    cudaDeviceCountMax: 1",
        ]
    },
}
"""The lines of bundles that ask for a GPU for the stage train, by target and file."""


@pytest.mark.parametrize("target", [target for target in TARGETS if target != "reana"])
def test_a_gpu_is_asked_for_in_these_lines(target: str) -> None:
    without, texts = (TARGETS[target](make_plan(gpus=gpus), Options()).texts for gpus in (0, 1))
    assert texts.keys() == without.keys()
    more: dict[str, list[str]] = {}
    for path in texts.keys() - {"manifest.json"}:
        marked = list(ndiff(without[path].splitlines(), texts[path].splitlines()))
        assert not any(line.startswith("- ") for line in marked)
        if found := [line[2:] for line in marked if line.startswith("+ ")]:
            more[path] = found
    assert more == GPU[target]


def test_cwl_images_and_resources() -> None:
    texts = TARGETS["cwl"](make_plan(image="repo/image:1.0"), Options()).texts
    tool = yaml.safe_load(texts["tools/train.cwl"])
    assert tool["hints"] == {"DockerRequirement": {"dockerPull": "repo/image:1.0"}}
    assert tool["requirements"] == {
        "ResourceRequirement": {"coresMin": 2, "ramMin": 512},
        "ToolTimeLimit": {"timelimit": 600},
    }
    assert not any("Javascript" in text for text in texts.values())
    assert "hints" not in yaml.safe_load(TARGETS["cwl"](make_plan(), Options()).texts["tools/train.cwl"])


def test_yadage_refuses_a_gather_that_no_command_holds() -> None:
    TARGETS["yadage"](make_plan(splits=8000), Options())
    with pytest.raises(MmcError, match="the stage combine reads the outputs of 20,000 jobs, more than Yadage can name"):
        TARGETS["yadage"](make_plan(splits=20_000), Options())


@pytest.mark.parametrize(("target", "n"), [("script", 50_000), ("slurm", 60_000)])
def test_a_gather_that_linux_cannot_start_is_refused_before_any_job_runs(target: str, n: int) -> None:
    """Tasks of a batch system name folders relative to the bundle, and so more of them."""
    TARGETS[target](make_plan(splits=n // 5 * 2), Options())
    with pytest.raises(
        MmcError, match=f"the stage combine reads the outputs of {n:,} jobs, more than Linux takes in one"
    ):
        TARGETS[target](make_plan(splits=n), Options())


def test_cwl_refuses_a_gather_whose_mounts_no_command_holds() -> None:
    """cwltool names each folder twice for a container, and not at all without one."""
    plan = make_plan(splits=5000, image="repo/image:1.0")
    with pytest.raises(MmcError, match=r"combine reads 5,000 folders in a container, more .*: set .*jobs_per_task"):
        TARGETS["cwl"](plan, Options())
    TARGETS["cwl"](plan, Options(local=True))
    TARGETS["cwl"](make_plan(splits=4900, image="repo/image:1.0"), Options())
    TARGETS["cwl"](replace(plan, batch=Batch(jobs_per_task=2)), Options())


def test_yadage_refuses_a_command_that_is_too_long_by_itself() -> None:
    with pytest.raises(MmcError, match=r"the command of the stage \w+ has 1\d\d,\d\d\d characters, more than Yadage"):
        TARGETS["yadage"](make_plan(file="inputs/" + "x" * 140_000), Options())


def test_yadage_takes_only_names_that_need_no_quotes() -> None:
    with pytest.raises(ValueError, match="is not a name that the planner gives"):
        TARGETS["yadage"](make_plan(methods=["it's"]), Options())
