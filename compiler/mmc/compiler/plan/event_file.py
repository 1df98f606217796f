"""The stage of an existing MadMiner event file."""

from collections.abc import Mapping
from pathlib import PurePosixPath

from mmc.compiler.plan.builder import Builder, Draft
from mmc.compiler.plan.model import FileInput
from mmc.compiler.settings.combine import IngestSettings, ParameterRange
from mmc.compiler.study.event_file import ExistingFile
from mmc.compiler.study.model import Study


def plan(builder: Builder, study: Study, source: ExistingFile, file_digests: Mapping[str, str]) -> None:
    """One job checks the file against the study."""
    sha256 = file_digests[source.file]
    file = FileInput("file", PurePosixPath("inputs") / PurePosixPath(source.file).name, sha256)
    settings = IngestSettings(
        sha256=sha256,
        parameters={p.name: ParameterRange(range=p.range) for p in study.parameters},
        benchmarks=study.benchmarks,
        observables=tuple(observable.name for observable in study.observables),
        morphing=study.morphing is not None,
    )
    builder.add("ingest", [Draft((), settings)], files=(file,))
