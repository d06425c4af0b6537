"""The LLM recommender: a LLaMA-architecture causal LM over item tokens, small enough to train from scratch."""

from torch import Tensor
from transformers import LlamaConfig, LlamaModel

from recbench.item_tokens.trie import ItemTrie
from recbench.policy.trie_policy import TriePolicy
from recbench.schema import PolicyConfig


class LlamaPolicy(TriePolicy):
    """A small LLaMA-architecture policy over a catalogue, with tied input and output embeddings."""

    backbone: LlamaModel

    def __init__(self, trie: ItemTrie, settings: PolicyConfig) -> None:
        super().__init__(trie, settings)
        tokens = 1 + (settings.history + 1) * trie.depth
        # The end token is unused (items end at leaves), but transformers insists that it be in the vocabulary.
        self.backbone = LlamaModel(
            LlamaConfig(
                vocab_size=trie.vocabulary_size,
                hidden_size=settings.width,
                intermediate_size=settings.feed_forward,
                num_hidden_layers=settings.layers,
                num_attention_heads=settings.heads,
                num_key_value_heads=settings.heads,
                max_position_embeddings=tokens,
                bos_token_id=0,
                eos_token_id=0,
                use_cache=False,
            )
        )

    @property
    def embeddings(self) -> Tensor:
        """Token embeddings [vocabulary, width]; also the output layer."""
        return self.backbone.embed_tokens.weight
