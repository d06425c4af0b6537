"""One k-means cluster of the caption embedding an item."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from recbench.features.kinds.interface import FeatureKind
from recbench.features.kinds.semantic_ids import EmbeddingSettings, codes_of
from recbench.kinds import own
from recbench.option import option

if TYPE_CHECKING:
    from recbench.features.interface import Features, Material


@dataclass
class ClusterSettings:
    """Keys of its own."""

    clusters: int = option(256, "number of clusters", least=2)


class Clusters(FeatureKind):
    """One column."""

    name = "clusters"
    place = 4
    Settings = (EmbeddingSettings, ClusterSettings)

    def add(self, material: Material, made: Features) -> None:
        """Codes of one level."""
        from recbench.features.semantic import cluster_column

        clusters = own(ClusterSettings, material.config).clusters
        codes, made.origins["clusters"] = codes_of(material, 1, clusters)
        made.columns.append(cluster_column("clusters", codes[:, 0], clusters))
