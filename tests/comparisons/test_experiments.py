"""The bench node of an experiment file: what it may say, and how a mistake is told; configs older than a key."""

import numpy as np
import pytest
from omegaconf import OmegaConf

from recbench.comparisons import experiments
from recbench.comparisons.gains import relative_gains
from recbench.composition import compose
from recbench.errors import UserError
from recbench.rl.aims import beam_width
from recbench.schema import read_bench, with_defaults

pytestmark = pytest.mark.slow

GOOD = {
    "seeds": [3, 5],
    "data": {"beauty": ["experiment=beauty_rl"]},
    "arms": {
        "tawin_5": ["algo=tawin", "algo.top_k=5"],
        "sasrec": {"start": "scratch", "train": ["policy=sasrec"]},
        "after": {"start": "more_sft", "train": ["algo=grpo"]},
    },
    "sets": {"main": ["sft", "tawin_5"]},
}


def read(**changes):
    return read_bench("experiment=x", {"bench": {**GOOD, **changes}}, list(experiments.ARMS))


def test_an_arm_is_a_list_of_overrides_or_says_where_it_starts():
    bench = read()
    assert (bench.arms["tawin_5"].start, bench.arms["tawin_5"].train) == ("sft", ["algo=tawin", "algo.top_k=5"])
    assert (bench.arms["sasrec"].start, bench.arms["sasrec"].train) == ("scratch", ["policy=sasrec"])
    assert bench.seeds == [3, 5] and bench.baseline == "sft" and bench.data == GOOD["data"]


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"sedes": [0]}, "unknown key bench.sedes: expected some of seeds,"),
        ({"arms": {"x": {"trian": []}}}, "unknown key bench.arms.x.trian: expected some of start, train; did you mean"),
        ({"arms": {"x": 3}}, "bench.arms.x is 3: expected names"),
        ({"arms": ["x"]}, "bench.arms is ['x']: expected names"),
        ({"seeds": ["a"]}, "bench.seeds[0]: Value 'a'"),
        ({"seeds": [0, 0]}, "bench.seeds=[0, 0]: expected different whole numbers"),
        ({"sets": {"main": ["tawin_6"]}}, "bench.sets.main: no arm 'tawin_6'; there are sft, more_sft"),
        ({"sets": {"sft": ["sft"]}}, "bench.sets.sft has the name of an arm"),
        ({"baseline": "stf"}, "bench.baseline: no arm 'stf'"),
        ({"arms": {"x": {"start": "y", "train": []}}, "sets": {}}, "bench.arms.x.start: no arm 'y'"),
        ({"arms": {"x": {"start": "y"}, "y": {"start": "x"}}, "sets": {}}, "x starts from y starts from x: no end"),
        ({"arms": {"a b": []}, "sets": {}}, "bench.arms.a b: expected a name of letters"),
        ({"arms": {"sft": ["algo=sft"]}, "sets": {}}, "bench.arms.sft is the SFT checkpoint itself"),
        ({"arms": {"scratch": []}, "sets": {}}, "bench.arms.scratch is what arms start from"),
        ({"data": {"beauty": []}}, "bench.data.beauty is empty"),
    ],
)
def test_mistakes_name_the_file_the_key_and_what_is_expected(changes, words):
    with pytest.raises(UserError) as problem:
        read(**changes)
    text = str(problem.value)
    assert text.startswith("experiment=x: ") and words in text and "\n" not in text


def test_what_stands_beside_the_node_would_go_nowhere():
    with pytest.raises(UserError, match="reserved stands beside the bench node"):
        read_bench("experiment=x", {"bench": GOOD, "reserved": 1}, list(experiments.ARMS))


def test_what_older_runs_lack_has_the_defaults_of_today_at_any_depth():
    config = compose("train", ["policy.width=64"])
    older = OmegaConf.create(OmegaConf.to_container(config))
    del older.policy.block_dropout, older.algo.weights, older.sft.rere_weight, older.negatives.pool
    assert with_defaults("train", older) == with_defaults("train", config)
    del older.policy.width  # was not the default
    assert with_defaults("train", older)["policy"]["width"] == 128
    older.policy.forgotten = 1  # of a version that had more
    assert with_defaults("train", older)["policy"]["forgotten"] == 1


