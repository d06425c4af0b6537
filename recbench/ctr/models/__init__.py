"""The click models: a module each, whose `MODEL` is chosen by the module's name; how one is made."""

from importlib import import_module
from typing import Any

import torch
from torch import nn

from recbench.ctr.embedding import FieldEmbedding
from recbench.ctr.encoding import Encoder
from recbench.errors import UserError
from recbench.extensions import implementation
from recbench.kinds import modules_of
from recbench.schema import CtrModelConfig

MODELS: dict[str, type[nn.Module]] = {name: import_module(f"{__name__}.{name}").MODEL for name in modules_of(__name__)}


def model_class(settings: CtrModelConfig) -> Any:
    """The class of `settings.kind`, built-in or from outside the package."""
    return MODELS.get(settings.kind) or implementation("ctr", settings)


def make_model(encoder: Encoder, settings: CtrModelConfig, seed: int) -> nn.Module:
    """A click model with fresh weights, Rows to logits [B]; equal seeds give equal weights.

    Raises:
        UserError: settings that the model cannot be built with.
    """
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        model = model_class(settings)(encoder, settings, seed)
    for name, wanted in (("embedding", FieldEmbedding), ("bias", nn.Parameter)):
        if not isinstance(getattr(model, name, None), wanted):
            raise UserError(f"ctr={settings.kind}: a model has {name}, a {wanted.__name__}, and this one has not")
    return model


def past_clicks(settings: CtrModelConfig) -> int:
    """How many past clicks a model of these settings reads of an impression."""
    return int(settings.history) if getattr(model_class(settings), "reads_history", False) else 0
