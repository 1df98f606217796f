"""The Snakemake target: a Snakefile that Snakemake 7.32 and newer releases read, also those that REANA runs."""

import math
import re
from ast import literal_eval
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from mmc.compiler.catalogue.batch import HTCONDOR
from mmc.compiler.plan.model import Plan, Stage
from mmc.compiler.targets import bash, dataflow, tasks
from mmc.compiler.targets.bundle import Bundle, make_bundle
from mmc.compiler.targets.options import Options
from mmc.compiler.targets.quoting import Markdown, Python, python_name, render
from mmc.version import __version__

FILE = "Snakefile"

_TEMPLATE = "snakemake/Snakefile.j2"
_HEADER = re.compile(r"# (.*)\n# Compiled by mmc (.*) from the study (.*); change the study, not this file\.\n")
_RULE = re.compile(r"^rule (\w+):$", re.MULTILINE)
_RESOURCE = re.compile(r"^        (\w+)=(.*),$", re.MULTILINE)


def emit(plan: Plan, options: Options) -> Bundle:
    """The plan as a rule for each stage.

    :raises MmcError: when a command would be too long
    """
    texts = documents(plan, options)
    images = {stage.image: None for stage in plan.stages if stage.image and not options.local}
    texts["README.md"] = render(
        Markdown,
        "snakemake/README.md.j2",
        images=list(images),
        results=outputs(plan),
        plan=plan,
        version=__version__,
    )
    return make_bundle(plan, "snakemake", texts)


def documents(
    plan: Plan, options: Options, resources: Callable[[Stage], Mapping[str, Any]] | None = None
) -> dict[str, str]:
    """The Snakefile and what its jobs need by path; those for REANA with ``resources``, what it reads of a rule.

    REANA itself starts the command of a rule, without the prefix that Snakemake would put before it.

    :raises MmcError: when a command would be too long
    """
    together = {stage.name: n for stage in plan.stages if (n := len(dataflow.tasks(plan, stage)[0])) > 1}
    stages = [
        {
            "name": stage.name,
            "cpus": stage.resources.cpus,
            "resources": list(
                _resources(plan, stage, together.get(stage.name, 1)) if resources is None else resources(stage).items()
            ),
            "image": f"docker://{stage.image}" if stage.image and not options.local else "",
        }
        for stage in plan.stages
    ]
    texts = tasks.documents(plan)
    table = tasks.table_digest(texts[bash.TABLE])
    header = {"plan": plan, "version": __version__}
    texts[FILE] = _snakefile(table, is_prefix=resources is None, stages=stages, together=together, **header)
    return texts


def outputs(plan: Plan) -> list[str]:
    """The folders of the results."""
    return [f"out/{bash.place(stage)}" for stage in dataflow.products(plan)]


def is_for_reana(text: str) -> bool:
    """Whether a text is a Snakefile that :func:`documents` makes for REANA: the template, filled with values.

    A Snakefile is a program, which reana-client runs.
    """
    try:
        return text == _snakefile(is_prefix=False, **_values(text))
    except (ValueError, TypeError, SyntaxError, RecursionError, MemoryError):
        return False


def _snakefile(table: str, *, is_prefix: bool, **values: Any) -> str:
    digest = Python("$TABLE") if is_prefix else python_name(table)
    return render(Python, _TEMPLATE, table=table, is_prefix=is_prefix, digest=digest, **values)


def _values(text: str) -> dict[str, Any]:
    """What a Snakefile for REANA was filled with.

    :raises ValueError, TypeError, SyntaxError: when it is not one
    """
    title, version, study = _part(_HEADER, text)
    _, _, _, *rules = _RULE.split(text)
    return {
        "plan": {"title": title, "study": study},
        "version": version,
        "table": _part(r"(?m)^        \"bash task\.sh (\w+) ", text)[0],
        "together": literal_eval(_part(r"(?m)^TOGETHER = (.*)$|\Z", text)[0] or "{}"),
        "stages": [
            {
                "name": name,
                "cpus": int(_part(r"    threads: (\d+)\n", body)[0]),
                "resources": [(key, literal_eval(value)) for key, value in _RESOURCE.findall(body)],
                "image": literal_eval(_part(r"    container:\n        (.*)\n", body)[0]),
            }
            for name, body in zip(rules[::2], rules[1::2], strict=True)
        ],
    }


def _part(pattern: str | re.Pattern[str], text: str) -> tuple[str, ...]:
    """The groups of a pattern's first match; there is one in a text that mmc has written."""
    found = re.search(pattern, text)
    if found is None:
        raise ValueError(f"there is no {pattern}")
    return found.groups()


def _resources(plan: Plan, stage: Stage, n_jobs: int) -> Iterator[tuple[str, int | str]]:
    """Snakemake's standard resources: GPUs, memory in MB, time in minutes for all jobs of a task; and those of its
    executor for Slurm, by the names that it has for them."""
    if stage.resources.gpus:
        yield "gpu", stage.resources.gpus
    if stage.resources.memory_mib is not None:
        yield "mem_mb", math.ceil(stage.resources.memory_mib * 1.048576)
    time_s = stage.resources.time_of_tries_s(n_jobs)
    if time_s is not None:
        yield "runtime", math.ceil(time_s / 60)
    batch = plan.batch
    if batch.system != HTCONDOR:
        asked = {"slurm_partition": batch.partition, "slurm_account": batch.account, "constraint": batch.constraint}
        yield from ((name, value) for name, value in asked.items() if value is not None)
