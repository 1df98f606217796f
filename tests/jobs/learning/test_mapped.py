"""Samples that stay in their files train the same networks."""

import json
from pathlib import Path

import numpy as np
import pytest
from mmc.jobs.learning import samples, train
from mmc.jobs.madminer.mapped import Mapped

from tests.jobs.learning_jobs import POLYNOMIAL, Learning


@pytest.mark.parametrize(
    ("method", "changes"),
    [
        ("alices", {}),
        ("sally", {"features": ["x2"]}),
        ("scandal", {}),
        ("rascal", {"estimator": "double_parameterized_ratio"}),
        (POLYNOMIAL[0], {}),
    ],
)
def test_the_network_is_the_same(
    toy_events: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, method: str, changes: dict[str, str]
) -> None:
    learning, losses = Learning(tmp_path, toy_events), []
    sampling = {key: value for key, value in changes.items() if key == "estimator"}
    folder = learning.sample(method, **sampling)
    for job, most in (("whole", samples.MOST), ("mapped", 1000)):
        monkeypatch.setattr(samples, "MOST", most)
        monkeypatch.setattr("mmc.jobs.madminer.mapped.ROWS", 700)
        monkeypatch.setattr("mmc.jobs.madminer.fast_training._READ", 500)
        assert isinstance(train.load_samples(folder / "train")["x"], Mapped) is (job == "mapped")
        out = learning.train(method, folder, job=job, **changes)
        losses.append(
            [json.loads((out / "train.json").read_text())[f"loss_{name}"] for name in ("train", "validation")]
        )
    assert losses[1] == [pytest.approx(entry, rel=1e-5) for entry in losses[0]]


def test_rows_of_a_file_are_read_in_any_order(tmp_path: Path) -> None:
    values = np.random.default_rng(1).normal(size=(1000, 3)).astype(np.float32)
    np.save(tmp_path / "x.npy", values)
    mapped = Mapped(np.load(tmp_path / "x.npy", mmap_mode="r"))
    chosen = np.random.default_rng(2).permutation(1000)[:100]
    changed = (-mapped[:, [2, 0]] - np.float32(1.0)) * np.float32(2.0) / np.float32(3.0)
    expected = (-values[:, [2, 0]] - np.float32(1.0)) * np.float32(2.0) / np.float32(3.0)
    assert np.array_equal(changed.take(chosen), expected[chosen]) and changed.shape == (1000, 2)
    assert np.mean(mapped, axis=0) == pytest.approx(values.mean(axis=0), rel=1e-5)
    assert np.std(mapped, axis=0) == pytest.approx(values.std(axis=0), rel=1e-5)
    assert np.array_equal(np.asarray(mapped), values)
