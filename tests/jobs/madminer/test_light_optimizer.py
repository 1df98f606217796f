"""Optimisers need nothing of PyTorch's compiler, and whoever needs it gets it."""

import json
from typing import Any

import pytest

from tests.forked import Python

PROGRAM = """
import json, sys
import torch
from mmc.jobs.madminer import light_optimizer

def is_there():
    return "torch._dynamo.eval_frame" in sys.modules

assert not is_there()
if "mended" in sys.argv:
    light_optimizer.apply()
torch.manual_seed(3)
network = torch.nn.Linear(3, 2)
for optimizer in (torch.optim.Adam(network.parameters(), fused=True), torch.optim.SGD(network.parameters(), lr=0.1)):
    for _ in range(3):
        optimizer.zero_grad()
        network(torch.randn(5, 3)).square().sum().backward()
        optimizer.step()
found = {"weights": network.weight.tolist(), "compiler": is_there()}
light_optimizer.apply()
import torch._dynamo.config
found["later"] = is_there() and sys.modules["torch._dynamo"] is torch._dynamo
found["compiled"] = torch.compile(lambda x: 2 * x, backend="eager")(torch.ones(2)).tolist()
optimizer.step()
print(json.dumps(found))
"""


@pytest.fixture(scope="module")
def stock(stock_madminer: Python) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(stock_madminer(PROGRAM).stdout)
    return found


def test_optimizers_import_the_compiler(stock: dict[str, Any]) -> None:
    """When this fails, the module has nothing left to mend."""
    assert stock["compiler"]


def test_without_it_steps_are_the_same_and_it_comes_when_it_is_needed(
    stock: dict[str, Any], stock_madminer: Python
) -> None:
    found = json.loads(stock_madminer(PROGRAM, "mended").stdout)
    assert found == stock | {"compiler": False} and found["later"] and found["compiled"] == [2.0, 2.0]
