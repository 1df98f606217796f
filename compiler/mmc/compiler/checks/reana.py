"""Rules about REANA: keys that it ignores, amounts that it refuses, images that it needs."""

import math
import re
from collections.abc import Iterator
from contextlib import suppress
from pathlib import PurePosixPath
from typing import Any

from mmc.compiler.catalogue.images import is_pinned
from mmc.compiler.catalogue.reana import (
    AMOUNTS,
    HTCONDOR,
    HTCONDOR_FLAVOURS,
    KUBERNETES,
    NOT_READ,
    SLURM,
    amount,
    backend_of,
    kubernetes_bytes,
    kubernetes_cores,
)
from mmc.compiler.catalogue.stages import GROUPS, STAGES
from mmc.compiler.checks.context import Context, rule
from mmc.compiler.checks.files import stages
from mmc.compiler.language.diagnostics import Code, Diagnostic, show
from mmc.compiler.language.document import Path
from mmc.compiler.language.quantities import parse_quantity

_SECTION = ("execution", "reana")
_SIZE = re.compile(r"\s*(\d+)(?:\.0*)?\s*([KMGT])i?B?\s*", re.IGNORECASE)
_WAYS = {
    "kubernetes_cpu": "write a number of cores, or thousandths as in `500m`",
    "kubernetes_memory": "write bytes, or a number with K, M, G, Ki, Mi, Gi and so on, as in `8Gi`",
    "htcondor_size": "write a whole number, alone or with KB, MB, GB or TB, as in `4 GB`",
    "htcondor_runtime": f"write whole seconds, or one of {', '.join(HTCONDOR_FLAVOURS)}",
    "count": "write a whole number, at least 1",
}


MMC620 = Code(
    "MMC620",
    "A key belongs to a compute backend that is not used",
    "REANA reads `kubernetes_…` for jobs on kubernetes, `htcondor_…` on htcondorcern and `slurm_…` on slurmcern, and "
    "ignores the keys of other backends. Keys in `jobs` are for all stages: at least one stage must run on the key's "
    "backend.",
)


@rule(MMC620)
def backends(ctx: Context) -> Iterator[Diagnostic]:
    """Keys belong to a compute backend that is used."""
    used = _backends(ctx)
    for path, keys in _keys(ctx):
        stage = path[-1] if path[-2] == "stages" else None
        chosen = set(used.values()) if stage is None else {used.get(str(stage))} - {None}
        for key in keys:
            backend = backend_of(key)
            if backend is None or not chosen or backend in chosen:
                continue
            who = "no stage runs there" if stage is None else f"the stage {stage} runs on {used[str(stage)]}"
            message, way_out = f"`{key}` is for {backend}, and {who}", f"remove it, or set `compute_backend: {backend}`"
            yield ctx.problem(MMC620, (*path, key), message, way_out, key=True)


MMC621 = Code(
    "MMC621",
    "The engine does not read a key",
    f"REANA's engines {' and '.join(NOT_READ)} do not pass {', '.join(f'`{key}`' for key in NOT_READ['cwl'])} on to "
    "jobs; its engines yadage and serial pass them on.",
)


@rule(MMC621)
def engine_reads(ctx: Context) -> Iterator[Diagnostic]:
    """The engine passes all keys on to the jobs."""
    engine = ctx.get(*_SECTION, "engine")
    for path, keys in _keys(ctx):
        for key in keys:
            if key in NOT_READ.get(engine, ()):
                message = f"REANA's engine {engine} does not read `{key}`"
                yield ctx.problem(MMC621, (*path, key), message, "remove it, or use the engine yadage", key=True)


MMC622 = Code(
    "MMC622",
    "REANA cannot read an amount",
    "Each compute backend has its own notation: `8Gi` and `500m` for Kubernetes, `4 GB` for HTCondor, minutes for "
    "Slurm. REANA refuses other notations when the job is submitted, in the middle of the workflow, or silently uses "
    "its default.",
)


@rule(MMC622)
def amounts(ctx: Context) -> Iterator[Diagnostic]:
    """Amounts are written as REANA reads them."""
    for path, value, schema in ctx.annotated("x-reana"):
        kind, text = schema["x-reana"], amount(value)
        if AMOUNTS[kind].fullmatch(text):
            continue
        size = _SIZE.fullmatch(text)
        if size and kind == "kubernetes_memory":
            way_out = f"write `{size[1]}{size[2].upper()}i`"
        elif size and kind == "htcondor_size":
            way_out = f"write `{size[1]} {size[2].upper()}B`"
        else:
            way_out = _WAYS[kind]
        yield ctx.problem(MMC622, path, f"`{path[-1]}` cannot be {show(value)}", way_out)


MMC623 = Code(
    "MMC623",
    "More is requested than the limit allows",
    "REANA refuses a request above the limit when the job is submitted. The request is that of `execution.resources`, "
    "unless a key of REANA sets it.",
)


@rule(MMC623)
def limits(ctx: Context) -> Iterator[Diagnostic]:
    """No stage requests more than its limit."""
    seen = set()
    for stage, backend in _backends(ctx).items():
        if backend != KUBERNETES:
            continue
        for what, size in (("cpu", kubernetes_cores), ("memory", kubernetes_bytes)):
            path, limit = _value_of(ctx, stage, f"kubernetes_{what}_limit")
            _, request = _value_of(ctx, stage, f"kubernetes_{what}_request")
            request = request or _resources(ctx, stage).get(what)
            if request and limit and path not in seen and size(request) > size(limit):
                seen.add(path)
                message = f"the limit is {limit}, and the jobs of {stage} request {request}"
                yield ctx.problem(MMC623, path, message, "raise the limit or request less")


