"""Exported policies give, by transformers alone, the items that recbench eval has found."""

import importlib.util
import json
import os
import stat
from pathlib import Path

import pyarrow.parquet as pq
import pytest
import torch
from transformers import AutoModelForCausalLM, AutoTokenizer

from recbench.data.dataset import load_data
from tests.conftest import MARKET
from tests.policy.pretrained.tiny_models import write_checkpoint

pytestmark = pytest.mark.slow

USERS, K = 20, 10
SEMANTIC = ["item_tokens=semantic_ids", "item_tokens.levels=2", "item_tokens.codebook_size=6"]
SHORT = ["algo=sft", "algo.epochs=1", "algo.batch_size=16", "algo.learning_rate=0.01"]


@pytest.fixture(scope="module")
def recommend():
    """The function of the script in the documentation."""
    file = Path(__file__).parents[2] / "docs" / "examples" / "recommend.py"
    spec = importlib.util.spec_from_file_location("recommend", file)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.recommend


@pytest.fixture(scope="module")
def titles(workspace) -> dict[str, str]:
    table = pq.read_table(workspace.made("data", *MARKET).path / "catalogue.parquet")
    return dict(zip(table["item"].to_pylist(), table["title"].to_pylist(), strict=True))


def of_mixed_length(items: list[str], file: Path) -> list[str]:
    """Overrides for item tokens of two and of three codes."""
    index = {item: [f"a{row % 5}", f"b{row // 5}", *(["c"] if row % 4 == 0 else [])] for row, item in enumerate(items)}
    file.write_text(json.dumps(index))
    return ["item_tokens=given", f"item_tokens.path={file}"]


@pytest.mark.parametrize(
    "kind, tokens, settings",
    [
        ("llama", "semantic", ["policy.train=full"]),
        ("llama untied", "mixed", ["policy.train=full"]),
        ("qwen2", "semantic", ["policy.train=lora"]),
        ("gemma", "atomic", ["policy.train=frozen"]),
        (None, "semantic", []),
    ],
)
def test_the_same_ten_items_by_transformers_alone(
    kind, tokens, settings, workspace, titles, recommend, tmp_path
) -> None:
    codes = of_mixed_length(list(titles), tmp_path / "index.json") if tokens == "mixed" else []
    codes = SEMANTIC if tokens == "semantic" else codes
    small = ["policy.layers=1", "policy.width=16", "policy.feed_forward=16"]
    if kind is not None:
        write_checkpoint(kind, tmp_path / "model", list(titles.values()))
        small = ["policy=pretrained", f"policy.path={tmp_path / 'model'}", *settings]
    trained = workspace.made("train", *MARKET, *codes, *SHORT, *small, "policy.history=6")
    found = workspace.evaluated(trained, f"max_cases={USERS}", "--k", "5,10")
    folder = tmp_path / "exported"
    result = workspace.command("export", str(trained.path), str(folder), "--runs", str(workspace.root))
    assert result.code == 0 and result.out == f"{folder}\n"

    data = load_data(trained.input_run("data").path)
    names, sequences = data.catalogue["item"], data.interactions
    ranks = pq.read_table(found.path / "ranks.parquet").to_pydict()
    assert len(ranks["user"]) == USERS
    row_of = {user: row for row, user in enumerate(sequences.users)}
    for user, case, best in zip(ranks["user"], ranks["case"], ranks["top_items"], strict=True):
        start = sequences.offsets[row_of[user]]
        history = [names[item] for item in sequences.items[start : start + case]][-6:]
        assert recommend(str(folder), history, K, beams=64) == best[:K]

    card = (folder / "README.md").read_text()
    assert "| ndcg@10 |" in card and f"{found.metrics['kept']['ndcg@10']['value']:.4f}" in card
    umask = os.umask(0)
    os.umask(umask)
    assert {stat.S_IMODE(file.stat().st_mode) for file in folder.iterdir()} == {0o666 & ~umask}
    generation = json.loads((folder / "generation_config.json").read_text())
    assert "do_sample" not in generation and "top_k" not in generation  # the checkpoint's own asks for samples

    tokenizer, model = AutoTokenizer.from_pretrained(folder), AutoModelForCausalLM.from_pretrained(folder)
    index = json.loads((folder / "item_index.json").read_text())
    texts = [text for of_item in index.values() for text in of_item]
    ids = tokenizer("".join(texts), add_special_tokens=False)["input_ids"]
    assert tokenizer.convert_ids_to_tokens(ids) == texts  # no token is split
    rows = model.get_input_embeddings().weight.detach()
    assert rows.dtype == torch.float32
    if kind is not None:  # the vocabulary that the model had is as it was, but for the beginning token
        own = AutoModelForCausalLM.from_pretrained(tmp_path / "model")
        kept = [row for row in range(len(own.get_input_embeddings().weight)) if row not in (*ids, own_begin(folder))]
        assert torch.equal(rows[kept], own.get_input_embeddings().weight[kept])
        assert torch.equal(model.get_output_embeddings().weight[kept], own.get_output_embeddings().weight[kept])


def own_begin(folder: Path) -> int:
    return json.loads((folder / "generation_config.json").read_text())["bos_token_id"]


def test_what_cannot_be_exported_is_told(workspace, sft_run, tmp_path, refuse) -> None:
    runs = ["--runs", str(workspace.root)]
    counted = workspace.baseline("popularity")
    refuse(workspace.command("export", str(counted.path), str(tmp_path / "one"), *runs), "is no language model")
    assert not (tmp_path / "one").exists()
    (tmp_path / "there").mkdir()
    refuse(workspace.command("export", str(sft_run.path), str(tmp_path / "there"), *runs), "is there already")
    refuse(workspace.command("export", "no-run", str(tmp_path / "two"), *runs), "no run 'no-run'")
    picked = workspace.command("export", str(sft_run.path), str(tmp_path / "two"), "--pick", "auc", *runs)
    refuse(picked, "has kept no other checkpoint")
