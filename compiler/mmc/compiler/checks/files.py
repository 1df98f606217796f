"""Rules about the files that a study names, and about the images and resources of its jobs."""

from collections.abc import Iterator
from pathlib import PurePosixPath

from mmc.compiler.catalogue.addresses import has_login
from mmc.compiler.catalogue.batch import HTCONDOR, ONLY_SLURM, SLURM
from mmc.compiler.catalogue.images import is_pinned
from mmc.compiler.catalogue.stages import ON_GPUS, PROGRAMS, SECTIONS, VARIANTS, programs_of, stages_of
from mmc.compiler.checks.context import Annotated, Context, rule
from mmc.compiler.inputs.installations import leads_elsewhere
from mmc.compiler.language.diagnostics import Code, Diagnostic, one_of, show

_COPY = "copy it into the study's folder and name it from there"


def named(context: Context) -> tuple[str, ...]:
    """The existing files that the study names, each once."""
    found = {file_of(item): _kinds(item) for item in _named(context)}
    return tuple(path for path, kinds in found.items() if not leads_out(path) and context.look_up(path) in kinds)


def file_of(item: Annotated) -> str:
    """The path of a file that the study names, without the name of a function in it."""
    return str(item.value).rpartition(":")[0] if item.schema["x-file"] == "function" else str(item.value)


def _named(context: Context) -> Iterator[Annotated]:
    """The files that the study names; a restriction may also be a name."""
    for item in context.annotated("x-file"):
        if item.schema["x-file"] != "restriction" or str(item.value).endswith(".dat"):
            yield item


def _kinds(item: Annotated) -> tuple[str, ...]:
    """What a file may be: some may also be folders, which are packed."""
    return ("file", "folder") if item.schema["x-file"] == "folder" else ("file",)


def is_there(ctx: Context, text: str) -> bool:
    """Whether a path of the study is a file in its folder."""
    return not leads_out(text) and ctx.look_up(text) == "file"


def is_readable(ctx: Context, text: str) -> bool:
    """Whether a path of the study is a file or a folder in its folder."""
    return not leads_out(text) and ctx.look_up(text) in ("file", "folder")


MMC601 = Code(
    "MMC601", "A file does not exist", "The study names a missing file. Paths are relative to the study's folder."
)
MMC602 = Code(
    "MMC602",
    "A file lies outside the study's folder",
    "A study is a folder that can be copied, archived and compiled elsewhere, so the files that it names are inside "
    "this folder. Absolute paths, `..` and links that lead out of it are refused; copy the file.",
)
MMC603 = Code("MMC603", "A path is not a readable file", "The path is a folder, or it cannot be read.")


@rule(MMC601, MMC602, MMC603)
def files(ctx: Context) -> Iterator[Diagnostic]:
    """Every file that the study names is a file in its folder."""
    for item in _named(ctx):
        path, value = item.path, file_of(item)
        found = "outside" if leads_out(value) else ctx.look_up(value)
        if found == "outside":
            yield ctx.problem(MMC602, path, f"{show(value)} lies outside the study's folder", _COPY)
        elif found == "missing":
            yield ctx.problem(
                MMC601, path, f"there is no file {show(value)}", "paths are relative to the study's folder"
            )
        elif found not in _kinds(item):
            yield ctx.problem(MMC603, path, f"{show(value)} is a folder or cannot be read")


def leads_out(text: str) -> bool:
    """Whether a path leads out of the folder, judged by its text; links are not followed.

    >>> leads_out("data/../events.h5"), leads_out("../events.h5"), leads_out("/tmp/events.h5")
    (False, True, True)
    """
    depth = 0
    for part in PurePosixPath(text).parts:
        depth += {"..": -1, "/": -1000, "//": -1000}.get(part, 1)
        if depth < 0:
            return True
    return False


MMC604 = Code(
    "MMC604",
    "An image is not pinned",
    "An image without a tag, or with the tag `latest`, may change at any time. Name a tag or a digest.",
    "warning",
)


