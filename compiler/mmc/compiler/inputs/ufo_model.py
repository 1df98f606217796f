"""UFO models as their files say: particles, parameters and orders, found without running their Python code."""

import ast
import os
import sys
import tarfile
import zipfile
import zlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from importlib.machinery import PathFinder
from pathlib import Path, PurePosixPath
from typing import Any

from mmc.compiler.inputs.cards import numbers

SEARCHED = "MMC_UFO_PATH"
"""The environment variable with the folders in which models are, separated by colons."""
_FILES = ("particles.py", "parameters.py", "coupling_orders.py")
_MAX_BYTES = 4_000_000
"""Larger files are not looked at; the parameters of SMEFTsim have 80,000 bytes."""
_MAX_MEMBERS = 2_000


@dataclass(frozen=True)
class Declared:
    """What a model declares."""

    particles: Mapping[str, int]
    """PDG ids by name, in lower case."""
    spins: Mapping[str, int]
    """2s + 1 by name, in lower case."""
    entries: frozenset[str]
    """The external parameters by their places in the param card, as in ``dim6 2``."""
    orders: Mapping[str, int]
    """The coupling orders with their hierarchy: MadGraph counts an order so often in WEIGHTED."""
    named: Mapping[str, str]
    """The places of the external parameters by their names, in the model's order."""


def installed(name: str) -> Path | None:
    """The folder of a model: one of that name in the folders of ``MMC_UFO_PATH``, else that of an installed package.

    The package is not imported. Packages in the current folder do not count: it may be that of a stranger's study.
    """
    for folder in os.environ.get(SEARCHED, "").split(":"):
        if folder and (Path(folder) / name).is_dir():
            return Path(folder) / name
    places = [entry for entry in sys.path if entry and Path(entry).resolve() != Path.cwd()]
    spec = PathFinder.find_spec(name, places) if name.isidentifier() else None
    return Path(spec.submodule_search_locations[0]) if spec and spec.submodule_search_locations else None


def texts(source: Path) -> dict[str, str] | None:
    """The texts of the files that declare a model's particles, parameters and orders, and those of its restrictions;
    None if it lacks one of the former.

    :param source: the model's folder, or an archive of it
    """
    try:
        if source.is_dir():
            found = {name: (source / name).read_bytes() for name in _FILES}
            found |= {path.name: path.read_bytes() for path in source.glob("restrict_*.dat")}
        elif zipfile.is_zipfile(source):
            found = dict(_zipped(source))
        else:
            found = dict(_tarred(source))
    except (OSError, EOFError, tarfile.TarError, zipfile.BadZipFile, zlib.error, NotImplementedError):
        return None
    if not found.keys() >= set(_FILES) or max(map(len, found.values())) > _MAX_BYTES:
        return None
    return {name: text.decode("utf-8", "replace") for name, text in found.items()}


def declared(files: Mapping[str, str]) -> Declared | None:
    """What a model declares; None if a file is not Python 3, or computes its names.

    :param files: those of :func:`texts`

    >>> particle = "P.w = Particle(pdg_code = 24, name = 'W+', antiname = 'W-', spin = 3)"
    >>> parameter = "a = Parameter(name = 'a', nature = 'external', lhablock = 'DIM6', lhacode = [ 2 ])"
    >>> order = "QED = CouplingOrder(name = 'QED', expansion_order = 99, hierarchy = 2)"
    >>> found = declared({"particles.py": particle, "parameters.py": parameter, "coupling_orders.py": order})
    >>> found.particles, found.entries, found.orders
    ({'w+': 24, 'w-': -24}, frozenset({'dim6 2'}), {'QED': 2})
    """
    try:
        particles = list(_calls(files["particles.py"], "Particle"))
        parameters = list(_calls(files["parameters.py"], "Parameter"))
        orders = list(_calls(files["coupling_orders.py"], "CouplingOrder"))
        named = {
            one["name"]: f"{one['lhablock'].lower()} {numbers(_number(one['lhacode']))}"
            for one in parameters
            if one.get("nature") == "external" and one.get("lhablock")
        }
        pdgs, spins = {}, {}
        for one in particles:
            for name, sign in ((one["antiname"], -1), (one["name"], 1)):
                pdgs[name.lower()], spins[name.lower()] = sign * one["pdg_code"], one["spin"]
        return Declared(
            dict(reversed(pdgs.items())),
            spins,
            frozenset(named.values()),
            {one["name"]: one.get("hierarchy", 1) for one in orders},
            named,
        )
    except (SyntaxError, ValueError, KeyError, TypeError, AttributeError, RecursionError, MemoryError):
        return None


def _number(code: list[int]) -> int | tuple[int, int]:
    return (code[0], code[1]) if len(code) == 2 else code[0]


def _calls(text: str, name: str) -> Iterator[dict[str, Any]]:
    """The constant arguments by keyword of all calls of a class."""
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.Call) and getattr(node.func, "attr", getattr(node.func, "id", None)) == name:
            yield dict(_constants(node))


def _constants(call: ast.Call) -> Iterator[tuple[str, Any]]:
    for argument in call.keywords:
        if argument.arg is not None:
            try:
                yield argument.arg, ast.literal_eval(argument.value)
            except ValueError:  # an expression, such as `Param.MW`
                continue


def restriction(files: Mapping[str, str], name: str | None) -> str | None:
    """The text of a restriction that the model brings, given the texts of :func:`texts`; without a name, that of its
    default. None if it brings none of that name."""
    return files.get(f"restrict_{'default' if name is None else name}.dat")


def _declares(name: str) -> bool:
    return name in _FILES or (name.startswith("restrict_") and name.endswith(".dat"))


def _zipped(archive: Path) -> Iterator[tuple[str, bytes]]:
    with zipfile.ZipFile(archive) as packed:
        for info in packed.infolist()[:_MAX_MEMBERS]:
            if _declares(PurePosixPath(info.filename).name):
                with packed.open(info) as file:
                    yield PurePosixPath(info.filename).name, file.read(_MAX_BYTES + 1)


def _tarred(archive: Path) -> Iterator[tuple[str, bytes]]:
    with tarfile.open(archive) as packed:
        for number, member in enumerate(packed):
            file = packed.extractfile(member) if _declares(PurePosixPath(member.name).name) else None
            if file is not None:
                yield PurePosixPath(member.name).name, file.read(_MAX_BYTES + 1)
            if number > _MAX_MEMBERS:
                return
