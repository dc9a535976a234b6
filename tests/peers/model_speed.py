# Logits, losses, half the layers' stream, and times of a model in PyTorch:
#   model_speed.py MODEL FOLDER ROUNDS
# reads FOLDER/tokens.i32 ([rows, length], shape in FOLDER/shape.json), FOLDER/directions.f32 [n, d];
# writes FOLDER/logits.f32 (last 4 positions of row 0), loss.f32 [rows, length - 1], stream.f32 and
# unembedded.f32 [n, vocabulary]; prints {"layers", "prefix": [seconds …], "loss": [seconds …]} of
# processor time over all threads, and "wall" the same by the clock.
import json
import sys
import time

import numpy
import torch
from transformers import AutoModelForCausalLM


def main(model, folder, rounds):
    shape = json.load(open(f"{folder}/shape.json"))
    torch.set_num_threads(shape["threads"])
    tokens = torch.from_numpy(
        numpy.fromfile(f"{folder}/tokens.i32", "<i4").reshape(shape["rows"], -1).astype("int64")
    )
    directions = torch.from_numpy(numpy.fromfile(f"{folder}/directions.f32", "<f4"))
    whole = AutoModelForCausalLM.from_pretrained(model, dtype=torch.float32).eval()
    whole.config.use_cache = False
    layers = len(whole.model.layers)
    half = layers // 2

    def loss():
        logits = whole(input_ids=tokens, use_cache=False).logits
        return torch.nn.functional.cross_entropy(
            logits[:, :-1].flatten(0, 1), tokens[:, 1:].flatten(), reduction="none"
        )

    # As a program that wants only this would: the later layers are not run.
    stopped = {}

    class Stop(Exception):
        pass

    def stop(module, args, kwargs):
        if stopped["on"]:
            stopped["stream"] = args[0] if args else kwargs["hidden_states"]
            raise Stop

    whole.model.layers[half].register_forward_pre_hook(stop, with_kwargs=True)

    def prefix():
        stopped["on"] = True
        try:
            whole(input_ids=tokens, use_cache=False)
        except Stop:
            pass
        stopped["on"] = False
        return stopped["stream"]

    times = {"prefix": [], "loss": []}
    wall = {"prefix": [], "loss": []}
    with torch.inference_mode():
        stopped["on"] = False
        write(folder, "loss", loss())
        write(folder, "stream", prefix())
        write(folder, "logits", whole(input_ids=tokens[:1], use_cache=False).logits[0, -4:])
        weight = whole.get_output_embeddings().weight
        write(folder, "unembedded", directions.reshape(-1, weight.shape[1]) @ weight.T)
        for _ in range(int(rounds)):
            for name, run in [("prefix", prefix), ("loss", loss)]:
                started, clock = time.process_time(), time.perf_counter()
                run()
                times[name].append(time.process_time() - started)
                wall[name].append(time.perf_counter() - clock)
    print(json.dumps({"layers": layers, **times, "wall": wall}))


def write(folder, name, values):
    values.detach().numpy().astype("<f4").tofile(f"{folder}/{name}.f32")


main(*sys.argv[1:])
