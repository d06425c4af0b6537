"""doctor, ls, cp and --version; and configs of one's own, from ./conf or --config-dir, before the built-in ones."""

import json

import pytest

from recbench import __version__
from recbench.config_folders import config_folder, first_comment
from recbench.runs import find_runs
from recbench.stages import doctor

pytestmark = pytest.mark.slow


def checks(command, *arguments):
    """The checks by name, and the exit status."""
    result = command("doctor", "--json", *arguments)
    found = json.loads(result.out)
    assert found["sound"] == (result.code == 0)
    return {check["name"]: check for check in found["checks"]}, result


def test_the_version(command):
    assert command("--version") == (0, f"recbench {__version__}\n", "")


# ---- doctor


@pytest.fixture
def sound(monkeypatch):
    """A machine on which nothing is amiss, whatever this one is like."""
    for name in ("RECBENCH_DATA", "RECBENCH_MODELS", "RECBENCH_CONF"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(doctor, "_free_memory", lambda: 4.0)
    monkeypatch.setattr("torch.get_num_threads", lambda: 1)
    monkeypatch.setattr("torch.cuda.is_available", lambda: False)
    monkeypatch.setattr(doctor.shutil, "which", lambda name: None)


def test_where_all_is_well(command, sound, tmp_path):
    result = command("doctor")
    assert result.code == 0 and result.err == ""
    lines = result.out.splitlines()
    assert [line[:4] for line in lines if not line.startswith(" ")] == ["ok  "] * 8 and "->" not in result.out
    assert list(tmp_path.iterdir()) == []  # nothing is left of the trial to write


@pytest.mark.parametrize(
    ("name", "break_it", "remedy"),
    [
        ("memory", lambda patch, path: patch.setattr(doctor, "_free_memory", lambda: 1.5), "end other programs"),
        ("threads", lambda patch, path: patch.setattr("torch.get_num_threads", lambda: 9999), "OMP_NUM_THREADS="),
        ("data folder", lambda patch, path: patch.setenv("RECBENCH_DATA", str(path / "no")), "correct RECBENCH_DATA"),
        ("models folder", lambda patch, path: patch.setenv("RECBENCH_MODELS", "no"), "correct RECBENCH_MODELS"),
        ("configs", lambda patch, path: patch.setenv("RECBENCH_CONF", "no"), "name a folder that is there"),
        ("device", lambda patch, path: patch.setattr(doctor.shutil, "which", lambda name: "/x"), "torch with CUDA"),
        ("libraries", lambda patch, path: patch.setattr(doctor, "PACKAGES", ("no_such_library",)), "make install"),
        ("python", lambda patch, path: patch.setattr(doctor, "NEEDED_PYTHON", (99, 0)), "install Python 99.0"),
    ],
)
def test_what_is_amiss_has_a_remedy_and_status_one(name, break_it, remedy, command, sound, monkeypatch, tmp_path):
    break_it(monkeypatch, tmp_path)
    found, result = checks(command)
    assert result.code == 1
    assert [key for key, check in found.items() if not check["sound"]] == [name]
    assert remedy in found[name]["remedy"]
    assert result.err == f"amiss: {name}\n"


def test_a_runs_folder_that_cannot_be(command, sound, tmp_path):
    (tmp_path / "file").write_text("")
    found, result = checks(command, "--runs", "file/runs")
    assert result.code == 1 and "is no folder" in found["runs folder"]["found"]
    assert "--runs FOLDER" in found["runs folder"]["remedy"]


def test_data_folders_are_listed(command, sound, monkeypatch, tmp_path):
    (tmp_path / "sets" / "ml-1m").mkdir(parents=True)
    monkeypatch.setenv("RECBENCH_DATA", "sets")
    assert checks(command)[0]["data folder"]["found"] == "sets: ml-1m"


# ---- ls and cp


def test_every_group_and_every_config_says_what_it_is(command):
    groups = json.loads(command("ls", "--json").out)["groups"]
    assert {entry["name"] for entry in groups} == {file.name for file in config_folder().iterdir() if file.is_dir()}
    for group in groups:
        entries = json.loads(command("ls", group["name"], "--json").out)[group["name"]]
        files = {file.stem for file in (config_folder() / group["name"]).glob("*.yaml")}
        assert {entry["name"] for entry in entries} == files
        assert all(len(entry["what"]) > 15 and not entry["own"] for entry in entries), group


@pytest.mark.parametrize("width", [60, 80, 100, 140])
def test_a_list_fits(width, command, monkeypatch):
    monkeypatch.setenv("COLUMNS", str(width))
    lines = command("ls", "policy").out.splitlines()
    assert max(map(len, lines)) <= width
    assert [line.split()[0] for line in lines if not line.startswith(" ")] == [
        "bpr_mf",
        "item_knn",
        "llama_small",
        "popularity",
        "pretrained",
        "sasrec",
    ]


def test_a_copy_is_ones_own_and_comes_first(command, tmp_path):
    result = command("cp", "policy/sasrec", "conf/policy/mine.yaml")
    assert result == (0, "conf/policy/mine.yaml\n", "use it as policy=mine\n")
    copied = tmp_path / "conf" / "policy" / "mine.yaml"
    assert copied.read_bytes() == (config_folder() / "policy" / "sasrec.yaml").read_bytes()
    own = json.loads(command("ls", "policy", "--json").out)["policy"]
    assert [entry["name"] for entry in own if entry["own"]] == ["mine"]
    assert command("cp", "policy/bpr_mf", "elsewhere").err == "use it as policy=bpr_mf with --config-dir elsewhere\n"
    assert (tmp_path / "elsewhere" / "policy" / "bpr_mf.yaml").is_file()
    assert command("cp", "data/table", "conf/data").out == "conf/data/table.yaml\n"  # the folder of that very group


def test_a_config_is_told_by_its_first_sentence(tmp_path):
    file = tmp_path / "a.yaml"
    file.write_text("# @package _global_\n# What it is, in a line\n# and another.\n# More.\na: 1\n")
    assert first_comment(file) == "What it is, in a line and another."
    file.write_text("# What it is\n#   recbench data data=a\n")
    assert first_comment(file) == "What it is"
    file.write_text("a: 1\n# not the first\n")
    assert first_comment(file) == ""


def test_copies_that_cannot_be(command, refuse, tmp_path):
    refuse(command("cp", "policy/sasrek"), "did you mean 'sasrec'?")
    refuse(command("cp", "polisy/sasrec"), "'polisy' is no group of configs")
    refuse(command("cp", "policy/../data/table"), "policy/../data/table: expected policy/ and one of")
    refuse(command("cp", "policy/sasrec", "conf/mine.yaml"), "give conf/policy/mine.yaml")
    assert list(tmp_path.iterdir()) == []
    assert command("cp", "policy/sasrec").code == 0
    refuse(command("cp", "policy/sasrec"), "conf/policy/sasrec.yaml is there already")


# ---- configs of one's own


def write(file, text):
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(text)


def test_own_configs_come_first_in_one_run_and_in_a_sweep(command, trained, tmp_path):
    write(tmp_path / "conf/negatives/few.yaml", "# Few.\nkind: dns\npool: 20\n")
    write(tmp_path / "conf/negatives/beam.yaml", "# Not theirs.\nkind: beam\nbeam_width: 7\n")
    result = command("train", "negatives=few")
    assert result.code == 0 and (trained[-1].negatives.kind, trained[-1].negatives.pool) == ("dns", 20)
    assert f"config: negatives/few is {tmp_path}/conf/negatives/few.yaml\n" in result.err
    result = command("train", "negatives=beam")
    assert trained[-1].negatives.beam_width == 7 and "in place of the built-in one" in result.err
    assert command("train", "-m", "negatives=few,random").code == 0
    assert [config.negatives.kind for config in trained[-2:]] == ["dns", "random"]
    unknown = command("train", "negatives=fewer")
    assert unknown.code == 2 and "few" in unknown.err and "did you mean 'few'?" in unknown.err


def test_a_folder_that_is_named_takes_the_place_of_conf_for_one_command(command, trained, refuse, tmp_path):
    write(tmp_path / "conf/negatives/few.yaml", "# Few.\nkind: dns\npool: 20\n")
    write(tmp_path / "mine/negatives/few.yaml", "# Fewer.\nkind: dns\npool: 10\n")
    assert command("train", "--config-dir", "mine", "negatives=few").code == 0
    assert command("train", "negatives=few").code == 0
    assert [config.negatives.pool for config in trained] == [10, 20]
    refuse(command("train", "--config-dir", "none"), "--config-dir none: there is no such folder")
    assert len(find_runs(tmp_path / "runs", "train")) == 2


def test_an_own_experiment_of_a_bench(command, tmp_path):
    text = "# Mine.\n# @package _global_\nbench: {arms: {wide: [algo=grpo, negatives=random]}, sets: {few: [wide]}}\n"
    write(tmp_path / "conf/experiment/mine.yaml", text)
    result = command("bench", "experiment=mine", "--plan", "--arms", "few", "--json")
    assert result.code == 0, result.err
    assert "wide" in result.out


def test_an_own_config_without_an_end_is_refused(command, refuse, tmp_path):
    write(tmp_path / "conf/policy/deep.yaml", "kind: " + "[" * 99 + "]" * 99)
    refuse(command("train", "policy=deep"), "deep.yaml line 1 is nested more than 50 deep")
