from pathlib import Path

import pytest
from mmc.errors import StepError
from mmc.jobs.job import StepJob, read_json, write_json

from tests.jobs.physics import seal


def _job(tmp_path: Path, **inputs: tuple[Path, ...]) -> StepJob:
    return StepJob("simulate", "signal.sm.0", {}, 1, inputs, tmp_path)


def _finished(path: Path, job: str, stage: str = "generate") -> Path:
    path.mkdir()
    write_json(path / "process.json", {"of": job})
    write_json(path / "job.json", {"stage": stage, "job": job})
    seal(path)
    return path


def test_one(tmp_path: Path) -> None:
    job = _job(tmp_path, setup=(tmp_path / "a",), process=(tmp_path / "a", tmp_path / "b"))
    assert job.one("setup") == tmp_path / "a"
    with pytest.raises(StepError, match="expected one path for --process, got 2"):
        job.one("process")
    with pytest.raises(StepError, match="expected one path for --events, got 0"):
        job.one("events")


def test_pick_goes_by_the_name_of_the_job_that_wrote_a_directory(tmp_path: Path) -> None:
    first, second = _finished(tmp_path / "x", "signal.w"), _finished(tmp_path / "y", "signal.sm")
    job = _job(tmp_path, process=(first, second))
    assert job.pick("process", "signal.sm") == second
    with pytest.raises(StepError, match=r"none of the directories of --process is the output of job 'signal\.bsm'"):
        job.pick("process", "signal.bsm")


def test_pick_leaves_jobs_alone_that_are_still_to_run(tmp_path: Path) -> None:
    (tmp_path / "x").mkdir()
    unfinished = (tmp_path / "x", tmp_path / "y")
    with pytest.raises(StepError, match=r"none of the directories of --process is the output of job"):
        _job(tmp_path, process=unfinished).pick("process", "signal.sm")
    done = _finished(tmp_path / "z", "signal.sm")
    assert _job(tmp_path, process=(*unfinished, done)).pick("process", "signal.sm") == done


def test_two_inputs_may_stand_in_one_folder(tmp_path: Path) -> None:
    for stage in ("train", "evaluate"):
        _finished(tmp_path / f"{stage}.sally", "sally", stage)
    job = _job(tmp_path, model=(tmp_path,), limits=(tmp_path,))
    assert job.by_job("model") == {"sally": tmp_path / "train.sally"}
    assert job.pick_all("limits", ["sally"]) == [tmp_path / "evaluate.sally"]


def test_an_output_that_is_not_finished_is_named_itself(tmp_path: Path) -> None:
    """Its own folders, for example those of MadGraph, are no outputs."""
    (tmp_path / "x" / "madgraph" / "SubProcesses").mkdir(parents=True)
    with pytest.raises(StepError, match=r"/x is not the output of a finished job: it has no job\.json"):
        _job(tmp_path, process=(tmp_path / "x",)).by_job("process")
    _finished(tmp_path / "y", "signal.sm")
    with pytest.raises(StepError, match=r"/x is not the output of a finished job: it has no job\.json"):
        _job(tmp_path, process=(tmp_path,)).by_job("process")


def test_json_keeps_names_and_refuses_nan(tmp_path: Path) -> None:
    write_json(tmp_path / "a.json", {"größe": 1.5})
    assert read_json(tmp_path / "a.json") == {"größe": 1.5}
    with pytest.raises(ValueError, match="JSON"):
        write_json(tmp_path / "b.json", {"a": float("nan")})
    (tmp_path / "c.json").write_text("{")
    with pytest.raises(StepError, match="is not JSON"):
        read_json(tmp_path / "c.json")


def test_a_job_of_a_variant_reads_the_outputs_that_its_configuration_names(tmp_path: Path) -> None:
    """Whether it is given the folder of the stage, all outputs, or only these; it calls them as in its variant."""
    names = ("signal.sm+v1", "signal.sm+v2", "signal.w", "signal.b+v1")
    folders = {name: _finished(tmp_path / name, name) for name in names}
    reads = {"process": ("signal.w", "signal.sm+v2")}
    given = [(tmp_path,), tuple(folders.values()), (folders["signal.w"], folders["signal.sm+v2"])]
    for paths in given:
        job = StepJob("simulate", "signal.sm+v2", {}, 1, {"process": paths}, tmp_path / "part", reads=reads)
        assert job.outputs("process") == [folders["signal.w"], folders["signal.sm+v2"]]
        assert job.by_job("process") == {"signal.w": folders["signal.w"], "signal.sm": folders["signal.sm+v2"]}
        assert job.pick("process", "signal.w") == folders["signal.w"]
        assert job.counterpart("process") == folders["signal.sm+v2"]
        with pytest.raises(StepError, match=r"none of the directories of --process is the output of job 'signal\.b'"):
            job.pick("process", "signal.b")
    inputs = {"process": (tmp_path,)}
    single = StepJob("analyse", "x+v2", {}, 1, inputs, tmp_path / "part", reads={"process": ("signal.sm+v1",)})
    assert single.one("process") == folders["signal.sm+v1"]
    missing = StepJob("analyse", "x+v2", {}, 1, inputs, tmp_path / "part", reads={"process": ("signal.sm+v3",)})
    with pytest.raises(StepError, match=r"is the output of job 'signal\.sm\+v3'"):
        missing.one("process")
    nothing = StepJob("analyse", "x+v2", {}, 1, inputs, tmp_path / "part", reads={"process": ()})
    assert nothing.outputs("process") == [] and nothing.by_job("process") == {}
