"""Normalisations that float, compared with the profile likelihood of two counts in closed form."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from mmc.errors import StepError
from mmc.jobs.statistics.combination import check_floating, combine_floating
from mmc.jobs.statistics.limits import Grid, Limits
from mmc.jobs.statistics.profiling import FilledHistogram, VariedHistogram
from mmc.jobs.statistics.region_likelihood import RegionLikelihood
from scipy.optimize import minimize

SIGNAL, BACKGROUND, CONTROL = 30.0, 50.0, 200.0
"""Events of the signal at c = 1 and of the background in the signal region, and of the background in the other one."""
GRID = Grid({"c": np.linspace(-1.0, 3.0, 41)})
COEFFICIENTS = np.hstack([np.ones((42, 1)), np.append(np.linspace(-1.0, 3.0, 41), 1.0)[:, np.newaxis]])


def _region(
    bins: Any, parts: Any, data: Any, nuisance: tuple[str, ...] = (), simulated: float = 0.0
) -> RegionLikelihood:
    """A region whose bins hold (constant, slope in c) events, of which parts are those of samples that float."""
    nominal, data = np.array(bins, dtype=float), np.array(data, dtype=float)
    events = COEFFICIENTS @ nominal.T
    total = events.sum(axis=1)
    normalised = COEFFICIENTS / total[:, np.newaxis]
    varied = np.stack([nominal * 1.1, nominal / 1.2])[:, np.newaxis] if nuisance else np.zeros((2, 0, *nominal.shape))
    histogram = VariedHistogram(
        normalised, nominal, varied[0], varied[1], np.full(len(nominal), True), parts=np.array(list(parts.values()))
    )
    log = (data * np.log(events)).sum(axis=1) - total
    limits = Limits(GRID, log, len(nominal), np.full(42, simulated))
    filled = {"": FilledHistogram(histogram, data / data.sum())}
    return RegionLikelihood({"": limits}, {"": data.sum()}, total, nuisance, filled, tuple(parts))


def _counts(signal: float, control: float, nuisance: tuple[str, ...] = ()) -> list[RegionLikelihood]:
    return [
        _region([[BACKGROUND, SIGNAL]], {"ttbar": [[BACKGROUND, 0.0]]}, [signal], nuisance),
        _region([[CONTROL, 0.0]], {"ttbar": [[CONTROL, 0.0]]}, [control]),
    ]


@pytest.mark.parametrize(("n", "m"), [(80.0, 200.0), (95.0, 170.0), (60.0, 240.0)])
def test_the_profile_likelihood_of_two_counts(n: float, m: float) -> None:
    """At signal s, n/(s + bμ) b + m/μ = b + c has the fitted μ as its positive root; Cousins, Linnemann and Tucker,
    physics/0702156. The best fit is μ = m/c, with the error √m/c."""
    limits, fit = combine_floating(_counts(n, m), ["ttbar"])
    b, c, s = BACKGROUND, CONTROL, SIGNAL * COEFFICIENTS[:, 1]
    half = ((b + c) * s - (n + m) * b) / (2.0 * b * (b + c))
    mu = -half + np.sqrt(half**2 + m * s / (b * (b + c)))
    np.testing.assert_allclose(fit.values[:, 0], mu, atol=1e-4)
    profile = n * np.log(s + b * mu) - (s + b * mu) + m * np.log(c * mu) - c * mu
    log = limits.log_likelihood
    np.testing.assert_allclose(log - log[0], profile - profile[0], atol=1e-6)
    assert limits.n_measured == 1
    fitted = fit.summary(["ttbar"], limits)["ttbar"]
    assert fitted["value"] == pytest.approx(m / c, rel=0.003)
    assert fitted["error"] == pytest.approx(np.sqrt(m) / c, rel=0.02) and not fitted["at_edge"]
    assert fitted["interval"][0] < m / c < fitted["interval"][1]


def test_the_statistics_of_the_simulation_of_all_regions_that_a_factor_connects() -> None:
    """The control region says nothing on c, but its simulated events change the factor, and so the limits on c: the
    variance of the count n - b m/c is n (1 + f) + (b/c)² m (1 + f') for f and f' of the regions."""
    signal, control = _counts(80.0, 200.0)
    rough = replace(control, limits={"": replace(control.limits[""], per_simulated=np.full(42, 2.0))})
    limits, _ = combine_floating([signal, rough], ["ttbar"])
    of_control = (BACKGROUND / CONTROL) ** 2 * 200.0
    around = np.asarray(limits.per_simulated)[[19, 21]]  # at c = 0.9 and 1.1, beside the best fit
    assert around.mean() == pytest.approx(2.0 * of_control / (80.0 + of_control), rel=0.01)


def test_nuisance_parameters_are_fitted_with_the_normalisations() -> None:
    """Two regions of two bins, two samples that float and a nuisance parameter: the fit is that of scipy."""
    regions = [
        _region([[40, 10], [40, 30]], {"ttbar": [[30, 0], [25, 0]]}, [55.0, 65.0], ("scale",)),
        _region([[90, 0], [70, 5]], {"wjets": [[20, 0], [50, 0]], "ttbar": [[70, 0], [20, 0]]}, [80.0, 85.0]),
    ]
    nominal, _ = combine_floating(regions, ["ttbar", "wjets"])
    limits, fit = combine_floating(regions, ["ttbar", "wjets"], "with_systematics")

    def minus_log(z: Any, point: int) -> float:
        mu, nu, total = {"ttbar": z[0], "wjets": z[1]}, z[2], 0.5 * z[2] ** 2
        for region in regions:
            own = region.histograms[""].histogram
            at = COEFFICIENTS[point]
            events = own.nominal @ at + sum((mu[s] - 1) * (own.parts[k] @ at) for k, s in enumerate(region.floating))
            if region.nuisance:
                a, b = 0.5 * np.log(1.1 * 1.2), 0.5 * np.log(1.1 / 1.2)
                events = events * np.exp(a * nu + b * nu**2)
            data = region.n[""] * region.histograms[""].fractions
            total -= float(data @ np.log(events) - events.sum())
        return total

    for point in (12, 25, 41):
        best = minimize(minus_log, [1.0, 1.0, 0.0], args=(point,), method="Nelder-Mead", options={"xatol": 1e-6})
        assert limits.log_likelihood[point] == pytest.approx(-best.fun, abs=1e-4)
        np.testing.assert_allclose(fit.values[point], best.x[:2], rtol=1e-3)
    assert 1.0 not in fit.values
    assert (limits.log_likelihood >= nominal.log_likelihood - 1e-9).all()


def test_a_normalisation_that_nothing_constrains_is_refused() -> None:
    signal, control = _counts(80.0, 200.0)
    other = _region([[CONTROL, 0.0]], {"wjets": [[0.0, 0.0]]}, [CONTROL])
    with pytest.raises(StepError, match="nothing constrains the normalisation of ttbar"):
        check_floating([signal, other], ["ttbar"])
    with pytest.raises(StepError, match="the normalisation of wjets floats, but no region"):
        check_floating([signal, other, control], ["wjets"])
    both = [replace(region, floating=("ttbar", "wjets")) for region in (signal, control)]
    for region in both:
        histogram = region.histograms[""].histogram
        double = replace(histogram, parts=np.concatenate([0.6 * histogram.parts, 0.4 * histogram.parts]))
        region.histograms[""] = replace(region.histograms[""], histogram=double)  # type: ignore[index]
    with pytest.raises(StepError, match="the normalisations of ttbar and wjets cannot both float"):
        check_floating([*both, other], ["ttbar", "wjets"])
    with pytest.raises(StepError, match="measure 2 numbers, and 2 normalisations float"):
        check_floating([signal, replace(control, floating=("wjets",))], ["ttbar", "wjets"])
