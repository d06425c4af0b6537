"""A module that is trained: what of it moves, and how it is written and read."""

from itertools import chain
from pathlib import Path

import torch
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

WEIGHTS = "model.safetensors"


class TrainedModule(nn.Module):
    """A torch module as the training loop takes it. Frozen parameters (requires_grad=False) are never trained.

    By default all of its state is written. A module whose frozen part stands elsewhere, as a pretrained model's does,
    writes less: it overrides `save` and `load` together.
    """

    @property
    def device(self) -> torch.device:
        """Where the weights are."""
        return next(chain(self.parameters(), self.buffers())).device

    def trained_parameters(self) -> list[nn.Parameter]:
        """What the optimiser moves, tied parameters once."""
        return [parameter for parameter in self.parameters() if parameter.requires_grad]

    def learning_rate_factor(self, name: str) -> float:
        """What the optimiser's learning rate is multiplied by for the parameter of a name."""
        return 1.0

    def trained_state(self) -> dict[str, Tensor]:
        """By name what training changes, not copied: what is averaged, kept and restored.

        Trained parameters, tied ones under their first name, and persistent buffers.
        """
        trained, parameters = {id(value) for value in self.trained_parameters()}, dict(self.named_parameters())
        every = {name for name, _ in self.named_parameters(remove_duplicate=False)}
        return {
            name: value
            for name, value in self.state_dict().items()
            if name not in every or (name in parameters and id(parameters[name]) in trained)
        }

    def save(self, folder: Path) -> None:
        """Write the weights as model.safetensors into an existing folder."""
        save_file({name: value.contiguous() for name, value in self.state_dict().items()}, folder / WEIGHTS)

    def load(self, folder: Path) -> None:
        """Read what `save` wrote into a module of the same shape; raises what a reader of damaged files raises."""
        self.load_state_dict(load_file(folder / WEIGHTS))
