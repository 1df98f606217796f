"""Rules about variants: what varies and how, and what is wrong with a study in some of them.

The rules check the section. :func:`check_variants` then checks every variant as a study of its own.
"""

import json
import math
import posixpath
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from mmc.compiler.catalogue.generators import FROM_RUN
from mmc.compiler.catalogue.stages import stages_of
from mmc.compiler.checks.context import Context, ReadText, rule
from mmc.compiler.checks.files import is_there
from mmc.compiler.checks.short import read_short
from mmc.compiler.language.changes import PlaceError, Written, with_value
from mmc.compiler.language.diagnostics import START, Code, Diagnostic, Span, has_errors, one_of, show
from mmc.compiler.language.document import Document, Path
from mmc.compiler.language.schema import load_schema
from mmc.compiler.study.scans import Range, size
from mmc.compiler.study.variants import (
    MOST_VARIANTS,
    OVER,
    VARIANTS,
    TableError,
    Variant,
    Variants,
    is_whole,
    read_table,
    scan_over,
    variants_of,
)

FIXED = ("mmc", "extends", "name", "title", "description", "variants", "tracking", "trust", "execution")
"""The sections that all variants have in common."""
MOST_WRONG = 50
"""When so many variants are wrong, with as many different problems, no more are checked."""

MMC230 = Code(
    "MMC230",
    "A key of the variants does not exist in a study, or cannot vary",
    "The keys of `over`, and the first line of a table of variants, are paths in the study with dots between the keys, "
    "as for `--set`: `generation.samples.signal.events.sm`. An entry of a list has its number: `cuts.0`. A path must "
    f"not be the beginning of another one. The keys {one_of(FIXED)} cannot vary. All variants have the same stages, "
    "and read the same event file and the same observed events. If these differ, write two studies, of which one "
    "`extends` the other.",
)
MMC231 = Code(
    "MMC231",
    "Variants cannot be combined like this",
    "Variants come from `over` or from a table, `csv`. `combine: zip` takes the first values together, then the "
    "second, so all lists have the same length. `combine: random` draws `n` different variants, so there must be at "
    "least `n` combinations. A range, `{range: [1, 10]}`, is possible with `combine: random` only; if the study has a "
    "whole number there, both ends must be whole numbers. A study with `variants` cannot have `tracking`.",
)
MMC232 = Code(
    "MMC232",
    "A table of variants cannot be read",
    "The table is a text file of at most 2 MB with commas between its columns. The first line has the paths, each "
    "once, and each further line has a value for every path. Each value is one number, one text, `true` or `false`, "
    "written as in YAML; a value that contains a comma is in double quotes. Lists and mappings are not possible in a "
    "table: give an entry of a list its own column, `cuts.0`, or write the values in `over`.",
)
MMC233 = Code(
    "MMC233",
    "Two variants are the same",
    "Each value of a list, and each line of a table, may be given once only. The jobs of equal variants would run "
    "once, but their results would be in the table of results twice.",
)
MMC234 = Code(
    "MMC234",
    "There are too many variants",
    f"More than {MOST_VARIANTS} variants are probably a mistake; `allow_variants` permits them. A variant takes about "
    "15 ms to check and to plan.",
)


