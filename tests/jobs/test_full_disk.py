"""A disk that becomes full while a job writes, for every stage: one line, exit code 4, and nothing but the log."""

import ctypes
import hashlib
import io
import json
import os
import shutil
import sys
import warnings
from collections.abc import Mapping
from contextlib import redirect_stderr
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
from mmc.compiler.catalogue.stages import STAGES
from mmc.jobs.record import RECORD
from mmc.jobs.steps import runner

from tests.jobs import madgraph
from tests.jobs.formats.test_les_houches_normalise import write_lhe
from tests.jobs.learning_jobs import Learning
from tests.jobs.physics import BENCHMARKS, PARAMETERS, Folder, combine_settings, names
from tests.jobs.steps.test_detect import _events
from tests.jobs.steps.test_import_events import OTHERS
from tests.support import no_figures

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="needs mount namespaces")

CLONE_NEWNS, MS_REC_PRIVATE = 0x20000, 0x44000
PAGE = 4096
"""The smallest disk, in bytes."""
Outcome = tuple[int, str, list[str]]
"""An exit code, standard error, and names of files."""


class Tried(Learning):
    """Runs the first job of each stage once more, on a disk with half of the room that its output needs.

    ``track`` has one page, since it goes on without a store: what remains fits into half of the store.
    """

    def __init__(self, path: Path, events: Path) -> None:
        super().__init__(path, events)
        self.outcomes: dict[str, Outcome] = {}

    def run(self, stage: str, job: str, settings: Mapping[str, Any], *, seed: int = 1, **inputs: Any) -> Path:
        out = super().run(stage, job, settings, seed=seed, **inputs)
        if stage not in self.outcomes:
            words = self.arguments(stage, job, settings, inputs, seed)
            size = sum(path.stat().st_size for path in out.rglob("*") if path.is_file())
            room = PAGE if stage == "track" else max(size // 2, PAGE)
            self.outcomes[stage] = on_small_disk(out, words, room)
        return out


def on_small_disk(out: Path, words: list[str], size: int) -> Outcome:
    """The exit code of a job, what it says, and what it leaves in the folder of its stage.

    A child process has the small disk in a mount namespace of its own, in place of that folder.
    """
    read, write = os.pipe()
    with warnings.catch_warnings(action="ignore", category=DeprecationWarning):  # the child uses no other thread
        child = os.fork()
    if child == 0:
        told: object = None
        try:
            if _mount(out.parent, size):
                with redirect_stderr(io.StringIO()) as error:
                    code = runner.main(words)
                told = code, error.getvalue(), names(out.parent)
        finally:
            os.write(write, json.dumps(told).encode())
            os._exit(0)
    os.close(write)
    with os.fdopen(read, "rb") as stream:
        found = json.load(stream)
    os.waitpid(child, 0)
    if found is None:
        pytest.skip("only root can mount a small disk")
    code, said, left = found
    return code, said, left


def _mount(folder: Path, size: int) -> bool:
    """Mount a small disk in place of a folder, for this process alone."""
    system = ctypes.CDLL(None)
    return not (
        system.unshare(CLONE_NEWNS)
        or system.mount(b"none", b"/", None, MS_REC_PRIVATE, None)
        or system.mount(b"tmpfs", os.fsencode(folder), b"tmpfs", 0, b"size=%d" % size)
    )


@pytest.fixture(scope="module")
def outcomes(tmp_path_factory: pytest.TempPathFactory, toy_events: Path) -> dict[str, Outcome]:
    """What happened in each stage."""
    folder = Tried(tmp_path_factory.mktemp("full"), toy_events)
    make_events(folder)
    read_events(folder)
    learn(folder)
    return folder.outcomes


def make_events(folder: Folder) -> None:
    """From parameters to combined events, and the events of a file."""
    setup = folder.setup()
    process = folder.generate(setup)
    analysed = [folder.analyse(setup, folder.simulate(setup, process, 400, part)) for part in range(2)]
    gathered = folder.run("gather", "0", {"jobs": [{"job": analysed[0].name, "parts": 2}]}, analysed=analysed)
    combined = folder.run("combine", "combine", combine_settings(analysed), setup=setup, analysed=gathered)
    file = combined / "events.h5"
    parameters = {name: {"range": [-0.06, 0.06]} for name in PARAMETERS}
    settings = {"parameters": parameters, "benchmarks": BENCHMARKS, "observables": ["m_ll"]}
    digest = hashlib.sha256(file.read_bytes()).hexdigest()
    folder.run("ingest", "ingest", {**settings, "sha256": digest}, file=file)


def read_events(folder: Folder) -> None:
    """Existing events, and a script in place of Delphes."""
    setup = madgraph.setup(Folder(folder.path))
    lhe = write_lhe(folder.path / "sm.lhe", [OTHERS] * 200, own="0.0025")
    events = {"sample": "signal", "benchmark": "sm", "background": False}
    files = {"lhe": "file_lhe", "hepmc": None, "delphes": None}
    settings = {**events, **files, "systematics": {}, "parameters": madgraph.PARAMETERS}
    folder.run("import_events", "signal.sm.0", settings, setup=setup, file_lhe=lhe)
    showered = _events(folder.path / "signal.sm.0", "Asciiv3")
    delphes = madgraph.install_fake_delphes(folder.path)
    folder.run("detect", "signal.sm.0", madgraph.detect_settings(delphes), events=showered)


def learn(folder: Tried) -> None:
    """From samples to a report, and the table of a variant."""
    samples = folder.sample("sally")
    trial = {**folder.train_settings("sally", n_epochs=1), "trial": True}
    models = [
        folder.run("train", f"sally.scan-{k}", {**trial, "scan": {"initial_lr": rate}}, samples=samples)
        for k, rate in enumerate((0.003, 0.001))
    ]
    jobs = {model.name: [model.name] for model in models}
    tuning = {"search": "grid", "criterion": "validation_loss", "train_jobs": jobs}
    best = folder.run("tune", "sally", {"method_name": "sally", "method": "sally", **tuning}, model=models)
    limits = folder.evaluate("sally", best)
    regions = [region_of(folder.events, folder.path / name) for name in ("low", "high")]
    rates = [
        folder.run(
            "baselines",
            f"rate.{region.name}",
            {**folder.evaluation, "baseline": "rate", "group": region.name, "combined": True},
            events=region,
        )
        for region in regions
    ]
    of = [
        {"stage": "baselines", "job": rate.name, "group": region.name}
        for rate, region in zip(rates, regions, strict=True)
    ]
    combination = {**folder.evaluation, "combination": "both", "of": of, "independent": True}
    folder.run("combinations", "both.rate", combination, events=regions, baseline=rates)
    with no_figures():
        report = folder.report(
            samples=[samples], model=[best], limits=[limits], events=[folder.events], formats=["svg"]
        )
    every = {"v1": {"values": {"seed": 1}, "report": report.name}}
    folder.run("variants", "variants", {"study": "toy", "title": "Toy", "variants": every}, report=report)
    study = {"study": "toy", "digest": "d" * 64, "seed": 20, "experiment": "toys", "alone": False, "resolved": {}}
    assert (folder.run("track", "track", study) / "mlflow.db").is_file()


def region_of(events: Path, place: Path) -> Path:
    """All events as those of a region."""
    shutil.copytree(events, place)
    with h5py.File(place / "events.h5", "r+") as file:
        file["samples/mmc_numbers"] = np.arange(len(file["samples/weights"]))
    (place / RECORD).write_text(json.dumps({"job": place.name, "stage": "combine"}))
    return place


@pytest.mark.parametrize("stage", STAGES)
def test_a_full_disk_is_told_in_one_line_and_leaves_no_output(stage: str, outcomes: dict[str, Outcome]) -> None:
    code, said, left = outcomes[stage]
    last = said.splitlines()[-1]
    assert code == 4
    assert last.startswith(f"mmc step {stage}[") and ": cannot write: " in last and f"/{stage}" in last
    assert len(last) < 500
    assert "Traceback" not in said
    assert [name for name in left if not name.endswith(".log")] == []
