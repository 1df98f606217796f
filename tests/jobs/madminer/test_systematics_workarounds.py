"""Systematic uncertainties in MadMiner: each work-around with the flaw of stock MadMiner that it mends, and the weights
of the readers."""

import gzip
import json
import re
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from mmc.compiler.settings.uncertainties import ScaleUncertainty
from mmc.errors import StepError
from mmc.jobs.formats import les_houches_table
from mmc.jobs.formats.weight_groups import find_nuisance
from mmc.jobs.madminer import systematics_workarounds, workarounds
from mmc.jobs.readers import delphes, les_houches
from mmc.jobs.readers.reading import define

from tests.forked import Python
from tests.jobs.event_files import assert_same, delphes_settings, les_houches_settings, lhe_text, write_root
from tests.jobs.systematics_files import PdfSet, with_systematics
from tests.support import SHARED_DATA

SYSTEMATICS: dict[str, dict[str, Any]] = {
    "lumi": {"effect": "norm", "norm_variation": 1.1},
    "mu": {"effect": "scale", "scale": "mu", "scale_variations": (0.5, 1.0, 2.0)},
    "pdf": {"effect": "pdf", "pdf_variation": "toy_set"},
}
PDF_SETS = (PdfSet("toy_set", 900000, 5, "hessian"),)
READING = les_houches_settings(
    {
        "smearing": [],
        "met_noise": {"abs": 0.0, "rel": 0.0},
        "default_observables": None,
        "observables": {"n": {"definition": "len(p)", "required": True, "default": None}},
        "cuts": [{"definition": "n > 2", "required": False}],
        "efficiencies": [{"definition": "0.5 + 0.1 * len(mu)", "default": 1.0}],
    }
)

STOCK = """
import json, sys, warnings
with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    from madminer.core import MadMiner
    from madminer.lhe import LHEReader
    from madminer.analysis import DataAnalyzer
    from madminer.utils.interfaces.lhe import extract_nuisance_parameters_from_lhe_file

def failure(call, *args):
    try:
        return call(*args)
    except BaseException as error:
        return f"{type(error).__name__}: {error}"

def save(file, *systematics):
    miner = MadMiner()
    miner.add_parameter("contact", 1, "c", "theta", 2, (0.0, 1.0))
    miner.add_benchmark({"c": 0.0}, "sm")
    miner.add_benchmark({"c": 1.0}, "w")
    for entry in systematics:
        miner.add_systematics(**entry)
    names = list(miner.systematics)
    miner.save(file)
    return names

def load(file):
    miner = MadMiner()
    miner.load(file)
    return [type(entry.value).__name__ for entry in miner.systematics.values()]

def read(setup, as_text):
    reader = LHEReader(setup)
    if as_text:
        reader.systematics["mu"].value = "0.5,1.0,2.0"
    reader.add_sample("events.lhe", "sm", systematics=["mu"])
    reader.analyse_samples()

scale = dict(effect="scale", systematic_name="mu")
pdf = MadMiner()
pdf.add_systematics("pdf", "pdf", pdf_variation="toy_set")
text = MadMiner()
text.add_systematics("scale", "mu")
print(json.dumps({
    "norm": failure(save, "norm.h5", dict(effect="norm", systematic_name="lumi")),
    "pdf": failure(save, "pdf.h5", dict(effect="pdf", systematic_name="pdf")),
    "names": save("names.h5", dict(effect="scale"), dict(effect="scale")),
    "scale": save("scale.h5", scale),
    "values": load("scale.h5"),
    "load norm": failure(load, "ours.h5"),
    "analyse norm": failure(DataAnalyzer, "ours.h5"),
    "read bytes": failure(read, "scale.h5", False),
    "read text": failure(read, "scale.h5", True),
    "pdf weights": extract_nuisance_parameters_from_lhe_file("events.lhe", pdf.systematics),
    "scale weights": extract_nuisance_parameters_from_lhe_file("events.lhe", text.systematics),
    "no weights": extract_nuisance_parameters_from_lhe_file("plain.lhe", text.systematics),
}))
"""


def _events() -> str:
    return with_systematics(lhe_text(100), pdf_sets=PDF_SETS)


def _setup(path: Path, names: Sequence[str] = ("sm", "w"), **systematics: dict[str, Any]) -> Path:
    workarounds.apply()
    systematics_workarounds.apply_setup()
    from madminer.core import MadMiner

    miner = MadMiner()
    miner.add_parameter("contact", 1, "c", "theta", 2, (0.0, 10.0))
    for index, name in enumerate(names):
        miner.add_benchmark({"c": float(index)}, name)
    for name, entry in (systematics or SYSTEMATICS).items():
        miner.add_systematics(systematic_name=name, **entry)
    miner.save(str(path))
    return path


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("systematics")
    _setup(folder / "ours.h5")
    (folder / "events.lhe").write_text(_events())
    (folder / "plain.lhe").write_text(lhe_text(4))
    (folder / "events.lhe.gz").write_bytes(gzip.compress(_events().encode()))
    return folder


