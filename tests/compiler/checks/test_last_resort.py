"""A rule that fails, or finds too much, is a problem of its own; the other rules are not lost."""

from collections.abc import Iterator

import pytest
from mmc.compiler.checks.context import RULES, Context
from mmc.compiler.checks.methods import MMC502
from mmc.compiler.checks.points import MMC212
from mmc.compiler.language.diagnostics import Diagnostic

from tests.compiler.checks.test_rules import codes, diagnose


def test_the_other_rules_still_check_the_study(monkeypatch: pytest.MonkeyPatch) -> None:
    def fails(ctx: Context) -> Iterator[Diagnostic]:
        yield ctx.problem(MMC502, ("methods",), "found before it fails")
        raise KeyError("a\x1b[31mb")

    monkeypatch.setattr("mmc.compiler.checks.RULES", [((MMC502,), fails), *RULES])
    first, *others = diagnose(("benchmark: sm", "benchmark: SM"))
    assert (first.code, first.span.line) == ("MMC016", 1)
    assert first.message.startswith("the rule test_last_resort.fails (MMC502) fails: KeyError: ")
    assert first.message.isprintable()
    assert first.help == "this is a bug in mmc: report it with the study"
    assert [item.code for item in others] == ["MMC502", "MMC201"]


def test_too_many_warnings_are_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    """Errors may come after the warnings that were looked for."""

    def warns(ctx: Context) -> Iterator[Diagnostic]:
        for k in range(100_000_000):
            yield ctx.problem(MMC212, ("benchmarks",), f"warning {k}")

    monkeypatch.setattr("mmc.compiler.checks.RULES", [((MMC212,), warns)])
    found = diagnose()
    assert (found[0].code, found[0].severity) == ("MMC014", "error")
    assert "more than 1,000 problems of one kind" in found[0].message


def test_a_study_without_faults_has_no_last_resort() -> None:
    assert codes() == []
