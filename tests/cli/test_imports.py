"""Commands start quickly: each imports what it needs, and nothing else."""

import subprocess
import sys

import pytest

from tests.support import STUDIES

TINY = STUDIES / "drell-yan" / "tiny.yaml"


@pytest.mark.parametrize(
    ("words", "forbidden"),
    [
        (["--help"], {"mmc.compiler", "mmc.jobs", "subprocess"}),
        (["explain", "MMC204"], {"jinja2", "mmc.compiler.targets", "mmc.compiler.plan.make", "mmc.jobs", "numpy"}),
        (
            ["validate", str(TINY)],
            {"jinja2", "mmc.compiler.targets", "mmc.compiler.plan.make", "mmc.cli.rendering", "subprocess", "numpy"}
            | {"mmc.compiler.checks.codes", "mmc.jobs"},
        ),
        (["plan", str(TINY)], {"jinja2", "mmc.compiler.targets", "torch", "matplotlib", "uproot3"}),
        (["plan", str(TINY), "--format", "mermaid"], {"jinja2", "mmc.compiler.targets", "numpy"}),
        (["compile", str(TINY), "-t", "cwl", "--check"], {"numpy", "torch", "madminer", "cwltool", "yadage"}),
    ],
)
def test_a_command_imports_only_what_it_needs(words: list[str], forbidden: set[str]) -> None:
    script = "import sys; from mmc.cli.main import main; main(sys.argv[1:]); sys.stderr.write(' '.join(sys.modules))"
    done = subprocess.run([sys.executable, "-c", script, *words], capture_output=True, text=True, check=True)
    assert forbidden & set(done.stderr.split()) == set()
