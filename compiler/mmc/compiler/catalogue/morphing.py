"""The components of the squared amplitude, and the names of the benchmarks of a morphing basis."""

from collections.abc import Sequence

LEAST_SQUARES = "least-squares"
"""The ``fit`` with which there may be more benchmarks than components."""


def component_count(max_powers: list[int], max_overall_power: int) -> int:
    """The number of elements of a morphing basis: the ways to choose a power for each parameter with a bounded sum.

    >>> component_count([2, 2], 2), component_count([2, 2], 4)
    (6, 9)
    """
    ways = [1] + [0] * max_overall_power
    for largest in max_powers:
        ways = [sum(ways[max(0, total - largest) : total + 1]) for total in range(max_overall_power + 1)]
    return sum(ways)


def component_powers(max_powers: Sequence[int], max_overall_power: int) -> list[tuple[int, ...]]:
    """The powers of the parameters in each component of the squared amplitude, in lexicographic order.

    It is that of MadMiner's ``find_components``, which goes through all 3^n combinations of the powers of n parameters.

    >>> component_powers([2, 1], 2)
    [(0, 0), (0, 1), (1, 0), (1, 1), (2, 0)]
    """
    rows: list[tuple[int, ...]] = [()]
    for most in max_powers:
        rows = [(*row, power) for row in rows for power in range(most + 1) if sum(row) + power <= max_overall_power]
    return rows


def completed_names(benchmarks: Sequence[str], n_components: int) -> tuple[str, ...]:
    """MadMiner's names of the benchmarks that it adds to the user's benchmarks until the basis is complete.

    A set-up holds the user's benchmarks of the basis, then these, then the benchmarks outside the basis.

    >>> completed_names(["sm", "w"], 4)
    ('morphing_basis_vector_2', 'morphing_basis_vector_3')
    """
    return tuple(f"morphing_basis_vector_{index}" for index in range(len(benchmarks), n_components))
