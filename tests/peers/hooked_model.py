# The model in examples/tiny-gpt2 in PyTorch and as TransformerLens's HookedTransformer.
import onnx
import torch
from onnx import numpy_helper
from transformer_lens import HookedTransformer, HookedTransformerConfig
from transformer_lens.pretrained.weight_conversions import convert_gpt2_weights
from transformers import GPT2Config, GPT2LMHeadModel


def hooked_model(folder):
    """Both, (plain, hooked), with the weights of FOLDER/onnx/model.onnx: nothing is folded or centred."""
    config = GPT2Config.from_pretrained(folder)
    plain = GPT2LMHeadModel(config).eval()
    graph = onnx.load(f"{folder}/onnx/model.onnx").graph
    weights = {w.name: torch.from_numpy(numpy_helper.to_array(w).copy()) for w in graph.initializer}
    missing, _ = plain.load_state_dict(weights, strict=False)
    # The unembedding is the embedding, tied; the graph has it under a number, transposed.
    assert set(missing) <= {"lm_head.weight"}, missing
    settings = HookedTransformerConfig(
        n_layers=config.n_layer, d_model=config.n_embd, n_ctx=config.n_positions, n_heads=config.n_head,
        d_head=config.n_embd // config.n_head, d_vocab=config.vocab_size, act_fn="gelu_new",
        eps=config.layer_norm_epsilon, normalization_type="LN", device="cpu",
    )
    model = HookedTransformer(settings)
    model.load_state_dict(convert_gpt2_weights(plain, settings), strict=False)
    return plain, model
