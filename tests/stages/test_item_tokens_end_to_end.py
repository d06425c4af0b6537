"""Semantic IDs and given item tokens from the data to the evaluation."""

import json

import numpy as np
import pyarrow.parquet as pq
import pytest

pytestmark = pytest.mark.slow


def test_semantic_ids_are_trained_and_scored(semantic_run, workspace) -> None:
    tokens = semantic_run.metrics["item_tokens"]
    assert tokens["origin"] == "semantic IDs: residual k-means of TF-IDF and SVD of titles and texts"
    assert tokens["levels"] >= 2 and tokens["items_that_share_a_sequence"] == 0
    assert 0 < tokens["share_of_inner_nodes_without_a_choice"] < 1
    exact = workspace.evaluated(semantic_run, "--k", "5,10").metrics
    assert exact["ranks"] == "exact"
    assert exact["beam"]["cases"] == 60 and exact["beam"]["recall"] > 0.99  # as wide as the catalogue
    beam = workspace.evaluated(semantic_run, "--k", "5,10", "ranks=beam", "beam_width=12").metrics
    assert 0.5 < beam["beam"]["recall"] <= 1
    assert beam["kept"]["hr@10"]["value"] == pytest.approx(exact["kept"]["hr@10"]["value"], abs=0.1)


@pytest.mark.parametrize(
    "arguments",
    [
        ["--algo=grpo", "--neg=beam"],
        ["--algo=tawin", "--top-k", "5", "algo.ranks=beam"],
        ["--algo=tawin", "--top-k", "5"],
    ],
)
def test_rl_on_semantic_ids(arguments, semantic_run, workspace) -> None:
    metrics = workspace.rl(semantic_run, *arguments).metrics
    assert metrics["item_tokens"] == semantic_run.metrics["item_tokens"]
    assert metrics["curve"][-1]["step"] == 6


def test_items_of_several_tokens_share_no_pass(semantic_run, workspace, refuse) -> None:
    arguments = [f"input={semantic_run.path}", "--algo=grpo", "--neg=beam", "algo.contexts=sequence"]
    refuse(workspace.stage("train", *arguments), "takes one token an item: give item_tokens=atomic")


def test_cooccurrence_serves_where_there_are_no_texts_and_embeddings_may_start_from_it(workspace) -> None:
    codes = ["item_tokens=semantic_ids", "item_tokens.source=cooccurrence", "item_tokens.levels=1"]
    more = ["item_tokens.codebook_size=8", "policy.initial_embeddings=cooccurrence", "algo.epochs=4"]
    metrics = workspace.sft(*codes, *more).metrics
    assert metrics["item_tokens"]["origin"].endswith("co-occurrence in training interactions")


def test_items_that_share_a_sequence_are_counted_and_tied(workspace) -> None:
    codes = ["item_tokens=semantic_ids", "item_tokens.levels=1", "item_tokens.codebook_size=9"]
    run = workspace.sft(*codes, "item_tokens.break_collisions=false", "algo.epochs=4")
    shared = run.metrics["item_tokens"]["items_that_share_a_sequence"]
    assert shared > 55  # 64 items, 9 codes
    assert any(f"{shared} items share their token sequence" in note for note in run.manifest["notes"])
    ranks = pq.read_table(workspace.evaluated(run, "--k", "5").path / "ranks.parquet").to_pydict()
    assert np.mean(ranks["ties"]) > 1


def test_given_tokens_of_mixed_length(workspace, sft_run, tmp_path) -> None:
    data = sft_run.input_run("data")
    items = pq.read_table(data.path / "catalogue.parquet")["item"].to_pylist()
    # Half of the items have two tokens, the others three, as if made elsewhere; some share a sequence.
    index = {
        item: [f"<a_{row % 5}>", f"<b_{row // 10}>", *([f"<c_{row % 2}>"] if row % 4 < 2 else [])]
        for row, item in enumerate(items)
    }
    file = tmp_path / "index.json"
    file.write_text(json.dumps(index))
    run = workspace.sft("item_tokens=given", f"item_tokens.path={file}", "algo.epochs=4")
    assert run.metrics["item_tokens"]["origin"] == "given by index.json; how it was made is unknown to recbench"
    file.unlink()  # a trained policy carries its tokens
    metrics = workspace.evaluated(run, "--k", "5").metrics
    assert metrics["trained"]["item_tokens"]["origin"].endswith("unknown to recbench")
    assert workspace.rl(run, "--algo=tawin", "--top-k", "3").metrics["curve"][-1]["step"] == 6


def test_an_index_file_that_lacks_items_fails_in_one_line(workspace, tmp_path, refuse) -> None:
    file = tmp_path / "index.json"
    file.write_text('{"nobody": ["x"]}')
    arguments = ["data.options.size=tiny", "--algo=sft", "item_tokens=given", f"item_tokens.path={file}"]
    refuse(workspace.stage("train", *arguments), "has no tokens for 64 of 64 items")
