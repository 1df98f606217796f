"""Reading events: stock MadMiner's readers against the step `analyse`, on the same file.

    python benchmarks/reader.py [--events N]
    python benchmarks/reader.py --delphes SETUP EVENTS DETECTED BENCHMARK

The first generates N events of the signal process with six benchmarks, then reads them in new processes: with
MadMiner's LHEReader as it is installed (its first 500 events, as its time per event does not depend on how many there
are) and as the step does. The second reads a file of Delphes', with the weights of the event file (.lhe.gz) that it was
made from: with MadMiner's DelphesReader as it is installed, but for what lets uproot3 work on numpy 2, as the step
does, and as the step does with these events twenty times over, since a job has thousands. Effects, observables and a
cut are those of a typical study. Counted is the time of reading alone, without the start of Python and the import of
packages; prints one JSON object with events per second and their ratio.
"""

import argparse
import gzip
import json
import re
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

BENCHMARKS = {
    "sm": (0.0, 0.0),
    "ll": (0.05, 0.0),
    "lr": (0.0, -0.05),
}
PARAMETERS = {"c_LL": "LL", "c_LR": "LR"}
SHARED = {"parameters": PARAMETERS, "beams": {"energy_gev": 6500.0, "particles": ["p", "p"], "pdf_set": 14}}
N_STOCK = 500
N_TIMES = 20

READING = """
import json, sys, time, warnings
setup, events, ours = sys.argv[1], sys.argv[2], sys.argv[3] == "ours"
with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    if ours:
        from pathlib import Path
        from mmc.jobs.madminer import workarounds
        workarounds.apply_reader()
        from mmc.jobs.readers import les_houches
    from madminer.lhe import LHEReader
import numpy as np
np.random.seed(1)
start = time.perf_counter()
reader = LHEReader(setup)
reader.set_smearing([13, -13], None, 0.0, 0.0, 0.03, 0.001, 0.0, 0.0, 0.0)
reader.add_observable("m_ll", "(mu[0] + mu[1]).m", required=True)
reader.add_observable("pt_1", "mu[0].pt", required=True)
reader.add_observable("pt_2", "mu[1].pt", required=True)
reader.add_observable("eta_1", "mu[0].eta", required=True)
reader.add_observable("eta_2", "mu[1].eta", required=True)
cosine = "tanh((mu[1].eta - mu[0].eta) / 2) * mu[0].charge * (2 * float((mu[0] + mu[1]).pz > 0) - 1)"
reader.add_observable("cos_cs", cosine, required=True)
reader.add_cut("m_ll > 500 and abs(eta_1) < 2.5")
if ours:
    les_houches.analyse(reader, Path(events), "sm", False)
else:
    reader.add_sample(events, "sm")
    reader.analyse_samples()
seconds = time.perf_counter() - start
print(json.dumps({"seconds": seconds, "passed": len(reader.observations["m_ll"])}))
"""

READING_DELPHES = """
import json, sys, time, warnings
setup, events, detected, benchmark, ours = *sys.argv[1:5], sys.argv[5] == "ours"
with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    if ours:
        from pathlib import Path
        from mmc.jobs.madminer import workarounds
        from mmc.jobs.readers import delphes
        workarounds.apply_delphes_reader()
    else:
        from struct import Struct
        from uproot3.source.cursor import Cursor
        def string(self, source):
            length = self.field(source, Struct("B"))
            return self.bytes(source, length if length < 255 else self.field(source, Struct(">I"))).tobytes()
        Cursor.string = Cursor.skipstring = string
    from madminer.delphes import DelphesReader
start = time.perf_counter()
reader = DelphesReader(setup)
reader.set_acceptance(pt_min_a=10.0, pt_min_j=20.0, eta_max_a=2.5, eta_max_j=5.0)
reader.add_observable("pt_j1", "j[0].pt", required=True)
reader.add_observable("delta_phi_jj", "j[0].deltaphi(j[1]) * (-1. + 2.*float(j[0].eta > j[1].eta))", required=True)
reader.add_observable("m_jj", "(j[0] + j[1]).m", required=True)
reader.add_observable("m_aa", "(a[0] + a[1]).m", default=0.0)
reader.add_observable("n_j", "len(j)", required=True)
reader.add_observable("met", "met.pt", required=True)
reader.add_cut("m_jj > 100 and pt_j1 > 30")
if ours:
    delphes.analyse(reader, delphes.Sample(Path(events), Path(detected), benchmark, False, False))
else:
    reader.add_sample(None, benchmark, delphes_filename=detected, lhe_filename=events, weights="lhe")
    reader.analyse_delphes_samples()
seconds = time.perf_counter() - start
print(json.dumps({"seconds": seconds, "passed": len(reader.observations["m_jj"])}))
"""


def step(folder: Path, stage: str, job: str, settings: dict[str, Any], **inputs: Path) -> Path:
    """Run one step of mmc."""
    config = folder / f"{stage}.json"
    entry = {"seed": 5, "fingerprint": "f" * 64, "settings": settings}
    config.write_text(json.dumps({"stage": stage, "shared": {}, "threads": 1, "jobs": {job: entry}}))
    out = folder / stage / job
    words = [
        sys.executable,
        "-m",
        "mmc.jobs.steps.runner",
        stage,
        "--config",
        str(config),
        "--job",
        job,
        "--out",
        str(out),
    ]
    for name, path in inputs.items():
        words += [f"--{name}", str(path)]
    subprocess.run(words, check=True, capture_output=True)
    return out


