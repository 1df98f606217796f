"""Tracking with real MLflow servers and a real SQLite file, with and without a password, six jobs at once."""

import json
import os
import resource
import shutil
import signal
import sqlite3
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, closing
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import unquote, urlsplit

import numpy as np
import pytest
from mmc.jobs.learning.estimators import load_estimator
from mmc.jobs.tracking.sqlite_file import repoint
from mmc.jobs.tracking.store import reason

from tests.forked import Python, python_of
from tests.jobs.learning_jobs import Learning
from tests.jobs.physics import Folder
from tests.jobs.tracking_server import (
    PASSWORD,
    USER,
    Runs,
    fill_disk,
    free_port,
    mlflow_programs,
    server,
    server_process,
)
from tests.support import need

need("mlflow", "mlflow")
pytestmark = [
    pytest.mark.engine,
    pytest.mark.filterwarnings("default"),  # those of MLflow and of what it imports
]

STUDY = {
    "study": "toy",
    "digest": "d" * 64,
    "seed": 20,
    "experiment": "toys",
    "alone": False,
    "resolved": {"name": "toy", "title": "A toy"},
}
SIX = """
import os, sys
import mlflow
from mmc.jobs.steps import runner
from tests.jobs import fake_step
sys.modules["mmc.jobs.steps.configure"] = fake_step
children = []
for words in sys.stdin.read().splitlines():
    pid = os.fork()
    if pid == 0:
        os._exit(runner.main(words.split()))
    children.append(pid)
sys.exit(max(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) for pid in children))
"""
"""Runs all jobs at once, each in its own process."""


class Servers(NamedTuple):
    open: str
    guarded: str


@pytest.fixture(scope="module")
def programs() -> Iterator[Path]:
    with mlflow_programs() as folder:
        yield folder


@pytest.fixture(scope="module")
def python(programs: Path) -> Python:
    return python_of(programs)


@pytest.fixture(scope="module")
def servers(programs: Path, empty: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Servers]:
    """Servers on copies of a database, which takes seconds to create."""
    folder = tmp_path_factory.mktemp("servers")
    with ExitStack() as stack:
        for name in Servers._fields:
            (folder / name).mkdir()
            shutil.copy(empty / "mlflow.db", folder / name)
        started = (server(programs, folder / name, guarded=name == "guarded") for name in Servers._fields)
        yield Servers(*map(stack.enter_context, started))


@pytest.fixture
def folder(tmp_path: Path) -> Folder:
    return Folder(tmp_path)


