"""Combinations of regions, compared with a few lines of numpy."""

from dataclasses import replace
from pathlib import Path
from typing import Any, cast

import numpy as np
import pytest
from mmc.jobs.arrays import read_npz
from mmc.jobs.madminer.cross_sections import CrossSections
from mmc.jobs.statistics import neyman
from mmc.jobs.statistics.combination import JointFit, combine, kinds_of, sources_of, with_common_toys
from mmc.jobs.statistics.combined_verdict import Integration, Part, _same_simulation, judge, shared_events
from mmc.jobs.statistics.critical import CriticalValues
from mmc.jobs.statistics.histograms import Template
from mmc.jobs.statistics.joint_errors import JointError, correlation_of_shapes
from mmc.jobs.statistics.limits import Grid, Limits, save_arrays
from mmc.jobs.statistics.neyman import Cells, ToySource
from mmc.jobs.statistics.profiling import FilledHistogram, VariedHistogram
from mmc.jobs.statistics.region_likelihood import RegionLikelihood
from mmc.jobs.statistics.simulated import SimulatedSums, TemplateSums
from mmc.jobs.statistics.toy_sums import Contents
from mmc.jobs.steps.combinations import _error
from scipy.optimize import minimize
from scipy.stats import chi2, poisson

GRID = Grid({"c": np.linspace(-1.0, 1.0, 5)})
POINTS = np.array([[-1.0], [-0.5], [0.0], [0.5], [1.0], [0.0]])
NAMES = {"low": ("lumi", "tilt"), "high": ("scale", "lumi")}


def _region(name: str, seed: int, n: float = 100.0) -> RegionLikelihood:
    """A region of two bins, linear in the parameter, with two nuisance parameters."""
    random = np.random.default_rng(seed)
    coefficients = np.hstack([np.ones((6, 1)), POINTS])
    nominal = np.array([[0.4, 0.1], [0.6, -0.05]])
    up, down = (nominal[np.newaxis] * random.uniform(*ends, (2, 2, 1)) for ends in ((1.02, 1.2), (0.8, 0.98)))
    probabilities = coefficients @ nominal.T
    normalised = coefficients / probabilities.sum(axis=1, keepdims=True)
    histogram = VariedHistogram(normalised, nominal, up, down, np.array([True, True]))
    expected = n * probabilities.sum(axis=1)
    fractions = nominal[:, 0] / nominal[:, 0].sum()
    log = n * (fractions @ np.log(normalised @ nominal.T).T + np.log(expected)) - expected
    factor = 0.2 if name == "low" else 0.8
    replicas = log + random.normal(size=(20, 6))
    limits = Limits(GRID, log, 2, np.full(6, factor), replicas)
    return RegionLikelihood({"": limits}, {"": n}, expected, NAMES[name], {"": FilledHistogram(histogram, fractions)})


@pytest.fixture
def regions(tmp_path: Path) -> list[RegionLikelihood]:
    """Two regions, written and read."""
    found = []
    for seed, name in enumerate(NAMES):
        save_arrays(tmp_path / name, _region(name, seed, 50.0 + 100.0 * seed).arrays())
        found.append(RegionLikelihood.read(read_npz(tmp_path / f"{name}.npz"), GRID))
    return found


def test_likelihoods_are_multiplied(regions: list[RegionLikelihood]) -> None:
    limits = combine(regions)
    logs = np.array([region.limits[""].log_likelihood for region in regions])
    np.testing.assert_allclose(limits.log_likelihood, logs.sum(axis=0))
    q = logs[:, -1:] - logs
    factor = (0.2 * q[0] + 0.8 * q[1])[[0, 1, 3, 4]] / q.sum(axis=0)[[0, 1, 3, 4]]
    np.testing.assert_allclose(np.asarray(limits.per_simulated)[[0, 1, 3, 4]], factor)
    near = q.sum(axis=0) <= 4.6
    assert np.asarray(limits.per_simulated)[-1] == pytest.approx(
        float(np.array([0.2, 0.8]) @ q[:, near].sum(axis=1) / q[:, near].sum())
    )
    assert limits.n_measured == 4 and limits.dof == 1
    assert limits.replicas is None, "the errors of the rates are not known"
    without_rate = combine([replace(region, rate=False) for region in regions])
    assert without_rate.replicas is not None and without_rate.replicas.shape == (20, 6)


