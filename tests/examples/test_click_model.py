"""docs/examples/click_model.py through the command line, and what becomes of its runs when the file changes."""

from itertools import combinations

import numpy as np
import pytest
import torch

from recbench.composition import compose
from recbench.ctr.scoring import load_scorer
from recbench.data.dataset import load_data
from recbench.errors import UserError
from recbench.upstream import find

pytestmark = pytest.mark.slow

QUICK = ["arms=[without]", "ctr.epochs=1", "ctr.embedding_size=4", "latency_repeats=0"]
COMMAND = ["ctr=click_model.Model", "ctr.start=0.5", "data=bazaar", "data.options.size=tiny", *QUICK]


def test_the_example(user_folder, fresh_workspace, forget_imports):
    run = fresh_workspace.made("ctr", *COMMAND)
    assert run.metrics["model"] == "FwFM"
    assert "FwFM" in (run.path / "report.md").read_text()
    assert run.config.ctr.start == 0.5 and run.config.ctr.kind == "click_model.Model"
    assert run.manifest["extensions"] == {"ctr": {"name": "click_model.Model", "code": run.config.ctr.code}}

    data = load_data(run.input_run("data").path)
    scorer = load_scorer(run.path, data, "without", 0)  # in the process that trained it, and in another
    users, items = np.arange(4), np.arange(4)
    expected = scorer.score(users, items)
    forget_imports("click_model")
    scorer = load_scorer(run.path, data, "without", 0)
    np.testing.assert_array_equal(scorer.score(users, items), expected)
    by_hand = []
    for user, item in zip(users, items):
        table = scorer.model.embedding
        vectors = torch.cat([table.of_users(torch.tensor([user])), table.of_items(torch.tensor([item]))], dim=1)[0]
        pairs = combinations(range(len(vectors)), 2)
        logit = scorer.model.bias[0] + sum(scorer.model.pairs[f, g] * (vectors[f] @ vectors[g]) for f, g in pairs)
        by_hand.append(torch.sigmoid(logit).item())
    np.testing.assert_allclose(expected, by_hand, rtol=1e-5)

    # the same code, the same run; other code, none
    asked = [*COMMAND, f"runs={fresh_workspace.root}", "threads=1"]
    found = find("ctr", compose("ctr", asked))
    assert found is not None and found.id == run.id
    file = user_folder / "click_model.py"
    file.write_text(file.read_text() + "\n")
    forget_imports("click_model")
    assert find("ctr", compose("ctr", asked)) is None
    with pytest.raises(UserError, match="ctr=click_model.Model is no longer the code that this was made with"):
        load_scorer(run.path, data, "without", 0)


@pytest.mark.parametrize(
    ("line", "instead", "error"),
    [
        (
            "vectors = self.embedding(rows)",
            "raise ValueError('no more')",
            "click_model.py line 29: ValueError: no more",
        ),
        ("self.bias = ", "self.offset = ", "error: ctr=click_model.Model: a model has bias, a Parameter, and this one"),
    ],
)
def test_what_goes_wrong_in_its_code_is_told_where(line, instead, error, user_folder, fresh_workspace):
    file = user_folder / "click_model.py"
    file.write_text(file.read_text().replace(line, instead))
    result = fresh_workspace.stage("ctr", *COMMAND)
    assert error in result.err and "Traceback" not in result.err
    assert result.code == (1 if "ValueError" in error else 2)
    if result.code == 1:
        (log,) = fresh_workspace.root.glob("ctr/*/*/log.txt")
        assert "Traceback" in log.read_text() and 'click_model.py", line 29, in forward' in log.read_text()


def test_an_interrupted_run_goes_on_with_the_same_code_alone(user_folder, fresh_workspace, forget_imports):
    file, line = user_folder / "click_model.py", "vectors = self.embedding(rows)"
    stop = f"{line}\n        if not Path('go').exists():\n            raise KeyboardInterrupt"
    file.write_text(
        file.read_text().replace(line, stop).replace("import torch\n", "from pathlib import Path\n\nimport torch\n", 1)
    )
    before = file.read_text()
    assert fresh_workspace.stage("ctr", *COMMAND).code == 130
    (user_folder / "go").touch()
    file.write_text(before + "\n")
    forget_imports("click_model")
    result = fresh_workspace.stage("ctr", "--resume", "latest")
    assert result.code == 2 and "ctr=click_model.Model is no longer the code that this was made with" in result.err
    file.write_text(before)
    forget_imports("click_model")
    run = fresh_workspace.made("ctr", "--resume", "latest")
    assert run.manifest["resumed"] >= 1 and run.metrics["model"] == "FwFM"
