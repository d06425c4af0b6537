"""Where ranks come from, by the name that `algo.ranks` gives it: what a step scores or searches for them."""

from recbench.rl.aims import ranking_beam
from recbench.rl.estimation import RankTracker
from recbench.rl.interface import Scorer
from recbench.schema import AlgoConfig


class ExactRanks:
    """The whole catalogue is scored."""

    exact = True
    tracks = False  # keeps what earlier steps have found

    def whole(self, policy: Scorer, beam: bool) -> bool:
        """Whether the catalogue is scored as a whole; `beam`: the group needs one anyway."""
        return True

    def width(self, policy: Scorer, algo: AlgoConfig, tracker: RankTracker | None) -> int:
        """Of the beam that ranks come from; 0 for none."""
        return 0


class BeamRanks(ExactRanks):
    """A beam a little wider than the window's last rank."""

    exact = False

    def whole(self, policy: Scorer, beam: bool) -> bool:
        """Never."""
        return False

    def width(self, policy: Scorer, algo: AlgoConfig, tracker: RankTracker | None) -> int:
        """By the settings."""
        return ranking_beam(algo, policy.catalogue_size)


class EstimatedRanks(ExactRanks):
    """A head of likely items and a sample of the rest: `estimation`."""

    exact = False
    tracks = True

    def whole(self, policy: Scorer, beam: bool) -> bool:
        """With one token an item a beam costs the whole catalogue: then exact ranks come with it."""
        return beam and not policy.searches

    def width(self, policy: Scorer, algo: AlgoConfig, tracker: RankTracker | None) -> int:
        """The head is a beam where one costs less than the catalogue."""
        if tracker is None:
            raise ValueError("ranks=estimated needs the run's tracker: make one by new_tracker")
        return tracker.head if policy.searches else 0


RANKS = {"exact": ExactRanks(), "beam": BeamRanks(), "estimated": EstimatedRanks()}
