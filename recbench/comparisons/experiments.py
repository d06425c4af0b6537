"""What `recbench bench` is asked for becomes one checked config: data sets, arms, seeds, how each arm is trained."""

import copy
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from functools import lru_cache
from typing import Any, cast

from hydra.errors import HydraException
from omegaconf import DictConfig, ListConfig, OmegaConf

from recbench.comparisons.shared_metrics import METRICS, check_metrics
from recbench.composition import check_experiments, compose, unreadable_told
from recbench.config_folders import config_file
from recbench.errors import UserError
from recbench.execution import prepare, replace
from recbench.quoting import quote
from recbench.rl.rules import RULES, rule_of
from recbench.rl.rules.interface import AIMS
from recbench.schema import (
    ArmConfig,
    BenchConfig,
    check_picker,
    describe,
    did_you_mean,
    ineffective,
    read_bench,
    refuse_ineffective,
)
from recbench.schema.experiments import SCRATCH, SFT
from recbench.upstream import SETTLED_BY_SFT

# What each arm trains with; the yaml files under conf/algo give all of them the same steps, batches and group size.
ARMS: dict[str, list[str]] = {
    "sft": [],  # the checkpoint itself
    "more_sft": ["algo=more_sft"],
    "grpo_random": ["algo=grpo", "negatives=random"],
    "grpo_beam": ["algo=grpo", "negatives=beam"],
    "tawin": ["algo=tawin"],
}
WINDOWED = {f"algo={name}" for name, rule in RULES.items() if rule.windowed}
AIM = "algo.top_k=10"  # of the built-in tawin, where the user gives none
AIM_KEYS = tuple(f"algo.{key}" for key in (*AIMS, "weights"))  # for the built-in tawin: others have theirs
TAWIN_KEYS = tuple(f"algo.{key}" for key in ("window_shape", "window_temperature", "ranks", "threshold_beam"))
BENCH_KEYS = {  # what a bench sets itself, and how the user asks for it
    "algo": "--arms",
    "algo.name": "--arms",
    "negatives": "--arms",
    "negatives.kind": "--arms",
    "algo.select_by": "--pick",
    "algo.also_select_by": "--pick",
    "seed": "--seeds",
    "input": "'recbench train input=RUN'",
    "resume": "'recbench train --resume RUN'",
    "force": "--force",
}
OF_SFT = "ndcg@10"  # what picks the SFT checkpoint, by conf/algo/sft.yaml
NOT_IN_FILES = ("seed", "input", "resume", "force", "runs")  # likewise, in an experiment's own overrides
OF_EVERY_STAGE = ("runs", "threads", "device")
OF_SCRATCH = (*OF_EVERY_STAGE, "precision", "upstream")  # what arms from scratch take of the command line


