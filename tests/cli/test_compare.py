"""`nke compare` as a user runs it: its numbers against numpy's from the kernel and the features themselves, at any number
of ranks; what was interrupted goes on; kernels of something else are refused by name.

usage: test_compare.py PROGRAM
"""
import csv
import json
import signal
import sys
import time
import unittest

import h5py
import numpy as np

import program

CONFIG = """\
run: {out: out, precision: double}
data:
  train: {file: data.h5, x: /train/x, y: /train/y}
  test: {file: data.h5, x: /test/x, y: /test/y}
  preprocess: [standardize]
network:
  - conv: {filter: 3, w_std: 1.4}
  - activation: relu
  - avgpool: 2
  - conv: {filter: 3, w_std: 1.4, b_std: 0.1}
  - activation: relu
  - global_avgpool
  - dense: {}
kernel: {tile: 16}
embedding: {widths: [64, 128]}
solver: {lambda: [1e-3, 1e-1]}
compare: {methods: [random_features, polysketch], features: [128, 256], seeds: [1, 2]}
"""
N, N_TEST = 70, 20
SAME = ["relative_frobenius", "relative_frobenius_scaled", "relative_frobenius_centred", "spectral_eps",
        "spectral_eps_scaled", "statistical_dimension_sketch", "accuracy_sketch", "mse_sketch", "loo_mse_exact",
        "loo_mse_sketch", "lambda"]


def centred(a):
    return a - a.mean(0) - a.mean(1)[:, None] + a.mean()


