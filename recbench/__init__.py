"""recbench: experiments that put large language models into recommender systems, with numbers to defend."""

__version__ = "0.1.0"
