"""Rules about columns of tables that hold particles."""

from collections.abc import Iterator
from itertools import product
from typing import Any

from mmc.compiler.catalogue.particles import CHARGED, particles_of, used
from mmc.compiler.checks.context import Context, rule
from mmc.compiler.checks.definitions import entries
from mmc.compiler.checks.files import is_there
from mmc.compiler.checks.tables import MMC362, wrong_columns
from mmc.compiler.expressions.checker import TRANSFORM
from mmc.compiler.expressions.naming import names_in
from mmc.compiler.language.diagnostics import Code, Diagnostic, one_of, show
from mmc.compiler.language.document import Path

MMC367 = Code(
    "MMC367",
    "The columns of particles do not suffice",
    "A list of particles has columns for `pt`, `eta` and `phi`, and that of charged leptons for `charge`, all with a "
    "number for each particle; missing momentum has `pt` and `phi`. Every sample has the lists that expressions use. "
    "In npz and HDF5 files, lists are arrays of shape (events, particles), with 0 or NaN where an event has no more.",
)
_NEEDED = {"met": ("pt", "phi")}


@rule(MMC362, MMC367)
def particles(ctx: Context) -> Iterator[Diagnostic]:
    """Each sample has the columns of the particles that expressions use."""
    if ctx.reader != "particles":
        return
    wanted = used(("e", "mu", "tau", "j", "a", "met"), _names(ctx))
    for name, sample in ctx.samples.items():
        path: Path = (*ctx.samples_path, name)
        own = particles_of(sample.get("particles"))
        yield from _attributes(ctx, (*path, "particles"), own)
        lacking = [item for item in wanted if item not in own]
        if lacking:
            message = f"expressions use {one_of(lacking, 6)}, of which {show(name)} names no columns"
            needed = ", ".join(f"{key}: …" for key in _NEEDED.get(lacking[0], ("pt", "eta", "phi")))
            help_text = f"add `particles: {{{lacking[0]}: {{{needed}}}}}`, or `like: nanoaod`"
            yield ctx.problem(MMC367, path, message, help_text, key=True)
        yield from _rows(ctx, path, sample, {item: own[item] for item in wanted if item in own})


def _rows(ctx: Context, path: Path, sample: dict[str, Any], read: dict[str, dict[str, Any]]) -> Iterator[Diagnostic]:
    """Columns of lists in npz files have a row of numbers for each event."""
    files = [
        ((*path, "files", index, "paths", number), text)
        for index, entry in enumerate(sample["files"])
        for number, text in enumerate(entry["paths"])
    ]
    for (at, text), name in product(files, read):
        known, place = ctx.read_columns(text) if is_there(ctx, text) else None, (*path, "particles", name)
        if known is None:
            continue
        columns = [said if isinstance(said, str) else said["column"] for said in read[name].values()]
        yield from wrong_columns(ctx, at, text, dict.fromkeys(columns, place), known)
        flat = [column for column in columns if column in known and len(known[column].shape) != _ROWS]
        if flat and name != "met":
            message = f"column {show(flat[0])} of {show(text)} does not hold lists"
            help_text = "write an array of shape (events, particles), with 0 or NaN where an event has no more"
            yield ctx.problem(MMC367, place, message, help_text, key=True)


_ROWS = 2
"""The dimensions of an array with a row for each event."""


def _names(ctx: Context) -> Iterator[str]:
    """The names that expressions use; those of objects without the names of their elements."""
    for path, text, schema in ctx.annotated("x-expression"):
        if path[0] not in ("objects", "definitions") and schema["x-expression"] != TRANSFORM and isinstance(text, str):
            yield from names_in(text)
    for entry in ctx.once(entries).values():
        yield from names_in(entry)


def _attributes(ctx: Context, path: Path, own: dict[str, dict[str, Any]]) -> Iterator[Diagnostic]:
    for name, columns in own.items():
        charge = ("charge",) if name in CHARGED else ()
        lacking = [key for key in _NEEDED.get(name, ("pt", "eta", "phi", *charge)) if key not in columns]
        if lacking:
            message = f"{show(name)} lacks a column of `{lacking[0]}`"
            yield ctx.problem(
                MMC367, (*path, name), message, f"add `{lacking[0]}: COLUMN`, or `like: nanoaod`", key=True
            )
        if {"mass", "e"} <= set(columns):
            message = f"{show(name)} has columns of mass and of energy"
            yield ctx.problem(MMC367, (*path, name, "e"), message, "remove one of them", key=True)
