"""Events of tables: observables, weights at the benchmarks and their normalisation."""

import json
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
from mmc.errors import StepError
from mmc.jobs.formats import event_sketch

from tests.jobs.physics import BENCHMARKS, Folder, configure_settings

RANDOM = np.random.default_rng(7)
N = 60
X, Y, W = RANDOM.normal(size=N), RANDOM.normal(size=N), RANDOM.uniform(0.5, 1.5, N)
SETTINGS: dict[str, Any] = {
    "observables": {
        "x": {"definition": None, "required": False, "default": None},
        "r": {"definition": "hypot(x, why)", "required": True, "default": None},
    },
    "default_observables": None,
    "cuts": [{"definition": "x > -1", "required": False}],
    "efficiencies": [],
    "reader": "table",
    "sample": "signal",
    "benchmark": "sm",
    "background": False,
    "tables": ["one"],
    "tree": None,
    "columns": {"x": "x", "why": "y"},
    "weight": None,
    "weights": {"ll": "w_ll"},
    "cross_section_pb": 3.0,
    "sum_of_weights": None,
    "systematics": {},
}


VARIED = {"systematics": {"jes": {"effect": "weights", "up": "up"}}}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Folder:
    made = Folder(tmp_path_factory.mktemp("tables"))
    made.run("configure", "configure", {**configure_settings(BENCHMARKS), "morphing": None})
    return made


def _table(folder: Folder, name: str, rows: slice = slice(None), **changes: Any) -> Path:
    columns = {"x": X, "y": Y, "w": W, "w_ll": 2 * W, "lr": W * X**2, "up": 1.1 * W, **changes}
    path = folder.path / f"{name}.npz"
    np.savez(path, **{key: values[rows] for key, values in columns.items()})
    return path


def _weights(analysed: Path) -> tuple[dict[str, Any], dict[str, Any]]:
    with h5py.File(analysed / "events.h5") as file:
        names = [name.decode() for name in file["benchmarks/names"][()]]
        observables = [name.decode() for name in file["observables/names"][()]]
        weights = dict(zip(names, file["samples/weights"][()].T, strict=True))
        return weights, dict(zip(observables, file["samples/observations"][()].T, strict=True))


def _analyse(folder: Folder, job: str, inputs: dict[str, Path], **changes: Any) -> Path:
    settings = {**SETTINGS, "tables": list(inputs), **changes}
    return folder.run("analyse", job, settings, setup=folder.out("configure", "configure"), **inputs)


def test_observables_and_weights(folder: Folder) -> None:
    """Two tables are one sample: the cross section belongs to the sum of their weights."""
    tables = {"one": _table(folder, "one", slice(40)), "two": _table(folder, "two", slice(40, None))}
    analysed = _analyse(folder, "sum", tables, weight="w")
    weights, found = _weights(analysed)
    kept = X > -1
    np.testing.assert_allclose(found["x"], X[kept])
    np.testing.assert_allclose(found["r"], np.hypot(X, Y)[kept])
    for name, expected in {"sm": W, "ll": 2 * W, "lr": W * X**2}.items():
        np.testing.assert_allclose(weights[name], (3.0 / W.sum() * expected)[kept])
    record = json.loads((analysed / "analyse.json").read_text())
    assert (record["n_read"], record["n_passed"]) == (N, kept.sum())
    assert record["cross_section_pb"][0] == pytest.approx(3.0)
    assert set(record["events_of_files"]) == {"one.npz", "two.npz"}


def test_weights_relative_to_the_sampled_benchmark(folder: Folder) -> None:
    """Corrections in the nominal weight apply at all benchmarks; a part of the generated events is in the table."""
    settings = {"weight": "up", "weights": {"sm": "w", "ll": "w_ll"}, "sum_of_weights": 1000.0}
    weights, _ = _weights(_analyse(folder, "part", {"one": _table(folder, "part")}, **settings))
    kept = X > -1
    np.testing.assert_allclose(weights["sm"], (3.0 / 1000.0 * 1.1 * W)[kept])
    np.testing.assert_allclose(weights["ll"], (3.0 / 1000.0 * 2.2 * W)[kept])


