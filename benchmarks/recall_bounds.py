"""How tight is Theorem 3.4, (28) of docs/methods.md? Recall@K between two functions of one windowed area, MovieLens-1M.

    recbench data data=movielens
    python benchmarks/recall_bounds.py runs/data/movielens/RUN

A user's positives are the films rated 4 or more in the test part, the negatives all films not rated before it. Two
scorers: item-kNN on the films that the user liked in training, with popularity behind it, and popularity alone; what
still ties is ordered by a seeded shuffle, because the theorem has no ties. Users with more positives than K are left
out and counted. Printed for each K and number of positives: mean bounds, mean Recall@K, mean width, the width that a
bound without rounding has, and the share of users whose two bounds meet.
"""

import argparse
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import scipy.sparse

from recbench.metrics.rankings import rank_scores
from recbench.metrics.topk import recall_several
from recbench.metrics.windows import window_auc

CUTOFFS = (10, 50)
GROUPS = ((1, 1), (2, 3), (4, 7), (8, 15), (16, 50))
SHRINKAGE = 10.0
SLACK = 1e-9  # of the area's floating point, before it is rounded to whole positives


def read(run: Path) -> tuple[scipy.sparse.csr_matrix, scipy.sparse.csr_matrix, scipy.sparse.csr_matrix]:
    """Users by films, 0 or 1: liked before the test, rated before the test, and liked in the test."""
    from recbench.data.dataset import load_data
    from recbench.data.impressions import TEST

    data = load_data(run)
    shown = data.impressions
    assert shown is not None, f"{run} has no impressions"
    films = len(data.catalogue)

    def matrix(chosen: np.ndarray) -> scipy.sparse.csr_matrix:
        pairs = (shown.user[chosen], shown.item[chosen])
        return scipy.sparse.csr_matrix((np.ones(int(chosen.sum())), pairs), shape=(len(shown.users), films))

    earlier, like = shown.split != TEST, shown.label == 1
    return matrix(earlier & like), matrix(earlier), matrix(~earlier & like)


def scores(liked: scipy.sparse.csr_matrix, kind: str) -> np.ndarray:
    """float64 [U, N]: each user's scores of all films, without ties."""
    popularity = np.asarray(liked.sum(axis=0)).ravel()
    shuffle = np.random.default_rng(0).permutation(popularity.size) / popularity.size
    last = (popularity + shuffle) / (popularity.max() + 1)  # in [0, 1): decides where item-kNN has no opinion
    if kind == "popularity":
        return np.broadcast_to(last, liked.shape)
    together = (liked.T @ liked).toarray()
    np.fill_diagonal(together, 0.0)
    norm = np.sqrt(popularity)
    return liked @ (together / (norm[:, None] * norm + SHRINKAGE)) + 1e-6 * last


def bounds(area: float, positives: int) -> tuple[float, float]:
    """The two sides of (28)."""
    low = np.ceil(positives * (1 - np.sqrt(max(0.0, 1 - area))) - SLACK) / positives
    high = np.floor(positives * np.sqrt(area) + SLACK) / positives
    return float(low), float(high)


def one_user(label: np.ndarray, score: np.ndarray, k: int) -> tuple[float, float, float, float, float]:
    """Lower bound, Recall@K, upper bound, the distance of the bounds before they are rounded, and whether they meet."""
    positives = int(label.sum())
    negatives = label.size - positives
    area = window_auc(label, score, ((k - positives) / negatives, k / negatives)).normalised
    recall = float(recall_several(rank_scores(label, score), k)[0])
    low, high = bounds(area, positives)
    assert low <= recall + SLACK and recall <= high + SLACK, (low, recall, high)
    return low, recall, high, float(np.sqrt(area) - 1 + np.sqrt(max(0.0, 1 - area))), float(low == high)


def rows_of(
    liked: scipy.sparse.csr_matrix, before: scipy.sparse.csr_matrix, test: scipy.sparse.csr_matrix
) -> Iterator[str]:
    """The lines of the table."""
    count = np.diff(test.indptr)
    for kind in ("item-kNN", "popularity"):
        scored = scores(liked, kind)
        for k in CUTOFFS:
            found = np.full((len(count), 5), np.nan)
            for user in np.flatnonzero((count > 0) & (count <= k)):
                label = np.zeros(test.shape[1], dtype=np.int64)
                label[test[user].indices] = 1
                free = np.ones(test.shape[1], dtype=bool)
                free[before[user].indices] = False
                found[user] = one_user(label[free], scored[user][free], k)
            for least, most in GROUPS:
                chosen = (count >= least) & (count <= min(most, k))
                if chosen.any():
                    low, recall, high, unrounded, meet = found[chosen].mean(axis=0)
                    values = " | ".join(f"{value:.4f}" for value in (low, recall, high, high - low, unrounded))
                    positives = f"{least}" if least == most else f"{least} to {min(most, k)}"
                    yield f"| {kind} | {k} | {positives} | {chosen.sum():,} | {values} | {meet:.0%} |"


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("run", type=Path, help="a finished recbench data run of MovieLens")
    names = ("scorer", "K", "positives", "users", "low", "Recall@K", "high", "width", "unrounded", "bounds meet")
    lines = [f"| {' | '.join(names)} |", "|---" * len(names) + "|", *rows_of(*read(parser.parse_args().run))]
    sys.stdout.write("\n".join(lines) + "\n")


if __name__ == "__main__":
    main()