@rule(MMC230, MMC231, MMC232, MMC233, MMC234)
def variants(ctx: Context) -> Iterator[Diagnostic]:
    """The values of variants have a place in the study, can be combined, and differ."""
    section = ctx.get(VARIANTS)
    if section is None:
        return
    if "tracking" in ctx.data:
        message = "a study with `variants` cannot have `tracking`"
        yield ctx.problem(MMC231, (VARIANTS,), message, "remove `tracking`, or `variants`", key=True)
    if (OVER in section) == ("csv" in section):
        message = "`variants` needs either `over` or `csv`" + (", and has both" if OVER in section else "")
        yield ctx.problem(MMC231, (VARIANTS,), message, "keep one of them" if OVER in section else "", key=True)
        return
    found = [*(_of_table(ctx, section) if "csv" in section else _of_lists(ctx, section))]
    yield from found
    if found or ("csv" in section and not is_there(ctx, section["csv"])):
        return
    expected = section.get("n")
    if expected is None:
        lists = [section[OVER]] if OVER in section else []
        lengths = [len(values) for each in lists for values in each.values()]
        is_grid = section["combine"] == "grid"
        expected = math.prod(lengths) if lists and is_grid else lengths[0] if lists else _rows(ctx, section)
    most = section.get("allow_variants", MOST_VARIANTS)
    if expected > most:
        message = f"there are {expected:,} variants; {most:,} are allowed"
        can_be = load_schema()["properties"][VARIANTS]["properties"]["allow_variants"]["maximum"]
        more = (
            f", or add `allow_variants: {expected}`" if expected <= can_be else f": at most {can_be:,} can be allowed"
        )
        help_text = f"use fewer values{more}"
        yield ctx.problem(MMC234, (VARIANTS,), message, help_text, key=True)


def table_of(section: Mapping[str, Any], read_text: ReadText, name: Callable[[str], str]) -> Document:
    """The table that the section names.

    :param name: gives the name of a file in messages
    :raises TableError: when it cannot be read
    """
    text = read_text(section["csv"])
    if text is None:
        raise TableError("it is not text of at most 2 MB", START._replace(file=name(section["csv"])))
    return read_table(text, name(section["csv"]))


def _rows(ctx: Context, section: Mapping[str, Any]) -> int:
    return len(next(iter((table_of(section, ctx.read_text, str).data or {}).values())))


def _of_table(ctx: Context, section: Mapping[str, Any]) -> Iterator[Diagnostic]:
    """What is wrong with a table, at the place of its name: its own lines are named in the message."""
    path = (VARIANTS, "csv")
    for key in ("n", "seed"):
        if key in section:
            yield ctx.problem(MMC231, (VARIANTS, key), f"`{key}` is for `combine: random`, not for a table", key=True)
    if ctx.given(VARIANTS, "combine"):
        message = "each line of a table is a variant: there is nothing to combine"
        yield ctx.problem(MMC231, (VARIANTS, "combine"), message, "remove it", key=True)
    if not is_there(ctx, section["csv"]):  # another rule says so
        return
    try:
        table = table_of(section, ctx.read_text, str)
    except TableError as error:
        yield ctx.problem(MMC232, path, f"{show(section['csv'])}, line {error.span.line}: {error}", error.help_text)
        return
    columns: Mapping[str, list[Any]] = table.data or {}
    yield from (ctx.problem(MMC230, path, message, help_text) for _, message, help_text in _misplaced(ctx, columns))
    seen: dict[str, int] = {}
    for k, row in enumerate(zip(*columns.values(), strict=True)):
        first = seen.setdefault(json.dumps(row), k)
        if first != k:
            message = f"{show(section['csv'])}, line {_line(table, columns, k)} is the same as line "
            yield ctx.problem(MMC233, path, f"{message}{_line(table, columns, first)}", "remove one of them")


def _line(table: Document, columns: Mapping[str, Any], row: int) -> int:
    return table.spans[next(iter(columns)), row][0].line


