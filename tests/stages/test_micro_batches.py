"""recbench train algo.micro_batch=N: the training of the whole batch, on the real command line."""

import pytest

SMOOTH = ["policy.embedding_dropout=0", "policy.output_dropout=0"]  # masks are drawn a pass: with them parts differ
SHORT = ["algo.epochs=2", "algo.evaluate_every=1"]


def test_sft_and_rl_in_parts_are_those_of_whole_batches(workspace) -> None:
    whole = workspace.sft(*SMOOTH, *SHORT)
    parts = workspace.sft(*SMOOTH, *SHORT, "algo.micro_batch=5")
    assert parts.path != whole.path
    for one, other in zip(whole.metrics["curve"], parts.metrics["curve"], strict=True):
        assert other == pytest.approx(one, abs=1e-3)
    rule = ["--algo=tawin", "--top-k=3", "algo.replay_weight=0.5", "algo.replay_batch=8"]
    once = workspace.rl(whole, *rule)
    often = workspace.rl(whole, *rule, "algo.micro_batch=3")
    for one, other in zip(once.metrics["curve"], often.metrics["curve"], strict=True):
        assert other == pytest.approx(one, abs=1e-3)
    assert once.metrics["curve"][0] != once.metrics["curve"][-1]


@pytest.mark.parametrize(
    "given",
    [
        ["--algo=grpo", "--neg=random", "algo.contexts=sequence"],
        ["--algo=grpo", "--neg=random", "algo.rank_dropout=true"],
        ["--algo=bpr", "policy=bpr_mf"],
    ],
)
def test_where_parts_have_no_effect_they_are_refused(given, fresh_workspace, refuse) -> None:
    refused = fresh_workspace.stage("train", *given, "algo.micro_batch=4")
    refuse(refused, "algo.micro_batch=4 has no effect here: it is for a first SFT")
    assert "algo.contexts=single with algo.rank_dropout=False" in refused.err
