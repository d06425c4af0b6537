"""What `--help-config` prints."""

from dataclasses import MISSING as NO_DEFAULT

from omegaconf import MISSING, DictConfig

from recbench.schema.clauses import conditions
from recbench.schema.stages import STAGE_SCHEMAS
from recbench.schema.validation import expected, options


def describe(stage: str, config: DictConfig | None = None) -> list[tuple[str, str, str, str]]:
    """(key, default, what it takes, help) of every option of a stage; conf/ may set other defaults.

    With a config, also those that its classes from outside the package add. The help of a key that has an effect only
    sometimes begins with when that is.
    """
    rows = []
    for key, item in options(STAGE_SCHEMAS[stage], config=config):
        default = item.default if item.default_factory is NO_DEFAULT else item.default_factory()
        shown = "required" if default == MISSING else "none" if default is None else str(default)
        needs = item.metadata.get("of", ())
        when = f"of {conditions(key, needs)}: " if needs else ""
        rows.append((key, shown, expected(item), when + item.metadata.get("help", "")))
    return rows
