"""Limits with systematic uncertainties, for a toy with one uncertainty of the rate and one of the shape."""

import json
from pathlib import Path
from typing import Any

import jsonschema
import numpy as np
import pytest
from mmc.jobs.madminer.event_file import EventFile
from mmc.jobs.statistics.problem import LimitProblem
from scipy.optimize import minimize

from tests.jobs.learning_jobs import Learning
from tests.jobs.physics import Folder
from tests.jobs.statistics.test_histograms import EDGES
from tests.support import ROOT

KINDS = ("with_systematics", "without_rate_with_systematics", "observed_with_systematics")
NUISANCE = ["lumi_nuisance_param_0", "tilt_nuisance_param_0"]
PROFILE: dict[str, Any] = {"systematics": "profile"}
NEAR = {name: {"range": [-0.75, 0.75], "points": 7} for name in ("c1", "c2")}
"""The points of the usual grid but for its edge, which all likelihoods exclude."""


def observe(learning: Learning, n: int) -> np.ndarray:
    """Use some test events as observed events."""
    seen = EventFile(learning.events / "events.h5", 0.2, 0.2).part("test", np.zeros(2)).x[:n]
    path = learning.path / "seen.csv"
    np.savetxt(path, seen, delimiter=",", header="x1,x2,id", comments="", fmt="%.17g")
    learning.observed = {"observed": path}
    return seen


@pytest.mark.usefixtures("plain_figures")
def test_limits_with_systematic_uncertainties(tmp_path: Path, uncertain: Path) -> None:
    """For all likelihoods that are histograms: they are added to the nominal limits, and are never stronger."""
    found: list[dict[str, Path]] = []
    models: dict[str, Path] = {}  # samples and networks do not depend on what limits are calculated
    for name, own in (("nominal", {}), ("profiled", PROFILE)):
        learning = Learning(tmp_path / name, uncertain, include_xsec="both", event_weights="madminer", grid=NEAR, **own)
        observe(learning, 200)
        models = models or {
            method: learning.train(method, learning.sample(method, samples=5000), features=["x1", "x2"], n_epochs=4)
            for method in ("sally", "sallino", "alice")
        }
        adaptive = {"score_likelihood": "adaptive-sally", "score_bins": [5, 3]}
        found.append(
            {
                "rate": learning.baseline("rate"),
                "histogram": learning.histogram(["x1"], [EDGES]),
                "sally": learning.evaluate("sally", models["sally"], score_bins=4),
                "adaptive": learning.evaluate("sally", models["sally"], job="adaptive", **adaptive),
                "sallino": learning.evaluate("sallino", models["sallino"], score_bins=6),
                "alice": learning.evaluate("alice", models["alice"]),
            }
        )
    kinds = dict.fromkeys(found[0], KINDS) | {"rate": KINDS[::2], "alice": ()}
    for name in found[0]:
        arrays = [dict(np.load(folders[name] / "limits.npz")) for folders in found]
        for key in arrays[0]:
            np.testing.assert_array_equal(*(each[key] for each in arrays))
        record = json.loads(next(found[1][name].glob("*e.json")).read_text())
        assert tuple(kind for kind in KINDS if kind in record) == kinds[name]
        for kind in kinds[name]:
            nominal = kind.removesuffix("with_systematics")
            q, profiled = (-2.0 * arrays[1][f"{key}log_likelihood_ratio"] for key in (nominal, f"{kind}_"))
            assert "verdict" not in record[kind]
            if kind.startswith("observed"):  # with another best point
                assert np.abs(q - profiled).max() > 0.5
                continue
            assert (profiled <= q + 0.2).all()  # the best fits between the points differ, and a step is four deviations
            near = (q > 1.0) & (q < 30.0)
            assert (profiled[near] / q[near]).mean() < 0.95
            allowed = [part["allowed_fraction"]["0.95"] for part in (record, record[kind])]
            assert allowed[1] >= allowed[0] or kind.startswith("without")
            errors = [part["allowed_area_error"]["0.95"] for part in (record, record[kind])]
            assert 0.3 * errors[0] < errors[1] < 10.0 * errors[0]
    limits = list(found[1].values())
    report = learning.report(formats=["svg"], limits=limits[2:], baseline=limits[:2])
    results = json.loads((report / "results.json").read_text())
    jsonschema.Draft7Validator(json.loads((ROOT / "schema/1.0/results.json").read_text())).validate(results)
    assert {f"{kind}_contours_c1_c2" for kind in (*KINDS, f"observed_{KINDS[1]}")} <= set(results["figures"])
    assert "Limits, observed, without the rate, with systematic uncertainties" in (report / "index.html").read_text()


