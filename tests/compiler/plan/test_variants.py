"""The plan of a study with variants: the jobs of every variant as in a study of its own, and each job once."""

import json
import shutil
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from mmc.cli.study_file import read
from mmc.compiler.language.schema import fill_defaults
from mmc.compiler.plan import combining, variants, views
from mmc.compiler.plan.make import make_plan
from mmc.compiler.plan.model import Flow, Plan
from mmc.compiler.settings.configuration import job_entry
from mmc.compiler.settings.variants import own_name
from mmc.compiler.study.build import build_study
from mmc.compiler.study.variants import Variant
from mmc.compiler.targets import TARGETS, Options
from mmc.errors import MmcError

from tests.compiler.targets.emitted import cwl_commands, yadage_commands
from tests.strategies import file_studies, named_files, studies
from tests.support import ROOT, STUDIES

EVENTS, LUMINOSITY = "generation.samples.signal.events.sm", "evaluation.luminosity"
POINTS = [(n, luminosity) for n in (900, 1_600) for luminosity in ("36 fb^-1", "3 ab^-1")]
SECTION = f"""
variants:
  over:
    {EVENTS}: [900, 1_600]
    {LUMINOSITY}: [36 fb^-1, 3 ab^-1]
"""


def plan_of(folder: Path, section: str = "", *changes: str) -> Plan:
    """The plan of the tiny Drell-Yan study with a section more."""
    shutil.copy(STUDIES / "drell-yan" / "tiny.yaml", folder / "tiny.yaml")
    (folder / "study.yaml").write_text(f'mmc: "1.0"\nextends: tiny.yaml\n{section}')
    study = read(str(folder / "study.yaml"), changes)
    assert not study.is_wrong, study.diagnostics
    return study.plan()


@pytest.fixture(scope="module")
def plan(tmp_path_factory: pytest.TempPathFactory) -> Plan:
    return plan_of(tmp_path_factory.mktemp("variants"), SECTION)


@pytest.fixture(scope="module")
def single(tmp_path_factory: pytest.TempPathFactory) -> list[Plan]:
    """The plans of the variants as studies of their own."""
    folder = tmp_path_factory.mktemp("single")
    return [plan_of(folder, "", f"{EVENTS}={n}", f"{LUMINOSITY}={luminosity}") for n, luminosity in POINTS]


def by_fingerprint(plan: Plan) -> dict[tuple[str, str], Mapping[str, Any]]:
    """What each job of a plan makes its output from; what it reads by fingerprint."""
    fingerprints = {(stage.name, job.name): job.fingerprint for stage in plan.stages for job in stage.jobs}
    return {
        (stage.name, job.fingerprint): {
            "name": own_name(job.name),
            "settings": {**stage.settings, **job.settings},
            "seed": job.seed,
            "reads": [fingerprints[need] for need in job.needs],
        }
        for stage in plan.stages
        for job in stage.jobs
    }


def test_every_variant_has_the_jobs_of_a_study_of_its_own_and_each_is_there_once(
    plan: Plan, single: list[Plan]
) -> None:
    merged = by_fingerprint(plan)
    ((table, _),) = [item for item in merged.items() if item[0][0] == "variants"]
    del merged[table]
    every = [by_fingerprint(each) for each in single]
    assert merged == {key: job for each in every for key, job in each.items()}
    assert plan.n_jobs == len(merged) + 1, "no fingerprint is there twice"
    times = Counter(key for each in every for key in each)
    assert plan.n_shared == sum(n > 1 for n in times.values())
    assert list(plan.variants.values()) == [{EVENTS: n, LUMINOSITY: luminosity} for n, luminosity in POINTS]
    # 500 of the events at sm, and those of other benchmarks, are the same for all; 2 x 2 reports
    assert [len(plan.stage(name).jobs) for name in ("configure", "simulate", "combine", "train", "report")] == [
        1,
        1 + 5 + 1 + 3,
        2,
        6,
        4,
    ]


