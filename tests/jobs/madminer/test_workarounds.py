"""Each work-around with the flaw of stock MadMiner that it mends; stock MadMiner runs in processes of its own."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
from mmc.errors import StepError
from mmc.jobs.madminer import event_objects, workarounds

from tests.forked import Python
from tests.jobs.event_files import PARTICLES_FOUND_ONCE, UPROOT3_ON_NUMPY2, lhe_text, setup_file, write_root
from tests.jobs.physics import Folder

EVENT = """<event>
 4 1 0.5 100. 0.0078 0.1
 13 1 1 2 0 0 30. 40. 120. 130. 0. 0. 9.
 -13 1 1 2 0 0 -30. -30. 50. 65.574385243 0. 0. 9.
 14 1 1 2 0 0 0. -10. 0. 10. 0. 0. 9.
 22 1 1 2 0 0 0. 5. 0. 5. 0. 0. 9.
<rwgt>
<wgt id='sm'> 0.5 </wgt>
<wgt id='w'> 0.25 </wgt>
</rwgt>
</event>
"""

STOCK = """
import json, sys, warnings
import numpy as np
with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    from madminer.core import MadMiner
    from madminer.lhe import LHEReader
    from madminer.models import Observable
    from madminer.utils.interfaces import lhe

def failure(call, *args):
    try:
        call(*args)
    except BaseException as error:
        return f"{type(error).__name__}: {error}"

def read(cut=None, **observables):
    reader = LHEReader("setup.h5")
    reader.add_sample("two.lhe", "sm")
    for name, (definition, required) in observables.items():
        reader.add_observable(name, definition, required=required)
    if cut:
        reader.add_cut(cut)
    reader.analyse_samples()
    return {name: values.tolist() for name, values in reader.observations.items()}

found = {"torch": "torch" in sys.modules, "uproot3": "uproot3" in sys.modules}

calls = []
findall = lhe.Particle.findall
class Counting:
    @staticmethod
    def findall(condition):
        calls.append(condition)
        return findall(condition)
lhe.Particle = Counting
found["kept without its required observable"] = len(read(a=("j[0].pt", True), b=("j[0].pt", False))["a"])
found["table scans"] = len(calls)
found["visible"] = read(a=("visible.e", False))
found["negative eta"] = [lhe._smear_variable(-2.0, {13: (0.0, 0.1)}, 13) for _ in range(5)]
found["log(0)"] = failure(lambda: read(a=("log(0)", False)))
found["definition"] = failure(lambda: Observable("a", "__import__('sys').exit('run')"))
found["misspelt"] = read(a=("mu[0].ptt if len(e) else muon[0].pt", False))
found["no events"] = failure(lambda: read("len(mu) > 5", a=("mu[0].pt", True)))
print(json.dumps(found))
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two events and a set-up with the benchmarks sm and w."""
    workarounds.apply_reader()
    from madminer.core import MadMiner

    folder = tmp_path_factory.mktemp("compat")
    miner = MadMiner()
    miner.add_parameter("contact", 1, "c", "theta", 2, (0.0, 1.0))
    miner.add_benchmark({"c": 0.0}, "sm")
    miner.add_benchmark({"c": 1.0}, "w")
    miner.save(str(folder / "setup.h5"))
    header = "<header>\n<MGRunCard>\n 2 = nevents\n average = event_norm\n</MGRunCard>\n</header>\n"
    (folder / "two.lhe").write_text(f"<LesHouchesEvents>\n{header}{2 * EVENT}</LesHouchesEvents>\n")
    return folder


@pytest.fixture(scope="module")
def stock(folder: Path, stock_madminer: Python) -> dict[str, Any]:
    """What MadMiner does without any work-around."""
    said = stock_madminer(STOCK, cwd=folder).stdout
    found: dict[str, Any] = json.loads(said.rpartition("{")[1] + said.partition("{")[2])
    return found


def _read(folder: Path, cut: str | None = None, **observables: tuple[str, bool]) -> dict[str, list[float]] | None:
    workarounds.apply_reader()
    from madminer.lhe import LHEReader

    reader = LHEReader(str(folder / "setup.h5"))
    reader.add_sample(str(folder / "two.lhe"), "sm")
    for name, (definition, required) in observables.items():
        reader.add_observable(name, definition, required=required)
    if cut:
        reader.add_cut(cut)
    reader.analyse_samples()
    if reader.observations is None:
        return None
    return {name: values.tolist() for name, values in reader.observations.items()}


def test_parts_are_imported_alone(stock: dict[str, Any]) -> None:
    assert stock["torch"] and stock["uproot3"]
    code = (
        "import sys; from mmc.jobs.madminer import workarounds as c; c.apply(); c.apply_reader(); c.apply_reader();"
        "from madminer.sampling import SampleAugmenter; from madminer.lhe import LHEReader;"
        "print({'torch', 'uproot3', 'matplotlib', 'scipy'} & set(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-W", "error", "-c", code], capture_output=True, text=True, check=True)
    assert (done.stdout, done.stderr) == ("set()\n", "")


@pytest.mark.parametrize("kind", ["Observable", "Cut", "Efficiency"])
def test_definitions_are_not_run_when_they_are_named(stock: dict[str, Any], kind: str) -> None:
    assert stock["definition"] == "SystemExit: run"
    workarounds.apply()
    from madminer import models

    getattr(models, kind)("a", "__import__('sys').exit('run')")


SAVING = """
import warnings
with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    from madminer.core import MadMiner
miner = MadMiner()
for i in range(30):
    miner.add_parameter("contact", i + 1, f"c{i}", "theta")
