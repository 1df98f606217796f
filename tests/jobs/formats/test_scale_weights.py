"""Weights of other scales among all that a file declares: in the forms of several programs, with values in events."""

from pathlib import Path
from typing import Any

import pytest
from mmc.compiler.settings.uncertainties import ScaleUncertainty
from mmc.errors import StepError
from mmc.jobs.formats.weight_groups import find_nuisance

from tests.jobs.formats.test_les_houches_normalise import write_lhe

MU = ScaleUncertainty(effect="scale", scale="mu", variations=(0.5, 1.0, 2.0))
NOMINAL = [0.25, 0.5, 0.0, 1.0]
"""The nominal weights of the events. Weights at twice and half the scales are 1.2 and 0.85 times as large."""


def _declared(*entries: tuple[str, str]) -> str:
    return "".join(f"<weight id='{name}'> {text} </weight>\n" for name, text in entries)


def _found(folder: Path, declared: str, factors: dict[str, Any]) -> tuple[list[str], str | None]:
    """The weights that are chosen, at 2 and at 1/2, and the weight to which they are relative.

    :param factors: each weight of an event relative to the nominal one, or a list with one for each event
    """
    own = [factor if isinstance(factor, list) else [factor] * len(NOMINAL) for factor in factors.values()]
    weights = [
        {name: f"{nominal * values[k]:.6e}" for name, values in zip(factors, own, strict=True)}
        for k, nominal in enumerate(NOMINAL)
    ]
    path = write_lhe(folder / "x.lhe", weights, "OWN", header=f"<initrwgt>\n{declared}</initrwgt>\n")
    text = path.read_text()
    for nominal in NOMINAL:
        text = text.replace("OWN", str(nominal), 1)
    path.write_text(text)
    (found,) = find_nuisance({"mu": MU}, path)
    return [str(name) for name in found.weights.values()], found.central


RIGHT = {"up": 1.2, "down": 0.85}
OTHER = {"n": [1.5, 1.4, 1.6, 1.3], "u": 2.0, "d": 1.4}
SHERPA = "MUR{0}_MUF{0}_PDF303400"


@pytest.mark.parametrize(
    ("declared", "factors"),
    [
        # aMC@NLO with two choices of the scale, the other one first
        (
            _declared(
                *((name, f"dyn= 1 muR=0.{k}E+01 muF=0.{k}E+01") for name, k in (("n", 10), ("u", 20), ("d", "05"))),
                *((name, f"dyn= 0 muR=0.{k}E+01 muF=0.{k}E+01") for name, k in (("1", 10), ("up", 20), ("down", "05"))),
            ),
            {**OTHER, "1": 1.0, **RIGHT},
        ),
        # hdamp, which has no nominal scales of its own
        (
            _declared(
                ("u", "lhapdf=1 renscfact=2d0 facscfact=2d0 hdamp=300"),
                ("d", "lhapdf=1 renscfact=0.5d0 facscfact=0.5d0 hdamp=300"),
                *((name, f"lhapdf=1 renscfact={k} facscfact={k}") for name, k in (("1", 1), ("up", 2), ("down", 0.5))),
            ),
            {"u": 3.0, "d": 2.0, "1": 1.0, **RIGHT},
        ),
        (
            _declared(("up", "muR='2.0' muF='2.0'"), ("again", "muR=2 muF=2"), ("down", "muR = .5, muF = .5")),
            {**RIGHT, "again": 1.2},
        ),
        (_declared(("up", "MUR=2__MUF=2__LHAPDF=5"), ("down", "MUR=0.5__MUF=0.5__LHAPDF=5")), RIGHT),
    ],
)
def test_weights_beside_the_nominal_one(tmp_path: Path, declared: str, factors: dict[str, Any]) -> None:
    assert _found(tmp_path, declared, factors) == (["up", "down"], None)


@pytest.mark.parametrize("third", [0.85, 0.9])
def test_a_scale_with_two_numbers(tmp_path: Path, third: float) -> None:
    """aMC@NLO's default scale, -1, is H_T/2, which is 3 as well."""
    weights = [(dyn, name, k) for dyn in (-1, 3) for name, k in (("n", 1), ("u", 2), ("d", 0.5))]
    declared = _declared(*((f"{name}{dyn}", f"dyn= {dyn} muR={k} muF={k}") for dyn, name, k in weights))
    factors = {"n-1": 1.0, "u-1": 1.2, "d-1": 0.85, "n3": 1.0, "u3": 1.2, "d3": third}
    if third == 0.85:
        assert _found(tmp_path, declared, factors) == (["u-1", "d-1"], None)
        return
    with pytest.raises(StepError, match=r"^x\.lhe has several weights for"):
        _found(tmp_path, declared, factors)


def test_names_of_sherpa(tmp_path: Path) -> None:
    names = {SHERPA.format(k): factor for k, factor in (("1", 1.0), ("2", 1.2), ("0.5", 0.85))}
    declared = _declared(*((name, "") for name in names), (f"{SHERPA.format('2')}_PSMUR2", ""))
    assert _found(tmp_path, declared, names) == ([SHERPA.format("2"), SHERPA.format("0.5")], None)


def test_weights_in_another_unit_than_the_nominal_one(tmp_path: Path) -> None:
    """POWHEG with nominal weights of 1 and others in pb."""
    texts = {"1": "1d0", "up": "2d0", "down": "0.5d0"}
    declared = _declared(*((name, f"renscfact={k} facscfact={k}") for name, k in texts.items()))
    assert _found(tmp_path, declared, {"1": 3.0, "up": 3.6, "down": 2.55}) == (["up", "down"], "1")


def test_different_weights_with_the_same_declaration(tmp_path: Path) -> None:
    declared = _declared(("up", "MUR=2.0 MUF=2.0"), ("down", "MUR=0.5 MUF=0.5"), ("other", "MUR=2.0 MUF=2.0"))
    with pytest.raises(StepError, match=r"^x\.lhe has several weights for .* \(MUR=2, MUF=2\): .*id=up.*id=other"):
        _found(tmp_path, declared, {**RIGHT, "other": 1.9})
