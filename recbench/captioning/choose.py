"""From configuration to captioners."""

from collections.abc import Callable
from typing import Any, cast

import torch

from recbench.captioning.fields import FieldsCaptioner
from recbench.captioning.interface import Captioner
from recbench.captioning.items import field_names
from recbench.captioning.outside import CheckedCaptioner
from recbench.captioning.pictures import check_videos
from recbench.captioning.prompts import check_prompt
from recbench.captioning.writer import PROMPTED
from recbench.data.dataset import RecommendationData
from recbench.errors import UserError
from recbench.runs import Run
from recbench.schema import CaptionerConfig, is_outside
from recbench.schema.captions import READ_PICTURES


def check_config(config: CaptionerConfig, data: RecommendationData) -> None:
    """Raise UserError for what can be told before anything is loaded or trained: prompts, videos, a fallback's path."""
    names = field_names(data)
    if config.kind in PROMPTED:
        check_prompt(config.prompt, names)
    if config.kind in READ_PICTURES:
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
    if is_outside(config):
        return CheckedCaptioner(config, seed)
    kinds: dict[str, Callable[..., Captioner]] = {
        "file": _file,
        "text": _text,
        "llava": _llava,
        "endpoint": _endpoint,
        "llava_small": _llava_small,
    }
    return kinds[config.kind](config, data, run, seed, device)


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


# Each imports its own captioner: transformers' models take seconds, and most runs need none.


def _file(config: CaptionerConfig, data: RecommendationData, run: Run | None, *_: Any) -> Captioner:
    from recbench.captioning.file import FileCaptioner, read_file, unknown_items

    captions = read_file(config.path)
    unknown = unknown_items(captions, data.catalogue["item"])
    if unknown and run is not None:
        run.note(unknown)
    return FileCaptioner(captions)


def _text(config: CaptionerConfig, _: Any, __: Any, seed: int, device: torch.device) -> Captioner:
    from recbench.captioning.text import TextCaptioner

    return TextCaptioner(config, seed, device)


def _llava(config: CaptionerConfig, _: Any, __: Any, seed: int, device: torch.device) -> Captioner:
    from recbench.captioning.llava import LlavaCaptioner

    return LlavaCaptioner(config, seed, device)


def _endpoint(config: CaptionerConfig, _: Any, __: Any, seed: int, ___: Any) -> Captioner:
    from recbench.captioning.endpoint import EndpointCaptioner

    return EndpointCaptioner(config, seed)


def _llava_small(
    config: CaptionerConfig, data: RecommendationData, run: Run | None, seed: int, device: torch.device
) -> Captioner:
    from transformers.utils.logging import disable_progress_bar

    from recbench.captioning.llava_small import obtain

    disable_progress_bar()  # of files written: ours count the training
    if run is None:
        if not config.path:
            raise UserError(
                "captioner=llava_small has no checkpoint yet, and nothing is trained here: give captioner.path=FOLDER, "
                "as checkpoints/llava_small of a finished caption run"
            )
        run = cast(Run, None)  # of which a checkpoint's captioner asks nothing
    return obtain(config, data, run, seed, device)
