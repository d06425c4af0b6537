"""Kills, malformed inputs and hostile ones against the real commands: `make torture`, or `python -m torture PART`."""
