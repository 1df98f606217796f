"""From a study to its plan: which stages, which jobs, what each reads, its seed and its fingerprint.

Everything that can be known before running is decided here, once for all targets.
"""

import hashlib
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import PurePosixPath
from typing import Any

from mmc.plan import FileInput, Flow, Input, Job, Plan, Stage, digest
from mmc.resources import Resources
from mmc.study import EventFile, Generation, Method, Sample, Study
from mmc.version import __version__

STEP_VERSIONS = {
    "configure": 1,
    "generate": 1,
    "simulate": 1,
    "analyse": 1,
    "combine": 1,
    "ingest": 1,
    "sample": 1,
    "train": 1,
    "evaluate": 1,
    "baselines": 1,
    "report": 1,
}
"""Raised when a step makes other output from the same input, so that finished jobs of an older mmc are run again."""

LEARNING = ("sample", "train", "evaluate", "baselines", "report")
"""The stages of the sub-workflow `learning`; all others belong to `physics`."""

N_INTEGRATION = (2_000, 200_000)
"""Fewest and most events from which ``generate`` integrates a cross section; in between, as many as are wanted."""


@dataclass(frozen=True)
class _Draft:
    """A job before its stage gives it a seed and a fingerprint."""

    identity: tuple[str, ...]
    """The names that make the job what it is; its seed follows from them and from nothing else."""
    settings: Mapping[str, Any] = field(default_factory=dict)
    needs: tuple[tuple[str, str], ...] = ()
    label: str = ""
    events: int = 0
    part: int | None = None
    """Jobs that differ in their part, the last of their names, have consecutive seeds, so that their events are never the same."""


def make_plan(study: Study, file_digests: Mapping[str, str]) -> Plan:
    """The plan of a study. ``file_digests`` gives the SHA-256 of each file that the study names, by its text there."""
    study_digest = digest({"study": study.resolved, "files": dict(file_digests)})
    builder = _Builder(study)
    if isinstance(study.source, EventFile):
        _plan_ingest(builder, study, study.source, file_digests)
    else:
        _plan_generation(builder, study, study.source)
    events = ("combine", "combine") if "combine" in builder.stages else ("ingest", "ingest")
    _plan_learning(builder, study, events, study_digest)
    return Plan(
        study=study.name,
        title=study.title,
        digest=study_digest,
        stages=tuple(builder.stages.values()),
        resolved_study=study.resolved,
    )


def job_seed(study_seed: int, stage: str, identity: Iterable[str], part: int = 0) -> int:
    """A job's own seed, 1 to 900,000,000 (Pythia's range), from the study's seed, the stage and the job's names.

    It does not depend on which other jobs there are, so adding a benchmark does not reshuffle the others. Seeds of the
    parts of one thing are consecutive: independent ones would collide among 10,000 parts in one study of twenty.
    """
    text = "\0".join((str(study_seed), stage, *identity))
    return 1 + (int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "big") + part) % 900_000_000


def slug(*names: str) -> str:
    """A name for files and command lines from names of the study: ASCII letters, digits, ``_``, ``-`` and ``.``.

    >>> slug("signal", "c LL", "0")
    'signal.c_LL.0'
    """
    return ".".join(re.sub(r"[^A-Za-z0-9_-]", "_", name) for name in names)


