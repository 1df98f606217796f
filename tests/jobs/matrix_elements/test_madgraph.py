"""Matrix elements against the weights of events that MadGraph reweighted."""

import re
from pathlib import Path

import h5py
import numpy as np
import pytest
from mmc.jobs.formats.gzipped import reading_text
from mmc.jobs.matrix_elements import Allowed, MatrixElement, Model, Part

from tests.jobs.matrix_elements import ufo_models
from tests.support import SHARED_DATA

pytest.importorskip("ufoamp", reason="needs mmc[ufo]")

DATA = SHARED_DATA / "vbf-higgs"
LEGS = [(-1, 2), (-1, 1), (2, 25), (1, 2), (1, 1)]
"""The statuses and PDG ids of u d > h u d; the Higgs boson decays."""


@pytest.fixture(scope="module")
def element() -> MatrixElement:
    """MadGraph's `u d > u d h / a z QCD=0 NP=2`; with photon and Z, some weights differ by more than their size."""
    if not DATA.is_dir():
        pytest.skip("needs the events beside the checkout")
    card = DATA / "cards" / "param_card_template.dat"
    model = Model.load(ufo_models.installed("EWdim6"), card=card, values={"dim6 all": 0.0})
    return MatrixElement(model, [2, 1], [25, 2, 1], Allowed(Part({"QCD": 0, "NP": 2}, frozenset({22, 23}))))


def benchmarks() -> dict[str, dict[str, float]]:
    """With all their digits, which the file's name for them does not have."""
    with h5py.File(DATA / "h5" / "madminer_config.h5") as file:
        names = [name.decode() for name in file["benchmarks/names"]]
        return {
            name: {"dim6 2": 16.52 * even, "dim6 5": 16.52 * odd}
            for name, (even, odd) in zip(names, file["benchmarks/values"][()], strict=True)
        }


def events(path: Path, sampled: str) -> tuple[list[list[list[float]]], list[dict[str, float]]]:
    with reading_text(path) as file:
        texts = re.findall(r"<event>\n(.*?)</event>", file.read(), re.DOTALL)
    momenta, weights = [], []
    for text in texts:
        first, *lines = [line.split() for line in text.partition("<rwgt>")[0].splitlines()]
        of_leg = {(int(words[1]), int(words[0])): [float(words[9]), *map(float, words[6:9])] for words in lines}
        momenta.append([of_leg[leg] for leg in LEGS])
        others = {name: float(value) for name, value in re.findall(r"<wgt id='(\w+)'>\s*(\S+)", text)}
        weights.append({sampled: float(first[2]), **others})
    return momenta, weights


@pytest.mark.parametrize("sampled", ["sm", "morphing_basis_vector_3"])
def test_weights_of_weak_boson_fusion(element: MatrixElement, sampled: str) -> None:
    """Two operators, of which one violates CP, at five benchmarks, event by event; the card has 6 or 7 digits."""
    points = benchmarks()
    momenta, weights = events(DATA / "lhe" / f"signal_{sampled}.lhe.gz", sampled)
    squared = {name: element.squared(momenta, point) for name, point in points.items()}
    for name in points:
        expected = [weight[name] / weight[sampled] for weight in weights]
        np.testing.assert_allclose(squared[name] / squared[sampled], expected, rtol=1e-4)
