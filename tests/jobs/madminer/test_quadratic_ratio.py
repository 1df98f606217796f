"""The ratio that is quadratic in the parameters, with a known network."""

from typing import Any

import numpy as np
import pytest
import torch
from mmc.errors import StepError
from mmc.jobs.madminer.estimators import new_estimator

REFERENCE = [0.2, -0.1]
POINTS = np.array([[0.7, 0.5], [-1.0, 0.3], REFERENCE])


@pytest.fixture
def estimator() -> Any:
    torch.manual_seed(1)
    made = new_estimator("quadratic_morphing_aware_ratio", n_hidden=(5,))
    made.n_observables, made.n_parameters, made.reference = 3, 2, REFERENCE
    made._create_model()
    return made


def inputs() -> tuple[Any, Any]:
    """Every point with every event: θ (points * events, 2) and x (events, 3)."""
    x = torch.randn(7, 3, generator=torch.Generator().manual_seed(2))
    return torch.tensor(POINTS, dtype=torch.float32).repeat_interleave(len(x), dim=0), x


def test_the_ratio_is_the_form_of_the_networks_outputs(estimator: Any) -> None:
    theta, x = inputs()
    model = estimator.model
    with torch.no_grad():
        outputs = model.network(x).numpy()
        found = model.log_ratios(torch.tensor(POINTS), x).numpy()
        one_by_one = model(theta, x.repeat(len(POINTS), 1), track_score=False)

    def form(row: Any, delta: Any) -> float:
        a, upper = row[:2], np.array([[row[2], row[3]], [0.0, row[4]]])
        vector = np.array([1.0, *delta])
        matrix = np.block([[np.ones((1, 1)), a[np.newaxis]], [a[:, np.newaxis], np.outer(a, a) + upper.T @ upper]])
        assert np.linalg.eigvalsh(matrix).min() > -1e-6
        return float(vector @ matrix @ vector)

    constants = np.full(5, 0.1)
    expected = [[form(row, p - REFERENCE) / form(constants, p - REFERENCE) for row in outputs] for p in POINTS]
    assert np.exp(found) == pytest.approx(np.array(expected), rel=1e-5)
    assert found[-1] == pytest.approx(0.0, abs=1e-7)
    assert np.std(found[0]) > 0.01
    assert one_by_one[1].numpy().reshape(found.shape) == pytest.approx(found, abs=1e-5)
    assert one_by_one[0].numpy() == pytest.approx(1.0 / (1.0 + np.exp(one_by_one[1].numpy())), abs=1e-6)
    assert one_by_one[2] is None


def test_the_score_is_the_gradient_of_the_logarithm(estimator: Any) -> None:
    theta, x = inputs()
    theta.requires_grad = True
    _, log_r, score = estimator.model(theta, x.repeat(len(POINTS), 1))
    (gradient,) = torch.autograd.grad(log_r.sum(), theta)
    assert score.detach().numpy() == pytest.approx(gradient.numpy(), abs=1e-5)


@pytest.mark.parametrize(
    ("components", "powers"),
    [([[0, 0], [1, 0], [0, 1], [2, 0]], r"\[2, 1\], with a sum of 2"), ([[0, 0], [2, 2]], "with a sum of 4")],
)
def test_weights_with_other_powers_are_refused(estimator: Any, components: Any, powers: str) -> None:
    estimator.components = np.array(components)
    with pytest.raises(StepError, match=rf"not quadratic.*{powers}; use the estimator morphing_aware_ratio"):
        estimator._create_model()


def test_a_saved_estimator_has_its_denominator(estimator: Any, tmp_path: Any) -> None:
    estimator.initialize_input_transform(np.zeros((1, 3)), False)
    estimator.initialize_parameter_transform(np.zeros((1, 2)), False)
    estimator.save(str(tmp_path / "model"))
    again = new_estimator("quadratic_morphing_aware_ratio")
    again.load(str(tmp_path / "model"))
    x = inputs()[1]
    with torch.no_grad():
        found, saved = (each.model.float().log_ratios(torch.tensor(POINTS), x).numpy() for each in (again, estimator))
    assert again.reference == REFERENCE and (found == saved).all()
