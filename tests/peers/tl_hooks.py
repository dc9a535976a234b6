# TransformerLens's tensors of the model in examples/tiny-gpt2, whose weights are read from its ONNX file:
#   tl_hooks.py MODEL OUT
# reads OUT/tokens.json, [[token id]]; writes OUT/HOOK.f32 for every hook that TransformerLens caches, and OUT/loss.f32;
# prints {HOOK: [shape]}.
import json
import sys

import torch

from hooked_model import hooked_model
from peer_files import write_floats


def main(folder, out):
    torch.set_grad_enabled(False)
    plain, model = hooked_model(folder)
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
