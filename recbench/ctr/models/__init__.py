"""The click models by name, and how one is made from an encoder and its settings."""

from typing import Any

import torch
from torch import nn

from recbench.ctr.embedding import FieldEmbedding
from recbench.ctr.encoding import Encoder
from recbench.ctr.models.autoint import AutoInt
from recbench.ctr.models.dcnv2 import DeepCrossNetwork
from recbench.ctr.models.deepfm import DeepFM
from recbench.ctr.models.din import DeepInterestNetwork
from recbench.ctr.models.dlrm import DeepLearningRecommendationModel
from recbench.ctr.models.finalmlp import FinalMLP
from recbench.ctr.models.fm import FactorizationMachine
from recbench.ctr.models.lr import LogisticRegression
from recbench.ctr.models.wide_deep import WideAndDeep
from recbench.errors import UserError
from recbench.extensions import implementation
from recbench.schema import CtrModelConfig

MODELS = {
    "lr": LogisticRegression,
    "fm": FactorizationMachine,
    "wide_deep": WideAndDeep,
    "deepfm": DeepFM,
    "dcnv2": DeepCrossNetwork,
    "dlrm": DeepLearningRecommendationModel,
    "autoint": AutoInt,
    "finalmlp": FinalMLP,
    "din": DeepInterestNetwork,
}


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
