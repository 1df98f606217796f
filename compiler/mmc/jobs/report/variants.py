"""The results of all variants of a study in one table."""

import csv
import io
import json
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from mmc.compiler.settings.encoding import to_json
from mmc.compiler.settings.variants import VariantEntry
from mmc.jobs.report.results import KINDS
from mmc.tables import interval_ends, number, percent, region_size, table

FORMAT = "mmc-variants/1.0"
REGION = (
    "best_fit",
    "confidence_levels",
    "touches_edge",
    "allowed_fraction",
    "allowed_area",
    "allowed_area_error",
    "intervals",
    "interval_errors",
)
"""The entries of a region in the results of a study that the table has."""
NO_INTERVAL = "–"


def summary(entry: VariantEntry, results: Mapping[str, Any]) -> dict[str, Any]:
    """What a variant gave: its values, its limits of every kind, its information and the number of its warnings."""
    return {
        "values": to_json(entry.values),
        "report": entry.report,
        "limits": list(_limits(results)),
        "information": dict(_information(results)),
        "warnings": len(results["warnings"]),
    }


def _limits(results: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    records = [*results["baselines"], *results["methods"], *results.get("combinations", ())]
    for record in records:
        for kind, title in KINDS.items():
            region = record if not kind else record.get(kind)
            if region is None or "best_fit" not in region:
                continue
            told = {key: region[key] for key in REGION if key in region}
            verdict = region.get("verdict", record.get("verdict"))
            yield {
                "name": f"{record['name']}{title}",
                "n_expected": record.get("n_expected"),
                "verdict": verdict,
            } | told


def _information(results: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    """The errors of the parameters by what has the information."""
    for group, part in {"": results, **results["groups"]}.items():
        for name, entry in (part["fisher_information"] or {"information": {}})["information"].items():
            yield f"{name} of {group}" if group else name, entry["errors"]
    for record in results["methods"]:
        if "fisher_information" in record:
            yield record["name"], record["fisher_information"]["full"]["errors"]
    for record in results.get("combinations", ()):
        for name, entry in record.get("information", {}).items():
            yield f"{name} of {record['name']}", entry["errors"]


def levels(variants: Mapping[str, Any]) -> list[str]:
    """The confidence levels of all variants, the smallest first."""
    found = {
        str(level) for entry in variants.values() for limit in entry["limits"] for level in limit["confidence_levels"]
    }
    return sorted(found, key=float)


def parameters(variants: Mapping[str, Any]) -> list[str]:
    """The parameters of all variants."""
    of_limits = [name for entry in variants.values() for limit in entry["limits"] for name in limit["best_fit"]]
    of_information = [
        name for entry in variants.values() for errors in entry["information"].values() for name in errors
    ]
    return list(dict.fromkeys([*of_limits, *of_information]))


def paths(variants: Mapping[str, Any]) -> dict[str, str]:
    """What varies, with a short name for each: the last two keys of its path, or more where those are not unique.

    >>> paths({"v1": {"values": {"methods.a.samples": 1, "methods.b.samples": 1, "generation.samples.s.events.sm": 1}}})
    {'methods.a.samples': 'a.samples', 'methods.b.samples': 'b.samples', 'generation.samples.s.events.sm': 'events.sm'}
    """
    found = list(dict.fromkeys(path for entry in variants.values() for path in entry["values"]))
    tails = {path: [path.split(".")[-n:] for n in range(2, path.count(".") + 2)] or [[path]] for path in found}
    ends = Counter(".".join(tail) for path in found for tail in tails[path])
    return {path: next((t for t in map(".".join, tails[path]) if ends[t] == 1), path) for path in found}


def area(limit: Mapping[str, Any], level: str) -> str:
    """The part of the grid that is allowed at a level, with its error; a dash without a grid."""
    return region_size(limit, level) if level in limit.get("allowed_fraction", {}) else NO_INTERVAL


def text_table(variants: Mapping[str, Any]) -> list[str]:
    """For a terminal: a line for each variant and method, with what is allowed at the highest level."""
    of_levels, names, varied = levels(variants), parameters(variants), paths(variants)
    if not of_levels:
        return _information_table(variants, names, varied)
    last = of_levels[-1]
    shares = f"allowed at {percent(float(last))}", *(f"{name} at {percent(float(last))}" for name in names)
    rows = [("variant", *varied.values(), "limits", "closure", *shares, "")]
    for variant, entry in variants.items():
        for k, limit in enumerate(entry["limits"]):
            head = (variant, *_values(entry, varied)) if k == 0 else ("",) * (1 + len(varied))
            found = (interval_ends(limit, name, last) for name in names)
            edge = "reaches the edge" if limit["touches_edge"] else ""
            rows.append((*head, limit["name"], limit["verdict"] or NO_INTERVAL, area(limit, last), *found, edge))
    return table(rows)


def _information_table(variants: Mapping[str, Any], names: Sequence[str], varied: Mapping[str, str]) -> list[str]:
    """Without limits: a line for each variant and information, with the errors of the parameters."""
    rows = [("variant", *varied.values(), "information", *(f"σ of {name}" for name in names))]
    for variant, entry in variants.items():
        for k, (information, errors) in enumerate(entry["information"].items()):
            head = (variant, *_values(entry, varied)) if k == 0 else ("",) * (1 + len(varied))
            sigmas = [errors.get(name, {}).get("fixed") for name in names]
            rows.append((*head, information, *(NO_INTERVAL if s is None else number(s) for s in sigmas)))
    return table(rows)


def _values(entry: Mapping[str, Any], varied: Iterable[str]) -> tuple[str, ...]:
    return tuple(shown(entry["values"].get(path)) for path in varied)


def shown(value: Any) -> str:
    """A value of a variant in a table."""
    return value if isinstance(value, str) else NO_INTERVAL if value is None else json.dumps(value, ensure_ascii=False)


def csv_table(variants: Mapping[str, Any]) -> str:
    """For other programs: a line for each variant and limits, and one for each information."""
    of_levels, names, varied = levels(variants), parameters(variants), paths(variants)
    regions = [f"{what}_{level}" for level in of_levels for what in ("allowed_area", "allowed_area_error")]
    ends = [f"{name}_{end}_{level}" for name in names for level in of_levels for end in ("intervals", "low", "high")]
    errors = [f"{name}_sigma_{which}" for name in names for which in ("fixed", "profiled")]
    best = [f"{name}_best_fit" for name in names]
    file = io.StringIO()
    write = csv.writer(file, lineterminator="\n").writerow
    write(["variant", *varied, "result", "verdict", "touches_edge", *regions, *best, *ends, *errors])
    for variant, entry in variants.items():
        head = [variant, *(shown(entry["values"].get(path)) for path in varied)]
        for limit in entry["limits"]:
            resolved = {level for level, share in limit.get("allowed_fraction", {}).items() if share}
            areas = [
                limit.get(what, {}).get(level) if level in resolved else None
                for level in of_levels
                for what in ("allowed_area", "allowed_area_error")
            ]
            fits = [limit["best_fit"].get(name) for name in names]
            outer = [end for name in names for level in of_levels for end in _outer(limit, name, level)]
            told = [limit["name"], limit["verdict"], limit["touches_edge"], *areas, *fits, *outer]
            write([*head, *told, *[None] * len(errors)])
        for name, found in entry["information"].items():
            sigmas = [found.get(parameter, {}).get(which) for parameter in names for which in ("fixed", "profiled")]
            blank = [None] * (2 + len(regions) + len(best) + len(ends))
            write([*head, f"information of {name}", *blank, *sigmas])
    return file.getvalue()


def _outer(limit: Mapping[str, Any], parameter: str, level: str) -> tuple[float | None, ...]:
    """The number of intervals of a parameter, and the lowest and the highest value that is allowed."""
    found = limit.get("intervals", {}).get(parameter, {}).get(level)
    return (None if found is None else len(found), found[0][0] if found else None, found[-1][1] if found else None)
