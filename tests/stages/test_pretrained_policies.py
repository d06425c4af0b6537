"""A pretrained language model from its folder through sft and rl to an evaluation, by the command line."""

import shutil
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from safetensors.torch import load_file

from tests.conftest import MARKET
from tests.policy.pretrained.tiny_models import write_checkpoint

pytestmark = pytest.mark.slow

IDS = ["item_tokens=semantic_ids", "item_tokens.levels=2", "item_tokens.codebook_size=6", "item_tokens.dimensions=8"]
SHORT = ["algo.epochs=3", "algo.evaluate_every=3", "algo.batch_size=16", "algo.learning_rate=0.01", "policy.history=6"]
SHORT_RL = ["algo.steps=2", "algo.evaluate_every=2", "algo.batch_size=8"]


@pytest.fixture(scope="module")
def folder(workspace, tmp_path_factory) -> Path:
    """A tiny Llama that knows the words of the tiny market's titles."""
    titles = pq.read_table(workspace.made("data", *MARKET).path / "catalogue.parquet")["title"].to_pylist()
    path = tmp_path_factory.mktemp("model") / "tiny"
    write_checkpoint("llama", path, titles)
    return path


@pytest.fixture(scope="module")
def chosen(folder) -> list[str]:
    """What every training of it is asked for."""
    return [*MARKET, "policy=pretrained", f"policy.path={folder}", *IDS]


def test_a_language_model_is_trained_by_sft_and_rl_and_evaluated(workspace, chosen) -> None:
    sft = workspace.made("train", *chosen, "algo=sft", *SHORT)
    validation = sft.metrics["validation"]
    assert sft.metrics["curve"][-1]["step"] > 0
    assert validation["best"]["ndcg@10"] > validation["initial"]["ndcg@10"]
    for arguments in (
        ["algo=grpo", "negatives=beam"],
        ["algo=tawin", "--top-k", "5", "algo.ranks=beam", "algo.kl=0.1"],
    ):
        trained = workspace.rl(sft, *arguments, *SHORT_RL)
        assert trained.metrics["curve"][-1]["step"] == 2
        found = workspace.evaluated(trained, "--k", "5,10").metrics
        assert found["beam"]["recall"] > 0.99 and 0 <= found["kept"]["hr@10"]["value"] <= 1
        assert found["judged"]["described"].startswith("tiny, ")


def test_rl_makes_the_sft_that_it_starts_from_and_trains_lora_alone(workspace, chosen) -> None:
    settings = [
        "policy.train=lora",
        "policy.lora_rank=2",
        "policy.dtype=bfloat16",
        "policy.gradient_checkpointing=true",
    ]
    first = [f"sft.{one.removeprefix('algo.')}" if one.startswith("algo.") else one for one in SHORT]
    run = workspace.made(
        "train", *chosen, "algo=grpo", "negatives=beam", *settings, *first, *SHORT_RL, "algo.group_size=4"
    )
    assert run.input_run("train").config.algo.name == "sft"
    names = load_file(run.path / "policy" / "model.safetensors")
    trained = {name for name in names if not name.endswith((".up", ".down"))}
    assert trained == {"item_embeddings", "output_scale"} and len(names) > len(trained)
    again = workspace.made("train", *chosen, "algo=more_sft", *settings, *first, *SHORT_RL)
    assert again.input_run("train").id == run.input_run("train").id


def test_the_same_training_gives_the_same_numbers_and_one_item_a_token_shares_passes(workspace, chosen) -> None:
    atomic = [*chosen[: -len(IDS)], "item_tokens=atomic", "algo=sft", *SHORT[:1], "policy.history=3", "algo.epochs=1"]
    first, second = (workspace.made("train", *atomic, "--force") for _ in range(2))
    assert (first.path / "metrics.json").read_bytes() == (second.path / "metrics.json").read_bytes()
    rules = ["algo=grpo", "negatives=beam", "algo.contexts=sequence"]
    assert workspace.rl(first, *rules, *SHORT_RL).metrics["curve"][-1]["step"] == 2


def test_a_context_that_is_too_short_is_told(workspace, chosen) -> None:
    run = workspace.made("train", *chosen, "algo=sft", *SHORT[1:], "algo.epochs=0", "policy.context_tokens=10")
    levels = run.metrics["item_tokens"]["levels"]
    fitting = 9 // levels - 1
    wanted = f"policy.history=6 items do not fit into the model's context: it reads the last {fitting}"
    assert wanted in run.manifest["notes"]


@pytest.mark.parametrize(
    "arguments, words",
    [
        (["policy.path=null"], "needs a language model: give policy.path=FOLDER, or its name on the hub"),
        (["policy.path=./no-such-folder"], "policy.path=./no-such-folder cannot be loaded"),
        (["policy.dtype=bfloat16"], "policy.train=full needs policy.dtype=float32, and it is bfloat16"),
        (["policy.lora_rank=4"], "has no effect here"),
        (["policy.width=64"], "policy.width=64 has no effect here"),
        (["policy.initial_embeddings=cooccurrence"], "starts new tokens from titles or at random"),
        (["policy.context_tokens=3"], "policy.context_tokens is 3 tokens, and a beginning with two items of"),
        (["policy.train=qlora"], "expected one of full, lora, frozen"),
    ],
)
def test_what_cannot_be_is_told_in_one_line(arguments, words, workspace, chosen, refuse) -> None:
    refuse(workspace.stage("train", *chosen, "algo=sft", *arguments), words)


def test_pickles_are_not_read(workspace, chosen, folder, tmp_path, refuse) -> None:
    (tmp_path / "pytorch_model.bin").write_bytes(b"no weights")
    for name in ("config.json", "tokenizer.json", "tokenizer_config.json"):
        (tmp_path / name).write_bytes((folder / name).read_bytes())
    refuse(workspace.stage("train", *chosen, f"policy.path={tmp_path}", "algo=sft"), "has its weights as pickles")


def test_an_sft_of_other_weights_at_the_same_place_is_not_taken(workspace, chosen, folder, tmp_path) -> None:
    model = shutil.copytree(folder, tmp_path / "model")
    chosen = [*chosen, f"policy.path={model}", "policy.train=frozen", *SHORT[3:], "sft.epochs=0"]
    rl = ["algo=more_sft", "algo.steps=0", "algo.batch_size=8"]
    first, again = (workspace.made("train", *chosen, *rl) for _ in range(2))
    assert first.input_run("train").id == again.input_run("train").id
    write_checkpoint("llama untied", model, ["other words"])
    other = workspace.made("train", *chosen, *rl)
    assert other.input_run("train").id != first.input_run("train").id
    assert other.config.policy.weights not in (None, first.config.policy.weights)
