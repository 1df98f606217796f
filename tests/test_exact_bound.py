"""The exact likelihood of the Drell-Yan study, with which ``benchmarks/exact_bound.py`` compares limits."""

from dataclasses import replace
from itertools import islice
from typing import Any

import pytest

pytest.importorskip("pythia8mc", reason="needs mmc[steps]")

import numpy as np
from mmc.compiler.settings.generation import Pythia8Beams, RunCard
from mmc.jobs.generators import contact_interactions, pythia8
from mmc.jobs.generators.event_weights import kinematics

from benchmarks.drell_yan import QUARKS, Experiment, monomials, partonic, slopes
from benchmarks.exact_bound import Bound, allowed, bound, compare, coverage, drell_yan

POINTS = np.array([[0.04, 0.0], [-0.04, 0.0], [0.0, 0.04], [0.0, -0.04], [0.04, 0.04], [0.01, -0.02]])


@pytest.fixture(scope="module")
def exact() -> Bound:
    return bound(drell_yan(), 139e3, np.zeros((1, 2)), 25)


def test_amplitudes_are_those_of_the_generator() -> None:
    """Pythia's events, with its couplings, and the weights of mmc."""
    beams = Pythia8Beams(energy_gev=6500.0, particles=("p", "p"), pdf_set=13)
    card = RunCard(m_min_gev=470.0, m_max_gev=None, pt_min_gev=None)
    lines = pythia8.settings("dimuon", card, beams, (1000.0, (0, 0, 0, 0)))
    events = kinematics(list(islice(pythia8.events(pythia8.start(lines, 3)), 200)))
    coefficients = np.pad(np.concatenate([np.zeros((1, 2)), POINTS]), ((0, 0), (0, 2)))
    theirs = contact_interactions.squared(events, coefficients)
    cosine = (events.t - events.u) / events.s
    assert events.up_type.any() and not events.up_type.all()
    for (charge, isospin, flavours), of_type in zip(QUARKS, (events.up_type, ~events.up_type), strict=True):
        assert flavours[0] % 2 == (charge < 0)
        plus, minus = partonic(charge, isospin, np.sqrt(events.s[of_type]))
        density = (1.0 + cosine[of_type]) ** 2 * plus + (1.0 - cosine[of_type]) ** 2 * minus
        ours = (monomials(POINTS) @ density / density[0]).T
        np.testing.assert_allclose(ours, theirs[of_type, 1:] / theirs[of_type, :1], rtol=2e-5)


def test_one_photon_has_the_cross_section_of_the_textbooks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("benchmarks.drell_yan.M_Z", 1e9)
    monkeypatch.setattr("benchmarks.drell_yan.BETA", 0.0)
    plus, minus = partonic(2 / 3, 1 / 2, np.array([1000.0]))
    total = 8.0 / 3.0 * (plus + minus)[0, 0]
    assert total == pytest.approx(4.0 * np.pi * 0.00781751**2 * (2 / 3) ** 2 / (9.0 * 1000.0**2) * 0.38938e9, rel=1e-4)


def test_slopes_are_derivatives() -> None:
    point, step = np.array([0.01, -0.02]), 1e-6
    for index, slope in enumerate(slopes(point)):
        at = point + np.outer([step, -step], np.eye(2)[index])
        np.testing.assert_allclose(slope, np.diff(monomials(at)[::-1], axis=0)[0] / (2.0 * step), atol=1e-9)


def test_known_results(exact: Bound) -> None:
    """An independent computation found these numbers, with other programs and another integration."""
    assert exact.n_expected == pytest.approx(9235.7, rel=2e-5)
    known = {
        "rate": [19418, 14475, 10790],
        "histogram": [33458, 22955, 15920],
        "unbinned": [42153, 17717, 28799],
    }
    for name, values in known.items():
        assert exact.information[name] == pytest.approx(values, rel=1e-4), name
    fractions = {
        ("rate", 1): (0.152, 0.298),
        ("rate", 2): (0.2304, 0.3760),
        ("histogram", 2): (0.1024, 0.2144),
        ("unbinned", 2): (0.0368, 0.1056),
    }
    for (name, dof), shares in fractions.items():
        found = allowed(exact.statistics[name], dof)["allowed_fraction"]
        assert tuple(found.values()) == pytest.approx(shares, abs=1.01 / 625), name


def test_an_analysis_with_more_data_allows_less(exact: Bound) -> None:
    areas = [allowed(exact.statistics[name], 2)["allowed_area"]["0.95"] for name in ("unbinned", "histogram", "rate")]
    assert areas == sorted(areas)
    assert (exact.statistics["unbinned"] >= exact.statistics["histogram"] - 1e-6).all()
    assert (exact.statistics["histogram"] >= exact.statistics["rate"] - 1e-6).all()


