"""Cards of MadGraph, Pythia and Delphes are read as these programs read them."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from mmc.compiler.inputs import cards

from tests.support import SHARED_DATA


def said(entries: object) -> list[tuple[int, str, str]]:
    return [tuple(entry) for entry in entries]  # type: ignore[attr-defined]


def test_run_cards() -> None:
    text = "\n".join([
        "#*********",
        "  tag_1     = run_tag ! name of the run",
        "# 17 = iseed",
        "6.5d3=EBEAM1",
        "['--mur=0.5,1,2', '--pdf=errorset'] = systematics_arguments ! a = b",
        "no setting",
        " = ",
        "1 = two words",
        "{25:30} = pt_min_pdg # dict",
    ])  # fmt: skip
    assert said(cards.run_card(text)) == [
        (2, "run_tag", "tag_1"),
        (4, "ebeam1", "6.5d3"),
        (5, "systematics_arguments", "['--mur=0.5,1,2', '--pdf=errorset']"),
        (9, "pt_min_pdg", "{25:30}"),
    ]


def test_pythia_cards() -> None:
    text = "! Beams:eCM = 1\n  # Beams:eCM = 1\nBeams:eCM=8000.\npartonlevel:mpi = off ! slow\n24:onMode off\nwords\n"
    assert said(cards.pythia(text)) == [
        (3, "Beams:eCM", "8000."),
        (4, "partonlevel:mpi", "off"),
        (5, "24:onMode", "off"),
        (6, "words", ""),
    ]


def test_delphes_cards() -> None:
    text = "module X {\n  set RandomSeeds 3\n}\n# set RandomSeed 1\nset RandomSeed 7 ;# mine\n set ::RandomSeed 8\n"
    assert said(cards.delphes_seeds(text)) == [(5, "RandomSeed", "7"), (6, "RandomSeed", "8")]


def test_param_cards() -> None:
    text = "# Block none\nBlock MASS Q= 1e3\n   25 1.25e2 # MH\nblock Dim6\n2 0\nx 1\nDECAY 6 1.5\nBlock x\n 1 2 3.0\n"
    held = {("mass", 25): "1.25e2", ("dim6", 2): "0", ("decay", 6): "1.5", ("x", (1, 2)): "3.0"}
    assert cards.param_card(text) == held
    changed, missing = cards.with_entries(text, {"x 1 2": 4.0, "x 2 1": 5.0, "dim6 all": 1.0})
    assert cards.param_card(changed) == held | {("dim6", 2): "1.0", ("x", (1, 2)): "4.0"} and missing == ["x 2 1"]


DEPENDENT = """\
Block mass
 23 91.2 # MZ
## Dependent parameters, given by model restrictions.
## Those values should be edited following the
 24 80.4 # w+
Block dsqmix
 1 1 0.5
## Not dependent paramater.
 1 2 0.5
###################################
## INFORMATION FOR DECAY
###################################
DECAY 23 2.4
## Dependent parameters, given by model restrictions.
DECAY 1 0.0
DECAY 2 0.0
###################################
## INFORMATION FOR YUKAWA
###################################
DECAY 3 1.0
 6 1.0
"""


def test_entries_that_follow_from_others() -> None:
    assert cards.dependent(DEPENDENT) == {"mass 24", "dsqmix 1 2", "decay 1", "decay 2"}
    assert cards.dependent("Block x\n# independent parameters\n 1 2.0\n# dependent on the weather\n 2 3.0\n") == set()


@given(st.text(max_size=200))
def test_every_text_is_read(text: str) -> None:
    for read in (cards.run_card, cards.pythia, cards.delphes_seeds):
        assert all(entry.line >= 1 and entry.value == entry.value.strip() for entry in read(text))
    cards.param_card(text)


def test_the_cards_of_a_real_run() -> None:
    folder = SHARED_DATA / "vbf-higgs" / "cards"
    if not folder.is_dir():
        pytest.skip(f"there are no cards beside the checkout: {Path(*folder.parts[-3:])}")
    held = cards.param_card((folder / "param_card_template.dat").read_text())
    assert {("dim6", 2), ("dim6", 5), ("mass", 25), ("decay", 25)} <= set(held)
    assert said(cards.delphes_seeds((folder / "delphes_card_slim.dat").read_text())) == [(1, "RandomSeed", "1234")]
    settings = {entry.name: entry.value for entry in cards.pythia((folder / "pythia8_card.dat").read_text())}
    assert settings["partonlevel:mpi"] == "off"
