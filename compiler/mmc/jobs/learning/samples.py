"""The training and validation samples of a method, with joint likelihood ratios and joint scores.

Training samples come from the training partition alone, and validation samples from the validation partition. Test
events are reserved for ``evaluate``.

Nuisance parameters are at their nominal values, with two exceptions. The samples of score methods also hold the score
with respect to the nuisance parameters, after the score of the parameters. Ratio and likelihood methods that learn the
nuisance parameters have random values of them at each point, drawn from their constraints (standard normal
distributions); in ``theta`` and in the scores, they come after the parameters. At the denominator they are nominal,
unless the denominator varies too.
"""

import logging
from collections.abc import Mapping, Sequence
from dataclasses import replace
from itertools import cycle
from pathlib import Path
from typing import Any

import numpy as np
from scipy.linalg import qr

from mmc.compiler.catalogue.methods import (
    METHODS,
    POLYNOMIAL,
    RATIO,
    SCORE,
    EstimatorType,
)
from mmc.compiler.settings.points import AnyPoints, AtBenchmark, AtBenchmarks, AtPoint, AtPoints, AtSimulated
from mmc.compiler.settings.sampling import SampleSettings
from mmc.errors import StepError
from mmc.jobs.arrays import map_npy, read_npy
from mmc.jobs.job import read_record
from mmc.jobs.learning.classes import draw_classes
from mmc.jobs.learning.polynomials import Polynomial
from mmc.jobs.learning.sample_checks import check_effective, check_observables, left_out, repair
from mmc.jobs.madminer.event_file import Array
from mmc.jobs.madminer.mapped import Mapped
from mmc.jobs.madminer.sampler import make_sampler

MOST_POINTS = 1_000
"""The number of points at which nuisance parameters are drawn, if the study names few parameter points."""

MOST = 1 << 28
"""The bytes of the samples that a training has in memory, at most."""

log = logging.getLogger(__name__)


def draw_samples(path: Path, settings: SampleSettings, out: Path, over: Path | None = None) -> dict[str, Any]:
    """Draw samples from an event file, and write MadMiner's arrays to ``train/`` and ``validation/``.

    :param over: the event file of the denominator, if it is another one
    :returns: the entries of ``sample.json``
    :raises StepError: when a partition has too few events, or joint ratios, scores or observables are not finite
    """
    samplers = [make_sampler(file) for file in (path, over) if file is not None]
    sampler = samplers[0]
    if list(sampler.parameters) != list(settings.parameters):
        raise StepError(
            f"the parameters of the event file are {list(sampler.parameters)}, not {list(settings.parameters)}"
        )
    if sampler.morpher is None:
        _check_without_morphing(settings)
    if _learns_nuisance(settings) and not sampler.nuisance_parameters:
        raise StepError("the event file has no nuisance parameters to profile: remove `nuisance_mode` of the method")
    record: dict[str, Any] = {
        "method_name": settings.method_name,
        "method": settings.method,
        "observables": list(sampler.observables),
        "parameters": list(sampler.parameters),
        "nuisance_parameters": list(sampler.nuisance_parameters),
    }
    if _estimator(settings).takes_morphing_matrix:
        record["morphing"] = _morphing(sampler, _estimator(settings))
    points = _drawn_points(sampler, settings) if METHODS[settings.method].family is POLYNOMIAL else np.zeros((0, 0))
    warnings: list[str] = []
    wanted = (("train", settings.samples, settings.bootstrap), ("validation", settings.validation_samples, False))
    for partition, n_samples, bootstrap in wanted:
        for each in samplers:
            each.resamples = bootstrap
        arrays, effective = _draw(samplers, settings, partition, n_samples, points)
        if len(points) and "polynomial" not in record:  # the training samples come first
            means = arrays["t_xz"].mean(axis=0, dtype=float)
            record["polynomial"] = replace(_polynomial(sampler, points), means=means).record
        available = [_partition_size(each, settings, partition) for each in samplers]
        n_events = dict(zip(effective, cycle(available), strict=False))  # of one file, or one file for each point
        few = check_effective(effective, n_events, partition)
        warnings += [
            f"{partition}: {text}"
            for text in (
                *check_observables(arrays["x"], list(sampler.observables), settings),
                *repair(arrays, METHODS[settings.method]),
            )
        ]
        warnings += [f"{partition}: {text}" for text in left_out(samplers)]
        warnings += few
        save(out / partition, arrays)
        record[f"n_{partition}"] = len(arrays["x"])
        record[f"{partition}_events"] = sum(available)
        record[f"{partition}_effective_sample_size"] = {
            name: {"min": float(sizes.min()), "mean": float(sizes.mean()), "max": float(sizes.max())}
            for name, sizes in effective.items()
        }
    for text in warnings:
        log.warning("%s", text)
    return {**record, "warnings": warnings}


