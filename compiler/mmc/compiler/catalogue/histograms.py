"""The adaptive bins of histograms, and the likelihoods from histograms of the score."""

from dataclasses import dataclass

MOST_POINTS_FOR_TOYS = 50_000
"""The likelihoods of a thousand toys at more points of a grid need too much memory."""


def adaptive_bins(n_axes: int) -> int:
    """The number of adaptive bins that MadMiner gives each axis of a histogram."""
    return {1: 25, 2: 8}.get(n_axes, 5)


@dataclass(frozen=True)
class ScoreLikelihood:
    """Which components of the score are filled into histograms, and whether they are the same at all points."""

    name: str
    fixed: bool
    """Whether there is one histogram of all components; else one at each point, of the component along θ - θ_ref."""
    across: bool = False
    """Whether the components orthogonal to that direction are filled too."""

    def axes(self, n_parameters: int) -> tuple[int, ...]:
        """The number of adaptive bins that MadMiner gives each axis.

        >>> SALLY.axes(2), SALLINO.axes(2), ADAPTIVE_SALLY.axes(2), ADAPTIVE_SALLY.axes(1)
        ((8, 8), (25,), (15, 5), (25,))
        """
        if n_parameters == 1 or not (self.fixed or self.across):
            return (adaptive_bins(1),)
        if self.fixed:
            return (adaptive_bins(n_parameters),) * n_parameters
        return (15, 5) if n_parameters == 2 else (12, *(5,) * n_parameters)


SALLY = ScoreLikelihood("sally", fixed=True)
ADAPTIVE_SALLY = ScoreLikelihood("adaptive-sally", fixed=False, across=True)
SALLINO = ScoreLikelihood("sallino", fixed=False)
SCORE_LIKELIHOODS = (SALLY, ADAPTIVE_SALLY, SALLINO)
