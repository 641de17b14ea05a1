"""Rows stored by their non-zeros: the same features as the same rows stored dense, at any rank count; broken ones are
refused by a line that names the row.

usage: test_sparse.py PROGRAM [TEST...]
"""
import gzip
import pathlib
import sys
import tempfile
import unittest

import h5py
import numpy as np

import program

N, D, COLUMNS = 1300, 3000, 64

CONFIG = """\
run: {out: %s}
data:
  train: {%s}
  sketch: {kind: %s, columns: 64}
network: {preset: fc2, activation: relu}
embedding: {kernel: ntk, method: random_features, features: 128}
solver: {select: {kfold: 3}, lambda: [1e-3, 1e-2, 1e-1]}
"""


def sample():
    """Rows as (indptr, indices, data), some of them empty, and labels that the first entry of a row tells."""
    rng = np.random.default_rng(5)
    counts = rng.integers(0, 30, N)
    y = (np.arange(N) % 2).astype(np.int64)
    rows = [2 + np.sort(rng.choice(D - 2, count, replace=False)) for count in counts]
    values = [rng.normal(size=count) for count in counts]
    for i in np.flatnonzero(counts):
        rows[i][0], values[i][0] = y[i], 9
    return np.concatenate([[0], np.cumsum(counts)]), np.concatenate(rows), np.concatenate(values), y


