"""Every kind of feature, one module each, in one table by the names that `features.kinds` gives them.

The config's classes are made of this table: modules here import NumPy and what they need where they make columns.
"""

from recbench.features.kinds.interface import FeatureKind
from recbench.kinds import kinds_in

FEATURES = kinds_in(__name__, __path__, FeatureKind)
