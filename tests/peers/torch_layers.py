# What PyTorch computes for a model in float32:
#   torch_layers.py MODEL OUT
# reads OUT/tokens.json, [[token id]], and writes OUT/pre0.f32, post0.f32, … (the residual stream before and after each
# layer) and OUT/loss.f32 (nats of each next token); prints the number of layers.
import json
import sys

import torch
from transformers import AutoModelForCausalLM

from peer_files import write_floats


def main(folder, out):
    torch.set_grad_enabled(False)
    model = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32).eval()
    lists = [part for part in model.modules() if isinstance(part, torch.nn.ModuleList)]
    layers = next(part for part in lists if len(part) == model.config.get_text_config().num_hidden_layers)

    def keep(name):
        return lambda _, inputs, output=None: write_floats(
            f"{out}/{name}.f32", first(inputs if output is None else output).numpy())

    for i, layer in enumerate(layers):
        layer.register_forward_pre_hook(keep(f"pre{i}"))
        layer.register_forward_hook(keep(f"post{i}"))
    tokens = torch.tensor(json.load(open(f"{out}/tokens.json")))
    logits = model(input_ids=tokens, use_cache=False).logits[:, :-1]
    targets = tokens[:, 1:].flatten()
    loss = torch.nn.functional.cross_entropy(logits.flatten(0, 1), targets, reduction="none")
    write_floats(f"{out}/loss.f32", loss.numpy())
    print(len(layers))


def first(values):
    return values[0] if isinstance(values, tuple) else values


main(*sys.argv[1:])
