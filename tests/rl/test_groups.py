"""Groups: what is asked of the policy, near-exact ranks against exact ones, contexts that are not covered."""

import pytest
import torch

from recbench.rl.groups import build_groups

HISTORIES = torch.tensor([[0, 3], [1, -1], [2, 5], [3, 1], [4, 4], [5, 2]])
POSITIVES = torch.tensor([7, 0, 39, 12, 20, 3])


def build(policy, algo, negatives, seed=0, positives=POSITIVES):
    return build_groups(policy, HISTORIES, positives, algo, negatives, torch.Generator().manual_seed(seed))


@pytest.mark.parametrize(
    ("changes", "asked"),
    [
        ({"kind": "random"}, []),
        ({"kind": "beam"}, ["beam 16"]),
        ({"kind": "beam", "beam_width": 20, "exclude_seen": True}, ["beam 22"]),
        ({"kind": "random", "positives": "on_policy"}, ["beam 16"]),
        ({"name": "tawin", "kind": "window", "top_k": 10}, ["catalogue"]),
        ({"name": "tawin", "kind": "beam", "top_k": 5}, ["catalogue", "beam 16"]),
        # the window ends at rank 15: twice that, and one for the positive; 1.5 times that, rounded to 22
        ({"name": "tawin", "kind": "window", "top_k": 10, "ranks": "beam"}, ["beam 31"]),
        ({"name": "tawin", "kind": "window", "top_k": 10, "ranks": "beam", "threshold_beam": 1.5}, ["beam 23"]),
        # t_b lies between ranks 15 and 16
        ({"name": "tawin", "kind": "window", "top_k": 10, "ranks": "beam", "threshold_beam": 1.0}, ["beam 17"]),
        ({"name": "tawin", "kind": "beam", "top_k": 10, "ranks": "beam", "beam_width": 40}, ["beam 40"]),
    ],
)
def test_only_what_is_needed_is_asked_of_the_policy(tabular, settings, changes, asked):
    policy = tabular()
    build(policy, *settings(**changes))
    assert policy.asked == asked


@pytest.mark.parametrize("kind", ["random", "beam", "mixed", "window"])
@pytest.mark.parametrize("name", ["grpo", "tawin"])
@pytest.mark.parametrize("positives", ["injected", "on_policy", "window"])
def test_groups_are_well_formed(tabular, settings, kind, name, positives):
    algo, negatives = settings(kind=kind, name=name, positives=positives, group_size=8, window=[0.1, 0.4])
    groups = build(tabular(), algo, negatives)
    assert groups.candidates.shape == groups.weights.shape == groups.ranks.shape == groups.inclusion.shape == (6, 8)
    assert torch.equal(groups.valid, groups.candidates >= 0)
    assert torch.equal(groups.candidates[:, 0] == POSITIVES, groups.positive_present)
    assert (groups.candidates[~groups.positive_present, 0] == -1).all()
    assert (groups.candidates[:, 1:] != POSITIVES[:, None]).all()
    assert (groups.candidates[:, 1:].sort(dim=1).values.diff(dim=1) > 0).all()
    assert ((groups.inclusion > 0) & (groups.inclusion <= 1)).all()
    sums = groups.weights.sum(dim=1)
    assert torch.all((sums == 0) | ((sums - 1).abs() < 1e-12))
    assert (groups.weights[:, 0] == 0).all()
    assert (groups.context_weights[~groups.positive_present] == 0).all()
    again = build(tabular(), algo, negatives)
    assert torch.equal(groups.candidates, again.candidates)


def test_exact_ranks_and_entropy(tabular, settings):
    policy = tabular()
    groups = build(policy, *settings(name="tawin", kind="window", top_k=10))
    scores = policy.log_probs(HISTORIES).detach()
    for row in range(6):
        negatives = sorted((i for i in range(40) if i != POSITIVES[row]), key=lambda i: -scores[row, i])
        assert groups.ranks[row, 1:].tolist() == [
            negatives.index(i) + 1 for i in groups.candidates[row, 1:] if i >= 0
        ] + (groups.candidates[row, 1:] < 0).sum() * [0]
        assert sorted(groups.ranks[row, 1:].tolist())[4:] == list(range(5, 16))  # 11 ranks for 15 places
        assert groups.positive_above[row] == (scores[row] > scores[row, POSITIVES[row]]).sum()
    assert groups.entropy.tolist() == pytest.approx((-(scores.exp() * scores).sum(dim=1)).tolist())


