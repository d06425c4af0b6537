"""Captioners from outside the package, by `captioner=MODULE.CLASS`, and whether what they answer are captions."""

from collections.abc import Sequence

from recbench.captioning.interface import Caption, Item, NoCaption, OwnCaptioner
from recbench.errors import UserError
from recbench.extensions import implementation
from recbench.schema import CaptionerConfig, label_of


class CheckedCaptioner:
    """A captioner from outside; a text is a caption, and None is none."""

    def __init__(self, config: CaptionerConfig, seed: int) -> None:
        self.captioner: OwnCaptioner = implementation("captioner", config)(config, seed)
        self.asked = f"captioner={config.kind}"
        self.name = label_of("captioner", config)
        self.reads_images = bool(getattr(self.captioner, "reads_images", True))

    def caption(self, items: Sequence[Item]) -> list[Caption | NoCaption]:
        """One answer for each item, in their order.

        Raises:
            UserError: there are more or fewer, or one is no caption.
        """
        answers = list(self.captioner.caption(items))
        if len(answers) != len(items):
            raise UserError(f"{self.asked}: caption gave {len(answers)} answers to {len(items)} items")
        return [self._checked(answer) for answer in answers]

    def _checked(self, answer: object) -> Caption | NoCaption:
        if answer is None:
            return NoCaption("the captioner gave none")
        if isinstance(answer, str):
            return Caption(answer, tokens=0)
        if not isinstance(answer, Caption | NoCaption):
            raise UserError(f"{self.asked}: caption gave a {type(answer).__name__}, expected a text, None or a Caption")
        return answer
