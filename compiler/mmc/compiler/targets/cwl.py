"""The CWL target: version 1.2, a workflow of two sub-workflows, a tool for each stage, no JavaScript."""

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from typing import Any
from urllib.parse import quote

from mmc.compiler.catalogue.stages import GATHERED_AT_ONCE
from mmc.compiler.plan.model import Flow, Input, Plan, Stage, Token
from mmc.compiler.targets import dataflow
from mmc.compiler.targets.bundle import Bundle, make_bundle
from mmc.compiler.targets.options import Options
from mmc.compiler.targets.quoting import Markdown, Yaml, cwl, render
from mmc.errors import MmcError
from mmc.version import __version__

_MOUNTS = 2 * 200
"""Bytes that the command that starts a container needs for each directory in the job's folder: cwltool mounts the
directory and its place there."""
_CWLTOOL = "cwltool"
"""The prefix of cwltool's extensions of CWL."""
_CUDA = {"cudaVersionMin": "11.8", "cudaComputeCapability": "5.0"}
"""The oldest for which PyTorch 2.6 is built; cwltool wants both to be named."""
_NAMES = {"type": "array", "items": "string"}
"""The type of the names of the jobs of a task."""


def emit(plan: Plan, options: Options) -> Bundle:
    """The plan as a CWL workflow with its job file.

    :raises MmcError: when the command that starts a container would be too long
    """
    plan = without_gathering(plan)
    if not options.local:
        _check_containers(plan)
    images = {stage.image: None for stage in plan.stages if stage.image and not options.local}
    texts = documents(plan, options)
    texts["README.md"] = render(
        Markdown,
        "cwl/README.md.j2",
        images=list(images),
        results=[f"{s.name}.*" if s.scattered else s.name for s in dataflow.products(plan)],
        plan=plan,
        version=__version__,
    )
    return make_bundle(plan, "cwl", texts)


def documents(
    plan: Plan, options: Options, hints: Callable[[Stage], Mapping[str, Any]] = lambda _: {}
) -> dict[str, str]:
    """The workflow's documents and its job file by path, of a plan :func:`without_gathering`; ``hints`` gives the hints
    for a stage's step."""
    header = {"plan": plan, "version": __version__}
    groups = dataflow.groups(plan)
    products = dataflow.products(plan)
    texts = {
        "workflow.cwl": render(
            Yaml,
            "cwl/workflow.cwl.j2",
            inputs=_types(plan, plan.stages),
            outputs={_port(s): {"type": _type(s), "outputSource": f"{s.group}/{_port(s)}"} for s in products},
            groups=[_group_step(plan, group) for group in groups],
            **header,
        ),
        "job.yml": render(Yaml, "cwl/job.yml.j2", values=_values(plan), **header),
    }
    for group in groups:
        texts[f"{group}.cwl"] = _group(plan, group, hints)
    for stage in plan.stages:
        texts[_tool_path(stage)] = _tool(plan, stage, None if options.local else stage.image)
    return texts


def without_gathering(plan: Plan) -> Plan:
    """The plan without stages whose jobs read some outputs of another stage each: a tool can be given any number of
    directories, and CWL has no way to divide a list."""
    sources = {stage.name: item.stage for stage in plan.stages for item in stage.inputs if item.flow is Flow.PART}
    stages = [
        replace(stage, inputs=tuple(replace(item, stage=sources.get(item.stage, item.stage)) for item in stage.inputs))
        for stage in plan.stages
        if stage.name not in sources
    ]
    return replace(plan, stages=tuple(stages))


def outputs(plan: Plan) -> list[str]:
    """The directories of the results, relative to the engine's output folder."""
    return [
        f"{stage.name}.{job.name}" if stage.scattered else stage.name
        for stage in dataflow.products(plan)
        for job in stage.jobs
    ]


def _group_step(plan: Plan, group: str) -> dict[str, Any]:
    """A sub-workflow as a step of the workflow."""
    given = {name: name for name in _types(plan, plan.group(group))}
    imports = {_port(stage): f"{stage.group}/{_port(stage)}" for stage in dataflow.imports(plan, group)}
    return {
        "name": group,
        "file": f"{group}.cwl",
        "inputs": given | imports,
        "outputs": [_port(stage) for stage in _exports(plan, group)],
    }


