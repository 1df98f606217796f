"""Parts of a page that the small run lacks: doubtful and calibrated estimators, ensembles, toys, searches."""

import copy
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from mmc.jobs.report.closure import closure_figure
from mmc.jobs.report.distributions import chosen, distribution_figure
from mmc.jobs.report.fisher import Information, ellipse_figure, marginal
from mmc.jobs.report.inline_svg import contrast, dark
from mmc.jobs.report.page import Page, render
from mmc.jobs.report.pictures import interval_width, interval_words, pictures
from mmc.jobs.report.results import Grid
from mmc.jobs.report.run_folder import open_run
from mmc.jobs.report.run_report import _results

pytestmark = pytest.mark.engine

JOINT = {
    "of": "ratio",
    "correlation": 0.7,
    "slope": 0.87,
    "slope_error": 0.03,
    "each": [
        {"theta": {"c1": 0.5, "c2": 0.0}, "correlation": 0.7, "slope": 0.87, "slope_error": 0.03},
        {"theta": {"c1": 0.0, "c2": 0.0}, "correlation": 0.0, "slope": None, "slope_error": None},
    ],
}
COVERAGE = [
    {"theta": {"c1": c1, "c2": 0.0}, "level": level, "coverage": level - 0.02, "error": 0.01, "toys": 500}
    for c1 in (0.0, 0.5)
    for level in (0.68, 0.95)
]
TUNING = {
    "method_name": "sally",
    "criterion": "validation_loss",
    "sampler": "grid",
    "best": "sally.scan-1",
    "trials": [
        {
            "name": "sally.scan-1",
            "values": {"n_hidden": [20, 20], "initial_lr": 0.01},
            "criterion": 1.234567,
            "error": 0.01,
            "verdict": "doubtful",
            "epochs": 3,
            "seconds": 4.5,
        },
        {
            "name": "sally.scan-0",
            "values": {"n_hidden": [5], "initial_lr": 10.0},
            "criterion": None,
            "error": None,
            "verdict": None,
            "epochs": None,
            "seconds": None,
            "failed": "the loss is not finite",
        },
    ],
}


@pytest.fixture
def found(run: Path) -> tuple[dict[str, Any], dict[str, Grid], Any]:
    """Results, grids and settings, which a test may change."""
    return copy.deepcopy(_results(open_run(run)))


def entry(results: dict[str, Any], name: str) -> Any:
    return next(record for record in results["methods"] if record["name"] == name)


def test_everything_that_closure_tests_say(found: Any) -> None:
    results, grids, settings = found
    alice = entry(results, "alice")
    before = {"closure": {**alice["closure"], "joint": JOINT}, "verdict": "failed", "reasons": ["off by far"]}
    alice["closure"] |= {"joint": JOINT, "coverage": COVERAGE, "area": {"ratio": 0.9, "error": 0.1}}
    alice["calibration"] = {"method": "isotonic", "before": before}
    alice |= {
        "verdict": "doubtful",
        "reasons": ["a slope of 3"],
        "ensemble": {"members": 3, "log_likelihood_spread": 0.2},
    }
    drawn = pictures(results, grids, settings)
    panels = drawn["closure_alice"].figure.axes
    assert [axes.get_ylabel() for axes in panels] == [
        "mean ratio",
        "slope of joint on estimated ratio",
        "coverage of toys",
    ]
    assert len(panels[1].containers) == 2  # also before calibration
    page = render(Page(results, grids, drawn))
    assert "? doubtful" in page and "before isotonic" in page and "off by far" in page
    table, _, why = page.partition('<h2 id="closure">')[2].partition("Why methods did not pass")
    # reasons are long, and would make the table wide
    assert "a slope of 3" in why and "a slope of 3" not in table
