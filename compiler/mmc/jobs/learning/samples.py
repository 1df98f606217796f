"""The training and validation samples of a method, with joint likelihood ratios and joint scores.

Training samples come from the training partition alone, validation samples from the validation partition; the test
events are left to ``evaluate``. Nuisance parameters are at their nominal values; the samples of score methods hold the
score with respect to them as well, after that of the parameters. For ratio and likelihood methods that are to know
them, each point has random values of them from their constraints, standard normal distributions: in ``theta`` and the
scores they come after the parameters. They are nominal at the denominator, unless that varies as well.
"""

import logging
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from mmc.compiler.catalogue.methods import METHODS, MORPHING_AWARE, RATIO, SCORE, EstimatorType
from mmc.compiler.settings.points import AnyPoints, AtBenchmark, AtBenchmarks, AtPoint, AtPoints
from mmc.compiler.settings.sampling import SampleSettings
from mmc.errors import StepError
from mmc.jobs.madminer.event_file import Array
from mmc.jobs.madminer.sampler import make_sampler

FEW, SMALL_PART = 100, 0.1
"""An effective sample of fewer events than this, or of a smaller part of the partition, is warned about."""
TOO_FEW = 2.0
"""With a smaller effective sample, in the mean over points, one event is more than half of the samples."""

MOST_POINTS = 1_000
"""Points at which nuisance parameters are drawn, where few points of the parameters are named."""

log = logging.getLogger(__name__)


def draw_samples(path: Path, settings: SampleSettings, out: Path) -> dict[str, Any]:
    """Write ``train/`` and ``validation/`` with MadMiner's arrays, from an event file.

    :returns: what ``sample.json`` says of them
    :raises StepError: when a partition has no events to draw from, or one that is most of all, or the augmented data
        are not finite
    """
    sampler = make_sampler(path)
    if list(sampler.parameters) != list(settings.parameters):
        raise StepError(
            f"the event file has the parameters {list(sampler.parameters)}, not {list(settings.parameters)}"
        )
    if sampler.morpher is None:
        _check_without_morphing(settings)
    if _varies(settings) and not sampler.nuisance_parameters:
        raise StepError("the event file has no nuisance parameters to profile: remove `nuisance_mode` of the method")
    record: dict[str, Any] = {
        "method_name": settings.method_name,
        "method": settings.method,
        "observables": list(sampler.observables),
        "parameters": list(sampler.parameters),
        "nuisance_parameters": list(sampler.nuisance_parameters),
    }
    if _estimator(settings).takes_morphing_matrix:
        record["morphing"] = _morphing(sampler)
    warnings: list[str] = []
    for partition, n_samples in (("train", settings.samples), ("validation", settings.validation_samples)):
        folder = out / partition
        arrays, effective = _draw(sampler, settings, partition, n_samples)
        n_events = _partition_size(sampler, settings, partition)
        for name, sizes in effective.items():
            if sizes.mean() < TOO_FEW:
                raise StepError(
                    f"the {partition} samples at {name} come from {sizes.mean():.1f} effective events of {n_events}: "
                    "generate more events, at a benchmark near these points"
                )
        warnings += [
            f"{partition}: {text}" for text in (*_check_observables(arrays["x"], sampler, settings), *_repair(arrays))
        ]
        if sampler.left_out > 0.0:
            warnings.append(f"{partition}: n_eff_forced leaves out up to {sampler.left_out:.2%} of the cross section")
        smallest = min(float(sizes.min()) for sizes in effective.values())
        if smallest < FEW or smallest < SMALL_PART * n_events:
            warnings.append(
                f"{partition}: at some parameter points the samples come from as few as {smallest:.0f} effective "
                f"events of {n_events}: generate events at a benchmark near them, or draw from nearer points"
            )
        _save(folder, arrays)
        record[f"n_{partition}"] = len(arrays["x"])
        record[f"{partition}_events"] = n_events
        record[f"{partition}_effective_sample_size"] = {
            name: {"min": float(sizes.min()), "mean": float(sizes.mean()), "max": float(sizes.max())}
            for name, sizes in effective.items()
        }
    for text in warnings:
        log.warning("%s", text)
    return {**record, "warnings": warnings}


def load_samples(folder: Path) -> dict[str, Array]:
    """The arrays of one partition, by MadMiner's names: ``x``, ``t_xz`` and ``theta``; of ratio methods ``theta0``,
    ``theta1``, ``y``, ``r_xz`` and ``t_xz``, or ``t_xz0`` and ``t_xz1``."""
    return {path.stem: np.load(path) for path in sorted(folder.glob("*.npy"))}


def _draw(
    sampler: Any, settings: SampleSettings, partition: str, n_samples: int
) -> tuple[dict[str, Array], dict[str, Array]]:
    """Samples of a partition by name, and MadMiner's effective sample sizes: 1 / (largest probability of an event)."""
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
    try:
        if METHODS[settings.method].family is RATIO:
            return _draw_ratio(sampler, settings, common)
        return _draw_at_points(sampler, settings, common)
    except (ValueError, RuntimeError, ZeroDivisionError) as error:
        raise StepError(
            f"cannot draw {partition} samples: {error}; generate more events, or change the splits"
        ) from error


def _draw_at_points(
    sampler: Any, settings: SampleSettings, common: Mapping[str, Any]
) -> tuple[dict[str, Array], dict[str, Array]]:
    """For score and likelihood methods: samples at the points, with the scores where there is morphing."""
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
    """For ratio methods: samples at both points. Two scores are drawn where an estimator varies with both points."""
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


def _estimator(settings: SampleSettings) -> EstimatorType:
    return METHODS[settings.method].family.estimator_of(settings.estimator)


