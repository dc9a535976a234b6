# Small models of many families with random weights, exported in every way:
#   families.py OUT
# leaves OUT/FAMILY/EXPORTER/model.onnx with config.json, for optimum also _fp16, _quantized (8 bits) and _q4; in
# OUT/FAMILY the stream and the loss of PyTorch for OUT/FAMILY/tokens.json; prints {FAMILY: {EXPORTER: "" or the error}}.
import json
import os
import shutil
import sys

import torch
from transformers import AutoConfig, AutoModelForCausalLM, PreTrainedTokenizerFast

from export_model import builder, from_torch, optimum
from peer_files import write_stream

# No width is that of the vocabulary: the model builder takes any product of that width for the unembedding.
SIZES = {"hidden_size": 64, "num_hidden_layers": 3, "num_attention_heads": 4, "vocab_size": 96,
         "max_position_embeddings": 64, "bos_token_id": 0, "eos_token_id": 1, "pad_token_id": 1}
GATED = {**SIZES, "intermediate_size": 128, "num_key_value_heads": 2, "head_dim": 16}
FAMILIES = {
    "gpt2": {"n_embd": 64, "n_layer": 3, "n_head": 4, "vocab_size": 96, "n_positions": 64, "bos_token_id": 0,
             "eos_token_id": 1},
    "gpt_neox": {**SIZES, "intermediate_size": 128, "rotary_pct": 0.25},
    "opt": {**SIZES, "ffn_dim": 128, "word_embed_proj_dim": 64},
    "phi": {**SIZES, "num_attention_heads": 2, "intermediate_size": 128, "partial_rotary_factor": 0.5},
    "llama": {**GATED, "rope_theta": 50000.0},
    "mistral": {**GATED, "sliding_window": 16},
    "qwen2": GATED,
    "qwen3": GATED,
    "gemma2": {**GATED, "sliding_window": 16, "query_pre_attn_scalar": 16},
    # The model builder gives the window to the wrong layers: what is right without it shows where rows are shorter.
    "gemma2-short": {**GATED, "sliding_window": 64, "query_pre_attn_scalar": 16},
    "gemma3_text": {**GATED, "sliding_window": 16, "query_pre_attn_scalar": 16},
}


def main(out):
    print(json.dumps({family: exports(family, settings, f"{out}/{family}") for family, settings in FAMILIES.items()}))


def exports(family, settings, out):
    torch.manual_seed(1)
    plain = f"{out}/plain"
    # Eager: transformers' faster attention leaves out Gemma 2's soft cap.
    config = AutoConfig.for_model(family.split("-")[0], **settings)
    model = AutoModelForCausalLM.from_config(config, attn_implementation="eager").eval().float()
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            # Fresh weights are so small that layers hardly write to the stream; fresh norms are all alike.
            parameter.normal_(1 if parameter.ndim == 1 and name.endswith("weight") else 0, 0.15)
    model.save_pretrained(plain)
    if family.startswith("gemma2"):
        keep_eager(plain)
    tokenizer(plain)
    tokens = torch.randint(2, 96, (3, 24))
    tokens[:, 0] = 0
    json.dump(tokens.tolist(), open(f"{out}/tokens.json", "w"))
    found = {}
    ways = {
        "optimum": lambda to: optimum(plain, to),
        "torchscript": lambda to: from_torch(plain, to, False),
        "dynamo": lambda to: from_torch(plain, to, True),
        "builder": lambda to: builder(plain, to, "fp32"),
    }
    for exporter, export in ways.items():
        to = f"{out}/{exporter}"
        os.makedirs(to, exist_ok=True)
        try:
            export(to)
            if exporter == "optimum":
                quantize(to)
            shutil.copy(f"{plain}/config.json", f"{to}/config.json")
            found[exporter] = ""
        except (Exception, SystemExit) as error:
            found[exporter] = str(error).strip().split("\n")[-1][:300] or type(error).__name__
    write_stream(model, tokens.tolist(), out)
    return found


def keep_eager(folder):
    """Without this key in config.json optimum loads a model with the attention that leaves out the soft cap."""
    with open(f"{folder}/config.json") as file:
        config = json.load(file)
    with open(f"{folder}/config.json", "w") as file:
        json.dump({**config, "_attn_implementation": "eager"}, file)


def tokenizer(folder):
    from tokenizers import Tokenizer, models

    words = Tokenizer(models.WordLevel({f"w{i}": i for i in range(96)}, unk_token="w2"))
    PreTrainedTokenizerFast(tokenizer_object=words, bos_token="w0", eos_token="w1").save_pretrained(folder)


def quantize(folder):
    """What repositories made for transformers.js hold beside model.onnx, made with the same functions."""
    import onnx
    from onnxruntime.quantization import QuantType, quantize_dynamic
    from onnxruntime.quantization.matmul_nbits_quantizer import MatMulNBitsQuantizer
    from onnxruntime.transformers.float16 import convert_float_to_float16

    path = f"{folder}/model.onnx"
    quantize_dynamic(path, f"{folder}/model_quantized.onnx", weight_type=QuantType.QInt8)
    half = convert_float_to_float16(onnx.load(path), keep_io_types=True, disable_shape_infer=True)
    onnx.save(half, f"{folder}/model_fp16.onnx")
    quantizer = MatMulNBitsQuantizer(onnx.load(path), block_size=32, is_symmetric=True)
    quantizer.process()
    onnx.save(quantizer.model.model, f"{folder}/model_q4.onnx")


main(sys.argv[1])