def test_nuisance_parameters_of_the_same_name_are_the_same(regions: list[RegionLikelihood]) -> None:
    """The fit with three nuisance parameters, one of them in both regions, is that of scipy."""
    names = ("lumi", "tilt", "scale")

    def change(nu: Any, point: int) -> float:
        total = 0.5 * float(np.square(nu).sum())
        for region in regions:
            own, n = region.histograms[""].histogram, region.n[""]
            base, up, down = (weights @ own.coefficients[point] for weights in (own.nominal, own.up, own.down))
            a, b = 0.5 * np.log(up / down), 0.5 * np.log(up * down / base**2)
            at = np.array([nu[names.index(name)] for name in region.nuisance])
            g = at @ a + np.square(at) @ b
            data, events = n * region.histograms[""].fractions, region.expected[point] * base
            total -= float(data @ g - events @ np.expm1(g))
        return total

    gains = JointFit(regions, "", nuisance=True).gain
    for point in range(6):
        best = minimize(change, np.zeros(3), args=(point,), method="BFGS", options={"gtol": 1e-7})
        assert gains[point] == pytest.approx(-best.fun, abs=1e-5)
    assert gains[0] > 0.01
    assert kinds_of(regions) == ["", "with_systematics"]
    fitted = combine(regions, "with_systematics").log_likelihood
    np.testing.assert_allclose(fitted, combine(regions).log_likelihood + gains)
    alone = [region.histograms[""](region.n[""], region.expected) for region in regions]
    assert gains[0] < alone[0][0] + alone[1][0], "each region alone could choose its own value of lumi"


@pytest.mark.parametrize(("share", "verdict"), [(0.2, "failed"), (0.005, "doubtful"), (None, "passed")])
def test_regions_with_the_same_events_are_not_independent(
    regions: list[RegionLikelihood], share: float | None, verdict: str
) -> None:
    limits = {"verdict": "passed", "reasons": [], "n_expected": 10.0, "closure": {"integration_error": 0.0}}
    overlap = {} if share is None else {"high": {"n_events": 7, "share": share}}
    parts = [Part("rate.low", "low", limits, {"overlaps": overlap}), Part("rate.high", "high", limits, {})]
    found = judge(parts, combine(regions), shared_events(parts))
    assert found["verdict"] == verdict
    assert ("7 simulated events" in " ".join(found["reasons"])) is (share is not None)
    assert judge(parts, combine(regions), [])["verdict"] == "passed"


def _cross_sections(name: int, of_sample: list[float], products: np.ndarray) -> CrossSections:
    """Of one sample, of which few events pass."""
    return CrossSections(
        np.array([name]), np.array([of_sample]), np.full(1, np.inf), np.zeros(1), np.asarray(products, dtype=float)
    )


@pytest.mark.parametrize(("factor", "share"), [(0.2, 1.0), (0.05, 1.0), (0.2, 0.4), (0.2, 0.0)])
def test_the_same_simulation_for_different_data(factor: float, share: float) -> None:
    """Periods with n/N = f: the variance of the score is 1 + f of its information in each, and 1 + 2 f together.

    Of the simulated events a part is the same. Periods of different sizes have errors in proportion to N_r / √n.
    """
    regions = []
    for k, size in enumerate((1.0, 4.0)):
        region = _region("low", 3, 100.0 * size)
        own = replace(region.limits[""], per_simulated=np.full(6, factor * size), replicas=None)
        mu, products = 100.0 * size, np.zeros((2, 2))
        products[0, 0] = mu**2 * factor / 100.0
        both = {1 - k: share * 4.0 * 100.0**2 * np.diag([factor / 100.0, 0.0])}
        known = _cross_sections(k, [mu, 0.05 * mu], products)
        rows = np.hstack([np.ones((6, 1)), np.zeros((6, 1))])
        regions.append(
            replace(region, limits={"": own}, both=both, cross_sections=known, coefficients=rows, rate=False)
        )
    found = combine(regions)
    data, simulation = 1.0 + 4.0, factor * (1.0 + 16.0 + 2.0 * share * 4.0)
    assert np.asarray(found.per_simulated)[[0, -1]] == pytest.approx(simulation / data)
    limits = {"verdict": "passed", "reasons": [], "n_expected": 10.0, "closure": {"integration_error": 0.0}}
    parts = [Part("rate.low", "low", limits, {}), Part("rate.high", "high", limits, {})]
    overlaps = [{"of": ["low", "high"], "n_events": 7, "share": 0.1, "correlation": -0.5}]
    f_shared = JointError.of(regions, "").of_shared
    assert judge(parts, found, overlaps, independent=True, f_shared=f_shared)["verdict"] == "passed"
    toys = replace(found, critical=cast(CriticalValues, object()))
    reasons = list(_same_simulation(toys, overlaps, f_shared))
    large = (1.0 + simulation / data) / (1.0 + factor * 17.0 / data) - 1.0  # toys lack the correlation of both
    assert [reason.partition("too large by up to ")[2][:3].strip(":") for _, reason in reasons] == (
        [f"{large:.0%}"] if large > 0.1 else []
    )


