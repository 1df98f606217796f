"""Which jobs have to run, for spoilt outputs of a chain: configure → two simulate → combine → report."""

import json
import os
import shutil
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest
from mmc.cli.main import main
from mmc.errors import MmcError
from mmc.jobs.job import read_record, write_json
from mmc.jobs.record import RECORD
from mmc.jobs.resume.pending import Pending, pending
from mmc.jobs.resume.run_table import RunTable

from tests.jobs.physics import seal

CONFIGURE, FIRST, SECOND, COMBINE, REPORT = range(5)
TABLE = """\
configure\tconfigure\tf0\t0\t1-2
simulate\ta\tf1\t1\t3
simulate\tb\tf2\t1\t3
combine\tcombine\tf3\t2\t4
report\treport\tf4\t1\t
"""
UPSTREAM: Mapping[int, tuple[int, ...]] = {
    FIRST: (CONFIGURE,),
    SECOND: (CONFIGURE,),
    COMBINE: (FIRST, SECOND),
    REPORT: (COMBINE,),
}
TIME_NS = 1_700_000_000_000_000_007


class Run:
    """A finished run, whose jobs can be made again with any content."""

    def __init__(self, folder: Path) -> None:
        self.table, self.out = folder / "jobs.tsv", folder / "out"
        self.table.write_text(TABLE)
        for row in range(5):
            self.make(row)

    def place(self, row: int) -> Path:
        stage, job = TABLE.splitlines()[row].split("\t")[:2]
        return self.out / stage / job

    def file(self, row: int) -> Path:
        return self.place(row) / "events.h5"

    def make(self, row: int, content: str = "what it makes", **made_with: str) -> None:
        place = self.place(row)
        place.mkdir(parents=True, exist_ok=True)
        self.file(row).write_text(content)
        os.utime(self.file(row), ns=(TIME_NS, TIME_NS))
        read = {(record := read_record(self.place(other))).maker: record.digest for other in UPSTREAM.get(row, ())}
        about = {"stage": place.parent.name, "job": place.name, "fingerprint": f"f{row}"}
        write_json(place / RECORD, {**about, "inputs": read, "made_with": made_with})
        seal(place)

    def change(self, row: int) -> None:
        """The study has changed: the job has another fingerprint."""
        self.table.write_text(self.table.read_text().replace(f"\tf{row}\t", f"\tg{row}\t"))

    def flip(self, row: int) -> None:
        """Change one bit, which leaves size and time as they are."""
        self.file(row).write_text(self.file(row).read_text().replace("w", "v"))
        os.utime(self.file(row), ns=(TIME_NS, TIME_NS))

    def pending(self, *, whole: bool = True, stage: str | None = None) -> Pending:
        return pending(RunTable.read(self.table, self.out), whole=whole, stage=stage)


@pytest.fixture
def run(tmp_path: Path) -> Run:
    return Run(tmp_path)


def test_nothing_has_run(tmp_path: Path) -> None:
    run = Run(tmp_path)
    shutil.rmtree(run.out)
    assert run.pending() == Pending({CONFIGURE: 0, FIRST: 1, SECOND: 1, COMBINE: 2, REPORT: 1}, frozenset(), {})


def test_everything_is_finished(run: Run) -> None:
    assert run.pending() == Pending({}, frozenset(), {})


SPOILT: list[tuple[Callable[[Run, int], object], str]] = [
    (Run.flip, "events.h5 has changed since it was made"),
    (lambda run, row: run.file(row).write_text("what"), "events.h5 has 4 of 13 bytes"),
    (lambda run, row: run.file(row).write_text(""), "events.h5 has 0 of 13 bytes"),
    (lambda run, row: run.file(row).unlink(), "events.h5 is missing"),
]


@pytest.mark.parametrize(("spoil", "reason"), SPOILT)
def test_a_damaged_output_is_made_again_before_it_is_read(
    spoil: Callable[[Run, int], object], reason: str, run: Run
) -> None:
    spoil(run, FIRST)
    run.change(COMBINE)
    assert run.pending() == Pending({FIRST: 0, COMBINE: 1}, frozenset(), {FIRST: reason})


@pytest.mark.parametrize(("spoil", "reason"), SPOILT)
def test_a_damaged_output_that_nobody_has_to_read_stays(
    spoil: Callable[[Run, int], object], reason: str, run: Run
) -> None:
    """So large files can be removed to save space; `job.json` tells what they were."""
    del reason
    spoil(run, FIRST)
    assert run.pending() == Pending({}, frozenset(), {})


@pytest.mark.parametrize(("spoil", "reason"), SPOILT)
def test_damaged_results_are_made_again(spoil: Callable[[Run, int], object], reason: str, run: Run) -> None:
    spoil(run, REPORT)
    assert run.pending() == Pending({REPORT: 0}, frozenset(), {REPORT: reason})


def test_inputs_of_a_job_that_is_made_again_are_checked_too(run: Run) -> None:
    run.flip(CONFIGURE)
    run.file(FIRST).unlink()
    run.change(COMBINE)
    found = run.pending()
    assert found.again == {CONFIGURE: "events.h5 has changed since it was made", FIRST: "events.h5 is missing"}
    assert found.now == {CONFIGURE: 0, FIRST: 1}
    assert found.later == {COMBINE}, "the finished output of simulate[b] may turn out to be out of date"


