"""The record of an output, and what a reader says of an output that is not as recorded."""

import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from mmc.errors import StepError
from mmc.jobs.job import StepJob, read_record, write_json
from mmc.jobs.record import RECORD

from tests.jobs.physics import seal

TIME_NS = 1_700_000_000_000_000_007


@pytest.fixture
def output(tmp_path: Path) -> Path:
    """The output of a finished job, with two files."""
    folder = tmp_path / "alice"
    (folder / "train").mkdir(parents=True)
    (folder / "train" / "x.npy").write_bytes(bytes(range(200)))
    (folder / "sample.json").write_text("{}")
    for file in (folder / "train" / "x.npy", folder / "sample.json"):
        os.utime(file, ns=(TIME_NS, TIME_NS))
    write_json(folder / RECORD, {"stage": "sample", "job": "alice"})
    seal(folder)
    return folder


def _flip(file: Path) -> None:
    """Flip one bit; size and time stay as they are."""
    content = bytearray(file.read_bytes())
    content[len(content) // 2] ^= 1
    file.write_bytes(content)
    os.utime(file, ns=(TIME_NS, TIME_NS))


def _touch(file: Path) -> None:
    os.utime(file, ns=(TIME_NS + 1, TIME_NS + 1))


def test_a_record_lists_the_files_of_the_output(output: Path) -> None:
    record = read_record(output)
    assert record.maker == "sample[alice]"
    assert record.names() == ["sample.json", "train/x.npy"]
    assert record.names("train", ".npy") == ["train/x.npy"]
    assert (record.outputs["train/x.npy"].bytes, record.outputs["train/x.npy"].modified_ns) == (200, TIME_NS)
    assert record.damage(output, whole=True) is None


def test_the_digest_of_an_output_depends_on_names_and_contents_only(output: Path, tmp_path: Path) -> None:
    copy = Path(shutil.copytree(output, tmp_path / "copy"))
    _touch(copy / "sample.json")
    seal(copy)
    assert read_record(copy).digest == read_record(output).digest
    (copy / "sample.json").rename(copy / "other.json")
    seal(copy)
    assert read_record(copy).digest != read_record(output).digest


@pytest.mark.parametrize(
    ("spoil", "reason"),
    [
        (lambda file: file.unlink(), "train/x.npy is missing"),
        (lambda file: file.write_bytes(b""), "train/x.npy has 0 of 200 bytes"),
        (lambda file: (_flip(file), _touch(file)), "train/x.npy has changed since it was made"),
        (lambda file: (file.unlink(), file.mkdir()), "train/x.npy "),
        (lambda file: shutil.rmtree(file.parent), "train/x.npy is missing"),
    ],
)
def test_a_reader_refuses_a_damaged_output(spoil: Callable[[Path], object], reason: str, output: Path) -> None:
    spoil(output / "train" / "x.npy")
    job = StepJob("train", "alice", {}, 1, {"samples": (output,)}, output / "part")
    with pytest.raises(StepError) as error:
        job.pick("samples", "alice")
    assert str(error.value).startswith(f"the output of sample[alice] in {output} is damaged: {reason}")
    assert str(error.value).endswith("; run the study again, which makes it anew")
    with pytest.raises(StepError, match="is damaged"):
        job.one("samples")
    with pytest.raises(StepError, match="is damaged"):
        job.by_job("samples")
    assert job.read_outputs == {}


def test_a_file_with_its_size_and_time_is_read_by_the_whole_check_only(output: Path) -> None:
    _flip(output / "train" / "x.npy")
    record = read_record(output)
    assert record.damage(output, whole=False) is None
    assert record.damage(output, whole=True) == "train/x.npy has changed since it was made"


def test_a_copy_gets_its_time_back_once_it_is_read(output: Path) -> None:
    file = output / "train" / "x.npy"
    _touch(file)
    assert read_record(output).damage(output, whole=False) is None
    assert file.stat().st_mtime_ns == TIME_NS


def test_what_a_job_reads_is_noted(output: Path) -> None:
    job = StepJob("train", "alice", {}, 1, {"samples": (output,)}, output / "part")
    assert job.pick("samples", "alice") == output
    assert job.read_outputs == {"sample[alice]": read_record(output).digest}


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        ("", "is not JSON"),
        ("[]", "is not the record of a finished job"),
        ('{"stage": "sample", "job": "alice"}', "is not the record of a finished job: Record lacks fingerprint"),
        (lambda record: record.pop("outputs"), "does not list the files of the output, as that of an older mmc"),
        (
            lambda record: record.update(outputs={"../x": record["outputs"]["sample.json"]}),
            "names a file outside of its folder: '../x'",
        ),
    ],
)
def test_a_record_that_is_damaged(
    content: str | Callable[[dict[str, object]], object], reason: str, output: Path
) -> None:
    file = output / RECORD
    if isinstance(content, str):
        file.write_text(content)
    else:
        record = json.loads(file.read_text())
        content(record)
        file.write_text(json.dumps(record))
    with pytest.raises(StepError) as error:
        read_record(output)
    assert str(error.value).startswith(str(file)) and reason in str(error.value)


def test_what_later_jobs_change_is_not_recorded(output: Path) -> None:
    (output / "mlflow.db-journal").write_text("")
    assert read_record(output).with_outputs(output, ("mlflow.db", "train")).names() == ["sample.json"]
