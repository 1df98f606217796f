"""Columns of tables of all kinds; the files are written by the packages that people use."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import awkward as ak
import h5py
import numpy as np
import pytest
import uproot
from mmc.errors import StepError
from mmc.jobs.formats import tables

X = np.array([0.5, -1.0, 2.0])
COUNTS = np.array([3, 1, 2], dtype=np.int32)
LISTS = ak.Array([[30.0, 20.0], [], [40.0]])


def _root(path: Path, **columns: Any) -> None:
    with uproot.recreate(path) as file:
        file.mktree("Events", {name: values.dtype for name, values in columns.items()} | {"pt": "var * float64"})
        file["Events"].extend({**columns, "pt": LISTS[: len(next(iter(columns.values())))]})


def _parquet(path: Path, **columns: Any) -> None:
    parquet = pytest.importorskip("pyarrow.parquet")
    import pyarrow

    pt = LISTS[: len(next(iter(columns.values())))]
    parquet.write_table(pyarrow.table({**columns, "pt": ak.to_list(pt)}), path)


def _hdf5(path: Path, **columns: Any) -> None:
    with h5py.File(path, "w") as file:
        for name, values in columns.items():
            file[f"Events/{name}"] = values


def _npz(path: Path, **columns: Any) -> None:
    np.savez_compressed(path, **columns)


WRITERS: dict[str, Callable[..., None]] = {".root": _root, ".parquet": _parquet, ".h5": _hdf5, ".npz": _npz}
every_kind = pytest.mark.parametrize("suffix", WRITERS)


def _tree(suffix: str) -> str | None:
    return "Events" if suffix == ".h5" else None


@every_kind
def test_columns(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"events{suffix}"
    WRITERS[suffix](path, x=X, n=COUNTS)
    found = tables.read(path, _tree(suffix), ["n", "x"], ["w"])
    assert list(found) == ["n", "x"]
    assert {values.dtype for values in found.values()} == {np.dtype(float)}
    np.testing.assert_array_equal(found["x"], X)
    np.testing.assert_array_equal(found["n"], COUNTS)


@pytest.mark.parametrize("suffix", [".root", ".parquet"])
def test_elements_of_lists(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"events{suffix}"
    WRITERS[suffix](path, x=X)
    found = tables.read(path, _tree(suffix), ["pt[0]", "pt[1]", "pt[9]"])
    np.testing.assert_array_equal(found["pt[0]"], [30.0, np.nan, 40.0])
    np.testing.assert_array_equal(found["pt[1]"], [20.0, np.nan, np.nan])
    assert np.isnan(found["pt[9]"]).all()
    with pytest.raises(StepError, match=r"events have lists of numbers in column 'pt' of .*: write 'pt\[0\]', say"):
        tables.read(path, _tree(suffix), ["pt"])


def test_columns_of_a_matrix(tmp_path: Path) -> None:
    _npz(tmp_path / "e.npz", p=np.arange(6.0).reshape(3, 2), one=X[:, np.newaxis], **{"w[1]": X})
    found = tables.read(tmp_path / "e.npz", None, ["p[1]", "one", "w[1]"])
    np.testing.assert_array_equal(found["p[1]"], [1.0, 3.0, 5.0])
    np.testing.assert_array_equal(found["one"], X)
    np.testing.assert_array_equal(found["w[1]"], X)
    with pytest.raises(StepError, match=r"several numbers in column 'p'"):
        tables.read(tmp_path / "e.npz", None, ["p"])
    _npz(tmp_path / "e.npz", x=X)
    with pytest.raises(StepError, match=r"events have one number in column 'x' of e.npz: write it without \[0\]"):
        tables.read(tmp_path / "e.npz", None, ["x[0]"])


def test_nulls_are_not_numbers(tmp_path: Path) -> None:
    parquet, pyarrow = pytest.importorskip("pyarrow.parquet"), pytest.importorskip("pyarrow")
    parquet.write_table(pyarrow.table({"x": [1.0, None, 3.0]}), tmp_path / "e.parquet")
    np.testing.assert_array_equal(tables.read(tmp_path / "e.parquet", None, ["x"])["x"], [1.0, np.nan, 3.0])


@every_kind
def test_a_column_that_is_not_there(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"events{suffix}"
    WRITERS[suffix](path, mass=X, n=COUNTS)
    with pytest.raises(StepError, match=r"^events\.\w+ has no column 'mas'; did you mean `mass`\? It has `mass`, `n`"):
        tables.read(path, _tree(suffix), ["mas"])


@every_kind
def test_a_column_of_texts(tmp_path: Path, suffix: str) -> None:
    path, texts = tmp_path / f"events{suffix}", ["e", "mu", "e"]
    if suffix == ".root":
        with uproot.recreate(path) as file:
            file["Events"] = {"x": X, "name": ak.Array(texts)}
    else:
        WRITERS[suffix](path, x=X, name=np.array(texts, dtype="S2" if suffix == ".h5" else None))
    with pytest.raises(StepError, match=r"column 'name' of events\.\w+ does not hold numbers"):
        tables.read(path, _tree(suffix), ["x", "name"])


@every_kind
def test_no_events(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"events{suffix}"
    WRITERS[suffix](path, x=X[:0])
    with pytest.raises(StepError, match=r"^events\.\w+ has no events$"):
        tables.read(path, _tree(suffix), ["x"])
    path.write_bytes(b"")
    with pytest.raises(StepError, match=r"^events\.\w+ is empty$"):
        tables.read(path, _tree(suffix), ["x"])
    path.write_bytes(b"PAR1root" * 20)
    with pytest.raises(StepError, match=r"^events\.\w+ is (damaged|not an HDF5 file)"):
        tables.read(path, _tree(suffix), ["x"])


@pytest.mark.parametrize("suffix", [".h5", ".npz"])
def test_columns_of_different_lengths(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"events{suffix}"
    WRITERS[suffix](path, x=X, y=X[:2])
    with pytest.raises(StepError, match=r"different lengths: 'x' has 3 events, and 'y' has 2$"):
        tables.read(path, _tree(suffix), ["x", "y"])


def test_trees(tmp_path: Path) -> None:
    with uproot.recreate(tmp_path / "e.root") as file:
        file["Events"], file["Runs"] = {"x": X}, {"x": X[:1]}
    assert len(tables.read(tmp_path / "e.root", "Runs", ["x"])["x"]) == 1
    with pytest.raises(StepError, match=r"^e.root has several trees: name one as `tree`; it has 'Events', 'Runs'$"):
        tables.read(tmp_path / "e.root", None, ["x"])
    with pytest.raises(StepError, match=r"^e.root has no tree 'events'; it has 'Events', 'Runs'$"):
        tables.read(tmp_path / "e.root", "events", ["x"])
    _hdf5(tmp_path / "e.h5", x=X)
    with pytest.raises(StepError, match=r"^e.h5 has no group 'sel'; its groups are 'Events'$"):
        tables.read(tmp_path / "e.h5", "sel", ["x"])
    _npz(tmp_path / "e.npz", x=X)
    with pytest.raises(StepError, match=r"^e.npz has no trees: remove `tree`$"):
        tables.read(tmp_path / "e.npz", "Events", ["x"])


def test_lists_without_nulls(tmp_path: Path) -> None:
    path = tmp_path / "events.parquet"
    _parquet(path, eta=ak.to_list(LISTS))
    assert {name: ak.to_list(found) for name, found in tables.read_lists(path, None, [("pt", "eta")]).items()} == {
        "pt": ak.to_list(LISTS),
        "eta": ak.to_list(LISTS),
    }


@pytest.mark.parametrize("lists", [[[1.0], [], [2.0, None]], [[1.0], [2.0], None]], ids=["number", "list"])
def test_nulls_in_lists_are_refused(tmp_path: Path, lists: list[Any]) -> None:
    path = tmp_path / "events.parquet"
    _parquet(path, eta=lists)
    with pytest.raises(StepError, match=r"column 'eta' of events.parquet has nulls, first in event 3: leave out such"):
        tables.read_lists(path, None, [("eta",)])


def test_lists_in_rows_of_arrays(tmp_path: Path) -> None:
    """Rows are filled with whatever is not a pT, where there are fewer particles."""
    path, pt = tmp_path / "events.npz", np.array([[3.0, np.nan], [0.0, -999.0], [2.0, 1.0]])
    _npz(path, pt=pt, q=np.array([[1, -7], [0, 0], [-1, 1]]), n=pt[:, 0], eta=np.where(pt == 1.0, np.inf, pt))
    found = tables.read_lists(path, None, [("pt", "q")])
    assert [ak.to_list(found[name]) for name in ("pt", "q")] == [[[3.0], [], [2.0, 1.0]], [[1], [], [-1, 1]]]
    with pytest.raises(
        StepError, match=r"^column 'n' of events.npz has the shape \(3,\): a list of particles is an array"
    ):
        tables.read_lists(path, None, [("pt", "n")])
    with pytest.raises(
        StepError, match=r"^column 'eta' of events.npz is not a number where 'pt' is, first in event 3$"
    ):
        tables.read_lists(path, None, [("pt", "eta")])
    with pytest.raises(StepError, match=r"^events.npz has no column 'phi'"):
        tables.read_lists(path, None, [("pt", "phi")])


@pytest.mark.parametrize(
    "read", [lambda path: tables.read(path, None, ["x"]), lambda path: tables.read_lists(path, None, [])]
)
def test_names_of_other_files(tmp_path: Path, read: Callable[[Path], object]) -> None:
    with pytest.raises(StepError, match=r"mmc reads; these end in \.root, \.parquet, \.pq, \.h5, \.hdf5, \.npz$"):
        read(tmp_path / "events.csv")
