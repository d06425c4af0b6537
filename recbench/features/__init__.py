"""Representation extraction: captions become categorical columns that a click model, or item tokens, can use."""
