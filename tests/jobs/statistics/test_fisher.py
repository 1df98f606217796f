from pathlib import Path

import numpy as np
import pytest
from mmc.jobs.madminer.event_file import EventFile, Events
from mmc.jobs.statistics.fisher import (
    Information,
    binned_information,
    full_information,
    of_each_sample,
    score_of,
    truth_information,
)
from mmc.jobs.statistics.histograms import Binning, Template

EDGES = np.array([-1.0, -0.3, 0.2, 0.9])


@pytest.mark.parametrize("point", [np.zeros(2), np.array([0.4, -0.7])])
def test_matrices_are_those_of_madminer(toy_events: Path, point: np.ndarray) -> None:
    from madminer.fisherinformation import FisherInformation

    stock = FisherInformation(str(toy_events / "events.h5"), include_nuisance_parameters=False)
    file = EventFile(toy_events / "events.h5", 0.2, 0.2, balanced=False)
    events = file.part("all")
    where = (file.coefficients(point[np.newaxis])[0], file.gradients(point), 5000.0)
    one, bins = (np.zeros(len(events.x), dtype=np.intp), 1), (Binning((EDGES,)).index(events.x[:, :1]), 5)
    rate, histogram = (binned_information(Template.of(index, events, n), *where)[0] for index, n in (one, bins))
    assert truth_information(events, *where)[0] == pytest.approx(stock.truth_information(point, 5000.0)[0])
    assert rate == pytest.approx(stock.rate_information(point, 5000.0)[0])
    assert histogram == pytest.approx(stock.histo_information(point, 5000.0, "x1", EDGES)[0])


def test_negative_weights_cancel_positive_ones() -> None:
    """Each event as two, with 3/2 and -1/2 of its weight, has the same information."""
    random = np.random.default_rng(8)
    row, gradients = np.array([1.0, 0.0, 0.0]), np.array([[0.2, 1.0, 0.0], [0.0, 0.3, -1.0]])
    x = random.normal(size=(500, 1))
    weights = np.stack([1.0 + 0 * x[:, 0], 0.4 * x[:, 0], 0.3 * x[:, 0] ** 2], axis=1)
    whole = truth_information(Events(x, weights), row, gradients, 1.0)
    split = Events(np.concatenate([x, x]), np.concatenate([1.5 * weights, -0.5 * weights]))
    halves = truth_information(split, row, gradients, 1.0)
    assert halves.matrix == pytest.approx(whole.matrix)
    assert np.einsum("ijij->ij", halves.covariance) == pytest.approx(2.5 * np.einsum("ijij->ij", whole.covariance))


def test_profiled_information_does_not_depend_on_units() -> None:
    root = np.random.default_rng(3).normal(size=(3, 3))
    matrix, unit = root @ root.T + np.eye(3), np.array([1e-12, 1.0, 1e5])
    natural = Information(matrix, np.zeros((3, 3, 3, 3)))
    other = Information(matrix / np.outer(unit, unit), np.zeros((3, 3, 3, 3)))
    for k in range(3):
        assert other.profiled([k]).matrix[0, 0] * unit[k] ** 2 == pytest.approx(natural.profiled([k]).matrix[0, 0])


def test_errors_are_those_of_fixed_numbers_of_events_and_of_integrations() -> None:
    """Of two samples, of which a part passes, against repeated simulations: the truth, and bins."""
    random, generated, errors = np.random.default_rng(9), np.array([500, 300]), np.array([0.03, 0.05])
    row, gradients, labels = np.array([1.0, 0.0]), np.array([[0.3, 1.0]]), np.repeat([0, 1], generated)
    matrices, variances = [], []
    for _ in range(1500):
        x = random.normal(np.where(labels == 0, 0.2, -0.5))
        passed = x > -0.6
        size = ((1.0 + errors * random.standard_normal(2)) * [2.0, 1.0] / generated)[labels]
        events = Events(x[passed, np.newaxis], np.stack([size, size * (0.4 + 0.3 * x)], axis=1)[passed])
        index, own = Binning((EDGES,)).index(events.x), labels[passed]
        each = np.stack(
            [
                Template.of(index[own == k], Events(events.x[own == k], events.weights[own == k]), 5).sums
                for k in range(2)
            ],
            axis=1,
        )
        common, where = errors**2 - 1.0 / generated, (row, gradients, 10.0)
        found = (
            truth_information(events, *where).with_samples(of_each_sample(events, own, 2, where), common),
            binned_information(Template.of(index, events, 5), *where, of_samples=each, common=common),
            full_information(
                events.x, events.weights @ row, events.weights @ gradients.T, 10.0, labels=own, common=common
            ),
        )
        matrices.append([information.matrix.item() for information in found])
        variances.append([information.covariance.item() for information in found])
    np.testing.assert_allclose(np.mean(variances, axis=0), np.var(matrices, axis=0), rtol=0.12)


def test_covariances_are_those_of_many_samples() -> None:
    random = np.random.default_rng(6)
    row, gradients = np.array([1.0, 0.0, 0.0]), np.array([[0.2, 1.0, 0.0], [0.0, 0.3, -1.0]])
    found: list[list[np.ndarray]] = [[], [], [], []]
    for _ in range(2000):
        x = random.normal(size=(random.poisson(400), 1))
        events = Events(x, np.stack([1.0 + 0 * x[:, 0], 0.4 * x[:, 0], 0.3 * x[:, 0] ** 2], axis=1))
        template = Template.of(Binning((EDGES,)).index(x), events, 5)
        results = (truth_information(events, row, gradients, 1.0), binned_information(template, row, gradients, 1.0))
        for k, values in enumerate(sum(results, ())):
            found[k].append(values)
    for matrices, covariances in (found[:2], found[2:]):
        deviations = np.array(matrices) - np.mean(matrices, axis=0)
        scatter = np.einsum("nij,nkl->ijkl", deviations, deviations) / len(deviations)
        largest = np.abs(scatter).max()
        assert np.mean(covariances, axis=0) == pytest.approx(scatter, abs=0.1 * largest)


