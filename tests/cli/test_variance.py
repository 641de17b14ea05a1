"""`fit --variance` and the /variance of `predict` against numpy on what `nke embed` and `nke kernel` write.

usage: test_variance.py PROGRAM
"""
import json
import re
import shutil
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
  - flatten
  - dense: {}
embedding: {kernel: nngp, method: random_features, features: 101}
solver: {lambda: [1e-3, 1e-2]}
"""
N, N_TEST = 183, 71
EXACT = ("--set", "embedding.method=none", "--set", "data.preprocess=[]")


class Variance(program.Case):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        x, y = program.images(N + N_TEST, size=6, seed=3)
        program.write_h5(cls.folder / "data.h5", train__x=x[:N], train__y=y[:N], test__x=x[N:], test__y=y[N:],
                         swapped__x=x[N:][::-1], swapped__y=y[N:][::-1])
        (cls.folder / "case.yaml").write_text(CONFIG)

    def fit(self, out, *args, ranks=1):
        self.program.must("fit", "case.yaml", "--variance", "--set", f"run.out={out}", *args, ranks=ranks)
        return json.loads((self.folder / out / "report.json").read_text())["lambda_absolute"]

    def features(self, out, *args):
        self.program.must("embed", "case.yaml", "--set", f"run.out={out}", *args)
        with h5py.File(self.folder / out / "features.h5") as file:
            return [file[f"{part}/features"][...].astype("f8") for part in ("train", "test")]

    def predict(self, out, part="test", ranks=1):
        self.program.must("predict", f"{out}/model.h5", "data.h5", "--x", f"/{part}/x", "--y", f"/{part}/y", "--out",
                          f"{out}/p.h5", ranks=ranks)
        with h5py.File(self.folder / out / "p.h5") as file:
            return file["variance"][...]

    def check(self, found, expected, prior, tolerance):
        np.testing.assert_allclose(found, expected, rtol=tolerance)
        self.assertTrue((found > 0).all() and (found < prior).all())
        self.assertLess(found.min(), 0.5 * prior.max())  # the rows have said something

    def test_features_at_any_number_of_ranks(self):
        for precision, tolerance in (("double", 1e-5), ("single", 1e-4)):  # embed writes float32
            more = ("--set", f"run.precision={precision}")
            z, new = self.features(f"z-{precision}", *more)
            for ranks in (1, 2, 3, 5) if precision == "double" else (2,):
                shift = self.fit(f"f{ranks}-{precision}", *more, ranks=ranks)
                expected = shift * np.sum(new * np.linalg.solve(z.T @ z + shift * np.eye(z.shape[1]), new.T).T, axis=1)
                with self.subTest(precision=precision, ranks=ranks):
                    found = self.predict(f"f{ranks}-{precision}", ranks=5 // ranks)
                    self.check(found, expected, np.sum(new**2, axis=1), tolerance)
                    dual = np.sum(new**2, axis=1) - np.sum(
                        (new @ z.T) * np.linalg.solve(z @ z.T + shift * np.eye(N), z @ new.T).T, axis=1)
                    np.testing.assert_allclose(found, dual, rtol=1e-3)

    def test_the_ranks_that_predict_and_the_order_of_rows_change_nothing(self):
        self.fit("bits", "--set", "solver.select=gcv", "--set", "solver.type=eigen", ranks=2)
        one = self.predict("bits")
        for ranks in (2, 3, 5):
            np.testing.assert_allclose(self.predict("bits", ranks=ranks), one, rtol=1e-12)
        np.testing.assert_allclose(self.predict("bits", "swapped", ranks=2)[::-1], one, rtol=1e-12)

    def test_more_features_than_rows(self):
        more = ("--set", "data.train.rows=0:40", "--set", "solver.lambda=[1e-2]")
        z, new = self.features("z-few", *more)
        shift = self.fit("few", *more, ranks=3)
        expected = shift * np.sum(new * np.linalg.solve(z.T @ z + shift * np.eye(z.shape[1]), new.T).T, axis=1)
        self.check(self.predict("few", ranks=2), expected, np.sum(new**2, axis=1), 1e-5)

    def test_exact_kernel_at_any_number_of_ranks(self):
        self.program.must("kernel", "case.yaml", *EXACT, "--set", "kernel.file=kernel.h5")
        self.program.must("kernel", "case.yaml", *EXACT, "--set", "kernel.file=new.h5", "--set",
                          "data.train={file: data.h5, x: /test/x, y: /test/y}")
        with h5py.File(self.folder / "kernel.h5") as file, h5py.File(self.folder / "new.h5") as new:
            k, cross, prior = file["train/nngp"][...], file["test/nngp"][...], new["train/nngp"][...].diagonal()
        for ranks in (1, 2, 3, 5):
            more = ("--set", "kernel.file=kernel.h5") if ranks == 2 else ()
            shift = self.fit(f"e{ranks}", *EXACT, *more, ranks=ranks)
            expected = prior - np.sum(cross * np.linalg.solve(k + shift * np.eye(N), cross.T).T, axis=1)
            with self.subTest(ranks=ranks):
                self.check(self.predict(f"e{ranks}", ranks=5 // ranks), expected, prior, 1e-8)

    def has_variance(self, out, *sets):
        """Whether a model that was not asked for it has one, and predict writes it."""
        self.program.must("fit", "case.yaml", "--set", f"run.out={out}", *(word for s in sets for word in ("--set", s)))
        self.program.must("predict", f"{out}/model.h5", "data.h5", "--out", f"{out}/p.h5")
        with h5py.File(self.folder / out / "p.h5") as file, h5py.File(self.folder / out / "model.h5") as model:
            self.assertEqual("variance" in file, "factor" in model)
            return "factor" in model

    def test_a_small_nngp_has_it_by_itself(self):
        few = "data.train.rows=0:40"  # rows than features
        for name, sets in (("plain", ()), ("few", (few,)), ("exact", EXACT[1::2])):
            with self.subTest(name):
                self.assertTrue(self.has_variance(f"own-{name}", *sets))
        self.fit("asked")
        np.testing.assert_array_equal(self.predict("asked"), self.predict("own-plain"))
        for name, sets in (("ntk", ("embedding={kernel: ntk, method: random_features, features: 64}",)), ("dual", ("solver.type=dual", few)),
                           ("cg", ("solver.type=cg",)), ("classes", ("data.class_weights=balanced",)),
                           ("large", ("embedding.features=4097", few, "solver.lambda=[1e-2]"))):
            with self.subTest(name):
                self.assertFalse(self.has_variance(f"own-{name}", *sets))

    def test_what_has_no_variance_is_refused(self):
        for says, change in ((r"Gaussian process.*embedding\.kernel nngp", "embedding={kernel: ntk, method: random_features, features: 64}"),
                             (r"solver\.type auto, cholesky or eigen, got the solver cg", "solver.type=cg"),
                             (r"solver\.type auto, cholesky or eigen, got the solver lsqr", "solver.type=lsqr"),
                             (r"solver\.type auto, cholesky or eigen, got the solver dual", "solver.type=dual"),
                             (r"class_weights", "data.class_weights=balanced")):
            done = self.program.run("fit", "case.yaml", "--variance", "--set", change, "--set", "run.out=no", ranks=2)
            with self.subTest(change):
                self.assertEqual((done.returncode, len(done.stderr.splitlines()[:1])), (2, 1), done.stderr)
                self.assertRegex(done.stderr, "--variance: .*" + says)
                self.assertFalse((self.folder / "no").exists())

    def test_dry_run_counts_the_factor(self):
        text = self.program.must("fit", "case.yaml", "--variance", "--dry-run", "--set", "embedding.features=2000")
        self.assertIn(f"of it {8 * 36 * (256**2 + 1) / 2**20:.1f} MiB the factor for the posterior variance", text)
        plain = self.program.must("fit", "case.yaml", "--dry-run", "--set",
                                  "embedding={kernel: ntk, method: random_features, features: 64}")
        self.assertNotIn("the factor for", plain)

    def test_a_broken_factor_is_refused(self):
        self.fit("broken")

        def one_number(factor):
            factor["blocks"][1, 2, 3] += 1e-9

        def no_sums(factor):
            del factor["checksums"]

        def shape(factor):
            del factor["blocks"]
            factor["blocks"] = np.ones((3, 32, 32))

        def flat(factor):
            del factor["blocks"]
            factor["blocks"] = np.ones(3)

        for change, says in ((one_number, r"block \(1, 0\) of /factor.*checksum"), (no_sums, "/factor/checksums"),
                             (shape, "/factor/blocks"), (flat, "/factor/blocks")):
            shutil.copy(self.folder / "broken/model.h5", self.folder / "bad.h5")
            with h5py.File(self.folder / "bad.h5", "r+") as file:
                change(file["factor"])
            for ranks in (1, 3):
                done = self.program.run("predict", "bad.h5", "data.h5", "--out", "bad-p.h5", ranks=ranks)
                with self.subTest(change=change.__name__, ranks=ranks):
                    self.assertEqual(done.returncode, 3, done.stderr)
                    self.assertRegex(done.stderr, f"bad.h5: .*{says}")
                    self.assertFalse((self.folder / "bad-p.h5").exists())


if __name__ == "__main__":
    unittest.main(argv=sys.argv[:1])
