# Logistic regressions by scikit-learn:
#   sklearn_logistic.py FOLDER
# reads FOLDER/problems.json, [{rows, cols, c}], FOLDER/N.x.f32 and FOLDER/N.y.f32 (0 or 1); prints [[weight…, bias]].
import json
import sys
import warnings

from sklearn.linear_model import LogisticRegression

from peer_files import read_floats

folder = sys.argv[1]
fits = []
with open(f"{folder}/problems.json") as file:
    problems = json.load(file)
for i, problem in enumerate(problems):
    x = read_floats(f"{folder}/{i}.x.f32", problem["rows"], problem["cols"]).astype("float64")
    y = read_floats(f"{folder}/{i}.y.f32", problem["rows"])
    with warnings.catch_warnings():
        # At the last digits its line search finds nothing more to gain, and says so.
        warnings.simplefilter("ignore")
        model = LogisticRegression(C=problem["c"], solver="newton-cholesky", tol=1e-12, max_iter=1000).fit(x, y)
    fits.append([*model.coef_[0], model.intercept_[0]])
print(json.dumps(fits))
