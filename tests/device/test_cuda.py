"""What is computed on a CUDA device is what the CPU computes; skipped where there is none."""

import copy

import numpy as np
import pytest
import torch
from torch import Tensor

from recbench.item_tokens.trie import build_trie
from recbench.policy.llama_small import LlamaPolicy
from recbench.rl.groups import build_groups, new_tracker
from recbench.rl.step import rl_step
from recbench.schema import AlgoConfig, NegativesConfig, PolicyConfig

pytestmark = pytest.mark.skipif(not torch.cuda.is_available(), reason="there is no CUDA device")

CUDA = "device=cuda"
ATOMIC = np.arange(60)[:, None]
LEVELS = np.unique(np.random.default_rng(1).integers(0, 5, size=(60, 3)), axis=0)
CLICKS = ["ctr.embedding_size=4", "ctr.hidden=[8]", "ctr.batch_size=128", "ctr.epochs=2", "latency_repeats=2"]
SMALL_LLAVA = {
    "image_size": 16,
    "patch_size": 8,
    "vision_layers": 1,
    "language_layers": 1,
    "width": 32,
    "heads": 2,
    "epochs": 2,
    "training_batch": 10,
    "least_steps": 0,
    "max_tokens": 8,
    "folds": 1,
}


def _policy(codes: np.ndarray) -> LlamaPolicy:
    torch.manual_seed(0)
    settings = PolicyConfig(layers=2, width=16, heads=2, feed_forward=32, history=4)
    policy = LlamaPolicy(build_trie(codes), settings).eval()
    for parameter in policy.parameters():  # larger weights than at initialisation, so that scores differ clearly
        parameter.data.mul_(4.0)
    return policy


def _batch(policy: LlamaPolicy) -> tuple[Tensor, Tensor]:
    random = np.random.default_rng(0)
    histories = torch.from_numpy(random.integers(0, policy.catalogue_size, size=(6, 4)))
    histories[1, 2:] = -1
    return histories, torch.from_numpy(random.integers(0, policy.catalogue_size, size=6))


@pytest.mark.parametrize("codes", [ATOMIC, LEVELS], ids=["atomic", "levels"])
def test_scores_and_beams_are_the_cpus(codes) -> None:
    policy = _policy(codes)
    other = copy.deepcopy(policy).cuda()
    histories, _ = _batch(policy)
    candidates = torch.randint(-1, policy.catalogue_size, (6, 9), generator=torch.Generator().manual_seed(2))
    expected, found = policy.score_catalogue(histories), other.score_catalogue(histories.cuda())
    assert found.is_cuda
    torch.testing.assert_close(found.cpu(), expected, atol=1e-4, rtol=1e-4)
    expected, found = (
        policy.score_groups(histories, candidates),
        other.score_groups(histories.cuda(), candidates.cuda()),
    )
    torch.testing.assert_close(found.cpu(), expected, atol=1e-4, rtol=1e-4)
    expected_beams, beams = policy.beam_search(histories, 5), other.beam_search(histories.cuda(), 5)
    assert torch.equal(beams.items.cpu(), expected_beams.items)


@pytest.mark.parametrize("codes", [ATOMIC, LEVELS], ids=["atomic", "levels"])
@pytest.mark.parametrize(
    ("rule", "kind", "ranks"),
    [
        ("grpo", "random", "exact"),
        ("grpo", "beam", "exact"),
        ("grpo", "mixed", "exact"),
        ("tawin", "window", "exact"),
        ("tawin", "window", "beam"),
        ("tawin", "window", "estimated"),
        ("dns", "dns", "exact"),
    ],
)
def test_a_step_moves_the_weights_as_on_the_cpu(rule, kind, ranks, codes) -> None:
    algo = AlgoConfig(name=rule, ranks=ranks, group_size=8, dropout=False, top_k=5, kl=0.1, sft_weight=0.5)
    negatives = NegativesConfig(kind=kind)
    moved = []
    for device in ("cpu", "cuda"):
        policy = _policy(codes).to(device)
        reference = copy.deepcopy(policy)
        histories, positives = (one.to(device) for one in _batch(policy))
        generator = torch.Generator().manual_seed(3)
        tracker = new_tracker(policy, algo, negatives, device)
        groups = build_groups(policy, histories, positives, algo, negatives, generator, tracker)
        optimizer = torch.optim.SGD(policy.parameters(), lr=1.0)
        log = rl_step(policy, reference, optimizer, groups, histories, algo)
        moved.append((groups.candidates.cpu(), log.loss, {k: v.cpu() for k, v in policy.state_dict().items()}))
    (candidates, loss, weights), (their_candidates, their_loss, their_weights) = moved
    assert torch.equal(candidates, their_candidates)
    assert their_loss == pytest.approx(loss, abs=1e-4)
    for name, value in weights.items():
        torch.testing.assert_close(their_weights[name], value, atol=1e-4, rtol=1e-3)


def test_the_recommender_chain_on_cuda(workspace) -> None:
    start = workspace.sft(CUDA)
    assert start.manifest["device"] == "cuda"
    on_cpu = workspace.evaluated(start, "device=cpu").metrics["kept"]
    on_cuda = workspace.evaluated(start, CUDA).metrics["kept"]
    for name in ("auc", "hr@10", "ndcg@10"):
        assert on_cuda[name]["value"] == pytest.approx(on_cpu[name]["value"], abs=1e-3)
    whole = ["algo.contexts=sequence", "algo.rank_dropout=true", "algo.continues=training", "algo.interactions=all"]
    aimed = ["algo=tawin", "algo.top_k=5"]
    for arm in (["algo=grpo", "negatives=random"], aimed, [*aimed, *whole], ["algo=more_sft"], ["algo=sdpo"]):
        trained = workspace.rl(start, CUDA, *arm)
        assert trained.metrics["validation"]["best"]["auc"] > 0.5


@pytest.mark.parametrize("policy", ["sasrec", "bpr_mf", "popularity", "item_knn"])
def test_a_baseline_on_cuda(policy, workspace) -> None:
    short = ["algo.epochs=2"] if policy in ("sasrec", "bpr_mf") else []
    trained = workspace.made("train", "data=bazaar", "data.options.size=tiny", f"policy={policy}", *short, CUDA)
    assert workspace.evaluated(trained, CUDA).metrics["cases"] == 60


def test_bfloat16_learns_as_float32_does(workspace) -> None:
    trained = workspace.sft(CUDA, "precision=bfloat16", "seed=1")
    arm = workspace.rl(trained, CUDA, "precision=bfloat16", "algo=tawin", "algo.top_k=5", "seed=1")
    for run in (trained, arm):
        assert run.metrics["validation"]["best"]["auc"] > 0.6
        assert all(np.isfinite(list(entry.values())).all() for entry in run.metrics["curve"])


def test_the_caption_chain_on_cuda(workspace) -> None:
    captioner = ["captioner=llava_small", *(f"captioner.{name}={value}" for name, value in SMALL_LLAVA.items())]
    market = ["data=bazaar", "data.options.size=tiny"]
    captions = workspace.made("caption", *market, *captioner, CUDA)
    assert captions.manifest["device"] == "cuda"
    clicks = workspace.made("ctr", *market, *captioner, *CLICKS, CUDA)
    assert 0 < clicks.metrics["arms"]["without"]["metrics"]["auc"]["mean"] < 1