def test_regions_draw_their_events_anew() -> None:
    """Two periods with all events in common; the distribution of each is made of a part of them, drawn at random. The
    correlation of sums over random parts is the one that is calculated."""
    random, parts = np.random.default_rng(5), (0.5, 0.3)
    weights = random.standard_normal((20_000, 100))  # of simulations and events: what events tell of the parameters
    sums = [(weights * (random.uniform(size=weights.shape) < part)).sum(axis=1) / part for part in parts]
    known = _cross_sections(0, [100.0, 0.0], 800.0 * np.eye(2))
    regions = [
        replace(
            _region("low", 3),
            part=part,
            both={1 - k: 800.0 * np.eye(2)},
            cross_sections=known,
            coefficients=np.ones((6, 2)),
        )
        for k, part in enumerate(parts)
    ]
    found = correlation_of_shapes(regions)[0, 1]
    assert found == pytest.approx(np.corrcoef(sums)[0, 1], abs=0.02) and found == pytest.approx((0.5 * 0.3) ** 0.5)
    unknown = replace(regions[1], cross_sections=None)
    assert correlation_of_shapes([regions[0], unknown])[0, 1] == pytest.approx(0.0)


def test_f_at_the_true_point_is_that_of_the_points_around_it() -> None:
    """Whatever points a region has averaged its own f over."""
    one = _region("low", 3)
    rows = np.hstack([np.ones((6, 1)), POINTS])
    known = _cross_sections(0, [one.expected[2], 0.0], np.diag([30.0, 0.0]))
    one = replace(one, cross_sections=known, coefficients=rows)
    found = []
    for at_truth in (0.1, 0.9):
        factor = np.array([0.5, 0.5, 0.5, 0.5, 0.5, at_truth])
        limits = replace(one.limits[""], per_simulated=factor)
        found.append(np.asarray(combine([replace(one, limits={"": limits})]).per_simulated))
    np.testing.assert_allclose(found[0], found[1])
    assert found[0] == pytest.approx(0.5, rel=0.01)


def test_a_cross_section_of_equal_weights_has_an_error_only_with_cuts() -> None:
    n, weight = 3000, 0.1 / 3.0
    blocks = [(np.full((n, 1), weight), np.zeros(n, dtype=int))]
    for generated, error in ((n, 0.0), (2 * n, weight * (n / 2) ** 0.5)):
        own = CrossSections.of(blocks, [{"sample": "a", "n_generated": generated, "integration_error": 0.0}], 1)
        assert _error(own, np.ones(1)) == (pytest.approx(error) if error else 0.0)


