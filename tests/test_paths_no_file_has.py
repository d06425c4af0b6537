"""Paths that no file can have, where a user or data names them: one line, status 2, nothing left behind."""

import pytest

LONG = "n" * 5000


@pytest.mark.parametrize(
    "arguments",
    [
        ["data", "data=table", "data.name=x", f"data.path={LONG}"],
        ["data", "data=table", "data.name=x", "data.path=/dev/zero"],
        ["data", "data=table", "data.name=x", "data.path={round}"],
        ["caption", "data=bazaar", "data.options.size=tiny", "captioner=file", f"captioner.path={LONG}"],
        ["caption", "data=bazaar", "data.options.size=tiny", "captioner=file", "captioner.path=/dev/zero"],
        ["report", LONG],
        ["score", LONG],
        ["score", "/dev/zero"],
        ["score", "{round}"],
    ],
)
def test_a_path_that_no_file_has(arguments, fresh_workspace, refuse, tmp_path):
    (tmp_path / "round").symlink_to("round")
    given = [argument.replace("{round}", str(tmp_path / "round")) for argument in arguments]
    stage = arguments[0] in ("data", "caption")
    result = fresh_workspace.stage(*given) if stage else fresh_workspace.command(*given)
    refuse(result, "")
    assert len(result.err) < 4000 and not list(fresh_workspace.root.glob(f"{arguments[0]}/*/*"))
