"""A study with variants, run by targets: each variant gives bit for bit what it gives as a study of its own."""

import csv
import json
import shutil
import subprocess
from collections import Counter
from pathlib import Path

import pytest
from mmc.jobs.job import read_record

from tests.engines import compile_target, mmc, run_target, succeed
from tests.support import need

need("madminer", "steps")

pytestmark = pytest.mark.engine

STUDY = """
mmc: "1.0"
name: scan
parameters: {c1: {range: [-1, 1]}, c2: {range: [-1, 1]}}
benchmarks: {sm: {c1: 0, c2: 0}}
events: {file: events.h5}
observables: {x1: {}, x2: {}}
methods:
  sally: {theta: {benchmark: sm}, samples: 300, training: {n_hidden: [10], n_epochs: 2}}
evaluation:
  luminosity: 1 fb^-1
  grid: {c1: {points: 5}, c2: {points: 5}}
  baselines: {rate: true}
  fisher_information: {observable: x1, bins: 3}
plots: {formats: [svg]}
"""
SECTION = """
variants:
  over:
    methods.sally.samples: [300, 400]
    evaluation.luminosity: [1 fb^-1, 5 fb^-1]
"""
POINTS = {"v1": (300, 1), "v2": (300, 5), "v3": (400, 1), "v4": (400, 5)}


