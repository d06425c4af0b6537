"""Metrics of policies on a market whose truth is known, as expectations over the next item, and their differences.

Nothing is drawn but the users: for a user, HR@K is the true probability of the policy's best K items, and every other
metric is the true probability by rank times the metric's value at that rank. Section 7 of docs/methods.md, (26).
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from recbench.laboratory.market import PreferenceMarket
from recbench.laboratory.policy import LowRankPolicy
from recbench.metrics.summary import metric_of_ranks

FloatArray = NDArray[np.float64]
NORMAL_975 = 1.959963984540054  # quantile of the standard normal: intervals over 10^5 users need no t


class Estimate(NamedTuple):
    """A mean over users and seeds with two 95% intervals: of other users, and of other users and other seeds.

    The first is normal. The second, (34), is Student's with one degree of freedom less than there are seeds, each of
    which has a market and a policy of its own; NaN for one seed.
    """

    value: float
    low: float
    high: float
    low_over_seeds: float
    high_over_seeds: float


def metric_table(names: Sequence[str], items: int) -> Tensor:
    """The value of each metric for a positive at each place: [N, M] float32, row r has r negatives above it.

    Names as in `recbench.metrics.summary`: auc, wpauc(a,b), hr@K, ndcg@K ...; raises UserError for others.
    """
    above = np.arange(items)
    columns = [metric_of_ranks(name, above, np.zeros_like(above), np.full_like(above, items - 1)) for name in names]
    return torch.from_numpy(np.stack(columns, axis=1)).float()


def truth_by_rank(truth: Tensor, scores: Tensor) -> Tensor:
    """True probabilities [B, N] in the order of scores [B, N], best first; the order of equal scores is arbitrary."""
    order = np.argsort(-scores.numpy(), axis=1)  # several times as fast as torch's on a CPU
    return truth.gather(1, torch.from_numpy(order))


@dataclass(frozen=True)
class Measured:
    """Means and second moments over U users, enough for any paired difference; A arms, S seeds, M metrics.

    The last arm is the best possible one, which ranks by the truth.
    """

    users: int
    means: FloatArray  # [S, A, M]
    moments: FloatArray  # [M, A, A]: mean over users of d_i d_j, d the seeds' mean less arm 0's

    def mean(self, arm: int) -> FloatArray:
        """Means over users and seeds, [M]."""
        return self.means[:, arm].mean(axis=0)

    def difference(self, first: int, second: int, metric: int) -> Estimate:
        """Mean paired difference first - second, averaged over seeds, with its intervals."""
        gap = self.means[:, first, metric] - self.means[:, second, metric]
        value = float(gap.mean())
        moments = self.moments[metric]
        square = moments[first, first] + moments[second, second] - 2 * moments[first, second]
        error = float(np.sqrt(max(square - value**2, 0.0) / (self.users - 1)))
        half, wide = NORMAL_975 * error, half_width_over_seeds(gap, error)
        return Estimate(value, value - half, value + half, value - wide, value + wide)


def half_width_over_seeds(gaps: FloatArray, user_error: float) -> float:
    """Half of the 95% interval (34) of the mean of the seeds' differences [S], users and seeds both as draws.

    user_error is the standard error over users of that mean. All seeds are measured on the same users, so what the
    users at hand do to all of them does not show in the seeds' spread, and is added. NaN for one seed.
    """
    from scipy.special import stdtrit

    seeds = len(gaps)
    if seeds < 2:
        return float("nan")
    variance = float(np.var(gaps, ddof=1)) / seeds + user_error**2
    return float(stdtrit(seeds - 1, 0.975)) * float(np.sqrt(variance))


def measure(
    markets: Sequence[PreferenceMarket],
    policies: Sequence[Sequence[LowRankPolicy]],
    users: int,
    names: Sequence[str],
    generator: torch.Generator,
    advance: Callable[[int], object] = lambda count: None,
    block: int = 4096,
) -> Measured:
    """Measure policies [S][A] on their seeds' markets [S], all on the same users, drawn from generator.

    Memory does not grow with users; `advance(count)` is told of every block.
    """
    items, arms = markets[0].items, len(policies[0]) + 1
    table = metric_table(names, items)
    totals = np.zeros((len(markets), arms, len(names)))
    moments = np.zeros((len(names), arms, arms))
    for start in range(0, users, block):
        count = min(block, users - start)
        features = markets[0].draw_users(count, generator)
        values = np.zeros((arms, count, len(names)))  # of each user, mean over seeds
        for seed, (market, row) in enumerate(zip(markets, policies, strict=True)):
            with torch.no_grad():
                truth = market.log_probabilities(features).exp()
                for arm in range(arms):
                    scores = row[arm].logits(features) if arm < len(row) else truth
                    value = (truth_by_rank(truth, scores) @ table).double().numpy()
                    totals[seed, arm] += value.sum(axis=0)
                    values[arm] += value / len(markets)
        values -= values[:1].copy()  # differences are small beside the values: sums of squares lose no digits
        by_metric = values.transpose(2, 0, 1)
        moments += by_metric @ by_metric.transpose(0, 2, 1)
        advance(count)
    return Measured(users, totals / users, moments / users)
