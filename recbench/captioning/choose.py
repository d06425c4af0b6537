"""From configuration to captioners."""

import torch

from recbench.captioning.fields import FieldsCaptioner
from recbench.captioning.interface import Captioner
from recbench.captioning.items import field_names
from recbench.captioning.kinds import captioner_of
from recbench.captioning.pictures import check_videos
from recbench.captioning.prompts import check_prompt
from recbench.data.dataset import RecommendationData
from recbench.errors import UserError
from recbench.runs import Run
from recbench.schema import CaptionerConfig


def check_config(config: CaptionerConfig, data: RecommendationData) -> None:
    """Raise UserError for what can be told before anything is loaded or trained: prompts, videos, a fallback's path."""
    names, reads = field_names(data), captioner_of(config).reads
    if "prompt" in reads:
        check_prompt(config.prompt, names)
    if "pictures" in reads:
        check_videos(config, data)
    if config.fallback == "text":
        check_prompt(config.fallback_prompt, names, "captioner.fallback_prompt")
        if not config.fallback_path:
            raise UserError("captioner.fallback=text needs captioner.fallback_path=CHECKPOINT, a causal LM")


def make_captioner(
    config: CaptionerConfig, data: RecommendationData, run: Run | None, seed: int, device: torch.device
) -> Captioner:
    """The captioner of `captioner.kind`; llava_small is trained in `run` when it has no checkpoint.

    Raises:
        UserError: a file, checkpoint, address or package that the captioner needs is missing.
    """
    return captioner_of(config).make(config, data, run, seed, device)


def make_fallback(
    config: CaptionerConfig, data: RecommendationData, fields: list[str], seed: int, device: torch.device
) -> Captioner | None:
    """What captions items that the captioner cannot; None: they are skipped.

    Args:
        fields: columns that the fallback `fields` writes; none: all that the catalogue has.
    """
    if config.fallback == "skip":
        return None
    if config.fallback == "fields":
        return FieldsCaptioner(fields or field_names(data))
    from recbench.captioning.text import TextCaptioner

    return TextCaptioner(config, seed, device, fallback=True)
