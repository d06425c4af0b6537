"""A key that a user gives and that cannot have an effect in the run is refused by name, before anything is made."""

import pytest

from recbench.composition import compose
from recbench.schema import STAGE_SCHEMAS, options, refuse_ineffective
from recbench.schema.clauses import NOT_IN_CONFIG, clauses

pytestmark = pytest.mark.slow

TAWIN = ["--algo=tawin", "--top-k", "5"]
REFUSED = [  # the key, and what has it
    (["train", "--algo=sft", "algo.llpauc_alpha=0.3"], "algo.llpauc_alpha=0.3", "algo=llpauc, and algo is sft"),
    (["train", "--algo=sft", "sft.steps=60"], "sft.steps=60", "of a first SFT, which counts epochs"),
    (["train", "--algo=sft", "algo.steps=60"], "algo.steps=60", "an rl rule"),
    (["train", "--algo=sft", "--neg=random"], "negatives=random", "negatives are of the rl rules"),
    (["train", "--algo=sft", "negatives.beam_width=4"], "negatives.beam_width=4", "negatives are of the rl rules"),
    (["train", "--algo=more_sft", "--neg=random"], "negatives=random", "negatives are of the rl rules"),
    (["train", "algo=more_sft", "algo.epochs=3"], "algo.epochs=3", "a first SFT"),
    (["train", "algo.epochs=3"], "algo.epochs=3", "a first SFT"),
    (["train", "sft.group_size=4"], "sft.group_size=4", "an rl rule"),
    (["train", "--neg=random", "negatives.beam_width=5"], "negatives.beam_width=5", "negatives=beam or mixed"),
    (["train", "--neg=beam", "negatives.pool=50"], "negatives.pool=50", "negatives=dns, and negatives is beam"),
    (["train", "algo.clip=0.1"], "algo.clip=0.1", "algo.updates_per_rollout other than 1"),
    (
        ["train", "algo.surrogate=linear", "algo.surrogate_temperature=2"],
        "algo.surrogate_temperature=2",
        "algo.surrogate",
    ),
    (["train", "algo.replay_batch=8"], "algo.replay_batch=8", "algo.replay_weight other than 0.0"),
    (
        ["train", "algo.window_shape=soft"],
        "algo.window_shape=soft",
        "algo=tawin or algo=weighted_sft, and algo is grpo",
    ),
    (["train", *TAWIN, "algo.window_temperature=1"], "algo.window_temperature=1", "algo.window_shape=soft"),
    (["train", *TAWIN, "algo.rank_head=9"], "algo.rank_head=9", "algo.ranks=estimated, and algo.ranks is exact"),
    (["train", *TAWIN, "algo.anchor_count=2"], "algo.anchor_count=2", "algo.anchor other than none"),
    (["train", "policy=popularity", "policy.layers=9"], "policy.layers=9", "policy is popularity"),
    (["train", "policy=popularity", "algo.evaluate_every=9"], "algo.evaluate_every=9", "a rule other than count"),
    (["train", "policy=popularity", "sft.epochs=9"], "sft.epochs=9", "policy=popularity starts from no SFT"),
    (["train", "policy=bpr_mf", "--neg=random"], "negatives=random", "negatives are of the rl rules"),
    (["train", "policy=sasrec", "policy.neighbours=9"], "policy.neighbours=9", "policy=item_knn"),
    (["train", "--algo=sft", "policy.sampled_negatives=9"], "policy.sampled_negatives=9", "policy=sasrec"),
    (["train", "--algo=sft", "policy.residual=normed"], "policy.residual=normed", "policy=sasrec"),
    (["train", "policy.initial_scale=0.1"], "policy.initial_scale=0.1", "policy.initial_embeddings other than random"),
    (["train", "item_tokens=atomic", "item_tokens.levels=2"], "item_tokens.levels=2", "item_tokens=semantic_ids"),
    (["train", "item_tokens.levels=2"], "item_tokens.levels=2", "item_tokens.source other than a tokenize run"),
    (["train", "data.path=x.csv"], "data.path=x.csv", "data.source other than bazaar"),
    (["caption", "captioner=file", "captioner.epochs=2"], "captioner.epochs=2", "captioner=llava_small with"),
    (["caption", "captioner=endpoint", "captioner.width=8"], "captioner.width=8", "captioner is endpoint"),
    (["caption", "captioner.url=http://x/v1"], "captioner.url=http://x/v1", "captioner=endpoint"),
    (["caption", "captioner.path=x", "captioner.epochs=2"], "captioner.epochs=2", "captioner.path is x"),
    (["caption", "captioner.fallback_path=x"], "captioner.fallback_path=x", "captioner.fallback=text"),
    (["caption", "captioner.prompt=x"], "captioner.prompt=x", "captioner=llava or endpoint or text"),
    (["tokenize", "features=words", "features.levels=2"], "features.levels=2", "features=semantic_ids"),
    (["tokenize", "features=hashed", "features.least_items=2"], "features.least_items=2", "features is hashed"),
    (["ctr", "ctr=lr", "ctr.layers=2"], "ctr.layers=2", "ctr=dcnv2 or autoint, and ctr is lr"),
    (["ctr", "ctr.history=5"], "ctr.history=5", "ctr=din"),
    (["ctr", "latency_repeats=0", "latency_batch=5"], "latency_batch=5", "latency_repeats other than 0"),
    (["ctr", "arms=[without]", "captioner=file"], "captioner=file", "arms=[without] reads no captions"),
    (["ctr", "arms=[without]", "features.longest=5"], "features.longest=5", "arms=[without] reads no captions"),
    (["simulate", "temperature=1"], "temperature=1", "data.source other than bazaar"),
    (["simulate", "a=x:with", "b=y:with", "ctr.epochs=1"], "ctr.epochs=1", "name their runs"),
    (["eval", "ranks=exact", "exact_sample=5"], "exact_sample=5", "ranks other than exact"),
    (["data", "force=true"], "force=true", "a data run is made from no other run"),
    (["laboratory", "sft.epochs=2"], "sft.epochs=2", "SFT in the laboratory has steps"),
    (["laboratory", "algo.validation_cases=2"], "algo.validation_cases=2", "unlimited draws"),
    (
        ["laboratory", "--arms", "grpo_beam", "algo.window_shape=soft"],
        "algo.window_shape=soft",
        "algo is grpo in every arm",
    ),
    (["laboratory", "algo.sdpo_beta=2"], "algo.sdpo_beta=2", "algo=sdpo"),
    (["bench", "--arms", "sft,grpo_random", "algo.llpauc_alpha=0.3"], "algo.llpauc_alpha=0.3", "no effect in any arm"),
    (["bench", "--arms", "sft", "algo.group_size=4"], "algo.group_size=4", "the settings of sft are under sft"),
    (["bench", "--plan", "eval.ranks=exact", "eval.exact_sample=5"], "exact_sample=5", "ranks other than exact"),
]


