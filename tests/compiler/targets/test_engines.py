"""The tiny Drell-Yan study, really run by `mmc run`, Yadage and cwltool: same events, same results, bit for bit.

All jobs are forked off a process with torch; `tests/test_kills.py` starts the jobs of every stage as programs.
"""

import hashlib
import json
import re
import sys
from pathlib import Path

import pytest

from tests.engines import compile_target, run_target, succeed
from tests.support import RUN_WITH_PATH, STUDIES

h5py = pytest.importorskip("h5py")
np = pytest.importorskip("numpy")

pytestmark = pytest.mark.engine

STUDY = STUDIES / "drell-yan" / "tiny.yaml"
Contents = dict[tuple[str, str, str], Path]
"""Every file that jobs made, by stage, job and path within the job's output."""


@pytest.fixture(scope="module")
def told(quick_jobs: dict[str, str], tmp_path_factory: pytest.TempPathFactory) -> tuple[str, Path]:
    """What `mmc run` says of the study, and the folder of the run."""
    folder = tmp_path_factory.mktemp("run")
    words = [sys.executable, "-c", RUN_WITH_PATH, quick_jobs["PATH"], "run", str(STUDY), "--out", str(folder)]
    return succeed(words, folder, quick_jobs), folder


@pytest.fixture(scope="module")
def contents(
    told: tuple[str, Path], quick_jobs: dict[str, str], tmp_path_factory: pytest.TempPathFactory
) -> dict[str, Contents]:
    """What each target made of the study."""
    made = {"script": _outputs(told[1] / "out")}
    for target in ("yadage", "cwl"):
        folder = tmp_path_factory.mktemp(target)
        compile_target(target, STUDY, folder, quick_jobs)
        made[target] = _outputs(run_target(target, folder, quick_jobs))
    return made


def _outputs(folder: Path) -> Contents:
    found = {}
    for record in folder.rglob("job.json"):
        job = json.loads(record.read_text(encoding="utf-8"))
        for file in record.parent.rglob("*"):
            if file.is_file() and file != record:  # which tells how long the job took
                found[job["stage"], job["job"], str(file.relative_to(record.parent))] = file
    return found


def test_mmc_run_tells_what_it_found(told: tuple[str, Path]) -> None:
    share = r"\d+\.\d ± \d+\.\d %"
    assert re.search(rf"^sally +{share} +{share} +(passed|doubtful|failed)", told[0], re.MULTILINE)
    page = Path(told[0].splitlines()[-1].split(maxsplit=1)[1])
    assert "Drell-Yan study in small" in page.read_text()


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