class _Builder:
    """Collects stages; gives every job its seed and a fingerprint that covers all that its output depends on."""

    def __init__(self, study: Study) -> None:
        self.study = study
        self.stages: dict[str, Stage] = {}
        self._fingerprints: dict[tuple[str, str], str] = {}

    def add(
        self,
        name: str,
        summary: str,
        output: str,
        drafts: Sequence[_Draft],
        *,
        settings: Mapping[str, Any] | None = None,
        inputs: tuple[Input, ...] = (),
        files: tuple[FileInput, ...] = (),
        scattered: bool = False,
    ) -> None:
        """Add a stage with its jobs; upstream stages come first."""
        group = "learning" if name in LEARNING else "physics"
        resources = self.study.resources.get(name, Resources())
        stage = Stage(
            name=name,
            group=group,
            summary=summary,
            output=output,
            jobs=(),
            settings=settings or {},
            inputs=inputs,
            files=files,
            image=self.study.images.get(group),
            resources=resources,
            scattered=scattered,
        )
        base = digest(
            {
                "argv": [(token.kind, token.value) for token in stage.argv],
                "settings": stage.settings,
                "files": [file.sha256 for file in files],
                "image": stage.image,
                "threads": resources.cpus,
                "version": STEP_VERSIONS[name],
            }
        )
        jobs = tuple(self._job(stage, base, draft) for draft in drafts)
        self.stages[name] = replace(stage, jobs=jobs)

    def _job(self, stage: Stage, base: str, draft: _Draft) -> Job:
        name = slug(*draft.identity) or stage.name
        identity = draft.identity if draft.part is None else draft.identity[:-1]
        seed = job_seed(self.study.seed, stage.name, identity, draft.part or 0)
        upstream = [self._fingerprints[need] for need in draft.needs]
        fingerprint = digest([base, name, dict(draft.settings), seed, upstream])
        self._fingerprints[stage.name, name] = fingerprint
        return Job(name, draft.settings, draft.needs, seed, fingerprint, draft.label, draft.events)


def _plan_ingest(builder: _Builder, study: Study, source: EventFile, file_digests: Mapping[str, str]) -> None:
    sha256 = file_digests[source.file]
    file = FileInput("file", PurePosixPath("inputs") / PurePosixPath(source.file).name, sha256)
    settings = {
        "sha256": sha256,
        "parameters": {p.name: {"range": list(p.range)} for p in study.parameters},
        "benchmarks": study.benchmarks,
        "observables": [observable.name for observable in study.observables],
    }
    builder.add(
        "ingest", "Check the event file against the study", "events", [_Draft(())], settings=settings, files=(file,)
    )


def _plan_generation(builder: _Builder, study: Study, generation: Generation) -> None:
    _add_configure(builder, study)
    runs = [(sample, benchmark) for sample in generation.samples for benchmark in sample.events]
    beams = {
        "energy_gev": generation.beams.energy_gev,
        "particles": list(generation.beams.particles),
        "pdf_set": generation.beams.pdf_set,
    }
    shared = {"parameters": {p.name: p.coefficient for p in study.parameters}, "beams": beams}
    setup = Input("setup", "configure", Flow.ONE)
    configured = ("configure", "configure")
    builder.add(
        "generate",
        "Integrate the cross section of each process at each sampled benchmark",
        "process",
        [
            _Draft(
                (sample.name, benchmark),
                _generate_settings(sample, benchmark),
                (configured,),
                f"{sample.name} at {benchmark}",
            )
            for sample, benchmark in runs
        ],
        settings=shared,
        inputs=(setup,),
        scattered=True,
    )
    pieces = [(sample, benchmark, k, n) for sample, benchmark in runs for k, n in _split(sample, benchmark)]
    builder.add(
        "simulate",
        "Generate events and weight each at every benchmark",
        "events",
        [
            _Draft(
                (sample.name, benchmark, str(k)),
                {
                    "sample": sample.name,
                    "benchmark": benchmark,
                    "process_job": slug(sample.name, benchmark),
                    "n_events": n,
                },
                (configured, ("generate", slug(sample.name, benchmark))),
                f"{n:,} events of {sample.name} at {benchmark}",
                n,
                k,
            )
            for sample, benchmark, k, n in pieces
        ],
        settings=shared,
        inputs=(setup, Input("process", "generate", Flow.ALL)),
        scattered=True,
    )
    _add_analyse(builder, study, pieces)
    _add_combine(builder, pieces)


def _add_configure(builder: _Builder, study: Study) -> None:
    parameters = {
        p.name: {"coefficient": p.coefficient, "range": list(p.range), "max_power": p.max_power}
        for p in study.parameters
    }
    settings = {"parameters": parameters, "benchmarks": study.benchmarks, "morphing": asdict(study.morphing)}
    builder.add(
        "configure", "Set up parameters, benchmarks and the morphing basis", "setup", [_Draft(())], settings=settings
    )


