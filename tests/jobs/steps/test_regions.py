"""Regions: the same events, read once, in a file for each region."""

import json
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest

from tests.jobs.physics import READING, Folder, combine_settings, names

LEADING = {"definition": "mu[0].pt if mu[0].pt > 300 else mu[9].pt", "required": False, "default": None}
REGIONS = {
    "low": {"cuts": [{"definition": "m_ll < 700", "required": False}], "observables": ["m_ll"], "required": []},
    "high": {"cuts": [{"definition": "m_ll >= 700", "required": False}], "observables": ["m_ll"], "required": []},
    "hard": {"cuts": [], "observables": ["m_ll", "pt_hard"], "required": ["pt_hard"]},
    "never": {"cuts": [{"definition": "mu[7].pt > 0", "required": False}], "observables": ["m_ll"], "required": []},
    "always": {"cuts": [{"definition": "mu[7].pt > 0", "required": True}], "observables": ["m_ll"], "required": []},
}


def _events(path: Path) -> dict[str, Any]:
    with h5py.File(path) as file:
        columns = [name.decode() for name in file["observables/names"][()]]
        observations = dict(zip(columns, file["samples/observations"][()].T, strict=True))
        return {**observations, "weights": file["samples/weights"][()]}


def test_the_regions_of_one_reading(tmp_path: Path) -> None:
    folder = Folder(tmp_path)
    setup = folder.setup()
    events = folder.simulate(setup, folder.generate(setup), 200)
    whole = _events(folder.analyse(setup, events) / "events.h5")
    observables = {**READING["observables"], "pt_hard": LEADING}
    (tmp_path / "regions").mkdir()
    read = Folder(tmp_path / "regions").analyse(
        setup, events, {**READING, "observables": observables, "regions": REGIONS}
    )
    found = {name: _events(read / f"events_{name}.h5") for name in ("low", "high", "hard", "always")}
    masks = {"low": whole["m_ll"] < 700, "high": whole["m_ll"] >= 700, "hard": whole["pt_1"] > 300}
    for name, mask in masks.items():
        assert 0 < mask.sum() < len(mask)
        np.testing.assert_array_equal(found[name]["m_ll"], whole["m_ll"][mask])
        np.testing.assert_array_equal(found[name]["weights"], whole["weights"][mask])
    assert list(found["low"]) == ["m_ll", "weights"] and list(found["hard"]) == ["m_ll", "pt_hard", "weights"]
    np.testing.assert_array_equal(found["hard"]["pt_hard"], whole["pt_1"][masks["hard"]])
    assert len(found["always"]["m_ll"]) == len(whole["m_ll"]), "an undefined cut that says so is passed"
    assert not (read / "events_never.h5").exists() and "events.h5" not in names(read)
    record = json.loads((read / "analyse.json").read_text())
    assert record["undefined"] == {}, "an observable may be undefined outside of the regions that require it"
    both = masks["high"] & masks["hard"]
    shared = record["regions"]["high"]["shared"]
    assert set(shared) == {"hard", "always"}
    assert shared["hard"]["n_passed"] == both.sum()
    assert shared["hard"]["weight_pb"] == pytest.approx(whole["weights"][both, 0].sum())

    combine = {**combine_settings([read]), "region": "high"}
    out = folder.run("combine", "high", combine, setup=setup, analysed=[read])
    assert np.sort(_events(out / "events.h5")["m_ll"]) == pytest.approx(np.sort(found["high"]["m_ll"]))
    overlap = json.loads((out / "events.json").read_text())["overlaps"]
    share = whole["weights"][both, 0].sum() / whole["weights"][masks["high"], 0].sum()
    assert overlap["hard"] == {"n_events": both.sum(), "share": pytest.approx(share)}
    with h5py.File(out / "events.h5") as file:  # an event is found again by its number among all that were read
        numbers, m_ll = file["samples/mmc_numbers"][()], file["samples/observations"][()][:, 0]
    np.testing.assert_array_equal(m_ll, whole["m_ll"][numbers])
    _, refused = folder.attempt("combine", "never", {**combine, "region": "never"}, setup=setup, analysed=[read])
    assert "no event passes the cuts of the region never in any job" in refused
