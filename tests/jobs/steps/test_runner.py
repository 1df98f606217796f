import errno
import hashlib
import json
import os
import signal
import subprocess
import sys
from collections.abc import Mapping
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pytest
from mmc.jobs.steps import limits, runner
from mmc.jobs.steps.reasons import full_disk
from mmc.locks import held
from mmc.version import __version__

from tests.jobs import fake_step
from tests.jobs.physics import Folder, names
from tests.support import ROOT

LIMITED = 'ulimit -f 100; exec "$0" "$@"'
"""Runs a command that can write no file larger than 100 blocks, as a full disk would have it."""


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Folder:
    monkeypatch.setitem(sys.modules, "mmc.jobs.steps.configure", fake_step)
    return Folder(tmp_path)


def _start(folder: Folder, settings: Mapping[str, Any], *prefix: str) -> subprocess.Popen[str]:
    words = folder.arguments("configure", "job", settings, {}, 1)
    command = [*prefix, sys.executable, "-m", "tests.jobs.fake_step", *words]
    return subprocess.Popen(command, cwd=ROOT, stderr=subprocess.PIPE, text=True)


def test_finished_job_says_what_it_was(folder: Folder) -> None:
    out = folder.run("configure", "job", {"a": 1}, seed=7)
    record = json.loads((out / "job.json").read_text())
    assert record.pop("seconds") >= 0.0
    outputs = {name: entry | {"modified_ns": 0} for name, entry in record.pop("outputs").items()}
    assert record == {
        **{"stage": "configure", "job": "job", "fingerprint": "f" * 24, "seed": 7, "mmc": __version__},
        "made_with": {"numpy": version("numpy")} | record["made_with"],
    }
    assert outputs == {
        name: {
            "bytes": (out / name).stat().st_size,
            "sha256": hashlib.sha256((out / name).read_bytes()).hexdigest(),
            "modified_ns": 0,
        }
        for name in ("early.txt", "result.json")
    }
    assert json.loads((out / "result.json").read_text())["settings"] == {"a": 1}
    assert names(out.parent) == ["job", "job.log"]
    assert "configure[job] done" in (out.parent / "job.log").read_text()


def test_own_settings_go_before_shared_ones(folder: Folder, tmp_path: Path) -> None:
    words = folder.arguments("configure", "job", {"own": 1, "both": "own"}, {}, 1)
    config = tmp_path / "configure.job.config.json"
    content = json.loads(config.read_text())
    config.write_text(json.dumps({**content, "shared": {"shared": 2, "both": "shared"}}))
    assert runner.main(words) == 0
    result = json.loads((folder.out("configure", "job") / "result.json").read_text())
    assert result["settings"] == {"own": 1, "shared": 2, "both": "own"}


def test_generators_are_seeded(folder: Folder) -> None:
    read = [json.loads((folder.run("configure", "job", {}, seed=s) / "result.json").read_text()) for s in (4, 4, 5)]
    assert read[0] == read[1]
    assert read[0]["random"] != read[2]["random"]
    assert read[0]["numpy"] != read[2]["numpy"]


