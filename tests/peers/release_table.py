# Prints lib/formats/release_table.ts: what of SAELens's registry follows from no rule. Facts only: names of
# files, L0 numbers and factors, in the order of layers.
#   python tests/peers/release_table.py > lib/formats/release_table.ts && deno fmt lib/formats/release_table.ts
import json
import re
from collections import defaultdict
from importlib.util import find_spec
from pathlib import Path

import yaml

# The package is not imported, which would take PyTorch with it.
registry_text = (Path(find_spec("sae_lens").origin).parent / "pretrained_saes.yaml").read_text()
registry = yaml.load(registry_text, getattr(yaml, "CSafeLoader", yaml.SafeLoader))


def canonical():
    """Release and width → the L0 of each layer's canonical SAE, "-" where a layer has none."""
    found = defaultdict(dict)
    for name, release in registry.items():
        if not name.endswith("-canonical"):
            continue
        for sae in release["saes"]:
            where, width = re.fullmatch(r"(layer_\d+|embedding)/(width_\w+)/canonical", sae["id"]).groups()
            l0 = re.fullmatch(rf"{where}/{width}/average_l0_(\d+)", sae["path"])[1]
            key = f"{name.removesuffix('-canonical')}/{'embedding/' if where == 'embedding' else ''}{width}"
            found[key][0 if where == "embedding" else int(where[6:])] = l0
    return {
        key: " ".join(layers.get(layer, "-") for layer in range(max(layers) + 1))
        for key, layers in found.items()
    }


def text(value):
    return json.dumps(value, separators=(",", ":"))


def paths(name):
    return {sae["id"]: sae["path"] for sae in registry[name]["saes"]}


def scales():
    """Slimpajama's millions of tokens → layer → what inputs are multiplied by, to float32's digits."""
    found = defaultdict(list)
    for sae in registry["llama_scope_r1_distill"]["saes"]:
        share = re.match(r"(\d+)", sae["path"])[1]
        layer = int(re.search(r"/L(\d+)R$", sae["path"])[1])
        assert layer == len(found[share])
        found[share].append(f"{sae['norm_scaling_factor']:.9g}")
    return {share: " ".join(factors) for share, factors in found.items()}


print("// Made by tests/peers/release_table.py from SAELens's registry. Not to be edited.\n")
print("/** Gemma Scope's canonical SAEs: release and width → average L0 of each layer's, which names their folder. */")
print("export const CANONICAL_L0: Readonly<Record<string, string>> =")
print(f"{text(canonical())};\n")
print("/** Llama Scope R1: millions of tokens of SlimPajama → what inputs are multiplied by, layer by layer. */")
print("export const R1_INPUT_SCALES: Readonly<Record<string, string>> =")
print(f"{text(scales())};\n")
print("/** Releases whose paths follow from no rule: release → SAE's id → path. */")
print("export const ODD_PATHS: Readonly<Record<string, Readonly<Record<string, string>>>> =")
odd = ["gemma-2b-res-jb", "gpt2-small-hook-z-kk", "gpt2-small-mlp-tm"]
print(f"{text({name: paths(name) for name in odd})};")
