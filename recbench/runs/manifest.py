"""What manifest.json of a run holds. mypy checks what is recorded and read; `reading.py` checks the file."""

from typing import Any, NotRequired, Required, TypedDict


class NamedRun(TypedDict):
    """A run, by its folder's place under runs/."""

    stage: str
    data: str
    id: str


class InputRun(NamedRun):
    """A run that another one used, and what it then held."""

    content_hash: str


class Where(TypedDict, total=False):
    """A data set of a bench, or an arm of it with a seed."""

    data: str
    arm: str
    seed: int


class Failure(Where, total=False):
    """What a bench could not make, why, and whether the user can mend it."""

    error: Required[str]
    mistake: Required[bool]


class EvaluationEntry(TypedDict):
    """One evaluation of a bench: the runs are `train/<data_folder>/<train>` and `eval/<data_folder>/<eval>`."""

    data: str
    seed: int
    arm: str
    data_folder: str
    train: str
    eval: str
    pick: NotRequired[str]  # the metric that picked the checkpoint, where it is not the training's own


class Recorded(TypedDict, total=False):
    """What a run may record while it goes on."""

    status: str  # running, done, failed or interrupted
    inputs: list[InputRun]
    notes: list[str]
    headline: list[str]  # stands on top of the report: what it is of, what is odd
    error: str
    data_fingerprint: str | None
    device: str
    extensions: dict[str, Any]  # group -> name and hash of a class from outside; metrics -> name -> hash
    # times are ISO 8601 with their offset from UTC; `order` stands for `finished` where a clock was behind
    finished: str
    order: str
    reopened: str
    resumed: int  # how often
    seconds: float  # of all parts of a resumed run
    peak_memory_mb: float | None
    # of caption
    captioning_seconds: float
    items_a_second: float
    processes: int
    captioner_weights: Any
    captioner_training_seconds: dict[str, float]
    # of ctr: seconds by arm and seed; of train: of all steps
    training_seconds: Any
    impressions_a_second: int
    latency: dict[str, Any]
    # of train
    parameters: int
    step_seconds: float  # the median of a step, without validation
    # of bench
    evaluations: list[EvaluationEntry]
    cost: list[dict[str, Any]]  # of the laboratory, too
    pick: list[str]
    failures: list[Failure]


class Manifest(Recorded, total=False):
    """The whole file."""

    stage: Required[str]
    data: Required[str]
    seed: Required[int]
    versions: Required[dict[str, str]]
    hardware: Required[dict[str, Any]]
    started: Required[str]
    made_for: NamedRun  # the run that needed this one and had it made; none: a user asked for it
    artifacts: list[str]  # files that the stage made, once it has ended
    content_hash: str
