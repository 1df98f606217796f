"""Events of a simulator, each sampled at a point of its own, with joint ratios and scores if it gives them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from mmc.compiler.settings.sampling import SimulatedEvents
from mmc.errors import StepError
from mmc.jobs.formats import event_sketch, tables
from mmc.jobs.formats.les_houches_table import Floats
from mmc.jobs.madminer import workarounds
from mmc.jobs.readers.reading import define_columns
from mmc.jobs.readers.tables import observe
from mmc.jobs.readers.values import Mask, UnusualExpressionError

SIGNIFICANT = 5.0
"""The largest deviation of a mean from what it must be, in standard errors."""


@dataclass(frozen=True)
class Simulated:
    """The events of tables."""

    x: Mapping[str, Floats]
    """The observables, each of shape (events,)."""
    theta: Floats
    """The points, shape (events, parameters)."""
    of_denominator: Mask
    """Whether each event was sampled at the denominator, and not at its point."""
    ratio: Floats | None
    """p(x, z | θ) / p(x, z | denominator), shape (events,)."""
    score: Floats | None
    """∂ ln p(x, z | θ) / ∂θ, shape (events, parameters)."""


def read(setup: Path, paths: Sequence[Path], settings: SimulatedEvents, parameters: Sequence[str]) -> Simulated:
    """Read the tables with the observables of the study.

    Identities are checked: there are as many events of the points as of the denominator, the mean of ln r is positive
    over events of the points and negative over those of the denominator (Gibbs' inequality), and the mean score over
    events of their points is 0.

    :param setup: a file of MadMiner with the parameter space
    :raises StepError: when a table is damaged or lacks a column, a number is not finite, a label is neither 0 nor 1,
        an event lacks a required observable, or the numbers of events, the joint ratio or the score cannot be of these
        points
    """
    workarounds.apply_reader()
    from madminer.lhe import LHEReader

    found = _columns(paths, settings, parameters)
    reader = LHEReader(str(setup))
    define_columns(reader, settings.observables, (), settings.names)
    n_events = len(found[settings.label])
    try:
        observed = observe(reader, {name: found[text] for name, text in settings.columns.items()}, n_events)
    except UnusualExpressionError as error:
        raise StepError(f"an expression cannot be computed from columns: {error}") from error
    if not observed.passed.all():
        lacking = int((~observed.passed).sum())
        raise StepError(
            f"{lacking:,} of {n_events:,} events of {paths[0].name} lack a required observable: give it a default, or "
            "let the simulator select events"
        )
    events = Simulated(
        x=observed.values,
        theta=_matrix(found, settings.theta, parameters),
        of_denominator=found[settings.label] == 1.0,
        ratio=None if settings.ratio is None else found[settings.ratio],
        score=_matrix(found, settings.score, parameters) if settings.score else None,
    )
    _check_balance(events, paths[0].name)
    _check_means(events, paths[0].name)
    return events


def _columns(paths: Sequence[Path], settings: SimulatedEvents, parameters: Sequence[str]) -> dict[str, Floats]:
    """The columns of all tables, checked.

    :raises StepError: as :func:`read`
    """
    named = [column for columns in (settings.theta, settings.score) for column in columns.values()]
    told = [*named, settings.label, *(() if settings.ratio is None else (settings.ratio,))]
    texts = tuple(dict.fromkeys((*settings.columns.values(), *told)))
    parts = []
    for path in paths:
        part = tables.read(path, settings.tree, texts)
        for text in told:
            bad = ~np.isfinite(part[text])
            if bad.any():
                raise StepError(f"{text!r} of {path.name} is not a finite number in event {int(bad.argmax()) + 1}")
        labels = part[settings.label]
        strange = ~np.isin(labels, (0.0, 1.0))
        if strange.any():
            raise StepError(
                f"the label {settings.label!r} of {path.name} is {labels[strange][0]:g} in event "
                f"{int(strange.argmax()) + 1}; it is 0 for events of the point and 1 for events of the denominator"
            )
        event_sketch.check_rows_once([event_sketch.of_rows(np.stack(list(part.values()), axis=1))], path.name)
        parts.append(part)
    return {text: np.concatenate([part[text] for part in parts]) for text in texts}


def _matrix(found: Mapping[str, Floats], columns: Mapping[str, str], parameters: Sequence[str]) -> Floats:
    return np.stack([found[columns[name]] for name in parameters], axis=1)


def _check_balance(events: Simulated, name: str) -> None:
    """:raises StepError: when the events of the denominator are more or fewer than the others, beyond chance"""
    n_events, n_second = len(events.theta), int(events.of_denominator.sum())
    if abs(n_events - 2 * n_second) > SIGNIFICANT * n_events**0.5:
        raise StepError(
            f"{n_second:,} of {n_events:,} events of {name} are of the denominator; it must be half of them, because "
            "the learned ratio is multiplied by the ratio of the numbers"
        )


def _check_means(events: Simulated, name: str) -> None:
    """:raises StepError: when the means of the joint ratio or the score are impossible"""
    own = ~events.of_denominator
    if events.ratio is not None and (events.ratio > 0.0).all():
        logs = np.log(events.ratio)
        for rows, sign, of in ((own, 1.0, "their points"), (~own, -1.0, "the denominator")):
            mean, error = _mean(sign * logs[rows])
            if mean < -SIGNIFICANT * error:
                raise StepError(
                    f"the mean of ln r over events of {of} in {name} is {sign * mean:.3g} ± {error:.1g}, and cannot be "
                    f"{'negative' if sign > 0 else 'positive'}: the labels are the other way round, or the joint ratio "
                    "is of other points"
                )
    if events.score is not None:
        mean, error = _mean(events.score[own])
        if (np.abs(mean) > SIGNIFICANT * error).any():
            worst = int(np.argmax(np.abs(mean) - SIGNIFICANT * error))
            raise StepError(
                f"the mean score over events of their points in {name} is {mean[worst]:.3g} ± {error[worst]:.1g}, and "
                "must be 0: the score is of other points"
            )


def _mean(values: Any) -> tuple[Any, Any]:
    """The mean of numbers over events, and its standard error; 0 and infinite without two events."""
    if len(values) < 2:
        return np.zeros(values.shape[1:]), np.full(values.shape[1:], np.inf)
    return values.mean(axis=0), values.std(axis=0, ddof=1) / len(values) ** 0.5
