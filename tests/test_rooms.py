"""The rooms of the package are those of docs/architecture.md, and each imports only what its row there allows."""

import ast
import re
import sys
from collections.abc import Iterable, Iterator
from functools import cache
from pathlib import Path

import pytest

from tests.support import ROOT

PAGE = ROOT / "docs" / "architecture.md"
PACKAGE = ROOT / "compiler" / "mmc"
HALL = {
    *("__init__", "__main__", "errors", "files", "locks", "packing", "printing", "processes"),
    *("ranges", "reading", "surroundings", "tables", "version"),
}
LIGHT = {"jinja2", "jsonschema", "yaml", "_typeshed"}
"""The packages that the compiler and the command line may import, beside the standard library. ``_typeshed`` is for
types only."""
ROW = re.compile(r"^\| `([a-z._]+)` \| .+ \| (.*?) ?\|$", re.MULTILINE)


def _table() -> dict[str, set[str]]:
    rows = {room: re.findall(r"`([a-z._]+)`", cell) for room, cell in ROW.findall(PAGE.read_text(encoding="utf-8"))}
    return {room: set(allowed) if room != "cli" else set(rows) - {"cli"} for room, allowed in rows.items()}


TABLE = _table()


def _modules() -> dict[str, Path]:
    """The modules of the package by their names without ``mmc.``."""
    paths = {".".join(path.with_suffix("").relative_to(PACKAGE).parts): path for path in PACKAGE.rglob("*.py")}
    return {name.removesuffix(".__init__"): path for name, path in paths.items()}


MODULES = _modules()


def _room(module: str) -> str:
    """The innermost room that a module stands in; the hall has no name."""
    while module and module not in TABLE:
        module = module.rpartition(".")[0]
    return module


@cache
def _imports(path: Path) -> tuple[tuple[int, str], ...]:
    """Line and full name of every module that a file imports, wherever in the file."""
    return tuple(_found_imports(ast.walk(ast.parse(path.read_text(encoding="utf-8"))), path))


def _found_imports(nodes: Iterable[ast.AST], path: Path) -> Iterator[tuple[int, str]]:
    for node in nodes:
        if isinstance(node, ast.Import):
            yield from ((node.lineno, alias.name) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}:{node.lineno}: a relative import"
            for alias in node.names:
                inner = f"{node.module}.{alias.name}"
                yield node.lineno, inner if inner.removeprefix("mmc.") in MODULES else str(node.module)


def test_every_folder_is_a_room_of_the_page() -> None:
    folders = {".".join(path.parent.relative_to(PACKAGE).parts) for path in PACKAGE.rglob("*.py")}
    holding = {
        name for name in folders if any(p.stem != "__init__" for p in (PACKAGE / name.replace(".", "/")).glob("*.py"))
    }
    assert {_room(name) for name in holding - {""}} == set(TABLE)


def test_the_hall_holds_nothing_that_has_a_room() -> None:
    assert {path.stem for path in PACKAGE.glob("*.py")} == HALL
    named = re.search(r"the hall \((.*?)\)", PAGE.read_text(encoding="utf-8"), re.DOTALL)
    assert named is not None
    assert {f"mmc.{name}" for name in HALL if "__" not in name} == {*re.findall(r"`([a-z.]+)`", named[1])}


@pytest.mark.parametrize("room", sorted(TABLE))
def test_a_room_imports_what_its_row_allows(room: str) -> None:
    wrong = []
    for module, path in MODULES.items():
        if _room(module) != room:
            continue
        for line, imported in _imports(path):
            other = _room(imported.removeprefix("mmc."))
            if imported.startswith("mmc.") and other and other not in {room, *TABLE[room]}:
                wrong.append(f"{path.relative_to(ROOT)}:{line}: {room} imports {other}")
    assert not wrong, "\n".join(dict.fromkeys(wrong))


