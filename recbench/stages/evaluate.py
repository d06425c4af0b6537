"""recbench eval: where a trained policy ranks the held-out positives, and every metric that follows from it."""

import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from recbench.comparisons.evaluations import BY_ID
from recbench.comparisons.naming import as_picked, judged, start_kept, with_start
from recbench.data.dataset import RecommendationData, load_data
from recbench.data.interactions import SPLIT_NAMES, Cases, held_out_cases, sample_cases
from recbench.errors import UserError
from recbench.metrics.fpr_window import window_text
from recbench.metrics.summary import summarise_ids, summarise_ranks
from recbench.metrics.windows import rank_of, window_width
from recbench.policy.base import Policy
from recbench.policy.checkpoint import load_policy
from recbench.policy.ranking import CaseRanks, beam_recall, exact_is_affordable, rank_cases
from recbench.runs import Run, atomic_path
from recbench.schema import EvalStageConfig
from recbench.settling import own_metrics
from recbench.stages.cutoffs import within
from recbench.training.device import choose_device, use_threads
from recbench.upstream import require

RECALL_CASES = 200  # on which a beam is compared with exact scoring
EXACT_BATCH = 16  # exact scores of large tries take memory


def run(config: EvalStageConfig, run: Run) -> dict[str, Any]:
    """Score the held-out cases once, write ranks.parquet, and return metrics with items already seen kept and excluded.

    With ranks from a beam, `exact_sample` cases are scored exactly, too, for exact_ranks.parquet and the metrics that
    depend on ranks beyond the beam.

    Raises:
        UserError: no finished training, a K beyond the catalogue, or a split without cases.
    """
    use_threads(config.threads)
    device = choose_device(config.device)
    own_metrics(config.metrics)
    trained = require("train", config, run, input=config.input)  # type: ignore[arg-type]
    data_run = trained.input_run("data") or require("data", config, run)  # type: ignore[arg-type]
    run.use(data_run)
    data = load_data(data_run.path)
    folder, of_training = as_picked(trained, config.pick)
    by = [f"picked by {of_training['selected_by']} on validation"] if config.pick is not None else []
    headline = [f"policy: {with_start(trained)}", *by, *filter(None, [start_kept(trained, of_training)])]
    run.record(data_fingerprint=data.fingerprint, device=str(device), headline=headline)
    policy, _ = load_policy(folder)
    policy.to(device)
    negatives = policy.catalogue_size - 1
    _check_cutoffs(config, negatives, run)
    cases, users = _cases(data, config, trained, run)
    exact = config.ranks == "exact" or (config.ranks == "auto" and exact_is_affordable(policy))
    width = None if exact else min(config.beam_width, policy.catalogue_size)
    with run.progress(f"eval {config.split}", len(cases.user)) as bar:
        ranks = rank_cases(
            policy,
            data.interactions,
            cases,
            batch_size=config.batch_size,
            beam_width=width,
            top_items=config.top_items,
            advance=bar.advance,
        )
    _write_ranks(run.path / "ranks.parquet", data, cases, ranks, policy)
    _note_narrow_windows(config, negatives, ranks.negatives_excluded, run)
    with warnings.catch_warnings():  # a summary for each column of the table would say it again
        warnings.filterwarnings("ignore", "window .* is narrower than one negative")
        about = {"judged": judged(trained, of_training), "trained": of_training}
        return {**about, **_results(config, run, policy, data, cases, ranks, width), **users}


def _results(
    config: EvalStageConfig,
    run: Run,
    policy: Policy,
    data: RecommendationData,
    cases: Cases,
    ranks: CaseRanks,
    width: int | None,
) -> dict[str, Any]:
    """What metrics.json holds of the ranks; `width` is that of the beam that they come from, None for exact ones."""
    result: dict[str, Any] = {
        "split": config.split,
        "cases": len(cases.user),
        "ranks": "exact" if width is None else f"beam of {width}",
        "kept": _summary(config, cases, ranks.above, ranks.ties, ranks.negatives, ranks.censored, width),
        "excluded": _summary(
            config,
            cases,
            ranks.above_excluded,
            ranks.ties_excluded,
            ranks.negatives_excluded,
            ranks.censored,
            width,
        ),
    }
    if policy.trie.shared_items:
        result["kept"] |= _by_id(config, policy, cases, ranks)
    if width is not None:
        share = float(ranks.censored.mean())
        result["censored"] = share
        run.note(
            f"ranks come from a beam of {width}: {share:.1%} of positives were not found, and what depends on ranks "
            f"beyond {width} is left out; ranks=exact computes it, exact_sample=2000 on so many cases"
        )
        if config.exact_sample:
            result |= _exact_sample(config, run, policy, data, sample_cases(cases, config.exact_sample), width)
    result["beam"] = _recall(config, policy, data, cases)
    if data.best is not None:
        result["best"] = _best(config, data, cases, "")
        result["best_excluded"] = _best(config, data, cases, "_unseen")
    return result


