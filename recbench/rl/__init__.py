"""Reinforcement learning of an LLM recommender: groups, negatives, advantages, window weights, loss, one step."""
