"""The workspaces of the histogram, read by pyhf itself.

pyhf and Yadage need different releases of jsonschema, so pyhf may be in another environment: MMC_PYHF is the Python of
that environment.
"""

import json
import os
import sys
from collections.abc import Callable, Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from mmc.compiler.settings.baselines import BaselineSettings, HistogramSettings
from mmc.jobs.madminer.event_file import EventFile
from mmc.jobs.statistics.baselines import LIKELIHOODS
from mmc.jobs.statistics.problem import LimitProblem
from mmc.jobs.statistics.pyhf_workspace import Yields, make_workspace

from tests.forked import forking, python_of
from tests.jobs.learning_jobs import Learning
from tests.jobs.statistics.test_histograms import EDGES

PYTHON = os.environ.get("MMC_PYHF")
PROGRAM = """
import json, sys
import pyhf
workspace = pyhf.Workspace(json.load(sys.stdin))
model = workspace.model()
data = workspace.data(model)
start = model.config.suggested_init()
names, k = model.config.par_names, model.config.poi_index
def at(**values):
    return [values.get(name, value) for name, value in zip(names, start)]
def events(**values):
    return model.expected_data(at(**values), include_auxdata=False).tolist()
def nll(mu):
    return float(-2.0 * model.logpdf(at(mu=mu), data)[0])
def profiled(mu):
    return pyhf.infer.mle.fixed_poi_fit(mu, data, model, return_fitted_val=True)[1]
nuisance = [name for name in names if "nuisance" in name]
print(json.dumps({
    "events": [events(mu=0.0), events(mu=1.0)],
    "varied": {name: [events(mu=1.0, **{name: value}) for value in (1.0, -1.0)] for name in nuisance},
    "nll": nll(1.0) - nll(0.0),
    "fit": float(pyhf.infer.mle.fit(data, model)[k]),
    "profiled": float(profiled(1.0) - profiled(0.0)),
    "data": workspace.data(model, include_auxdata=False),
}))
"""

needs_pyhf = pytest.mark.skipif(
    PYTHON is None and find_spec("pyhf") is None,
    reason="needs pyhf: install it, or name the Python of its environment in MMC_PYHF",
)


Read = Callable[[Any], dict[str, Any]]
"""Yields and limits that pyhf calculates from a workspace, after a check of the schema."""


@pytest.fixture(scope="module")
def read() -> Iterator[Read]:
    python = Path(PYTHON or sys.executable)
    with forking("python-c", "tests.given_program", ["pyhf"], dict(os.environ), python) as programs:
        run = python_of(programs)
        yield lambda workspace: json.loads(run(PROGRAM, input=json.dumps(workspace)).stdout)


def widening(learning: Learning, n: float) -> Any:
    """1 + f of n events on the grid, by which limits divide ln λ and pyhf does not."""
    file = EventFile.of(learning.events / "events.h5", learning.limits)  # type: ignore[operator]
    problem = LimitProblem.of(file, learning.limits)
    settings = BaselineSettings(
        limits=learning.limits,
        baseline="histogram",
        histogram=HistogramSettings(observables=("x1",), bins=(tuple(EDGES),)),
    )
    limits = LIKELIHOODS["histogram"](problem, settings, np.random.default_rng(1))[0].limits
    return 1.0 + np.asarray(limits.per_simulated)[:-1].reshape(problem.grid.shape) * n / problem.n_expected


@needs_pyhf
def test_the_likelihood_of_the_workspace_is_that_of_the_histogram(tmp_path: Path, toy_events: Path, read: Read) -> None:
    learning = Learning(tmp_path, toy_events)
    folder = learning.histogram(["x1"], [EDGES])
    names = sorted(path.name for path in folder.glob("*.json"))
    assert names == ["baseline.json", "job.json", *(f"workspace_b{k}.json" for k in range(1, 6))]
    found = read(json.loads((folder / "workspace_b1.json").read_text()))
    record = json.loads((folder / "baseline.json").read_text())
    assert sum(found["events"][0]) == pytest.approx(record["n_expected"])
    assert found["data"] == pytest.approx(found["events"][0], rel=0.2)  # other events
    ratio = np.load(folder / "limits.npz")["log_likelihood_ratio"] * widening(learning, record["n_expected"])
    # at b1 c1 is 1 and c2 is 0
    true = ratio[4, 4]
    assert found["nll"] == pytest.approx(2.0 * (true - ratio[8, 4]), rel=1e-6)
    assert abs(found["fit"]) < 0.3


