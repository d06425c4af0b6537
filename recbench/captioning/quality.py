"""How good a run's captions are: attributes named, overlap with reference captions, variety and length."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from recbench.data.dataset import RecommendationData
from recbench.metrics.captions import attribute_accuracy, bleu4, cider, distinct_n, mean_length, rouge_l


def caption_quality(
    captions: Sequence[str | None],
    data: RecommendationData,
    attributes: Sequence[str],
    parts: Mapping[str, np.ndarray],
) -> dict[str, dict[str, Any]]:
    """The quality of all captions, and of the items of every part on their own.

    Args:
        captions: in catalogue order; None for items that are not judged, such as those of a fallback.
        attributes: catalogue columns whose value a caption should name.
        parts: name -> bool [N], such as the items that the captioner has seen.

    Returns:
        Part -> items judged, mean_length (words), distinct_1 and distinct_2; with references how many, bleu4, rouge_l
        and cider; for every attribute its accuracy, the majority's share and the items that have a value. A part
        without captions tells its number of items only.
    """
    columns = {name: data.catalogue[name] for name in ("caption", *attributes) if name in data.catalogue.column_names}
    texts = {name: [_text(value) for value in column] for name, column in columns.items()}
    judged = np.array([caption is not None for caption in captions], dtype=bool)
    return {
        name: _part(captions, np.flatnonzero(mask & judged), texts, attributes)
        for name, mask in {"all": np.ones(len(judged), dtype=bool), **parts}.items()
    }


def _part(
    captions: Sequence[str | None], rows: np.ndarray, texts: Mapping[str, list[str | None]], attributes: Sequence[str]
) -> dict[str, Any]:
    numbers: dict[str, Any] = {"items": len(rows)}
    if not len(rows):
        return numbers
    mine = [str(captions[row]) for row in rows]
    numbers["mean_length"] = mean_length(mine)
    numbers |= {f"distinct_{n}": distinct_n(mine, n) for n in (1, 2)}
    given = texts.get("caption", [None] * len(captions))
    pairs = [(str(captions[row]), reference) for row in rows if (reference := given[row])]
    if pairs:
        written, references = [caption for caption, _ in pairs], [reference for _, reference in pairs]
        numbers |= {
            "references": len(pairs),
            "bleu4": bleu4(written, references),
            "rouge_l": rouge_l(written, references),
            "cider": cider(written, references),
        }
    named = {}
    for name in attributes:
        values = texts[name]
        if any(values[row] for row in rows):
            known = {value for value in values if value}
            named[name] = attribute_accuracy(mine, [values[row] or None for row in rows], known)._asdict()
    return numbers | ({"attributes": named} if named else {})


def _text(value: object) -> str | None:
    return None if value is None else str(value)
