# PyTorch's side of real_models_check.ts: holds a model and answers one JSON line with another.
#   torch_model.py MODEL THREADS
# {"do": "layers", "tokens": [[…]], "out": FOLDER}: writes FOLDER/pre0.f32, post0.f32, … (the residual stream before and
#   after each layer, float32) and FOLDER/loss.f32 (nats of each next token), answers with the number of layers.
# {"do": "prefix", "tokens": …, "layers": n}, {"do": "loss", "tokens": …}: answers with seconds.
import json
import sys
import time

import torch
from transformers import AutoModelForCausalLM

from peer_files import write_floats


class Stop(Exception):
    pass


def main(folder, threads):
    torch.set_num_threads(int(threads))
    torch.set_grad_enabled(False)
    model = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32).eval()
    model.config.use_cache = False
    layers = next(part for part in model.modules() if isinstance(part, torch.nn.ModuleList) and len(part) > 1)
    for line in sys.stdin:
        print(json.dumps(answer(model, layers, json.loads(line))), flush=True)


def answer(model, layers, job):
    tokens = torch.tensor(job["tokens"])
    started = time.perf_counter()
    if job["do"] == "prefix":
        run_prefix(model, layers[job["layers"]], tokens)
    elif job["do"] == "loss":
        loss_of(model, tokens)
    else:
        return write_layers(model, layers, tokens, job["out"])
    return time.perf_counter() - started


def run_prefix(model, layer, tokens):
    """Runs the layers before `layer` and nothing after them."""
    def stop(*_):
        raise Stop

    handle = layer.register_forward_pre_hook(stop)
    try:
        model(input_ids=tokens)
    except Stop:
        pass
    finally:
        handle.remove()


def loss_of(model, tokens):
    logits = model(input_ids=tokens).logits[:, :-1]
    return torch.nn.functional.cross_entropy(logits.flatten(0, 1), tokens[:, 1:].flatten(), reduction="none")


def write_layers(model, layers, tokens, out):
    def keep(name):
        return lambda _, inputs, output=None: write_floats(
            f"{out}/{name}.f32", first(inputs if output is None else output).numpy())

    handles = [layer.register_forward_pre_hook(keep(f"pre{i}")) for i, layer in enumerate(layers)]
    handles += [layer.register_forward_hook(keep(f"post{i}")) for i, layer in enumerate(layers)]
    write_floats(f"{out}/loss.f32", loss_of(model, tokens).numpy())
    for handle in handles:
        handle.remove()
    return len(layers)


def first(values):
    return values[0] if isinstance(values, tuple) else values


main(*sys.argv[1:])
