"""Runs side by side: evaluations compared, benches of several arms, experiments over data sets."""
