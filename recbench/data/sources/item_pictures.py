"""Pictures of items where no column names one each: they are called after the items, or a cell has several."""

import pyarrow as pa
import pyarrow.compute as pc

from recbench.errors import UserError

ITEM = "{item}"  # in data.options.image_pattern


def images_by_pattern(catalogue: pa.Table, pattern: str | None) -> pa.Table:
    """The catalogue with a column of pictures that are called after their items, where there is a pattern.

    Raises:
        UserError: the pattern has no place for the item, or a column names the pictures.
    """
    if pattern is None:
        return catalogue
    key = f"data.options.image_pattern={pattern!r}"
    if pattern.count(ITEM) != 1:
        raise UserError(f"{key}: expected a path with {ITEM} in it, such as {ITEM}.jpg")
    if "image" in catalogue.column_names:
        raise UserError(f"{key}, and a column of pictures is mapped, too; leave one of them out")
    before, after = pattern.split(ITEM)
    paths = pc.binary_join_element_wise(before, catalogue["item"].cast(pa.string()), after, "")
    return catalogue.append_column("image", paths)


def separated_images(catalogue: pa.Table, separator: str | None) -> pa.Table:
    """The catalogue with lists of pictures where a separator stands between them; blanks around them are none of them.

    Raises:
        UserError: a separator, and no column that it could stand in.
    """
    if separator is None:
        return catalogue
    key = f"data.options.image_separator={separator!r}"
    if "image" not in catalogue.column_names:
        raise UserError(
            f"{key} has no effect: no column of pictures is mapped; add data.options.item_columns.image=COLUMN"
        )
    if not pa.types.is_string(catalogue["image"].type):
        raise UserError(f"{key} has no effect: the column of pictures holds lists already; leave it out")
    lists = [
        None if value is None else [name.strip() for name in value.split(separator) if name.strip()]
        for value in catalogue["image"].to_pylist()
    ]
    place = catalogue.column_names.index("image")
    return catalogue.set_column(place, "image", pa.array(lists, pa.list_(pa.string())))
