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


def test_everything_that_closure_tests_say(found: Any, request: pytest.FixtureRequest) -> None:
    results, grids, settings = found
    alice = entry(results, "alice")
    before = {"closure": {**alice["closure"], "joint": JOINT}, "verdict": "failed", "reasons": ["off by far"]}
    alice["closure"] |= {"joint": JOINT, "coverage": COVERAGE, "area": {"ratio": 0.9, "error": 0.1}}
    alice["calibration"] = {"method": "isotonic", "before": before}
    alice |= {
        "verdict": "doubtful",
        "reasons": ["a slope of 3"],
        "ensemble": {"members": 3, "log_likelihood_spread": 0.2, "allowed_area_error": {"0.95": 0.0123}},
    }
    drawn = pictures(results, grids, settings)
    panels = drawn["closure_alice"].figure.axes
    assert [axes.get_ylabel() for axes in panels] == [
        "mean ratio",
        "slope of joint on estimated ratio",
        "coverage of toys",
    ]
    assert len(panels[1].containers) == 2  # also before calibration
    assert drawn["closure_alice"].svg != drawn["contours_c1_c2"].svg
    request.getfixturevalue("plain_figures")  # in place of all others
    page = render(Page(results, grids, drawn))
    assert "? doubtful" in page and "before isotonic" in page and "off by far" in page
    table, _, why = page.partition('<h2 id="closure">')[2].partition("Why methods did not pass")
    assert "a slope of 3" in why and "a slope of 3" not in table  # reasons are long and would make the table wide
    assert "members 3" not in page and page.count("log likelihood spread 0.2") == 1
    assert "error of the area at 95 % from the training 1.2 %" in page
    assert "the first of 3" in page and "area / truth" in page and "slope on joint" in page
    assert "alice (closure doubtful)" in " ".join(
        text.get_text() for text in drawn["contours_c1_c2"].figure.axes[0].get_legend().get_texts()
    )


def test_information_that_is_left_when_nuisance_parameters_are_profiled(
    found: Any, request: pytest.FixtureRequest
) -> None:
    """The table and the ellipse of an estimator show the profiled information."""
    results, grids, settings = found
    assert '<p class="soft">Profiled:' not in render(Page(results, grids, {}))
    full = entry(results, "sally")["fisher_information"]["full"]
    before = pictures(results, grids, settings)["fisher_c1_c2"].svg
    full["profiled"] = (0.25 * np.array(full["matrix"])).tolist()
    drawn = pictures(results, grids, settings)
    assert drawn["fisher_c1_c2"].svg != before
    request.getfixturevalue("plain_figures")  # in place of all others
    assert '<p class="soft">Profiled:' in render(Page(results, grids, drawn))


def test_trials_of_a_search(found: Any) -> None:
    results, grids, _ = found
    results["tuning"] = [TUNING]
    page = render(Page(results, grids, {}))
    failed = {**TUNING["trials"][0], "error": None, "verdict": "failed"}
    results["tuning"] = [{**TUNING, "criterion": "expected_limit", "trials": [failed]}]
    other = render(Page(results, grids, {}))
    error, note = '<th scope="col">error</th>', "come last, even if their limit is smaller"
    tables = [text.partition("Trials of sally")[2].partition("</table>")[0] for text in (page, other)]
    assert [error in table for table in tables] == [True, False]  # no trial has one
    assert [note in text for text in (page, other)] == [False, True]
    assert "sally.scan-1 (chosen)" in page and "the loss is not finite" in page and "validation loss" in page


def test_limits_besides_the_expected_ones(found: Any, request: pytest.FixtureRequest) -> None:
    results, grids, settings = found
    drawn = pictures(results, grids, settings)
    names = ("observed_contours_c1_c2", "without_rate_profile_c1", "observed_without_rate_contours_c1_c2")
    assert len({drawn[name].svg for name in names}) == 3
    request.getfixturevalue("plain_figures")  # in place of all others
    assert drawn["observed_contours_c1_c2"].title.endswith(", observed")
    page = render(Page(results, grids, drawn))
    assert "Limits, observed" in page and "Limits, without the rate" in page


def test_a_figure_needs_something_to_draw(found: Any) -> None:
    results, grids, _ = found
    rate = next(record for record in results["baselines"] if record["name"] == "rate")
    assert closure_figure(rate, grids["rate"]) is None


