"""The comparison of two runs."""

from pathlib import Path
from typing import Any

import pytest
from mmc.cli.main import main
from mmc.jobs.report.compare import Change, Comparison, Measured, differences
from mmc.jobs.report.run_folder import Run

Capture = pytest.CaptureFixture[str]


def test_differences_have_paths() -> None:
    old = {"a": {"b": 1, "gone": [1]}, "points": [1, 2], "longer": [1], "same": {"x": None}}
    new = {"a": {"b": 2, "new": "x"}, "points": [1, 3], "longer": [1, 2], "same": {"x": None}}
    assert list(differences(old, new)) == [
        Change("a.b", 1, 2),
        Change("a.gone", [1], None),
        Change("a.new", None, "x"),
        Change("points[1]", 2, 3),
        Change("longer", [1], [1, 2]),
    ]


def test_pulls() -> None:
    assert Measured("x", (1.0, 3.0), (6.0, 4.0)).pull == 1.0
    assert Measured("x", (1.0, 0.0), (1.0, 0.0)).pull is None
    assert Measured("x", None, (1.0, 0.1)).pull is None


def test_combinations_are_compared(tmp_path: Path) -> None:
    runs = [Run(tmp_path / name, None, None, {}, (), None, None, ()) for name in "ab"]
    old, new = (_results(share, error) for share, error in ((0.2, 0.5), (0.1, 1.0)))
    found = Comparison.of(*runs, old, new)
    assert list(found.limits) == ["both.rate"]
    lines = [" ".join(line.split()) for line in found.summary()]
    assert "both.rate 20.0 ± 1.0 % 10.0 ± 1.0 % passed passed" in lines
    assert [(entry.name, entry.pull) for entry in found.fisher] == [
        ("both.fisher: truth: c, c", pytest.approx(0.2**0.5 * 2))
    ]


def _results(share: float, entry: float) -> dict[str, Any]:
    """The results of a run with nothing but combinations."""
    areas = {"allowed_fraction": {"0.95": share}, "allowed_area": {"0.95": share}, "allowed_area_error": {"0.95": 0.01}}
    limits = {"confidence_levels": [0.95], **areas, "verdict": "passed", "grid": "x.npz"}
    truth = {"matrix": [[entry]], "standard_errors": [[entry / 2]]}
    information = {"parameters": ["c"], "information": {"truth": truth}}
    empty = {"baselines": [], "methods": [], "groups": {}, "events": None, "fisher_information": None}
    combined = [{"name": "both.rate", **limits}, {"name": "both.fisher", **information}]
    return {"title": "", "study": "toy", "mmc": "1", **empty, "combinations": combined}


def test_two_runs(run: Path, other_run: Path, tmp_path: Path, capsys: Capture) -> None:
    assert main(["report", str(run), str(other_run), "--out", str(tmp_path)]) == 0
    out = capsys.readouterr().out
    assert "study: 1 changes\n  evaluation.luminosity: 20 fb^-1 → 5 fb^-1\n" in out
    assert out.splitlines()[-1] == f"report: {tmp_path / 'comparison.html'}"
    assert "sally" in out and "closure A" in out
    page = (tmp_path / "comparison.html").read_text(encoding="utf-8")
    assert "evaluation.luminosity" in page and "Cross sections" in page
    assert {path.name for path in (tmp_path / "figures").iterdir()} >= {
        "comparison_sally_c1_c2.svg",
        "comparison_histogram_c1_c2.png",
    }
