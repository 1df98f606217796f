"""Cross sections of regions and groups that share events, against repeated simulations."""

import json
import shutil
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
from mmc.errors import StepError
from mmc.jobs.madminer import event_combination
from mmc.jobs.madminer.cross_sections import CrossSections, independent_changes
from mmc.jobs.madminer.declarations import Content
from mmc.jobs.madminer.event_file import EventFile
from mmc.jobs.madminer.event_rows import rows_of
from mmc.jobs.madminer.shared_events import SharedEvents

SAMPLES = [
    {"sample": "signal", "slice": None, "benchmark": "sm", "n_generated": 400, "integration_error": 0.03},
    {"sample": "signal", "slice": None, "benchmark": "b", "n_generated": 300, "integration_error": 0.0},
    {"sample": "background", "slice": None, "benchmark": "sm", "n_generated": 250, "integration_error": 0.05},
]
PROBABILITIES = np.array([[0.3, 0.2, 0.4, 0.1], [0.2, 0.5, 0.1, 0.2], [0.5, 0.1, 0.2, 0.2]])
"""Of an event of each sample to be in the first region alone, in the second alone, in both, and in none."""
IN = np.array([[1, 0, 1, 0], [0, 1, 1, 0]], dtype=bool)
SIZES = np.array([1.0, 2.0, 0.5])


def simulate(random: np.random.Generator) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Weights at two benchmarks, samples, and places of all generated events; an integration is wrong for all."""
    labels = np.repeat([0, 1, 2], [int(entry["n_generated"]) for entry in SAMPLES])
    place = np.concatenate(
        [random.choice(4, int(entry["n_generated"]), p=p) for entry, p in zip(SAMPLES, PROBABILITIES, strict=True)]
    )
    errors = np.array([entry["integration_error"] for entry in SAMPLES])
    factors = (1.0 + errors * random.standard_normal(3)) * SIZES
    spread = random.exponential(1.0, len(labels))
    weights = factors[labels] / np.bincount(labels)[labels] * (0.5 + 0.5 * spread)
    return np.stack([weights, weights * (1.0 + 0.5 * place + 0.3 * spread)], axis=1), labels, place


def sums(weights: np.ndarray, labels: np.ndarray, inside: np.ndarray, names: Any = SAMPLES) -> CrossSections:
    half = np.count_nonzero(inside) // 2
    w, own = weights[inside], labels[inside]
    return CrossSections.of([(w[:half], own[:half]), (w[half:], own[half:])], names, 2)


def test_the_covariance_of_repeated_simulations() -> None:
    """Of two regions that share some events, at two benchmarks: four sums, of 10,000 simulations."""
    random, totals = np.random.default_rng(1), []
    for _ in range(10_000):
        weights, _, place = simulate(random)
        totals.append(np.concatenate([weights[region[place]].sum(axis=0) for region in IN]))
    exact = np.cov(np.transpose(totals))
    found = []
    for _ in range(100):  # each estimates the covariance from one simulation
        weights, labels, place = simulate(random)
        first, second = (sums(weights, labels, region[place]) for region in IN)
        both = IN.all(axis=0)[place]
        cross = first.covariance(second, weights[both].T @ weights[both])
        found.append(np.block([[first.covariance(), cross], [cross.T, second.covariance()]]))
    size = np.sqrt(np.outer(np.diag(exact), np.diag(exact)))
    np.testing.assert_allclose(np.mean(found, axis=0) / size, exact / size, atol=0.04)
    changes = independent_changes(found[0])
    np.testing.assert_allclose(changes.T @ changes, found[0], rtol=1e-9)


def test_disjoint_regions_of_one_sample() -> None:
    """The numbers in two regions are multinomial: their covariance is - n p q, and that of other samples is zero."""
    weights, labels = np.ones((10, 1)), np.zeros(10, dtype=int)
    name = [{"sample": "a", "slice": None, "benchmark": "sm", "n_generated": 20}]
    first = CrossSections.of([(weights[:6], labels[:6])], name, 1)
    second = CrossSections.of([(weights[6:], labels[6:])], name, 1)
    assert first.covariance(second).item() == pytest.approx(-20 * 0.3 * 0.2)
    assert first.covariance().item() == pytest.approx(20 * 0.3 * 0.7)
    other = CrossSections.of([(weights[6:], labels[6:])], [{**name[0], "sample": "b"}], 1)
    assert first.covariance(other).item() == 0.0
    assert first.times(3.0).covariance(second.times(2.0)).item() == pytest.approx(-6.0 * 20 * 0.3 * 0.2)
    assert first.integration_error(np.ones(1)) is None


def test_events_are_found_again_in_another_file(toy_events: Path, tmp_path: Path) -> None:
    """Two files with some of the events each, in random orders: sums of products as over the events of both."""
    x = np.asarray(rows_of(str(toy_events / "events.h5"))[0])
    record = json.loads((toy_events / "events.json").read_text())
    files = []
    for name, (low, high) in {"first": (-9.0, 0.4), "second": (0.0, 9.0)}.items():
        folder = tmp_path / name
        folder.mkdir()
        kept = (x[:, 0] >= low) & (x[:, 0] < high)
        part = Path(shutil.copy(toy_events / "events.h5", folder / "part.h5"))
        with h5py.File(part, "r+") as file:
            for key in ("observations", "weights", "sampling_benchmarks"):
                values = file[f"samples/{key}"][()][kept]
                del file[f"samples/{key}"]
                file[f"samples/{key}"] = values
            del file["samples/mmc_samples"]
            counts = np.bincount(values, minlength=len(file["sample_summary/signal_events"]))
            file["sample_summary/signal_events"][...] = counts
            file["samples/mmc_numbers"] = np.flatnonzero(kept)
        event_combination.combine([Content.read(part)], [1.0], folder / "events.h5", [0], [7])
        one = {**record["samples"][0], "n_generated": 8000}
        (folder / "events.json").write_text(json.dumps({**record, "samples": [one]}))
        files.append(EventFile(folder / "events.h5", 0.2, 0.2))
    for most in (1 << 28, 8 * 7 * 1000):
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr("mmc.jobs.madminer.shared_events.MOST", most)
            found = SharedEvents.of(*files)
        assert found is not None
        own = [dict(zip(file.part("all").x[:, 2], file.part("all").weights, strict=True)) for file in files]
        both = sorted(own[0].keys() & own[1].keys())  # by the third observable, which counts events
        assert found.n == len(both) == np.count_nonzero((x[:, 0] >= 0.0) & (x[:, 0] < 0.4))
        first, second = (np.array([weights[key] for key in both]) for weights in own)
        np.testing.assert_allclose(found.products, first.T @ second)
        np.testing.assert_allclose(found.sums, [first.sum(axis=0), second.sum(axis=0)])
    with h5py.File(tmp_path / "first" / "events.h5", "r+") as changed:
        del changed["samples/mmc_numbers"]
    with pytest.raises(StepError, match=r"no numbers of events .* combine the events again$"):
        SharedEvents.of(EventFile(tmp_path / "first" / "events.h5", 0.2, 0.2), files[1])
    samples = {**one, "sample": "other"}
    (tmp_path / "second" / "events.json").write_text(json.dumps({**record, "samples": [samples]}))
    assert SharedEvents.of(files[0], EventFile(tmp_path / "second" / "events.h5", 0.2, 0.2)) is None
