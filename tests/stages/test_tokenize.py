"""recbench tokenize on captions made by hand, and a recommender whose items are the semantic IDs of captions."""

import json
from collections.abc import Callable, Sequence

import numpy as np
import pyarrow.parquet as pq
import pytest

from recbench.captioning.table import MODEL, SKIPPED, CaptionRow, write_rows
from recbench.composition import compose
from recbench.data.dataset import load_data
from recbench.data.impressions import training_items
from recbench.features.columns import load_features
from recbench.policy.checkpoint import load_policy
from recbench.runs import Run, create_run

pytestmark = pytest.mark.slow

COLOURS, THINGS = ["red", "blue", "green", "black"], ["dress", "pan", "lamp"]
ALL_KINDS = "features.kinds=[words,hashed,tokens,semantic_ids,clusters]"
SMALL = ["features.levels=2", "features.codebook_size=3", "features.clusters=4", "features.vocabulary=300"]


@pytest.fixture(scope="module")
def caption(workspace, sft_run) -> Callable[..., Run]:
    """A finished caption run on the data of the SFT run, with given captions or ones of a colour and a thing."""
    data = sft_run.input_run("data")
    items = pq.read_table(data.path / "catalogue.parquet")["item"].to_pylist()

    def make(captions: Sequence[str | None] | None = None, rows: int | None = None) -> Run:
        if captions is None:
            captions = [f"A {COLOURS[row % 4]} {THINGS[row % 3]}." if row else None for row in range(len(items))]
        overrides = ["data=bazaar", "data.options.size=tiny", f"runs={workspace.root}", "captioner=file"]
        run = create_run("caption", compose("caption", overrides), overrides)
        run.use(data)
        run.record(data_fingerprint=data.data_fingerprint)
        written = [
            CaptionRow(item, caption, "file", "", 0, 0.0, MODEL if caption else SKIPPED, None)
            for item, caption in zip(items, captions, strict=True)
        ]
        write_rows(run.path / "captions.parquet", written[:rows], reasons=False)
        run.finish("done", {})
        return run

    return make


@pytest.fixture(scope="module")
def captioned(caption) -> Run:
    return caption()


@pytest.fixture(scope="module")
def tokenized(workspace, captioned) -> Run:
    return workspace.made("tokenize", f"input={captioned.path}", ALL_KINDS, *SMALL)


def test_every_kind_becomes_columns_in_catalogue_order(tokenized, captioned) -> None:
    assert tokenized.input_run("caption").id == captioned.id
    data = load_data(tokenized.input_run("data").path)
    columns = {column.name: column for column in load_features(tokenized.path)}
    assert list(columns) == ["words", "hashed", "tokens", "semantic_ids_1", "semantic_ids_2", "clusters"]
    table = pq.read_table(tokenized.path / "features.parquet")
    assert table["item"].to_pylist() == list(data.catalogue["item"])
    vocabulary = json.loads((tokenized.path / "vocabulary-words.json").read_text())
    values = [None, None, *vocabulary["values"]]  # PAD, OOV
    # "a" is in every caption, and so left out; a caption is a colour and a thing, the first item has none.
    assert vocabulary["left_out"] == ["a"]
    for row, ids in enumerate(table["words"].to_pylist()):
        expected = [COLOURS[row % 4], THINGS[row % 3]] if row else []
        assert [values[number] for number in ids] == expected
    assert all(column.lengths[0] == 0 for column in columns.values())
    assert columns["hashed"].weights is not None and set(columns["hashed"].weights.tolist()) <= {-1.0, 1.0, 2.0, -2.0}
    assert (tokenized.path / "tokenizer.json").is_file()


def test_metrics_tell_coverage_and_the_most_frequent_words(tokenized) -> None:
    metrics = tokenized.metrics
    data = load_data(tokenized.input_run("data").path)
    training = training_items(data)
    count = len(training)
    assert metrics["items"] == count and metrics["training_items"] == training.sum()
    assert metrics["distinct_captions"] == 12
    assert metrics["captioner"] == "file"
    assert metrics["coverage"]["all"] == pytest.approx((count - 1) / count)
    words = metrics["columns"]["words"]
    assert words["vocabulary"] == 7 and words["oov_rate"]["all"] == 0
    assert words["coverage"] == pytest.approx(metrics["coverage"], nan_ok=True)
    assert words["mean_length"]["all"] == pytest.approx(2 * (count - 1) / count)
    lamps = sum(row % 3 == 2 for row in range(1, count))
    assert {"value": "lamp", "items": lamps, "share": lamps / count} in words["most_frequent"]
    assert metrics["origins"]["tokens"] == "byte-level BPE trained on captions of training items"
    assert metrics["semantic_ids"]["levels"] == 2 and metrics["semantic_ids"]["distinct"] <= 9


def test_the_same_config_gives_the_same_bytes(workspace, captioned, tokenized) -> None:
    again = workspace.made("tokenize", f"input={captioned.path}", ALL_KINDS, *SMALL)
    assert again.id != tokenized.id and again.content_hash() == tokenized.content_hash()


