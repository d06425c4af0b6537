"""recbench ctr: a click model without captions, with them, and with them shuffled; what captions added."""

import time
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import torch
from torch import nn

from recbench.ctr.arms import encoder_of_arm
from recbench.ctr.encoding import BaseColumns, Encoder, fit_encoder, impressions_of
from recbench.ctr.evaluation import TestRows, arm_metrics, best_possible, gains, over_seeds, rows_of
from recbench.ctr.latency import time_scoring
from recbench.ctr.models import make_model, past_clicks
from recbench.ctr.rows import Rows, rows_of_impressions
from recbench.ctr.scoring import read_scorer, save_scorer, size_of
from recbench.ctr.training import predict, train_model
from recbench.data.dataset import RecommendationData, load_data
from recbench.data.impressions import Impressions, cold_rows, training_items
from recbench.data.interactions import SPLIT_NAMES, TEST, TRAIN, VALIDATION
from recbench.errors import UserError
from recbench.features.columns import FeatureColumn, load_features
from recbench.runs import Run, atomic_path
from recbench.schema import CtrStageConfig, label_of
from recbench.training.device import autocast, choose_device, use_threads
from recbench.upstream import agreeing, require


@dataclass
class _Experiment:
    """What every arm and seed is trained and tested on."""

    config: CtrStageConfig
    run: Run
    data: RecommendationData
    shown: Impressions
    base: Encoder
    captions: list[FeatureColumn]
    training: np.ndarray  # bool [N], items of the training period
    parts: list[np.ndarray]  # int64, rows of the training, validation and test impressions
    rows: list[Rows]  # the same impressions as models read them, whichever the arm: captions are in its encoder
    device: torch.device


def run(config: CtrStageConfig, run: Run) -> dict[str, Any]:
    """Train every arm with every seed, write predictions.parquet and checkpoints/, and return metrics and gains.

    An arm that is in checkpoints/ already, because the run was interrupted, is not trained again.

    Raises:
        UserError: data without impressions, an empty split, or settings that contradict the data.
    """
    use_threads(config.threads)
    device = choose_device(config.device)
    captions: list[FeatureColumn] = []
    data_run = None
    if set(config.arms) - {"without"}:
        tokenized = _tokenize_run(config, run)
        data_run = tokenized.input_run("data")
        captions = load_features(tokenized.path)
    data_run = data_run or require("data", config, run)  # type: ignore[arg-type]
    run.use(data_run)
    data = load_data(data_run.path)
    run.record(data_fingerprint=data.fingerprint, device=str(device))
    shown = impressions_of(data)
    base = fit_encoder(data, _base_columns(config, shown), config.ctr.least_count, config.ctr.shared_query)
    parts = [_rows_of_split(data, shown, split) for split in (TRAIN, VALIDATION, TEST)]
    past = past_clicks(config.ctr)
    experiment = _Experiment(
        config=config,
        run=run,
        data=data,
        shown=shown,
        base=base,
        captions=captions,
        training=training_items(data),
        parts=parts,
        rows=[rows_of_impressions(base, shown, part, past).to(device) for part in parts],
        device=device,
    )
    scores: dict[str, np.ndarray] = {}
    fits: dict[str, list[dict[str, Any]]] = {}
    models: dict[str, tuple[Encoder, nn.Module]] = {}  # of the first seed
    epochs = config.ctr.epochs
    with run.progress(f"ctr {label_of('ctr', config.ctr)}", len(config.arms) * len(config.seeds) * epochs) as bar:
        for place, (arm, seed) in enumerate((arm, seed) for arm in config.arms for seed in config.seeds):
            bar.move_to(place * epochs)
            encoder, model, fit, predicted = _trained(experiment, arm, seed, bar)
            models.setdefault(arm, (encoder, model))
            fits.setdefault(arm, []).append({"seed": seed, **fit})
            scores[arm] = np.vstack([*scores.get(arm, np.zeros((0, len(predicted)))), predicted])
    test = TestRows(
        labels=shown.label[experiment.parts[2]],
        users=shown.user[experiment.parts[2]],
        items=shown.item[experiment.parts[2]],
        cold=cold_rows(shown, config.cold)[experiment.parts[2]],
        probability=None if shown.probability is None else shown.probability[experiment.parts[2]],
    )
    _write_predictions(experiment, test, scores)
    _time(experiment, models)
    best = best_possible(test, scores)
    return {
        "model": label_of("ctr", config.ctr),
        "columns": config.columns,
        "fields": {arm: [field.name for field in encoder.fields] for arm, (encoder, _) in models.items()},
        "impressions": {SPLIT_NAMES[split]: len(rows) for split, rows in enumerate(experiment.parts)},
        "test": rows_of(test),
        "arms": {arm: _arm(config, test, scores[arm], fits[arm], size_of(*models[arm])) for arm in scores},
        "gains": gains(test, scores),
        **({"best": best} if best is not None else {}),
    }


def _tokenize_run(config: CtrStageConfig, run: Run) -> Run:
    """The run of `input`, or the newest by these settings; by any while captioner or features are the default ones."""
    return require(
        "tokenize",
        config,  # type: ignore[arg-type]
        run,
        match=agreeing("ctr", config, ("captioner", "features")),  # type: ignore[arg-type]
        make={"captioner": config.captioner, "features": config.features},
        input=config.input,
    )


