"""The comparison with MadGraph gives both programs the same param card."""

import math
from pathlib import Path

import pytest

pytest.importorskip("ufoamp", reason="needs mmc[ufo]")

from mmc.jobs.matrix_elements import Model

from benchmarks import madgraph
from benchmarks.madgraph import Case

CARD = """Block mass
    6 1.730000e+02 # MT
Block dim6
    1 1.000000e+00 # CWWWL2
    2 1.000000e+00 # CWL2
DECAY   6 1.491500e+00 # WT
  6 0.000000 # t : a comment of MadGraph
"""


def test_the_card_has_the_values_of_the_case() -> None:
    changed = madgraph.changed_card(CARD, Case("EWdim6", "", values={"decay 6": 0.0, "mass 6": 170.0}, operators=10.0))
    lines = changed.splitlines()
    assert lines[1].split() == ["6", f"{170.0:.10e}"]
    assert [float(line.split()[1]) for line in lines[3:5]] == pytest.approx([10 * math.cos(7), 10 * math.cos(14)])
    assert lines[5].split() == ["DECAY", "6", f"{0.0:.10e}"]  # Fortran reads DECAY in the first column only


def test_the_model_has_the_values_of_the_card(tmp_path: Path) -> None:
    path = tmp_path / "param_card.dat"
    path.write_text(madgraph.changed_card(CARD, Case("ufo_sm", "", values={"decay 6": 0.5})))
    assert Model.load("ufo_sm", card=path).width(6) == 0.5


def test_without_a_madgraph_it_is_skipped(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.delenv("MADGRAPH", raising=False)
    madgraph.main(["elements"])
    assert capsys.readouterr().out.startswith("skipped")
