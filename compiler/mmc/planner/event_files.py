"""Events that exist already: a MadMiner file that is used as it is, or the files of an event generator."""

from collections.abc import Mapping
from pathlib import PurePosixPath

from mmc.plan import FileInput
from mmc.planner.builder import Builder, Draft
from mmc.planner.files import StageFiles
from mmc.planner.physics import CONFIGURED, SETUP, Piece, add_analyse, add_combine, add_configure, add_detect
from mmc.study import EventFile, FileGeneration, Study


def plan_ingest(builder: Builder, study: Study, source: EventFile, file_digests: Mapping[str, str]) -> None:
    sha256 = file_digests[source.file]
    file = FileInput("file", PurePosixPath("inputs") / PurePosixPath(source.file).name, sha256)
    settings = {
        "sha256": sha256,
        "parameters": {p.name: {"range": list(p.range)} for p in study.parameters},
        "benchmarks": study.benchmarks,
        "observables": [observable.name for observable in study.observables],
    }
    builder.add(
        "ingest", "Check the event file against the study", "events", [Draft(())], settings=settings, files=(file,)
    )


def plan_event_files(builder: Builder, study: Study, source: FileGeneration, file_digests: Mapping[str, str]) -> None:
    """One job checks each file; then as for generated events."""
    add_configure(builder, study)
    pieces, drafts = [], []
    files = StageFiles(file_digests)
    for sample in source.samples:
        for k, file in enumerate(sample.files):
            piece = Piece(sample, None, file.benchmark, k, None)
            own = {
                **piece.settings,
                "lhe": files.name(file.lhe),
                "hepmc": files.name(file.hepmc),
                "delphes": files.name(file.delphes),
            }
            pieces.append(piece)
            drafts.append(Draft(piece.identity, own, (CONFIGURED,), piece.label, part=k))
    builder.add(
        "import_events",
        "Check event files, and what their weights are of",
        "events",
        drafts,
        settings={"systematics": dict(study.systematics)} if study.systematics else {},
        inputs=(SETUP,),
        files=files.inputs,
        scattered=True,
    )
    detected = None
    if study.reading.delphes is not None:
        simulated = all(file.delphes is not None for sample in source.samples for file in sample.files)
        detected = "import_events" if simulated else add_detect(builder, study, pieces, "import_events", file_digests)
    add_analyse(builder, study, pieces, "import_events", detected)
    add_combine(builder, study, pieces)
