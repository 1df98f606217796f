"""The Yadage target: a workflow of two sub-workflows, each stage a scatter of packtivities.

Yadage names a step and its directory after the stage, ``STAGE`` or ``STAGE_I`` for the I-th of a scatter. Every step
publishes this name, and later jobs are given names, from which their commands make paths within the work directory.
Names hold nothing but our own words, so Yadage's joining of a list with blanks does no harm wherever the work directory
is; and they are short: Linux takes 128 KiB in one word of a command line, and to Yadage a whole command is one word.
"""

import re
import shlex
from collections.abc import Callable, Mapping
from typing import Any

from mmc.compiler.plan.model import Flow, Input, Plan, Stage
from mmc.compiler.targets import dataflow
from mmc.compiler.targets.bundle import Bundle, make_bundle
from mmc.compiler.targets.options import Options
from mmc.compiler.targets.quoting import Markdown, Yaml, render, shell, yadage
from mmc.errors import MmcError
from mmc.version import __version__

LONGEST_COMMAND = 128 * 1024 - 4096
"""Bytes that a command may have, less what the two paths in it and the lines around it may need."""

_SAFE_WORD = re.compile(r"[A-Za-z0-9_.+-]+")


def emit(plan: Plan, options: Options) -> Bundle:
    """The plan as a Yadage workflow.

    :raises MmcError: when a stage gathers so many directories that its command would be too long
    """
    header = {"plan": plan, "version": __version__}
    images = {stage.image: None for stage in plan.stages if stage.image and not options.local}
    results = [f"work/{_places(stage)}" for stage in dataflow.products(plan)]
    texts = {
        **documents(plan, options),
        "inputs.yml": render(Yaml, "yadage/inputs.yml.j2"),
        "README.md": render(Markdown, "yadage/README.md.j2", images=list(images), results=results, **header),
    }
    return make_bundle(plan, "yadage", texts)


def documents(
    plan: Plan, options: Options, resources: Callable[[Stage], Mapping[str, Any]] | None = None
) -> dict[str, str]:
    """The workflow's documents by path; those for REANA with ``resources``, what it reads of a step's environment.

    :raises MmcError: when a stage gathers so many directories that its command would be too long
    """
    header = {"plan": plan, "version": __version__}
    groups = dataflow.groups(plan)
    steps = [_step(plan, stage, options) for stage in plan.stages]
    if resources is not None:
        steps = [_for_reana(step, resources(stage)) for step, stage in zip(steps, plan.stages, strict=True)]
    texts = {
        "workflow.yml": render(Yaml, "yadage/workflow.yml.j2", groups=[_group(plan, g) for g in groups], **header),
        "steps.yml": render(Yaml, "yadage/steps.yml.j2", stages=steps),
    }
    for group in groups:
        stages = [_stage(plan, stage) for stage in plan.group(group)]
        texts[f"{group}.yml"] = render(Yaml, "yadage/group.yml.j2", name=group, stages=stages)
    return texts


def outputs(plan: Plan) -> list[str]:
    """The directories of the results, relative to the work directory."""
    return [f"{s.group}/{name}/{s.output}" for s in dataflow.products(plan) for name in _directories(plan, s)]


def _group(plan: Plan, group: str) -> dict[str, Any]:
    imports = dataflow.imports(plan, group)
    selectors = {stage.name: _selector(stage, f"{stage.group}[0].{stage.name}") for stage in imports}
    return {
        "name": group,
        "file": f"{group}.yml",
        "dependencies": ["init", *dict.fromkeys(stage.group for stage in imports)],
        "parameters": {"bundle": {"step": "init", "output": "bundle"}, **selectors},
    }


def _stage(plan: Plan, stage: Stage) -> dict[str, Any]:
    inputs = {item.name: _source(plan, stage, item) for item in stage.inputs}
    parts = [item for item in stage.inputs if item.flow is Flow.PART or item.named]
    inputs |= {f"after_{item.stage}": _outputs_of(plan, stage, item) for item in parts}  # or it does not wait
    local = [item.stage for item in stage.inputs if plan.stage(item.stage).group == stage.group]
    jobs = [" ".join(job.name for job in task) for task in dataflow.tasks(plan, stage)]
    each = [item.name for item in stage.inputs if item.flow in (Flow.EACH, Flow.PART) or item.named]
    return {
        "name": stage.name,
        "summary": stage.summary,
        "dependencies": ["init", *local],
        "scheduler": "multistep-stage" if stage.scattered else "singlestep-stage",
        "parameters": {
            "here": "{workdir}",
            "bundle": {"step": "init", "output": "bundle"},
            "job": jobs if stage.scattered else jobs[0],
            "step": _directories(plan, stage) if stage.scattered else stage.name,
            **inputs,
        },
        "scatter": ["job", "step", *each] if stage.scattered else [],
        "step": f"steps.yml#/{stage.name}",
    }


def _source(plan: Plan, stage: Stage, item: Input) -> dict[str, str] | list[str]:
    """The source of an input for Yadage: the output of a stage, or an input of the sub-workflow, or the names of the
    steps of which each job reads some."""
    if item.named:
        shares = _named(plan, stage, item)
        return shares if stage.scattered else shares[0].split(" ")
    if item.flow is Flow.PART:
        upstream = plan.stage(item.stage)
        folders = zip(_directories(plan, upstream), dataflow.tasks(plan, upstream), strict=True)
        names = [name for name, task in folders for _ in task]
        return [" ".join(dict.fromkeys(share)) for share in item.shares(names)]
    return _outputs_of(plan, stage, item)


