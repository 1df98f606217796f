"""Events with a point of their own each: what is read, and the identities that wrong columns break."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from mmc.compiler.settings.encoding import from_json
from mmc.compiler.settings.sampling import SimulatedEvents
from mmc.errors import StepError
from mmc.jobs.readers.simulated import Simulated, read

from tests.jobs.physics import BENCHMARKS, PARAMETERS, Folder, configure_settings

N = 400
SETTINGS: dict[str, Any] = {
    "tables": ["file"],
    "tree": None,
    "theta": {"c_LL": "t", "c_LR": "other"},
    "denominator": "sm",
    "label": "y",
    "ratio": "r",
    "score": {"c_LL": "s", "c_LR": "zero"},
    "columns": {"x": "x"},
    "observables": {"x": {"definition": None, "required": True, "default": None}},
}


@pytest.fixture(scope="module")
def setup(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = Folder(tmp_path_factory.mktemp("simulated"))
    settings = {**configure_settings(BENCHMARKS), "morphing": None}
    return folder.run("configure", "configure", settings) / "setup.h5"


def _columns() -> dict[str, Any]:
    """x is normal around t, or around 0 for events of the denominator."""
    random = np.random.default_rng(3)
    t, y = random.uniform(-2, 2, N), np.arange(N) % 2
    x = random.normal(np.where(y == 1, 0.0, t), 1.0)
    return {"x": x, "t": t, "y": y, "r": np.exp(x * t - t**2 / 2), "s": x - t, "other": t**2, "zero": np.zeros(N)}


def _read(setup: Path, folder: Path, settings: dict[str, Any] | None = None, **changes: Any) -> Simulated:
    path = folder / "train.npz"
    np.savez(path, **{**_columns(), **changes})
    return read(setup, [path], from_json(SimulatedEvents, {**SETTINGS, **(settings or {})}), list(PARAMETERS))


def test_events(setup: Path, tmp_path: Path) -> None:
    columns = _columns()
    events = _read(setup, tmp_path)
    np.testing.assert_array_equal(events.x["x"], columns["x"])
    np.testing.assert_array_equal(events.theta, np.stack([columns["t"], columns["other"]], axis=1))
    np.testing.assert_array_equal(events.of_denominator, columns["y"] == 1)
    assert events.ratio is not None and events.score is not None
    np.testing.assert_array_equal(events.ratio, columns["r"])
    np.testing.assert_array_equal(events.score[:, 0], columns["s"])


def test_no_event_may_be_left_out(setup: Path, tmp_path: Path) -> None:
    x = np.where(np.arange(N) == 7, np.nan, _columns()["x"])
    with pytest.raises(StepError, match=r"^1 of 400 events of train.npz lack a required observable: give it a default"):
        _read(setup, tmp_path, x=x)
    with pytest.raises(StepError, match=r"^100 of 400 events of train.npz are of the denominator; it must be half"):
        _read(setup, tmp_path, y=np.arange(N) % 4 == 1)


def test_wrong_columns_break_identities(setup: Path, tmp_path: Path) -> None:
    columns = _columns()
    with pytest.raises(StepError, match=r"mean of ln r .* cannot be negative: the labels are the other way round"):
        _read(setup, tmp_path, y=1 - columns["y"])
    with pytest.raises(StepError, match=r"mean of ln r .* cannot be positive: the labels are the other way round, or"):
        _read(setup, tmp_path, r=np.exp(np.abs(columns["t"]) + 0.1))
    with pytest.raises(StepError, match=r"the mean score .* must be 0: the score is of other points"):
        _read(setup, tmp_path, s=columns["s"] + 1.0)
    with pytest.raises(
        StepError, match=r"^the label 'y' of train.npz is 2 in event 8; it is 0 for events of the point"
    ):
        _read(setup, tmp_path, y=np.where(np.arange(N) == 7, 2, columns["y"]))
    with pytest.raises(StepError, match=r"^'t' of train.npz is not a finite number in event 8$"):
        _read(setup, tmp_path, t=np.where(np.arange(N) == 7, np.inf, columns["t"]))
