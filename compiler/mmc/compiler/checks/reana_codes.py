"""The codes about REANA: see :mod:`mmc.compiler.checks.codes`."""

from mmc.compiler.catalogue.reana import NOT_READ_BY_CWL
from mmc.compiler.language.diagnostics import Code

REANA_CODES: dict[str, Code] = {
    "MMC620": Code(
        "A key belongs to a compute backend that is not used",
        "REANA reads `kubernetes_…` for jobs on kubernetes, `htcondor_…` on htcondorcern and `slurm_…` on slurmcern. "
        "It ignores all others. Keys in `jobs` are for all stages; one of them at least must run on the key's backend.",
    ),
    "MMC621": Code(
        "The engine does not read a key",
        f"REANA's engine cwl does not pass {', '.join(f'`{key}`' for key in NOT_READ_BY_CWL)} on to jobs; its engines "
        "yadage and serial do.",
    ),
    "MMC622": Code(
        "An amount is not written as REANA reads it",
        "Each compute backend has its own way: Kubernetes takes `8Gi` and `500m`, HTCondor `4 GB`, Slurm minutes. "
        "REANA refuses others when the job is submitted, in the middle of the workflow, or silently takes its default.",
    ),
    "MMC623": Code(
        "More is requested than the limit allows",
        "A request above the limit is refused by REANA when the job is submitted. What `execution.resources` asks for "
        "is the request unless another one is given.",
    ),
    "MMC624": Code(
        "An image that REANA needs is missing or not pinned",
        "REANA runs every job in a container. `execution.images` names the images, with a tag other than `latest` or a "
        "digest, which hold bash and the step program.",
    ),
    "MMC625": Code(
        "Resources do not reach the compute backend",
        "REANA tells Slurm the wall time and nothing about cores and memory; its engine cwl likewise with HTCondor. "
        "The job runs with the backend's defaults.",
        "warning",
    ),
    "MMC626": Code(
        "A retention rule is about nothing in the workspace",
        "Patterns of `retention_days` are paths within the workspace, with `*` and `**`. REANA refuses absolute ones "
        "and those with `..`.",
    ),
}
"""What a study says of REANA."""
