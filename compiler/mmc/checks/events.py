"""Rules about events: where they come from, how many, in which phase space, and what is read of them."""

import re
from collections.abc import Iterator
from typing import Any

from mmc.checks.context import Context, dotted, rule
from mmc.diagnostics import START, Diagnostic, one_of, show
from mmc.quantities import parse_quantity

MOST_JOBS = 100_000
"""No engine copes with more jobs of one stage."""
LOWEST_MASS = 120.0
"""GeV. Below, the Z resonance makes events of large weight: the contact process of Pythia does not map it."""
SIGNAL_PROCESSES = ("dimuon",)
SMEARED = frozenset((*range(-6, 7), *range(-16, -10), *range(11, 17), 21, 22, 23, 24, -24, 25)) - {0}
"""The PDG codes of the particles that MadMiner's LHE reader smears: all elementary ones of the Standard Model."""

_TAKES_ELEMENT = re.compile(r"[\w\])]\s*\[")


@rule("MMC302")
def one_source(ctx: Context) -> Iterator[Diagnostic]:
    """Events are generated or read from a file."""
    generation, events = "generation" in ctx.data, "events" in ctx.data
    if generation and events:
        message = "the study both generates events and reads a file of them"
        yield ctx.problem("MMC302", ("events",), message, "keep `events` or `generation`", key=True)
    elif not generation and not events:
        message = "the study has no events: it has neither `generation` nor `events`"
        span = START._replace(end_column=2)
        yield ctx.problem("MMC302", (), message, "say how to generate them, or which file holds them", span=span)


@rule("MMC303")
def coefficients(ctx: Context) -> Iterator[Diagnostic]:
    """Each parameter multiplies a contact interaction of its own."""
    if ctx.get("generation", "generator") != "pythia8":
        return
    seen: dict[str, str] = {}
    for name, entry in ctx.entries("parameters").items():
        coefficient = entry.get("coefficient")
        if coefficient is None:
            message = f"parameter {show(name)} does not say which interaction it multiplies"
            yield ctx.problem("MMC303", ("parameters", name), message, "add `coefficient: LL`, LR, RL or RR", key=True)
            continue
        other = seen.setdefault(coefficient, name)
        if other != name:
            message = f"{show(name)} and {show(other)} multiply the same interaction, {coefficient}"
            path = ("parameters", name, "coefficient")
            yield ctx.problem("MMC303", path, message, "give one of them another coefficient, or remove it")


def _samples(ctx: Context) -> dict[str, Any]:
    return ctx.entries("generation", "samples")


@rule("MMC304")
def kinds_of_samples(ctx: Context) -> Iterator[Diagnostic]:
    """Processes are declared as what they are, and backgrounds are generated once."""
    for name, sample in _samples(ctx).items():
        path = ("generation", "samples", name)
        is_signal = sample["process"] in SIGNAL_PROCESSES
        if is_signal and sample["background"]:
            message = f"the process {sample['process']} depends on the parameters, so it is no background"
            yield ctx.problem("MMC304", (*path, "background"), message, "remove `background: true`")
        elif not is_signal and not sample["background"]:
            message = f"the process {sample['process']} does not depend on the parameters"
            yield ctx.problem("MMC304", (*path, "process"), message, "add `background: true`")
        if sample["background"] and isinstance(sample["events"], dict):
            message = "a background is generated once, at the first benchmark"
            yield ctx.problem("MMC304", (*path, "events"), message, "give one number: `events: 10_000`")


@rule("MMC305")
def some_signal(ctx: Context) -> Iterator[Diagnostic]:
    """At least one sample depends on the parameters."""
    samples = _samples(ctx) if ctx.sound("generation", "samples") else {}
    if samples and all(sample["background"] for sample in samples.values()):
        yield ctx.problem("MMC305", ("generation", "samples"), "all samples are backgrounds", key=True)


def _counts(ctx: Context, sample: Any) -> list[int]:
    """The events of a sample at each benchmark that is generated."""
    if sample["background"] and isinstance(sample["events"], int):
        return [sample["events"]]
    return list(_sampled(ctx, sample["events"]).values())


def _sampled(ctx: Context, events: Any) -> dict[str, int]:
    """The events at each benchmark that is generated."""
    benchmarks = ctx.names("benchmarks") or []
    if isinstance(events, int):
        return dict.fromkeys(benchmarks, events)
    counts = {name: events.get(name, events.get("default")) for name in benchmarks}
    return {name: n for name, n in counts.items() if n is not None}