@needs_pyhf
def test_observed_events_are_the_data(tmp_path: Path, toy_events: Path, read: Read) -> None:
    learning = Learning(tmp_path, toy_events)
    (tmp_path / "data.csv").write_text("x1,x2,id\n" + "-2,0,0\n" * 3 + "0.5,0,0\n" * 4)
    learning.observed = {"observed": tmp_path / "data.csv"}
    folder = learning.histogram(["x1"], [EDGES])
    assert read(json.loads((folder / "workspace_b2.json").read_text()))["data"] == pytest.approx([3, 0, 0, 4, 0])


@needs_pyhf
def test_nuisance_parameters_become_modifiers(read: Read) -> None:
    """One with the same effect in all bins, one on the shape; at ±1 the model equals the templates."""
    nominal, benchmark = np.array([30.0, 20.0, 10.0]), np.array([31.0, 18.0, 25.0])
    tilt = np.array([1.1, 1.0, 0.8])
    points = [
        Yields(y, {"lumi_nuisance": (1.1 * y, y / 1.1), "mu_nuisance": (tilt * y, y / tilt)})
        for y in (nominal, benchmark)
    ]
    workspace = make_workspace("pt", points[0], np.array([1.0, 2.0, 1.0]), points[1], nominal)
    kinds = {m["name"]: m["type"] for sample in workspace["channels"][0]["samples"] for m in sample["modifiers"]}
    assert kinds == {
        "staterror_pt": "staterror",
        "mu": "normfactor",
        "lumi_nuisance": "normsys",
        "mu_nuisance": "histosys",
    }
    found = read(workspace)
    assert found["events"] == [pytest.approx(nominal), pytest.approx(benchmark)]
    for name, (up, down) in points[1].varied.items():
        assert found["varied"][name] == [pytest.approx(up), pytest.approx(down)]
    assert found["fit"] == pytest.approx(0.0, abs=0.01)


@needs_pyhf
def test_limits_with_systematic_uncertainties_are_nearly_those_of_pyhf(
    tmp_path: Path, uncertain: Path, read: Read
) -> None:
    """For observed events, with all nuisance parameters fitted; pyhf interpolates differently between 0 and ±1."""
    learning = Learning(tmp_path, uncertain, systematics="profile", luminosity_pb=3_000.0)
    seen = EventFile(uncertain / "events.h5", 0.2, 0.2).part("test", np.zeros(2)).x[:30]
    np.savetxt(tmp_path / "data.csv", seen, delimiter=",", header="x1,x2,id", comments="")
    learning.observed = {"observed": tmp_path / "data.csv"}
    folder = learning.histogram(["x1"], [EDGES])
    workspace = json.loads((folder / "workspace_b1.json").read_text())
    for sample in workspace["channels"][0]["samples"]:
        sample["modifiers"] = [modifier for modifier in sample["modifiers"] if modifier["type"] != "staterror"]
    found, arrays = read(workspace), np.load(folder / "limits.npz")
    nominal, profiled = (
        arrays[f"observed_{kind}log_likelihood_ratio"] * widening(learning, 30.0) for kind in ("", "with_systematics_")
    )
    assert found["nll"] == pytest.approx(2.0 * (nominal[4, 4] - nominal[8, 4]), rel=1e-6)
    assert found["profiled"] == pytest.approx(2.0 * (profiled[4, 4] - profiled[8, 4]), rel=0.08)
    assert found["profiled"] < 0.9 * found["nll"]


def test_bins_of_which_a_point_says_nothing_are_left_out(tmp_path: Path, toy_events: Path) -> None:
    folder = Learning(tmp_path, toy_events).histogram(["x1"], [[-9.0, -1.0, 1.0, 50.0, 60.0]])
    (channel,) = json.loads((folder / "workspace_b1.json").read_text())["channels"]
    assert [len(sample["data"]) for sample in channel["samples"]] == [3, 3]