def _base_columns(config: CtrStageConfig, shown: Impressions) -> BaseColumns:
    if config.columns == "ids":
        return BaseColumns()
    return BaseColumns(list(config.data.fields), list(config.data.user_fields), list(shown.context))


def _rows_of_split(data: RecommendationData, shown: Impressions, split: int) -> np.ndarray:
    rows = np.flatnonzero(shown.split == split)
    if not len(rows):
        raise UserError(f"data set {data.name} has no {SPLIT_NAMES[split]} impressions; click models need some of each")
    return rows


def _trained(
    experiment: _Experiment, arm: str, seed: int, bar: Any
) -> tuple[Encoder, nn.Module, dict[str, Any], np.ndarray]:
    """Encoder, model, how its training went, and its probabilities of the test rows: trained, or read if it was."""
    config, run, settings = experiment.config, experiment.run, experiment.config.ctr
    folder = run.path / "checkpoints" / f"{arm}-{seed}"
    if (folder / "encoder.json").is_file():
        encoder, model, about = read_scorer(folder)
        model.to(experiment.device)
        return encoder, model, about["fit"], predict(model, experiment.rows[TEST])
    encoder = encoder_of_arm(
        experiment.base, arm, experiment.captions, experiment.training, seed, settings.shared_query
    )
    model = make_model(encoder, settings, seed).to(experiment.device)
    labels = [experiment.shown.label[part] for part in experiment.parts]

    def report(values: dict[str, float]) -> None:
        run.log.info("%s seed %d %s", arm, seed, " ".join(f"{name} {value:.6g}" for name, value in values.items()))
        bar.advance(1, auc=values["validation_auc"])

    started = time.perf_counter()
    fit = train_model(
        model,
        experiment.rows[TRAIN],
        labels[TRAIN],
        experiment.rows[VALIDATION],
        labels[VALIDATION],
        settings,
        seed,
        autocast=lambda: autocast(experiment.device, config.precision),
        report=report,
    )
    seconds = time.perf_counter() - started
    taken = {**run.manifest.get("training_seconds", {}), f"{arm}-{seed}": round(seconds, 1)}
    run.record(training_seconds=taken, impressions_a_second=round(len(labels[TRAIN]) * len(fit.history) / seconds))
    about = {
        "best_epoch": fit.best_epoch,
        "validation_auc": fit.best_auc,
        "epochs": fit.history,
    }
    with atomic_path(folder) as partial:
        partial.mkdir(parents=True)
        save_scorer(partial, encoder, model, settings, {"data_fingerprint": experiment.data.fingerprint, "fit": about})
    return encoder, model, about, predict(model, experiment.rows[TEST])


def _arm(
    config: CtrStageConfig, test: TestRows, scores: np.ndarray, fits: list[dict[str, Any]], size: dict[str, int]
) -> dict[str, Any]:
    windows = [(float(low), float(high)) for low, high in config.windows]
    seeds = [arm_metrics(test, predicted, windows, list(config.ks)) for predicted in scores]
    return {
        "metrics": over_seeds(seeds),
        "seeds": [{"seed": seed, **metrics} for seed, metrics in zip(config.seeds, seeds, strict=True)],
        "training": fits,
        **size,
    }


def _write_predictions(experiment: _Experiment, test: TestRows, scores: dict[str, np.ndarray]) -> None:
    """One row a test impression: its row in impressions.parquet, label, cold, and one probability an arm and seed."""
    columns: dict[str, Any] = {"row": experiment.parts[2], "label": test.labels, "cold": test.cold}
    for arm, predicted in scores.items():
        for seed, probabilities in zip(experiment.config.seeds, predicted, strict=True):
            columns[f"{arm}-{seed}"] = probabilities
    with atomic_path(experiment.run.path / "predictions.parquet") as partial:
        pq.write_table(pa.table(columns), partial)


def _time(experiment: _Experiment, models: dict[str, tuple[Encoder, nn.Module]]) -> None:
    """Record the arms' scoring times, parameters and memory, and what captions add; in the manifest, being times."""
    config = experiment.config
    if not config.latency_repeats:
        return
    arms: dict[str, tuple[nn.Module, Rows]] = {
        arm: (models[arm][1], experiment.rows[TEST]) for arm in ("without", "with") if arm in models
    }
    if not arms:
        return
    times = time_scoring(arms, config.latency_batch, config.latency_repeats, config.seed)
    sizes = {arm: size_of(*models[arm]) for arm in arms}
    for arm, size in sizes.items():
        times["arms"][arm] |= {"parameters": size["parameters"], "megabytes": size["bytes"] / 1e6}
    for arm, added in times["added"].items():
        added["parameters"] = sizes[arm]["parameters"] - sizes["without"]["parameters"]
        added["megabytes"] = (sizes[arm]["bytes"] - sizes["without"]["bytes"]) / 1e6
    times |= {"device": str(experiment.device), "threads": torch.get_num_threads()}
    experiment.run.record(latency=times)