def _check_cutoffs(config: EvalStageConfig, negatives: int, run: Run) -> None:
    """Leave cut-offs beyond the catalogue out of `config`, or refuse them where they were asked for."""
    config.ks = within(config.ks, negatives + 1, "ks", run, f"the catalogue has {negatives + 1} items")


def _note_narrow_windows(config: EvalStageConfig, negatives: int, unseen: np.ndarray, run: Run) -> None:
    """Say once of each window that it is narrower than one negative; `unseen` [C] counts those without seen items."""
    least = int(min(unseen[unseen > 0], default=negatives))
    for window in config.windows:
        width, narrowest = (float(window_width(n, window)) for n in (negatives, least))
        if narrowest >= 1 - 1e-9:
            continue
        text = f"the window {window_text(window)} is {width:.3g} of one negative wide ({negatives} negatives)"
        if least < negatives:
            text += f", and without seen items {narrowest:.3g} of one (at least {least})"
        run.note(f"{text}: its value is fractional, read between two ranks")


def _cases(
    data: RecommendationData, config: EvalStageConfig, trained: Run, run: Run
) -> tuple[Cases, dict[str, dict[str, int]]]:
    """The cases to score, and, where users who picked checkpoints are told apart, how many there are of each."""
    cases = held_out_cases(data.interactions, SPLIT_NAMES.index(config.split))
    if not len(cases.user):
        raise UserError(f"data set {data.name} has no {config.split} interactions with a history before them")
    if config.split != "validation" or config.users == "all":
        return sample_cases(cases, config.max_cases), {}
    sizes = _picking_sizes(trained)
    chose = users_who_chose(cases, sizes)
    unseen = ~np.isin(cases.user, chose)
    everyone, judged_users = len(np.unique(cases.user)), len(np.unique(cases.user[unseen]))
    if judged_users:
        run.note(f"{judged_users:,} validation users are judged; the other {len(chose):,} picked checkpoints")
        cases = Cases(cases.user[unseen], cases.position[unseen])
    elif config.users == "unseen":
        raise UserError(
            f"users=unseen: all {everyone:,} validation users of data set {data.name} picked a checkpoint of train run "
            f"{trained.id} (validation_cases={', '.join(map(str, sizes))}): train with algo.validation_cases and "
            "sft.validation_cases below that, or give users=all"
        )
    else:
        run.note(f"all {everyone:,} validation users picked checkpoints, and are judged: figures are a little too good")
    counts = {"judged": judged_users or everyone, "chose": len(chose), "all": everyone}
    return sample_cases(cases, config.max_cases), {"validation_users": counts}


def users_who_chose(cases: Cases, sizes: Sequence[int]) -> np.ndarray:
    """Users, ascending, with a case in a sample of one of these `validation_cases` sizes (0: everybody)."""
    return np.unique(np.concatenate([sample_cases(cases, size).user for size in sizes]))


def _picking_sizes(trained: Run) -> list[int]:
    """algo.validation_cases of a training and of all that it goes on from."""
    sizes, source = [], trained
    while True:
        sizes.append(int(source.config.algo.validation_cases))
        start = source.input_run("train")
        if start is None or start.id == source.id:
            return list(dict.fromkeys(sizes))
        source = start


def _summary(
    config: EvalStageConfig,
    cases: Cases,
    above: np.ndarray,
    ties: np.ndarray,
    negatives: np.ndarray,
    censored: np.ndarray,
    beam_width: int | None,
) -> dict[str, dict[str, float]]:
    """All metrics with bootstrap intervals over users; those that a beam cannot tell are left out."""
    windows = [(float(low), float(high)) for low, high in config.windows]
    ks, own = list(config.ks), list(config.metrics)
    if beam_width is not None:
        # A censored positive counts as ranked last: right for every K and window that ends within the beam.
        above = np.where(censored, negatives, above)
        windows = [window for window in windows if rank_of(window[1], negatives.max()) <= beam_width]
        ks = [k for k in ks if k <= beam_width]
        own = [name for name in own if "@" in name and int(name.partition("@")[2]) <= beam_width]
    settings: dict[str, Any] = {"groups": cases.user, "samples": config.bootstrap, "seed": config.seed}
    summary = summarise_ranks(above, ties, negatives, windows, ks, own=own, **settings)
    if beam_width is not None:
        summary.pop("auc", None)
    return summary


