"""Open Bandit (arXiv 2008.07146): impressions of a fashion shop, logged with the probability of each being shown.

A folder <policy>/<campaign>/ holds <campaign>.csv (timestamp, item, position, click, propensity, four hashed user
features, affinities) and item_context.csv. Visitors have no ids: those who agree in all four features make one user.
The affinity that a visitor has to each item (past clicks on it) is summed over all items, so that it describes the
visitor alone: an estimate of another policy's clicks has to score items that were not shown in the same context.
"""

from functools import partial

import numpy as np
import pyarrow as pa

from recbench.data.interactions import SPLIT_NAMES
from recbench.data.sources.names import Names
from recbench.data.sources.raw import OF_FILES, BrokenLines, Option, RawData, read_options, source_file, source_path
from recbench.data.sources.tabular import Parser, open_table, read_columns, read_descriptions
from recbench.data.sources.times import TICKS, settle, times
from recbench.data.sources.values import labels, numbers, positions
from recbench.data.splits import global_time
from recbench.errors import UserError
from recbench.schema import DataConfig

POLICIES, CAMPAIGNS = ("random", "bts"), ("all", "men", "women")
OPTIONS = {
    "policy": Option("random", "that logged; bts is Bernoulli Thompson sampling", one_of=POLICIES),
    "campaign": Option("all", "whose items", one_of=CAMPAIGNS),
    "train": Option(0.5, "share of the impressions, the earliest"),
    "validation": Option(0.1, "share of the impressions, the next"),
    "skip_bad_lines": Option(False, "count and list lines that do not parse instead of failing at the first"),
    **OF_FILES,
}
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
    wanted = ROLES | {name: name for name in USER_FEATURES} | affinities
    parsers: dict[str, Parser] = {"item": Names("item"), "timestamp": times, "label": labels, "position": positions}
    parsers |= {name: partial(numbers, name) for name in ("propensity", *affinities)}
    parsers |= {name: Names(name, (), required=False) for name in USER_FEATURES}
    file = open_table(path, wanted)
    log = read_columns(file, wanted, parsers, broken).values
    if not len(log["item"]):
        raise UserError(f"{path} holds no impressions; expected one a line, so fetch the file again")
    # Whole seconds, as the results that were published with this source had them.
    settled = settle(log["timestamp"], f"{path.name}, column timestamp")
    seconds = settled.ticks // TICKS[settled.unit]
    segment, features = segments_of([log[name] for name in USER_FEATURES])
    names = pa.array([f"segment {number}" for number in range(len(features[0]))])
    affinity = np.sum([log[name].to_numpy() for name in affinities], axis=0) if affinities else np.zeros(len(seconds))
    split = global_time(seconds, train, validation)
    columns = {
        "user": pa.DictionaryArray.from_arrays(pa.array(segment.astype(np.int32)), names),
        "item": log["item"],
        "label": log["label"],
        "split": pa.array(SPLIT_NAMES).take(pa.array(split)),
        "timestamp": pa.array(seconds),
        "propensity": log["propensity"],
        "position": log["position"].cast(pa.int32()),
        "affinity": pa.array(affinity),
    }
    return RawData(
        catalogue,
        None,
        broken.problems,
        dict(broken.skipped),
        impressions=pa.table(columns),
        user_fields=pa.table({"user": names} | dict(zip(USER_FEATURES, features, strict=True))),
    )


def segments_of(columns: list[pa.DictionaryArray]) -> tuple[np.ndarray, list[pa.Array]]:
    """Visitors that agree in all columns as one: each row's segment (int64 [rows]), and the segments' values by column.

    Segments are in the order of their values, the first column's first; no value counts as the empty one.
    """
    key = np.zeros(len(columns[0]), dtype=np.int64)
    distinct = []
    for column in columns:
        names = np.array([*column.dictionary.to_pylist(), ""], dtype=str)
        texts, code = np.unique(names, return_inverse=True)
        key = key * len(texts) + code[column.indices.fill_null(len(names) - 1).to_numpy()]
        distinct.append(texts)
    segments, segment = np.unique(key, return_inverse=True)
    values = list[pa.Array]()
    for texts in reversed(distinct):
        segments, code = np.divmod(segments, len(texts))
        values.insert(0, pa.array(texts[code].tolist(), pa.string()))
    return segment, values
