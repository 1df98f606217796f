"""Finished jobs that were made with other versions than those with which the jobs would run that are still to run."""

from collections.abc import Iterable, Mapping
from contextlib import suppress
from functools import cache
from pathlib import Path

from mmc.compiler.catalogue.generators import GENERATORS
from mmc.compiler.catalogue.stages import PROGRAMS, STAGES
from mmc.compiler.inputs.installations import installed_version
from mmc.jobs.record import Record
from mmc.jobs.versions import versions
from mmc.reading import read_json


def mixed_versions(finished: Iterable[Record], stages: Iterable[str], config: Path) -> list[str]:
    """The differences between the versions that made finished jobs and those that are installed here, in words.

    Versions that jobs still to run do not use are left out, and so are programs that are not installed here.

    :param stages: the stages with jobs that are still to run
    :param config: the folder of the configurations of all stages
    """
    used = {name for stage in stages for name in _used(stage)}
    makers: dict[tuple[str, str], list[Record]] = {}
    for record in finished:
        for name, made_with in record.made_with.items():
            if name in used:
                makers.setdefault((name, made_with), []).append(record)
    found = []
    for (name, made_with), records in makers.items():
        here = _installed(name, config, records[0])
        if here and here != made_with:
            others = f" and {len(records) - 1:,} more" if len(records) > 1 else ""
            found.append(f"{records[0].maker}{others} with {name} {made_with}, here is {here}")
    return found


def _used(stage: str) -> set[str]:
    """The packages and programs on which the output of a stage depends."""
    declared = STAGES[stage]
    programs = (declared.program, *(made.program for made in GENERATORS.values() if stage in made.steps))
    return {*declared.packages, *filter(None, programs)}


def _installed(name: str, config: Path, record: Record) -> str:
    """The version of a package or program here; empty if it is not installed or does not show its version."""
    if name not in PROGRAMS.values():
        return versions([name]).get(name, "")
    settings: Mapping[str, object] = {}
    with suppress(OSError, ValueError, KeyError, TypeError):
        settings = _configuration(config / f"{record.stage}.json")["shared"]
    folder = settings.get("installation")
    return installed_version(name, folder if isinstance(folder, str) else None)


@cache
def _configuration(path: Path) -> Mapping[str, Mapping[str, object]]:
    read: Mapping[str, Mapping[str, object]] = read_json(path)
    return read
