"""Ten items from an exported policy by transformers alone: python recommend.py FOLDER ITEM ITEM ... (the history)."""

import json
import sys

import torch
from transformers import AutoModelForCausalLM, AutoTokenizer


def recommend(folder: str, history: list[str], k: int = 10, beams: int = 50) -> list[str]:
    """The k best items after a history, best first."""
    tokenizer, model = AutoTokenizer.from_pretrained(folder), AutoModelForCausalLM.from_pretrained(folder)
    with open(f"{folder}/item_index.json", encoding="utf-8") as file:
        tokens = {item: tokenizer.convert_tokens_to_ids(texts) for item, texts in json.load(file).items()}
    begin, end = model.generation_config.bos_token_id, model.generation_config.eos_token_id
    items, following = {}, {}
    for item, ids in tokens.items():
        items.setdefault(tuple(ids), []).append(item)
        for place, token in enumerate(ids):
            following.setdefault(tuple(ids[:place]), set()).add(token)
    prompt = torch.tensor([[begin, *(token for item in history for token in tokens[item])]])
    found = model.generate(
        prompt,
        attention_mask=torch.ones_like(prompt),
        prefix_allowed_tokens_fn=lambda _, ids: sorted(following.get(tuple(ids[prompt.shape[1] :].tolist()), {end})),
        renormalize_logits=True,
        num_beams=beams,
        num_return_sequences=beams,
        length_penalty=0.0,
    )
    paths = [tuple(token for token in row if token != end) for row in found[:, prompt.shape[1] :].tolist()]
    return [item for path in paths for item in items.get(path, [])][:k]


if __name__ == "__main__":
    sys.stdout.write("\n".join(recommend(sys.argv[1], sys.argv[2:])) + "\n")