def _group(plan: Plan, group: str, hints: Callable[[Stage], Mapping[str, Any]]) -> str:
    """A sub-workflow as a document."""
    stages = plan.group(group)
    imports = {_port(stage): _type(stage) for stage in dataflow.imports(plan, group)}
    return render(
        Yaml,
        "cwl/group.cwl.j2",
        label=group,
        inputs=_types(plan, stages) | imports,
        outputs={
            _port(stage): {"type": _type(stage), "outputSource": f"{stage.name}/{stage.output}"}
            for stage in _exports(plan, group)
        },
        steps=[{**_step(plan, stage), "hints": hints(stage)} for stage in stages],
    )


def _exports(plan: Plan, group: str) -> list[Stage]:
    """The stages whose outputs leave a sub-workflow: its products, which include all that another group reads."""
    return [stage for stage in dataflow.products(plan) if stage.group == group]


def _step(plan: Plan, stage: Stage) -> dict[str, Any]:
    """A stage as a step of its sub-workflow."""
    inputs: dict[str, Any] = {
        "config": f"{stage.name}_config",
        "job": f"{stage.name}_jobs" if stage.scattered else {"default": stage.jobs[0].name},
    }
    for item in stage.inputs:
        upstream = plan.stage(item.stage)
        here = upstream.group == stage.group
        inputs[item.name] = f"{upstream.name}/{upstream.output}" if here else _port(upstream)
    inputs |= {file.name: f"{stage.name}_{file.name}" for file in stage.files}
    each = [item.name for item in stage.inputs if item.flow is Flow.EACH]
    return {
        "name": stage.name,
        "file": _tool_path(stage),
        "scatter": ["job", *each] if stage.scattered else [],
        "inputs": inputs,
        "outputs": [stage.output],
    }


def _tool(plan: Plan, stage: Stage, image: str | None) -> str:
    """A stage's step program as a tool. Directories that are too many for a command are put into its folder."""
    wide = {item.name for item in stage.inputs if _is_wide(plan, item)}
    tokens = stage.argv
    first = next(k for k, token in enumerate(tokens) if token.kind != "text") - 1
    several = _in_tasks(plan, stage)
    place = cwl(stage.name) + (f".$(inputs.job{'[0]' if several else ''})" if stage.scattered else "")
    inputs: dict[str, Any] = {}
    arguments: list[dict[str, Any]] = []
    for position, (flag, token) in enumerate(zip(tokens[first::2], tokens[first + 1 :: 2], strict=True), start=1):
        binding = {"position": position, "prefix": "--jobs" if several and token.kind == "job" else flag.value}
        if token.kind == "out":
            arguments.append({**binding, "valueFrom": place})
        elif token.value in wide:
            arguments.append({**binding, "valueFrom": "."})
            inputs[token.value] = {"type": "Directory[]"}
        else:
            kind = "string[]" if several and token.kind == "job" else _input_type(stage, token)
            inputs[_input_name(token)] = {"type": kind, "inputBinding": binding}
    return render(
        Yaml,
        "cwl/tool.cwl.j2",
        label=stage.summary,
        requirements=_requirements(plan, stage, wide),
        namespaces={_CWLTOOL: "http://commonwl.org/cwltool#"} if stage.resources.gpus else {},
        hints=_hints(stage, image),
        command=[token.value for token in tokens[:first]],
        inputs=inputs,
        arguments=arguments,
        outputs={stage.output: {"type": "Directory", "outputBinding": {"glob": place}}},
    )


def _input_name(token: Token) -> str:
    return token.value or token.kind


def _input_type(stage: Stage, token: Token) -> str:
    if token.kind == "input":
        flow = next(item.flow for item in stage.inputs if item.name == token.value)
        return "Directory[]" if flow is Flow.ALL else "Directory"
    return {"config": "File", "file": "File", "job": "string"}[token.kind]


