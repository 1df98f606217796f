"""The comparison of two runs: changes of the study, of the versions and of the results."""

import itertools
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from mmc.compiler.settings.report import ReportSettings
from mmc.jobs.report import figures
from mmc.jobs.report.pictures import Picture, curves
from mmc.jobs.report.results import Grid
from mmc.jobs.report.run_folder import Run
from mmc.tables import percent, region_size, table

COLORS = ("#0072B2", "#D55E00")
"""The colours of the first run, A, and of the second run, B."""
ABSENT = "–"

Pair = tuple[Any, Any]
ResultsAndGrids = tuple[Mapping[str, Any], Mapping[str, Grid]]
"""Results and grids of a run."""


@dataclass(frozen=True)
class Change:
    """An entry with different values in the two runs; a value is None if the run lacks the entry."""

    path: str
    old: Any
    new: Any


@dataclass(frozen=True)
class Measured:
    """A number with its standard error in both runs."""

    name: str
    old: Sequence[float] | None
    new: Sequence[float] | None

    @property
    def pull(self) -> float | None:
        """The difference in units of its error, for independent errors; None if a run lacks the number or its error."""
        if self.old is None or self.new is None:
            return None
        error = float((self.old[1] ** 2 + self.new[1] ** 2) ** 0.5)
        return float(self.new[0] - self.old[0]) / error if error > 0.0 else None


@dataclass(frozen=True)
class Comparison:
    """The differences between two runs."""

    runs: tuple[Run, Run]
    titles: tuple[str, str]
    study: Sequence[Change] | None
    """Changes of the study; None if the study of a run is not known."""
    versions: Sequence[Change]
    limits: Mapping[str, Pair]
    """The results of each method, baseline or combination in both runs; None if a run lacks it."""
    cross_sections: Sequence[Measured]
    fisher: Sequence[Measured]

    @classmethod
    def of(cls, first: Run, second: Run, old: Mapping[str, Any], new: Mapping[str, Any]) -> "Comparison":
        """The comparison from the runs and their results."""
        known = first.study is not None and second.study is not None
        named = [{entry["name"]: entry for entry in _records(results)} for results in (old, new)]
        return cls(
            runs=(first, second),
            titles=(old["title"] or old["study"], new["title"] or new["study"]),
            study=list(differences(first.study, second.study)) if known else None,
            versions=[
                change for change in differences(_versions(old), _versions(new)) if None not in (change.old, change.new)
            ],
            limits={name: (named[0].get(name), named[1].get(name)) for name in {**named[0], **named[1]}},
            cross_sections=_measured(_cross_sections(old), _cross_sections(new)),
            fisher=_measured(_fisher(old), _fisher(new)),
        )

    @property
    def levels(self) -> list[str]:
        """All confidence levels of the limits, in ascending order."""
        records = [record for pair in self.limits.values() for record in pair if record is not None]
        return sorted({str(level) for record in records for level in record["confidence_levels"]}, key=float)

    def summary(self) -> list[str]:
        """The changes as lines of text."""
        lines = [f"{name}: {run.folder}" for name, run in zip("AB", self.runs, strict=True)]
        if self.study is None:
            lines.append("study: not known for both runs")
        else:
            lines.append(f"study: {len(self.study)} changes" if self.study else "study: no changes")
            lines += [f"  {change.path}: {_short(change.old)} → {_short(change.new)}" for change in self.study]
        lines += [f"{change.path}: {_short(change.old)} → {_short(change.new)}" for change in self.versions]
        if self.limits:
            level = self.levels[-1]
            rows: list[Sequence[str]] = [("method", f"allowed at {percent(float(level))}: A", "B", "closure A", "B")]
            for name, pair in self.limits.items():
                shares = [_share(record, level) for record in pair]
                rows.append((name, *shares, *(ABSENT if record is None else record["verdict"] for record in pair)))
            lines += ["", *table(rows, right=(1, 2)), ""]
        pulls = [entry for entry in self.cross_sections if entry.pull is not None]
        if pulls:
            worst = max(pulls, key=lambda entry: abs(entry.pull or 0.0))
            lines.append(f"cross sections: largest pull {worst.pull:.2g} ({worst.name})")
        return lines


def differences(old: Any, new: Any, path: str = "") -> Iterator[Change]:
    """The entries with different values, each with its path, for example ``methods.sally.training.n_epochs``.

    >>> list(differences({"a": 1, "b": [1, 2]}, {"a": 1, "b": [1, 3]}))
    [Change(path='b[1]', old=2, new=3)]
    """
    if isinstance(old, Mapping) and isinstance(new, Mapping):
        for key in {**old, **new}:
            yield from differences(old.get(key), new.get(key), f"{path}.{key}" if path else str(key))
    elif isinstance(old, list) and isinstance(new, list) and len(old) == len(new):
        for k, (one, other) in enumerate(zip(old, new, strict=True)):
            yield from differences(one, other, f"{path}[{k}]")
    elif old != new:
        yield Change(path, old, new)


