"""Parts of the small LLaVA's training: the loss, the order, the rate, the pictures' shifts."""

import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from torch.nn import functional

from recbench.captioning import small_training
from recbench.captioning.small_model import build_model, caption_losses, normalised, prompt_tokens
from recbench.captioning.small_training import (
    WARM_UP,
    Examples,
    batch_rows,
    encode_captions,
    shifted,
    total_steps,
    train,
)
from recbench.captioning.word_tokenizer import train_word_tokenizer
from recbench.schema import CaptionerConfig
from recbench.training.optimizer import learning_rate_factor

pytestmark = pytest.mark.slow

SMALL = CaptionerConfig(
    image_size=16, patch_size=4, vision_layers=2, language_layers=2, width=16, heads=2, dropout=0.0, max_tokens=8
)


@pytest.fixture
def model():
    torch.manual_seed(0)
    tokenizer = train_word_tokenizer(["one two three four five six seven"])
    network = build_model(SMALL, tokenizer).eval()
    for parameter in network.parameters():  # large enough that every input matters
        parameter.data.mul_(3)
    return network


PIXELS = normalised(torch.rand(3, 3, 16, 16, generator=torch.Generator().manual_seed(1)))
CAPTIONS = torch.tensor([[5, 6, 7, 2], [8, 2, -1, -1], [9, 10, 11, 5]])


def test_losses_are_those_of_transformers_own_forward(model) -> None:
    with torch.no_grad():
        losses = caption_losses(model, PIXELS, CAPTIONS)
        for row in range(3):  # one by one, without padding, the image tokens in the text
            words = CAPTIONS[row][CAPTIONS[row] >= 0]
            prompt = prompt_tokens(model, 1)[0]
            assert prompt.tolist() == [1] + [4] * 16
            logits = model(input_ids=torch.cat([prompt, words])[None], pixel_values=PIXELS[row : row + 1]).logits[0]
            expected = functional.cross_entropy(logits[len(prompt) - 1 : -1], words, reduction="none")
            torch.testing.assert_close(losses[row, : len(words)], expected, rtol=1e-5, atol=1e-5)
            assert (losses[row, len(words) :] == 0).all()


def test_patches_left_out_change_nothing_and_kept_ones_keep_their_places(model) -> None:
    everything = torch.arange(16).repeat(3, 1)
    some = torch.tensor([[0, 3, 9], [1, 2, 15], [4, 5, 6]])
    with torch.no_grad():
        full = caption_losses(model, PIXELS, CAPTIONS)
        torch.testing.assert_close(caption_losses(model, PIXELS, CAPTIONS, everything), full)
        partly = caption_losses(model, PIXELS, CAPTIONS, some)
        assert not torch.allclose(partly, full)
        outside = PIXELS.clone()
        outside[:, :, 12:, 0:12] += 1.0  # patches 12 to 14: in nobody's part
        torch.testing.assert_close(caption_losses(model, outside, CAPTIONS, some), partly)
        inside = PIXELS.clone()
        inside[0, :, 0:4, 12:16] += 1.0  # patch 3, that the first picture keeps: all of its words see it
        moved = caption_losses(model, inside, CAPTIONS, some)
        assert (moved[0] != partly[0]).all()
        torch.testing.assert_close(moved[1:], partly[1:])
        elsewhere = caption_losses(model, PIXELS[:1], CAPTIONS[:1], some[:1] + 1)
        assert not torch.allclose(elsewhere, partly[:1])


def test_every_example_comes_once_an_epoch_in_a_new_order() -> None:
    rows = np.concatenate([batch_rows([0, 1], step, 4, 10) for step in range(5)])  # two epochs of ten
    assert sorted(rows[:10]) == sorted(rows[10:]) == list(range(10))
    assert rows[:10].tolist() != rows[10:].tolist()
    assert not np.array_equal(rows[:4], batch_rows([0, 2], 0, 4, 10))
    # Seven of three examples: two whole epochs, and one of a third.
    assert sorted(np.bincount(batch_rows([0], 0, 7, 3))) == [2, 2, 3]


