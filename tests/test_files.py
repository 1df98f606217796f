"""What mmc writes, replaces and removes lies in the folder that the user named."""

import ast
import os
from collections.abc import Callable
from pathlib import Path

import pytest
from mmc.errors import MmcError, UsageError
from mmc.files import Folder, write_named

from tests.support import ROOT

SECRET = "the user's own\n"
OPERATIONS: dict[str, Callable[[Folder, str], object]] = {
    "write": lambda folder, name: folder.write(name, "new"),
    "empty": lambda folder, name: folder.empty(name),
    "create": lambda folder, name: folder.create(name).close(),
    "restart": lambda folder, name: folder.restart(name).close(),
    "make": lambda folder, name: folder.make(name),
    "remove": lambda folder, name: folder.remove(name),
    "read": lambda folder, name: folder.read(name),
    "digest": lambda folder, name: folder.digest(name),
    "place": lambda folder, name: folder.place(name),
    "move from": lambda folder, name: folder.move(name, "elsewhere"),
    "move to": lambda folder, name: folder.move("mine", name),
}
every_operation = pytest.mark.parametrize("operation", OPERATIONS.values(), ids=OPERATIONS)


@pytest.fixture
def outside(tmp_path: Path) -> Path:
    """A folder of the user, to which links in the named folder lead."""
    (tmp_path / "outside" / "deep").mkdir(parents=True)
    for name in ("file", "deep/file"):
        (tmp_path / "outside" / name).write_text(SECRET, encoding="utf-8")
    return tmp_path / "outside"


@pytest.fixture
def folder(tmp_path: Path, outside: Path) -> Folder:
    root = tmp_path / "root"
    root.mkdir()
    (root / "mine").write_text("mine", encoding="utf-8")
    (root / "folder").symlink_to(outside)
    (root / "file").symlink_to(outside / "file")
    (root / "dangling").symlink_to(outside / "new")
    return Folder(root)


def _untouched(outside: Path) -> bool:
    files = sorted(str(path.relative_to(outside)) for path in outside.rglob("*") if path.is_file())
    return files == ["deep/file", "file"] and all((outside / name).read_text() == SECRET for name in files)


@every_operation
@pytest.mark.parametrize(
    "name", ["../outside/file", "/etc/passwd", "", ".", "mine/../x", "a//b", "folder/", "a\0b", "\ud800"]
)
def test_a_path_stays_in_the_folder(
    folder: Folder, outside: Path, operation: Callable[[Folder, str], object], name: str
) -> None:
    if name or operation is not OPERATIONS["make"]:
        with pytest.raises(MmcError, match="is not the path of a file inside"):
            operation(folder, name)
    assert _untouched(outside)


@every_operation
@pytest.mark.parametrize("name", ["folder/file", "folder/new", "folder/deep/file", "folder/new/file", "dangling/x"])
def test_no_parent_is_a_link(
    folder: Folder, outside: Path, operation: Callable[[Folder, str], object], name: str
) -> None:
    with pytest.raises(MmcError, match=r"root/(folder|dangling) is a link to .*outside.*: remove the link"):
        operation(folder, name)
    assert _untouched(outside)


@pytest.mark.parametrize("name", ["file", "folder", "dangling"])
@pytest.mark.parametrize("operation", ["write", "restart", "make", "read", "digest", "place"])
def test_a_link_is_refused_by_its_name(folder: Folder, outside: Path, operation: str, name: str) -> None:
    with pytest.raises(MmcError, match=f"root/{name} is a link to "):
        OPERATIONS[operation](folder, name)
    assert (folder.path / name).is_symlink() and _untouched(outside)


@pytest.mark.parametrize("name", ["file", "folder", "dangling"])
def test_a_link_is_removed_and_not_its_destination(folder: Folder, outside: Path, name: str) -> None:
    folder.remove(name)
    assert not (folder.path / name).is_symlink() and _untouched(outside)


def test_a_folder_is_removed_with_its_links_and_not_what_they_lead_to(folder: Folder, outside: Path) -> None:
    folder.make("old")
    (folder.path / "old" / "link").symlink_to(outside)
    folder.remove("old")
    assert not (folder.path / "old").exists() and _untouched(outside)


def test_a_new_file_takes_the_place_of_nothing(folder: Folder, outside: Path) -> None:
    for name in ("mine", "file", "dangling"):
        with pytest.raises(FileExistsError, match=f"root/{name}"):
            folder.create(name)
    assert _untouched(outside)


