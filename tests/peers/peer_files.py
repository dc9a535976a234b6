# Arrays between saewing and Python: raw float32, little-endian, with the shape given by the caller.
import numpy as np


def read_floats(path, *shape):
    return np.fromfile(path, dtype="<f4").reshape(shape)


def write_floats(path, array):
    np.ascontiguousarray(array, dtype="<f4").tofile(path)


def apart(found, wanted):
    """The largest difference over the largest number of what is wanted."""
    found, wanted = np.asarray(found, np.float64), np.asarray(wanted, np.float64)
    return float(np.abs(found - wanted).max() / max(np.abs(wanted).max(), 1e-30))


def write_stream(model, tokens, out):
    """
    Writes OUT/pre0.f32, post0.f32, … (the residual stream before and after each layer of a transformers model) and
    OUT/loss.f32 (nats of each next token) for rows of tokens; gives the number of layers.
    """
    import torch

    torch.set_grad_enabled(False)
    count = model.config.get_text_config().num_hidden_layers
    lists = [part for part in model.modules() if isinstance(part, torch.nn.ModuleList)]
    layers = next(part for part in lists if len(part) == count)

    def first(values):
        return values[0] if isinstance(values, tuple) else values

    def keep(name):
        return lambda _, inputs, output=None: write_floats(
            f"{out}/{name}.f32", first(inputs if output is None else output).numpy())

    for i, layer in enumerate(layers):
        layer.register_forward_pre_hook(keep(f"pre{i}"))
        layer.register_forward_hook(keep(f"post{i}"))
    tokens = torch.tensor(tokens)
    logits = model(input_ids=tokens, use_cache=False).logits[:, :-1]
    loss = torch.nn.functional.cross_entropy(logits.flatten(0, 1), tokens[:, 1:].flatten(), reduction="none")
    write_floats(f"{out}/loss.f32", loss.numpy())
    return count
