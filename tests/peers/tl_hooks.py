# TransformerLens's tensors of the model in examples/tiny-gpt2, whose weights are read from its ONNX file:
#   tl_hooks.py MODEL OUT
# reads OUT/tokens.json, [[token id]]; writes OUT/HOOK.f32 for every hook that TransformerLens caches, and OUT/loss.f32;
# prints {HOOK: [shape]}.
import json
import sys

import onnx
import torch
from onnx import numpy_helper
from transformer_lens import HookedTransformer, HookedTransformerConfig
from transformer_lens.pretrained.weight_conversions import convert_gpt2_weights
from transformers import GPT2Config, GPT2LMHeadModel

from peer_files import write_floats


def main(folder, out):
    torch.set_grad_enabled(False)
    config = GPT2Config.from_pretrained(folder)
    plain = GPT2LMHeadModel(config).eval()
    graph = onnx.load(f"{folder}/onnx/model.onnx").graph
    weights = {w.name: torch.from_numpy(numpy_helper.to_array(w).copy()) for w in graph.initializer}
    missing, _ = plain.load_state_dict(weights, strict=False)
    # The unembedding is the embedding, tied; the graph has it under a number, transposed.
    assert set(missing) <= {"lm_head.weight"}, missing
    settings = HookedTransformerConfig(
        n_layers=config.n_layer, d_model=config.n_embd, n_ctx=config.n_positions, n_heads=config.n_head,
        d_head=config.n_embd // config.n_head, d_vocab=config.vocab_size, act_fn="gelu_new",
        eps=config.layer_norm_epsilon, normalization_type="LN", device="cpu",
    )
    model = HookedTransformer(settings)
    # As it is: no folding, no centring.
    model.load_state_dict(convert_gpt2_weights(plain, settings), strict=False)
    tokens = torch.tensor(json.load(open(f"{out}/tokens.json")))
    model.set_use_hook_mlp_in(True)
    model.set_use_attn_result(True)
    loss, cache = model.run_with_cache(tokens, return_type="loss", loss_per_token=True)
    own = torch.nn.functional.cross_entropy(
        plain(tokens).logits[:, :-1].flatten(0, 1), tokens[:, 1:].flatten(), reduction="none")
    assert torch.allclose(loss.flatten(), own, atol=1e-4), "the conversion of weights is wrong"
    shapes = {}
    for name, value in cache.items():
        write_floats(f"{out}/{name}.f32", value.float().numpy())
        shapes[name] = list(value.shape)
    write_floats(f"{out}/loss.f32", loss.numpy())
    print(json.dumps(shapes))


main(*sys.argv[1:])
