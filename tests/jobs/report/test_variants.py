"""The table of all variants, of results that were written by hand."""

import csv
from typing import Any

import pytest

pytest.importorskip("scipy", reason="needs mmc[steps]")

from mmc.compiler.settings.variants import VariantEntry
from mmc.jobs.report import variants
from mmc.jobs.report.page import render_template

ERRORS = {"a": {"fixed": 0.5, "profiled": None}}


def limits(name: str, low: float, *, grid: bool, verdict: str = "passed") -> dict[str, Any]:
    """Limits as the results of a study have them, without what the table does not show."""
    by_level = {"0.68": [[low, 0.5]], "0.95": [[2 * low, -0.5], [0.25, 1.0]]}
    areas = {"0.68": 0.1, "0.95": 0.4} if grid else {}
    return {
        "name": name,
        "n_expected": 10.0,
        "verdict": verdict,
        "best_fit": {"a": 0.0},
        "confidence_levels": [0.68, 0.95],
        "touches_edge": verdict == "failed",
        "allowed_fraction": areas,
        "allowed_area": areas,
        "allowed_area_error": dict.fromkeys(areas, 0.01),
        "intervals": {"a": by_level},
    }


def table(*, grid: bool) -> dict[str, Any]:
    """Two variants: a baseline with observed events, a method, a combination."""
    found = {}
    for k, value in enumerate((["x", 1], "<b>"), start=1):
        rate = limits("rate", -k, grid=grid)
        rate["observed"] = limits("", -3 * k, grid=grid, verdict="doubtful")
        results = {
            "baselines": [rate],
            "methods": [
                limits("sally", -k / 10, grid=grid, verdict="failed")
                | {"fisher_information": {"full": {"errors": ERRORS}}}
            ],
            "combinations": [limits("both", -k, grid=grid) | {"information": {"truth": {"errors": ERRORS}}}],
            "fisher_information": None,
            "groups": {"left": {"fisher_information": {"information": {"rate": {"errors": ERRORS}}}}},
            "warnings": ["one"],
        }
        entry = VariantEntry(values={"seed": k, "methods.sally.features": value}, report=f"report+v{k}")
        found[f"v{k}"] = variants.summary(entry, results)
    return found


def test_every_kind_of_limits_and_information_has_a_line() -> None:
    found = table(grid=True)
    assert [entry["name"] for entry in found["v1"]["limits"]] == ["rate", "rate, observed", "sally", "both"]
    assert [entry["verdict"] for entry in found["v1"]["limits"]] == ["passed", "doubtful", "failed", "passed"]
    assert list(found["v1"]["information"]) == ["rate of left", "sally", "truth of both"]
    assert found["v2"]["warnings"] == 1 and found["v2"]["report"] == "report+v2"
    lines = variants.text_table(found)
    assert lines[0].split("  ")[0] == "variant" and "allowed at 95 %" in lines[0] and "sally.features" in lines[0]
    assert " ".join(lines[1].split()) == 'v1 1 ["x", 1] rate passed 40.0 ± 1.0 % -2 … -0.5, 0.25 … 1'
    assert lines[3].endswith("reaches the edge") and lines[3].split()[:2] == ["sally", "failed"]


def test_without_a_grid_there_are_intervals() -> None:
    line = variants.text_table(table(grid=False))[1]
    assert " ".join(line.split()) == 'v1 1 ["x", 1] rate passed – -2 … -0.5, 0.25 … 1'
    rows = list(csv.DictReader(variants.csv_table(table(grid=False)).splitlines()))
    assert rows[0]["allowed_area_0.95"] == "" and (rows[0]["a_low_0.95"], rows[0]["a_high_0.95"]) == ("-2", "1.0")
    assert (rows[0]["a_intervals_0.68"], rows[0]["a_intervals_0.95"]) == ("1", "2"), "-2 … -0.5 and 0.25 … 1"


def test_an_area_that_the_grid_does_not_resolve_is_no_number() -> None:
    found = table(grid=True)
    found["v1"]["limits"][0] |= {"allowed_fraction": {"0.68": 0.0, "0.95": 0.4}}
    row = next(csv.DictReader(variants.csv_table(found).splitlines()))
    assert [row[f"allowed_area{end}"] for end in ("_0.68", "_error_0.68", "_0.95")] == ["", "", "0.4"]
    assert variants.area(found["v1"]["limits"][0], "0.68") == "not resolved"


def test_the_table_for_programs_has_every_line() -> None:
    rows = list(csv.DictReader(variants.csv_table(table(grid=True)).splitlines()))
    assert len(rows) == 2 * (4 + 3)
    informed = [f"information of {name}" for name in ("rate of left", "sally", "truth of both")]
    assert [row["result"] for row in rows[4:7]] == informed
    assert rows[0]["methods.sally.features"] == '["x", 1]' and rows[0]["allowed_area_error_0.95"] == "0.01"
    assert rows[4]["a_sigma_fixed"] == "0.5" and rows[4]["a_sigma_profiled"] == "" and rows[4]["verdict"] == ""


@pytest.mark.parametrize("grid", [True, False])
def test_the_page_shows_text_as_text(grid: bool) -> None:
    head = {"study": "scan", "title": "A & B", "mmc": "1"}
    page = render_template("variants.html.j2", {}, study=head, variants=table(grid=grid), of=variants)
    assert "&lt;b&gt;" in page and "<b>" not in page and "A &amp; B" in page
    assert page.count('<a href="v2.html">v2</a>') == 4 + 3
    assert ("40.0 ± 1.0 %" in page) == grid


def test_variants_without_limits_have_their_information() -> None:
    results: dict[str, Any] = {"baselines": [], "methods": [], "groups": {}, "warnings": []}
    results["fisher_information"] = {"information": {"truth": {"errors": ERRORS}}}
    found = {"v1": variants.summary(VariantEntry(values={"seed": 1}, report="report"), results)}
    assert variants.text_table(found) == [
        "variant  seed  information  σ of a",
        "v1       1     truth        0.5",
    ]
    (row,) = csv.DictReader(variants.csv_table(found).splitlines())
    assert row["a_sigma_fixed"] == "0.5"
