"""Rules about tables of events: their kinds, columns, weights and cross sections."""

import keyword
from collections.abc import Iterator, Mapping
from typing import Any

from mmc.compiler.catalogue.generators import TABLES
from mmc.compiler.catalogue.names import madminer_name
from mmc.compiler.checks.context import Context, rule
from mmc.compiler.checks.files import is_there
from mmc.compiler.checks.methods import methods_of
from mmc.compiler.checks.observables import MMC311
from mmc.compiler.expressions.vocabulary import ELEMENT, RESERVED
from mmc.compiler.inputs import tables
from mmc.compiler.language.diagnostics import Code, Diagnostic, one_of, show
from mmc.compiler.language.document import Path

SAMPLED = "sampled"
"""The value of ``weights`` for events that have a weight at their own benchmark only."""


def _samples(ctx: Context) -> Iterator[tuple[Path, dict[str, Any]]]:
    """The samples of tables, each with its path."""
    for name, sample in ctx.samples.items() if ctx.origin is TABLES else ():
        yield (*ctx.samples_path, name), sample


def _files(ctx: Context) -> Iterator[tuple[Path, dict[str, Any], dict[str, Any], str]]:
    """Each table, with its path, its sample, the entry of `files`, and its name."""
    for path, sample in _samples(ctx):
        for index, entry in enumerate(sample["files"]):
            for number, text in enumerate(entry["paths"]):
                yield (*path, "files", index, "paths", number), sample, entry, text


MMC360 = Code(
    "MMC360",
    "The kind of a table is not known",
    "The end of its name shows the kind of a table: `.root` (a tree), `.parquet` or `.pq`, `.h5` or `.hdf5`, and "
    "`.npz` (arrays of numpy, one for each column). Convert other files; `pandas.read_csv(…).to_parquet(…)` reads CSV, "
    "for example.",
)


@rule(MMC360)
def kinds(ctx: Context) -> Iterator[Diagnostic]:
    """The name of each table shows its kind."""
    for path, _, _, text in _files(ctx):
        yield from wrong_kind(ctx, path, text)


def wrong_kind(ctx: Context, path: Path, text: str) -> Iterator[Diagnostic]:
    """A problem if the name of a table does not show its kind."""
    if tables.kind_of(text) is None:
        message = f"{show(text)} does not end like a table that mmc reads"
        yield ctx.problem(MMC360, path, message, f"mmc reads {one_of(list(tables.SUFFIXES), 10)}")


MMC361 = Code(
    "MMC361",
    "The cross section is not known",
    "The cross section of tables is `cross_section`, or the sum of the column `weight`, in pb. Without both, only the "
    "number of events is known. `sum_of_weights` belongs to `cross_section`: the weights are multiplied by "
    "cross_section / sum_of_weights.",
)


@rule(MMC361)
def cross_sections(ctx: Context) -> Iterator[Diagnostic]:
    """Each entry has a cross section."""
    for path, sample in _samples(ctx):
        for index, entry in enumerate(sample["files"]):
            at: Path = (*path, "files", index)
            if "cross_section" in entry:
                continue
            if "sum_of_weights" in entry:
                message = "`sum_of_weights` has no effect without `cross_section`"
                yield ctx.problem(MMC361, (*at, "sum_of_weights"), message, "add `cross_section: 1.2 pb`", key=True)
            elif not _has_weight(sample, entry):
                message = "the cross section is unknown: there is neither `cross_section` nor a column of weights"
                help_text = "add `cross_section: 1.2 pb`, or `weight: COLUMN` to the sample"
                yield ctx.problem(MMC361, at, message, help_text)


def _has_weight(sample: Mapping[str, Any], entry: Mapping[str, Any]) -> bool:
    weights = sample.get("weights", {})
    return "weight" in sample or (isinstance(weights, Mapping) and entry["benchmark"] in weights)


MMC362 = Code(
    "MMC362",
    "A table does not have a column",
    "Observables without a definition are columns of the tables, under their own name or the one in `columns`. Weights "
    "at benchmarks are columns too, under the name of the benchmark or the one in `weights`. mmc looks into npz files "
    "here; the first jobs look into all tables.",
)


@rule(MMC362)
def columns(ctx: Context) -> Iterator[Diagnostic]:
    """Each npz file has the columns that the study needs, with numbers, all of one length."""
    for path, sample, entry, text in _files(ctx):
        known = ctx.read_columns(text) if is_there(ctx, text) else None
        if known is not None:
            yield from wrong_columns(ctx, path, text, _wanted(ctx, path[:3], sample, entry, known), known)


def wrong_columns(
    ctx: Context, path: Path, text: str, wanted: Mapping[str, Path | None], known: Mapping[str, tables.Column]
) -> Iterator[Diagnostic]:
    """Problems of the columns of a table.

    :param path: of the table in the study
    :param text: the name of the table
    :param wanted: the columns that are needed, each with where the study names it for tables alone
    :param known: the columns that the table has
    """
    for column, at in wanted.items():
        if tables.missing(column, known):
            message = f"{show(text)} has no column {show(column)}"
            yield ctx.problem(MMC362, at or path, message, tables.what_there_is(column, list(known)))
        elif not known[column if column in known else tables.element(column)[0]].is_numeric:
            message = f"column {show(column)} of {show(text)} does not hold numbers"
            yield ctx.problem(MMC362, at or path, message, "convert it to numbers")
    used = [name for column in wanted for name in (column, tables.element(column)[0]) if name in known]
    sizes = {known[name].shape[:1]: name for name in reversed(used)}
    if len(sizes) > 1:
        told = [f"{show(sizes[size])} has {size[0] if size else 'no'} events" for size in sorted(sizes)[:2]]
        message = f"the columns of {show(text)} have different lengths: {' and '.join(told)}"
        yield ctx.problem(MMC362, path, message, "write one number per event into each column")


