"""What captioning a catalogue would take, from a sample of its items."""

import time
from typing import Any

import numpy as np

from recbench.captioning.interface import Caption, Captioner
from recbench.captioning.items import read_items
from recbench.data.dataset import RecommendationData
from recbench.schema import CaptionerConfig

SAMPLE = 20


def estimate_cost(captioner: Captioner, data: RecommendationData, config: CaptionerConfig, seed: int) -> dict[str, Any]:
    """Items, tokens, hours of one process, and the price where `captioner.price_per_million_tokens` is given.

    Captions 20 items (all of a smaller catalogue) drawn by the seed; nothing is written.
    """
    items = data.catalogue.num_rows
    rows = np.sort(np.random.default_rng([seed, SAMPLE]).permutation(items)[:SAMPLE]).tolist()
    answers: list[Caption] = []
    started = time.perf_counter()
    for start in range(0, len(rows), config.batch_size):
        read = read_items(data, rows[start : start + config.batch_size], config, images=captioner.reads_images)
        readable = [item for item, reason in read if reason is None]
        if readable:
            answers += [answer for answer in captioner.caption(readable) if isinstance(answer, Caption)]
    seconds = time.perf_counter() - started
    each = items / len(rows)
    read_tokens = round(sum(answer.prompt_tokens for answer in answers) * each)
    written_tokens = round(sum(answer.tokens for answer in answers) * each)
    numbers: dict[str, Any] = {
        "items": items,
        "sampled": len(rows),
        "sampled and captioned": len(answers),
        "tokens read": read_tokens,
        "tokens written": written_tokens,
        "seconds an item": seconds / len(rows),
        "hours": seconds * each / 3600,
    }
    if config.price_per_million_tokens is not None:
        numbers["price"] = (read_tokens + written_tokens) / 1e6 * config.price_per_million_tokens
    return numbers
