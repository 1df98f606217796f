import tracemalloc
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from mmc.compiler.settings.baselines import EqualBins
from mmc.jobs.madminer import workarounds
from mmc.jobs.madminer.event_file import EventFile, Events
from mmc.jobs.statistics import binned_ratio, histograms
from mmc.jobs.statistics.binned_ratio import BinnedRatio, HistogramFigures, histogram_figures
from mmc.jobs.statistics.histograms import IMPOSSIBLE, Binning, Filled, Template, make_binning
from mmc.jobs.statistics.limits import p_values
from mmc.jobs.statistics.scanning.density import BinnedDensity
from mmc.jobs.statistics.summaries import Summaries

from tests.jobs.learning_jobs import Learning

EDGES = [-9.0, -1.0, -0.5, 0.0, 0.7, 9.0]


@pytest.mark.parametrize(
    ("bins", "edges"),
    [
        ([0, 1, 3], [1.0]),
        (EqualBins(n=4, range=(0, 2), scale="linear"), [0.5, 1.0, 1.5]),
        (EqualBins(n=3, range=(1, 1000), scale="log"), [10.0, 100.0]),
        (4, [25.0, 50.0, 75.0]),
    ],
)
def test_binnings(bins: Any, edges: list[float]) -> None:
    x = np.linspace(0.0, 100.0, 10_001)[:, np.newaxis]
    binning = make_binning([bins], x, np.ones(len(x)))
    assert binning.edges[0] == pytest.approx(edges, abs=0.1)
    assert binning.size == len(edges) + 1
    assert binning.index(np.array([[-1e9], [1e9]])).tolist() == [0, len(edges)]


def test_adaptive_bins_hold_equal_weight_and_merge_where_a_value_repeats() -> None:
    random = np.random.default_rng(2)
    x, weights = random.exponential(size=(20_000, 1)), random.uniform(size=20_000)
    shares = np.bincount(make_binning([5], x, weights).index(x), weights=weights) / weights.sum()
    assert shares == pytest.approx(0.2, abs=0.005)
    counts = np.repeat([0.0, 1.0, 2.0], [80, 15, 5])[:, np.newaxis]
    assert make_binning([10], counts, np.ones(100)).size < 10