def test_readers_of_an_output_that_was_made_again_follow_if_it_has_another_content(run: Run) -> None:
    shutil.rmtree(run.place(FIRST))
    assert run.pending() == Pending({FIRST: 0}, frozenset(), {})
    run.make(FIRST)
    assert run.pending() == Pending({}, frozenset(), {}), "the same content: its readers stay finished"
    run.make(FIRST, "something else")
    assert run.pending() == Pending({COMBINE: 0}, frozenset(), {COMBINE: "its input simulate[a] has changed"})
    run.make(COMBINE, "something else")
    assert run.pending().again == {REPORT: "its input combine[combine] has changed"}


def test_a_reader_of_one_file_follows_that_file_alone(run: Run) -> None:
    file = run.place(FIRST) / RECORD
    record = json.loads(file.read_text())
    one = read_record(run.place(CONFIGURE)).only("events.h5").digest
    file.write_text(json.dumps({**record, "inputs": {"configure[configure]/events.h5": one}}))
    (run.place(CONFIGURE) / "setup.h5").write_text("another range")
    seal(run.place(CONFIGURE))
    assert run.pending().again == {SECOND: "its input configure[configure] has changed"}
    run.make(CONFIGURE, "something else")
    assert set(run.pending().again) == {FIRST, SECOND}


def test_a_quick_look_compares_size_and_time(run: Run) -> None:
    run.change(COMBINE)
    run.flip(FIRST)
    assert run.pending(whole=False).again == {}
    os.utime(run.file(FIRST))
    assert run.pending(whole=False).again == {FIRST: "events.h5 has changed since it was made"}


@pytest.mark.parametrize(
    "content", ["", "{", "[]", '{"job": "a"}', '{"stage": "simulate", "job": "a", "fingerprint": "f1"}']
)
def test_a_damaged_record(content: str, run: Run) -> None:
    (run.place(FIRST) / RECORD).write_text(content)
    assert run.pending() == Pending({FIRST: 0}, frozenset(), {FIRST: "job.json is damaged"})


def test_an_output_in_the_place_of_another(run: Run) -> None:
    shutil.rmtree(run.place(FIRST))
    shutil.copytree(run.place(SECOND), run.place(FIRST))
    assert set(run.pending().now) == {FIRST}


def test_one_stage_alone(run: Run) -> None:
    run.change(FIRST)
    run.change(COMBINE)
    assert run.pending(stage="simulate") == Pending({FIRST: 0}, frozenset({COMBINE}), {})
    assert run.pending(stage="combine") == Pending({}, frozenset({FIRST, COMBINE}), {})


@pytest.mark.parametrize(
    "table",
    ["", "a\tb\n", *(f"train\tb\tc\t0\t{readers}\n" for readers in ("x", "0", "1-7")), "bake\tb\tc\t0\t\n"]
    + [f"train\t{name}\tc\t0\t\n" for name in ("../x", "", ".x", "a/b", "\x85\x00")],
)
def test_a_table_that_is_none(table: str, run: Run) -> None:
    run.table.write_text(table)
    if not table:
        assert run.pending() == Pending({}, frozenset(), {})
        return
    with pytest.raises(MmcError, match="is not the table of the jobs of a run"):
        run.pending()


def test_a_table_that_is_not_a_file(run: Run) -> None:
    run.table.unlink()
    os.mkfifo(run.table)
    with pytest.raises(MmcError, match=r"is not the table of the jobs of a run: .*not a regular file"):
        run.pending()


def listed(run: Run, *words: str, capsys: pytest.CaptureFixture[str]) -> tuple[int, str, str]:
    return main(["pending", *words, str(run.table), str(run.out)]), *capsys.readouterr()


def test_the_command_lists_rows(run: Run, capsys: pytest.CaptureFixture[str]) -> None:
    run.file(FIRST).unlink()
    run.change(COMBINE)
    assert listed(run, capsys=capsys) == (0, "1 0 events.h5 is missing\n3 1\n", "")
    assert listed(run, "--stage", "simulate", capsys=capsys) == (0, "1 0 events.h5 is missing\n3 later\n", "")


def test_other_versions_stop_the_run(
    run: Run, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    run.make(FIRST, numpy="0.1", pythia8mc="8.1", torch="9")
    assert listed(run, capsys=capsys) == (0, "", ""), "nothing has to run"
    run.make(SECOND, numpy="0.1", MadGraph="3.4.0")
    run.change(COMBINE)
    installation = run.out / "madgraph"
    installation.mkdir()
    (installation / "VERSION").write_text("version = 3.5.7\n")
    monkeypatch.setenv("MMC_MADGRAPH_DIR", str(installation))
    code, printed, error = listed(run, capsys=capsys)
    assert (code, printed) == (3, "")
    assert "simulate[a] and 1 more with numpy 0.1, here is " in error
    assert "--mixed-versions" in error and "another folder with -o" in error and error.count("\n") == 1
    assert "pythia8mc" not in error and "MadGraph" not in error and "torch" not in error, "combine does not use them"
    assert listed(run, "--mixed-versions", capsys=capsys)[:2] == (0, "3 0\n")
    run.change(FIRST)
    assert "simulate[b] with MadGraph 3.4.0, here is 3.5.7" in listed(run, capsys=capsys)[2]
