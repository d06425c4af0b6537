"""Advantages: numbers worked out by hand, and the groups that teach nothing."""

import math

import pytest
import torch

from recbench.rl.advantages import group_advantages, pair_scale

ONE_OF_16 = torch.tensor([[1.0] + 15 * [0.0]], dtype=torch.float64)
ALL_16 = torch.ones(1, 16, dtype=torch.bool)


@pytest.mark.parametrize(
    ("normalisation", "epsilon", "positive", "negative"),
    [
        # mean 1/16; population sd sqrt(1/16 * 15/16) = sqrt(15)/16: (15/16) / (sqrt(15)/16) = sqrt(15) = 3.8730
        ("population", 0.0, 3.8730, -0.2582),
        # sample variance 16/15 * 15/256 = 1/16, sd 1/4: (15/16) / (1/4) = 3.75, (-1/16) / (1/4) = -0.25
        ("sample", 0.0, 3.7500, -0.2500),
        # (15/16) / (0.25 + 0.0001) = 3.7485
        ("sample", 1e-4, 3.7485, -0.2499),
        ("none", 0.0, 0.9375, -0.0625),
    ],
)
def test_golden_values_of_a_group_of_16(normalisation, epsilon, positive, negative):
    advantages = group_advantages(ONE_OF_16, ALL_16, normalisation, epsilon)[0]
    assert advantages[0].item() == pytest.approx(positive, abs=5e-5)
    assert advantages[1:].tolist() == pytest.approx(15 * [negative], abs=5e-5)


@pytest.mark.parametrize("normalisation", ["population", "sample", "none"])
@pytest.mark.parametrize("reward", [0.0, 1.0, 0.1])  # 0.1 has a rounded mean
def test_groups_of_one_class_get_nothing(normalisation, reward):
    rewards = torch.full((2, 7), reward)
    valid = torch.ones(2, 7, dtype=torch.bool)
    assert group_advantages(rewards, valid, normalisation).tolist() == [7 * [0.0], 7 * [0.0]]


def test_padding_neither_counts_nor_gets_an_advantage():
    rewards = torch.tensor([[1.0, 0.0, 0.0, 9.0], [1.0, 9.0, 9.0, 9.0], [9.0, 9.0, 9.0, 9.0]], dtype=torch.float64)
    valid = torch.tensor([[True, True, True, False], [True, False, False, False], 4 * [False]])
    advantages = group_advantages(rewards, valid, "population")
    # G = 3: sqrt(2) and -1/sqrt(2); one candidate or none: nothing to compare
    assert advantages[0].tolist() == pytest.approx([math.sqrt(2), -math.sqrt(0.5), -math.sqrt(0.5), 0.0])
    assert advantages[1:].abs().sum() == 0


@pytest.mark.parametrize("normalisation", ["population", "sample", "none"])
@pytest.mark.parametrize("epsilon", [0.0, 1e-4])
def test_the_scale_of_a_pair_is_the_positives_advantage_over_g(normalisation, epsilon):
    for size in (2, 3, 16, 100):
        rewards = torch.zeros(1, size, dtype=torch.float64)
        rewards[0, 0] = 1.0
        advantage = group_advantages(rewards, torch.ones(1, size, dtype=torch.bool), normalisation, epsilon)[0, 0]
        scale = pair_scale(torch.tensor([size]), normalisation, epsilon)
        assert scale.item() == pytest.approx(advantage.item() / size, rel=1e-12)


def test_scale_formulas():
    sizes = torch.tensor([16, 1, 0])
    assert pair_scale(sizes, "population").tolist() == pytest.approx([math.sqrt(15) / 16, 0, 0])
    assert pair_scale(sizes, "sample").tolist() == pytest.approx([15 / 64, 0, 0])  # 15 / 16^1.5
    assert pair_scale(sizes, "none").tolist() == pytest.approx([15 / 256, 0, 0])