MMC624 = Code(
    "MMC624",
    "An image that REANA needs is missing or not pinned",
    "REANA runs every job in a container. `execution.images` names the images, with a digest or a tag other than "
    "`latest`. An image contains bash and the step program.",
)


@rule(MMC624)
def images(ctx: Context) -> Iterator[Diagnostic]:
    """Every stage has a pinned image."""
    if not ctx.given(*_SECTION) or not ctx.sound("execution", "images"):
        return
    given = ctx.entries("execution", "images")
    there = {STAGES[name].group for name in stages(ctx)}
    for group in GROUPS:
        if group not in there:
            continue
        if group not in given:
            message = f"REANA runs every job in a container, and the {group} stages have no image"
            way_out = f"add `{group}: registry/repository:tag` to `execution.images`"
            yield ctx.problem(MMC624, _SECTION, message, way_out, key=True)
        elif not is_pinned(given[group]):
            message = f"REANA needs a tag or a digest of the image {show(given[group])}"
            yield ctx.problem(MMC624, ("execution", "images", group), message, "name one, as in `image:1.0`")


MMC625 = Code(
    "MMC625",
    "Resources do not reach the compute backend",
    "REANA passes only the wall time to Slurm, not cores and memory. With the engines cwl and snakemake the same holds "
    "for HTCondor. REANA has no key for GPUs on any backend. The job runs with the backend's defaults.",
    "warning",
)


@rule(MMC625)
def resources(ctx: Context) -> Iterator[Diagnostic]:
    """The resources of the study reach the compute backend."""
    if not ctx.given(*_SECTION):
        return
    engine = ctx.get(*_SECTION, "engine")
    for stage, backend in _backends(ctx).items():
        if ctx.get("execution", "resources", stage, "gpus"):
            path = ("execution", "resources", stage, "gpus")
            message, way_out = f"REANA cannot ask {backend} for GPUs", "remove it, or run the study on another target"
            yield ctx.problem(MMC625, path, message, way_out, key=True)
        if backend == SLURM or (backend == HTCONDOR and engine in NOT_READ):
            for key in ("cpus", "memory"):
                path = ("execution", "resources", stage, key)
                if ctx.given(*path):
                    where = f"{backend} with the engine {engine}" if engine in NOT_READ else backend
                    message = f"REANA does not pass `{key}` on to {where}"
                    way_out = "choose another compute backend" + (" or engine" if backend == HTCONDOR else "")
                    yield ctx.problem(MMC625, path, message, way_out, key=True)


MMC626 = Code(
    "MMC626",
    "A retention rule is not for files in the workspace",
    "Patterns of `retention_days` are paths within the workspace, with `*` and `**`. REANA refuses absolute paths and "
    "paths with `..`.",
)


@rule(MMC626)
def retention(ctx: Context) -> Iterator[Diagnostic]:
    """Retention rules are for files in the workspace."""
    for pattern in ctx.entries(*_SECTION, "retention_days"):
        path = PurePosixPath(pattern)
        if path.is_absolute() or ".." in path.parts or not path.parts:
            message = f"{show(pattern)} is not a pattern of files within the workspace"
            yield ctx.problem(
                MMC626, (*_SECTION, "retention_days", pattern), message, "write it as in `out/**`", key=True
            )


def _keys(ctx: Context) -> Iterator[tuple[Path, dict[str, Any]]]:
    """The mappings of REANA's keys, each with its valid entries."""
    places = [("jobs",), *(("stages", stage) for stage in ctx.entries(*_SECTION, "stages"))]
    for place in places:
        yield (*_SECTION, *place), ctx.entries(*_SECTION, *place)


def _backends(ctx: Context) -> dict[str, str]:
    """The compute backend of each stage that the study has."""
    everywhere = ctx.entries(*_SECTION, "jobs").get("compute_backend", KUBERNETES)
    keys_of = {stage: ctx.entries(*_SECTION, "stages", stage) for stage in sorted(stages(ctx))}
    return {stage: keys.get("compute_backend", everywhere) for stage, keys in keys_of.items()}


def _value_of(ctx: Context, stage: str, key: str) -> tuple[Path, str | None]:
    """The path of an amount for a stage, and its text; None if it is missing or malformed."""
    kind = "kubernetes_cpu" if "cpu" in key else "kubernetes_memory"
    for place in (("stages", stage), ("jobs",)):
        path = (*_SECTION, *place, key)
        value = ctx.get(*path)
        if value is not None:
            return path, amount(value) if AMOUNTS[kind].fullmatch(amount(value)) else None
    return (), None


def _resources(ctx: Context, stage: str) -> dict[str, str]:
    """The study's resources for a stage in Kubernetes' notation."""
    entry = ctx.get("execution", "resources", stage) or {}
    asked = {"cpu": str(entry["cpus"])} if "cpus" in entry else {}
    with suppress(ValueError):  # reported elsewhere
        asked |= {"memory": f"{math.ceil(parse_quantity(entry['memory'], 'memory'))}Mi"} if "memory" in entry else {}
    return asked
