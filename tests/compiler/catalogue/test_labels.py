"""Labels that would end the job of the figures are drawn as plain text."""

import io

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from mmc.compiler.catalogue.labels import label_problem

HOSTILE = [
    "$" + "{" * 40 + "}" * 40 + "$",
    r"$\genfrac{(}{)}{999999}{}{a}{b}$",
    r"$\hspace{9999999}x$",
    "$" + r"\frac{" * 30 + "a" + "}{b}" * 30 + "$",
    "$" + "x^{" * 40 + "1" + "}" * 40 + "$",
    "$}{$",
    "$x",
    "\x00",
    "\ud800",
    "a\nb",
    "$\\",
]
"""Texts of a study, at most 200 characters each."""


@pytest.mark.parametrize("text", HOSTILE, ids=range(len(HOSTILE)))
def test_a_hostile_label(text: str) -> None:
    assert label_problem(text)


@pytest.mark.parametrize(
    "text",
    [
        *(
            r"$\mathcal{O}_{W}\,/\,\Lambda^2$ [TeV$^{-2}$]",
            r"$\Delta\eta_{jj}$",
            r"$p_{T}^{\ell\ell}$ (GeV)",
            "{",
            "f_W",
        ),
        *(r"$\left(\frac{a}{b}\right)$", r"costs 5 \$", r"$\bar{t}$ and $\sqrt{s}$", "m(µµ)", "{" * 40, r"C:\new"),
    ],
)
def test_a_label_of_physics(text: str) -> None:
    assert label_problem(text) is None


@settings(max_examples=30, deadline=None)
@given(st.text(alphabet=r"$\{}_^afrcsqt1 ", max_size=40))
@example(HOSTILE[0])
@example(HOSTILE[1])
@example(HOSTILE[2])
@example(r"$" + r"\left(" * 30 + "x$")
@example("\ud800\x00")
def test_any_label_is_drawn(text: str) -> None:
    pytest.importorskip("matplotlib")
    from mmc.jobs.report.figures import axis_label, make_figure, render

    figure, axes = make_figure(3.0, 2.0)
    axes.set(xlabel=axis_label(text))
    assert io.BytesIO(render(figure, "svg")).getvalue().startswith(b"<?xml")
