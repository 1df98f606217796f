"""The learning part against the hand-written MadMiner workflow, on the same event file, one after the other.

    python benchmarks/learning.py CHECKOUT EVENTS

CHECKOUT is a clone of the repository madminer-tool/madminer-workflow-ml, EVENTS a MadMiner file with its benchmarks and
observables (the one that it ships as data/dummy_data.h5, say). Its steps are run as its Yadage workflow runs them:
sampling, then training and evaluation per method, then plots. Where it breaks on current numpy, matplotlib and MLflow,
a sitecustomize module and an `mlflow` command in a temporary folder mend it from outside; the checkout stays as it is.

Prints one JSON object with both wall times in seconds and their ratio (mmc / hand-written).
"""

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

METHODS = ("alice", "alices", "sally")

MENDS = """
import sys

import numpy as np

_histogramdd, _save = np.histogramdd, np.save


def _histogramdd_normed(*args, **kwargs):
    if "normed" in kwargs:
        kwargs["density"] = kwargs.pop("normed")
    return _histogramdd(*args, **kwargs)


np.histogramdd = _histogramdd_normed


def _save_ragged(file, arr, **kwargs):
    if isinstance(arr, list):
        box = np.empty(len(arr), dtype=object)
        box[:] = arr
        arr = box
    _save(file, arr, **kwargs)


np.save = _save_ragged

if sys.orig_argv[1:2] and sys.orig_argv[1].endswith("plotting.py"):
    import matplotlib.cm

    matplotlib.cm.get_cmap = lambda name, lut=None: matplotlib.colormaps[name].resampled(lut or 256)
    _array = np.array

    def _array_ragged(value, *args, **kwargs):
        try:
            return _array(value, *args, **kwargs)
        except ValueError:
            return _array(value, dtype=object)

    np.array = _array_ragged

if sys.orig_argv[1:2] and sys.orig_argv[1].endswith("train.py"):
    import functools

    import mlflow.pytorch

    # pickle needs no input example; with named requirements MLflow does not spend 15 s on inferring them
    mlflow.pytorch.log_model = functools.partial(
        mlflow.pytorch.log_model, serialization_format="pickle", pip_requirements=["torch"]
    )
"""

MLFLOW = """#!/bin/sh
# `mlflow run --no-conda` is called `--env-manager local` now
for word; do
    shift
    if [ "$word" = --no-conda ]; then set -- "$@" --env-manager local; else set -- "$@" "$word"; fi
done
exec {python} -m mlflow "$@"
"""

STUDY = """
mmc: "1.0"
name: vbf-higgs-learning
parameters:
  CWL2: {range: [-20, 20]}
  CPWL2: {range: [-20, 20]}
benchmarks:
  sm: {CWL2: 0, CPWL2: 0}
events: {file: events.h5}
observables: {pt_j1: {}, delta_phi_jj: {}}
sampling: {test_split: 0.5, validation_split: 0.2}
methods:
  alice:
    theta0: {random: {n: 20, priors: {CWL2: {gaussian: [0, 1]}, CPWL2: {gaussian: [0, 1]}}}}
    theta1: {benchmark: sm}
    samples: 1000
    training: {n_hidden: [100, 100, 100], n_epochs: 2, batch_size: 100}
  alices:
    theta0: {random: {n: 20, priors: {CWL2: {gaussian: [0, 1]}, CPWL2: {gaussian: [0, 1]}}}}
    theta1: {benchmark: sm}
    samples: 1000
    training: {n_hidden: [100, 100, 100], n_epochs: 2, batch_size: 100, alpha: 10}
  sally: {theta: {benchmark: sm}, samples: 1000}
evaluation:
  luminosity: 10 fb^-1
  grid: {CWL2: {points: 25}, CPWL2: {points: 25}}
  baselines: {rate: true, histogram: {observables: [pt_j1]}}
  fisher_information: {observable: pt_j1, bins: 3}
"""