def _generate_settings(sample: Sample, benchmark: str) -> dict[str, Any]:
    fewest, most = N_INTEGRATION
    return {
        "sample": sample.name,
        "benchmark": benchmark,
        "process": sample.process,
        "background": sample.background,
        "run_card": asdict(sample.run_card),
        "n_integration": min(max(sample.events[benchmark], fewest), most),
    }


def _split(sample: Sample, benchmark: str) -> Iterator[tuple[int, int]]:
    """Number of each job and its events: full jobs first, then one with what is left."""
    total = sample.events[benchmark]
    for k, start in enumerate(range(0, total, sample.events_per_job)):
        yield k, min(sample.events_per_job, total - start)


def _add_analyse(builder: _Builder, study: Study, pieces: Sequence[tuple[Sample, str, int, int]]) -> None:
    reading = study.reading
    settings = {
        "observables": {
            o.name: {"definition": o.definition, "required": o.required, "default": o.default}
            for o in study.observables
        },
        "default_observables": reading.default_observables,
        "cuts": list(reading.cuts),
        "efficiencies": list(reading.efficiencies),
        "smearing": [{**asdict(smearing), "pdgids": list(smearing.pdgids)} for smearing in reading.smearing],
        "met_noise": dict(reading.met_noise),
    }
    drafts = []
    for sample, benchmark, k, n in pieces:
        upstream = slug(sample.name, benchmark, str(k))
        own = {
            "sample": sample.name,
            "benchmark": benchmark,
            "background": sample.background,
            "simulate_job": upstream,
        }
        needs = (("configure", "configure"), ("simulate", upstream))
        drafts.append(_Draft((sample.name, benchmark, str(k)), own, needs, f"{sample.name} at {benchmark}", n, k))
    builder.add(
        "analyse",
        "Read events: detector resolution, observables, cuts, efficiencies",
        "analysed",
        drafts,
        settings=settings,
        inputs=(Input("setup", "configure", Flow.ONE), Input("events", "simulate", Flow.EACH)),
        scattered=True,
    )


def _add_combine(builder: _Builder, pieces: Sequence[tuple[Sample, str, int, int]]) -> None:
    jobs = [
        {
            "job": slug(sample.name, benchmark, str(k)),
            "sample": sample.name,
            "benchmark": benchmark,
            "n_events": n,
            "n_events_total": sample.events[benchmark],
            "k_factor": sample.k_factor,
            "background": sample.background,
        }
        for sample, benchmark, k, n in pieces
    ]
    needs = (("configure", "configure"), *(("analyse", str(job["job"])) for job in jobs))
    builder.add(
        "combine",
        "Combine and shuffle all events",
        "events",
        [_Draft((), {}, needs, "", sum(n for *_, n in pieces))],
        settings={"jobs": jobs},
        inputs=(Input("setup", "configure", Flow.ONE), Input("analysed", "analyse", Flow.ALL)),
    )


def _plan_learning(builder: _Builder, study: Study, events: tuple[str, str], study_digest: str) -> None:
    events_input = Input("events", events[0], Flow.ONE)
    if study.methods:
        _add_sample(builder, study, events, events_input)
        _add_train(builder, study)
    evaluation = study.evaluation
    if evaluation is None:
        return
    shared = {
        "parameters": [p.name for p in study.parameters],
        "test_split": study.test_split,
        "validation_split": study.validation_split,
        "luminosity_pb": evaluation.luminosity_pb,
        "theta_true": evaluation.theta_true,
        "grid": evaluation.grid,
        "include_xsec": evaluation.include_xsec,
        "confidence_levels": list(evaluation.confidence_levels),
    }
    if study.methods:
        _add_evaluate(builder, study, shared, events, events_input)
    baselines = list(_baselines(study))
    if baselines:
        builder.add(
            "baselines",
            "Limits without machine learning",
            "baseline",
            [_Draft((own["baseline"],), own, (events,), own["baseline"]) for own in baselines],
            settings=shared,
            inputs=(events_input,),
            scattered=True,
        )
    if study.methods or baselines:
        _add_report(builder, study, events, events_input, study_digest)