@settings(suppress_health_check=[HealthCheck.too_slow], deadline=None, max_examples=25)
@given(st.one_of(studies(), file_studies()), st.lists(st.integers(0, 9), min_size=1, max_size=4))
def test_the_jobs_of_any_study_are_there_once(data: dict[str, Any], seeds: list[int]) -> None:
    """Also if two variants are the same in the end, and for groups, event files and systematic uncertainties."""
    files = named_files(data)
    built = [build_study(fill_defaults({**data, "seed": seed})) for seed in seeds]
    every = [make_plan(study, files) for study in built]
    named = [Variant(f"v{k}", {"seed": s}, {}, {"seed": s}) for k, s in enumerate(seeds, start=1)]
    merged = by_fingerprint(variants.merge(built[0], files, zip(named, every, strict=True)))
    tables = [key for key in merged if key[0] == "variants"]
    assert len(tables) == any(stage.name == "report" for stage in every[0].stages)
    merged = {key: job for key, job in merged.items() if key not in tables}
    assert merged == {key: job for each in map(by_fingerprint, every) for key, job in each.items()}


def test_names_tell_the_variant_only_where_several_jobs_have_the_same(plan: Plan) -> None:
    names = {stage.name: [job.name for job in stage.jobs] for stage in plan.stages}
    assert names["configure"] == ["configure"] and names["combine"] == ["combine+v1", "combine+v3"]
    assert names["report"] == ["report+v1", "report+v2", "report+v3", "report+v4"]
    assert {"signal.sm.0", "signal.both.0", "signal.sm.1+v1", "signal.sm.1+v3", "signal.sm.2"} <= {*names["simulate"]}
    assert all(len({*jobs}) == len(jobs) for jobs in names.values())


def test_the_configuration_names_what_a_job_of_a_variant_reads(plan: Plan) -> None:
    entry = job_entry(plan.stage("evaluate").configuration(), "alice+v4")
    assert entry.reads == {"events": ("combine+v3",), "model": ("alice+v3",)}
    assert entry.settings["luminosity_pb"] == 3e6
    assert "luminosity_pb" not in plan.stage("evaluate").settings
    train = plan.stage("train").configuration()
    assert job_entry(train, "sally+v3").reads == {"samples": ("sally+v3",)}
    common = plan.stage("simulate").inputs
    assert [(item.stage, item.flow, item.named) for item in common] == [
        ("configure", Flow.ONE, False),
        ("generate", Flow.ALL, False),
    ]


@pytest.mark.parametrize(("target", "commands"), [("yadage", yadage_commands), ("cwl", cwl_commands)])
def test_engines_give_jobs_the_outputs_that_they_read(plan: Plan, target: str, commands: Any) -> None:
    """Yadage only these, and CWL, which cannot divide a list, all of the stage."""
    found = commands(TARGETS[target](plan, Options(local=True)).texts)
    for stage in plan.stages:
        for job in stage.jobs:
            words = found[stage.name, job.name]
            for item in stage.inputs:
                if not item.named:
                    continue
                read = [f"out/{upstream}/{name}" for upstream, name in job.needs if upstream == item.stage]
                every = [f"out/{item.stage}/{other.name}" for other in plan.stage(item.stage).jobs]
                start = words.index(f"--{item.name}") + 1
                given = read if target == "yadage" else every
                assert words[start : start + len(given)] == given
                assert words[start + len(given)].startswith("--")


def test_scripts_give_jobs_the_folder_of_the_stage(plan: Plan) -> None:
    text = TARGETS["script"](plan, Options()).texts["run.sh"]
    assert '--events "$out"/combine --model "$out"/train --out "$out"/evaluate/"$job"' in text
    assert "all_train" not in text, "no list of a thousand folders"


def test_results_are_those_of_every_variant_and_their_table(plan: Plan) -> None:
    from mmc.compiler.targets.dataflow import products

    found = [stage.name for stage in products(plan)]
    assert found == ["combine", "train", "evaluate", "baselines", "report", "variants"]


