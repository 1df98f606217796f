"""The views of a plan: complete, safe against any text, and accepted by the programs that draw them."""

import html
import json
import math
import re
import shutil
import subprocess
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from mmc.compiler.language.schema import fill_defaults
from mmc.compiler.plan import views
from mmc.compiler.plan.make import make_plan
from mmc.compiler.plan.memory import (
    CELL,
    EVENTS,
    INPUT,
    MADMINER,
    MOST_CRITICAL,
    MOST_RATIOS,
    MOST_TOYS,
    NETWORK,
    POINT,
    POINT_OF_RATE,
    POINT_OF_REPORT,
    RATIO,
    TORCH,
    TOYS,
    memory,
    memory_mib,
)
from mmc.compiler.plan.model import Job, Plan, Stage
from mmc.compiler.study.build import build_study

from tests.strategies import NASTY
from tests.support import study_data


def plan_of(events_per_job: int = 4_000, **changes: Any) -> Plan:
    """The plan of the tiny study with 13 simulation jobs, or one for so many events each."""
    data = study_data("drell-yan/tiny.yaml") | changes
    data["generation"]["samples"]["signal"] |= {
        "events": {"sm": 30_000, "default": 4_000},
        "events_per_job": events_per_job,
    }
    return make_plan(build_study(fill_defaults(data)), {})


@pytest.fixture(scope="module")
def plan() -> Plan:
    return plan_of()


def test_text_names_every_stage_with_its_jobs_and_events(plan: Plan) -> None:
    text = views.to_text(plan)
    rows = {line.split()[0]: line.split() for line in text.splitlines() if line and not line.startswith(" ")}
    for stage in plan.stages:
        assert stage.name in rows or f"{stage.name}:" in rows
    assert re.search(r"^simulate +13 +50,000 +13 MB  configure, generate \(all\)", text, re.MULTILINE)
    assert re.search(r"^report +1 +combine, train \(all\)", text, re.MULTILINE)
    assert "signal.sm.7        2,000 events of signal at sm" in text
    assert "train: 3 jobs, each 1 core\n  sally, alice, alices\n" in text
    assert all(line == line.rstrip() for line in text.splitlines())


def test_text_stays_short_for_a_large_study() -> None:
    text = views.to_text(plan_of(events_per_job=100))
    assert "  signal.sm.*        300 jobs, 30,000 events, 9.8 MB\n" in text
    assert len(text.splitlines()) < 100


def test_text_stays_short_for_many_samples() -> None:
    data = study_data("wh-smeft/study.yaml")
    samples = data["generation"]["samples"]
    samples |= {f"more {k}": samples["tt_em"] for k in range(10)}
    text = views.to_text(make_plan(build_study(fill_defaults(data)), {}))
    assert "… and 6 more (--format json lists all)" in text
    assert len(text.splitlines()) < 130


def test_sizes_add_up(plan: Plan) -> None:
    view = json.loads(views.to_json(plan))
    for stage in view["stages"]:
        assert stage["bytes"] == sum(job["bytes"] for job in stage["jobs"])
    total = views.amount(sum(stage["bytes"] for stage in view["stages"]))
    assert f"about {total} of disk" in views.to_text(plan).splitlines()[1]


def test_memory_is_that_of_the_measurements() -> None:
    """For the study with 16 million events, whose jobs hold a part of their files."""
    data = study_data("wh-smeft/study.yaml")
    large = make_plan(build_study(fill_defaults(data)), {})
    needed = memory(large)
    points = 9 * 9 * 15 * 15
    assert needed["combine", "with_backgrounds"] == MADMINER + 600_000_000 + 640 * INPUT
    assert needed["evaluate", "sally_all"] == TORCH + 1_200_000_000 + MOST_TOYS + points * POINT
    assert needed["baselines", "histogram.signal_only"] == MADMINER + 800_000_000 + MOST_TOYS + points * POINT
    assert needed["baselines", "rate.signal_only"] == MADMINER + 800_000_000 + points * POINT_OF_RATE
    assert needed["baselines", "fisher.signal_only"] == MADMINER + 800_000_000
    assert needed["report", "report"] == 200_000_000 + 600_000_000 + 6 * points * POINT_OF_REPORT
    (sampled,) = (job for job in large.stage("sample").jobs if job.name == "sally_all")
    assert needed["sample", "sally_all"] == MADMINER + round(2.1 * sampled.size) + 800_000_000 == max(needed.values())
    assert needed["train", "sally_all"] == TORCH + 1_650_000_000
    assert f"this much memory: {views.amount(max(needed.values()))} in sample" in views.to_text(large)
    view = json.loads(views.to_json(large))
    shown = {(s["name"], j["name"]): j["memory_bytes"] for s in view["stages"] for j in s["jobs"] if j["memory_bytes"]}
    assert shown == needed
    assert memory_mib(large)["sample"] == math.ceil(max(needed.values()) / 2**20)
    data.setdefault("execution", {})["resources"] = {"combine": {"memory": "64 GiB"}}
    assert memory_mib(make_plan(build_study(fill_defaults(data)), {}))["combine"] == 65536