def test_the_covariance_of_the_full_information_is_that_of_many_samples() -> None:
    random = np.random.default_rng(7)
    row, gradients = np.array([1.0, 0.0, 0.0]), np.array([[0.2, 1.0, 0.0], [0.0, 0.3, -1.0]])
    matrices, covariances = [], []
    for _ in range(2000):
        x = random.normal(size=(random.poisson(400), 2))
        events = Events(x, np.stack([1.0 + 0 * x[:, 0], 0.4 * x[:, 0], 0.3 * x[:, 0] ** 2], axis=1))
        information = full_information(x + 0.3, events.weights @ row, events.weights @ gradients.T, 2.0)
        matrices.append(information.matrix)
        covariances.append(information.covariance)
    deviations = np.array(matrices) - np.mean(matrices, axis=0)
    scatter = np.einsum("nij,nkl->ijkl", deviations, deviations) / len(deviations)
    assert np.mean(covariances, axis=0) == pytest.approx(scatter, abs=0.1 * np.abs(scatter).max())


def test_profiled_information_and_its_error_are_those_of_madminer() -> None:
    from madminer.fisherinformation import profile_information

    root = np.random.default_rng(3).normal(size=(3, 3))
    matrix = root @ root.T + np.eye(3)
    entries = np.random.default_rng(4).normal(size=(20, 3, 3))
    entries = 0.02 * (entries + entries.transpose(0, 2, 1))
    information = Information(matrix, np.einsum("nij,nkl->ijkl", entries, entries))
    pair = information.profiled([0, 2])
    np.random.seed(5)  # MadMiner propagates errors by a Monte Carlo
    stock, covariance = profile_information(matrix, [0, 2], information.covariance, 20_000, 0.01)
    assert pair.matrix == pytest.approx(stock)
    assert pair.covariance == pytest.approx(covariance, abs=0.05 * np.abs(covariance).max())
    figures = information.figures(["a", "b", "c"])
    assert figures["pairs"]["a-c"]["matrix"] == pair.matrix.tolist()
    assert set(figures["pairs"]) == {"a-b", "a-c", "b-c"}
    inverse = np.linalg.inv(matrix)
    for k, name in enumerate("abc"):
        assert figures["errors"][name]["fixed"] == pytest.approx(matrix[k, k] ** -0.5)
        assert figures["errors"][name]["profiled"] == pytest.approx(inverse[k, k] ** 0.5)
    assert set(information.arrays("full", ["a", "b"])) == {"full", "full_covariance"}


def test_what_the_data_do_not_say_has_no_error() -> None:
    """The rate has information on a single combination of the parameters."""
    slope = np.array([1.0, 2.0, 0.0])
    figures = Information(np.outer(slope, slope), np.zeros((3, 3, 3, 3))).figures(["a", "b", "c"])
    assert figures["errors"]["b"] == {"fixed": 0.5, "profiled": None}
    assert figures["errors"]["c"] == {"fixed": None, "profiled": None}
    assert figures["pairs"]["a-c"]["matrix"] == [[pytest.approx(0.0, abs=1e-12), 0.0], [0.0, 0.0]]


def test_a_score_is_the_derivative_of_a_log_ratio() -> None:
    x = np.random.default_rng(1).normal(size=(50, 2))

    def log_ratio(points: np.ndarray, x: np.ndarray) -> np.ndarray:
        return np.sin(points @ x.T)

    point = np.array([0.3, -0.2])
    exact = np.cos(x @ point)[:, np.newaxis] * x
    assert score_of(log_ratio, point, np.array([1e-3, 2e-3]), x) == pytest.approx(exact, abs=1e-4)


def test_events_and_bins_that_cannot_occur_carry_no_information() -> None:
    events = Events(np.zeros((2, 1)), np.array([[1.0, 0.5], [0.0, 0.7]]))
    row, gradients = np.array([1.0, 0.0]), np.array([[0.0, 1.0]])
    template = Template.of(np.array([0, 2]), events, 4)
    assert truth_information(events, row, gradients, 2.0)[0] == pytest.approx(np.array([[0.5]]))
    assert binned_information(template, row, gradients, 2.0)[0] == pytest.approx(np.array([[0.5]]))


def test_errors_of_eigenvalues_are_the_spread_of_matrices_with_these_entries() -> None:
    random, names = np.random.default_rng(8), ["c1", "c2"]
    matrix, root = np.array([[5.0, 1.0], [1.0, 2.0]]), 0.05 * random.normal(size=(6, 2, 2))
    root = root + root.transpose(0, 2, 1)
    changes = np.einsum("sk,kij->sij", random.normal(size=(20_000, 6)), root)
    found = Information(matrix, np.einsum("kij,klm->ijlm", root, root)).figures(names)["eigenvectors"]
    spread = np.linalg.eigvalsh(matrix + changes).std(axis=0)[::-1]
    np.testing.assert_allclose([entry["standard_error"] for entry in found], spread, rtol=0.03)
    np.testing.assert_allclose([entry["information"] for entry in found], np.linalg.eigvalsh(matrix)[::-1])
