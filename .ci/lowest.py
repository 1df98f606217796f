"""Print the lowest versions that pyproject.toml allows, as constraints for pip: python .ci/lowest.py > lowest.txt

torch stays as constraints.txt pins it: its builds are large and differ from one place to another.
"""

import re
import sys
import tomllib
from pathlib import Path

ROOT = Path(__file__).parents[1]


def main() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    extras = project["optional-dependencies"].values()
    bounds = re.findall(r"^([\w-]+)>=([\w.]+)", "\n".join(sum(extras, project["dependencies"])), re.MULTILINE)
    lowest = [f"{name}=={version}" for name, version in bounds if name != "torch"]
    pinned = (ROOT / "constraints.txt").read_text(encoding="utf-8").splitlines()
    lowest += [line for line in pinned if line.startswith("torch==")]
    sys.stdout.write("\n".join(lowest) + "\n")


main()
