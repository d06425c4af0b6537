"""Classes from outside the package: found, checked, told apart by their files, and refused in one line."""

import hashlib
import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from omegaconf import OmegaConf

from recbench import extensions, schema
from recbench.composition import compose
from recbench.extensions import implementation

pytestmark = pytest.mark.slow

GOOD = (Path(__file__).parents[1] / "docs" / "examples" / "click_model.py").read_text()
HERE = "click_model.Model"


@pytest.mark.parametrize(
    ("text", "asked", "words"),
    [
        (GOOD, "mein.Model", "ctr=mein.Model: there is no module mein"),
        (GOOD, "mine.Modle", "mine.py has no Modle; did you mean 'Model'?"),
        (GOOD, "json.Model", "json/__init__.py has no Model"),
        (GOOD, "sys.Model", "ctr=sys.Model: sys is no Python file"),
        (GOOD, "mine.torch", "ctr=mine.torch is a module, expected a class as recbench.ctr.interface:ClickModel says"),
        ("class Model:\n    pass\n", "mine.Model", "class Model is no torch.nn.Module: derive it from that"),
        (
            GOOD.replace("def forward(self, rows)", "def predict(self, rows)"),
            "mine.Model",
            "class Model has no method forward(self, rows: Rows) -> Tensor; recbench.ctr.interface:ClickModel tells",
        ),
        (
            GOOD.replace("def forward(self, rows)", "def forward(self)"),
            "mine.Model",
            "Model.forward(self) cannot be called as forward(self, rows: Rows) -> Tensor (too many positional",
        ),
        (
            GOOD.replace("def __init__(self, encoder, settings, seed)", "def __init__(self, encoder)"),
            "mine.Model",
            "cannot be called as __init__(self, encoder: Encoder, settings: CtrModelConfig, seed: int) -> None",
        ),
        (
            "from abc import ABC, abstractmethod\n"
            + GOOD.replace("(nn.Module)", "(nn.Module, ABC)")
            + "\n    @abstractmethod\n    def pool(self): ...\n",
            "mine.Model",
            "class Model is abstract: write pool",
        ),
        ("import nothing_of_this_name\n", "mine.Model", "mine.py line 1 cannot be imported: ModuleNotFoundError: No"),
        ("a = 1\nb = a / 0\n", "mine.Model", "mine.py line 2 cannot be imported: ZeroDivisionError: division by zero"),
        ("class Model(\n", "mine.Model", "cannot be imported: SyntaxError: '(' was never closed (mine.py, line 1)"),
        ("raise SystemExit(0)\n", "mine.Model", "cannot be imported: SystemExit: 0"),
        (GOOD.replace("    @dataclass\n", ""), "mine.Model", "Settings is no dataclass: write @dataclass above it"),
        (GOOD.replace("start: float = option(", "start: float  # ("), "mine.Model", "Settings.start has no default"),
        (GOOD.replace("start: float", "kind: str"), "mine.Model", "Settings.kind is recbench's own key"),
        (GOOD.replace("start: float", "epochs: float"), "mine.Model", "Settings.epochs has to be of type int, as ctr."),
        (GOOD.replace("start: float", "start: set"), "mine.Model", "its Settings cannot be config keys"),
        (GOOD.replace('"FwFM"', '"a\\nb"'), "mine.Model", "label is 'a\\nb': expected a text of at most 60 characters"),
    ],
)
def test_classes_that_cannot_be(text, asked, words, user_folder, fresh_workspace, refuse):
    (user_folder / "mine.py").write_text(text)
    refuse(fresh_workspace.stage("ctr", f"ctr={asked}"), words)
    assert not fresh_workspace.root.exists()


@pytest.mark.parametrize(
    ("override", "words"),
    [
        ("ctr.start=11", "ctr.start=11: expected at least 0 and at most 10"),
        ("ctr.start=much", "ctr.start=much"),
        ("ctr.strat=1", "unknown key ctr.strat"),
        ("+ctr.strat=1", "unknown key ctr.strat; did you mean 'start'?"),
        ("ctr.kind=lr", "ctr.kind='lr': expected one of click_model.Model"),
        ("ctr.kind=mine.Model", "is named by ctr=mine.Model"),
        ("ctr.code=0", "ctr.code is the hash of click_model.Model, and none to be given: leave it out"),
        ("ctr.history=3", "ctr.history=3 has no effect here: it is for ctr=din, and ctr is click_model.Model"),
    ],
)
def test_settings_of_a_class_are_checked_as_built_in_ones(override, words, user_folder, fresh_workspace, refuse):
    refuse(fresh_workspace.stage("ctr", f"ctr={HERE}", override), words)