miner.add_benchmark({f"c{i}": 0.0 for i in range(30)}, "sm")
try:
    miner.save("full.h5")
except OSError as error:
    raise SystemExit(f"clear: {error}")
"""
STOCK_SAVING = f"""
import os, resource
child = os.fork()
if child == 0:
    resource.setrlimit(resource.RLIMIT_FSIZE, (20_480, 20_480))
    try:
        {SAVING.strip().replace(chr(10), chr(10) + 8 * " ")}
    finally:
        os._exit(1)
print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
"""


def test_a_full_disk_is_a_crash_of_stock_madminer(tmp_path: Path, stock_madminer: Python) -> None:
    assert int(stock_madminer(STOCK_SAVING, cwd=tmp_path).stdout) < 0, "HDF5 has learnt to live with a full disk"


def test_a_full_disk_is_no_crash(tmp_path: Path) -> None:
    patched = f"from mmc.jobs.madminer import event_objects, workarounds\nworkarounds.apply()\n{SAVING}"
    limited = ["bash", "-c", 'ulimit -f 20; exec "$0" "$@"', sys.executable, "-c", patched]
    done = subprocess.run(limited, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr.splitlines()[-1]) == (1, "clear: [Errno 27] File too large")


def test_table_of_particles_is_scanned_once(
    stock: dict[str, Any], folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert stock["table scans"] >= 4
    _read(folder, a=("mu[0].pt", True))
    from madminer.utils.interfaces import lhe

    monkeypatch.setattr(lhe.Particle, "_table", None)  # a scan would now fail
    assert _read(folder, a=("mu[0].pt", True)) == {"a": [50.0, 50.0]}


def test_event_without_a_required_observable_is_dropped(stock: dict[str, Any], folder: Path) -> None:
    assert stock["kept without its required observable"] == 2
    assert _read(folder, a=("j[0].pt", True), b=("j[0].pt", False)) is None


def test_visible_sums(stock: dict[str, Any], folder: Path) -> None:
    assert np.isnan(stock["visible"]["a"]).all()
    assert stock["negative eta"] == [-2.0] * 5  # the mended one: test_relative_widths_of_negative_values
    found = _read(folder, e=("visible.e", True), pt=("all.pt", True), both=("visible.pt - met.pt", True))
    assert found is not None
    assert found["e"] == pytest.approx([200.574385243] * 2)  # the muons and the photon
    assert found["pt"] == pytest.approx([0.0, 0.0], abs=1e-9)
    assert found["both"] == pytest.approx([0.0, 0.0], abs=1e-9)


@pytest.mark.parametrize("definition", ["log(0)", "acos(1.0000001)", "exp(1e6)", "1 / 0", "j[0].pt"])
def test_undefined_value_is_the_default(stock: dict[str, Any], folder: Path, definition: str) -> None:
    assert stock["log(0)"].startswith("UnboundLocalError")
    found = _read(folder, a=(definition, False))
    assert found is not None and np.isnan(found["a"]).all()
    assert _read(folder, a=(definition, True)) is None


def test_misspelt_name_ends_the_run(stock: dict[str, Any], folder: Path) -> None:
    assert np.isnan(stock["misspelt"]["a"]).all()
    with pytest.raises(Exception, match=r"cannot evaluate 'muon\[0\]\.pt': name 'muon' is not defined"):
        _read(folder, a=("muon[0].pt", False))
    with pytest.raises(Exception, match=r"cannot evaluate 'mu\[0\]\.ptt'.*no attribute 'ptt'"):
        _read(folder, a=("mu[0].ptt", False))


def test_no_events_is_no_failure(stock: dict[str, Any], folder: Path) -> None:
    assert stock["no events"] == "ValueError: not enough values to unpack (expected 3, got 2)"
    assert _read(folder, "len(mu) > 5", a=("mu[0].pt", True)) is None


# -- Delphes ----------------------------------------------------------------------------------------------------------

STOCK_DELPHES = """
import json, warnings
warnings.simplefilter("ignore")
from madminer.delphes import DelphesReader
from madminer.models import readers

