"""Four coefficients of SMEFTsim in W H production."""

import numpy as np
import pytest
from mmc.errors import StepError
from mmc.jobs.matrix_elements import Allowed, MatrixElement, Model, Part
from mmc.jobs.matrix_elements.morphing import TOLERANCE, random_point

from tests.jobs.matrix_elements import ufo_models
from tests.jobs.matrix_elements.test_element import with_higgs

pytest.importorskip("ufoamp", reason="needs mmc[ufo]")

COEFFICIENTS = {"cHW": "smeft 7", "cHj3": "smeft 28", "cHbox": "smeft 4", "cHDD": "smeft 5"}


@pytest.fixture(scope="module")
def model() -> Model:
    return Model.load(ufo_models.installed("SMEFTsim_topU3l_MwScheme_UFO"), restriction="SMlimit_massless")


def test_weights_are_quadratic_with_one_operator_in_each_diagram(model: Model) -> None:
    """With two operators in a diagram they are of fourth order, and the check of morphing sees it."""
    names = {
        parameter.name: f"{parameter.lhablock.lower()} {parameter.lhacode[0]}"
        for parameter in model.ufo.parameters
        if parameter.name in COEFFICIENTS
    }
    assert names == COEFFICIENTS
    random = np.random.default_rng(1).uniform(-1.0, 1.0, (15, 4))
    basis = {str(at): dict(zip(names.values(), point, strict=True)) for at, point in enumerate(random.tolist())}
    morphed = random_point(basis, dict.fromkeys(names.values(), 2), 2, seed=3)
    assert morphed is not None
    momenta = with_higgs(50, model.mass(25))
    found = []
    for orders in ({"QCD": 0, "NP": 1}, {"QCD": 0}):
        element = MatrixElement(model, [2, -1], [25, -13, 14], Allowed(Part(orders)))
        at_basis = {name: element.squared(momenta, point) for name, point in basis.items()}
        found.append(morphed.disagreement(at_basis, element.squared(momenta, morphed.values)))
    assert found[0] < 1e-6 * TOLERANCE
    assert found[1] > 100 * TOLERANCE


def test_its_own_propagators_are_refused_where_they_are_switched_on(model: Model) -> None:
    element = MatrixElement(model, [2, -1], [25, -13, 14], Allowed(Part({"QCD": 0, "NP": 1})))
    with pytest.raises(StepError, match=r"the model defines a propagator for .*, which is not supported"):
        element.squared(with_higgs(2, model.mass(25)), {"switches 1": 1.0, "smeft 7": 1.0})
