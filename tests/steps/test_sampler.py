from pathlib import Path

import numpy as np
import pytest
from mmc.steps.sampler import make_sampler


@pytest.mark.parametrize("closest", [True, False])
def test_samples_are_those_of_madminer(toy_events: Path, closest: bool) -> None:
    from madminer.sampling import SampleAugmenter, benchmark, morphing_points

    path = toy_events / "events.h5"
    options = {"sample_only_from_closest_benchmark": closest, "test_split": 0.3, "validation_split": 0.1}
    drawn = []
    for sampler in (SampleAugmenter(str(path), include_nuisance_parameters=False), make_sampler(path)):
        np.random.seed(3)
        theta0 = morphing_points(np.array([[0.5, 0.1], [-0.4, 0.9]]))
        drawn.append(sampler.sample_train_ratio(theta0=theta0, theta1=benchmark("sm"), n_samples=400, **options))
        drawn[-1] += sampler.sample_train_local(theta=benchmark("b1"), n_samples=300, partition="validation", **options)
    for stock, cached in zip(*drawn, strict=True):
        assert cached == pytest.approx(stock, rel=1e-6, abs=1e-6)
