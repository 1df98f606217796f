"""The target reana: what its files say, and what it refuses."""

import json
import re
from ast import literal_eval
from dataclasses import replace
from pathlib import PurePosixPath
from typing import Any

import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from mmc.compiler.catalogue.batch import Batch
from mmc.compiler.catalogue.reana import ENGINES, Reana
from mmc.compiler.plan.model import Plan
from mmc.compiler.targets import TARGETS, Options
from mmc.compiler.targets.bundle import Bundle
from mmc.compiler.targets.cwl import without_gathering
from mmc.compiler.targets.snakemake import is_for_reana
from mmc.errors import MmcError, UsageError

from tests.compiler.targets.emitted import cwl_commands, yadage_commands
from tests.compiler.targets.plans import expected_commands, for_reana, make_plan, plans

IMAGE = "registry.example/mmc:1.0"
engines = pytest.mark.parametrize("engine", ENGINES)


def emit(plan: Plan, engine: str | None = None) -> Bundle:
    return TARGETS["reana"](plan, Options(engine=engine))


def specification(plan: Plan, engine: str) -> dict[str, Any]:
    made: dict[str, Any] = yaml.safe_load(emit(plan, engine).texts["reana.yaml"])
    return made


def keys(plan: Plan, engine: str, stage: str) -> dict[str, Any]:
    """REANA's keys of a stage, where each engine reads them."""
    texts = emit(plan, engine).texts
    if engine == "yadage":
        entries = yaml.safe_load(texts["steps.yml"])[stage]["environment"].get("resources", [])
        assert all(len(entry) == 1 for entry in entries), "REANA reads lists of mappings with one key each"
        return {key: value for entry in entries for key, value in entry.items()}
    if engine == "cwl":
        steps = {**yaml.safe_load(texts["physics.cwl"])["steps"], **yaml.safe_load(texts["learning.cwl"])["steps"]}
        found: dict[str, Any] = steps[stage].get("hints", {}).get("reana", {})
        return found
    if engine == "snakemake":
        (rule,) = re.findall(rf"^rule {stage}:\n((?:    .*\n)+)", texts["Snakefile"], re.MULTILINE)
        lines = re.findall(r"(?<=    resources:\n)(?:        .*\n)+", rule)
        return {key: literal_eval(value) for key, value in re.findall(r"(\w+)=(.*),\n", "".join(lines))}
    (step,) = (
        s for s in yaml.safe_load(texts["reana.yaml"])["workflow"]["specification"]["steps"] if s["name"] == stage
    )
    return {key: value for key, value in step.items() if key not in ("name", "environment", "commands")}


@engines
def test_everything_is_uploaded_and_nothing_else(engine: str) -> None:
    bundle = emit(make_plan(image=IMAGE), engine)
    files = yaml.safe_load(bundle.texts["reana.yaml"])["inputs"]["files"]
    assert sorted([*files, "reana.yaml"]) == sorted({*bundle.texts, *bundle.copies})
    assert "inputs/events.h5" in files
    assert "directories" not in yaml.safe_load(bundle.texts["reana.yaml"])["inputs"]  # .gitignore would count for them


