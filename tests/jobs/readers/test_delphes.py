"""Delphes files read in columns, compared with MadMiner's own reader (with mmc's workarounds) event by event."""

import gzip
import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
from mmc.jobs.formats import delphes_root
from mmc.jobs.readers import delphes, delphes_objects
from mmc.jobs.readers.delphes import Sample
from mmc.jobs.readers.reading import NotInColumnsError, define

from tests.compiler.expressions.test_checker import PUBLISHED
from tests.forked import Python
from tests.jobs.event_files import (
    HEADER,
    PARTICLES_FOUND_ONCE,
    UPROOT3_ON_NUMPY2,
    assert_same,
    delphes_settings,
    lhe_text,
    setup_file,
    write_root,
)
from tests.jobs.physics import Folder, names
from tests.support import SHARED_DATA

N_EVENTS = 120
DATA = SHARED_DATA / "vbf-higgs"
BENCHMARKS = ["sm", "w", *(f"morphing_basis_vector_{index}" for index in range(2, 6))]
real_files = pytest.mark.skipif(not DATA.exists(), reason="the Delphes files are not here")

ALL_ACCEPTED: dict[str, dict[str, float]] = {"pt_min": {}, "eta_max": {}}
ACCEPTANCE = {"pt_min": {"e": 10.0, "mu": 12.0, "a": 20.0, "j": 25.0}, "eta_max": {"e": 2.5, "mu": 2.7, "j": 3.5}}
EVERYTHING = dict.fromkeys(("e", "mu", "a", "j"), delphes_objects.Acceptance(None, None))
UNUSUAL = ("b_tag][0]", "p_truth", "p[0]", "pt_j1")
"""Parts of expressions that cannot be evaluated in columns, or that name objects which this reader lacks."""


def _reading(**changes: Any) -> dict[str, Any]:
    optional = {"required": False, "default": None}
    published = [text for kind, text in PUBLISHED if kind == "observable"]
    usual = [text for text in published if not any(part in text for part in UNUSUAL)]
    more = ["l[0].pdgid", "l[1].m", "j[0].tau_tag", "len(a)", "sum(x.pt for x in e)", "visible.e", "all.m", "met.phi"]
    return {
        "observables": {f"o{i}": {"definition": text, **optional} for i, text in enumerate([*usual, *more])},
        "default_observables": None,
        "cuts": [],
        "efficiencies": [],
        "acceptance": ALL_ACCEPTED,
        **changes,
    }


def _reader(setup: Path, reading: Mapping[str, Any]) -> Any:
    settings = delphes_settings(reading)
    reader = delphes.make(setup, settings)
    define(reader, settings)
    return reader


class Files:
    """A set-up file and events of many types."""

    def __init__(self, folder: Path) -> None:
        self.setup = setup_file(folder / "setup.h5", ["sm", "w"])
        self.generated = folder / "events.lhe.gz"
        self.generated.write_bytes(gzip.compress(lhe_text(N_EVENTS).encode()))
        self.detected = folder / "events.root"
        write_root(self.detected, N_EVENTS)

    def sample(self, background: bool = False, generator_truth: bool = False) -> Sample:
        return Sample(self.generated, self.detected, "sm", background, generator_truth)


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> Files:
    return Files(tmp_path_factory.mktemp("mixed"))


def _compare(folder: Path, setup: Path, sample: Sample, reading: Mapping[str, Any]) -> int:
    """Compare all values of both readers; the number of events that pass."""
    ours, theirs = _reader(setup, reading), _reader(setup, reading)
    delphes.analyse(ours, sample)
    delphes.one_by_one(theirs, sample, folder)
    return assert_same(folder, ours, theirs)


@pytest.mark.parametrize("acceptance", [ALL_ACCEPTED, ACCEPTANCE])
@pytest.mark.parametrize("generator_truth", [False, True])
@pytest.mark.parametrize("background", [False, True])
def test_events_of_all_sorts(
    tmp_path: Path, files: Files, acceptance: dict[str, Any], generator_truth: bool, background: bool
) -> None:
    sample = files.sample(background, generator_truth)
    assert _compare(tmp_path, files.setup, sample, _reading(acceptance=acceptance)) == N_EVENTS


