# Sparse probes by scikit-learn:
#   probes.py FOLDER
# reads FOLDER/probes.json, {rows, cols, k: [...], sets: [{train, trainPositive, test, testPositive}]}, and
# FOLDER/features.f32; chooses the k features whose means differ most, fits a regression to them with scikit-learn's
# default solver and C, to a smaller tolerance: with the default one, a text at the border may fall on the other side.
# Prints [[correct per k] per set].
import json
import sys
import warnings

import numpy as np
from sklearn.linear_model import LogisticRegression

from peer_files import read_floats

folder = sys.argv[1]
with open(f"{folder}/probes.json") as file:
    asked = json.load(file)
features = read_floats(f"{folder}/features.f32", asked["rows"], asked["cols"]).astype("float64")
found = []
for one in asked["sets"]:
    train, test = features[one["train"]], features[one["test"]]
    positive = np.arange(len(train)) < one["trainPositive"]
    wanted = np.arange(len(test)) < one["testPositive"]
    apart = np.abs(train[positive].mean(0) - train[~positive].mean(0))
    ranked = np.argsort(-apart, kind="stable")
    correct = []
    for k in asked["k"]:
        own = ranked[:k]
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            model = LogisticRegression(max_iter=10000, tol=1e-9).fit(train[:, own], positive)
        correct.append(int((model.predict(test[:, own]) == wanted).sum()))
    found.append(correct)
print(json.dumps(found))
