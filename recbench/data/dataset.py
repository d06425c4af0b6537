"""A built data set as the later stages see it."""

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from datasets import Dataset
from datasets.utils.logging import disable_progress_bar

from recbench.data.image_paths import LocatedImage, image_names, locate_image
from recbench.data.impression_table import read_impressions
from recbench.data.impressions import Impressions
from recbench.data.interactions import NO_INTERACTIONS, SPLIT_NAMES, Interactions
from recbench.errors import UserError, damage_told
from recbench.strict_json import read_object


@dataclass(frozen=True)
class RecommendationData:
    """Catalogue, interactions, impressions and, for a generated market, the best that any recommender can reach."""

    name: str
    # Memory-mapped: item, title, text, image (path, list of paths, or None), caption (a reference, or None) where the
    # source has any, then categorical columns; one of lists is multi-valued.
    catalogue: Dataset
    interactions: Interactions  # of no users where the source has no sequences
    fingerprint: str  # SHA-256 of the content, hex
    # Ranks under the exact optimal predictor, one entry a held-out case: split, user, position as in Cases; above,
    # ties, n with seen items kept; above_unseen, ties_unseen, n_unseen without them. None where the truth is unknown.
    best: dict[str, np.ndarray] | None
    directory: Path
    images: Path | None = None  # folder that image paths start from; None: directory
    images_outside: bool = False  # whether pictures may lie outside of that folder

    @cached_property
    def impressions(self) -> Impressions | None:
        """What was shown and whether it was clicked, read on first use; None where the source does not know."""
        if not (self.directory / "impressions.parquet").is_file():
            return None
        names = ("impressions", "users")
        rows, users = (pq.read_table(self.directory / f"{name}.parquet", memory_map=True) for name in names)
        return read_impressions(rows, users)

    def image(self, row: int) -> LocatedImage:
        """Where the first picture of the item in this row of the catalogue lies, or why there is none to read."""
        return self.all_images(row)[0]

    def all_images(self, row: int) -> list[LocatedImage]:
        """As `image`, of all pictures that the item has, in their order; at least one entry."""
        folder, value = self.images or self.directory, self.catalogue[row]["image"]
        return [locate_image(folder, name, self.images_outside) for name in image_names(value)]


def load_data(folder: Path) -> RecommendationData:
    """Open the files of a data run; texts stay on disk and are memory-mapped, interactions take 13 bytes each.

    Raises:
        UserError: the folder holds no complete data set, or a damaged one.
    """
    folder = Path(folder)
    if not (folder / "description.json").is_file():
        raise UserError(f"{folder} holds no complete data set (no description.json); make one with: recbench data")
    with damage_told(folder, "make the data set again: recbench data"):
        description = read_object(folder / "description.json", "the description of a data set")
        interactions = NO_INTERACTIONS
        if (folder / "interactions.parquet").is_file():
            interactions = read_interactions(memory_mapped(folder / "interactions.parquet"))
        best = None
        if (folder / "best.parquet").is_file():
            table = memory_mapped(folder / "best.parquet").with_format("arrow")[:]
            best = {name: table[name].to_numpy() for name in table.column_names}
        return RecommendationData(
            name=description["name"],
            catalogue=memory_mapped(folder / "catalogue.parquet"),
            interactions=interactions,
            fingerprint=description["fingerprint"],
            best=best,
            directory=folder,
            images=Path(description["images"]) if description.get("images") else None,
            images_outside=bool(description.get("images_outside")),
        )


def memory_mapped(path: Path) -> Dataset:
    """A Parquet file as a memory-mapped table; its Arrow copy lies in `.arrow` beside the file and goes with it."""
    disable_progress_bar()
    dataset = Dataset.from_parquet(str(path), cache_dir=str(path.parent / ".arrow"))
    assert isinstance(dataset, Dataset)
    return dataset


def read_interactions(rows: Dataset) -> Interactions:
    """Interactions from one row each, sorted by user and order; block by block, so that few names are held at once."""
    users: list[str] = []
    starts: list[int] = []
    count = 0
    arrays: dict[str, list[np.ndarray]] = {"item": [], "split": [], "timestamp": []}
    for block in rows.with_format("arrow").iter(batch_size=1 << 20):
        for name, starts_at in runs_of_equals(block["user"].combine_chunks()):
            if not users or users[-1] != name:
                users.append(name)
                starts.append(count + starts_at)
        count += block.num_rows
        arrays["item"].append(block["item"].to_numpy())
        split = pc.index_in(block["split"], value_set=pa.array(SPLIT_NAMES))
        arrays["split"].append(split.to_numpy().astype(np.int8))
        if "timestamp" in block.column_names:
            arrays["timestamp"].append(block["timestamp"].to_numpy())
    return Interactions(
        users=users,
        offsets=np.array([*starts, count], dtype=np.int64),
        items=np.concatenate(arrays["item"]).astype(np.int32, copy=False),
        split=np.concatenate(arrays["split"]),
        timestamps=np.concatenate(arrays["timestamp"]) if arrays["timestamp"] else None,
    )


def runs_of_equals(column: pa.Array) -> list[tuple[str, int]]:
    """Value and start of every run of equal neighbours."""
    encoded = pc.run_end_encode(column)
    starts = [0, *encoded.run_ends.to_pylist()[:-1]]
    return list(zip(encoded.values.to_pylist(), starts, strict=True))