def design(
    overrides: Sequence[str],
    *,
    seeds: Sequence[int] | None = None,
    arms: Sequence[str] | None = None,
    on: Sequence[str] | None = None,
    metrics: Sequence[str] | None = None,
    split: str | None = None,
    pick: Sequence[str] | None = None,
    excluded: bool = False,
    force: bool = False,
) -> DictConfig:
    """The config of a bench run, every training and the evaluation checked.

    `overrides` are those of `recbench train`. They go to every arm; to arms from scratch only where they change no
    number. The aim of a window goes to the built-in tawin, its other settings to every tawin. `eval.KEY=VALUE` goes to
    the evaluations. `pick` names the metrics that pick every arm's checkpoint. Where `experiment=NAME` names a file
    with a `bench` node, that is the experiment, and what is not asked for is as it says.

    Raises:
        UserError: arms or data sets that are not known, seeds given twice, or overrides that a bench sets itself.
    """
    name, bench = _experiment(overrides)
    seeds = list(bench.seeds if seeds is None else seeds)
    if not seeds or len(set(seeds)) < len(seeds) or min(seeds) < 0:
        raise UserError(f"--seeds {','.join(map(str, seeds))}: expected different whole numbers, as in 0,1")
    given = [text for text in overrides if name is None or _key(text) != "experiment"]
    for text in given:
        if _key(text) in BENCH_KEYS:
            raise UserError(f"{_key(text)} is what a bench sets itself: leave it out, and use {BENCH_KEYS[_key(text)]}")
        if bench.data and _key(text) == "data":
            raise UserError(f"{text}: experiment={name} says on which data: choose among them with --on NAME,NAME")
    common = [text for text in given if not _key(text).startswith("eval.")]
    chosen, definitions = _arms(bench, arms, common)
    common = [text for text in common if _key(text) not in (*AIM_KEYS, *TAWIN_KEYS)]
    sets = _data_sets(bench, on, name) if bench.data or on is not None else None
    base = composed("train", [*ARMS["grpo_beam"], *(next(iter(sets.values())) if sets else []), *common])
    names = check_metrics(metrics or bench.metrics or METRICS)
    pickers = list(dict.fromkeys(bench.pick if pick is None else pick))
    for text in pickers:
        check_picker("--pick", text)
    if pickers and pickers[0] not in ("target", OF_SFT):  # all arms start from one that is picked as they are
        common.append(f"sft.select_by={quote(pickers[0])}")
    evaluation = [text for text in common if _key(text) in OF_EVERY_STAGE] + list(bench.eval)
    evaluation += [text.replace("eval.", "", 1) for text in given if _key(text).startswith("eval.")]
    evaluation += [f"split={split}"] if split is not None else []
    if "split=validation" in evaluation and not any(_key(text) == "users" for text in evaluation):
        evaluation.append("users=auto")  # who picks a checkpoint flatters it
    own = [*bench.eval, *(text for arm in bench.arms.values() for text in arm.train)]
    for text in [*own, *(text for listed in bench.data.values() for text in listed)]:
        if _key(text) in NOT_IN_FILES:
            raise UserError(f"experiment={name}: {text} is what a bench sets itself: leave it out")
    shared: dict[Any, Any] = {key: base[key] for key in base if key not in ("algo", "negatives", "input", "resume")}
    if sets is not None:  # the rest is each data set's own
        shared = {key: base[key] for key in OF_SCRATCH} | {"data": {"name": name}}
    config = OmegaConf.create(
        {
            **shared,
            "seed": seeds[0],
            "seeds": seeds,
            "force": force,
            "experiment": name,
            "on": sets if sets is not None else {str(base.data.name): []},
            "chosen": chosen,
            "arms": {arm: asdict(definition) for arm, definition in definitions.items()},
            "common": common,
            "evaluation": evaluation,
            "metrics": names,
            "metrics_asked": bool(metrics),  # else what no run can tell is left out
            "baseline": bench.baseline if name is not None else None,
            "summary": (bench.summary if bench.summary in names else names[0]) if sets is not None else None,
            "excluded": excluded,
            "pick": pickers,
        }
    )
    _check_evaluation(evaluation, [text.replace("eval.", "", 1) for text in given if _key(text).startswith("eval.")])
    for data in config.on:
        for arm in definitions:
            _check_arm(config, str(data), arm)
        _check_choosers(config, str(data), list(definitions))
    _check_effects(config, [text for text in given if not _key(text).startswith("eval.")])
    return config


def describe_bench() -> list[tuple[str, str, str, str]]:
    """What `--help-config` lists of a bench: the options of train, and under `eval.` those of its evaluations."""
    own = [row for row in describe("train") if row[0] not in BENCH_KEYS]
    known = {"seed", "force", "resume", "input", *(row[0] for row in own)}
    listed = [(f"eval.{key}", default, takes, what) for key, default, takes, what in describe("eval")]
    return [*own, *(row for row in listed if row[0].removeprefix("eval.") not in known)]


def composed(stage: str, overrides: Sequence[str]) -> DictConfig:
    """As `compose`, once for the same overrides: an experiment asks for the same many times. Not to be changed."""
    return _composed(stage, tuple(overrides))


def changeable(config: DictConfig) -> DictConfig:
    """A copy of a config that is not to be changed."""
    copied = copy.deepcopy(config)
    OmegaConf.set_readonly(copied, None)
    return copied


@lru_cache(maxsize=1024)
def _composed(stage: str, overrides: tuple[str, ...]) -> DictConfig:
    config = compose(stage, overrides)
    OmegaConf.set_readonly(config, True)
    return config


def training(config: DictConfig, data: str, arm: str) -> tuple[DictConfig, list[str]]:
    """The config by which an arm is trained on the data set called `data`, without seed and input, and its overrides.

    That of the arm `sft` has in its node `sft` how the checkpoint is made. Not to be changed.
    """
    common = written(config.common)
    of_sft = [*written(config.on[data]), *ARMS["grpo_beam"], *common]
    if arm == SFT:
        return composed("train", of_sft), of_sft
    own = written(config.arms[arm].train)
    if config.arms[arm].start == SCRATCH:
        overrides = [*own, *(text for text in common if _key(text) in OF_SCRATCH)]
        overrides += _picking(config, _from_scratch(tuple(overrides), tuple(of_sft)))
        return _from_scratch(tuple(overrides), tuple(of_sft)), overrides
    overrides = [*written(config.on[data]), *own, *common]
    overrides += _picking(config, composed("train", overrides))
    return composed("train", overrides), overrides


