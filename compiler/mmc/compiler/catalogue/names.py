"""Names of a study as MadMiner writes them, and a key that cannot be one."""

IN_BASIS = "in_basis"
"""The key of a benchmark that is not a parameter."""


def madminer_name(name: str) -> str:
    """The name under which MadMiner stores a name of the study.

    >>> madminer_name("c-LL 1")
    'c_LL_1'
    """
    return name.replace(" ", "_").replace("-", "_")
