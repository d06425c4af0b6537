"""Matrix factorisation of users and items by Bayesian personalised ranking."""

from recbench.policy.kinds.interface import PolicyKind


class BprMf(PolicyKind):
    """A policy of users, which reads no histories."""

    name, label = "bpr_mf", "bpr-mf"
    place = 3
    implementation = "recbench.policy.baselines.bpr_mf:BprMf"
    rule = "bpr"
