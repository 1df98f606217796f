"""The tracked entries of jobs, from the records that jobs write: parameters, metrics, losses by epoch, tags, files."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

from mmc.compiler.catalogue.stages import REPORT, SAMPLE, STAGES, TRAIN, TUNE
from mmc.jobs.job import read_json
from mmc.jobs.record import RECORD
from mmc.jobs.versions import versions as installed
from mmc.version import __version__

SERIES = ("loss_train", "loss_validation")
"""Entries of records with one number per epoch."""
CHOSEN = {
    *("method_name", "method", "estimator", "member", "device", "features", "group"),
    *("observables", "parameters", "nuisance_parameters", "baseline", "bins", "theta", "theta0", "theta1"),
    *("samples", "validation_samples", "sample_only_from_closest_benchmark"),
    *("search", "sampler", "criterion", "best"),
    *("luminosity_pb", "theta_true", "include_xsec", "confidence_levels", "score_bins"),
    *("combination", "floating"),
}
"""Entries of records and settings that are choices, not results. They become parameters of a run; all other numbers are
metrics."""
OPTIONS = ("training", "scan")
"""Entries that hold several parameters of a run. Each is logged under its own name, so that runs can be compared."""


@dataclass(frozen=True)
class Entry:
    """The values and files of a job to be logged."""

    params: Mapping[str, Any] = field(default_factory=dict)
    metrics: Mapping[str, float] = field(default_factory=dict)
    series: Mapping[str, list[float]] = field(default_factory=dict)
    """One number per epoch, from the first epoch on."""
    tags: Mapping[str, str] = field(default_factory=dict)
    artifacts: tuple[Path, ...] = ()
    network: tuple[Path, str] | None = None
    """The folder of a trained network, and its method."""


def describe(stage: str, folder: Path, seed: int, settings: Mapping[str, Any]) -> Entry:
    """The entry of the job that wrote the folder. ``settings`` may be empty if they are not known; they add little."""
    if stage == TUNE.name and not (folder / TUNE.record).is_file():  # the job passed on a model that is logged already
        return Entry(tags={logged(stage): str(seed)})
    declared = STAGES[stage]
    record = {} if declared.tracked_as is None else read_json(folder / declared.record)
    if declared is TUNE:
        record = {**read_json(folder / TRAIN.record), **record}
    params = {name: value for name, value in {**settings, **record}.items() if name in CHOSEN and value is not None}
    for name in OPTIONS:
        params |= record.get(name, {})
    rest = {name: value for name, value in record.items() if name not in (*CHOSEN, *OPTIONS, *SERIES)}
    series = {name: record[name] for name in SERIES if record.get(name)}
    kept = record.get("kept_epoch")
    best = {} if kept is None else {f"kept_{name}": values[kept - 1] for name, values in series.items()}
    texts = {name: text for name in ("verdict", "reasons", "warnings") if (text := _text(rest.get(name)))}
    method = {"method": record["method"]} if "method" in record else {}
    files = [path for path in sorted(folder.iterdir()) if path.name != RECORD]
    return Entry(
        params={name: text for name, value in params.items() if (text := _text(value))},
        metrics=dict(_numbers(rest)) | best,
        series=series,
        tags={**method, **texts, logged(stage): str(seed)},
        artifacts=tuple(path for path in files if declared is not SAMPLE or path.suffix == ".json"),
        network=(folder, record["method"]) if (folder / "model_settings.json").is_file() else None,
    )


def summarise(folder: Path) -> Entry:
    """The entry of the study's run, from the folder of the report: regions and verdicts.

    Settings that all limits share are included if the events are not in groups.
    """
    results = read_json(folder / REPORT.record)
    combined = [entry for entry in results.get("combinations", ()) if "grid" in entry]
    records, shared = [*results["baselines"], *results["methods"], *combined], results["evaluation"] or {}
    metrics = {
        f"{part}.{level}/{limits['name']}": fraction
        for limits in records
        for part in ("allowed_fraction", "allowed_area")
        for level, fraction in limits[part].items()
    }
    verdicts = {f"verdict.{limits['name']}": limits["verdict"] for limits in records}
    return Entry(
        params={name: _text(value) for name, value in shared.items() if name in CHOSEN},
        metrics=metrics | dict(_numbers({name: value for name, value in shared.items() if name not in CHOSEN})),
        tags={**verdicts, "warnings": _text(results["warnings"])},
        artifacts=tuple(sorted(folder.iterdir())),
    )


def describe_trial(values: Mapping[str, Any], judgement: Mapping[str, Any] | None, failed: str) -> Entry:
    """The entry of a trial in addition to its training: hyperparameters, and the judgement of the tuning."""
    judged = judgement or {}
    tags = {"verdict": judged.get("verdict"), "failed": failed}
    return Entry(
        params={name: _text(value) for name, value in values.items()},
        metrics=dict(_numbers({"criterion": judged.get("value"), "closure": judged.get("closure")})),
        tags={f"tuning.{name}": text for name, text in tags.items() if text},
    )


def logged(stage: str) -> str:
    """The tag that marks the job of a stage as logged in a run; its value is the seed of the job."""
    return f"seed.{stage}"


@cache
def versions() -> dict[str, str]:
    """Tags with the versions of mmc, MadMiner and torch."""
    found = {"mmc": __version__, **installed(("madminer", "torch"))}
    return {f"version.{package}": version for package, version in found.items()}


def _numbers(record: Mapping[str, Any], prefix: str = "", between: str = "/") -> Iterator[tuple[str, float]]:
    """The numbers of a record by name; numbers in nested entries are called `entry/name` or `entry/name.name`.

    MLflow shows names with the same text before the slash in one section.
    """
    for name, value in record.items():
        if isinstance(value, Mapping):
            yield from _numbers(value, f"{prefix}{name}{between}", ".")
        elif isinstance(value, int | float) and not isinstance(value, bool):
            yield f"{prefix}{name}", float(value)


def _text(value: Any) -> str:
    """A value as a line of text: text unchanged, a list of texts joined, anything else as JSON."""
    if isinstance(value, str):
        return value
    if isinstance(value, list) and value and all(isinstance(item, str) for item in value):
        return "; ".join(value)
    return json.dumps(value, ensure_ascii=False) if value not in (None, [], {}) else ""
