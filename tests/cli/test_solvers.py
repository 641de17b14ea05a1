"""Every solver and criterion of `fit` against numpy on the features that `embed` writes, and against each other.

usage: test_solvers.py PROGRAM
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
  task: regression
  preprocess: [standardize]
network: {preset: fc2, activation: relu}
embedding: {features: 128}
solver: {lambda: [1e-4, 1e-2, 1e-1]}
"""
N, N_TEST, D = 200, 50, 7
LAMBDAS = (1e-4, 1e-2, 1e-1)


class Solvers(program.Case):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        rng = np.random.default_rng(2)
        x = rng.standard_normal((N + N_TEST, D))
        y = np.tanh(x @ rng.standard_normal((D, 2))) + 0.3 * rng.standard_normal((N + N_TEST, 2))
        program.write_h5(cls.folder / "data.h5", train__x=x[:N], train__y=y[:N], test__x=x[N:], test__y=y[N:])
        (cls.folder / "case.yaml").write_text(CONFIG)
        cls.y = y[:N] - y[:N].mean(axis=0)
        cls.features = {}

    def z(self, features):
        """Features of the training rows by `embed` (stored as float)."""
        if features not in self.features:
            out = f"embed{features}"
            self.program.must("embed", "case.yaml", "--set", f"embedding.features={features}", "--set", f"run.out={out}")
            with h5py.File(self.folder / out / "features.h5") as file:
                self.features[features] = file["train/features"][...].astype(float)
        return self.features[features]

    def fit(self, out, *sets, ranks=1):
        args = [word for each in sets for word in ("--set", each)]
        self.program.must("fit", "case.yaml", "--set", f"run.out={out}", *args, ranks=ranks)
        with h5py.File(self.folder / out / "model.h5") as file:
            return json.loads((self.folder / out / "report.json").read_text()), file["weights"][...]

    def left_out(self, z, relative):
        """Mean squared error of every row predicted by all others, by brute force at the shift of the whole."""
        shift = relative * np.sum(z * z) / N
        error = 0
        for i in range(N):
            rest = np.delete(np.arange(N), i)
            w = np.linalg.solve(z[rest].T @ z[rest] + shift * np.eye(z.shape[1]), z[rest].T @ self.y[rest])
            error += np.mean((self.y[i] - z[i] @ w) ** 2) / N
        return error

    def gcv(self, z, relative):
        hat = z @ np.linalg.solve(z.T @ z + relative * np.sum(z * z) / N * np.eye(z.shape[1]), z.T)
        return np.mean((self.y - hat @ self.y) ** 2) / (1 - np.trace(hat) / N) ** 2

    def test_all_solvers_give_the_same_weights(self):
        one = "solver.lambda=[1e-2]"
        _, reference = self.fit("cholesky", one, "solver.type=cholesky")
        for name, ranks, sets in (("eigen", 3, ["solver.type=eigen"]), ("dual", 2, ["solver.type=dual", one]),
                                  ("cg", 3, ["solver.type=cg", one]), ("lsqr", 2, ["solver.type=lsqr", one]),
                                  ("jacobi", 2, ["solver.type=cg", "solver.precondition=jacobi", one]),
                                  ("nystrom", 3, ["solver.type=cg", "solver.precondition=nystrom", one])):
            if name == "eigen":
                sets = [*sets, "solver.select=gcv", one]
            _, weights = self.fit(name, *sets, ranks=ranks)
            tolerance = 1e-9 if name in ("eigen", "dual") else 1e-6
            self.assertLess(np.linalg.norm(weights - reference), tolerance * np.linalg.norm(reference), name)

    def test_eigen_validates_as_cholesky_does(self):
        reports = [self.fit(kind, f"solver.type={kind}", ranks=3)[0] for kind in ("eigen", "cholesky")]
        for a, b in zip(reports[0]["path"], reports[1]["path"]):
            self.assertAlmostEqual(a["validation"]["mse"] / b["validation"]["mse"], 1, places=9)

    def test_krylov_methods_validate_as_cholesky_does(self):
        reference = self.fit("path", "solver.type=cholesky")[0]
        for kind in ("cg", "lsqr"):
            report, _ = self.fit(f"path-{kind}", f"solver.type={kind}", ranks=3)
            self.assertEqual(report["lambda"], reference["lambda"])
            for a, b in zip(report["path"], reference["path"]):
                self.assertAlmostEqual(a["validation"]["mse"] / b["validation"]["mse"], 1, places=6)
                self.assertGreater(a["iterations"], 3)

    def check(self, select, expected):
        for features, type in ((128, "auto"), (256, "auto"), (128, "dual"), (256, "eigen")):
            z = self.z(features)
            for ranks in (1, 3):
                report, _ = self.fit(f"{select}{features}{type}{ranks}", f"solver.select={select}", f"solver.type={type}",
                                     f"embedding.features={features}", ranks=ranks)
                for point in report["path"]:
                    self.assertEqual(point["validation"]["rows"], N)
                    self.assertAlmostEqual(point["validation"]["mse"] / expected(z, point["lambda"]), 1, places=4)
                best = min(report["path"], key=lambda point: point["validation"]["mse"])
                self.assertEqual(report["lambda"], best["lambda"])

    def test_leave_one_out_equals_brute_force(self):
        self.check("loo", self.left_out)

    def test_a_lambda_that_leaving_out_cannot_judge_is_not_chosen(self):
        """At lambda 0 a row with a feature of its own is fitted exactly: its left-out error is 0 / 0."""
        rng = np.random.default_rng(4)
        x = rng.standard_normal((40, 4)) * [1, 1, 1, 0]
        x[7] = [0, 0, 0, 2]
        program.write_h5(self.folder / "own.h5", train__x=x, train__y=x.sum(axis=1) + rng.standard_normal(40))
        report, _ = self.fit("own", "data.train.file=own.h5", "data.test=null", "data.preprocess=[]", "network=[identity]",
                             "embedding={kernel: nngp, features: 4}", "solver.select=loo", "solver.lambda=[0, 1e-2]", ranks=2)
        self.assertIsNone(report["path"][0]["validation"]["mse"])
        self.assertEqual(report["lambda"], 1e-2)

    def test_generalised_cross_validation(self):
        self.check("gcv", self.gcv)

    def test_folds(self):
        """As many errors as rows, near leave-one-out's; the same at any number of ranks and by every trainer."""
        loo = {point["lambda"]: point["validation"]["mse"] for point in self.fit("loo", "solver.select=loo")[0]["path"]}
        errors = {}
        for name, ranks, kind in (("a", 1, "cholesky"), ("b", 3, "cholesky"), ("c", 2, "dual"), ("d", 3, "lsqr")):
            report, weights = self.fit(f"folds-{name}", "solver.select={kfold: 7}", f"solver.type={kind}", ranks=ranks)
            self.assertTrue(all(point["validation"]["rows"] == N for point in report["path"]))
            errors[name] = [point["validation"]["mse"] for point in report["path"]]
            np.testing.assert_allclose(errors[name], errors["a"], rtol=1e-6)
            for point in report["path"][1:]:  # the smallest lambda interpolates: too wild to compare
                self.assertLess(abs(point["validation"]["mse"] / loo[point["lambda"]] - 1), 0.25)
            final, expected = weights, self.fit("folds-final", f"solver.lambda=[{report['lambda']}]")[1]
            self.assertLess(np.linalg.norm(final - expected), 1e-6 * np.linalg.norm(expected))

    def test_a_lone_lambda_is_judged_where_the_config_says_by_what(self):
        """By folds or a file of validation rows, as one of a path is; no rows are held out for it."""
        for name, judge in (("folds", "solver.select={kfold: 4}"), ("file", "data.validation={file: data.h5, x: /test/x, y: /test/y}"),
                            ("none", "data.validation=0.2")):
            path = self.fit(f"lone-{name}-path", judge, "solver.lambda=[1e-2, 1e-1]")[0]["path"]
            report, _ = self.fit(f"lone-{name}", judge, "solver.lambda=1e-1", ranks=2)
            mse = report["metrics"]["validation"]["mse"]
            self.assertEqual(report["path"][0]["validation"]["mse"], mse)
            if name == "none":
                self.assertIsNone(mse)
            else:
                np.testing.assert_allclose(mse, path[1]["validation"]["mse"], rtol=1e-9)

    def test_a_fold_with_a_row_far_out_leaves_the_others_exact(self):
        """What is left of a Gram matrix without it would be the rounding of its entries, in single precision."""
        rng = np.random.default_rng(0)
        x = rng.standard_normal((2000, 6))
        x[0] *= 3000
        program.write_h5(self.folder / "far.h5", x=x, y=np.sin(x[:, 1]))
        errors = {}
        for precision, ranks in (("double", 1), ("single", 1), ("single", 3)):
            report, _ = self.fit(f"far-{precision}{ranks}", "data={train: {file: far.h5, x: /x, y: /y}, test: {file: null}, "
                                 "task: regression}", "embedding={kernel: nngp, features: 64}", "solver.type=cholesky",
                                 "solver.lambda=[1e-3, 1e-1]", "solver.select={kfold: 5}", f"run.precision={precision}",
                                 ranks=ranks)
            errors[precision] = [point["validation"]["mse"] for point in report["path"]]
            np.testing.assert_allclose(errors[precision], errors["double"], rtol=1e-3)

    def test_as_many_folds_as_rows_and_no_more(self):
        """Each row left out once, at any seed; a fold more is refused before any work."""
        few = ["--set", "data.train.rows=0:10", "--set", "run.out=few"]
        for seed in range(1, 4):
            self.program.must("fit", "case.yaml", *few, "--set", f"run.seed={seed}", "--set", "solver.select={kfold: 10}",
                              "--force")
        report = json.loads((self.folder / "few/report.json").read_text())
        self.assertEqual([point["validation"]["rows"] for point in report["path"]], [10] * 3)
        done = self.program.run("fit", "case.yaml", *few, "--set", "solver.select={kfold: 11}", "--dry-run", ranks=2)
        self.assertEqual(done.returncode, 2, done.stderr)
        self.assertIn("expected no more folds than training rows, 10, got kfold 11", done.stderr)

    def test_folds_beside_a_checkpoint_that_is_not_read(self):
        """Trainers that keep features read no checkpoint: their folds are fitted whatever lies in run.out."""
        sets = ["solver.select={kfold: 3}", "solver.type=dual"]
        expected, _ = self.fit("folds-alone", *sets)
        (self.folder / "folds-beside").mkdir()
        (self.folder / "folds-beside/checkpoint.h5").touch()
        report, _ = self.fit("folds-beside", *sets)
        self.assertEqual(report["path"], expected["path"])

    def test_what_is_not_validated_is_null(self):
        """A lambda alone, and those of a path that have no factor (each row is there twice, in single precision)."""
        report, _ = self.fit("alone", "solver.lambda=[1e-2]")
        self.assertIsNone(report["path"][0]["validation"]["mse"])
        x, y = np.repeat(np.linspace(-1, 1, N)[:, None], D, axis=1), np.linspace(0, 1, N)
        program.write_h5(self.folder / "line.h5", x=x, y=y)
        for name, select in (("rows", "validation"), ("folds", "{kfold: 3}"), ("gcv", "gcv")):
            with self.subTest(name):
                report, _ = self.fit(f"unsolved-{name}", "data={train: {file: line.h5, x: /x, y: /y}, test: {file: null}, task: regression}",
                                     "solver.lambda=[0, 1e-2]", f"solver.select={select}", "run.precision=single", ranks=2)
                first, second = report["path"]
                self.assertEqual((first["solved"], second["solved"]), (False, True))
                self.assertEqual(set(first["validation"].values()), {None, 0})
                self.assertGreater(second["validation"]["mse"], 0)

    def test_a_larger_lambda_than_was_chosen_is_a_warning(self):
        x, y = np.repeat(np.linspace(-1, 1, N)[:, None], D, axis=1), np.linspace(0, 1, N)
        program.write_h5(self.folder / "line.h5", x=x, y=y)
        for name, chosen in (("zero", 0), ("tiny", 1e-300)):
            report, _ = self.fit(f"larger-{name}", "data={train: {file: line.h5, x: /x, y: /y}, test: {file: null}, "
                                 "task: regression}", f"solver.lambda=[{chosen}]", "run.precision=single")
            self.assertGreater(report["lambda"], chosen)
            self.assertIn(f"lambda {chosen:g} was too small for a Cholesky factor", report["warnings"][0])
        self.assertFalse([line for line in self.fit("as-chosen", "solver.lambda=[1e-2]")[0]["warnings"] if "small" in line])

    def test_single_precision_says_where_its_rounding_shows(self):
        """Lambdas below the rounding of a smooth kernel's entries: whoever is 2 % off its double result has said so."""
        rng = np.random.default_rng(4)
        x = rng.standard_normal((1000, 2))
        y = np.sin(2 * x[:, 0]) * x[:, 1] + 0.1 * rng.standard_normal(len(x))
        program.write_h5(self.folder / "smooth.h5", train__x=x[:600], train__y=y[:600], test__x=x[600:], test__y=y[600:])
        common = ["data={train: {file: smooth.h5, x: /train/x, y: /train/y}, test: {file: smooth.h5, x: /test/x, y: /test/y},"
                  " task: regression}", "network={preset: fc2, activation: gelu}", "embedding.kernel=nngp"]
        for solver, features in (("dual", 2048), ("cholesky", 512)):
            off = []
            for power in (-7, -6, -5, -4, -3, -2):
                case = [*common, f"solver={{type: {solver}, lambda: [1e{power}]}}", f"embedding.features={features}"]
                single, double = (self.fit("smooth", *case, f"run.precision={kind}")[0]
                                  for kind in ("single", "double"))
                mse = [report["metrics"]["test"]["mse"] for report in (single, double)]
                said = any("small" in line for line in single["warnings"])
                if abs(mse[0] / mse[1] - 1) > 0.02:
                    off.append(power)
                    self.assertTrue(said, (solver, power, mse, single["condition"]))
                if power >= -3:
                    self.assertFalse(said, (solver, power, single["warnings"]))
                self.assertFalse(power > -7 and any("small" in line for line in double["warnings"]), double["warnings"])
            self.assertTrue(off, solver)

    def test_other_target_columns_than_in_training(self):
        """Refused by fit before any work, and by predict, which hears of them from the model."""
        rng = np.random.default_rng(9)
        program.write_h5(self.folder / "three.h5", x=rng.standard_normal((5000, D)), y=rng.standard_normal((5000, 300)))
        done = self.program.run("fit", "case.yaml", "--set", "data.test={file: three.h5, x: /x, y: /y}", "--set",
                                "run.out=columns", ranks=2)
        self.assertEqual(done.returncode, 3, done.stderr)
        self.assertIn("three.h5: y: expected 2 target columns as in training, got 300", done.stderr)
        self.assertFalse((self.folder / "columns").exists())
        self.fit("columns-model", "solver.lambda=[1e-2]")
        done = self.program.run("predict", "columns-model/model.h5", "three.h5", "--x=/x", "--y=/y", "--out=p.h5", ranks=2)
        self.assertEqual(done.returncode, 3, done.stderr)
        self.assertIn("expected 2 target columns as in training, got 300", done.stderr)

    def test_what_cannot_be_fitted_is_refused_before_any_work(self):
        """By --dry-run too: rows to choose lambda by without targets; class weights of other classes or of none."""
        with h5py.File(self.folder / "data.h5") as file:
            program.write_h5(self.folder / "few.h5", x=file["train/x"][...], y=np.arange(N) % 3, v=file["test/x"][...])
        train = "data.train={file: few.h5, x: /x, y: /y}"
        classes = [train, "data.test=null", "data.task=classification"]
        for sets, code, says in (
                (["data.validation={file: few.h5, x: /v}"], 3, "few.h5: no targets to choose lambda by: expected data.val"),
                ([*classes, "data.class_weights=[1, 2]"], 2, "data.class_weights: expected 3 weights, one a class, got 2"),
                ([train, "data.test=null", "data.class_weights=balanced"], 2, "class_weights: regression has no classes")):
            for dry in (["--dry-run"], []):
                done = self.program.run("fit", "case.yaml", *(word for each in [*sets, "run.out=refused"]
                                                              for word in ("--set", each)), *dry, launcher=False)
                self.assertEqual(done.returncode, code, done.stderr)
                self.assertIn(says, done.stderr)
                self.assertFalse((self.folder / "refused").exists())

    def test_rows_of_zeros_are_named(self):
        """A constant column is 0 after preprocessing; without biases the kernel is then 0 everywhere."""
        program.write_h5(self.folder / "constant.h5", x=np.full((N, D), 3.5), y=self.y)
        data = "data={train: {file: constant.h5, x: /x, y: /y}, task: regression, preprocess: [standardize]}"
        for command, sets in (("fit", ["solver.type=cholesky"]), ("fit", ["solver.type=dual"]),
                              ("fit", ["solver.select=loo"]), ("fit", ["solver.type=cg"]), ("fit", ["solver.type=lsqr"]),
                              ("fit", ["embedding.method=none"]), ("fit", ["embedding.method=none", "solver.type=cg"]),
                              ("compare", ["compare.features=[64]"])):
            done = self.program.run(command, "case.yaml", *(word for each in [data, "run.out=constant", *sets]
                                                            for word in ("--set", each)), ranks=2)
            self.assertEqual(done.returncode, 4, done.stderr)
            self.assertIn("all training rows are zero, in the file or after preprocessing", done.stderr)

    def test_a_test_row_that_cannot_be_scored_does_not_cost_the_model(self):
        with h5py.File(self.folder / "data.h5") as file:
            x, y = file["test/x"][...], file["test/y"][...]
        x[-1, 0] = np.nan
        program.write_h5(self.folder / "damaged.h5", test__x=x, test__y=y)
        _, expected = self.fit("whole", "solver.lambda=[1e-2]")
        for ranks in (1, 3):
            done = self.program.run("fit", "case.yaml", "--set", "data.test.file=damaged.h5", "--set", "run.out=damaged",
                                    "--set", "solver.lambda=[1e-2]", "--force", ranks=ranks)
            self.assertEqual(done.returncode, 3, done.stderr)
            lines = [line for line in done.stderr.splitlines() if line.startswith("nke: ")]
            self.assertEqual(len(lines), 1, done.stderr)
            self.assertRegex(lines[0], "damaged.h5: .*row 49.*the model is in damaged, without a test")
            report = json.loads((self.folder / "damaged/report.json").read_text())
            self.assertIsNone(report["metrics"]["test"]["mse"])
            self.assertIn("damaged.h5", report["warnings"][0])
            with h5py.File(self.folder / "damaged/model.h5") as file:
                np.testing.assert_allclose(file["weights"][...], expected, rtol=1e-9)

    def test_class_weights(self):
        """Weighted least squares on two unequal classes, by numpy and by every trainer."""
        rng = np.random.default_rng(4)
        x = rng.standard_normal((N, D))
        labels = (x[:, 0] + 0.5 * rng.standard_normal(N) > 1).astype(np.uint8)
        program.write_h5(self.folder / "classes.h5", train__x=x, train__y=labels)
        data = ["data.train.file=classes.h5", "data.test.file=null", "data.task=classification"]
        counts = np.bincount(labels)
        for weights in ("balanced", "[1, 3]"):
            w = N / (2 * counts) if weights == "balanced" else np.array([1, 3])
            w, y = w[labels], np.eye(2)[labels] - 0.5
            for name, ranks, sets in (("primal", 2, []), ("dual", 3, ["solver.type=dual"]),
                                      ("exact", 3, ["embedding.method=none"]),
                                      ("exact-cg", 2, ["embedding.method=none", "solver.type=cg",
                                                       "solver.precondition=sketch"])):
                sets = [*data, *sets, f"data.class_weights={weights}", "solver.lambda=[1e-2]"]
                _, found = self.fit(f"classes-{name}", *sets, ranks=ranks)
                if name.startswith("exact"):
                    self.program.must("kernel", "case.yaml", "--set", "kernel.file=classes-kernel.h5", "--force",
                                      *[word for each in data for word in ("--set", each)])
                    with h5py.File(self.folder / "classes-kernel.h5") as file:
                        k = file["train/ntk"][...]
                    expected = np.linalg.solve(k + 1e-2 * np.mean(w * np.diag(k)) * np.diag(1 / w), y)
                else:
                    self.program.must("embed", "case.yaml", "--set", "run.out=classes-z",
                                      *[word for each in data for word in ("--set", each)])
                    with h5py.File(self.folder / "classes-z/features.h5") as file:
                        z = file["train/features"][...].astype(float)
                    shift = 1e-2 * np.mean(w * np.sum(z * z, axis=1))
                    expected = np.linalg.solve(z.T @ (w[:, None] * z) + shift * np.eye(128), z.T @ (w[:, None] * y))
                self.assertLess(np.linalg.norm(found - expected), 1e-4 * np.linalg.norm(expected), name)

    def test_bytes_and_messages(self):
        """n rows of m features reach every rank that has a tile of theirs: n m (1 / rows + 1 / columns) words a rank of
        a large grid; exactly, what the blocks of 64 say. Targets go to all. Nothing else grows with n."""
        n, m, block = 2048, 512, 64
        rng = np.random.default_rng(8)
        program.write_h5(self.folder / "long.h5", x=rng.standard_normal((n, D)), y=rng.standard_normal((n, 2)))
        for ranks, rows in ((1, 1), (2, 1), (4, 2), (8, 2)):
            columns = ranks // rows
            report, _ = self.fit(f"sent{ranks}", "data={train: {file: long.h5, x: /x, y: /y}, task: regression}",
                                 f"embedding.features={m}", "run.precision=single", "solver.type=cholesky",
                                 "solver.lambda=[1e-2]", ranks=ranks)
            needed = [block * sum(b % rows == rank // columns or b % columns == rank % columns for b in range(m // block))
                      for rank in range(ranks)]
            features = sum(4 * n * length * (ranks - 1) // ranks for length in needed)
            self.assertEqual(report["bytes_sent"], features + 8 * 2 * n * (ranks - 1))
            self.assertEqual(report["messages_sent"], 2 * ranks * (ranks - 1))

    def test_a_dry_run_for_more_ranks(self):
        def parts(*args, ranks):
            text = self.program.must("fit", "case.yaml", "--dry-run", *args, ranks=ranks)
            return [line for line in text.splitlines() if line.startswith("#") and
                    any(word in line for word in ("matrix", "work", "receives"))]

        there = parts(ranks=3)
        self.assertEqual(len(there), 3)
        self.assertEqual(parts("--ranks", "3", ranks=1), there)
        self.assertNotEqual(parts("--ranks", "64", ranks=1), there)

    def test_a_dry_run_that_does_not_fit_says_so_behind_the_plan(self):
        for ranks in (1, 2):
            done = self.program.run("fit", "case.yaml", "--dry-run", "--set", "run.memory_per_rank=1MiB", ranks=ranks)
            self.assertEqual(done.returncode, 2, done.stderr)
            self.assertIn("# memory of a rank", done.stdout)
            self.assertRegex(done.stderr, "run.memory_per_rank: a rank needs about .*got 1 MiB")

    def test_matrices_past_32_bits_are_refused_before_any_work(self):
        """A rank's part of a matrix, and the work space of an eigenproblem, which takes twice as much."""
        program.write_h5(self.folder / "many.h5", x=np.ones((60000, 2), np.float32), y=np.ones(60000, np.float32))
        dual = ("fit", "solver.type=dual")
        loo = ("fit", "solver.type=dual", "solver.select=loo")
        for rows, (command, *sets), ranks, says in (
                (60000, dual, 1, "entries of a rank's part of a distributed matrix: 3600000000 does not fit 32 bits"),
                (60000, dual, 2, None), (33000, dual, 1, None), (33000, loo, 2, None), (32000, loo, 1, None),
                (33000, ("fit", "embedding.method=none", "solver.type=eigen", "solver.lambda=[1e-2]"), 1, None),
                (33000, loo, 1, "work space of an eigenproblem on a rank: [0-9]* does not fit 32 bits; use more ranks"),
                (33000, ("fit", "embedding.method=none", "solver.type=eigen"), 1, "work space of an eigenproblem"),
                (33000, ("compare",), 1, "work space of an eigenproblem")):
            with self.subTest(rows=rows, sets=sets, ranks=ranks):
                done = self.program.run(command, "case.yaml", "--dry-run", *(["--ranks", ranks] if ranks > 1 else []),
                                        "--set", f"data={{train: {{file: many.h5, x: /x, y: /y, rows: '0:{rows}'}}, "
                                        "test: {file: null}, task: regression}", "--set", "compare.features=[64]",
                                        "--set", "run.memory_per_rank=200GiB",
                                        *(word for each in sets for word in ("--set", each)), ranks=1)
                self.assertEqual(done.returncode, 2 if says else 0, done.stderr)
                self.assertRegex(done.stderr, says or "^$")

    def test_right_hand_sides_past_32_bits_are_refused_before_any_work(self):
        """By MPI and PETSc, which count the whole: more ranks would not help."""
        program.write_h5(self.folder / "signals.h5", x=np.ones((2000, 3, 1)), y=np.ones((2000, 2)))
        done = self.program.run("fit", "case.yaml", "--dry-run", "--set", "solver.type=lsqr", "--set",
                                "data={train: {file: signals.h5, x: /x, y: /y}, test: {file: null}, task: regression, "
                                "augment: {copies: 600000, shift: 1}}", "--set", "run.memory_per_rank=1000TiB", "--set",
                                "network=[flatten, dense, {activation: relu}, dense]")
        self.assertEqual(done.returncode, 2, done.stderr)
        self.assertRegex(done.stderr, "entries of a right-hand side: 2400000256 does not fit 32 bits\n")

    def test_leave_one_out_of_the_exact_kernel(self):
        self.program.must("kernel", "case.yaml", "--set", "kernel.file=kernel.h5")
        with h5py.File(self.folder / "kernel.h5") as file:
            k = file["train/ntk"][...]
        report, _ = self.fit("exact", "embedding.method=none", "solver.select=loo", "solver.lambda=[1e-2]", ranks=3)
        inverse = np.linalg.inv(k + 1e-2 * np.trace(k) / N * np.eye(N))
        expected = np.mean((inverse @ self.y / np.diag(inverse)[:, None]) ** 2)
        self.assertAlmostEqual(report["metrics"]["validation"]["mse"] / expected, 1, places=8)


if __name__ == "__main__":
    unittest.main(argv=sys.argv[:1])