def test_a_class_may_check_its_settings_and_say_what_it_reads(user_folder, fresh_workspace, refuse):
    history, start = 'history: int = option(7, "clicks", least=2)', "start: float = option("
    check = (
        "\n    @staticmethod\n    def check(settings):\n        if settings.history > 9:\n"
        "            raise UserError('ctr.history: 9 at most')\n"
    )
    text = GOOD.replace(start, f"{history}\n        {start}") + check
    (user_folder / "mine.py").write_text("from recbench.errors import UserError\n" + text)
    assert compose("ctr", ["ctr=mine.Model"]).ctr.history == 7
    refuse(fresh_workspace.stage("ctr", "ctr=mine.Model", "ctr.history=10"), "error: ctr.history: 9 at most")
    refuse(fresh_workspace.stage("ctr", "ctr=mine.Model", "ctr.history=1"), "ctr.history=1: expected at least 2")


def test_help_lists_the_settings_of_a_class(user_folder, fresh_workspace):
    shown = fresh_workspace.command("ctr", f"ctr={HERE}", "--help-config").out
    assert "ctr.start" in shown and "weight of every pair of fields at the start" in " ".join(shown.split())
    assert "ctr.start" not in fresh_workspace.command("ctr", "--help-config").out


def test_the_working_folder_is_searched_last_and_only_for_a_dotted_path(user_folder):
    compose("ctr", ["ctr=lr"])
    assert str(user_folder) not in sys.path
    shutil.copy("click_model.py", "json.py")
    with pytest.raises(extensions.UserError, match="json/__init__.py has no Model"):
        compose("ctr", ["ctr=json.Model"])
    compose("ctr", [f"ctr={HERE}"])
    assert sys.path[-1] == str(user_folder)


def test_an_installed_class_has_a_name(user_folder, monkeypatch, forget_imports):
    site = user_folder / "site"
    (site / "wide_models-1.0.dist-info").mkdir(parents=True)
    (site / "wide_models-1.0.dist-info" / "METADATA").write_text(
        "Metadata-Version: 2.1\nName: wide-models\nVersion: 1.0\n"
    )
    points = "[recbench.ctr]\nfwfm = wide_models.models:Model\n"
    (site / "wide_models-1.0.dist-info" / "entry_points.txt").write_text(points)
    (site / "wide_models").mkdir()
    (site / "wide_models" / "__init__.py").write_text("")
    shutil.move("click_model.py", site / "wide_models" / "models.py")
    monkeypatch.syspath_prepend(site)
    node = compose("ctr", ["ctr=fwfm", "ctr.start=2"]).ctr
    assert (node.kind, node.label, node.start) == ("fwfm", "FwFM", 2.0)
    assert implementation("ctr", node).__module__ == "wide_models.models"
    assert str(user_folder) not in sys.path
    # the hash is of the whole package: what a class imports from beside it is its code, too
    (site / "wide_models" / "layers.py").write_text("")
    forget_imports("wide_models.models")
    assert compose("ctr", ["ctr=fwfm"]).ctr.code != node.code


def test_no_entry_point_takes_the_place_of_a_built_in_metric(monkeypatch):
    monkeypatch.setattr(extensions, "_installed", lambda group: {"hr": "nowhere.hr", "auc": "nowhere.auc"})
    for name in ("auc", "hr@10", "ndcg_by_id@5", "wpauc(0,0.1)"):
        assert extensions.metric(name) is None


@pytest.mark.parametrize("damage", [{"kind": 3}, {"kind": None}, {}])
def test_a_damaged_node_is_typed_as_a_built_in_one(damage):
    assert schema.recorded(schema.CtrModelConfig, {"code": "0", **damage}) is schema.CtrModelConfig


def commands_of_examples() -> list[str]:
    files = sorted((Path(__file__).parents[1] / "docs" / "examples").glob("*.py"))
    lines = [line for file in files for line in file.read_text().split('"""')[1].splitlines()]
    return [line for line in lines if line.startswith("recbench ") and "compare" not in line]


@pytest.mark.parametrize("command", commands_of_examples())
def test_the_commands_of_the_examples_compose(command, user_folder, fresh_workspace):
    result = fresh_workspace.command(*command.split()[1:], "--cfg")
    assert result.code == 0, result.err


def test_a_recorded_class_is_imported_only_if_its_file_is_as_it_was(user_folder, forget_imports):
    file = user_folder / "click_model.py"
    node = compose("ctr", [f"ctr={HERE}"]).ctr
    assert node.code == hashlib.sha256(file.read_bytes()).hexdigest()  # what sha256sum says
    forget_imports("click_model")
    assert implementation("ctr", OmegaConf.create(OmegaConf.to_container(node))).__name__ == "Model"
    forget_imports("click_model")
    file.write_text(file.read_text() + "\nraise RuntimeError('this must not run')\n")
    with pytest.raises(
        extensions.UserError, match=r"no longer the code that this was made with: the SHA-256 of .*click_model.py"
    ):
        implementation("ctr", node)
    assert "click_model" not in sys.modules


def test_another_process_knows_it_by_name(user_folder):
    command = [sys.executable, "-P", "-m", "recbench", "ctr", f"ctr={HERE}", "--cfg"]
    shown = subprocess.run(command, capture_output=True, text=True, check=True, cwd=user_folder)
    assert OmegaConf.create(shown.stdout).ctr.label == "FwFM"
    assert json.loads(json.dumps(OmegaConf.to_container(OmegaConf.create(shown.stdout).ctr)))["start"] == 1.0