def test_threads_are_limited_before_numpy_comes(folder: Folder, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in runner.THREAD_LIMITS:
        monkeypatch.setenv(name, "64")
    folder.run("configure", "job", {})
    assert {os.environ[name] for name in runner.THREAD_LIMITS} == {"1"}
    code = "import sys, mmc.jobs.steps.runner; sys.exit('numpy' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


@pytest.mark.parametrize(
    ("settings", "reason"),
    [
        ({"fail": "step", "with": ["two\nlines   of text"]}, "two lines of text"),
        ({"fail": "other", "with": ["boom"]}, "ValueError: boom"),
        ({"fail": "other", "with": []}, "ValueError"),
        (
            {"fail": "disk", "with": [28, "No space left on device"]},
            "cannot write: [Errno 28] No space left on device, in PLACE",
        ),
        ({"fail": "memory", "with": []}, "out of memory: MemoryError"),
        ({"fail": "memory", "with": ["Unable to allocate 3 TiB"]}, "out of memory: Unable to allocate 3 TiB"),
        (
            {"fail": "runtime", "with": ["DefaultCPUAllocator: can't allocate memory: you tried to allocate 3 bytes"]},
            "out of memory: DefaultCPUAllocator: can't allocate memory: you tried to allocate 3 bytes",
        ),
        ({"fail": "disk", "with": [12, "Cannot allocate memory"]}, "out of memory: [Errno 12] Cannot allocate memory"),
        (
            {"fail": "runtime", "with": ["Can't decrement id ref count (unable to close file, errno = 28)"]},
            "cannot write: Can't decrement id ref count (unable to close file, errno = 28), in PLACE",
        ),
        (
            {"fail": "disk", "with": ["4000 requested and 2016 written"]},
            "cannot write: 4000 requested and 2016 written, in PLACE",
        ),
        ({"import": "no_such_package.part"}, "no_such_package is not installed: pip install 'mmc[steps]'"),
    ],
)
def test_failure_is_one_line_and_leaves_only_the_log(folder: Folder, settings: dict[str, Any], reason: str) -> None:
    place = str(folder.path / "configure")
    assert folder.refusal("configure", "job", settings) == reason.replace("PLACE", place)
    assert "Traceback" in (folder.path / "configure" / "job.log").read_text()


def test_missing_generator_names_the_extra(tmp_path: Path) -> None:
    words = Folder(tmp_path).arguments("generate", "signal.sm", {}, {}, 1)
    without = (
        "import sys; sys.modules['pythia8mc'] = None; import mmc.jobs.steps.runner as r; sys.exit(r.main(sys.argv[1:]))"
    )
    done = subprocess.run([sys.executable, "-c", without, *words], capture_output=True, text=True, check=False)
    assert done.returncode == 3
    last = done.stderr.strip().rpartition("\n")[2]
    assert last.startswith("mmc step generate[signal.sm]: pythia8mc is not installed: pip install 'mmc[steps]' (log: ")


def test_existing_output_is_replaced(folder: Folder) -> None:
    out = folder.out("configure", "job")
    out.mkdir(parents=True)
    (out / "old.txt").write_text("old")
    (out / "job.json").write_text("{}")
    folder.run("configure", "job", {})
    assert names(out) == ["early.txt", "job.json", "result.json"]
    assert names(out.parent) == ["job", "job.log"]


def test_an_engine_that_starts_anew_makes_no_output_twice(folder: Folder, monkeypatch: pytest.MonkeyPatch) -> None:
    """The outputs tell their settings, of which the fingerprint here knows nothing."""

    def made() -> Any:
        return json.loads((folder.out("configure", "job") / "result.json").read_text())["settings"]

    monkeypatch.setenv(runner.RESUME, "1")
    folder.run("configure", "job", {"a": 1})
    log = folder.out("configure", "job").with_name("job.log")
    before = log.read_text()
    folder.run("configure", "job", {"a": 2})
    assert made() == {"a": 1} and log.read_text() == before
    words = folder.arguments("configure", "job", {"a": 3}, {}, 1)
    config = Path(words[2])
    config.write_text(config.read_text().replace("f" * 24, "e" * 24))
    assert runner.main(words) == 0 and made() == {"a": 3}
    (folder.out("configure", "job") / "early.txt").write_text("damaged")
    folder.run("configure", "job", {"a": 4})
    assert made() == {"a": 4}
    monkeypatch.delenv(runner.RESUME)
    folder.run("configure", "job", {"a": 5})
    assert made() == {"a": 5}


def test_an_engine_that_starts_anew_makes_an_output_again_if_an_input_has_changed(
    folder: Folder, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Whether it has read the whole input, or a file of it; a missing input is none that has changed."""
    (tmp_path / "file").write_text("beside the study")
    inputs: dict[str, Any] = {
        **{name: folder.run("configure", name, {"a": 1}) for name in ("whole", "part", "other")},
        **{"file": tmp_path / "file", "missing": tmp_path / "missing"},
    }

    def is_made(**changes: Any) -> bool:
        before = folder.out("configure", "job").stat().st_ino
        with monkeypatch.context() as context:
            context.delenv(runner.RESUME)
            for name, settings in changes.items():
                folder.run("configure", name, settings)
        folder.run("configure", "job", {"read": {"whole": None, "part": "early.txt"}}, **inputs)
        return folder.out("configure", "job").stat().st_ino != before

    monkeypatch.setenv(runner.RESUME, "1")
    folder.run("configure", "job", {"read": {"whole": None, "part": "early.txt"}}, **inputs)
    assert not is_made() and not is_made(part={"a": 2}, other={"a": 2}) and not is_made(whole={"a": 1})
    assert is_made(whole={"a": 2}) and not is_made()
    monkeypatch.setenv(runner.RESUME, "0")
    assert is_made()


def test_a_folder_that_no_job_wrote_is_kept(folder: Folder) -> None:
    out = folder.out("configure", "job")
    out.mkdir(parents=True)
    (out / "mine.txt").write_text("mine")
    code, line = folder.attempt("configure", "job", {})
    assert code == 3 and line.endswith("job was not written by mmc: move it away, or choose another folder")
    assert names(out) == ["mine.txt"] and names(out.parent) == ["job"]


def test_an_output_without_its_record_is_made_anew(folder: Folder) -> None:
    (folder.run("configure", "job", {}) / "job.json").unlink()
    assert "job.json" in names(folder.run("configure", "job", {}))


@pytest.mark.parametrize("name", ["job", "job.log", ".job.part", ".job.part.kept", ".job.old"])
def test_no_link_beside_an_output_is_followed(folder: Folder, tmp_path: Path, name: str) -> None:
    mine = tmp_path / "mine"
    (mine / "deep").mkdir(parents=True)
    for file in ("fingerprint", "deep/file"):
        (mine / file).write_text("f" * 24)
    out = folder.out("configure", "job")
    out.parent.mkdir()
    (out.parent / name).symlink_to(mine / "fingerprint" if name == "job.log" else mine)
    code, line = folder.attempt("configure", "job", {})
    if name in ("job", "job.log", ".job.part"):
        assert code == 3 and f"configure/{name} is a link to {mine}" in line and "remove the link" in line
    else:
        assert code == 0 and names(out.parent) == ["job", "job.log"]
    assert {str(path.relative_to(mine)) for path in mine.rglob("*")} == {"fingerprint", "deep", "deep/file"}
    assert (mine / "fingerprint").read_text() == "f" * 24


def test_failure_keeps_an_output_that_exists(folder: Folder) -> None:
    out = folder.run("configure", "job", {})
    assert folder.attempt("configure", "job", {"fail": "other", "with": []})[0] == 3
    assert (out / "result.json").is_file()


@pytest.mark.usefixtures("programs_mind_signals")
@pytest.mark.parametrize("sent", [signal.SIGTERM, signal.SIGINT])
def test_stopped_job_cleans_up(folder: Folder, sent: signal.Signals) -> None:
    with _start(folder, {"sleep": 60}) as process:
        assert process.stderr is not None
        while "asleep" not in process.stderr.readline():
            pass
        process.send_signal(sent)
        assert process.wait(timeout=30) == 3
        last = process.stderr.read().strip().rpartition("\n")[2]
    assert "interrupted" in last if sent == signal.SIGINT else "stopped by SIGTERM" in last
    assert names(folder.path / "configure") == ["job.log"]


def test_killed_job_leaves_no_output_and_the_next_run_cleans_up(folder: Folder) -> None:
    with _start(folder, {"sleep": 60}) as process:
        assert process.stderr is not None
        while "asleep" not in process.stderr.readline():
            pass
        process.kill()
        process.wait(timeout=30)
    assert not folder.out("configure", "job").exists()
    folder.run("configure", "job", {})
    assert names(folder.path / "configure") == ["job", "job.log"]


def test_second_run_waits_for_one_that_is_at_work_and_takes_its_output(folder: Folder) -> None:
    with _start(folder, {"sleep": 2}) as first:
        _wait_until_asleep(first)
        out = folder.run("configure", "job", {"a": 1})
        assert first.wait(timeout=30) == 0
    assert json.loads((out / "result.json").read_text())["settings"] == {"sleep": 2}
    assert "waits, as " in (out.parent / "job.log").read_text()
    assert names(out.parent) == ["job", "job.log"]


def test_second_run_does_its_work_if_the_first_was_another(folder: Folder) -> None:
    with _start(folder, {"sleep": 2}) as first:
        _wait_until_asleep(first)
        words = folder.arguments("configure", "job", {"a": 1}, {}, 1)
        config = Path(words[2])
        config.write_text(config.read_text().replace("f" * 24, "e" * 24))
        assert runner.main(words) == 0
        assert first.wait(timeout=30) == 0
    assert json.loads((folder.out("configure", "job") / "result.json").read_text())["settings"] == {"a": 1}
    assert names(folder.path / "configure") == ["job", "job.log"]


def test_a_job_of_another_fingerprint_than_the_engine_means(folder: Folder, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(runner.FINGERPRINT, "f" * 24)
    folder.run("configure", "job", {})
    monkeypatch.setenv(runner.FINGERPRINT, "e" * 24)
    code, line = folder.attempt("configure", "job", {})
    assert code == 3
    assert "has changed since the engine started: start it again" in line


def test_a_job_that_hangs_is_stopped(folder: Folder, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(limits.TIME_LIMIT, "0.0001")
    reason = folder.refusal("configure", "job", {"sleep": 60})
    told = "stopped: it took longer than its time limit of 0.36 s; if it did not hang, set more `time` in"
    assert reason == f"{told} `execution.resources`, or MMC_TIME_LIMIT to more hours"
    for given in ("0", "-1", "nan", "a day"):
        monkeypatch.setenv(limits.TIME_LIMIT, given)
        assert f"MMC_TIME_LIMIT is {given!r}, not a number of hours" in folder.attempt("configure", "job", {})[1]


def test_the_study_limits_the_time_of_a_job(folder: Folder) -> None:
    words = folder.arguments("configure", "job", {"sleep": 60}, {}, 1)
    config = Path(words[2])
    config.write_text(config.read_text().replace('"threads": 1', '"threads": 1, "time_s": 1'))
    assert runner.main(words) == 3
    assert (
        "longer than its time limit of 1 s; if it did not hang" in (folder.path / "configure" / "job.log").read_text()
    )


def test_a_job_that_hangs_in_a_library_is_ended(folder: Folder, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(limits.TIME_LIMIT, "0.0001")
    monkeypatch.setenv("FAKE_GRACE_S", "0.5")
    with _start(folder, {"deaf": 60}) as process:
        _, error = process.communicate(timeout=30)
    assert process.returncode == 1
    assert "Timeout (0:00:00" in error and "fake_step.py" in error


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells a process that its parent was killed")
def test_a_job_ends_with_its_engine(folder: Folder) -> None:
    engine = 'export MMC_ENGINE=$$; "$@" & echo $!; wait'
    with _start(folder, {"sleep": 60}, "bash", "-c", engine, "bash") as process:
        _wait_until_asleep(process)
        process.kill()
    with held(folder.path / "configure" / ".job.lock", "the test", wait_s=20.0):
        assert names(folder.path / "configure") == [".job.lock", "job.log"]
    assert "stopped by SIGTERM" in (folder.path / "configure" / "job.log").read_text()


def _wait_until_asleep(process: "subprocess.Popen[str]") -> None:
    assert process.stderr is not None
    while "asleep" not in process.stderr.readline():
        pass


def test_full_disk_is_one_line_and_leaves_no_output(folder: Folder) -> None:
    with _start(folder, {"bytes": 1_000_000}, "bash", "-c", LIMITED) as process:
        _, error = process.communicate(timeout=30)
    assert process.returncode == 4
    assert "cannot write: [Errno 27] File too large" in error
    assert "Traceback" not in error
    assert names(folder.path / "configure") == ["job.log"]


def test_full_disk_is_told_although_the_library_hides_it(folder: Folder, monkeypatch: pytest.MonkeyPatch) -> None:
    full = os.statvfs_result((4096, 4096, 10**6, 10, 10, 10**6, 10**5, 10**5, 0, 255))
    monkeypatch.setattr(os, "statvfs", lambda _: full)
    reason = folder.refusal(
        "configure", "job", {"fail": "disk", "with": ["Unable to open file (file signature not found)"]}
    )
    full_disk = f"cannot write: the disk of {folder.path / 'configure'} is full"
    assert reason == f"{full_disk} (OSError: Unable to open file (file signature not found))"


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT, errno.EFBIG])
@pytest.mark.parametrize("hidden", [False, True])
def test_a_quota_is_told_as_a_full_disk(number: int, hidden: bool, tmp_path: Path) -> None:
    error = (
        RuntimeError(f"write failed, errno = {number}, x") if hidden else OSError(number, os.strerror(number), "x.h5")
    )
    full = full_disk(error, tmp_path / "job")
    assert full is not None and full.exit_code == 4
    assert str(full).startswith("cannot write: ") and str(full).endswith(f", in {tmp_path}")


def test_full_disk_is_told_by_the_exit_code_when_nothing_can_be_written(folder: Folder) -> None:
    words = folder.arguments("configure", "job", {"fail": "disk", "with": [28, "No space left on device"]}, {}, 1)
    nothing = LIMITED.replace("100", "0")
    command = ["bash", "-c", nothing, sys.executable, "-m", "tests.jobs.fake_step", *words]
    with Path("/dev/full").open("w") as full:
        assert subprocess.run(command, cwd=ROOT, stderr=full, check=False).returncode == 4


@pytest.mark.parametrize(
    ("words", "reason"),
    [
        ([], "the first word must be a stage"),
        (["bake"], "the first word must be a stage"),
        (["sample", "--config", "a", "--job", "b"], "--out needs one value"),
        (["sample", "--config", "a", "--job", "b", "c", "--out", "d"], "--job needs one value"),
        (["sample", "--job", "a", "--job", "b"], "--job is given twice"),
        (["sample", "stray"], "unexpected 'stray'"),
    ],
)
def test_wrong_command_line(words: list[str], reason: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert runner.main(words) == 2
    error = capsys.readouterr().err
    assert error.startswith(f"mmc step: {reason}")
    assert "usage: mmc step STAGE" in error


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (None, "cannot read the configuration"),
        ("{", "is not a stage's configuration"),
        ("[]", "is not a stage's configuration"),
        ('{"stage": "train"}', "configures the stage 'train'"),
        ('{"stage": "configure", "jobs": {}}', "has no job 'job'"),
    ],
)
def test_wrong_configuration(folder: Folder, capsys: pytest.CaptureFixture[str], content: Any, reason: str) -> None:
    config = folder.path / "config.json"
    if content is not None:
        config.write_text(content)
    out = folder.path / "out"
    assert runner.main(["configure", "--config", str(config), "--job", "job", "--out", str(out)]) == 3
    assert reason in capsys.readouterr().err
    assert not out.exists()