@given(plan=plans.map(for_reana))
@settings(max_examples=20, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_engines_run_what_the_plan_says(plan: Plan) -> None:
    expected = expected_commands(plan)
    assert yadage_commands(emit(plan, "yadage").texts) == expected
    assert cwl_commands(emit(plan, "cwl").texts) == expected_commands(without_gathering(plan))
    steps = specification(plan, "serial")["workflow"]["specification"]["steps"]
    assert [step["name"] for step in steps] == [stage.name for stage in plan.stages]
    rules, alone = emit(plan, "snakemake").texts, TARGETS["snakemake"](plan, Options()).texts
    for name in ("task.sh", "jobs.tsv"):  # which are compared with the plan there
        assert rules[name] == alone[name]
    assert is_for_reana(rules["Snakefile"]) and not is_for_reana(alone["Snakefile"])


@given(plan=plans.map(for_reana))
@settings(max_examples=20, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_no_text_has_what_reana_warns_of_or_refuses(plan: Plan) -> None:
    for engine in ENGINES:
        for path, text in emit(plan, engine).texts.items():
            if PurePosixPath(path).suffix not in (".yml", ".yaml", ".cwl"):
                continue
            assert not [e for e in yaml.parse(text) if isinstance(e, yaml.AliasEvent) or getattr(e, "anchor", None)], (
                path
            )
            for value in strings(yaml.safe_load(text)):
                assert not re.search(r"sudo |\bcd /", value) or value in (plan.title, *(s.summary for s in plan.stages))


def strings(value: Any) -> list[str]:
    if isinstance(value, dict):
        return [text for item in value.values() for text in strings(item)]
    if isinstance(value, list):
        return [text for item in value for text in strings(item)]
    return [value] if isinstance(value, str) else []


def test_parameters_are_used() -> None:
    plan = make_plan(image=IMAGE)
    assert specification(plan, "yadage")["inputs"]["parameters"] == {"bundle": "."}
    assert "{bundle}" in emit(plan, "yadage").texts["steps.yml"]
    assert specification(plan, "cwl")["inputs"]["parameters"] == {"input": "job.yml"}
    given = yaml.safe_load(emit(plan, "cwl").texts["job.yml"])
    assert given.keys() == yaml.safe_load(emit(plan, "cwl").texts["workflow.cwl"])["inputs"].keys()
    assert "parameters" not in specification(plan, "serial")["inputs"]


def test_the_engine_of_the_command_line_wins() -> None:
    plan = make_plan(image=IMAGE, reana=Reana(engine="serial"))
    assert specification(plan, "cwl")["workflow"]["type"] == "cwl"
    assert yaml.safe_load(emit(plan).texts["reana.yaml"])["workflow"]["type"] == "serial"
    assert json.loads(emit(plan).texts["manifest.json"])["target"] == "reana"


def test_the_whole_workflow_gets_cvmfs_and_retention() -> None:
    plan = make_plan(image=IMAGE, reana=Reana(cvmfs=("sft.cern.ch",), retention_days={"out/**": 7}))
    found = specification(plan, "yadage")
    assert found["workflow"]["resources"] == {"cvmfs": ["sft.cern.ch"]}
    assert found["workspace"] == {"retention_days": {"out/**": 7}}
    assert "workspace" not in specification(make_plan(image=IMAGE), "yadage")


KUBERNETES = {
    "kubernetes_cpu_request": "2",
    "kubernetes_cpu_limit": "2",
    "kubernetes_memory_request": "512Mi",
    "kubernetes_memory_limit": "512Mi",
    "kubernetes_job_timeout": 600,
}


@pytest.mark.parametrize("engine", ["yadage", "cwl", "snakemake"])
def test_resources_of_the_study_in_the_backends_words(engine: str) -> None:
    """The stage train of the plan asks for 2 cores, 512 MiB and 600 s."""
    assert keys(make_plan(image=IMAGE), engine, "train") == KUBERNETES
    assert keys(make_plan(image=IMAGE), engine, "combine") == {}
    slurm = make_plan(image=IMAGE, reana=Reana(stages={"train": {"compute_backend": "slurmcern", "kerberos": True}}))
    assert keys(slurm, engine, "train") == {"compute_backend": "slurmcern", "kerberos": True, "slurm_time": "10"}
    htcondor = make_plan(image=IMAGE, reana=Reana(jobs={"compute_backend": "htcondorcern", "kubernetes_uid": 500}))
    asked = {"htcondor_request_cpus": "2", "htcondor_request_memory": "512 MB"} if engine == "yadage" else {}
    assert keys(htcondor, engine, "train") == {
        "compute_backend": "htcondorcern",
        **asked,
        "htcondor_max_runtime": "600",
    }


@engines
def test_reana_has_no_key_for_a_gpu(engine: str) -> None:
    assert emit(make_plan(image=IMAGE, gpus=1), engine).texts == emit(make_plan(image=IMAGE), engine).texts


def test_what_the_study_says_of_reana_wins() -> None:
    said = {"kubernetes_memory_request": "8Gi", "kubernetes_job_timeout": 60, "voms_proxy": True, "unpacked_img": True}
    plan = make_plan(image=IMAGE, reana=Reana(jobs={"kerberos": True}, stages={"train": {**said, "kerberos": False}}))
    assert keys(plan, "yadage", "train") == {
        **{key: value for key, value in KUBERNETES.items() if "memory" not in key},
        **said,
        "kerberos": False,
    }
    assert keys(plan, "yadage", "combine") == {"kerberos": True}


def test_serial_runs_jobs_side_by_side_where_a_step_has_the_cores() -> None:
    alone = make_plan(image=IMAGE)
    assert keys(alone, "serial", "train") == {**KUBERNETES, "kubernetes_job_timeout": 1200}
    wide = make_plan(image=IMAGE, reana=Reana(stages={"train": {"kubernetes_cpu_request": "5500m"}}))
    assert keys(wide, "serial", "train") == {
        "kubernetes_cpu_request": "5500m",
        "kubernetes_memory_request": "1024Mi",
        "kubernetes_memory_limit": "1024Mi",
        "kubernetes_job_timeout": 600,
    }
    for plan, cores in ((alone, 2), (wide, 5)):
        steps = specification(plan, "serial")["workflow"]["specification"]["steps"]
        assert steps[5]["commands"] == [f"bash run.sh --jobs {cores} --stage train"]


def test_a_shell_with_a_trap_is_left_alive() -> None:
    """REANA puts `trap … EXIT` before the command of a job with a Kerberos ticket; `exec` would lose it."""
    assert "exec " not in emit(make_plan(image=IMAGE), "yadage").texts["steps.yml"]
    assert "exec " in TARGETS["yadage"](make_plan(image=IMAGE), Options()).texts["steps.yml"]


def test_rules_of_snakemake() -> None:
    """REANA starts a rule's command itself, without Snakemake's prefix, and reads named parameters as JSON."""
    plan = make_plan(4, image=IMAGE, title='task.sh t1 "TOGETHER = 3"')
    for batch, n in ((Batch(), 1), (Batch(jobs_per_task=2), 2)):
        text = emit(replace(plan, batch=batch), "snakemake").texts["Snakefile"]
        assert is_for_reana(text)
        assert ("TOGETHER = {'generate': 2, 'simulate': 2, 'analyse': 2}\n" in text) == (n == 2)
        assert "prefix" not in text and "$TABLE" not in text and "mem_mb" not in text
        assert len(re.findall(r"bash task\.sh t[0-9a-f]{15} \{params\[0\]\}", text)) == len(plan.stages)
        assert text.count(f"container:\n        'docker://{IMAGE}'\n") == len(plan.stages)
        assert re.findall(r"params:\n        \w+=", text) == []


@pytest.mark.parametrize(("engine", "tries"), [("yadage", 1), ("cwl", 1), ("serial", 3), ("snakemake", 3)])
def test_time_is_for_all_tries(engine: str, tries: int) -> None:
    """Two methods are trained for 600 s each: with `serial` in one container, one after the other.

    Scripts wait for 10 s before the second try, and for 20 s before the third.
    """
    plan = make_plan(image=IMAGE)
    stages = [replace(s, resources=replace(s.resources, retries=2)) if s.name == "train" else s for s in plan.stages]
    found = keys(replace(plan, stages=tuple(stages)), engine, "train")["kubernetes_job_timeout"]
    assert found == (600 * tries + (30 if tries == 3 else 0)) * (2 if engine == "serial" else 1)


@pytest.mark.parametrize(
    ("plan", "message"),
    [
        (make_plan(), "the stage configure has no image: name it in `execution: {images: {physics: …}}`"),
        (make_plan(image="mmc:latest"), "REANA needs a tag or a digest of the image mmc:latest"),
        (make_plan(image=IMAGE, file="inputs/two words.h5"), "cannot quote the name 'inputs/two words.h5'"),
    ],
)
@engines
def test_what_reana_cannot_run_is_refused(plan: Plan, message: str, engine: str) -> None:
    with pytest.raises(MmcError, match=re.escape(message)):
        emit(plan, engine)


@pytest.mark.parametrize("engine", ["cwl", "snakemake"])
def test_keys_that_an_engine_does_not_read_are_refused(engine: str) -> None:
    said = {"compute_backend": "htcondorcern", "htcondor_requirements": "HasGPU"}
    plan = make_plan(image=IMAGE, reana=Reana(stages={"train": said}))
    assert keys(plan, "yadage", "train")["htcondor_requirements"] == "HasGPU"
    with pytest.raises(
        MmcError, match=f"engine {engine} does not read htcondor_requirements, which the stage train is given"
    ):
        emit(plan, engine)


def test_there_is_no_local_bundle() -> None:
    with pytest.raises(UsageError, match="compile without --local"):
        TARGETS["reana"](make_plan(image=IMAGE), Options(local=True))
