"""The views of a plan: complete, safe against any text, and accepted by the programs that draw them."""

import html
import json
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from mmc import plan_views
from mmc.language import fill_defaults
from mmc.plan import Plan
from mmc.planner import make_plan
from mmc.study import build_study

from tests.strategies import NASTY
from tests.support import STUDIES


def plan_of(path: Path, **changes: Any) -> Plan:
    return make_plan(build_study(fill_defaults(yaml.safe_load(path.read_text()) | changes)), {})


@pytest.fixture(scope="module")
def drell_yan() -> Plan:
    return plan_of(STUDIES / "drell-yan" / "study.yaml")


def test_text_names_every_stage_with_its_jobs_and_events(drell_yan: Plan) -> None:
    text = plan_views.to_text(drell_yan)
    rows = {line.split()[0]: line.split() for line in text.splitlines() if line and not line.startswith(" ")}
    for stage in drell_yan.stages:
        assert stage.name in rows or f"{stage.name}:" in rows
    assert re.search(r"^simulate +9 +70,000 +configure, generate \(all\)", text, re.MULTILINE)
    assert re.search(r"^report +1 +combine, train \(all\)", text, re.MULTILINE)
    assert "signal.sm.3        6,000 events of signal at sm" in text
    assert "train: 3 jobs, each 1 core\n  sally, alice, alices\n" in text
    assert all(line == line.rstrip() for line in text.splitlines())


def test_text_stays_short_for_a_large_study() -> None:
    data = yaml.safe_load((STUDIES / "drell-yan" / "study.yaml").read_text())
    data["generation"]["samples"]["signal"]["events_per_job"] = 100
    text = plan_views.to_text(make_plan(build_study(fill_defaults(data)), {}))
    assert "… and 688 more (--format json lists all)" in text
    assert len(text.splitlines()) < 100


def test_text_shows_what_jobs_ask_for() -> None:
    data = yaml.safe_load((STUDIES / "drell-yan" / "study.yaml").read_text())
    data["execution"] = {"resources": {"train": {"cpus": 2, "memory": "4 GiB", "time": "2 h"}}}
    text = plan_views.to_text(make_plan(build_study(fill_defaults(data)), {}))
    assert "train: 3 jobs, each 2 cores, 4,096 MiB, 7,200 s" in text


def test_json_holds_the_whole_graph(drell_yan: Plan) -> None:
    view = json.loads(plan_views.to_json(drell_yan))
    assert view["n_jobs"] == sum(len(stage["jobs"]) for stage in view["stages"]) == drell_yan.n_jobs
    jobs = {(stage["name"], job["name"]) for stage in view["stages"] for job in stage["jobs"]}
    needs = {(need["stage"], need["job"]) for stage in view["stages"] for job in stage["jobs"] for need in job["needs"]}
    assert needs <= jobs
    simulate = next(stage for stage in view["stages"] if stage["name"] == "simulate")
    assert simulate["events"] == 70_000
    assert simulate["scattered"] is True
    assert simulate["inputs"][0] == {"name": "setup", "stage": "configure", "flow": "one"}


def test_mermaid_links_every_stage(drell_yan: Plan) -> None:
    lines = plan_views.to_mermaid(drell_yan).splitlines()
    assert lines[0] == "flowchart LR"
    for stage in drell_yan.stages:
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


def test_graphviz_draws_every_stage_and_link(drell_yan: Plan) -> None:
    svg = drawn(plan_views.to_dot(drell_yan)).decode()
    drawn_nodes = set(re.findall(r"<g id=\"node\d+\" class=\"node\">\s*<title>(\w+)</title>", svg))
    assert drawn_nodes == {stage.name for stage in drell_yan.stages}
    assert svg.count('class="edge"') == sum(len(stage.inputs) for stage in drell_yan.stages)
    assert svg.count('class="cluster"') == 2


@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.sampled_from(NASTY) | st.text(st.characters(blacklist_categories=("Cs", "Cc")), max_size=200))
def test_graphviz_takes_any_title(title: str) -> None:
    plan = plan_of(STUDIES / "drell-yan" / "tiny.yaml", title=title)
    drawn(plan_views.to_dot(plan), "dot")


def test_a_title_stands_for_itself() -> None:
    title = r'back\nslash \N "quoted" &lt; <b>'
    svg = drawn(plan_views.to_dot(plan_of(STUDIES / "drell-yan" / "tiny.yaml", title=title))).decode()
    assert f"drell-yan-tiny: {title}" in html.unescape(svg)
