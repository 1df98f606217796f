"""Combinations of regions of the toy's events, compared with numpy and with limits of all events."""

import itertools
import json
import shutil
from pathlib import Path

import h5py
import jsonschema
import numpy as np
import pytest
from mmc.jobs.arrays import read_npz
from mmc.jobs.formats import event_sketch
from mmc.jobs.madminer import event_combination, workarounds
from mmc.jobs.madminer.declarations import Content
from mmc.jobs.madminer.event_file import EventFile
from mmc.jobs.record import RECORD
from mmc.jobs.statistics.problem import LimitProblem
from mmc.jobs.statistics.region_likelihood import LIKELIHOOD

from tests.jobs.learning_jobs import Learning
from tests.support import ROOT

TTBAR_FLOATS = {
    "overlaps": {},
    "floating": ["ttbar"],
    "samples": [{"sample": name, "n_generated": None} for name in ("signal", "ttbar")],
}


def _half(source: Path, folder: Path, *, high: bool) -> Path:
    """The events with x1 above or below 0.3, as ``combine`` writes them."""
    shutil.copytree(source, folder)
    workarounds.apply()
    from madminer.utils.interfaces import hdf5

    path = str(folder / "events.h5")
    x, weights, ids = hdf5._load_samples(path)
    keep = (x[:, 0] > 0.3) == high
    counts = np.bincount(ids[keep], minlength=weights.shape[1])
    hdf5._save_samples(path, True, x[keep], weights[keep], ids[keep])
    hdf5._save_samples_summary(path, True, counts, 0)
    job = {"job": folder.name, "stage": "combine"}
    (folder / RECORD).write_text(json.dumps(job))
    (folder / "events.json").write_text(json.dumps({"overlaps": {}}))
    return folder


def test_regions_of_the_same_samples(toy_events: Path, tmp_path: Path) -> None:
    """All events that were generated are in one of two regions: more in one are fewer in the other. f at each point is
    that of numpy, from the events."""
    samples = json.loads((toy_events / "events.json").read_text())["samples"]
    regions = [_half(toy_events, tmp_path / name, high=name == "high") for name in ("low", "high")]
    learning, made, weights, labels = Learning(tmp_path / "run", toy_events), [], [], []
    for region in regions:
        learning.events = region
        with h5py.File(region / "events.h5", "r+") as file:
            file["samples"].pop("mmc_samples", None)
            file["samples/mmc_samples"] = file["samples/sampling_benchmarks"][()].astype(np.int32)
            labels.append(file["samples/mmc_samples"][()])
        (region / "events.json").write_text(json.dumps({"overlaps": {}, "samples": samples}))
        made.append(learning.baseline("rate", f"rate.{region.name}", group=region.name, combined=True))
        events = EventFile(region / "events.h5", 0.2, 0.2)
        weights.append(events.part("all").weights * learning.limits.luminosity_pb)
    of = [{"stage": "baselines", "job": path.name, "group": path.name.partition(".")[2]} for path in made]
    settings = {**learning.evaluation, "combination": "both", "of": of}
    out = learning.run("combinations", "both.rate", settings, events=regions, baseline=made)
    together = read_npz(out / "limits.npz")["log_likelihood_ratio"].ravel()
    assert json.loads((out / "combination.json").read_text())["overlaps"] == []

    problem = LimitProblem.of(events, learning.limits)
    rows = problem.coefficients
    mu = np.array([rows @ own.sum(axis=0) for own in weights])
    log = mu[:, -1:] * np.log(mu) - mu
    q = log[:, -1:] - log
    a = np.sign(mu - mu[:, -1:]) * np.sqrt(q * mu[:, -1:]) / mu
    numbers = [entry["n_generated"] for entry in samples]
    variance = sum(a[r] ** 2 * np.square(weights[r] @ rows.T).sum(axis=0) for r in range(2))
    for k, n in enumerate(numbers):
        of_sample = [rows @ weights[r][labels[r] == k].sum(axis=0) for r in range(2)]
        variance -= (a[0] * of_sample[0] + a[1] * of_sample[1]) ** 2 * (1.0 / n - 1e-12)
    f = (variance / np.maximum(q.sum(axis=0), 1e-12))[:-1]
    expected = -q.sum(axis=0)[:-1] / (1.0 + f)
    far = q.sum(axis=0)[:-1] > 0.1
    np.testing.assert_allclose((together - together.max())[far], (expected - expected.max())[far], rtol=1e-4, atol=1e-3)
    bound = sum(a[r] ** 2 * np.square(weights[r] @ rows.T).sum(axis=0) for r in range(2))
    assert (variance <= bound).all() and variance[:-1].sum() < 0.9 * bound[:-1].sum()


