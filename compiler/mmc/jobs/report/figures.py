"""Figures of a report: contours, profiles, p-value curves and losses. The same input gives the same bytes."""

import io
import logging
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import Any

import matplotlib as mpl
import numpy as np
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.mathtext import MathTextParser
from scipy.special import chdtri

from mmc.compiler.catalogue.labels import label_problem, printable
from mmc.jobs.madminer.event_file import Array
from mmc.jobs.statistics.allowed_areas import refinement
from mmc.jobs.statistics.between_points import refined
from mmc.jobs.statistics.limits import p_values
from mmc.jobs.statistics.projections import profile

log = logging.getLogger(__name__)

COLORS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#56B4E9", "#E69F00", "#000000")
"""Colours that are distinguishable with every kind of colour vision (Okabe and Ito)."""
STYLE = {
    "font.family": "DejaVu Sans",
    "font.size": 10.0,
    "axes.labelsize": 12.0,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.axisbelow": True,
    "savefig.dpi": 160,
    "svg.hashsalt": "mmc",
    "mathtext.fontset": "dejavusans",
}
LOWEST_P = 1e-4
"""The lower end of the p-value axis."""
LOSS_COLUMNS = 3
MOST_LOSSES = 24
"""The largest number of panels in the figure of the losses."""
LINES = {"passed": "solid", "doubtful": (0, (6.0, 1.5, 1.0, 1.5)), "failed": (0, (4.0, 2.0))}
"""The line style for each verdict of the closure tests."""
HIGHEST_Q = 10.0
"""The upper end of the axis of profile likelihoods, in -2 ln λ."""


@dataclass(frozen=True)
class Curve:
    """The likelihood of one method or baseline."""

    name: str
    color: str
    baseline: bool
    verdict: str
    """The verdict of the closure tests: passed, doubtful or failed."""
    axes: Mapping[str, Array]
    log_likelihood_ratio: Array
    """ln λ on the grid of the axes; 0 at the best fit."""
    best_fit: Mapping[str, float]
    degrees_of_freedom: int
    """Those of -2 ln λ: the number of parameters, or 1 for a rate."""
    training_error: Array | None = None
    """The standard error of ln λ from the training, of the same shape; None without an ensemble."""

    def profile(self, names: Sequence[str]) -> Array:
        """ln λ of the named parameters, in this order, with all others fitted."""
        return self._profile(self.log_likelihood_ratio, names)

    def band(self, names: Sequence[str]) -> tuple[Array, Array] | None:
        """The same with ln λ larger and smaller by the error of the training; None without an ensemble."""
        if self.training_error is None:
            return None
        upper, lower = (self.log_likelihood_ratio + sign * self.training_error for sign in (1.0, -1.0))
        return self._profile(upper, names), self._profile(lower, names)

    def _profile(self, ratio: Array, names: Sequence[str]) -> Array:
        order = list(self.axes)
        ranks = sorted(names, key=order.index)
        return np.transpose(
            profile(ratio, [order.index(name) for name in names]), [ranks.index(name) for name in names]
        )

    @property
    def label(self) -> str:
        """The label in the legend."""
        return plain(self.name) + ("" if self.verdict == "passed" else f" (closure {self.verdict})")

    @property
    def style(self) -> dict[str, Any]:
        """The style of the line, which shows the verdict of the closure tests."""
        width = 1.4 if self.baseline else 2.0
        return {"color": self.color, "linewidth": width, "linestyle": LINES[self.verdict]}


