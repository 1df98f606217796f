from pathlib import Path

import numpy as np
import pytest
from mmc.errors import StepError
from mmc.steps.events import EventFile

from tests.steps.toy_events import cross_section, squared_amplitude, write_events


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
    file = EventFile(toy_events / "events.h5", 0.2, 0.2)
    points = np.array([[0.0, 0.0], [0.3, -0.7], [1.0, 1.0]])
    for near in (None, np.zeros(2)):
        for name in ("train", "validation", "test", "rest"):
            found = file.coefficients(points) @ file.part(name, near).weights.sum(axis=0)
            assert found == pytest.approx([cross_section(point) for point in points], rel=0.15)


def test_joint_scores_are_those_of_the_model(tmp_path: Path) -> None:
    file = EventFile(write_events(tmp_path / "events", 2, 4000, smearing=0.0) / "events.h5", 0.2, 0.2)
    events, point = file.part("train"), np.array([0.4, -0.2])
    step = np.array([0.0, 1e-5])
    above, below = (np.log(squared_amplitude(events.x, point + sign * step)) for sign in (1, -1))
    found = file.joint_scores(events, point)[:, 1]
    assert np.std(found - (above - below) / 2e-5) < 1e-4 * np.std(found)


def test_coefficients_at_a_benchmark_pick_its_weight(toy_events: Path) -> None:
    file = EventFile(toy_events / "events.h5", 0.2, 0.2)
    row = file.coefficients(file.point({"benchmark": "b2"})[np.newaxis])[0]
    assert row == pytest.approx([0, 0, 1, 0, 0, 0], abs=1e-9)
    assert file.point({"benchmark": "b2"}) == pytest.approx(file.point({"point": {"c2": 0.0, "c1": -1.0}}))


def test_events_near_a_point_come_from_the_closest_benchmark(toy_events: Path) -> None:
    file = EventFile(toy_events / "events.h5", 0.2, 0.2)
    assert file.closest_benchmark(np.array([0.9, 0.1])) == 1
    assert len(file.part("test", np.array([0.9, 0.1])).x) < 0.2 * len(file.part("test").x)


def test_a_file_too_small_for_a_partition(tmp_path: Path) -> None:
    file = EventFile(write_events(tmp_path / "events", 1, 4) / "events.h5", 0.2, 0.2)
    with pytest.raises(StepError, match="too few for a test partition"):
        file.part("test")