def pick_of(config: DictConfig, data: str, arm: str, place: int) -> str | None:
    """What `recbench eval` has to be told to score the checkpoint of the bench's picker at `place`; None: nothing.

    The first one picks what the training itself keeps; so do others that come to the same for this arm.
    """
    if place == 0 or arm == SFT:
        return None
    pick = str(config.pick[place])
    return pick if pick in training(config, data, arm)[0].algo.also_select_by else None


def _picking(config: DictConfig, made: DictConfig) -> list[str]:
    """Overrides by which a training keeps the checkpoints that the bench's pickers pick.

    None where its own `select_by` comes to the same, so that a training that is there already is the one that is meant.
    """
    if not config.pick or not rule_of(made.algo).takes_steps:  # which has one checkpoint
        return []
    from recbench.rl.aims import picker_metric  # imports torch, for which --help-config does not wait

    catalogue = 10**9  # of any size: a window of ranks has no name that a picker could have
    own, *others = (
        picker_metric(name, made.algo, made.negatives, catalogue) for name in (made.algo.select_by, *config.pick)
    )
    first, *rest = zip(config.pick, others, strict=True)
    overrides = [f"algo.select_by={quote(first[0])}"] if own != first[1] else []
    apart = [name for name, metric in rest if metric != first[1]]
    return [*overrides, f"algo.also_select_by={quote(apart)}"] if apart else overrides


@lru_cache(maxsize=1024)
def _from_scratch(overrides: tuple[str, ...], of_sft: tuple[str, ...]) -> DictConfig:
    """Of an arm that has only the data and, unless it says otherwise, the reserved interactions of the others."""
    base = composed("train", of_sft)
    nodes: dict[str, Any] = {"data": base.data}
    if not any(_key(text) == "reserved" for text in overrides):
        nodes["reserved"] = base.reserved
    made = changeable(composed("train", overrides))
    if not any(_key(text) == "algo.validation_cases" for text in overrides):
        made.algo.validation_cases = base.algo.validation_cases  # the same users pick every arm's checkpoint
    config = replace(made, nodes)
    OmegaConf.set_readonly(config, True)
    return config


def written(overrides: ListConfig) -> list[str]:
    """As they were written: interpolations are for the config that they make."""
    return cast(list[str], OmegaConf.to_container(overrides))


def _experiment(overrides: Sequence[str]) -> tuple[str | None, BenchConfig]:
    """Name and `bench` node of the experiment that `overrides` name; none where its file has no such node."""
    name = next((text.partition("=")[2] for text in reversed(overrides) if _key(text) == "experiment"), "")
    file = config_file(f"experiment/{name}") if name else None
    if file is None:  # Hydra tells what is not there
        return None, BenchConfig()
    with unreadable_told():
        check_experiments([f"experiment={name}"])
        content = OmegaConf.to_container(OmegaConf.load(file), resolve=False)
    if not isinstance(content, Mapping) or "bench" not in content:
        return None, BenchConfig()
    return name, read_bench(f"experiment={name}", cast(Mapping[str, Any], content), list(ARMS))


def _data_sets(bench: BenchConfig, asked: Sequence[str] | None, name: str | None) -> dict[str, list[str]]:
    if not bench.data:
        of = f"experiment={name} has one data set" if name is not None else "one data set is asked for"
        raise UserError(f"--on is for an experiment over several data sets, and {of}: leave it out, or give data=NAME")
    for data in asked if asked is not None else bench.data:
        if data not in bench.data:
            near = did_you_mean(data, list(bench.data))
            raise UserError(f"--on {data}: expected some of {', '.join(bench.data)}{near}")
    if asked is not None and not asked:
        raise UserError(f"--on is empty: expected some of {', '.join(bench.data)}")
    return {data: bench.data[data] for data in dict.fromkeys(asked if asked is not None else bench.data)}