@pytest.mark.parametrize("shape", ["hard", "soft"])
@pytest.mark.parametrize("kind", ["window", "beam", "random"])
def test_a_perfect_beam_gives_the_weights_of_exact_ranks(tabular, settings, kind, shape):
    """Where the beam reaches: with threshold_beam = 2 it covers (9)'s r_hi as well, and soft ranges."""
    common = {"name": "tawin", "kind": kind, "window": [2 / 39, 10 / 39], "window_shape": shape, "threshold_beam": 2.2}
    exact = build(tabular(), *settings(ranks="exact", **common))
    near = build(tabular(), *settings(ranks="beam", **common))
    assert near.covered.all()
    assert torch.equal(exact.candidates, near.candidates)
    found = exact.positive_above < 20
    if shape == "hard":
        assert torch.equal(exact.weights, near.weights)
        assert torch.equal(exact.context_weights, near.context_weights)
    else:  # candidates and positives beyond the beam, where soft weights have their tail, get nothing
        inside = (exact.ranks <= 20).all(dim=1)
        assert torch.allclose(exact.weights[inside], near.weights[inside])
        assert torch.allclose(exact.context_weights[found], near.context_weights[found])
        assert (near.context_weights[exact.positive_above >= 23] == 0).all()


def test_a_beam_that_ends_before_the_window_is_counted_and_skipped(tabular, settings):
    policy = tabular()
    policy.missed = list(range(8, 40))  # beams find eight items at most
    for shape in ("hard", "soft"):
        common = {"name": "tawin", "kind": "window", "ranks": "beam", "window_shape": shape}
        algo, negatives = settings(window=[9 / 39, 14 / 39], **common)
        groups = build(policy, algo, negatives)
        assert not groups.covered.any()
        assert not groups.effective.any()
        algo, negatives = settings(window=[2 / 39, 14 / 39], **common)
        groups = build(policy, algo, negatives)
        assert not groups.covered.any()
        assert ((groups.weights.sum(dim=1) - 1).abs() < 1e-12).all()  # what the beam covers of the window is used


def test_seen_items_are_left_out_but_not_a_positive_that_was_seen(tabular, settings):
    positives = torch.tensor([3, 0, 39, 12, 4, 3])  # contexts 0 and 4 have seen theirs
    kinds = (
        {"kind": "random"},
        {"kind": "beam"},
        {"kind": "mixed"},
        {"kind": "dns"},
        {"kind": "window", "name": "tawin"},
    )
    for changes in kinds:
        algo, negatives = settings(exclude_seen=True, positives="injected", window=[0.0, 1.0], group_size=39, **changes)
        algo.group_size = 30
        negatives.beam_width = 35
        groups = build(tabular(), algo, negatives, positives=positives)
        assert torch.equal(groups.candidates[:, 0], positives)
        for row in range(6):
            assert not set(groups.candidates[row, 1:].tolist()) & (set(HISTORIES[row].tolist()) - {-1})


def test_the_policy_is_scored_without_dropout_and_left_as_it_was(tabular, settings):
    policy = tabular(dropout=0.5)
    policy.train()
    first, second = (build(policy, *settings(kind="beam")) for _ in range(2))
    assert torch.equal(first.candidates, second.candidates)
    assert policy.training
    policy.eval()
    build(policy, *settings(kind="beam"))
    assert not policy.training


def test_a_pool_of_the_catalogue_gives_the_best_negatives_and_one_of_the_group_gives_random_ones(tabular, settings):
    policy = tabular()
    hardest = build(policy, *settings(kind="dns", pool=39))
    scores = policy.log_probs(HISTORIES).detach()
    for row in range(6):
        negatives = sorted((i for i in range(40) if i != POSITIVES[row]), key=lambda i: -scores[row, i])
        assert hardest.candidates[row].tolist() == [POSITIVES[row], *negatives[:15]]
    kept, drawn = build(policy, *settings(kind="dns", pool=15)), build(policy, *settings(kind="random"))
    assert torch.equal(kept.candidates.sort(dim=1).values, drawn.candidates.sort(dim=1).values)
    assert policy.asked == []  # neither a beam nor the whole catalogue
