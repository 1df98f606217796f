"""A run as a Workflow Run RO-Crate: ``ro-crate-metadata.json``, what was run, with what, and when, as archives read it.

The profile is Provenance Run Crate 0.5 (https://w3id.org/ro/wfrun/provenance/0.5): the study is the workflow, each
stage a step with ``mmc step`` as its tool, and each finished job an action with its seed, time, inputs and output.
"""

import json
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import quote

from mmc.errors import UsageError
from mmc.files import Folder
from mmc.jobs.record import RECORD
from mmc.jobs.report.run_folder import RESOLVED, Output, Run, StageRun, open_run

METADATA = "ro-crate-metadata.json"
CONTEXT = "https://w3id.org/ro/crate/1.1/context"
CRATE = "https://w3id.org/ro/crate/1.1"
PROFILES = {
    "https://w3id.org/ro/wfrun/process/0.5": ("Process Run Crate", "0.5"),
    "https://w3id.org/ro/wfrun/workflow/0.5": ("Workflow Run Crate", "0.5"),
    "https://w3id.org/ro/wfrun/provenance/0.5": ("Provenance Run Crate", "0.5"),
    "https://w3id.org/workflowhub/workflow-ro-crate/1.0": ("Workflow RO-Crate", "1.0"),
}
LICENSE = "The authors of the study choose its license."
LANGUAGE, RUN_ACTION, ENGINE, ORGANIZED = "#mmc", "#run", "#engine", "#execution"

Entity = dict[str, Any]


def write_crate(folder: Path) -> Path:
    """Write the metadata of a run into its folder, from its bundle and the records of its finished jobs.

    :returns: the file
    :raises UsageError: when the folder is not the folder of a run, or its bundle is not inside
    """
    run = open_run(folder)
    if run.bundle is None or not run.bundle.is_relative_to(folder.resolve()):
        raise UsageError(
            f"{folder} does not contain the bundle of the run: give the folder that contains outputs and bundle"
        )
    graph = list(_Crate(run, run.bundle.relative_to(folder.resolve())).entities())
    text = json.dumps({"@context": CONTEXT, "@graph": graph}, indent=1, ensure_ascii=False)
    Folder(folder).write(METADATA, text + "\n")
    return folder / METADATA


