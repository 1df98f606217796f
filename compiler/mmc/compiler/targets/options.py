"""What a user may choose when a plan is compiled."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Options:
    """Choices that change how jobs are run, never what they compute."""

    local: bool = False
    """Run every job in the environment of the engine, even where the study names a container image for it."""
    engine: str | None = None
    """The workflow engine of REANA, instead of the one that the study names."""
