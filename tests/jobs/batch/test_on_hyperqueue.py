"""What HyperQueue is told of jobs."""

import json
import threading
from pathlib import Path
from types import SimpleNamespace

import pytest
from mmc.errors import UsageError
from mmc.jobs.batch import on_hyperqueue
from mmc.jobs.batch.on_hyperqueue import GPUS, counted_cores, requested

CPUS = {"simulate": 1, "sample": 1, "train": 4, "evaluate": 64}
MEMORY_MIB = {"sample": 2049, "train": 100, "evaluate": 10}


def test_jobs_fit_into_the_memory_of_the_worker(monkeypatch: pytest.MonkeyPatch) -> None:
    """8 GiB for 8 cores: 1 GiB for each."""
    monkeypatch.setattr(on_hyperqueue, "memory_of_machine", lambda: 8 * 2**30)
    assert counted_cores(CPUS, MEMORY_MIB, 8) == {"simulate": 1, "sample": 3, "train": 4, "evaluate": 8}
    assert counted_cores(CPUS, {"simulate": 10**6}, 2)["simulate"] == 2
    assert counted_cores(CPUS, MEMORY_MIB, None) == CPUS


def test_only_workers_that_know_their_gpus_are_asked_for_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(on_hyperqueue, "memory_of_machine", lambda: 8 * 2**30)
    layout = {"cpus": {"combine": 1, "train": 4}, "gpus": {"train": 1}, "memory_mib": {"combine": 2049}}
    assert requested(layout, None) == {"combine": {"cpus": 1}, "train": {"cpus": 4, GPUS: 1}}
    assert requested(layout, 8) == {"combine": {"cpus": 3}, "train": {"cpus": 4}}


def test_bundles_of_before_tell_no_memory(tmp_path: Path) -> None:
    layout = {"study": "x", "out": "out", "table": "t0", "cpus": CPUS}
    (tmp_path / on_hyperqueue.LAYOUT).write_text(json.dumps(layout))
    assert on_hyperqueue._layout(tmp_path) == {**layout, "memory_mib": {}, "gpus": {}}
    layout |= {"memory_mib": MEMORY_MIB, "gpus": {"train": 1}}
    (tmp_path / on_hyperqueue.LAYOUT).write_text(json.dumps(layout))
    assert on_hyperqueue._layout(tmp_path) == layout
    (tmp_path / on_hyperqueue.LAYOUT).write_text(json.dumps({"study": "x"}))
    with pytest.raises(UsageError, match=r"does not hold a bundle of the target hyperqueue$"):
        on_hyperqueue.submit(tmp_path, mixed_versions=False)


def test_a_run_ends_with_its_jobs_and_not_with_the_next_look(monkeypatch: pytest.MonkeyPatch) -> None:
    """The last job ends after the first look; the next one would be a minute later."""
    looked, told = threading.Event(), []

    def look() -> None:
        told.append("look")
        looked.set()

    connection = SimpleNamespace(wait_for_jobs=lambda jobs, callback: looked.wait(30.0))
    client = SimpleNamespace(submit=lambda job: SimpleNamespace(id=1), connection=connection)
    monkeypatch.setattr(on_hyperqueue, "LOOK_S", 60.0)
    on_hyperqueue._run_all(client, None, SimpleNamespace(look=look, end=lambda: told.append("end")))  # type: ignore[arg-type]
    assert told == ["look", "end"]
