"""Pretrained language models as policies."""