def run(command: list[str], log: Path, environment: dict[str, str]) -> None:
    """Run a command with its output in a log; end with the log's path when it fails."""
    with log.open("a") as stream:
        done = subprocess.run(command, stdout=stream, stderr=subprocess.STDOUT, env=environment, check=False)
    if done.returncode != 0:
        sys.exit(f"{' '.join(command)} failed, see {log}")


def hand_written(checkout: Path, events: Path, folder: Path) -> float:
    """Wall time in seconds of the hand-written steps, one after the other."""
    mends = folder / "mends"
    mends.mkdir(parents=True)
    (mends / "sitecustomize.py").write_text(MENDS)
    (mends / "mlflow").write_text(MLFLOW.format(python=sys.executable))
    (mends / "mlflow").chmod(0o755)
    path = os.pathsep.join((str(mends), str(Path(sys.executable).parent), os.environ["PATH"]))
    environment = {
        **os.environ,
        "PATH": path,
        "PYTHONPATH": str(mends),
        "MLFLOW_ALLOW_FILE_STORE": "true",
        "MLFLOW_TRACKING_URI": (folder / "mlruns").as_uri(),
        "MPLBACKEND": "Agg",
    }
    scripts, inputs, log = checkout / "scripts", checkout / "workflow" / "input.yml", folder / "log.txt"
    common = ["-p", str(checkout), "-i", str(inputs)]
    results = []
    start = time.perf_counter()
    sampled = folder / "sampled"
    sampled.mkdir()
    run(["sh", str(scripts / "1_sampling.sh"), *common, "-d", str(events), "-o", str(sampled)], log, environment)
    for method in METHODS:
        trained, evaluated = folder / f"trained_{method}", folder / f"evaluated_{method}"
        trained.mkdir()
        evaluated.mkdir()
        (samples,) = (sampled / "data").glob(f"Samples_{method}_*")
        train = ["sh", str(scripts / "2_training.sh"), *common, "-t", str(samples), "-o", str(trained)]
        run(train, log, environment)
        evaluate = ["sh", str(scripts / "3_evaluation.sh"), *common, "-m", str(trained / "Model.tar.gz")]
        run([*evaluate, "-d", str(events), "-o", str(evaluated)], log, environment)
        results += [str(result) for result in evaluated.glob("Results_*.tar.gz")]
    plotted = folder / "plotted"
    plotted.mkdir()
    run(["sh", str(scripts / "4_plotting.sh"), *common, "-r", " ".join(results), "-o", str(plotted)], log, environment)
    return time.perf_counter() - start


def compiled(events: Path, folder: Path, jobs: int) -> float:
    """Wall time in seconds of `mmc run` on the same work, compilation included."""
    folder.mkdir(parents=True)
    shutil.copy(events, folder / "events.h5")
    (folder / "study.yaml").write_text(STUDY)
    mmc = str(Path(sys.executable).parent / "mmc")
    start = time.perf_counter()
    command = [mmc, "run", str(folder / "study.yaml"), "--out", str(folder / "run"), "-j", str(jobs)]
    run(command, folder / "log.txt", dict(os.environ))
    return time.perf_counter() - start


def main() -> None:
    """Measure both, the hand-written workflow first."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("checkout", type=Path)
    parser.add_argument("events", type=Path)
    parser.add_argument("-j", "--jobs", type=int, default=2)
    arguments = parser.parse_args()
    folder = Path(tempfile.mkdtemp(prefix="mmc-benchmark-"))
    theirs = hand_written(arguments.checkout.resolve(), arguments.events.resolve(), folder / "hand-written")
    ours = compiled(arguments.events.resolve(), folder / "mmc", arguments.jobs)
    print(json.dumps({"hand_written_s": round(theirs, 1), "mmc_s": round(ours, 1), "ratio": round(ours / theirs, 3)}))


if __name__ == "__main__":
    main()
