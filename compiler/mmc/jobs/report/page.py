"""The pages of reports. Each page is one HTML file that needs no other files."""

import base64
import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from importlib.resources import files
from typing import Any

from jinja2 import Environment, FunctionLoader, StrictUndefined
from markupsafe import Markup

from mmc.jobs.report.agreement import MORE, luminosity_in_words
from mmc.jobs.report.inline_svg import dark_colors, inline
from mmc.jobs.report.pictures import Picture, interval_width, interval_words
from mmc.jobs.report.results import KINDS, Grid
from mmc.jobs.report.run_folder import Run
from mmc.jobs.report.workflow import time_words
from mmc.jobs.statistics.closure.declaration import ClosureTest
from mmc.jobs.statistics.closure.registry import TESTS
from mmc.tables import coverages, critical_values, number, region_size, toys_in_words

MOST_WARNINGS = 8
"""The number of warnings that are always visible, the worst first; the reader can unfold the others."""


@dataclass(frozen=True)
class Page:
    """The contents of a report. Entries that need a whole run are None or empty on the page of the step ``report``."""

    results: Mapping[str, Any]
    grids: Mapping[str, Grid]
    pictures: Mapping[str, Picture]
    run: Run | None = None
    workflow: Markup = field(default_factory=Markup)
    notes: Sequence[str] = ()
    """Notes on an incomplete run, shown before the warnings."""

    def information(self, group: str) -> list[tuple[str, Mapping[str, Any], str]]:
        """Name, matrices and verdict of each Fisher information of a group; an empty name stands for all events."""
        part = self.results["groups"][group] if group else self.results
        found = [(kind, entry, "passed") for kind, entry in part["fisher_information"]["information"].items()]
        return found + [
            (record["name"], record["fisher_information"]["full"], record["verdict"])
            for record in self.results["methods"]
            if "fisher_information" in record and record.get("group", "") == group and MORE not in record
        ]

    @property
    def closure_tests(self) -> list[ClosureTest]:
        """The closure tests that were made for at least one method or baseline."""
        records = [*self.results["baselines"], *self.results["methods"]]
        return [test for test in TESTS if any(test.is_made(record["closure"]) for record in records)]

    @property
    def edges(self) -> dict[str, tuple[float, float]]:
        """First and last value of each parameter on the grid, or in the scans."""
        axes = next(iter(self.grids.values())).axes if self.grids else {}
        if self.grids and not axes:
            first = [*self.results["baselines"], *self.results["methods"]][0]
            return {name: (low, high) for name, (low, high) in first["scans"]["ranges"].items()}
        return {name: (float(axis[0]), float(axis[-1])) for name, axis in axes.items()}


def render(page: Page) -> str:
    """The page of a run."""
    return render_template("report.html.j2", page.pictures, page=page)


def render_template(template: str, pictures: Mapping[str, Picture], **values: Any) -> str:
    """A page with figures; in the template, ``drawn`` holds the inline figures by name."""
    drawn = {name: inline(item.svg, name, item.title) for name, item in pictures.items()}
    script = _read("sort.js")
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    return (
        _environment()
        .get_template(template)
        .render(
            **values,
            drawn=drawn,
            pictures=pictures,
            dark_colors=dark_colors(drawn.values()),
            style=Markup(_read("style.css")),
            script=Markup(script),
            script_digest=digest,
            most_warnings=MOST_WARNINGS,
        )
    )


def _read(name: str) -> str:
    return files("mmc.templates").joinpath("report", name).read_text(encoding="utf-8")


def _json(value: Any) -> str:
    return json.dumps(value, indent=2, ensure_ascii=False)


@cache
def _environment() -> Environment:
    environment = Environment(
        loader=FunctionLoader(_read),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    environment.filters |= {
        "luminosity": luminosity_in_words,
        "region_size": region_size,
        "critical_values": critical_values,
        "coverages": coverages,
        "toys": toys_in_words,
        "number": number,
        "intervals": interval_words,
        "width": interval_width,
        "time": time_words,
        "json": _json,
    }
    environment.globals["kinds"] = KINDS
    return environment
