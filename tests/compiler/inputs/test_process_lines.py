"""Process lines in MadGraph's syntax."""

import pytest
from mmc.compiler.inputs.process_lines import ProcessLine, largest_final, parse, require


def test_every_part_of_a_line() -> None:
    text = "p p > t t~ QCD=2 QED<=0 $ h $$ z / a g, (t > w+ b NP=1, w+ > l+ vl), t~ > w- b~ / h @2"
    w = ProcessLine(("w+",), ("l+", "vl"), {})
    top = ProcessLine(("t",), ("w+", "b"), {"NP": 1}, decays=(w,))
    antitop = ProcessLine(("t~",), ("w-", "b~"), {}, without=("h",))
    assert parse(text) == ProcessLine(
        ("p", "p"), ("t", "t~"), {"QCD": 2, "QED": 0}, ("a", "g"), ("z",), ("h",), (top, antitop), 2
    )
    assert largest_final(parse(text), {}) == 5
    assert parse("a a>w+ w-,w+->mu+ vm").decays == (ProcessLine(("w+",), ("mu+", "vm"), {}),)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("p p > t t~, (t > w+ b, w+ > l+ vl", "the parentheses do not match"),
        ("p p > t t~, t > w+ b)", "the parentheses do not match"),
        ("p p > t (t~, t > w+ b)", "a decay in parentheses comes after a comma"),
        ("p p > h, " + "(h > h h, " * 2000, "its decays are nested too deeply"),
        ("p p > z", "one outgoing particle has to decay"),
        ("p p > h w+, w+ > mu+", "`w\\+ > mu\\+` is not a decay of one particle into two or more"),
        ("p p > h w+, w+ h > mu+ vm h", "is not a decay of one particle into two or more"),
        ("p p > h w+, > mu+ vm", "is not a decay of one particle into two or more"),
        ("p p > h w+,", "it has no `>`"),
        ("p p > h w+, w- > mu- vm~", "`w-` decays, but is not among the outgoing particles `h w\\+`"),
        ("p p > h w+, w+ > mu+ vm $ z", "supports `\\$` in the process itself"),
        ("p p > mu+ mu- /", "after `/` come the excluded particles"),
        ("p p > mu+ mu- / a / z", "after `/` come the excluded particles"),
        ("p p > z > mu+ mu-", "write its decay, `a b > z, z > c d`"),
        ("p p > h j QED==2", "supports upper limits of orders alone \\(`QED<=2`\\), not `==`"),
        ("p p > h j QED>2", "supports upper limits of orders alone \\(`QED<=2`\\), not `>`"),
        ("p p > h w+, w+ > mu+ vm @1 QED=2", "orders of a whole chain \\(after `@`\\)"),
        ("p p > h w+ @1, w+ > mu+ vm @2", "more than one number"),
        ("p p > j j j j j", "2 to 4 particles before decays, not 5"),
        ("p p > h z z, h > b b~, z > l+ l- j", "the final state has 2 to 6 particles, not 8"),
        ("p p > t t~ [QCD]", "does not support loops"),
    ],
)
def test_lines_that_are_refused(text: str, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        require(parse(text), {})
