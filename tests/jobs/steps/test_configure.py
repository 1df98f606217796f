import json
from pathlib import Path

import h5py
import numpy as np
import pytest

from tests.jobs.physics import BENCHMARKS, READING, Folder, combine_settings, configure_settings


def test_setup_says_what_madminer_keeps(tmp_path: Path) -> None:
    out = Folder(tmp_path).setup()
    record = json.loads((out / "setup.json").read_text())
    assert record["parameters"] == {name: {"range": [-0.06, 0.06], "max_power": 2} for name in ("c_LL", "c_LR")}
    assert list(record["benchmarks"])[:3] == list(BENCHMARKS)
    assert list(record["benchmarks"])[3:] == [f"morphing_basis_vector_{i}" for i in (3, 4, 5)]
    assert all(abs(value) <= 0.06 for point in record["benchmarks"].values() for value in point.values())
    assert sorted(map(tuple, record["components"])) == [(0, 0), (0, 1), (0, 2), (1, 0), (1, 1), (2, 0)]
    matrix = np.array(record["morphing_matrix"])
    scaled = matrix * np.prod(0.06 ** np.array(record["components"]), axis=1)[:, np.newaxis]  # in units of the range
    assert record["condition_number"] == pytest.approx(np.linalg.cond(scaled))
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


def test_card_entries(tmp_path: Path) -> None:
    """As MadGraph needs them: the transform is not evaluated here."""
    settings = configure_settings({"sm": {"CWL2": 0.0}, "w": {"CWL2": 10.0}})
    entry = {"lha_block": "dim6", "lha_id": 2, "transform": "16.52*theta", "range": [-20, 20], "max_power": 2}
    out = Folder(tmp_path).run("configure", "configure", {**settings, "parameters": {"CWL2": entry}})
    with h5py.File(out / "setup.h5") as file:
        assert file["parameters/lha_blocks"][()].tolist() == [b"dim6"]
        assert file["parameters/lha_ids"][()].tolist() == [2]
        assert file["parameters/transforms"][()].tolist() == [b"16.52*theta"]
        assert file["parameters/val_ranges"][()].tolist() == [[-20.0, 20.0]]


def test_entries_of_a_matrix(tmp_path: Path) -> None:
    """MadMiner has room for one number; two entries still have two."""
    settings = configure_settings({"sm": {"a": 0.0, "b": 0.0}, "w": {"a": 0.5, "b": 0.0}})
    entry = {"lha_block": "DSQMIX", "transform": "theta", "range": [-1, 1], "max_power": 2}
    parameters = {"a": {**entry, "lha_id": [1, 1]}, "b": {**entry, "lha_id": [1, 2]}}
    out = Folder(tmp_path).run("configure", "configure", {**settings, "parameters": parameters})
    with h5py.File(out / "setup.h5") as file:
        assert file["parameters/lha_ids"][()].tolist() == [1001, 1002]


def test_parameters_of_event_files_need_no_card_entry(tmp_path: Path) -> None:
    settings = configure_settings()
    settings["parameters"] = {name: {**e, "coefficient": None} for name, e in settings["parameters"].items()}
    out = Folder(tmp_path).run("configure", "configure", settings)
    with h5py.File(out / "setup.h5") as file:
        assert file["parameters/lha_blocks"][()].tolist() == [b"none", b"none"]
        assert file["parameters/lha_ids"][()].tolist() == [1, 2]


def test_what_madminer_cuts_short_is_refused(tmp_path: Path) -> None:
    settings = configure_settings({"sm": {"CWL2": 0.0}})
    entry = {"lha_block": "dim6", "lha_id": 2, "transform": "0.1*theta" * 40, "range": [-20, 20], "max_power": 2}
    reason = Folder(tmp_path).refusal("configure", "configure", {**settings, "parameters": {"CWL2": entry}})
    assert reason == "MadMiner does not save the parameters CWL2: use shorter names and expressions"


def test_own_basis(tmp_path: Path) -> None:
    points = [(0, 0), (0.05, 0), (-0.05, 0), (0, 0.05), (0, -0.05), (0.05, 0.05)]
    settings = configure_settings({f"b{i}": {"c_LL": ll, "c_LR": lr} for i, (ll, lr) in enumerate(points)})
    settings["morphing"]["complete"] = False
    out = Folder(tmp_path).run("configure", "configure", settings)
    record = json.loads((out / "setup.json").read_text())
    assert list(record["benchmarks"]) == [f"b{i}" for i in range(6)]
    assert record["largest_squared_weight"] > 1.0


def test_no_morphing(tmp_path: Path) -> None:
    out = Folder(tmp_path).run("configure", "configure", {**configure_settings(), "morphing": None})
    record = json.loads((out / "setup.json").read_text())
    assert record["benchmarks"] == BENCHMARKS
    with h5py.File(out / "setup.h5") as file:
        assert "morphing" not in file


def test_benchmarks_outside_the_basis_have_weights_and_no_influence(tmp_path: Path) -> None:
    """The first benchmark of the study is outside; morphing the others gives its weights."""
    from madminer.sampling import SampleAugmenter

    probe = {"probe": {"c_LL": 0.03, "c_LR": 0.04}}
    rows, weights = [], []
    for name, outside in (("with", ["probe"]), ("without", [])):
        (tmp_path / name).mkdir()
        folder = Folder(tmp_path / name)
        settings = configure_settings({**(probe if outside else {}), **BENCHMARKS})
        setup = folder.run("configure", "configure", {**settings, "outside_basis": outside}, seed=3)
        record = json.loads((setup / "setup.json").read_text())
        assert list(record["benchmarks"])[:3] == list(BENCHMARKS)
        assert list(record["benchmarks"])[6:] == record["outside_basis"] == outside
        events = folder.simulate(setup, folder.generate(setup), 200)
        analysed = folder.analyse(setup, events, {**READING, "cuts": []})
        combined = folder.run("combine", "combine", combine_settings([analysed]), setup=setup, analysed=analysed)
        sampler = SampleAugmenter(str(combined / "events.h5"))
        row = sampler._get_theta_benchmark_matrix(np.array([0.03, 0.04]))
        _, values = sampler.weighted_events()
        rows.append(row)
        weights.append(values)
        if outside:
            assert row[6] == 0.0
            np.testing.assert_allclose(values @ row, values[:, 6], rtol=1e-6)
            np.testing.assert_array_equal(sampler._get_theta_benchmark_matrix("probe"), np.eye(7)[6])
            assert sampler._get_dtheta_benchmark_matrix("probe")[:, 6].tolist() == [0.0, 0.0]
    np.testing.assert_array_equal(rows[0][:6], rows[1])
    np.testing.assert_array_equal(weights[0][:, :6], weights[1])


def test_systematics_are_kept(tmp_path: Path) -> None:
    systematics = {
        "lumi": {"effect": "norm", "variation": 1.1},
        "mur": {"effect": "scale", "scale": "mur", "variations": [0.5, 2]},
        "pdf": {"effect": "pdf", "variation": "CT10"},
    }
    out = Folder(tmp_path).run("configure", "configure", {**configure_settings(), "systematics": systematics})
    assert json.loads((out / "setup.json").read_text())["systematics"] == systematics
    with h5py.File(out / "setup.h5") as file:
        assert {key: file["systematics"][key][()].tolist() for key in file["systematics"]} == {
            "names": [b"lumi", b"mur", b"pdf"],
            "types": [b"norm", b"scale", b"pdf"],
            "values": [b"1.1", b"0.5,2.0", b"CT10"],
            "scales": [b"None", b"mur", b"None"],
        }
