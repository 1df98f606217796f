"""The tiny Drell-Yan study, compiled and really run by all three targets: same events, same results, bit for bit."""

import hashlib
import json
import os
import shutil
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest

from tests.support import STUDIES

h5py = pytest.importorskip("h5py")
np = pytest.importorskip("numpy")

pytestmark = pytest.mark.engine

COMMANDS = {
    "script": ["bash", "run.sh", "-j", "2"],
    "yadage": [
        "yadage-run",
        "work",
        "workflow.yml",
        "inputs.yml",
        "-t",
        ".",
        "-d",
        "initdir={folder}",
        "-b",
        "multiproc:2",
    ],
    # OPENBLAS_CORETYPE and the like choose other orders of summation, so all engines need the same ones.
    "cwl": [
        "cwltool",
        "--no-container",
        "--preserve-entire-environment",
        "--parallel",
        "--outdir",
        "results",
        "workflow.cwl",
        "job.yml",
    ],
}
RESULTS = {"script": "out", "yadage": "work", "cwl": "results"}

Contents = dict[tuple[str, str, str], Path]
"""Every file that jobs made, by stage, job and path within the job's output."""


@pytest.fixture(scope="module")
def contents(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Contents]:
    """What each target made of the study."""
    for package in ("madminer", "pythia8mc", "torch"):
        if find_spec(package) is None:
            pytest.skip(f"{package} is not installed")
    environment = {
        **os.environ,
        "PATH": os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]]),
        "PYTHONWARNINGS": "ignore",
    }
    made = {}
    for target, command in COMMANDS.items():
        if shutil.which(command[0], path=environment["PATH"]) is None:
            pytest.skip(f"{command[0]} is not installed")
        folder = tmp_path_factory.mktemp(target)
        study = STUDIES / "drell-yan" / "tiny.yaml"
        for words in (
            [sys.executable, "-m", "mmc", "compile", str(study), "--target", target, "--out", str(folder)],
            [word.format(folder=folder) for word in command],
        ):
            done = subprocess.run(
                words, cwd=folder, env=environment, capture_output=True, text=True, errors="replace", check=False
            )
            assert done.returncode == 0, done.stderr[-5000:]
        made[target] = _outputs(folder / RESULTS[target])
    return made


def _outputs(folder: Path) -> Contents:
    found = {}
    for record in folder.rglob("job.json"):
        job = json.loads(record.read_text(encoding="utf-8"))
        for file in record.parent.rglob("*"):
            if file.is_file() and file != record:  # which tells how long the job took
                found[job["stage"], job["job"], str(file.relative_to(record.parent))] = file
    return found


def test_every_job_made_its_output(contents: dict[str, Contents]) -> None:
    jobs = {target: {key[:2] for key in made} for target, made in contents.items()}
    assert jobs["yadage"] == jobs["script"]
    presented = {"combine", "train", "evaluate", "baselines", "report"}
    assert jobs["cwl"] == {key for key in jobs["script"] if key[0] in presented}


@pytest.mark.parametrize("target", ["yadage", "cwl"])
def test_events_are_the_same(target: str, contents: dict[str, Contents]) -> None:
    key = ("combine", "combine", "events.h5")
    with h5py.File(contents["script"][key]) as ours, h5py.File(contents[target][key]) as theirs:
        names: list[str] = []
        ours.visititems(lambda name, item: names.append(name) if isinstance(item, h5py.Dataset) else None)
        assert "samples/observations" in names
        for name in names:
            np.testing.assert_array_equal(ours[name][()], theirs[name][()], err_msg=name)


@pytest.mark.parametrize("target", ["yadage", "cwl"])
def test_results_are_the_same_bit_for_bit(target: str, contents: dict[str, Contents]) -> None:
    """Models, limits, results and pictures: every job runs on one thread, so nothing depends on who runs it when."""
    differing = [key for key, file in contents[target].items() if _digest(file) != _digest(contents["script"][key])]
    assert differing == []


def _digest(file: Path) -> str:
    return hashlib.sha256(file.read_bytes()).hexdigest()
