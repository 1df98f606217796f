"""The steps generate and simulate."""

import gzip
import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from mmc.jobs.generators.contact_interactions import Kinematics, squared, vector
from mmc.jobs.job import read_record

from tests.jobs.physics import PARAMETERS, SHARED, Folder, configure_settings, generate_settings, names

Chain = tuple[Folder, Path, Path]


@pytest.fixture(scope="module")
def chain(tmp_path_factory: pytest.TempPathFactory) -> Chain:
    """A folder, the set-up and the process of the signal at the standard model."""
    folder = Folder(tmp_path_factory.mktemp("chain"))
    setup = folder.setup()
    return folder, setup, folder.generate(setup)


def _text(events: Path) -> str:
    return gzip.decompress((events / "events.lhe.gz").read_bytes()).decode()


def _weights(events: Path) -> tuple[list[str], Any]:
    """The names of the weights and their values, shape (events, weights)."""
    found = re.findall(r"<wgt id='(\w+)'> (\S+) </wgt>", _text(events))
    n_events = _text(events).count("<event>")
    columns = [name for name, _ in found[: len(found) // n_events]]
    return columns, np.array([float(value) for _, value in found]).reshape(n_events, -1)


def _kinematics(events: Path) -> Kinematics:
    """From the file, as anyone would who has only the file."""
    blocks = [block.splitlines()[1:6] for block in _text(events).split("<event>")[1:]]
    alpha = np.array([float(block[0].split()[4]) for block in blocks])
    rows = np.array([[[float(word) for word in line.split()] for line in block[1:]] for block in blocks])
    return Kinematics.from_momenta(rows[:, :, 0].astype(np.int64), rows[:, :, 6:10], alpha)


def test_process_says_how_it_was_made(chain: Chain) -> None:
    record = json.loads((chain[2] / "process.json").read_text())
    assert (record["sample"], record["benchmark"], record["background"]) == ("signal", "sm", False)
    assert 0.1 < record["cross_section_pb"] < 0.12
    assert 0.0 < record["cross_section_error_pb"] < 0.03 * record["cross_section_pb"]
    assert "PhaseSpace:mHatMin = 470.0" in record["pythia_settings"]


def test_point_that_pythia_cannot_sample(tmp_path: Path) -> None:
    folder = Folder(tmp_path)
    setup = folder.setup({"sm": {"c_LL": 0.0, "c_LR": 0.0}, "odd": {"c_LL": 0.05, "c_LR": 0.02}})
    reason = folder.refusal("generate", "signal.odd", generate_settings("odd"), setup=setup)
    assert reason.startswith("Pythia cannot sample the point LL = 0.05, LR = 0.02")


def test_unknown_benchmark(tmp_path: Path, chain: Chain) -> None:
    reason = Folder(tmp_path).refusal("generate", "signal.w", generate_settings("w"), setup=chain[1])
    assert reason.startswith("there is no benchmark 'w'; the set-up has sm, ll, lr, morphing_basis_vector_3")


def test_every_event_has_every_weight_and_their_mean_is_the_cross_section(chain: Chain) -> None:
    folder, setup, process = chain
    events = folder.simulate(setup, process, 300)
    columns, weights = _weights(events)
    record = json.loads((events / "simulate.json").read_text())
    assert (
        columns == list(json.loads((setup / "setup.json").read_text())["benchmarks"]) == list(record["mean_weights_pb"])
    )
    np.testing.assert_allclose(weights.mean(axis=0), list(record["mean_weights_pb"].values()), rtol=1e-12)
    np.testing.assert_allclose(weights[:, 0], record["cross_section_pb"], rtol=1e-12)
    assert record["n_events"] == 300
    assert record["effective_sample_size"]["sm"] == pytest.approx(300.0)


def test_cross_sections_by_weights_are_those_that_pythia_integrates(chain: Chain) -> None:
    folder, setup, process = chain
    record = json.loads((folder.simulate(setup, process, 6000, part=7) / "simulate.json").read_text())
    for benchmark in ("ll", "lr"):
        expected = json.loads((folder.generate(setup, benchmark) / "process.json").read_text())
        assert record["mean_weights_pb"][benchmark] == pytest.approx(expected["cross_section_pb"], rel=0.04)


@pytest.mark.parametrize("point", [{"c_LL": 0.03, "c_LR": 0.02}, {"c_LL": -0.055, "c_LR": 0.06}])
def test_morphed_weights_are_those_of_the_matrix_elements(chain: Chain, point: dict[str, float]) -> None:
    folder, setup, process = chain
    from mmc.jobs.madminer import workarounds

    workarounds.apply()
    from madminer.analysis import DataAnalyzer

    events = folder.simulate(setup, process, 200, part=3)
    columns, weights = _weights(events)
    data = DataAnalyzer(str(setup / "setup.h5"), include_nuisance_parameters=False)
    assert columns == list(data.benchmarks)
    morphed = weights @ data.morpher.calculate_morphing_weights(np.array([point["c_LL"], point["c_LR"]]))

    points = np.stack([vector({"c_LL": 0.0, "c_LR": 0.0}, PARAMETERS), vector(point, PARAMETERS)])
    matrix_elements = squared(_kinematics(events), points)
    cross_section = json.loads((process / "process.json").read_text())["cross_section_pb"]
    direct = cross_section * matrix_elements[:, 1] / matrix_elements[:, 0]
    np.testing.assert_allclose(morphed, direct, rtol=1e-6)


def test_same_seed_same_bytes_and_parts_are_disjoint(chain: Chain) -> None:
    folder, setup, process = chain
    first = (folder.simulate(setup, process, 250) / "events.lhe.gz").read_bytes()
    simulated = [folder.simulate(setup, process, 250, part) for part in range(4)]
    assert (simulated[0] / "events.lhe.gz").read_bytes() == first
    parts = [_text(events).split("<event>")[1:] for events in simulated]
    assert len({event for part in parts for event in part}) == 1000


def test_backgrounds_weigh_the_same_everywhere(chain: Chain) -> None:
    folder, setup, _ = chain
    for process in ("ww", "ttbar"):
        generated = folder.generate(setup, "sm", process, process)
        _, weights = _weights(folder.simulate(setup, generated, 50))
        expected = json.loads((generated / "process.json").read_text())["cross_section_pb"]
        np.testing.assert_allclose(weights, expected, rtol=1e-9)


def test_process_of_another_sample_is_refused(tmp_path: Path, chain: Chain) -> None:
    _, setup, process = chain
    own = {"sample": "signal", "benchmark": "ll", "process_job": "signal.sm", "n_events": 10}
    reason = Folder(tmp_path).refusal("simulate", "x", {**SHARED, **own}, setup=setup, process=process)
    assert reason == "signal.sm is the process signal at sm"


def test_full_disk(tmp_path: Path, chain: Chain) -> None:
    _, setup, process = chain
    folder = Folder(tmp_path)
    own = {"sample": "signal", "benchmark": "sm", "process_job": "signal.sm", "n_events": 2000}
    words = folder.arguments("simulate", "x", {**SHARED, **own}, {"setup": setup, "process": process}, 1)
    limited = ["bash", "-c", 'ulimit -f 100; exec "$0" "$@"', sys.executable, "-m", "mmc.jobs.steps.runner", *words]
    done = subprocess.run(limited, capture_output=True, text=True, check=False)
    assert done.returncode == 4
    assert "mmc step simulate[x]: cannot write: [Errno 27] File too large" in done.stderr
    assert "Traceback" not in done.stderr
    assert names(tmp_path / "simulate") == ["x.log"]


def test_events_do_not_depend_on_the_ranges_of_parameters(tmp_path: Path) -> None:
    """Nor do the digests of their inputs, so that the jobs stay finished when a range becomes wider."""
    points = [(0.0, 0.0), (0.05, 0.0), (-0.05, 0.0), (0.0, 0.05), (0.0, -0.05), (0.05, 0.05)]
    benchmarks = {f"b{k}": dict(zip(PARAMETERS, point, strict=True)) for k, point in enumerate(points)}
    setups, events = [], []
    for width in (0.06, 0.6):
        folder = Folder(tmp_path / f"{width}")
        folder.path.mkdir()
        settings = configure_settings({"sm" if name == "b0" else name: at for name, at in benchmarks.items()})
        for parameter in settings["parameters"].values():
            parameter["range"] = [-width, width]
        setups.append(folder.run("configure", "configure", settings, seed=3))
        events.append(folder.simulate(setups[-1], folder.generate(setups[-1]), 50))
    assert (setups[0] / "setup.h5").read_bytes() != (setups[1] / "setup.h5").read_bytes()
    assert (events[0] / "events.lhe.gz").read_bytes() == (events[1] / "events.lhe.gz").read_bytes()
    records = [read_record(folder) for folder in events]
    assert records[0].digest == records[1].digest
    assert records[0].inputs == records[1].inputs
    assert set(records[0].inputs) == {"configure[configure]/benchmarks.json", "generate[signal.sm]"}
