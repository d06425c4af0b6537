"""The click models by name, and how one is made from an encoder and its settings."""

import torch
from torch import nn

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


def make_model(encoder: Encoder, settings: CtrModelConfig, seed: int) -> nn.Module:
    """A click model with fresh weights, Rows to logits [B]; equal seeds give equal weights.

    Raises:
        UserError: settings that the model cannot be built with.
    """
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return MODELS[settings.kind](encoder, settings, seed)
