from pathlib import Path

import numpy as np
import pytest
from mmc.jobs.madminer import event_rows
from mmc.jobs.madminer import sampler as sampler_module
from mmc.jobs.madminer.event_file import EventFile
from mmc.jobs.madminer.sampler import make_sampler


@pytest.mark.parametrize("closest", [True, False])
def test_samples_are_those_of_madminer(toy_events: Path, closest: bool) -> None:
    from madminer.sampling import SampleAugmenter, benchmark, morphing_points

    path = toy_events / "events.h5"
    options = {"sample_only_from_closest_benchmark": closest, "test_split": 0.3, "validation_split": 0.1}
    drawn = []
    for sampler in (SampleAugmenter(str(path), include_nuisance_parameters=False), make_sampler(path, balanced=False)):
        np.random.seed(3)
        theta0 = morphing_points(np.array([[0.5, 0.1], [-0.4, 0.9]]))
        drawn.append(sampler.sample_train_ratio(theta0=theta0, theta1=benchmark("sm"), n_samples=400, **options))
        drawn[-1] += sampler.sample_train_local(theta=benchmark("b1"), n_samples=300, partition="validation", **options)
    for stock, cached in zip(*drawn, strict=True):
        assert cached == pytest.approx(stock, rel=1e-6, abs=1e-6)


def test_samples_at_random_nuisance_parameters_are_those_of_madminer(uncertain: Path) -> None:
    """With the scores of both points, where the weights of events change with the nuisance parameters."""
    from madminer.sampling import SampleAugmenter, benchmark, iid_nuisance_parameters, random_morphing_points

    path, nu = uncertain / "events.h5", iid_nuisance_parameters()
    options = {"test_split": 0.3, "validation_split": 0.1, "n_processes": 1}
    drawn = []
    for sampler in (SampleAugmenter(str(path)), make_sampler(path)):
        np.random.seed(3)
        prior = random_morphing_points(20, [("flat", -1.0, 1.0)] * 2)
        ratio = sampler.sample_train_ratio(
            theta0=prior, theta1=benchmark("sm"), nu0=nu, n_samples=400, nuisance_score=True, **options
        )
        both = sampler.sample_train_more_ratios(
            theta0=prior, theta1=prior, nu0=nu, nu1=nu, n_samples=400, nuisance_score=True, **options
        )
        local = sampler.sample_train_local(theta=prior, nu=nu, n_samples=400, nuisance_score=True, **options)
        drawn.append((*ratio, *both, *local))
    points0, points1 = drawn[1][1:3]
    assert points0.shape == (400, 4) and np.ptp(points0[:, 2:]) > 1.0
    assert not points1[:, 2:].any()
    for stock, cached in zip(*drawn, strict=True):
        assert cached == pytest.approx(stock, rel=1e-5, abs=1e-5)


def test_events_of_all_benchmarks_are_combined_as_in_limits(toy_events: Path) -> None:
    """With the balance heuristic, fewer events carry much of the cross section."""
    from madminer.sampling import morphing_points

    path, point = toy_events / "events.h5", np.array([0.9, -0.9])
    where = {"partition": "train", "test_split": 0.2, "validation_split": 0.2, "generated_close_to": None}
    file, sizes = EventFile(path, 0.2, 0.2), []
    events = file.balanced("train")
    for balanced in (False, True):
        sampler = make_sampler(path, balanced=balanced)
        (total,), _ = sampler.xsecs([point], [None], **where)
        np.random.seed(3)
        x, _, effective = sampler.sample_train_plain(
            theta=morphing_points([point]),
            n_samples=20_000,
            test_split=0.2,
            validation_split=0.2,
            sample_only_from_closest_benchmark=False,
        )
        sizes.append(float(np.min(effective)))
        weights = events.weights @ file.coefficients(point[np.newaxis])[0]
        assert total == pytest.approx(weights.sum(), rel=1e-9 if balanced else 0.05)
        assert x[:, 0].mean() == pytest.approx(weights @ events.x[:, 0] / weights.sum(), abs=0.1)
    assert sizes[1] > 1.2 * sizes[0]


def test_bootstrap_samples_leave_events_out(toy_events: Path) -> None:
    """With Poisson numbers of mean 1, a part 1/e of the events counts as often as never; the next draw has others."""
    from madminer.sampling import benchmark

    options = {"test_split": 0.2, "validation_split": 0.2, "sample_only_from_closest_benchmark": False}
    drawn = []
    for resamples in (False, True, True):
        np.random.seed(len(drawn))
        sampler = make_sampler(toy_events / "events.h5")
        sampler.resamples = resamples
        x, *_ = sampler.sample_train_plain(theta=benchmark("sm"), n_samples=200_000, **options)
        drawn.append({*x[:, 2]})
    whole, *resampled = drawn
    for events in resampled:
        assert events < whole
        assert 1.0 - len(events) / len(whole) == pytest.approx(np.exp(-1.0), abs=0.03)
    assert len(resampled[0] & resampled[1]) / len(whole) == pytest.approx((1.0 - np.exp(-1.0)) ** 2, abs=0.03)


@pytest.mark.parametrize("resamples", [False, True])
def test_samples_of_a_file_that_is_read_in_blocks(
    uncertain: Path, resamples: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The same, whether memory holds all events or some hundred."""
    from madminer.sampling import benchmark, morphing_points

    path, drawn = uncertain / "events.h5", []
    where = {"partition": "train", "test_split": 0.3, "validation_split": 0.1}
    for n_bytes in (1 << 29, 20_000):
        monkeypatch.setattr(sampler_module, "MOST", n_bytes)
        monkeypatch.setattr(event_rows, "BLOCK", n_bytes)
        sampler = make_sampler(path)
        sampler.resamples = resamples
        np.random.seed(3)
        points = np.array([[0.5, 0.1], [-0.4, 0.9]])
        ratio = sampler.sample_train_ratio(
            theta0=morphing_points(points), theta1=benchmark("sm"), n_samples=400, nuisance_score=True, **where
        )
        options = {"sample_only_from_closest_benchmark": True, "n_processes": 1}
        drawn.append((*ratio, *sampler.sample_train_weights(points, 400, **options, **where)))
    for whole, in_blocks in zip(*drawn, strict=True):
        assert in_blocks == pytest.approx(whole, rel=1e-6, abs=1e-6)


def test_each_partition_is_read_once_if_memory_holds_one(toy_events: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """8,000 events of ten numbers: 4,800 train, 1,600 validate, and memory holds 5,000."""
    from madminer.sampling import benchmark, morphing_points

    monkeypatch.setattr(sampler_module, "MOST", 5000 * 10 * 8)
    read: list[int] = []
    shares = sampler_module.balance_shares
    monkeypatch.setattr(
        sampler_module, "balance_shares", lambda weights, *more: read.append(len(weights)) or shares(weights, *more)
    )
    sampler = make_sampler(toy_events / "events.h5")
    for partition in ("train", "validation"):
        sampler.sample_train_ratio(
            theta0=morphing_points(np.array([[0.5, 0.1], [-0.4, 0.9]])),
            theta1=benchmark("sm"),
            n_samples=40,
            partition=partition,
            test_split=0.2,
            validation_split=0.2,
            sample_only_from_closest_benchmark=False,
        )
    train, validation = read
    assert train + validation == pytest.approx(6400, abs=20)
