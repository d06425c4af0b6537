"""Every configuration key with its type, range and unit; Hydra checks the types, `validate` the ranges.

The field's `help` metadata is what `recbench STAGE --help-config` prints.
"""

from recbench.option import option
from recbench.schema.captions import (
    CaptionerConfig,
    CaptionStageConfig,
    CtrModelConfig,
    CtrStageConfig,
    FeaturesConfig,
    SimulateStageConfig,
    TokenizeStageConfig,
)
from recbench.schema.clauses import conditions
from recbench.schema.defaults import with_defaults
from recbench.schema.effects import ineffective, refuse_ineffective
from recbench.schema.experiments import ArmConfig, BenchConfig, read_bench
from recbench.schema.first_sft import is_first_sft, is_first_sft_in, settle_first_sft
from recbench.schema.given import given_keys
from recbench.schema.help import describe
from recbench.schema.laboratory import LaboratoryStageConfig, MarketConfig
from recbench.schema.options import DataConfig, DataStageConfig, StageConfig
from recbench.schema.outside import KINDS, as_values, is_outside, label_of, recorded, settings_of, typed
from recbench.schema.recommender import (
    EvalStageConfig,
    ItemTokensConfig,
    PolicyConfig,
    TrainStageConfig,
)
from recbench.schema.stages import STAGE_SCHEMAS, register
from recbench.schema.training import AlgoConfig, NegativesConfig
from recbench.schema.validation import (
    check_addresses,
    check_picker,
    check_rule,
    check_values,
    did_you_mean,
    expected,
    options,
    validate,
)

__all__ = [
    "KINDS",
    "STAGE_SCHEMAS",
    "AlgoConfig",
    "ArmConfig",
    "BenchConfig",
    "CaptionStageConfig",
    "CaptionerConfig",
    "CtrModelConfig",
    "CtrStageConfig",
    "DataConfig",
    "DataStageConfig",
    "EvalStageConfig",
    "FeaturesConfig",
    "ItemTokensConfig",
    "LaboratoryStageConfig",
    "MarketConfig",
    "NegativesConfig",
    "PolicyConfig",
    "SimulateStageConfig",
    "StageConfig",
    "TokenizeStageConfig",
    "TrainStageConfig",
    "as_values",
    "check_addresses",
    "check_picker",
    "check_rule",
    "check_values",
    "conditions",
    "describe",
    "did_you_mean",
    "expected",
    "given_keys",
    "ineffective",
    "is_first_sft",
    "is_first_sft_in",
    "is_outside",
    "label_of",
    "option",
    "options",
    "read_bench",
    "recorded",
    "refuse_ineffective",
    "register",
    "settings_of",
    "settle_first_sft",
    "typed",
    "validate",
    "with_defaults",
]
