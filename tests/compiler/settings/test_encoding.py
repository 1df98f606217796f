"""Typed settings survive the way through JSON, and what does not fit is named."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st
from mmc.compiler.settings.encoding import INLINE, SHARED, from_json, split_shared, to_json
from mmc.errors import SettingsError


@dataclass(frozen=True)
class Beam:
    particle: str
    energy_gev: float


@dataclass(frozen=True, kw_only=True)
class Example:
    seed: int = field(metadata=SHARED)
    beams: tuple[Beam, Beam]
    weights: Mapping[str, float] = field(default_factory=dict)
    bins: tuple[int, ...] = ()
    flag: bool | Literal["both"] = False
    card: str | None = None


@dataclass(frozen=True, kw_only=True)
class Cuts:
    pt_min: float
    eta_max: float = 5.0


@dataclass(frozen=True, kw_only=True)
class WithParts:
    example: Example = field(metadata={**SHARED, **INLINE})
    name: str
    cuts: Cuts | None = field(default=None, metadata=INLINE)


BEAMS = (Beam("p+", 6500.0), Beam("p+", 6500.0))
TEXT = {"seed": 1, "beams": [{"particle": "p+", "energy_gev": 6500.0}] * 2}


def test_defaults_are_left_out() -> None:
    assert to_json(Example(seed=1, beams=BEAMS)) == TEXT


def test_jobs_share_what_is_marked_so() -> None:
    jobs = [Example(seed=1, beams=BEAMS, bins=(2,)), Example(seed=1, beams=BEAMS)]
    beams = {"beams": TEXT["beams"]}
    assert split_shared(jobs) == ({"seed": 1}, [{**beams, "bins": [2]}, beams])


def test_jobs_that_do_not_share_it_are_refused() -> None:
    with pytest.raises(ValueError, match="the jobs of a stage share seed: 2 is not 1"):
        split_shared([Example(seed=1, beams=BEAMS), Example(seed=2, beams=BEAMS)])


@given(
    st.builds(
        Example,
        seed=st.integers(),
        beams=st.just(BEAMS),
        weights=st.dictionaries(st.text(), st.floats(allow_nan=False, allow_infinity=False)),
        bins=st.lists(st.integers()).map(tuple),
        flag=st.sampled_from([True, False, "both"]),
        card=st.none() | st.text(),
    )
)
def test_there_and_back(settings: Example) -> None:
    assert from_json(Example, json.loads(json.dumps(to_json(settings)))) == settings


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"seed": "1"}, "Example.seed cannot be '1'"),
        ({"seed": True}, "Example.seed cannot be True"),
        ({"sede": 1}, "Example has an unknown sede"),
        ({"beams": []}, r"Example.beams cannot be \[\]"),
        ({"beams": [{"particle": "p+"}] * 2}, r"Example.beams\[0\] lacks energy_gev"),
        ({"flag": "none"}, "Example.flag cannot be 'none'"),
        ({"weights": {"sm": "x"}}, "Example.weights.sm cannot be 'x'"),
        ({"bins": 3}, "Example.bins cannot be 3"),
    ],
)
def test_what_does_not_fit_is_named(change: dict[str, object], message: str) -> None:
    with pytest.raises(SettingsError, match=message):
        from_json(Example, TEXT | change)


def test_a_missing_field_is_named() -> None:
    with pytest.raises(SettingsError, match="Example lacks seed"):
        from_json(Example, {"beams": TEXT["beams"]})


def test_inline_fields_stand_beside_the_others() -> None:
    whole = WithParts(example=Example(seed=1, beams=BEAMS), name="a", cuts=Cuts(pt_min=20.0))
    text = {**TEXT, "name": "a", "pt_min": 20.0}
    assert list(to_json(whole)) == list(text)
    assert from_json(WithParts, to_json(whole)) == whole
    assert split_shared([whole]) == (TEXT, [{"name": "a", "pt_min": 20.0}])


def test_an_inline_part_may_be_left_out() -> None:
    whole = WithParts(example=Example(seed=1, beams=BEAMS), name="a")
    assert to_json(whole) == {**TEXT, "name": "a"}
    assert from_json(WithParts, to_json(whole)) == whole


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ({"name": "a", "beams": TEXT["beams"]}, "WithParts lacks seed"),
        ({**TEXT, "name": "a", "eta_max": 3.0}, "WithParts has an unknown eta_max"),  # cuts without pt_min
        ({**TEXT, "name": "a", "pt_max": 3.0}, "WithParts has an unknown pt_max"),
    ],
)
def test_what_does_not_fit_an_inline_part_is_named(text: dict[str, object], message: str) -> None:
    with pytest.raises(SettingsError, match=message):
        from_json(WithParts, text)
