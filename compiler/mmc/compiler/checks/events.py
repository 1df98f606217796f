"""Rules about events: their origin, samples, benchmarks and numbers."""

import posixpath
from collections import Counter
from collections.abc import Iterator, Mapping
from typing import Any

from mmc.compiler.catalogue.generators import EVENT_SAMPLES, FROM_RUN, TABLES, takes_events
from mmc.compiler.catalogue.stages import MOST_JOBS
from mmc.compiler.checks.basis import completing
from mmc.compiler.checks.context import Context, rule
from mmc.compiler.checks.files import is_there, leads_out, stages
from mmc.compiler.checks.pythia8 import MMC304
from mmc.compiler.inputs.event_weights import weight_names
from mmc.compiler.language.diagnostics import START, Code, Diagnostic, one_of, show
from mmc.compiler.language.document import Path

FEW = 100
"""Below this number of training, validation or test events there is a warning."""


MMC302 = Code(
    "MMC302",
    "It is not clear where events come from",
    "A study either generates events (`generation`) or uses existing events (`events`), not both. With "
    "`events: {from_run: …}` it has both: `generation` says how the other run has generated the events.",
)


@rule(MMC302)
def one_source(ctx: Context) -> Iterator[Diagnostic]:
    """Events are either generated or read from files."""
    generation, events = "generation" in ctx.data, "events" in ctx.data
    if takes_events(ctx.data):
        if not generation:
            message = "the study does not say how the events were generated"
            help_text = "build on the study of the run, with `extends`, or copy its `generation`"
            yield ctx.problem(MMC302, ("events",), message, help_text, key=True)
    elif generation and events:
        message = "the study generates events and also reads existing ones"
        yield ctx.problem(MMC302, ("events",), message, "keep `events` or `generation`", key=True)
    elif not generation and not events:
        message = "the study has no events: it has neither `generation` nor `events`"
        span = START._replace(end_column=2)
        yield ctx.problem(MMC302, (), message, "add `generation` or `events`", span=span)


MMC115 = Code(
    "MMC115",
    "The events of another run cannot be taken",
    "`events: {from_run: …}` names the folder of a run in the folder of the study, such as `runs/NAME`, with its "
    "outputs in `out`, and a stage that this study has.",
)


@rule(MMC115)
def from_run(ctx: Context) -> Iterator[Diagnostic]:
    """The run from which events are taken is there, and the study has the stage."""
    taken = ctx.get("events", FROM_RUN)
    if taken is None:
        return
    folder, there = taken["folder"], stages(ctx)
    if leads_out(folder) or ctx.look_up(folder) == "outside":
        message = f"{show(folder)} lies outside the study's folder"
        yield ctx.problem(MMC115, ("events", FROM_RUN, "folder"), message, "run it in this folder, or move it there")
    elif ctx.look_up(f"{folder}/out") != "folder":
        message = f"{show(folder)} is not the folder of a run: it has no folder `out`"
        yield ctx.problem(MMC115, ("events", FROM_RUN, "folder"), message, "name the folder that `mmc run` has made")
    if there and taken["stage"] not in there:
        message = f"the study has no stage {taken['stage']}"
        help_text = f"it has {one_of(there)}"
        yield ctx.problem(MMC115, ("events", FROM_RUN, "stage"), message, help_text)


MMC305 = Code(
    "MMC305",
    "There is no signal",
    "No sample of the study, or of a group of samples, depends on the parameters, so nothing can be learned about "
    "the parameters.",
)


@rule(MMC305)
def some_signal(ctx: Context) -> Iterator[Diagnostic]:
    """At least one sample depends on the parameters."""
    samples = ctx.samples if ctx.sound(*ctx.samples_path) else {}
    if samples and all(sample["background"] for sample in samples.values()):
        yield ctx.problem(MMC305, ctx.samples_path, "all samples are backgrounds", key=True)


MMC329 = Code(
    "MMC329",
    "The file of a background is not at the first benchmark",
    "A background does not depend on the parameters, so it has no benchmark of its own. MadMiner reads it at the "
    "reference, which is the first benchmark.",
)


