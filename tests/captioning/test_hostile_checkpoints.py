"""Checkpoints that are damaged, not whole or hostile, through the real command line: one line, and nothing is run."""

import json
import pickle
import shutil
import zipfile

import pytest

from recbench.captioning import chat_templates

pytestmark = pytest.mark.process


@pytest.fixture
def refused(tmp_path, shop, text_checkpoint, fresh_workspace, refuse):
    """Change a copy of the checkpoint, and check that captions with it are refused with these words."""

    def check(change, words: str) -> None:
        folder = tmp_path / "model"
        shutil.copytree(text_checkpoint, folder)
        change(folder)
        arguments = [*shop.overrides, "captioner=text", f"captioner.path={folder}", "captioner.max_tokens=2"]
        refuse(fresh_workspace.stage("caption", *arguments), words)
        assert not list(tmp_path.rglob("owned"))
        assert not list(fresh_workspace.root.rglob("captions.parquet"))

    return check


def template(text: str):
    return lambda folder: (folder / "chat_template.jinja").write_text(text)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("{% for a in range(99999) %}{% for b in range(99999) %}{% endfor %}{% endfor %}", "ran for more than 1 s"),
        ("{{ 9**(9**9) }}", "ran for more than 1 s"),
        ("{{ 'x' * 10000000000 }}", "its chat template fails (MemoryError)"),
        ("{{ 'x' * 2000000 }}", "it writes 2,000,000 characters for one prompt"),
        ("{{ cycler.__init__.__globals__.os.system('touch owned') }}", "its chat template fails"),
        ("{{ raise_exception('no pictures, please') }}", "its chat template fails (no pictures, please)"),
        ("{% for a in messages %}", "its chat template fails"),
    ],
)
def test_chat_templates_are_bounded(text, words, refused, monkeypatch) -> None:
    monkeypatch.setattr(chat_templates, "SECONDS", 1)
    refused(template(text), words)


def test_a_template_writes_as_transformers_does(text_checkpoint) -> None:
    from transformers import AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(text_checkpoint)
    text = "{{ bos_token }}{% for m in messages %}[{{ m.role | upper }}] {{ m['content'] | trim }}\n{% endfor %}"
    text += "{% if add_generation_prompt %}[A]{% endif %}{{ messages | tojson }}"
    written = chat_templates.ChatTemplate(text, tokenizer.special_tokens_map, "here")
    for content in ("Say it: <b>é</b> ", [{"type": "image"}, {"type": "text", "text": "x"}]):
        turns = [{"role": "user", "content": content}]
        if isinstance(content, str):
            expected = tokenizer.apply_chat_template(
                turns, chat_template=text, add_generation_prompt=True, tokenize=False
            )
            assert written.render(content) == expected
            assert expected.startswith("<s>[USER] Say it: <b>é</b>\n[A][{")
        else:
            assert '"type": "image"' in written.render("x") or written.render("x")
    written.close()


class Touch:
    def __reduce__(self):
        import os

        return os.system, ("touch owned",)


def pickled(folder) -> None:
    (folder / "model.safetensors").unlink()
    with zipfile.ZipFile(folder / "pytorch_model.bin", "w") as archive:
        archive.writestr("archive/data.pkl", pickle.dumps({"weight": Touch()}, protocol=2))
        archive.writestr("archive/version", "3\n")


def lying(header: bytes, content: bytes = b"\0" * 8):
    return lambda folder: (folder / "model.safetensors").write_bytes(
        len(header).to_bytes(8, "little") + header + content
    )


def configured(**values):
    def change(folder) -> None:
        file = folder / "config.json"
        file.write_text(json.dumps(json.loads(file.read_text()) | values))

    return change


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (pickled, "has its weights as pickles (pytorch_model.bin), which can run code and are not read"),
        (lying(b'{"a":{"dtype":"F32","shape":[1000000000,1000],"data_offsets":[0,8]}}'), "cannot be loaded as"),
        (
            lying(b'{"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8]}}'),
            "weights of LlamaForCausalLM, the first being",
        ),
        (
            lambda folder: (folder / "model.safetensors").write_text("version https://git-lfs.github.com/spec/v1\n"),
            "model.safetensors is a pointer of Git LFS",
        ),
        (configured(num_hidden_layers=10**9), "config.json has num_hidden_layers=1,000,000,000, more than 2,000"),
        (configured(hidden_size=1 << 24), "cannot be loaded as AutoModelForCausalLM"),
        (lambda folder: (folder / "config.json").write_text("[" * 100_000), "config.json cannot be read (it is nested"),
        (lambda folder: (folder / "tokenizer.json").write_text('{"model": {'), "cannot be loaded as AutoTokenizer"),
        (lambda folder: shutil.rmtree(folder), "there is no such folder"),
        (lambda folder: (shutil.rmtree(folder), folder.write_text("x")), "is a file, expected a checkpoint's folder"),
    ],
    ids=["pickle", "shape", "lacking", "pointer", "layers", "width", "nested", "tokenizer", "gone", "file"],
)
def test_damaged_checkpoints(change, words, refused) -> None:
    refused(change, words)