def test_two_periods_with_the_same_samples(toy_events: Path, tmp_path: Path) -> None:
    """Groups that share all samples share the errors of the simulation; the same files by other names are refused."""
    learning, made, groups = Learning(tmp_path / "run", toy_events), [], []
    for name in ("first", "second"):
        groups.append(Path(shutil.copytree(toy_events, tmp_path / name)))
        with h5py.File(groups[-1] / "events.h5", "r+") as file:
            file["samples/mmc_numbers"] = np.arange(len(file["samples/weights"]))
        (groups[-1] / RECORD).write_text(json.dumps({"stage": "combine", "job": name}))
        learning.events = groups[-1]
        made.append(learning.baseline("rate", f"rate.{name}", group=name, combined=True))
    of = [{"stage": "baselines", "job": folder.name, "group": folder.name.partition(".")[2]} for folder in made]
    settings = {**learning.evaluation, "combination": "both", "of": of, "independent": True}
    out = learning.run("combinations", "both.rate", settings, events=groups, baseline=made)
    record = json.loads((out / "combination.json").read_text())
    all_of_them = {"share": pytest.approx(1.0), "correlation": pytest.approx(1.0)}
    assert record["overlaps"] == [{"of": ["first", "second"], "n_events": 8000, **all_of_them}]
    alone = json.loads((made[0] / "baseline.json").read_text())
    assert record["events_per_simulated_event"] == pytest.approx(2.0 * alone["events_per_simulated_event"])
    digests = event_sketch.write(np.arange(200, dtype=np.uint64))
    for name, group in zip("ab", groups, strict=True):
        events = json.loads((group / "events.json").read_text())
        (group / "events.json").write_text(json.dumps({**events, "events_of_files": {f"{name}.lhe": digests}}))
    with pytest.raises(AssertionError, match=r"b\.lhe has events of a\.lhe.* Let groups .* name the same sample"):
        learning.run("combinations", "both.rate", settings, events=groups, baseline=made)


@pytest.mark.usefixtures("plain_figures")
def test_a_sample_that_floats_in_two_regions(toy_events: Path, tmp_path: Path) -> None:
    """In one region of counts, three quarters of the events are of a sample that floats; in the other, a ninth."""
    halves, learning = [], Learning(tmp_path / "run", toy_events)
    for name, factor in {"low": 3.0, "high": 0.125}.items():
        half = _half(toy_events, tmp_path / name, high=name == "high")
        content = Content.read(half / "events.h5")
        event_combination.combine([content] * 2, [1.0, factor], tmp_path / "events.h5", labels=[0, 1])
        (tmp_path / "events.h5").replace(half / "events.h5")
        whole = json.loads((toy_events / "events.json").read_text())
        (half / "events.json").write_text(json.dumps({**whole, **TTBAR_FLOATS}))
        halves.append(half)
    made = []
    for half in halves:
        learning.events = half
        made.append(learning.baseline("rate", f"rate.{half.name}", group=half.name, combined=True))
    of = [{"stage": "baselines", "job": folder.name, "group": folder.name.partition(".")[2]} for folder in made]
    settings = {**learning.evaluation, "combination": "both", "of": of, "floating": ["ttbar"]}
    out = learning.run("combinations", "both.rate", settings, events=halves, baseline=made)
    record = json.loads((out / "combination.json").read_text())
    assert record["floating"] == ["ttbar"] and record["degrees_of_freedom"] == 1
    fitted = record["normalisations"]["ttbar"]
    assert fitted["value"] == pytest.approx(1.0, abs=0.01)
    n_low = next(part["n_expected"] for part in record["of"] if part["group"] == "low")
    assert fitted["error"] > n_low**-0.5 / 0.75, "that of the count, if everything else were known"
    inputs = {"events": halves, "baseline": made, "combination": [out]}
    report = learning.report(groups=["low", "high"], formats=["svg"], **inputs)
    page = (report / "index.html").read_text(encoding="utf-8")
    assert "Normalisations that are fitted with the parameters</caption>" in page
    schema = json.loads((ROOT / "schema" / "1.0" / "results.json").read_text())
    jsonschema.validate(
        {"name": "both.rate", **record, "grid": "x"},
        {"$ref": "#/definitions/combination", "definitions": schema["definitions"]},
    )