@pytest.fixture(scope="module")
def stock(folder: Path, stock_madminer: Python) -> dict[str, Any]:
    """What MadMiner does without any work-around."""
    found: dict[str, Any] = json.loads(stock_madminer(STOCK, cwd=folder).stdout.splitlines()[-1])
    return found


def test_stock_cannot_save_norm_and_pdf(stock: dict[str, Any]) -> None:
    for effect in ("norm", "pdf"):
        assert stock[effect] == "AttributeError: 'NoneType' object has no attribute 'value'"


def test_stock_has_no_names(stock: dict[str, Any]) -> None:
    assert stock["names"] == ["<class_'type'>_0"]  # of two
    assert stock["scale"] == ["mu"]


def test_stock_cannot_load(stock: dict[str, Any]) -> None:
    assert stock["values"] == ["bytes_"]
    assert stock["load norm"] == stock["analyse norm"] == "ValueError: Invalid systematic scale: None"


def test_set_up_survives_saving_and_loading(folder: Path) -> None:
    from madminer.core import MadMiner

    miner = MadMiner()
    miner.load(str(folder / "ours.h5"))
    found = {
        name: (entry.type.value, entry.value, entry.scale and entry.scale.value)
        for name, entry in miner.systematics.items()
    }
    assert found == {
        "lumi": ("norm", 1.1, None),
        "mu": ("scale", "0.5,1.0,2.0", "mu"),
        "pdf": ("pdf", "toy_set", None),
    }
    miner.save(str(folder / "again.h5"))
    again = MadMiner()
    again.load(str(folder / "again.h5"))
    assert again.systematics == miner.systematics


def test_stock_cannot_read(stock: dict[str, Any]) -> None:
    assert stock["read bytes"].startswith("TypeError: a bytes-like object is required")
    assert stock["read text"] == "RuntimeError: Nuisance parameter mu_nuisance_param_0 does not exist"


def test_stock_finds_no_pdf_and_lets_a_missing_scale_pass(stock: dict[str, Any], folder: Path) -> None:
    assert stock["pdf weights"] == {"pdf": {}}
    assert stock["no weights"] == {"mu": {}}
    entry = ScaleUncertainty(effect="scale", scale="mu", variations=(0.5, 1.0, 2.0))
    (ours,) = find_nuisance({"mu": entry}, folder / "events.lhe")
    assert stock["scale weights"] == {"mu": {ours.name: [*map(list, ours.weights.items()), None]}}


def _reader(setup: Path) -> Any:
    reader = les_houches.make(setup, READING)
    define(reader, READING)
    return reader


@pytest.mark.parametrize("background", [False, True])
@pytest.mark.parametrize("names", [(), ("lumi",), ("mu",), ("pdf",), ("lumi", "mu", "pdf")])
def test_columns_hold_what_madminer_reads(folder: Path, names: tuple[str, ...], background: bool) -> None:
    ours, theirs = _reader(folder / "ours.h5"), _reader(folder / "ours.h5")
    for benchmark in ("sm", "w"):
        events = folder / f"{benchmark}.lhe.gz"
        events.write_bytes(gzip.compress(_events().replace("id='sm'", f"id='{benchmark}'").encode()))
    les_houches.analyse(ours, folder / "events.lhe.gz", "sm", background, names)
    les_houches.one_by_one(theirs, folder / "events.lhe.gz", "sm", background, folder, systematics=names)
    assert assert_same(folder, ours, theirs) > 20
    expected = {"lumi": 1, "mu": 2, "pdf": 4}
    assert len(ours.weights) == 2 + sum(expected[name] for name in names)
    assert {p.systematic for p in ours.nuisance_parameters.values()} == set(names)


@pytest.mark.parametrize("background", [False, True])
def test_nuisance_weights_are_for_the_reference_benchmark(folder: Path, background: bool) -> None:
    """Events sampled at ``w``: their varied weights, times the ratio of the weights at ``sm`` and at ``w``."""
    reader = _reader(folder / "ours.h5")
    text = _events().replace("id='sm'", "id='x'").replace("id='w'", "id='sm'").replace("id='x'", "id='w'")
    path = folder / "w.lhe.gz"
    path.write_bytes(gzip.compress(text.encode()))
    les_houches.analyse(reader, path, "w", background, ("lumi", "mu", "pdf"))
    table = les_houches_table.read(path)
    passed = table.counts > 2
    own, at_sm = table.weights["w"], table.weights["w" if background else "sm"]
    efficiency = reader.weights["w"] / (table.factor * own[passed])
    nominal = table.factor * at_sm[passed] * efficiency
    np.testing.assert_allclose(reader.weights["sm"], nominal, rtol=1e-12)
    (scale,) = find_nuisance({"mu": ScaleUncertainty(effect="scale", scale="mu", variations=(0.5, 2.0))}, path)
    expected = {"lumi_nuisance_param_0_benchmark_0": 1.1 * nominal}
    for benchmark, weight in scale.weights.items():
        expected[benchmark] = nominal * (table.weights[str(weight)] / own)[passed]
    for index, member in ((0, 1), (1, 3)):
        for k in (0, 1):
            ratio = table.weights[str(9 + member + k)] / table.weights["9"]
            expected[f"pdf_nuisance_param_{index}_benchmark_{k}"] = nominal * ratio[passed]
    for name, values in expected.items():
        np.testing.assert_allclose(reader.weights[name], values, rtol=1e-9, err_msg=name)