@rule(MMC304, MMC329)
def backgrounds(ctx: Context) -> Iterator[Diagnostic]:
    """Backgrounds are generated once, at the first benchmark."""
    first = next(iter(ctx.names("benchmarks") or ()), None)
    for name, sample in ctx.samples.items():
        path = (*ctx.samples_path, name)
        if not sample["background"]:
            continue
        if isinstance(sample.get("events"), dict):
            message = "a background is generated once, at the first benchmark"
            yield ctx.problem(MMC304, (*path, "events"), message, "give one number: `events: 10_000`")
        for index, file in enumerate(sample.get("files", ())):
            if first is not None and file["benchmark"] != first and file["benchmark"] in ctx.data["benchmarks"]:
                message = f"sample {show(name)} is a background, which does not depend on the parameters"
                at = (*path, "files", index, "benchmark")
                yield ctx.problem(MMC329, at, message, f"name the first benchmark: `benchmark: {first}`")


def _generated(ctx: Context) -> dict[str, Any]:
    """The samples that are generated."""
    return ctx.samples if ctx.origin is not None and ctx.origin.generates else {}


def counts(ctx: Context, sample: Any) -> Counter[int]:
    """The numbers of events of a sample, one for each generated benchmark and slice: how often each number occurs."""
    every = len(ctx.names("benchmarks") or ()) + len(completing(ctx))
    slices, events = max(1, len(sample.get("slices", ()))), sample["events"]
    found: Counter[int] = Counter()
    if isinstance(events, int):
        found[events] = slices * (1 if sample["background"] else every)
        return found
    named = _named(ctx, events)
    for number in named.values():
        found[number] += slices
    if "default" in events:
        found[events["default"]] += slices * (every - len(named))
    return +found


def _named(ctx: Context, events: Any) -> dict[str, int]:
    """The benchmarks with a number of their own."""
    return {name: n for name, n in events.items() if ctx.is_name("benchmarks", name) or name in completing(ctx)}


def _sampled(ctx: Context, sample: Any) -> frozenset[str]:
    """The benchmarks at which a sample has events, including those that MadMiner adds to the morphing basis."""
    if "files" in sample:
        return frozenset(file["benchmark"] for file in sample["files"])
    events = sample["events"]
    every = isinstance(events, int) or "default" in events
    return ctx.once(_every) if every else frozenset(_named(ctx, events))


def _every(ctx: Context) -> frozenset[str]:
    return frozenset((*(ctx.names("benchmarks") or ()), *completing(ctx)))


MMC316 = Code(
    "MMC316",
    "Signal samples are generated at different benchmarks",
    "MadMiner averages cross sections over the benchmarks at which events were generated, for all signal samples "
    "together. Signal samples with different benchmarks would get wrong cross sections.",
)


@rule(MMC316)
def same_sampled_benchmarks(ctx: Context) -> Iterator[Diagnostic]:
    """All signal samples are generated at the same benchmarks: MadMiner averages over them for all samples together."""
    first: tuple[str, frozenset[str]] | None = None
    for name, sample in ctx.samples.items():
        if sample["background"]:
            continue
        key = "files" if "files" in sample else "events"
        sampled = _sampled(ctx, sample)
        if first is None:
            first = name, sampled
        elif sampled != first[1]:
            named = [name for name in sorted(sampled ^ first[1]) if ctx.is_name("benchmarks", name)]
            differing = ", ".join(named[:12]) or "the ones that complete the morphing basis"
            message = f"samples {show(first[0])} and {show(name)} are not generated at the same benchmarks: {differing}"
            yield ctx.problem(MMC316, (*ctx.samples_path, name, key), message, "name the same benchmarks in both")


MMC331 = Code(
    "MMC331",
    "An event file is given twice",
    "Its events would count twice, which makes every statistical result wrong.",
)


@rule(MMC331)
def files_once(ctx: Context) -> Iterator[Diagnostic]:
    """No events are counted twice."""
    seen: dict[str, Path] = {}
    for path, text in _named_files(ctx):
        other = seen.setdefault(posixpath.normpath(text), path)
        if other != path:
            message = f"the file {show(text)} is already in sample {show(other[2])}"
            yield ctx.problem(MMC331, path, message, "name each file once: its events would count twice")


def _named_files(ctx: Context) -> Iterator[tuple[Path, str]]:
    """The event files of all samples, each with its path in the study."""
    for name, sample in ctx.samples.items():
        path = (*ctx.samples_path, name)
        for index, file in enumerate(sample.get("files", ())):
            yield from (((*path, "files", index, key), file[key]) for key in ("lhe", "hepmc", "delphes") if key in file)
            for number, text in enumerate(file.get("paths", ())):
                yield (*path, "files", index, "paths", number), text
        for number, text in enumerate(sample.get("simulated", {}).get("paths", ())):
            yield (*path, "simulated", "paths", number), text


