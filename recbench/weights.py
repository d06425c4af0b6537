"""A checkpoint's folder as a hash: which weights they are that a path stands for today."""

import hashlib
from functools import lru_cache
from pathlib import Path


def weights_fingerprint(folder: Path) -> str:
    """SHA-256 of config.json and of all safetensors of a folder; read again only where a file has changed."""
    files = [file for file in (folder / "config.json", *sorted(folder.glob("*.safetensors"))) if file.is_file()]
    return _of_files(tuple((file, *_state(file)) for file in files))


def _state(file: Path) -> tuple[int, int]:
    found = file.stat()
    return found.st_size, found.st_mtime_ns


@lru_cache(maxsize=16)
def _of_files(files: tuple[tuple[Path, int, int], ...]) -> str:
    digest = hashlib.sha256()
    for file, _, _ in files:
        with file.open("rb") as stream:
            digest.update(hashlib.file_digest(stream, "sha256").digest())
    return digest.hexdigest()
