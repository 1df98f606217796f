"""Targets: functions from a plan to a bundle of files that an engine runs."""

from collections.abc import Callable, Mapping

from mmc.compiler.plan.model import Plan
from mmc.compiler.targets.bundle import Bundle
from mmc.compiler.targets.cwl import emit as emit_cwl
from mmc.compiler.targets.htcondor import emit as emit_htcondor
from mmc.compiler.targets.hyperqueue import emit as emit_hyperqueue
from mmc.compiler.targets.options import Options
from mmc.compiler.targets.reana import emit as emit_reana
from mmc.compiler.targets.script import emit as emit_script
from mmc.compiler.targets.slurm import emit as emit_slurm
from mmc.compiler.targets.snakemake import emit as emit_snakemake
from mmc.compiler.targets.yadage import emit as emit_yadage

TARGETS: Mapping[str, Callable[[Plan, Options], Bundle]] = {
    "yadage": emit_yadage,
    "cwl": emit_cwl,
    "script": emit_script,
    "reana": emit_reana,
    "slurm": emit_slurm,
    "htcondor": emit_htcondor,
    "snakemake": emit_snakemake,
    "hyperqueue": emit_hyperqueue,
}
"""Every target by the name that ``mmc compile --target`` takes."""
