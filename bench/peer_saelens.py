"""SAELens's own SAETrainer with its training SAEs, fed from memory: no autocast, no logging, no evaluations.

SAELens sums the squared error over d where saewing has the mean, so that sparsity coefficients are multiplied by d.
Everything else is SAELens's default.
"""

import time

from sae_lens import __version__
from sae_lens.config import LoggingConfig, SAETrainerConfig
from sae_lens.saes.batchtopk_sae import BatchTopKTrainingSAE, BatchTopKTrainingSAEConfig
from sae_lens.saes.jumprelu_sae import JumpReLUTrainingSAE, JumpReLUTrainingSAEConfig
from sae_lens.saes.standard_sae import StandardTrainingSAE, StandardTrainingSAEConfig
from sae_lens.saes.topk_sae import TopKTrainingSAE, TopKTrainingSAEConfig
from sae_lens.training.sae_trainer import SAETrainer


def create_sae(job, weights):
    shape = {"d_in": job["d"], "d_sae": job["m"], "device": job["device"], "dtype": "float32"}
    coefficient = job.get("sparsityCoefficient", 0) * job["d"]
    architecture = job["architecture"]
    if architecture == "batchtopk":
        sae = BatchTopKTrainingSAE(BatchTopKTrainingSAEConfig(k=job["k"], **shape))
    elif architecture == "topk":
        sae = TopKTrainingSAE(TopKTrainingSAEConfig(k=job["k"], **shape))
    elif architecture == "relu":
        sae = StandardTrainingSAE(StandardTrainingSAEConfig(l1_coefficient=coefficient, **shape))
    else:
        sae = JumpReLUTrainingSAE(
            JumpReLUTrainingSAEConfig(
                l0_coefficient=coefficient,
                jumprelu_bandwidth=job.get("bandwidth", 0.001),
                jumprelu_init_threshold=job.get("initialThreshold", 0.01),
                **shape,
            )
        )
    w_enc, b_enc, w_dec, b_dec = weights
    sae.W_enc.data = w_enc.T.contiguous()
    sae.b_enc.data, sae.W_dec.data, sae.b_dec.data = b_enc, w_dec, b_dec
    return sae


def run(job, weights, batches, synchronize):
    """Trains for job["steps"] steps, and gives their milliseconds, losses (divided by d) and the last L0."""
    n, steps, rate = job["n"], job["steps"], job["learningRate"]
    times, losses, l0 = [], [], []

    def mark():
        synchronize()
        times.append(time.perf_counter())

    def stream():
        for step in range(steps):
            mark()
            yield batches[step % len(batches)]

    config = SAETrainerConfig(
        total_training_samples=n * steps,
        train_batch_size_samples=n,
        lr=rate,
        lr_end=rate,
        device=job["device"],
        autocast=False,
        logger=LoggingConfig(log_to_wandb=False),
    )
    trainer = SAETrainer(config, create_sae(job, weights), stream())
    take = trainer.step

    def step(batch):
        output = take(batch)
        losses.append(output.loss.detach() / job["d"])
        if len(losses) == steps:
            mark()
            l0.append(float((output.feature_acts != 0).sum()) / n)
        return output

    trainer.step = step
    trainer.fit()
    return {
        "milliseconds": [1000 * (after - before) for before, after in zip(times, times[1:])],
        "losses": [float(loss) for loss in losses],
        "l0": l0,
        "version": f"SAELens {__version__}",
    }
