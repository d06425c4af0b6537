"""BPR-MF: its loss by hand and by autograd, its negatives by a loop and by counts, and that users' rows are users'."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from recbench.data.interactions import TEST, held_out_cases
from recbench.errors import UserError
from recbench.item_tokens.make import ItemTokens
from recbench.item_tokens.trie import build_trie
from recbench.policy.baselines.bpr_mf import BprMf, draw_negatives, learned_items
from recbench.policy.checkpoint import load_policy, save_policy
from recbench.policy.ranking import rank_cases
from recbench.schema import PolicyConfig


def make(users: int = 4, items: int = 6, seed: int = 0) -> BprMf:
    """A policy whose factors and biases are all random."""
    torch.manual_seed(seed)
    policy = BprMf(build_trie(np.arange(items)[:, None]), PolicyConfig(kind="bpr_mf", width=4, history=1), users).eval()
    for parameter in policy.parameters():
        torch.nn.init.normal_(parameter)
    return policy


def test_the_loss_and_its_gradient_are_the_formula() -> None:
    policy = make().double()
    users, positives, negatives = torch.tensor([[3, 0, 3], [5, 2, 1], [0, 0, 4]])  # user 3 twice, item 0 twice
    loss = policy.bpr_loss(users, positives, negatives, l2=0.3)
    loss.backward()
    p, q, b = (
        tensor.detach().clone().requires_grad_()
        for tensor in (policy.user_factors.weight, policy.item_factors.weight, policy.item_bias)
    )
    total = torch.zeros((), dtype=torch.float64)
    for u, i, j in zip(users, positives, negatives, strict=True):
        margin = p[u] @ q[i] + b[i] - p[u] @ q[j] - b[j]
        total = total - torch.log(1 / (1 + torch.exp(-margin))) + 0.3 * (p[u] @ p[u] + q[i] @ q[i] + q[j] @ q[j])
    (total / 3).backward()
    assert float(loss.detach()) == pytest.approx(float(total.detach()) / 3, abs=1e-12)
    pairs = [(policy.user_factors.weight, p), (policy.item_factors.weight, q), (policy.item_bias, b)]
    for mine, theirs in pairs:
        assert torch.allclose(mine.grad, theirs.grad, atol=1e-12) and float(theirs.grad.abs().max()) > 0.01


def test_scores_by_hand() -> None:
    policy = make(users=2, items=3)
    with torch.no_grad():
        policy.user_factors.weight.copy_(torch.tensor([[1.0, 0, 0, 0], [0, 2, 0, 0]]))
        policy.item_factors.weight.copy_(torch.tensor([[1.0, 5, 0, 0], [2, 1, 0, 0], [3, 0, 0, 0]]))
        policy.item_bias.copy_(torch.tensor([0.5, 0, -1]))
    assert policy.score_catalogue(torch.tensor([[1], [0], [1]])).tolist() == [[10.5, 2, -1], [1.5, 2, 2], [10.5, 2, -1]]
    assert policy.beam_search(torch.tensor([[1]]), 2).items.tolist() == [[0, 1]]


@settings(max_examples=100, deadline=None)
@given(st.data())
def test_negatives_are_never_learned_items_and_may_be_any_other(data) -> None:
    count, user_count = data.draw(st.integers(2, 6)), 3
    pair = st.tuples(st.integers(0, user_count - 1), st.integers(0, count - 1))
    pairs = data.draw(st.lists(pair, max_size=20))
    users, items = (np.array([pair[at] for pair in pairs], dtype=np.int64) for at in (0, 1))
    learned = learned_items(users, items, user_count, count)
    for user in range(user_count):
        others = set(range(count)) - {item for owner, item in pairs if owner == user}
        assert learned.others[user] == len(others)
        if others:
            drawn = draw_negatives(learned, np.full(200, user), np.random.default_rng(0))
            assert set(drawn.tolist()) == others  # of 200 draws from at most six, one is missing once in 1e15


def test_negatives_are_uniform() -> None:
    learned = learned_items(np.array([0, 0, 1]), np.array([1, 4, 0]), 2, 7)
    drawn = draw_negatives(learned, np.repeat([0, 1], 30000), np.random.default_rng(1))
    for rows, others in ((slice(0, 30000), [0, 2, 3, 5, 6]), (slice(30000, None), [1, 2, 3, 4, 5, 6])):
        share = 1 / len(others)
        found = np.bincount(drawn[rows], minlength=7)[others] / 30000
        assert np.abs(found - share).max() < 5 * np.sqrt(share * (1 - share) / 30000)


def test_cases_are_ranked_by_the_row_of_their_user(make_interactions) -> None:
    interactions = make_interactions([[0, 1, 2, 3], [4, 2, 5], [1], [3, 3, 0, 1]])
    policy = make()
    cases = held_out_cases(interactions, TEST)
    assert cases.user.tolist() == [0, 1, 3]
    exact = rank_cases(policy, interactions, cases, batch_size=2)
    beam = rank_cases(policy, interactions, cases, batch_size=2, beam_width=6)
    scores = (policy.user_factors.weight @ policy.item_factors.weight.T + policy.item_bias).detach().numpy()
    for row, (user, position) in enumerate(zip(cases.user, cases.position, strict=True)):
        own = scores[user, interactions.items[position]]
        assert exact.above[row] == beam.above[row] == (scores[user] > own).sum()
    assert len(set(exact.above.tolist())) > 1


def test_another_number_of_users_is_refused(make_interactions) -> None:
    interactions = make_interactions([[0, 1, 2, 3], [4, 2, 5]])
    with pytest.raises(UserError, match="factors of 4 users, the data 2: train bpr_mf on this data"):
        rank_cases(make(users=4), interactions, held_out_cases(interactions, TEST))


def test_a_checkpoint_keeps_the_users(tmp_path) -> None:
    policy = make()
    save_policy(tmp_path, policy, ItemTokens(np.arange(6)[:, None], "atomic"))
    again, _ = load_policy(tmp_path)
    assert isinstance(again, BprMf) and again.users == 4
    rows = torch.arange(4)[:, None]
    assert torch.equal(again.score_catalogue(rows), policy.score_catalogue(rows))


def test_untrained_users_get_the_item_biases() -> None:
    torch.manual_seed(0)
    policy = BprMf(build_trie(np.arange(6)[:, None]), PolicyConfig(kind="bpr_mf", width=4), 3)
    optimizer = torch.optim.AdamW(policy.parameters(), lr=0.1, weight_decay=0.1)
    for _ in range(5):
        optimizer.zero_grad()
        policy.bpr_loss(torch.tensor([0, 1]), torch.tensor([2, 2]), torch.tensor([1, 3]), 0.01).backward()
        optimizer.step()
    assert torch.equal(policy.score_catalogue(torch.tensor([[2]]))[0], policy.item_bias)
    assert float(policy.item_bias.detach().abs().max()) > 0
    assert float(policy.user_factors.weight[:2].detach().abs().min()) > 0
