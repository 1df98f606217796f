"""Outputs that are gathered before they are combined: the same events and numbers, and every output is checked."""

import json
from pathlib import Path
from typing import Any

import pytest
from mmc.jobs.job import read_record
from mmc.jobs.steps import runner

from tests.jobs.physics import READING, Folder, combine_settings


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Folder:
    return Folder(tmp_path_factory.mktemp("gather"))


@pytest.fixture(scope="module")
def setup(folder: Folder) -> Path:
    return folder.setup()


@pytest.fixture(scope="module")
def analysed(folder: Folder, setup: Path) -> list[Path]:
    generated = folder.generate(setup)
    events = [folder.simulate(setup, generated, 40 + part, part) for part in range(5)]
    return [folder.analyse(setup, path, {**READING, "cuts": []}) for path in events]


def gather(folder: Folder, job: str, analysed: list[Path]) -> Path:
    jobs: list[dict[str, Any]] = [{"job": analysed[0].name, "parts": len(analysed)}]
    return folder.run("gather", job, {"jobs": jobs}, analysed=analysed)


def test_the_same_events_and_numbers(folder: Folder, setup: Path, analysed: list[Path]) -> None:
    holders = [gather(folder, "0", analysed[:3]), gather(folder, "1", analysed[3:])]
    settings = combine_settings(analysed)
    flat = folder.run("combine", "flat", settings, setup=setup, analysed=analysed)
    tree = folder.run("combine", "tree", settings, setup=setup, analysed=holders)
    for name in ("events.h5", "events.json"):
        assert (tree / name).read_bytes() == (flat / name).read_bytes()
    assert {maker for maker in read_record(tree).inputs if "gather" in maker} == {"gather[0]", "gather[1]"}
    assert (holders[0] / "signal.sm.1" / "events.h5").samefile(analysed[1] / "events.h5")
    assert not list(holders[0].glob("*/job.json")), "it tells times, and the output would differ each time"
    assert json.loads((holders[1] / "gather.json").read_text()) == {"jobs": ["signal.sm.3", "signal.sm.4"]}


def test_a_folder_that_holds_outputs_stands_for_them(folder: Folder, setup: Path, analysed: list[Path]) -> None:
    settings = combine_settings(analysed)
    flat = folder.run("combine", "named", settings, setup=setup, analysed=analysed)
    held = folder.run("combine", "held", settings, setup=setup, analysed=analysed[0].parent)
    assert (held / "events.h5").read_bytes() == (flat / "events.h5").read_bytes()


def test_what_is_missing_or_damaged_is_named(
    folder: Folder, setup: Path, analysed: list[Path], capsys: pytest.CaptureFixture[str]
) -> None:
    holder = gather(folder, "damaged", analysed[:2])
    settings = combine_settings(analysed[:3])
    said = folder.attempt("combine", "missing", settings, setup=setup, analysed=[holder])[1]
    assert "none of the directories of --analysed is the output of job 'signal.sm.2'" in said
    words = folder.arguments(
        "combine", "damaged", combine_settings(analysed[:2]), {"setup": setup, "analysed": holder}, 1
    )
    (holder / "signal.sm.0" / "analyse.json").unlink()
    (holder / "signal.sm.0" / "analyse.json").write_text("{}")
    assert runner.main(words) == 3
    said = capsys.readouterr().err
    assert "the output of gather[damaged]" in said and "signal.sm.0/analyse.json has 2 of" in said
