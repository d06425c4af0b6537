"""recbench export: a trained policy as a folder that transformers loads without recbench."""

import json
import os
from pathlib import Path
from typing import Any

from recbench.comparisons.naming import as_picked, with_start
from recbench.console.progress import say
from recbench.data.dataset import load_data
from recbench.errors import UserError
from recbench.policy.checkpoint import load_policy
from recbench.policy.exporting import item_index
from recbench.runs import Run, atomic_path, find_runs, origin, require_finished, resolve_run

SHOWN = ("ndcg@10", "hr@10", "hr@1", "hr@5", "auc")  # of the model card, where the evaluation has them


def export(root: Path, name: str, folder: Path, pick: str | None = None) -> Path:
    """Write the policy of a train run as a Hugging Face folder; returns it.

    It holds the model (safetensors, float32, LoRA merged), the tokenizer with item tokens, item_index.json (item id to
    token texts, which item_tokens=given reads), and a model card, README.md. File modes are those of the umask.

    Args:
        root: the folder of runs.
        name: the train run: a path, the beginning of an id, or latest.
        folder: where to; new.
        pick: which of the checkpoints that the run kept, as of `recbench eval pick=METRIC`.

    Raises:
        UserError: no such run, a policy that is no language model, or a folder that is there.
    """
    run = require_finished(resolve_run(root, name, "train"))
    if name == "latest" and origin(run):
        say(f"latest: train run {run.id}{origin(run)}")
    if folder.exists():
        raise UserError(f"{folder} is there already: name a new folder")
    run.require_intact()
    source, metrics = as_picked(run, pick)
    policy, tokens = load_policy(source)
    data_run = run.input_run("data")
    if data_run is None:
        raise UserError(f"the data run that train run {run.id} was made of is gone: items have no ids without it")
    items = list(load_data(data_run.path).catalogue["item"])
    model, tokenizer = policy.exported()
    with atomic_path(folder) as partial:
        partial.mkdir()
        model.save_pretrained(partial)
        tokenizer.save_pretrained(partial)
        index = json.dumps(item_index(policy.trie, items), indent=0, ensure_ascii=False)
        (partial / "item_index.json").write_text(index + "\n", encoding="utf-8")
        (partial / "README.md").write_text(_model_card(run, metrics, tokens.origin, len(items)), encoding="utf-8")
        _as_the_umask_has_them(partial)
    return folder


def _model_card(run: Run, metrics: dict[str, Any], origin_of_tokens: str, items: int) -> str:
    """What the model is, what it was trained on, how well it ranks, and how to ask it."""
    policy = run.config.policy
    base = ""
    if policy.get("path"):  # of a checkpoint that it began from
        name = Path(policy.path).name if policy.get("weights") else policy.path  # of a folder, not where it stood
        base = f"\n- Started from: {name}, whose licence holds for this, too"
    return f"""---
library_name: transformers
pipeline_tag: text-generation
---

# {with_start(run)}

A recommender as a causal language model, trained and exported by recbench. It continues a history of items, each
written as its tokens of `item_index.json` behind the beginning token, by the tokens of the next item.

- Data: {run.data_name}, {items:,} items (fingerprint {str(run.data_fingerprint)[:12]})
- Item tokens: {origin_of_tokens}{base}
- Checkpoint: step {metrics["best_step"]}, by {metrics["selected_by"]} on validation

{_results(run)}
Generate with beams and `prefix_allowed_tokens_fn`, so that only items are written, and with `renormalize_logits=True`,
so that probabilities are over items: `docs/examples/recommend.py` of recbench does it in twenty lines.
"""


def _results(run: Run) -> str:
    """A table of the newest evaluation of a training on test, with 95% intervals over users."""
    found = [
        one
        for one in find_runs(run.root, "eval", run.data_name)
        if one.status == "done"
        and one.config.split == "test"
        and one.config.get("pick") is None
        and (trained := one.input_run("train")) is not None
        and trained.id == run.id
    ]
    if not found:
        return "It has not been evaluated on test: `recbench eval` of the run that it comes from does.\n"
    metrics = found[-1].metrics
    lines = [f"Test, {metrics['cases']:,} cases, ranks: {metrics['ranks']}.", "", "| Metric | Value | 95% interval |"]
    lines.append("|---|---|---|")
    for name in SHOWN:
        if (one := metrics["kept"].get(name)) is not None and one["value"] is not None:
            ends = f"{one['low']:.4f} to {one['high']:.4f}" if one.get("low") is not None else ""
            lines.append(f"| {name} | {one['value']:.4f} | {ends} |")
    return "\n".join(lines) + "\n"


def _as_the_umask_has_them(folder: Path) -> None:
    """Give files the rights that any new file has: those who write safetensors keep them from others."""
    umask = os.umask(0)
    os.umask(umask)
    for file in folder.rglob("*"):
        if file.is_file():
            file.chmod(0o666 & ~umask)
