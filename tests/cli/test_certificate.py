"""`fit --validate-pairs` against the whole kernels that `compare` makes.

usage: test_certificate.py PROGRAM [SEEDS]
"""
import json
import sys
import unittest

import program

CONFIG = """\
run: {out: out}
data:
  train: {file: data.h5, x: /train/x, y: /train/y}
  preprocess: [standardize]
network:
  - conv: {filter: 3, w_std: 1.4}
  - activation: relu
  - avgpool: 2
  - conv: {filter: 3, w_std: 1.4}
  - activation: relu
  - global_avgpool
  - dense: {}
embedding: {features: 256}
solver: {lambda: [1e-2]}
"""
N = 120
SEEDS = int(sys.argv[2]) if len(sys.argv) > 2 else 8


class Certificate(program.Case):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        x, y = program.images(N, size=8, seed=3)
        program.write_h5(cls.folder / "data.h5", train__x=x, train__y=y)
        (cls.folder / "case.yaml").write_text(CONFIG)

    def certificate(self, *args, out="fit", ranks=1, **options):
        self.program.must("fit", "case.yaml", "--set", f"run.out={out}", *args, ranks=ranks, **options)
        found = json.loads((self.folder / out / "report.json").read_text())["certificate"]
        found.pop("seconds")
        return found

    def test_the_interval_covers_the_error_of_the_whole_matrix(self):
        seeds = list(range(1, SEEDS + 1))
        self.program.must("compare", "case.yaml", "--set", "run.out=whole",
                          "--set", f"compare={{features: [256], seeds: {seeds}}}")
        truth = {row["seed"]: row["relative_frobenius"]
                 for row in json.loads((self.folder / "whole/compare.json").read_text())["rows"]}
        covered = {"relative_frobenius": 0, "relative_product": 0}
        for seed in seeds:
            found = self.certificate("--set", f"run.seed={seed}", "--validate-pairs", "2000", launcher=False)
            self.assertGreaterEqual(found["pairs"], 2000)
            for what in covered:  # over random signs the mean square of a product's error is that of the matrix
                error = found[what]
                low, high = error["interval"]
                self.assertTrue(0 < low < error["value"] < high)
                self.assertLess(abs(error["value"] / truth[seed] - 1), 0.5)
                covered[what] += low <= truth[seed] <= high
        print(f"intervals of {SEEDS} that cover the truth: {covered}", file=sys.stderr)
        self.assertGreaterEqual(min(covered.values()), 0.75 * SEEDS)

    def test_any_number_of_ranks(self):
        one = self.certificate("--validate-pairs", "300")
        for ranks in (2, 3):
            self.assertEqual(self.certificate("--validate-pairs", "300", ranks=ranks), one)
        self.assertNotEqual(self.certificate("--validate-pairs", "300", "--set", "run.seed=5"), one)

    def test_few_rows_and_few_pairs(self):
        for rows, pairs in ((2, 1), (5, 1000), (120, 1)):
            found = self.certificate("--set", f"data.train.rows=0:{rows}", "--validate-pairs", pairs)
            self.assertGreaterEqual(found["pairs"], pairs)

    def test_refused(self):
        for says, args in (("embedding.method none", ["--validate-pairs", "9", "--set", "embedding.method=none"]),
                           ("whole number", ["--validate-pairs", "0"]),
                           ("at least 2", ["--validate-pairs", "9", "--set", "data.train.rows=0:1"])):
            done = self.program.run("fit", "case.yaml", *args, "--set", "run.out=refused", "--set", "data.task=regression")
            self.assertEqual(done.returncode, 2, done.stderr)
            self.assertIn(says, done.stderr)
            self.assertFalse((self.folder / "refused/model.h5").exists())


if __name__ == "__main__":
    unittest.main(argv=sys.argv[:1])
