import numpy as np
import pytest
from mmc.jobs.statistics.limits import Grid, Limits
from mmc.jobs.statistics.projections import each_intervals, profile, projections, slice_through
from scipy.stats import chi2

INFORMATION = np.array([[4.0, 1.5, 0.3], [1.5, 3.0, -0.4], [0.3, -0.4, 2.0]])
NAMES = ["a", "b", "c"]


def gaussian(points: int = 41) -> Limits:
    """-½ θ I θ on a grid of three parameters."""
    grid = Grid({name: np.linspace(-4.0, 4.0, points) for name in NAMES}, (0.0, 0.0, 0.0))
    values = -0.5 * np.einsum("ni,ij,nj->n", grid.points, INFORMATION, grid.points)
    return Limits(grid, np.append(values, 0.0) + 3.0)


def test_intervals_of_a_gaussian_likelihood() -> None:
    """Profiled errors follow from the inverse information, errors with fixed parameters from the information itself."""
    summary = gaussian().summary([0.68, 0.95])
    covariance = np.linalg.inv(INFORMATION)
    for k, name in enumerate(NAMES):
        for level in ("0.68", "0.95"):
            width = np.sqrt(chi2.ppf(float(level), 1))
            ((low, high),) = summary["intervals"][name][level]
            assert -low == pytest.approx(high)
            assert high == pytest.approx(width * covariance[k, k] ** 0.5)
            assert summary["slices"]["intervals"][name][level][0] == pytest.approx(
                [-width * INFORMATION[k, k] ** -0.5, width * INFORMATION[k, k] ** -0.5]
            )
    assert summary["slices"]["at"] == {"a": 0.0, "b": 0.0, "c": 0.0}


def test_arrays_are_profiles_and_slices_of_single_parameters_and_pairs() -> None:
    limits = gaussian(9)
    arrays, ratio = limits.arrays(), limits.on_grid
    assert {name for name in arrays if name.startswith("profile_")} == {
        *(f"profile_{name}" for name in NAMES),
        *("profile_a-b", "profile_a-c", "profile_b-c"),
    }
    covariance, axis = np.linalg.inv(INFORMATION), limits.grid.axes["a"]
    # profiles are those of all values, not only of the points of the grid
    assert arrays["profile_b"] == pytest.approx(-0.5 * axis**2 / covariance[1, 1], abs=1e-9)
    pair = np.linalg.inv(covariance[np.ix_([0, 2], [0, 2])])
    for i in range(9):
        for k in range(9):
            place = np.array([axis[i], axis[k]])
            assert arrays["profile_a-c"][i, k] == pytest.approx(-0.5 * place @ pair @ place, abs=1e-9)
            assert arrays["slice_a-c"][i, k] == ratio[i, 4, k]
    assert set(projections(["a", "b"], np.zeros((2, 3)), (0, 0))) == {"profile_a", "profile_b", "slice_a", "slice_b"}
    assert projections(["a"], np.zeros(2), (0,)) == {}


def test_slices_go_through_the_point_next_to_the_true_one_and_have_their_own_best_fit() -> None:
    grid = Grid({"a": np.linspace(0.0, 1.0, 5), "b": np.linspace(0.0, 1.0, 3)}, (0.3, 0.9))
    assert grid.slice_point == (1, 2)
    assert Grid(grid.axes).slice_point == (2, 1)
    ratio = -np.arange(15.0).reshape(5, 3)
    assert slice_through(ratio, [0], grid.slice_point).tolist() == [0.0, -3.0, -6.0, -9.0, -12.0]
    assert profile(ratio, [0]).tolist() == [0.0, -3.0, -6.0, -9.0, -12.0]
    assert slice_through(np.full((2, 2), -np.inf), [0], (0, 0)).tolist() == [-np.inf, -np.inf]


def test_two_intervals_an_open_one_and_none() -> None:
    axis = np.linspace(0.0, 6.0, 7)
    q = np.array([0.0, 4.0, 16.0, 4.0, 0.0, 4.0, np.inf])
    curves = np.array([-0.5 * q, np.zeros(7), np.full(7, -50.0)])
    found = [each["a"] for each in each_intervals({"a": axis}, [curves], [0.68, 0.99])]
    (first, second) = found[0]["0.68"]
    assert first == pytest.approx([0.0, 0.5 * chi2.ppf(0.68, 1) ** 0.5])
    assert second == pytest.approx([4.0 - first[1], 4.0 + first[1]])
    assert found[0]["0.99"][-1][1] == 5.0  # the next point is excluded altogether
    assert [each["0.68"] for each in found[1:]] == [[[0.0, 6.0]], []]