@rule("MMC316")
def same_sampled_benchmarks(ctx: Context) -> Iterator[Diagnostic]:
    """All signal samples are generated at the same benchmarks: MadMiner averages over them, for all samples at once."""
    first: tuple[str, set[str]] | None = None
    for name, sample in _samples(ctx).items():
        if sample["background"]:
            continue
        sampled = set(_sampled(ctx, sample["events"]))
        if first is None:
            first = name, sampled
        elif sampled != first[1]:
            differing = ", ".join(sorted(sampled ^ first[1]))
            message = f"samples {show(first[0])} and {show(name)} are not generated at the same benchmarks: {differing}"
            path = ("generation", "samples", name, "events")
            yield ctx.problem("MMC316", path, message, "name the same benchmarks in both")


@rule("MMC317")
def below_the_z(ctx: Context) -> Iterator[Diagnostic]:
    """The embedded generator has no phase-space map for the Z resonance, so `dimuon` starts above it."""
    for name, sample in _samples(ctx).items():
        if sample["process"] != "dimuon":
            continue
        path = ("generation", "samples", name, "run_card", "m_min")
        try:
            above = parse_quantity(ctx.get(*path), "energy") >= LOWEST_MASS
        except (TypeError, ValueError):  # which other rules say
            continue
        if not above:
            message = (
                f"sample {show(name)} starts at {ctx.get(*path)}, where the embedded generator has no map of the Z"
            )
            yield ctx.problem("MMC317", path, message, f"say `m_min: {LOWEST_MASS:g} GeV`, or more")


@rule("MMC306")
def splits(ctx: Context) -> Iterator[Diagnostic]:
    """Training, validation and test all get events."""
    fractions = {name: ctx.get("sampling", name) for name in ("test_split", "validation_split")}
    if None in fractions.values():
        return
    for name, fraction in fractions.items():
        if not 0 < fraction < 1:
            message = f"`{name}` is {show(fraction)}; it is a fraction above 0 and below 1"
            yield ctx.problem("MMC306", ("sampling", name), message, f"take the default: `{name}: 0.2`")
            return
    training = 1 - sum(fractions.values())
    last = ("sampling", "validation_split" if ctx.given("sampling", "validation_split") else "test_split")
    if training < 1e-9:
        message = f"the splits add up to {sum(fractions.values()):g}, which leaves no events for training"
        yield ctx.problem("MMC306", last, message, "let them add up to less than 1")
        return
    if not ctx.sound("generation") or not ctx.generates or "generation" not in ctx.data:
        return
    total = sum(n for sample in _samples(ctx).values() for n in _counts(ctx, sample))
    if total == 0:  # the benchmarks are broken, which other rules say
        return
    parts = {"test": fractions["test_split"], "validation": fractions["validation_split"], "training": training}
    for part, fraction in parts.items():
        if total * fraction < 1:
            message = f"the splits leave no {part} events: {fraction:g} of {total} is less than one"
            yield ctx.problem("MMC306", last, message, "generate more events, or take another split")
            return


