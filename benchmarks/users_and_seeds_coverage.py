"""How often intervals of an arm's paired difference hold the true one, where users and seeds are draws.

    python benchmarks/users_and_seeds_coverage.py

draws differences of 2,000 users under S seeds with normal effects of users, of seeds and of what is left, from seeds
without any effect to seeds with nearly all of it, and hits (0 or 1) of two arms whose seeds make them better or worse
for everyone. It prints the share of 95% intervals that hold the truth, a line a setting.
"""

import argparse
import sys

import numpy as np

from recbench.metrics.crossed import (
    CrossedMean,
    crossed_interval,
    crossed_mean,
    mean_of_independent,
    users_interval,
)

USERS = 2000
SHARES = (0.0, 0.2, 0.5, 0.8, 0.99)


def normal_table(seeds: int, share: float, of_users: float, users: int, random: np.random.Generator) -> np.ndarray:
    """Differences [S, U] around zero; of their mean's variance, 1, `share` is seeds', `of_users` of the rest users'."""
    user = random.normal(0, ((1 - share) * of_users * users) ** 0.5, users)
    seed = random.normal(0, (share * seeds) ** 0.5, (seeds, 1))
    left = random.standard_normal((seeds, users)) * ((1 - share) * (1 - of_users) * users * seeds) ** 0.5
    return user + seed + left


def hits_table(seeds: int, spread: float, users: int, random: np.random.Generator) -> np.ndarray:
    """Differences of hits, -1, 0 or 1: two arms that differ by their seeds' luck, of deviation `spread`, alone."""
    hard = random.normal(1.5, 1, users)
    skill = random.normal(0, spread, (2, seeds, 1)) + random.normal(0, 0.5, (2, 1, users))  # an arm's own for a user
    hits = skill + random.normal(0, 0.5, (2, seeds, users)) > hard
    return hits[0].astype(np.float64) - hits[1]


def coverage(
    seeds: int, share: float, of_users: float, users: int, repetitions: int, seed: int, data_sets: int = 1
) -> dict[str, float]:
    """Share of intervals that hold zero, the truth, with users and seeds and with users alone as draws."""
    random = np.random.default_rng(seed)
    draws = (
        mean_of_independent(
            [crossed_mean(normal_table(seeds, share, of_users, users, random)) for _ in range(data_sets)]
        )
        for _ in range(repetitions)
    )
    return _held(list(draws))


def coverage_of_hits(seeds: int, spread: float, users: int, repetitions: int, seed: int) -> dict[str, float]:
    """The same of hits."""
    random = np.random.default_rng(seed)
    return _held([crossed_mean(hits_table(seeds, spread, users, random)) for _ in range(repetitions)])


def _held(means: list[CrossedMean]) -> dict[str, float]:
    kinds = {"users and seeds": crossed_interval, "users": users_interval}
    ends = {name: [make(one) for one in means] for name, make in kinds.items()}
    return {name: float(np.mean([one.low <= 0 <= one.high for one in found])) for name, found in ends.items()}


def main() -> None:
    """Print a table in Markdown."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--repetitions", type=int, default=4000)
    repetitions = parser.parse_args().repetitions
    sys.stdout.write("| differences | seeds | users and seeds | users |\n|---|---:|---:|---:|\n")

    def tell(name: str, seeds: int, found: dict[str, float]) -> None:
        held = " | ".join(f"{100 * found[kind]:.1f}" for kind in ("users and seeds", "users"))
        sys.stdout.write(f"| {name} | {seeds} | {held} |\n")
        sys.stdout.flush()

    for seeds in (3, 5, 10):
        for share in SHARES:
            for of_users in (0.0, 0.7):
                name = f"seeds' share {share:g}, users' share of the rest {of_users:g}"
                tell(name, seeds, coverage(seeds, share, of_users, USERS, repetitions, seed=1))
        for spread in (0.0, 0.02, 0.2):
            tell(f"hits, spread {spread:g}", seeds, coverage_of_hits(seeds, spread, USERS, repetitions, seed=2))
    for share in (0.0, 0.5, 0.99):
        name = f"mean of four data sets, seeds' share {share:g}"
        tell(name, 3, coverage(3, share, 0.7, USERS, repetitions // 2, seed=3, data_sets=4))


if __name__ == "__main__":
    main()
