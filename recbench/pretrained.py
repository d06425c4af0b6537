"""Checkpoints that others made: loaded from safetensors alone, and refused in one line where they are not whole."""

import math
from pathlib import Path
from typing import Any

import torch
from safetensors import safe_open
from transformers import AutoConfig
from transformers.utils import logging
from transformers.utils.logging import disable_progress_bar

from recbench.data.sources.compressed import POINTER, first_bytes
from recbench.errors import UserError
from recbench.strict_json import parse

MOST_LAYERS = 2_000  # in a config: each is built before weights are compared
OPTIONAL = ("pooler",)  # parts of encoders that a checkpoint may lack: nothing here reads them
PACKED = 16  # weights that one stored number may hold, in checkpoints of a few bits
SMALL = 10_000_000  # weights that any machine can allocate
REMEDY = "give a checkpoint's folder, or its name on the hub"


def load_pretrained(automatic: Any, path: str | None, key: str, **keywords: Any) -> Any:
    """`automatic.from_pretrained(path)`: of a processor, tokenizer or config.

    Args:
        automatic: one of transformers' Auto classes.
        key: the config key that the path comes from, for the message.

    Raises:
        UserError: no path, or nothing there that the class can load.
    """
    if not path or not path.strip():
        raise UserError(f"{key} is missing: {REMEDY} as {key}=PATH")
    disable_progress_bar()
    _check_folder(Path(path), key)
    before = logging.get_verbosity()
    logging.set_verbosity_error()  # what is wrong is told as one line
    try:
        return automatic.from_pretrained(path, **keywords)
    except Exception as problem:  # of damaged files: whatever a parser, a constructor or an allocator raises
        reason = " ".join(str(problem).split()) or type(problem).__name__
        raise UserError(
            f"{key}={path} cannot be loaded as {automatic.__name__} ({reason[:200]}); {REMEDY}"
        ) from problem
    finally:
        logging.set_verbosity(before)


def load_pretrained_model(automatic: Any, path: str | None, key: str, **keywords: Any) -> Any:
    """A model with all its weights, from safetensors: pickles are not read.

    Raises:
        UserError: as `load_pretrained`; and where the checkpoint lacks weights, or has pickles alone.
    """
    folder = Path(path or "")
    if folder.is_dir() and not any(folder.glob("*.safetensors*")) and any(folder.glob("*.bin")):
        raise UserError(
            f"{key}={path} has its weights as pickles ({next(folder.glob('*.bin')).name}), which can run code and are "
            "not read; write them as safetensors: model.save_pretrained(FOLDER)"
        )
    if folder.is_dir():
        load_pretrained(_Sized(automatic), path, key, trust_remote_code=keywords.get("trust_remote_code", False))
    model, found = load_pretrained(automatic, path, key, use_safetensors=True, output_loading_info=True, **keywords)
    lacking = sorted(name for name in found["missing_keys"] if not any(part in name for part in OPTIONAL))
    if lacking:
        raise UserError(
            f"{key}={path} lacks {len(lacking)} weights of {type(model).__name__}, the first being {lacking[0]}; give "
            "a checkpoint of such a model"
        )
    return model


class _Sized:
    """As an Auto class, of a config alone: counts the weights that a model of it has, and none is allocated."""

    def __init__(self, automatic: Any) -> None:
        self.automatic, self.__name__ = automatic, automatic.__name__

    def from_pretrained(self, path: str, **keywords: Any) -> None:
        """Raise ValueError where the config asks for many times the weights that the checkpoint's files have."""
        config = AutoConfig.from_pretrained(path, **keywords)
        with torch.device("meta"):
            if hasattr(self.automatic, "from_config"):
                model = self.automatic.from_config(config, **keywords)
            else:  # one architecture's own class
                model = self.automatic(config)
        asked, there = sum(weight.numel() for weight in model.parameters()), 0
        for file in Path(path).glob("*.safetensors"):
            with safe_open(file, "pt") as tensors:
                there += sum(math.prod(tensors.get_slice(name).get_shape()) for name in tensors.keys())  # noqa: SIM118
        if asked > PACKED * there + SMALL:
            raise ValueError(f"config.json asks for {asked:,} weights, and the files hold {there:,}")


def _check_folder(folder: Path, key: str) -> None:
    """Refuse what would hang or crash before a library says what it is."""
    if not folder.exists() and (folder.is_absolute() or len(folder.parts) > 2 or folder.parts[:1] in [("..",), ("~",)]):
        raise UserError(f"{key}={folder}: there is no such folder; {REMEDY}")  # names on the hub are NAME or OWNER/NAME
    if folder.exists() and not folder.is_dir():
        raise UserError(f"{key}={folder} is a file, expected a checkpoint's folder with config.json")
    for file in sorted(folder.glob("*.json")) if folder.is_dir() else []:
        if file.name == "tokenizer.json":  # megabytes, and its library's to parse
            continue
        try:
            content = parse(file.read_bytes())
        except (OSError, ValueError) as problem:
            raise UserError(f"{key}={folder}: {file.name} cannot be read ({problem}); fetch it again") from problem
        if file.name == "config.json":
            _check_layers(content, f"{key}={folder}")
    for file in sorted(folder.glob("*.safetensors")):
        if first_bytes(file).startswith(POINTER):
            raise UserError(f"{key}={folder}: {file.name} is a pointer of Git LFS; fetch the file (git lfs pull)")


def _check_layers(content: Any, source: str) -> None:
    for name, value in content.items() if isinstance(content, dict) else []:
        if isinstance(value, dict):
            _check_layers(value, source)
        elif name.endswith("layers") and isinstance(value, int) and value > MOST_LAYERS:
            raise UserError(f"{source}: config.json has {name}={value:,}, more than {MOST_LAYERS:,}; correct it")
