# Exports a PyTorch model to ONNX in one of the ways that docs/models.md shows:
#   export_model.py optimum|builder|dynamo|torchscript MODEL OUT [fp32|fp16|int4]
# leaves OUT/config.json, OUT/tokenizer.json and OUT/model.onnx, and prints what OUT holds.
import json
import os
import shutil
import sys


def main(exporter, model, out, precision="fp32"):
    os.makedirs(out, exist_ok=True)
    if exporter == "optimum":
        optimum(model, out)
    elif exporter == "builder":
        builder(model, out, precision)
    else:
        from_torch(model, out, exporter == "dynamo")
    for name in ["config.json", "tokenizer.json", "tokenizer_config.json"]:
        source = os.path.join(model, name)
        if os.path.exists(source):
            shutil.copy(source, os.path.join(out, name))
    print(json.dumps(sorted(os.listdir(out))))


def optimum(model, out):
    from optimum.exporters.onnx import main_export

    # What `optimum-cli export onnx` calls; without a cache, which hooks do not need.
    main_export(model, out, task="text-generation")


def builder(model, out, precision):
    from onnxruntime_genai.models.builder import create_model

    # What `python -m onnxruntime_genai.models.builder` calls.
    create_model("", model, out, precision, "cpu", os.path.join(out, "cache"))
    shutil.rmtree(os.path.join(out, "cache"), ignore_errors=True)


def from_torch(model, out, dynamo):
    import torch
    from transformers import AutoModelForCausalLM

    loaded = AutoModelForCausalLM.from_pretrained(model, dtype=torch.float32, attn_implementation="eager").eval()
    loaded.config.use_cache = False

    class Logits(torch.nn.Module):
        def __init__(self, inner):
            super().__init__()
            self.inner = inner

        def forward(self, input_ids, attention_mask):
            return self.inner(input_ids=input_ids, attention_mask=attention_mask).logits

    tokens = torch.arange(1, 17).reshape(2, 8) % loaded.config.get_text_config().vocab_size
    names = {"input_names": ["input_ids", "attention_mask"], "output_names": ["logits"]}
    axes = {0: "rows", 1: "positions"}
    if dynamo:
        rows, positions = torch.export.Dim("rows"), torch.export.Dim("positions")
        shapes = {"dynamic_shapes": ({0: rows, 1: positions}, {0: rows, 1: positions})}
    else:
        shapes = {"dynamic_axes": {"input_ids": axes, "attention_mask": axes, "logits": axes}}
    with torch.no_grad():
        torch.onnx.export(
            Logits(loaded).eval(), (tokens, torch.ones_like(tokens)), os.path.join(out, "model.onnx"),
            dynamo=dynamo, **names, **shapes,
        )


if __name__ == "__main__":
    main(*sys.argv[1:])