@pytest.mark.parametrize("observables", [["x1"], ["x1", "x2"]])
def test_limits_are_those_of_madminer_when_the_edges_enclose_all_events(
    tmp_path: Path, toy_events: Path, observables: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    learning = Learning(tmp_path, toy_events, event_weights="madminer")
    learning.evaluation["luminosity_pb"] = whole_luminosity(learning)
    ours = np.load(learning.histogram(observables, [EDGES] * len(observables)) / "limits.npz")

    # MadMiner's own histograms still pass what numpy 1.24 took away
    histogramdd = np.histogramdd
    monkeypatch.setattr(np, "histogramdd", lambda *args, normed, **kwargs: histogramdd(*args, density=normed, **kwargs))
    workarounds.apply()
    from madminer.limits import AsymptoticLimits

    stock = AsymptoticLimits(str(toy_events / "events.h5")).expected_limits(
        "histo",
        theta_true=np.zeros(2),
        grid_ranges=[(-1.0, 1.0)] * 2,
        grid_resolutions=[9, 9],
        hist_vars=observables,
        hist_bins=[np.array(EDGES)] * len(observables),
        n_histo_toys=None,
        luminosity=learning.evaluation["luminosity_pb"],
        test_split=0.2,
    )
    # MadMiner's best fit is a point of the grid
    ratio, on_points = ours["log_likelihood_ratio"].ravel(), ours["log_likelihood_ratio"].max()
    assert p_values(ratio - on_points, 2) == pytest.approx(stock[1], abs=1e-6)
    total = stock[3] + stock[4]
    assert ours["p_values"].ravel() == pytest.approx(p_values(total - total.max() + on_points, 2), abs=1e-6)


def whole_luminosity(learning: Learning) -> float:
    """The luminosity closest to that of the study with an integer number of expected events."""
    from mmc.jobs.statistics.problem import LimitProblem

    problem = LimitProblem.of(EventFile.of(learning.events / "events.h5", learning.limits), learning.limits)
    return float(problem.luminosity * round(problem.n_expected) / problem.n_expected)


def test_errors_of_the_mean_ratio_cover_data_and_template() -> None:
    """Mean and error over many independent templates and data sets of a model with two benchmarks."""
    random = np.random.default_rng(4)
    binning = Binning((np.array([-0.5, 0.5]),))
    coefficients, reference = np.array([[0.0, 1.0], [0.5, 0.5]]), np.array([1.0, 0.0])
    means, errors = [], []
    for _ in range(400):
        x = random.normal(size=(600, 1))
        weights = np.stack([np.ones(600), np.exp(0.6 * x[:, 0])], axis=1)
        template = Template.of(binning.index(x), Events(x, weights), 3)
        ratio = BinnedRatio.of(template.sums, coefficients, reference)
        data = random.normal(size=(300, 1))
        found = ratio.mean(template.products, binning.index(data), np.full(300, 1 / 300))
        means.append(found.mean)
        errors.append(found.error)
    assert np.mean(means, axis=0) == pytest.approx([1.0, 1.0], abs=0.005)
    assert np.mean(errors, axis=0) == pytest.approx(np.std(means, axis=0), rel=0.1)


def test_bins_without_knowledge_have_ratio_one() -> None:
    x = np.array([[0.0], [0.0], [2.0]])
    events = Events(x, np.array([[1.0, 2.0], [1.0, 1.0], [1.0, -1.0]]))
    binning = Binning((np.array([1.0, 3.0]),))
    template = Template.of(binning.index(x), events, 3)
    ratio = BinnedRatio.of(template.sums, np.array([[0.0, 1.0]]), np.array([1.0, 0.0]))
    assert ratio.known.tolist() == [True, False, False]
    assert ratio.at(slice(None)).tolist() == [[pytest.approx((3 / 2) / (2 / 3)), 1.0, 1.0]]
    assert ratio.unknown_fraction(np.array([0.25, 0.25, 0.5])) == 0.75


def test_points_where_a_bin_is_really_negative_exclude_themselves_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    """Weights 1 ± c, linear in c: beyond |c| = 1 one of two bins is negative, and both are used inside. A third bin has
    as many positive as negative weights, and is negative by chance: it is left out, and excludes nothing."""
    monkeypatch.setattr(histograms, "BLOCK", 7)  # blocks of two points
    slopes = np.repeat([1.0, -1.0], 100)
    weights = np.stack([np.ones(200), 1.0 + slopes], axis=1)
    weights = np.concatenate([weights, [[1.0, 1.0], [1.0, -1.2], [1.0, -1.0]]])  # c = 0 and 1
    template = Template.of(np.repeat([0, 1, 2], [100, 100, 3]), Events(np.zeros((203, 1)), weights), 3)
    axis = np.linspace(-2.0, 2.0, 41)
    rows = np.stack([1.0 - axis, axis], axis=1)
    assert (template.sums[2] @ rows[-1]) < 0.0
    ratio = BinnedRatio.of_template(template, rows, np.array([1.0, 0.0]))
    inside = np.abs(axis) < 0.99
    assert ratio.possible.tolist() == inside.tolist() and ratio.known.tolist() == [True, True, False]
    ratios = np.exp(ratio.log[inside])
    np.testing.assert_allclose(ratios[:, 0] / ratios[:, 1], (1.0 + axis[inside]) / (1.0 - axis[inside]))
    assert (ratio.log[~inside] == IMPOSSIBLE).all()


def test_a_group_of_events_does_not_take_a_bin_away_where_weights_are_linear() -> None:
    """Without some events, a bin may be negative at the last point that is possible: the point is excluded then, and
    -2 ln λ at all others hardly changes."""
    random = np.random.default_rng(3)
    x = random.uniform(size=5000)
    weights = np.stack([np.ones(5000), 1.0 + np.where(x < 0.5, 1.0, -1.0) + random.normal(0.0, 1.0, 5000)], axis=1)
    binning = Binning((np.array([0.5]),))
    filled = Filled.of(binning.index(x[:, np.newaxis]), weights, 2)
    zero = filled.template.sums[1, 0] / (filled.template.sums[1, 0] - filled.template.sums[1, 1])
    axis = np.append(np.linspace(-0.9, 0.9, 19), [zero - 1e-4, 1.5])
    rows = np.stack([1.0 - axis, axis], axis=1)
    ratio = BinnedRatio.of_template(filled.template, rows, np.array([1.0, 0.0]))
    assert ratio.known.all() and ratio.possible.tolist() == [True] * 20 + [False]
    fractions = filled.template.sums[:, 0] / 5000.0
    (own,), others = ratio.mean_logs(fractions), [ratio.refilled(sums) for sums in filled.left_out]
    assert {bool(other.possible[19]) for other in others} == {True, False}
    for other in others:
        assert other.known.all()
        (mean,) = other.mean_logs(fractions)
        np.testing.assert_allclose(mean[2:17], own[2:17], atol=0.03)
        assert not other.possible[20] and mean[20] == IMPOSSIBLE


@pytest.mark.parametrize("fractions", [[1.0, 0.0], [0.5, 0.5]])
def test_scans_exclude_points_where_a_bin_is_negative_as_grids_do(fractions: list[float]) -> None:
    """Also if the data have no event in this bin."""
    weights = np.stack([np.ones(200), np.repeat([0.5, 2.5], 100)], axis=1)  # 1 - c/2 and 1 + 3c/2
    filled = Filled.of(np.repeat([0, 1], 100), weights, 2)
    axis = np.linspace(-1.5, 1.5, 30)
    rows, reference = np.stack([1.0 - axis, axis], axis=1), np.array([1.0, 0.0])
    grid = BinnedRatio.of_template(filled.template, rows, reference)
    known = np.ones(2, dtype=bool)
    density = BinnedDensity(
        Binning((np.array([0.5]),)), lambda x: x, filled.template.sums, reference, known, reference, True, None
    )
    assert (~grid.possible).any()
    np.testing.assert_allclose(density.log_ratio(rows) @ fractions, grid.mean_logs(np.array(fractions))[0])


def test_a_histogram_at_many_points_is_made_in_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    """It is the same in blocks of one point, and needs the memory of few tables of all points and bins."""
    random = np.random.default_rng(7)
    binning = Binning((np.linspace(-2.0, 2.0, 299),))
    x, data = random.normal(size=(30_000, 1)), random.normal(size=(500, 1))
    weights = np.stack([np.ones(len(x)), 1.0 + 0.3 * np.tanh(x[:, 0])], axis=1)
    filled = Filled.of(binning.index(x), weights, binning.size)
    shares = np.linspace(0.0, 1.0, 2_000)
    coefficients, row = np.stack([1.0 - shares, shares], axis=1), np.array([1.0, 0.0])

    def figures(points: slice = slice(None)) -> tuple[HistogramFigures, np.ndarray]:
        events = Summaries(data, np.full(len(data), 1.0 / len(data)))
        found = histogram_figures(
            filled, binning, coefficients[points], row, data=None, reference=events, observed=events, truth=row
        )
        return found, found.log_ratio(data)

    tracemalloc.start()
    found, logs = figures()
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 8 * (coefficients[:, 0].size * binning.size * 8)

    at_few = slice(None, None, 400)
    monkeypatch.setattr(binned_ratio, "BLOCK", 1)
    monkeypatch.setattr(binned_ratio, "KEPT", 0)
    few, few_logs = figures(at_few)
    np.testing.assert_allclose(few_logs, logs[at_few], rtol=1e-12)
    np.testing.assert_allclose(few.ratio.mean, found.ratio.mean[at_few], rtol=1e-12)
    np.testing.assert_allclose(few.ratio.error, found.ratio.error[at_few], rtol=1e-12)
    content = coefficients @ filled.template.sums.T
    known = np.log(content / content.sum(axis=1, keepdims=True)) - np.log(content[0] / content[0].sum())
    np.testing.assert_allclose(logs, known[:, binning.index(data)], atol=1e-12)
    for one, other in ((few.expected, found.expected), (few.observed, found.observed)):
        assert one is not None and other is not None and one.replicas is not None and other.replicas is not None
        np.testing.assert_allclose(one.mean_log, np.asarray(other.mean_log)[at_few], atol=1e-12)
        np.testing.assert_allclose(one.replicas, other.replicas[:, at_few], atol=1e-12)
