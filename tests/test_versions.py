"""The versions of other packages: lowest, newest and pinned, with hashes."""

import re
import subprocess
import sys
import tomllib

import pytest

from tests.support import ROOT

PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
REQUIREMENTS = sum(PROJECT["optional-dependencies"].values(), PROJECT["dependencies"])
PINS = [line for line in (ROOT / "constraints.txt").read_text().splitlines() if not line.startswith("#")]
TORCH = next(pin for pin in PINS if pin.startswith("torch=="))


def bounds(which: str) -> list[str]:
    command = [sys.executable, ROOT / ".ci" / "bounds.py", which]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout.splitlines()


def test_the_lowest_versions_are_the_lower_bounds() -> None:
    *lowest, torch = bounds("lowest")
    assert torch == TORCH
    expected = [one.partition(",")[0] for one in REQUIREMENTS if ">=" in one and not one.startswith("torch>=")]
    assert [one.replace("==", ">=") for one in lowest] == expected
    assert "jsonschema==4.9.1" in lowest


def test_the_newest_versions_are_free_but_for_torch() -> None:
    assert bounds("newest") == [TORCH]


def test_torch_loads_weights_only_by_default() -> None:
    """Earlier ones unpickle: a network of someone else would run code."""
    (bound,) = (one for one in REQUIREMENTS if one.startswith("torch>="))
    assert tuple(map(int, bound.removeprefix("torch>=").partition(",")[0].split("."))) >= (2, 6)


@pytest.mark.parametrize("requirement", REQUIREMENTS)
def test_what_mmc_asks_for_is_pinned(requirement: str) -> None:
    name = re.match(r"[\w-]+", requirement)
    assert name
    pinned = {re.sub("[-_]", "-", pin.partition("==")[0]).lower() for pin in PINS}
    assert name[0].lower() in pinned or name[0] == "pyhf"  # which has an environment of its own


def test_hashes_are_those_of_the_pinned_versions() -> None:
    """`.ci/hashes` writes them anew."""
    text = (ROOT / "constraints-hashes.txt").read_text()
    hashed = re.findall(r"^([^#\s]+==\S+) \\$", text, re.MULTILINE)
    canonical = {re.sub("[-_.]+", "-", pin.partition("==")[0]).lower() + "==" + pin.partition("==")[2] for pin in PINS}
    assert set(hashed) == canonical - {TORCH}
    assert len(re.findall(r"^    --hash=sha256:[0-9a-f]{64}( \\)?$", text, re.MULTILINE)) >= len(hashed)