def test_the_views_tell_the_number_of_variants(plan: Plan) -> None:
    title = views.to_text(plan).splitlines()[1]
    own = plan.n_jobs - plan.n_shared - 1
    assert title.startswith(
        f"4 variants: {plan.n_jobs} jobs in 11 stages, {plan.n_shared} of several variants, "
        f"{own} of one, 1 for their table,"
    )
    lines = views.to_text(plan).split("\n\n")[2].splitlines()
    assert [line.split(maxsplit=2) for line in lines[:2]] == [
        ["variant", EVENTS, LUMINOSITY],
        ["v1", "900", "36 fb^-1"],
    ]
    assert json.loads(views.to_json(plan))["variants"]["v4"] == {EVENTS: 1_600, LUMINOSITY: "3 ab^-1"}


def test_the_examples_of_the_page_are_planned(tmp_path: Path) -> None:
    parts = (ROOT / "docs" / "variants.md").read_text().split("```")[1::2]
    text, random, table = (part.removeprefix("yaml\n") for part in parts if part.startswith("yaml"))
    (points,) = (part.removeprefix("text\n") for part in parts if part.startswith("text"))
    shutil.copy(STUDIES / "drell-yan" / "study.yaml", tmp_path)
    (tmp_path / "points.csv").write_text(points)
    for section, n in ((random, 20), (table, 2)):
        (tmp_path / "scan.yaml").write_text('mmc: "1.0"\nextends: study.yaml\n' + section)
        assert len(read(str(tmp_path / "scan.yaml")).plan().variants) == n
    (tmp_path / "scan.yaml").write_text(text)
    plan = read(str(tmp_path / "scan.yaml")).plan()
    assert len(plan.variants) == 6
    single = read(str(tmp_path / "study.yaml")).plan()
    sampled, trained, evaluated = (len(single.stage(name).jobs) for name in ("sample", "train", "evaluate"))
    assert [len(plan.stage(name).jobs) for name in ("combine", "sample", "train", "evaluate", "report")] == [
        2,
        2 * sampled,
        2 * trained,
        6 * evaluated,
        6,
    ]


def test_variants_are_the_same_workflow(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A problem of plans only: whether outputs are gathered depends on the number of jobs."""
    fewer = len(plan_of(tmp_path, "", f"{EVENTS}=900").stage("analyse").jobs)
    monkeypatch.setattr(combining, "GATHERED_AT_ONCE", fewer)
    with pytest.raises(MmcError, match=r"^the stage combine reads analyse in only one of the variants v1 and v3 \("):
        plan_of(tmp_path, SECTION)
    monkeypatch.setattr(variants, "MOST_JOBS", 10)
    with pytest.raises(MmcError, match=r"^the first 2 variants have more than 10 jobs of the stage simulate, the most"):
        plan_of(tmp_path, "variants: {over: {seed: [1, 2, 3]}}")


def test_a_variant_may_change_cards_and_set_ups(tmp_path: Path) -> None:
    """Each set-up has a name and is read by the jobs of its variants."""
    plan = plan_of(
        tmp_path, f"variants: {{over: {{benchmarks.both.c_LL: [0.04, 0.05], {LUMINOSITY}: [1 fb^-1, 2 fb^-1]}}}}"
    )
    assert [job.name for job in plan.stage("configure").jobs] == ["configure+v1", "configure+v3"]
    job = next(job for job in plan.stage("analyse").jobs if job.name == "signal.sm.0+v3")
    assert job.needs == (("configure", "configure+v3"), ("simulate", "signal.sm.0+v3"))


def test_the_table_of_variants_with_one_report_reads_one_output(tmp_path: Path) -> None:
    """CWL has a list only where a stage has several outputs."""
    plan = plan_of(tmp_path, "variants: {over: {seed: [3]}}")
    (link,) = plan.stage("variants").inputs
    assert (link.flow, link.named) == (Flow.ONE, False)
    assert cwl_commands(TARGETS["cwl"](plan, Options(local=True)).texts)["variants", "variants"][-4:-2] == [
        "--report",
        "out/report/report",
    ]
