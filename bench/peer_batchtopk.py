"""BatchTopK in PyTorch, dense and by autograd: the peer that the benchmarks run beside saewing.

Trains on the float32 batches in a file from the weights in a file, writes the trained weights, and
prints a JSON line: milliseconds of each step and the inference threshold.
"""

import argparse
import json
import time

import numpy as np
import torch

parser = argparse.ArgumentParser()
parser.add_argument("--batches", required=True, help="float32 [steps, n, d]")
parser.add_argument("--weights", required=True, help="float32 wEnc, bEnc, wDec [m, d], bDec")
parser.add_argument("--out", required=True)
for name in ("n", "d", "m", "k", "steps"):
    parser.add_argument(f"--{name}", type=int, required=True)
parser.add_argument("--lr", type=float, default=3e-4)
parser.add_argument("--aux-k", type=int, default=512)
parser.add_argument("--aux-coefficient", type=float, default=1 / 32)
parser.add_argument("--dead-after", type=int, default=5)
parser.add_argument("--dtype", choices=["float32", "float64"], default="float32")
parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
options = parser.parse_args()
n, d, m, k = options.n, options.d, options.m, options.k
device = torch.device(options.device)
dtype = getattr(torch, options.dtype)

start = np.fromfile(options.weights, dtype=np.float32)
w_enc, b_enc, w_dec, b_dec = (
    torch.tensor(part.reshape(shape), device=device, dtype=dtype, requires_grad=True)
    for part, shape in zip(
        np.split(start, np.cumsum([m * d, m, m * d])), [(m, d), (m,), (m, d), (d,)]
    )
)
parameters = [w_enc, b_enc, w_dec, b_dec]
adam = torch.optim.Adam(parameters, lr=options.lr, betas=(0.9, 0.99), eps=1e-8)
batches = np.memmap(options.batches, dtype=np.float32, mode="r").reshape(-1, n, d)
inactive = torch.zeros(m, device=device, dtype=dtype)
milliseconds, smallest = [], []

for step in range(options.steps):
    x = torch.tensor(np.array(batches[step % len(batches)]), device=device, dtype=dtype)
    if device.type == "cuda":
        torch.cuda.synchronize()
    began = time.perf_counter()
    z = torch.relu((x - b_dec) @ w_enc.T + b_enc)
    top = torch.topk(z.flatten(), n * k)
    f = torch.zeros_like(z).flatten().scatter(0, top.indices, top.values).reshape(n, m)
    reconstruction = f @ w_dec + b_dec
    residual = (x - reconstruction).detach()
    loss = ((x - reconstruction) ** 2).mean()
    with torch.no_grad():
        inactive = torch.where((f > 0).any(0), 0, inactive + 1)
        dead = inactive >= options.dead_after
    count = int(dead.sum())
    if count and options.aux_coefficient:
        candidates = z[:, dead]
        best = torch.topk(candidates, min(options.aux_k, count), dim=1)
        chosen = torch.zeros_like(candidates).scatter(1, best.indices, best.values)
        loss = loss + options.aux_coefficient * ((chosen @ w_dec[dead] - residual) ** 2).mean()
    adam.zero_grad()
    loss.backward()
    with torch.no_grad():
        unit = w_dec / w_dec.norm(dim=1, keepdim=True)
        w_dec.grad -= (w_dec.grad * unit).sum(1, keepdim=True) * unit
    adam.step()
    with torch.no_grad():
        w_dec /= w_dec.norm(dim=1, keepdim=True)
    if device.type == "cuda":
        torch.cuda.synchronize()
    milliseconds.append((time.perf_counter() - began) * 1000)
    smallest.append(float(top.values.detach()[top.values > 0].min()))

np.concatenate([p.detach().cpu().numpy().ravel() for p in parameters]).astype(np.float32).tofile(
    options.out
)
print(
    json.dumps(
        {
            "milliseconds": milliseconds,
            "threshold": float(np.mean(smallest[-100:])),
            "device": str(device),
            "torch": torch.__version__,
            "threads": torch.get_num_threads(),
        }
    )
)
