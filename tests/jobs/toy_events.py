"""A model with a known likelihood, as a MadMiner event file: |M|² = (1 + a θ·z)² + c θ², z normal, σ = 1 + (a² + c) θ².

Observables are z with or without smearing. Written with MadMiner's own functions.
"""

import json
import shutil
from pathlib import Path
from typing import Any

import h5py
import numpy as np
from mmc.jobs.madminer import workarounds

A, C = 0.5, 0.1
SIGMA = 0.01
"""Cross section at θ = 0 in pb."""


def squared_amplitude(z: Any, theta: Any) -> Any:
    return (1.0 + A * z @ theta) ** 2 + C * theta @ theta


def cross_section(theta: Any) -> float:
    """In pb."""
    theta = np.asarray(theta, dtype=float)
    return float(SIGMA * (1.0 + (A**2 + C) * theta @ theta))


def write_events(
    folder: Path, n_parameters: int = 2, n_events: int = 8000, smearing: float = 0.3, seed: int = 1, ids: bool = False
) -> Path:
    """A directory as ``combine`` writes it: half of the events sampled at `sm`, the rest at the other benchmarks.

    With ``ids`` there is one more observable, the number of the event.
    """
    workarounds.apply()
    from madminer.models import AnalysisParameter, Benchmark, Observable
    from madminer.utils.interfaces.hdf5 import save_events, save_madminer_settings
    from madminer.utils.morphing import PhysicsMorpher

    random = np.random.default_rng(seed)
    names = [f"c{k + 1}" for k in range(n_parameters)]
    parameters = {name: AnalysisParameter(name, "block", k, 2, (-2.0, 2.0), "theta") for k, name in enumerate(names)}
    points = _basis(n_parameters)
    benchmarks = {
        label: Benchmark.from_params(label, names, point)
        for label, point in zip(["sm", *(f"b{k}" for k in range(1, len(points)))], points, strict=True)
    }
    morpher = PhysicsMorpher(parameters)
    components = morpher.find_components(2)
    morpher.set_basis(benchmarks)
    folder.mkdir(parents=True)
    path = folder / "events.h5"
    save_madminer_settings(str(path), True, parameters, benchmarks, components, morpher.morphing_matrix, {}, {})

    counts = [n_events // 2] + [n_events // 2 // (len(points) - 1)] * (len(points) - 1)
    latent, weights, origin = [], [], []
    for k, (point, count) in enumerate(zip(points, counts, strict=True)):
        z = _draw(random, np.array(point), count)
        ratios = np.stack([squared_amplitude(z, np.array(other)) for other in points], axis=1)
        latent.append(z)
        weights.append(cross_section(point) * ratios / squared_amplitude(z, np.array(point))[:, None] / count)
        origin += [k] * count
    order = random.permutation(len(origin))
    z, w, sampled = np.concatenate(latent)[order], np.concatenate(weights)[order], np.array(origin)[order]
    x = z + smearing * random.normal(size=z.shape)
    observations = {f"x{k + 1}": x[:, k] for k in range(n_parameters)}
    if ids:
        observations["id"] = np.arange(len(x), dtype=float)
    observables = {name: Observable(name, "0.0") for name in observations}
    by_benchmark = {name: w[:, k] for k, name in enumerate(benchmarks)}
    save_events(str(path), False, observables, observations, by_benchmark, sampled, counts, 0)
    label(path, sampled)
    (folder / "job.json").write_text(json.dumps({"stage": "combine", "job": "combine"}))
    sizes = dict(zip(benchmarks, counts, strict=True))
    (folder / "events.json").write_text(
        json.dumps(
            {
                "n_events": len(x),
                "per_benchmark": sizes,
                "n_background": 0,
                "cross_sections_pb": {
                    name: [cross_section(p), 0.0] for name, p in zip(benchmarks, points, strict=True)
                },
                "effective_sample_size": dict.fromkeys(benchmarks, 1000.0),
                "samples": [
                    {
                        "sample": "signal",
                        "slice": None,
                        "benchmark": name,
                        "n_generated": count,
                        "integration_error": 1e-6,
                    }
                    for name, count in sizes.items()
                ],
            }
        )
    )
    return folder


def add_systematics(source: Path, folder: Path, size: float = 0.15) -> Path:
    """A copy of events with two nuisance parameters: `lumi`, on all weights, and `tilt`, along the first observable."""
    from madminer.models import NuisanceParameter
    from madminer.utils.interfaces import hdf5

    shutil.copytree(source, folder)
    path = str(folder / "events.h5")
    names, points, _, _ = hdf5._load_benchmarks(path)
    x, weights, ids = map(np.asarray, hdf5._load_samples(path))
    effects = {
        "lumi_nuisance_param_0_benchmark_0": np.full(len(x), 1.0 + 0.5 * size),
        "tilt_nuisance_param_0_benchmark_0": np.exp(tilt(x, size)),
        "tilt_nuisance_param_0_benchmark_1": np.exp(-1.2 * tilt(x, size)),
    }
    names, points = [*names, *effects], [*points, *np.zeros((len(effects), len(points[0])))]
    nuisance, reference = [name in effects for name in names], [name == "sm" for name in names]
    hdf5._save_benchmarks(path, True, names, points, nuisance, reference)
    lumi, up, down = effects
    parameters = [
        NuisanceParameter("lumi_nuisance_param_0", "lumi", lumi, None),
        NuisanceParameter("tilt_nuisance_param_0", "tilt", up, down),
    ]
    hdf5._save_nuisance_params(path, True, {parameter.name: parameter for parameter in parameters})
    varied = np.stack([weights[:, 0] * factor for factor in effects.values()], axis=1)
    hdf5._save_samples(path, True, x, np.hstack([weights, varied]), ids)
    label(folder / "events.h5", ids)
    return folder


def label(path: Path, labels: Any) -> None:
    """Add the index of each event's sample, as ``combine`` does."""
    with h5py.File(path, "r+") as file:
        file["samples/mmc_samples"] = np.asarray(labels, dtype=np.int32)


def tilt(x: Any, size: float = 0.15) -> Any:
    """The logarithm of the effect of `tilt` at 1 on events with these observables."""
    return size * np.tanh(x[:, 0])


def _basis(n: int) -> list[list[float]]:
    """As many points as a quadratic form in n variables has coefficients."""
    points = [[0.0] * n]
    for k in range(n):
        points += [[value if i == k else 0.0 for i in range(n)] for value in (1.0, -1.0)]
    points += [[1.0 if i in (j, k) else 0.0 for i in range(n)] for k in range(n) for j in range(k)]
    return points


def _draw(random: Any, theta: Any, count: int) -> Any:
    """z from the density of the squared amplitude, by rejection."""
    accepted: list[Any] = []
    while sum(map(len, accepted)) < count:
        z = random.normal(size=(4 * count, len(theta))) * 1.3
        envelope = np.exp(-0.5 * (z**2).sum(axis=1) * (1.0 - 1.0 / 1.3**2))
        density = squared_amplitude(z, theta) * envelope
        accepted.append(z[random.uniform(0.0, density.max() * 1.05, len(z)) < density])
    return np.concatenate(accepted)[:count]


def in_units(source: Path, folder: Path, units: list[float]) -> Path:
    """A copy of events whose parameters have other units: their values are multiplied by these numbers."""
    shutil.copytree(source, folder)
    with h5py.File(folder / "events.h5", "r+") as file:
        file["parameters/val_ranges"][...] *= np.array(units)[:, np.newaxis]
        file["benchmarks/values"][...] *= np.array(units)
        powers = np.prod(np.array(units) ** file["morphing/components"][()], axis=1)
        file["morphing/morphing_matrix"][...] /= powers[:, np.newaxis]
    return folder


def with_negative_weights(source: Path, folder: Path, part: float, seed: int = 1) -> Path:
    """A copy of events some of which have weights of the other sign: ``part`` of the cross section at each point."""
    shutil.copytree(source, folder)
    with h5py.File(folder / "events.h5", "r+") as file:
        weights = file["samples/weights"][()]
        chosen = np.random.default_rng(seed).random(len(weights)) < part / (1.0 + 2.0 * part)
        file["samples/weights"][...] = np.where(chosen[:, np.newaxis], -weights, weights)
    return folder


def with_benchmark_outside(source: Path, folder: Path, point: list[float], factor: Any = 1.0) -> Path:
    """A copy of events with one more benchmark, `out`, outside the basis; its exact weights are multiplied by a factor.

    :param factor: a number, or one for each event
    """
    shutil.copytree(source, folder)
    workarounds.apply()
    from madminer.analysis import DataAnalyzer
    from madminer.utils.interfaces import hdf5

    path = str(folder / "events.h5")
    morphed = DataAnalyzer(path).morpher.calculate_morphing_weights(np.array(point))
    names, points, _, _ = hdf5._load_benchmarks(path)
    x, weights, ids = map(np.asarray, hdf5._load_samples(path))
    new, names = weights @ morphed * factor, [*names, "out"]
    hdf5._save_benchmarks(
        path, True, names, [*points, np.array(point)], [False] * len(names), [n == "sm" for n in names]
    )
    hdf5._save_samples(path, True, x, np.hstack([weights, new[:, np.newaxis]]), ids)
    hdf5._save_samples_summary(path, True, np.bincount(ids, minlength=len(names)), 0)
    return folder
