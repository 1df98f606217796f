"""HepMC files: graphs, versions, counts."""

import gzip
from collections.abc import Sequence
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from mmc.errors import StepError
from mmc.jobs.formats import hepmc

from tests.support import SHARED_DATA


@st.composite
def _records(draw: st.DrawFn) -> list[list[int]]:
    """Mothers of the particles of an event, each with some of those before it."""
    mothers: list[list[int]] = [[], [], []]
    for particle in range(3, draw(st.integers(3, 30))):
        mothers.append(draw(st.lists(st.integers(1, particle - 1), min_size=1, max_size=3, unique=True)))
    return mothers


@given(_records())
def test_every_particle_has_one_beginning_and_one_end(mothers: Sequence[Sequence[int]]) -> None:
    found = hepmc.graph(mothers)
    born = [*found.beams, *(daughter for vertex in found.vertices for daughter in vertex.daughters)]
    ended = [mother for vertex in found.vertices for mother in vertex.mothers]
    assert sorted(born) == list(range(1, len(mothers)))
    assert len(ended) == len(set(ended)) and found.beams == [1, 2]
    known = set(found.beams)
    for vertex in found.vertices:
        assert vertex.mothers and vertex.daughters and set(vertex.mothers) <= known
        known |= set(vertex.daughters)
        assert all(set(mothers[daughter]) & set(vertex.mothers) for daughter in vertex.daughters)


def test_mothers_that_come_later_are_put_before() -> None:
    """Pythia puts some particles before their mothers."""
    found = hepmc.graph([[], [], [], [4], [1, 2]])
    assert [vertex.daughters for vertex in found.vertices] == [[4], [3]]


def test_loops_are_refused() -> None:
    with pytest.raises(hepmc.LoopError):
        hepmc.graph([[], [], [], [4], [3]])


@pytest.mark.parametrize(("start", "version"), [("Asciiv3-START", 3), ("IO_GenEvent-START", 2)])
def test_versions_and_counts(tmp_path: Path, start: str, version: int) -> None:
    text = f"HepMC::Version 1.2.3\nHepMC::{start}_EVENT_LISTING\n" + "E 0 1 2\nP E 3\n" * 7
    for path in (tmp_path / "x.hepmc", tmp_path / "x.hepmc.gz"):
        whole = (text + "HepMC::END_EVENT_LISTING\n\n").encode()
        path.write_bytes(gzip.compress(whole) if path.suffix == ".gz" else whole)
        assert (hepmc.version(path), hepmc.count(path)) == (version, 7)
    (tmp_path / "cut.hepmc").write_text(text)
    with pytest.raises(StepError, match=r"cut\.hepmc is damaged: it ends without END_EVENT_LISTING"):
        hepmc.count(tmp_path / "cut.hepmc")
    (tmp_path / "cut.hepmc.gz").write_bytes(gzip.compress(text.encode())[:-20])
    with pytest.raises(StepError, match=r"cut\.hepmc\.gz is damaged: "):
        hepmc.count(tmp_path / "cut.hepmc.gz")


def test_counts_do_not_depend_on_chunks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "x.hepmc"
    path.write_text(
        "HepMC::Asciiv3-START_EVENT_LISTING\n" + "E 0 1 2\nP 1\n" * 50 + "HepMC::Asciiv3-END_EVENT_LISTING\n"
    )
    for size in (70, 71, 97, 1000):
        monkeypatch.setattr(hepmc, "_CHUNK", size)
        assert hepmc.count(path) == 50


def test_no_hepmc(tmp_path: Path) -> None:
    (tmp_path / "x.hepmc").write_text("<LesHouchesEvents>\n")
    with pytest.raises(StepError, match=r"x\.hepmc is not a HepMC text"):
        hepmc.version(tmp_path / "x.hepmc")


@pytest.mark.skipif(not SHARED_DATA.is_dir(), reason="needs the event files beside the checkout")
def test_file_of_another_program() -> None:
    path = SHARED_DATA / "vbf-higgs" / "hepmc" / "signal_sm_100ev.hepmc.gz"
    assert (hepmc.version(path), hepmc.count(path)) == (2, 100)


def test_a_line_without_end(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hepmc, "_CHUNK", 1000)
    (tmp_path / "x.hepmc").write_text("HepMC::Asciiv3-START_EVENT_LISTING\n" + "E" * 3000 + "\nEND_EVENT_LISTING\n")
    with pytest.raises(StepError, match=r"^x\.hepmc is damaged: it has a line of more than 1,000 bytes$"):
        hepmc.count(tmp_path / "x.hepmc")


def test_weights_are_matched_by_their_names(tmp_path: Path) -> None:
    """HepMC 2 names the weights in every event, in any order."""
    event = 'E {} 0 0 0 0 0 0 1 1 2 1 7 3 {} {} {}\nN 3 "{}" "{}" "{}"\nU GEV MM\nP 1 2212 {}\n'
    weights, orders = {"nominal": 1.0, "a b": 2.0, "c": 3.0}, (["nominal", "a b", "c"], ["c", "nominal", "a b"])
    events = [event.format(k, *(weights[name] for name in order), *order, k) for k, order in enumerate(orders)]
    path = tmp_path / "x.hepmc"
    path.write_text(f"HepMC::IO_GenEvent-START\n{''.join(events)}HepMC::IO_GenEvent-END_EVENT_LISTING\n")
    found = hepmc.inspect(path).weights
    assert found is not None and found.tolist() == [[1.0, 2.0, 3.0]] * 2