def test_required_default_and_cuts(tmp_path: Path, files: Files) -> None:
    reading = _reading(
        observables={
            "pt_j1": {"definition": "j[0].pt", "required": True, "default": None},
            "m": {"definition": "(j[0] + j[1]).m", "required": False, "default": -1.0},
            "q": {"definition": "l[-1].charge", "required": False, "default": None},
            "pt_a1": {"definition": "a[0].pt", "required": True, "default": 5.0},
            "gamma": {"definition": "j[-1].gamma", "required": False, "default": None},
            "sign": {"definition": "log(j[0].eta)", "required": False, "default": None},
        },
        default_observables={f"n_{kind}_max": 2 for kind in ("leptons", "photons", "jets")}
        | dict.fromkeys(("include_met", "include_visible_sum", "include_numbers"), True),
        cuts=[
            {"definition": "pt_j1 > 20 and (m > 30 or m < 0)", "required": False},
            {"definition": "l[0].pt > 10", "required": True},
            {"definition": "j[0].pt != a[0].pt if len(a) > 1 else pt_a1 > 0", "required": False},
        ],
    )
    assert 10 < _compare(tmp_path, files.setup, files.sample(), reading) < N_EVENTS - 10
    reading["observables"]["gamma"]["required"] = True  # infinite for jets without mass: dropped
    assert 5 < _compare(tmp_path, files.setup, files.sample(), reading) < 0.7 * N_EVENTS


def test_objects_and_definitions(tmp_path: Path, files: Files) -> None:
    texts = {
        "m_z": ("z.m", None),
        "pt_plus": ("z.a.pt", 0.0),
        "pz_nu": ("nu.pz", None),
        "mt": ("transverse_mass(l[0], met)", None),
        "n_rest": ("len(without(j, b))", None),
        "forward": ("argmax(j, abs(it.eta)).pt", -1.0),
        "met": ("met.pt", None),
        "later": ("earlier / 2", None),
        "earlier": ("hardest + m_z", 1.0),
    }
    reading = _reading(
        observables={
            name: {"definition": text, "required": False, "default": default} for name, (text, default) in texts.items()
        },
        names={
            "b": "[it for it in (j) if (it.b_tag)]",
            "z": "pair((l), (a.charge > b.charge), (abs((a + b).m - 91.19)))",
            "nu": "neutrino((l[0]), (met), 80.379, (abs(it.pz)))",
            "hardest": "max(x.pt for x in b)",
        },
        cuts=[{"definition": "all(x.pt > 15 for x in b) and met.pt > 5", "required": True}],
    )
    assert 10 < _compare(tmp_path, files.setup, files.sample(), reading) < N_EVENTS


def test_functions_of_an_event(tmp_path: Path, files: Files) -> None:
    own = {"required": True, "default": None}
    observables = {"ht": {"definition": "ht", **own}, "same": {"definition": "sum(x.pt for x in j)", **own}}
    settings = delphes_settings(_reading(observables=observables))
    reader = delphes.make(files.setup, settings)
    define(reader, settings, {"ht": lambda event: sum(jet.pt for jet in event["j"])})
    with pytest.raises(NotInColumnsError, match=r"^ht is a function of an event$"):
        delphes.analyse(reader, files.sample())
    delphes.one_by_one(reader, files.sample(), tmp_path)
    assert list(reader.observations["ht"]) == list(reader.observations["same"])


