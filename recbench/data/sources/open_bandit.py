"""Open Bandit (arXiv 2008.07146): impressions of a fashion shop, logged with the probability of each being shown.

A folder <policy>/<campaign>/ holds <campaign>.csv (timestamp, item, position, click, propensity, four hashed user
features, affinities) and item_context.csv. Visitors have no ids: those who agree in all four features make one user.
The affinity that a visitor has to each item (past clicks on it) is summed over all items, so that it describes the
visitor alone: an estimate of another policy's clicks has to score items that were not shown in the same context.
"""

import numpy as np
import pyarrow as pa

from recbench.data.interactions import SPLIT_NAMES
from recbench.data.sources.raw import BrokenLines, RawData, read_options, source_file, source_path
from recbench.data.sources.tabular import read_descriptions, read_rows
from recbench.data.sources.values import parse
from recbench.data.splits import global_time
from recbench.errors import UserError
from recbench.schema import DataConfig

OPTIONS = {
    "policy": "random",  # that logged: random, or bts (Bernoulli Thompson sampling)
    "campaign": "all",  # all, men, women
    "train": 0.5,  # share of the impressions, the earliest
    "validation": 0.1,  # share of the impressions, the next
    "skip_bad_lines": False,
}
POLICIES, CAMPAIGNS = ("random", "bts"), ("all", "men", "women")
ITEM_FEATURES = tuple(f"item_feature_{number}" for number in range(4))  # the first is a number, the others are hashes
USER_FEATURES = tuple(f"user_feature_{number}" for number in range(4))
ROLES = {
    "item": "item_id",
    "timestamp": "timestamp",
    "label": "click",
    "position": "position",
    "propensity": "propensity_score",
}


def read(config: DataConfig) -> RawData:
    """Read one policy's log of one campaign.

    Raises:
        UserError: an unknown policy or campaign, shares that leave nothing for test, a missing or empty file, a missing
            column; and, by its line, a value that is no number, or a propensity outside (0, 1].
    """
    options = read_options(config, OPTIONS)
    for name, known in (("policy", POLICIES), ("campaign", CAMPAIGNS)):
        if options[name] not in known:
            raise UserError(f"data.options.{name} is {options[name]!r}, expected one of {', '.join(known)}")
    train, validation = options["train"], options["validation"]
    if train <= 0 or validation < 0 or train + validation >= 1:
        raise UserError(
            f"data.options.train and validation are {train} and {validation}, expected shares that leave some for test"
        )
    folder = source_path(config) / options["policy"] / options["campaign"]
    broken = BrokenLines(options["skip_bad_lines"])
    item_columns = {"item": "item_id"} | {name: name for name in ITEM_FEATURES}
    catalogue = read_descriptions(source_file(folder, "item_context.csv"), item_columns, broken)
    affinities = {f"affinity {item}": f"user-item_affinity_{item}" for item in catalogue["item"].to_pylist()}
    path = source_file(folder, f"{options['campaign']}.csv")
    values: dict[str, list[object]] = {name: [] for name in (*ROLES, "affinity")}
    users: list[tuple[str, ...]] = []
    for line, row in read_rows(path, ROLES | {name: name for name in USER_FEATURES} | affinities, broken):
        try:
            parsed = {field: parse(field, row[field]) for field in ROLES}
            parsed["affinity"] = sum(parse("affinity", row[name]) for name in affinities)
        except ValueError as problem:
            broken.report(path, line, str(problem))
            continue
        users.append(tuple(str(row[name]) for name in USER_FEATURES))
        for field, value in parsed.items():
            values[field].append(value)
    if not users:
        raise UserError(f"{path} holds no impressions; expected one a line, so fetch the file again")
    segments = sorted(set(users))
    name_of = {features: f"segment {number}" for number, features in enumerate(segments)}
    columns = {
        "user": pa.array([name_of[features] for features in users]),
        "item": pa.array(values["item"], pa.string()),
        "label": pa.array(values["label"], pa.int8()),
        "split": pa.array(SPLIT_NAMES).take(pa.array(global_time(np.array(values["timestamp"]), train, validation))),
        "timestamp": pa.array(values["timestamp"], pa.int64()),
        "propensity": pa.array(values["propensity"], pa.float64()),
        "position": pa.array(values["position"], pa.int32()),
        "affinity": pa.array(values["affinity"], pa.float64()),
    }
    fields = {name: pa.array(column) for name, column in zip(USER_FEATURES, zip(*segments, strict=True), strict=True)}
    return RawData(
        catalogue,
        None,
        broken.problems,
        dict(broken.skipped),
        impressions=pa.table(columns),
        user_fields=pa.table({"user": [name_of[features] for features in segments]} | fields),
    )
