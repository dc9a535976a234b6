"""Trains a BatchTopK SAE with SAELens's or dictionary_learning's own trainer, on batches that come on standard input.

The first line of standard input is the job in JSON; float32 batches [n, d] follow. The SAE is written into a folder.
"""

import json
import math
import sys
import types
from pathlib import Path

import numpy as np
import torch

job = json.loads(sys.stdin.buffer.readline())
n, d, m, k, steps = (job[name] for name in ("n", "d", "m", "k", "steps"))
out = Path(job["out"])
torch.manual_seed(job["seed"])


def batches():
    for _ in range(steps):
        bytes_read = sys.stdin.buffer.read(4 * n * d)
        yield torch.from_numpy(np.frombuffer(bytes_read, np.float32).copy()).reshape(n, d)


def train_saelens():
    from sae_lens.config import LoggingConfig, SAETrainerConfig
    from sae_lens.saes.batchtopk_sae import BatchTopKTrainingSAE, BatchTopKTrainingSAEConfig
    from sae_lens.training.sae_trainer import SAETrainer

    rate = job.get("learningRate")
    scales = job.get("scale", False)

    def provider():
        stream = batches()
        first = next(stream)
        if scales:
            yield first  # what the scale is estimated on
        yield first
        yield from stream

    config = SAETrainerConfig(
        total_training_samples=n * steps,
        train_batch_size_samples=n,
        n_batches_for_norm_estimate=1,
        device="cpu",
        autocast=False,
        logger=LoggingConfig(log_to_wandb=False),
        lr_decay_steps=steps // 5 if job.get("decay") else 0,
        lr_end=0.0 if job.get("decay") else (rate or 3e-4),
        **({"lr": rate} if rate else {}),
    )
    sae = BatchTopKTrainingSAE(
        BatchTopKTrainingSAEConfig(
            d_in=d,
            d_sae=m,
            k=k,
            device="cpu",
            dtype="float32",
            normalize_activations="expected_average_only_in" if scales else "none",
        )
    )
    SAETrainer(config, sae, provider()).fit().save_inference_model(str(out))


def train_dictionary_learning():
    # The package imports what it collects activations with; only its trainer is used here.
    sys.modules["nnsight"] = types.ModuleType("nnsight")
    sys.modules["nnsight"].LanguageModel = object
    from dictionary_learning.trainers.batch_top_k import BatchTopKTrainer

    rate = job.get("learningRate")
    trainer = BatchTopKTrainer(
        steps=steps,
        activation_dim=d,
        dict_size=m,
        k=k,
        layer=0,
        lm_name="",
        device="cpu",
        seed=job["seed"],
        decay_start=int(0.8 * steps),
        # Its defaults, 1,000 steps each, are for longer runs.
        warmup_steps=min(1000, steps // 10),
        threshold_start_step=min(1000, steps // 2),
        **({"lr": rate} if rate else {}),
    )
    norm = None
    for step, x in enumerate(batches()):
        if norm is None:
            # Its `trainSAE` scales activations to a mean squared norm of 1, and the SAE back at the end.
            norm = math.sqrt(float((x**2).sum(1).mean()))
        trainer.update(step, x / norm)
    trainer.ae.scale_biases(norm)
    out.mkdir(parents=True)
    torch.save(trainer.ae.state_dict(), out / "ae.pt")
    (out / "config.json").write_text(json.dumps({"trainer": trainer.config}))


with torch.enable_grad():
    {"saelens": train_saelens, "dictionary_learning": train_dictionary_learning}[job["trainer"]]()
