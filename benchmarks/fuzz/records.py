"""The folder of a run that is reported on: records, arrays and events, damaged."""

import contextlib
import json
from collections.abc import Callable
from pathlib import Path
from random import Random
from typing import Any

from mmc.errors import MmcError
from mmc.jobs.record import RECORD, Record
from mmc.jobs.report import run_report
from mmc.jobs.report.page import Page, render
from mmc.jobs.report.pictures import pictures
from mmc.jobs.report.run_folder import open_run
from mmc.jobs.report.workflow import workflow_picture

from benchmarks.fuzz.damage import damaged_bytes, damaged_json, refusal

FIGURES = 200
"""Figures, which take longest, are drawn for one input in this many."""
SLOW_S = 40.0
"""The first figures of a process take seconds."""


def make_trial(folder: Path) -> Callable[[Random], str]:
    """A trial on a run that is made in a folder, unless it is there."""
    run = folder / "run"
    if not run.is_dir():
        from tests.jobs.report.conftest import run_study, write_study

        with (folder / "log").open("w") as log, contextlib.redirect_stdout(log), contextlib.redirect_stderr(log):
            run_study(write_study(folder), run)
    return trial_on(run)


def trial_on(run: Path) -> Callable[[Random], str]:
    """A trial that damages a file of a run and puts it back."""
    names = ("*.json", "*.npz", "events.h5")
    files = sorted(path for name in names for path in run.rglob(name) if path.parent.name != "model")
    contents = {path: path.read_bytes() for path in files}

    def trial(random: Random) -> str:
        path = random.choice(files)
        path.write_bytes(_damaged(path, contents[path], random))
        record = path.with_name(RECORD)
        if path != record and record in contents and random.random() < 0.8:
            _seal(record)
        try:
            return _report(run, figures=random.randrange(FIGURES) == 0)
        except MmcError as error:
            return refusal(error)
        finally:
            for file in {path, record} & contents.keys():
                file.write_bytes(contents[file])

    return trial


def _seal(file: Path) -> None:
    """Write the digests of damaged files into the record of their job: the forger of a run can do so."""
    record = Record.of(json.loads(file.read_bytes()), file.parent)
    file.write_text(json.dumps(record.with_outputs(file.parent).to_json()))


def _report(folder: Path, *, figures: bool) -> str:
    """What ``mmc report`` does, without writing, and without figures unless asked for."""
    found = open_run(folder)
    with run_report._as_one_line(found):
        results, grids, settings = run_report._results(found)
        drawn: dict[str, Any] = {}
        if figures:
            drawn = {**pictures(results, grids, settings), **dict(run_report._distributions(found, results, settings))}
        render(Page(results, grids, drawn, found, workflow_picture(found.stages), run_report.notes(found)))
    return "accepted"


def _damaged(path: Path, content: bytes, random: Random) -> bytes:
    if path.suffix == ".json" and random.random() < 0.8:
        return json.dumps(damaged_json(json.loads(content), random)).encode()
    return damaged_bytes(content, random)
