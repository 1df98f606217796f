"""``mmc resolve``, and that everything uses the whole of a study that extends another one."""

import json
from pathlib import Path

import pytest
from mmc.cli.main import main
from mmc.cli.study_file import read
from mmc.cli.whole_study import study_text

Capture = pytest.CaptureFixture[str]


@pytest.fixture
def variant(tiny: Path) -> Path:
    """A study that extends the tiny one, which is in a folder below."""
    (tiny.parent / "common").mkdir()
    tiny.rename(tiny.parent / "common" / "base.yaml")
    tiny.write_text(
        'mmc: "1.0"\nextends: common/base.yaml\nname: variant\n'
        "evaluation: {luminosity: 1 ab^-1, fisher_information: null}\n"
        "methods:\n  alice: null\n  sally: {samples: 1_000}\n"
    )
    return tiny


def test_it_prints_a_study_that_means_the_same(variant: Path, tmp_path: Path, capsys: Capture) -> None:
    assert main(["resolve", str(variant), "--set", "seed=4"]) == 0
    out, err = capsys.readouterr()
    assert err == ""
    base = variant.parent / "common" / "base.yaml"
    lines = base.read_text().splitlines()
    assert f"  luminosity: 1 ab^-1  # {variant}:4\n" in out
    assert "seed: 4  # --set seed=4\n" in out
    (m_min,) = (k for k, line in enumerate(lines, start=1) if "m_min" in line)
    assert f"run_card: {{m_min: 470 GeV}}  # {base}:{m_min}\n" in out
    assert "alice:" not in out and "fisher" not in out and "extends" not in out
    flat = variant.with_name("flat.yaml")
    flat.write_text(out)
    for study, more in ((variant, ["--set", "seed=4"]), (flat, [])):
        assert main(["compile", str(study), "-t", "script", "-o", str(tmp_path / study.stem), *more]) == 0
    one, other = (json.loads((tmp_path / name / "manifest.json").read_text()) for name in (variant.stem, "flat"))
    assert one.pop("set") == ["seed=4"]
    assert one == other


def test_a_problem_of_the_base_is_shown_there(variant: Path, capsys: Capture) -> None:
    base = variant.parent / "common" / "base.yaml"
    base.write_text(base.read_text().replace("observables: [m_ll]", "observables: [m_l]"))
    assert main(["validate", str(variant)]) == 1
    out = capsys.readouterr().out
    (line,) = (k for k, text in enumerate(base.read_text().splitlines(), start=1) if "[m_l]" in text)
    assert out.startswith(f"{base}:{line}:") and f"{line:>8} | " in out
    assert main(["resolve", str(variant)]) == 1
    shown, err = capsys.readouterr()
    assert err == out and f"# {base}:{line}" in shown
    other = variant.with_name("other.yaml")
    other.write_text(variant.read_text())
    assert main(["validate", str(variant), str(other), "--format", "json"]) == 1
    report = json.loads(capsys.readouterr().out)
    assert {item["file"] for item in report["diagnostics"]} == {str(base)}
    assert len(report["diagnostics"]) == out.count("error[")
    assert report["files"] == [str(variant), str(base), str(other)]


def test_the_study_of_a_run_is_the_whole(variant: Path) -> None:
    text = study_text(read(str(variant)))
    assert "extends" not in text and "name: variant\n" in text
    variant.with_name("whole.yaml").write_text(text)
    whole = read(str(variant.with_name("whole.yaml")))
    assert whole.data == read(str(variant)).data
    assert study_text(whole) == text


def test_the_base_is_not_set_and_a_link_out_of_the_folder_not_shown(
    variant: Path, tmp_path: Path, capsys: Capture
) -> None:
    assert main(["resolve", str(variant), "--set", "extends=x.yaml"]) == 2
    (tmp_path / "clone").mkdir()
    (tmp_path / "clone" / "study.yaml").symlink_to(variant.parent / "common" / "base.yaml")
    assert main(["resolve", str(tmp_path / "clone" / "study.yaml")]) == 2
    assert capsys.readouterr().out == ""
