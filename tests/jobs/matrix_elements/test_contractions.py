"""Contractions without zeros, and currents that are computed once for equal helicities, change no bit."""

from itertools import product

import numpy as np
import pytest
from mmc.jobs.matrix_elements import MatrixElement, Model
from mmc.jobs.matrix_elements.contractions import einsum
from mmc.jobs.matrix_elements.helicities import Helicities
from mmc.jobs.matrix_elements.invariance import collisions

pytest.importorskip("ufoamp", reason="needs mmc[ufo]")

_EXPRESSIONS = (
    "dZa,dab->Zb", "Zba,dab->Zd", "cd,Zd->cZ", "Zb,cd->Zbcd", "Za,fab->Zfb", "Zbcfg,cde->Zbfgde", "bZ,bd->Zd",
    "Zcdf,bc->Zdfb", "dZ,Za->dZa", "Za,Za->Z", "ab,bc->ac", "Zfde->Zfed", "Zab,b->Z",
    "Zab,ab->Z", "ab,Zba->Z", "Zabc,ba->Zc", "bdac,Zdcab->Zda",
)  # fmt: skip


@pytest.mark.parametrize("expression", _EXPRESSIONS)
@pytest.mark.parametrize("factors", [(1.0, -1.0), (0.5, -0.5j), (1.0, 1j / np.sqrt(12.0)), (1.0, 0.6 - 0.8j)])
@pytest.mark.parametrize("events", [3, 500])
def test_contractions_are_those_of_numpy(expression: str, factors: tuple[complex, ...], events: int) -> None:
    random = np.random.default_rng(1)

    def operand(name: str) -> np.ndarray:
        shape = [events if letter == "Z" else 3 for letter in name]
        if "Z" in name:
            return random.normal(size=shape) + 1j * random.normal(size=shape)
        return random.choice([0.0, 0.0, *factors], size=shape).astype(complex)

    operands = [operand(name) for name in expression.partition("->")[0].split(",")]
    np.testing.assert_array_equal(einsum(expression, *operands), np.einsum(expression, *operands))


def test_values_are_repeated_for_the_helicities_of_other_legs() -> None:
    """The value of two legs is their event and their helicities, in digits."""
    every = np.array(list(product((1, 2), (1, 2, 3), (1, 2))))
    helicities = Helicities(np.random.default_rng(1).permutation(every)[:8])
    part, whole = frozenset((0, 2)), frozenset((2, 1, 0))

    def digits(legs: frozenset[int]) -> np.ndarray:
        mine = helicities.of(legs)[:, [sorted(legs).index(leg) for leg in (0, 2)]] @ [10, 1]
        return np.concatenate([100 * event + mine for event in range(3)])

    assert len(helicities.of(part)) == 4
    np.testing.assert_array_equal(helicities.of(whole), helicities.table)
    np.testing.assert_array_equal(helicities.repeated(digits(part), part, whole), digits(whole))


@pytest.mark.parametrize(
    ("incoming", "outgoing"), [([11, -11], [24, -24]), ([2, -1], [24, 25]), ([2, -2], [6, -6]), ([2, 1], [2, 1])]
)
def test_currents_of_equal_helicities_are_computed_once(incoming: list[int], outgoing: list[int]) -> None:
    """With one configuration after the other, no current is shared."""
    model = Model.load("ufo_sm")
    element = MatrixElement(model, incoming, outgoing)
    momenta = collisions([model.mass(pdg) for pdg in (*incoming, *outgoing)], 2)
    configurations, together = element.squared_by_helicity(momenta)
    alone = [element._values(momenta, [configuration])[:, 0] for configuration in configurations]
    average = np.prod([len(element._helicities(leg)) for leg in range(2)])
    np.testing.assert_array_equal(together, np.stack(alone, axis=1) / average)
