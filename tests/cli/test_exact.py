"""Exact kernel regression (embedding.method: none) against numpy on the kernel that `nke kernel` writes.

usage: test_exact.py PROGRAM
"""
import json
import sys
import unittest

import h5py
import numpy as np

import program

CONFIG = """\
run: {out: out, precision: double}
data:
  train: {file: data.h5, x: /train/x, y: /train/y}
  test: {file: data.h5, x: /test/x, y: /test/y}
  validation: 0.3
  preprocess: [standardize]
network:
  - conv: {filter: 3, w_std: 1.4}
  - activation: relu
  - avgpool: 2
  - conv: {filter: 3, w_std: 1.4, b_std: 0.1}
  - activation: relu
  - global_avgpool
  - dense: {}
embedding: {method: none}
solver: {lambda: [1e-3, 1e-2]}
"""
N, N_TEST = 83, 21


class Exact(program.Case):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        x, y = program.images(N + N_TEST, size=6, seed=3)
        program.write_h5(cls.folder / "data.h5", train__x=x[:N], train__y=y[:N], test__x=x[N:], test__y=y[N:])
        (cls.folder / "case.yaml").write_text(CONFIG)
        cls.program.must("kernel", "case.yaml", "--set", "kernel.file=kernel.h5")
        with h5py.File(cls.folder / "kernel.h5") as file:
            cls.k = {kind: (file[f"train/{kind}"][...], file[f"test/{kind}"][...]) for kind in ("ntk", "nngp")}
        cls.y = np.eye(3)[y[:N]] - 1 / 3
        cls.labels = y[N:]

    def fit(self, out, *args, ranks=1):
        self.program.must("fit", "case.yaml", "--set", f"run.out={out}", *args, ranks=ranks)
        return json.loads((self.folder / out / "report.json").read_text())

    def expected(self, kind, relative):
        k, cross = self.k[kind]
        alpha = np.linalg.solve(k + relative * np.trace(k) / N * np.eye(N), self.y)
        return cross @ alpha

    def predict(self, out, ranks=1):
        table = self.program.must("predict", f"{out}/model.h5", "data.h5", "--x", "/test/x", "--y", "/test/y", "--out",
                                  f"{out}/p.h5", ranks=ranks)
        with h5py.File(self.folder / out / "p.h5") as file:
            return table, file["scores"][...]

    def test_equals_numpy_at_any_number_of_ranks(self):
        for ranks in (1, 2, 3, 5):
            report = self.fit(f"out{ranks}", ranks=ranks)
            table, scores = self.predict(f"out{ranks}", ranks=5 // ranks)
            np.testing.assert_allclose(scores, self.expected("ntk", report["lambda"]), rtol=1e-9, atol=1e-11)
            accuracy = (scores.argmax(axis=1) == self.labels).mean()
            self.assertEqual(report["metrics"]["test"]["accuracy"], accuracy)
            self.assertIn(f"accuracy {100 * accuracy:.3f} %", table)
            self.assertIn(f"mse {report['metrics']['test']['mse']:.10g}", table)

    def test_held_out_rows_are_predicted_by_the_others(self):
        report = self.fit("held", ranks=3)
        rows = report["metrics"]["validation"]["rows"]
        self.assertGreater(rows, 10)
        for point in report["path"]:  # the held-out rows are not told: their number and the error must fit one subset
            self.assertEqual(point["validation"]["rows"], rows)
        single = self.fit("alone", "--set", "solver.lambda=[1e-2]")
        np.testing.assert_allclose(single["metrics"]["test"]["mse"],
                                   np.mean((self.expected("ntk", 1e-2) - (np.eye(3)[self.labels] - 1 / 3)) ** 2))

    def test_held_out_rows_at_any_scale_of_the_kernel(self):
        """What stands in the matrix for them neither hides the others' eigenvalues nor counts in the condition."""
        x, y = program.images(N, size=4, seed=5)
        conditions = []
        for scale in (1.0, 1e-8, 1e5):
            program.write_h5(self.folder / "scaled.h5", train__x=scale * x, train__y=y)
            reports = [self.fit(f"scaled-{kind}-{scale}", "--set", f"solver.type={kind}", "--set", "data.test=null", "--set",
                                "data.train.file=scaled.h5", "--set", "data.preprocess=[]", "--set",
                                "network=[flatten, {dense: {}}]", ranks=2) for kind in ("cholesky", "eigen")]
            for direct, by_eigen in zip(reports[0]["path"], reports[1]["path"]):
                self.assertAlmostEqual(by_eigen["validation"]["mse"] / direct["validation"]["mse"], 1, places=9)
            conditions.append([report["path"][0]["condition"] for report in reports])
        np.testing.assert_allclose(conditions, [conditions[0]] * 3, rtol=1e-6)

    def test_conjugate_gradients_with_every_preconditioner(self):
        """Cholesky's scores at the residual asked for, also while rows are held out; the report says how it went."""
        direct = self.fit("direct")
        for precondition, ranks in (("none", 2), ("jacobi", 3), ("nystrom", 1), ("sketch", 2), ("sketch", 5)):
            out = f"cg-{precondition}-{ranks}"
            report = self.fit(out, "--set", "solver.type=cg", "--set", f"solver.precondition={precondition}", "--set",
                              "embedding.features=64", "--", "-nke_ksp_rtol", "1e-10", ranks=ranks)
            self.assertEqual((report["precondition"], report["lambda"]), (precondition, direct["lambda"]))
            for point, expected in zip(report["path"], direct["path"]):
                self.assertLess(point["residual"], 1e-9)
                self.assertGreaterEqual(point["iterations"], 1)
                self.assertAlmostEqual(point["validation"]["mse"] / expected["validation"]["mse"], 1, places=7)
            self.assertLess(report["residual"], 1e-9)
            _, scores = self.predict(out)
            np.testing.assert_allclose(scores, self.expected("ntk", report["lambda"]), rtol=1e-7, atol=1e-8)

    def test_lsqr_is_for_features(self):
        done = self.program.run("fit", "case.yaml", "--set", "solver.type=lsqr", ranks=2)
        self.assertEqual(done.returncode, 2, done.stderr)
        self.assertIn("solver.type: expected auto, cholesky, eigen, dual or cg", done.stderr)

    def test_nngp_from_the_kernel_file(self):
        report = self.fit("file", "--set", "kernel.file=kernel.h5", "--set", "embedding.kernel=nngp", ranks=3)
        self.assertEqual(self.fit("computed", "--set", "embedding.kernel=nngp")["metrics"]["test"]["rows"], N_TEST)
        _, scores = self.predict("file", ranks=2)
        np.testing.assert_allclose(scores, self.expected("nngp", report["lambda"]), rtol=1e-9, atol=1e-11)

    def test_another_kernels_file_is_refused_by_name(self):
        for change, word in (("data.preprocess=[layernorm]", "layernorm"), ("run.precision=single", "precision: single"),
                             ("data.train.rows=0:40", "rows"), ("embedding.symmetrize=[flip]", "flip: 1")):
            done = self.program.run("fit", "case.yaml", "--set", "kernel.file=kernel.h5", "--set", change, ranks=2)
            self.assertEqual(done.returncode, 2, done.stderr)
            self.assertRegex(done.stderr, f"kernel.h5: holds the kernel of another config.*({word})")

    def test_an_unfinished_file_is_refused(self):
        self.program.must("kernel", "case.yaml", "--set", "kernel.file=unfinished.h5")
        with h5py.File(self.folder / "unfinished.h5", "r+") as file:
            file["done"][1] = 0
        done = self.program.run("fit", "case.yaml", "--set", "kernel.file=unfinished.h5", ranks=3)
        self.assertEqual(done.returncode, 3, done.stderr)
        self.assertIn("1 of 5 tiles are missing", done.stderr)

    def test_embed_has_nothing_to_write(self):
        done = self.program.run("embed", "case.yaml", ranks=2)
        self.assertEqual(done.returncode, 2, done.stderr)
        self.assertIn("`embed` needs features", done.stderr)


if __name__ == "__main__":
    unittest.main(argv=sys.argv[:1])