LHE = SHARED_DATA / "vbf-higgs" / "lhe"


@pytest.mark.skipif(not LHE.is_dir(), reason="the MadGraph files are not there")
def test_madgraph_file(tmp_path: Path) -> None:
    names = ["sm", "w", *(f"morphing_basis_vector_{index}" for index in range(2, 6))]
    setup = _setup(tmp_path / "setup.h5", names)
    events = tmp_path / "events.lhe.gz"
    text = gzip.decompress((LHE / "signal_w.lhe.gz").read_bytes()).decode()
    events.write_bytes(gzip.compress(with_systematics(text, pdf_sets=PDF_SETS).encode()))
    ours, theirs = _reader(setup), _reader(setup)
    les_houches.analyse(ours, events, "w", False, ("lumi", "mu", "pdf"))
    les_houches.one_by_one(theirs, events, "w", False, tmp_path, systematics=("lumi", "mu", "pdf"))
    assert assert_same(tmp_path, ours, theirs) > 100


@pytest.mark.parametrize("background", [False, True])
def test_detected_events_hold_what_madminer_reads(tmp_path: Path, background: bool) -> None:
    settings = delphes_settings(
        {
            "observables": {"n": {"definition": "len(j)", "required": True, "default": None}},
            "default_observables": None,
            "cuts": [{"definition": "n > 0", "required": False}],
            "efficiencies": [],
            "acceptance": {"pt_min": {}, "eta_max": {}},
        }
    )
    setup = _setup(tmp_path / "setup.h5")
    (tmp_path / "events.lhe.gz").write_bytes(gzip.compress(_events().encode()))
    write_root(tmp_path / "events.root", 100)
    sample = delphes.Sample(
        tmp_path / "events.lhe.gz", tmp_path / "events.root", "sm", background, False, ("lumi", "mu", "pdf")
    )
    ours, theirs = delphes.make(setup, settings), delphes.make(setup, settings)
    for reader, read in (
        (ours, delphes.analyse),
        (theirs, partial(delphes.one_by_one, scratch=tmp_path)),
    ):
        define(reader, settings)
        read(reader, sample)
    assert 20 < assert_same(tmp_path, ours, theirs) < 100
    assert len(ours.weights) == 2 + 1 + 2 + 4


def test_events_without_a_declared_weight(folder: Path) -> None:
    path = folder / "short.lhe.gz"
    lines = _events().splitlines(keepends=True)
    path.write_bytes(gzip.compress("".join(line for line in lines if not line.startswith("<wgt id='8'>")).encode()))
    with pytest.raises(StepError, match=r"events in short\.lhe\.gz have no weight for the nuisance parameter mu_nuis"):
        les_houches.analyse(_reader(folder / "ours.h5"), path, "sm", False, ("mu",))
    with pytest.raises(StepError, match=r"the events in short\.lhe lack the weight '8'"):
        les_houches.one_by_one(_reader(folder / "ours.h5"), path, "sm", False, folder, systematics=("mu",))


def test_weights_at_the_sampled_benchmark_that_are_not_the_nominal_ones(folder: Path) -> None:
    """MadMiner cannot take uncertainties relative to the nominal weight; a norm needs no weights."""
    text = _events()
    first = re.search(r"<wgt id='sm'> (\S+) <", text)
    assert first is not None
    path = folder / "smeared.lhe.gz"
    for factor in (1.001, 50.0, 1e-9):  # rounded, another weight, and one whose ratio is huge
        smeared = text.replace(first[0], f"<wgt id='sm'> {factor * float(first[1])!r} <", 1)
        path.write_bytes(gzip.compress(smeared.encode()))
        read = partial(les_houches.one_by_one, _reader(folder / "ours.h5"), path, "sm", False, folder)
        read(systematics=("lumi",))
        if factor == 1.001:
            read(systematics=("mu",))
            continue
        with pytest.raises(
            StepError, match=r"^the weights at 'sm' in smeared\.lhe differ from the nominal weights, and MadMiner"
        ):
            read(systematics=("mu",))


def test_an_uncertainty_that_the_set_up_does_not_have(folder: Path) -> None:
    reader = _reader(folder / "ours.h5")
    with pytest.raises(StepError, match="the set-up has no systematic uncertainty jes"):
        les_houches.analyse(reader, folder / "events.lhe.gz", "sm", False, ("mu", "jes"))


def test_a_file_does_not_run_code_when_it_is_loaded(tmp_path: Path) -> None:
    """MadMiner evaluates the transform of a parameter where it is loaded."""
    workarounds.apply()
    from madminer.models import AnalysisParameter

    AnalysisParameter("c", "block", 1, 2, (0.0, 1.0), "__import__('sys').exit('run')")