@pytest.mark.parametrize(
    ("shape", "measured"),
    [((5, 5, 5, 8), 416_000_000), ((9, 9, 15, 15), 750_000_000), ((10, 10, 25, 40), 1_130_000_000)],
)
def test_memory_on_a_grid_is_at_least_the_measured_one(shape: tuple[int, ...], measured: int) -> None:
    """Of ``evaluate`` with the score of four parameters and few events; docs/scaling.md has the numbers."""
    data = study_data("wh-smeft/study.yaml")
    axes = zip(data["parameters"], shape, strict=True)
    data["evaluation"]["grid"] = {name: {"points": points} for name, points in axes}
    needed = memory(make_plan(build_study(fill_defaults(data)), {}))["evaluate", "sally_all"] - 1_200_000_000
    assert measured < needed < 1.25 * measured
    data["methods"] = {"alices": data["methods"]["sally_signal"] | {"method": "alices"}}
    of_ratios = memory(make_plan(build_study(fill_defaults(data)), {}))["evaluate", "alices"] - 1_200_000_000
    assert of_ratios - needed == NETWORK + MOST_RATIOS


@pytest.mark.parametrize(
    ("stage", "read", "own", "measured"),
    [
        ("combine", 0, 160, 505),
        ("combine", 0, 310, 614),
        ("combine", 0, 931, 415),
        ("sample", 310, 443, 1094),
        ("sample", 310, 1390, 3020),
        ("train", 266, 0, 1135),
        ("train", 509, 0, 1850),
        ("train", 1460, 0, 1488),
        ("evaluate", 80, 0, 590),
        ("evaluate", 931, 0, 1053),
        ("evaluate", 720, 0, 1469),
        ("baselines", 80, 0, 379),
        ("baselines", 931, 0, 740),
        ("baselines", 720, 0, 874),
        ("combinations", 48, 0, 215),
        ("report", 310, 0, 193),
    ],
)
def test_memory_of_events_is_at_least_the_measured_one(stage: str, read: int, own: int, measured: int) -> None:
    """In MB, without grids: the largest and the narrowest estimates of docs/scaling.md."""
    maker = "sample" if stage == "train" else "combine"
    there = _stage(maker, Job("read", {}, (), 1, "", size=read * 10**6))
    settings = {"of": {}} if stage == "combinations" else {}
    job = Job("own", settings, ((maker, "read"),) if read else (), 1, "", size=own * 10**6)
    needed = memory(Plan("study", "title", "", (there, _stage(stage, job)), {}))[stage, "own"]
    assert measured * 1e6 < needed < 2.7 * measured * 1e6


def _stage(name: str, job: Job) -> Stage:
    return Stage(name, "physics", name, name, (job,), {})


def test_memory_without_a_known_number_of_events() -> None:
    """Events in files: samples are counted, and the test events of a network are the 20,000 that a grid always gets."""
    data = study_data("toy-simulator/study.yaml")
    for method in data["methods"].values():
        method |= {"samples": 100_000_000, "validation_samples": 2_000}
    data["evaluation"]["grid"]["theta"]["points"] = 1_000
    plan = make_plan(build_study(fill_defaults(data)), dict.fromkeys(("zero.npz", "train.npz"), ""))
    needed = memory(plan)
    (sampled,) = (job for job in plan.stage("sample").jobs if job.name == "carl")
    assert needed["sample", "carl"] == MADMINER + round(2.1 * sampled.size) > 2e9
    of_points = 1_000 * (EVENTS * RATIO + TOYS + POINT)
    assert needed["evaluate", "carl"] == TORCH + NETWORK + of_points
    assert EVENTS * RATIO == 160_000
    assert not any(stage == "ingest" for stage, _ in needed)


def test_memory_of_critical_values_from_toys() -> None:
    """Log ratios of 50,000 toys in all, each at 100 or 2,500 points, at most 50 million of four bytes; and whole tables
    of 8 x 8 bins of the score, of two regions for the combination, and of 5 x (2 + 2) bins of observables."""
    data = study_data("drell-yan/regions.yaml")
    histogram = {"observables": ["m_ll", "cos_theta"], "bins": {"m_ll": 5, "cos_theta": [-1.0, 0.0, 1.0]}}
    data["evaluation"]["baselines"] = {"rate": True, "histogram": histogram}
    jobs = [("evaluate", "sally.low"), ("baselines", "rate.low"), ("baselines", "histogram.high")]
    jobs += [("combinations", "mass.sally"), ("combinations", "mass.fisher"), ("train", "sally.low")]
    for points, sums in ((10, 20_000_000), (50, MOST_CRITICAL)):
        data["evaluation"]["grid"] = {name: {"points": points} for name in data["parameters"]}
        needed = []
        for confidence in ("asymptotic", "toys"):
            data["evaluation"]["confidence"] = confidence
            needed.append(memory(make_plan(build_study(fill_defaults(data)), {})))
        tables = [sums + points**2 * bins * CELL for bins in (64, 0, 20, 128)]
        assert [needed[1][job] - needed[0][job] for job in jobs] == [*tables, 0, 0]


