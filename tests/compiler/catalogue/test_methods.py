"""The declarations of methods and estimators: what the schema lists, and what MadMiner does."""

import pytest
from mmc.compiler.catalogue.calibrations import STEPPED
from mmc.compiler.catalogue.histograms import SCORE_LIKELIHOODS
from mmc.compiler.catalogue.methods import (
    ESTIMATORS,
    METHOD_FAMILIES,
    METHODS,
    MIXTURE,
    RATIO,
    SCORE,
    names_with_score_term,
)
from mmc.compiler.language.schema import load_schema, resolve

METHOD = load_schema()["definitions"]["method"]["properties"]
RESULT = load_schema("results")["definitions"]["method"]["properties"]


def test_the_schemas_list_the_methods() -> None:
    assert METHOD["method"]["enum"] == list(METHODS)
    assert RESULT["method"]["enum"] == [*METHODS, MIXTURE]


def test_the_schemas_list_the_estimators() -> None:
    assert RESULT["estimator"]["enum"] == list(ESTIMATORS)
    choices = [kind.name for family in METHOD_FAMILIES if len(family.estimators) > 1 for kind in family.estimators]
    assert METHOD["estimator"]["enum"] == choices
    assert f"Default is `{RATIO.estimator.name}`" in METHOD["estimator"]["description"]


def test_the_schema_lists_the_calibrations() -> None:
    mixture = load_schema()["definitions"]["mixture"]["properties"]
    for entry in (METHOD, mixture):
        assert entry["calibration"]["enum"] == ["none", "normalisation", *STEPPED]


def test_the_schema_lists_the_likelihoods_that_a_method_can_choose() -> None:
    (choices,) = [method.likelihoods for method in METHODS.values() if len(method.likelihoods) > 1]
    schema = resolve(load_schema()["properties"]["evaluation"])["properties"]["score_likelihood"]
    assert schema["enum"] == [entry.name for entry in choices]
    assert f"Default is `{choices[0].name}`" in schema["description"]


def test_every_score_method_has_a_likelihood_and_no_other() -> None:
    assert {name for name, method in METHODS.items() if method.likelihoods} == {
        name for name, method in METHODS.items() if method.family is SCORE
    }
    used = {entry.name for method in METHODS.values() for entry in method.likelihoods}
    assert used == {entry.name for entry in SCORE_LIKELIHOODS}


def test_points_and_hyperparameters_are_keys_of_the_schema() -> None:
    training = load_schema()["definitions"]["training"]["properties"]
    for family in METHOD_FAMILIES:
        assert {*family.varied} <= {*family.points} <= {*METHOD}
        for estimator in family.estimators:
            assert {*estimator.own_hyperparameters} <= {*training}
    for method in METHODS.values():
        assert {*method.loss_depends_on} <= {*training}
        for estimator in method.family.estimators:
            foreign = method.foreign_hyperparameters(estimator)
            assert foreign <= {*training}
            assert not foreign & {*method.loss_depends_on} or not estimator.scales_parameters


def test_only_defaults_of_hyperparameters_that_all_methods_have_are_the_schemas() -> None:
    """A default of the schema would be given to methods that do not have the hyperparameter."""
    training = load_schema()["definitions"]["training"]["properties"]
    for estimator in ESTIMATORS.values():
        assert not any("default" in training[name] for name in estimator.own_hyperparameters)


def test_descriptions_name_the_methods_with_a_score_term() -> None:
    *others, last = names_with_score_term()
    text = load_schema()["definitions"]["training"]["properties"]["alpha"]["description"]
    assert text.endswith(f"{', '.join(others)} and {last}.")


@pytest.mark.parametrize("name", METHODS)
def test_the_losses_are_madminers(name: str) -> None:
    utils = pytest.importorskip("madminer.utils.ml.utils", reason="needs mmc[steps]")
    method = METHODS[name]
    _, labels, weights = utils.get_loss(method.madminer_loss, 0.25)
    assert method.score_term == (weights == [1.0, 0.25])
    assert method.joint_ratio == bool({"mse_r", "improved_xe"} & {*labels})
    assert method.needs_morphing == ("mse_score" in labels)


@pytest.mark.parametrize("name", ESTIMATORS)
def test_the_estimators_are_madminers(name: str) -> None:
    training = pytest.importorskip("mmc.jobs.learning.training", reason="needs mmc[steps]")
    estimator = training.new_estimator(name, **ESTIMATORS[name].own_hyperparameters)
    assert type(estimator).__name__ == ESTIMATORS[name].madminer_class.rpartition(".")[2]
    takes_dropout = "dropout_prob" in type(estimator).__init__.__code__.co_varnames
    assert takes_dropout == ESTIMATORS[name].has_dropout