def test_arms_from_scratch_share_data_and_reserved_interactions_and_nothing_else():
    config = experiments.design(
        [
            "experiment=table1",
            "policy.layers=3",
            "algo.steps=7",
            "precision=bfloat16",
            "data.options.skip_bad_lines=true",
        ],
        arms=["sasrec", "tawin_10"],
        on=["beauty"],
    )
    sasrec, _ = experiments.training(config, "beauty", "sasrec")
    tawin, _ = experiments.training(config, "beauty", "tawin_10")
    assert sasrec.data == tawin.data and sasrec.reserved == tawin.reserved == 1
    assert sasrec.data.options.skip_bad_lines is True
    assert (sasrec.policy.kind, sasrec.policy.layers, sasrec.algo.interactions) == ("sasrec", 2, "all")
    assert sasrec.precision == "bfloat16"
    assert (tawin.policy.layers, tawin.policy.width, tawin.algo.steps, tawin.algo.top_k) == (3, 256, 7, 10)
    assert list(config.chosen) == ["sasrec", "tawin_10"]


def test_one_picker_for_all_arms_and_none_trained_anew_where_it_is_their_own():
    """random negatives aim at AUC, tawin_10 at HR@10, tawin_ndcg, sasrec and more SFT at NDCG@10 anyway."""
    arms = ["sft", "more_sft", "grpo_random", "tawin_10", "tawin_ndcg", "sasrec", "popularity"]

    def selected(**choices):
        config = experiments.design(["experiment=table1"], arms=arms, on=["industrial"], **choices)
        made = {arm: experiments.training(config, "industrial", arm)[0] for arm in arms}
        by = {arm: (one.algo.select_by, list(one.algo.also_select_by)) for arm, one in made.items() if arm != "sft"}
        places = range(len(config.pick))
        scored = {arm: [experiments.pick_of(config, "industrial", arm, place) for place in places] for arm in arms}
        return by, {one.sft.select_by for arm, one in made.items() if arm not in ("sasrec", "popularity")}, scored

    by, sft, scored = selected()
    assert by == {
        "more_sft": ("ndcg@10", []), "grpo_random": ("ndcg@10", []), "tawin_10": ("ndcg@10", []),
        "tawin_ndcg": ("target", []), "sasrec": ("ndcg@10", []), "popularity": by["popularity"],
    }  # fmt: skip
    assert sft == {"ndcg@10"} and all(picks == [None] for picks in scored.values())
    by, sft, scored = selected(pick=["ndcg@10", "target"])
    assert by["grpo_random"] == ("ndcg@10", ["target"]) and by["tawin_10"] == ("ndcg@10", ["target"])
    assert by["more_sft"] == ("ndcg@10", []) and by["tawin_ndcg"] == ("target", [])
    assert scored["grpo_random"] == [None, "target"] and scored["tawin_ndcg"] == [None, None] == scored["sft"]
    by, sft, _ = selected(pick=["target"])
    assert by["grpo_random"][0] == by["tawin_10"][0] == "target" and sft == {"ndcg@10"}
    by, sft, _ = selected(pick=["wpauc(0,0.01)"])
    assert {name for name, _ in by.values()} - {by["popularity"][0]} == {"wpauc(0,0.01)"} == sft


def test_every_table_of_several_arms_has_one_picker():
    for name in ("table1", "rl_on_everything", "anchors", "negatives_budget", "windows_vs_topk"):
        assert experiments.design([f"experiment={name}"], arms=["sft"]).pick == ["ndcg@10"], name
    with pytest.raises(UserError, match="algo.select_by is what a bench sets itself: leave it out, and use --pick"):
        experiments.design(["experiment=table1", "algo.select_by=auc"])
    with pytest.raises(UserError, match="--pick='aucc': expected one of target, auc"):
        experiments.design(["experiment=table1"], pick=["aucc"])
    assert read(pick="auc").pick == ["auc"]
    with pytest.raises(UserError, match="experiment=x: bench.pick='aucc'"):
        read(pick=["aucc"])


def test_windows_go_to_the_built_in_tawin_and_other_settings_to_every_tawin():
    config = experiments.design(["experiment=windows_vs_topk", "algo.ranks=exact"], arms=["tawin_5", "grpo_beam"])
    assert experiments.training(config, "industrial", "tawin_5")[0].algo.ranks == "exact"
    assert experiments.training(config, "industrial", "grpo_beam")[0].algo.ranks == "beam"  # as the experiment has it
    config = experiments.design(["algo.weights=ndcg@10"], arms=["tawin", "grpo_beam"])
    assert experiments.training(config, "bazaar", "tawin")[0].algo.weights == "ndcg@10"
    with pytest.raises(UserError, match="algo.top_k=5 is for the arm tawin, which is not asked for"):
        experiments.design(["experiment=windows_vs_topk", "algo.top_k=5"], arms=["top_k"])


