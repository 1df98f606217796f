"""Models are read without running them."""

import json
import sys
import tarfile
import zipfile
from pathlib import Path

import pytest
from mmc.cli.study_file import read_model_in
from mmc.compiler.inputs import ufo_model

from tests.jobs.matrix_elements import ufo_models


def test_what_the_files_declare(tmp_path: Path) -> None:
    found = ufo_model.declared(ufo_model.texts(ufo_models.write(tmp_path / "small")) or {})
    assert found is not None
    assert found.particles == {"q": 1, "q~": -1, "k": 2, "k~": -2, "v": 23, "h": 25}
    assert found.spins["v"] == 3
    assert found.entries == {"mass 23", "mass 25", "new 1", "new 2", "new 3"}
    assert found.orders == {"SM": 1, "NP": 1}


def test_code_does_not_run(tmp_path: Path) -> None:
    code = "from pathlib import Path\nPath('ran').touch()\nraise SystemExit\n"
    folder = ufo_models.write(tmp_path / "small", particles=code)
    assert ufo_model.declared(ufo_model.texts(folder) or {}) is not None
    assert not list(tmp_path.rglob("ran"))


@pytest.mark.parametrize(
    "text",
    [
        "print 'Python 2'",
        "Particle(name='x', antiname='x~', pdg_code=number, spin=2)",
        "Particle(name=3, antiname='x~', pdg_code=1, spin=2)",
        "(" * 10_000,
        "\0",
    ],
)
def test_files_that_tell_nothing(text: str, tmp_path: Path) -> None:
    folder = ufo_models.write(tmp_path / "small", particles=text)
    assert ufo_model.declared(ufo_model.texts(folder) or {}) is None


def test_archives(tmp_path: Path) -> None:
    folder = ufo_models.write(tmp_path / "small")
    with tarfile.open(tmp_path / "small.tar.gz", "w:gz") as packed:
        packed.add(folder, "models/small")
    with zipfile.ZipFile(tmp_path / "small.zip", "w") as packed:
        for file in folder.iterdir():
            packed.write(file, f"small/{file.name}")
    expected = ufo_model.texts(folder)
    read = read_model_in(tmp_path)
    assert read({"file": "small.tar.gz"}) == read({"file": "small.zip"}) == expected
    (tmp_path / "cut.tar.gz").write_bytes((tmp_path / "small.tar.gz").read_bytes()[:300])
    (tmp_path / "cut.zip").write_bytes((tmp_path / "small.zip").read_bytes()[:300])
    with tarfile.open(tmp_path / "empty.tar", "w"):
        pass
    for name in ("cut.tar.gz", "cut.zip", "empty.tar", "missing.tar", "a\0b", "x" * 5000):
        assert read({"file": name}) is None


def test_names(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    ufo_models.write(tmp_path / "small-1.0")
    monkeypatch.setenv("MMC_UFO_PATH", f"/nowhere:{tmp_path}")
    read = read_model_in(tmp_path)
    assert read("small-1.0") == ufo_model.texts(tmp_path / "small-1.0")
    assert read("no_such_model") is read("small-2.0") is read("json") is None


def test_a_package_in_the_current_folder_is_not_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Python finds one there; a study of someone else could bring it, without the reader's trust."""
    ufo_models.write(tmp_path / "stranger")
    (tmp_path / "stranger" / "__init__.py").touch()
    monkeypatch.chdir(tmp_path)
    for entry in ("", ".", str(tmp_path)):
        monkeypatch.setattr(sys, "path", [entry, *sys.path])
    assert ufo_model.installed("stranger") is None


def test_a_folder_is_found_before_a_package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "json").mkdir()
    monkeypatch.setenv("MMC_UFO_PATH", str(tmp_path))
    assert ufo_model.installed("json") == tmp_path / "json"
    monkeypatch.delenv("MMC_UFO_PATH")
    assert ufo_model.installed("json") == Path(json.__file__).parent
