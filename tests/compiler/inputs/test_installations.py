"""MadGraph and Delphes are found where the study or the environment says; every failure is one line with a way out."""

import os
from pathlib import Path

import pytest
from mmc.compiler.inputs.installations import COMPILERS, Installation, find_delphes, find_lhapdf, find_madgraph
from mmc.errors import InstallationError

USAGE = "#!/bin/sh\necho ' Usage: DelphesHepMC2 config_file output_file [input_file(s)]'\nexit 1\n"
NO_ROOT = (
    "#!/bin/sh\n"
    "echo 'DelphesHepMC2: error while loading shared libraries: libCore.so: cannot open shared object file' >&2\n"
    "exit 127\n"
)


def executable(file: Path, text: str = "#!/bin/sh\n") -> Path:
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(text)
    file.chmod(0o755)
    return file


@pytest.fixture(autouse=True)
def bare_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing is named, and on the PATH are compilers alone, which do nothing; Python is whole."""
    monkeypatch.delenv("MMC_MADGRAPH_DIR", raising=False)
    monkeypatch.delenv("MMC_DELPHES_DIR", raising=False)
    for name in COMPILERS:
        executable(tmp_path / "bin" / name)
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))
    executable(tmp_path / "include" / "Python.h")
    monkeypatch.setattr("sysconfig.get_path", {"include": str(tmp_path / "include")}.get)
    monkeypatch.setattr("mmc.compiler.inputs.installations.find_spec", lambda name: name)


@pytest.fixture
def madgraph(tmp_path: Path) -> Path:
    folder = tmp_path / "MG5_aMC_v3_5_7"
    executable(folder / "bin" / "mg5_aMC")
    (folder / "VERSION").write_text("version = 3.5.7\ndate = 2024-11-29\n")
    return folder


@pytest.fixture
def delphes(tmp_path: Path) -> Path:
    """As built in its source folder."""
    folder = tmp_path / "delphes"
    for name in ("DelphesHepMC2", "DelphesHepMC3"):
        executable(folder / name, USAGE)
    (folder / "cards").mkdir()
    (folder / "CHANGELOG").write_text("3.5.1:\n\n- many improvements\n\n3.5.0:\n")
    return folder


def test_madgraph_of_the_study_wins(madgraph: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MMC_MADGRAPH_DIR", str(tmp_path / "nowhere"))
    found = find_madgraph(str(madgraph))
    assert found == Installation(
        "MadGraph",
        madgraph,
        "3.5.7",
        "execution.installations.madgraph",
        {"mg5_aMC": madgraph / "bin" / "mg5_aMC"},
    )


def test_madgraph_of_the_environment(madgraph: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MMC_MADGRAPH_DIR", str(madgraph))
    assert find_madgraph(None).named_by == "MMC_MADGRAPH_DIR"


def test_a_relative_folder_becomes_absolute(madgraph: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(madgraph.parent)
    assert find_madgraph(madgraph.name).folder == madgraph


@pytest.mark.parametrize("prefix", ["", "bin/"])
def test_delphes_in_its_source_and_installed(prefix: str, delphes: Path) -> None:
    (delphes / "bin").mkdir()
    for name in ("DelphesHepMC2", "DelphesHepMC3"):
        (delphes / name).rename(delphes / prefix / name)
    found = find_delphes(str(delphes))
    assert found.version == "3.5.1"
    assert found.programs == {name: delphes / prefix / name for name in ("DelphesHepMC2", "DelphesHepMC3")}
    assert found.cards == delphes / "cards"


@pytest.mark.parametrize(("record", "version"), [("3.5.0\n", "3.5.0"), ("what was once\n", "3.5.1")])
def test_the_file_version_of_delphes_comes_first(record: str, version: str, delphes: Path) -> None:
    (delphes / "VERSION").write_text(record)
    assert find_delphes(str(delphes)).version == version


def test_an_installation_may_not_record_its_version(delphes: Path) -> None:
    (delphes / "CHANGELOG").unlink()
    assert find_delphes(str(delphes)).version == ""


def test_libraries_of_the_installation_are_found(delphes: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LD_LIBRARY_PATH", "/root/lib")
    path = find_delphes(str(delphes)).environment()["LD_LIBRARY_PATH"]
    assert path.split(os.pathsep) == [str(delphes), str(delphes / "lib"), "/root/lib"]


def test_nothing_is_named() -> None:
    for find, name in ((find_madgraph, "MadGraph 3.5.7"), (find_delphes, "Delphes 3.5.1")):
        variable = f"MMC_{name.split()[0].upper()}_DIR"
        with pytest.raises(
            InstallationError, match=rf"is not installed here: .* {variable}, .* \(tested with {name}\)$"
        ):
            find(None)


def test_a_folder_that_is_not_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MMC_DELPHES_DIR", str(tmp_path / "nowhere"))
    with pytest.raises(InstallationError, match=r"^MMC_DELPHES_DIR names .*/nowhere, which is not a folder;"):
        find_delphes(None)


def test_a_folder_of_something_else(tmp_path: Path) -> None:
    with pytest.raises(InstallationError, match="which has no executable bin/mg5_aMC;"):
        find_madgraph(str(tmp_path))
    with pytest.raises(InstallationError, match="which has no executable DelphesHepMC2 and no DelphesHepMC3;"):
        find_delphes(str(tmp_path))


def test_an_unpacked_delphes_that_is_not_compiled(delphes: Path) -> None:
    (delphes / "DelphesHepMC3").chmod(0o644)
    with pytest.raises(InstallationError, match="which has no executable DelphesHepMC3;"):
        find_delphes(str(delphes))


def test_a_delphes_without_cards(delphes: Path) -> None:
    (delphes / "cards").rmdir()
    with pytest.raises(InstallationError, match="which has no folder cards;"):
        find_delphes(str(delphes))


def test_versions_that_are_too_old(madgraph: Path, delphes: Path) -> None:
    (madgraph / "VERSION").write_text("version = 2.9.24\n")
    with pytest.raises(
        InstallationError, match=r"which is MadGraph 2\.9\.24, older than 3\.0, the oldest that mmc can"
    ):
        find_madgraph(str(madgraph))
    (delphes / "CHANGELOG").write_text("3.4.2:\n")
    with pytest.raises(InstallationError, match=r"which is Delphes 3\.4\.2, older than 3\.5,"):
        find_delphes(str(delphes))


def test_compilers_are_missing(madgraph: Path, tmp_path: Path) -> None:
    (tmp_path / "bin" / "gfortran").unlink()
    (tmp_path / "bin" / "make").unlink()
    with pytest.raises(InstallationError, match=r"^MadGraph needs gfortran, make, .* `apt install gfortran make`$"):
        find_madgraph(str(madgraph))


def test_python_lacks_its_headers(madgraph: Path, tmp_path: Path) -> None:
    (tmp_path / "include" / "Python.h").unlink()
    with pytest.raises(InstallationError, match=r"needs the headers of Python: .*`apt install python3-dev`$"):
        find_madgraph(str(madgraph))


def test_python_lacks_a_package_of_madgraph(madgraph: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("mmc.compiler.inputs.installations.find_spec", lambda name: None)
    with pytest.raises(InstallationError, match="needs the package six in the Python that runs mmc"):
        find_madgraph(str(madgraph))


def test_libraries_of_root_do_not_load(delphes: Path) -> None:
    executable(delphes / "DelphesHepMC2", NO_ROOT)
    with pytest.raises(InstallationError, match=r"does not start: .* libCore\.so: .* `source ROOT/bin/thisroot\.sh`"):
        find_delphes(str(delphes))


def test_a_delphes_for_another_machine(delphes: Path) -> None:
    (delphes / "DelphesHepMC2").write_bytes(b"\x7fELF\x00")
    with pytest.raises(InstallationError, match=r"DelphesHepMC2 does not start: .*Exec format error"):
        find_delphes(str(delphes))


REAL = {name: os.environ.get(name) for name in ("MMC_MADGRAPH_DIR", "MMC_DELPHES_DIR", "PATH")}


class TestReal:
    """The installations of this machine, where it has any."""

    @pytest.fixture(autouse=True)
    def real_environment(self, bare_environment: None, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("PATH", REAL["PATH"] or os.defpath)

    @pytest.mark.skipif(REAL["MMC_MADGRAPH_DIR"] is None, reason="MMC_MADGRAPH_DIR is not set")
    def test_madgraph(self) -> None:
        assert find_madgraph(REAL["MMC_MADGRAPH_DIR"]).version.startswith("3.")

    @pytest.mark.skipif(REAL["MMC_DELPHES_DIR"] is None, reason="MMC_DELPHES_DIR is not set")
    def test_delphes(self) -> None:
        found = find_delphes(REAL["MMC_DELPHES_DIR"])
        assert found.cards is not None
        assert (found.cards / "delphes_card_CMS.tcl").is_file()


def test_lhapdf_is_what_madgraph_names_or_what_is_on_the_path(madgraph: Path, tmp_path: Path) -> None:
    found = find_madgraph(str(madgraph))
    assert find_lhapdf(None) is find_lhapdf(found) is None
    on_path = executable(tmp_path / "bin" / "lhapdf-config")
    assert find_lhapdf(None) == find_lhapdf(found) == str(on_path)
    configuration = madgraph / "input" / "mg5_configuration.txt"
    configuration.parent.mkdir()
    configuration.write_text("# lhapdf_py3 = /comment\nlhapdf_py3 = /nowhere/lhapdf-config # mine\n")
    assert find_lhapdf(found) is None
    configuration.write_text("lhapdf_py3 = ./HEPTools/bin/lhapdf-config\n")
    named = executable(madgraph / "HEPTools" / "bin" / "lhapdf-config")
    assert find_lhapdf(found) == str(named)
