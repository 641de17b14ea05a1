#!/usr/bin/env python3
"""NNGP and NTK by neural-tangents, in double precision, for tests/kernel/test_exact_reference.c.

    tools/reference/neural_tangents.py > tests/kernel/data/neural_tangents.txt
    tools/reference/neural_tangents.py --time build/release/tools/bench/bench_exact

The second form times its compiled float kernel of Myrtle-5 with relu, NNGP and NTK, and our own in the same run: processor
time a pair, the best of some trials, and their ratio.

Installs neural-tangents and jax from PyPI into a virtual environment under a temporary folder (removed afterwards) and
runs itself there. Inputs come from a formula (see `rows`), so only results are written: for every network and
activation nngp and ntk of rows 0..2 with rows 3..6, then of rows 0..2 with themselves.
"""
import os
import re
import subprocess
import sys
import tempfile
import time

PACKAGES = ["neural-tangents==0.6.5", "jax==0.4.23", "jaxlib==0.4.23", "numpy<2", "scipy<1.12", "tf2jax==0.3.5"]
FIRST, SECOND = 3, 4

# Left out: its Sign takes the covariance of any two pixels of one image for 1, which shows where a pooling follows.
WRONG = {("sign", "pooled"), ("sign", "signal")}

SHAPES = {"dense": (7,), "pooled": (6, 6, 2), "flat": (4, 5, 3), "turned": (6, 8, 2), "residual": (4, 4, 2),
          "normed": (4, 4, 2), "signal": (9, 2)}

# config name, parameter names and values, and neural-tangents' layer
ACTIVATIONS = [
    ("identity", {}, lambda s: s.Identity()),
    ("relu", {}, lambda s: s.Relu()),
    ("abrelu", {"a": -0.3, "b": 1.2}, lambda s: s.ABRelu(-0.3, 1.2)),
    ("leaky_relu", {"alpha": 0.1}, lambda s: s.LeakyRelu(0.1)),
    ("abs", {}, lambda s: s.Abs()),
    ("sign", {}, lambda s: s.Sign()),
    ("rectified_monomial", {"degree": 0}, lambda s: s.RectifiedMonomial(0)),
    ("rectified_monomial", {"degree": 2}, lambda s: s.RectifiedMonomial(2)),
    ("rectified_monomial", {"degree": 3}, lambda s: s.RectifiedMonomial(3)),
    ("monomial", {"degree": 2}, lambda s: s.Monomial(2)),
    ("monomial", {"degree": 3}, lambda s: s.Monomial(3)),
    ("polynomial", {"coefs": [0.3, 0.7, -0.2, 0.1]}, lambda s: s.Polynomial([0.3, 0.7, -0.2, 0.1])),
    ("hermite", {"degree": 1}, lambda s: s.Hermite(1)),
    ("hermite", {"degree": 3}, lambda s: s.Hermite(3)),
    ("erf", {}, lambda s: s.Erf()),
    ("erf", {"a": 1.5, "b": 0.7, "c": 0.2}, lambda s: s.Erf(1.5, 0.7, 0.2)),
    ("sigmoid_like", {}, lambda s: s.Sigmoid_like()),
    ("gelu", {}, lambda s: s.Gelu()),
    ("sin", {}, lambda s: s.Sin()),
    ("sin", {"a": 0.8, "b": 1.3, "c": 0.4}, lambda s: s.Sin(0.8, 1.3, 0.4)),
    ("cos", {"a": 0.8, "b": 1.3, "c": 0.4}, lambda s: s.Cos(0.8, 1.3, 0.4)),
    ("rbf", {"gamma": 0.7}, lambda s: s.Rbf(0.7)),
    ("exp", {"a": 0.5, "b": 0.4}, lambda s: s.Exp(0.5, 0.4)),
    ("gaussian", {"a": 0.8, "b": -0.3}, lambda s: s.Gaussian(0.8, -0.3)),
    ("gabor", {}, lambda s: s.Gabor()),
    ("exp_normalized", {}, lambda s: s.ExpNormalized()),
    ("exp_normalized", {"gamma": 0.5, "shift": 0}, lambda s: s.ExpNormalized(0.5, 0)),
]


def rows(np, first, count, shape):
    """Row r, entry k (channels fastest): ((7919 (r d + k) + 104729 r) mod 1009) / 504.5 - 1."""
    d = int(np.prod(shape))
    r, k = np.arange(first, first + count)[:, None], np.arange(d)[None, :]
    return (((7919 * (r * d + k) + 104729 * r) % 1009) / 504.5 - 1).reshape((count,) + shape)


