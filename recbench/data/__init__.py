"""Catalogue, interactions and splits: reading, building and opening data sets."""