class Sparse(unittest.TestCase):
    def setUp(self):
        self.place = tempfile.TemporaryDirectory()
        self.folder = pathlib.Path(self.place.name)
        self.nke = program.Program(PROGRAM, self.folder)
        self.indptr, self.indices, self.values, self.y = sample()
        self.dense = np.zeros((N, D))
        for i in range(N):
            self.dense[i, self.row(i)] = self.values[self.indptr[i]:self.indptr[i + 1]]
        self.write_group("csr.h5")
        program.write_h5(self.folder / "dense.h5", x=self.dense, y=self.y)
        text = "".join(f"{self.y[i]} " + " ".join(f"{j + 1}:{self.dense[i, j]!r}" for j in self.row(i)) + "\n"
                       for i in range(N))
        with gzip.open(self.folder / "rows.libsvm.gz", "wt") as file:
            file.write(text)

    def tearDown(self):
        self.place.cleanup()

    def row(self, i):
        return self.indices[self.indptr[i]:self.indptr[i + 1]]

    def write_group(self, name, shape=(N, D), **other):
        with h5py.File(self.folder / name, "w") as file:
            for key, value in {"indptr": self.indptr, "indices": self.indices.astype(np.int32), "data": self.values,
                               **other}.items():
                file.create_dataset(f"x/{key}", data=value, compression="gzip" if key == "data" else None)
            if shape:
                file["x"].attrs["shape"] = shape
            file["y"] = self.y

    def run_on(self, command, source, kind="osnap", ranks=1, more=()):
        (self.folder / "case.yaml").write_text(CONFIG % ("out", source, kind))
        return self.nke.run(command, "case.yaml", *more, ranks=ranks)

    def features(self, source, **options):
        done = self.run_on("embed", source, **options)
        self.assertEqual(done.returncode, 0, done.stderr)
        with h5py.File(self.folder / "out" / "features.h5") as file:
            return file["train/features"][()]

    def test_same_features(self):
        dense, group = "file: dense.h5, x: /x, y: /y", "file: csr.h5, x: /x, y: /y"
        expected = self.features(dense)
        self.assertGreater(np.linalg.norm(expected), 1)
        for ranks in (1, 2, 3, 5):
            np.testing.assert_array_equal(self.features(group, ranks=ranks), expected)
        np.testing.assert_array_equal(self.features(dense, ranks=3), expected)
        np.testing.assert_array_equal(self.features("file: rows.libsvm.gz", ranks=2), expected)
        np.testing.assert_array_equal(self.features(group, kind="auto"), expected)
        np.testing.assert_array_equal(self.features(group, more=("--set", "data.train.rows=700:1000")),
                                      expected[700:1000])
        counted = self.features(group, kind="countsketch", ranks=2)
        np.testing.assert_array_equal(counted, self.features(dense, kind="countsketch"))
        self.assertFalse(np.array_equal(counted, expected))
        np.testing.assert_array_equal(self.features(group, kind="none", ranks=2), self.features(dense, kind="auto"))

    def test_no_shape(self):
        """Without a shape the largest index gives the columns, and columns without entries change nothing."""
        expected = self.features("file: csr.h5, x: /x, y: /y")
        self.write_group("bare.h5", shape=None)
        np.testing.assert_array_equal(self.features("file: bare.h5, x: /x, y: /y", ranks=2), expected)
        self.write_group("wide.h5", shape=(N, 1 << 22))
        np.testing.assert_array_equal(self.features("file: wide.h5, x: /x, y: /y"), expected)

    def test_columns(self):
        """Rows spread by columns have the features of the rows layout, to rounding, at any rank count."""
        source = "file: dense.h5, x: /x, y: /y"
        more = ("--set", "data.layout=columns", "--set", "data.train.rows=100:480")
        for kind in ("countsketch", "srft"):
            expected = self.features(source, kind=kind, more=more[2:])
            if kind == "srft":  # its padding is its own
                expected = self.features(source, kind=kind, more=more)
            for ranks in (1, 3):
                found = self.features(source, kind=kind, ranks=ranks, more=more)
                np.testing.assert_allclose(found, expected, rtol=0, atol=1e-5 * np.abs(expected).max())
        self.refused(2, r"data\.layout: columns: data\.sketch\.kind: expected auto", source, more=more)
        self.refused(2, r"expected an HDF5 array \[n, d\]", "file: csr.h5, x: /x, y: /y", kind="auto", more=more)
        self.dense[150, 2999] = np.inf
        program.write_h5(self.folder / "bad.h5", x=self.dense, y=self.y)
        self.refused(3, r"row 150, column 2999: expected a finite number, got inf", kind="auto", ranks=3, more=more)
        labels = self.y.astype(float)
        labels[150] = 0.5
        program.write_h5(self.folder / "bad.h5", x=np.nan_to_num(self.dense, posinf=0), y=labels)
        self.refused(3, r"y: row 150: expected a class number, got 0.5", kind="auto", ranks=3, more=more)

    def test_too_wide(self):
        """Rows of which a rank cannot hold a block are spread by columns without being told; predict follows."""
        rng = np.random.default_rng(5)
        wide = rng.normal(size=(12, 1 << 21)).astype(np.float32)
        program.write_h5(self.folder / "broad.h5", x=wide, y=np.arange(12) % 2)
        scores = []
        for more in (("--set", "run.memory_per_rank=1GiB"), ("--set", "data.layout=columns")):
            self.assertEqual(self.run_on("fit", "file: broad.h5, x: /x, y: /y", kind="auto", ranks=2,
                                         more=("--force", *more)).returncode, 0)
            self.nke.must("predict", "out/model.h5", "broad.h5", "--out", "p.h5", ranks=2)
            with h5py.File(self.folder / "p.h5") as file:
                scores.append(file["scores"][()])
        np.testing.assert_allclose(*scores, rtol=0, atol=1e-6)

    def test_fit_and_predict(self):
        done = self.run_on("fit", "file: csr.h5, x: /x, y: /y", kind="auto", ranks=3)
        self.assertEqual(done.returncode, 0, done.stderr)
        scores = []
        for data, ranks in (("csr.h5", 2), ("dense.h5", 1)):
            told = self.nke.must("predict", "out/model.h5", data, "--out", "p.h5", ranks=ranks)
            self.assertRegex(told, r"accuracy (8|9)\d")
            with h5py.File(self.folder / "p.h5") as file:
                scores.append(file["scores"][()])
        np.testing.assert_array_equal(*scores)

    def test_narrower_rows(self):
        """Of a narrower file an srft would be another map: refused, in fit and in predict, unless x tells the columns."""
        told, tests = f"narrow.libsvm: rows of 2000 columns have another srft, of period 2000, than the training rows, {D}", []
        (self.folder / "narrow.libsvm").write_text("0 1:9 2000:1\n1 2:9 7:1\n")
        for columns in ("null", f"'{D}'"):
            more = ("--set", "data.test={file: narrow.libsvm, x: %s}" % columns, "--set", "data.train.rows=0:200")
            done = self.run_on("fit", "file: csr.h5, x: /x, y: /y", kind="srft", ranks=2, more=more)
            tests.append(done.returncode)
            self.assertEqual(told in done.stderr, columns == "null", done.stderr)
        self.assertEqual(tests, [3, 0])
        done = self.nke.run("predict", "out/model.h5", "narrow.libsvm", "--x", "2000")
        self.assertEqual((done.returncode, told in done.stderr), (3, True), done.stderr)
        self.nke.must("predict", "out/model.h5", "narrow.libsvm", "--x", str(D))
        for kind in ("osnap", "countsketch"):  # a column's part of these maps is its own
            done = self.run_on("fit", "file: csr.h5, x: /x, y: /y", kind=kind,
                               more=("--force", "--set", "data.test={file: narrow.libsvm}"))
            self.assertEqual(done.returncode, 0, done.stderr)

    def refused(self, code, says, source="file: bad.h5, x: /x, y: /y", **options):
        done = self.run_on("fit", source, **options)
        self.assertEqual(done.returncode, code, done.stderr)
        self.assertRegex(done.stderr, says)
        self.assertEqual(sum(line.startswith("nke:") for line in done.stderr.splitlines()), 1, done.stderr)

    def test_broken(self):
        pointers, indices, values = self.indptr.copy(), self.indices.copy(), self.values.copy()
        pointers[601] = pointers[600] - 1
        self.write_group("bad.h5", indptr=pointers)
        self.refused(3, r"bad\.h5: /x: row 600: indptr expected ascending", ranks=3)
        pointers = self.indptr.copy()
        pointers[-1] += 1
        self.write_group("bad.h5", indptr=pointers)
        self.refused(3, r"row 1299: indptr")
        at = self.indptr[900]
        owner = int(np.searchsorted(self.indptr, at, side="right")) - 1
        for index in (D, -1):
            indices[at] = index
            self.write_group("bad.h5", indices=indices)
            self.refused(3, rf"row {owner}: index {index}: expected one of 0:{D}", ranks=3)
        values[at] = np.nan
        self.write_group("bad.h5", data=values)
        self.refused(3, rf"row {owner}, column \d+: expected a finite number, got (-?nan)", ranks=2)
        self.write_group("bad.h5", data=self.values[:-1])
        self.refused(3, r"data but \d+ indices")
        self.write_group("bad.h5", shape=(N + 1, D))
        self.refused(3, r"shape has 1301 rows, indptr 1300")
        program.write_h5(self.folder / "bad.h5", x__data=self.values, y=self.y)
        self.refused(3, r"no indices")

    def test_not_to_be_sketched(self):
        source = "file: csr.h5, x: /x, y: /y"
        self.refused(2, r"data\.preprocess: expected \[\]", source, more=("--set", "data.preprocess=[standardize]"))
        x, y = program.images(40)
        program.write_h5(self.folder / "images.h5", x=x, y=y)
        self.refused(2, r"data\.sketch\.kind none: expected for images", "file: images.h5, x: /x, y: /y")


if __name__ == "__main__":
    PROGRAM = sys.argv.pop(1)
    unittest.main()
