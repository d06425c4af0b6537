"""The commands about what recbench runs in: doctor, ls and cp."""

from pathlib import Path
from typing import Annotated

import typer

from recbench.commands.options import AsJson, ConfigDir, Debug, RunsFolder


def doctor(runs: RunsFolder = Path("runs"), as_json: AsJson = False, debug: Debug = False) -> None:
    """Check versions, device, memory, threads, data folders and the runs folder; say what to do where one is amiss."""
    from recbench.console.progress import say
    from recbench.console.terminal import print_json, show_lines
    from recbench.error_lines import FAILED, one_line_errors

    with one_line_errors("doctor", debug):
        from recbench.stages.doctor import check_lines, examine

        checks = examine(runs)
        if as_json:
            print_json({"checks": checks, "sound": all(check["sound"] for check in checks)})
        else:
            show_lines(check_lines(checks))
        if amiss := [check["name"] for check in checks if not check["sound"]]:
            say(f"amiss: {', '.join(amiss)}")
            raise typer.Exit(FAILED)


def list_configs(
    group: Annotated[
        str | None, typer.Argument(metavar="[GROUP]", help="Such as data, policy or experiment; none lists the groups.")
    ] = None,
    config_dir: ConfigDir = None,
    as_json: AsJson = False,
    debug: Debug = False,
) -> None:
    """List the choices of a group of configs, each with what it is."""
    from recbench.console.terminal import print_json, show_lines
    from recbench.error_lines import one_line_errors

    with one_line_errors("ls", debug):
        from recbench.console.options_list import described_lines
        from recbench.console.screen import screen_width
        from recbench.stages.configs import choices, groups

        listed = groups() if group is None else choices(group)
        if as_json:
            print_json({"groups" if group is None else group: listed})
        else:
            rows = [(entry["name"], entry["what"] + (" (your own)" if entry.get("own") else "")) for entry in listed]
            show_lines(described_lines(rows, screen_width()))


def copy_config(
    source: Annotated[str, typer.Argument(metavar="GROUP/NAME", help="A built-in config, such as data/table.")],
    destination: Annotated[
        Path,
        typer.Argument(metavar="DEST", help="Your folder of configs, such as conf; or the file, conf/data/shop.yaml."),
    ] = Path("conf"),
    debug: Debug = False,
) -> None:
    """Copy a built-in config into your own folder, where it is yours to change."""
    from recbench.console.progress import say
    from recbench.console.visible import visible
    from recbench.error_lines import one_line_errors

    with one_line_errors("cp", debug):
        from recbench.stages.configs import copy

        file = copy(source, destination)
        typer.echo(visible(str(file)))
        folder = file.parent.parent
        found = "" if folder == Path("conf") else f" with --config-dir {folder}"
        say(f"use it as {file.parent.name}={file.stem}{found}")
