"""Trained click models as files (safetensors and JSON), and as scorers of users and items."""

import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
from safetensors.numpy import load_file as load_arrays
from safetensors.numpy import save_file as save_arrays
from safetensors.torch import load_file, save_file
from torch import nn

from recbench.ctr.encoding import Encoder, Field, ListColumn
from recbench.ctr.models import make_model
from recbench.ctr.rows import make_rows
from recbench.ctr.training import predict
from recbench.ctr.vocabulary import Categories, Numbers
from recbench.data.dataset import RecommendationData
from recbench.errors import UserError, damage_told
from recbench.schema import CtrModelConfig, as_values, settings_of
from recbench.strict_json import read_object


class Scorer:
    """A trained click model with the encoder that it was trained with."""

    def __init__(self, encoder: Encoder, model: nn.Module) -> None:
        self.encoder, self.model = encoder, model.eval()

    def score(
        self,
        users: np.ndarray,
        items: np.ndarray,
        query: np.ndarray | None = None,
        histories: np.ndarray | None = None,
        context: dict[str, np.ndarray] | None = None,
    ) -> np.ndarray:
        """Click probabilities float64 [M].

        Args:
            users: int [M], index into the impressions' users; -1 for one who is not known.
            items: int [M], rows of the catalogue.
            query: int [M], rows of the catalogue, of the items at which candidates are shown.
            histories: int [M, H], rows of the catalogue, past clicks, -1 for none; read by din alone.
            context: column -> [M]; at least those that the model was trained with.

        Raises:
            UserError: a context column is missing.
        """
        device = self.model.bias.device  # type: ignore[union-attr]
        rows = make_rows(self.encoder, users, items, query, histories, context or {})
        return predict(self.model, rows.to(device))  # type: ignore[arg-type]


def save_scorer(
    folder: Path, encoder: Encoder, model: nn.Module, settings: CtrModelConfig, about: dict[str, Any]
) -> None:
    """Write model.safetensors, encoder.safetensors and encoder.json into an existing folder.

    Args:
        about: further things to keep in encoder.json; `data_fingerprint` is checked when the scorer is loaded.
    """
    save_file(
        {name: value.cpu().contiguous() for name, value in model.state_dict().items()}, folder / "model.safetensors"
    )
    save_arrays(encoder_arrays(encoder), folder / "encoder.safetensors")
    description = {
        "fields": [asdict(field) for field in encoder.fields],
        "lists": len(encoder.lists),
        "categories": [asdict(column) for column in encoder.categories],
        "numbers": [asdict(column) for column in encoder.numbers],
        "model": as_values(settings),
        **about,
    }
    (folder / "encoder.json").write_text(json.dumps(description, indent=2, sort_keys=True) + "\n", encoding="utf-8")


def load_scorer(run_folder: Path, data: RecommendationData, arm: str, seed: int) -> Scorer:
    """The scorer of one arm and seed of a ctr run, on the CPU.

    Raises:
        UserError: the run has no such arm and seed, or was made on other data.
    """
    folder = Path(run_folder) / "checkpoints" / f"{arm}-{seed}"
    if not (folder / "encoder.json").is_file():
        there = sorted(path.parent.name for path in folder.parent.glob("*/encoder.json"))
        raise UserError(
            f"ctr run {Path(run_folder).name} has no arm {arm!r} with seed {seed}; it has: {', '.join(there) or 'none'}"
        )
    encoder, model, about = read_scorer(folder)
    if about["data_fingerprint"] != data.fingerprint:
        raise UserError(
            f"ctr run {Path(run_folder).name} was made on other data than {data.name} is now: make it again"
        )
    return Scorer(encoder, model)


def read_scorer(folder: Path) -> tuple[Encoder, nn.Module, dict[str, Any]]:
    """Encoder, model and encoder.json of a folder that `save_scorer` wrote."""
    with damage_told(folder, "make the ctr run again, or name another"):
        about = read_object(folder / "encoder.json", "a click model's columns")
        arrays = load_arrays(folder / "encoder.safetensors")
        encoder = Encoder(
            tuple(Field(**field) for field in about["fields"]),
            arrays["users"],
            arrays["items"],
            tuple(ListColumn(arrays[f"list_{n}"], arrays.get(f"weight_{n}")) for n in range(about["lists"])),
            tuple(Categories(column["name"], tuple(column["values"])) for column in about["categories"]),
            tuple(Numbers(**column) for column in about["numbers"]),
        )
        model = make_model(encoder, settings_of(CtrModelConfig, about["model"]), seed=0)
        model.load_state_dict(load_file(folder / "model.safetensors"))
        return encoder, model.eval(), about


def encoder_arrays(encoder: Encoder) -> dict[str, np.ndarray]:
    """Every table of ids of an encoder, by name; what a server holds beside the weights."""
    arrays = {"users": encoder.users, "items": encoder.items}
    for place, column in enumerate(encoder.lists):
        arrays[f"list_{place}"] = column.ids
        if column.weights is not None:
            arrays[f"weight_{place}"] = column.weights
    return {name: np.ascontiguousarray(array) for name, array in arrays.items()}


def size_of(encoder: Encoder, model: nn.Module) -> dict[str, int]:
    """Trained weights, and bytes of the weights and of the tables of ids together."""
    weights = list(model.parameters())
    tables = sum(array.nbytes for array in encoder_arrays(encoder).values())
    return {
        "parameters": sum(weight.numel() for weight in weights),
        "bytes": sum(weight.numel() * weight.element_size() for weight in weights) + tables,
    }
