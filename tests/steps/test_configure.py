import json
from pathlib import Path

import h5py
import numpy as np
import pytest

from tests.steps.physics import BENCHMARKS, Folder, configure_settings

pytestmark = pytest.mark.engine


def test_setup_says_what_madminer_keeps(tmp_path: Path) -> None:
    out = Folder(tmp_path).setup()
    record = json.loads((out / "setup.json").read_text())
    assert record["parameters"] == {name: {"range": [-0.06, 0.06], "max_power": 2} for name in ("c_LL", "c_LR")}
    assert list(record["benchmarks"])[:3] == list(BENCHMARKS)
    assert list(record["benchmarks"])[3:] == [f"morphing_basis_vector_{i}" for i in (3, 4, 5)]
    assert all(abs(value) <= 0.06 for point in record["benchmarks"].values() for value in point.values())
    assert sorted(map(tuple, record["components"])) == [(0, 0), (0, 1), (0, 2), (1, 0), (1, 1), (2, 0)]
    matrix = np.array(record["morphing_matrix"])
    assert record["condition_number"] == pytest.approx(np.linalg.cond(matrix))
    with h5py.File(out / "setup.h5") as file:
        assert file["benchmarks/names"][()].tolist() == [name.encode() for name in record["benchmarks"]]
        assert file["benchmarks/values"][()].tolist() == [
            list(point.values()) for point in record["benchmarks"].values()
        ]
        assert file["morphing/morphing_matrix"][()].tolist() == record["morphing_matrix"]
        assert file["parameters/lha_blocks"][()].tolist() == [b"contact", b"contact"]
        assert file["parameters/lha_ids"][()].tolist() == [1, 2]
        assert file["parameters/transforms"][()].tolist() == [b"theta", b"theta"]
    # the morphing weights are 1 at a benchmark and 0 at the others
    points = [list(point.values()) for point in record["benchmarks"].values()]
    powers = np.array([[np.prod(np.power(point, component)) for component in record["components"]] for point in points])
    np.testing.assert_allclose(powers @ matrix, np.eye(6), atol=1e-9)


def test_basis_depends_on_the_seed_alone(tmp_path: Path) -> None:
    read = [(Folder(tmp_path).setup(seed=seed) / "setup.h5").read_bytes() for seed in (3, 3, 4)]
    assert read[0] == read[1]
    assert read[0] != read[2]


def test_order_of_the_values_of_a_benchmark_does_not_matter(tmp_path: Path) -> None:
    turned = {name: dict(reversed(point.items())) for name, point in BENCHMARKS.items()}
    out = Folder(tmp_path).setup(turned)
    assert json.loads((out / "setup.json").read_text())["benchmarks"]["lr"] == {"c_LL": 0.0, "c_LR": -0.05}
    with h5py.File(out / "setup.h5") as file:
        assert file["benchmarks/values"][2].tolist() == [0.0, -0.05]


def test_too_many_benchmarks(tmp_path: Path) -> None:
    many = {f"b{i}": {"c_LL": 0.01 * i, "c_LR": 0.002 * i * i} for i in range(7)}
    reason = Folder(tmp_path).refusal("configure", "configure", configure_settings(many))
    assert reason.startswith("7 benchmarks for a morphing basis of 6: remove benchmarks")


@pytest.mark.parametrize(
    "points",
    [
        [(0.0, 0.0), (0.0, 0.0)],
        [(0.0, 0.0), (0.05, 0.0), (0.05, 0.0)],
        [(0.0, 0.0), (0.01, 0.0), (0.02, 0.0), (0.03, 0.0)],  # cannot tell four powers of one parameter apart
        [(0.0, 0.0), (0.05, 0.0), (0.05, 1e-18)],
    ],
)
def test_singular_basis(tmp_path: Path, points: list[tuple[float, float]]) -> None:
    same = {f"b{i}": {"c_LL": ll, "c_LR": lr} for i, (ll, lr) in enumerate(points)}
    reason = Folder(tmp_path).refusal("configure", "configure", configure_settings(same))
    assert "singular" in reason
