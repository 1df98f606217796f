"""The REANA target: the files of the target yadage, cwl, script or snakemake, and ``reana.yaml``, which REANA
reads.

All jobs of a run share one folder, the workspace. The bundle is uploaded into it, so its paths are those of the
workspace. Every job runs in a container, and REANA's engines paste names of files into commands without quotes.
"""

import re
from collections.abc import Mapping
from dataclasses import replace
from functools import partial
from typing import Any

from mmc.compiler.catalogue.images import is_pinned
from mmc.compiler.catalogue.reana import NOT_READ, asked, cores
from mmc.compiler.plan.model import Plan, Stage
from mmc.compiler.targets import cwl, dataflow, script, snakemake, yadage
from mmc.compiler.targets.bundle import Bundle, make_bundle
from mmc.compiler.targets.options import Options
from mmc.compiler.targets.quoting import Markdown, Yaml, render, shell
from mmc.errors import MmcError, UsageError
from mmc.version import __version__

SPECIFICATION = "reana.yaml"

_TAME_PATH = re.compile(r"[A-Za-z0-9_.+/-]+")


def emit(plan: Plan, options: Options) -> Bundle:
    """The plan for REANA, with the engine of the options, else of the study.

    :raises MmcError: when a stage has no pinned image, a name of a file is not tame, or the engine does not read a key
    """
    engine = options.engine or plan.reana.engine
    plan = _without_gpus(cwl.without_gathering(plan) if engine == "cwl" else plan)
    _check(plan, options, engine)
    texts = _documents(plan, options, engine)
    outputs = _outputs(plan, engine)
    folders = list(dict.fromkeys(path.split("/")[0] for path in outputs))
    header = {"plan": plan, "version": __version__}
    texts["README.md"] = render(Markdown, "reana/README.md.j2", engine=engine, folders=folders, **header)
    bundle = make_bundle(plan, "reana", texts)
    texts[SPECIFICATION] = render(
        Yaml,
        "reana/reana.yaml.j2",
        inputs=sorted({*bundle.texts, *bundle.copies}),
        parameters=PARAMETERS[engine],
        workflow=_workflow(plan, engine),
        steps=_steps(plan) if engine == "serial" else [],
        outputs=outputs,
        workspace={"retention_days": plan.reana.retention_days} if plan.reana.retention_days else {},
        **header,
    )
    return make_bundle(plan, "reana", texts, script.EXECUTABLES & texts.keys())


def _without_gpus(plan: Plan) -> Plan:
    """The plan as REANA can ask for it: it has no key for GPUs."""
    return replace(plan, stages=tuple(replace(s, resources=replace(s.resources, gpus=0)) for s in plan.stages))


def _check(plan: Plan, options: Options, engine: str) -> None:
    if options.local:
        raise UsageError("REANA runs every job in a container: compile without --local")
    for stage in plan.stages:
        place = f"`execution: {{images: {{{stage.group}: …}}}}`"
        if stage.image is None:
            raise MmcError(
                f"REANA runs every job in a container, and the stage {stage.name} has no image: name it in {place}"
            )
        if not is_pinned(stage.image):
            raise MmcError(f"REANA needs a tag or a digest of the image {stage.image}: name one in {place}")
        unread = [key for key in NOT_READ.get(engine, ()) if key in plan.reana.of(stage.name)]
        if unread:
            raise MmcError(
                f"REANA's engine {engine} does not read {unread[0]}, which the stage {stage.name} is given: remove it, "
                "or take the engine yadage or serial"
            )
    untamed = [str(file.path) for file in plan.files if not _TAME_PATH.fullmatch(str(file.path))]
    if untamed:
        raise MmcError(
            f"REANA's engines cannot quote the name {untamed[0]!r}: rename the file with letters, digits, `_.+-`"
        )


def _documents(plan: Plan, options: Options, engine: str) -> dict[str, str]:
    """The texts of the engine's own target."""
    keys = partial(_keys, plan, engine)
    if engine == "yadage":
        return yadage.documents(plan, options, keys)
    if engine == "cwl":
        return cwl.documents(plan, options, lambda stage: {"reana": keys(stage)} if keys(stage) else {})
    if engine == "snakemake":
        return snakemake.documents(plan, options, keys)
    return script.documents(plan)


def _keys(plan: Plan, engine: str, stage: Stage) -> dict[str, Any]:
    """REANA's keys of a stage; the time is for all jobs of a task, and for all tries where a script repeats them."""
    resources, n_jobs = stage.resources, 1 if engine == "serial" else len(dataflow.tasks(plan, stage)[0])
    resources = resources if engine in ("serial", "snakemake") else replace(resources, retries=0)
    resources = replace(resources, time_s=resources.time_of_tries_s(n_jobs))
    return asked(plan.reana, engine, stage.name, resources, len(stage.jobs))


PARAMETERS: Mapping[str, Mapping[str, str]] = {
    "yadage": {"bundle": "."},  # as inputs.yml of the target yadage
    "cwl": {"input": "job.yml"},
    "serial": {},
    "snakemake": {},
}
"""The parameters of the workflow; of CWL the file that holds them."""


FILES: Mapping[str, str | None] = {
    "yadage": "workflow.yml",
    "cwl": "workflow.cwl",
    "serial": None,
    "snakemake": snakemake.FILE,
}
"""The file of the workflow; a serial workflow stands in ``reana.yaml``."""


def _workflow(plan: Plan, engine: str) -> dict[str, Any]:
    file = {} if FILES[engine] is None else {"file": FILES[engine]}
    resources = {"resources": {"cvmfs": list(plan.reana.cvmfs)}} if plan.reana.cvmfs else {}
    return {"type": engine, **file, **resources}


def _steps(plan: Plan) -> list[dict[str, Any]]:
    """A step for each stage, whose jobs ``run.sh`` runs in one container."""
    steps = []
    for stage in plan.stages:
        keys = _keys(plan, "serial", stage)
        command = f"bash run.sh --jobs {cores(keys, stage.resources)} --stage {shell(stage.name)}"
        steps.append({"name": stage.name, "rest": {"environment": stage.image, "commands": [command], **keys}})
    return steps


def _outputs(plan: Plan, engine: str) -> list[str]:
    """The directories of the results, relative to the workspace."""
    if engine == "yadage":
        return yadage.outputs(plan)
    if engine == "cwl":
        return [f"outputs/{path}" for path in cwl.outputs(plan)]  # where REANA has cwltool put them
    if engine == "snakemake":
        return snakemake.outputs(plan)
    return [f"out/{path}" for path in script.outputs(plan)]
