"""Iterative solvers where what they pass over does not fit into memory: the tiles of an exact kernel, or the features,
are made in every product.

usage: test_memory.py PROGRAM
"""
import json
import re
import sys
import unittest

import h5py
import numpy as np

import program

CONFIG = """\
run: {out: out, precision: double, memory_per_rank: 4GiB}
data:
  train: {file: data.h5, x: /train/x, y: /train/y, rows: "0:2001"}
  test: {file: data.h5, x: /test/x, y: /test/y}
  task: regression
  validation: 0.2
network: {preset: fc1}
embedding: {method: none, features: 64}
solver: {type: cg, lambda: [1e-1, 1]}
"""
N, N_TEST = 4001, 40  # of 2001 rows 16 MB of tiles in double


class Memory(program.Case):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        rng = np.random.default_rng(4)
        x = rng.normal(size=(N + N_TEST, 8))
        y = np.sin(x[:, 0]) + x[:, 1] * x[:, 2]
        program.write_h5(cls.folder / "data.h5", train__x=x[:N], train__y=y[:N], test__x=x[N:], test__y=y[N:])
        (cls.folder / "case.yaml").write_text(CONFIG)

    def fit(self, out, *options, ranks=1):
        """The report, and the scores of the test rows."""
        self.program.must("fit", "case.yaml", "--force", "--set", f"run.out={out}", *options, "--", "-nke_nystrom_rank",
                          "128", "-nke_ksp_rtol", "1e-9", ranks=ranks)
        self.program.must("predict", f"{out}/model.h5", "data.h5", "--x", "/test/x", "--out", f"{out}/p.h5", "--force")
        with h5py.File(self.folder / out / "p.h5") as file:
            return json.loads((self.folder / out / "report.json").read_text()), file["scores"][...]

    def limit(self, *options, ranks=1):
        """A memory_per_rank that K or Z does not fit into, but all else does. (What is kept of rows depends on it too.)"""
        limit, matrix = 256.0, 0.0
        while True:
            given = "--set", f"run.memory_per_rank={int(limit)}MiB"
            plan = self.program.must("fit", "case.yaml", *options, *given, "--dry-run", ranks=ranks)
            if "each pass of an iteration again" in plan:
                return given
            matrix = matrix or float(re.search(r"#   matrix (\d+),", plan)[1])
            self.assertGreater(matrix, 4)
            self.assertGreater(limit, 32)
            limit = min(limit - 2, float(re.search(r"peak (\d+) of", plan)[1]) - matrix / 2)

    def fit_anew(self, out, kept, *options, ranks=1):
        """The fit under that limit. The program's own resident memory, which the limit was measured with, differs by some
        MiB from run to run: measured again where that let K or Z in, or left no room for all else."""
        for attempt in range(4):
            try:
                report, scores = self.fit(out, *options, *self.limit(*options, ranks=ranks), ranks=ranks)
            except AssertionError as error:
                if attempt == 3 or "run.memory_per_rank: a rank needs about" not in str(error):
                    raise
            else:
                if attempt == 3 or not report[kept]:
                    return report, scores

    def test_exact_kernel(self):
        kept, expected = self.fit("kept")
        self.assertTrue(kept["kernel_kept"])
        for ranks in (1, 2):
            report, scores = self.fit_anew(f"again{ranks}", "kernel_kept", ranks=ranks)
            self.assertFalse(report["kernel_kept"])
            np.testing.assert_allclose(scores, expected, rtol=1e-7, atol=1e-8)
            self.assertEqual(report["lambda"], kept["lambda"])
            self.assertLess(report["residual"], 1e-8)

    def test_kernel_file(self):
        _, expected = self.fit("computed")
        self.program.must("kernel", "case.yaml", "--set", "kernel.file=k.h5", ranks=2)
        file = "--set", "kernel.file=k.h5"
        for kept, (report, scores) in ((True, self.fit("file", *file)),
                                       (False, self.fit_anew("file-again", "kernel_kept", *file))):
            self.assertEqual(report["kernel_kept"], kept)
            np.testing.assert_allclose(scores, expected, rtol=1e-7, atol=1e-8)

    def test_features(self):
        """Of cg with preconditioners and lsqr, with rows held out."""
        features = ("--set", "embedding.method=random_features", "--set", "embedding.features=1024", "--set",
                    f"data.train.rows=0:{N}")
        for name, ranks, options in (("jacobi", 2, ()), ("nystrom", 2, ()),
                                     ("lsqr", 2, ("--set", "solver.type=lsqr"))):
            options = (*features, "--set", f"solver.precondition={'none' if name == 'lsqr' else name}", *options)
            kept, expected = self.fit(f"{name}-kept", *options)
            report, scores = self.fit_anew(f"{name}-again", "features_kept", *options, ranks=ranks)
            self.assertEqual((kept["features_kept"], report["features_kept"]), (True, False))
            np.testing.assert_allclose(scores, expected, rtol=1e-6, atol=1e-6, err_msg=name)
            self.assertEqual(report["lambda"], kept["lambda"])
            for part in ("train", "validation", "test"):
                self.assertAlmostEqual(report["metrics"][part]["mse"] / kept["metrics"][part]["mse"], 1, places=6)

    def test_matrices_that_come_and_go_leave_no_holes(self):
        """Of folds, each with an eigendecomposition: what the dry run foresees is not exceeded."""
        options = ("--set", "embedding.method=random_features", "--set", "embedding.features=1536", "--set",
                   "solver={type: eigen, select: {kfold: 3}}", "--set", f"data.train.rows=0:{N}")
        plan = self.program.must("fit", "case.yaml", *options, "--dry-run")
        self.program.must("fit", "case.yaml", *options, "--set", "run.out=folds")
        report = json.loads((self.folder / "folds/report.json").read_text())
        self.assertLess(report["peak_rss_bytes"] / 2**20, float(re.search(r"peak (\d+) of", plan)[1]))

    def test_a_fold_is_embedded_once_where_memory_holds_it(self):
        options = ("--set", "embedding.method=random_features", "--set", "embedding.features=1024", "--set",
                   "solver={type: cholesky, select: {kfold: 2}, lambda: [1e-1, 1]}", "--set", f"data.train.rows=0:{N}")

        def plan():
            text = self.program.must("fit", "case.yaml", *options, "--set", f"run.memory_per_rank={limit}MiB", "--dry-run",
                                     ranks=2)
            return [int(re.search(pattern, text)[1]) for pattern in (r"  matrix (\d+),", r"peak (\d+) of")]

        def fit(out):
            self.program.must("fit", "case.yaml", *options, "--set", f"run.memory_per_rank={limit}MiB", "--set",
                              f"run.out={out}", ranks=2)
            return json.loads((self.folder / out / "report.json").read_text())

        limit = 1024
        once, matrix = fit("fold-once"), plan()[0]
        while plan()[0] > matrix - 4:
            limit = min(limit, plan()[1]) - 1
        twice = fit("fold-twice")
        tests = N_TEST / N
        self.assertAlmostEqual(twice["flops"]["embed"] / once["flops"]["embed"], (3 + tests) / (2 + tests), places=9)
        for a, b in zip(once["path"], twice["path"]):
            np.testing.assert_allclose(a["validation"]["mse"], b["validation"]["mse"], rtol=1e-9)

    def test_single_precision_tiles(self):
        """Kernels of single precision lose nothing in tiles of single precision: Cholesky's scores."""
        single = ("--set", "run.precision=single")
        _, direct = self.fit("cholesky", *single, "--set", "solver.type=cholesky")
        _, scores = self.fit("single", *single, "--set", "solver.precondition=nystrom", ranks=2)
        np.testing.assert_allclose(scores, direct, rtol=1e-6, atol=1e-6)


if __name__ == "__main__":
    unittest.main(argv=[sys.argv[0], *sys.argv[2:]])
