"""H&M: product photos, descriptions, and which articles are bought together; candidates are shown at a query article.

A positive impression is a co-purchase: `bought_with` shown at the query `article_id`, which also is the impression's
user. Negatives are drawn by popularity among the training pairs, so that how often an item occurs says little of the
label. Queries are split by product code: colour variants of a product have near-equal partners, and one of them in
training would give away those of another in test. Two traps are avoided. The pairs' `score` is left out: only positives
have one. And each positive comes right after its own negatives, so that in training a negative's history (the query's
positives above it) is as long as its positive's; in any other order, the longest histories would belong to negatives.
"""

from pathlib import Path

import numpy as np
import pyarrow as pa

from recbench.data.interactions import SPLIT_NAMES, TEST, TRAIN, VALIDATION
from recbench.data.sources.raw import OF_FILES, BrokenLines, Option, RawData, read_options, source_file, source_path
from recbench.data.sources.tabular import read_descriptions, read_rows
from recbench.errors import UserError
from recbench.schema import DataConfig

OPTIONS = {
    "negatives": Option(4, "drawn for each positive", least=1),
    "popularity_power": Option(
        1.0, "negatives are drawn by (count as bought_with in training + 1) to this power", least=0
    ),
    "validation": Option(0.1, "share of the queries' product codes", least=0),
    "test": Option(0.2, "share of the queries' product codes", least=0),
    "seed": Option(0, "of split and negatives; the stage's seed leaves them as they are", least=0),
    "skip_bad_lines": Option(False, "count and list lines that do not parse instead of failing at the first"),
    **OF_FILES,
}
NAMES = (
    "product_type_name",
    "product_group_name",
    "graphical_appearance_name",
    "colour_group_name",
    "perceived_colour_value_name",
    "perceived_colour_master_name",
    "department_name",
    "index_name",
    "index_group_name",
    "section_name",
    "garment_group_name",
)
COLUMNS = {"item": "article_id", "title": "prod_name", "text": "detail_desc", "product_code": "product_code"}
MOST_POWER = 4  # more would leave single precision besides
BLOCK = 256  # queries whose negatives are drawn together


def read(config: DataConfig) -> RawData:
    """Read articles.csv and copurchase.csv; photos are images/<article>.jpg.

    Raises:
        UserError: a missing or empty file, a missing column, an option out of range, too few articles to draw negatives
            from; and, by its line, an article on two lines or a pair of unknown articles.
    """
    options = read_options(config, OPTIONS)
    check_options(options)
    folder = source_path(config)
    broken = BrokenLines(options["skip_bad_lines"])
    articles = read_descriptions(source_file(folder, "articles.csv"), COLUMNS | {name: name for name in NAMES}, broken)
    items = articles["item"].to_pylist()
    query, item = read_pairs(source_file(folder, "copurchase.csv"), items, broken)
    families = np.unique(articles["product_code"].to_numpy(), return_inverse=True)[1]
    rng = np.random.default_rng([options["seed"], 0])
    split = split_by_family(families[query], options["validation"], options["test"], rng)
    popularity = np.bincount(item[split == TRAIN], minlength=len(items))
    weights = (popularity + 1.0) ** options["popularity_power"]
    rows = with_negatives(query, item, weights, options["negatives"], np.random.default_rng([options["seed"], 1]))
    names = pa.array(items, pa.string())
    split_of_query = np.zeros(len(items), dtype=np.int8)
    split_of_query[query] = split
    impressions = pa.table(
        {
            "user": names.take(pa.array(rows["query"])),
            "item": names.take(pa.array(rows["item"])),
            "label": rows["label"],
            "split": pa.array(SPLIT_NAMES).take(pa.array(split_of_query[rows["query"]])),
            "query": names.take(pa.array(rows["query"])),
        }
    )
    return RawData(describe_articles(articles), None, broken.problems, dict(broken.skipped), impressions=impressions)


def check_options(options: dict[str, float]) -> None:
    """Raise UserError for an option out of its range."""
    if options["popularity_power"] > MOST_POWER:
        raise UserError(
            f"data.options.popularity_power is {options['popularity_power']}, expected at most {MOST_POWER}: beyond "
            "it, hardly an item but the most popular is drawn"
        )
    if options["validation"] + options["test"] >= 1:
        raise UserError(
            f"data.options.validation and test are {options['validation']} and {options['test']}: nothing is left for "
            "training; give shares that add up to less than 1"
        )