@pytest.fixture
def stages(stub):
    """Stages that do nothing, but for the check of what they are asked."""
    for stage in STAGE_SCHEMAS:
        stub(stage, lambda config, run: {})


@pytest.mark.parametrize(
    ("arguments", "key", "why"), REFUSED, ids=lambda value: " ".join(value) if isinstance(value, list) else ""
)
def test_it_is_refused_with_whose_it_is(arguments, key, why, command, stages, tmp_path) -> None:
    result = command(*arguments)
    assert (result.code, result.out) == (2, "")
    assert result.err.startswith(f"error: {key} has no effect") and result.err.count("\n") == 1, result.err
    assert why in result.err and result.err.endswith(": leave it out\n"), result.err
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    "arguments",
    [
        ["train", "--algo=sft", "algo.epochs=3", "sft.batch_size=8", "algo.label_smoothing=0.1"],
        ["train", "--neg=mixed", "negatives.beam_width=5", "sft.epochs=2", "algo.steps=5"],
        ["train", "--algo=dns", "negatives.pool=50", "algo.updates_per_rollout=2", "algo.clip=0.1"],
        ["train", "--algo=softmax_negatives", "algo.surrogate_temperature=2"],
        ["train", "algo.contexts=sequence", "algo.item_dropout=0.1"],
        ["train", *TAWIN, "algo.ranks=estimated", "algo.rank_head=9", "algo.window_shape=soft"],
        ["train", "policy=sasrec", "policy.block_dropout=0.1", "policy.sampled_negatives=9", "sft.epochs=2"],
        ["train", "policy=sasrec", "--algo=tawin", "--top-k", "5", "sft.epochs=2"],
        ["train", "policy=item_knn", "policy.neighbours=9", "policy.history=3"],
        ["train", "item_tokens=semantic_ids", "item_tokens.levels=2"],
        ["caption", "captioner=file", "captioner.path=x", "captioner.fallback=text", "captioner.dtype=float32"],
        ["tokenize", "features.kinds=[words,semantic_ids]", "features.levels=2", "captioner.epochs=2"],
        ["ctr", "ctr=autoint", "ctr.layers=2", "features.longest=5", "captioner.epochs=1"],
        ["simulate", "visits=3", "a=x:with", "ctr.epochs=1"],
        ["train", "experiment=beauty_sequences", "--algo=sft"],  # which sets much that is of rl
        ["train", "experiment=sports_rl", "--neg=random"],  # which sets ranks, of tawin
        ["bench", "--plan", "--arms", "sft,more_sft,grpo_random", "algo.group_size=4", "algo.steps=3"],  # of some arms
    ],
    ids=" ".join,
)
def test_what_has_an_effect_is_taken_and_what_an_experiment_sets_is_not_asked_about(arguments, command, stages) -> None:
    result = command(*arguments)
    assert result.code == 0, result.err


def test_a_key_of_one_arm_of_the_laboratory_is_enough() -> None:
    given = ["algo.threshold_beam=3", "algo.group_size=8", "algo.surrogate=linear", "sft.steps=5"]
    refuse_ineffective("laboratory", compose("laboratory", given), given)


def test_every_condition_names_keys_that_are_there_and_values_that_they_can_have() -> None:
    for stage, schema in STAGE_SCHEMAS.items():
        fields = dict(options(schema))
        config = compose(stage, [])
        for key, item in fields.items():
            for text in item.metadata.get("of", ()):
                for clause in clauses(text):
                    name, values = clause.key.name, clause.values
                    if name in NOT_IN_CONFIG or stage == "laboratory":
                        continue
                    assert clause.key.found(config, key.rpartition(".")[0]), (key, clause)
                    other = fields[name if "." in name else f"{key.rpartition('.')[0]}.{name}".lstrip(".")]
                    known = other.metadata.get("one_of")
                    assert not known or set(values) <= set(known), (key, clause)


def test_help_says_when_a_key_has_an_effect(command) -> None:
    shown = " ".join(command("train", "--help-config").out.split())
    assert "of negatives=beam or mixed: beam width B" in shown
    assert "of algo=llpauc: share of positives" in shown


def test_no_yaml_file_of_ours_needs_the_check_to_look_away() -> None:
    """What a group sets for its own kind has an effect there: a file would else promise what does not happen."""
    refuse_ineffective("caption", compose("caption", ["captioner=endpoint"]), ["captioner.batch_size=64"])
