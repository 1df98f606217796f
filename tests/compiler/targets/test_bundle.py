"""Writing bundles: whole or not at all, and nothing lost that mmc did not write."""

import hashlib
import json
from dataclasses import replace
from pathlib import Path

import pytest
from mmc.compiler.targets import TARGETS, Options
from mmc.compiler.targets.bundle import MANIFEST, PARTIAL, Bundle, differences, write
from mmc.errors import MmcError
from mmc.files import Folder
from mmc.version import __version__

from tests.compiler.targets.conftest import Place
from tests.compiler.targets.plans import FILE_CONTENT, make_plan


def a_bundle(**texts: str) -> Bundle:
    files = {path.replace("__", "/"): text for path, text in texts.items()}
    digests = {path: hashlib.sha256(text.encode()).hexdigest() for path, text in files.items()}
    return Bundle({**files, MANIFEST: json.dumps({"files": digests}) + "\n"}, {}, frozenset({"run"} & set(files)))


def content(folder: Path) -> dict[str, str]:
    return {str(file.relative_to(folder)): file.read_text() for file in folder.rglob("*") if file.is_file()}


@pytest.mark.parametrize("target", TARGETS)
def test_every_bundle_is_complete(target: str, place: Place, tmp_path: Path) -> None:
    plan = make_plan(image="repo/image:1.0")
    folder = place(plan, target, tmp_path / "bundle")
    manifest = json.loads((folder / MANIFEST).read_text())
    files, stages = manifest.pop("files"), manifest.pop("stages")
    assert list(stages) == [stage.name for stage in plan.stages]
    assert all(set(stage["reads"]) <= set(stages) for stage in stages.values())
    assert manifest == {"study": plan.study, "digest": plan.digest, "mmc": __version__, "target": target}
    on_disk = {str(file.relative_to(folder)): file.read_bytes() for file in folder.rglob("*") if file.is_file()}
    assert all(data.endswith(b"\n") for data in on_disk.values())
    assert {path: hashlib.sha256(data).hexdigest() for path, data in on_disk.items() if path != MANIFEST} == files
    assert on_disk["inputs/events.h5"] == FILE_CONTENT
    assert json.loads(on_disk["study.resolved.json"]) == plan.resolved_study
    for stage in plan.stages:
        assert json.loads(on_disk[f"config/{stage.name}.json"]) == stage.configuration()
    readme = on_disk["README.md"].decode()
    assert plan.study in readme
    assert len(readme.splitlines()) < 30
    assert ("Nothing is resumed: after an interruption or a failure" in readme) == (target == "cwl")


@pytest.mark.parametrize("target", TARGETS)
def test_same_plan_same_bytes(target: str) -> None:
    plan, same = make_plan(image="repo/image:1.0"), make_plan(image="repo/image:1.0")
    assert TARGETS[target](plan, Options()) == TARGETS[target](same, Options())


def test_configurations_keep_the_order_of_keys() -> None:
    first = make_plan(note={"b": 1, "a": 2})
    text = TARGETS["script"](first, Options()).texts["config/simulate.json"]
    assert list(json.loads(text)["shared"]["note"]) == ["b", "a"]
    assert sum('"signal.sm.1"' in line for line in text.splitlines()) == 1


def test_write_and_compare(tmp_path: Path) -> None:
    folder = tmp_path / "deep" / "bundle"
    made = a_bundle(run="echo\n", config__a="1\n")
    assert differences(made, folder) == ["run is missing", "config/a is missing", "manifest.json is missing"]
    write(made, folder, {})
    assert content(folder) == dict(made.texts)
    assert differences(made, folder) == []
    assert (folder / "run").stat().st_mode & 0o100
    assert not (folder / "config/a").stat().st_mode & 0o100
    (folder / "run").chmod(0o644)
    (folder / "config/a").write_text("2\n")
    assert differences(made, folder) == ["run is not executable", "config/a differs"]


def test_writing_what_is_there_touches_nothing(tmp_path: Path) -> None:
    made = a_bundle(run="echo\n")
    write(made, tmp_path, {})
    before = (tmp_path / "run").stat().st_mtime_ns
    write(made, tmp_path, {})
    assert (tmp_path / "run").stat().st_mtime_ns == before


def test_recompiling_removes_only_what_mmc_wrote(tmp_path: Path) -> None:
    write(a_bundle(old__one="1\n", old__two="2\n", gone__all="3\n", kept="4\n"), tmp_path, {})
    (tmp_path / "old/two").write_text("changed by hand\n")
    (tmp_path / "results").mkdir()
    (tmp_path / "results/mine").write_text("mine\n")
    new = a_bundle(kept="5\n")
    assert "old/one is left over from an earlier study" in differences(new, tmp_path)
    write(new, tmp_path, {})
    expected = {**new.texts, "old/two": "changed by hand\n", "results/mine": "mine\n"}
    assert content(tmp_path) == expected
    assert not (tmp_path / "gone").exists()
    assert differences(new, tmp_path) == []


