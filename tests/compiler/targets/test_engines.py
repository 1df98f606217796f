"""The tiny Drell-Yan study, really run by `mmc run`, and with fewer jobs by the engines: same results, bit for bit.

All jobs are forked off a process with torch; `tests/test_kills.py` starts the jobs of every stage as programs.
"""

import hashlib
import json
import re
from collections.abc import Callable
from functools import cache
from pathlib import Path

import pytest
import yaml

from tests.engines import compile_target, mmc, run_target, small_study, succeed
from tests.support import STUDIES

h5py = pytest.importorskip("h5py")
np = pytest.importorskip("numpy")

pytestmark = pytest.mark.engine

STUDY = STUDIES / "drell-yan" / "tiny.yaml"
Contents = dict[tuple[str, str, str], Path]
"""Every file that jobs made, by stage, job and path within the job's output."""


@pytest.fixture(scope="module")
def made(quick_jobs: dict[str, str], tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Contents]:
    """What each target made of the small study; skips for a target whose engine is not installed."""
    study = tmp_path_factory.mktemp("small") / "study.yaml"
    study.write_text(yaml.safe_dump(small_study(), sort_keys=False), encoding="utf-8")

    @cache
    def by(target: str) -> Contents:
        folder = tmp_path_factory.mktemp(target)
        compile_target(target, study, folder, quick_jobs)
        return _outputs(run_target(target, folder, quick_jobs))

    return by


def _outputs(folder: Path) -> Contents:
    found = {}
    for record in folder.rglob("job.json"):
        job = json.loads(record.read_text(encoding="utf-8"))
        for file in record.parent.rglob("*"):
            if file.is_file() and file != record:  # which tells how long the job took
                found[job["stage"], job["job"], str(file.relative_to(record.parent))] = file
    return found


def test_mmc_run_tells_what_it_found(quick_jobs: dict[str, str], tmp_path: Path) -> None:
    """The tiny study as it is shipped."""
    told = succeed([*mmc(quick_jobs), "run", str(STUDY), "--out", str(tmp_path)], tmp_path, quick_jobs)
    share = r"\d+\.\d ± \d+\.\d %"
    assert re.search(rf"^sally +{share} +{share} +(passed|doubtful|failed)", told, re.MULTILINE)
    page = Path(told.splitlines()[-1].split(maxsplit=1)[1])
    assert "Drell-Yan study in small" in page.read_text()


def _differing(found: Contents, expected: Contents) -> list[tuple[str, str, str]]:
    return [key for key, file in found.items() if _digest(file) != _digest(expected[key])]


@pytest.mark.parametrize("target", ["yadage", "cwl", "slurm", "snakemake", "hyperqueue"])
def test_every_target_makes_the_same(target: str, made: Callable[[str], Contents]) -> None:
    """Events, and bit for bit models, limits, results and pictures: every job runs on one thread, so nothing depends
    on who runs it when."""
    found, expected = made(target), made("script")
    jobs, every = {key[:2] for key in found}, {key[:2] for key in expected}
    presented = {"combine", "train", "evaluate", "baselines", "report"}
    assert jobs == ({key for key in every if key[0] in presented} if target == "cwl" else every)
    key = ("combine", "combine", "events.h5")
    with h5py.File(expected[key]) as ours, h5py.File(found[key]) as theirs:
        names: list[str] = []
        ours.visititems(lambda name, item: names.append(name) if isinstance(item, h5py.Dataset) else None)
        assert "samples/observations" in names
        for name in names:
            np.testing.assert_array_equal(ours[name][()], theirs[name][()], err_msg=name)
    assert _differing(found, expected) == []


def _digest(file: Path) -> str:
    return hashlib.sha256(file.read_bytes()).hexdigest()
