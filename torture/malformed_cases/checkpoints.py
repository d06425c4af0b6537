"""Checkpoint folders of language models: damaged, of another kind, with code, with templates that do harm."""

import io
import json
import pickle
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path

from torture.malformed_cases.case import HTML, Case

COMMAND = (
    "caption",
    "data=table",
    "data.path=log.csv",
    "data.options.columns.timestamp=time",
    "data.options.items_file=items.csv",
    "captioner=text",
    "captioner.path=model",
    "captioner.max_tokens=2",
    "threads=1",
)
FILES = ("config.json", "tokenizer.json", "tokenizer_config.json", "model.safetensors", "generation_config.json")
CONFIGS = {
    "hidden_size beyond memory": {"hidden_size": 1 << 24},
    "layers beyond memory": {"num_hidden_layers": 10**9},
    "vocabulary beyond memory": {"vocab_size": 1 << 40},
    "hidden_size of a text": {"hidden_size": "wide"},
    "heads of 0": {"num_attention_heads": 0},
    "heads that do not divide": {"num_attention_heads": 3},
    "no model type": {"model_type": None},
    "an unknown model type": {"model_type": "nothing"},
    "another model type": {"model_type": "bert", "architectures": ["BertModel"]},
    "code of its own": {
        "auto_map": {"AutoConfig": "evil.Config", "AutoModelForCausalLM": "evil.Model"},
        "model_type": "evil",
    },
    "a type of numbers": {"dtype": "float1"},
    "an activation unknown": {"hidden_act": "nothing"},
}
TEMPLATES = {
    "loops for ever": "{% for a in range(100000) %}{% for b in range(100000) %}{% endfor %}{% endfor %}",
    "loops within loops": "{% for a in range(99999) %}{% for b in range(99999) %}{{ 9 * 9 }}x{% endfor %}{% endfor %}",
    "fills the memory": "{{ 'x' * 10000000000 }}",
    "doubles a text": "{% set n=namespace(t='x') %}{% for a in range(60) %}{% set n.t=n.t*2 %}{% endfor %}{{ n.t }}",
    "a huge power": "{{ 9**(9**9) }}",
    "pads a text": "{{ '%10000000000d' % 1 }}",
    "reaches for classes": "{{ ''.__class__.__mro__[1].__subclasses__() }}",
    "reaches for globals": "{{ cycler.__init__.__globals__.os.system('touch owned') }}",
    "reaches through a filter": "{{ messages|attr('__class__') }}",
    "reads a file": "{% include '/etc/passwd' %}",
    "imports": "{% import 'os' as os %}",
    "raises": "{{ raise_exception('no') }}",
    "does not close": "{% for a in messages %}",
    "is undefined": "{{ nothing.at.all }}",
    "recursion": "{% macro f() %}{{ f() }}{% endmacro %}{{ f() }}",
}


