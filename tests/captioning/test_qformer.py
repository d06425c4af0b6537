"""The Q-Former between vision tower and language model: its arithmetic, its place in a LLaVA, its folder."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

from recbench.captioning.llava import LlavaCaptioner
from recbench.captioning.qformer import MODEL_TYPE, QFormer, QFormerLlava
from recbench.captioning.small_model import build_model, caption_losses, normalised, prompt_tokens, save_checkpoint
from recbench.captioning.small_training import make_optimizers
from recbench.captioning.word_tokenizer import train_word_tokenizer
from recbench.errors import UserError
from recbench.pretrained import load_pretrained_model
from recbench.schema import CaptionerConfig

SMALL = CaptionerConfig(
    connector="qformer",
    queries=3,
    image_size=16,
    patch_size=4,
    vision_layers=1,
    language_layers=1,
    width=16,
    heads=2,
    max_tokens=8,
)
TOKENIZER = train_word_tokenizer(["one two three four five six seven"])
PIXELS = normalised(torch.rand(3, 3, 16, 16, generator=torch.Generator().manual_seed(1)))
CAPTIONS = torch.tensor([[5, 6, 7, 2], [8, 2, -1, -1], [9, 10, 11, 5]])


@pytest.fixture(scope="module")
def model() -> Any:
    torch.manual_seed(0)
    network = build_model(SMALL, TOKENIZER).eval()
    for parameter in network.parameters():  # large enough that every input matters
        parameter.data.mul_(3)
    return network


def by_torch(layer: Any, queries: Tensor, states: Tensor) -> Tensor:
    """The same attention by torch's own module."""
    attention = nn.MultiheadAttention(queries.shape[-1], layer.heads, bias=False, batch_first=True)
    rows = torch.cat([layer.query.weight, layer.key.weight, layer.value.weight])
    attention.load_state_dict({"in_proj_weight": rows, "out_proj.weight": layer.output.weight})
    return attention(queries, states, states, need_weights=False)[0]


@torch.no_grad()
def test_blocks_add_what_queries_read_of_each_other_and_of_patches() -> None:
    torch.manual_seed(0)
    connector = QFormer(queries=3, layers=2, width=8, heads=2, output_width=5)
    patches = torch.randn(4, 7, 8)
    assert connector(patches).shape == (4, 3, 5)
    normed = functional.layer_norm(patches, [8])
    states = connector.queries.weight.repeat(4, 1, 1)
    for block in connector.blocks:
        before = functional.layer_norm(states, [8])
        states = states + by_torch(block.self_attention, before, before)
        states = states + by_torch(block.cross_attention, functional.layer_norm(states, [8]), normed)
        first, _, last = block.feed_forward
        inner = functional.gelu(functional.layer_norm(states, [8]) @ first.weight.T + first.bias)
        states = states + inner @ last.weight.T + last.bias
    expected = functional.layer_norm(states, [8]) @ connector.projection.weight.T + connector.projection.bias
    torch.testing.assert_close(connector(patches), expected)
    # What a patch says counts, not where in the row it stands: the tower has told its place.
    torch.testing.assert_close(connector(patches[:, torch.randperm(7)]), expected)
    assert not torch.allclose(connector(patches[:, :5]), expected)


@torch.no_grad()
def test_losses_are_those_of_transformers_own_forward(model: Any) -> None:
    losses = caption_losses(model, PIXELS, CAPTIONS)
    for row in range(3):
        words = CAPTIONS[row][CAPTIONS[row] >= 0]
        prompt = prompt_tokens(model, 1)[0]
        assert prompt.tolist() == [1] + [4] * 3
        logits = model(input_ids=torch.cat([prompt, words])[None], pixel_values=PIXELS[row : row + 1]).logits[0]
        expected = functional.cross_entropy(logits[len(prompt) - 1 : -1], words, reduction="none")
        torch.testing.assert_close(losses[row, : len(words)], expected, rtol=1e-5, atol=1e-5)


@torch.no_grad()
def test_queries_read_the_patches_that_are_kept(model: Any) -> None:
    full = caption_losses(model, PIXELS, CAPTIONS)
    torch.testing.assert_close(caption_losses(model, PIXELS, CAPTIONS, torch.arange(16).repeat(3, 1)), full)
    some = torch.tensor([[0, 3, 9], [1, 2, 15], [4, 5, 6]])
    partly = caption_losses(model, PIXELS, CAPTIONS, some)
    assert not torch.allclose(partly, full)
    outside = PIXELS.clone()
    outside[:, :, 12:, 0:12] += 1.0  # patches 12 to 14: in nobody's part
    torch.testing.assert_close(caption_losses(model, outside, CAPTIONS, some), partly)


def test_queries_are_embeddings_to_the_optimisers(model: Any) -> None:
    muon, adamw = ({id(value) for value in one.param_groups[0]["params"]} for one in make_optimizers(model, SMALL))
    connector = model.model.multi_modal_projector
    assert id(connector.queries.weight) in adamw
    assert {id(layer.weight) for layer in connector.modules() if isinstance(layer, nn.Linear)} <= muon
    assert len(muon) + len(adamw) == sum(1 for _ in model.parameters())


def test_its_folder_has_safetensors_and_loads_again(model: Any, tmp_path: Path) -> None:
    save_checkpoint(tmp_path, model, TOKENIZER, SMALL)
    assert {path.suffix for path in tmp_path.iterdir()} == {".json", ".safetensors"}
    again = load_pretrained_model(QFormerLlava, str(tmp_path), "captioner.path", dtype="auto").eval()
    assert again.config.model_type == MODEL_TYPE and again.config.image_seq_length == 3
    with torch.no_grad():
        assert torch.equal(caption_losses(again, PIXELS, CAPTIONS), caption_losses(model, PIXELS, CAPTIONS))
    with pytest.raises(UserError, match=r"captioner\.path=.* captioner=llava_small for what that has saved") as caught:
        LlavaCaptioner(CaptionerConfig(path=str(tmp_path)), 0, torch.device("cpu"))
    assert "\n" not in str(caught.value)


def test_the_number_of_tokens_is_that_of_queries_whatever_the_picture() -> None:
    for size, patch in ((16, 8), (32, 8)):
        model = build_model(replace(SMALL, image_size=size, patch_size=patch, queries=5), TOKENIZER)
        assert prompt_tokens(model, 2).shape == (2, 1 + 5)
        assert model.config.text_config.max_position_embeddings == 1 + 5 + 8