def test_scans_of_two_regions(toy_events: Path, tmp_path: Path) -> None:
    """The scan of a histogram and a rate, with half of the events floating, agrees with the grid, and needs none."""
    ranges = {"c1": [-1.0, 1.0], "c2": [-1.0, 1.0]}
    halves = [_half(toy_events, tmp_path / name, high=name == "high") for name in ("low", "high")]
    for half in halves:
        content = Content.read(half / "events.h5")
        event_combination.combine([content] * 2, [0.5, 0.5], tmp_path / "events.h5", labels=[0, 1])
        (tmp_path / "events.h5").replace(half / "events.h5")
        (half / "events.json").write_text(json.dumps(TTBAR_FLOATS))
    records = []
    scans = {"scans": [{"over": ["c1"], "points": 5}], "ranges": ranges, "grid": {}}
    for evaluation in ({}, scans):
        learning = Learning(tmp_path / f"run_{len(evaluation)}", halves[0], **evaluation)
        own = {"observables": ["x1", "x2"], "bins": [3, 6]}
        made = [learning.baseline("histogram", "histogram.low", group="low", combined=True, **own)]
        learning.events = halves[1]
        made.append(learning.baseline("rate", "rate.high", group="high", combined=True))
        of = [{"stage": "baselines", "job": path.name, "group": path.name.partition(".")[2]} for path in made]
        settings = {**learning.evaluation, "combination": "both", "of": of, "floating": ["ttbar"]}
        parts = [float(read_npz(path / LIKELIHOOD)["part"]) for path in made]
        assert parts == pytest.approx([0.8, 1.0], rel=1e-3), "histograms have all but the test events"
        out = learning.run("combinations", "both", settings, events=halves, baseline=made)
        records.append(json.loads((out / "combination.json").read_text()))
    (low, high), (scanned_low, scanned_high) = (record["intervals"]["c1"]["0.68"][0] for record in records)
    assert (low, high) == pytest.approx((scanned_low, scanned_high), abs=0.02) and high - low > 0.1
    assert records[1]["scans"]["fit"]["best_fit"] == pytest.approx({"c1": 0.0, "c2": 0.0}, abs=1e-3)
    assert any(name.startswith("scan") for name in np.load(out / "limits.npz").files)
    on_grid, alone = (record["normalisations"]["ttbar"] for record in records)
    assert alone["value"] == pytest.approx(1.0, abs=1e-3)
    assert alone["error"] == pytest.approx(on_grid["error"], rel=0.1)


def test_two_regions_are_the_whole(toy_events: Path, tmp_path: Path) -> None:
    """The limits of two rates are those of numpy, and the sum of the information is that of all events."""
    halves = [_half(toy_events, tmp_path / name, high=name == "high") for name in ("low", "high")]
    made: dict[str, list[Path]] = {}
    for half in halves:
        learning = Learning(tmp_path / "run", half)
        for kind, own in {"rate": {"combined": True}, "fisher": {"observable": None, "bins": 1}}.items():
            made.setdefault(kind, []).append(learning.baseline(kind, f"{kind}.{half.name}", group=half.name, **own))
    outputs = []
    for kind, folders in made.items():
        of = [{"stage": "baselines", "job": folder.name, "group": folder.name.partition(".")[2]} for folder in folders]
        settings = {**learning.evaluation, "combination": "both", "of": of}
        outputs.append(learning.run("combinations", f"both.{kind}", settings, events=halves, baseline=folders))
    whole = Learning(tmp_path / "whole", toy_events)
    record = json.loads((outputs[0] / "combination.json").read_text())
    assert record["degrees_of_freedom"] == 2 and record["verdict"] in ("passed", "doubtful")
    axis = np.linspace(-1.0, 1.0, 9)
    points = np.array([*itertools.product(axis, axis), (0.0, 0.0)])
    log, factor, distance = np.zeros((3, len(points)))
    for half in halves:
        file = EventFile(half / "events.h5", 0.2, 0.2)
        weights = file.part("all").weights @ file.coefficients(points).T
        mu = 20_000.0 * weights.sum(axis=0)
        own = mu[-1] * np.log(mu) - mu
        log, distance = log + own, distance + own[-1] - own
        factor += (own[-1] - own) * mu[-1] * np.square(weights).sum(axis=0) / weights.sum(axis=0) ** 2
    away = np.append(distance[:-1] > 1e-9, False)
    found = np.append(np.load(outputs[0] / "limits.npz")["log_likelihood_ratio"].ravel(), 0.0)
    undivided = found[away] * (1.0 + factor[away] / distance[away])
    np.testing.assert_allclose(undivided - undivided[0], log[away] - log[away][0], atol=1e-6)
    information = json.loads((outputs[1] / "combination.json").read_text())["information"]
    all_events = json.loads((whole.baseline("fisher", observable=None, bins=1) / "baseline.json").read_text())
    for key in ("truth", "rate"):
        parts = [json.loads((path / "baseline.json").read_text())["information"][key] for path in made["fisher"]]
        np.testing.assert_allclose(information[key]["matrix"], np.sum([part["matrix"] for part in parts], axis=0))
    truth = all_events["information"]["truth"]["matrix"]
    np.testing.assert_allclose(information["truth"]["matrix"], truth, rtol=0.05, atol=0.05 * np.trace(truth))
    schema = json.loads((ROOT / "schema" / "1.0" / "results.json").read_text())
    for path, files in zip(outputs, ({"grid": "x"}, {"matrices": "x"}), strict=True):
        entry = {"name": path.name, **json.loads((path / "combination.json").read_text()), **files}
        jsonschema.validate(entry, {"$ref": "#/definitions/combination", "definitions": schema["definitions"]})
