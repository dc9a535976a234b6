# SAEs that saewing saved, run by SAELens:
#   sae_lens_load.py FOLDER
# For each FOLDER/NAME/cfg.json with FOLDER/NAME.x.f32 (samples), .f.f32 and .y.f32 (what saewing answers), prints
# {NAME: {"f", "y"}} (how far SAELens's answers are from them) or {NAME: {"error"}}.
import glob
import json
import os
import sys

import torch
from sae_lens import SAE

from peer_files import apart, read_floats


def main(folder):
    torch.set_grad_enabled(False)
    found = {}
    for path in sorted(glob.glob(f"{folder}/*/cfg.json")):
        name = os.path.basename(os.path.dirname(path))
        try:
            sae = SAE.load_from_disk(f"{folder}/{name}")
            d, m = sae.cfg.d_in, sae.cfg.d_sae
            x = torch.from_numpy(read_floats(f"{folder}/{name}.x.f32", -1, d).copy())
            center = (sae.cfg.metadata.model_from_pretrained_kwargs or {}).get("center_writing_weights", False)
            # TransformerLens centres the weights that write to the stream: SAELens never sees its mean.
            mean = x.mean(-1, keepdim=True) if center else 0
            f = sae.encode(x - mean)
            y = sae.decode(f) + mean
            found[name] = {
                "f": apart(f, read_floats(f"{folder}/{name}.f.f32", -1, m)),
                "y": apart(y, read_floats(f"{folder}/{name}.y.f32", -1, d)),
                "active": int((f > 0).sum()),
            }
        except Exception as error:
            found[name] = {"error": f"{type(error).__name__}: {error}"[:300]}
    print(json.dumps(found))


main(sys.argv[1])