def _of_lists(ctx: Context, section: Mapping[str, Any]) -> Iterator[Diagnostic]:
    """What is wrong with the values of ``over``."""
    over, combine = section[OVER], section["combine"]
    for path, message, help_text in _misplaced(ctx, over):
        yield ctx.problem(MMC230, (VARIANTS, OVER, path), message, help_text, key=True)
    for path, said in over.items():
        if isinstance(said, list):
            texts: dict[str, int] = {}
            for k, value in enumerate(said):
                if texts.setdefault(json.dumps(value, sort_keys=True), k) != k:
                    yield ctx.problem(
                        MMC233, (VARIANTS, OVER, path, k), f"the value {show(value)} is given twice", "remove it"
                    )
        elif combine != "random":
            message = "a range is possible with `combine: random` only"
            yield ctx.problem(MMC231, (VARIANTS, OVER, path), message, "list the values, or add `combine: random`")
        elif said["scale"] == "log" and said["range"][0] <= 0:
            message = f"a logarithmic range cannot start at {show(said['range'][0])}"
            yield ctx.problem(MMC231, (VARIANTS, OVER, path, "range"), message, "start above zero")
        elif is_whole(ctx.data, path) and not _has_whole_ends(*said["range"]):
            low, high = said["range"]
            message = f"the study has a whole number here, and the range goes from {show(low)} to {show(high)}"
            yield ctx.problem(MMC231, (VARIANTS, OVER, path, "range"), message, "write whole numbers")
    if combine == "random":
        yield from _random(ctx, section)
        return
    for key in ("n", "seed"):
        if key in section:
            message = f"`{key}` is for `combine: random`"
            yield ctx.problem(MMC231, (VARIANTS, key), message, "remove it, or add `combine: random`", key=True)
    lengths = {path: len(said) for path, said in over.items() if isinstance(said, list)}
    if combine == "zip" and len(set(lengths.values())) > 1:
        shown = ", ".join(f"{n:,} of {path}" for path, n in lengths.items())
        message = f"with `combine: zip`, the lists must have the same length: {shown}"
        yield ctx.problem(MMC231, (VARIANTS, "combine"), message, "give each list the same number of values")


def _random(ctx: Context, section: Mapping[str, Any]) -> Iterator[Diagnostic]:
    """Random variants have a number, and as many are possible."""
    if "n" not in section:
        message = "`combine: random` needs the number of variants, `n`"
        yield ctx.problem(MMC231, (VARIANTS, "combine"), message, "add `n: 20`, say")
        return
    scan = scan_over(ctx.data)
    if any(isinstance(found, Range) and not _can_draw(found) for found in scan.values()):
        return  # it is said of the range, here or by another rule
    if section["n"] > size(scan):
        message = f"`n` is {section['n']:,}, but only {size(scan):,.0f} different variants are possible"
        is_listed = all(isinstance(said, list) for said in section[OVER].values())
        more = ", or `combine: grid` without `n`, which has all of them" if is_listed else ""
        yield ctx.problem(MMC231, (VARIANTS, "n"), message, f"write `n: {size(scan):.0f}` or less{more}")


def _can_draw(found: Range) -> bool:
    """Whether a range has values to draw."""
    is_possible = _has_whole_ends(found.low, found.high) or not found.integer
    return found.low < found.high and is_possible and (not found.log or found.low > 0)


def _has_whole_ends(low: float, high: float) -> bool:
    return float(low).is_integer() and float(high).is_integer()


def _misplaced(ctx: Context, paths: Mapping[str, Any]) -> Iterator[tuple[str, str, str]]:
    """The paths that have no place in the study, each with a message and help."""
    split = {path: path.split(".") for path in paths}
    for path, keys in split.items():
        outer = next((o for o, other in split.items() if o != path and keys[: len(other)] == other), None)
        if keys[0] in FIXED or keys[0].startswith("x-"):
            yield path, f"{show(keys[0])} cannot vary", "remove it"
        elif "" in keys:
            yield path, f"{show(path)} is not a path", "write the keys with dots between them: `evaluation.luminosity`"
        elif outer is not None:
            yield path, f"{show(path)} is a part of {show(outer)}, which varies too", "keep one of them"
        else:
            try:
                with_value(ctx.document, path, Written(None, START, {}, {}))
            except PlaceError as error:
                yield path, str(error), "the path has the keys of the study, from its top"


Check = Callable[[Document], tuple[Sequence[Diagnostic], Mapping[str, Any] | None, tuple[str, ...]]]
"""The problems of a study, its data with every default filled in if it has no errors, and the files that it names."""