def test_weights_that_are_factors(folder: Folder) -> None:
    """As in NanoAOD: a generator's weight of any size, and weights at the benchmarks relative to it."""
    inputs = {"one": _table(folder, "factors", gen=1000.0 * W, w_ll=2.0 + X**2, lr=1.5 + X**2)}
    out = _analyse(folder, "factors", inputs, weight="gen")
    (warning,) = json.loads((out / "analyse.json").read_text())["warnings"]
    assert "name the weight at 'sm' under `weights` too" in warning
    signs = np.where(X > 0.5, -1.0, 1.0)
    out = _analyse(folder, "signs", {"one": _table(folder, "signs", gen=signs * W)}, weight="gen")
    (warning,) = json.loads((out / "analyse.json").read_text())["warnings"]
    assert "negative nominal weight, as with an interference that has another sign there: if they are" in warning
    inputs = {"one": _table(folder, "flipped", gen=1000.0 * signs * W, w_ll=2.0 + X**2, lr=1.5 + X**2)}
    settings, setup = {**SETTINGS, "weight": "gen"}, folder.out("configure", "configure")
    _, line = folder.attempt("analyse", "flipped", settings, setup=setup, **inputs)
    assert "negative nominal weight: they are factors on these; name the weight at 'sm' under `weights` too" in line


def test_weights_of_uncertainties_and_at_the_own_benchmark_only(folder: Folder) -> None:
    settings = {
        "weight": "w",
        "only_sampled": True,
        "cross_section_pb": None,
        "systematics": {**VARIED["systematics"], "lumi": {"effect": "norm", "variation": 1.02}},
    }
    weights, _ = _weights(_analyse(folder, "varied", {"one": _table(folder, "varied")}, **settings))
    kept = X > -1
    np.testing.assert_allclose(weights["sm"], W[kept])
    assert not weights["ll"].any()
    np.testing.assert_allclose(weights["jes_nuisance_param_0_benchmark_0"], 1.1 * W[kept])
    np.testing.assert_allclose(weights["lumi_nuisance_param_0_benchmark_0"], 1.02 * W[kept])


@pytest.mark.parametrize(
    ("changes", "settings", "message"),
    [
        (
            {"w_ll": np.where(X[3] == X, np.nan, W)},
            {},
            "the weight 'w_ll' of bad.npz is not a finite number in 1 of 60",
        ),
        ({"w": -W}, {"weight": "w"}, "the weights of bad.npz add up to -"),
        ({}, {"sum_of_weights": 3.0}, "the weights of bad.npz add up to 60, more than sum_of_weights, 3"),
        ({"w": W * (X > 0)}, {"weight": "up", "weights": {"sm": "w", "ll": "w_ll"}}, "has weight 0 at the benchmark"),
        ({"lr": W[:5]}, {}, "the columns of bad.npz have different lengths: 'x' has 60 events, and 'lr' has 5"),
        ({key: np.tile(v[:30], 2) for key, v in {"x": X, "y": Y, "w_ll": W, "lr": W}.items()}, {}, "are copies of"),
        (
            {"w": 25.0 * W},
            {"weight": "w", **VARIED},
            "the weights 'up' (uncertainty jes) of bad.npz are on average 0.044 times the nominal weights, and",
        ),
        (
            {"w": 25.0 * W},
            {"weight": "w", **VARIED},
            "write the products into the file, in a table as a column that `up` names",
        ),
        *(
            (
                {**dict.fromkeys(("w", "w_ll", "lr"), np.where(X < -1, -W, W)), "up": up},
                {"weight": "w", **VARIED},
                ".npz are mostly positive where the n",
            )
            for up in (1.1 * W, np.where(X.min() == X, -1.1, 1.1) * W)  # also if one of them has the right sign
        ),
        (
            {"up": 0.0 * W},
            {"weight": "w", **VARIED},
            "the weights 'up' (uncertainty jes) of bad.npz are all 0: if these events do not have the variation, rem",
        ),
        ({}, {"cuts": [{"definition": "j[0].pt > 1", "required": False}]}, "the name 'j' is not known"),
    ],
)
def test_what_makes_no_sense_is_one_line(
    folder: Folder, tmp_path: Path, changes: dict[str, Any], settings: dict[str, Any], message: str
) -> None:
    place = Folder(tmp_path)
    table = _table(place, "bad", **changes)
    inputs = {"setup": folder.out("configure", "configure"), "one": table}
    assert message in place.refusal("analyse", "bad", {**SETTINGS, **settings}, **inputs)