@rule(MMC604)
def images(ctx: Context) -> Iterator[Diagnostic]:
    """Images are pinned."""
    for group, image in ctx.entries("execution", "images").items():
        if not is_pinned(image) and not ctx.given("execution", "reana"):  # for REANA this is an error, MMC624
            message = f"the image {show(image)} is not pinned, so its content may change"
            yield ctx.problem(MMC604, ("execution", "images", group), message, "name a tag, `image:1.0`, or a digest")


MMC605 = Code(
    "MMC605",
    "Resources are for a stage that the study does not have",
    "The study does not have this stage, so the resources would be ignored; so would be its name in `execution.keep` "
    "and its `job_time`.",
    "warning",
)


@rule(MMC605)
def resources(ctx: Context) -> Iterator[Diagnostic]:
    """Resources are for stages of the study."""
    there = stages(ctx)
    if there and ctx.is_variant:
        there = (*there, VARIANTS.name)  # which belongs to all variants, and to none of them
    for section in (("execution", "resources"), ("execution", "batch", "job_time"), ("execution", "reana", "stages")):
        for stage in ctx.entries(*section):
            if there and stage not in there:
                message = f"the study has no stage {stage}"
                yield ctx.problem(MMC605, (*section, stage), message, "remove it", key=True)
    for index, stage in enumerate(ctx.get("execution", "keep") or ()):
        if there and stage not in there:
            message = f"the study has no stage {stage}"
            yield ctx.problem(MMC605, ("execution", "keep", index), message, "remove it")


def stages(ctx: Context) -> tuple[str, ...]:
    """The stages of the study; empty if they are not clear."""
    is_clear = ctx.origin is not None and all(ctx.sound(section) for section in SECTIONS)
    return stages_of(ctx.data) if is_clear else ()


MMC606 = Code(
    "MMC606",
    "No job runs this program",
    "The folder of an installation has no effect: the study does not generate events with MadGraph, or does not "
    "simulate the detector with Delphes.",
    "warning",
)
MMC607 = Code(
    "MMC607",
    "The folder of a program is not an absolute path",
    "Every job runs in its own folder, perhaps in a container or on another machine, so the folder of an installation "
    "must be an absolute path there. Without this key, jobs read the environment variables `MMC_MADGRAPH_DIR` and "
    "`MMC_DELPHES_DIR`.",
)


@rule(MMC606, MMC607)
def installations(ctx: Context) -> Iterator[Diagnostic]:
    """Folders of programs are absolute paths, and some job runs the program."""
    runs = programs_of(ctx.sound_data)
    for program, folder in ctx.entries("execution", "installations").items():
        path = ("execution", "installations", program)
        if not folder.startswith("/"):
            message = f"{show(folder)} is not an absolute path, and every job runs in its own folder"
            help_text = f"start it with `/`, or set the environment variable `MMC_{program.upper()}_DIR` instead"
            yield ctx.problem(MMC607, path, message, help_text)
        elif leads_elsewhere(folder):
            message = f"{show(folder)} is another folder in every job"
            yield ctx.problem(MMC607, path, message, "write the path without `..`, `/proc` and `/dev`")
        elif ctx.origin is not None and PROGRAMS[program] not in runs:
            message = f"no job of the study runs {PROGRAMS[program]}"
            yield ctx.problem(MMC606, path, message, "remove it", key=True)


MMC608 = Code(
    "MMC608",
    "The study contains a password",
    "A study is read, committed and published, and every bundle contains it. Jobs read the credentials of a tracking "
    "server from their environment: `MLFLOW_TRACKING_USERNAME` and `MLFLOW_TRACKING_PASSWORD`, or "
    "`MLFLOW_TRACKING_TOKEN`; on REANA from secrets with these names. They go to the hosts in `MLFLOW_TRACKING_URI` "
    "and `MMC_TRACKING_HOSTS` only, by https or to this machine. Write an `@` in the path of an address as `%40`.",
)


