"""The package: what it holds, and that its core works without MadMiner, torch and the engines."""

import os
import re
import subprocess
import sys
import tarfile
import venv
import zipfile
from pathlib import Path

import pytest
from mmc.version import __version__

from tests.checkout import copy_checkout
from tests.support import AS_IMPORTED, ROOT, STUDIES

pytestmark = pytest.mark.engine
DATA = [path for folder in ("schema", "templates") for path in (ROOT / folder).rglob("*") if path.is_file()]
SHIPPED = sorted(str(path.relative_to(ROOT)) for path in DATA if "__pycache__" not in path.parts)


@pytest.fixture(scope="session")
def distributions(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the source distribution, and the wheel that was built from it."""
    source = copy_checkout(tmp_path_factory.mktemp("source"))
    folder = tmp_path_factory.mktemp("dist")
    subprocess.run([sys.executable, "-m", "build", "--outdir", str(folder), str(source)], check=True)
    return folder


@pytest.fixture(scope="session")
def core(distributions: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The programs of a new virtual environment with the wheel and nothing but the core's dependencies."""
    folder = tmp_path_factory.mktemp("core")
    venv.create(folder)
    (wheel,) = distributions.glob("*.whl")
    pip = [sys.executable, "-m", "pip", "--python", str(folder / "bin" / "python")]
    subprocess.run([*pip, "install", "--quiet", wheel], env={**os.environ, **AS_IMPORTED}, check=True)
    return folder / "bin"


def mmc(core: Path, *words: object, code: int = 0) -> subprocess.CompletedProcess[str]:
    """Run the installed program outside the checkout, with nothing else on the search path."""
    environment = {"PATH": f"{core}{os.pathsep}/usr/bin{os.pathsep}/bin"}
    command = [str(core / "mmc"), *map(str, words)]
    done = subprocess.run(command, capture_output=True, text=True, cwd=core, env=environment, check=False)
    assert done.returncode == code, done.stderr
    return done


def test_the_wheel_holds_schema_and_templates(distributions: Path) -> None:
    with zipfile.ZipFile(distributions / f"mmc-{__version__}-py3-none-any.whl") as wheel:
        names = set(wheel.namelist())
        for name in SHIPPED:
            assert wheel.read(f"mmc/{name}") == (ROOT / name).read_bytes()
    assert {name.split("/")[0] for name in names} == {"mmc", f"mmc-{__version__}.dist-info"}
    modules = {str(path.relative_to(ROOT / "compiler")) for path in (ROOT / "compiler").rglob("*.py")}
    assert modules <= names
    assert "mmc/py.typed" in names


def test_the_source_distribution_holds_what_the_wheel_is_made_of(distributions: Path) -> None:
    with tarfile.open(distributions / f"mmc-{__version__}.tar.gz") as archive:
        names = {name.partition("/")[2] for name in archive.getnames()}
    assert set(SHIPPED) <= names
    assert {"LICENSE", "README.md", "pyproject.toml", "compiler/mmc/cli/main.py"} <= names


def test_the_core_validates_plans_and_compiles(core: Path, tmp_path: Path) -> None:
    study = STUDIES / "drell-yan" / "study.yaml"
    for package in ("torch", "madminer", "numpy", "yadage", "cwltool", "pythia8mc"):
        done = subprocess.run([core / "python", "-c", f"import {package}"], capture_output=True, check=False)
        assert done.returncode == 1, f"{package} is in the environment of the core"
    assert mmc(core, "--version").stdout == f"mmc {__version__}\n"
    assert mmc(core, "validate", study).stdout == f"{study}: fine\n"
    assert "jobs in 10 stages" in mmc(core, "plan", study).stdout
    for target in ("yadage", "cwl", "script"):
        mmc(core, "compile", study, "--target", target, "--out", tmp_path / target)
        mmc(core, "compile", study, "--target", target, "--out", tmp_path / target, "--check")
    assert mmc(core, "explain", "MMC008").stdout
    mmc(core, "init", tmp_path / "new")
    mmc(core, "validate", tmp_path / "new" / "study.yaml")


def test_the_wheel_compiles_to_the_same_bytes_as_the_checkout(core: Path, tmp_path: Path) -> None:
    study = STUDIES / "drell-yan" / "study.yaml"
    subprocess.run([sys.executable, "-m", "mmc", "compile", study, "-t", "script", "--out", tmp_path], check=True)
    mmc(core, "compile", study, "--target", "script", "--out", tmp_path, "--check")


def test_a_missing_extra_is_one_line(core: Path, tmp_path: Path) -> None:
    done = mmc(core, "run", STUDIES / "drell-yan" / "tiny.yaml", "--out", tmp_path, code=3)
    assert re.fullmatch(
        r"mmc: configure\[configure\]: \w+ is not installed: pip install 'mmc\[steps\]'.*\n", done.stderr
    )
