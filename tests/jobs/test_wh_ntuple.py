"""Ntuples of an analysis: a profiled likelihood of the study is that of a few lines of numpy."""

import json
from pathlib import Path
from typing import Any

import awkward as ak
import numpy as np
import pytest
import uproot
from mmc.cli.study_file import read
from mmc.compiler.settings.encoding import to_json
from scipy.optimize import minimize

from tests.jobs.physics import Folder
from tests.support import STUDIES

HERE = STUDIES / "wh-ntuple"
NEEDED = {"configure", "analyse", "combine", "baselines"}
BENCHMARKS = np.array([[0, 0], [1, 0], [-1, 0], [0, 1], [0, -1], [1, 1]], dtype=float)
EDGES = [np.array([-np.inf, 60.0, 120.0, 200.0, np.inf]), np.array([-np.inf, -0.3, 0.3, np.inf])]
LUMINOSITY = 3000.0


@pytest.fixture(scope="module")
def histogram(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The output of the job of the histogram."""
    plan = read(str(HERE / "study.yaml")).plan()
    folder = Folder(tmp_path_factory.mktemp("ntuple"))
    made: dict[str, list[Path]] = {}
    for stage in (stage for stage in plan.stages if stage.name in NEEDED):
        jobs = [job for job in stage.jobs if stage.name != "baselines" or job.name == "histogram"]
        files = {file.name: HERE / file.path.name for file in stage.files}
        for job in jobs:
            inputs = {item.name: made[item.stage] for item in stage.inputs}
            settings = {**to_json(stage.settings), **job.settings}
            made.setdefault(stage.name, []).append(
                folder.run(stage.name, job.name, settings, seed=job.seed, **inputs, **files)
            )
    (found,) = made["baselines"]
    return found


def content(name: str, cross_section: float, weight: str, benchmark: int | None) -> np.ndarray:
    """The cross section in each bin of events that pass the cut."""
    events = uproot.open(f"{HERE / name}.root:Events")
    nominal = np.asarray(events["weight"].array(), dtype=float)
    weights = np.asarray(events[weight].array(), dtype=float) * cross_section / nominal.sum()
    if benchmark is not None:
        at = np.asarray(events["rwgt"].array(), dtype=float)
        weights = weights * at[:, benchmark] / at[:, 0]
    passed = np.asarray(ak.firsts(events["Jet_pt"].array())) > 25.0
    x = [np.asarray(events["W_pt"].array()), np.sin(np.asarray(events["plane_phi"].array(), dtype=float))]
    found, *_ = np.histogram2d(x[0][passed], x[1][passed], bins=EDGES, weights=weights[passed])
    return np.asarray(found.ravel())


def monomials(theta: np.ndarray) -> np.ndarray:
    x, y = theta.T
    return np.stack([np.ones_like(x), x, y, x * x, x * y, y * y], axis=1)


def test_the_profiled_likelihood_of_the_histogram_is_that_of_numpy(histogram: Path) -> None:
    """All events make the histograms here, and those that are not for tests there: they differ by 2 to 5 %."""
    effects = ("weight", "weight_jes_up", "weight_jes_down")
    signal = np.array([[content("signal", 0.04, effect, k) for k in range(6)] for effect in effects])
    background = np.array([content("background", 0.1, effect, None) for effect in effects])
    inverse = np.linalg.inv(monomials(BENCHMARKS))

    def varied(contents: np.ndarray, jes: float) -> np.ndarray:
        up, down = np.log(contents[1:] / contents[0])
        return np.asarray(contents[0] * np.exp(jes * (up - down) / 2 + jes**2 * (up + down) / 2))

    def expected(theta: np.ndarray, nu: np.ndarray) -> np.ndarray:
        own = np.einsum("b,ebk->ek", (monomials(theta[np.newaxis]) @ inverse)[0], signal)
        return np.asarray(LUMINOSITY * (varied(own, nu[0]) + varied(background, nu[0]) * 1.2 ** nu[1]))

    asimov = expected(np.zeros(2), np.zeros(2))
    record: dict[str, Any] = json.loads((histogram / "baseline.json").read_text())
    assert record["n_expected"] == pytest.approx(asimov.sum(), rel=1e-3)

    def minus_2_log(theta: np.ndarray) -> float:
        def with_nuisance(nu: np.ndarray) -> float:
            mu = expected(theta, nu)
            return float(2.0 * (mu - asimov + asimov * np.log(asimov / mu)).sum() + nu @ nu)

        return float(minimize(with_nuisance, np.zeros(2)).fun)

    axis = np.linspace(-1.0, 1.0, 21)
    with np.load(histogram / "limits.npz") as arrays:
        found = -2.0 * arrays["with_systematics_log_likelihood_ratio"].reshape(21, 21)
    found = (found - found.min()) * (1.0 + record["events_per_simulated_event"])  # without the error of the simulation
    for i, j in ((0, 10), (20, 10), (10, 0), (10, 20), (5, 5), (15, 5), (3, 18)):
        known = minus_2_log(np.array([axis[i], axis[j]]))
        assert found[i, j] == pytest.approx(known, rel=0.12, abs=0.05), (i, j)
