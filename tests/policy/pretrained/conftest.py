"""Tiny checkpoints, a shop with titles, and policies made of both."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import datasets
import numpy as np
import pytest
import torch

from recbench.data.dataset import RecommendationData
from recbench.data.interactions import NO_INTERACTIONS
from recbench.item_tokens.trie import build_trie
from recbench.policy.pretrained.policy import PretrainedPolicy
from recbench.schema import PolicyConfig
from tests.policy.pretrained.tiny_models import CODES, CONFIGS, TITLES, write_checkpoint


@pytest.fixture(scope="session")
def checkpoints(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """A folder of each architecture."""
    root = tmp_path_factory.mktemp("checkpoints")
    for kind in CONFIGS:
        write_checkpoint(kind, root / kind)
    return {kind: root / kind for kind in CONFIGS}


@pytest.fixture
def shop_data(tmp_path: Path) -> RecommendationData:
    """Eight items with titles."""
    count = len(TITLES)
    columns = {"item": [f"i{row}" for row in range(count)], "title": TITLES, "text": [""] * count}
    return RecommendationData("shop", datasets.Dataset.from_dict(columns), NO_INTERACTIONS, "f" * 64, None, tmp_path)


@pytest.fixture
def make_pretrained(checkpoints, shop_data) -> Callable[..., PretrainedPolicy]:
    """A policy on a checkpoint's body, in evaluation mode; rows that tell items apart unless the start is asked for."""

    def make(kind: str = "llama", codes: np.ndarray = CODES, as_started: bool = False, **settings: Any):
        chosen = {"history": 4, "embedding_dropout": 0.0, "output_dropout": 0.0, **settings}
        torch.manual_seed(0)
        config = PolicyConfig(kind="pretrained", path=str(checkpoints[kind]), **chosen)
        policy = PretrainedPolicy.new(build_trie(codes), config, shop_data).eval()
        if not as_started:
            with torch.no_grad():
                for name, value in policy.named_parameters():
                    if value.requires_grad and (name.startswith("item_") or name.endswith(".up")):
                        value.add_(torch.randn_like(value), alpha=0.3)
                policy.output_scale.fill_(0.7)
        return policy

    return make
