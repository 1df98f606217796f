"""Networks as torch modules that need neither MadMiner nor mmc."""

from pathlib import Path

import numpy as np
import pytest
import torch
from mmc.jobs.learning.estimators import Network
from mmc.jobs.tracking.network import portable

from tests.jobs.learning_jobs import Learning


def test_a_polynomial_gives_the_density_in_physical_units(tmp_path: Path, toy_events: Path) -> None:
    learning = Learning(tmp_path, toy_events)
    model = learning.train("derivatives", learning.sample("derivatives", samples=300), n_epochs=1)
    found = portable(model, "derivatives")
    assert found is not None
    module, example = found
    random = np.random.default_rng(1)
    theta, x = (random.normal(size=(20, example[name].shape[1])) for name in ("theta", "x"))
    density = module(torch.from_numpy(theta), torch.from_numpy(x)).detach().numpy()
    assert density == pytest.approx(np.diag(Network(model).density(theta, x)), rel=1e-5)
    assert density.std() > 0.01
