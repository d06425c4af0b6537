"""Reinforcement learning of an LLM recommender: groups, negatives, advantages, window weights, loss, one step.

Symbols, as in docs/methods.md; shapes in docstrings are made of the capitals:

    B, G, N     contexts of a batch; candidates of a group, the positive first; items of the catalogue
    n, k        negatives of a context; a negative's rank among them, 1 is the best
    s, s+       log-probabilities in nats: of a candidate, of the positive
    w, v, c     weights of a negative (8) and of a context (9); the scale of a pair, all of (7)
    q           probability with which a source includes a negative (`inclusion`)
    a, b        ends of a window of false positive rates; lower = a n and upper = b n are the same in ranks
    t_u         threshold: the score between the negatives of ranks u n and u n + 1
    T, tau      temperatures in nats (surrogates, soft windows) and in ranks (anchors)

`rules` and `sources` have one module a training rule and a source of negatives. `asking` asks the policy for what they
need, `groups` puts a batch together, `trainer` takes the step.
"""