@pytest.fixture(scope="module")
def study(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The study in a folder with its events."""
    from tests.jobs.toy_events import write_events

    folder = tmp_path_factory.mktemp("scan")
    shutil.copy(write_events(folder / "toy") / "events.h5", folder / "events.h5")
    (folder / "study.yaml").write_text(STUDY + SECTION)
    return folder / "study.yaml"


@pytest.fixture(scope="module")
def told(study: Path, quick_jobs: dict[str, str], tmp_path_factory: pytest.TempPathFactory) -> tuple[str, Path]:
    """What `mmc run` says of it, and the folder of the run."""
    folder = tmp_path_factory.mktemp("run")
    return succeed([*mmc(quick_jobs), "run", str(study), "--out", str(folder)], folder, quick_jobs), folder


def outputs(folder: Path) -> dict[tuple[str, str], dict[str, bytes]]:
    """The files of each output by stage and fingerprint; without the record, which tells times."""
    found = {}
    for record in folder.rglob("job.json"):
        job = json.loads(record.read_text())
        files = {str(file.relative_to(record.parent)): file for file in record.parent.rglob("*") if file.is_file()}
        found[job["stage"], job["fingerprint"]] = {
            name: file.read_bytes() for name, file in files.items() if file != record
        }
    return found


def test_variants_give_what_they_give_as_studies_of_their_own(
    study: Path, told: tuple[str, Path], quick_jobs: dict[str, str], tmp_path: Path
) -> None:
    made = outputs(told[1] / "out")
    single = tmp_path / "events.h5"
    shutil.copy(study.parent / "events.h5", single)
    (tmp_path / "study.yaml").write_text(STUDY.replace("samples: 300", "samples: 400").replace("1 fb^-1", "5 fb^-1"))
    compile_target("script", tmp_path / "study.yaml", tmp_path / "bundle", quick_jobs)
    alone = outputs(run_target("script", tmp_path / "bundle", quick_jobs))
    assert {stage for stage, _ in alone} == {"ingest", "sample", "train", "evaluate", "baselines", "report"}
    assert alone.items() <= made.items()
    each = {"ingest": 1, "sample": 2, "train": 2, "evaluate": 4, "baselines": 4, "report": 4, "variants": 1}
    assert Counter(stage for stage, _ in made) == each, "the rate and the Fisher information at two luminosities"


def test_the_table_has_the_results_of_all_variants(told: tuple[str, Path]) -> None:
    folder = told[1] / "out" / "variants" / "variants"
    found = json.loads((folder / "variants.json").read_text())["variants"]
    assert {name: tuple(entry["values"].values()) for name, entry in found.items()} == {
        name: (samples, f"{luminosity} fb^-1") for name, (samples, luminosity) in POINTS.items()
    }
    rows = list(csv.DictReader((folder / "variants.csv").read_text().splitlines()))
    for name, entry in found.items():
        report = json.loads((told[1] / "out" / "report" / entry["report"] / "results.json").read_text())
        for limit in [*report["baselines"], *report["methods"]]:
            (row,) = [row for row in rows if (row["variant"], row["result"]) == (name, limit["name"])]
            assert row["verdict"] == limit["verdict"] and row["methods.sally.samples"] == str(POINTS[name][0])
            assert float(row["allowed_area_0.95"]) == limit["allowed_area"]["0.95"]
            assert float(row["c1_low_0.68"]) == limit["intervals"]["c1"]["0.68"][0][0]
        errors = report["fisher_information"]["information"]["truth"]["errors"]
        (row,) = [row for row in rows if (row["variant"], row["result"]) == (name, "information of truth")]
        assert float(row["c2_sigma_fixed"]) == errors["c2"]["fixed"]
        page = (folder / f"{name}.html").read_bytes()
        assert page == (told[1] / "out" / "report" / entry["report"] / "index.html").read_bytes()
        assert f'<a href="{name}.html">{name}</a>' in (folder / "index.html").read_text()
    luminosity = {name: entry["limits"][0]["n_expected"] for name, entry in found.items()}
    assert luminosity["v2"] == pytest.approx(5 * luminosity["v1"], rel=1e-12)


def test_mmc_run_shows_the_table(study: Path, told: tuple[str, Path], quick_jobs: dict[str, str]) -> None:
    text, folder = told
    lines = [line for line in text.splitlines() if line.startswith(("variant ", "v1 ", "v4 "))]
    assert [line.split()[:3] for line in lines] == [
        ["variant", "sally.samples", "evaluation.luminosity"],
        ["v1", "300", "1"],
        ["v4", "400", "5"],
    ]
    since = succeed([*mmc(quick_jobs), "plan", str(study), "--since", str(folder)], folder, quick_jobs)
    assert since.splitlines()[0].endswith(": 0 of 18 jobs would run")
    refused = subprocess.run(
        [*mmc(quick_jobs), "report", str(folder)], env=quick_jobs, capture_output=True, text=True, check=False
    )
    assert refused.returncode != 0 and refused.stderr.startswith(f"mmc: {folder} has several variants of a study: ")


def test_a_longer_list_runs_only_what_it_adds(
    study: Path, told: tuple[str, Path], quick_jobs: dict[str, str], tmp_path: Path
) -> None:
    """The numbers of the variants after the new one change, and with them the names of their jobs."""
    run = tmp_path / "run"
    shutil.copytree(told[1], run, copy_function=shutil.copy2)
    longer = study.with_name("longer.yaml")
    longer.write_text(study.read_text().replace("[1 fb^-1, 5 fb^-1]", "[1 fb^-1, 2 fb^-1, 5 fb^-1]"))
    text = succeed([*mmc(quick_jobs), "run", str(longer), "--out", str(run)], run, quick_jobs)
    assert any(line.endswith(" outputs are of variants that have another number now") for line in text.splitlines())
    events = (run / "out" / "events.log").read_text().splitlines()
    started = sorted(line.split()[1] for line in events if line.startswith("start "))
    assert started == ["baselines"] * 2 + ["evaluate"] * 2 + ["report"] * 2 + ["variants"]
    expected, found = outputs(told[1] / "out"), outputs(run / "out")
    assert all(found[key] == files for key, files in expected.items() if key[0] != "variants")
    table = json.loads((run / "out" / "variants" / "variants" / "variants.json").read_text())["variants"]
    before = json.loads((told[1] / "out" / "variants" / "variants" / "variants.json").read_text())["variants"]
    for old, new in {"v1": "v1", "v2": "v3", "v3": "v4", "v4": "v6"}.items():
        assert table[new] | {"report": ""} == before[old] | {"report": ""}
    assert json.loads((run / "out" / "report" / "report+v3" / "job.json").read_text())["job"] == "report+v3"
    found_records = [read_record(path.parent) for path in (run / "out").rglob("job.json")]
    made = {record.maker: record for record in found_records}
    inputs = [(*name.partition("/")[::2], digest) for record in found_records for name, digest in record.inputs.items()]
    assert inputs and all(made[maker].has(file, digest) for maker, file, digest in inputs), "under their new names"


@pytest.mark.parametrize("target", ["yadage", "cwl", "hyperqueue"])
def test_targets_make_the_same(
    target: str, study: Path, told: tuple[str, Path], quick_jobs: dict[str, str], tmp_path: Path
) -> None:
    compile_target(target, study, tmp_path / "bundle", quick_jobs)
    found, expected = outputs(run_target(target, tmp_path / "bundle", quick_jobs)), outputs(told[1] / "out")
    presented = {"ingest", "train", "evaluate", "baselines", "report", "variants"}
    assert found == {key: files for key, files in expected.items() if target != "cwl" or key[0] in presented}
