"""MadMiner's files are checked whole before MadMiner reads them."""

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
from mmc.errors import StepError
from mmc.jobs.madminer import layout
from mmc.jobs.madminer.declarations import read_agreeing
from mmc.jobs.madminer.event_file import EventFile

from tests.jobs.toy_events import add_systematics, write_events


@pytest.fixture(scope="module")
def events(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("layout")
    write_events(folder / "plain", n_events=60)
    return add_systematics(folder / "plain", folder / "events") / "events.h5"


def _set(place: str, index: Any, value: Any) -> Callable[[Any], None]:
    return lambda file: file[place].__setitem__(index, value)


def _without(place: str) -> Callable[[Any], None]:
    return lambda file: file.__delitem__(place)


def _replace(place: str, value: Any) -> Callable[[Any], None]:
    def change(file: Any) -> None:
        new = value(file[place][()]) if callable(value) else value
        del file[place]
        file[place] = new

    return change


FLAWS: list[tuple[Callable[[Any], None], str]] = [
    (_without("parameters"), "x.h5 is not a file of MadMiner's: it has no parameters/names"),
    (_without("benchmarks/names"), "x.h5 is not a file of MadMiner's: it has no benchmarks/names"),
    (_without("samples/weights"), "x.h5 is not a file of MadMiner's: it has no samples/weights"),
    (_without("observables"), "x.h5 is not a file of MadMiner's: it has no observables/names"),
    (_without("sample_summary"), "x.h5 is not a file of MadMiner's: it has no sample_summary/signal_events"),
    (_replace("parameters/lha_ids", np.zeros(2)), "parameters/lha_ids of x.h5 holds numbers, not integers"),
    (_replace("parameters/names", np.zeros(2)), "parameters/names of x.h5 holds numbers, not texts"),
    (_replace("samples/weights", lambda w: w[:-1]), "samples/weights of x.h5 has the shape (59, 9) where (60, 9) is"),
    (
        _replace("samples/weights", lambda w: w[:, :-1]),
        "samples/weights of x.h5 has the shape (60, 8) where",
    ),
    (_replace("samples/observations", lambda x: x[:, 0]), "samples/observations of x.h5 has the shape (60,)"),
    (_replace("benchmarks/values", np.zeros((9, 3))), "benchmarks/values of x.h5 has the shape (9, 3) where (9, 2)"),
    (_replace("morphing/morphing_matrix", np.zeros((6, 9))), "has 9 columns, but there are fewer benchmarks"),
    (_set("samples/weights", (7, 1), np.nan), "samples/weights of x.h5 is not a finite number in row 7"),
    (_set("benchmarks/values", (2, 1), np.inf), "benchmarks/values of x.h5 is not a finite number in row 2"),
    (_set("samples/sampling_benchmarks", 5, -7), "is -7 in row 5, where only -1 to 5 make sense"),
    (_set("samples/sampling_benchmarks", 5, 6), "is 6 in row 5, where only -1 to 5 make sense"),
    (_set("sample_summary/signal_events", 0, 29), "sample_summary of x.h5 counts other events than the file holds"),
    (_set("sample_summary/background_events", (), 1), "sample_summary of x.h5 counts other events than the file"),
    (_set("benchmarks/is_nuisance", 0, 2), "is 2 in row 0, where only 0 to 1 make sense"),
    (_set("benchmarks/is_nuisance", 0, 1), "has a nuisance benchmark before another benchmark"),
    (_set("parameters/max_power", 0, -1), "parameters/max_power of x.h5 is -1 in row 0, where only 0 to 64"),
    (_set("morphing/components", (2, 1), 10**9), "is 1000000000 in row 2, where only 0 to 128 make sense"),
    (_set("observables/names", 0, b"../../x"), "observables/names of x.h5 has the name '../../x'"),
    (_set("observables/names", 0, b""), "observables/names of x.h5 has the name ''"),
    (_set("observables/names", 0, b"x2"), "observables/names of x.h5 has the same name twice"),
    (_set("benchmarks/names", 0, b"sm\n::error::"), "has a text that is too long or not printable ASCII"),
    (_set("benchmarks/names", 0, b"\xff"), "has a text that is too long or not printable ASCII"),
    (_set("nuisance_parameters/benchmark_positive", 0, b"none"), "has 'none', which is not a benchmark of the file"),
    (_without("benchmarks/is_reference"), "benchmarks/is_reference of x.h5 marks no benchmark, whose weights"),
    (_set("benchmarks/is_reference", slice(None), 0), "benchmarks/is_reference of x.h5 marks no benchmark"),
    (_replace("morphing", h5py.SoftLink("/benchmarks")), "'morphing' of x.h5 is a link"),
]


@pytest.mark.parametrize(("spoil", "reason"), FLAWS)
def test_flaws(tmp_path: Path, events: Path, spoil: Callable[[Any], None], reason: str) -> None:
    path = tmp_path / "x.h5"
    shutil.copyfile(events, path)
    with h5py.File(path, "r+") as file:
        spoil(file)
    readers: list[Callable[[], Any]] = [
        lambda: EventFile(path, 0.2, 0.2),
        lambda: read_agreeing(events, [path]),
        lambda: layout.opened(path).__enter__(),
    ]
    for read in readers:
        with pytest.raises(StepError) as raised:
            read()
        assert reason in str(raised.value)


def test_the_content_is_checked_once_and_again_when_the_file_changes(
    tmp_path: Path, events: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path, checked = tmp_path / "x.h5", []
    shutil.copyfile(events, path)
    check = layout._check
    monkeypatch.setattr(layout, "_check", lambda file: (checked.append(file.name), check(file)))
    for _ in range(3):
        assert EventFile(path, 0.2, 0.2).n_events == 60
    assert checked == ["x.h5"]
    with h5py.File(path, "r+") as file:
        file["samples/sampling_benchmarks"][0] = -7
    with pytest.raises(StepError, match="is -7 in row 0"):
        EventFile(path, 0.2, 0.2)


def test_a_file_is_open_once_until_its_last_reader_is_done(tmp_path: Path, events: Path) -> None:
    path = tmp_path / "x.h5"
    shutil.copyfile(events, path)
    first, second = layout.opened(path), layout.opened(path)
    one, other = first.__enter__(), second.__enter__()
    assert other is one
    first.__exit__(None, None, None)
    assert other["samples/weights"].shape[0] == 60
    (tmp_path / "new.h5").write_bytes(path.read_bytes())
    (tmp_path / "new.h5").replace(path)
    with layout.opened(path) as new:
        assert new is not other
    second.__exit__(None, None, None)
    assert not other and not new


def test_observables_may_be_missing_in_events(tmp_path: Path, events: Path) -> None:
    path = tmp_path / "x.h5"
    shutil.copyfile(events, path)
    with h5py.File(path, "r+") as file:
        file["samples/observations"][3, 0] = np.nan
    with layout.opened(path) as file:
        assert file["samples/observations"].shape == (60, 2)


def test_blocks_of_rows(tmp_path: Path, events: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "x.h5"
    shutil.copyfile(events, path)
    monkeypatch.setattr(layout, "_ROWS", 7)
    with layout.opened(path):
        pass
    with h5py.File(path, "r+") as file:
        file["samples/weights"][58, 2] = np.inf
    with pytest.raises(StepError, match="in row 58"), layout.opened(path):
        pass
