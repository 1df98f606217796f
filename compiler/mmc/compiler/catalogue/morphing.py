"""The size of a morphing basis and the names of its benchmarks, before MadMiner completes it."""

from collections.abc import Sequence


def component_count(max_powers: list[int], max_overall_power: int) -> int:
    """The number of elements of a morphing basis: the ways to choose a power for each parameter with a bounded sum.

    >>> component_count([2, 2], 2), component_count([2, 2], 4)
    (6, 9)
    """
    ways = [1] + [0] * max_overall_power
    for largest in max_powers:
        ways = [sum(ways[max(0, total - largest) : total + 1]) for total in range(max_overall_power + 1)]
    return sum(ways)


def completed_names(benchmarks: Sequence[str], n_components: int) -> tuple[str, ...]:
    """MadMiner's names of the benchmarks that it adds to the user's benchmarks until the basis is complete.

    A set-up holds the user's benchmarks of the basis, then these, then the benchmarks outside the basis.

    >>> completed_names(["sm", "w"], 4)
    ('morphing_basis_vector_2', 'morphing_basis_vector_3')
    """
    return tuple(f"morphing_basis_vector_{index}" for index in range(len(benchmarks), n_components))
