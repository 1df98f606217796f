"""Fisher information in histograms, along directions, per bin and by eigenvectors, against a few lines of numpy."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from mmc.jobs.madminer.event_file import EventFile
from mmc.jobs.statistics.fisher import Information

from tests.jobs.learning_jobs import Learning

LUMINOSITY = 20_000.0
THREE = {"n": 3, "range": [-1, 1], "scale": "linear"}
LARGEST = 1.7976931348623157e308


def information(weights: Any, slopes: Any, cells: Any) -> Any:
    """L Σ_b ∂σ_b ∂σ_b / σ_b over the cells in which there are events."""
    total = np.zeros((2, 2))
    for cell in np.unique(cells, axis=0):
        inside = (cells == cell).all(axis=1)
        slope = slopes[inside].sum(axis=0)
        total += LUMINOSITY * np.outer(slope, slope) / weights[inside].sum()
    return total


def test_histograms_directions_and_bins_are_those_of_numpy(tmp_path: Path, toy_events: Path) -> None:
    learning = Learning(tmp_path, toy_events)
    settings = {
        "observable": None,
        "bins": 4,
        "histograms": {
            "closed": {"observables": ["x1"], "bins": [[-1.0, 0.0, 0.5]]},
            "open": {"observables": ["x1"], "bins": [[-LARGEST, 0.0, 0.5, LARGEST]]},
            "both": {
                "observables": ["x1", "x2"],
                "bins": [[-1.0, 0.0, 1.0], {"n": 3, "range": [-1, 1], "scale": "linear"}],
            },
        },
        "directions": {"sum": {"c1": 1.0, "c2": 2.0}, "second": {"c2": 1.0}},
        "per_bin": {"x1": [-1.0, 0.0, 1.0]},
    }
    out = learning.baseline("fisher", **settings)
    found = json.loads((out / "baseline.json").read_text())
    file = EventFile(toy_events / "events.h5", 0.2, 0.2)
    events = file.part("all")
    weights = events.weights @ file.coefficients(np.zeros((1, 2)))[0]
    slopes = events.weights @ file.gradients(np.zeros(2)).T
    x1, x2 = (events.x[:, file.observables.index(name)] for name in ("x1", "x2"))
    inside, square = (x1 >= -1) & (x1 < 0.5), (x1 >= -1) & (x1 < 1) & (x2 >= -1) & (x2 < 1)
    cells = {
        "closed": (inside, [x1 >= 0.0]),
        "open": (np.ones(len(x1), dtype=bool), [x1 >= 0.0, x1 >= 0.5]),
        "both": (square, [x1 >= 0.0, x2 >= -1 / 3, x2 >= 1 / 3]),
    }
    for name, (kept, conditions) in cells.items():
        expected = information(weights[kept], slopes[kept], np.stack(conditions, axis=1)[kept])
        assert np.array(found["information"][name]["matrix"]) == pytest.approx(expected), name
        outside = weights[~kept].sum() / weights.sum()
        assert found["histograms"][name]["outside"] == pytest.approx(outside)
    truth = found["information"]["truth"]
    matrix = LUMINOSITY * np.einsum("ni,nj,n->ij", slopes, slopes, 1 / weights)
    assert np.array(truth["matrix"]) == pytest.approx(matrix)
    covariance, v = np.linalg.inv(matrix), np.array([1.0, 2.0])
    assert truth["directions"]["sum"]["profiled"] == pytest.approx((v @ covariance @ v) ** 0.5)
    assert truth["directions"]["sum"]["fixed"] == pytest.approx(5.0 * (v @ matrix @ v) ** -0.5)
    assert truth["directions"]["second"] == pytest.approx(truth["errors"]["c2"])
    for item in truth["eigenvectors"]:
        vector = np.array([item["direction"]["c1"], item["direction"]["c2"]])
        assert matrix @ vector == pytest.approx(item["information"] * vector)
        assert item["error"] == pytest.approx(item["information"] ** -0.5)
    assert truth["eigenvectors"][0]["information"] > truth["eigenvectors"][1]["information"]
    bins = found["per_bin"]["x1"]
    assert bins["edges"] == [0.0]
    for number, kept in enumerate([(x1 >= -1) & (x1 < 0), (x1 >= 0) & (x1 < 1)]):
        assert bins["cross_sections_pb"][number] == pytest.approx(weights[kept].sum())
        one = np.zeros((kept.sum(), 1))
        assert np.array(bins["rate"][number]) == pytest.approx(information(weights[kept], slopes[kept], one))
        every = LUMINOSITY * np.einsum("ni,nj,n->ij", slopes[kept], slopes[kept], 1 / weights[kept])
        assert np.array(bins["truth"][number]) == pytest.approx(every)
    arrays = np.load(out / "fisher.npz")
    assert arrays["both"].tolist() == found["information"]["both"]["matrix"]


def test_directions_without_information_have_no_error() -> None:
    """The rate knows c1 + 2 c2 alone."""
    slope = np.array([1.0, 2.0])
    directions = {"known": {"a": 1.0, "b": 2.0}, "unknown": {"a": -2.0, "b": 1.0}, "partly": {"a": 1.0}}
    figures = Information(np.outer(slope, slope), np.zeros((2, 2, 2, 2))).figures(["a", "b"], directions)
    assert figures["directions"]["known"] == {"fixed": pytest.approx(1.0), "profiled": pytest.approx(1.0)}
    assert figures["directions"]["unknown"]["profiled"] is None
    assert figures["directions"]["partly"] == {"fixed": 1.0, "profiled": None}
    first, second = figures["eigenvectors"]
    assert first["error"] == pytest.approx(5**-0.5) and second["error"] is None
    assert first["direction"] == {"a": pytest.approx(0.2**0.5), "b": pytest.approx(0.8**0.5)}
