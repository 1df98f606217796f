from pathlib import Path

import numpy as np
import pytest
from mmc.steps.events import EventFile, Events
from mmc.steps.fisher import binned_information, truth_information
from mmc.steps.histograms import Binning, Template

EDGES = np.array([-1.0, -0.3, 0.2, 0.9])


@pytest.mark.parametrize("point", [np.zeros(2), np.array([0.4, -0.7])])
def test_matrices_are_those_of_madminer(toy_events: Path, point: np.ndarray) -> None:
    from madminer.fisherinformation import FisherInformation

    stock = FisherInformation(str(toy_events / "events.h5"), include_nuisance_parameters=False)
    file = EventFile(toy_events / "events.h5", 0.2, 0.2)
    events = file.part("all")
    where = (file.coefficients(point[np.newaxis])[0], file.gradients(point), 5000.0)
    one, bins = (np.zeros(len(events.x), dtype=np.intp), 1), (Binning((EDGES,)).index(events.x[:, :1]), 5)
    rate, histogram = (binned_information(Template.of(index, events, n), *where)[0] for index, n in (one, bins))
    assert truth_information(events, *where)[0] == pytest.approx(stock.truth_information(point, 5000.0)[0])
    assert rate == pytest.approx(stock.rate_information(point, 5000.0)[0])
    assert histogram == pytest.approx(stock.histo_information(point, 5000.0, "x1", EDGES)[0])


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


def test_events_and_bins_that_cannot_occur_carry_no_information() -> None:
    events = Events(np.zeros((2, 1)), np.array([[1.0, 0.5], [0.0, 0.7]]))
    row, gradients = np.array([1.0, 0.0]), np.array([[0.0, 1.0]])
    template = Template.of(np.array([0, 2]), events, 4)
    assert truth_information(events, row, gradients, 2.0)[0] == pytest.approx(np.array([[0.5]]))
    assert binned_information(template, row, gradients, 2.0)[0] == pytest.approx(np.array([[0.5]]))