def test_the_integration_of_several_regions() -> None:
    """The error of a sample is the same in both regions; that of others is independent."""
    row, errors = np.ones(1), np.array([0.03, 0.04])
    both = CrossSections(np.array([1, 2]), np.array([[3.0], [1.0]]), np.full(2, np.inf), errors, np.eye(1))
    other = CrossSections(np.array([2, 3]), np.array([[2.0], [4.0]]), np.full(2, np.inf), errors[::-1], np.eye(1))
    expected = np.hypot(np.hypot(0.03 * 3.0, 0.04 * (1.0 + 2.0)), 0.03 * 4.0) / 10.0
    error = both.integration_error(row, [other])
    assert error == pytest.approx(expected) and both.integration_error(row) == pytest.approx(np.hypot(0.09, 0.04) / 4.0)
    limits = {"verdict": "passed", "reasons": [], "closure": {"integration_error": 0.0}}
    for n, in_limits, verdict in ((500.0, True, "passed"), (500.0, False, "doubtful"), (5000.0, True, "doubtful")):
        part = Part("rate.low", "low", {**limits, "n_expected": n}, {})
        found = judge([part], combine([_region("low", 3)]), [], integration=Integration(0.03, in_limits))
        assert found["verdict"] == verdict
        without = judge([part], combine([_region("low", 3)]), [], "without_rate", integration=Integration(0.03, False))
        assert without["verdict"] == "passed"


def test_expected_limits_have_errors_where_observed_ones_have_none(regions: list[RegionLikelihood]) -> None:
    """As of ratios: the likelihood of observed events is made without groups of the simulated events."""
    with_data = []
    for region in regions:
        observed = replace(region.limits[""], replicas=None)
        both = {**region.limits, "observed": observed}
        with_data.append(replace(region, rate=False, limits=both, n={**region.n, "observed": 90.0}))
    assert combine(with_data).replicas is not None and combine(with_data, "observed").replicas is None


def test_the_errors_of_areas_are_larger_where_events_are_shared() -> None:
    one = _region("low", 3)
    known = replace(one, cross_sections=_cross_sections(0, [1.0, 0.0], np.eye(2)), coefficients=np.ones((6, 2)))
    alone = combine([known, known])
    together = combine([replace(known, both={1 - k: np.eye(2)}) for k in range(2)])
    assert alone.replicas is not None and together.replicas is not None
    change, wider = (limits.replicas - limits.replicas[:, -1:] for limits in (alone, together))
    nominal = alone.log_likelihood - alone.log_likelihood[-1]
    np.testing.assert_allclose((wider - nominal)[:, [0, 1]], 2.0**0.5 * (change - nominal)[:, [0, 1]], atol=1e-9)


def test_the_numbers_of_events_are_part_of_the_errors_of_intervals(tmp_path: Path) -> None:
    """Counts of 1000 (1 + a) and 4000 (1 + a), known to 3 and 1 %: a to (1000² 0.03² + 4000² 0.01²)^½ / 5000."""
    grid = Grid({"a": np.linspace(-0.2, 0.2, 41)})
    regions = []
    for k, (n, error) in enumerate(((1000.0, 0.03), (4000.0, 0.01))):
        mu = n * (1.0 + np.append(grid.points[:, 0], 0.0))
        log = n * np.log(mu) - mu
        limits = Limits(grid, log, 1, np.zeros(42), np.tile(log, (20, 1)))
        known = _cross_sections(k, [n], np.array([[(n * error) ** 2]]))
        both: Any = {"": limits, "observed": limits}, {"": n, "observed": n}
        region = RegionLikelihood(*both, mu, (), {}, cross_sections=known)
        save_arrays(tmp_path / f"{k}.npz", region.arrays())
        read = RegionLikelihood.read(read_npz(tmp_path / f"{k}.npz"), grid)
        regions.append(replace(read, coefficients=mu[:, np.newaxis] / n))
    expected, found = (
        combine(regions, kind).summary([0.68])["interval_errors"]["a"]["0.68"][0] for kind in ("", "observed")
    )
    assert max(expected) < 1e-3, "expected data have the same cross sections"
    assert found == pytest.approx([(30.0**2 + 40.0**2) ** 0.5 / 5000.0] * 2, rel=0.05)