def test_a_row_allows_nothing_that_is_not_needed() -> None:
    used: dict[str, set[str]] = {room: set() for room in TABLE}
    for module, path in MODULES.items():
        for _, imported in _imports(path):
            if imported.startswith("mmc.") and (room := _room(module)):
                used[room].add(_room(imported.removeprefix("mmc.")))
    spare = {room: sorted(TABLE[room] - used[room]) for room in TABLE if room != "cli"}
    assert {room: names for room, names in spare.items() if names} == {}


def test_no_arrow_leads_back() -> None:
    left = {room: set(allowed) for room, allowed in TABLE.items()}
    while free := {room for room, allowed in left.items() if not allowed}:
        left = {room: allowed - free for room, allowed in left.items() if room not in free}
    assert not left, f"these rooms import each other in a circle: {sorted(left)}"


def test_the_hall_imports_no_room() -> None:
    allowed = {"mmc", *(f"mmc.{name}" for name in HALL)}
    wrong = [
        f"{path.relative_to(ROOT)}:{line}: {imported}"
        for path in PACKAGE.glob("*.py")
        for line, imported in _imports(path)
        if imported.startswith("mmc.") and imported not in allowed
    ]
    assert [text for text in wrong if not text.endswith("__main__.py:5: mmc.cli.main")] == []


def test_the_compiler_imports_nothing_heavy() -> None:
    heavy = [
        f"{path.relative_to(ROOT)}:{line}: {imported}"
        for module, path in MODULES.items()
        if not module.startswith("jobs")
        for line, imported in _imports(path)
        if imported.split(".")[0] not in {"mmc", *LIGHT, *sys.stdlib_module_names}
    ]
    assert not heavy, "\n".join(heavy)


def test_the_command_line_imports_the_jobs_when_it_runs_them() -> None:
    early = [
        f"{path.relative_to(ROOT)}:{line}: {imported}"
        for module, path in MODULES.items()
        if _room(module) == "cli"
        for line, imported in _found_imports(_outside_functions(ast.parse(path.read_text(encoding="utf-8"))), path)
        if imported.startswith("mmc.jobs")
    ]
    assert not early, "\n".join(early)


def _outside_functions(tree: ast.AST) -> Iterator[ast.AST]:
    """The nodes that run when a module is imported."""
    for node in ast.iter_child_nodes(tree):
        is_for_types = isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING"
        if not (is_for_types or isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda)):
            yield node
            yield from _outside_functions(node)


def _picture() -> str:
    """The table as a picture: an arrow to each room that is imported and cannot be reached through another."""

    def reached(room: str) -> set[str]:
        return TABLE[room] | {far for near in TABLE[room] for far in reached(near)}

    lines = ["flowchart TD"]
    for wing in ("compiler", "jobs"):
        lines.append(f"  subgraph {wing}")
        lines += [
            f'    {_node(room)}["{room.removeprefix(wing + ".")}"]' for room in TABLE if room.split(".")[0] == wing
        ]
        lines.append("  end")
    lines.append("  cli")
    for room, allowed in TABLE.items():
        beyond = {far for near in allowed for far in reached(near)}
        lines += [f"  {_node(room)} --> {_node(other)}" for other in sorted(allowed - beyond)]
    return "\n".join(lines)


def _node(room: str) -> str:
    return "job" if room == "jobs" else room.replace(".", "_")


def test_the_picture_is_that_of_the_table(request: pytest.FixtureRequest) -> None:
    page = PAGE.read_text(encoding="utf-8")
    before, _, rest = page.partition("```mermaid\n")
    drawn, _, after = rest.partition("```")
    if request.config.getoption("--update-golden"):
        PAGE.write_text(f"{before}```mermaid\n{_picture()}\n```{after}", encoding="utf-8")
    else:
        assert drawn.rstrip("\n") == _picture(), "pytest tests/test_rooms.py --update-golden draws it anew"


def test_no_module_is_over_400_lines() -> None:
    long = {
        name: n for name, path in MODULES.items() if (n := len(path.read_text(encoding="utf-8").splitlines())) > 400
    }
    assert not long
