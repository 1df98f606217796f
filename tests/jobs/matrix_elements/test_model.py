"""UFO models: where they come from, and the values of their parameters."""

import tarfile
import zipfile
from pathlib import Path

import pytest
from mmc.errors import StepError
from mmc.jobs.matrix_elements import Model

from tests.jobs.matrix_elements import ufo_models

pytest.importorskip("ufoamp", reason="needs mmc[ufo]")


def test_folders_archives_and_packages(tmp_path: Path) -> None:
    folder = ufo_models.write(tmp_path / "small")
    with tarfile.open(tmp_path / "small.tar.gz", "w:gz") as packed:
        packed.add(folder, "models/small")
    with zipfile.ZipFile(tmp_path / "small.zip", "w") as packed:
        for file in folder.iterdir():
            packed.write(file, file.name)
    for source in (folder, tmp_path, tmp_path / "small.tar.gz", tmp_path / "small.zip"):
        assert Model.load(source).particle("v").pdg == 23
    assert Model.load("ufo_sm").particle(-24).name == "W-"


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ("nothing", "no UFO model 'nothing': neither a folder nor an archive nor an installed package"),
        ("text.tar.gz", r"text.tar.gz is not an archive of a UFO model: "),
        (".", "contains no UFO models, where one is needed"),
        ("json", "contains no UFO models"),
    ],
)
def test_sources_without_a_model(source: str, message: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("text.tar.gz").write_text("no archive")
    with pytest.raises(StepError, match=message):
        Model.load(source)


def test_code_that_fails(tmp_path: Path) -> None:
    folder = ufo_models.write(tmp_path / "broken", vertices="raise RuntimeError('of another time')")
    with pytest.raises(StepError, match="the UFO model broken does not load: RuntimeError: of another time"):
        Model.load(folder)


def test_restriction_then_card_then_values(tmp_path: Path) -> None:
    folder = ufo_models.write(tmp_path / "small")
    (folder / "restrict_default.dat").write_text("BLOCK MASS\n 25 130.\nBLOCK NEW\n 1 7.\n 2 0.\n")
    (folder / "restrict_other.dat").write_text("BLOCK NEW\n 1 8.\n 3 0.\n")
    (tmp_path / "card.dat").write_text("Block new # text\n 1 1.5D+00\n 9 4.0 # not in the model\nDECAY 25 4.07e-3\n")

    def values(**options: object) -> dict[str, float]:
        found = Model.load(folder, **options).parameters()  # type: ignore[arg-type]
        return {name: found[name].real for name in ("MH", "even", "odd", "quartic")}

    assert values() == {"MH": 130.0, "even": 1.0, "odd": 0.0, "quartic": 1.0}
    assert values(restriction="other") == {"MH": 125.0, "even": 8.0, "odd": 1.0, "quartic": 0.0}
    assert values(restriction="none", card=tmp_path / "card.dat") == {
        "MH": 125.0,
        "even": 1.5,
        "odd": 1.0,
        "quartic": 1.0,
    }
    assert values(values={"new all": 0.0, "NEW 3": 2.0}) == {"MH": 130.0, "even": 0.0, "odd": 0.0, "quartic": 2.0}


def test_coefficients_have_no_default(tmp_path: Path) -> None:
    folder = ufo_models.write(tmp_path / "small")
    (folder / "restrict_default.dat").write_text("BLOCK NEW\n 1 9.999999e-01\n 2 0.\n")
    model = Model.load(folder)
    message = "the model small needs values for new 1, new 3: give a param card with them, a restriction, or the values"
    with pytest.raises(StepError, match=message):
        model.evaluated({})
    assert model.evaluated({"new 1": 1.0, "new 3": 0.5})[1]["NEW_FOUR"] == 1j


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"values": {"new 4": 1.0}}, "the model small does not have a parameter new 4"),
        ({"values": {"old all": 1.0}}, "the model small does not have a parameter old all"),
        ({"restriction": "massless"}, "the model small does not have a restriction massless, only: none"),
        ({"card": Path("no.dat")}, "the card no.dat cannot be read: No such file"),
        ({"card": Path("card.dat")}, "new 1 in card.dat is not a number: 'one'"),
    ],
)
def test_values_that_are_refused(
    options: dict[str, object], message: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("card.dat").write_text("BLOCK NEW\n 1 one\n")
    folder = ufo_models.write(tmp_path / "small")
    with pytest.raises(StepError, match=message):
        Model.load(folder, **options)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ("1/zero", "the model small: FOUR cannot be computed with these parameters: complex division by zero"),
        (
            "special(even)",
            "the model small: FOUR cannot be computed with these parameters: name 'special' is not defined",
        ),
        ("2 even", "the model small: FOUR is not an expression: 2 even"),
    ],
)
def test_expressions_that_cannot_be_computed(value: str, message: str, tmp_path: Path) -> None:
    """ufoamp takes zero for them."""
    couplings = ufo_models.FILES["couplings"].replace("-0.7*complex(0,1)", value.replace("zero", "(even-even)"))
    model = Model.load(ufo_models.write(tmp_path / "small", couplings=couplings), values={"new all": 1.0})
    with pytest.raises(StepError, match=message):
        model.evaluated({})
