"""The stages, a row each: all that the command line, the schema, runs and reports know of one by its name.

A function or a class is named as MODULE:NAME and imported when it is used: stages import torch, and `recbench --help`
does not. Another stage is its module, its config class, its conf/NAME.yaml, and a row here.
"""

from dataclasses import dataclass

from recbench.dotted import named


@dataclass(frozen=True)
class Stage:
    """What is known of a stage by its name."""

    name: str
    run: str  # run(config, run) -> metrics
    what: str = ""  # what its command says of itself; none: the command is written by hand
    flags: tuple[str, ...] = ()  # options of its command beside those that all have; commands/flags.py has them
    config: str = ""  # the dataclass of its keys; none: it is composed of other stages
    keys_of: str = ""  # the stage whose keys its command completes, where it has none of its own
    describe: str = ""  # describe() -> rows of --help-config, where it has no keys of its own
    more_keys: str = ""  # more_keys() -> rows of --help-config beside its keys
    takes: str | None = None  # the stage of the run that `input=` names; none: it starts from no other
    adopts: tuple[str, ...] = ()  # nodes of the config that are the input's, since what it made fits no other
    has_rules: bool = False  # its config has two nodes of training rules, of which a first SFT's are one
    check: str = ""  # check(config), of what no field says alone
    settle: str = ""  # settle(config), puts what a name stands for now in its place
    idle: str = ""  # idle(config, key) -> why a key, or all of its node, has no effect; or None
    assist: str = ""  # assist(config), what a launcher's other processes run; none: one process alone runs it
    estimate: str = ""  # estimate(config) -> what it would take, for --estimate
    grids: str = ""  # grids(metrics) -> tables for a terminal; none: metrics by name
    sections: str = ""  # sections(run) -> Markdown of the report; none: the same tables
    verdict: str = ""  # verdict(metrics) -> what was found, in a sentence or two, on top of both

    def schema(self) -> type:
        """The dataclass of its keys."""
        found: type = named(self.config)
        return found


CHAIN = ("no_upstream", "force")  # of stages that take another's run
ROWS = (
    Stage(
        "data",
        "recbench.stages.data:run",
        "Build, check and describe a data set.",
        config="recbench.schema.options:DataStageConfig",
        more_keys="recbench.data.source_options:option_rows",
        sections="recbench.reporting.data:data_sections",
    ),
    Stage(
        "caption",
        "recbench.stages.caption:run",
        "Write one caption an item: files, a small LLaVA trained here, any multimodal checkpoint, or an endpoint.",
        flags=("estimate", "resume", *CHAIN),
        config="recbench.schema.captions:CaptionStageConfig",
        takes="data",
        assist="recbench.stages.caption:assist",
        estimate="recbench.stages.caption:estimate",
        grids="recbench.reporting.captions:caption_grids",
        sections="recbench.reporting.captions:caption_sections",
        verdict="recbench.reporting.verdicts:caption_verdict",
    ),
    Stage(
        "tokenize",
        "recbench.stages.tokenize:run",
        "Turn captions into categorical columns: subwords, words, hashed words, semantic IDs, clusters.",
        flags=CHAIN,
        config="recbench.schema.captions:TokenizeStageConfig",
        takes="caption",
        adopts=("captioner",),
        grids="recbench.reporting.captions:column_grids",
        sections="recbench.reporting.captions:column_sections",
    ),
    Stage(
        "ctr",
        "recbench.stages.ctr:run",
        "Train a click model without captions, with them, and with them shuffled; report what they added.",
        flags=("seeds", "windows", "ks", "resume", *CHAIN),
        config="recbench.schema.captions:CtrStageConfig",
        takes="tokenize",
        adopts=("captioner", "features"),
        idle="recbench.schema.effects:idle_without_captions",
        grids="recbench.reporting.clicks:click_grids",
        sections="recbench.reporting.clicks:click_sections",
        verdict="recbench.reporting.verdicts:click_verdict",
    ),
    Stage(
        "simulate",
        "recbench.stages.simulate:run",
        "Test two arms of a ctr run online, in the market whose click model is known; or off-policy, on logged data.",
        flags=CHAIN,
        config="recbench.schema.captions:SimulateStageConfig",
        takes="ctr",
        adopts=("captioner", "features", "ctr"),
        idle="recbench.schema.effects:idle_where_runs_are_named",
        grids="recbench.reporting.simulation:simulation_grids",
        sections="recbench.reporting.simulation:simulation_sections",
        verdict="recbench.reporting.verdicts:simulation_verdict",
    ),
    Stage(
        "train",
        "recbench.stages.train:run",
        "Train the recommender: SFT, GRPO with random or beam negatives, or TAWin on one FPR window.",
        flags=("algo", "neg", "window", "top_k", "anchor", "weights", "resume", *CHAIN),
        config="recbench.schema.recommender:TrainStageConfig",
        takes="train",
        adopts=("policy", "item_tokens"),
        has_rules=True,
        check="recbench.schema.validation:check_training",
        settle="recbench.settling:settle_training",
        idle="recbench.schema.effects:idle_in_training",
        sections="recbench.reporting.training:training_sections",
        verdict="recbench.reporting.verdicts:training_verdict",
    ),
    Stage(
        "eval",
        "recbench.stages.evaluate:run",
        "Score a trained policy: AUC, windowed partial AUC, HR, NDCG and MRR, with intervals.",
        flags=("windows", "ks", *CHAIN),
        config="recbench.schema.recommender:EvalStageConfig",
        takes="train",
        check="recbench.schema.validation:check_evaluation",
        settle="recbench.settling:settle_metrics",
        sections="recbench.reporting.evaluation:evaluation_sections",
        verdict="recbench.reporting.verdicts:evaluation_verdict",
    ),
    Stage(
        "laboratory",
        "recbench.stages.laboratory:run",
        "Train every rule on unlimited draws from a known market, and check which objective each one optimises.",
        flags=("seeds", "arms", "windows", "ks"),
        config="recbench.schema.laboratory:LaboratoryStageConfig",
        idle="recbench.schema.effects:idle_in_laboratory",
        grids="recbench.reporting.laboratory:laboratory_grids",
        sections="recbench.reporting.laboratory:laboratory_sections",
    ),
    Stage(
        "bench",
        "recbench.comparisons.bench:run",
        keys_of="train",
        describe="recbench.comparisons.experiments:describe_bench",
        grids="recbench.reporting.bench:bench_grids",
        sections="recbench.reporting.bench:bench_sections",
        verdict="recbench.reporting.verdicts:bench_verdict",
    ),
    Stage(
        "demo",
        "recbench.stages.demo:run",
        keys_of="simulate",
        describe="recbench.stages.demo:describe_demo",
        grids="recbench.reporting.demo:demo_grids",
        sections="recbench.reporting.demo:demo_sections",
    ),
)
STAGES = {row.name: row for row in ROWS}