MMC334 = Code(
    "MMC334",
    "Event files cannot have the weights that complete the basis",
    "Existing events have weights at fixed points. MadMiner chooses the benchmarks that complete the morphing basis at "
    "random, so the files have no weights there, or weights of the same names at other points. Name all benchmarks at "
    "which the files were reweighted, with their points: MadGraph writes them into the header of the file, as "
    "`set param_card dim6 2 165.2` beside the name of each weight.",
)


@rule(MMC334)
def weights_at_added_benchmarks(ctx: Context) -> Iterator[Diagnostic]:
    """With event files, MadMiner adds no benchmarks to the basis: the files have no weights there."""
    added = list(completing(ctx))
    is_reweighted = all(sample["background"] or "reweight" in sample for sample in ctx.samples.values())
    if ctx.origin in (EVENT_SAMPLES, TABLES) and added and not is_reweighted:
        first, *more = added
        names = f"{first} to {more[-1]}" if more else first
        message = f"MadMiner would add {names} to the basis, at points where event files have no weights"
        help_text = "name all benchmarks at which the files were reweighted"
        help_text += ", or let `reweight` compute the weights" if ctx.origin is EVENT_SAMPLES else ""
        yield ctx.problem(MMC334, ("benchmarks",), message, help_text, key=True)


MMC341 = Code(
    "MMC341",
    "An event file has no weight for a benchmark",
    "Events of a signal have a weight at every benchmark, under its name, except that at which they were sampled. If "
    "the file has the weight under another name, write `weights: {benchmark: name}` beside the file. mmc reads the "
    "first event of plain and gzipped files; the jobs check all events.",
)


@rule(MMC341)
def weights_at_benchmarks(ctx: Context) -> Iterator[Diagnostic]:
    """The first event of each file has the weights that the study needs."""
    benchmarks = ctx.names("benchmarks") or []
    for name, sample in ctx.samples.items() if ctx.origin is EVENT_SAMPLES else ():
        for index, file in enumerate(sample["files"]):
            path, text = (*ctx.samples_path, name, "files", index), file["lhe"]
            start = ctx.read_start(text) if is_there(ctx, text) else None
            known = weight_names(start) if start is not None else None
            if known is None:
                continue
            renamed = file.get("weights", {})
            wanted = () if sample["background"] or "reweight" in sample else benchmarks
            for benchmark in wanted:
                own = renamed.get(benchmark, benchmark)
                if own in known or benchmark == file["benchmark"]:
                    continue
                message = f"{text[:100]} has no weight {show(own)} for the benchmark {show(benchmark)}"
                listed = f"the weights there are {one_of(known, 20)}" if known else "its events have no weights by name"
                advice = f"write `weights: {{{benchmark}: …}}` beside the file" if known else "reweight them"
                at = (*path, "weights", benchmark) if benchmark in renamed else (*path, "lhe")
                yield ctx.problem(MMC341, at, message, f"{listed}; {advice}")


MMC371 = Code(
    "MMC371",
    "Two benchmarks have the same weight",
    "An event has a different weight at each benchmark. Here `weights` gives the same name or column to two "
    "benchmarks, so at least one of the two is wrong.",
)


@rule(MMC371)
def own_weights(ctx: Context) -> Iterator[Diagnostic]:
    """No two benchmarks have the same weight."""
    benchmarks = ctx.names("benchmarks") or []
    for path, renamed, sampled in _names_of_weights(ctx):
        owners: dict[str, str] = {}
        for benchmark in sorted(benchmarks, key=lambda name: name in renamed):
            if benchmark not in renamed and benchmark in sampled:
                continue
            text = renamed.get(benchmark, benchmark)
            if owners.setdefault(text, benchmark) != benchmark:
                message = f"{show(text)} is the weight at {show(benchmark)} and at {show(owners[text])}"
                yield ctx.problem(MMC371, (*path, benchmark), message, "name the weight of each benchmark")


