"""The spot check of frames accepts models that are right and refuses one that is not."""

from pathlib import Path

import numpy as np
import pytest
from mmc.errors import StepError
from mmc.jobs.matrix_elements import MatrixElement, Model
from mmc.jobs.matrix_elements.invariance import check_frames, collisions

from tests.jobs.matrix_elements import ufo_models

pytest.importorskip("ufoamp", reason="needs mmc[ufo]")


def test_momenta() -> None:
    masses = [5.0, 0.0, 125.0, 80.0, 0.0]
    momenta = collisions(masses, 4)
    squares = momenta[..., 0] ** 2 - (momenta[..., 1:] ** 2).sum(axis=2)
    np.testing.assert_allclose(squares, [np.square(masses)] * 4, atol=1e-6)
    np.testing.assert_allclose(momenta[:, :2].sum(axis=1), momenta[:, 2:].sum(axis=1), atol=1e-9)


@pytest.mark.parametrize(
    ("incoming", "outgoing"),
    [([11, -11], [22, 22]), ([22, 22], [24, -24]), ([2, 1], [25, 2, 1]), ([2, -1], [24, 22]), ([25], [5, -5])],
)
def test_the_standard_model(incoming: list[int], outgoing: list[int]) -> None:
    check_frames(MatrixElement(Model.load("ufo_sm"), incoming, outgoing), {})


def test_a_model_without_gauge_invariance(tmp_path: Path) -> None:
    """Its massless boson couples to a current that is not conserved."""
    particles = ufo_models.FILES["particles"].replace("Param.MV", "Param.ZERO")
    lorentz = ufo_models.FILES["lorentz"].replace('structure="Metric(1,2)"', 'structure="P(1,3)*P(2,3)"')
    folder = ufo_models.write(tmp_path / "broken", particles=particles, lorentz=lorentz)
    model = Model.load(folder, values={"new all": 0.0, "new 1": 1.0})
    with pytest.raises(StepError, match=r"q q~ > h v: \|M\|² differs by .* between frames"):
        check_frames(MatrixElement(model, [1, -1], [25, 23]), {})
