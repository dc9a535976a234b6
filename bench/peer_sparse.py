"""The step that PyTorch can do best without a kernel of one's own: one dense product, the rest over active entries.

The same step as peer_dense.py's, with gradients by hand. What was measured on two cores of an EPYC with AVX-512
(torch 2.15; n 4096, d 768, m 12288, k 32, so 131,072 entries; milliseconds) decides what is called here:
- x·W_enc 369, into memory that is kept (into new memory 415; in blocks of 128 to 1024 rows, selected at once, 512 to
  416 with the selection); selection: what is above a predicted cut 38, torch.topk over all of z 501;
- decode: embedding_bag 4, CSR product 16; gradients of a matrix: embedding_bag over entries sorted by latent 10,
  CSR product 20, index_add_ 226; dots of error and decoder rows: sampled_addmm 12, gathered rows 266;
- Adam over a matrix: fused 4, foreach 20, plain 28; gradient's part along the decoder rows: bmm 5, (a·b).sum 21.
Where more than 1 of 6 latents is active, dense products by hand are faster, and taken.
"""

import math
import warnings

import torch
from torch.nn.functional import embedding_bag

warnings.filterwarnings("ignore", message="Sparse")

DENSE_SHARE = 1 / 6
"""Share of active entries above which dense products are faster: they met at 0.25 with m 3072, at 0.15 with 12288."""


def row_dots(a, b):
    """a_i · b_i of each row, [rows, 1]."""
    return torch.bmm(a[:, None], b[:, :, None]).squeeze(2)


def offsets(sorted_ids, count):
    """Where the entries of each of `count` ids begin, and one past the last."""
    starts = torch.zeros(count + 1, dtype=torch.int64, device=sorted_ids.device)
    torch.cumsum(torch.bincount(sorted_ids, minlength=count), 0, out=starts[1:])
    return starts


def bags(ids, starts, values, rows):
    """Σ values · rows[ids] over the entries of each bag."""
    return embedding_bag(ids, rows, starts[:-1], mode="sum", per_sample_weights=values)


class Entries:
    """Values at (row, column), sorted by row, with the order by column that the gradients need."""

    def __init__(self, row, column, value, n, m):
        self.row, self.column, self.value, self.shape = row, column, value, (n, m)
        self.starts = offsets(row, n)
        sorted_columns, self.order = torch.sort(column, stable=True)
        self.latent_starts = offsets(sorted_columns, m)
        self.rows_by_latent = row[self.order]

    def decode(self, w_dec):
        """f · W_dec, [n, d]."""
        return bags(self.column, self.starts, self.value, w_dec)

    def dots(self, g, w_dec):
        """g_row · W_dec[column] of each entry."""
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            pattern = torch.sparse_csr_tensor(self.starts, self.column, self.value, self.shape)
            return torch.sparse.sampled_addmm(pattern, g, w_dec.T, beta=0.0).values()

    def gather(self, values, source):
        """valuesᵀ · source for values at the entries, [m, d]."""
        return bags(self.rows_by_latent, self.latent_starts, values[self.order], source)

    def per_latent(self, values):
        """Sum of the values of each latent, [m]."""
        return values.new_zeros(self.shape[1]).index_add_(0, self.column, values)


