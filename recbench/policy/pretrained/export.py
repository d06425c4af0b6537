"""A pretrained policy as an ordinary checkpoint: the model that it came from, with new rows and what was trained."""

import copy
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn
from transformers import AutoModelForCausalLM

from recbench.errors import UserError
from recbench.low_rank import merge_low_rank
from recbench.policy.exporting import Exported, add_item_tokens, generation_config, token_texts
from recbench.policy.pretrained.body import ATTENTION, KEY, fingerprint, read_tokenizer
from recbench.pretrained import load_pretrained_model

if TYPE_CHECKING:
    from recbench.policy.pretrained.policy import PretrainedPolicy


@torch.no_grad()
def exported(policy: "PretrainedPolicy") -> Exported:
    """The whole model in float32, LoRA merged; its head is its own, because item tokens' rows in it are scaled.

    Raises:
        UserError: the checkpoint of `policy.path` is gone or is another; or its tokenizer takes no item tokens.
    """
    path, facts = str(policy.settings.path), policy.facts
    tokenizer = read_tokenizer(path)
    model = load_pretrained_model(AutoModelForCausalLM, path, KEY, **ATTENTION)
    if fingerprint(path) != facts.fingerprint:
        raise UserError(
            f"{KEY}={path} holds other weights than those that this policy started from, and the export takes their "
            "vocabulary: put back the checkpoint"
        )
    decoder = copy.deepcopy(policy.backbone).cpu().float()
    merge_low_rank(decoder)
    model.base_model.load_state_dict(decoder.state_dict(), strict=False)
    ids = torch.tensor(add_item_tokens(tokenizer, token_texts(policy.trie)))
    size = max(len(model.get_input_embeddings().weight), int(ids.max()) + 1)
    own_head = model.get_output_embeddings().weight.detach().clone()
    model.resize_token_embeddings(size, mean_resizing=False)
    for config in {id(one): one for one in (model.config, model.config.get_text_config())}.values():
        config.tie_word_embeddings = False
    inputs, outputs = policy.embeddings.cpu(), policy.output_embeddings.cpu() * policy.output_scale.cpu()
    rows = model.get_input_embeddings().weight
    rows[ids] = inputs[1:]
    rows[facts.begin] = inputs[0]
    model.set_output_embeddings(_head(own_head, size, ids, outputs[1:]))
    end = tokenizer.eos_token_id if tokenizer.eos_token_id is not None else facts.begin
    model.generation_config = generation_config(facts.begin, int(end), policy.trie.depth)
    return Exported(model.eval(), tokenizer)


def _head(own: Tensor, size: int, ids: Tensor, rows: Tensor) -> nn.Linear:
    """An output layer of `size` tokens: a model's own rows, and others at ids."""
    head = nn.Linear(own.shape[1], size, bias=False)
    head.weight.zero_()
    head.weight[: len(own)] = own
    head.weight[ids] = rows
    return head