def contour_figure(
    curves: Sequence[Curve], pair: tuple[str, str], labels: Mapping[str, str], level: float, truth: Mapping[str, float]
) -> Figure:
    """The confidence region of two parameters for each method, profiled over all other parameters on the grid.

    Lines are interpolated in the square root of -2 ln λ, which is linear for a Gaussian likelihood. The band around the
    line of an ensemble is where it may be with ln λ larger or smaller by the error of the training.
    """
    figure, axes = make_figure(6.6, 4.4)
    handles = []
    for curve in curves:
        threshold = float(chdtri(min(len(pair), curve.degrees_of_freedom), 1.0 - level)) ** 0.5
        style = curve.style
        lines = {"colors": [style["color"]], "linestyles": [style["linestyle"]]}
        places = [curve.axes[name] for name in pair]
        band = curve.band(pair)
        if band is not None:
            near, far = (_refined_distance(ratio) for ratio in band)
            place = (threshold - near) / np.maximum(far - near, 1e-6)  # from 0 to 1 in the band
            fine = [np.linspace(axis[0], axis[-1], n) for axis, n in zip(places, place.shape, strict=True)]
            axes.contourf(*fine, place.T, levels=[0.0, 1.0], colors=[style["color"]], alpha=0.25)
        distance, note = _distance(curve.profile(pair)), " (all allowed)"
        if _crosses(distance, threshold):
            axes.contour(*places, distance.T, levels=[threshold], linewidths=style["linewidth"], **lines)
            note = ""
        if not curve.baseline:
            axes.plot(*(curve.best_fit[name] for name in pair), "o", color=style["color"], markersize=4.0)
        handles.append(Line2D([], [], label=curve.label + note, **style))
    axes.plot(*(truth[name] for name in pair), "+", color="black", markersize=11.0, markeredgewidth=1.6)
    handles.append(Line2D([], [], linestyle="none", marker="+", color="black", markersize=10.0, label="true point"))
    if not all(curve.baseline for curve in curves):
        handles.append(Line2D([], [], linestyle="none", marker="o", color="black", markersize=4.0, label="best fit"))
    axes.set(xlabel=labels[pair[0]], ylabel=labels[pair[1]])
    profiled = ", profiled" if len(curves[0].axes) > len(pair) else ""
    axes.set_title(f"{level:.0%} confidence regions{profiled}", loc="left", fontsize=10.0)
    axes.locator_params(nbins=7)
    axes.grid(color="#E6E6E6", linewidth=0.6)
    place_legend(axes, handles)
    return figure


def _distance(log_likelihood_ratio: Array) -> Array:
    """The square root of -2 ln λ: the distance from the best fit in standard deviations."""
    return np.sqrt(np.minimum(np.maximum(-2.0 * log_likelihood_ratio, 0.0), 1e6))


def _refined_distance(log_likelihood_ratio: Array) -> Array:
    """The same on a finer grid."""
    shape = log_likelihood_ratio.shape
    fine = refined(np.minimum(-2.0 * log_likelihood_ratio, 1e6), refinement(shape), len(shape))
    return np.sqrt(np.maximum(fine, 0.0))


def _crosses(values: Array, threshold: float) -> bool:
    return bool(values.min() < threshold < values.max())


def p_value_figure(
    curves: Sequence[Curve], labels: Mapping[str, str], levels: Sequence[float], truth: Mapping[str, float]
) -> Figure:
    """The p-values of a single parameter, with the confidence levels."""
    figure, axes = make_figure(6.6, 4.0)
    (name,) = curves[0].axes
    handles = []
    for curve in curves:
        axes.plot(curve.axes[name], np.maximum(p_values(curve.log_likelihood_ratio, 1), LOWEST_P / 10), **curve.style)
        handles.append(Line2D([], [], label=curve.label, **curve.style))
    low, high = min(curve.axes[name][0] for curve in curves), max(curve.axes[name][-1] for curve in curves)
    for level in levels:
        axes.axhline(1.0 - level, color="#888888", linewidth=0.8, zorder=0)
        axes.annotate(
            f"{level:.0%}", (high, 1.0 - level), (2, 2), textcoords="offset points", color="#555555", ha="right"
        )
    axes.axvline(truth[name], color="black", linewidth=0.8, linestyle=":")
    handles.append(Line2D([], [], color="black", linewidth=0.8, linestyle=":", label="true point"))
    axes.locator_params(axis="x", nbins=5)
    axes.set(xlabel=labels[name], ylabel="p-value", yscale="log", ylim=(LOWEST_P, 1.5), xlim=(low, high))
    place_legend(axes, handles)
    return figure


def profile_figure(
    curves: Sequence[Curve], name: str, label: str, levels: Sequence[float], truth: Mapping[str, float]
) -> Figure:
    """-2 ln λ of one parameter, profiled over all other parameters, with the confidence levels."""
    figure, axes = make_figure(4.8, 4.0)
    handles = []
    for curve in curves:
        axes.plot(curve.axes[name], -2.0 * curve.profile([name]), **curve.style)
        handles.append(Line2D([], [], label=curve.label, **curve.style))
    low, high = min(curve.axes[name][0] for curve in curves), max(curve.axes[name][-1] for curve in curves)
    for level in levels:
        threshold = float(chdtri(1, 1.0 - level))
        axes.axhline(threshold, color="#888888", linewidth=0.8, zorder=0)
        where = {"textcoords": "offset points", "color": "#555555", "ha": "right"}
        axes.annotate(f"{level:.0%}", (high, threshold), (-2, 2), **where)
    axes.axvline(truth[name], color="black", linewidth=0.8, linestyle=":")
    handles.append(Line2D([], [], color="black", linewidth=0.8, linestyle=":", label="true point"))
    axes.locator_params(axis="x", nbins=5)
    axes.set(xlabel=label, ylabel=r"$-2\,\ln\,\lambda$", ylim=(0.0, HIGHEST_Q), xlim=(low, high))
    figure.legend(handles=handles, loc="outside lower left", ncols=2, fontsize=8.5, frameon=False)
    return figure


