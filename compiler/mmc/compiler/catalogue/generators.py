"""The origins of events, each declared once: the generators and existing event files.

To add a generator, declare it here.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal


@dataclass(frozen=True)
class EventOrigin:
    """Where the events of a study are from."""

    name: str
    """The value of ``generation.generator``, or the key of ``events``."""
    section: Literal["generation", "events"]
    """The section of the study that describes the events."""
    summary: str
    """The sentence for the documentation of the study language."""
    module: str
    """The name of its modules in :mod:`mmc.compiler.study` and :mod:`mmc.compiler.plan`."""
    stages: tuple[str, ...]
    """The stages that make its events, in their order. With ``detect`` among them a detector simulation is possible,
    which runs if the study asks for it."""
    steps: Mapping[str, str] = field(default_factory=dict)
    """The stages that this generator runs in its own way, each with the module whose ``run`` does it."""
    param_card: Literal["needed", "possible", "none"] = "none"
    """Whether each parameter has an entry in a param card."""
    exact: bool = False
    """Whether it makes exactly the requested number of events: MadGraph and the shower may lose some."""
    varies: bool = False
    """Whether its events can have weights of systematic uncertainties."""
    processes: Mapping[str, bool] = field(default_factory=dict)
    """Its fixed processes, each with whether it depends on the parameters; empty if the study defines processes."""
    samples: str = "samples"
    """The key of its samples in :attr:`section`."""
    program: str | None = None
    """The program that has to be installed; None if Python packages suffice."""

    @property
    def generates(self) -> bool:
        """Whether the events are generated."""
        return self.section == "generation"

    @property
    def reads_particles(self) -> bool:
        """Whether observables are computed from particles, rather than read from a MadMiner file."""
        return "analyse" in self.stages

    def is_of(self, study: Mapping[str, Any]) -> bool:
        """Whether the events of a study have this origin, given the data of the study."""
        section = study.get(self.section)
        if not isinstance(section, Mapping):
            return False
        return section.get("generator") == self.name if self.generates else self.name in section


PYTHIA8 = EventOrigin(
    name="pythia8",
    section="generation",
    summary="`pythia8` is the embedded generator: it needs pip packages only.",
    module="pythia8",
    stages=("configure", "generate", "simulate", "analyse", "combine"),
    steps={
        "generate": "mmc.jobs.generators.pythia8_process",
        "simulate": "mmc.jobs.generators.pythia8_events",
    },
    exact=True,
    processes={"dimuon": True, "ww": False, "ttbar": False},
)
MADGRAPH = EventOrigin(
    name="madgraph",
    section="generation",
    summary="`madgraph` is MadGraph5_aMC@NLO.",
    module="madgraph",
    stages=("configure", "generate", "simulate", "detect", "analyse", "combine"),
    steps={
        "generate": "mmc.jobs.generators.madgraph_process",
        "simulate": "mmc.jobs.generators.madgraph_events",
    },
    param_card="needed",
    varies=True,
    program="MadGraph",
)
UFO = EventOrigin(
    name="ufo",
    section="generation",
    summary="`ufo` computes tree-level processes of any UFO model with pip packages.",
    module="ufo",
    stages=("configure", "generate", "simulate", "detect", "analyse", "combine"),
    steps={
        "generate": "mmc.jobs.generators.ufo_process",
        "simulate": "mmc.jobs.generators.ufo_events",
    },
    param_card="needed",
    varies=True,
)
EVENT_SAMPLES = EventOrigin(
    name="samples",
    section="events",
    summary="Signal and backgrounds, by name, each with its event files.",
    module="event_samples",
    stages=("configure", "import_events", "detect", "analyse", "combine"),
    param_card="possible",
    varies=True,
)
EVENT_FILE = EventOrigin(
    name="file",
    section="events",
    summary=(
        "A MadMiner event file (HDF5), relative to the study. The study then names the parameters, benchmarks and "
        "observables of that file that it uses."
    ),
    module="event_file",
    stages=("ingest",),
    param_card="possible",
)
TABLES = EventOrigin(
    name="tables",
    section="events",
    summary="Signal and backgrounds, by name, each with tables of events: ROOT trees, Parquet, HDF5 or npz.",
    module="tables",
    stages=("configure", "analyse", "combine"),
    param_card="possible",
    varies=True,
    samples="tables",
)

ORIGINS = (PYTHIA8, MADGRAPH, UFO, EVENT_SAMPLES, EVENT_FILE, TABLES)
"""All origins of events."""
GENERATORS: Mapping[str, EventOrigin] = {origin.name: origin for origin in ORIGINS if origin.generates}
"""The generators by their names."""


FROM_RUN = "from_run"
"""The key of ``events`` of a study whose generated events another run has made already."""


def takes_events(study: Mapping[str, Any]) -> bool:
    """Whether the generated events of a study are taken from another run, given its data."""
    events = study.get("events")
    return isinstance(events, Mapping) and set(events) == {FROM_RUN}


def origin_of(study: Mapping[str, Any]) -> EventOrigin | None:
    """The origin of the events of a study, given its data; None if there is no origin, or more than one."""
    if {"generation", "events"} <= set(study) and not takes_events(study):
        return None
    return next((origin for origin in ORIGINS if origin.is_of(study)), None)


def runs_delphes(study: Mapping[str, Any]) -> bool:
    """Whether Delphes runs: it is the detector simulation, and some event file lacks its output. Parts of the study's
    data may be missing."""
    if study.get("detector", {}).get("simulation") != "delphes":
        return False
    samples = study.get("events", {}).get("samples", {})
    files = [file for sample in samples.values() for file in sample.get("files", ())]
    return not files or any("delphes" not in file for file in files)


def generator_of(settings: Mapping[str, Any]) -> str:
    """The name of the generator of a job, given its settings. Settings for Pythia do not contain it; adding it would
    change their fingerprints."""
    name: str = settings.get("generator", PYTHIA8.name)
    return name