def _by_id(config: EvalStageConfig, policy: Policy, cases: Cases, ranks: CaseRanks) -> dict[str, dict[str, float]]:
    """Hit rates and NDCG of semantic IDs, which some items share, at the cut-offs that their ranks can tell."""
    others = policy.trie.sequence_count - 1
    known = int(ranks.above_by_id[ranks.censored].min(initial=others + 1))  # what a beam found at least
    return summarise_ids(
        np.where(ranks.censored, others, ranks.above_by_id),
        ranks.ties_by_id,
        [k for k in config.ks if k <= known],
        groups=cases.user,
        samples=config.bootstrap,
        seed=config.seed,
    )


def _exact_sample(
    config: EvalStageConfig, run: Run, policy: Policy, data: RecommendationData, cases: Cases, beam_width: int
) -> dict[str, Any]:
    """Score some cases exactly, write exact_ranks.parquet, and return AUC and the windows that a beam cannot tell."""
    with run.progress(f"eval {config.split}, exact", len(cases.user)) as bar:
        batch = min(config.batch_size, EXACT_BATCH)
        ranks = rank_cases(policy, data.interactions, cases, batch_size=batch, advance=bar.advance)
    _write_ranks(run.path / "exact_ranks.parquet", data, cases, ranks, policy)
    windows = [(float(low), float(high)) for low, high in config.windows]
    beyond = [window for window in windows if window[1] * ranks.negatives.max() > beam_width]
    counts = {
        "exact_kept": (ranks.above, ranks.ties, ranks.negatives),
        "exact_excluded": (ranks.above_excluded, ranks.ties_excluded, ranks.negatives_excluded),
    }
    settings: dict[str, Any] = {"groups": cases.user, "samples": config.bootstrap, "seed": config.seed}
    measured = {name: summarise_ranks(*some, beyond, [], **settings) for name, some in counts.items()}
    return {"exact_cases": len(cases.user), **measured}


def _write_ranks(path: Path, data: RecommendationData, cases: Cases, ranks: CaseRanks, policy: Policy) -> None:
    names = np.array(data.catalogue["item"], dtype=object)
    top = [[names[item] for item in row if item >= 0] for row in ranks.top_items]
    users = data.interactions.users
    table = pa.table(
        {
            "user": [users[user] for user in cases.user],
            "case": cases.position - data.interactions.offsets[cases.user],
            "above": ranks.above,
            "ties": ranks.ties,
            "n": ranks.negatives,  # with user, above and ties, what `recbench score` reads
            "above_excluded": ranks.above_excluded,
            "ties_excluded": ranks.ties_excluded,
            "n_excluded": ranks.negatives_excluded,
            "censored": ranks.censored,
            "top_items": pa.array(top, type=pa.list_(pa.string())),
        }
    )
    if policy.trie.shared_items:  # else an ID is an item
        others = np.full_like(ranks.negatives, policy.trie.sequence_count - 1)
        for name, column in zip(BY_ID, (ranks.above_by_id, ranks.ties_by_id, others), strict=True):
            table = table.append_column(name, pa.array(column))
    with atomic_path(path) as partial:
        pq.write_table(table, partial)


def _recall(config: EvalStageConfig, policy: Policy, data: RecommendationData, cases: Cases) -> dict[str, float]:
    """How much of the exact head a beam finds; one level of tokens leaves nothing to miss."""
    width = min(config.beam_width, policy.catalogue_size)
    if policy.trie.depth == 1:
        return {"width": width, "recall": 1.0, "cases": 0}
    sample = np.sort(np.random.default_rng(0).permutation(len(cases.user))[:RECALL_CASES])
    some = Cases(cases.user[sample], cases.position[sample])
    batch = min(config.batch_size, EXACT_BATCH)
    return {
        "width": width,
        "recall": beam_recall(policy, data.interactions, some, width, batch),
        "cases": len(sample),
    }


def _best(config: EvalStageConfig, data: RecommendationData, cases: Cases, suffix: str) -> dict[str, dict[str, float]]:
    """The metrics of the exact optimal predictor on the same cases, where the market's truth is known.

    `suffix` picks the columns of best.parquet: none with seen items kept, `_unseen` without them.
    """
    assert data.best is not None
    known = {key: row for row, key in enumerate(zip(data.best["user"], data.best["position"], strict=True))}
    rows = [known.get(key, -1) for key in zip(cases.user, cases.position, strict=True)]
    chosen = np.array([row for row in rows if row >= 0], dtype=np.int64)
    if len(chosen) < len(rows) and not suffix:  # said once
        warnings.warn(
            f"the optimum is known for {len(chosen)} of {len(rows)} cases, and reported on those", stacklevel=2
        )
    return summarise_ranks(
        data.best["above" + suffix][chosen],
        data.best["ties" + suffix][chosen],
        data.best["n" + suffix][chosen],
        [(float(low), float(high)) for low, high in config.windows],
        list(config.ks),
        groups=data.best["user"][chosen],
        samples=config.bootstrap,
        seed=config.seed,
        own=list(config.metrics),
    )