def test_what_is_not_a_file_is_refused(folder: Folder) -> None:
    folder.make("empty")
    os.mkfifo(folder.path / "pipe")
    for name in ("empty", "pipe"):
        for operation in ("write", "restart", "read"):
            with pytest.raises(MmcError, match=f"{name} is in the way, and mmc did not write it"):
                OPERATIONS[operation](folder, name)
    with pytest.raises(MmcError, match="mine cannot be a folder: a file is in the way"):
        folder.write("mine/x", "")
    with pytest.raises(MmcError, match="mine is in the way"):
        folder.move("empty", "mine")


def test_the_path_of_the_named_folder_may_contain_links(tmp_path: Path) -> None:
    (tmp_path / "scratch").mkdir()
    (tmp_path / "runs").symlink_to("scratch")
    (tmp_path / "here").symlink_to("runs")
    Folder(tmp_path / "here" / "a" / "b").write("x/y", "text")
    Folder(tmp_path / "here").write("z", "text")
    assert (tmp_path / "scratch" / "a" / "b" / "x" / "y").read_text() == "text"
    assert (tmp_path / "scratch" / "z").read_text() == "text"


@pytest.mark.parametrize("name", ["runs", "runs/a/b"])
@pytest.mark.parametrize("link", ["gone", "runs"])
def test_a_link_to_nothing_is_named(tmp_path: Path, name: str, link: str) -> None:
    (tmp_path / "runs").symlink_to(link)
    with pytest.raises(UsageError, match=f"runs is a link to {link}, which does not exist"):
        Folder(tmp_path / name).make()
    assert not (tmp_path / "gone").exists()


def test_a_file_in_place_of_the_folder_is_named(tmp_path: Path) -> None:
    (tmp_path / "runs").write_text("x", encoding="utf-8")
    for name in ("runs", "runs/a"):
        with pytest.raises(UsageError, match=f"{name} cannot be a folder: a file is in the way"):
            Folder(tmp_path / name).make()


def test_a_file_appears_complete_or_not_at_all(folder: Folder) -> None:
    with pytest.raises(KeyError), folder.appearing("mine") as stream:
        stream.write(b"half")
        stream.flush()
        raise KeyError
    assert (folder.path / "mine").read_text() == "mine"
    folder.write("mine", "é")
    folder.write("program", b"", executable=True)
    assert (folder.path / "mine").read_text(encoding="utf-8") == "é"
    assert os.access(folder.path / "program", os.X_OK) and not os.access(folder.path / "mine", os.X_OK)
    assert not [path for path in folder.path.iterdir() if path.name.startswith(".")]


def test_a_log_is_a_new_file(folder: Folder) -> None:
    os.link(folder.path / "mine", folder.path / "run.log")
    with folder.restart("run.log") as log:
        log.write(b"new")
    assert (folder.path / "run.log").read_bytes() == b"new" and (folder.path / "mine").read_text() == "mine"


def test_a_file_that_the_user_named(folder: Folder, outside: Path) -> None:
    write_named(folder.path / "mine", b"new")
    assert (folder.path / "mine").read_bytes() == b"new"
    write_named(Path("/dev/null"), b"new")
    for name in ("file", "dangling"):
        with pytest.raises(MmcError, match=f"root/{name} is a link to "):
            write_named(folder.path / name, b"new")
    assert _untouched(outside)


def test_an_empty_folder_takes_the_place_of_anything(folder: Folder, outside: Path) -> None:
    folder.write("old/file", "x")
    for name in ("old", "mine", "folder", "file", "dangling", "new"):
        assert folder.empty(name) == folder.path / name
        assert not (folder.path / name).is_symlink() and list((folder.path / name).iterdir()) == []
    assert _untouched(outside)


def test_what_is_missing_is_none(folder: Folder) -> None:
    assert folder.read("no") is None and folder.digest("no/no") is None and Folder(folder.path / "no").read("x") is None
    folder.remove("no")
    folder.remove_empty("no")
    assert folder.place("no/file") == folder.path / "no" / "file"


def test_an_error_of_the_system_names_the_whole_path(folder: Folder) -> None:
    with pytest.raises(OSError, match="root/sub/") as caught:
        folder.write(f"sub/{'n' * 300}", "")
    assert str(caught.value.filename).startswith(f"{folder.path}/sub/nnn")