@pytest.fixture(scope="module")
def empty(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A store without runs, created once because MLflow takes seconds."""
    return track(Folder(tmp_path_factory.mktemp("empty")), experiment="none")


@pytest.fixture
def tracking(folder: Folder, empty: Path) -> Path:
    """The output of ``track`` when it continues a store in the output of the run."""
    shutil.copytree(empty, folder.out("track", "track"))
    return track(folder)


def track(folder: Folder, **changes: Any) -> Path:
    return folder.run("track", "track", {**STUDY, **changes})


def record(tracking: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((tracking / "tracking.json").read_text())
    return found


def local(tracking: Path) -> Runs:
    return Runs(f"sqlite:///{tracking}/mlflow.db", "toys")


def log_of(out: Path) -> str:
    return out.with_name(f"{out.name}.log").read_text()


def test_a_whole_study_on_a_server(
    servers: Servers, tmp_path: Path, toy_events: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """All numbers of the records are logged, with the losses by epoch; the loaded network gives the same values."""
    learning = Learning(tmp_path, toy_events)
    tracking = track(learning, uri=servers.open)
    made: dict[str, dict[str, Path]] = {}
    for method in ("sally", "alices"):
        samples = learning.run(
            "sample", method, {**learning.shared, **learning.method(method)}, events=toy_events, tracking=tracking
        )
        settings = {**learning.train_settings(method), "scan": {"n_epochs": 3}}
        model = learning.run("train", method, settings, samples=samples, tracking=tracking)
        limits = learning.run(
            "evaluate", method, learning.evaluate_settings(method), events=toy_events, model=model, tracking=tracking
        )
        made[method] = {"samples": samples, "model": model, "limits": limits}
    rate = learning.baseline("rate")  # not tracked, for example finished before; the report logs it
    inputs = {name: [made[method][name] for method in made] for name in ("samples", "model", "limits")}
    report = learning.report(formats=["svg"], events=[toy_events], **inputs, baseline=[rate], tracking=[tracking])
    for out in (*made["sally"].values(), *made["alices"].values(), report):
        assert "not tracked" not in log_of(out)

    ended = json.loads((report / "job.json").read_text())["tracked"]  # the report has logged what was done before
    assert ended == {"key": record(tracking)["key"], "logged": True, "jobs": 8}
    runs = Runs(servers.open, "toys")
    names = {"toy", "sally", "alices", "sample sally", "sample alices", "baselines rate"}
    assert runs.statuses() == dict.fromkeys(names, "FINISHED") and len(runs.all) == len(names)
    parent = runs["toy"].info.run_id
    assert parent == record(tracking)["run"]
    assert {run.data.tags.get("mlflow.parentRunId", parent) for run in runs.all} == {parent}

    tags = runs["alices"].data.tags
    assert (tags["study"], tags["digest"], tags["seed"], tags["method"]) == ("toy", "d" * 64, "20", "alices")
    assert {"version.mmc", "version.madminer", "version.torch", "seed.train", "seed.evaluate"} <= set(tags)
    params = runs["alices"].data.params
    assert (params["alpha"], params["n_hidden"], params["n_epochs"]) == ("1.0", "[20]", "3")
    assert json.loads(runs["sample alices"].data.params["theta0"])["random"]["n"] == 50

    trained = json.loads((made["alices"]["model"] / "train.json").read_text())
    for loss in ("loss_train", "loss_validation"):
        assert runs.history("alices", loss) == list(enumerate(trained[loss], start=1))
    evaluated = json.loads((made["alices"]["limits"] / "evaluate.json").read_text())
    metrics = runs["alices"].data.metrics
    assert metrics["allowed_fraction/0.95"] == evaluated["allowed_fraction"]["0.95"]
    assert metrics["p_true"] == evaluated["p_true"]
    assert metrics["closure/mean_ratio.largest_pull"] == evaluated["closure"]["mean_ratio"]["largest_pull"]
    assert tags["verdict"] == evaluated["verdict"]
    sampled = json.loads((made["sally"]["samples"] / "sample.json").read_text())
    found = runs["sample sally"].data.metrics
    assert found["n_train"] == sampled["n_train"] == 2000
    assert found["train_effective_sample_size/theta.min"] == sampled["train_effective_sample_size"]["theta"]["min"]
    whole = runs["toy"].data
    assert whole.metrics["allowed_fraction.0.95/alices"] == evaluated["allowed_fraction"]["0.95"]
    assert whole.metrics["n_expected"] == evaluated["n_expected"] and whole.params["luminosity_pb"] == "20000.0"
    assert whole.tags["verdict.alices"] == evaluated["verdict"] and whole.tags["mlflow.note.content"] == "A toy"
    assert "" not in runs["sample alices"].data.params.values()
    assert runs.files("sample sally") == {"sample.json"}
    assert {"train.json", "evaluate.json", "limits.npz", "model_state_dict.pt"} <= runs.files("alices")
    assert {"results.json", "index.html", "study.resolved.json"} <= runs.files("toy")

    monkeypatch.setenv("MLFLOW_TRACKING_URI", servers.open)
    x = np.random.default_rng(1).normal(size=(50, 3))
    points = np.array([[0.3, -0.4]])
    score = load_estimator(made["sally"]["model"]).score(x)
    np.testing.assert_allclose(_logged_network(runs, "sally", x), score, atol=1e-6)
    log_ratio = load_estimator(made["alices"]["model"], np.zeros(2)).log_ratio(points, x)[0]
    found_ratio = _logged_network(runs, "alices", points.repeat(50, axis=0), x)
    np.testing.assert_allclose(found_ratio, log_ratio, rtol=1e-5, atol=1e-6)


def _logged_network(runs: Runs, name: str, *inputs: Any) -> Any:
    """The outputs of a run's logged network for some inputs."""
    import mlflow
    import torch

    (output,) = runs[name].outputs.model_outputs
    mlflow.set_tracking_uri(os.environ["MLFLOW_TRACKING_URI"])
    network = mlflow.pytorch.load_model(f"models:/{output.model_id}")
    with torch.inference_mode():
        return network(*(torch.from_numpy(values) for values in inputs)).numpy()


def test_tracking_changes_no_number(tmp_path: Path, toy_events: Path, tracking: Path) -> None:
    learning = Learning(tmp_path, toy_events)
    samples = learning.sample("sally")
    plain = learning.train("sally", samples, job="plain")
    settings = learning.train_settings("sally")
    tracked = learning.run("train", "tracked", settings, samples=samples, tracking=tracking)
    for file in plain.iterdir():
        if file.suffix != ".json":
            assert (tracked / file.name).read_bytes() == file.read_bytes(), file.name
    records = [json.loads((model / "train.json").read_text()) | {"seconds": 0.0} for model in (plain, tracked)]
    assert records[0] == records[1]


def test_every_trial_of_a_search_is_a_run(
    tmp_path: Path, toy_events: Path, tracking: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("optuna")
    learning = Learning(tmp_path, toy_events)
    samples = learning.sample("sally", samples=300, validation_samples=100)
    space = {"initial_lr": {"low": 1e-4, "high": 1e-1, "log": True, "integer": False}}
    tuning = {"search": "optuna", "criterion": "closure", "train_jobs": {}, "space": space, "ensemble": 1}
    own = {"n_trials": 2, "sampler": "tpe", "time_limit_s": None, "store": "sqlite", "trial": True}
    settings = {**learning.evaluate_settings("sally"), **learning.train_settings("sally", n_epochs=2), **tuning, **own}
    plain = learning.run("tune", "plain", settings, samples=samples, events=toy_events)
    out = learning.run("tune", "sally", settings, samples=samples, events=toy_events, tracking=tracking)
    assert (out / "model_state_dict.pt").read_bytes() == (plain / "model_state_dict.pt").read_bytes()
    runs = local(tracking)
    assert runs.statuses() == dict.fromkeys(("toy", "sally", "sally.trial-0", "sally.trial-1"), "FINISHED") | {
        "toy": runs["toy"].info.status
    }
    table = json.loads((out / "tuning.json").read_text())
    for trial in table["trials"]:
        run = runs[trial["name"]]
        assert run.data.tags["mlflow.parentRunId"] == runs["toy"].info.run_id
        assert run.data.params["initial_lr"] == str(trial["values"]["initial_lr"])
        assert run.data.metrics["criterion"] == trial["criterion"]
        assert run.data.metrics["closure/mean_score.bias"] == trial["criterion"]
        assert run.data.tags["tuning.verdict"] == trial["verdict"]
        assert len(runs.history(trial["name"], "loss_validation")) == 2
        assert "model_state_dict.pt" in runs.files(trial["name"])
    assert runs["sally"].data.params["best"] == table["best"]


def six_at_once(python: Python, folder: Folder, tracking: Path) -> str:
    """Run six jobs at once, each in its own process.

    :returns: their output
    """
    words = [folder.arguments("configure", f"job-{k}", {}, {"tracking": tracking}, 1) for k in range(6)]
    return python(SIX, input="\n".join(" ".join(line) for line in words)).stderr


def expect_six(runs: Runs, tracking: Path) -> None:
    """Check for six finished runs below the study's run."""
    key = record(tracking)["key"]
    mine = [run for run in runs.all if run.data.tags["mmc.run"] == key and run.info.run_name != "toy"]
    assert sorted(run.info.run_name for run in mine) == [f"configure job-{k}" for k in range(6)]
    assert {run.info.status for run in mine} == {"FINISHED"}
    assert {run.data.tags["mlflow.parentRunId"] for run in mine} == {record(tracking)["run"]}


def test_six_jobs_at_once_on_a_fresh_file(python: Python, folder: Folder) -> None:
    tracking = track(folder)
    assert "not tracked" not in six_at_once(python, folder, tracking)
    expect_six(local(tracking), tracking)


def test_six_jobs_at_once_on_a_server(python: Python, folder: Folder, servers: Servers) -> None:
    tracking = track(folder, uri=servers.open)
    assert "not tracked" not in six_at_once(python, folder, tracking)
    expect_six(Runs(servers.open, "toys"), tracking)


@pytest.mark.parametrize("way", ["variables", "address"])
def test_a_server_with_a_password(
    python: Python, folder: Folder, servers: Servers, monkeypatch: pytest.MonkeyPatch, way: str
) -> None:
    """The password works and is in no output file."""
    if way == "variables":
        monkeypatch.setenv("MLFLOW_TRACKING_URI", servers.guarded)
        monkeypatch.setenv("MLFLOW_TRACKING_USERNAME", USER)
        monkeypatch.setenv("MLFLOW_TRACKING_PASSWORD", PASSWORD)
    else:
        monkeypatch.setenv("MLFLOW_TRACKING_USERNAME", "")  # both are set by the step
        monkeypatch.setenv("MLFLOW_TRACKING_PASSWORD", "")
        login = servers.guarded.replace("//", f"//{USER}:{PASSWORD}@")
        monkeypatch.setenv("MLFLOW_TRACKING_URI", login)
    tracking = track(folder, uri="https://elsewhere.example", experiment=way)
    assert record(tracking)["uri"] == servers.guarded
    said = six_at_once(python, folder, tracking) if way == "variables" else ""
    out = folder.run("configure", "fine", {}, tracking=tracking)
    assert "not tracked" not in log_of(out)
    runs = Runs(servers.guarded, way)
    assert runs["configure fine"].info.status == "FINISHED"
    monkeypatch.setenv("MLFLOW_TRACKING_URI", servers.guarded.replace("//", f"//{USER}:wrong-{PASSWORD}@"))
    out = folder.run("configure", "refused", {}, tracking=tracking)
    assert "WARNING mmc.jobs.tracking.store: not tracked" in log_of(out) and "401" in log_of(out)
    assert PASSWORD not in said
    for file in folder.path.rglob("*"):
        assert not file.is_file() or PASSWORD.encode() not in file.read_bytes(), file


def test_a_server_that_does_not_answer_costs_a_warning(folder: Folder) -> None:
    started = time.monotonic()
    tracking = track(folder, uri=f"http://127.0.0.1:{free_port()}")
    assert "WARNING mmc.jobs.steps.track: nothing is tracked:" in log_of(tracking)
    assert record(tracking)["run"] is None
    out = folder.run("configure", "job", {}, tracking=tracking)
    assert (out / "result.json").is_file() and "WARNING mmc.jobs.tracking.tracker: not tracked:" in log_of(out)
    assert time.monotonic() - started < 15


def test_a_server_that_goes_away_costs_a_warning(folder: Folder, tracking: Path) -> None:
    written = record(tracking)
    (tracking / "tracking.json").write_text(json.dumps({**written, "uri": f"http://127.0.0.1:{free_port()}"}))
    started = time.monotonic()
    out = folder.run("configure", "job", {}, tracking=tracking)
    assert log_of(out).count("WARNING mmc.") == log_of(out).count("not tracked from now on") == 1
    assert time.monotonic() - started < 10


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux limits the files of another process")
def test_a_server_with_a_full_disk_that_is_killed(folder: Folder, empty: Path, programs: Path) -> None:
    """Jobs go on and warn once; a job in between, when there is room again, is logged."""
    place = folder.path / "server"
    place.mkdir()
    shutil.copy(empty / "mlflow.db", place)
    with server_process(programs, place) as (address, group):
        tracking = track(folder, uri=address)
        fill_disk(group, 4096)
        full = folder.run("configure", "full", {}, tracking=tracking)
        fill_disk(group, resource.RLIM_INFINITY)
        fine = folder.run("configure", "fine", {}, tracking=tracking)
        assert "configure fine" in Runs(address, "toys").statuses()
        os.killpg(group, signal.SIGKILL)
        started = time.monotonic()
        killed = folder.run("configure", "killed", {}, tracking=tracking)
        assert time.monotonic() - started < 15
    assert "not tracked" not in log_of(fine)
    for out in (full, killed):
        (warning,) = [line for line in log_of(out).splitlines() if "WARNING mmc." in line]
        assert "not tracked from now on: " in warning and address in warning
        assert (out / "result.json").is_file()


def test_a_failed_job_has_a_failed_run_which_its_next_try_takes_up(folder: Folder, tracking: Path) -> None:
    code, _ = folder.attempt("configure", "job", {"fail": "step", "with": ["no luck"]}, tracking=tracking)
    assert code == 3
    runs = local(tracking)
    assert runs.statuses() == {"toy": "FAILED", "configure job": "FAILED"}
    assert runs["configure job"].data.tags["error"] == "no luck"
    folder.run("configure", "job", {}, tracking=tracking)
    assert local(tracking).statuses()["configure job"] == "FINISHED"
    assert len(local(tracking).all) == 2


def test_a_changed_study_is_another_run_in_the_same_store(folder: Folder, tracking: Path) -> None:
    folder.run("configure", "job", {}, tracking=tracking)
    track(folder, digest="e" * 64)
    folder.run("configure", "job", {}, tracking=tracking)
    runs = local(tracking).all
    assert sorted((run.info.run_name, run.data.tags["digest"][0]) for run in runs) == [
        *(("configure job", digest) for digest in "de"),
        *(("toy", digest) for digest in "de"),
    ]


def test_a_store_that_was_moved_finds_its_files(folder: Folder, tracking: Path) -> None:
    from mlflow.exceptions import MlflowException

    folder.run("configure", "job", {}, tracking=tracking)
    local(tracking).client.log_text(local(tracking)["configure job"].info.run_id, "what was found", "note.txt")
    moved = folder.path / "moved"
    shutil.move(tracking.parent, moved)
    elsewhere = moved / "track"
    with pytest.raises(MlflowException, match="Failed to download"):
        _note(elsewhere)
    repoint(elsewhere / "mlflow.db")
    assert _note(elsewhere) == "what was found"
    repoint(elsewhere / "mlflow.db")
    assert _note(elsewhere) == "what was found"

    shutil.move(moved, tracking.parent)  # the stage `track` does the same when it continues a store
    track(folder, digest="e" * 64)
    assert _note(tracking) == "what was found"


def _note(tracking: Path) -> str:
    runs = local(tracking)
    return Path(runs.client.download_artifacts(runs["configure job"].info.run_id, "note.txt")).read_text()


def test_a_study_without_a_report_ends_its_run_at_once(folder: Folder, empty: Path) -> None:
    shutil.copytree(empty, folder.out("track", "track"))
    assert local(track(folder, alone=True)).statuses() == {"toy": "FINISHED"}


def test_without_mlflow_there_is_a_warning(folder: Folder, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "mlflow", None)
    tracking = track(folder)
    assert record(tracking)["warning"] == "mlflow is not installed: pip install 'mmc[mlflow]'"
    folder.run("configure", "job", {}, tracking=tracking)


def test_a_relative_file_is_refused(folder: Folder, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "sqlite:///runs.db")
    assert "sqlite:///runs.db is not an absolute path" in record(track(folder))["warning"]


@pytest.mark.parametrize("name", ["it's a #1", "100% µ", "a%20b", "x%41", "what?", "a;b&c=d"])
def test_a_run_may_be_in_a_folder_of_any_name(tmp_path: Path, empty: Path, name: str) -> None:
    """Its runs and files are in this folder, and no other folder appears."""
    for other in ("a b", "xA"):  # what MLflow could read in the names
        shutil.copytree(empty, tmp_path / other / "track" / "track")
    others = {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*")}
    folder = Folder(tmp_path / name)
    if name == "a%20b":
        folder.path.mkdir()  # MLflow makes a new file here
    else:
        shutil.copytree(empty, folder.out("track", "track"))
    tracking = track(folder)
    out = folder.run("configure", "job", {}, tracking=tracking)
    assert "not tracked" not in log_of(out)
    with closing(sqlite3.connect(tracking / "mlflow.db")) as file:
        (files,) = file.execute("select artifact_uri from runs where name = 'configure job'").fetchone()
    assert unquote(urlsplit(files).path).startswith(f"{tracking}/artifacts/")
    assert (tracking / "artifacts").is_dir() and list((tracking / "artifacts").rglob("result.json"))
    assert {path.name for path in tmp_path.iterdir()} == {"a b", "xA", name}
    assert {path: path.stat().st_mtime_ns for path in others} == others


def test_reasons_hold_no_password(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_TOKEN", "abc123")
    assert reason(ValueError("http://u:p@host:5 says\n abc123")) == "http://host:5 says ***"
