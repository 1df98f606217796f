"""Scans and tuning beyond their one bad example: edges, and what must not be reported."""

import pytest

from tests.compiler.checks.test_rules import METHOD, codes, diagnose

RANGE = "training.initial_lr: {range: [1e-4, 1e-2], scale: log}"
LOSS = "tuning: {search: random, trials: 5, criterion: validation_loss}"


def entry(*more: str) -> tuple[str, str]:
    return METHOD, METHOD[:-1] + "".join(f", {text}" for text in more) + "}"


def scan(*keys: str) -> str:
    return "scan: {" + ", ".join(keys) + "}"


@pytest.mark.parametrize(
    ("more", "expected"),
    [
        ((scan(RANGE), LOSS), []),
        ((scan(RANGE), LOSS.replace("random", "optuna")), []),
        ((scan("training.batch_size: {range: [64, 1e3]}"), LOSS), []),
        ((scan("training.n_hidden: [[10], [10, 10]]"), "tuning: {criterion: validation_loss}"), []),
        ((scan("training.alpha: [1, 5]"), "tuning: {criterion: expected_limit}"), []),
        ((scan("training.alpha: [1, 5]"), "tuning: {search: grid, criterion: closure}"), []),
        # ranges
        ((scan(RANGE),), ["MMC504"]),
        ((scan(RANGE), "tuning: {criterion: validation_loss}"), ["MMC504"]),
        ((scan("training.n_hidden: {range: [1, 2]}"), LOSS), ["MMC504"]),
        ((scan("training.batch_size: {range: [0.5, 64]}"), LOSS), ["MMC504"]),
        ((scan("training.initial_lr: {range: [0, 1]}"), LOSS), ["MMC504"]),
        ((scan("training.dropout_prob: {range: [0, 0.5], scale: log}"), LOSS), ["MMC504"]),
        ((scan("training.dropout_prob: {range: [0.5, 0.1]}"), LOSS), ["MMC111"]),
        ((scan("training.initial_lr: {range: [1e-4, 1e-2], scale: ln}"), LOSS), ["MMC104"]),
        ((scan("training.initial_lr: {scale: log}"), LOSS), ["MMC102"]),
        ((scan("training.lr: {range: [1, 2]}"), LOSS), ["MMC504"]),
        # trials
        ((LOSS,), ["MMC542"]),
        ((scan("training.n_epochs: [5]"), "tuning: {criterion: validation_loss}"), ["MMC542"]),
        ((scan("training.n_epochs: [5, 6, 7, 8, 9]"), LOSS), ["MMC542"]),
        ((scan("training.n_epochs: {range: [5, 10]}"), LOSS), []),
        ((scan(RANGE), "tuning: {search: random, criterion: validation_loss}"), ["MMC102"]),
        ((scan(RANGE), "tuning: {search: optuna, trials: 5}"), ["MMC102"]),
        ((scan(RANGE), "tuning: {search: ucb, trials: 5, criterion: closure}"), ["MMC104"]),
        ((scan(RANGE), LOSS[:-1] + ", sampler: tpe}"), ["MMC101"]),
        ((scan(RANGE), LOSS.replace("random", "optuna")[:-1] + ", time_limit: 30}"), ["MMC110"]),
        # losses
        ((scan("training.alpha: {range: [0.1, 10], scale: log}"), LOSS), ["MMC541"]),
        ((scan("training.scale_parameters: [true, false]"), "tuning: {criterion: validation_loss}"), ["MMC541"]),
        ((scan("training.scale_inputs: [true, false]"), "tuning: {criterion: validation_loss}"), []),
    ],
)
def test_scans_and_searches(more: tuple[str, ...], expected: list[str]) -> None:
    assert codes(entry(*more)) == expected


def test_another_loss_is_the_same_for_every_scaling_of_parameters() -> None:
    alice = METHOD.replace("alices", "alice")[:-1] + ", scan: {training.scale_parameters: [true, false]}, "
    assert codes((METHOD, alice + "tuning: {criterion: validation_loss}}")) == []


@pytest.mark.parametrize(
    ("more", "expected"),
    [
        ((scan("training.n_epochs: [" + ", ".join(map(str, range(1, 502))) + "]"),), ["MMC307"]),
        ((scan("training.n_epochs: [" + ", ".join(map(str, range(1, 502))) + "]"), "allow_trainings: 501"), []),
        ((scan(RANGE), LOSS.replace("5", "501")), ["MMC307"]),
        ((scan(RANGE), LOSS.replace("5", "501").replace("random", "optuna"), "allow_trainings: 1_000"), []),
        ((scan("training.n_epochs: [1, 2, 3]"), "allow_trainings: 2"), ["MMC307"]),
    ],
)
def test_a_scan_that_explodes_has_to_be_allowed(more: tuple[str, ...], expected: list[str]) -> None:
    assert codes(entry(*more)) == expected


def test_the_way_out_of_an_explosion_works() -> None:
    values = ", ".join(map(str, range(1, 31)))
    wide = scan(f"training.n_epochs: [{values}]", f"training.batch_size: [{values}]")
    (problem,) = diagnose(entry(wide))
    assert "900 trainings" in problem.message
    assert "`allow_trainings: 900`" in problem.help
    assert codes(entry(wide, "allow_trainings: 900")) == []
