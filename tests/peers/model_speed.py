# Logits, losses, half the layers' stream, and times of a model in PyTorch:
#   model_speed.py MODEL FOLDER ROUNDS
# reads FOLDER/tokens.i32 ([rows, length], shape in FOLDER/shape.json), FOLDER/directions.f32 [n, d];
# writes FOLDER/logits.f32 (last 4 positions of row 0), loss.f32 [rows, length - 1], stream.f32 and
# unembedded.f32 [n, vocabulary] and product.onnx, one MatMul [512, 2048] × [2048, 2048]; prints
# {"layers", "prefix": [seconds …], "loss": [seconds …]} of processor time over all threads, "wall" the same by the
# clock, and "product": operations per second of PyTorch's fastest float32 product, by the clock.
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

    write_product(f"{folder}/product.onnx")
    product = fastest_product()
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
    print(json.dumps({"layers": layers, **times, "wall": wall, "product": product}))


def fastest_product():
    best = 0
    with torch.inference_mode():
        for rows, width, columns in [(512, 2048, 2048), (2048, 2048, 2048), (3072, 3072, 3072)]:
            a, b = torch.randn(rows, width), torch.randn(width, columns)
            for _ in range(10):
                started = time.perf_counter()
                a @ b
                best = max(best, 2 * rows * width * columns / (time.perf_counter() - started))
    return best


def write_product(path):
    import onnx
    from onnx import TensorProto, helper, numpy_helper

    weight = numpy_helper.from_array(numpy.random.default_rng(1).normal(size=(2048, 2048)).astype("float32"), "b")
    graph = helper.make_graph(
        [helper.make_node("MatMul", ["a", "b"], ["c"])], "product",
        [helper.make_tensor_value_info("a", TensorProto.FLOAT, [512, 2048])],
        [helper.make_tensor_value_info("c", TensorProto.FLOAT, [512, 2048])], [weight],
    )
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8), path)


def write(folder, name, values):
    values.detach().numpy().astype("<f4").tofile(f"{folder}/{name}.f32")


main(*sys.argv[1:])