class Compare(program.Case):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        x, y = program.images(N + N_TEST, size=8, seed=3)
        program.write_h5(cls.folder / "data.h5", train__x=x[:N], train__y=y[:N], test__x=x[N:], test__y=y[N:])
        (cls.folder / "case.yaml").write_text(CONFIG)
        cls.table = cls.program.must("compare", "case.yaml", "--set", "run.out=whole")
        cls.whole = cls.result("whole")

    @classmethod
    def result(cls, out):
        return json.loads((cls.folder / out / "compare.json").read_text())

    def refused(self, code, says, *args, **options):
        done = self.program.run("compare", "case.yaml", *args, **options)
        self.assertEqual(done.returncode, code, done.stderr)
        self.assertRegex(done.stderr, says)

    def test_rows_of_all_sketches(self):
        self.assertEqual([(row["method"], row["features"], row["seed"]) for row in self.whole["rows"]],
                         [(m, f, s) for m in ("random_features", "polysketch") for f in (128, 256) for s in (1, 2)])
        self.assertEqual(len(self.whole["spectra"]["exact"]), N)
        self.assertEqual(len(self.whole["spectra"]["sketch"]), 8)
        with open(self.folder / "whole/compare.csv") as file:
            table = list(csv.DictReader(file))
        self.assertEqual([float(row["relative_frobenius"]) for row in table],
                         [row["relative_frobenius"] for row in self.whole["rows"]])
        self.assertIn("polysketch", self.table)
        self.assertFalse((self.folder / "whole/compare.part.json").exists())
        for row in self.whole["rows"]:
            for key in ("seconds_exact", "seconds_sketch", "speedup_measured", "speedup_at_n", "seconds_exact_per_pair",
                        "seconds_sketch_per_row", "gram_rate", "factor_rate"):
                self.assertGreater(row[key], 0, key)
            for key in ("spread_exact_per_pair", "spread_sketch_per_row"):
                self.assertTrue(row[key]["min"] <= row[key]["mean"] <= row[key]["max"])

    def test_numbers_are_those_of_the_matrices(self):
        with h5py.File(self.folder / "whole/kernel.h5") as file:
            kernel = file["train/ntk"][...]
        self.program.must("embed", "case.yaml", "--set", "run.out=whole", "--set", "embedding.method=random_features",
                          "--set", "embedding.features=256", "--set", "run.seed=2")
        with h5py.File(self.folder / "whole/features.h5") as file:
            z = file["train/features"][...].astype(float)
            y = file["train/y"][...].ravel()
        sketch = z @ z.T
        row = next(r for r in self.whole["rows"] if (r["method"], r["features"], r["seed"]) == ("random_features", 256, 2))
        size = np.linalg.norm(kernel)
        close = lambda key, value: np.testing.assert_allclose(row[key], value, rtol=2e-5, err_msg=key)
        close("relative_frobenius", np.linalg.norm(sketch - kernel) / size)
        best = np.sum(sketch * kernel) / np.sum(sketch ** 2)
        close("relative_frobenius_scaled", np.linalg.norm(best * sketch - kernel) / size)
        close("relative_frobenius_centred", np.linalg.norm(centred(sketch - kernel)) / np.linalg.norm(centred(kernel)))
        shift = row["lambda"] * np.trace(kernel) / N
        inverse_root = np.linalg.inv(np.linalg.cholesky(kernel + shift * np.eye(N)))

        def span(a):
            return np.linalg.eigvalsh(inverse_root @ (a + shift * np.eye(N)) @ inverse_root.T)[[0, -1]]

        np.testing.assert_allclose(row["eigenvalue_range"], span(sketch), rtol=2e-5)
        scale = np.sqrt(np.diag(kernel) / np.diag(sketch))
        np.testing.assert_allclose(row["eigenvalue_range_scaled"], span(scale[:, None] * sketch * scale), rtol=2e-5)
        close("spectral_eps", np.abs(span(sketch) - 1).max())
        self.assertLess(abs(row["spectral_eps_krylov"] / row["spectral_eps"] - 1), 0.05)
        self.assertEqual(row["statistical_dimension"], row["statistical_dimension_exact"])
        close("statistical_dimension", np.trace(np.linalg.solve(kernel + shift * np.eye(N), kernel)))
        targets = np.eye(3)[y.astype(int)] - 1 / 3
        best = {}
        for value in (1e-3, 1e-1):
            inverse = np.linalg.inv(kernel + value * np.trace(kernel) / N * np.eye(N))
            best[value] = np.mean((inverse @ targets / np.diag(inverse)[:, None]) ** 2)
        self.assertEqual(row["lambda"], min(best, key=best.get))
        close("loo_mse_exact", best[row["lambda"]])
        np.testing.assert_allclose(self.whole["spectra"]["exact"], np.linalg.eigvalsh(kernel)[::-1], rtol=1e-6, atol=1e-9)

    def test_accuracy_is_that_of_fit(self):
        self.program.must("fit", "case.yaml", "--set", "run.out=fit", "--set", "embedding.features=256", "--set",
                          "run.seed=2", "--set", f"solver.lambda={self.whole['rows'][0]['lambda']}", "--set",
                          "solver.type=dual")
        test = json.loads((self.folder / "fit/report.json").read_text())["metrics"]["test"]
        row = next(r for r in self.whole["rows"] if (r["method"], r["features"], r["seed"]) == ("random_features", 256, 2))
        self.assertEqual(row["accuracy_sketch"], test["accuracy"])
        np.testing.assert_allclose(row["mse_sketch"], test["mse"], rtol=1e-6)

    def test_any_number_of_ranks(self):
        for ranks in (2, 3, 5):
            self.program.must("compare", "case.yaml", "--set", f"run.out=ranks{ranks}", "--set", "compare.seeds=[1]",
                              ranks=ranks)
            ours = {(row["method"], row["features"]): row for row in self.whole["rows"] if row["seed"] == 1}
            rows = self.result(f"ranks{ranks}")["rows"]
            self.assertEqual(len(rows), 4)
            for row in rows:
                for key in SAME:
                    np.testing.assert_allclose(row[key], ours[row["method"], row["features"]][key], rtol=1e-7, err_msg=key)

    def test_an_interrupted_comparison_goes_on(self):
        out = self.folder / "part"
        self.program.must("compare", "case.yaml", "--set", "run.out=part")
        whole = self.result("part")
        half = {"config_hash": whole["config_hash"], "rows": whole["rows"][:3],
                "spectra": {"exact": whole["spectra"]["exact"], "sketch": whole["spectra"]["sketch"][:3]}}
        half["rows"][0]["relative_frobenius"] = 42.0
        (out / "compare.part.json").write_text(json.dumps(half))
        self.program.must("compare", "case.yaml", "--set", "run.out=part", ranks=2)
        again = self.result("part")
        self.assertEqual(again["rows"][0]["relative_frobenius"], 42.0)
        self.assertEqual(again["rows"][2], whole["rows"][2])
        self.assertEqual([(r["method"], r["features"], r["seed"]) for r in again["rows"]],
                         [(r["method"], r["features"], r["seed"]) for r in whole["rows"]])
        (out / "compare.part.json").write_text(json.dumps(half))
        with program.changed(self.folder / "data.h5", "train/y"):
            self.program.must("compare", "case.yaml", "--set", "run.out=part")
        self.assertLess(self.result("part")["rows"][0]["relative_frobenius"], 42)
        half["config_hash"] = "0" * 16
        (out / "compare.part.json").write_text(json.dumps(half))
        self.program.must("compare", "case.yaml", "--set", "run.out=part", "--set", "compare.seeds=[1]")
        self.assertLess(self.result("part")["rows"][0]["relative_frobenius"], 42)

    def test_damaged_rows_are_not_believed(self):
        few = ("compare", "case.yaml", "--set", "run.out=damaged", "--set", "compare.methods=[random_features]", "--set",
               "compare.features=[128]")
        self.program.must(*few)
        whole = self.result("damaged")
        self.assertEqual(len(whole["rows"]), 2)
        path = self.folder / "damaged/compare.part.json"

        def text(change):
            part = json.loads(json.dumps({key: whole[key] for key in ("config_hash", "rows", "spectra")}))
            part["rows"][0]["relative_frobenius"] = 42.0
            change(part)
            return json.dumps(part)

        def row(**values):
            return text(lambda part: part["rows"][1].update(values))

        for damaged, says in (
                ("{", "line 1"), ("[1]", "config_hash"), (text(lambda part: part.update(rows=3)), "rows"),
                (text(lambda part: part["rows"].pop()), "rows"), (row(mse_sketch=float("nan")), "line 1"),
                (row(mse_sketch="0.1"), "row 1: mse_sketch"), (row(method="magic"), "row 1: method"),
                (row(features="128"), "row 1: method"), (row(seed=3), "row 1: method"), (row(seed=1), "row 1: twice"),
                (row(n=N + 1), "row 1: n;"), (row(stages_exact=7), "row 1: stages"),
                (row(eigenvalue_range=[1.0]), "row 1: stages"),
                (text(lambda part: part["rows"][1].pop("speedup_at_n")), "row 1: speedup_at_n"),
                (text(lambda part: part["rows"].insert(0, 7) or part["rows"].pop()), "row 0: method"),
                (text(lambda part: part["spectra"]["exact"].pop()), "spectra"),
                (text(lambda part: part["spectra"]["sketch"][0].update(eigenvalues=[1.0])), "row 0: spectrum"),
                (text(lambda part: part["spectra"]["sketch"].reverse()), "row 0: spectrum")):
            with self.subTest(says):
                path.write_text(damaged)
                done = self.program.run(*few, launcher=False)
                self.assertEqual(done.returncode, 0, done.stderr)
                self.assertRegex(done.stderr, r"(?m)^warning: damaged/compare\.part\.json: damaged: .*; the comparison starts anew$")
                self.assertRegex(done.stderr, f"damaged: .*{says}")
                self.assertLess(self.result("damaged")["rows"][0]["relative_frobenius"], 42)
        path.write_text(text(lambda part: None))
        self.assertNotIn("warning", self.program.run(*few, ranks=3).stderr)
        self.assertEqual(self.result("damaged")["rows"][0]["relative_frobenius"], 42)

    def test_a_long_sketch_goes_on_with_the_rows_left(self):
        """Stopped while it embeds; then some rows are taken away and what the others took is made known."""
        long = ["compare", "case.yaml", "--set", "compare.methods=[polysketch]", "--set", "compare.features=[4096]",
                "--set", "compare.seeds=[1]", "--set", "run.out=long"]
        rows = self.folder / "long/compare.part.h5"
        self.program.must(*long)
        whole = self.result("long")["rows"][0]
        process = self.program.start(*long, "--set", "checkpoint.seconds=0", ranks=2)
        while process.poll() is None and not rows.exists():
            time.sleep(0.05)
        process.send_signal(signal.SIGUSR1)
        self.assertIn("stopped by a signal", process.communicate(timeout=60)[1])
        self.assertEqual(process.returncode, 5)
        with h5py.File(rows, "r+") as file:
            self.assertGreater(np.count_nonzero(file["seconds"]), 0)
            file["seconds"][40:] = 0
            file["seconds"][:40] = 5.0 * (file["seconds"][:40] > 0)
        self.program.must(*long, "--set", "checkpoint.seconds=0", ranks=3)
        again = self.result("long")["rows"][0]
        for key in SAME:
            np.testing.assert_allclose(again[key], whole[key], rtol=1e-7, err_msg=key)
        self.assertEqual(again["spread_sketch_per_row"]["max"], 5.0)
        self.assertLess(again["spread_sketch_per_row"]["min"], 5.0)
        self.assertFalse(rows.exists())

    def test_rows_of_another_sketch_are_made_anew(self):
        case = ["compare", "case.yaml", "--set", "compare.seeds=[1]", "--set", "checkpoint.seconds=0", "--set"]
        rows = self.folder / "stale/compare.part.h5"
        self.program.must(*case, "run.out=stale")
        whole = self.result("stale")["rows"]
        program.write_h5(rows, z=np.zeros((N, 128)), seconds=np.ones(N))
        self.assertRegex(self.program.run(*case, "run.out=stale").stderr, "compare.part.h5: exists and was not written")
        with h5py.File(rows, "r+") as file:
            file.attrs["nke"] = np.bytes_("1")
            file.attrs["identity"] = np.bytes_("another")
        self.program.must(*case, "run.out=stale", ranks=2)
        for row, before in zip(self.result("stale")["rows"], whole):
            np.testing.assert_allclose(row["relative_frobenius"], before["relative_frobenius"], rtol=1e-7)
        self.assertFalse(rows.exists())

    def test_a_large_constant_leaves_the_centred_error(self):
        """A bias whose square is 1e9 of the kernel's variation, past what differences of squares resolve."""
        case = ["case.yaml", "--set", "run.out=constant", "--set", "embedding.widths=[]"]
        layers = "{conv: {filter: 3}}, {activation: relu}, global_avgpool, {dense: {b_std: 30000}}"
        case += ["--set", f"network=[{layers}]"]
        self.program.must("compare", *case, "--set", "compare={methods: [random_features], features: [256], seeds: [1]}")
        self.program.must("embed", *case, "--set", "embedding.features=256")
        with h5py.File(self.folder / "constant/kernel.h5") as file:
            kernel = centred(file["train/ntk"][...])
        with h5py.File(self.folder / "constant/features.h5") as file:
            z = file["train/features"][...].astype(float)
        z -= z.mean(0)
        np.testing.assert_allclose(self.result("constant")["rows"][0]["relative_frobenius_centred"],
                                   np.linalg.norm(z @ z.T - kernel) / np.linalg.norm(kernel), rtol=1e-2)

    def test_a_sketch_without_an_inverse_has_no_scores(self):
        """Fewer features than rows and no ridge: its distances are known, and the sketches after it are compared."""
        case = ["compare", "case.yaml", "--set", "run.out=singular", "--set", "embedding.widths=[]", "--set",
                "solver.lambda=[0]", "--set",
                "compare={methods: [random_features], features: [32, 256], seeds: [1]}"]
        done = self.program.run(*case, ranks=2)
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertRegex(done.stderr, "warning: random_features, 32 features, seed 1: no scores at lambda 0: not positive")
        self.assertRegex(done.stdout, r"random_features +32 .* - ")
        few, many = self.result("singular")["rows"]
        for key in ("accuracy_sketch", "mse_sketch", "loo_mse_sketch", "seconds_sketch", "speedup_measured"):
            self.assertIsNone(few[key], key)
            self.assertIsNotNone(many[key], key)
        for key in ("relative_frobenius", "spectral_eps", "mse_exact", "seconds_exact", "speedup_at_n"):
            self.assertGreater(few[key], 0, key)

    def test_a_lambda_below_the_precision_is_a_warning(self):
        """Every row twice: the condition is about trace / lambda, more than single precision holds."""
        with h5py.File(self.folder / "data.h5") as file:
            x, y = file["train/x"][:40], file["train/y"][:40]
        program.write_h5(self.folder / "twice.h5", x=np.tile(x, (2, 1, 1, 1)), y=np.tile(y, 2))
        case = ["case.yaml", "--set", "run.out=warned", "--set", "embedding.widths=[]", "--set",
                "data={train: {file: twice.h5, x: /x, y: /y}}", "--set", "solver.lambda=[1e-6]", "--set",
                "data.test=null", "--set", "compare={methods: [random_features], features: [1024], seeds: [1]}"]
        for precision, lines in (("double", []), ("single", ["1 of 1 sketches: condition estimates up to .*: lambda 1e-06 "])):
            text = self.program.must("compare", *case, "--set", f"run.precision={precision}", "--force")
            result = self.result("warned")
            self.assertEqual(len(result["warnings"]), len(lines))
            for warning, line in zip(result["warnings"], lines):
                self.assertRegex(warning, line)
                self.assertIn(f"warning: {warning}", text)
            if precision == "double":
                row = result["rows"][0]
                with h5py.File(self.folder / "warned/kernel.h5") as file:
                    kernel = file["train/ntk"][...]
                truth = np.linalg.cond(kernel + row["lambda_absolute"] * np.eye(80), 1)
                self.assertTrue(truth / 3 <= row["condition_exact"] <= 1.01 * truth)

    def test_another_kernel_is_refused_by_name(self):
        file = ("--set", "kernel.file=whole/kernel.h5", "--set", "run.out=other")
        for change, says in (("network=[{conv: {filter: 5}}, {activation: relu}, flatten, dense]", "in network it says"),
                             ("data.train.rows=0:60", "in train it says `rows: null`, this run `rows: 0:60`"),
                             ("data.test.rows=0:9", "in test it says `rows: null`"),
                             ("data.preprocess=[layernorm]", r"in data it says `preprocess: \[standardize\]`"),
                             ("run.precision=single", "in precision it says `precision: double`")):
            self.refused(2, f"whole/kernel.h5.*{says}", *file, "--set", "embedding.widths=[]", "--set", change, ranks=2)
        self.assertFalse((self.folder / "other/compare.json").exists())

    def test_bad_requests_are_refused(self):
        self.refused(2, "memory_per_rank", "--set", "run.memory_per_rank=1MiB")
        self.refused(2, "compare.methods", "--set", "compare.methods=[none]")
        for weights in ("balanced", "[1, 2]"):
            self.refused(2, "data.class_weights: expected none", "--set", f"data.class_weights={weights}", ranks=2)
        self.refused(2, "data.augment.copies: expected 1", "--set", "data.augment.copies=3")
        (self.folder / "file").write_text("")
        self.refused(6, "file", "--set", "run.out=file")
        program.write_h5(self.folder / "no_y.h5", x=np.zeros((30, 8, 8, 1)) + np.arange(30)[:, None, None, None])
        self.refused(3, "no_y.h5: no data set /train/y", "--set", "data={train: {file: no_y.h5, x: /x}}")
        self.refused(3, "no targets", "--set", "data={train: {file: no_y.h5, x: /x, y: null}}")

    def test_dry_run_writes_nothing(self):
        text = self.program.must("compare", "case.yaml", "--set", "run.out=dry", "--dry-run", ranks=2)
        self.assertRegex(text, r"70 rows, 8 sketches, pairs 3885")
        self.assertRegex(text, "memory of a rank")
        self.assertFalse((self.folder / "dry").exists())


if __name__ == "__main__":
    unittest.main(argv=sys.argv[:1])