def create(job, weights):
    """Gives a function that takes one step on x [n, d], and the parameters in the order of `weights`."""
    for name in ("gradientClip", "sparsityWarmupSteps", "inputNormalization"):
        if job.get(name) not in (None, 0, "none"):
            raise ValueError(f"the sparse peer has no {name}")
    architecture = job["architecture"]
    n, d, m, k = job["n"], job["d"], job["m"], job.get("k")
    sparsity, bandwidth = job.get("sparsityCoefficient", 0), job.get("bandwidth", 0.001)
    aux_coefficient, aux_k = job.get("auxCoefficient", 0), job.get("auxK", 512)
    jump, ragged = architecture == "jumprelu", architecture in ("relu", "jumprelu")
    parameters = list(weights)
    w_enc, b_enc, w_dec, b_dec = parameters
    if jump:
        parameters.append(torch.full_like(b_enc, math.log(job.get("initialThreshold", 0.01))))
    adam = torch.optim.Adam(
        parameters, lr=job["learningRate"], betas=(0.9, 0.99), eps=1e-8, fused=True
    )
    z = torch.empty(n, m, dtype=w_enc.dtype, device=w_enc.device)
    above = torch.empty(n * m, dtype=torch.bool, device=w_enc.device)
    inactive = torch.zeros(m, device=w_enc.device)
    cut = None
    """batchtopk: a cut that about 1.3 · n·k pre-activations pass, by the last step's."""

    def select_batch():
        """Positions in z of the n·k largest positive pre-activations, ascending; exact whatever the cut."""
        nonlocal cut
        flat = z.view(-1)
        if cut is None:
            few = flat[: min(n, 64) * m]
            cut = max(0.0, 0.97 * float(torch.topk(few, few.numel() // m * k).values[-1]))
        at = torch.gt(flat, cut, out=above).nonzero().squeeze(1)
        if at.numel() < n * k and cut > 0:
            at = torch.gt(flat, 0, out=above).nonzero().squeeze(1)
        values = flat[at]
        if at.numel() > n * k:
            best = torch.topk(values, n * k, sorted=False).indices.sort().values
            at, values = at[best], values[best]
        cut = 0.97 * float(values.min()) if at.numel() else 0.0
        return at, values

    def select(theta):
        """Row, column and pre-activation of every entry that the step needs."""
        if architecture == "topk":
            best = torch.topk(z, k, dim=1, sorted=False)
            row = torch.arange(n, device=z.device).repeat_interleave(k)
            return row, best.indices.view(-1), best.values.view(-1).relu_()
        if architecture == "batchtopk":
            at, value = select_batch()
        else:
            # JumpReLU's window begins below its threshold.
            lower = (theta - bandwidth / 2).clamp(min=0) if jump else 0
            at = torch.gt(z, lower, out=above.view(n, m)).view(-1).nonzero().squeeze(1)
            value = z.view(-1)[at]
        row = at // m
        return row, at - row * m, value

    def threshold_gradient(entries, value, dots, g, theta):
        """By θ through the window; z = 0, of which there are no entries, is in it where θ < ε/2."""
        own = theta[entries.column]
        inside = ((value - own).abs() < bandwidth / 2).to(value.dtype)
        sums = entries.per_latent((own * dots + sparsity / n) * inside)
        low = theta < bandwidth / 2
        if bool(low.any()):
            others = row_dots(g.sum(0).expand(m, d), w_dec).squeeze(1) - entries.per_latent(dots)
            count = n - entries.per_latent(torch.ones_like(dots))
            sums += low * (theta * others + count * sparsity / n)
        return -sums / bandwidth

    def differentiate_sparse(x, centered, theta):
        row, column, value = select(theta)
        active = value > (theta[column] if jump else 0)
        f = value * active
        entries = Entries(row, column, f, n, m)
        error = x - entries.decode(w_dec) - b_dec
        g = error * (-2 / (n * d))
        dots = entries.dots(g, w_dec)
        delta = (dots + (sparsity / n if architecture == "relu" else 0)) * active
        b_dec.grad = g.sum(0)
        w_dec.grad = entries.gather(f, g)
        w_enc.grad = entries.gather(delta, centered)
        b_enc.grad = entries.per_latent(delta)
        by_theta = threshold_gradient(entries, value, dots, g, theta) if jump else None
        penalty = active.sum() / n if jump else f.sum() / n
        alive = entries.per_latent(active.to(f.dtype)) > 0
        return error, penalty, active.sum(), alive, by_theta

    def differentiate_dense(x, centered, theta):
        pre = z.relu_()
        active = pre > (theta if jump else 0)
        f = pre * active if jump else pre
        error = x - torch.addmm(b_dec, f, w_dec)
        g = error * (-2 / (n * d))
        delta = g @ w_dec.T
        by_theta = None
        if jump:
            inside = (pre - theta).abs_() < bandwidth / 2
            by_theta = (delta * inside).sum(0) * theta + inside.sum(0) * (sparsity / n)
            by_theta = by_theta / -bandwidth
        elif architecture == "relu":
            delta += sparsity / n
        delta *= active
        b_dec.grad, b_enc.grad = g.sum(0), delta.sum(0)
        w_dec.grad, w_enc.grad = f.T @ g, delta.T @ centered
        count = active.sum()
        penalty = count / n if jump else f.sum() / n
        return error, penalty, count, None, by_theta

    def add_auxiliary(error, centered, alive):
        """Adds the auxiliary loss's gradients, and gives the loss."""
        nonlocal inactive
        inactive = torch.where(alive, 0, inactive + 1)
        dead = (inactive >= job.get("deadAfter", 5)).nonzero().squeeze(1)
        if dead.numel() == 0:
            return 0
        best = torch.topk(z[:, dead], min(aux_k, dead.numel()), dim=1, sorted=False)
        row, place = (best.values > 0).nonzero(as_tuple=True)
        value = best.values[row, place]
        entries = Entries(row, dead[best.indices[row, place]], value, n, m)
        missed = error - entries.decode(w_dec)
        g = missed * (-2 * aux_coefficient / (n * d))
        delta = entries.dots(g, w_dec)
        w_dec.grad += entries.gather(value, g)
        w_enc.grad += entries.gather(delta, centered)
        b_enc.grad += entries.per_latent(delta)
        return aux_coefficient * (missed**2).mean()

    @torch.no_grad()
    def step(x):
        centered = x - b_dec
        torch.addmm(b_enc, centered, w_enc.T, out=z)
        theta = parameters[4].exp() if jump else None
        # Some 64 rows tell whether the batch is dense.
        few = z[:: max(1, n // 64)]
        dense = ragged and bool((few > (theta if jump else 0)).float().mean() > DENSE_SHARE)
        differentiate = differentiate_dense if dense else differentiate_sparse
        error, penalty, count, alive, by_theta = differentiate(x, centered, theta)
        loss = (error**2).mean()
        if ragged:
            loss = loss + sparsity * penalty
        elif aux_coefficient:
            loss = loss + add_auxiliary(error, centered, alive)
        b_dec.grad = b_dec.grad - b_enc.grad @ w_enc
        if jump:
            parameters[4].grad = by_theta * theta
        # Decoder rows have norm 1.
        w_dec.grad.addcmul_(row_dots(w_dec.grad, w_dec), w_dec, value=-1)
        adam.step()
        w_dec.div_(w_dec.norm(dim=1, keepdim=True))
        return {"loss": loss, "active": count}

    return step, parameters