def test_toys_of_two_counts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Means 20 (1 + c) and 10 (2 - c): coverage and critical values are those of all pairs of counts."""
    monkeypatch.setattr(neyman, "TOYS", 40_000)
    monkeypatch.setattr(neyman, "PROBES", 10)
    grid, axis = Grid({"c": np.linspace(0.0, 1.0, 41)}, (0.5,)), np.append(np.linspace(0.0, 1.0, 41), 0.5)
    coefficients, regions = np.stack([np.ones(42), axis], axis=1), []
    for k, weights in enumerate(([[20.0, 20.0]], [[20.0, -10.0]])):
        sums = np.array(weights)
        mu, content = coefficients @ sums[0], Template(sums, 1e-9 * np.einsum("bi,bj->bij", sums, sums))
        cells = Cells(1, lambda content=content: [(np.zeros((42, 1)), content)])  # type: ignore[misc]
        source = ToySource(cells, coefficients, sums[0], mu, np.zeros(42))
        known, truth = np.ones(1, dtype=bool), coefficients[-1]
        template = TemplateSums(sums[:, np.newaxis], content.products, known, truth, sums, np.zeros(1), 1.0)
        limits = Limits(grid, mu[-1] * np.log(mu) - mu, 1, np.zeros(42))
        simulated = SimulatedSums(sums[0], sums[0], None, None, template)
        region = RegionLikelihood({"": limits}, {"": mu[-1]}, mu, (), {}, simulated=simulated, toys=source)
        save_arrays(tmp_path / f"{k}.npz", region.arrays())
        regions.append(RegionLikelihood.read(read_npz(tmp_path / f"{k}.npz"), grid))
        own = regions[-1].toys
        assert own is not None and own.template is not None, "its bins fluctuate with the samples of the region"
        np.testing.assert_array_equal(own.contents(41, content)[0].of_samples, [[mu[-1]]])
    found = with_common_toys(regions, {"": combine(regions)}, [0.68, 0.95], np.random.default_rng(1))[""]
    critical = found.critical
    assert critical is not None
    first, second = (region.expected[:-1, np.newaxis] for region in regions)
    n, m = (counts.ravel() for counts in np.meshgrid(np.arange(90), np.arange(60)))
    q = -2.0 * (n * np.log(first) - first + m * np.log(second) - second)
    probability = poisson.pmf(n, first) * poisson.pmf(m, second)
    for k, level in enumerate((0.68, 0.95)):
        exact = (probability * (q - q.min(axis=0) <= chi2.ppf(level, 1))).sum(axis=1)
        assert critical.coverage[k] == pytest.approx(exact[critical.probes], abs=0.03)
        own = (probability * (q - q.min(axis=0) <= critical.at(level)[:-1, np.newaxis])).sum(axis=1)
        assert own.mean() == pytest.approx(level, abs=0.02)


def test_a_sample_is_the_same_in_all_regions() -> None:
    """The last region has other data of the first: the integration is that of both, the number of events is its own."""
    regions, both = [], np.zeros((2, 2))
    for names in ([11, 12], [12, 13], [], [11]):
        n, sums = len(names), np.ones((1, len(names), 2))
        common = np.full(n, 0.01 - 0.002)
        template = TemplateSums(sums, np.ones((1, 2, 2)), np.ones(1, dtype=bool), np.ones(2), sums[0], common, 1.0)
        toys = ToySource(Cells(1, list), np.ones((6, 2)), np.ones(2), np.ones(6), np.zeros(6), template if n else None)
        integration = np.full(n, 0.1)
        known = replace(
            _cross_sections(0, [1, 1], both), names=np.array(names, dtype=np.int64), integration=integration
        )
        regions.append(replace(_region("low", 3), toys=toys, cross_sections=known))
    assert [own.columns.tolist() for own in sources_of(regions)] == [[0, 1], [1, 2], [], [0]]
    regions[0], regions[3] = replace(regions[0], both={3: both}), replace(regions[3], both={0: both})
    found = sources_of(regions)
    assert [own.columns.tolist() for own in found] == [[0, 1, 2, 3], [1, 4, 3, 5], [], [0, 6]]
    contents = Contents.joined(
        [own.contents(0, Template(np.ones((1, 2)), np.ones((1, 2, 2))))[0] for own in found],
        [own.columns for own in found],
    )
    # each region and each of its samples is taken to have one event
    covariance = contents.covariance(range(4)) - np.diag(contents.means + contents.squares)
    expected = np.zeros((4, 4))
    expected[:2, :2] = 0.008 * np.array([[2.0, 1.0], [1.0, 2.0]])
    expected[3, 3], expected[0, 3], expected[3, 0] = 0.008, 0.01, 0.01
    np.testing.assert_allclose(covariance, expected, atol=1e-12)
