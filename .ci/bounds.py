"""Print constraints for pip, for the lowest or newest versions that pyproject.toml allows: .ci/bounds.py lowest|newest

The newest are what pip takes without constraints. torch stays as constraints.txt pins it in both: a free choice takes
several GB more.
"""

import re
import sys
import tomllib
from pathlib import Path

ROOT = Path(__file__).parents[1]


def lowest() -> list[str]:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    requirements = sum(project["optional-dependencies"].values(), project["dependencies"])
    bounds = re.findall(r"^([\w-]+)>=([\w.]+)", "\n".join(requirements), re.MULTILINE)
    return [f"{name}=={version}" for name, version in bounds if name != "torch"]


def main(which: str) -> None:
    pinned = (ROOT / "constraints.txt").read_text(encoding="utf-8").splitlines()
    torch = [line for line in pinned if line.startswith("torch==")]
    sys.stdout.write("\n".join({"lowest": lowest(), "newest": []}[which] + torch) + "\n")


main(*sys.argv[1:])
