"""A store outlives the outputs of jobs: edits, other servers, file systems without links, moved and copied folders."""

import errno
import json
import os
import shutil
import sqlite3
import subprocess
import sys
import time
from contextlib import closing
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

import pytest
from mmc.errors import StepError
from mmc.jobs.job import StepJob
from mmc.jobs.tracking import sqlite_file
from mmc.jobs.tracking.sqlite_file import check, repoint
from mmc.jobs.tracking.tracker import tracker

from tests.jobs import fake_step
from tests.jobs.physics import Folder
from tests.jobs.tracking.test_tracker import STUDY, local, log_of, record, track

pytest.importorskip("mlflow")
pytestmark = pytest.mark.filterwarnings("default")  # those of MLflow and of what it imports


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a store and the runs of a study and of a job, made once because MLflow takes seconds."""
    folder = Folder(tmp_path_factory.mktemp("made"))
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(sys.modules, "mmc.jobs.steps.configure", fake_step)
        tracking = track(folder)
        assert record(tracking)["warning"] is None
        folder.run("configure", "job", {}, tracking=tracking)
    return folder.path


@pytest.fixture
def folder(made: Path, tmp_path: Path) -> Folder:
    shutil.copytree(made, tmp_path / "run", dirs_exist_ok=True)
    return Folder(tmp_path / "run")


def places(tracking: Path) -> dict[str, Path]:
    """The folder of the files of each run, by the name of the run."""
    with closing(sqlite3.connect(tracking / "mlflow.db")) as store:
        found = store.execute("SELECT name, artifact_uri FROM runs").fetchall()
    return {name: Path(unquote(urlsplit(uri).path)) for name, uri in found}


def contents(tracking: Path) -> dict[str, bytes]:
    return {str(path.relative_to(tracking)): path.read_bytes() for path in tracking.rglob("*") if path.is_file()}


def test_a_store_stays_when_the_study_is_edited_and_tracked_elsewhere(
    folder: Folder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tracking = folder.out("track", "track")
    before = contents(tracking)
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{tmp_path}/central.db")
    track(folder, digest="e" * 64)
    assert record(tracking)["uri"] and record(tracking)["digest"] == "e" * 64
    after = contents(tracking)
    for name in before.keys() - {"tracking.json", "job.json", "study.resolved.json"}:
        assert after[name] == before[name], name
    assert not list(tracking.parent.glob(".*"))


def test_a_store_stays_on_a_file_system_without_hard_links(folder: Folder, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: Any, **__: Any) -> None:
        raise OSError(errno.EPERM, "no hard links here")

    monkeypatch.setattr(os, "link", refuse)
    tracking = track(folder, digest="e" * 64)
    assert record(tracking)["warning"] is None
    assert sorted(run.info.run_name for run in local(tracking).all) == ["configure job", "toy", "toy"]


def test_a_store_stays_when_the_job_fails_or_is_killed_between_its_files(folder: Folder) -> None:
    tracking = folder.out("track", "track")
    (tracking / "job.json").unlink()  # what a job leaves that is killed while its files are renamed
    part = tracking.with_name(".track.part")
    part.mkdir()
    (part / "job.json").write_text("{}")
    track(folder, digest="e" * 64)
    assert len(local(tracking).all) == 3 and record(tracking)["digest"] == "e" * 64
    folder.attempt("track", "track", {"study": "toy"})  # settings that do not fit
    assert len(local(tracking).all) == 3 and (tracking / "job.json").is_file()


@pytest.mark.parametrize("name", ["", "mlflow.db", "artifacts"])
def test_nothing_is_tracked_through_a_link(folder: Folder, name: str) -> None:
    link = folder.out("track", "track") / name
    elsewhere = folder.path / "elsewhere"
    link.rename(elsewhere)
    link.symlink_to(elsewhere)
    before = contents(folder.path)
    code, line = folder.attempt("track", "track", {**STUDY, "digest": "e" * 64})
    warning = line if code else record(folder.out("track", "track"))["warning"]
    assert f"{link} is a link" in warning
    if code == 0:  # else no job follows
        folder.run("configure", "later", {}, tracking=folder.out("track", "track"))
    after = contents(folder.path)
    assert all(after[path] == before[path] for path in before if "elsewhere" in path)


def test_jobs_of_a_moved_run_log_beside_the_store(folder: Folder) -> None:
    old = folder.path
    moved = Folder(old.with_name("moved"))
    old.rename(moved.path)
    tracking = moved.out("track", "track")
    out = moved.run("configure", "later", {}, tracking=tracking)
    assert "not tracked" not in log_of(out) and not old.exists()
    found = places(tracking)
    assert {path.is_relative_to(tracking) for path in found.values()} == {True}
    assert all((found[f"configure {name}"] / "result.json").is_file() for name in ("job", "later"))


def test_jobs_of_a_copied_run_leave_the_original_alone(folder: Folder) -> None:
    copy = Folder(folder.path.with_name("copy"))
    shutil.copytree(folder.path, copy.path)
    before = contents(folder.out("track", "track"))
    copy.run("configure", "later", {}, tracking=copy.out("track", "track"))
    assert contents(folder.out("track", "track")) == before
    assert (places(copy.out("track", "track"))["configure later"] / "result.json").is_file()


def test_correcting_paths_breaks_no_run(folder: Folder) -> None:
    """A run whose files are in the old place keeps them; other experiments of the store follow, too."""
    tracking = folder.out("track", "track")
    track(folder, digest="e" * 64, experiment="second")
    repoint(tracking / "mlflow.db")
    job = places(tracking)["configure job"]
    moved = folder.path.with_name("moved")
    folder.path.rename(moved)
    late = job / "result.json"  # an earlier version of mmc wrote into the old place
    late.parent.mkdir(parents=True)
    late.write_text("late")
    shutil.rmtree(moved / job.relative_to(folder.path))
    repoint(moved / "track" / "track" / "mlflow.db")
    found = places(moved / "track" / "track")
    assert found["configure job"] == job and found["toy"].is_relative_to(moved)
    with closing(sqlite3.connect(moved / "track" / "track" / "mlflow.db")) as store:
        query = "SELECT name, artifact_location FROM experiments WHERE name != 'Default'"
        locations = dict(store.execute(query).fetchall())
    assert locations == dict.fromkeys(("toys", "second"), (moved / "track" / "track" / "artifacts").as_uri())


ENDLESS = "WITH RECURSIVE c(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM c) SELECT max(x) FROM c"
STALE = "CREATE TABLE experiments(artifact_location); INSERT INTO experiments VALUES ('file:///old/artifacts');"


@pytest.mark.parametrize(
    "made",
    [
        f"CREATE VIEW experiments AS SELECT ({ENDLESS}) AS artifact_location",
        f"{STALE} CREATE TABLE runs(run_uuid, artifact_uri); CREATE TABLE logged_models(model_id, artifact_location);"
        f"CREATE TRIGGER t BEFORE UPDATE ON experiments BEGIN {ENDLESS}; END",
        f"{STALE} CREATE VIEW runs AS SELECT 1 AS run_uuid, ({ENDLESS}) AS artifact_uri",
    ],
)
def test_the_store_of_a_stranger_ends_in_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, made: str) -> None:
    monkeypatch.setattr(sqlite_file, "LONGEST_S", 0.3)
    with closing(sqlite3.connect(tmp_path / "mlflow.db")) as store, store:
        store.executescript(made)
    with pytest.raises(StepError, match=r"cannot correct the paths in the tracking store .*: interrupted"):
        repoint(tmp_path / "mlflow.db")


def test_places_that_are_no_text_are_left_alone(tmp_path: Path) -> None:
    with closing(sqlite3.connect(tmp_path / "mlflow.db")) as store, store:
        store.executescript(
            "CREATE TABLE experiments(artifact_location); INSERT INTO experiments VALUES (5), (NULL), "
            "(CAST('file:///old/artifacts' AS BLOB))"
        )
    repoint(tmp_path / "mlflow.db")


def test_a_deleted_experiment_is_named_with_the_way_to_restore_it(folder: Folder) -> None:
    tracking = folder.out("track", "track")
    runs = local(tracking)
    runs.client.delete_experiment(runs.experiment.experiment_id)
    warning = record(track(folder, digest="e" * 64))["warning"]
    assert "the experiment toys is deleted" in warning
    command = warning.partition("`")[2].partition("`")[0]
    assert f"--experiment-id {runs.experiment.experiment_id}" in command and str(tracking / "mlflow.db") in command
    variable, _, words = command.partition(" ")
    environment = {**os.environ, **dict([variable.split("=", 1)])}
    subprocess.run([sys.executable, "-m", *words.split()], env=environment, check=True, capture_output=True)
    assert record(track(folder, digest="e" * 64))["warning"] is None


def test_the_reason_of_the_store_is_told(folder: Folder) -> None:
    tracking = folder.out("track", "track")
    with closing(sqlite3.connect(tracking / "mlflow.db")) as store, store:
        store.execute("CREATE TRIGGER full BEFORE INSERT ON runs BEGIN SELECT raise(abort, 'no more runs'); END")
    assert "no more runs" in record(track(folder, digest="e" * 64))["warning"]


def test_the_experiment_of_mlflow_itself_is_refused(folder: Folder) -> None:
    assert "choose another name" in record(track(folder, experiment="Default"))["warning"]


@pytest.mark.parametrize("broken", ["no database", "locked", "folder"])
def test_a_file_that_cannot_be_opened_costs_seconds(tmp_path: Path, broken: str) -> None:
    file = tmp_path / "mlflow.db"
    if broken == "no database":
        file.write_bytes(b"x" * 4096)
    elif broken == "folder":
        file.mkdir()
    with closing(sqlite3.connect(":memory:" if broken != "locked" else file)) as other:
        other.execute("BEGIN EXCLUSIVE")
        started = time.monotonic()
        with pytest.raises(StepError, match=r"cannot write into the tracking store .*mlflow\.db"):
            check(file)
    assert time.monotonic() - started < 10


def test_a_store_that_cannot_be_opened_costs_seconds(folder: Folder) -> None:
    tracking = folder.out("track", "track")
    (tracking / "mlflow.db").write_bytes(b"x" * 4096)
    started = time.monotonic()
    assert "cannot write into the tracking store" in record(track(folder, digest="e" * 64))["warning"]
    assert time.monotonic() - started < 10
    assert (tracking / "mlflow.db").read_bytes() == b"x" * 4096


def test_a_file_of_the_user_is_the_one_that_sqlalchemy_reads(
    folder: Folder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from sqlalchemy.engine import make_url

    uri = f"sqlite:///{tmp_path}/a%20b/central.db"
    file = Path(str(make_url(uri).database))  # versions of SQLAlchemy differ
    monkeypatch.setenv("MLFLOW_TRACKING_URI", uri)
    track(folder, digest="e" * 64)
    assert {path.name for path in tmp_path.iterdir()} == {file.parent.name, "run"}
    with closing(sqlite3.connect(file)) as store:
        (files,) = store.execute("SELECT artifact_location FROM experiments WHERE name = 'toys'").fetchone()
    assert unquote(urlsplit(files).path) == str(file.parent / "artifacts")


def test_the_study_is_the_only_setting(folder: Folder, monkeypatch: pytest.MonkeyPatch) -> None:
    """MLflow's variables of a notebook do not change what jobs log."""
    for name in ("EXPERIMENT_NAME", "EXPERIMENT_ID", "RUN_ID", "ENABLE_ASYNC_LOGGING"):
        monkeypatch.setenv(f"MLFLOW_{name}", "true")
    tracking = track(folder, digest="e" * 64)
    assert record(tracking)["experiment"] == STUDY["experiment"] and record(tracking)["warning"] is None
    assert "MLFLOW_RUN_ID" not in os.environ and "MLFLOW_ENABLE_ASYNC_LOGGING" not in os.environ


