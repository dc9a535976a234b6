# SAEs that SAELens saves, with what they answer:
#   sae_lens_save.py OUT
# leaves OUT/NAME (an SAE's folder) and in OUT/NAME.x.f32, .f.f32, .y.f32 samples [32, d], activations of latents and
# reconstructions, and prints [{name, d, m, option…}]. SAEs that saewing does not read are among them.
import itertools
import json
import sys

import torch
from sae_lens import SAE
from sae_lens.registry import SAE_CLASS_REGISTRY, SAE_TRAINING_CLASS_REGISTRY

from peer_files import write_floats

D, M, K, ROWS = 24, 64, 6, 32
NORMALIZATIONS = ["none", "constant_norm_rescale", "layer_norm", "expected_average_only_in"]
METADATA = {"model_name": "gpt2-small", "hook_name": "blocks.1.hook_resid_pre", "context_size": 128, "prepend_bos": True}


def main(out):
    torch.manual_seed(1)
    torch.set_grad_enabled(False)
    cases = []
    for name, sae, kind in [*plain(), *trained()]:
        weights(sae)
        # A mean, so that what centres or subtracts shows.
        x = torch.randn(ROWS, D) * 2 + 1
        sae.save_model(f"{out}/{name}") if kind == "plain" else sae.save_inference_model(f"{out}/{name}")
        case = {"name": name, "d": D, "m": M}
        try:
            back = SAE.load_from_disk(f"{out}/{name}", dtype="float32")
            given = x.reshape(ROWS, 4, D // 4) if back.cfg.reshape_activations == "hook_z" else x
            f = back.encode(given)
            y = back.decode(f).reshape(ROWS, D)
            for suffix, values in [("x", x), ("f", f.to_dense() if f.is_sparse else f), ("y", y)]:
                write_floats(f"{out}/{name}.{suffix}.f32", values.float().numpy())
        except Exception as error:  # SAELens itself cannot run some of its combinations.
            case["error"] = f"{type(error).__name__}: {error}"[:200]
        cases.append(case)
    print(json.dumps(cases))


def plain():
    """The classes for inference, in every option that changes what they answer."""
    for architecture, normalization, subtract in itertools.product(
        ["standard", "topk", "jumprelu", "gated"], NORMALIZATIONS, [True, False]
    ):
        bias = "b_dec" if subtract else "no_b_dec"
        yield make(f"{architecture}-{normalization}-{bias}", architecture,
                   normalize_activations=normalization, apply_b_dec_to_input=subtract)
    yield make("topk-by_norm", "topk", rescale_acts_by_decoder_norm=True)
    yield make("standard-hook_z", "standard", reshape_activations="hook_z",
               metadata={**METADATA, "hook_name": "blocks.1.attn.hook_z"})
    for dtype in ["float16", "bfloat16"]:
        yield make(f"jumprelu-{dtype}", "jumprelu", dtype=dtype)
    for architecture in SAE_CLASS_REGISTRY:
        if architecture not in ["standard", "topk", "jumprelu", "gated"]:
            try:
                yield make(architecture, architecture)
            except Exception as error:
                print(architecture, error, file=sys.stderr)


def make(name, architecture, metadata=METADATA, **options):
    sae_class, config = SAE_CLASS_REGISTRY[architecture]
    options = {"d_in": D, "d_sae": M, **options}
    fields = config.__dataclass_fields__
    if "k" in fields:
        options.setdefault("k", K)
    if "d_out" in fields:
        options |= {"d_out": D, "apply_b_dec_to_input": False}
    sae = sae_class(config(**options))
    for key, value in metadata.items():
        setattr(sae.cfg.metadata, key, value)
    return name, sae, "plain"


def trained():
    """The classes that are trained, saved for inference."""
    for architecture, (sae_class, config) in SAE_TRAINING_CLASS_REGISTRY.items():
        fields = config.__dataclass_fields__
        options = {"d_in": D, "d_sae": M}
        if "k" in fields:
            options["k"] = K
        if "matryoshka_widths" in fields:
            options["matryoshka_widths"] = [16, M]
        try:
            sae = sae_class(config(**options))
        except Exception as error:
            print(architecture, error, file=sys.stderr)
            continue
        for key, value in METADATA.items():
            setattr(sae.cfg.metadata, key, value)
        if hasattr(sae, "topk_threshold"):
            sae.topk_threshold.fill_(0.8)
        yield f"trained-{architecture}", sae, "trained"


def weights(sae):
    """Weights of any size: rows of the decoder have no norm of 1, biases and thresholds are not 0."""
    for name, parameter in sae.named_parameters():
        if name == "threshold":
            parameter.copy_(torch.rand_like(parameter))
        elif name == "log_threshold":
            parameter.copy_(torch.rand_like(parameter).clamp_min(0.05).log())
        else:
            scale = 0.3 if parameter.ndim == 1 else 1.3 / parameter.shape[0] ** 0.5
            parameter.copy_(torch.randn_like(parameter) * scale)


main(sys.argv[1])
