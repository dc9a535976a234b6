# Loads the SAEs of tests/fixtures/published with SAELens's own loaders, which are given those files in place of
# downloads. Prints {name: {f, reconstruction} or {error}} as JSON, for the samples of expected.json.
#   python published_saes.py FIXTURES
import json
import sys
import warnings
from pathlib import Path

import torch
from sae_lens import SAE
from sae_lens.loading import pretrained_sae_loaders as loaders
from sae_lens.saes import sae as sae_module
from safetensors import safe_open

warnings.simplefilter("ignore")
ROOT = Path(sys.argv[1])


def local(repo_id, filename, subfolder=None, **_):
    path = ROOT / repo_id / (subfolder or "") / filename
    if not path.exists():
        raise loaders.EntryNotFoundError(str(path))
    return str(path)


def shapes(repo_id, filename):
    with safe_open(local(repo_id, filename), framework="pt") as file:
        return {key: list(file.get_slice(key).get_shape()) for key in file.keys()}


loaders.hf_hub_download = local
loaders.get_safetensors_tensor_shapes = shapes

# SAELens knows some sizes by heart.
SIZES = {"d_in": 4, "d_sae": 6}
LEARNED = "dictionary_learning_1"
# Name of the fixture, release and id, loader where the release is not in the registry, config's corrections.
SAES = [
    ("google/gemma-scope-2-270m-pt/resid_post", "gemma-scope-2-270m-pt-res", "layer_12_width_16k_l0_small", None, {}),
    ("google/gemma-scope-2-1b-it", "gemma-scope-2-1b-it-att-all", "layer_5_width_16k_l0_big", None, {}),
    ("fnlp/Llama3_1-8B-Base-LXR-8x", "llama_scope_lxr_8x", "l12r_8x", None, {}),
    ("fnlp/Llama-Scope-R1-Distill", "llama_scope_r1_distill", "l12r_800m_slimpajama", None, {"d_sae": 6}),
    ("Qwen/", "qwen-scope-3-1.7b-base-w32k-l50", "layer12", None, {"d_in": 4, "d_sae": 64}),
    ("canrager/lm_sae/pythia70m_sweep_standard", "sae_bench_pythia70m_sweep_standard_ctx128_0712", "blocks.3.hook_resid_post__trainer_10", None, {}),
    ("canrager/lm_sae/pythia70m_sweep_gated", "sae_bench_pythia70m_sweep_gated_ctx128_0730", "blocks.3.hook_resid_post__trainer_0", None, {}),
    ("canrager/lm_sae/pythia70m_sweep_topk", "sae_bench_pythia70m_sweep_topk_ctx128_0730", "blocks.3.hook_resid_post__trainer_0", None, {}),
    ("andyrdt/", "llama-3.1-8b-instruct-andyrdt", "resid_post_layer_7_trainer_1", None, {}),
    ("adamkarvonen/", "saebench_gemma-2-2b_width-2pow12_date-0108", "blocks.12.hook_resid_post__trainer_0", None, {}),
    ("made/dictionary_learning/april_update", "made/dictionary_learning", "april_update/resid_post_layer_4/trainer_0", LEARNED, {}),
    ("made/dictionary_learning/jumprelu", "made/dictionary_learning", "jumprelu/resid_post_layer_4/trainer_0", LEARNED, {}),
    ("Goodfire/", "goodfire-llama-3.1-8b-instruct", "layer_19", None, SIZES),
    ("qresearch/", "deepseek-r1-distill-llama-8b-qresearch", "blocks.19.hook_resid_post", None, SIZES),
    ("ckkissane/", "gpt2-small-hook-z-kk", "blocks.8.hook_z", None, {}),
    ("made/saelens/gated", "made/saelens", "gated", "sae_lens", {}),
]

expected = json.loads((ROOT / "expected.json").read_text())
x = torch.tensor(expected["x"])
overrides = sae_module.get_config_overrides
results = {}
for start, release, sae_id, loader, corrections in SAES:
    (name,) = [name for name in expected["saes"] if name.startswith(start)]
    sae_module.get_config_overrides = lambda *given: {**overrides(*given), **corrections}
    try:
        with torch.no_grad():
            sae = SAE.from_pretrained(
                release,
                sae_id,
                **({} if loader is None else {"converter": loaders.NAMED_PRETRAINED_SAE_LOADERS[loader]}),
            )
            # Of attention heads: [rows, heads, d_head], here two heads of two.
            heads = sae.cfg.reshape_activations == "hook_z"
            f = sae.encode(x.reshape(-1, 2, 2) if heads else x)
            reconstruction = sae.decode(f).reshape(x.shape)
        results[name] = {"f": f.flatten().tolist(), "reconstruction": reconstruction.flatten().tolist()}
    except Exception as error:
        results[name] = {"error": f"{type(error).__name__}: {str(error)[:200]}"}
print(json.dumps(results))
