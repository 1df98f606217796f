"""Reading events: stock MadMiner's LHEReader against the step `analyse`, on the same file.

    python benchmarks/reader.py [--events N]

Generates N events of the signal process with six benchmarks, then reads them in new processes: with MadMiner as it is
installed (its first 500 events, as its time per event does not depend on how many there are) and as the step does.
Detector effects, observables and a cut are those of a typical study. Counted is the time of reading alone, without the
start of Python and the import of packages; prints one JSON object with events per second and their ratio.
"""

import argparse
import gzip
import json
import re
import subprocess
import sys
import tempfile
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

READING = """
import json, sys, time, warnings
setup, events, ours = sys.argv[1], sys.argv[2], sys.argv[3] == "ours"
with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    if ours:
        from pathlib import Path
        from mmc.steps import madminer_compat
        madminer_compat.apply_reader()
        from mmc.steps import lhe_reader
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
    lhe_reader.analyse(reader, Path(events), "sm", False)
else:
    reader.add_sample(events, "sm")
    reader.analyse_samples()
seconds = time.perf_counter() - start
print(json.dumps({"seconds": seconds, "passed": len(reader.observations["m_ll"])}))
"""


def step(folder: Path, stage: str, job: str, settings: dict[str, Any], **inputs: Path) -> Path:
    """Run one step of mmc."""
    config = folder / f"{stage}.json"
    entry = {"seed": 5, "fingerprint": "f" * 64, "settings": settings}
    config.write_text(json.dumps({"stage": stage, "shared": {}, "threads": 1, "jobs": {job: entry}}))
    out = folder / stage / job
    words = [sys.executable, "-m", "mmc.steps.runner", stage, "--config", str(config), "--job", job, "--out", str(out)]
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
    morphing = {"max_overall_power": 2, "n_trials": 20, "n_test_thetas": 20}
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


def seconds(setup: Path, events: Path, reader: str) -> float:
    """Wall time of reading in a new process."""
    command = [sys.executable, "-c", READING, str(setup), str(events), reader]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    return float(json.loads(done.stdout.strip().rpartition("\n")[2])["seconds"])


def main() -> None:
    """Measure both, alternating, three times; the fastest counts."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--events", type=int, default=20_000)
    n_events = parser.parse_args().events
    with tempfile.TemporaryDirectory(prefix="mmc-benchmark-") as name:
        folder = Path(name)
        setup, events = generated(folder, n_events)
        shortened(events, N_STOCK, folder / "short.lhe")
        stock, ours = [], []
        for _ in range(3):
            stock.append(seconds(setup, folder / "short.lhe", "stock"))
            ours.append(seconds(setup, events, "ours"))
    rates = {"madminer_events_per_s": N_STOCK / min(stock), "mmc_events_per_s": n_events / min(ours)}
    ratio = rates["mmc_events_per_s"] / rates["madminer_events_per_s"]
    print(json.dumps({**{key: round(rate) for key, rate in rates.items()}, "ratio": round(ratio, 1)}))


if __name__ == "__main__":
    main()
