"""The page about expressions names every word of the vocabulary, and its recipes are right."""

import gzip
import re
from pathlib import Path
from typing import Any

import pytest
import yaml
from mmc.compiler.checks import check
from mmc.compiler.expressions import vocabulary as v
from mmc.compiler.expressions.naming import expression
from mmc.compiler.language.document import load

from tests.support import ROOT

PAGE = (ROOT / "docs" / "expressions.md").read_text(encoding="utf-8")
RECIPES = re.findall(r"```yaml\n(.*?)```", PAGE, flags=re.DOTALL)
STUDY = """
mmc: "1.0"
name: recipe
parameters: {c_LL: {coefficient: LL, range: [-1, 1]}}
benchmarks: {sm: {c_LL: 0}, w: {c_LL: 0.5}}
generation: {generator: pythia8, samples: {signal: {process: dimuon, events: 1000}}}
"""


def test_every_word_is_explained() -> None:
    words = {*v.READERS["lhe"], *v.FUNCTIONS, *v.CONSTANTS, *v.METHODS, *v.METHODS3}
    words |= {word for attributes in v.ATTRIBUTES.values() for word in attributes}
    text = re.sub(r"```.*?```", "", PAGE, flags=re.DOTALL)
    explained = set(re.findall(r"[A-Za-z_][A-Za-z0-9_]*", " ".join(re.findall("`([^`]+)`", text))))
    assert words <= explained


@pytest.mark.parametrize("recipe", RECIPES, ids=range(len(RECIPES)))
def test_recipes_are_fine(recipe: str) -> None:
    found = check(load(STUDY + recipe, "study.yaml"), lambda _path: "missing").diagnostics
    assert found == []


@pytest.mark.engine
@pytest.mark.parametrize("recipe", RECIPES, ids=range(len(RECIPES)))
def test_recipes_have_the_values_of_plain_python(tmp_path: Path, recipe: str) -> None:
    import numpy as np
    from mmc.jobs.readers import les_houches
    from mmc.jobs.readers.reading import define

    from tests.jobs.event_files import les_houches_settings, lhe_text, setup_file

    (tmp_path / "events.lhe.gz").write_bytes(gzip.compress(lhe_text(200).encode()))
    setup = setup_file(tmp_path / "setup.h5", ["sm", "w"])
    entries = yaml.safe_load(recipe)
    observables = {
        name: {"default": None, **entry, "required": False} for name, entry in entries["observables"].items()
    }
    reading: dict[str, Any] = {
        "names": {
            name: expression(entry)
            for section in ("objects", "definitions")
            for name, entry in entries.get(section, {}).items()
        },
        "observables": observables,
        "cuts": [{"definition": text, "required": True} for text in entries.get("cuts", ())],
        **{"efficiencies": [], "smearing": [], "default_observables": None, "met_noise": {"abs": 0.0, "rel": 0.0}},
    }
    settings = les_houches_settings(reading)
    readers = []
    for _ in range(2):
        reader = les_houches.make(setup, settings)
        define(reader, settings)
        readers.append(reader)
    les_houches.analyse(readers[0], tmp_path / "events.lhe.gz", "sm", False)
    les_houches.one_by_one(readers[1], tmp_path / "events.lhe.gz", "sm", False, tmp_path)
    assert readers[0].observations.keys() == observables.keys()
    for name, values in readers[0].observations.items():
        expected = np.asarray(readers[1].observations[name], dtype=float)
        np.testing.assert_allclose(values, expected, rtol=1e-8, atol=1e-8, err_msg=name)
        assert np.isfinite(values).sum() > 1, name