def test_tables_have_the_same_weights(folder: Folder, tmp_path: Path) -> None:
    """Weights of the sampled benchmark in one of two tables would be forgotten, and all its events have weight 1."""
    place = Folder(tmp_path)
    tables = {"one": _table(place, "one", slice(40), sm=W), "two": _table(place, "two", slice(40, None))}
    line = place.refusal(
        "analyse", "x", {**SETTINGS, "tables": list(tables)}, setup=folder.out("configure", "configure"), **tables
    )
    assert line.startswith("one.npz has the weight 'sm' of the benchmark at which the events were sampled, and two.npz")


def test_events_are_known_by_their_quantities(folder: Folder) -> None:
    """The same events under other weights, in single precision; and about how many events were generated."""
    first = _analyse(folder, "double", {"one": _table(folder, "one")}, sum_of_weights=240.0)
    single = {"x": X.astype(np.float32), "y": Y.astype(np.float32), "w_ll": 3 * W}
    second = _analyse(folder, "single", {"one": _table(folder, "two", **single)}, weight="w")
    records = [json.loads((out / "analyse.json").read_text()) for out in (first, second)]
    assert records[0]["events_of_files"]["one.npz"] == records[1]["events_of_files"]["two.npz"]
    assert [record["size"] for record in records] == [pytest.approx(240.0), pytest.approx(N)]


def test_numbers_alike_by_chance_are_no_same_events(folder: Folder) -> None:
    """A narrow peak in single precision: 1.4 % of the events of one table are in an independent one."""
    random, kept = np.random.default_rng(3), {}
    settings = {"columns": {"x": "x"}, "observables": {"x": SETTINGS["observables"]["x"]}, "cuts": []}
    for name in ("peak", "other"):
        mass, w = random.normal(125.0, 1.5, 10_000).astype(np.float32), random.uniform(0.5, 1.5, 10_000)
        path = _table(folder, name, x=mass, y=mass, w=w, w_ll=w, lr=w, up=w)
        record = json.loads(
            (_analyse(folder, name, {"one": path}, weight="w", **settings) / "analyse.json").read_text()
        )
        kept[name] = event_sketch.read(record["events_of_files"][path.name])
    event_sketch.check_different(kept)
    with pytest.raises(StepError, match=r"^again has events of peak: "):
        event_sketch.check_different({**kept, "again": kept["peak"]})


def test_lists_with_more_weights_than_benchmarks(folder: Folder, tmp_path: Path) -> None:
    """The first weights are those of the benchmarks, which may be wrong."""
    place, n = Folder(tmp_path), len(BENCHMARKS)
    for size, n_warnings in ((n, 0), (n + 1, 1)):
        table = _table(place, f"size_{size}", every=np.tile(W, (size, 1)).T)
        weights = {name: f"every[{k}]" for k, name in enumerate(BENCHMARKS)}
        out = _analyse(folder, f"size_{size}", {"one": table}, weights=weights)
        warnings = json.loads((out / "analyse.json").read_text()).get("warnings", [])
        assert len(warnings) == n_warnings
        assert all(
            text.startswith(f"the lists 'every' of size_{size}.npz have more than the {n} w") for text in warnings
        )


def test_regions_have_files_of_their_own(folder: Folder) -> None:
    table = _table(folder, "regions", y=np.abs(Y), x=np.abs(X))
    regions = {
        "near": {"cuts": [{"definition": "r < 1", "required": False}], "observables": ["x", "r"], "required": []},
        "far": {"cuts": [{"definition": "r >= 1", "required": False}], "observables": ["r"], "required": []},
    }
    analysed = _analyse(folder, "regions", {"one": table}, weight="w", regions=regions)
    inside = np.hypot(X, Y) < 1
    counted = json.loads((analysed / "analyse.json").read_text())["regions"]
    for name, mask in {"near": inside, "far": ~inside}.items():
        with h5py.File(analysed / f"events_{name}.h5") as file:
            assert len(file["samples/weights"]) == mask.sum()
            assert [text.decode() for text in file["observables/names"][()]] == regions[name]["observables"]
        assert counted[name]["weight_pb"] == pytest.approx(3.0 * W[mask].sum() / W.sum())


def test_missing_elements_get_the_default(folder: Folder) -> None:
    x = np.where(X > 1.0, np.nan, X)
    settings = {
        "observables": {**SETTINGS["observables"], "x": {"definition": None, "required": False, "default": 9.0}}
    }
    _, found = _weights(_analyse(folder, "default", {"one": _table(folder, "default", x=x)}, **settings))
    filled = np.where(X > 1.0, 9.0, X)
    np.testing.assert_allclose(found["x"], filled[filled > -1])
    np.testing.assert_allclose(found["r"], np.hypot(filled, Y)[filled > -1])
