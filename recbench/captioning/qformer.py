"""A LLaVA whose connector is a small Q-Former as in BLIP-2 (arXiv 2301.12597) in place of an MLP a patch.

Learned queries read the vision tower's patches, and what they become stands where the image tokens stand: their number
does not grow with the picture. BLIP-2's blocks are BERT's, with the norm after each part; these have it before, as the
language model's do, and train without a warm-up stage of their own. transformers has no such class, so this one is
saved as `config.json` with its own model type and `model.safetensors`, and is read by `captioner=llava_small` alone.
"""

from typing import Any

from torch import Tensor, nn
from torch.nn import functional
from transformers import AutoConfig, LlavaConfig, LlavaForConditionalGeneration

LAYERS = 2
MODEL_TYPE = "recbench_llava_qformer"


class Attention(nn.Module):
    """Multi-head attention of queries over states, which may be the queries themselves; without bias or mask."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.query, self.key, self.value, self.output = (nn.Linear(width, width, bias=False) for _ in range(4))

    def forward(self, queries: Tensor, states: Tensor) -> Tensor:
        """Queries [B, Q, width] and states [B, S, width] to [B, Q, width]."""
        query, key, value = (
            layer(values).unflatten(-1, (self.heads, -1)).transpose(1, 2)
            for layer, values in ((self.query, queries), (self.key, states), (self.value, states))
        )
        read = functional.scaled_dot_product_attention(query, key, value)
        return self.output(read.transpose(1, 2).flatten(-2))


class Block(nn.Module):
    """Self-attention among queries, cross-attention to patches, feed-forward; each added to what it reads."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.self_norm, self.cross_norm, self.feed_forward_norm = (nn.LayerNorm(width) for _ in range(3))
        self.self_attention, self.cross_attention = Attention(width, heads), Attention(width, heads)
        self.feed_forward = nn.Sequential(nn.Linear(width, 4 * width), nn.GELU(), nn.Linear(4 * width, width))

    def forward(self, queries: Tensor, patches: Tensor) -> Tensor:
        """Queries [B, Q, width] and normed patches [B, P, width] to queries [B, Q, width]."""
        normed = self.self_norm(queries)
        queries = queries + self.self_attention(normed, normed)
        queries = queries + self.cross_attention(self.cross_norm(queries), patches)
        return queries + self.feed_forward(self.feed_forward_norm(queries))


class QFormer(nn.Module):
    """Patches of a picture, any number of them, to `queries` tokens of the language model's width."""

    def __init__(self, queries: int, layers: int, width: int, heads: int, output_width: int) -> None:
        super().__init__()
        self.queries = nn.Embedding(queries, width)
        self.patch_norm = nn.LayerNorm(width)
        self.blocks = nn.ModuleList(Block(width, heads) for _ in range(layers))
        self.output_norm = nn.LayerNorm(width)
        self.projection = nn.Linear(width, output_width)

    def forward(self, patches: Tensor) -> Tensor:
        """Patches [B, P, width] to tokens [B, queries, output_width]."""
        normed = self.patch_norm(patches)
        queries = self.queries.weight.expand(len(patches), -1, -1)
        for block in self.blocks:
            queries = block(queries, normed)
        return self.projection(self.output_norm(queries))


class QFormerLlavaConfig(LlavaConfig):
    """LLaVA's config; `image_seq_length` is the number of queries."""

    model_type = MODEL_TYPE
    connector_layers: int = LAYERS
    connector_heads: int = 4


class QFormerLlava(LlavaForConditionalGeneration):
    """LLaVA as it is but for its connector, a `QFormer` of the vision tower's width."""

    config_class = QFormerLlavaConfig

    def __init__(self, config: Any) -> None:
        super().__init__(config)
        self.model.multi_modal_projector = QFormer(
            config.image_seq_length,
            config.connector_layers,
            config.vision_config.hidden_size,
            config.connector_heads,
            config.text_config.hidden_size,
        )
        self.post_init()


AutoConfig.register(MODEL_TYPE, QFormerLlavaConfig)
