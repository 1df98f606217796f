"""What the catalogue declares is listed nowhere else, and nothing else compares with its names.

A list of names or a comparison with one goes stale when the catalogue grows. Code outside the catalogue asks the
declaration (``method.score_term``) or names its constant (``TRUTH.name``).
"""

import ast
from collections.abc import Iterator, Mapping
from pathlib import Path

import mmc
import pytest
from mmc.compiler.catalogue.baselines import BASELINES
from mmc.compiler.catalogue.generators import GENERATORS
from mmc.compiler.catalogue.histograms import SCORE_LIKELIHOODS
from mmc.compiler.catalogue.methods import ESTIMATORS, METHODS
from mmc.compiler.catalogue.stages import STAGES

PACKAGE = Path(mmc.__file__).parent
CATALOGUE = PACKAGE / "compiler" / "catalogue"
NAMES: dict[str, frozenset[str]] = {
    "methods": frozenset(METHODS),
    "estimators": frozenset(ESTIMATORS),
    "baselines": frozenset(BASELINES),
    "keys of baselines": frozenset(
        key for kind in BASELINES.values() for path in (kind.section, kind.named_section) for key in path[-1:]
    ),
    "score likelihoods": frozenset(kind.name for kind in SCORE_LIKELIHOODS),
    "stages": frozenset(STAGES),
    "records of stages": frozenset(stage.record for stage in STAGES.values()),
    "generators": frozenset(GENERATORS),
    "processes": frozenset(process for generator in GENERATORS.values() for process in generator.processes),
}
"""The names of each kind of thing that the catalogue declares."""
NOT_COMPARED = frozenset({"keys of baselines"})
"""Kinds whose names are keys of records too, which may be looked for there."""
ALLOWED = frozenset(
    {
        ("compiler/importers/cards.py", "stages"),  # `generate` is a command of MadGraph
        ("compiler/checks/regions.py", "stages"),  # `baselines` is a key of `evaluation`
        ("jobs/madminer/workarounds.py", "estimators"),  # names of MadMiner's modules
        ("jobs/generators/pythia8.py", "processes"),  # Pythia's settings for each; a test holds the two together
    }
)
"""Pairs of a module and a kind where such names are other words, each with its reason."""


def _texts(nodes: Iterator[ast.AST] | list[ast.expr] | list[ast.expr | None]) -> set[str]:
    return {node.value for node in nodes if isinstance(node, ast.Constant) and isinstance(node.value, str)}


def _listed(node: ast.AST) -> set[str]:
    """The texts of a literal list, tuple or set, and the keys or the values of a literal mapping."""
    if isinstance(node, ast.List | ast.Tuple | ast.Set):
        return _texts(node.elts)
    return _texts(node.keys) | _texts(node.values) if isinstance(node, ast.Dict) else set()


def _compared(node: ast.AST) -> set[str]:
    """The texts that something is compared with, or matched by."""
    if isinstance(node, ast.Compare):
        sides = [node.left, *node.comparators]
        return _texts(sides).union(*(_listed(side) for side in sides))
    return _texts([node.value]) if isinstance(node, ast.MatchValue) else set()


def retold(source: str, names: Mapping[str, frozenset[str]]) -> list[tuple[int, str, set[str]]]:
    """Where a module lists two or more names of a kind, or compares with one: line, kind, names."""
    found = []
    for node in ast.walk(ast.parse(source)):
        in_list, in_comparison = _listed(node), _compared(node)
        for kind, known in names.items() if in_list or in_comparison else ():
            listed, compared = in_list & known, in_comparison & known
            if len(listed) > 1 or (compared and kind not in NOT_COMPARED):
                found.append((getattr(node, "lineno", 0), kind, listed | compared))
    return found


MODULES = sorted(path for path in PACKAGE.rglob("*.py") if CATALOGUE not in path.parents)


def test_no_module_outside_the_catalogue_retells_it() -> None:
    found = {}
    for path in MODULES:
        name = path.relative_to(PACKAGE).as_posix()
        own = [entry for entry in retold(path.read_text(encoding="utf-8"), NAMES) if (name, entry[1]) not in ALLOWED]
        found |= {name: own} if own else {}
    assert found == {}


@pytest.mark.parametrize(
    "source",
    [
        'SCORE = ("sally", "sallino")',
        'names = ["rate", x, "truth"]',
        'colors = {"rate": "red", "truth": "blue"}',
        'kinds = {"a": "score", "b": "likelihood"}',
        'is_score = method == "sally"',
        'known = method in ("nde",)',
        'known = "sally" not in methods',
        'match method:\n    case "alices":\n        pass',
        'found = {"histogram", "fisher_information"} & keys',
        'runs = {"pythia8": a, "madgraph": b}[source]',
        'learns = stages & {"train", "report"}',
        'if stage.name == "track":\n    pass',
        'record["generator"] == "madgraph"',
        'depends = process == "dimuon"',
    ],
)
def test_a_list_or_a_comparison_would_be_found(source: str) -> None:
    assert retold(source, NAMES)


@pytest.mark.parametrize(
    "source", ['x = settings["rate"]', 'y = {"histogram": f, "isotonic": g}[method]', '"fisher_information" in record']
)
def test_a_single_word_is_not_a_list(source: str) -> None:
    assert not retold(source, NAMES)