def _morphing(sampler: Any) -> dict[str, Any]:
    """What a morphing-aware estimator is built from, which knows nothing but samples.

    :raises StepError: without morphing
    """
    if sampler.morpher is None:
        raise StepError(f"the event file has no morphing, which {MORPHING_AWARE.name} is built on")
    return {
        "components": np.asarray(sampler.morpher.components).tolist(),
        "matrix": np.asarray(sampler.morpher.morphing_matrix).tolist(),
    }


def _check_without_morphing(settings: SampleSettings) -> None:
    """MadMiner would take every score for 0, or fail with a traceback.

    :raises StepError: unless the method needs neither scores nor other points than benchmarks
    """
    method = METHODS[settings.method]
    if method.joint_score:
        *others, last = (name for name, other in METHODS.items() if not other.joint_score)
        raise StepError(
            f"without morphing there is no joint score, which {method.name} learns from: take {', '.join(others)} or "
            f"{last}"
        )
    for name, points in settings.drawn_at.items():
        if not isinstance(points, AtBenchmark | AtBenchmarks):
            raise StepError(f"without morphing samples can be drawn at benchmarks alone: give benchmarks as {name}")


def _madminer_theta(theta: AnyPoints, parameters: Sequence[str]) -> tuple[str, Any]:
    """MadMiner's words for the points to sample from."""
    from madminer.sampling import benchmark, benchmarks, morphing_point, morphing_points, random_morphing_points

    def values(point: Mapping[str, float]) -> Array:
        return np.array([point[name] for name in parameters], dtype=float)

    words: tuple[str, Any]
    if isinstance(theta, AtBenchmark):
        words = benchmark(theta.benchmark)
    elif isinstance(theta, AtBenchmarks):
        words = benchmarks(list(theta.benchmarks))
    elif isinstance(theta, AtPoint):
        words = morphing_point(values(theta.point))
    elif isinstance(theta, AtPoints):
        words = morphing_points(np.array([values(point) for point in theta.points]))
    else:
        priors = [next(iter(theta.random.priors[name].items())) for name in parameters]
        words = random_morphing_points(theta.random.n, [(shape, *numbers) for shape, numbers in priors])
    return words


def _varies(settings: SampleSettings) -> bool:
    """Whether a ratio or a density is to be learned as a function of the nuisance parameters too."""
    return settings.nuisance_mode == "profile" and METHODS[settings.method].family is not SCORE


def _width(settings: SampleSettings) -> int | None:
    """How many columns of MadMiner's points are to be learned: it appends nuisance parameters at nominal values too."""
    return None if _varies(settings) else len(settings.parameters)


def _madminer_nu(settings: SampleSettings) -> tuple[str, Any] | None:
    """MadMiner's words for the nuisance parameters to sample at; None for nominal ones."""
    from madminer.sampling import iid_nuisance_parameters

    words: tuple[str, Any] | None = iid_nuisance_parameters("gaussian", 0.0, 1.0) if _varies(settings) else None
    return words


def _repeated(theta: tuple[str, Any], n_samples: int) -> tuple[str, Any]:
    """Points so often that the nuisance parameters, of which MadMiner draws one set for each, have many values."""
    kind, value = theta
    if kind == "random_morphing_points":
        return theta
    values = [value] if kind in {"benchmark", "morphing_point"} else list(value)
    samples = -(-n_samples // MOST_POINTS)  # of each, so that their number stays the same
    repeated = values * max(1, n_samples // (samples * len(values)))
    return ("benchmarks" if kind.startswith("benchmark") else "morphing_points"), repeated


def _repair(arrays: dict[str, Array]) -> list[str]:
    """Set negative joint ratios to 0, in place: rounding of the morphing makes some, and losses crash on them.

    :raises StepError: when a number is not finite, as when an event cannot occur at one of the points
    """
    for name, values in arrays.items():
        if name != "x" and not np.isfinite(values).all():
            bad = int((~np.isfinite(values)).any(axis=-1).sum())
            raise StepError(f"{bad} of {len(values)} samples have no finite {name}: draw from other points")
    negative = arrays["r_xz"] < 0.0 if "r_xz" in arrays else np.zeros(1, dtype=bool)
    if not negative.any():
        return []
    arrays["r_xz"] = np.where(negative, 0.0, arrays["r_xz"]).astype(arrays["r_xz"].dtype)
    return [f"{negative.mean():.2%} of the samples have a negative weight at the other point, which counts as 0"]


def _check_observables(x: Array, sampler: Any, settings: SampleSettings) -> list[str]:
    """Warnings of the observables that the network sees: of a constant one where it is MadMiner's own.

    :raises StepError: when one of them is not finite in some samples, or one of the study's own is the same in all
    """
    seen = settings.features or sampler.observables
    columns = {name: x[:, k] for k, name in enumerate(sampler.observables) if name in seen}
    for name, values in columns.items():
        bad = int((~np.isfinite(values)).sum())
        if bad:
            raise StepError(
                f"the observable {name} is not finite in {bad} of {len(values)} samples: give it a default, make it "
                "required, or leave it out of `features`"
            )
    constant = [name for name, values in columns.items() if not np.ptp(values)]
    for name in constant:
        if name not in settings.default_observables:
            raise StepError(
                f"the observable {name} is the same in all samples: look at its definition, or leave it out of "
                "`features`"
            )
    return [f"the observable {name} is the same in all samples" for name in constant]


def _partition_size(sampler: Any, settings: SampleSettings, partition: str) -> int:
    start, end, _ = sampler._calculate_partition_bounds(partition, settings.test_split, settings.validation_split)
    return int(end or sampler.n_samples) - int(start)


def _save(folder: Path, arrays: Mapping[str, Array]) -> None:
    folder.mkdir()
    for name, values in arrays.items():
        np.save(folder / f"{name}.npy", values)
