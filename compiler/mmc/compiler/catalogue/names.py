"""Names of a study as MadMiner writes them, and a reserved key."""

IN_BASIS = "in_basis"
"""A key of benchmarks; it is not a parameter."""


def madminer_name(name: str) -> str:
    """The name under which MadMiner stores a name of the study.

    >>> madminer_name("c-LL 1")
    'c_LL_1'
    """
    return name.replace(" ", "_").replace("-", "_")