def test_the_record_of_a_job_tells_whether_it_was_logged(folder: Folder) -> None:
    tracking = folder.out("track", "track")
    logged = json.loads((folder.out("configure", "job") / "job.json").read_text())["tracked"]
    assert logged == {"key": record(tracking)["key"], "logged": True}
    (tracking / "mlflow.db").write_bytes(b"x" * 4096)
    out = folder.run("configure", "other", {}, tracking=tracking)
    lost = json.loads((out / "job.json").read_text())["tracked"]
    assert lost["logged"] is False and "cannot write into the tracking store" in lost["reason"]


def test_the_report_tells_what_was_tracked_in_the_end(folder: Folder) -> None:
    tracking, key = folder.out("track", "track"), record(folder.out("track", "track"))["key"]
    done = folder.out("configure", "job")
    (tracking / "mlflow.db").rename(tracking / "away.db")
    (tracking / "mlflow.db").write_bytes(b"x" * 4096)
    failed = folder.run("configure", "other", {}, tracking=tracking)
    before = folder.run("configure", "before", {})
    inputs = {"tracking": (tracking,), "limits": (done, failed, before), "events": (folder.path,)}
    report = StepJob("report", "report", {}, 1, inputs, folder.path / "part")
    with tracker(report) as track:
        pass
    outcome = track.outcome
    assert outcome is not None and (outcome.key, outcome.logged, outcome.jobs) == (key, False, 4)
    assert list(outcome.missing) == ["configure[other]", "configure[before]", "report[report]"]
    assert outcome.missing["configure[before]"] == "it was done before this run"
    assert outcome.line("here").startswith("warning: tracked: here: 1 of 4 jobs logged; configure[other] and 1 others")