@rule("MMC307")
def number_of_jobs(ctx: Context) -> Iterator[Diagnostic]:
    """Generation is not split into more jobs than engines can take."""
    for name, sample in _samples(ctx).items():
        jobs = sum(-(-n // sample["events_per_job"]) for n in _counts(ctx, sample))
        if jobs > MOST_JOBS:
            key = "events_per_job" if ctx.given("generation", "samples", name, "events_per_job") else "events"
            message = f"sample {show(name)} takes {jobs:,} jobs; at most {MOST_JOBS:,} are possible"
            help_text = f"let each job generate more: `events_per_job: {-(-jobs // 1000) * sample['events_per_job']}`"
            yield ctx.problem("MMC307", ("generation", "samples", name, key), message, help_text)


@rule("MMC308", "MMC315")
def powers(ctx: Context) -> Iterator[Diagnostic]:
    """Morphing has the powers that the model has: 2 of each coefficient and of all together."""
    if ctx.get("generation", "model") != "four-fermion":
        return
    places = {
        ("parameters", name, "max_power"): entry["max_power"] for name, entry in ctx.entries("parameters").items()
    }
    overall = ctx.get("morphing", "max_overall_power")
    if overall is not None:
        places["morphing", "max_overall_power", ""] = overall
    for place, power in places.items():
        path = tuple(key for key in place if key)
        if power < 2:
            message = f"`{dotted(path)}` is {power}, but the squared amplitude of four-fermion has powers up to 2"
            yield ctx.problem("MMC308", path, message, "write 2")
        elif power > 2:
            message = f"`{dotted(path)}` is {power}; the squared amplitude of four-fermion has powers up to 2 only"
            yield ctx.problem("MMC315", path, message, "write 2")


def _energy(text: str | None) -> float | None:
    try:
        return None if text is None else parse_quantity(text, "energy")
    except ValueError:  # reported as MMC110
        return None


@rule("MMC309")
def phase_space(ctx: Context) -> Iterator[Diagnostic]:
    """There are collisions with the masses and momenta that are asked for."""
    beam = _energy(ctx.get("generation", "beams", "energy"))
    if beam == 0:
        yield ctx.problem("MMC309", ("generation", "beams", "energy"), "the beams have no energy")
        return
    for name, sample in _samples(ctx).items():
        path = ("generation", "samples", name, "run_card")
        card = sample["run_card"]
        low, high, pt = (_energy(card.get(key)) for key in ("m_min", "m_max", "pt_min"))
        if low is not None and high is not None and high <= low:
            message = f"the largest mass, {card['m_max']}, is not above the smallest, {card['m_min']}"
            yield ctx.problem("MMC309", (*path, "m_max"), message, "swap them")
        elif high == 0:
            yield ctx.problem("MMC309", (*path, "m_max"), "the largest mass is zero")
        for key, needed in (("m_min", low), ("pt_min", None if pt is None else 2 * pt)):
            if beam is not None and needed is not None and needed >= 2 * beam:
                message = f"no collision has that much: the beams bring {2 * beam:g} GeV along"
                yield ctx.problem("MMC309", (*path, key), message, "take less, or beams of more energy")


@rule("MMC310")
def smearing(ctx: Context) -> Iterator[Diagnostic]:
    """Every resolution that is given has an effect."""
    seen: dict[int, int] = {}
    for index, entry in enumerate(ctx.get("detector", "smearing") or []):
        path = ("detector", "smearing", index)
        for place, code in enumerate(entry["pdgids"]):
            at = (*path, "pdgids", place)
            if code not in SMEARED:
                help_text = "antiparticles have negative codes; muons are 13 and -13"
                yield ctx.problem("MMC310", at, f"the reader smears no particle with PDG code {code}", help_text)
            elif seen.setdefault(code, index) != index:
                message = (
                    f"the particle {code} has resolutions in entry {seen[code]} already; only the last would count"
                )
                yield ctx.problem("MMC310", at, message, "name each particle once")
        derived = entry.get("on_shell")
        for key in (f"{derived}_resolution_abs", f"{derived}_resolution_rel"):
            if derived is not None and ctx.given(*path, key):
                message = f"`{key}` has no effect: `on_shell: {derived}` computes it from the other quantities"
                yield ctx.problem("MMC310", (*path, key), message, "remove one of the two", key=True)


@rule("MMC311")
def without_effect(ctx: Context) -> Iterator[Diagnostic]:
    """Nothing is asked of an existing event file that was decided when it was made."""
    if ctx.generates or "generation" in ctx.data:
        return
    for section in ("morphing", "detector", "default_observables", "cuts", "efficiencies"):
        if ctx.given(section):
            message = f"`{section}` has no effect on an existing event file"
            yield ctx.problem("MMC311", (section,), message, "remove it", key=True)
    for name in ctx.entries("observables"):
        for key in ("definition", "required", "default"):
            if ctx.given("observables", name, key):
                message = f"`{key}` has no effect: the event file holds the values of {show(name)}"
                yield ctx.problem("MMC311", ("observables", name, key), message, "remove it", key=True)


@rule("MMC312", "MMC313")
def definitions(ctx: Context) -> Iterator[Diagnostic]:
    """Observables of generated events are defined, for every event."""
    if not ctx.generates:
        return
    for name, entry in ctx.entries("observables").items():
        definition = entry.get("definition")
        if definition is None:
            message = f"observable {show(name)} has no definition"
            yield ctx.problem(
                "MMC312", ("observables", name), message, 'add one, as in `definition: "met.pt"`', key=True
            )
        elif not entry["required"] and "default" not in entry and _TAKES_ELEMENT.search(definition):
            message = f"observable {show(name)} is not a number in events that lack the particle"
            help_text = "add `default: 0`, or `required: true` to drop such events"
            yield ctx.problem("MMC313", ("observables", name), message, help_text, key=True)


@rule("MMC314")
def some_observables(ctx: Context) -> Iterator[Diagnostic]:
    """There is something to learn from."""
    if ctx.names("observables") == [] and ctx.get("observables") == {} and ctx.sound("default_observables"):
        message = "the study has no observables"
        help_text = f"name some, or ask for MadMiner's own: {one_of(['default_observables: {}'])}"
        yield ctx.problem("MMC314", ("observables",), message, help_text if ctx.generates else "", key=True)