readers.eval = lambda expression: None  # `all.pt` fails when it is named: see above

def read(definition, required=True, cuts=()):
    reader = DelphesReader("setup.h5")
    for cut in cuts:
        reader.add_cut(cut)
    reader.add_sample(None, "sm", delphes_filename="events.root", lhe_filename="events.lhe", weights="lhe")
    reader.add_observable("x", definition, required=required)
    reader.analyse_delphes_samples()
    return reader.observations["x"].tolist()

def failure(*words):
    try:
        read(*words)
    except BaseException as error:
        return f"{type(error).__name__}: {error}"

PARTICLES_FOUND_ONCE
READ_TRUTH
found = {"numpy 2": failure("met.pt")}
UPROOT3
found["masses"] = read("(a[0] + a[1]).m")
found["visible"] = failure("(visible - all).pt")
found["log(0)"] = failure("log(0)")
found["misspelt"] = read("muon[0].pt", False, ["True"])
found["truth"] = read_truth()
found["everything passes"] = failure("met.pt", False)
found["sums"] = 0
from madminer.utils.interfaces import delphes_root
from types import SimpleNamespace
particle = delphes_root.MadMinerParticle
def begin(*components):
    found["sums"] += 1
    return particle.from_xyzt(*components)
delphes_root.MadMinerParticle = SimpleNamespace(
    from_xyzt=begin, from_rhophietat=particle.from_rhophietat, from_rhophietatau=particle.from_rhophietatau
)
read("met.pt", True, ["True"])
print(json.dumps(found))
"""


READ_TRUTH = """
def read_truth():
    found = []
    for limit in (0.0, 1000.0):
        reader = DelphesReader("setup.h5")
        reader.set_acceptance(pt_min_mu=limit)
        reader.add_cut("True")
        reader.add_sample(None, "sm", delphes_filename="events.root", lhe_filename="events.lhe", weights="lhe")
        reader.add_observable("n", "len(mu)", required=False)
        reader.add_observable("falls", "mu[0].pt >= mu[1].pt", required=False)
        reader.analyse_delphes_samples(generator_truth=True)
        found += [sum(reader.observations["n"]), 0.0 in reader.observations["falls"]]
    return found
"""


@pytest.fixture(scope="module")
def delphes(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """200 events, generated and detected."""
    folder = tmp_path_factory.mktemp("delphes")
    setup_file(folder / "setup.h5", ["sm", "w"])
    (folder / "events.lhe").write_text(lhe_text(200))
    write_root(folder / "events.root", 200)
    return folder


@pytest.fixture(scope="module")
def stock_delphes(delphes: Path, stock_madminer: Python) -> dict[str, Any]:
    """What MadMiner's DelphesReader does without any work-around, but that of uproot3 and that for its time."""
    program = STOCK_DELPHES.replace("UPROOT3", UPROOT3_ON_NUMPY2).replace("READ_TRUTH", READ_TRUTH)
    program = program.replace("PARTICLES_FOUND_ONCE", PARTICLES_FOUND_ONCE)
    found: dict[str, Any] = json.loads(stock_madminer(program, cwd=delphes).stdout)
    return found


def _read_delphes(folder: Path, definition: str, required: bool = True) -> Any:
    workarounds.apply_delphes_reader()
    from madminer.delphes import DelphesReader

    reader = DelphesReader(str(folder / "setup.h5"))
    lhe = str(folder / "events.lhe")
    reader.add_sample(None, "sm", delphes_filename=str(folder / "events.root"), lhe_filename=lhe, weights="lhe")
    reader.add_observable("x", definition, required=required)
    reader.analyse_delphes_samples()
    return None if reader.observations is None else reader.observations["x"]


def test_delphes_files_can_be_read(stock_delphes: dict[str, Any], delphes: Path) -> None:
    assert stock_delphes["numpy 2"].startswith("OverflowError: Python integer ")
    assert len(_read_delphes(delphes, "met.pt")) == 200
    code = (
        "import sys; from mmc.jobs.madminer.workarounds import apply_delphes_reader as mend; mend(); mend();"
        "from madminer.delphes import DelphesReader; print({'torch', 'uproot3', 'matplotlib'} & set(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-W", "error", "-c", code], capture_output=True, text=True, check=True)
    assert (done.stdout, done.stderr) == ("set()\n", "")


def test_delphes_in_double_precision(stock_delphes: dict[str, Any], delphes: Path) -> None:
    stock, exact = np.array(stock_delphes["masses"]), _read_delphes(delphes, "(a[0] + a[1]).m")
    np.testing.assert_array_equal(stock, stock.astype(np.float32))
    assert 0.0 < np.abs(stock / exact - 1.0).max() < 1e-2


