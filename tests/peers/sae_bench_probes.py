# Sparse probes by SAEBench's own functions, on the same texts as here:
#   sae_bench_probes.py FOLDER
# reads and prints what probes.py does. SAEBench draws the negative texts of its probes at random; here both sides
# have the given ones.
import json
import sys
import warnings

import torch
from sae_bench.evals.sparse_probing.probe_training import (
    apply_topk_mask_reduce_dim,
    get_top_k_mean_diff_mask,
    train_sklearn_probe,
)
from sae_bench.sae_bench_utils.dataset_info import NEGATIVE_CLASS_LABEL, POSITIVE_CLASS_LABEL

from peer_files import read_floats


def labels(count, positive):
    kinds = torch.full((count,), NEGATIVE_CLASS_LABEL, dtype=torch.int32)
    kinds[:positive] = POSITIVE_CLASS_LABEL
    return kinds


folder = sys.argv[1]
with open(f"{folder}/probes.json") as file:
    asked = json.load(file)
features = torch.from_numpy(read_floats(f"{folder}/features.f32", asked["rows"], asked["cols"]).copy())
found = []
for one in asked["sets"]:
    train, test = features[one["train"]], features[one["test"]]
    train_labels = labels(len(train), one["trainPositive"])
    test_labels = labels(len(test), one["testPositive"])
    correct = []
    for k in asked["k"]:
        mask = get_top_k_mean_diff_mask(train, train_labels, k)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            _, accuracy = train_sklearn_probe(
                apply_topk_mask_reduce_dim(train, mask), train_labels,
                apply_topk_mask_reduce_dim(test, mask), test_labels)
        correct.append(round(accuracy * len(test)))
    found.append(correct)
print(json.dumps(found))
