"""The events that stand in for those of MadGraph in the benchmark of studies/wh-smeft."""

import random
from itertools import combinations_with_replacement
from pathlib import Path

import pytest

pytest.importorskip("madminer", reason="needs mmc[steps]")

import numpy as np
from mmc.compiler.settings.uncertainties import PdfUncertainty, ScaleUncertainty
from mmc.jobs.formats import les_houches_normalise
from mmc.jobs.formats.weight_groups import find_nuisance

from benchmarks import wh_madgraph

PROCESSES = {
    "p p > h w+ QCD=0 NP<=1, h > b b~, w+ > mu+ vm NP=0": [5, -5, -13, 14],
    "p p > w- b b~, w- > e- ve~": [5, -5, 11, -12],
    "p p > t~ b, (t~ > w- b~, w- > mu- vm~)": [5, -5, 13, -14],
    "p p > t t~, (t > w+ b, w+ > j j), (t~ > w- b~, w- > e- ve~)": [5, -5, 11, -12, 2, -1],
}


@pytest.mark.parametrize("process", PROCESSES)
def test_events_conserve_momentum(process: str) -> None:
    """The final particles are those of the process, and have the energy and momentum of the two partons."""
    for seed in range(20):
        event, energy, _ = wh_madgraph.make(process, random.Random(seed))
        final = [entry for entry in event.particles if entry[1] == 1]
        assert sorted(entry[0] for entry in final) == sorted(PROCESSES[process])
        total, initial = (
            np.sum([entry[6] for entry in event.particles if entry[1] == status], axis=0) for status in (1, -1)
        )
        assert total == pytest.approx(initial, abs=1e-6)
        assert np.sqrt(total[0] ** 2 - np.sum(total[1:] ** 2)) == pytest.approx(energy)
        for number, _, _, _, _, _, p, mass in event.particles[2:]:
            if number != 21:
                assert p[0] ** 2 - np.sum(np.square(p[1:])) == pytest.approx(mass**2, abs=1e-3)


def test_a_file_is_one_that_mmc_reads_and_weights_are_quadratic(tmp_path: Path) -> None:
    """At fifteen points the weights of an event determine those at all others."""
    numbers = np.random.default_rng(1)
    points = {f"p{k}": numbers.uniform(-1.0, 1.0, 4) for k in range(16)}
    cards = tmp_path / "Cards"
    cards.mkdir()
    (cards / "param_card.dat").write_text(wh_madgraph.PARAM_CARD.replace(" 1.0 #", " 0.0 #"))
    (cards / "proc_card_mg5.dat").write_text(next(iter(PROCESSES)))
    (cards / "run_card.dat").write_text("  5 = nevents\n  3 = iseed\n  True = use_syst\n  average = event_norm\n")
    (cards / "reweight_card.dat").write_text(
        "".join(
            f"launch --rwgt_name={name}\n"
            + "".join(f"  set smeft {k} {value!r}\n" for k, value in enumerate(map(float, point)))
            for name, point in points.items()
        )
    )
    wh_madgraph.launch(tmp_path)
    path = tmp_path / "Events" / "run_01" / "unweighted_events.lhe.gz"
    found = les_houches_normalise.inspect(path, "sm", ["sm", *points])
    assert found.n_events == 5 and found.sums["sm"] == pytest.approx(5 * wh_madgraph.CROSS_SECTIONS_PB["h"])
    nuisance = find_nuisance(
        {
            "mu": ScaleUncertainty(effect="scale", scale="mu", variations=(0.5, 1.0, 2.0)),
            "pdf": PdfUncertainty(effect="pdf", variation="PDF4LHC15_nlo_30"),
        },
        path,
    )
    assert len(nuisance) == 31

    def monomials(point: np.ndarray) -> list[float]:
        return [a * b for a, b in combinations_with_replacement([1.0, *point], 2)]

    names = list(points)
    matrix = np.array([monomials(points[name]) for name in names])
    weights = np.array([found.sums[name] for name in names])
    assert matrix[15] @ np.linalg.solve(matrix[:15], weights[:15]) == pytest.approx(weights[15])