def _wanted(
    ctx: Context, path: Path, sample: Mapping[str, Any], entry: Mapping[str, Any], known: Mapping[str, object]
) -> dict[str, Path | None]:
    """The columns that the study reads from a table; the path of the name, if the study writes it for tables alone."""
    named = sample.get("columns", {})
    wanted: dict[str, Path | None] = {column: (*path, "columns", name) for name, column in named.items()}
    for name, observable in ctx.entries("observables").items():
        if "definition" not in observable and "function" not in observable and name not in named:
            wanted.setdefault(name, ("observables", name))
    if "weight" in sample:
        wanted[sample["weight"]] = (*path, "weight")
    for name in sample["systematics"]:
        effect = ctx.entries("systematics").get(name, {})
        wanted |= {effect[key]: ("systematics", name, key) for key in ("up", "down") if key in effect}
    weights, benchmarks = sample.get("weights", {}), ctx.names("benchmarks") or []
    if weights == SAMPLED or sample["background"]:
        return wanted
    for benchmark in benchmarks:
        if benchmark in weights:
            wanted[weights[benchmark]] = (*path, "weights", benchmark)
        elif benchmark != entry["benchmark"] or (benchmark in known and "weight" not in sample):
            wanted.setdefault(benchmark, None)
    return wanted


MMC363 = Code(
    "MMC363",
    "The weights of tables do not suffice",
    "With `weights: sampled` events have a weight only at the benchmark at which they were sampled. Morphing, and "
    "methods that learn from the joint ratio, need the weights at all benchmarks.",
)


@rule(MMC363)
def weights(ctx: Context) -> Iterator[Diagnostic]:
    """Events have the weights that morphing and the methods need."""
    own = [(*path, "weights") for path, sample in _samples(ctx) if sample.get("weights") == SAMPLED]
    if own and ctx.get("morphing") not in (None, "none"):
        message = "morphing needs the weights of each event at all benchmarks"
        yield ctx.problem(MMC363, own[0], message, "name their columns, or write `morphing: none`")
        return
    for name, method, entry in methods_of(ctx) if own else ():
        if method.joint_ratio and "simulated" not in entry.get("theta0", {}):
            message = f"{method.name} learns from the joint ratio, which needs the weights at all benchmarks"
            yield ctx.problem(
                MMC363, ("methods", name), message, "use carl or nde, or name the columns of the weights", key=True
            )


MMC364 = Code(
    "MMC364",
    "A quantity cannot have this name",
    "Expressions use the quantities in `columns` by their names. A name is a Python name without another meaning: that "
    "of a function, or of an observable that has a definition.",
)


@rule(MMC364)
def names(ctx: Context) -> Iterator[Diagnostic]:
    """Quantities have names that expressions can use."""
    defined = {
        madminer_name(name)
        for name, entry in ctx.entries("observables").items()
        if {"definition", "function"} & {*entry}
    }
    for path, sample in _samples(ctx):
        for name in sample.get("columns", ()):
            stored, help_text = madminer_name(name), "choose another name"
            if not stored.isidentifier() or keyword.iskeyword(stored):
                reason, help_text = "is not a Python name", "use letters, digits and `_`"
            elif stored in RESERVED or stored == ELEMENT:
                reason = "already has a meaning in expressions"
            elif stored in defined:
                reason = "is also an observable with a definition"
            else:
                continue
            yield ctx.problem(MMC364, (*path, "columns", name), f"{show(name)} {reason}", help_text, key=True)


MMC365 = Code(
    "MMC365",
    "The events cannot have this uncertainty",
    "`effect: weights` names columns of tables. `scale` and `pdf` are found by the names that MadGraph gives weights "
    "in Les Houches files; where tables have such weights, name their columns with `effect: weights`. `norm` is "
    "possible for all events.",
)


@rule(MMC365)
def uncertainties(ctx: Context) -> Iterator[Diagnostic]:
    """Tables have the uncertainties `norm` and `weights`, and other events do not have `weights`."""
    if ctx.origin is None:
        return
    for name, entry in ctx.entries("systematics").items():
        path, effect = ("systematics", name, "effect"), entry["effect"]
        if ctx.origin is TABLES and effect in ("scale", "pdf"):
            message = f"the columns of {show(name)} in the tables are not known"
            help_text = "name them: `{effect: weights, up: COLUMN, down: COLUMN}`"
            yield ctx.problem(MMC365, path, message, help_text)
        elif ctx.origin is not TABLES and effect == "weights":
            message = f"{show(name)} has columns of tables, and the events are not in tables"
            yield ctx.problem(MMC365, path, message, "write `norm`, `scale` or `pdf`")


@rule(MMC311)
def without_effect(ctx: Context) -> Iterator[Diagnostic]:
    """The study sets nothing for which tables have no particles."""
    if ctx.origin is not TABLES:
        return
    columns_only = ("objects",) if ctx.reader == "table" else ()
    for section in ("detector", "default_observables", *columns_only):
        if ctx.given(section):
            message = f"`{section}` has no effect: tables have columns, not particles"
            yield ctx.problem(MMC311, (section,), message, "remove it", key=True)
    for name, entry in ctx.entries("observables").items():
        if "function" in entry:
            message = "functions have no effect: tables have columns, not particles"
            yield ctx.problem(MMC311, ("observables", name, "function"), message, "write a `definition`", key=True)
