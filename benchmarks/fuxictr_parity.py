"""AUC of recbench's click models and of FuxiCTR's on MovieLens-1M: same rows, features, embedding size and grid.

    recbench data data=movielens
    python benchmarks/fuxictr_parity.py rows --data runs/data/movielens/RUN --out parity
    python benchmarks/fuxictr_parity.py train recbench --out parity
    python -m venv fuxi && fuxi/bin/pip install fuxictr==2.3.10        # its own environment
    fuxi/bin/python benchmarks/fuxictr_parity.py train fuxictr --out parity
    python benchmarks/fuxictr_parity.py table --out parity

Both sides read the ids that `rows` writes, train each model with every setting of GRID with one seed, take the setting
with the best validation AUC, and train it with further seeds. Batch size, epochs, patience, the learning rate's cut on
a plateau, and the penalty on embeddings (half its weight times their squared norm, over all of them, each step) are the
same. FuxiCTR's models are put together from its layers as its model zoo does, which its package does not contain; its
training loop is its own. One line of JSON a training goes to OUT/<side>.jsonl; what is there is not trained again.
"""

import argparse
import itertools
import json
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch

MODELS = ("lr", "fm", "deepfm", "dcnv2", "dlrm", "finalmlp")
LINEAR = ("lr", "fm")  # no perceptron: dropout has no effect
GRID = {"learning_rate": (2e-3, 1e-2), "embedding_decay": (1e-4,), "dropout": (0.0, 0.3)}
SEEDS = (0, 1)
SIZE, HIDDEN, LAYERS, HEADS = 16, [128, 64], 3, 2
BATCH, EPOCHS, PATIENCE = 8192, 15, 2
FIELDS = ("genres", "year")
USER_FIELDS = ("gender", "age", "occupation")
ITEM_SIDE = ("item", "item_year", "item_genres")


def write_rows(data_run: Path, out: Path) -> None:
    """rows.npz: the rows' ids by field, [M] or [M, L], labels and splits; and rows.json, the fields' sizes."""
    from recbench.data.dataset import load_data

    shown, encoder = _encoded(load_data(data_run))
    arrays: dict[str, np.ndarray] = {"label": shown.label, "split": shown.split}
    for field in encoder.fields:
        name = field.name.replace(".", "_")  # torch names no module with a dot
        if field.role == "user":
            arrays[name] = encoder.users[shown.user, field.column]
        elif field.kind == "list":
            arrays[name] = encoder.lists[field.column].ids[shown.item]
        else:
            arrays[name] = encoder.items[shown.item, field.column]
    out.mkdir(parents=True, exist_ok=True)
    np.savez(out / "rows.npz", **arrays)
    sizes = {field.name.replace(".", "_"): field.size for field in encoder.fields}
    (out / "rows.json").write_text(json.dumps({"data": str(data_run), "sizes": sizes}))


def train_recbench(out: Path, kind: str, setting: dict[str, float], seed: int) -> tuple[float, float, int]:
    """Validation and test AUC, and epochs, of one training by recbench."""
    from recbench.ctr.models import make_model
    from recbench.ctr.rows import rows_of_impressions
    from recbench.ctr.training import predict, train_model
    from recbench.data.dataset import load_data
    from recbench.metrics.clicks import auc
    from recbench.schema import CtrModelConfig

    data = load_data(Path(json.loads((out / "rows.json").read_text())["data"]))
    shown, encoder = _encoded(data)
    parts = [np.flatnonzero(shown.split == split) for split in range(3)]
    rows = [rows_of_impressions(encoder, shown, part, 0) for part in parts]
    labels = [shown.label[part] for part in parts]
    settings = CtrModelConfig(
        kind=kind,
        embedding_size=SIZE,
        hidden=HIDDEN,
        layers=LAYERS,
        heads=HEADS,
        id_dropout=0.0,
        batch_size=BATCH,
        epochs=EPOCHS,
        patience=PATIENCE,
        plateau_factor=0.1,
        **setting,  # type: ignore[arg-type]
    )
    model = make_model(encoder, settings, seed)
    fit = train_model(model, rows[0], labels[0], rows[1], labels[1], settings, seed)
    return fit.best_auc, auc(labels[2], predict(model, rows[2])), len(fit.history)


def _encoded(data: Any) -> tuple[Any, Any]:
    from recbench.ctr.encoding import BaseColumns, fit_encoder

    return data.impressions, fit_encoder(data, BaseColumns(FIELDS, USER_FIELDS), least_count=1, shared_query=False)