def test_delphes_visible_sums(stock_delphes: dict[str, Any], delphes: Path) -> None:
    assert stock_delphes["visible"].startswith("UnboundLocalError")  # in place of an AssertionError
    np.testing.assert_allclose(_read_delphes(delphes, "(visible - all).pt"), _read_delphes(delphes, "met.pt"))


def test_delphes_sums_are_made_where_they_are_used(
    stock_delphes: dict[str, Any], delphes: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert stock_delphes["sums"] == 2 * 200
    made: list[float] = []
    monkeypatch.setattr(event_objects, "momentum_sum", lambda _particles, zero: made.append(zero))
    assert len(_read_delphes(delphes, "met.pt")) == 200 and made == []


def test_delphes_undefined_values(stock_delphes: dict[str, Any], delphes: Path) -> None:
    assert stock_delphes["log(0)"].startswith("UnboundLocalError")
    assert _read_delphes(delphes, "log(0)") is None
    assert np.isnan(_read_delphes(delphes, "1 / (len(j) - len(j))", required=False)).all()


def test_delphes_misspelt_name_ends_the_run(stock_delphes: dict[str, Any], delphes: Path) -> None:
    assert np.isnan(stock_delphes["misspelt"]).all()
    with pytest.raises(StepError, match=r"^cannot evaluate 'muon\[0\]\.pt': name 'muon' is not defined$"):
        _read_delphes(delphes, "muon[0].pt")


def test_delphes_particles_of_the_generator(
    stock_delphes: dict[str, Any], delphes: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Stock MadMiner also counts decayed muons, in any order, and does not apply their acceptance."""
    workarounds.apply_delphes_reader()
    from madminer.delphes import DelphesReader

    monkeypatch.chdir(delphes)
    names: dict[str, Any] = {"DelphesReader": DelphesReader}
    exec(READ_TRUTH, names)
    n_final, *others = names["read_truth"]()
    assert n_final > 0 and others == [False, 0.0, False]
    n_all, is_out_of_order, *without_acceptance = stock_delphes["truth"]
    assert n_all > 1.5 * n_final and is_out_of_order and without_acceptance == [n_all, True]


def test_delphes_everything_passes(stock_delphes: dict[str, Any], delphes: Path) -> None:
    assert stock_delphes["everything passes"] == "RuntimeError: Mismatching number of events for sm: 200 vs 1"
    assert len(_read_delphes(delphes, "met.pt", required=False)) == 200


# -- all of it --------------------------------------------------------------------------------------------------------

ANALYSIS = """
import sys, warnings
with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    if sys.argv[3] == "patched":
        from mmc.jobs.madminer import event_objects, workarounds
        workarounds.apply_reader()
    from madminer.lhe import LHEReader
import numpy as np
np.random.seed(4)
reader = LHEReader(sys.argv[1])
reader.add_sample("events.lhe", "sm")
reader.set_smearing([13, -13], None, 0.0, 0.0, 0.05, 1e-3, 0.0, 1e-3, 0.0)
reader.set_met_noise(5.0, 0.01)
reader.add_default_observables(include_visible_sum=False)
reader.add_observable("m", "(mu[0] + mu[1]).m", required=True)
reader.add_observable("odd", "1. / len(j)", required=False, default=-1.0)
reader.add_observable("delta", "mu[0].deltaphi(mu[1]) * mu[0].charge", required=True)
reader.add_cut("m > 500. and l[0].pt > 30.")
reader.add_efficiency("exp(-abs(mu[0].eta))")
reader.analyse_samples()
reader.save(sys.argv[2], shuffle=True)
"""


def test_events_are_those_of_the_stock_reader(tmp_path: Path, stock_madminer: Python) -> None:
    import gzip

    folder = Folder(tmp_path)
    setup = folder.setup()
    events = folder.simulate(setup, folder.generate(setup), 100)
    (tmp_path / "events.lhe").write_bytes(gzip.decompress((events / "events.lhe.gz").read_bytes()))
    content = {}
    words = {reader: [str(setup / "setup.h5"), f"{reader}.h5", reader] for reader in ("stock", "patched")}
    stock_madminer(PARTICLES_FOUND_ONCE + ANALYSIS, *words["stock"], cwd=tmp_path)
    command = [sys.executable, "-c", ANALYSIS, *words["patched"]]
    subprocess.run(command, cwd=tmp_path, capture_output=True, check=True)
    for reader in words:
        with h5py.File(tmp_path / f"{reader}.h5") as file:
            content[reader] = {name: file[f"samples/{name}"][()] for name in ("observations", "weights")}
    assert 50 < len(content["stock"]["weights"]) < 100
    for name, values in content["stock"].items():
        np.testing.assert_array_equal(values, content["patched"][name])