def _arms(
    bench: BenchConfig, asked: Sequence[str] | None, common: Sequence[str]
) -> tuple[list[str], dict[str, ArmConfig]]:
    """Names of the arms that are shown, and what they and those that they start from are."""
    known = {name: ArmConfig(train=list(train)) for name, train in ARMS.items()} | bench.arms
    words = asked if asked is not None else list(bench.sets) or list(known)
    able = [*bench.sets, *known]
    for word in words:
        if word not in able:
            raise UserError(f"--arms {word}: expected some of {', '.join(able)}{did_you_mean(word, able)}")
    if not words:
        raise UserError(f"--arms is empty: expected some of {', '.join(able)}")
    chosen = list(dict.fromkeys(arm for word in words for arm in bench.sets.get(word, [word])))
    needed = list(chosen)
    for arm in needed:  # grows
        if (start := known[arm].start) not in (SCRATCH, *needed):
            needed.append(start)
    definitions = {arm: known[arm] for arm in needed}
    aims = [text for text in common if _key(text) in AIM_KEYS]
    settings = [text for text in common if _key(text) in TAWIN_KEYS]
    tawins = [arm for arm, definition in definitions.items() if WINDOWED & {*definition.train}]
    built_in = "tawin" in tawins and "tawin" not in bench.arms
    if aims and not built_in and bench.arms:
        raise UserError(f"{aims[0]} is for the arm tawin, which is not asked for: the others have their own aim")
    for arm in tawins:
        aim = [] if arm != "tawin" or not built_in else aims or [AIM]
        definitions[arm] = ArmConfig(definitions[arm].start, [*definitions[arm].train, *aim, *settings])
    return chosen, definitions


def _check_evaluation(overrides: list[str], given: list[str]) -> None:
    try:
        config = composed("eval", overrides)
    except HydraException as problem:
        from recbench.explanations import (
            explain,  # which knows the keys of eval, where the command's are those of train
        )

        raise UserError(f"of the evaluations: {explain(problem, 'eval')}") from problem
    refuse_ineffective("eval", prepare("eval", changeable(config), overrides), given)


def _check_effects(config: DictConfig, given: Sequence[str]) -> None:
    """Refuse what a user gave and what has an effect in no arm on any data set."""
    for text in given:
        reasons = [
            _why_ineffective(config, str(data), str(arm), _key(text)) for data in config.on for arm in config.arms
        ]
        if all(reasons):
            raise UserError(f"{text} has no effect in any arm ({', '.join(config.arms)}): {reasons[0]}: leave it out")


def _why_ineffective(config: DictConfig, data: str, arm: str, key: str) -> str | None:
    """Why a key has no effect in the training of an arm; None where it has one."""
    if arm == SFT and key.partition(".")[0] in ("algo", "negatives"):
        return "the settings of sft are under sft"
    if config.arms[arm].start == SCRATCH and key not in OF_SCRATCH:
        return f"{arm} is trained from scratch by its own settings"
    made, _ = training(config, data, arm)
    return ineffective("train", made, key)


def _check_arm(config: DictConfig, data: str, arm: str) -> None:
    """A mistake shows before anything is trained."""
    made, overrides = training(config, data, arm)
    prepare("train", changeable(made), overrides)
    start = config.arms[arm].start
    if arm == SFT or start == SCRATCH:
        return
    if made.algo.interactions == "reserved" and made.reserved == 0:
        raise UserError(f"reserved=0 keeps no interactions from SFT for {arm} to train on: give reserved=1")
    source, _ = training(config, data, start)
    for key in SETTLED_BY_SFT:
        if made[key] != source[key]:
            raise UserError(f"arm {arm} has another {key} than {start}, which it starts from: leave it as it is there")


def _check_choosers(config: DictConfig, data: str, arms: Sequence[str]) -> None:
    """The same validation users pick every arm's checkpoint, and those of SFT where they are not to be judged."""
    made = {arm: training(config, data, arm)[0] for arm in arms}
    sizes = {arm: one.algo.validation_cases for arm, one in made.items() if arm != SFT}
    first = next(iter(sizes), SFT)
    for arm, size in sizes.items():
        if size != sizes[first]:
            raise UserError(
                f"algo.validation_cases is {sizes[first]} in arm {first} and {size} in {arm}, on {data}: the same "
                "users have to pick every checkpoint: give it with the data, for all arms"
            )
    told = "users=unseen" in config.evaluation or "users=auto" in config.evaluation
    started = [one for arm, one in made.items() if arm != SFT and config.arms[arm].start != SCRATCH]
    differing = [one for one in started if one.sft.validation_cases != one.algo.validation_cases]
    if told and differing:
        of_sft, of_arms = differing[0].sft.validation_cases, differing[0].algo.validation_cases
        raise UserError(
            f"sft.validation_cases={of_sft} and algo.validation_cases={of_arms} on {data}: arms would be judged on "
            f"other validation users than sft: give both alike, or eval.users=all"
        )


def _key(override: str) -> str:
    return override.partition("=")[0].lstrip("+~")