def _add_sample(builder: _Builder, study: Study, events: tuple[str, str], events_input: Input) -> None:
    settings = {
        "parameters": [p.name for p in study.parameters],
        "test_split": study.test_split,
        "validation_split": study.validation_split,
    }
    drafts = [
        _Draft((method.name,), _sample_settings(method), (events,), method.name, method.samples)
        for method in study.methods
    ]
    builder.add(
        "sample",
        "Draw training and validation samples",
        "samples",
        drafts,
        settings=settings,
        inputs=(events_input,),
        scattered=True,
    )


def _sample_settings(method: Method) -> dict[str, Any]:
    return {
        "method_name": method.name,
        "method": method.method,
        "theta": method.theta,
        "theta0": method.theta0,
        "theta1": method.theta1,
        "samples": method.samples,
        "validation_samples": method.validation_samples,
        "sample_only_from_closest_benchmark": method.sample_only_from_closest_benchmark,
    }


def _trainings(study: Study) -> Iterator[tuple[Method, tuple[str, ...], dict[str, Any]]]:
    """Every training: the method, the job's names and the values of the scanned hyperparameters."""
    for method in study.methods:
        for k, values in enumerate(method.scan_points()):
            yield method, (method.name, f"scan-{k}") if method.scan else (method.name,), values


def _add_train(builder: _Builder, study: Study) -> None:
    drafts = []
    for method, identity, values in _trainings(study):
        own = {
            "method_name": method.name,
            "method": method.method,
            "sample_job": slug(method.name),
            "features": None if method.features is None else list(method.features),
            "training": {**method.training, **values},
            "scan": values,
        }
        drafts.append(_Draft(identity, own, (("sample", slug(method.name)),), _label(method, values)))
    builder.add(
        "train",
        "Train the estimators",
        "model",
        drafts,
        inputs=(Input("samples", "sample", Flow.ALL),),
        scattered=True,
    )


def _label(method: Method, values: Mapping[str, Any]) -> str:
    return ", ".join((method.name, *(f"{key} = {value}" for key, value in values.items())))


def _add_evaluate(
    builder: _Builder, study: Study, shared: Mapping[str, Any], events: tuple[str, str], events_input: Input
) -> None:
    drafts = []
    for method, identity, values in _trainings(study):
        own = {
            "method_name": method.name,
            "method": method.method,
            "train_job": slug(*identity),
            "theta": method.theta,
            "theta1": method.theta1,
            "scan": values,
        }
        drafts.append(_Draft(identity, own, (events, ("train", slug(*identity))), _label(method, values)))
    builder.add(
        "evaluate",
        "Closure tests and limits of the estimators",
        "limits",
        drafts,
        settings=shared,
        inputs=(events_input, Input("model", "train", Flow.EACH)),
        scattered=True,
    )


def _baselines(study: Study) -> Iterator[dict[str, Any]]:
    evaluation = study.evaluation
    if evaluation is None:
        return
    if evaluation.rate:
        yield {"baseline": "rate"}
    if evaluation.histogram is not None:
        yield {"baseline": "histogram", **evaluation.histogram}
    if evaluation.fisher_information is not None:
        yield {"baseline": "fisher", **evaluation.fisher_information}


def _add_report(
    builder: _Builder, study: Study, events: tuple[str, str], events_input: Input, study_digest: str
) -> None:
    upstream = [stage for stage in ("train", "evaluate", "baselines") if stage in builder.stages]
    outputs = [builder.stages[stage].output for stage in upstream]
    needs = (events, *((stage, job.name) for stage in upstream for job in builder.stages[stage].jobs))
    settings = {
        "study": study.name,
        "title": study.title,
        "digest": study_digest,
        "version": __version__,
        "parameters": {p.name: {"label": p.label} for p in study.parameters},
        "observables": {o.name: {"label": o.label} for o in study.observables},
        "plots": dict(study.plots),
    }
    builder.add(
        "report",
        "Tables and pictures of the results",
        "report",
        [_Draft((), {}, needs)],
        settings=settings,
        inputs=(
            events_input,
            *(Input(out, stage, Flow.ALL) for out, stage in zip(outputs, upstream, strict=True)),
        ),
    )