def test_intervals_in_words() -> None:
    edges = (-1.0, 1.0)
    assert interval_words([(-1.0, -0.5), (0.25, 0.75)], edges) == "← … -0.5, 0.25 … 0.75"
    assert interval_words([], edges) == "none on the grid"
    assert interval_width([(-0.5, 0.0), (0.25, 0.5)], edges) == 0.75
    assert interval_width([(-1.0, 0.0)], edges) is interval_width([], edges) is None


def test_information_on_some_parameters_is_that_of_their_covariance() -> None:
    matrix = np.array([[4.0, 1.5, 0.3], [1.5, 3.0, -0.4], [0.3, -0.4, 2.0]])
    covariance = np.linalg.inv(matrix)[:2, :2]
    assert marginal(matrix, [0, 1]) == pytest.approx(np.linalg.inv(covariance))


def test_the_rate_has_no_information_on_two_of_seven_parameters() -> None:
    """What rounding leaves of it is none, in any unit."""
    slopes = np.random.default_rng(1).normal(size=7) * 10.0 ** np.arange(-9, 12, 3)
    rate = np.outer(slopes, slopes)
    assert not marginal(rate, [0, 1]).any()
    figure = ellipse_figure([Information("rate", rate)], [0, 1], ["a", "b"], 0.95, [0.0, 0.0])
    assert next(text.get_text() for text in figure.axes[0].get_legend().get_texts()) == "rate (all allowed)"


def test_an_ellipse_has_the_widths_of_the_covariance_and_a_failed_one_is_dashed() -> None:
    matrix = np.array([[4.0, 1.5], [1.5, 3.0]])
    named = [
        Information("good", matrix),
        Information("bad", matrix / 4.0, "failed"),
        Information("rate", np.ones((2, 2))),
    ]
    figure = ellipse_figure(named, [0, 1], ["a", "b"], 0.95, [1.0, 2.0])
    good, bad, strip = figure.axes[0].collections
    (path,) = good.get_paths()
    width = (5.991 * np.linalg.inv(matrix)[0, 0]) ** 0.5
    assert path.vertices[:, 0].max() == pytest.approx(1.0 + width, rel=0.01)
    assert good.get_linestyles()[0][1] is None and bad.get_linestyles()[0][1] is not None
    assert len(strip.get_paths()) == 1
    texts = [text.get_text() for text in figure.axes[0].get_legend().get_texts()]
    assert texts == ["good", "bad (closure failed)", "rate", "true point"]


def test_distributions_are_scaled_to_their_integral() -> None:
    random = np.random.default_rng(2)
    x, weights = random.normal(size=4000), random.uniform(0.5, 1.5, 4000)
    figure = distribution_figure(x, {"sm": weights, "b": 3.0 * weights}, "x")
    assert figure is not None
    upper, lower = figure.axes
    values, edges, _ = upper.patches[0].get_data()
    assert float(values @ np.diff(edges)) == pytest.approx(1.0, abs=0.01)  # without the events outside the axis
    assert lower.patches[1].get_data().values == pytest.approx(1.0)


@pytest.mark.parametrize("x", [np.full(50, 2.0), np.full(50, np.nan)])
def test_an_observable_without_a_distribution(x: Any) -> None:
    assert distribution_figure(x, {"sm": np.ones(50)}, "x") is None


def test_whole_numbers_have_a_bin_each() -> None:
    x = np.repeat([0.0, 1.0, 3.0], 10)
    figure = distribution_figure(x, {"sm": np.ones(30)}, "n")
    assert figure is not None
    values, edges, _ = figure.axes[0].patches[0].get_data()
    assert edges.tolist() == [-0.5, 0.5, 1.5, 2.5, 3.5]
    assert values == pytest.approx([1 / 3, 1 / 3, 0.0, 1 / 3])


def test_benchmarks_with_events_are_drawn_first() -> None:
    names = [f"b{k}" for k in range(9)]
    assert chosen(names, {"b8": 100, "b4": 5}) == ["b0", "b4", "b8", "b1", "b2", "b3", "b5"]


@pytest.mark.parametrize("color", ["0072b2", "d55e00", "000000", "1a1a1a", "555555", "10304a", "cc79a7"])
def test_dark_colours_can_be_read(color: str) -> None:
    channels = tuple(int(dark(color)[k : k + 2], 16) for k in (1, 3, 5))
    assert contrast(channels, (0x16, 0x16, 0x16)) >= 4.5