def loss_figure(trainings: Mapping[str, Mapping[str, Any]]) -> Figure:
    """Training and validation loss of each training by epoch, and the epoch of the kept network."""
    trainings = dict(list(trainings.items())[:MOST_LOSSES])
    columns = min(len(trainings), LOSS_COLUMNS)
    rows = -(-len(trainings) // columns)
    with styled():
        figure = Figure(figsize=(3.1 * columns + 0.6, 2.4 * rows + 0.3), layout="constrained")
        panels = figure.subplots(rows, columns, squeeze=False)
        for axes, (name, record) in zip(panels.flat, trainings.items(), strict=False):
            epochs = np.arange(1, len(record["loss_train"]) + 1)
            marker = "o" if len(epochs) == 1 else ""
            axes.plot(epochs, record["loss_train"], color=COLORS[0], marker=marker, label="training")
            axes.plot(epochs, record["loss_validation"], color=COLORS[1], marker=marker, label="validation")
            axes.axvline(record["kept_epoch"], color="#888888", linewidth=0.8, linestyle=":", label="kept epoch")
            axes.set_title(plain(name), loc="left", fontsize=10.0)
            axes.set(xlabel="epoch", ylabel="loss")
            axes.xaxis.get_major_locator().set_params(integer=True)
        for axes in list(panels.flat)[len(trainings) :]:
            axes.set_visible(False)
        panels.flat[0].legend(fontsize=8.0, frameon=False)
    return figure


def render(figure: Figure, image_format: str) -> bytes:
    """A figure as ``png`` or ``svg``."""
    stream = io.BytesIO()
    with styled():
        engine = figure.get_layout_engine()
        if engine is not None:  # once for all formats, as it takes as long as to draw
            with suppress(ValueError):  # as in `Figure.draw`: a layout that fails leaves the axes where they are
                engine.execute(figure)
            figure.set_layout_engine(None)
        metadata: dict[str, Any] = {"Date": None, "Creator": "mmc"} if image_format == "svg" else {"Software": "mmc"}
        figure.savefig(stream, format=image_format, metadata=metadata)
    return stream.getvalue()


def axis_label(text: str) -> str:
    """A label of the study for matplotlib: as math if matplotlib can parse it, otherwise as plain text."""
    problem = label_problem(text)
    if problem is None:
        try:
            MathTextParser("path").parse(text)
        except Exception as error:  # ValueError, but also RecursionError, and RuntimeError of FreeType
            problem = type(error).__name__
    if problem is not None:
        log.warning("the label %s is drawn as plain text: %s", ascii(text), problem)
        return plain(text)
    return text


def plain(text: str) -> str:
    """Text in which matplotlib reads no math."""
    return printable(text).replace("$", r"\$")


def make_figure(width: float, height: float) -> tuple[Figure, Any]:
    """An empty figure in the common style, and its axes; sizes in inches."""
    with styled():
        figure = Figure(figsize=(width, height), layout="constrained")
        return figure, figure.subplots()


def place_legend(axes: Any, handles: Sequence[Line2D]) -> None:
    """Draw a legend beside the axes."""
    place = {"loc": "upper left", "bbox_to_anchor": (1.01, 1.0), "borderaxespad": 0.0}
    axes.legend(handles=handles, fontsize=9.0, frameon=False, **place)


@contextmanager
def styled() -> Iterator[None]:
    """Draw in the common style of all figures, whatever style the user has chosen for own figures."""
    with mpl.rc_context(), warnings.catch_warnings():
        mpl.rcdefaults()
        mpl.rcParams.update(STYLE)
        warnings.filterwarnings("ignore", message="Glyph .* missing")  # for labels in scripts that the font lacks
        yield
