"""Which metrics a comparison is of: those that its runs share, and that their ranks can tell."""

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from recbench.comparisons.evaluations import Evaluation
from recbench.errors import UserError
from recbench.metrics.table import COMPARE, metric_order, named_metrics, read_metric
from recbench.schema import EvalStageConfig

METRICS = ("auc", "wpauc(0,0.01)", "wpauc(0.01,0.05)", "hr@1", "hr@10", "hr@50", "ndcg@10")


def check_metrics(metrics: Sequence[str]) -> list[str]:
    """The names, each once; raises UserError for none, or for one that is no metric."""
    for name in metrics:
        read_metric(name)  # an unknown one raises
    if not metrics:
        raise UserError("no metric is given: name some, as in --metrics auc,ndcg@10")
    return list(dict.fromkeys(metrics))


def shared_metrics(evaluations: Sequence[Evaluation], note: Callable[[str], None]) -> list[str]:
    """The metrics that are compared when none are asked for: `METRICS`, and the windows and cut-offs that runs name.

    Only those that every run was evaluated with, and cut-offs within the catalogue; `note` names what is left out.
    """
    measured = [_measured(one) for one in evaluations]
    shared = set.intersection(*measured)
    usual = _names(EvalStageConfig().windows, EvalStageConfig().ks)  # what nobody had to ask for
    items = evaluations[0].items
    within = [name for name in METRICS if _fits(name, items)]
    if large := [name for name in METRICS if name not in within]:
        note(f"{', '.join(large)} left out: the catalogue has {items} items")
    if lacking := [name for name in within if name not in shared]:
        note(f"{', '.join(lacking)} left out: not every run was evaluated with them; --metrics computes any")
    own = sorted((name for name in shared - usual if _fits(name, items)), key=metric_order)
    return sorted([*(name for name in within if name in shared), *own], key=lambda name: metric_order(name)[0])


def _measured(evaluation: Evaluation) -> set[str]:
    """The metrics that a run was evaluated with, of the kinds that a comparison has."""
    config, default = evaluation.run.config, EvalStageConfig()
    return _names(config.get("windows", default.windows), config.get("ks", default.ks))


def _names(windows: Sequence[Sequence[float]], ks: Sequence[int]) -> set[str]:
    return {one.name for one in named_metrics(COMPARE, windows, ks)}


def _fits(name: str, items: int) -> bool:
    """Whether a catalogue has as many items as the cut-off of a metric, if it has one."""
    return (read_metric(name).k or 0) <= items


def known_metrics(
    names: list[str], evaluations: Sequence[Evaluation], note: Callable[[str], None], strict: bool = True
) -> tuple[list[str], list[str]]:
    """The metrics that every run's ranks can tell, and those of them that only cases scored exactly can.

    Raises UserError where none is left and, if `strict`, for a cut-off beyond the catalogue; else `note` names it.
    """
    most = int(max(one.counts[2].max(initial=0) for one in evaluations))
    found = min(one.found for one in evaluations)
    metrics = {name: read_metric(name) for name in names}
    needed = {name: one.ranks_needed(most) for name, one in metrics.items()}
    items = evaluations[0].items
    large = [name for name in names if not _fits(name, items)]
    if large and (strict or len(large) == len(names)):
        raise UserError(f"{large[0]}: the catalogue has {items} items; give a K of at most that")
    if large:
        note(f"{', '.join(large)} left out: the catalogue has {items} items")
        names = [name for name in names if name not in large]
    for name in (name for name in names if metrics[name].metric.by_id):
        for one in evaluations:
            counts_for(one, name)  # raises where the run does not tell them
        known = min(one.found_by_id for one in evaluations)
        if needed[name] > known:
            raise UserError(
                f"{name}: beams found no more than {known:g} IDs: give a lower K, or evaluate with ranks=exact"
            )
    beyond = [name for name in names if not metrics[name].metric.by_id and needed[name] > found]
    if not beyond:
        return names, []
    beam = f"ranks come from a beam and are known up to {found:g}"
    if cases := int(scored_exactly(evaluations).sum()):
        note(f"{beam}: {', '.join(beyond)} are of the {cases:,} cases that every run has scored exactly")
        return names, beyond
    if len(beyond) == len(names):
        raise UserError(f"{beam}, too few for {', '.join(names)}: evaluate with exact_sample=2000 or ranks=exact")
    note(f"{beam}: {', '.join(beyond)} left out")
    return [name for name in names if name not in beyond], []


def counts_for(evaluation: Evaluation, name: str) -> NDArray[np.int64]:
    """The counts [3, C] that a metric is of: of semantic IDs for one by ID, else of items.

    Raises UserError where the run does not tell those of IDs.
    """
    if not read_metric(name).metric.by_id:
        return evaluation.counts
    if evaluation.by_id is None:
        raise UserError(
            f"{name}: eval run {evaluation.run.id} has no ranks by ID with these items: evaluate again, and leave out "
            "--excluded, since they are of all items"
        )
    return evaluation.by_id


def scored_exactly(evaluations: Sequence[Evaluation]) -> NDArray[np.bool_]:
    """Which cases [C] every run has scored exactly."""
    return np.all([one.exact[2] >= 0 for one in evaluations], axis=0)
