"""Queries of a plan for all targets: stages that cross groups, the results of a run, the command of a job."""

from collections.abc import Callable, Mapping
from typing import TypeVar

from mmc.compiler.catalogue.stages import GROUPS, VARIANTS
from mmc.compiler.plan.model import Flow, Job, Plan, Stage, TokenKind
from mmc.errors import MmcError

Word = TypeVar("Word")

LONGEST_COMMAND = 2**21 - 2**17
"""Bytes that the words of a command may have on Linux, less what its environment may need."""
PER_WORD = 9
"""Bytes of a word beside its text: its end, and the address of the word."""
FOLDER = 60
"""Bytes of the path of the folder with the outputs of all stages, which is not known before the run: `run.sh` checks
again with the real one."""


def groups(plan: Plan) -> tuple[str, ...]:
    """The sub-workflows that the plan has."""
    return tuple(group for group in GROUPS if plan.group(group))


def imports(plan: Plan, group: str) -> tuple[Stage, ...]:
    """The stages of other groups whose outputs this group reads."""
    read = {item.stage for stage in plan.group(group) for item in stage.inputs}
    return tuple(stage for stage in plan.stages if stage.group != group and stage.name in read)


def products(plan: Plan) -> tuple[Stage, ...]:
    """The stages whose outputs are the results of a run.

    These are outputs that no stage reads, outputs that pass between groups, and those that the last learning stage
    presents.
    """
    read = {
        stage.name: {item.stage for item in stage.inputs if not item.ignored_in_fingerprint} for stage in plan.stages
    }
    last = set(read).difference(*read.values())
    present = last | (read[VARIANTS.name] if VARIANTS.name in last else set())
    presented = set().union(*(read[name] for name in present if plan.stage(name).group == "learning"))
    crossing = {stage.name for group in groups(plan) for stage in imports(plan, group)}
    return tuple(stage for stage in plan.stages if stage.name in last | presented | crossing)


def words(stage: Stage, language: Mapping[TokenKind, Callable[[str], Word]], *, several: bool = False) -> list[Word]:
    """A stage's command line, each token rendered by the function for its kind.

    :param several: of a task with several jobs: ``job`` stands for their names, ``out`` for the folder of their outputs
    """
    changed = {"--job": "--jobs"} if several else {}
    return [language[token.kind](changed.get(token.value, token.value)) for token in stage.argv]


def tasks(plan: Plan, stage: Stage) -> list[tuple[Job, ...]]:
    """The jobs of a stage in tasks, for an engine without batches of its own: several in one if the study asks for it,
    and they make or read events and are not a result of the run; otherwise each alone.

    Tasks of stages of which one reads another job by job have the same number of jobs, so that a task reads the output
    of one task: as many as the stage allows that allows the fewest.
    """
    n = min(map(plan.batch.together, _of_one_size(plan, stage))) if _is_together(plan, stage) else 1
    return [stage.jobs[start : start + n] for start in range(0, len(stage.jobs), n)]


def _of_one_size(plan: Plan, stage: Stage) -> list[str]:
    """The stages whose tasks have as many jobs as those of a stage, itself included."""
    links = [(item.stage, other.name) for other in plan.stages for item in other.inputs if item.flow is Flow.EACH]
    linked = dict.fromkeys(name for link in links for name in link)
    return [name for name in linked if _is_together(plan, plan.stage(name))] if stage.name in linked else [stage.name]


def _is_together(plan: Plan, stage: Stage) -> bool:
    """Whether several jobs of a stage may be in one task."""
    return (
        plan.batch.system is None
        and stage.group == "physics"
        and stage.scattered
        and stage not in products(plan)
        and all(item.flow is not Flow.PART for item in stage.inputs)
    )


def config_path(stage: Stage) -> str:
    """The path of a stage's configuration file within the bundle."""
    return f"config/{stage.name}.json"


def gathered_lengths(plan: Plan, stage: Stage) -> list[int]:
    """The bytes of each folder that a stage's command gathers, without the path of the folder of all outputs; those of
    the longest command, if its jobs gather different ones."""
    gathered = []
    for item in stage.inputs:
        lengths = [PER_WORD + len(f"/{item.stage}/{job.name}") for job in plan.stage(item.stage).jobs]
        if item.flow is Flow.ALL and not item.named:
            gathered += lengths
        elif item.flow is Flow.PART:
            gathered += max(item.shares(lengths), key=sum)
    return gathered


def check_commands(plan: Plan, folder: int = FOLDER) -> None:
    """Check that every job can be started.

    :param folder: the bytes of the path of the folder with the outputs of all stages
    :raises MmcError: when a stage gathers so many directories that its command would be too long
    """
    for stage in plan.stages:
        lengths = gathered_lengths(plan, stage)
        if folder * len(lengths) + sum(lengths) > LONGEST_COMMAND:
            raise MmcError(
                f"the stage {stage.name} reads the outputs of {len(lengths):,} jobs, more than Linux takes in one "
                "command: raise events_per_job"
            )
