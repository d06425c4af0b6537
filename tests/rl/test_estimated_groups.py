"""Groups with estimated ranks: what is scored and counted, every source of negatives, and runs that are resumed."""

import pytest
import torch

from recbench.rl.groups import build_groups, near_exact_error, new_tracker
from recbench.rl.step import rl_step
from recbench.runs import find_runs
from recbench.stages import rules

pytestmark = pytest.mark.slow

HISTORIES = torch.tensor([[0, 3], [1, -1], [2, 5], [3, 1], [4, 4], [5, 2]])
POSITIVES = torch.tensor([7, 0, 39, 12, 20, 3])
ARM = {"name": "tawin", "ranks": "estimated"}


def build(policy, algo, negatives, tracker=None, seed=0):
    return build_groups(policy, HISTORIES, POSITIVES, algo, negatives, torch.Generator().manual_seed(seed), tracker)


def built(policy, algo, negatives, steps=3):
    """The groups of the last of some steps."""
    tracker = new_tracker(policy, algo, negatives)
    for step in range(steps):
        groups = build(policy, algo, negatives, tracker, step)
    return groups, tracker


@pytest.mark.parametrize(
    ("changes", "cheap_beam", "asked", "scored"),
    [
        # one token an item: the shortlist of 6, the sample of 4 and the positive
        ({"kind": "window", "top_k": 5, "rank_head": 6, "rank_sample": 4}, False, ["some 11"], 11),
        ({"kind": "random", "top_k": 5, "rank_head": 6, "rank_sample": 4}, False, ["some 26"], 26),
        ({"kind": "window", "top_k": 5}, False, ["some 10"], 10),  # 40 / 8 + 40 / 10 + 1
        # a beam would score everything: then ranks are exact, and the catalogue is counted once
        ({"kind": "beam", "top_k": 5}, False, ["catalogue", "beam 16"], 40),
        ({"kind": "beam", "top_k": 5, "rank_head": 20, "rank_sample": 4}, True, ["beam 20", "some 5"], 25),
        ({"kind": "window", "top_k": 5, "rank_head": 9, "rank_sample": 4}, True, ["beam 9", "some 5"], 14),
        ({"kind": "window", "top_k": 5, "ranks": "exact"}, True, ["catalogue"], 40),
        ({"kind": "window", "top_k": 5, "ranks": "beam"}, True, ["beam 17"], 17),
        ({"kind": "window", "top_k": 5, "ranks": "beam"}, False, ["beam 17"], 40),
        ({"name": "grpo", "kind": "dns", "pool": 30}, False, [], 30),
        ({"name": "grpo", "kind": "random", "ranks": "exact"}, False, [], 0),
    ],
)
def test_what_is_scored_is_counted(tabular, settings, changes, cheap_beam, asked, scored):
    policy = tabular()
    policy.beams_are_cheap = cheap_beam
    algo, negatives = settings(**{**ARM, **changes})
    groups, _ = built(policy, algo, negatives, steps=1)
    if not cheap_beam and asked and asked[0].startswith("some"):  # the first step scores all
        assert policy.asked == [f"some {groups.scored}"] and groups.scored in (41, 56)
        groups, _ = built(policy, algo, negatives, steps=2)
    assert policy.asked[-len(asked) :] == asked if asked else policy.asked == []
    assert groups.scored == scored
    log = rl_step(policy, None, torch.optim.SGD(policy.parameters(), lr=0.1), groups, HISTORIES, algo)
    assert log.scored == scored


@pytest.mark.parametrize("kind", ["random", "beam", "mixed", "window"])
@pytest.mark.parametrize("cheap_beam", [True, False])
@pytest.mark.parametrize("shape", ["hard", "soft"])
@pytest.mark.parametrize("aim", [{"window": [0.02, 0.41]}, {"top_k": 10}, {"weights": "ndcg@10"}])
def test_groups_are_well_formed(tabular, settings, kind, cheap_beam, shape, aim):
    policy = tabular()
    policy.beams_are_cheap = cheap_beam
    algo, negatives = settings(kind=kind, window_shape=shape, group_size=8, rank_head=12, rank_sample=8, **ARM, **aim)
    groups, tracker = built(policy, algo, negatives)
    assert torch.equal(groups.valid, groups.candidates >= 0)
    assert (groups.candidates[:, 1:] != POSITIVES[:, None]).all()
    for row in groups.candidates.tolist():
        real = [item for item in row if item >= 0]
        assert len(real) == len(set(real))
    assert ((groups.inclusion > 0) & (groups.inclusion <= 1)).all()
    assert (groups.weights >= 0).all() and groups.weights.isfinite().all()
    assert (groups.weights[:, 0] == 0).all()
    assert groups.effective.any()
    assert torch.equal(built(policy, algo, negatives)[0].weights, groups.weights)
    if kind in ("beam", "mixed") and not cheap_beam:
        exact = build(tabular(), *settings(kind=kind, window_shape=shape, group_size=8, name="tawin", **aim), None, 2)
        assert torch.equal(exact.weights, groups.weights)
        assert int(tracker.steps) == 0


@pytest.mark.parametrize("shape", ["hard", "soft"])
@pytest.mark.parametrize("aim", [{"window": [0.02, 0.41]}, {"top_k": 10}, {"weights": "ndcg@10"}])
def test_a_sample_of_the_catalogue_gives_the_groups_of_exact_ranks(tabular, settings, shape, aim):
    common = {"kind": "window", "name": "tawin", "window_shape": shape, "group_size": 40, **aim}
    exact = build(tabular(), *settings(**common))
    algo, negatives = settings(**common, ranks="estimated", rank_head=5, rank_sample=40)
    near, _ = built(tabular(), algo, negatives)
    for row in range(6):
        ours = dict(zip(near.candidates[row].tolist(), near.weights[row].tolist()))
        for item, weight in zip(exact.candidates[row].tolist(), exact.weights[row].tolist()):
            if item >= 0:
                assert ours[item] == pytest.approx(weight, rel=1e-9)
    torch.testing.assert_close(near.context_weights, exact.context_weights, atol=1e-12, rtol=0)
    assert torch.equal(near.positive_above, exact.positive_above)
    assert near.covered.all()


