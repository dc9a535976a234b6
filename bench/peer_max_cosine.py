# Largest cosine of each row with any other matrix's rows: a chunked matrix product and a maximum.
import argparse, json, resource, time
import numpy, torch

parser = argparse.ArgumentParser()
for name in ["from", "to", "out"]:
    parser.add_argument(f"--{name}", dest=f"{name}_file")
for name in ["d", "chunk"]:
    parser.add_argument(f"--{name}", type=int)
args = parser.parse_args()

def read(file):
    return torch.from_numpy(numpy.fromfile(file, dtype=numpy.float32).reshape(-1, args.d))

def peak():
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024

own, others = read(args.from_file), read(args.to_file)
before = peak()
started = time.perf_counter()
own = torch.nn.functional.normalize(own, dim=1)
others = torch.nn.functional.normalize(others, dim=1).T
found = [(own[at:at + args.chunk] @ others).max(dim=1) for at in range(0, len(own), args.chunk)]
cosine = torch.cat([values for values, _ in found])
nearest = torch.cat([indices for _, indices in found])
seconds = time.perf_counter() - started
cosine.numpy().tofile(args.out_file)
nearest.to(torch.int32).numpy().tofile(args.out_file + ".nearest")
print(json.dumps({
    "seconds": seconds, "peak": peak(), "before": before,
    "torch": torch.__version__, "threads": torch.get_num_threads(),
}))
