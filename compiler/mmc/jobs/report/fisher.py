"""Figures of Fisher information: ellipses of the smallest confidence regions that the information allows."""

import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from scipy.special import chdtri

from mmc.compiler.catalogue.baselines import BASELINES
from mmc.jobs.madminer.event_file import Array
from mmc.jobs.report.figures import COLORS, LINES, make_figure, place_legend, plain

SMALLEST = 1e-9
"""Eigenvalues smaller than this fraction of the largest one count as 0: there is no information in their direction."""
LARGEST = 6.0
"""An ellipse is cut at the frame if it is larger than the smallest ellipse by more than this factor."""
KIND_COLORS = {name: kind.colors[0] for name, kind in BASELINES.items() if kind.colors}


@dataclass(frozen=True)
class Information:
    """An information matrix with its name."""

    name: str
    matrix: Array
    """The matrix, shape (parameters, parameters)."""
    verdict: str = "passed"
    """The verdict of the estimator's closure tests."""

    @property
    def label(self) -> str:
        """The label in the legend."""
        return self.name if self.verdict == "passed" else f"{self.name} (closure {self.verdict})"


def ellipse_figure(
    named: Sequence[Information], pair: Sequence[int], labels: Sequence[str], level: float, centre: Sequence[float]
) -> Figure:
    """The region d I d ≤ χ² of two parameters, with the information I that is left when all others are fitted.

    Information on a single direction, as in the rate alone, gives a strip.

    :param pair: the indices of the two parameters
    :param labels: the labels of the two axes
    :param centre: the point from which d is measured
    """
    figure, axes = make_figure(6.6, 4.4)
    threshold = float(chdtri(2, 1.0 - level))
    known = [marginal(item.matrix, pair) for item in named]
    x, y = (np.linspace(-size, size, 201) for size in _window(known, threshold))
    mesh = np.stack(np.meshgrid(x, y), axis=-1)
    palette = itertools.cycle(COLORS)
    handles = []
    for item, matrix in zip(named, known, strict=True):
        color = KIND_COLORS.get(item.name) or next(palette)
        width = 1.4 if item.name in KIND_COLORS else 2.0
        quadratic = np.einsum("xyi,ij,xyj->xy", mesh, matrix, mesh)
        note = ""
        if quadratic.max() > threshold:
            lines = {"colors": [color], "linewidths": width, "linestyles": [LINES[item.verdict]]}
            axes.contour(centre[0] + x, centre[1] + y, quadratic, levels=[threshold], **lines)
        else:
            note = " (all allowed)"
        style: dict[str, Any] = {"color": color, "linewidth": width, "linestyle": LINES[item.verdict]}
        handles.append(Line2D([], [], label=plain(item.label) + note, **style))
    axes.plot(*centre, "+", color="black", markersize=11.0, markeredgewidth=1.6)
    handles.append(Line2D([], [], linestyle="none", marker="+", color="black", markersize=10.0, label="true point"))
    axes.set(xlabel=labels[0], ylabel=labels[1])
    axes.set_title(f"{level:.0%} regions from the Fisher information", loc="left", fontsize=10.0)
    axes.locator_params(nbins=7)
    axes.grid(color="#E6E6E6", linewidth=0.6)
    place_legend(axes, handles)
    return figure


def marginal(matrix: Array, indices: Sequence[int]) -> Array:
    """The information on some parameters when all others are fitted: I_aa - I_ab I_bb⁻¹ I_ba.

    What rounding leaves of a difference is not information: the rate, say, has none on two of three parameters.
    """
    fitted = [k for k in range(len(matrix)) if k not in indices]
    kept = matrix[np.ix_(indices, indices)]
    if not fitted:
        return kept
    mixed = matrix[np.ix_(indices, fitted)]
    left = kept - mixed @ np.linalg.pinv(matrix[np.ix_(fitted, fitted)], SMALLEST) @ mixed.T
    unit = np.sqrt(np.where(np.diag(kept) > 0.0, np.diag(kept), 1.0))
    values, vectors = np.linalg.eigh(left / np.outer(unit, unit))
    known = np.where(values > SMALLEST, values, 0.0)
    return np.asarray((vectors * known) @ vectors.T * np.outer(unit, unit))


def _window(matrices: Sequence[Array], threshold: float) -> tuple[float, float]:
    """Half the width and height of a frame around the bounded ellipses, at most LARGEST times the smallest ellipse."""
    sizes: list[Any] = []
    for matrix in matrices:
        values = np.linalg.eigvalsh(matrix)
        if values[0] > SMALLEST * values[-1] > 0.0:
            sizes.append(np.sqrt(threshold * np.diag(np.linalg.inv(matrix))))
    if not sizes:
        diagonal = np.max([np.diag(matrix) for matrix in matrices], axis=0)
        sizes = [2.0 * np.sqrt(threshold / np.where(diagonal > 0.0, diagonal, 1.0))]
    width, height = 1.25 * np.minimum(np.max(sizes, axis=0), LARGEST * np.min(sizes, axis=0))
    return float(width), float(height)