def generated(folder: Path, n_events: int) -> tuple[Path, Path]:
    """MadMiner's set-up file and the event file."""
    parameters = {
        name: {"coefficient": coefficient, "range": [-0.06, 0.06], "max_power": 2}
        for name, coefficient in PARAMETERS.items()
    }
    benchmarks = {name: dict(zip(PARAMETERS, point, strict=True)) for name, point in BENCHMARKS.items()}
    morphing = {"max_overall_power": 2, "n_trials": 20, "n_test_thetas": 20, "complete": True}
    space = {"parameters": parameters, "benchmarks": benchmarks, "morphing": morphing}
    setup = step(folder, "configure", "configure", space)
    own = {"sample": "signal", "benchmark": "sm"}
    card = {"m_min_gev": 470.0, "m_max_gev": None, "pt_min_gev": None}
    process = {**SHARED, **own, "process": "dimuon", "background": False, "run_card": card, "n_integration": 2000}
    made = step(folder, "generate", "signal.sm", process, setup=setup)
    events = {**SHARED, **own, "process_job": "signal.sm", "n_events": n_events}
    simulated = step(folder, "simulate", "signal.sm.0", events, setup=setup, process=made)
    return setup / "setup.h5", simulated / "events.lhe.gz"


def shortened(path: Path, n_events: int, short: Path) -> None:
    """The first events of a file, unpacked."""
    text = gzip.decompress(path.read_bytes()).decode()
    pieces = re.split("(?<=</event>\n)", text)
    short.write_text("".join(pieces[:n_events]) + "</LesHouchesEvents>\n")


def measured(words: Sequence[object]) -> dict[str, Any]:
    """Wall time of a script and its arguments, which read events in a new process, and how many events passed."""
    command = [sys.executable, "-c", *map(str, words)]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    found: dict[str, Any] = json.loads(done.stdout.strip().rpartition("\n")[2])
    return found


def compared(stock: Sequence[object], ours: Sequence[object], n_stock: int, n_ours: int) -> dict[str, float]:
    """Events per second of both and their ratio: measured alternating, three times; the fastest counts."""
    runs = [(measured(stock)["seconds"], measured(ours)["seconds"]) for _ in range(3)]
    madminer, mmc = (n / min(times) for n, times in zip((n_stock, n_ours), zip(*runs, strict=True), strict=True))
    return {"madminer_events_per_s": round(madminer), "mmc_events_per_s": round(mmc), "ratio": round(mmc / madminer, 1)}


def lhe(folder: Path, n_events: int) -> dict[str, float]:
    """Both readers of generated events."""
    setup, events = generated(folder, n_events)
    shortened(events, N_STOCK, folder / "short.lhe")
    stock = (READING, setup, folder / "short.lhe", "stock")
    return compared(stock, (READING, setup, events, "ours"), N_STOCK, n_events)


def repeated(folder: Path, text: bytes, detected: Path) -> tuple[Path, Path]:
    """The same events many times over; the file of Delphes' has what the reader needs."""
    import awkward as ak
    import uproot
    from mmc.jobs.formats import delphes_root

    header, *events, footer = re.split(b"(?<=</event>\n)|(?=<event>)", text)
    (folder / "many.lhe.gz").write_bytes(gzip.compress(b"".join([header, *events * N_TIMES, footer]), 4))
    found = delphes_root.read(detected, False).collections
    arrays = {name: ak.concatenate([ak.values_astype(records, "float32")] * N_TIMES) for name, records in found.items()}
    types = {name: array.type.content for name, array in arrays.items()}
    with uproot.recreate(folder / "many.root") as file:
        tree = file.mktree("Delphes", types, field_name=lambda outer, inner: f"{outer}.{inner}")
        tree.extend(arrays)
    return folder / "many.lhe.gz", folder / "many.root"


def delphes(folder: Path, setup: Path, events: Path, detected: Path, benchmark: str) -> dict[str, dict[str, float]]:
    """Both readers of detected events."""
    text = gzip.decompress(events.read_bytes())
    (folder / "events.lhe").write_bytes(text)  # MadMiner would unpack the file beside the input
    n_events = text.count(b"</event>")
    stock = (READING_DELPHES, setup, folder / "events.lhe", detected, benchmark, "stock")
    ours = (READING_DELPHES, setup, events, detected, benchmark, "ours")
    many = (READING_DELPHES, setup, *repeated(folder, text, detected), benchmark, "ours")
    passed = [measured(words)["passed"] for words in (stock, ours, many)]
    if passed != [passed[0], passed[0], passed[0] * N_TIMES]:
        raise SystemExit(f"the readers differ: {passed} events pass")
    return {
        f"{n_events} events": compared(stock, ours, n_events, n_events),
        f"{n_events * N_TIMES} events": compared(stock, many, n_events, n_events * N_TIMES),
    }


def main() -> None:
    """Measure what the command line asks for."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--events", type=int, default=20_000)
    parser.add_argument("--delphes", nargs=4, metavar=("SETUP", "EVENTS", "DETECTED", "BENCHMARK"))
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="mmc-benchmark-") as name:
        folder = Path(name)
        if options.delphes:
            setup, events, detected = map(Path, options.delphes[:3])
            print(json.dumps(delphes(folder, setup, events, detected, options.delphes[3])))
        else:
            print(json.dumps(lhe(folder, options.events)))


if __name__ == "__main__":
    main()
