from itertools import product

import pytest
from mmc.compiler.catalogue.morphing import completed_names, component_count


@pytest.mark.parametrize(
    ("powers", "overall", "expected"),
    [([2, 2], 2, 6), ([2, 2], 4, 9), ([2], 2, 3), ([4, 2, 1], 4, 21), ([8] * 10, 8, 43758)],
)
def test_components_of_the_squared_amplitude(powers: list[int], overall: int, expected: int) -> None:
    assert component_count(powers, overall) == expected
    if len(powers) < 5:
        listed = [p for p in product(*(range(n + 1) for n in powers)) if sum(p) <= overall]
        assert len(listed) == expected


def test_a_full_basis_is_not_completed() -> None:
    assert completed_names(["a", "b", "c"], 3) == ()
    assert completed_names([], 2) == ("morphing_basis_vector_0", "morphing_basis_vector_1")
