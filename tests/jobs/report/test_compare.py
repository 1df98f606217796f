"""The comparison of two runs."""

from pathlib import Path

import pytest
from mmc.cli.main import main
from mmc.jobs.report.compare import Change, Measured, differences

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


@pytest.mark.engine
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
