"""The options of a compilation."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Options:
    """Options that change how jobs are run, never what they compute."""

    local: bool = False
    """Run every job in the engine's environment, also where the study names a container image."""
    engine: str | None = None
    """REANA's workflow engine, instead of the study's."""
    out: str = "out"
    """The folder of all outputs, seen from the folder of the bundle; only for batch systems."""
