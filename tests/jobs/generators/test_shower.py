"""The shower of Pythia 8."""

import gzip
import re
from pathlib import Path

import numpy as np
import pytest
from mmc.errors import StepError
from mmc.jobs.formats import hepmc, les_houches_normalise
from mmc.jobs.generators import shower

from tests.jobs.fake_madgraph import event
from tests.jobs.formats.test_les_houches_normalise import write_lhe

NO_MPI = ["PartonLevel:MPI = off"]


def test_settings_of_the_study_win_over_those_of_a_card() -> None:
    card = (
        "! a comment: of MadGraph\nMain:numberOfEvents      = -1\nHEPMCoutput:file = auto\n"
        "Merging:Process = <set_by_user>\nJetMatching:qCut = -1.0\npartonlevel:mpi = off ! slow\nHadronLevel:all on\n"
    )
    lines = shower.setting_lines(card, {"HadronLevel:all": False, "TimeShower:alphaSvalue": 0.13}, nlo=False)
    assert lines[-4:] == [
        "partonlevel:mpi = off",
        "HadronLevel:all = on",
        "HadronLevel:all = off",
        "TimeShower:alphaSvalue = 0.13",
    ]
    assert "SLHA:verbose = 0" in lines and not any("MEcorrections" in line for line in lines)
    assert "TimeShower:MEcorrections = off" in shower.setting_lines(None, {}, nlo=True)


@pytest.mark.parametrize(
    ("settings", "reason"),
    [
        ({"Random:seed": 3}, "mmc sets the shower's setting Random:seed itself"),
        ({"Beams:LHEF": "x.lhe"}, "mmc sets the shower's setting Beams:LHEF itself"),
        ({"JetMatching:merge": True}, "the shower's setting JetMatching:merge = on switches on merging"),
        ({"Merging:doKTMerging": "yes"}, "the shower's setting Merging:doKTMerging = yes switches on merging"),
    ],
)
def test_settings_that_are_refused(settings: dict[str, object], reason: str) -> None:
    with pytest.raises(StepError, match=f"^{reason}"):
        shower.setting_lines(None, settings, nlo=False)


@pytest.fixture
def events(tmp_path: Path) -> Path:
    """A file in its normal form with 40 events of u u~ > mu- mu+."""
    import random

    source = write_lhe(tmp_path / "x.lhe", [], cross_section=20.0)
    numbers = random.Random(3)
    text = "".join(event(numbers, {"w": 100.0}, False) for _ in range(40))
    source.write_text(source.read_text().replace("</LesHouchesEvents>", f"{text}</LesHouchesEvents>"))
    content = les_houches_normalise.inspect(source, "sm", ["sm", "w"])
    les_houches_normalise.write(source, tmp_path / "events.lhe.gz", content, "sm", ["sm", "w"])
    return tmp_path / "events.lhe.gz"


def _run(events: Path, name: str = "x", seed: int = 5, lines: list[str] = NO_MPI) -> tuple[set[int], str]:
    """The numbers of the events that are lost, and the text."""
    out = events.with_name(f"{name}.hepmc.gz")
    settings = [*shower.setting_lines(None, {}, nlo=False), *lines]
    kept = shower.run(events, out, settings, seed=seed, weights=["sm", "w"], scratch=events.parent)
    lost = set(range(1, 41)) - kept.keys()
    return lost, gzip.decompress(out.read_bytes()).decode()


def test_each_event_is_showered(events: Path) -> None:
    lost, text = _run(events)
    assert lost == set() and hepmc.count(events.with_name("x.hepmc.gz")) == 40
    assert text.splitlines()[2] == "W sm\\|w"
    assert set(re.findall(r"^W (\S+ \S+)$", text, re.MULTILINE)) == {"20 24"}
    for block in text.split("\nE ")[1:]:
        particles = [line.split() for line in block.splitlines() if line.startswith("P ")]
        n_vertices = int(block.split()[1])
        assert n_vertices == sum(line.startswith("V ") for line in block.splitlines())
        final = np.array([[float(word) for word in p[4:8]] for p in particles if p[9] == "1"])
        np.testing.assert_allclose(final.sum(axis=0), [0.0, 0.0, 0.0, 13_000.0], atol=0.05)
        assert {p[3] for p in particles if p[9] == "1"} >= {"13", "-13"}
        assert len({p[3] for p in particles}) > 10


def test_seeds(events: Path) -> None:
    first, again, other = _run(events, "a")[1], _run(events, "b")[1], _run(events, "c", seed=6)[1]
    assert first == again != other


def test_events_that_pythia_gives_up_on(events: Path) -> None:
    """A gluon without partner of its colour cannot be showered; Pythia goes on with the next event."""
    text = gzip.decompress(events.read_bytes()).decode()
    *parts, last = text.split("<event>")
    for k in (4, 9):
        parts[k] = parts[k].replace(" 501 0 ", " 501 502 ").replace("2 -1 0 0", "21 -1 0 0")
    events.write_bytes(gzip.compress("<event>".join([*parts, last]).encode()))
    lost, showered = _run(events)
    assert lost == {4, 9} and showered.count("\nE ") == 38
    for k in range(11, 20):
        parts[k] = parts[k].replace(" 501 0 ", " 501 502 ").replace("2 -1 0 0", "21 -1 0 0")
    events.write_bytes(gzip.compress("<event>".join([*parts, last]).encode()))
    with pytest.raises(StepError, match="Pythia showers only 29 of 40 events"):
        _run(events)


def test_settings_that_pythia_does_not_know(events: Path) -> None:
    with pytest.raises(StepError, match="Pythia does not understand 'PartonLevel:MPII = off'"):
        _run(events, lines=["PartonLevel:MPII = off"])
    with pytest.raises(StepError, match="Pythia cannot start the shower"):
        _run(events, lines=["PDF:pSet = LHAPDF6:nosuch"])
