"""Event files read in columns, compared with MadMiner's own reader (with mmc's workarounds) event by event."""

import gzip
import json
import re
import warnings
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from mmc.compiler.expressions.naming import expression
from mmc.errors import StepError
from mmc.jobs.formats import les_houches_table
from mmc.jobs.madminer.event_objects import defined
from mmc.jobs.readers import les_houches
from mmc.jobs.readers.expressions import Definitions, evaluate
from mmc.jobs.readers.les_houches_objects import Columns, Detector
from mmc.jobs.readers.reading import define
from mmc.jobs.readers.values import Definition, UnusualExpressionError

from tests.compiler.expressions.test_checker import PUBLISHED
from tests.compiler.expressions.test_real_particles import DEFINED, expressions, passes
from tests.jobs.event_files import (
    HEADER,
    assert_close,
    assert_equal,
    assert_same,
    expected_value,
    les_houches_settings,
    lhe_text,
    setup_file,
)
from tests.jobs.physics import READING, Folder
from tests.support import SHARED_DATA

NOTHING = {"smearing": [], "met_noise": {"abs": 0.0, "rel": 0.0}, "default_observables": None}
DEFAULTS = {
    **{f"n_{kind}_max": 2 for kind in ("leptons", "photons", "jets")},
    **dict.fromkeys(("include_met", "include_visible_sum", "include_numbers"), True),
}


def _exact(pdgids: list[int], on_shell: str | None) -> dict[str, Any]:
    none = {f"{q}_resolution_{kind}": 0.0 for q in ("energy", "pt", "eta", "phi") for kind in ("abs", "rel")}
    return {"pdgids": pdgids, **none, "on_shell": on_shell}