def describe_articles(articles: pa.Table) -> pa.Table:
    """The catalogue: photos by path, and a reference caption made of what a photo can show, then the description."""
    images, captions = [], []
    for row in articles.to_pylist():
        images.append(f"images/{row['item']}.jpg")
        seen = f"{row['colour_group_name']} {row['product_type_name']} {row['graphical_appearance_name']}"
        captions.append(f"{seen} for {row['index_group_name']}. {row['text'] or ''}".strip())
    return articles.append_column("image", pa.array(images)).append_column("caption", pa.array(captions))


def read_pairs(path: Path, items: list[str], broken: BrokenLines) -> tuple[np.ndarray, np.ndarray]:
    """Rows of the articles of every pair, once each, in the file's order: query and item, int64 [P] each."""
    row_of = {item: row for row, item in enumerate(items)}
    pairs: dict[tuple[int, int], None] = {}
    for line, row in read_rows(path, {"query": "article_id", "item": "bought_with"}, broken):
        query, item = row_of.get(str(row["query"])), row_of.get(str(row["item"]))
        if query is None or item is None:
            broken.report(path, line, "an article that articles.csv does not have", f"{row['query']}, {row['item']}")
        elif query == item:
            broken.report(path, line, "an article bought with itself", str(row["query"]))
        else:
            pairs[query, item] = None
    if not pairs:
        raise UserError(f"{path} holds no pairs; expected columns article_id, bought_with and a row a pair")
    query_rows, item_rows = np.array(list(pairs), dtype=np.int64).T
    return query_rows, item_rows


def split_by_family(family: np.ndarray, validation: float, test: float, rng: np.random.Generator) -> np.ndarray:
    """Split of every pair, int8 [P], such that pairs of one family of query articles stay together.

    Args:
        family: int [P], the query's family.
        validation: share of the families, rounded; `test` likewise.
    """
    distinct, of_pair = np.unique(family, return_inverse=True)
    order = rng.permutation(len(distinct))
    held_out, for_test = round((validation + test) * len(distinct)), round(test * len(distinct))
    split = np.full(len(distinct), TRAIN, dtype=np.int8)
    split[order[:held_out]] = VALIDATION
    split[order[:for_test]] = TEST
    return np.asarray(split[of_pair])


def with_negatives(
    query: np.ndarray, item: np.ndarray, weights: np.ndarray, count: int, rng: np.random.Generator
) -> dict[str, np.ndarray]:
    """Every pair after `count` negatives of its own: query, item (int64), label (int8), each [P * (count + 1)].

    A query's negatives are distinct, none is the query or bought with it, and the chance of being the next one drawn
    is proportional to `weights`. Queries keep the order of their first pair; a query's pairs are in random order.

    Args:
        query: int64 [P] rows of the catalogue; `item` likewise.
        weights: float64 [N] above 0.

    Raises:
        UserError: a query leaves too few items to draw from.
    """
    total = len(weights)
    queries, first, pairs_of = np.unique(query, return_index=True, return_counts=True)
    most = int(pairs_of.max())
    if most * (count + 1) + 1 > total:
        raise UserError(
            f"data.options.negatives={count} is too many: a query with {most} positives needs a catalogue of at least "
            f"{most * (count + 1) + 1} articles, this one has {total}; lower it"
        )
    place = np.argsort(np.argsort(first))  # of every distinct query by its first pair
    of_pair = place[np.searchsorted(queries, query)]
    shuffled = np.lexsort((rng.random(len(query)), of_pair))  # pairs by query, in random order within
    query, item, of_pair = query[shuffled], item[shuffled], of_pair[shuffled]
    starts = np.concatenate([[0], np.cumsum(pairs_of[np.argsort(first)])])
    negatives = np.empty((len(query), count), dtype=np.int64)
    rates = (weights / weights.max()).astype(np.float32)
    for begin in range(0, len(queries), BLOCK):
        end = min(begin + BLOCK, len(queries))
        own = slice(starts[begin], starts[end])
        # The smallest of exponential variables with rates w are a weighted sample without replacement, in its order.
        race = rng.standard_exponential((end - begin, total), dtype=np.float32) / rates
        race[of_pair[own] - begin, item[own]] = np.inf
        race[of_pair[own] - begin, query[own]] = np.inf
        drawn = np.argpartition(race, most * count - 1, axis=1)[:, : most * count]
        drawn = np.take_along_axis(drawn, np.argsort(np.take_along_axis(race, drawn, axis=1), axis=1), axis=1)
        for row in range(begin, end):
            pairs = slice(starts[row], starts[row + 1])
            size = (starts[row + 1] - starts[row]) * count
            negatives[pairs] = rng.permutation(drawn[row - begin, :size]).reshape(-1, count)
    return {
        "query": np.repeat(query, count + 1),
        "item": np.concatenate([negatives, item[:, None]], axis=1).ravel(),
        "label": np.tile(np.array([0] * count + [1], dtype=np.int8), len(query)),
    }
