"""The points that the head of an event file declares are those of the study's benchmarks."""

import pytest
from mmc.errors import StepError
from mmc.jobs.formats.les_houches_points import check_points

SETTING = "<initrwgt><weight id='w'>set param_card dim6 2 {} # orig: 5.0\n</weight></initrwgt>"


@pytest.mark.parametrize(("comment", "own", "is_right"), [("3.0", "", False), ("1.0", "", True), ("3.0", "1.0", True)])
def test_declarations_in_a_comment_count_where_no_others_are(comment: str, own: str, is_right: bool) -> None:
    head = f"<slha>Block dim6\n2 5.0</slha>\n<!-- {SETTING.format(comment)} -->" + (own and SETTING.format(own))
    expected = {"sm": {"dim6 2": 5.0}, "w": {"dim6 2": 1.0}}
    if is_right:
        assert check_points(head, "sm", expected, "x.lhe") == []
    else:
        with pytest.raises(StepError, match=r"^x\.lhe was reweighted at dim6 2 = 3 for 'w', where the study has 1: "):
            check_points(head, "sm", expected, "x.lhe")


def test_a_card_without_a_parameter() -> None:
    """It may be that of another model, with which the events were sampled where the parameter is 0."""
    head = "<slha>Block sminputs\n1 132.0</slha>"
    expected = {"sm": {"dim6 2": 0.0}, "w": {"dim6 2": 1.0}}
    assert check_points(head, "sm", expected, "x.lhe") == check_points("", "w", expected, "x.lhe") == []
    (warning,) = check_points(head, "w", expected, "x.lhe")
    assert warning.startswith("the param card in x.lhe has no dim6 2, which is 1 at 'w': were the events made with")