def overlays(first: ResultsAndGrids, second: ResultsAndGrids, settings: ReportSettings) -> dict[str, Picture]:
    """For each method, baseline or combination, both contours in one figure; p-values with one parameter."""
    lines = [
        {curve.name: curve for curve in curves(_on_grid(results, grids), grids, {})}
        for results, grids in (first, second)
    ]
    labels = {name: figures.axis_label(named.label or name) for name, named in settings.parameters.items()}
    level, drawn = settings.style.level, {}
    for name in lines[0]:
        if name not in lines[1] or list(lines[0][name].axes) != list(lines[1][name].axes):
            continue
        pair = [
            replace(run_lines[name], name=run, color=color, baseline=False)
            for run, color, run_lines in zip("AB", COLORS, lines, strict=True)
        ]
        (record,) = [entry for entry in _records(first[0]) if entry["name"] == name or _key(entry) == name][:1]
        axes = list(pair[0].axes)
        text = f"A: closure {pair[0].verdict}. B: closure {pair[1].verdict}. The table shows the numbers."
        if len(axes) == 1:
            figure = figures.p_value_figure(pair, labels, record["confidence_levels"], record["theta_true"])
            drawn[f"comparison_{name}"] = Picture("limits", name, text, figure)
        for both in itertools.combinations(axes, 2):
            figure = figures.contour_figure(pair, both, labels, level, record["theta_true"])
            title = f"{name}: {both[0]} and {both[1]}"
            drawn[f"comparison_{name}_{both[0]}_{both[1]}"] = Picture("limits", title, text, figure)
    return drawn


def _records(results: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """The limits of baselines, methods and combinations; a combination is a method with the name of its job."""
    combined = [entry for entry in results.get("combinations", ()) if "grid" in entry]
    named = ({**entry, "method_name": entry["name"]} for entry in combined)
    return [*results["baselines"], *results["methods"], *named]


def _on_grid(results: Mapping[str, Any], grids: Mapping[str, Grid]) -> list[Mapping[str, Any]]:
    return [record for record in _records(results) if grids[record["name"]].axes]


def _key(record: Mapping[str, Any]) -> Any:
    return record["baseline"] if "baseline" in record else record["method_name"]


def _versions(results: Mapping[str, Any]) -> dict[str, Any]:
    return {"mmc": results["mmc"], **results.get("versions", {})}


def _parts(results: Mapping[str, Any]) -> dict[str, Mapping[str, Any]]:
    """The results for all events or for each group, by the prefix of its entries' names."""
    return {f"{group}: ": part for group, part in results["groups"].items()} or {"": results}


def _cross_sections(results: Mapping[str, Any]) -> dict[str, Sequence[float]]:
    return {
        f"{group}{name}": value
        for group, part in _parts(results).items()
        for name, value in ((part["events"] or {}).get("cross_sections_pb") or {}).items()
    }


def _fisher(results: Mapping[str, Any]) -> dict[str, Sequence[float]]:
    """The entries of all Fisher information matrices, each with its error."""
    found: dict[str, Sequence[float]] = {}
    records = {group: part["fisher_information"] for group, part in _parts(results).items()}
    combined = [entry for entry in results.get("combinations", ()) if "information" in entry]
    records |= {f"{entry['name']}: ": entry for entry in combined}
    for group, record in records.items():
        if record is None:
            continue
        names = record["parameters"]
        for kind, entry in record["information"].items():
            for i, j in itertools.combinations_with_replacement(range(len(names)), 2):
                error = entry["standard_errors"][i][j] if "standard_errors" in entry else 0.0
                found[f"{group}{kind}: {names[i]}, {names[j]}"] = (entry["matrix"][i][j], error)
    return found


def _measured(old: Mapping[str, Sequence[float]], new: Mapping[str, Sequence[float]]) -> list[Measured]:
    return [Measured(name, old.get(name), new.get(name)) for name in {**old, **new}]


def _share(record: Mapping[str, Any] | None, level: str) -> str:
    return ABSENT if record is None or level not in record["allowed_fraction"] else region_size(record, level)


def _short(value: Any) -> str:
    """A value, cut to fit on a line."""
    text = ABSENT if value is None else str(value)
    return text if len(text) <= 60 else f"{text[:57]}…"
