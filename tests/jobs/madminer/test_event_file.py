from pathlib import Path

import numpy as np
import pytest
from mmc.compiler.settings.points import AtBenchmark, AtPoint
from mmc.errors import StepError
from mmc.jobs.madminer import event_file
from mmc.jobs.madminer.balance import balance_shares
from mmc.jobs.madminer.event_file import EventFile
from mmc.jobs.statistics.limits import effective_size
from mmc.jobs.statistics.problem import LimitProblem

from tests.jobs.learning_jobs import Learning
from tests.jobs.toy_events import cross_section, squared_amplitude, write_events


def test_every_event_is_in_one_partition(toy_events: Path) -> None:
    file = EventFile(toy_events / "events.h5", 0.3, 0.1)
    train, validation, test = (set(file.part(name).x[:, 2]) for name in ("train", "validation", "test"))
    assert not train & validation and not train & test and not validation & test
    # MadMiner's own bounds leave out one event before each of the later partitions
    assert len(train | validation | test) == file.n_events - 2
    assert set(file.part("rest").x[:, 2]) >= train | validation
    assert not set(file.part("rest").x[:, 2]) & test
    assert len(test) / file.n_events == pytest.approx(0.3, abs=0.01)


def test_weights_of_every_partition_estimate_the_cross_section_anywhere(toy_events: Path) -> None:
    balanced, stock = (EventFile(toy_events / "events.h5", 0.2, 0.2, balanced=value) for value in (True, False))
    points = np.array([[0.0, 0.0], [0.3, -0.7], [1.0, 1.0]])
    for file, near, error in ((balanced, None, 0.05), (stock, None, 0.15), (stock, np.zeros(2), 0.15)):
        for name in ("train", "validation", "test", "rest"):
            found = file.coefficients(points) @ file.part(name, near).weights.sum(axis=0)
            assert found == pytest.approx([cross_section(point) for point in points], rel=error)


def test_balanced_events_are_worth_more_than_those_of_any_benchmark(toy_events: Path) -> None:
    balanced, stock = (EventFile(toy_events / "events.h5", 0.2, 0.2, balanced=value) for value in (True, False))
    for point in np.array([[0.0, 0.0], [0.3, -0.7], [1.0, 1.0], [0.0, -1.0]]):
        row = balanced.coefficients(point[np.newaxis])[0]
        best = effective_size(balanced.part("test", point).probabilities(row))
        for near in (None, point):
            assert best > 1.2 * effective_size(stock.part("test", near).probabilities(row))


def test_balanced_events_have_no_bias_and_the_error_that_they_claim() -> None:
    """Means over many files: a benchmark with few events in the tail, and one with many there."""
    random, found, claimed = np.random.default_rng(3), [], []
    generated = np.array([300, 100])
    for _ in range(1000):
        origin = np.repeat([0, 1], random.poisson(generated))
        z = random.normal(2.0 * origin)
        densities = np.exp(-0.5 * np.square(z[:, np.newaxis] - [0.0, 2.0, 2.5]))
        weights = densities / (densities[range(len(z)), origin] * generated[origin])[:, np.newaxis]
        weights = weights[:, 2] * balance_shares(weights[:, :2], origin)
        found.append(float(weights @ (z > 3.0)))
        claimed.append(float(np.square(weights) @ (z > 3.0)) ** 0.5)
    expected = 0.3085375  # the part of a normal distribution around 2.5 above 3
    assert np.mean(found) == pytest.approx(expected, abs=3.5 * np.std(found) / 1000**0.5)
    assert np.mean(claimed) == pytest.approx(np.std(found), rel=0.1)


def test_backgrounds_keep_their_weights() -> None:
    weights, origin = np.array([[1.0, 1.0], [0.5, 1.0], [0.5, 0.25]]), np.array([-1, 0, 1])
    assert balance_shares(weights, origin) == pytest.approx([1.0, 0.2, 0.5])


def test_joint_scores_are_those_of_the_model(tmp_path: Path) -> None:
    file = EventFile(write_events(tmp_path / "events", 2, 4000, smearing=0.0) / "events.h5", 0.2, 0.2)
    events, point = file.part("train"), np.array([0.4, -0.2])
    step = np.array([0.0, 1e-5])
    above, below = (np.log(squared_amplitude(events.x, point + sign * step)) for sign in (1, -1))
    found = file.joint_scores(events, point)[:, 1]
    assert np.std(found - (above - below) / 2e-5) < 1e-4 * np.std(found)


def test_coefficients_at_a_benchmark_pick_its_weight(toy_events: Path) -> None:
    file = EventFile(toy_events / "events.h5", 0.2, 0.2)
    row = file.coefficients(file.point(AtBenchmark("b2"))[np.newaxis])[0]
    assert row == pytest.approx([0, 0, 1, 0, 0, 0], abs=1e-9)
    assert file.point(AtBenchmark("b2")) == pytest.approx(file.point(AtPoint({"c2": 0.0, "c1": -1.0})))


def test_events_near_a_point_come_from_the_closest_benchmark(toy_events: Path) -> None:
    file = EventFile(toy_events / "events.h5", 0.2, 0.2, balanced=False)
    assert file.closest_benchmark(np.array([0.9, 0.1])) == 1
    assert len(file.part("test", np.array([0.9, 0.1])).x) < 0.2 * len(file.part("test").x)


def test_a_file_too_small_for_a_partition(tmp_path: Path) -> None:
    file = EventFile(write_events(tmp_path / "events", 1, 4) / "events.h5", 0.2, 0.2)
    with pytest.raises(StepError, match=r"are too few events: none is left for the part 'test'$"):
        file.part("test")


def test_events_times_points_are_bounded(toy_events: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of a partition with too many events for a grid the first count, and the limits have their larger error."""
    limits = Learning(tmp_path, toy_events).limits
    path, n_points = toy_events / "events.h5", 81
    whole = LimitProblem.of(EventFile.of(path, limits), limits)
    monkeypatch.setattr(event_file, "FEWEST", 100)
    monkeypatch.setattr(event_file, "PAIRS", 500 * n_points)
    some = LimitProblem.of(EventFile.of(path, limits), limits)
    for partition in ("validation", "test"):
        assert some.file.n_kept(partition) == (500, len(whole.file.part(partition).x))
        kept, every = some.file.part(partition), whole.file.part(partition)
        np.testing.assert_array_equal(kept.x, every.x[:500])
        np.testing.assert_allclose(kept.weights, every.weights[:500] * len(every.x) / 500)
    assert some.n_expected == whole.n_expected, "rates are from all events"
    each = [own.per_simulated(1.0, own.limits(np.zeros(n_points + 1)), rate=False)[-1] for own in (some, whole)]
    assert each[0] / each[1] == pytest.approx(len(whole.file.part("validation").x) / 500, rel=0.1)
    monkeypatch.setattr(event_file, "PAIRS", 1)
    assert EventFile.of(path, limits).n_kept("test")[0] == 100