def cases() -> Iterator[Case]:
    """Every case of a checkpoint."""
    yield Case("checkpoint: as it should be", COMMAND, base="checkpoint", expect="take")
    for file in FILES:
        for fault, content in {
            "gone": None,
            "empty": b"",
            "a page": HTML,
            "cut": b"cut",
            "null": b"null",
            "an array": b"[]",
            "nested deeply": b"[" * 100_000,
            "zeros": b"\0" * 4096,
        }.items():
            optional = file in ("generation_config.json", "tokenizer_config.json")
            yield case(f"{file} {fault}", replaced(file, content), "either" if optional else "refuse")
    for name, changes in CONFIGS.items():
        yield case(f"config of {name}", merged("config.json", changes))
    for name, template in TEMPLATES.items():
        expect = "either" if name == "reaches through a filter" else "refuse"  # the sandbox gives it nothing
        yield case(f"template that {name}", replaced("chat_template.jinja", template.encode()), expect)
    yield case("weights as a pickle that runs", pickled(runs=True))
    yield case("weights as a pickle", pickled(runs=False))
    header = b'{"model.embed_tokens.weight":{"dtype":"F32","shape":[1000000000,1000],"data_offsets":[0,8]}}'
    lying = len(header).to_bytes(8, "little") + header + b"\0" * 8
    yield case("weights whose shape lies", replaced("model.safetensors", lying))
    yield case("weights whose header lies", replaced("model.safetensors", (1 << 62).to_bytes(8, "little") + b"{}"))
    header = b'{"nothing":{"dtype":"F32","shape":[2],"data_offsets":[0,8]}}'
    yield case(
        "weights of another model",
        replaced("model.safetensors", len(header).to_bytes(8, "little") + header + b"\0" * 8),
    )
    index = {"metadata": {}, "weight_map": {"model.embed_tokens.weight": "../../../etc/passwd"}}
    yield case("an index of weights elsewhere", indexed(index))
    yield case(
        "an index of weights that lack", indexed({"metadata": {}, "weight_map": {"lm_head.weight": "gone.safetensors"}})
    )
    for path in (
        "nothing",
        "log.csv",
        "/dev/null",
        "a/b/c",
        "http://localhost:1/x",
        "../..",
        "model/config.json",
        "'a\0b'",
    ):
        yield Case(f"checkpoint: path {path!r}", (*COMMAND, f"captioner.path={path}"), base="checkpoint")
    for key, command in (
        (
            "features.tokenizer",
            ("tokenize", *COMMAND[1:5], "captioner=file", "captioner.path=captions.csv", "features=tokens"),
        ),
        (
            "features.embedding",
            ("tokenize", *COMMAND[1:5], "captioner=file", "captioner.path=captions.csv", "features=clusters"),
        ),
    ):
        captions = {"captions.csv": b"item,caption\n" + b"".join(b"i%d,red square %d\n" % (n, n) for n in range(7))}
        for name, prepare in {
            "as it should be": None,
            "tokenizer cut": replaced("tokenizer.json", b'{"model": {'),
            "tokenizer of nothing": replaced("tokenizer.json", None),
            "config a page": replaced("config.json", HTML),
            "config nested deeply": replaced("config.json", b"[" * 100_000),
            "weights as a pickle that runs": pickled(runs=True),
        }.items():
            expect = "either" if name == "as it should be" or "tokenizer" in key else "refuse"
            yield Case(
                f"{key}: {name}",
                (*command, f"{key}=model"),
                captions,
                expect,
                base="checkpoint",
                prepare=prepare,
                check=nothing_owned,
            )


def case(name: str, prepare: Callable[[Path], None], expect: str = "refuse") -> Case:
    """A caption run with a changed checkpoint."""
    return Case(f"checkpoint: {name}", COMMAND, base="checkpoint", expect=expect, prepare=prepare, check=nothing_owned)


def replaced(file: str, content: bytes | None) -> Callable[[Path], None]:
    """Other bytes for a file of the checkpoint; b"cut" halves it, None removes it."""

    def prepare(folder: Path) -> None:
        path = folder / "model" / file
        if content is None:
            path.unlink(missing_ok=True)
        elif content == b"cut":
            whole = path.read_bytes() if path.exists() else b""
            path.write_bytes(whole[: len(whole) // 2])
        else:
            path.write_bytes(content)

    return prepare


def merged(file: str, changes: dict[str, object]) -> Callable[[Path], None]:
    """Other values in a JSON file of the checkpoint."""

    def prepare(folder: Path) -> None:
        path = folder / "model" / file
        path.write_text(json.dumps(json.loads(path.read_text(encoding="utf-8")) | changes), encoding="utf-8")
        code = "import pathlib\npathlib.Path('owned').touch()\nclass Config: pass\nclass Model: pass\n"
        (folder / "model" / "evil.py").write_text(code, encoding="utf-8")

    return prepare


def indexed(index: dict[str, object]) -> Callable[[Path], None]:
    """An index of weights in place of the weights."""

    def prepare(folder: Path) -> None:
        (folder / "model" / "model.safetensors").unlink()
        (folder / "model" / "model.safetensors.index.json").write_text(json.dumps(index), encoding="utf-8")

    return prepare


class _Touch:
    """Unpickled, it runs a command."""

    def __reduce__(self) -> tuple[object, tuple[str]]:
        import os

        return os.system, ("touch owned",)


def pickled(runs: bool) -> Callable[[Path], None]:
    """pytorch_model.bin in place of the weights; one that runs a command is a plain pickle in torch's zip."""

    def prepare(folder: Path) -> None:
        import torch
        from safetensors.torch import load_file

        weights = folder / "model" / "model.safetensors"
        target = folder / "model" / "pytorch_model.bin"
        torch.save(load_file(weights), target)
        if runs:
            stream = io.BytesIO()
            with zipfile.ZipFile(stream, "w") as archive:
                archive.writestr("archive/data.pkl", pickle.dumps({"weight": _Touch()}, protocol=2))
                archive.writestr("archive/version", "3\n")
            target.write_bytes(stream.getvalue())
        weights.unlink()

    return prepare


def nothing_owned(folder: Path) -> str | None:
    """A problem where a file's code has run."""
    return "code in a file was run" if list(folder.rglob("owned")) else None