METHODS = {"write_text", "write_bytes", "unlink", "rmdir", "mkdir", "touch", "symlink_to", "hardlink_to", "rename"}
METHODS |= {"extractall", "savez", "savefig", "FileHandler"}
FUNCTIONS = {
    "os": {"mkdir", "makedirs", "remove", "removedirs", "unlink", "rmdir", "rename", "renames", "replace", "link"}
    | {"symlink", "truncate", "mkfifo", "mknod"},
    "shutil": {"move", "copy", "copy2", "copyfile", "copytree", "rmtree"},
    "tempfile": {"mkdtemp", "mkstemp", "TemporaryFile", "NamedTemporaryFile", "TemporaryDirectory"},
    "np": {"save", "savez"},
}
OWN_OUTPUT = "the job's own output, in a folder that the runner has just made"
ALLOWED = {
    "mmc.files": "the helper itself",
    "mmc.locks": "files of locks, which are opened without following a link and removed by who holds them",
    "mmc.compiler.reana.client": "temporary files without a name",
    "mmc.packing": "an archive in memory",
    "mmc.compiler.reana.submit": "a temporary folder, into which what the server sends is unpacked",
    "mmc.jobs.formats.gzipped": OWN_OUTPUT,
    "mmc.jobs.formats.les_houches": OWN_OUTPUT,
    "mmc.jobs.generators.madgraph": OWN_OUTPUT,
    "mmc.jobs.generators.madgraph_events": OWN_OUTPUT,
    "mmc.jobs.generators.madgraph_process": OWN_OUTPUT,
    "mmc.jobs.generators.shower": OWN_OUTPUT,
    "mmc.jobs.generators.showered": OWN_OUTPUT,
    "mmc.jobs.learning.samples": OWN_OUTPUT,
    "mmc.jobs.madminer.event_order": OWN_OUTPUT,
    "mmc.jobs.madminer.event_writer": OWN_OUTPUT,
    "mmc.jobs.madminer.workarounds": OWN_OUTPUT,
    "mmc.jobs.matrix_elements.sources": "a temporary folder, into which a model is unpacked",
    "mmc.jobs.report.figures": "a picture in memory",
    "mmc.jobs.statistics.limits": OWN_OUTPUT,
    "mmc.jobs.steps.asking": "a temporary file without a name",
    "mmc.jobs.steps.detect": OWN_OUTPUT,
    "mmc.jobs.steps.import_events": OWN_OUTPUT,
    "mmc.jobs.steps.report": OWN_OUTPUT,
    "mmc.jobs.steps.tune": OWN_OUTPUT,
    "mmc.jobs.tracking.sqlite_file": "a link in a temporary folder",
    "mmc.jobs.tuning.optuna_search": OWN_OUTPUT,
    "mmc.surroundings": "a temporary home",
}
"""The modules that write or remove without :mod:`mmc.files`, each with what."""


def _writes(call: ast.Call) -> bool:
    """Whether a call writes, replaces or removes files."""
    function, words = call.func, [*call.args, *(keyword.value for keyword in call.keywords)]
    texts = {word.value for word in words if isinstance(word, ast.Constant) and isinstance(word.value, str)}
    name = function.attr if isinstance(function, ast.Attribute) else getattr(function, "id", "")
    owner = ast.unparse(function.value) if isinstance(function, ast.Attribute) else ""
    if name == "open":
        modes = [text for text in texts if set(text) <= set("rwabxt+")]
        return any(set(mode) & set("wax+") for mode in modes) or (owner == "os" and "O_CREAT" in ast.unparse(call))
    if name == "replace" and owner:  # Path.replace; str.replace takes two words
        return owner == "os" or len(words) == 1
    return name in METHODS or name in FUNCTIONS.get(owner, set())


def test_only_the_helper_writes_and_removes() -> None:
    found: dict[str, list[int]] = {}
    for path in sorted((ROOT / "compiler" / "mmc").rglob("*.py")):
        calls = [node for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))) if isinstance(node, ast.Call)]
        if lines := [call.lineno for call in calls if _writes(call)]:
            found[".".join(path.relative_to(ROOT / "compiler").with_suffix("").parts)] = lines
    assert {name: lines for name, lines in found.items() if name not in ALLOWED} == {}
    assert ALLOWED.keys() <= found.keys(), "these modules no longer need to be allowed"


@pytest.mark.parametrize(
    "code", ["p.open('w')", "open(p, mode='ab')", "os.replace(a, b)", "p.replace(q)", "p.unlink()"]
)
def test_the_search_finds(code: str) -> None:
    (call,) = (node for node in ast.walk(ast.parse(code)) if isinstance(node, ast.Call))
    assert _writes(call)