def test_the_area_of_a_disc() -> None:
    axis = np.linspace(-4.0, 4.0, 25)
    areas = allowed(axis[:, np.newaxis] ** 2 + axis**2, 2)["allowed_area"]
    assert areas["0.95"] == pytest.approx(np.pi * 5.9915 / 64.0, rel=2e-3)


def test_runs_beside_the_exact_results(exact: Bound) -> None:
    runs = [_run(exact, shift) for shift in (0.9, 1.1)]
    found = compare(exact, runs)
    assert found["runs"] == 2
    assert found["n_expected"] == {
        "exact": pytest.approx(9235.7, rel=1e-4),
        "mean": pytest.approx(9235.7, rel=1e-4),
        "ratio": pytest.approx(1.0),
        "scatter": pytest.approx(9235.7 * 0.2 / 2**0.5, rel=1e-4),
        "ratio_error": pytest.approx(0.1),
    }
    assert found["sally"]["allowed_fraction"]["0.95"]["ratio"] == pytest.approx(2.0, rel=1e-4)
    infinite = found["sally"]["infinite_simulation"]["allowed_area"]["0.68"]
    assert (infinite["exact"], infinite["mean"]) == (pytest.approx(0.0415, abs=1e-4), 0.25)
    assert "allowed_area" not in found["sally"]
    assert [round(entry["ratio"], 3) for entry in found["sally"]["information"]] == [1.0, 1.0, 1.0]
    assert found["rate"]["dof"] == 1
    assert found["rate"]["allowed_fraction"]["0.68"]["ratio"] == pytest.approx(1.0, rel=1e-4)
    assert "truth" not in found
    assert [round(entry["ratio"], 3) for entry in found["information of the rate"]] == [1.0, 1.0, 1.0]
    assert "scatter" not in compare(exact, runs[:1])["n_expected"]
    runs[0]["evaluation"]["luminosity_pb"] = 556e3
    with pytest.raises(ValueError, match="luminosity 556000"):
        compare(exact, runs)


def test_another_study_is_refused() -> None:
    study = drell_yan()
    with pytest.raises(ValueError, match="the cuts are not those"):
        Experiment.of(replace(study, reading=replace(study.reading, cuts=study.reading.cuts[1:])))


def _run(exact: Bound, factor: float) -> dict[str, Any]:
    def limits(analysis: str, dof: int, scale: float) -> dict[str, Any]:
        shares = allowed(exact.statistics[analysis], dof)["allowed_fraction"]
        fractions = {level: scale * factor * share for level, share in shares.items()}
        return {"name": analysis, "degrees_of_freedom": dof, "allowed_fraction": fractions}

    def information(analysis: str) -> dict[str, Any]:
        first, mixed, second = exact.information[analysis]
        return {"matrix": [[first, mixed], [mixed, second]]}

    return {
        "evaluation": {
            "n_expected": factor * exact.n_expected,
            "luminosity_pb": exact.luminosity_pb,
            "theta_true": {"c_LL": 0.0, "c_LR": 0.0},
        },
        "baselines": [
            limits("rate", 1, 1.0) | {"baseline": "rate"},
            limits("histogram", 2, 1.0) | {"baseline": "histogram"},
            limits("unbinned", 2, 0.1) | {"name": "truth", "baseline": "truth"},
        ],
        "methods": [
            limits("unbinned", 2, 2.0)
            | {"name": "sally", "fisher_information": {"full": information("unbinned")}}
            | {"infinite_simulation": {"allowed_area": {"0.68": 0.25, "0.95": 0.5}}}
        ],
        "fisher_information": {
            "information": {"rate": information("rate"), "histogram": information("histogram_at_truth")}
        },
    }


@pytest.mark.parametrize("toys", [50, 350])
def test_the_coverage_of_any_number_of_data_sets(toys: int) -> None:
    """A count of 10,000: the parameters only matter as far as it does."""
    axis = np.linspace(-0.4, 0.4, 17)
    points = np.stack(np.meshgrid(axis, axis, indexing="ij"), axis=-1).reshape(-1, 2)
    events = 1e4 * np.array([[1.0], [0.1], [0.0], [0.1], [0.0]])
    found = coverage(events, points, np.zeros((1, 2)), 1, toys)
    assert [share * toys for share in found] == pytest.approx([round(share * toys) for share in found], abs=0.01)
    assert found == pytest.approx([0.68, 0.95], abs=4.0 * (0.68 * 0.32 / toys) ** 0.5)
