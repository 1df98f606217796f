import gzip
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pytest
from mmc.errors import StepError
from mmc.jobs.formats import les_houches
from mmc.jobs.formats.events import Event, Particle

NAMES = ["sm", 'it\'s <b> & "c"']
EVENT = Event(
    (
        Particle(2, -1, (0, 0), (501, 0), 0.0, 0.0, 500.0, 500.0, 0.0),
        Particle(-2, -1, (0, 0), (0, 501), 0.0, 0.0, -500.0, 500.0, 0.0),
        Particle(13, 1, (1, 2), (0, 0), 300.0, 0.0, 400.0, 500.0, 0.10566),
        Particle(-13, 1, (1, 2), (0, 0), -300.0, 0.0, -400.0, 500.0, 0.10566),
    ),
    1.0,
    1000.0,
    1.0 / 127.0,
    0.09,
)


def _write(path: Path, weights: list[list[float]]) -> None:
    header = les_houches.Header(
        len(weights), (2212, 2212), 6500.0, (0.5, 0.01), NAMES, ["Beams:eCM = 13000.0", "a < b"]
    )
    with les_houches.writing(path, header) as text:
        les_houches.write_events(text, [EVENT] * len(weights), NAMES, "sm", np.array(weights))


def test_file_is_xml_with_all_that_madminer_reads(tmp_path: Path) -> None:
    path = tmp_path / "events.lhe.gz"
    _write(path, [[0.5, 0.25], [0.5, 1e-300]])
    root = ElementTree.fromstring(gzip.decompress(path.read_bytes()))
    run_card = root.findtext("header/MGRunCard") or ""
    entries = [line.split("!")[0].split("=") for line in run_card.splitlines() if "=" in line]
    assert {key.strip(): value.strip() for value, key in entries} == {"nevents": "2", "event_norm": "average"}
    assert [w.attrib["id"] for w in root.iterfind("header/initrwgt/weightgroup/weight")] == NAMES
    assert (root.findtext("init") or "").split()[:4] == ["2212", "2212", "6.50000000e+03", "6.50000000e+03"]
    events = root.findall("event")
    assert [[float(w.text or "") for w in event.iterfind("rwgt/wgt")] for event in events] == [
        [0.5, 0.25],
        [0.5, 1e-300],
    ]
    assert [[w.attrib["id"] for w in event.iterfind("rwgt/wgt")] for event in events] == [NAMES, NAMES]
    tag, *particles = (events[0].text or "").strip().splitlines()
    assert [float(word) for word in tag.split()] == pytest.approx([4, 1, 0.5, 1000.0, 1.0 / 127.0, 0.09], rel=1e-12)
    assert [float(word) for word in particles[2].split()] == [13, 1, 1, 2, 0, 0, 300, 0, 400, 500, 0.10566, 0, 9]


def test_bytes_depend_on_the_content_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    _write(tmp_path / "a.lhe.gz", [[0.5, 0.25]])
    monkeypatch.setattr("time.time", lambda: 1e9)
    _write(tmp_path / "b.lhe.gz", [[0.5, 0.25]])
    assert (tmp_path / "a.lhe.gz").read_bytes() == (tmp_path / "b.lhe.gz").read_bytes()


def test_verify(tmp_path: Path) -> None:
    path = tmp_path / "events.lhe.gz"
    _write(path, [[0.5, 0.25]] * 3)
    les_houches.verify(path, 3, NAMES)
    with pytest.raises(StepError, match="3 of 4 events are complete"):
        les_houches.verify(path, 4, NAMES)
    with pytest.raises(StepError, match="0 of 3 events are complete"):
        les_houches.verify(path, 3, [*NAMES, "missing"])


@pytest.mark.parametrize("damage", [("<wgt id='sm'>", "<wgt id='bsm'>"), ("</LesHouchesEvents>", ""), ("</event>", "")])
def test_verify_sees_damage(tmp_path: Path, damage: tuple[str, str]) -> None:
    path = tmp_path / "events.lhe.gz"
    _write(path, [[0.5, 0.25]] * 3)
    text = gzip.decompress(path.read_bytes()).decode().replace(*damage, 1)
    path.write_bytes(gzip.compress(text.encode()))
    with pytest.raises(StepError, match="is damaged"):
        les_houches.verify(path, 3, NAMES)