def train_fuxictr(out: Path, kind: str, setting: dict[str, float], seed: int) -> tuple[float, float, int]:
    """The same of one training by FuxiCTR: its layers, its losses and its loop."""
    from sklearn.metrics import roc_auc_score

    stored = np.load(out / "rows.npz")
    sizes = json.loads((out / "rows.json").read_text())["sizes"]
    columns = {name: torch.from_numpy(stored[name].astype(np.int64)) for name in sizes}
    columns["label"] = torch.from_numpy(stored["label"].astype(np.float32))
    parts = [torch.from_numpy(np.flatnonzero(stored["split"] == split)) for split in range(3)]
    splits = [{name: column[part] for name, column in columns.items()} for part in parts]
    torch.manual_seed(seed)
    with tempfile.TemporaryDirectory() as folder:
        model = _fuxictr_model(kind, _feature_map(sizes, columns), setting, folder)
        loader = _Batches(splits[0], seed)
        model.fit(loader, epochs=EPOCHS, validation_data=_Batches(splits[1], None))
        areas = [
            float(roc_auc_score(part["label"], model.predict(_Batches(part, None)))) for part in (splits[1], splits[2])
        ]
    return areas[0], areas[1], loader.epochs


class _Batches:
    """What FuxiCTR's loop asks of a data generator: a length, and batches as dictionaries of tensors."""

    def __init__(self, columns: dict[str, torch.Tensor], seed: int | None) -> None:
        self.columns, self.rows, self.epochs = columns, len(columns["label"]), 0
        self.random = None if seed is None else np.random.default_rng(seed)

    def __len__(self) -> int:
        return -(-self.rows // BATCH)

    def __iter__(self) -> Iterator[dict[str, torch.Tensor]]:
        self.epochs += 1
        order = np.arange(self.rows) if self.random is None else self.random.permutation(self.rows)
        for index in torch.from_numpy(order).split(BATCH):
            yield {name: column[index] for name, column in self.columns.items()}


def _feature_map(sizes: dict[str, int], columns: dict[str, torch.Tensor]) -> Any:
    from fuxictr.features import FeatureMap

    found = FeatureMap("movielens", ".")
    for name, size in sizes.items():
        side = "item" if name in ITEM_SIDE else "user"
        if columns[name].ndim == 1:
            found.features[name] = {"type": "categorical", "source": side, "vocab_size": size}
        else:
            found.features[name] = {
                "type": "sequence",
                "source": side,
                "vocab_size": size,
                "padding_idx": 0,
                "max_len": columns[name].shape[1],
                "feature_encoder": "layers.MaskedAveragePooling()",
            }
    found.labels, found.default_emb_dim = ["label"], SIZE
    found.num_fields = found.get_num_fields()
    return found


def _fuxictr_model(kind: str, feature_map: Any, setting: dict[str, float], folder: str) -> Any:
    """A model of FuxiCTR's layers, put together as in its model zoo."""
    from fuxictr.pytorch.layers import (
        CrossNetV2,
        FactorizationMachine,
        FeatureEmbedding,
        InnerProductInteraction,
        LogisticRegression,
        MLP_Block,
    )
    from fuxictr.pytorch.models import BaseModel
    from model_zoo.LongCTR.FinalMLP.FinalMLP import FeatureSelection, InteractionAggregation
    from torch import nn

    width, dropout = feature_map.sum_emb_out_dim(), setting["dropout"]

    def perceptron(outputs: int | None) -> nn.Module:
        return MLP_Block(input_dim=width, hidden_units=HIDDEN, output_dim=outputs, dropout_rates=dropout)

    class Model(BaseModel):  # type: ignore[misc]
        def __init__(self) -> None:
            super().__init__(
                feature_map,
                model_id=kind,
                monitor={"AUC": 1},
                early_stop_patience=PATIENCE,
                embedding_regularizer=setting["embedding_decay"],
                net_regularizer=None,
                verbose=0,
                model_root=folder,
                metrics=["AUC"],
            )
            if kind != "lr":
                self.embedding_layer = FeatureEmbedding(feature_map, SIZE)
            if kind == "lr":
                self.lr_layer = LogisticRegression(feature_map, use_bias=True)
            if kind in ("fm", "deepfm"):
                self.fm = FactorizationMachine(feature_map)
            if kind == "deepfm":
                self.mlp = perceptron(1)
            if kind == "dcnv2":
                self.crossnet, self.parallel_dnn = CrossNetV2(width, LAYERS), perceptron(None)
                self.fc = nn.Linear(width + HIDDEN[-1], 1)
            if kind == "dlrm":  # MovieLens has no numbers: no bottom perceptron
                count = feature_map.num_fields
                self.interaction = InnerProductInteraction(count, output="inner_product")
                self.top = MLP_Block(
                    input_dim=count * (count - 1) // 2, hidden_units=HIDDEN, output_dim=1, dropout_rates=dropout
                )
            if kind == "finalmlp":
                user_side = [name for name in feature_map.features if name not in ITEM_SIDE]
                self.mlp1, self.mlp2 = perceptron(None), perceptron(None)
                self.fs_module = FeatureSelection(feature_map, width, SIZE, [64], user_side, list(ITEM_SIDE))
                self.fusion_module = InteractionAggregation(HIDDEN[-1], HIDDEN[-1], output_dim=1, num_heads=HEADS)
            self.compile("adam", "binary_crossentropy", setting["learning_rate"])
            self.reset_parameters()
            Path(self.model_dir).mkdir(parents=True, exist_ok=True)

        def forward(self, inputs: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
            ids = self.get_inputs(inputs)
            if kind == "lr":
                return {"y_pred": self.output_activation(self.lr_layer(ids))}
            vectors = self.embedding_layer(ids)
            flat = vectors.flatten(start_dim=1)
            if kind == "fm":
                logits = self.fm(ids, vectors)
            elif kind == "deepfm":
                logits = self.fm(ids, vectors) + self.mlp(flat)
            elif kind == "dcnv2":
                logits = self.fc(torch.cat([self.crossnet(flat), self.parallel_dnn(flat)], dim=-1))
            elif kind == "dlrm":
                logits = self.top(self.interaction(vectors))
            else:
                first, second = self.fs_module(ids, flat)
                logits = self.fusion_module(self.mlp1(first), self.mlp2(second))
            return {"y_pred": self.output_activation(logits)}

    return Model()


SIDES: dict[str, Callable[[Path, str, dict[str, float], int], tuple[float, float, int]]] = {
    "recbench": train_recbench,
    "fuxictr": train_fuxictr,
}


def train(side: str, out: Path, kinds: list[str]) -> None:
    """Train the grid of every model with the first seed, then its best setting with the others."""
    for kind in kinds:
        names = list(GRID)
        for values in itertools.product(*GRID.values()):
            setting = dict(zip(names, values, strict=True))
            if kind not in LINEAR or setting["dropout"] == GRID["dropout"][0]:
                _train_once(side, out, kind, setting, SEEDS[0])
        best = _best(_done(side, out), kind)
        for seed in SEEDS[1:]:
            _train_once(side, out, kind, best, seed)


def _train_once(side: str, out: Path, kind: str, setting: dict[str, float], seed: int) -> None:
    about = {"model": kind, "setting": setting, "seed": seed}
    if any(all(line[key] == value for key, value in about.items()) for line in _done(side, out)):
        return
    started = time.perf_counter()
    validation, test, epochs = SIDES[side](out, kind, setting, seed)
    seconds = round(time.perf_counter() - started, 1)
    line = {**about, "validation_auc": validation, "test_auc": test, "epochs": epochs, "seconds": seconds}
    with (out / f"{side}.jsonl").open("a") as stream:
        stream.write(json.dumps(line) + "\n")
    sys.stderr.write(f"{side} {json.dumps(line)}\n")


def _done(side: str, out: Path) -> list[dict[str, Any]]:
    path = out / f"{side}.jsonl"
    return [json.loads(line) for line in path.read_text().splitlines()] if path.is_file() else []


def _best(lines: list[dict[str, Any]], kind: str) -> dict[str, float]:
    first = [line for line in lines if line["model"] == kind and line["seed"] == SEEDS[0]]
    return max(first, key=lambda line: line["validation_auc"])["setting"]


def table(out: Path) -> None:
    """Print test AUC, mean and standard deviation (n - 1) over seeds at best settings, and the difference."""
    lines = [
        "| model | recbench | FuxiCTR | difference | recbench's setting | FuxiCTR's |",
        "|---|---|---|---|---|---|",
    ]
    trained = [{line["model"] for line in _done(side, out) if line["seed"] == SEEDS[0]} for side in SIDES]
    for kind in MODELS:
        if not all(kind in models for models in trained):
            continue
        cells, means, settings = [], [], []
        for side in SIDES:
            done = _done(side, out)
            setting = _best(done, kind)
            areas = [line["test_auc"] for line in done if line["model"] == kind and line["setting"] == setting]
            means.append(float(np.mean(areas)))
            cells.append(f"{means[-1]:.4f} +- {np.std(areas, ddof=1) if len(areas) > 1 else np.nan:.4f}")
            settings.append(", ".join(f"{value:g}" for value in setting.values()))
        lines.append(
            f"| {kind} | {cells[0]} | {cells[1]} | {means[0] - means[1]:+.4f} | {settings[0]} | {settings[1]} |"
        )
    sys.stdout.write("\n".join(lines) + "\n")


def main() -> None:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("step", choices=("rows", "train", "table"))
    parser.add_argument("side", nargs="?", choices=tuple(SIDES))
    parser.add_argument("--out", type=Path, required=True, help="folder of rows and results")
    parser.add_argument("--data", type=Path, help="rows: a finished recbench data run of MovieLens")
    parser.add_argument("--models", default=",".join(MODELS), help="train: which, separated by commas")
    parser.add_argument("--threads", type=int, default=1)
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    if arguments.step == "rows":
        write_rows(arguments.data, arguments.out)
    elif arguments.step == "train":
        train(arguments.side, arguments.out, arguments.models.split(","))
    else:
        table(arguments.out)


if __name__ == "__main__":
    main()
