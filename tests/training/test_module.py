"""What a module says of its trained part: frozen, tied and counted state told apart; exchange by hand."""

from pathlib import Path

import torch
from torch import nn

from recbench.training.averaging import exchange
from recbench.training.module import TrainedModule


class Parts(TrainedModule):
    """One of everything."""

    counts: torch.Tensor

    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Linear(2, 2, bias=False)
        self.again = self.first
        self.frozen = nn.Linear(2, 2, bias=False).requires_grad_(False)
        self.register_buffer("counts", torch.arange(3))
        self.register_buffer("table", torch.arange(3), persistent=False)


def test_trained_state_is_what_moves_each_once() -> None:
    parts = Parts()
    assert set(parts.trained_state()) == {"first.weight", "counts"}
    assert parts.trained_parameters() == [parts.first.weight]
    parts.trained_state()["first.weight"].fill_(3.0)  # the weights themselves, no copies
    assert bool((parts.first.weight == 3).all())


def test_by_default_all_state_is_written(tmp_path: Path) -> None:
    class Plain(TrainedModule):
        def __init__(self) -> None:
            super().__init__()
            self.moving, self.frozen = nn.Linear(2, 1), nn.Linear(2, 1).requires_grad_(False)

    module, other = Plain(), Plain()
    module.save(tmp_path)
    other.load(tmp_path)
    for name, value in module.state_dict().items():
        assert torch.equal(other.state_dict()[name], value)
    assert (tmp_path / "model.safetensors").is_file()


def test_exchange_swaps_values_in_place() -> None:
    left, right = {"a": torch.tensor([1.0, 2.0])}, {"a": torch.tensor([3.0, 4.0])}
    held = left["a"]
    exchange(left, right)
    assert held.tolist() == [3.0, 4.0] and right["a"].tolist() == [1.0, 2.0]
