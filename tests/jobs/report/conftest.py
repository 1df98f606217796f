"""Small runs for reports: the tiny study with toy events instead of generated events."""

import contextlib
import json
import shlex
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml
from mmc.cli.main import main

from tests.support import STUDIES, draw_plainly, made_once

FLAGS = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)


def write_study(folder: Path) -> Path:
    """A study of existing events: it needs no generator, so a run takes seconds."""
    from tests.jobs.toy_events import write_events

    study = yaml.safe_load((STUDIES / "drell-yan" / "tiny.yaml").read_text(encoding="utf-8"))
    for key in ("generation", "detector", "cuts", "morphing"):
        del study[key]
    events = write_events(folder / "events", n_events=3000)
    shutil.move(events / "events.h5", folder / "events.h5")
    study["name"], study["title"] = "toy", "A toy with <b>tags</b> & more"
    study["description"] = "What a report has to show."
    study["events"] = {"file": "events.h5"}
    study["parameters"] = {name: {"range": [-2.0, 2.0]} for name in ("c1", "c2")}
    points = [(0.0, 0.0), (1.0, 0.0), (-1.0, 0.0), (0.0, 1.0), (0.0, -1.0), (1.0, 1.0)]
    study["benchmarks"] = {
        "sm" if k == 0 else f"b{k}": dict(zip(("c1", "c2"), point, strict=True)) for k, point in enumerate(points)
    }
    study["observables"] = {"x1": {"label": "$x_1$"}, "x2": {}}
    del study["methods"]["alices"]
    study["plots"]["formats"] = ["svg"]
    study["evaluation"] |= {
        "luminosity": "20 fb^-1",
        "theta_true": {"point": {"c1": 0.0, "c2": 0.0}},
        "grid": {name: {"range": [-1.5, 1.5], "points": 7} for name in ("c1", "c2")},
        "baselines": {"rate": True, "histogram": {"observables": ["x1"], "bins": {"x1": 6}}},
        "fisher_information": {"observable": "x1", "bins": 4},
        "include_xsec": "both",
        "observed": {"file": "observed.csv"},
    }
    rows = np.random.default_rng(1).normal(0.1, 1.0, (200, 2))
    np.savetxt(folder / "observed.csv", rows, delimiter=",", header="x1,x2", comments="")
    path = folder / "study.yaml"
    path.write_text(yaml.safe_dump(study, sort_keys=False), encoding="utf-8")
    return path


def run_study(study: Path, folder: Path) -> None:
    """Write the same files as ``mmc run``. All jobs run in this process, which imports torch once."""
    bundle = folder / "bundle"
    assert main(["compile", str(study), "--target", "script", "--out", str(bundle)]) == 0
    command = ["bash", "run.sh", "--dry-run", "--out", str(folder / "out")]
    done = subprocess.run(command, cwd=bundle, capture_output=True, text=True, check=True)
    with contextlib.chdir(bundle):
        for line in done.stdout.splitlines():
            words = shlex.split(line)[1:]
            assert _is_done(words) or main(words) == 0


def _is_done(words: list[str]) -> bool:
    """Whether the output is that of the same job, as ``run.sh`` finds out."""
    config, job, out = (words[words.index(name) + 1] for name in ("--config", "--job", "--out"))
    record = Path(out, "job.json")
    wanted = json.loads(Path(config).read_text(encoding="utf-8"))["jobs"][job][2]
    return record.is_file() and json.loads(record.read_text(encoding="utf-8"))["fingerprint"] == wanted


@pytest.fixture(scope="session")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a finished run."""

    def make(folder: Path) -> None:
        run_study(write_study(folder), folder / "run")

    return made_once("toy", make, tmp_path_factory) / "run"


@pytest.fixture(scope="session")
def other_run(run: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same run with another luminosity, whose own report has no figures."""

    def make(folder: Path) -> None:
        shutil.copytree(run.parent, folder, dirs_exist_ok=True)
        text = (folder / "study.yaml").read_text(encoding="utf-8").replace("20 fb^-1", "5 fb^-1")
        (folder / "study.yaml").write_text(text, encoding="utf-8")
        shutil.rmtree(folder / "run" / "bundle")
        with pytest.MonkeyPatch.context() as patch:
            draw_plainly(patch)
            run_study(folder / "study.yaml", folder / "run")

    return made_once("other", make, tmp_path_factory) / "run"


@pytest.fixture(scope="session")
def browser() -> Iterator[Any]:
    """Headless Chromium, which records the console messages of pages."""
    webdriver = pytest.importorskip("selenium.webdriver", reason="needs mmc[test]")
    from selenium.webdriver.chrome.service import Service

    programs = {name: shutil.which(name) for name in ("chromium", "chromedriver")}
    missing = [name for name, path in programs.items() if path is None]
    if missing:
        pytest.skip(f"{' and '.join(missing)} not installed")
    options = webdriver.ChromeOptions()
    options.binary_location = programs["chromium"]
    options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
    with tempfile.TemporaryDirectory() as profile:
        for flag in (*FLAGS, f"--user-data-dir={profile}"):
            options.add_argument(flag)
        driver = webdriver.Chrome(options=options, service=Service(programs["chromedriver"]))
        yield driver
        driver.quit()
