# Arrays between saewing and Python: raw float32, little-endian, with the shape given by the caller.
import numpy as np


def read_floats(path, *shape):
    return np.fromfile(path, dtype="<f4").reshape(shape)


def write_floats(path, array):
    np.ascontiguousarray(array, dtype="<f4").tofile(path)


def apart(found, wanted):
    """The largest difference over the largest number of what is wanted."""
    found, wanted = np.asarray(found, np.float64), np.asarray(wanted, np.float64)
    return float(np.abs(found - wanted).max() / max(np.abs(wanted).max(), 1e-30))