def load_samples(folder: Path) -> dict[str, Array]:
    """The arrays of one partition, by MadMiner's names: ``x``, ``t_xz`` and ``theta``. For ratio methods: ``x``,
    ``theta0``, ``theta1``, ``y``, ``r_xz`` and ``t_xz``, or ``t_xz0`` and ``t_xz1`` instead of ``t_xz``. For
    polynomials: ``x``, and as ``t_xz`` the coefficients, shape (samples, monomials).

    Arrays of more than :data:`MOST` bytes together stay in their files (:mod:`mmc.jobs.madminer.mapped`).

    :param folder: of the partition, in the output of a job
    """
    files = [folder.parent / name for name in read_record(folder.parent).names(folder.name, ".npy")]
    if sum(path.stat().st_size for path in files) <= MOST:
        return {path.stem: read_npy(path) for path in files}
    mapped: dict[str, Any] = {path.stem: Mapped(map_npy(path)) for path in files}
    return mapped


def _draw(
    samplers: Sequence[Any], settings: SampleSettings, partition: str, n_samples: int, points: Array
) -> tuple[dict[str, Array], dict[str, Array]]:
    """The arrays of a partition, and MadMiner's effective sample sizes: 1 / (largest probability of an event).

    :param points: of the samples of a polynomial, shape (points, parameters); empty for other methods
    """
    common = {
        "n_samples": n_samples,
        "partition": partition,
        "test_split": settings.test_split,
        "validation_split": settings.validation_split,
        "sample_only_from_closest_benchmark": settings.sample_only_from_closest_benchmark,
        "n_processes": 1,
    }
    options = {"n_eff_forced": settings.n_eff_forced, "double_precision": settings.double_precision}
    common |= {name: value for name, value in options.items() if value is not None}
    sampler = samplers[0]
    try:
        if len(samplers) > 1:
            theta = [_madminer_theta(settings.drawn_at[name], settings.parameters) for name in ("theta0", "theta1")]
            return draw_classes(samplers, theta, len(settings.parameters), common)
        if METHODS[settings.method].family is RATIO:
            return _draw_ratio(sampler, settings, common)
        if len(points):
            return _draw_coefficients(sampler, points, common)
        return _draw_at_points(sampler, settings, common)
    except (ValueError, RuntimeError, ZeroDivisionError) as error:
        raise StepError(
            f"cannot draw {partition} samples: {error}; generate more events, or change the splits"
        ) from error


def _draw_at_points(
    sampler: Any, settings: SampleSettings, common: Mapping[str, Any]
) -> tuple[dict[str, Array], dict[str, Array]]:
    """Samples for score and likelihood methods, at the points of the study; with joint scores if there is morphing."""
    theta, nu = _madminer_theta(settings.drawn_at["theta"], settings.parameters), _madminer_nu(settings)
    theta = theta if nu is None else _repeated(theta, common["n_samples"])
    if sampler.morpher is None:
        x, points, effective = sampler.sample_train_plain(theta=theta, nu=nu, **common)
        return {"x": x, "theta": points[:, : _width(settings)]}, {"theta": np.atleast_1d(effective)}
    scores = "auto" if METHODS[settings.method].family is SCORE else nu is not None
    x, points, t_xz, effective = sampler.sample_train_local(theta=theta, nu=nu, nuisance_score=scores, **common)
    return {"x": x, "theta": points[:, : _width(settings)], "t_xz": t_xz}, {"theta": np.atleast_1d(effective)}


