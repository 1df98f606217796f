"""The images: their recipes pass the linter, and say the version of mmc that they hold. CI builds one for real."""

import re
import shutil
import subprocess
import sys
from ast import literal_eval
from pathlib import Path

import pytest
from mmc.compiler.inputs.installations import TESTED
from mmc.version import __version__

from tests.support import ROOT

CONTAINERS = ROOT / "containers"
RECIPES = sorted(CONTAINERS.glob("*/Dockerfile"))


def test_there_are_two() -> None:
    assert [recipe.parent.name for recipe in RECIPES] == ["learning", "physics"]


@pytest.mark.parametrize("recipe", RECIPES, ids=lambda path: path.parent.name)
def test_hadolint_finds_nothing(recipe: Path) -> None:
    hadolint = shutil.which("hadolint", path=str(Path(sys.executable).parent))
    if hadolint is None:
        pytest.skip("hadolint is not installed")
    done = subprocess.run([hadolint, "--no-color", recipe], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (0, "")


@pytest.mark.parametrize("recipe", RECIPES, ids=lambda path: path.parent.name)
def test_images_are_of_this_mmc_and_run_as_nobody_special(recipe: Path) -> None:
    text = recipe.read_text()
    assert f"\nARG MMC_VERSION={__version__}\n" in text
    assert f"mmc-{recipe.parent.name}:{__version__} .\n" in text
    assert 'org.opencontainers.image.version="${MMC_VERSION}"' in text
    assert re.findall(r"^USER (.*)", text, re.MULTILINE)[-1] == "1000"


def test_the_physics_image_has_what_was_tested() -> None:
    text = (CONTAINERS / "physics" / "Dockerfile").read_text()
    assert f"MG5_aMC_v{TESTED['MadGraph']}.tar.gz" in text
    assert f"tags/{TESTED['Delphes']}.tar.gz" in text
    assert f"\nARG LEARNING_IMAGE=mmc-learning:{__version__}\n" in text


def test_only_what_is_needed_goes_into_the_build() -> None:
    """A file of secrets, a study's runs, or tests beside the recipes must not."""
    lines = [line for line in (ROOT / ".dockerignore").read_text().splitlines() if not line.startswith("#")]
    assert lines[0] == "*"
    wanted = {line[1:] for line in lines if line.startswith("!")}
    assert wanted == {"compiler", "schema", "templates", "LICENSE", "README.md", "constraints.txt", "pyproject.toml"}


def test_a_check_that_cannot_run_says_why(tmp_path: Path) -> None:
    (tmp_path / "python").symlink_to(sys.executable)
    done = subprocess.run(
        [sys.executable, CONTAINERS / "check.py"],
        env={"PATH": str(tmp_path)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 77
    assert re.match(r"skipped: .*(podman \(Debian's podman\)|needs root)", done.stdout)


def test_the_check_brings_the_extras_that_the_image_installs() -> None:
    """Without a network nothing else can be installed there."""
    recipe, check = ((ROOT / "containers" / name).read_text() for name in ("learning/Dockerfile", "check.py"))
    brought = re.search(r"^EXTRAS = (.*)$", check, re.MULTILINE)
    assert brought is not None
    assert set(literal_eval(brought[1])) == set(re.findall(r'\*extras\["(\w+)"\]', recipe))
