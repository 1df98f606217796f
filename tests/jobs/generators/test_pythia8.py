from collections import Counter
from dataclasses import replace
from itertools import islice
from pathlib import Path

import pytest
from mmc.compiler.catalogue.generators import PYTHIA8
from mmc.compiler.settings.generation import Pythia8Beams, RunCard
from mmc.errors import StepError
from mmc.jobs.generators import pythia8

BEAMS = Pythia8Beams(energy_gev=6500.0, particles=("p", "p"), pdf_set=14)
NO_LIMITS = RunCard(m_min_gev=None, m_max_gev=None, pt_min_gev=None)


def test_the_processes_are_those_of_the_catalogue() -> None:
    assert list(pythia8.PROCESSES) == list(PYTHIA8.processes)


def test_settings() -> None:
    limits = RunCard(m_min_gev=470.0, m_max_gev=2000.0, pt_min_gev=25)
    beams = replace(BEAMS, particles=("p", "pbar"))
    lines = pythia8.settings("dimuon", limits, beams, (15853.3, (1, 0, 0, -1)))
    assert {
        "Beams:idA = 2212",
        "Beams:idB = -2212",
        "Beams:eCM = 13000.0",
        "PDF:pSet = 14",
        "ContactInteractions:QCffbar2mumubar = on",
        "ContactInteractions:Lambda = 15853.3",
        "ContactInteractions:etaLL = 1",
        "ContactInteractions:etaRR = -1",
        "PhaseSpace:mHatMin = 470.0",
        "PhaseSpace:mHatMax = 2000.0",
        "PhaseSpace:pTHatMin = 25.0",
        "PartonLevel:all = off",
        "HadronLevel:all = off",
    } <= set(lines)
    assert not any("PhaseSpace" in line or "Lambda" in line for line in pythia8.settings("ww", NO_LIMITS, BEAMS, None))


@pytest.mark.parametrize(
    ("process", "final", "range_pb"),
    [
        ("dimuon", [13, -13], (0.09, 0.12)),
        ("ww", [13, -13, 14, -14], (0.6, 0.8)),
        ("ttbar", [5, -5, 13, -13, 14, -14], (5.5, 7.5)),
    ],
)
def test_processes(process: str, final: list[int], range_pb: tuple[float, float]) -> None:
    couplings = (1000.0, (0, 0, 0, 0)) if process == "dimuon" else None
    limits = replace(NO_LIMITS, m_min_gev=470.0 if process == "dimuon" else None)
    generator = pythia8.start(pythia8.settings(process, limits, BEAMS, couplings), 3)
    for event in islice(pythia8.events(generator), 50):
        outgoing = [particle for particle in event.particles if particle.status == 1]
        assert Counter(particle.pdg_id for particle in outgoing) == Counter(final)
        assert [particle.status for particle in event.particles[:2]] == [-1, -1]
        total = [sum(getattr(particle, axis) for particle in outgoing) for axis in ("px", "py", "pz", "energy")]
        incoming = [sum(getattr(p, axis) for p in event.particles[:2]) for axis in ("px", "py", "pz", "energy")]
        assert total == pytest.approx(incoming, abs=1e-5)
        for index, particle in enumerate(event.particles, start=1):
            assert max(particle.mothers) < index
    integral = pythia8.integrate(generator, 1000)
    assert range_pb[0] < integral.value_pb < range_pb[1]
    assert 0.0 < integral.error_pb < 0.1 * integral.value_pb
    assert integral.mean_weight == pytest.approx(1.0, abs=1e-3)


def test_same_seed_same_events() -> None:
    lines = pythia8.settings("dimuon", replace(NO_LIMITS, m_min_gev=500.0), BEAMS, (1000.0, (0, 0, 0, 0)))
    runs = [list(islice(pythia8.events(pythia8.start(lines, seed)), 20)) for seed in (5, 5, 6, 5 + pythia8.MAX_SEED)]
    assert runs[0] == runs[1] == runs[3]
    assert not set(runs[0]) & set(runs[2])


def test_no_phase_space_and_no_such_setting() -> None:
    lines = pythia8.settings("dimuon", replace(NO_LIMITS, m_min_gev=13_500.0), BEAMS, (1000.0, (0, 0, 0, 0)))
    with pytest.raises(StepError, match=r"no phase space; .*PhaseSpace:mHatMin = 13500\.0"):
        pythia8.start(lines, 1)
    with pytest.raises(StepError, match="does not understand 'PDF:pSett = 3'"):
        pythia8.start(["PDF:pSett = 3"], 1)


def test_what_one_process_changes_is_not_changed_for_the_next() -> None:
    before = pythia8.configured(["Beams:eCM = 5000.0", "24:m0 = 70.0", "24:onMode = off"], 1)
    after = pythia8.configured([], 1)
    for pythia, energy, mass, decays in ((before, 5_000.0, 70.0, False), (after, 14_000.0, 80.4, True)):
        assert pythia.settings.parm("Beams:eCM") == energy
        assert pythia.particleData.m0(24) == pytest.approx(mass, abs=0.1)
        boson = pythia.particleData.particleDataEntryPtr(24)
        assert any(boson.channel(k).onMode() > 0 for k in range(boson.sizeChannels())) is decays


def test_missing_data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTHIA8DATA", str(tmp_path))
    with pytest.raises(StepError, match="Pythia cannot find its data"):
        pythia8.start([], 1)


def test_unexpected_peak_is_refused() -> None:
    """Pythia's process with contact interactions does not look for the Z; from 4 GeV on it misses the peak."""
    generator = pythia8.start(pythia8.settings("dimuon", NO_LIMITS, BEAMS, (1000.0, (0, 0, 0, 0))), 1)
    with pytest.raises(StepError, match="cannot generate unweighted events here"):
        pythia8.integrate(generator, 5000)
