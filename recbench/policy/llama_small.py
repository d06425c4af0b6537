"""The LLM recommender: a LLaMA-architecture causal LM over item tokens, small enough to train from scratch."""

import torch
from tokenizers import Tokenizer
from tokenizers.models import WordLevel
from torch import Tensor
from transformers import LlamaConfig, LlamaForCausalLM, LlamaModel, PreTrainedTokenizerFast

from recbench.item_tokens.trie import ItemTrie
from recbench.policy.exporting import Exported, add_item_tokens, generation_config, token_texts
from recbench.policy.trie_policy import TriePolicy
from recbench.schema import PolicyConfig

BEGIN = "<s>"  # of an exported tokenizer; token 0


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

    @torch.no_grad()
    def exported(self) -> Exported:
        """A LlamaForCausalLM whose vocabulary is the item tokens, and a tokenizer of them alone."""
        vocabulary = Tokenizer(WordLevel({BEGIN: 0}, unk_token=BEGIN))
        ends = {"bos_token": BEGIN, "eos_token": BEGIN, "pad_token": BEGIN, "unk_token": BEGIN}
        tokenizer = PreTrainedTokenizerFast(tokenizer_object=vocabulary, **ends)
        add_item_tokens(tokenizer, token_texts(self.trie))
        values = self.backbone.config.to_dict() | {"use_cache": True, "tie_word_embeddings": True}
        model = LlamaForCausalLM(LlamaConfig(**values))
        model.model.load_state_dict(self.backbone.state_dict())
        model.generation_config = generation_config(0, 0, self.trie.depth)
        return Exported(model.float().eval(), tokenizer)

    @property
    def embeddings(self) -> Tensor:
        """Token embeddings [vocabulary, width]; also the output layer."""
        return self.backbone.embed_tokens.weight
