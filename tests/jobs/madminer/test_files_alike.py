"""Files of one sample are averaged, so they must have the same distributions."""

from contextlib import nullcontext
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from mmc.errors import StepError
from mmc.jobs.madminer import event_rows, files_alike, workarounds
from mmc.jobs.madminer.files_alike import check_alike

BENCHMARKS = ("sm", "plus", "minus")


def events(n: int, seed: int) -> tuple[Any, Any]:
    """A coefficient without effect on the cross section or the distribution of its own weights: they are 1 ± sin x."""
    x = np.random.default_rng(seed).uniform(-np.pi, np.pi, n)
    return x, np.stack([np.ones(n), 1.0 + np.sin(x), 1.0 - np.sin(x)], axis=1)


def check(tmp_path: Path, *parts: tuple[Any, Any], background: bool = False, error: float = 0.0) -> None:
    workarounds.apply()
    from madminer.models import AnalysisParameter, Benchmark, Observable
    from madminer.utils.interfaces.hdf5 import save_events, save_madminer_settings

    parameters = {"c": AnalysisParameter("c", "block", 1, 2, (-2.0, 2.0), "theta")}
    points = zip(BENCHMARKS, (0.0, 1.0, -1.0), strict=True)
    benchmarks = {name: Benchmark.from_params(name, ["c"], [value]) for name, value in points}
    files = {}
    for k, (x, weights) in enumerate(parts):
        files[f"signal.sm.{k}"] = path = tmp_path / f"{k}.h5"
        save_madminer_settings(str(path), True, parameters, benchmarks, None, None, {}, {})
        columns = dict(zip(BENCHMARKS, (weights / len(x)).T, strict=True))
        origin, counts = np.zeros(len(x), dtype=np.int64), [len(x), 0, 0]
        save_events(str(path), False, {"phi": Observable("phi", "0.0")}, {"phi": x}, columns, origin, counts, 0)
    check_alike(files, BENCHMARKS, "sm", "they differ", background=background, integration=dict.fromkeys(files, error))


def test_parts_of_one_generation(tmp_path: Path) -> None:
    check(tmp_path, *(events(n, n) for n in (150, 1000, 400)), events(20, 5))


def test_a_single_file(tmp_path: Path) -> None:
    check(tmp_path, events(1000, 1))


def test_parts_with_another_bias(tmp_path: Path) -> None:
    """Events may be sampled in another way, if their weights have the same distributions."""
    x, weights = events(4000, 2)
    kept = np.random.default_rng(3).uniform(size=4000) < 0.5 + 0.5 * (x > 0.0)
    weights = weights / (0.5 + 0.5 * (x > 0.0))[:, np.newaxis]
    check(tmp_path, events(2000, 4), (x[kept], weights[kept] * kept.mean()))


def test_two_weights_that_are_exchanged(tmp_path: Path) -> None:
    """They have the same sums and distributions, so only their relation to the observable tells it."""
    x, weights = events(1000, 7)
    with pytest.raises(
        StepError,
        match=r"^the events of signal\.sm\.0 and those of signal\.sm\.1 have different distributions of the weights at "
        r"'plus' relative to the nominal ones along phi: they differ$",
    ):
        check(tmp_path, events(1000, 6), (x, weights[:, [0, 2, 1]]))


def test_the_weights_of_another_point(tmp_path: Path) -> None:
    x, weights = events(1000, 7)
    with pytest.raises(
        StepError,
        match=r"^after the cuts, .*\.0 give .* of 1\.0\d+ pb at benchmark 'minus', and those of .*\.1 one of 2\.",
    ):
        check(tmp_path, (x, weights), (x, weights * [1.0, 1.0, 2.0]))


@pytest.mark.parametrize("background", [False, True])
def test_events_with_another_selection(tmp_path: Path, background: bool) -> None:
    """A part of the events are removed, and the header was made to fit: all cross sections agree."""
    x, weights = events(2000, 9)
    some = np.abs(x) > 1.0
    with pytest.raises(StepError, match=r"^the events of signal\.sm\.[01] and .* different distributions of phi: "):
        check(tmp_path, events(500, 8), (abs(x[some]), weights[some]), events(20, 10), background=background)


def test_too_few_events_tell_nothing(tmp_path: Path) -> None:
    x, weights = events(90, 9)
    check(tmp_path, events(2000, 8), (abs(x), weights))


@pytest.mark.parametrize("error", [0.03, 0.001])
def test_two_integrations_with_errors(error: float, tmp_path: Path) -> None:
    x, weights = events(20_000, 11)
    told = r"^after the cuts, .* cross section of 1\.05 pb .* one of 0\.97 pb"
    with pytest.raises(StepError, match=told) if error < 0.01 else nullcontext():
        check(tmp_path, (x, 1.05 * weights), (x, 0.97 * weights), error=error)


@pytest.mark.parametrize("is_other", [False, True])
def test_many_files(is_other: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Enough events of each are compared, whatever their number."""
    monkeypatch.setattr(files_alike, "LOOKED_AT", 1000)
    x, weights = events(3500, 12)
    parts = [events(n, n) for n in (3000, 3001, 3600)]
    with pytest.raises(StepError, match=r"different distributions of phi: ") if is_other else nullcontext():
        check(tmp_path, *parts, (abs(x) if is_other else x, weights))


def test_some_rows_do_not_keep_their_blocks_in_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(event_rows, "blocks_of", lambda _: iter([tuple(np.zeros((3, 100, 2)).copy())] * 2))
    blocks = list(event_rows.spaced_blocks(Path("events.h5"), 10))
    assert [[column.shape for column in block] for block in blocks] == [[(10, 2)] * 3] * 2
    assert all(column.base is None for block in blocks for column in block)