def _draw_ratio(
    sampler: Any, settings: SampleSettings, common: Mapping[str, Any]
) -> tuple[dict[str, Array], dict[str, Array]]:
    """Samples for ratio methods, at both points; with two joint scores if the estimator varies with both points."""
    is_double, nu = _estimator(settings).varies_with_denominator, _madminer_nu(settings)
    points: dict[str, Any] = {"nu0": nu, "nu1": nu if is_double else None}
    points |= {name: _madminer_theta(settings.drawn_at[name], settings.parameters) for name in ("theta0", "theta1")}
    if nu is not None:
        points["theta0"] = _repeated(points["theta0"], common["n_samples"])
    scored = nu is not None and sampler.morpher is not None
    if is_double and METHODS[settings.method].score_term:
        x, points0, points1, y, r_xz, t_xz0, t_xz1, smallest = sampler.sample_train_more_ratios(
            **points, nuisance_score=scored, **common
        )
        scores, effective = {"t_xz0": t_xz0, "t_xz1": t_xz1}, {"theta0 and theta1": np.atleast_1d(smallest)}
    else:
        x, points0, points1, y, r_xz, t_xz, sizes = sampler.sample_train_ratio(
            **points, nuisance_score=scored, return_individual_n_effective=True, **common
        )
        scores = {} if t_xz is None else {"t_xz": t_xz}
        effective = {"theta0": sizes[y[:, 0] == 0.0], "theta1": sizes[y[:, 0] == 1.0]}
    thetas = {name: values[:, : _width(settings)] for name, values in (("theta0", points0), ("theta1", points1))}
    return {"x": x, **thetas, "y": y, "r_xz": r_xz, **scores}, effective


def _drawn_points(sampler: Any, settings: SampleSettings) -> Array:
    """The points of ``theta``, shape (points, parameters); random ones are drawn once for both partitions."""
    thetas, _ = sampler._parse_theta(_madminer_theta(settings.drawn_at["theta"], settings.parameters), None)
    return np.array([sampler._get_theta_value(theta) for theta in thetas])


def _polynomial(sampler: Any, points: Array) -> Polynomial:
    """The expansion of the weights about the mean of some points, with half the range of each parameter as unit."""
    widths = np.ptp([parameter.val_range for parameter in sampler.parameters.values()], axis=1)
    return Polynomial.about(
        points.mean(axis=0), np.where(widths > 0.0, widths / 2.0, 1.0), sampler.morpher.components.tolist()
    )


def _draw_coefficients(
    sampler: Any, points: Array, common: Mapping[str, Any]
) -> tuple[dict[str, Array], dict[str, Array]]:
    """Samples for polynomials: the coefficients of the weight relative to the density of the samples."""
    x, weights, effective = sampler.sample_train_weights(points, **common)
    components, matrix = sampler.morpher.components.tolist(), np.asarray(sampler.morpher.morphing_matrix)
    to_coefficients = _polynomial(sampler, points).expansion(components) @ matrix
    coefficients = weights[:, : matrix.shape[1]] @ to_coefficients.T
    return {"x": x, "t_xz": coefficients.astype(x.dtype)}, {"theta": effective}


def _estimator(settings: SampleSettings) -> EstimatorType:
    return METHODS[settings.method].family.estimator_of(settings.estimator)


def _morphing(sampler: Any, estimator: EstimatorType) -> dict[str, Any]:
    """The morphing components and matrix from which a morphing-aware estimator is built.

    The estimator has as many functions of the observables as there are components, which are positive as the densities
    at benchmarks are. Of more benchmarks, to which the components are fitted, it has those that determine them best.

    :raises StepError: when the event file has no morphing
    """
    if sampler.morpher is None:
        raise StepError(f"the event file has no morphing, which the estimator {estimator.name} needs")
    matrix = np.asarray(sampler.morpher.morphing_matrix)
    if matrix.shape[1] > matrix.shape[0]:
        powers = np.linalg.pinv(matrix)  # of the parameters at the benchmarks, shape (benchmarks, components)
        *_, order = qr((powers / np.abs(powers).max(axis=0)).T, pivoting=True)
        matrix = np.linalg.inv(powers[np.sort(order[: len(matrix)])])
    return {"components": np.asarray(sampler.morpher.components).tolist(), "matrix": matrix.tolist()}


