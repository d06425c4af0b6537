"""The inputs, by the parser that reads them."""

from torture.malformed_cases.case import Case, draw_from


def all_cases(seed: int) -> list[Case]:
    """Every case, in a fixed order and with distinct names; what is drawn follows from the seed."""
    draw_from(seed)
    from torture.malformed_cases import amazon, checkpoints, commands, json_files, logs, pictures, runs, sources

    modules = (logs, sources, amazon, json_files, commands, runs, checkpoints, pictures)
    return [case for module in modules for case in module.cases()]


__all__ = ["Case", "all_cases"]