def test_captions_of_items_outside_training_teach_nothing(workspace, caption, captioned, tokenized) -> None:
    data = load_data(tokenized.input_run("data").path)
    training = training_items(data)
    captions = pq.read_table(captioned.path / "captions.parquet")["caption"].to_pylist()
    assert training.any() and not training.all()
    changed = [text if trained else "violet tuba" for text, trained in zip(captions, training, strict=True)]
    other = workspace.made("tokenize", f"input={caption(changed).path}", ALL_KINDS, *SMALL)
    for name in ("vocabulary-words.json", "vocabulary-tokens.json", "tokenizer.json"):
        assert (other.path / name).read_bytes() == (tokenized.path / name).read_bytes()
    for before, after in zip(load_features(tokenized.path), load_features(other.path), strict=True):
        for row in np.flatnonzero(training):
            mine, theirs = (column.ids[column.offsets[row] : column.offsets[row + 1]] for column in (before, after))
            assert mine.tolist() == theirs.tolist()
    assert other.metrics["columns"]["words"]["oov_rate"]["others"] == 1


def test_the_newest_captions_by_whatever_captioner_are_found(workspace, captioned) -> None:
    found = workspace.made("tokenize", "data=bazaar", "data.options.size=tiny", "--no-upstream").input_run("caption")
    assert found.stage == "caption" and found.data_name == "bazaar"


def test_no_captions_and_captions_of_other_items_are_told(workspace, fresh_workspace, caption, refuse) -> None:
    refuse(fresh_workspace.stage("tokenize", "--no-upstream"), "no finished caption run on data bazaar fits")
    short = caption(rows=3)
    refuse(workspace.stage("tokenize", f"input={short.path}"), "has 3 rows and data set bazaar")
    count = len(pq.read_table(short.input_run("data").path / "catalogue.parquet"))
    empty = caption([" "] * count)
    refuse(workspace.stage("tokenize", f"input={empty.path}"), "no item of the training period has a caption")


# ---- item tokens of recbench train

CODES = ["item_tokens=semantic_ids", "algo.epochs=2"]


@pytest.fixture(scope="module")
def trained(workspace, tokenized) -> Run:
    return workspace.sft(*CODES, f"item_tokens.source={tokenized.id[:22]}")


def test_a_recommender_takes_its_item_tokens_from_captions(trained, tokenized) -> None:
    assert trained.input_run("tokenize").id == tokenized.id
    tokens = trained.metrics["item_tokens"]
    assert tokens["origin"] == "semantic IDs: residual k-means of captions, by a tokenize run"
    assert tokens["levels"] == 3 and tokens["items_that_share_a_sequence"] == 0  # two, and one that tells items apart
    index = json.loads((tokenized.path / "semantic_ids.json").read_text())
    codes = load_policy(trained.path / "policy")[1].codes
    items = pq.read_table(tokenized.path / "features.parquet")["item"].to_pylist()
    assert index[items[0]] == ["<a_none>", "<b_none>"]
    # Items have equal codes exactly where they have equal tokens in the index.
    sequences = [tuple(index[item]) for item in items]
    for row, sequence in enumerate(sequences):
        assert ((codes[:, :2] == codes[row, :2]).all(axis=1) == [other == sequence for other in sequences]).all()


def test_what_follows_that_training_has_the_same_tokens(workspace, trained, tokenized) -> None:
    codes = load_policy(trained.path / "policy")[1].codes
    refined = workspace.rl(trained, "--neg=random")
    assert (load_policy(refined.path / "policy")[1].codes == codes).all()
    assert workspace.evaluated(refined, "--k", "5").metrics["trained"]["item_tokens"] == refined.metrics["item_tokens"]


def test_grpo_finds_the_sft_run_of_the_same_tokenize_run(workspace, trained, tokenized) -> None:
    theirs = [override for override in trained.overrides if override.startswith(("data", "policy"))]
    refine = ["--neg=random", "--no-upstream", "algo.steps=2", "algo.batch_size=16", "algo.group_size=8"]
    source = f"item_tokens.source={tokenized.path}"  # the same run by another name
    refined = workspace.made("train", *theirs, *CODES[:1], source, *refine)
    assert refined.input_run("train").id == trained.id


def test_a_run_that_cannot_serve_is_told(workspace, captioned, tokenized, sft_run, refuse) -> None:
    def train(source: object):
        data = ["data=bazaar", "data.options.size=tiny"]
        return workspace.stage("train", "--algo=sft", *data, *CODES, f"item_tokens.source={source}")

    refuse(train("nothing"), "expected text, cooccurrence, the folder of a sentence encoder")
    refuse(train(sft_run.path), "is a train run, and a tokenize run is needed here")
    words = workspace.made("tokenize", f"input={captioned.path}", "features=words")
    refuse(train(words.path), "has no semantic IDs; make them with recbench tokenize features=semantic_ids")
    index = json.loads((tokenized.path / "semantic_ids.json").read_text())
    fewer = dict(list(index.items())[1:])
    words.write_json("semantic_ids.json", fewer)  # as a run on another catalogue has it
    words.finish("done", words.metrics)
    refuse(train(words.path), f"no tokens for 1 of {len(index)} items")
    refuse(train(words.path), "the tokenize run has another catalogue: make one on data bazaar")
