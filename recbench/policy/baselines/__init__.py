"""Policies that the LLM recommender is compared with; they know items, not their tokens."""