def test_learning_rate_by_hand() -> None:
    assert [learning_rate_factor(step, 100, WARM_UP, "cosine") for step in (0, 4, 5)] == pytest.approx([0.2, 1.0, 1.0])
    # After five steps of rising, 95 of falling: half way down at step 52.5, a quarter of the way at 28.75.
    assert learning_rate_factor(53, 101, WARM_UP, "cosine") == pytest.approx(0.5)
    assert learning_rate_factor(99, 100, WARM_UP, "cosine") == pytest.approx(0.5 * (1 + math.cos(math.pi * 94 / 95)))
    assert learning_rate_factor(0, 1, WARM_UP, "cosine") == 1.0


def test_steps() -> None:
    settings = CaptionerConfig(epochs=2.5, training_batch=4, least_steps=3)
    assert [total_steps(settings, count) for count in (0, 1, 10, 16)] == [0, 3, 7, 10]
    assert total_steps(CaptionerConfig(epochs=0, least_steps=3), 10) == 0


def test_captions_end_unless_they_are_cut() -> None:
    tokenizer = train_word_tokenizer(["red shoe. soft"])
    red, shoe, stop, soft = tokenizer.convert_tokens_to_ids(["\u2581red", "\u2581shoe", ".", "\u2581soft"])
    captions = ["Red shoe", "red", "Green shoe. Soft", "red shoe. ", "red.soft shoe."]
    encoded, first = encode_captions(captions, tokenizer, 5)
    assert encoded == [
        [red, shoe, 2],
        [red, 2],
        [3, shoe, stop, soft, 2],
        [red, shoe, stop, 2],
        [red, stop, 3, shoe, stop],
    ]
    assert first == [3, 2, 3, 4, 5]  # with the end token where nothing follows; a full stop inside a word ends nothing
    assert encode_captions(captions[:3], tokenizer, 2) == ([[red, shoe], [red, 2], [3, shoe]], [2, 2, 2])


@pytest.mark.parametrize("weight", [0.0, 0.25, 1.0])
def test_descriptions_weigh_less_than_first_sentences(model, weight: float) -> None:
    pictures = torch.randint(0, 256, (2, 3, 16, 16), dtype=torch.uint8, generator=torch.Generator().manual_seed(2))
    examples = Examples(pictures, [[5, 6, 7, 2], [8, 2]], [2, 2])
    plain = replace(SMALL, description_weight=weight, augmentation=0.0, patch_share=1.0)
    loss = small_training._loss(model, examples, np.array([0, 1]), plain, [0], 0, "float32", 1.0)
    with torch.no_grad():
        each = caption_losses(model, normalised(pictures.float() / 255), torch.tensor([[5, 6, 7, 2], [8, 2, -1, -1]]))
    weighted = each[0, :2].sum() + weight * each[0, 2:].sum() + each[1, :2].sum()
    assert float(loss.detach()) == pytest.approx(float(weighted / (4 + 2 * weight)), rel=1e-5)


def test_shifts_keep_colours_and_stay_within_their_share() -> None:
    plain = torch.tensor([0.2, 0.5, 0.9])[None, :, None, None].expand(6, 3, 32, 32)
    torch.testing.assert_close(shifted(plain, 0.3, np.random.default_rng(0)), plain)
    # A white left half: mirrored or not, its edge is at the middle +- (stretch of half a side + shift of half a side).
    halves = torch.zeros(200, 3, 32, 32)
    halves[:, :, :, :16] = 1
    out = shifted(halves, 0.1, np.random.default_rng(0))
    widths = out[:, 0].mean(dim=(1, 2)) * 32
    mirrored = out[:, 0, 0, 0] < 0.5
    assert 60 < int(mirrored.sum()) < 140
    assert (widths - 16).abs().max() <= 16 * 0.1 / 0.9 + 0.5
    assert (widths - 16).abs().max() > 1


def test_the_last_fifth_of_the_steps_reads_whole_pictures(
    model, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    read: list[int] = []
    original = small_training.caption_losses

    def spy(network, pixels, captions, kept):
        read.append(16 if kept is None else kept.shape[1])
        return original(network, pixels, captions, kept)

    monkeypatch.setattr(small_training, "caption_losses", spy)
    examples = Examples(torch.zeros(4, 3, 16, 16, dtype=torch.uint8), [[5, 2]] * 4, [2] * 4)
    settings = replace(SMALL, epochs=10, training_batch=4, least_steps=0, patch_share=0.25)
    train(model, examples, settings, [0], tmp_path / "unfinished", lambda step, loss: None)
    assert read == [4] * 8 + [16] * 2  # of 16 patches; ten steps