@rule(MMC608)
def no_login(ctx: Context) -> Iterator[Diagnostic]:
    """A study contains no password."""
    path = ("tracking", "mlflow", "uri")
    uri = ctx.get(*path)
    if uri is not None and has_login(uri):
        yield ctx.problem(
            MMC608,
            path,
            "the address of the tracking server contains a user or a password",
            "remove everything up to the `@`; jobs read MLFLOW_TRACKING_USERNAME and MLFLOW_TRACKING_PASSWORD",
        )


MMC609 = Code(
    "MMC609",
    "The experiment is MLflow's own",
    "MLflow makes the experiment `Default` together with a store, and keeps the files of its runs in the folder in "
    "which this happened, not beside the store. Give the experiment another name.",
)


@rule(MMC609)
def own_experiment(ctx: Context) -> Iterator[Diagnostic]:
    """The experiment is not the one that MLflow makes."""
    tracking = ctx.get("tracking", "mlflow")
    if tracking is None:
        return
    path = ("tracking", "mlflow", "experiment") if "experiment" in tracking else ("name",)  # its default
    if ctx.get(*path) == "Default":
        message = "MLflow keeps the files of the experiment Default elsewhere"
        yield ctx.problem(MMC609, path, message, "give `tracking: {mlflow: {experiment: NAME}}` another name")


MMC610 = Code(
    "MMC610",
    "A key belongs to another batch system",
    "HTCondor has no partitions, and no features of nodes: it has neither `partition` nor `constraint`. These keys of "
    "`execution.batch` are for Slurm.",
)


@rule(MMC610)
def batch(ctx: Context) -> Iterator[Diagnostic]:
    """The batch system has all keys that the study gives."""
    section = ("execution", "batch")
    if ctx.get(*section, "system") != HTCONDOR:
        return
    for key in ONLY_SLURM:
        if ctx.given(*section, key):
            yield ctx.problem(
                MMC610, (*section, key), f"`{key}` is for {SLURM}, and the system is {HTCONDOR}", "remove it", key=True
            )


MMC611 = Code(
    "MMC611",
    "The time of a task needs the times of jobs",
    "mmc computes how many jobs fit into a task as `task_time` divided by the measured `job_time` of a stage, so both "
    "keys are needed. `mmc plan STUDY --since RUN` shows the times of the jobs of a run.",
)


@rule(MMC611)
def task_time(ctx: Context) -> Iterator[Diagnostic]:
    """`task_time` and `job_time` come together."""
    section = ("execution", "batch")
    target, measured = (ctx.given(*section, key) and ctx.get(*section, key) != {} for key in ("task_time", "job_time"))
    if target and not measured:
        message = "`task_time` needs the time of a job, and no `job_time` is given"
        help_text = "add measured times, `job_time: {simulate: 4 s}`; `mmc plan STUDY --since RUN` shows those of a run"
        yield ctx.problem(MMC611, (*section, "task_time"), message, help_text, key=True)
    elif measured and not target:
        message = "`job_time` needs the time of a task, and no `task_time` is given"
        yield ctx.problem(MMC611, (*section, "job_time"), message, "add it, `task_time: 10 min`", key=True)


MMC612 = Code(
    "MMC612",
    "A stage cannot use a GPU",
    f"Only networks run on GPUs, in the stages {', '.join(ON_GPUS)}. A GPU of another stage would be idle while others "
    "wait for it.",
)


@rule(MMC612)
def gpus(ctx: Context) -> Iterator[Diagnostic]:
    """Only stages that run networks ask for GPUs."""
    for stage, asked in ctx.entries("execution", "resources").items():
        if stage not in ON_GPUS and asked.get("gpus"):
            path, message = ("execution", "resources", stage, "gpus"), f"the jobs of {stage} cannot use a GPU"
            yield ctx.problem(MMC612, path, message, f"remove it; it is for the stages {one_of(ON_GPUS)}", key=True)