@pytest.fixture(scope="module")
def mixed(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """A set-up file and 200 events of many types."""
    folder = tmp_path_factory.mktemp("mixed")
    (folder / "events.lhe.gz").write_bytes(gzip.compress(lhe_text(200).encode()))
    return setup_file(folder / "setup.h5", ["sm", "w"]), folder / "events.lhe.gz"


def _reader(setup: Path, reading: Mapping[str, Any]) -> Any:
    settings = les_houches_settings(reading)
    reader = les_houches.make(setup, settings)
    define(reader, settings)
    return reader


def _both(
    folder: Path, setup: Path, events: Path, reading: Mapping[str, Any], background: bool = False
) -> tuple[Any, Any]:
    """MadMiner's reader and the reader filled in columns, after reading the same file."""
    ours, theirs = _reader(setup, reading), _reader(setup, reading)
    les_houches.analyse(ours, events, "sm", background)
    les_houches.one_by_one(theirs, events, "sm", background, folder)
    return ours, theirs


def _compare(folder: Path, setup: Path, events: Path, reading: Mapping[str, Any], background: bool = False) -> int:
    """Compare all values of both readers; the number of events that pass."""
    ours, theirs = _both(folder, setup, events, reading, background)
    return assert_same(folder, ours, theirs)


def _reading(**changes: Any) -> dict[str, Any]:
    optional = {"required": False, "default": None}
    published = [text for kind, text in PUBLISHED if kind == "observable"]
    unusual = ("b_tag][0]", "p_truth[0].spin")
    return {
        **NOTHING,
        "observables": {
            f"o{index}": {"definition": text, **optional}
            for index, text in enumerate(published)
            if not any(part in text for part in unusual) and "pt_j1" not in text
        },
        "cuts": [],
        "efficiencies": [],
        **changes,
    }


SMEARINGS: list[list[dict[str, Any]]] = [
    [],
    [_exact([11, -11, 5, -5], "energy"), _exact([13, -13], "pt")],
    [_exact([11, -11, 22, 1, -2, 21], "pt"), _exact([13, -13, 15, 2212, 25], "energy")],
]


@pytest.mark.parametrize("smearing", SMEARINGS)
@pytest.mark.parametrize("background", [False, True])
def test_events_of_all_sorts(
    tmp_path: Path, mixed: tuple[Path, Path], smearing: list[dict[str, Any]], background: bool
) -> None:
    assert _compare(tmp_path, *mixed, _reading(smearing=smearing), background) == 200


def test_required_default_cuts_and_efficiencies(tmp_path: Path, mixed: tuple[Path, Path]) -> None:
    reading = _reading(
        observables={
            "pt_j1": {"definition": "j[0].pt", "required": True, "default": None},
            "m": {"definition": "(j[0] + j[1]).m", "required": False, "default": -1.0},
            "q": {"definition": "l[-1].charge", "required": False, "default": None},
            "inverse": {"definition": "1 / len(a)", "required": False, "default": 7.0},
            "sign": {"definition": "log(j[0].eta)", "required": False, "default": None},
        },
        default_observables={**DEFAULTS, "include_visible_sum": False},
        cuts=[
            {"definition": "pt_j1 > 20 and (m > 30 or m < 0)", "required": False},
            {"definition": "l[0].pt > 10", "required": True},
            {"definition": "j[0].pt != a[0].pt if len(a) > 1 else inverse > 0", "required": False},
        ],
        efficiencies=[
            {"definition": "1 - exp(-pt_j1 / 20)", "default": 1.0},
            {"definition": "a[0].pt / 50 - 0.2", "default": 0.5},
            {"definition": "a[1].pt < 100", "default": 0.25},
        ],
    )
    assert 10 < _compare(tmp_path, *mixed, reading) < 190


@pytest.mark.parametrize("sample", ["signal", "ww", "ttbar"])
def test_pythia(tmp_path: Path, sample: str) -> None:
    folder = Folder(tmp_path)
    setup = folder.setup()
    process = folder.generate(setup, sample=sample, process="dimuon" if sample == "signal" else sample)
    events = folder.simulate(setup, process, 100) / "events.lhe.gz"
    reading = _reading(default_observables=DEFAULTS)
    assert _compare(tmp_path, setup / "setup.h5", events, reading, background=sample != "signal") == 100


LHE = SHARED_DATA / "vbf-higgs" / "lhe"
N_MADGRAPH = 200
"""So many events of each file that MadGraph made are read; MadMiner's reader takes a millisecond for each."""


def _first(events: Path, folder: Path) -> Path:
    """A file with the first events of another."""
    text = gzip.decompress(events.read_bytes()).decode()
    *found, _ = text.split("</event>\n", N_MADGRAPH)
    shorter = "</event>\n".join([*found, "</LesHouchesEvents>\n"])
    shorter, changed = re.subn(r"\d+(\s*= nevents)", rf"{N_MADGRAPH}\1", shorter)
    assert changed == 1
    (folder / events.name).write_bytes(gzip.compress(shorter.encode()))
    return folder / events.name


@pytest.mark.skipif(not LHE.exists(), reason="the MadGraph files are not here")
def test_madgraph(tmp_path: Path) -> None:
    names = ["sm", "w", *(f"morphing_basis_vector_{index}" for index in range(2, 6))]
    setup = setup_file(tmp_path / "setup.h5", names)
    for events in sorted(LHE.glob("*.lhe.gz")):
        sampled = events.name.removeprefix("signal_").removesuffix(".lhe.gz")
        reading = _reading(cuts=[{"definition": "122 < (a[0] + a[1]).m < 128", "required": False}])
        ours, theirs = _reader(setup, reading), _reader(setup, reading)
        some = _first(events, tmp_path)
        les_houches.analyse(ours, some, sampled, False)
        les_houches.one_by_one(theirs, some, sampled, False, tmp_path)
        assert len(ours.weights["w"]) > 100
        assert_equal(ours, theirs)
        for name, values in theirs.weights.items():
            np.testing.assert_array_equal(ours.weights[name], values)


class _Alike:
    def __init__(self, columns: Columns, nearby: Columns, objects: list[dict[str, Any]]) -> None:
        self.groups = list(zip(columns.groups(), nearby.groups(), strict=True))[:25]
        self.objects = objects


@pytest.fixture(scope="module")
def alike(mixed: tuple[Path, Path]) -> "_Alike":
    """All events in columns, also with different rounding errors, and MadMiner's objects of each event."""
    from madminer.utils.interfaces import lhe

    reader = _reader(mixed[0], _reading(smearing=SMEARINGS[1]))
    resolutions = reader.energy_resolution, reader.pt_resolution, reader.eta_resolution, reader.phi_resolution
    detector = Detector(*resolutions, frozenset(lhe.get_elementary_pdg_ids()))
    table = les_houches_table.read(mixed[1])
    shaken = replace(table, momenta=table.momenta * (1.0 + 1e-14 * np.cos(table.momenta)))
    objects = []
    plain = mixed[1].with_suffix("")
    plain.write_bytes(gzip.decompress(mixed[1].read_bytes()))
    for event in lhe._untar_and_parse_lhe_file(str(plain), ["event"]):
        particles, _, data = lhe._parse_xml_event(event, "sm")
        smeared = lhe._smear_particles(particles, *resolutions)
        objects.append(lhe._get_objects(smeared, particles, (0.0, 0.0), global_event_data=data))
    return _Alike(Columns(table, detector), Columns(shaken, detector), objects)


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(text=expressions())
def test_random_expressions(alike: _Alike, text: str) -> None:
    _assert_alike(alike, text, {})


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(text=expressions(defined=True))
def test_random_expressions_of_definitions(alike: _Alike, text: str) -> None:
    _assert_alike(alike, text, DEFINED)


def _assert_alike(alike: _Alike, text: str, named: Mapping[str, Any]) -> None:
    if not passes(text, "lhe", named):
        return
    definitions = {name: Definition(expression(entry)) for name, entry in named.items()}
    for group, shaken in alike.groups:
        everywhere = np.ones(len(group), dtype=bool)
        try:
            found, is_defined = evaluate(text, group, {}, everywhere, Definitions(group, definitions))
            nearby, _ = evaluate(text, shaken, {}, everywhere, Definitions(shaken, definitions))
        except UnusualExpressionError:
            continue
        with warnings.catch_warnings(), defined({name: (item.expression, None) for name, item in definitions.items()}):
            warnings.simplefilter("ignore")
            expected = [expected_value(text, alike.objects[event]) for event in group.events.tolist()]
        assert_close(text, expected, found.values, is_defined, nearby.values)


def test_smearing_is_distributed_as_madminers(tmp_path: Path) -> None:
    from scipy.stats import ks_2samp

    events = tmp_path / "events.lhe.gz"
    event = (
        "<event>\n 3 1 0.5 100. 0.0078 0.1\n 13 1 1 2 0 0 30. 4. 12. 32.56 0. 0. 9.\n"
        " 1 1 1 2 0 0 -20. -3. -12. 23.6 0. 0. 9.\n 11 1 1 2 0 0 0.3 0.4 1. 1.118 0. 0. 9.\n"
        "<rwgt>\n<wgt id='sm'> 0.5 </wgt>\n</rwgt>\n</event>\n"
    )
    text = HEADER.format(n=1500, norm="average") + 1500 * event + "</LesHouchesEvents>\n"
    events.write_bytes(gzip.compress(text.encode()))
    widths = {"eta_resolution_abs": 0.1, "phi_resolution_abs": 0.2, "phi_resolution_rel": 0.3}
    reading = _reading(
        smearing=[
            {**_exact([13], "energy"), **widths, "pt_resolution_rel": 0.1, "eta_resolution_rel": 0.1},
            {**_exact([1], "pt"), **widths, "energy_resolution_abs": 1.0, "energy_resolution_rel": 0.5},
            {**_exact([11], None), **widths, "energy_resolution_abs": 2.0, "pt_resolution_abs": 1.0},
        ],
        met_noise={"abs": 3.0, "rel": 0.1},
        observables={
            f"{name}_{quantity}": {"definition": f"{part}.{quantity}", "required": True, "default": None}
            for name, part in (("mu", "mu[0]"), ("j", "j[0]"), ("e", "e[0]"), ("met", "met"), ("l", "l[1]"))
            for quantity in ("pt", "eta", "phi", "e")
        },
    )
    np.random.seed(12)
    ours, theirs = _both(tmp_path, setup_file(tmp_path / "setup.h5", ["sm"]), events, reading)
    for name, values in theirs.observations.items():
        if name != "met_eta":  # always 0
            assert ks_2samp(ours.observations[name], values).pvalue > 1e-4, name
            assert ours.observations[name].min() >= 0.0 or not name.endswith("_pt")


def test_relative_widths_of_negative_values(tmp_path: Path) -> None:
    """Stock MadMiner does not smear a negative eta by a fraction of it."""
    event = (
        "<event>\n 1 1 0.5 100. 0.0078 0.1\n 13 1 1 2 0 0 30. -4. -40. 50.16 0. 0. 9.\n"
        "<rwgt>\n<wgt id='sm'> 0.5 </wgt>\n</rwgt>\n</event>\n"
    )
    text = HEADER.format(n=800, norm="average") + 800 * event + "</LesHouchesEvents>\n"
    (tmp_path / "events.lhe.gz").write_bytes(gzip.compress(text.encode()))
    definition = {"definition": "mu[0].eta", "required": True, "default": None}
    smearing = [{**_exact([13], "energy"), "eta_resolution_rel": 0.2}]
    reading = _reading(smearing=smearing, observables={"eta": definition})
    np.random.seed(3)
    eta = -np.arcsinh(40.0 / np.hypot(30.0, 4.0))
    for reader in _both(tmp_path, setup_file(tmp_path / "setup.h5", ["sm"]), tmp_path / "events.lhe.gz", reading):
        assert reader.observations["eta"].mean() == pytest.approx(eta, abs=0.03)
        assert reader.observations["eta"].std() == pytest.approx(0.2 * abs(eta), rel=0.1)


def test_same_seed_same_bytes(tmp_path: Path) -> None:
    folder = Folder(tmp_path)
    setup = folder.setup()
    events = folder.simulate(setup, folder.generate(setup), 50)
    contents = []
    for _ in range(2):
        analysed = folder.analyse(setup, events)
        contents.append((analysed / "events.h5").read_bytes())
        analysed.rename(tmp_path / f"kept{len(contents)}")
    assert contents[0] == contents[1]


@pytest.mark.parametrize(
    ("old", "new", "reason"),
    [
        ("<wgt id='w'> 0.25 </wgt>\n", "", "event 1 of events.lhe.gz has no weight for 'w'"),
        ("0. 9.\n", "0.\n", "event 1 of events.lhe.gz is damaged: a particle has 12 entries instead of 13"),
        ("30. 4.", "30. x", "event 1 of events.lhe.gz is damaged: could not convert string to float: 'x'"),
        ("1 1 0.5", "2 1 0.5", "event 1 of events.lhe.gz is damaged: it has 1 of 2 particles"),
        ("</event>\n", "", "events.lhe.gz is damaged: it ends within an event or without </LesHouchesEvents>"),
        ("</LesHouchesEvents>\n", "", "events.lhe.gz is damaged: it ends within"),
        ("2 = nevents", "2 = events", "the run card in events.lhe.gz does not give the number of events"),
        ("MGRunCard", "MGRuncard", "events.lhe.gz has no <MGRunCard>"),
    ],
)
def test_damaged_files(tmp_path: Path, old: str, new: str, reason: str) -> None:
    event = (
        "<event>\n 1 1 0.5 100. 0.0078 0.1\n 13 1 1 2 0 0 30. 4. 12. 32.56 0. 0. 9.\n"
        "<rwgt>\n<wgt id='sm'> 0.5 </wgt>\n<wgt id='w'> 0.25 </wgt>\n</rwgt>\n</event>\n"
    )
    text = HEADER.format(n=2, norm="average") + event.replace(old, new)
    text = text.replace(old, new) if old not in event else text
    tail = event.replace(old, new) if old == "</event>\n" else event
    ending = (tail + "</LesHouchesEvents>\n").replace(old, new) if old not in event else tail + "</LesHouchesEvents>\n"
    (tmp_path / "events.lhe.gz").write_bytes(gzip.compress((text + ending).encode()))
    reader = _reader(setup_file(tmp_path / "setup.h5", ["sm", "w"]), _reading())
    with pytest.raises(StepError) as raised:
        les_houches.analyse(reader, tmp_path / "events.lhe.gz", "sm", False)
    if old == "<wgt id='w'> 0.25 </wgt>\n":
        assert str(raised.value) == "event 2 of events.lhe.gz has other weights than the first event"
    else:
        assert str(raised.value).startswith(reason)


def test_cut_off_file(tmp_path: Path, mixed: tuple[Path, Path]) -> None:
    (tmp_path / "events.lhe.gz").write_bytes(mixed[1].read_bytes()[:-200])
    with pytest.raises(StepError, match=r"^events\.lhe\.gz is damaged: "):
        les_houches_table.read(tmp_path / "events.lhe.gz")


def test_weight_of_a_benchmark_is_missing(tmp_path: Path, mixed: tuple[Path, Path]) -> None:
    reader = _reader(setup_file(tmp_path / "setup.h5", ["sm", "w", "x"]), _reading())
    with pytest.raises(StepError, match=r"^the events in events\.lhe\.gz have no weight for the benchmark 'x'$"):
        les_houches.analyse(reader, mixed[1], "sm", False)


def test_what_columns_cannot_do_is_left_to_madminer(tmp_path: Path) -> None:
    folder = Folder(tmp_path)
    setup = folder.setup()
    events = folder.simulate(setup, folder.generate(setup), 20)
    zero = {"definition": "1 / (mu[0].pt - mu[0].pt)", "required": False, "default": 5.0}
    analysed = folder.analyse(setup, events, {**READING, "observables": {**READING["observables"], "zero": zero}})
    assert json.loads((analysed / "analyse.json").read_text())["n_read"] == 20
    lines = Path(f"{analysed}.log").read_text().splitlines()
    said = [line for line in lines if "MadMiner reads the events one by one" in line]
    assert len(said) == 1 and said[0].endswith("a division by zero")
