"""fit with data.augment: what the copies are, and that they train, whoever reads them.

usage: test_augment.py PROGRAM
"""
import json
import re
import sys
import unittest

import h5py
import numpy as np

import program

CONFIG = """\
run: {{seed: 2, precision: double, out: {out}}}
data:
  train: {{file: images.h5, x: /x, y: /y}}
  test: {{file: test.h5, x: /x, y: /y}}
  preprocess: [standardize]
{augment}
network: {network}
embedding: {{kernel: ntk, method: random_features, features: {features}}}
solver: {{type: {solver}, select: {select}, lambda: {path}}}
"""
AUGMENT = "  augment: {copies: 4, flip: true, shift: 1}"
CONV = "[{conv: {filter: 3}}, {activation: relu}, {global_avgpool: {}}, {dense: {}}]"
N = 150


class Augment(program.Case):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        for name, n, seed in (("images.h5", N, 1), ("test.h5", 60, 2)):
            x, y = program.images(n, seed=seed)
            program.write_h5(cls.folder / name, x=x, y=y)

    def config(self, out, augment=AUGMENT, network=CONV, features=64, solver="cholesky", select="validation",
               path="[1e-3, 1e-2]"):
        name = f"{out}.yaml"
        (self.folder / name).write_text(CONFIG.format(out=out, augment=augment, network=network, features=features,
                                                      solver=solver, select=select, path=path))
        return name

    def fit(self, out, ranks=1, **options):
        printed = self.program.must("fit", self.config(out, **options), "--force", ranks=ranks)
        scores = f"{out}.h5"
        self.program.must("predict", f"{out}/model.h5", "test.h5", "--x", "/x", "--out", scores, "--force")
        with h5py.File(self.folder / scores) as file:
            report = json.loads((self.folder / out / "report.json").read_text())
            report["rows"] = {part: int(n) for part, n in re.findall(r"(\w+) +(\d+) rows ", printed)}
            return report, file["scores"][:]

    def test_any_rank_count(self):
        alone, scores = self.fit("np1")
        self.assertEqual((alone["n_train"], alone["copies"]), (N, 4))
        self.assertEqual(alone["rows"]["train"], 4 * N)
        for ranks in (2, 3, 5):
            report, others = self.fit(f"np{ranks}", ranks=ranks)
            np.testing.assert_allclose(others, scores, rtol=1e-9, atol=1e-12)
            self.assertAlmostEqual(report["metrics"]["validation"]["mse"], alone["metrics"]["validation"]["mse"], 9)

    def test_validation_is_by_the_rows_themselves_without_their_copies(self):
        """The held-out rows are those of a fit without copies, and a row is scored by no copy of its own."""
        plain, _ = self.fit("plain", augment="")
        copied, _ = self.fit("copied")
        self.assertEqual(plain["rows"]["validation"], copied["rows"]["validation"])
        # Labels of noise: nothing can be learnt of a row, except from its copies, of which half are the row itself.
        mirrored = "  augment: {copies: 6, flip: true}"
        local = {"network": "[{flatten: {}}, {dense: {}}, {activation: {rbf: {gamma: 0.3}}}, {dense: {}}]", "features": 512,
                 "path": "[1e-6, 1e-5]"}
        y = np.arange(N) % 3
        rng = np.random.default_rng(5)
        program.write_h5(self.folder / "images.h5", x=program.images(N, seed=1)[0], y=rng.permutation(y).astype(np.uint8))
        try:
            report, _ = self.fit("noise", augment=mirrored, **local)
        finally:
            program.write_h5(self.folder / "images.h5", x=program.images(N, seed=1)[0], y=y.astype(np.uint8))
        self.assertGreater(report["metrics"]["validation"]["mse"], 0.15)  # 2/9 by knowing nothing

    def test_trainers_agree(self):
        _, cholesky = self.fit("cholesky")
        for solver in ("dual", "eigen", "cg", "lsqr"):
            report, scores = self.fit(solver, ranks=2, solver=solver)
            self.assertEqual(report["copies"], 4)
            np.testing.assert_allclose(scores, cholesky, rtol=1e-5, atol=1e-6, err_msg=solver)

    def test_folds_hold_out_all_copies(self):
        report, _ = self.fit("folds", select="{kfold: 3}")
        self.assertEqual(report["rows"]["validation"], N)

    def test_copies_are_rows_of_a_larger_file(self):
        """Of moved copies of constant rows nothing changes: as if the file had each row four times."""
        x, y = program.images(N, seed=1)
        flat = np.repeat(x[:, :1, :1], 6, 1).repeat(6, 2)
        program.write_h5(self.folder / "images.h5", x=flat, y=y)
        try:
            _, copied = self.fit("constant", path="[1e-2]")
            program.write_h5(self.folder / "images.h5", x=np.tile(flat, (4, 1, 1, 1)), y=np.tile(y, 4))
            _, tiled = self.fit("tiled", path="[1e-2]", augment="")
        finally:
            program.write_h5(self.folder / "images.h5", x=x, y=y)
        np.testing.assert_allclose(copied, tiled, rtol=1e-8, atol=1e-10)

    def test_dry_run_counts_copies(self):
        for augment, rows in (("", N), (AUGMENT, 4 * N)):
            text = self.program.must("fit", self.config("dry", augment=augment), "--dry-run")
            self.assertRegex(text, rf"# rows {rows},")

    def test_refused(self):
        cases = [
            (dict(augment="  augment: {copies: 3}"), "data.augment.copies: expected flip or shift"),
            (dict(augment="  augment: {flip: true}"), "expected copies of at least 2"),
            (dict(augment="  augment: {copies: 2, shift: 7}"), "data.augment.shift: expected no more than the image of 6 x 6"),
            (dict(select="loo", solver="eigen"), "solver.select: expected validation or kfold with data.augment"),
            (dict(select="gcv", solver="eigen"), "solver.select: expected validation or kfold with data.augment"),
        ]
        for options, line in cases:
            done = self.program.run("fit", self.config("refused", **options), ranks=2)
            self.assertEqual(done.returncode, 2, done.stderr)
            self.assertIn(line, done.stderr)
        done = self.program.run("fit", self.config("refused"), "--set", "embedding.method=none")
        self.assertEqual(done.returncode, 2, done.stderr)
        self.assertIn("data.augment.copies: expected 1 with embedding.method none", done.stderr)
        program.write_h5(self.folder / "table.h5", x=np.random.default_rng(0).normal(size=(40, 5)), y=np.arange(40) % 2)
        done = self.program.run("fit", self.config("refused", network="{preset: fc1}"), "--set", "data.train.file=table.h5",
                                "--set", "data.test.file=table.h5")
        self.assertEqual(done.returncode, 2, done.stderr)
        self.assertIn("data.augment: expected rows that are signals", done.stderr)


if __name__ == "__main__":
    unittest.main(argv=[sys.argv[0], *sys.argv[2:]])