def check_variants(found: Variants, check: Check) -> tuple[list[Diagnostic], dict[str, tuple[str, ...]]]:
    """What is wrong with the variants of a study that is fine itself, each problem once; and the files of each.

    A problem that only some variants have names the first of them.
    """
    first: dict[tuple[str, str, Span], tuple[Diagnostic, Variant]] = {}
    times: dict[tuple[str, str, Span], int] = {}
    files: dict[str, tuple[str, ...]] = {}
    same: dict[tuple[str, ...], tuple[str, ...]] = {}
    one: tuple[Variant, Mapping[str, Any]] | None = None
    checked = wrong = 0
    for variant in found.variants:
        checked += 1
        problems, data, named = check(found.document(variant))
        if data is not None:
            one = one or (variant, data)
            problems = [*problems, *_other_analysis(found, one, (variant, data))]
        files[variant.name] = same.setdefault(named, named)
        for item in problems:
            key = (item.code, item.path, item.span)
            first.setdefault(key, (item, variant))
            times[key] = times.get(key, 0) + 1
        wrong += has_errors(problems)
        if wrong >= MOST_WRONG and len(first) >= MOST_WRONG:
            break
    return [_named(*first[key], n, checked) for key, n in times.items()], files


def _other_analysis(
    found: Variants, one: tuple[Variant, Mapping[str, Any]], other: tuple[Variant, Mapping[str, Any]]
) -> Iterator[Diagnostic]:
    """How a variant is another analysis than the first one: by its stages, or by the existing events that it reads."""
    (first, known), (variant, data) = one, other
    help_text = "write two studies, of which one `extends` the other"
    has, had = stages_of(data), stages_of(known)
    for stage in [stage for stage in (*has, *had) if (stage in has) != (stage in had)][:1]:
        there = f"the variant has the stage {stage}, which {first.name} does not have" if stage in has else ""
        message = there or f"the variant does not have the stage {stage}, which {first.name} has"
        yield MMC230.at(found.said.path, _span(found, first, variant, ()), message, help_text)
    reads, read = _events_of(data), _events_of(known)
    for place in dict.fromkeys((*reads, *read)):
        (what, now), (_, before) = reads.get(place, ("", None)), read.get(place, ("", None))
        if now != before:
            what = what or read[place][0]
            shown = " and ".join(
                f"{show(text) if text else 'none'} in {name}"
                for name, text in {variant.name: now, first.name: before}.items()
            )
            message = f"all variants must read the same {what}, but it is {shown}"
            yield MMC230.at(found.said.path, _span(found, first, variant, place), message, help_text)


def _events_of(data: Mapping[str, Any]) -> dict[Path, tuple[str, str]]:
    """The existing events that a study reads, by their place in it: what they are, and the path of their file."""
    observed = "observed", "file"
    places: dict[Path, str] = {
        ("events", "file"): "event file",
        ("events", FROM_RUN, "folder"): "run with events",
        ("evaluation", *observed): "observed events",
        **{("regions", name, *observed): f"observed events of {name}" for name in data.get("regions") or ()},
    }
    found = {}
    for place, what in places.items():
        value: Any = data
        for key in place:
            value = value.get(key) if isinstance(value, Mapping) else None
        if value is not None:
            found[place] = what, posixpath.normpath(value)
    return found


def _span(found: Variants, one: Variant, other: Variant, place: Path) -> Span:
    """The position of the value by which a variant differs from another one in a place."""
    differ = [path for path, value in other.values.items() if value != one.values[path]]
    near = [path for path in differ if all(a == b for a, b in zip(path.split("."), place, strict=False)) and place]
    return found.said.value_span(other.places[(near or differ or [*other.values])[0]])


def _named(item: Diagnostic, variant: Variant, n: int, of: int) -> Diagnostic:
    """A problem with the variants that have it."""
    if n == of:
        return item
    more = f", and {n - 1:,} more variants" if n > 2 else ", and another variant" if n == 2 else ""
    return item._replace(message=f"{item.message} (variant {variant.name}: {variant.label[:200]}{more})")


def found_in(document: Document, data: Mapping[str, Any], read_text: ReadText, name: Callable[[str], str]) -> Variants:
    """The variants of a study that is fine itself."""
    section, document = data[VARIANTS], read_short(document)  # as it was checked
    return variants_of(document, data, table_of(section, read_text, name) if "csv" in section else None)
