# What PyTorch computes for a model in float32:
#   torch_layers.py MODEL OUT
# reads OUT/tokens.json, [[token id]], and writes what `write_stream` says; prints the number of layers.
import json
import sys

import torch
from transformers import AutoModelForCausalLM

from peer_files import write_stream


def main(folder, out):
    model = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32).eval()
    print(write_stream(model, json.load(open(f"{out}/tokens.json")), out))


main(*sys.argv[1:])