def test_the_rate_gains_what_scipy_finds(tmp_path: Path, uncertain: Path) -> None:
    """The gain of the number of events alone, with the effects of all weights."""
    arrays = np.load(Learning(tmp_path, uncertain, **PROFILE).baseline("rate") / "limits.npz")
    file = EventFile(uncertain / "events.h5", 0.2, 0.2)
    problem = LimitProblem.of(file, Learning(tmp_path, uncertain).limits)
    weights, variations = file.part("all").weights, file.variations("all")
    labels = np.concatenate([block.labels() for block in file.blocks("all")])  # of samples of which all events pass
    n = problem.n_expected
    for point in (0, 11, 30):
        row, mu = problem.coefficients[point], problem.expected[point]
        cross_section = row @ weights.sum(axis=0)
        effects = [[np.log(row @ (w @ weights) / cross_section) for w in factors] for factors in variations.values()]
        up, down = np.array(effects).T

        def change(nu: Any, a: Any = 0.5 * (up - down), b: Any = 0.5 * (up + down), mu: float = mu) -> float:
            g = a @ nu + b @ nu**2
            return float(n * g - mu * np.expm1(g) - 0.5 * nu @ nu)

        w = weights @ row
        per_simulated = n * sum(w[labels == k].var() * (labels == k).sum() for k in range(6)) / w.sum() ** 2
        nominal, profiled = (
            arrays[f"{k}log_likelihood_ratio"].ravel()[point] * (1.0 + per_simulated) for k in ("", "with_systematics_")
        )
        gain = largest(change)
        assert gain > 0.1 * abs(nominal)
        assert profiled - nominal == pytest.approx(gain, rel=1e-4, abs=1e-4)


def largest(function: Any) -> float:
    """The maximum of a function of the nuisance parameters, found by scipy."""
    return -float(minimize(lambda nu: -function(nu), np.zeros(len(NUISANCE)), method="BFGS").fun)


def test_observed_limits_are_those_of_madminer(
    tmp_path: Path, uncertain: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """MadMiner's own likelihood with nuisance parameters has an exponential for each event instead of each bin."""
    from madminer.likelihood import HistoLikelihood

    learning = Learning(tmp_path, uncertain, include_xsec=False, event_weights="madminer", **PROFILE)
    seen = observe(learning, 400)
    arrays = np.load(learning.histogram(["x1"], [EDGES]) / "limits.npz")
    file = EventFile(uncertain / "events.h5", 0.2, 0.2)
    histogramdd = np.histogramdd
    # MadMiner's own histograms still pass what numpy 1.24 took away
    monkeypatch.setattr(np, "histogramdd", lambda *args, normed, **kwargs: histogramdd(*args, density=normed, **kwargs))
    loss = HistoLikelihood(
        str(uncertain / "events.h5"), include_nuisance_parameters=True
    ).create_negative_log_likelihood(
        seen,
        observables=["x1"],
        include_xsec=False,
        mode="weighted",
        n_histo_toys=len(file.part("rest").x),
        hist_bins=[np.array(EDGES)],
        test_split=0.2,
    )
    points, gains = LimitProblem.of(file, learning.limits).grid.points, []
    nominal, profiled = (arrays[f"observed_{kind}log_likelihood_ratio"].ravel() for kind in ("", "with_systematics_"))
    for point in (2, 22, 40, 49, 60, 78):
        best = largest(lambda nu, theta=points[point]: -loss(np.append(theta, nu)))
        gains.append((best + loss(np.append(points[point], np.zeros(2))), profiled[point] - nominal[point]))
    stock, ours = np.transpose(gains)
    # the ratios are to the best point, which gains too
    assert ours - ours[0] == pytest.approx(stock - stock[0], rel=0.03, abs=0.02)
    assert np.ptp(stock) > 0.5


def test_nothing_to_profile(tmp_path: Path, toy_events: Path) -> None:
    settings = {**Learning(tmp_path, toy_events).evaluation, **PROFILE, "baseline": "rate"}
    reason = Folder(tmp_path).refusal("baselines", "rate", settings, events=toy_events)
    assert reason == "the event file has no nuisance parameters to profile: remove `systematics` of `evaluation`"
