# SAEBench's core evaluation of SAEs on the model in examples/tiny-gpt2:
#   sae_bench_core.py MODEL OUT
# reads OUT/tokens.json, {tokens: [[token id]], ignored: token id}, and the SAEs OUT/NAME/cfg.json; prints
# {NAME: {metric: number}}. SAEBench takes its tokens from a data set of the hub: here they come from the file.
import glob
import json
import os
import sys

import torch
from sae_bench.evals.core.main import get_downstream_reconstruction_metrics, get_sparsity_and_variance_metrics
from sae_bench.sae_bench_utils.general_utils import load_and_format_sae
from sae_lens import SAE

from hooked_model import hooked_model


class Tokens:
    def __init__(self, tokens):
        self.tokens = tokens

    def get_batch_tokens(self, _):
        return self.tokens


@torch.no_grad()
def main(folder, out):
    _, model = hooked_model(folder)
    asked = json.load(open(f"{out}/tokens.json"))
    store = Tokens(torch.tensor(asked["tokens"]))
    how = {"n_batches": 1, "eval_batch_size_prompts": len(store.tokens), "ignore_tokens": {asked["ignored"]}}
    found = {}
    for path in sorted(glob.glob(f"{out}/*/cfg.json")):
        loaded = SAE.load_from_disk(os.path.dirname(path), device="cpu")
        _, sae, _ = load_and_format_sae("custom", loaded, "cpu")
        behaviour = get_downstream_reconstruction_metrics(
            sae, model, store, compute_kl=True, compute_ce_loss=True, **how)
        sparsity, _ = get_sparsity_and_variance_metrics(
            sae, model, store, compute_l2_norms=True, compute_sparsity_metrics=True, compute_variance_metrics=True,
            compute_featurewise_density_statistics=True, model_kwargs={}, **how)
        found[os.path.basename(os.path.dirname(path))] = {**behaviour, **sparsity}
    print(json.dumps(found))


main(*sys.argv[1:])