def _names_of_weights(ctx: Context) -> Iterator[tuple[Path, Mapping[str, str], set[str]]]:
    """The names of weights by benchmark, with their path, and the benchmarks at which the events were sampled."""
    for name, sample in ctx.samples.items() if ctx.origin in (EVENT_SAMPLES, TABLES) else ():
        path: Path = (*ctx.samples_path, name)
        if sample.get("background"):
            continue
        if ctx.origin is TABLES and isinstance(sample.get("weights"), Mapping):
            yield (*path, "weights"), sample["weights"], {file["benchmark"] for file in sample["files"]}
        elif ctx.origin is EVENT_SAMPLES:
            for index, file in enumerate(sample["files"]):
                yield (*path, "files", index, "weights"), file.get("weights", {}), {file["benchmark"]}


MMC306 = Code(
    "MMC306",
    "The splits leave a part without events",
    "`test_split` and `validation_split` are fractions above 0, and their sum is below 1, so that training, "
    "validation and test all have events.",
)
MMC335 = Code(
    "MMC335",
    "A part of the events is very small",
    "The generated events, before cuts, are split into training, validation and test events. One part has fewer than "
    "a hundred, too few to train, choose or test a network. For a quick trial of a study this is fine.",
    "warning",
)


@rule(MMC306, MMC335)
def splits(ctx: Context) -> Iterator[Diagnostic]:
    """Training, validation and test all get events."""
    fractions = {name: ctx.get("sampling", name) for name in ("test_split", "validation_split")}
    if None in fractions.values():
        return
    for name, fraction in fractions.items():
        if not 0 < fraction < 1:
            message = f"`{name}` is {show(fraction)}; it must be above 0 and below 1"
            yield ctx.problem(MMC306, ("sampling", name), message, f"take the default: `{name}: 0.2`")
            return
    training = 1 - sum(fractions.values())
    last = ("sampling", "validation_split" if ctx.given("sampling", "validation_split") else "test_split")
    if training < 1e-9:
        message = f"the splits add up to {sum(fractions.values()):g}, which leaves no events for training"
        yield ctx.problem(MMC306, last, message, "let them add up to less than 1")
        return
    if not ctx.sound("generation"):
        return
    total = sum(n * times for sample in _generated(ctx).values() for n, times in counts(ctx, sample).items())
    if total == 0:  # no events to count, or broken benchmarks, which other rules report
        return
    parts = {"test": fractions["test_split"], "validation": fractions["validation_split"], "training": training}
    for part, fraction in parts.items():
        if total * fraction < 1:
            message = f"the splits leave no {part} events: {fraction:g} of {total} is less than one"
            yield ctx.problem(MMC306, last, message, "generate more events, or take another split")
            return
    smallest = min(parts, key=lambda part: parts[part])
    if total * parts[smallest] < FEW:
        message = f"at most {int(total * parts[smallest])} of {total:,} events are {smallest} events"
        yield ctx.problem(MMC335, ("generation", "samples"), message, "generate more events", key=True)


MMC307 = Code(
    "MMC307",
    "There are too many jobs",
    "The number of jobs is `events` divided by `events_per_job`, for every benchmark (including those that complete "
    "the morphing basis) and every slice of phase space. Workflow engines cannot run more than 100,000; let each job "
    "generate more events. A scan of more than 500 trainings is probably a mistake; `allow_trainings` permits it.",
)


@rule(MMC307)
def number_of_jobs(ctx: Context) -> Iterator[Diagnostic]:
    """Generation is not split into more jobs than workflow engines can run."""
    total = 0
    for name, sample in _generated(ctx).items():
        per_job = sample.get("events_per_job", ctx.get("generation", "events_per_job"))
        jobs = 0 if per_job is None else sum(times * -(-n // per_job) for n, times in counts(ctx, sample).items())
        total += jobs
        if jobs > MOST_JOBS:
            key = "events_per_job" if ctx.given("generation", "samples", name, "events_per_job") else "events"
            message = f"sample {show(name)} takes {jobs:,} jobs; at most {MOST_JOBS:,} are possible"
            help_text = f"let each job generate more: `events_per_job: {-(-jobs // 1000) * per_job}`"
            yield ctx.problem(MMC307, ("generation", "samples", name, key), message, help_text)
            return
    if total > MOST_JOBS:
        message = f"all samples together take {total:,} jobs; at most {MOST_JOBS:,} are possible"
        yield ctx.problem(MMC307, ("generation", "samples"), message, "let each job generate more", key=True)