def _outputs_of(plan: Plan, stage: Stage, item: Input) -> dict[str, str]:
    """All outputs of the stage of an input."""
    upstream = plan.stage(item.stage)
    if upstream.group != stage.group:
        return {"step": "init", "output": upstream.name}
    return _selector(upstream, upstream.name)


def _named(plan: Plan, stage: Stage, item: Input) -> list[str]:
    """The names of the steps of which each task of a stage reads the outputs that its configuration names."""
    upstream = plan.stage(item.stage)
    folders = zip(_directories(plan, upstream), dataflow.tasks(plan, upstream), strict=True)
    name_of = {job.name: name for name, task in folders for job in task}
    needed = (
        dict.fromkeys(name_of[name] for job in task for origin, name in job.needs if origin == item.stage)
        for task in dataflow.tasks(plan, stage)
    )
    return [" ".join(names) for names in needed]


def _selector(stage: Stage, query: str) -> dict[str, str]:
    return {"stages" if stage.scattered else "step": query, "output": "step"}


def _step(plan: Plan, stage: Stage, options: Options) -> dict[str, Any]:
    inputs = {item.name: item for item in stage.inputs}
    files = {file.name: file.path for file in stage.files}

    def directories(name: str) -> str:
        upstream = plan.stage(inputs[name].stage)
        if inputs[name].flow in (Flow.ALL, Flow.PART):
            return f"$(printf '{upstream.group}/%s/{upstream.output} ' {{{name}}})"
        return f"{upstream.group}/{{{name}}}/{upstream.output}"

    words = dataflow.words(
        stage,
        {
            "text": lambda text: yadage(shell(text)),
            "config": lambda _: '"$bundle"/' + dataflow.config_path(stage),
            "job": lambda _: "{job}",
            "input": directories,
            "file": lambda name: '"$bundle"/' + yadage(shell(str(files[name]))),
            "out": lambda _: f"{stage.group}/{{step}}/{stage.output}",
        },
        several=len(dataflow.tasks(plan, stage)) < len(stage.jobs),
    )
    command = " ".join(words)
    _check(plan, stage, command)
    return {
        "name": stage.name,
        "command": f"exec {command}",
        "environment": _environment(None if options.local else stage.image),
        "publish": {"step": "{step}", stage.output: f"{{workdir}}/{stage.output}"},
    }


def _for_reana(step: dict[str, Any], resources: Mapping[str, Any]) -> dict[str, Any]:
    """A step as REANA wants it: one key in each entry of its resources, and its shell left alive.

    Before the command of a job with a Kerberos ticket REANA puts a trap, without which the job's pod never ends.
    """
    asked = {"resources": [{key: value} for key, value in resources.items()]} if resources else {}
    return step | {"command": step["command"].removeprefix("exec "), "environment": step["environment"] | asked}


def _environment(image: str | None) -> dict[str, str]:
    if image is None:
        return {"environment_type": "localproc-env"}
    name, colon, tag = image.rpartition(":")
    if not colon or "/" in tag:
        name, tag = image, "latest"
    # Yadage pastes both into a command line that it then splits as a shell would.
    return {"environment_type": "docker-encapsulated", "image": shlex.quote(name), "imagetag": shlex.quote(tag)}


def _directories(plan: Plan, stage: Stage) -> list[str]:
    """Yadage's names of the directories of a stage's steps."""
    steps = range(len(dataflow.tasks(plan, stage)))
    return [f"{stage.name}_{k}" for k in steps] if stage.scattered else [stage.name]


def _places(stage: Stage) -> str:
    return f"{stage.group}/{stage.name}{'_*' if stage.scattered else ''}/{stage.output}"


def _check(plan: Plan, stage: Stage, command: str) -> None:
    names = [
        stage.name,
        stage.group,
        stage.output,
        *(item.name for item in stage.inputs),
        *(j.name for j in stage.jobs),
    ]
    unsafe = [name for name in names if not _SAFE_WORD.fullmatch(name)]
    if unsafe:
        raise ValueError(f"{unsafe[0]!r} is not a name that the planner gives to a stage, a job or an option")
    gathered = [plan.stage(item.stage) for item in stage.inputs if item.flow is Flow.ALL and not item.named]
    n_bytes = sum(len(" ".join(_directories(plan, upstream))) for upstream in gathered)
    n_bytes += sum(max(map(len, _named(plan, stage, item))) for item in stage.inputs if item.named)
    if len(command) + n_bytes > LONGEST_COMMAND:
        if len(command) > LONGEST_COMMAND:
            raise MmcError(
                f"the command of the stage {stage.name} has {len(command):,} characters, more than Yadage can run: "
                "name fewer files, or take the target cwl or script"
            )
        n = sum(len(upstream.jobs) for upstream in gathered)
        raise MmcError(
            f"the stage {stage.name} reads the outputs of {n:,} jobs, more than Yadage can name in one command: "
            "raise events_per_job, or take the target cwl or script"
        )
