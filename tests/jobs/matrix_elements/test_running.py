"""The strong coupling of each event."""

from pathlib import Path

import numpy as np
import pytest
from mmc.jobs.matrix_elements import MatrixElement, Model, running

from tests.jobs.matrix_elements import ufo_models

pytest.importorskip("ufoamp", reason="needs mmc[ufo]")


@pytest.fixture(scope="module")
def element(tmp_path_factory: pytest.TempPathFactory) -> MatrixElement:
    """h h > h h, with one diagram that has the strong coupling and one that does not."""
    parameters = ufo_models.FILES["parameters"] + (
        '    aS = Parameter(name="aS", nature="external", type="real", value=0.1, lhablock="SMINPUTS", lhacode=[3])\n'
    )
    couplings = ufo_models.FILES["couplings"].replace("-0.7*complex", "-7*aS*complex")
    folder = tmp_path_factory.mktemp("ufo") / "strong"
    model = Model.load(ufo_models.write(folder, parameters=parameters, couplings=couplings), values={"new all": 0.0})
    return MatrixElement(model, [25, 25], [25, 25])


def test_each_event_has_its_own(element: MatrixElement) -> None:
    couplings = np.linspace(0.08, 0.2, 9)
    found = running.squared(element, np.ones((9, 4, 4)), couplings, {"new 3": 0.4})
    np.testing.assert_allclose(found, (0.8 - 7 * couplings) ** 2, rtol=1e-9, atol=1e-9)
    same = running.squared(element, np.ones((2, 4, 4)), np.array([0.2, 0.2]), {"new 3": 0.4})
    np.testing.assert_allclose(same, 0.6**2)


def test_a_common_power_cancels(element: MatrixElement) -> None:
    momenta = np.ones((2, 4, 4))
    assert running.follows_coupling(element, momenta, [{"new 3": 0.0}, {"new 3": 1.0}])
    assert not running.follows_coupling(element, momenta, [{"new 3": 0.0}, {"new 3": 0.0, "mass 25": 130.0}])
    assert not running.follows_coupling(element, momenta, [{"sminputs 3": 0.1}, {"sminputs 3": 0.2}])


def test_a_model_without_it(tmp_path: Path) -> None:
    model = Model.load(ufo_models.write(tmp_path / "small"), values={"new all": 0.0})
    element = MatrixElement(model, [25, 25], [25, 25])
    assert not running.follows_coupling(element, np.ones((2, 4, 4)), [{"new 3": 0.0}, {"new 3": 1.0}])