def networks(stax, act, unit):
    """The networks of test_exact_reference.c. `unit`: the activation is defined for unit variance; norm before it."""
    norm = lambda: stax.LayerNorm()
    bent = lambda: stax.serial(norm(), act()) if unit else act()
    conv = lambda filter, padding, stride=1, w=1.2, b=0.1: stax.Conv(
        1, (filter, filter), (stride, stride), padding, W_std=w, b_std=b)
    dense = lambda w=1.1, b=0.2: stax.Dense(1, W_std=w, b_std=b)
    branch = lambda: stax.serial(bent(), conv(3, "SAME"), bent(), conv(3, "SAME", b=None))
    return {
        "dense": lambda: stax.serial(dense(), bent(), dense(1.3, None), bent(), dense(), bent(), dense()),
        "pooled": lambda: stax.serial(conv(3, "SAME", b=None), bent(), stax.AvgPool((2, 2), (2, 2)), conv(3, "SAME"),
                                      bent(), stax.GlobalAvgPool(), dense()),
        "flat": lambda: stax.serial(conv(3, "SAME"), bent(), stax.Flatten(), dense()),
        "turned": lambda: stax.serial(conv(3, "CIRCULAR"), bent(), conv(3, "CIRCULAR", 2), bent(), conv(3, "SAME", 2),
                                      bent(), conv(2, "VALID", b=None), bent(), stax.GlobalAvgPool(), dense()),
        "residual": lambda: stax.serial(conv(3, "SAME"), stax.FanOut(2), stax.parallel(branch(), stax.Identity()),
                                        stax.FanInSum(), bent(), stax.GlobalAvgPool(), dense()),
        "normed": lambda: stax.serial(conv(3, "SAME"), norm(), act(), conv(3, "SAME"), norm(), act(), stax.Flatten(),
                                      dense()),
        "signal": lambda: stax.serial(stax.Conv(1, (3,), (1,), "VALID", W_std=1.2, b_std=0.1), bent(),
                                      stax.AvgPool((3,), (2,)), stax.Conv(1, (2,), (1,), "SAME", W_std=1.2, b_std=0.1),
                                      bent(), stax.Flatten(), dense()),
    }


def compute():
    import jax
    jax.config.update("jax_enable_x64", True)
    import jaxlib
    import numpy as np
    import neural_tangents as nt
    from neural_tangents import stax

    text = lambda a: " ".join("%.17g" % v for v in np.asarray(a).ravel())
    print("# neural-tangents %s, jax %s, jaxlib %s, numpy %s, python %s, CPU, float64; by"
          " tools/reference/neural_tangents.py"
          % (nt.__version__, jax.__version__, jaxlib.__version__, np.__version__, sys.version.split()[0]))
    for name, parameters, act in ACTIVATIONS:
        for network, build in networks(stax, lambda: act(stax), name == "hermite").items():
            if (name, network) in WRONG:
                continue
            kernel = build()[2]
            shape = SHAPES[network]
            x, y = rows(np, 0, FIRST, shape), rows(np, FIRST, SECOND, shape)
            k = kernel(x, y, ("nngp", "ntk"))
            own = kernel(x, None, ("nngp", "ntk"))
            values = [(n, v) for n, vs in parameters.items() for v in (vs if isinstance(vs, list) else [vs])]
            print(" ".join([network, name, str(len(values))] + ["%s %.17g" % nv for nv in values]))
            for a in (k.nngp, k.ntk, np.diag(own.nngp), np.diag(own.ntk)):
                print(text(a))
            sys.stdout.flush()


def myrtle5(stax):
    conv = lambda: stax.serial(stax.Conv(1, (3, 3), padding="SAME", W_std=2 ** 0.5), stax.Relu())
    pool = lambda: stax.AvgPool((2, 2), (2, 2))
    return stax.serial(conv(), conv(), pool(), conv(), pool(), conv(), pool(), pool(), pool(), stax.Flatten(),
                       stax.Dense(1, W_std=2 ** 0.5))


def seconds_a_pair():
    import jax
    import numpy as np
    from neural_tangents import stax

    kernel = jax.jit(lambda x, y: myrtle5(stax)[2](x, y, ("nngp", "ntk")))
    x = np.random.default_rng(1).normal(size=(3, 32, 32, 3)).astype(np.float32)
    best = float("inf")
    for trial in range(4):  # the first compiles
        begun = time.process_time()
        jax.block_until_ready(kernel(x[:1], x[1:]).ntk)
        if trial:
            best = min(best, time.process_time() - begun)
    return best / 2


def compare_times(bench):
    theirs = 1e3 * seconds_a_pair()
    text = subprocess.run([bench, "myrtle5", "relu", "256", "1"], check=True, capture_output=True, text=True).stdout
    ours = float(re.search(r"([0-9.]+) ms a pair", text).group(1))
    print("neural-tangents %.1f ms a pair, nke %.3f ms a pair, ratio %.0f" % (theirs, ours, theirs / ours))


def main():
    if os.environ.get("NKE_REFERENCE_VENV"):
        return compare_times(sys.argv[2]) if sys.argv[1:2] == ["--time"] else compute()
    arguments = sys.argv[1:]
    if arguments and (arguments[0] != "--time" or len(arguments) != 2):
        sys.exit("usage: tools/reference/neural_tangents.py [--time BENCH]")
    arguments = arguments[:1] + [os.path.abspath(name) for name in arguments[1:]]
    with tempfile.TemporaryDirectory() as folder:
        subprocess.run([sys.executable, "-m", "venv", folder], check=True)
        python = os.path.join(folder, "bin", "python")
        subprocess.run([python, "-m", "pip", "install", "--quiet"] + PACKAGES, check=True, stdout=sys.stderr)
        script = os.path.abspath(__file__)
        # Not run as a file: its folder, first on the path, holds a module of the library's own name.
        code = "import runpy; runpy.run_path(%r, run_name='__main__')" % script
        subprocess.run([python, "-c", code] + arguments, check=True, cwd=folder,
                       env=dict(os.environ, NKE_REFERENCE_VENV="1"))


if __name__ == "__main__":
    main()
