"""Runs one peer of saewing's training step: reads a job as JSON from standard input, prints the result as JSON.

The job: `peer` ("dense": peer_dense.py, "sparse": peer_sparse.py, "saelens": peer_saelens.py, "product": only
x·W_encᵀ, "ceilings": the machine's rates), `batches` (a file of float32 [.., n, d]), `weights` (a file of float32
wEnc [m, d], bEnc, wDec [m, d], bDec), `out` (optional: a file for the trained weights and JumpReLU's thresholds), n, d,
m, k, steps, `architecture`, `device` ("cpu", "cuda"), `tf32`, `threads`, `dtype` ("float32", "float64"), and options of training by
saewing's names for them.

The result: `milliseconds`, `losses` and `l0` of each step, `norms` of clipped gradients, `threshold` (Eq. 8, the mean
of the last 100 steps), `torch`, `threads`, `device`. "ceilings" gives gflops and gbs in place of steps.
"""

import json
import math
import sys
import time

import numpy as np
import torch


def read_weights(job, dtype, device):
    m, d = job["m"], job["d"]
    parts = np.split(np.fromfile(job["weights"], dtype=np.float32), np.cumsum([m * d, m, m * d]))
    shapes = [(m, d), (m,), (m, d), (d,)]
    return [
        torch.tensor(part.reshape(shape), dtype=dtype, device=device)
        for part, shape in zip(parts, shapes)
    ]


def main(job):
    device = torch.device(
        job.setdefault("device", "cuda" if torch.cuda.is_available() else "cpu")
    )
    dtype = getattr(torch, job.get("dtype", "float32"))
    if "threads" in job:
        torch.set_num_threads(job["threads"])
    torch.backends.cuda.matmul.allow_tf32 = bool(job.get("tf32"))

    def synchronize():
        if device.type == "cuda":
            torch.cuda.synchronize()

    about = {
        "torch": torch.__version__,
        "threads": torch.get_num_threads(),
        "device": torch.cuda.get_device_name() if device.type == "cuda" else "cpu",
    }
    if job["peer"] == "ceilings":
        return {**about, **ceilings(device, synchronize)}
    weights = read_weights(job, dtype, device)
    stored = np.memmap(job["batches"], dtype=np.float32, mode="r").reshape(-1, job["n"], job["d"])
    batches = [torch.tensor(np.array(each), dtype=dtype, device=device) for each in stored]
    if job["peer"] == "saelens":
        import peer_saelens

        return {**about, **peer_saelens.run(job, weights, batches, synchronize)}
    if job["peer"] == "product":
        step, parameters = create_product(job, weights), weights
    elif job["peer"] == "sparse":
        import peer_sparse

        step, parameters = peer_sparse.create(job, weights)
    elif job["peer"] == "dense":
        import peer_dense

        step, parameters = peer_dense.create(job, weights)
    else:
        raise ValueError(f"peer is {job['peer']}, expected dense, sparse, saelens, product or ceilings")
    result = {**about, **run(job, step, batches, synchronize)}
    if "out" in job:
        trained = [each.detach() for each in parameters[:4]]
        trained += [each.detach().exp() for each in parameters[4:]]
        flat = np.concatenate([each.cpu().numpy().ravel() for each in trained])
        flat.astype(np.float32).tofile(job["out"])
    return result


def run(job, step, batches, synchronize):
    """Takes job["steps"] steps; what is only reported is measured outside of the time."""
    result = {"milliseconds": [], "losses": [], "l0": [], "norms": []}
    smallest = []
    for at in range(job["steps"]):
        x = batches[at % len(batches)]
        synchronize()
        began = time.perf_counter()
        output = step(x)
        synchronize()
        result["milliseconds"].append(1000 * (time.perf_counter() - began))
        if "loss" in output:
            result["losses"].append(float(output["loss"]))
        if output.get("norm") is not None:
            result["norms"].append(float(output["norm"]))
        f = output.get("f")
        if f is not None:
            output["active"] = (f > 0).sum()
            if job["architecture"] == "batchtopk":
                smallest.append(float(torch.where(f > 0, f, math.inf).min()))
        if "active" in output:
            result["l0"].append(float(output["active"]) / job["n"])
        del output, f
    recent = [each for each in smallest[-100:] if each < math.inf]
    result["threshold"] = float(np.mean(recent)) if recent else 0
    return result


def create_product(job, weights):
    """Only x·W_encᵀ, into memory that is kept: what the machine's product takes of a step."""
    w_enc = weights[0]
    z = torch.empty(job["n"], job["m"], dtype=w_enc.dtype, device=w_enc.device)

    def step(x):
        torch.mm(x, w_enc.T, out=z)
        return {}

    return step


def ceilings(device, synchronize):
    """The best of some: GFLOP/s of a float32 product of 3072², GB/s of a = b + 2c over 3 times 256 MB."""

    def best(work, times):
        seconds = []
        for _ in range(times):
            synchronize()
            began = time.perf_counter()
            work()
            synchronize()
            seconds.append(time.perf_counter() - began)
        return min(seconds)

    a, b, c = (torch.rand(3072, 3072, device=device) for _ in range(3))
    product = best(lambda: torch.mm(a, b, out=c), 5)
    x, y, z = (torch.ones(2**26, device=device) for _ in range(3))
    triad = best(lambda: torch.add(x, y, alpha=2, out=z), 5)
    return {"gflops": 2 * 3072**3 / product / 1e9, "gbs": 3 * 4 * 2**26 / triad / 1e9}


if __name__ == "__main__":
    print(json.dumps(main(json.load(sys.stdin))))