def test_a_foreign_file_in_the_way_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "README.md").write_text("mine\n")
    with pytest.raises(MmcError, match=r"README\.md was not written by mmc"):
        write(a_bundle(**{"README.md": "theirs\n", "other": "x\n"}), tmp_path, {})
    assert content(tmp_path) == {"README.md": "mine\n"}


@pytest.mark.parametrize("manifest", ["", "[]", '{"files": 3}', '{"files": ["a"]}', "\x00"])
def test_a_foreign_manifest_is_left_alone(manifest: str, tmp_path: Path) -> None:
    (tmp_path / MANIFEST).write_text(manifest)
    with pytest.raises(MmcError, match="was not written by mmc"):
        write(a_bundle(a="x\n"), tmp_path, {})
    assert content(tmp_path) == {MANIFEST: manifest}


def test_a_manifest_cannot_point_outside(tmp_path: Path) -> None:
    folder, outside = tmp_path / "bundle", tmp_path / "outside"
    outside.write_text("x\n")
    folder.mkdir()
    sha256 = hashlib.sha256(b"x\n").hexdigest()
    (folder / MANIFEST).write_text(json.dumps({"files": {"../outside": sha256}}))
    with pytest.raises(MmcError, match=r"'\.\./outside' is not the path of a file inside"):
        write(a_bundle(a="x\n"), folder, {})
    assert outside.exists() and not (folder / "a").exists()


@pytest.mark.parametrize("claimed", ["run", "old", "sub/a", MANIFEST, PARTIAL])
@pytest.mark.parametrize("kind", ["file", "folder", "nothing"])
def test_no_link_in_a_bundle_is_followed(claimed: str, kind: str, tmp_path: Path) -> None:
    """A cloned repository can hold a bundle with links, and a manifest that claims them."""
    folder, outside = tmp_path / "bundle", tmp_path / "outside"
    folder.mkdir()
    outside.mkdir()
    (outside / "a").write_text("mine\n")
    sha256 = hashlib.sha256(b"mine\n").hexdigest()
    if claimed != MANIFEST:
        (folder / MANIFEST).write_text(json.dumps({"files": {claimed: sha256, "sub/a": sha256}}))
    link = folder / claimed.partition("/")[0]
    link.symlink_to({"file": outside / "a", "folder": outside, "nothing": outside / "new"}[kind])
    with pytest.raises(MmcError, match=f"{link.name} is a link to .*: remove the link"):
        write(a_bundle(run="x\n", sub__a="y\n"), folder, {})
    assert content(outside) == {"a": "mine\n"} and link.is_symlink()
    assert set(content(folder)) <= {MANIFEST, claimed, link.name}


def test_the_named_folder_may_be_a_link(tmp_path: Path) -> None:
    (tmp_path / "scratch").mkdir()
    (tmp_path / "bundle").symlink_to("scratch")
    made = a_bundle(run="x\n")
    write(made, tmp_path / "bundle", {})
    assert content(tmp_path / "scratch") == dict(made.texts)


@pytest.mark.parametrize("writes", range(5))
def test_an_interrupted_writing_never_looks_whole(writes: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    old, new = a_bundle(a="1\n", b="1\n", c="1\n"), a_bundle(a="2\n", b="2\n", d="2\n")
    write(old, tmp_path, {})
    done = 0
    real = Folder.write

    def failing(folder: Folder, name: str, text: str, *, executable: bool = False) -> None:
        nonlocal done
        if done == writes:
            raise OSError(28, "No space left on device", str(folder.path / name))
        done += 1
        real(folder, name, text, executable=executable)

    monkeypatch.setattr(Folder, "write", failing)
    with pytest.raises(MmcError, match="No space left on device"):
        write(new, tmp_path, {})
    whole = (tmp_path / MANIFEST).exists()
    assert whole == (writes == 0)
    assert not whole or content(tmp_path) == dict(old.texts)
    monkeypatch.undo()
    write(a_bundle(a="3\n"), tmp_path, {})
    assert set(content(tmp_path)) == {"a", MANIFEST}
    assert not (tmp_path / PARTIAL).exists()


def test_a_source_that_changed_is_refused(tmp_path: Path) -> None:
    source = tmp_path / "events"
    source.write_text("other\n")
    made = replace(a_bundle(a="1\n"), copies={"inputs/events": "0" * 64})
    with pytest.raises(MmcError, match="changed while the study was being compiled"):
        write(made, tmp_path / "bundle", {"inputs/events": source})
    assert not (tmp_path / "bundle" / MANIFEST).exists()
    assert not list((tmp_path / "bundle" / "inputs").iterdir())


def test_a_folder_that_cannot_be_written(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(MmcError):
        write(a_bundle(a="1\n"), tmp_path / "file", {})
