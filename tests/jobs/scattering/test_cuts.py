"""Cuts by the names of MadGraph's run card."""

import numpy as np
import pytest
from mmc.compiler.catalogue.run_card import CUTS, DECAYS
from mmc.compiler.language.schema import load_schema
from mmc.jobs.scattering.cuts import Final, passing

# a muon pair along x with 40 and 30 GeV, a neutrino along y with 20 GeV, a jet along -y and forward, a Higgs boson
MOMENTA = [
    [40.0, 40.0, 0.0, 0.0],
    [30.0, -30.0, 0.0, 0.0],
    [20.0, 0.0, 20.0, 0.0],
    [np.hypot(20.0, 60.0), 0.0, -20.0, 60.0],
    [np.hypot(125.0, 10.0), -10.0, 0.0, 0.0],
]
EVENT = Final(np.array([MOMENTA]), (13, -13, 14, 2, 25), (0.0, 0.0, 0.0, 0.0, 125.0))


@pytest.mark.parametrize(
    ("cut", "passes", "fails"),
    [
        ("ptl", 29.0, 31.0),
        ("ptlmax", 41.0, 39.0),
        ("ptlmax", -1.0, 39.0),
        ("etal", 0.1, -0.1),
        ("etaj", 1.9, 1.8),
        ("etajmin", 1.8, 1.9),
        ("ej", 63.0, 64.0),
        ("mmll", 69.0, 70.0),
        ("mmllmax", 70.0, 69.0),
        ("drll", 3.1, 3.2),
        ("drjl", 2.4, 2.5),
        ("misset", 19.0, 21.0),
        ("ptheavy", 9.0, 11.0),
        ("ptllmin", 9.0, 11.0),
        ("mmnlmax", 88.0, 87.0),
        ("mmnl", 87.0, 88.0),
    ],
)
def test_a_cut(cut: str, passes: float, fails: float) -> None:
    assert passing(EVENT, {cut: passes}).tolist() == [True]
    assert passing(EVENT, {cut: fails}).tolist() == [False]


def test_all_cuts_have_a_meaning() -> None:
    """Also for final states that lack the particles."""
    for name in CUTS:
        value = 1e6 if name.endswith("max") or name in ("etaj", "etab", "etaa", "etal") else 0.0
        assert passing(EVENT, {name: value}).all(), name
    assert passing(EVENT, {"pta": 100.0, "mmbb": 100.0, "drbb": 3.0}).all()


def test_the_language_has_these_cuts() -> None:
    properties = load_schema()["definitions"]["ufo_run_card"]["properties"]
    assert {name: entry["description"] for name, entry in properties.items()} == {**CUTS, **DECAYS}