class _Crate:
    """The entities of a run."""

    def __init__(self, run: Run, bundle: Path) -> None:
        self.run = run
        self.bundle = bundle
        self.stages = [stage for stage in run.stages if stage.done]
        self.outputs = {output.maker: output for stage in self.stages for output in stage.done.values()}
        self.workflow = _id(bundle / RESOLVED)
        self.study = run.study or {}

    def entities(self) -> Iterator[Entity]:
        """All entities, that of the file itself first."""
        yield {
            "@id": METADATA,
            "@type": "CreativeWork",
            "about": {"@id": "./"},
            "conformsTo": _ids([CRATE, "https://w3id.org/workflowhub/workflow-ro-crate/1.0"]),
        }
        yield self._root()
        for address, (name, version) in PROFILES.items():
            yield {"@id": address, "@type": "CreativeWork", "name": name, "version": version}
        yield from self._workflow()
        yield from self._execution()
        for position, stage in enumerate(self.stages, start=1):
            yield from self._stage(position, stage)
        yield from self._packages()

    def _root(self) -> Entity:
        title = self.study.get("title") or self.study.get("name", "study")
        return {
            "@id": "./",
            "@type": "Dataset",
            "name": title,
            "description": self.study.get("description") or f"A run of the study {title} by mmc.",
            "datePublished": _time(max(map(_end_ns, self.outputs.values()))),
            "license": LICENSE,
            "conformsTo": _ids(PROFILES),
            "mainEntity": {"@id": self.workflow},
            "mentions": _ids([RUN_ACTION, *(f"#job/{_id_of(output)}" for output in self.outputs.values())]),
            "hasPart": _ids([self.workflow, *self._study_file(), *map(self._folder, self.outputs.values())]),
        }

    def _study_file(self) -> list[str]:
        """The study as it was run, if an engine has kept it."""
        return ["study.yaml"] if (self.run.folder / "study.yaml").is_file() else []

    def _workflow(self) -> Iterator[Entity]:
        yield {
            "@id": self.workflow,
            "@type": ["File", "SoftwareSourceCode", "ComputationalWorkflow", "HowTo"],
            "name": self.study.get("name", "study"),
            "description": "The study with every default filled in.",
            "encodingFormat": "application/json",
            "programmingLanguage": {"@id": LANGUAGE},
            "step": _ids(map(_step, self.stages)),
            "hasPart": _ids(map(_tool, self.stages)),
        }
        yield {
            "@id": LANGUAGE,
            "@type": "ComputerLanguage",
            "name": "mmc study",
            "version": str(self.study.get("mmc", "")),
        }
        for name in self._study_file():
            yield {
                "@id": name,
                "@type": "File",
                "name": "The study as it was run",
                "encodingFormat": "application/yaml",
            }

    def _execution(self) -> Iterator[Entity]:
        """The run as a whole, with what the command line has set, and the engine that ran its steps."""
        changes = [
            {"@id": f"#set/{count}", "@type": "PropertyValue", "name": key, "value": value}
            for count, (key, _, value) in enumerate(text.partition("=") for text in self.run.manifest.get("set", ()))
        ]
        yield from changes
        first = min(_start_ns(output) for output in self.outputs.values())
        times = {"startTime": _time(first), "endTime": _time(max(map(_end_ns, self.outputs.values())))}
        yield {
            "@id": RUN_ACTION,
            "@type": "CreateAction",
            "name": f"Run of {self.study.get('name', 'the study')}",
            **times,
            "instrument": {"@id": self.workflow},
            "object": _ids([*self._study_file(), *(change["@id"] for change in changes)]),
            "result": _ids(map(self._folder, self.stages[-1].done.values())),
            "actionStatus": f"http://schema.org/{'Active' if self.run.missing else 'Completed'}ActionStatus",
        }
        engine = self.run.manifest.get("target", "")
        yield {
            "@id": ENGINE,
            "@type": "SoftwareApplication",
            "name": f"mmc, target {engine}",
            "softwareVersion": str(self.run.manifest.get("mmc", "")),
        }
        yield {
            "@id": ORGANIZED,
            "@type": "OrganizeAction",
            "name": f"Execution of the jobs by the target {engine}",
            **times,
            "instrument": {"@id": ENGINE},
            "object": _ids(f"#control/{_id_of(output)}" for output in self.outputs.values()),
            "result": {"@id": RUN_ACTION},
        }

    def _stage(self, position: int, stage: StageRun) -> Iterator[Entity]:
        """The step of a stage, its tool, and its finished jobs."""
        yield {
            "@id": _step(stage),
            "@type": "HowToStep",
            "name": stage.name,
            "description": stage.summary,
            "position": position,
            "workExample": {"@id": _tool(stage)},
        }
        packages = sorted({_package(*item) for output in stage.done.values() for item in _versions(output)})
        yield {
            "@id": _tool(stage),
            "@type": "SoftwareApplication",
            "name": f"mmc step {stage.name}",
            "description": stage.summary,
            "softwareVersion": ", ".join(sorted({str(output.record["mmc"]) for output in stage.done.values()})),
            "softwareRequirements": _ids(packages),
        }
        for output in stage.done.values():
            yield from self._job(stage, output)

    def _job(self, stage: StageRun, output: Output) -> Iterator[Entity]:
        name = _id_of(output)
        made = output.full_record
        read = [] if made is None else [self.outputs.get(maker.partition("]")[0] + "]") for maker in made.inputs]
        objects = dict.fromkeys(self._folder(found) for found in read if found is not None)
        yield {
            "@id": f"#control/{name}",
            "@type": "ControlAction",
            "name": f"Start of {output.maker}",
            "instrument": {"@id": _step(stage)},
            "object": {"@id": f"#job/{name}"},
        }
        yield {
            "@id": f"#job/{name}",
            "@type": "CreateAction",
            "name": output.maker,
            "startTime": _time(_start_ns(output)),
            "endTime": _time(_end_ns(output)),
            "instrument": {"@id": _tool(stage)},
            "object": _ids([*objects, f"#seed/{name}"]),
            "result": {"@id": self._folder(output)},
        }
        yield {"@id": f"#seed/{name}", "@type": "PropertyValue", "name": "seed", "value": output.record["seed"]}
        folder = {"@id": self._folder(output), "@type": "Dataset", "name": f"Output of {output.maker}"}
        yield folder if made is None else {**folder, "identifier": f"sha256:{made.digest}"}

    def _packages(self) -> Iterator[Entity]:
        for name, version in sorted({item for output in self.outputs.values() for item in _versions(output)}):
            yield {
                "@id": _package(name, version),
                "@type": "SoftwareApplication",
                "name": name,
                "softwareVersion": version,
            }

    def _folder(self, output: Output) -> str:
        return _id(output.path.relative_to(self.run.folder)) + "/"


def _ids(names: Iterable[str]) -> Any:
    """References to entities; the profile wants a single one without a list."""
    found = [{"@id": name} for name in names]
    return found[0] if len(found) == 1 else found


def _id(path: Path) -> str:
    return quote(path.as_posix())


def _id_of(output: Output) -> str:
    return quote(f"{output.record['stage']}/{output.record['job']}")


def _step(stage: StageRun) -> str:
    return f"#step/{stage.name}"


def _tool(stage: StageRun) -> str:
    return f"#tool/{stage.name}"


def _package(name: str, version: str) -> str:
    return quote(f"#package/{name}/{version}", safe="#/")


def _versions(output: Output) -> Iterable[tuple[str, str]]:
    return dict(output.record.get("made_with", {})).items()


def _end_ns(output: Output) -> int:
    """When the job ended, in nanoseconds since 1970: when it wrote its last file."""
    made = output.full_record
    times = [file.modified_ns for file in made.outputs.values()] if made is not None else []
    return max(times, default=(output.path / RECORD).stat().st_mtime_ns)


def _start_ns(output: Output) -> int:
    return _end_ns(output) - round(1e9 * output.seconds)


def _time(ns: int) -> str:
    return datetime.fromtimestamp(ns // 1_000_000_000, UTC).isoformat()
