"""Outputs that another run has made: taken if they are those that the study would make, and read as any other."""

import json
from contextlib import suppress
from pathlib import Path

import pytest
from mmc.errors import MmcError
from mmc.files import Folder
from mmc.jobs.job import fingerprint_in, read_record
from mmc.jobs.record import Record
from mmc.jobs.resume.taking import take, take_renamed

JOBS = [("configure", "configure", "a"), ("simulate", "one", "b"), ("simulate", "two", "c")]


@pytest.fixture
def run(tmp_path: Path) -> Path:
    """A run with the outputs of these jobs."""
    for stage, name, fingerprint in JOBS:
        folder = tmp_path / "base" / "out" / stage / name
        (folder / "inner").mkdir(parents=True)
        (folder / "inner" / "events.lhe").write_text(f"{stage} {name}")
        record = Record(stage, name, fingerprint, 1, 0.5, "1").with_outputs(folder)
        (folder / "job.json").write_text(json.dumps(record.to_json()))
    return tmp_path / "base"


def test_they_are_linked_once_and_undamaged(run: Path, tmp_path: Path) -> None:
    out = Folder(tmp_path / "out")
    assert take(JOBS, "simulate", run, out) == 3
    for stage, name, fingerprint in JOBS:
        folder = out.path / stage / name
        assert fingerprint_in(folder) == fingerprint
        read_record(folder).check(folder, whole=True)
        assert (folder / "inner/events.lhe").samefile(run / "out" / stage / name / "inner/events.lhe")
    assert take(JOBS, "simulate", run, out) == 0
    assert sorted(path.name for path in (out.path / "simulate").iterdir()) == ["one", "two"]


def test_others_are_refused(run: Path, tmp_path: Path) -> None:
    out = Folder(tmp_path / "out")
    with pytest.raises(MmcError, match=r"simulate\[one\] .*: they were made with other settings"):
        take([("simulate", "one", "other")], "simulate", run, out)
    with pytest.raises(MmcError, match=r"simulate\[three\] .*: there is none"):
        take([("simulate", "three", "c")], "simulate", run, out)
    (run / "out/simulate/two/inner/events.lhe").unlink()
    with pytest.raises(MmcError, match=r"simulate\[two\] .*events.lhe is missing"):
        take(JOBS, "simulate", run, out)
    link = run / "out/simulate/two/inner/events.lhe"
    link.symlink_to(run / "out/simulate/one/inner/events.lhe")
    with pytest.raises(MmcError):
        take(JOBS, "simulate", run, Folder(tmp_path / "other"))


def test_set_ups_that_were_removed_are_done_and_others_run(run: Path, tmp_path: Path) -> None:
    out = Folder(tmp_path / "out")
    (run / "out/configure/configure/inner/events.lhe").unlink()
    assert take([*JOBS, ("generate", "sm", "d")], "simulate", run, out) == 3
    assert fingerprint_in(out.path / "configure/configure") == "a"
    assert not (out.path / "generate").exists()


def test_outputs_get_the_names_that_their_jobs_have_now(run: Path) -> None:
    """Also where two jobs have exchanged their names; the outputs stay as they were made."""
    out = Folder(run / "out")
    now = [
        ("configure", "configure", "a"),
        ("simulate", "two", "b"),
        ("simulate", "one", "c"),
        ("simulate", "new", "e"),
    ]
    assert take_renamed(JOBS, out) == 0
    assert take_renamed(now, out) == 2
    for stage, name, fingerprint in now[:3]:
        record = read_record(out.path / stage / name)
        assert (record.job, record.fingerprint) == (name, fingerprint)
        record.check(out.path / stage / name, whole=True)
    assert (out.path / "simulate/two/inner/events.lhe").read_text() == "simulate one"
    assert sorted(path.name for path in (out.path / "simulate").iterdir()) == ["one", "two"]
    assert take_renamed(now, out) == 0


def reads(out: Folder, job: str, inputs: dict[str, str]) -> None:
    """Let the record of a job tell that it has read these outputs."""
    path = out.path / job / "job.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"inputs": inputs}))


def test_records_of_jobs_tell_the_new_names_of_what_they_read(run: Path) -> None:
    """Of a job with another name now, and of one with the old one; of single files too, and not of what is gone."""
    out, events = Folder(run / "out"), "inner/events.lhe"
    one, set_up = read_record(out.path / "simulate" / "one"), read_record(out.path / "configure" / "configure")
    reads(out, "simulate/one", {"configure[configure]": set_up.digest})
    of_one = {"simulate[one]": one.digest, f"simulate[one]/{events}": one.only(events).digest}
    reads(out, "simulate/two", {**of_one, "simulate[old]": "gone"})
    assert take_renamed([("configure", "set-up", "a"), ("simulate", "first", "b"), JOBS[2]], out) == 2
    found = {name: read_record(out.path / "simulate" / name) for name in ("first", "two")}
    assert found["first"].inputs == {"configure[set-up]": set_up.digest}
    names = [name.replace("one", "first") for name in of_one]
    assert found["two"].inputs == {**dict(zip(names, of_one.values(), strict=True)), "simulate[old]": "gone"}
    for record in found.values():
        record.check(out.path / "simulate" / record.job, whole=True)


@pytest.mark.parametrize("moves", [0, 1, 2])
def test_a_kill_loses_no_output(run: Path, monkeypatch: pytest.MonkeyPatch, moves: int) -> None:
    """In a chain, the place of an output that has got another name is that of another one at once."""
    out, left, move = Folder(run / "out"), [moves], Folder.move
    now = [JOBS[0], ("simulate", "two", "b"), ("simulate", "three", "c")]
    digests = [read_record(out.path / "simulate" / name).digest for name in ("one", "two")]
    reads(out, "configure/configure", {"simulate[one]": digests[0], "simulate[two]": digests[1]})

    def stopped(self: Folder, old: str, new: str) -> None:
        if not left[0]:
            raise KeyboardInterrupt
        left[0] -= 1
        move(self, old, new)

    with monkeypatch.context() as patch, suppress(KeyboardInterrupt):
        patch.setattr(Folder, "move", stopped)
        take_renamed(now, out)
    take_renamed(now, out)
    for stage, name, fingerprint in now:
        record = read_record(out.path / stage / name)
        assert (record.job, record.fingerprint) == (name, fingerprint)
        record.check(out.path / stage / name, whole=True)
    assert not list((out.path / "simulate").glob(".*"))
    inputs = read_record(out.path / "configure" / "configure").inputs
    assert inputs == {"simulate[two]": digests[0], "simulate[three]": digests[1]}
