"""Objects of Delphes files in columns, compared with MadMiner's objects of each event."""

import warnings
from collections.abc import Mapping
from dataclasses import replace
from itertools import product
from pathlib import Path
from typing import Any

import awkward as ak
import numpy as np
import pytest
from hypothesis import HealthCheck, example, given, settings
from mmc.compiler.expressions import vocabulary as v
from mmc.compiler.expressions.naming import expression
from mmc.jobs.formats import delphes_root
from mmc.jobs.madminer import workarounds
from mmc.jobs.madminer.event_objects import defined
from mmc.jobs.readers import delphes_objects
from mmc.jobs.readers.expressions import Definitions, evaluate
from mmc.jobs.readers.values import Definition, UnusualExpressionError

from tests.compiler.expressions.test_real_particles import DEFINED, expressions, passes
from tests.jobs.event_files import assert_close, expected_value, write_root

N_EVENTS = 120
EVERYTHING = dict.fromkeys(("e", "mu", "a", "j"), delphes_objects.Acceptance(None, None))


def _objects(detected: Path, monkeypatch: pytest.MonkeyPatch, generator_truth: bool = False) -> list[dict[str, Any]]:
    """The variables that MadMiner passes to `eval` for each event."""
    workarounds.apply_delphes_reader()
    from madminer.models import Observable
    from madminer.utils.interfaces import delphes_root

    seen: list[dict[str, Any]] = []
    with monkeypatch.context() as patched:
        patched.setattr(delphes_root, "eval", lambda _, variables: seen.append(variables) or 0.0, raising=False)
        one = {"x": Observable("x", "0", 0.0, False)}
        delphes_root.parse_delphes_root_file(str(detected), one, [], use_generator_truth=generator_truth)
    return seen


class Alike:
    """All events in columns, and MadMiner's objects of each event."""

    def __init__(self, detected: Path, generator_truth: bool, monkeypatch: pytest.MonkeyPatch) -> None:
        self.objects = _objects(detected, monkeypatch, generator_truth)
        table = delphes_root.read(detected, generator_truth)
        (self.events,) = delphes_objects.objects(table, EVERYTHING, generator_truth)
        collections = {name: _shaken(records) for name, records in table.collections.items()}
        (self.nearby,) = delphes_objects.objects(replace(table, collections=collections), EVERYTHING, generator_truth)


def _shaken(records: Any) -> Any:
    """Particles with different rounding errors."""
    factors = {field: 1.0 + 1e-14 * np.cos(len(field) + 3.0 * records[field]) for field in records.fields}
    whole = ("Charge", "PID", "TauTag", "BTag", "Status")
    return ak.zip({field: records[field] * (1.0 if field in whole else factors[field]) for field in records.fields})


@pytest.fixture(scope="module")
def detected(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("detected") / "events.root"
    write_root(path, N_EVENTS)
    return path


@pytest.fixture(scope="module", params=[False, True], ids=["detector", "truth"])
def alike(detected: Path, request: pytest.FixtureRequest) -> Alike:
    with pytest.MonkeyPatch.context() as monkeypatch:
        return Alike(detected, request.param, monkeypatch)


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(text=expressions("delphes"))
@example("transverse_mass(met, met.boost(met))")  # not a number, as nothing is boosted by the velocity of light
def test_random_expressions(alike: Alike, text: str) -> None:
    _assert_alike(alike, text, {})


@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(text=expressions("delphes", defined=True))
def test_random_expressions_of_definitions(alike: Alike, text: str) -> None:
    _assert_alike(alike, text, DEFINED)


def _assert_alike(alike: Alike, text: str, named: Mapping[str, Any]) -> None:
    if not passes(text, "delphes", named):
        return
    definitions = {name: Definition(expression(entry)) for name, entry in named.items()}
    try:
        (found, is_defined), (nearby, _) = (
            evaluate(text, events, {}, np.ones(N_EVENTS, dtype=bool), Definitions(events, definitions))
            for events in (alike.events, alike.nearby)
        )
    except UnusualExpressionError:
        return
    with warnings.catch_warnings(), defined({name: (item.expression, None) for name, item in definitions.items()}):
        warnings.simplefilter("ignore")
        expected = [expected_value(text, objects) for objects in alike.objects]
    assert_close(text, expected, found.values, is_defined, nearby.values)


@pytest.mark.parametrize("generator_truth", [False, True])
def test_vocabulary_is_madminers(detected: Path, monkeypatch: pytest.MonkeyPatch, generator_truth: bool) -> None:
    seen = _objects(detected, monkeypatch, generator_truth)
    lists = [name for name in v.READERS["delphes"] if name in v.LISTS]
    sums = {"visible", "all"}  # made where an expression uses them
    assert {*seen[0]} == {*v.READERS["delphes"], *v.CONSTANTS, *v.MATH, "boost_to_com"} - sums
    objects = next(event for event in seen if all(event[name] for name in lists))
    examples = {
        v.PARTICLE: [element for name in lists for element in objects[name]],
        v.MET: [objects["met"]],
        v.PAIR: [objects["j"][0] + objects["l"][0]],
        v.VECTOR4: [objects["visible"], objects["all"], objects["j"][0] + objects["l"][0] + objects["met"]],
        v.VECTOR3: [objects["j"][0].to_beta3(), objects["visible"].to_beta3()],
    }
    for kind, particles in examples.items():
        for particle, (name, result) in product(particles, v.ATTRIBUTES[kind].items()):
            value = getattr(particle, name)
            assert isinstance(value, bool) == (result == v.TRUTH_VALUE), (kind, name)
            float(value)
        for particle, name in product(particles, v.METHODS3 if kind == v.VECTOR3 else v.METHODS):
            assert callable(getattr(particle, name)), (kind, name)
    madminers = [type(particle).__name__ for kind in (v.PARTICLE, v.MET) for particle in examples[kind]]
    assert set(madminers) == {"MadMinerParticle"}
    assert {type(particle).__name__ for particle in examples[v.VECTOR4]} == {"MomentumObject4D"}
