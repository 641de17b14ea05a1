"""The digits end to end: fit, predict and embed give the same numbers at any number of ranks.

usage: test_digits.py PROGRAM
"""
import json
import pathlib
import subprocess
import sys
import tempfile
import unittest

import h5py
import numpy as np

import program

ROOT = pathlib.Path(__file__).resolve().parents[2]
RANKS = [1, 2, 3, 5]
CONFIG = """\
run: {seed: 3, precision: %s, out: out}
data:
  train: {file: digits.h5, x: /train/x, y: /train/y, rows: 0:601}
  test: {file: digits.h5, x: /test/x, y: /test/y}
  preprocess: [standardize]
network:
  - conv: {filter: 3, w_std: 1.4142135623730951}
  - activation: relu
  - avgpool: 2
  - flatten
  - dense: {w_std: 1.4142135623730951}
embedding: {kernel: ntk, method: random_features, features: 256}
solver: {lambda: [1e-3, 1e-2, 1e-1]}
"""


class Digits(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.temporary = tempfile.TemporaryDirectory()
        cls.folder = pathlib.Path(cls.temporary.name)
        subprocess.run([sys.executable, ROOT / "tools/convert", "digits", cls.folder / "digits.h5"], check=True,
                       stdout=subprocess.DEVNULL)
        for precision in ("single", "double"):
            (cls.folder / f"{precision}.yaml").write_text(CONFIG % precision)
        cls.program = program.Program(PROGRAM, cls.folder)

    @classmethod
    def tearDownClass(cls):
        cls.temporary.cleanup()

    def fit(self, precision, ranks):
        out = f"{precision}-{ranks}"
        self.program.must("fit", f"{precision}.yaml", "--set", f"run.out={out}", ranks=ranks)
        return self.folder / out, json.loads((self.folder / out / "report.json").read_text())

    def predict(self, model, ranks, **options):
        """The metrics printed, and the scores written."""
        name = f"predicted-{ranks}.h5"
        printed = self.program.must("predict", model, "digits.h5", "--out", name, "--x", "/test/x", "--y", "/test/y",
                                    "--force", ranks=ranks)
        with h5py.File(self.folder / name) as file:
            return printed, file["scores"][:], file["class"][:]

    def truth(self):
        with h5py.File(self.folder / "digits.h5") as file:
            return file["test/y"][:]

    def test_metrics_and_weights_at_any_rank_count(self):
        for precision, tolerance in (("single", 1e-4), ("double", 1e-9)):
            reports, scores = [], []
            for ranks in RANKS:
                out, report = self.fit(precision, ranks)
                self.assertEqual(report["ranks"], ranks)
                reports.append(report)
                scores.append(self.predict(out / "model.h5", 2)[1])
            for report, score in zip(reports, scores):
                self.assertEqual(report["lambda"], reports[0]["lambda"])
                for part in ("train", "validation", "test"):
                    self.assertEqual(report["metrics"][part]["accuracy"], reports[0]["metrics"][part]["accuracy"], part)
                    self.assertAlmostEqual(report["metrics"][part]["mse"] / reports[0]["metrics"][part]["mse"], 1,
                                           delta=tolerance)
                np.testing.assert_allclose(score, scores[0], rtol=0, atol=tolerance)
            self.assertGreater(reports[0]["metrics"]["test"]["accuracy"], 0.93)

    def test_predict_repeats_the_fit(self):
        out, report = self.fit("single", 2)
        for ranks in (1, 3):
            _, scores, classes = self.predict(out / "model.h5", ranks)
            self.assertEqual(scores.shape, (360, 10))
            np.testing.assert_array_equal(classes, scores.argmax(axis=1))
            y = self.truth()
            self.assertEqual((classes == y).mean(), report["metrics"]["test"]["accuracy"])
            target = np.eye(10)[y] - 0.1
            self.assertAlmostEqual(((scores - target) ** 2).mean(), report["metrics"]["test"]["mse"], delta=1e-7)

    def test_features_bitwise_equal(self):
        features = {}
        for ranks in RANKS:
            self.program.must("embed", "single.yaml", "--set", f"run.out=embed-{ranks}", ranks=ranks)
            with h5py.File(self.folder / f"embed-{ranks}" / "features.h5") as file:
                features[ranks] = [file[name + "/features"][:] for name in ("train", "test")]
        train, test = features[1]
        self.assertEqual((train.shape, test.shape), ((601, 256), (360, 256)))
        self.assertEqual(train.dtype, np.float32)
        self.assertGreater(np.linalg.matrix_rank(train.astype(float)), 200)
        for ranks in RANKS[1:]:
            for ours, one in zip(features[ranks], features[1]):
                self.assertEqual(ours.tobytes(), one.tobytes(), f"{ranks} ranks")

    def test_same_model_bits_when_repeated(self):
        first = self.fit("single", 3)[0] / "model.h5"
        with h5py.File(first) as file:
            weights = file["weights"][:]
        with h5py.File(self.fit("single", 3)[0] / "model.h5") as file:
            np.testing.assert_array_equal(file["weights"][:], weights)


if __name__ == "__main__":
    PROGRAM = sys.argv[1]
    unittest.main(argv=sys.argv[:1])
