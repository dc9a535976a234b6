"""The four architectures in PyTorch, dense and by autograd: what saewing's training is compared with.

Trains on the float32 batches in a file from the weights in a file, writes the trained weights (and JumpReLU's
thresholds), and prints a JSON line: gradient norms, L0 and milliseconds of each step. It is written from the formulas, and shares no structure with saewing.
"""

import argparse
import json
import math
import time

import numpy as np
import torch

parser = argparse.ArgumentParser()
parser.add_argument("--batches", required=True, help="float32 [steps, n, d]")
parser.add_argument("--weights", required=True, help="float32 wEnc, bEnc, wDec [m, d], bDec")
parser.add_argument("--out", required=True)
parser.add_argument("--architecture", choices=["relu", "topk", "batchtopk", "jumprelu"], required=True)
for name in ("n", "d", "m", "steps"):
    parser.add_argument(f"--{name}", type=int, required=True)
parser.add_argument("--k", type=int)
parser.add_argument("--lr", type=float, required=True)
parser.add_argument("--aux-k", type=int, default=512)
parser.add_argument("--aux-coefficient", type=float, default=0)
parser.add_argument("--dead-after", type=int, default=5)
parser.add_argument("--sparsity", type=float, default=0)
parser.add_argument("--sparsity-warmup-steps", type=int, default=0)
parser.add_argument("--bandwidth", type=float, default=0.001)
parser.add_argument("--initial-threshold", type=float, default=0.01)
parser.add_argument("--gradient-clip", type=float, default=0)
parser.add_argument("--input-normalization", default="none")
parser.add_argument("--dtype", choices=["float32", "float64"], default="float64")
options = parser.parse_args()
dtype = getattr(torch, options.dtype)
n, d, m, k = options.n, options.d, options.m, options.k


class Jump(torch.autograd.Function):
    """f = z·1[z > θ] and 1[z > θ]; θ's gradients through a rectangle of the bandwidth's width."""

    @staticmethod
    def forward(context, z, theta):
        context.save_for_backward(z, theta)
        active = (z > theta).to(z.dtype)
        return z * active, active

    @staticmethod
    def backward(context, by_output, by_active):
        z, theta = context.saved_tensors
        window = (((z - theta) / options.bandwidth).abs() < 0.5).to(z.dtype)
        by_theta = -(theta * by_output + by_active) * window / options.bandwidth
        return (z > theta) * by_output, by_theta.sum(0)


def largest(z, count):
    best = torch.topk(z, count)
    return torch.zeros_like(z).scatter(-1, best.indices, best.values)


scale = None


def normalize(x):
    global scale
    if options.input_normalization == "layer_norm":
        x = x - x.mean(1, keepdim=True)
        return x / (x.std(1, keepdim=True) + 1e-5)
    if options.input_normalization == "constant_norm_rescale":
        return x * math.sqrt(d) / x.norm(dim=1, keepdim=True)
    if options.input_normalization == "expected_average_only_in":
        scale = scale or math.sqrt(d) / x.norm(dim=1).mean()
        return x * scale
    return x


start = np.fromfile(options.weights, dtype=np.float32)
parameters = [
    torch.tensor(part.reshape(shape), dtype=dtype, requires_grad=True)
    for part, shape in zip(
        np.split(start, np.cumsum([m * d, m, m * d])), [(m, d), (m,), (m, d), (d,)]
    )
]
w_enc, b_enc, w_dec, b_dec = parameters
if options.architecture == "jumprelu":
    first = np.log(np.float32(options.initial_threshold))
    log_theta = torch.full((m,), float(first), dtype=dtype, requires_grad=True)
    parameters.append(log_theta)
adam = torch.optim.Adam(parameters, lr=options.lr, betas=(0.9, 0.99), eps=1e-8)
batches = np.fromfile(options.batches, dtype=np.float32).reshape(-1, n, d)
inactive = torch.zeros(m)
norms, active_latents, milliseconds = [], [], []

for step in range(options.steps):
    x = torch.tensor(batches[step % len(batches)], dtype=dtype)
    began = time.perf_counter()
    x = normalize(x)
    z = torch.relu((x - b_dec) @ w_enc.T + b_enc)
    penalty = 0
    if options.architecture == "relu":
        f, penalty = z, z.sum(1).mean()
    elif options.architecture == "jumprelu":
        f, active = Jump.apply(z, log_theta.exp())
        penalty = active.sum(1).mean()
    elif options.architecture == "topk":
        f = largest(z, k)
    else:
        f = largest(z.flatten(), n * k).reshape(n, m)
    error = x - (f @ w_dec + b_dec)
    share = min(1, (step + 1) / options.sparsity_warmup_steps) if options.sparsity_warmup_steps else 1
    loss = (error**2).mean() + options.sparsity * share * penalty
    inactive = torch.where((f > 0).any(0), 0, inactive + 1)
    dead = inactive >= options.dead_after
    count = int(dead.sum())
    if count and options.aux_coefficient:
        chosen = largest(z[:, dead], min(options.aux_k, count))
        missed = error.detach() - chosen @ w_dec[dead]
        loss = loss + options.aux_coefficient * (missed**2).mean()
    adam.zero_grad()
    loss.backward()
    with torch.no_grad():
        unit = w_dec / w_dec.norm(dim=1, keepdim=True)
        w_dec.grad -= (w_dec.grad * unit).sum(1, keepdim=True) * unit
    if options.gradient_clip:
        norms.append(float(torch.nn.utils.clip_grad_norm_(parameters, options.gradient_clip)))
    adam.step()
    with torch.no_grad():
        w_dec /= w_dec.norm(dim=1, keepdim=True)
    milliseconds.append((time.perf_counter() - began) * 1000)
    active_latents.append(float((f > 0).sum()) / n)

trained = [each.detach() for each in parameters[:4]]
if options.architecture == "jumprelu":
    trained.append(log_theta.detach().exp())
np.concatenate([each.numpy().ravel() for each in trained]).astype(np.float32).tofile(options.out)
print(
    json.dumps(
        {
            "norms": norms,
            "l0": active_latents,
            "milliseconds": milliseconds,
            "threshold": 0,
            "device": "cpu",
            "torch": torch.__version__,
            "threads": torch.get_num_threads(),
        }
    )
)