def test_weights_sum_to_one_on_average_over_samples(tabular, settings):
    """Hard windows, all scored members in the group: over many samples and contexts the row sums average 1."""
    policy = tabular()
    algo, negatives = settings(
        kind="window", window=[4 / 39, 24 / 39], group_size=40, rank_head=12, rank_sample=8, **ARM
    )
    tracker = new_tracker(policy, algo, negatives)
    sums = torch.stack([build(policy, algo, negatives, tracker, seed).weights.sum(dim=1) for seed in range(120)])
    assert sums[1:].std() > 0.1  # not one by one
    assert sums[1:].mean().item() == pytest.approx(1.0, abs=0.06)


def test_weights_estimate_the_sum_over_all_negatives(tabular, settings):
    """sum_j w_j s_j over groups of any sample, on average, is that of exact ranks: in the window of ranks 5 to 24."""
    policy = tabular()
    algo, negatives = settings(
        kind="window", window=[4 / 39, 24 / 39], group_size=40, rank_head=12, rank_sample=8, **ARM
    )
    scores = torch.nn.functional.pad(policy.log_probs(HISTORIES).detach(), (0, 1))
    exact = build(tabular(), *settings(kind="window", window=[4 / 39, 24 / 39], group_size=40, name="tawin"))
    expected = (exact.weights * scores.gather(1, exact.candidates % 41)).sum(dim=1)
    tracker = new_tracker(policy, algo, negatives)
    found = []
    for seed in range(120):
        groups = build(policy, algo, negatives, tracker, seed)
        found.append((groups.weights * scores.gather(1, groups.candidates % 41)).sum(dim=1))
    mean = torch.stack(found[1:]).mean(dim=0)
    assert (mean / expected).tolist() == pytest.approx(6 * [1.0], abs=0.3)  # each leans on what is typical
    assert (mean / expected).mean().item() == pytest.approx(1.0, abs=0.07)


def test_the_error_is_measured_without_moving_the_tracker(tabular, settings):
    policy = tabular()
    algo, negatives = settings(kind="window", top_k=5, rank_head=10, rank_sample=8, **ARM)
    _, tracker = built(policy, algo, negatives, steps=5)
    before = tracker.copy()
    error = near_exact_error(policy, HISTORIES, POSITIVES, algo, negatives, None, tracker)
    assert all(torch.equal(value, before.state[name]) for name, value in tracker.state.items())
    assert 0 < error.recall <= 1 and error.low_threshold < 2.0 and 0 <= error.context <= 1
    algo.rank_sample = 40
    tracker = new_tracker(policy, algo, negatives)
    error = near_exact_error(policy, HISTORIES, POSITIVES, algo, negatives, None, tracker)
    assert error == pytest.approx((1.0, 0.0, 0.0, 0.0, 0.0), abs=1e-12)


def test_a_tracker_is_needed_and_made_only_where_ranks_are(tabular, settings):
    with pytest.raises(ValueError, match="new_tracker"):
        build(tabular(), *settings(kind="window", top_k=5, **ARM))
    assert new_tracker(tabular(), *settings(kind="random", name="grpo", ranks="estimated")) is None
    assert new_tracker(tabular(), *settings(kind="window", name="tawin", top_k=5)) is None


TAWIN = ["--algo=tawin", "--top-k", "5", "algo.ranks=estimated", "algo.rank_head=8", "algo.rank_sample=8"]


@pytest.mark.parametrize("made", ["sft_run", "semantic_run"])
def test_a_resumed_run_ends_with_the_same_bytes(made, request, workspace, monkeypatch):
    start = request.getfixturevalue(made)
    arm = [*TAWIN, "algo.steps=6", "algo.evaluate_every=3", "algo.batch_size=16", "algo.group_size=8"]
    arguments = [f"input={start.path}", *arm]
    whole = workspace.made("train", *arguments)
    real, calls = rules.rl_step, [0]

    def breaking(*values, **keys):
        calls[0] += 1
        if calls[0] == 5:
            raise RuntimeError("out of memory")
        return real(*values, **keys)

    with monkeypatch.context() as patch:
        patch.setattr(rules, "rl_step", breaking)
        assert workspace.stage("train", *arguments).code == 1
    stopped = find_runs(workspace.root, "train")[-1]
    assert (stopped.path / "checkpoints" / "last" / "tracked.safetensors").is_file()
    resumed = workspace.made("train", "--resume", stopped.id)
    for name in ("metrics.json", "policy/model.safetensors", "checkpoints/last/tracked.safetensors"):
        assert (resumed.path / name).read_bytes() == (whole.path / name).read_bytes(), name
    error = whole.metrics["near_exact_ranks"]
    assert 0 < error["recall"] <= 1 and error["low_threshold"] < 3


@pytest.mark.parametrize(
    ("override", "words"),
    [
        ("algo.rank_head=0", "algo.rank_head"),
        ("algo.rank_sample=0", "algo.rank_sample"),
        ("algo.rank_memory=1", "algo.rank_memory"),
        ("algo.ranks=guessed", "exact, beam, estimated"),
    ],
)
def test_impossible_sizes_are_refused(override, words, workspace, sft_run, refuse):
    refuse(workspace.stage("train", f"input={sft_run.path}", "--algo=tawin", "--top-k", "5", override), words)
