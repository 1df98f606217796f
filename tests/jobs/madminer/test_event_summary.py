"""What is said of an event file, and what is refused there."""

import shutil
from pathlib import Path

import h5py
import pytest
from mmc.errors import StepError
from mmc.jobs.madminer.event_summary import event_record


def _changed(source: Path, folder: Path, benchmark: str, factor: float) -> Path:
    """A copy of a file with the weights of a benchmark multiplied by a factor."""
    path = Path(shutil.copytree(source, folder / "changed")) / "events.h5"
    with h5py.File(path, "r+") as file:
        column = [name.decode() for name in file["benchmarks/names"][()]].index(benchmark)
        weights = file["samples/weights"][()]
        weights[:, column] *= factor
        file["samples/weights"][...] = weights
    return path


def test_a_negative_cross_section_is_said(toy_events: Path, tmp_path: Path) -> None:
    found = event_record(_changed(toy_events, tmp_path, "b1", -1.0))
    (text,) = found["warnings"]
    assert text == f"the cross section at benchmark 'b1' is negative: {found['cross_sections_pb']['b1'][0]:.3g} pb"


def test_an_uncertainty_leaves_the_sign_of_the_cross_section(uncertain: Path, tmp_path: Path) -> None:
    assert event_record(uncertain / "events.h5")["warnings"] == []
    path = _changed(uncertain, tmp_path, "tilt_nuisance_param_0_benchmark_1", -0.5)
    with pytest.raises(StepError, match=r"^the uncertainty tilt makes the cross section -.* pb, from .*: its weights "):
        event_record(path)