def test_many_events_are_read_in_parts(tmp_path: Path, files: Files, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(delphes_objects, "_CHUNK", 30)
    assert _compare(tmp_path, files.setup, files.sample(), _reading()) == N_EVENTS


def test_final_particles_of_the_generator(tmp_path: Path, files: Files) -> None:
    """What decays does not count, the order is that of pT, and each kind has its own acceptance."""
    particles = {  # of all events, in the order of the file
        "PT": [5.0, 40.0, 30.0, 60.0, 50.0, 15.0, 70.0],
        "Eta": [0.0, 0.1, 0.2, 0.3, 2.6, 0.5, 0.6],
        "PID": [11, 11, -11, 22, -13, 13, 22],
        "Status": [1, 23, 1, 1, 1, 1, 44],
    }
    detected = tmp_path / "events.root"
    write_root(detected, N_EVENTS, particles=particles)
    definitions = {
        "pt_e": "e[0].pt",
        "n_e": "len(e)",
        "n_mu": "len(mu)",
        "pt_mu": "mu[0].pt",
        "pt_a": "a[0].pt",
        "n_l": "len(l)",
        "l_0": "l[0].pdgid",
        "l_last": "l[-1].pt",
    }
    observables = {name: {"definition": text, "required": False, "default": None} for name, text in definitions.items()}
    acceptance = {"pt_min": {"e": 10.0, "mu": 12.0, "a": 65.0}, "eta_max": {"e": 2.5, "mu": 2.7, "a": 2.5}}
    reading = _reading(observables=observables, acceptance=acceptance)
    sample = Sample(files.generated, detected, "sm", False, True)
    ours = _reader(files.setup, reading)
    delphes.analyse(ours, sample)
    found = {name: set(values.tolist()) for name, values in ours.observations.items() if name != "pt_a"}
    assert found == {
        "pt_e": {30.0},
        "n_e": {1.0},
        "n_mu": {2.0},
        "pt_mu": {50.0},
        "n_l": {3.0},
        "l_0": {-13.0},
        "l_last": {15.0},
    }
    assert np.isnan(ours.observations["pt_a"]).all()
    theirs = _reader(files.setup, reading)
    delphes.one_by_one(theirs, sample, tmp_path)
    assert assert_same(tmp_path, ours, theirs) == N_EVENTS


@pytest.mark.parametrize(("bits", "tagged"), [((), {1, 3}), ((0,), {1, 3}), ((1,), {3}), ((2,), set()), ((1, 2), {3})])
@pytest.mark.parametrize("generator_truth", [False, True])
def test_bits_of_b_tags(
    tmp_path: Path, files: Files, bits: tuple[int, ...], tagged: set[int], generator_truth: bool
) -> None:
    name = "GenJet" if generator_truth else "Jet"
    jets = delphes_root.read(files.detected, generator_truth).collections[name]
    first = [int(event[0]) if len(event) else -1 for event in jets["BTag"].to_list()]
    definition = {"definition": "j[0].b_tag", "required": False, "default": -1.0}
    reading = _reading(observables={"tag": definition})
    sample = Sample(files.generated, files.detected, "sm", False, generator_truth, (), bits)
    ours, theirs = _reader(files.setup, reading), _reader(files.setup, reading)
    delphes.analyse(ours, sample)
    expected = [-1.0 if tag < 0 else float(tag in tagged) for tag in first]
    assert ours.observations["tag"].tolist() == expected and {0, 1, 3, -1} <= set(first)
    delphes.one_by_one(theirs, sample, tmp_path)
    assert assert_same(tmp_path, ours, theirs) == N_EVENTS


# -- real files -------------------------------------------------------------------------------------------------------


def _real(benchmark: str) -> Sample:
    detected = DATA / "delphes" / f"signal_{benchmark}_500ev_slim_seed1234.root"
    return Sample(DATA / "lhe" / f"signal_{benchmark}.lhe.gz", detected, benchmark, False, False)


@real_files
@pytest.mark.parametrize(
    ("benchmark", "acceptance"), [("sm", ALL_ACCEPTED), ("w", ACCEPTANCE), ("morphing_basis_vector_2", ALL_ACCEPTED)]
)
def test_delphes(tmp_path: Path, benchmark: str, acceptance: dict[str, Any]) -> None:
    setup = setup_file(tmp_path / "setup.h5", BENCHMARKS)
    reading = _reading(cuts=[{"definition": "122 < (a[0] + a[1]).m < 128", "required": False}], acceptance=acceptance)
    assert _compare(tmp_path, setup, _real(benchmark), reading) > 100


@real_files
def test_events_are_those_that_stock_madminer_saved(tmp_path: Path) -> None:
    """Compared with a file that MadMiner's own reader wrote from the same events, in single precision."""
    with h5py.File(DATA / "h5" / "delphes_combined.h5") as file:
        definitions = [text.decode() for text in file["observables/definitions"][()]]
        expected = np.hstack([file[f"samples/{name}"][()] for name in ("observations", "weights")])
        sampled = file["samples/sampling_benchmarks"][()]
    required = {"required": True, "default": None}
    observables = {name: {"definition": text, **required} for name, text in zip("xy", definitions, strict=True)}
    setup = DATA / "h5" / "madminer_config.h5"
    cuts = [{"definition": "x > 30.", "required": False}]
    for index, benchmark in enumerate(BENCHMARKS[:3]):
        reader = _reader(setup, _reading(observables=observables, cuts=cuts))
        delphes.analyse(reader, _real(benchmark))
        found = np.stack([*reader.observations.values(), *reader.weights.values()], axis=1)
        saved = expected[sampled == index]
        found, saved = (rows[np.lexsort(rows.T[:1])] for rows in (found, saved))
        assert len(found) == len(saved) > 400
        np.testing.assert_allclose(found[:, 1], saved[:, 1], rtol=1e-6, atol=1e-6)
        np.testing.assert_allclose(np.delete(found, 1, axis=1), np.delete(saved, 1, axis=1), rtol=1e-12)


STOCK = """
import json, sys, warnings
warnings.simplefilter("ignore")
UPROOT3
from madminer.delphes import DelphesReader
from madminer.models import readers
PARTICLES_FOUND_ONCE
readers.eval = lambda expression: None  # `all.m` fails when it is named
setup, detected, generated, definitions = sys.argv[1:]
reader = DelphesReader(setup)
reader.add_sample(None, "sm", delphes_filename=detected, lhe_filename=generated, weights="lhe")
for name, definition in json.loads(definitions).items():
    reader.add_observable(name, definition)
reader.add_cut("met.pt > 20")
reader.analyse_delphes_samples()
print(json.dumps({name: values.tolist() for name, values in {**reader.observations, **reader.weights}.items()}))
"""


@pytest.mark.parametrize("source", ["mixed", pytest.param("real", marks=real_files)])
def test_stock_madminer_finds_the_same_in_single_precision(
    tmp_path: Path, files: Files, stock_madminer: Python, source: str
) -> None:
    setup, sample = files.setup, files.sample()
    if source == "real":
        setup, sample = DATA / "h5" / "madminer_config.h5", _real("sm")
    cuts = [{"definition": "met.pt > 20", "required": False}]
    reading = _reading(cuts=cuts)
    ends_the_run = ("visible - all", "max(abs")
    for name, entry in list(reading["observables"].items()):
        # stock MadMiner gives leptons of both flavours each other's charges and masses
        of_other_leptons = re.search(r"\bl\b.*(charge|pdgid|\.m\b)", entry["definition"])
        if of_other_leptons or any(part in entry["definition"] for part in ends_the_run):
            del reading["observables"][name]
    observables = reading["observables"]
    ours = _reader(setup, reading)
    delphes.analyse(ours, sample)
    definitions = json.dumps({name: entry["definition"].strip() for name, entry in observables.items()})
    (tmp_path / "events.lhe").write_bytes(gzip.decompress(sample.generated.read_bytes()))
    program = STOCK.replace("UPROOT3", UPROOT3_ON_NUMPY2).replace("PARTICLES_FOUND_ONCE", PARTICLES_FOUND_ONCE)
    words = [str(setup), str(sample.detected), str(tmp_path / "events.lhe"), definitions]
    stock = json.loads(stock_madminer(program, *words).stdout)
    assert len(ours.weights["sm"]) > 50
    for name, values in ours.weights.items():
        np.testing.assert_allclose(values, stock[name], rtol=1e-12)
    for name, values in ours.observations.items():
        definition, single = observables[name]["definition"], np.array(stock[name])
        np.testing.assert_array_equal(np.isnan(values), np.isnan(single), err_msg=definition)
        np.testing.assert_allclose(values, single, rtol=1e-3, atol=0.1, err_msg=definition)  # of masses near zero
        assert np.isclose(values, single, rtol=1e-3, atol=1e-4, equal_nan=True).mean() > 0.97, definition


# -- the step ---------------------------------------------------------------------------------------------------------

SIMULATED = json.dumps(
    {
        "n_events": N_EVENTS,
        "benchmark": "sm",
        "cross_section_pb": 0.5,
        "cross_section_error_pb": 0.01,
        "mean_weights_pb": {"sm": 0.5},
        "effective_sample_size": {"sm": 100.0},
    }
).encode()
OWN = {"sample": "signal", "benchmark": "sm", "background": False}
STEP = {**OWN, "reader": "delphes", "generator_truth": False}


def _inputs(folder: Path, generated: bytes, detected: bytes) -> dict[str, Path]:
    """The outputs of the three steps before the step `analyse`."""
    benchmarks = {"sm": {"c": 0.0}, "w": {"c": 1.0}}
    contents: dict[str, dict[str, bytes]] = {
        "setup": {
            "setup.json": json.dumps({"benchmarks": benchmarks, "systematics": {}}).encode(),
            "job.json": b'{"stage": "configure", "job": "configure"}',
        },
        "events": {"events.lhe.gz": generated, "simulate.json": SIMULATED, "job.json": b'{"job": "s.0"}'},
        "detected": {"events.root": detected, "job.json": b'{"job": "s.0"}'},
    }
    for name, entries in contents.items():
        (folder / name).mkdir()
        for entry, content in entries.items():
            (folder / name / entry).write_bytes(content)
    setup_file(folder / "setup" / "setup.h5", list(benchmarks))
    return {name: folder / name for name in contents}


def test_analyse(tmp_path: Path, files: Files) -> None:
    inputs = _inputs(tmp_path, files.generated.read_bytes(), files.detected.read_bytes())
    reading = _reading(
        observables={"pt_j1": {"definition": "j[0].pt", "required": True, "default": None}}, acceptance=ACCEPTANCE
    )
    analysed = Folder(tmp_path).run("analyse", "s.0", {**reading, **STEP}, **inputs)
    record = json.loads((analysed / "analyse.json").read_text())
    with h5py.File(analysed / "events.h5") as file:
        observations, weights = file["samples/observations"][()], file["samples/weights"][()]
    assert record["n_read"] == N_EVENTS
    assert weights.shape == (record["n_passed"], 2)
    assert (observations >= 25.0).all()
    assert "one by one" not in Path(f"{analysed}.log").read_text()
    assert names(inputs["events"]) == ["events.lhe.gz", "job.json", "simulate.json"], "nothing is written beside it"


def test_what_columns_cannot_do_is_left_to_madminer(tmp_path: Path, files: Files) -> None:
    zero = {"definition": "1 / (met.pt - met.pt)", "required": False, "default": 5.0}
    inputs = _inputs(tmp_path, files.generated.read_bytes(), files.detected.read_bytes())
    analysed = Folder(tmp_path).run("analyse", "s.0", {**_reading(observables={"zero": zero}), **STEP}, **inputs)
    record = json.loads((analysed / "analyse.json").read_text())
    assert (record["n_read"], record["n_passed"], record["undefined"]) == (N_EVENTS, N_EVENTS, {"zero": N_EVENTS})
    assert names(analysed) == ["analyse.json", "events.h5", "job.json"]
    lines = Path(f"{analysed}.log").read_text().splitlines()
    said = [line for line in lines if "MadMiner reads the events one by one" in line]
    assert len(said) == 1 and said[0].endswith("a division by zero")


def test_no_event_passes(tmp_path: Path, files: Files) -> None:
    nothing = _reading(cuts=[{"definition": "met.pt > 1e6", "required": False}])
    inputs = _inputs(tmp_path, files.generated.read_bytes(), files.detected.read_bytes())
    analysed = Folder(tmp_path).run("analyse", "s.0", {**nothing, **STEP}, **inputs)
    assert json.loads((analysed / "analyse.json").read_text())["n_passed"] == 0
    assert names(analysed) == ["analyse.json", "job.json"]


@pytest.mark.parametrize("definition", ["met.pt", "1 / (met.pt - met.pt)"])
def test_other_events_are_refused(tmp_path: Path, files: Files, definition: str) -> None:
    """Both when events are read in columns and one by one."""
    observables = {"x": {"definition": definition, "required": False, "default": None}}
    short = gzip.compress(lhe_text(N_EVENTS - 4).encode())
    inputs = _inputs(tmp_path, short, files.detected.read_bytes())
    reason = Folder(tmp_path).refusal("analyse", "s.0", {**_reading(observables=observables), **STEP}, **inputs)
    assert reason == (
        f"events/events.lhe.gz has {N_EVENTS - 4} events and detected/events.root {N_EVENTS}: every "
        "generated event must go through shower and detector"
    )


def test_counts_are_checked_one_by_one_as_well(tmp_path: Path, files: Files) -> None:
    """A file that needs an XML parser; MadMiner would only report that an index did not match."""
    text = lhe_text(N_EVENTS - 4).replace("<rwgt>", "<!-- reweighted -->\n<rwgt>")
    inputs = _inputs(tmp_path, gzip.compress(text.encode()), files.detected.read_bytes())
    reason = Folder(tmp_path).refusal("analyse", "s.0", {**_reading(), **STEP}, **inputs)
    assert reason.startswith(f"events/events.lhe.gz has {N_EVENTS - 4} events and detected/events.root {N_EVENTS}: ")


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        (
            {"observables": {"a": {"definition": "tau[0].pt", "required": False, "default": None}}},
            "cannot evaluate 'tau[0].pt': name 'tau' is not defined",
        ),
        (
            {"efficiencies": [{"definition": "0.5", "default": 1.0}]},
            "MadMiner's DelphesReader has no efficiencies: set them in the Delphes card",
        ),
    ],
)
def test_refusals(tmp_path: Path, files: Files, changes: dict[str, Any], expected: str) -> None:
    inputs = _inputs(tmp_path, files.generated.read_bytes(), files.detected.read_bytes())
    assert Folder(tmp_path).refusal("analyse", "s.0", {**_reading(), **STEP, **changes}, **inputs) == expected


def test_events_of_another_job_are_refused(tmp_path: Path, files: Files) -> None:
    inputs = _inputs(tmp_path, files.generated.read_bytes(), files.detected.read_bytes())
    reason = Folder(tmp_path).refusal("analyse", "s.1", {**_reading(), **STEP}, **inputs)
    assert reason == "none of the directories of --events is the output of job 's.1'"


def test_no_events(tmp_path: Path) -> None:
    write_root(tmp_path / "events.root", 0)
    assert delphes_root.read(tmp_path / "events.root", False).n_events == 0
    generated = tmp_path / "events.lhe.gz"
    generated.write_bytes(gzip.compress((HEADER.format(n=1, norm="sum") + "</LesHouchesEvents>\n").encode()))
    reader = _reader(setup_file(tmp_path / "setup.h5", ["sm"]), _reading())
    delphes.analyse(reader, Sample(generated, tmp_path / "events.root", "sm", False, False))
    assert reader.observations is None
