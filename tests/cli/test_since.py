"""``mmc plan --since``: what an edited study would run, said before it runs."""

import json
from hashlib import sha256
from pathlib import Path

import pytest
from mmc.cli.main import main
from mmc.cli.study_file import read

EMPTY = {"result": {"bytes": 0, "sha256": sha256().hexdigest(), "modified_ns": 0}}
Capture = pytest.CaptureFixture[str]


def finish(study: Path, run: Path) -> None:
    """Write the records of all jobs of a study, as if they had run."""
    for stage in read(str(study), []).plan().stages:
        for job in stage.jobs:
            place = run / "out" / stage.name / job.name
            place.mkdir(parents=True)
            (place / "result").touch()
            record = {"stage": stage.name, "job": job.name, "fingerprint": job.fingerprint, "outputs": EMPTY}
            (place / "job.json").write_text(json.dumps({**record, "seed": 1, "seconds": 4.0, "mmc": "0"}))


@pytest.fixture
def run(tiny: Path, tmp_path: Path) -> Path:
    """A finished run of the tiny study."""
    finish(tiny, tmp_path / "run")
    return tmp_path / "run"


@pytest.fixture
def variant(tiny: Path) -> Path:
    """A study that trains sally otherwise, and has one more baseline."""
    file = tiny.with_name("variant.yaml")
    file.write_text(
        'mmc: "1.0"\nextends: study.yaml\nmethods: {sally: {training: {n_epochs: 3}}}\n'
        "evaluation: {baselines: {truth: true}}\n"
    )
    return file


def test_nothing_would_run_again(tiny: Path, run: Path, capsys: Capture) -> None:
    assert main(["plan", str(tiny), "--since", str(run)]) == 0
    assert capsys.readouterr().out.startswith(f"drell-yan-tiny in {run}: 0 of 35 jobs would run\n\nstage ")


def test_only_what_an_edit_touches_would_run(variant: Path, run: Path, tmp_path: Path, capsys: Capture) -> None:
    """By name: jobs whose fingerprint has changed. Before `mmc run`, `run.sh` finds as many."""
    assert main(["plan", str(variant), "--since", str(run)]) == 0
    title, _, *lines = capsys.readouterr().out.splitlines()
    assert title == f"drell-yan-tiny in {run}: 4 of 36 jobs would run"
    rows = {line.split()[0]: " ".join(line.split()[1:]) for line in lines}
    assert rows["sample"] == "3 3 4"
    assert rows["train"] == "3 2 1 4 its settings, seed or files have changed"
    assert rows["evaluate"] == "3 2 1 4 it reads train made anew"
    assert rows["baselines"] == "4 3 1 4 there is no output"
    assert rows["report"] == "1 1 it reads train, evaluate, baselines made anew"
    assert main(["plan", str(variant), "--since", str(run), "--format", "json"]) == 0
    stages = json.loads(capsys.readouterr().out)["stages"]
    found = {(stage["name"], entry["job"]) for stage in stages for entry in stage["run"]}
    changed = set()
    for stage in read(str(variant), []).plan().stages:
        for job in stage.jobs:
            record = run / "out" / stage.name / job.name / "job.json"
            if not record.exists() or json.loads(record.read_text())["fingerprint"] != job.fingerprint:
                changed.add((stage.name, job.name))
    assert found == changed
    assert main(["compile", str(variant), "-t", "script", "-o", str(tmp_path / "bundle")]) == 0
    capsys.readouterr()
    assert main(["pending", str(tmp_path / "bundle" / "jobs.tsv"), str(run / "out")]) == 0
    assert len(capsys.readouterr().out.splitlines()) == len(found)


def test_times_are_written_as_job_time_reads_them(tiny: Path, run: Path, capsys: Capture) -> None:
    record = run / "out" / "configure" / "configure" / "job.json"
    record.write_text(record.read_text().replace('"seconds": 4.0', '"seconds": 1234.4'))
    assert main(["plan", str(tiny), "--since", str(run)]) == 0
    (line,) = [line for line in capsys.readouterr().out.splitlines() if line.startswith("configure ")]
    assert line.split()[:4] == ["configure", "1", "1", "1234"]


def test_a_damaged_output_and_what_may_follow_from_it(tiny: Path, run: Path, capsys: Capture) -> None:
    (run / "out" / "report" / "report" / "result").write_text("else")
    (run / "out" / "configure" / "configure" / "job.json").unlink()
    assert main(["plan", str(tiny), "--since", str(run)]) == 0
    title, _, head, *lines = capsys.readouterr().out.splitlines()
    assert title.endswith(": 1 of 35 jobs would run, 1 if what they read turns out different")
    assert head.split() == ["stage", "jobs", "finished", "run", "perhaps", "s", "each", "why"]
    assert " ".join(lines[0].split()) == "configure 1 1 there is no output"


def test_what_is_not_a_run_or_no_view(tiny: Path, run: Path, capsys: Capture) -> None:
    assert main(["plan", str(tiny), "--since", str(tiny.parent)]) == 2
    assert "is not the folder of a run: it has no folder out" in capsys.readouterr().err
    assert main(["plan", str(tiny), "--since", str(run), "--format", "mermaid"]) == 2
    assert "--since has no mermaid: choose --format text or json" in capsys.readouterr().err