def _is_wide(plan: Plan, item: Input) -> bool:
    return item.flow is Flow.ALL and len(dataflow.tasks(plan, plan.stage(item.stage))) > GATHERED_AT_ONCE


def _check_containers(plan: Plan) -> None:
    """Check that every job that has an image can be started.

    :raises MmcError: when it reads so many directories that the command which mounts them would be too long
    """
    for stage in plan.stages:
        read = [plan.stage(item.stage) for item in stage.inputs if _is_wide(plan, item)]
        folders = sum(len(dataflow.tasks(plan, upstream)) for upstream in read)
        if stage.image and _MOUNTS * folders > dataflow.LONGEST_COMMAND:
            raise MmcError(
                f"the stage {stage.name} reads {folders:,} folders in a container, more than Linux takes in the "
                "command that mounts them: set execution.batch.jobs_per_task, raise events_per_job, or take --local"
            )


def _in_tasks(plan: Plan, stage: Stage) -> bool:
    """Whether tasks run several jobs of a stage. The folder of a task has the name of its first job."""
    return len(dataflow.tasks(plan, stage)) < len(stage.jobs)


def _requirements(plan: Plan, stage: Stage, wide: Iterable[str]) -> dict[str, Any]:
    resources = {"coresMin": stage.resources.cpus}
    if stage.resources.memory_mib is not None:
        resources["ramMin"] = stage.resources.memory_mib
    requirements: dict[str, Any] = {"ResourceRequirement": resources}
    if listing := [f"$(inputs.{name})" for name in wide]:
        requirements["InitialWorkDirRequirement"] = {"listing": listing}
    if stage.resources.time_s is not None:
        requirements["ToolTimeLimit"] = {"timelimit": stage.resources.time_s * len(dataflow.tasks(plan, stage)[0])}
    return requirements


def _hints(stage: Stage, image: str | None) -> dict[str, Any]:
    """What engines may leave out: CWL itself has no GPUs, and cwltool's extension is unknown to others."""
    hints: dict[str, Any] = {"DockerRequirement": {"dockerPull": image}} if image else {}
    if n := stage.resources.gpus:
        hints[f"{_CWLTOOL}:CUDARequirement"] = {**_CUDA, "cudaDeviceCountMin": n, "cudaDeviceCountMax": n}
    return hints


def _port(stage: Stage) -> str:
    """The name of a stage's outputs in the workflow."""
    return f"{stage.name}_{stage.output}"


def _type(stage: Stage) -> str:
    """The type of all outputs of a stage."""
    return "Directory[]" if stage.scattered else "Directory"


def _given(plan: Plan, stage: Stage) -> dict[str, tuple[Any, Any]]:
    """The inputs of a stage in the job file: name → type and value. Long lists in documents slow cwltool down."""
    given: dict[str, tuple[Any, Any]] = {f"{stage.name}_config": ("File", _file(dataflow.config_path(stage)))}
    if _in_tasks(plan, stage):
        names = [[job.name for job in task] for task in dataflow.tasks(plan, stage)]
        given[f"{stage.name}_jobs"] = ({"type": {"type": "array", "items": _NAMES}}, names)
    elif stage.scattered:
        given[f"{stage.name}_jobs"] = ("string[]", [job.name for job in stage.jobs])
    return given | {f"{stage.name}_{file.name}": ("File", _file(str(file.path))) for file in stage.files}


def _types(plan: Plan, stages: Iterable[Stage]) -> dict[str, Any]:
    return {name: given for stage in stages for name, (given, _) in _given(plan, stage).items()}


def _values(plan: Plan) -> dict[str, Any]:
    return {name: value for stage in plan.stages for name, (_, value) in _given(plan, stage).items()}


def _file(path: str) -> dict[str, str]:
    """A file of the bundle: its location as a URI, and the tame name that cwltool insists on where jobs see it."""
    name = path.rpartition("/")[2]
    tame = re.sub(r"[^A-Za-z0-9_.-]", "_", name)
    return {"class": "File", "location": quote(path), **({"basename": tame} if tame != name else {})}


def _tool_path(stage: Stage) -> str:
    return f"tools/{stage.name}.cwl"
