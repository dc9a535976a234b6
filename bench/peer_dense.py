"""The dense step in PyTorch, by autograd, as the authors of the architectures wrote it.

Every architecture, every option of training, float32 or float64, CPU or CUDA. It is written from the formulas and
shares no structure with saewing: in float64 it is what saewing's training is compared with.
"""

import math

import torch


class Jump(torch.autograd.Function):
    """f = z·1[z > θ] and 1[z > θ]; θ's gradients through a rectangle of the bandwidth's width."""

    @staticmethod
    def forward(context, z, theta, bandwidth):
        context.save_for_backward(z, theta)
        context.bandwidth = bandwidth
        active = (z > theta).to(z.dtype)
        return z * active, active

    @staticmethod
    def backward(context, by_output, by_active):
        z, theta = context.saved_tensors
        bandwidth = context.bandwidth
        window = (((z - theta) / bandwidth).abs() < 0.5).to(z.dtype)
        by_theta = -(theta * by_output + by_active) * window / bandwidth
        return (z > theta) * by_output, by_theta.sum(0), None


def largest(z, count):
    best = torch.topk(z, count)
    return torch.zeros_like(z).scatter(-1, best.indices, best.values)


def create_normalizer(kind, d):
    scale = None

    def normalize(x):
        nonlocal scale
        if kind == "layer_norm":
            x = x - x.mean(1, keepdim=True)
            return x / (x.std(1, keepdim=True) + 1e-5)
        if kind == "constant_norm_rescale":
            return x * math.sqrt(d) / x.norm(dim=1, keepdim=True)
        if kind == "expected_average_only_in":
            scale = scale or math.sqrt(d) / x.norm(dim=1).mean()
            return x * scale
        return x

    return normalize


def create(job, weights):
    """Gives a function that takes one step on x [n, d], and the parameters in the order of `weights`."""
    architecture = job["architecture"]
    n, d, m, k = job["n"], job["d"], job["m"], job.get("k")
    sparsity, warmup = job.get("sparsityCoefficient", 0), job.get("sparsityWarmupSteps", 0)
    aux_coefficient, aux_k = job.get("auxCoefficient", 0), job.get("auxK", 512)
    bandwidth, clip = job.get("bandwidth", 0.001), job.get("gradientClip", 0)
    normalize = create_normalizer(job.get("inputNormalization"), d)

    parameters = [each.requires_grad_() for each in weights]
    w_enc, b_enc, w_dec, b_dec = parameters
    if architecture == "jumprelu":
        first = math.log(job.get("initialThreshold", 0.01))
        log_theta = torch.full_like(b_enc, first).detach().requires_grad_()
        parameters.append(log_theta)
    adam = torch.optim.Adam(parameters, lr=job["learningRate"], betas=(0.9, 0.99), eps=1e-8)
    inactive = torch.zeros(m, device=w_enc.device)
    steps = 0

    def step(x):
        nonlocal inactive, steps
        steps += 1
        x = normalize(x)
        z = torch.relu((x - b_dec) @ w_enc.T + b_enc)
        penalty = 0
        if architecture == "relu":
            f, penalty = z, z.sum(1).mean()
        elif architecture == "jumprelu":
            f, active = Jump.apply(z, log_theta.exp(), bandwidth)
            penalty = active.sum(1).mean()
        elif architecture == "topk":
            f = largest(z, k)
        else:
            f = largest(z.flatten(), n * k).reshape(n, m)
        error = x - (f @ w_dec + b_dec)
        share = min(1, steps / warmup) if warmup else 1
        loss = (error**2).mean() + sparsity * share * penalty
        if aux_coefficient:
            with torch.no_grad():
                inactive = torch.where((f > 0).any(0), 0, inactive + 1)
                dead = inactive >= job.get("deadAfter", 5)
                count = int(dead.sum())
            if count:
                chosen = largest(z[:, dead], min(aux_k, count))
                missed = error.detach() - chosen @ w_dec[dead]
                loss = loss + aux_coefficient * (missed**2).mean()
        adam.zero_grad()
        loss.backward()
        with torch.no_grad():
            unit = w_dec / w_dec.norm(dim=1, keepdim=True)
            w_dec.grad -= (w_dec.grad * unit).sum(1, keepdim=True) * unit
        norm = torch.nn.utils.clip_grad_norm_(parameters, clip) if clip else None
        adam.step()
        with torch.no_grad():
            w_dec.div_(w_dec.norm(dim=1, keepdim=True))
        return {"loss": loss.detach(), "f": f.detach(), "norm": norm}

    return step, parameters
