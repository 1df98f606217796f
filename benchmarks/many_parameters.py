"""A study of many parameters whose likelihood is known, run by mmc and compared.

    python benchmarks/many_parameters.py FOLDER [--parameters 7] [--events 20000]

Each event has a standard normal number z_i for each parameter c_i, and the amplitude 1 + Σ c_i z_i / 10; observables
are x_i = z_i + N(0, 1/2). The squared amplitude of n parameters has (n + 1)(n + 2) / 2 components, and the study as
many benchmarks. At c = 0 the information of N events is N / 25 for each parameter with z (``truth``), and N / 31.25
with x.
Prints, for each parameter and method, half the length of the interval at 95 % over its exact value.
"""

import argparse
import itertools
import json
import math
import subprocess
from pathlib import Path
from typing import Any

import numpy as np
import yaml

SLOPE, NOISE, N_EXPECTED = 0.1, 0.5, 1000
MOST_FOR_SCORES = 8
"""With more parameters the score has too many components for a histogram."""


def study(names: list[str], benchmarks: dict[str, Any]) -> dict[str, Any]:
    """The study: its best fit and an interval of each parameter."""
    training = {"n_hidden": [32], "n_epochs": 8}
    priors = {name: {"gaussian": [0, 0.2]} for name in names}
    derivatives = {"theta": {"random": {"n": 100, "priors": priors}}, "samples": 20_000, "training": training}
    sally = {"theta": {"benchmark": "sm"}, "samples": 20_000, "training": training}
    files = [{"paths": ["events.npz"], "benchmark": "sm", "cross_section": f"{N_EXPECTED / 10} fb"}]
    return {
        "mmc": "1.0",
        "name": f"many-{len(names)}",
        "parameters": {name: {"range": [-1, 1]} for name in names},
        "benchmarks": benchmarks,
        "events": {"tables": {"toy": {"files": files}}},
        "observables": {f"x{k}": {} for k in range(len(names))},
        "methods": {"sally": sally} if len(names) <= MOST_FOR_SCORES else {"derivatives": derivatives},
        "evaluation": {
            "luminosity": "10 fb^-1",
            "scans": [{"over": "each"}],
            "baselines": {"truth": True},
            "fisher_information": {"observable": "x0", "bins": 8},
        },
    }


def main() -> None:
    """Make the study, run it and compare."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--parameters", type=int, default=7)
    parser.add_argument("--events", type=int, default=20_000)
    options = parser.parse_args()
    names = [f"c{k}" for k in range(options.parameters)]
    single = {f"{name}_{sign}": {name: value} for name in names for sign, value in (("p", 1), ("m", -1))}
    pairs = {f"{a}_{b}": {a: 1, b: 1} for a, b in itertools.combinations(names, 2)}
    benchmarks = {"sm": dict.fromkeys(names, 0), **single, **pairs}
    random = np.random.default_rng(1)
    z = random.normal(size=(options.events, len(names)))
    columns = {f"x{k}": values for k, values in enumerate((z + random.normal(0.0, NOISE, z.shape)).T)}
    for name, point in benchmarks.items():
        columns[name] = (1.0 + SLOPE * z @ np.array([point.get(parameter, 0) for parameter in names])) ** 2
    options.folder.mkdir(parents=True)
    np.savez_compressed(
        options.folder / "events.npz", **{key: item.astype(np.float32) for key, item in columns.items()}
    )
    file = options.folder / "study.yaml"
    file.write_text(yaml.safe_dump(study(names, benchmarks), sort_keys=False))
    subprocess.run(["mmc", "run", file], check=True)
    out = options.folder / "runs" / f"many-{len(names)}" / "out"
    exact = {"truth": 1.96 / math.sqrt(4.0 * SLOPE**2 * N_EXPECTED)}
    exact |= dict.fromkeys(("sally", "derivatives"), exact["truth"] * math.sqrt(1.0 + NOISE**2))
    for record in (*out.glob("evaluate/*/evaluate.json"), *out.glob("baselines/truth/baseline.json")):
        found = json.loads(record.read_text())
        name = found.get("method", "truth")
        widened = math.sqrt(1.0 + found["events_per_simulated_event"])
        for curve in found["scans"]["scans"]:
            (low, high), *_ = curve["intervals"]["0.95"]
            print(name, *curve["over"], round((high - low) / 2.0 / widened / exact[name], 3))


if __name__ == "__main__":
    main()