def held(percent, difference):
    value = {"relative_percent": percent, "difference": difference, "low": difference - 1, "high": difference + 1}
    variance = {"value": percent, "user_part": 3.0, "user_freedom": 1e6, "seed_part": 1.0, "seed_freedom": 2}
    return {"values": {"hr@1": {**value, "p_holm": 0.2, "relative_variance": {**variance, "users_only": 2.0}}}}


def test_gains_over_data_sets():
    comparisons = {
        "a": {
            "baseline": "sft",
            "data_fingerprint": "1",
            "arms": [{"arm": "sft"}, {"arm": "x", "difference": held(10.0, 0.1)}],
        },
        "b": {
            "baseline": "sft",
            "data_fingerprint": "2",
            "arms": [{"arm": "sft"}, {"arm": "x", "difference": held(-4.0, -0.02)}],
        },
        "c": {
            "baseline": "y",
            "data_fingerprint": "3",
            "arms": [{"arm": "y"}, {"arm": "x", "difference": held(70.0, 0.7)}],
        },  # sft failed there
    }
    found = relative_gains(comparisons, "hr@1", "sft")
    (arm,) = found["arms"]
    assert (arm["arm"], arm["mean"], arm["above"], arm["sets"]) == ("x", 3.0, 1, 2)
    assert list(arm["gains"]) == ["a", "b"] and arm["gains"]["b"]["relative_percent"] == -4.0
    # Two sets of variance 2 (users): error sqrt(2 + 2) / 2 = 1. With seeds 3 + 1 each: sqrt(8) / 2, three quarters of
    # the variance users', 1.9600, one quarter seeds', t of 2 + 2 degrees of freedom, 2.7764: (3 * 1.96 + 2.7764) / 4.
    assert (arm["low"], arm["high"]) == pytest.approx((3 - 1.959964, 3 + 1.959964), abs=1e-5)
    half = (3 * 1.959964 + 2.776445) / 4 * 2**0.5
    ends = (arm["users_and_seeds_low"], arm["users_and_seeds_high"])
    assert ends == pytest.approx((3 - half, 3 + half), abs=1e-5)
    comparisons["b"]["data_fingerprint"] = "1"  # the same users twice: the two gains are not independent
    (arm,) = relative_gains(comparisons, "hr@1", "sft")["arms"]
    assert arm["mean"] == 3.0 and np.isnan([arm["low"], arm["users_and_seeds_high"]]).all()


def test_the_published_protocol_says_what_its_arms_are():
    config = experiments.design(["experiment=published"])
    made = {
        (data, arm): experiments.training(config, data, arm)[0]
        for data in config.on
        for arm in config.arms
        if arm != "sft"
    }
    for (data, arm), one in made.items():
        assert one.data.split == ("given" if data in ("industrial", "office") else "leave_one_out")
        assert one.policy.history == 10, (data, arm)
        if config.arms[arm].start != "scratch":
            assert one.algo.group_size == beam_width(one.algo, one.negatives)
            assert one.algo.select_by == ("target" if arm == "tawin_ndcg" else "ndcg@10")  # which aims at that anyway
            assert one.sft.select_by == "ndcg@10"
    widths = {arm: made["office", arm].algo.group_size for arm in config.arms if arm.startswith("grpo_beam")}
    assert sorted(widths.values()) == [5, 10, 16, 32, 64]
    assert all(arm == "grpo_beam" or arm == f"grpo_beam_{width}" for arm, width in widths.items())
    others = [arm for data, arm in made if data == "yelp" and arm not in widths]
    assert {made["yelp", arm].algo.group_size for arm in others if config.arms[arm].start != "scratch"} == {16}
    anchors = {arm: made["industrial", arm].algo for arm in config.arms if arm.startswith("anchor_")}
    for arm, algo in anchors.items():
        _, anchor, *tau = arm.split("_")
        assert (algo.anchor, algo.anchor_temperature) == (int(anchor), float(tau[1]) if tau else 1.0)
    assert len(anchors) == 6