def _check_without_morphing(settings: SampleSettings) -> None:
    """Check settings for an event file without morphing. MadMiner would set every score to 0, or raise a traceback.

    :raises StepError: when the method needs derivatives of weights, or points that are not benchmarks
    """
    method = METHODS[settings.method]
    if method.needs_morphing:
        *usable, last = (name for name, other in METHODS.items() if not other.needs_morphing)
        raise StepError(
            f"{method.name} learns from the {method.learns_from[-1]}, which needs morphing: use {', '.join(usable)} "
            f"or {last}"
        )
    for name, points in settings.drawn_at.items():
        if not isinstance(points, AtBenchmark | AtBenchmarks):
            raise StepError(f"without morphing, samples can only be drawn at benchmarks: give benchmarks as {name}")


def _madminer_theta(theta: AnyPoints, parameters: Sequence[str]) -> tuple[str, Any]:
    """MadMiner's argument for the points of the samples."""
    from madminer.sampling import benchmark, benchmarks, morphing_point, morphing_points, random_morphing_points

    def values(point: Mapping[str, float]) -> Array:
        return np.array([point[name] for name in parameters], dtype=float)

    argument: tuple[str, Any]
    if isinstance(theta, AtBenchmark):
        argument = benchmark(theta.benchmark)
    elif isinstance(theta, AtBenchmarks):
        argument = benchmarks(list(theta.benchmarks))
    elif isinstance(theta, AtPoint):
        argument = morphing_point(values(theta.point))
    elif isinstance(theta, AtPoints):
        argument = morphing_points(np.array([values(point) for point in theta.points]))
    elif isinstance(theta, AtSimulated):
        raise StepError("simulated events have points of their own: samples are taken from them, not drawn")
    else:
        priors = [next(iter(theta.random.priors[name].items())) for name in parameters]
        argument = random_morphing_points(theta.random.n, [(shape, *numbers) for shape, numbers in priors])
    return argument


def _learns_nuisance(settings: SampleSettings) -> bool:
    """Whether a ratio or a density is learned as a function of the nuisance parameters too."""
    return settings.nuisance_mode == "profile" and METHODS[settings.method].family is not SCORE


def _width(settings: SampleSettings) -> int | None:
    """The number of learned columns in MadMiner's points; nominal nuisance parameters are not learned."""
    return None if _learns_nuisance(settings) else len(settings.parameters)


def _madminer_nu(settings: SampleSettings) -> tuple[str, Any] | None:
    """MadMiner's argument for the nuisance parameters of the samples; None for nominal values."""
    from madminer.sampling import iid_nuisance_parameters

    argument: tuple[str, Any] | None = (
        iid_nuisance_parameters("gaussian", 0.0, 1.0) if _learns_nuisance(settings) else None
    )
    return argument


def _repeated(theta: tuple[str, Any], n_samples: int) -> tuple[str, Any]:
    """Points repeated so that nuisance parameters have many values: MadMiner draws one set of them for each point."""
    kind, value = theta
    if kind == "random_morphing_points":
        return theta
    values = [value] if kind in {"benchmark", "morphing_point"} else list(value)
    samples = -(-n_samples // MOST_POINTS)  # per point; the total number of samples stays the same
    repeated = values * max(1, n_samples // (samples * len(values)))
    return ("benchmarks" if kind.startswith("benchmark") else "morphing_points"), repeated


def _partition_size(sampler: Any, settings: SampleSettings, partition: str) -> int:
    start, end, _ = sampler._calculate_partition_bounds(partition, settings.test_split, settings.validation_split)
    return int(end or sampler.n_samples) - int(start)


def save(folder: Path, arrays: Mapping[str, Array]) -> None:
    """Write the arrays of a partition, for :func:`load_samples`."""
    folder.mkdir()
    for name, values in arrays.items():
        np.save(folder / f"{name}.npy", values)
