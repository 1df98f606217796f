"""mmc compiles one declarative study file into the workflows that run a MadMiner analysis."""

from mmc.version import __version__

__all__ = ["__version__"]
