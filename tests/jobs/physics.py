"""Runs step programs of the physics stages in small."""

import io
import json
from collections.abc import Mapping
from contextlib import redirect_stderr
from pathlib import Path
from typing import Any

from mmc.compiler.settings.configuration import configuration
from mmc.compiler.settings.encoding import from_json
from mmc.jobs.record import RECORD, Record
from mmc.jobs.steps import runner
from mmc.version import __version__

PARAMETERS = {"c_LL": "LL", "c_LR": "LR"}
SHARED = {
    "parameters": PARAMETERS,
    "beams": {"energy_gev": 6500.0, "particles": ["p", "p"], "pdf_set": 14},
}
BENCHMARKS = {
    "sm": {"c_LL": 0.0, "c_LR": 0.0},
    "ll": {"c_LL": 0.05, "c_LR": 0.0},
    "lr": {"c_LL": 0.0, "c_LR": -0.05},
}
READING: dict[str, Any] = {
    "observables": {
        "m_ll": {"definition": "(mu[0] + mu[1]).m", "required": True, "default": None},
        "pt_1": {"definition": "mu[0].pt", "required": True, "default": None},
    },
    "default_observables": None,
    "cuts": [{"definition": "m_ll > 500", "required": False}],
    "efficiencies": [],
    "smearing": [
        {
            "pdgids": [13, -13],
            **{f"{q}_resolution_{kind}": 0.0 for q in ("energy", "pt", "eta", "phi") for kind in ("abs", "rel")},
            "pt_resolution_rel": 0.03,
            "eta_resolution_abs": 0.001,
            "on_shell": "energy",
        }
    ],
    "met_noise": {"abs": 0.0, "rel": 0.0},
}


def names(folder: Path) -> list[str]:
    """What stands in a folder."""
    return sorted(path.name for path in folder.iterdir())


def seal(folder: Path) -> None:
    """Let the record of an output, if it has one, list the files that a test has put there."""
    file = folder / RECORD
    if not file.is_file():
        return
    known = {
        "stage": "simulate",
        "fingerprint": "f" * 24,
        "seed": 1,
        "seconds": 1.0,
        "mmc": __version__,
        **json.loads(file.read_text()),
    }
    record = from_json(Record, {**known, "outputs": {}}).with_outputs(folder)
    file.write_text(json.dumps(record.to_json()))


class Folder:
    """A place where the outputs of steps stand."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def arguments(
        self, stage: str, job: str, settings: Mapping[str, Any], inputs: Mapping[str, Any], seed: int
    ) -> list[str]:
        """The words after ``mmc step``; writes the configuration that they name."""
        config = self.path / f"{stage}.{job}.config.json"
        config.write_text(json.dumps(configuration(stage, {}, [settings], {job: (0, seed, "f" * 24)})))
        words = [stage, "--config", str(config), "--job", job]
        for name, value in inputs.items():
            paths = value if isinstance(value, list) else [value]
            for path in paths:
                seal(path)
            words += [f"--{name}", *map(str, paths)]
        return [*words, "--out", str(self.out(stage, job))]

    def out(self, stage: str, job: str) -> Path:
        return self.path / stage / job

    def run(self, stage: str, job: str, settings: Mapping[str, Any], *, seed: int = 1, **inputs: Any) -> Path:
        """The output of a step that must succeed."""
        code, line = self.attempt(stage, job, settings, seed=seed, **inputs)
        assert code == 0, line
        return self.out(stage, job)

    def attempt(
        self, stage: str, job: str, settings: Mapping[str, Any], *, seed: int = 1, **inputs: Any
    ) -> tuple[int, str]:
        """The exit code of a step and the last line on standard error."""
        error = io.StringIO()
        with redirect_stderr(error):
            code = runner.main(self.arguments(stage, job, settings, inputs, seed))
        return code, error.getvalue().strip().rpartition("\n")[2]

    def refusal(self, stage: str, job: str, settings: Mapping[str, Any], **inputs: Any) -> str:
        """The one line of a step that must fail; nothing but its log is left."""
        code, line = self.attempt(stage, job, settings, **inputs)
        assert code == (4 if ": cannot write: " in line else 3)
        assert names(self.path / stage) == [f"{job}.log"]
        assert line.startswith(f"mmc step {stage}[{job}]: ") and line.endswith(f" (log: {self.out(stage, job)}.log)")
        return line.removeprefix(f"mmc step {stage}[{job}]: ").rpartition(" (log: ")[0]

    def setup(self, benchmarks: Mapping[str, Mapping[str, float]] = BENCHMARKS, seed: int = 3) -> Path:
        return self.run("configure", "configure", configure_settings(benchmarks), seed=seed)

    def generate(self, setup: Path, benchmark: str = "sm", sample: str = "signal", process: str = "dimuon") -> Path:
        settings = generate_settings(benchmark, sample, process)
        return self.run("generate", f"{sample}.{benchmark}", settings, seed=5, setup=setup)

    def simulate(self, setup: Path, process: Path, n_events: int, part: int = 0) -> Path:
        sample, _, benchmark = process.name.partition(".")
        own = {"sample": sample, "benchmark": benchmark, "process_job": process.name, "n_events": n_events}
        seed = sum(map(ord, process.name)) + part
        return self.run(
            "simulate", f"{process.name}.{part}", {**SHARED, **own}, seed=seed, setup=setup, process=process
        )

    def analyse(self, setup: Path, events: Path, reading: Mapping[str, Any] = READING, seed: int = 9) -> Path:
        return self.run(
            "analyse", events.name, analyse_settings(events, reading), seed=seed, setup=setup, events=events
        )


def configure_settings(benchmarks: Mapping[str, Mapping[str, float]] = BENCHMARKS) -> dict[str, Any]:
    parameters = {
        name: {"coefficient": coefficient, "range": [-0.06, 0.06], "max_power": 2}
        for name, coefficient in PARAMETERS.items()
    }
    morphing = {"max_overall_power": 2, "n_trials": 20, "n_test_thetas": 20, "complete": True}
    return {"parameters": parameters, "benchmarks": benchmarks, "morphing": morphing}


def generate_settings(benchmark: str, sample: str = "signal", process: str = "dimuon") -> dict[str, Any]:
    limits = {"m_min_gev": 470.0 if process == "dimuon" else None, "m_max_gev": None, "pt_min_gev": None}
    own = {"sample": sample, "benchmark": benchmark, "process": process, "background": process != "dimuon"}
    return {**SHARED, **own, "run_card": limits, "n_integration": 2000}


def analyse_settings(events: Path, reading: Mapping[str, Any] = READING) -> dict[str, Any]:
    sample, benchmark, _ = events.name.split(".")
    own = {"sample": sample, "benchmark": benchmark, "background": sample != "signal"}
    return {**reading, **own}


def combine_settings(analysed: list[Path], **changes: Any) -> dict[str, Any]:
    """The settings of ``combine`` for these jobs."""
    read = {path: json.loads((path / "analyse.json").read_text()) for path in analysed}
    jobs = [
        {
            "job": path.name,
            "sample": record["sample"],
            "benchmark": record["benchmark"],
            "n_events": record["n_read"],
            "k_factor": 1.0,
            "background": record["background"],
            **changes,
        }
        for path, record in read.items()
    ]
    return {"jobs": jobs}
