"""``results.json``: the results of a run, read from the outputs of its jobs (format: ``schema/1.0/results.json``)."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from mmc.compiler.catalogue.baselines import BASELINES
from mmc.compiler.catalogue.stages import BASELINES_STAGE, COMBINATIONS, COMBINE, EVALUATE, TRAIN, TUNE
from mmc.compiler.settings.encoding import to_json
from mmc.compiler.settings.report import ReportSettings
from mmc.errors import StepError
from mmc.jobs.arrays import read_npz
from mmc.jobs.job import read_json, read_record
from mmc.jobs.madminer.event_file import Array
from mmc.jobs.report.agreement import MORE, Choices, check_agreement
from mmc.jobs.statistics.region_likelihood import LIKELIHOOD
from mmc.reading import shown

FORMAT = "mmc-results/1.0"
"""The format of results, which ``schema/1.0/results.json`` describes."""
PACKAGES = ("madminer", "torch", "numpy", "scipy", "matplotlib")
"""The packages whose versions are part of the results."""
KINDS = {
    "": "",
    "observed": ", observed",
    "without_rate": ", without the rate",
    "observed_without_rate": ", observed, without the rate",
    "with_systematics": ", with systematic uncertainties",
    "without_rate_with_systematics": ", without the rate, with systematic uncertainties",
    "observed_with_systematics": ", observed, with systematic uncertainties",
    "observed_without_rate_with_systematics": ", observed, without the rate, with systematic uncertainties",
}
"""The kinds of limits, and the end of a title for each; the empty name stands for expected limits."""


@dataclass(frozen=True)
class Outputs:
    """The output folders of the finished jobs from which results are collected, by the name of the job."""

    events: Mapping[str | None, Path] = field(default_factory=dict)
    """Event files by group; the key is None without groups."""
    models: Mapping[str, Path] = field(default_factory=dict)
    limits: Mapping[str, Path] = field(default_factory=dict)
    baselines: Mapping[str, Path] = field(default_factory=dict)
    combinations: Mapping[str, Path] = field(default_factory=dict)

    def arrays(self) -> dict[str, Path]:
        """The npz files of all limits and Fisher information, by their file names in the results."""
        folders = [*self.limits.items(), *self.baselines.items(), *self.combinations.items()]
        return {
            f"{file.removesuffix('.npz')}_{name}.npz": path / file
            for name, path in folders
            for file in read_record(path).names(suffix=".npz")
            if file != LIKELIHOOD
        }


@dataclass(frozen=True)
class Grid:
    """The contents of ``limits.npz`` of a method or baseline: values on the grid of the parameters."""

    axes: Mapping[str, Array]
    arrays: Mapping[str, Array]
    """All other arrays by name."""

    def log_likelihood_ratio(self, kind: str = "") -> Array:
        """ln λ, which is 0 at the best fit, for expected limits or another kind, for example ``observed``."""
        return self.arrays[f"{kind}_log_likelihood_ratio" if kind else "log_likelihood_ratio"]

    @classmethod
    def read(cls, path: Path) -> "Grid":
        """Read the file.

        :raises StepError: when the file is missing or damaged, or its arrays do not have the shape of the grid
        """
        if not path.is_file():
            raise StepError(f"{path.parent} is not the output of a finished job: it has no {path.name}")
        arrays = read_npz(path)
        axes = {name.removeprefix("axis_"): value for name, value in arrays.items() if name.startswith("axis_")}
        for name, values in axes.items():
            if values.ndim != 1 or len(values) < 2 or not np.isfinite(values).all() or (np.diff(values) <= 0.0).any():
                raise StepError(f"{path} is damaged: the values of {shown(name)} are not those of an axis")
        shape = tuple(len(values) for values in axes.values())
        for name, values in arrays.items():
            if name.endswith(("p_values", "log_likelihood_ratio")) and values.shape != shape:
                raise StepError(f"{path} is damaged: {shown(name)} has the shape {values.shape}, not {shape}")
        if bool(axes) != ("log_likelihood_ratio" in arrays) or not (axes or any(map(_is_scan, arrays))):
            raise StepError(f"{path} is damaged: it has no grid, or no log_likelihood_ratio on it")
        found = cls(axes, {name: value for name, value in arrays.items() if not name.startswith("axis_")})
        for name in filter(_is_scan, arrays):
            if arrays[name].shape != tuple(map(len, found.scan(name.removesuffix(_LN_LAMBDA))[0].values())):
                raise StepError(f"{path} is damaged: {shown(name)} does not have the shape of its axes")
        return found

    def scan(self, name: str) -> tuple[dict[str, Array], Array]:
        """The axes by parameter and ln λ of a scan, by the name of its arrays with their kind: ``observed_scan_1``."""
        start = f"{name}_axis_"
        axes = {key.removeprefix(start): values for key, values in self.arrays.items() if key.startswith(start)}
        return axes, self.arrays[f"{name}{_LN_LAMBDA}"]


_LN_LAMBDA = "_ln_lambda"


def _is_scan(name: str) -> bool:
    """Whether an array is ln λ of a scan; ``pseudo_data_minus_2_ln_lambda`` is none."""
    return re.search(rf"(^|_)scan_\d+{_LN_LAMBDA}$", name) is not None


def collect(
    outputs: Outputs, settings: ReportSettings, planned: Choices | None = None
) -> tuple[dict[str, Any], dict[str, Grid]]:
    """The results without their figures, and the grids of methods and baselines by name.

    :param planned: the choices of the study for limits, if they are known
    :raises StepError: when an output is not complete, or limits have other choices than the study or than each other
    """
    events = {group: read_json(path / COMBINE.record) for group, path in outputs.events.items()}
    trainings = {name: read_json(path / TRAIN.record) for name, path in outputs.models.items()}
    grids = {name: Grid.read(path / "limits.npz") for name, path in outputs.limits.items()}
    # an ensemble is described by its first member
    first = {name: trainings.get(name, trainings.get(f"{name}.member-0")) for name in outputs.limits}
    methods = [_method(name, read_json(path / EVALUATE.record), first[name]) for name, path in outputs.limits.items()]
    baselines, fisher = [], []
    for name, path in outputs.baselines.items():
        record = read_json(path / BASELINES_STAGE.record)
        if not BASELINES[record["baseline"]].has_limits:
            fisher.append({**record, "matrices": f"fisher_{name}.npz"})
        else:
            grids[name] = Grid.read(path / "limits.npz")
            baselines.append(_limits(name, record))
    choices = (
        (record["name"], Choices.of(record, grids[record["name"]].axes, settings.luminosities_pb))
        for record in [*methods, *baselines]
    )
    check_agreement(choices, None if planned is None else ("the study", planned))
    combined = []
    for name, path in outputs.combinations.items():
        record = {"name": name, **read_json(path / COMBINATIONS.record)}
        if "best_fit" in record:
            grids[name] = Grid.read(path / "limits.npz")
            record["grid"] = f"limits_{name}.npz"
        combined.append(record | ({"matrices": f"fisher_{name}.npz"} if "information" in record else {}))
    described = [*methods, *baselines, *fisher]
    all_events = (
        {"events": None, "evaluation": None, "fisher_information": None}
        if settings.groups
        else _part(events, described)
    )
    results = {
        "format": FORMAT,
        "mmc": settings.version,
        "study": settings.study,
        "title": settings.title,
        "digest": settings.digest,
        "parameters": to_json(settings.parameters),
        "events": all_events["events"],
        "evaluation": all_events["evaluation"],
        "methods": methods,
        "baselines": baselines,
        "fisher_information": all_events["fisher_information"],
        "groups": {group: _part(events, described, group) for group in settings.groups},
        "figures": {},
        "warnings": _warnings(methods, baselines, combined, events),
    }
    results |= {"combinations": combined} if combined else {}
    tables = [read_json(path / TUNE.record) for path in outputs.models.values() if (path / TUNE.record).is_file()]
    return results | ({"tuning": tables} if tables else {}), grids


def _part(
    events: Mapping[str | None, Any], described: Sequence[Mapping[str, Any]], group: str | None = None
) -> dict[str, Any]:
    """The entries of the results for the events of a group, and those that all limits from these events share."""
    in_group = [record for record in described if record.get("group") == group and MORE not in record]
    fisher = [record for record in in_group if "information" in record]
    keys = ("parameters", "observable", "information", "matrices", "histograms", "directions", "per_bin")
    return {
        "events": _events(events.get(group, {})),
        "evaluation": _evaluation(in_group),
        "fisher_information": {key: fisher[0][key] for key in keys if key in fisher[0]} if fisher else None,
    }


def _limits(name: str, record: Mapping[str, Any]) -> dict[str, Any]:
    return {"name": name, **record, "grid": f"limits_{name}.npz"}


def _method(name: str, record: Mapping[str, Any], training: Mapping[str, Any] | None) -> dict[str, Any]:
    """The results of an estimator; ``training`` is None if its model is not among the inputs."""
    described = {**_limits(name, record), "scan": {}, "training": None}
    if training is not None:
        described["scan"] = training["scan"]
        keys = ("features", "n_train", "n_validation", "epochs", "kept_epoch", "loss_train", "loss_validation")
        described["training"] = {"settings": training["training"], **{key: training[key] for key in keys}}
        described["warnings"] = [*training["sample_warnings"], *record["warnings"]]
    return described


def _evaluation(records: Sequence[Mapping[str, Any]]) -> dict[str, Any] | None:
    """The entries that all limits share; None without limits."""
    keys = ("n_expected", "luminosity_pb", "theta_true", "include_xsec")
    return {key: records[0][key] for key in keys} if records else None


def _events(record: Mapping[str, Any]) -> dict[str, Any] | None:
    keys = ("n_events", "per_benchmark", "n_background", "cross_sections_pb", "effective_sample_size")
    return {key: record[key] for key in keys if key in record} if record else None


def _warnings(
    methods: Sequence[Mapping[str, Any]],
    baselines: Sequence[Mapping[str, Any]],
    combined: Sequence[Mapping[str, Any]],
    events: Mapping[str | None, Mapping[str, Any]],
) -> list[str]:
    """All warnings, beginning with failed closure tests."""
    records = [*methods, *baselines]
    verdicts = [
        f"{record['name']}: closure {verdict}: {'; '.join(record['reasons'])}"
        for verdict in ("failed", "doubtful")
        for record in [*(entry for entry in combined if "verdict" in entry), *records]
        if record["verdict"] == verdict
    ]
    verdicts += [
        f"{record['name']}{title}: closure {record[kind]['verdict']}: {'; '.join(_further(reasons, record))}"
        for record in records
        for kind, title in KINDS.items()
        if set(reasons := record.get(kind, {}).get("reasons", ())) - set(record["reasons"])
    ]
    verdicts += [
        f"{record['name']}{title}: {text}"
        for record in records
        for kind, title in KINDS.items()
        if kind in record and "verdict" not in record[kind]
        for text in record[kind].get("scans", {}).get("problems", ())
    ]
    edges = [f"{r['name']}: {_edge(r)}" for r in methods if r["touches_edge"]]
    of_records = [f"{r['name']}: {text}" for r in [*records, *combined] for text in r.get("warnings", ())]
    of_records += [
        f"{record['name']}{title}: {text}"
        for record in [*records, *combined]
        for kind, title in KINDS.items()
        for text in record.get(kind, {}).get("warnings", ())
        if text not in record.get("warnings", ())
    ]
    of_events = [
        text if group is None else f"{group}: {text}"
        for group, record in events.items()
        for text in record.get("warnings", ())
    ]
    return list(dict.fromkeys([*verdicts, *edges, *of_records, *of_events]))


def _further(reasons: Sequence[str], record: Mapping[str, Any]) -> list[str]:
    """The reasons that are not those of the expected limits; the last entry says whether there are others."""
    found = [text for text in reasons if text not in record["reasons"]]
    return found + ([f"and what is said of {record['name']}"] if len(found) < len(reasons) else [])


def _edge(record: Mapping[str, Any]) -> str:
    if record["allowed_fraction"]:
        return "the confidence region reaches the edge of the grid"
    return "an interval reaches the end of the range of its parameter"