def test_little_memory_is_not_mentioned(plan: Plan) -> None:
    assert "memory" not in views.to_text(plan)


def test_text_shows_what_jobs_ask_for() -> None:
    text = views.to_text(plan_of(execution={"resources": {"train": {"cpus": 2, "memory": "4 GiB", "time": "2 h"}}}))
    assert "train: 3 jobs, each 2 cores, 4,096 MiB, 7,200 s" in text


def test_a_gpu_is_shown_and_changes_no_job(plan: Plan) -> None:
    asking = plan_of(execution={"resources": {"train": {"gpus": 1}, "evaluate": {"gpus": 0}}})
    text = views.to_text(asking)
    assert "train: 3 jobs, each 1 core, 1 GPU\n" in text and text.count("GPU") == 1
    assert [stage["resources"]["gpus"] for stage in json.loads(views.to_json(asking))["stages"]].count(1) == 1
    assert [stage.jobs for stage in asking.stages[:-1]] == [stage.jobs for stage in plan.stages[:-1]]
    assert asking.stages[-1].name == "report", "it shows the study"


def test_json_holds_the_whole_graph(plan: Plan) -> None:
    view = json.loads(views.to_json(plan))
    assert view["n_jobs"] == sum(len(stage["jobs"]) for stage in view["stages"]) == plan.n_jobs
    jobs = {(stage["name"], job["name"]) for stage in view["stages"] for job in stage["jobs"]}
    needs = {(need["stage"], need["job"]) for stage in view["stages"] for job in stage["jobs"] for need in job["needs"]}
    assert needs <= jobs
    simulate = next(stage for stage in view["stages"] if stage["name"] == "simulate")
    assert simulate["events"] == 50_000
    assert simulate["scattered"] is True
    assert simulate["inputs"][0] == {"name": "setup", "stage": "configure", "flow": "one"}


BASIS = {
    "points": {"sm": {"c_LL": 0.0, "c_LR": 0.0}, "w": {"c_LL": 0.05, "c_LR": -1.25e-7}},
    "condition_number": 53123.4,
    "largest_squared_weight": 11.04,
}


def test_text_shows_the_morphing_basis(plan: Plan) -> None:
    text = views.to_text(plan, BASIS)
    assert (
        "\nmorphing basis: 2 benchmarks, condition number 5.31e+04, "
        "largest squared weight 11 in the parameters' ranges\n"
        "  benchmark  c_LL       c_LR\n"
        "  sm            0          0\n"
        "  w          0.05  -1.25e-07\n"
        "\n"
    ) in text
    assert "\nmorphing basis: not now\n" in views.to_text(plan, "not now")
    assert "morphing basis:" not in views.to_text(plan)
    many = {**BASIS, "points": {f"b{i}": {"c": float(i)} for i in range(50)}}
    assert "  … and 10 more (--format json lists all)\n" in views.to_text(plan, many)


def test_json_holds_the_morphing_basis(plan: Plan) -> None:
    found = [json.loads(views.to_json(plan, basis))["morphing_basis"] for basis in (BASIS, "not now", None)]
    assert found == [BASIS, {"unknown": "not now"}, None]


def test_mermaid_links_every_stage(plan: Plan) -> None:
    lines = views.to_mermaid(plan).splitlines()
    assert lines[0] == "flowchart LR"
    for stage in plan.stages:
        assert any(line.strip().startswith(f"{stage.name}[") for line in lines)
        for item in stage.inputs:
            assert f"  {item.stage} -->|{item.name}| {stage.name}" in lines
    assert sum(line.strip() == "end" for line in lines) == sum("subgraph" in line for line in lines) == 2


def drawn(dot: str, image_format: str = "svg") -> bytes:
    program = shutil.which("dot")
    if program is None:
        pytest.skip("graphviz is not installed")
    return subprocess.run(
        [program, f"-T{image_format}"], input=dot.encode(), capture_output=True, check=True, timeout=60
    ).stdout


def test_graphviz_draws_every_stage_and_link(plan: Plan) -> None:
    svg = drawn(views.to_dot(plan)).decode()
    drawn_nodes = set(re.findall(r"<g id=\"node\d+\" class=\"node\">\s*<title>(\w+)</title>", svg))
    assert drawn_nodes == {stage.name for stage in plan.stages}
    assert svg.count('class="edge"') == sum(len(stage.inputs) for stage in plan.stages)
    assert svg.count('class="cluster"') == 2


@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.sampled_from(NASTY) | st.text(st.characters(blacklist_categories=("Cs", "Cc")), max_size=200))
def test_graphviz_takes_any_title(title: str) -> None:
    drawn(views.to_dot(plan_of(title=title)), "dot")


def test_a_title_stands_for_itself() -> None:
    title = r'back\nslash \N "quoted" &lt; <b>'
    svg = drawn(views.to_dot(plan_of(title=title))).decode()
    assert f"drell-yan-tiny: {title}" in html.unescape(svg)
