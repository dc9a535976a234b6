# Prints SAELens's registry as JSON: {release: {repository, loader, saes: {id: path}}}.
import json
from importlib.util import find_spec
from pathlib import Path

import yaml

# The package is not imported, which would take PyTorch with it.
text = (Path(find_spec("sae_lens").origin).parent / "pretrained_saes.yaml").read_text()
registry = yaml.load(text, getattr(yaml, "CSafeLoader", yaml.SafeLoader))
print(json.dumps({
    name: {
        "repository": release["repo_id"],
        "loader": release.get("conversion_func") or "sae_lens",
        "saes": {sae["id"]: str(sae["path"]) for sae in release["saes"]},
        "count": len(release["saes"]),
    }
    for name, release in registry.items()
}))
