"""What the targets ask of a plan."""

import pytest
from mmc.compiler.targets import TARGETS, Options, dataflow

from tests.compiler.targets.plans import make_plan


def test_products_are_what_users_look_for() -> None:
    assert [stage.name for stage in dataflow.products(make_plan())] == ["combine", "train", "evaluate", "report"]
    assert [stage.name for stage in dataflow.products(make_plan(methods=()))] == ["combine"]


def test_groups_and_what_crosses_them() -> None:
    plan = make_plan()
    assert dataflow.groups(plan) == ("physics", "learning")
    assert [stage.name for stage in dataflow.imports(plan, "learning")] == ["combine"]
    assert dataflow.imports(plan, "physics") == ()
    assert dataflow.groups(make_plan(methods=())) == ("physics",)


@pytest.mark.parametrize(("target", "group_file"), [("yadage", "{}.yml"), ("cwl", "{}.cwl")])
def test_one_document_for_each_group(target: str, group_file: str) -> None:
    both = TARGETS[target](make_plan(), Options()).texts
    alone = TARGETS[target](make_plan(methods=()), Options()).texts
    assert group_file.format("learning") in both
    assert group_file.format("learning") not in alone
    assert group_file.format("physics") in alone
