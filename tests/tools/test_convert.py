"""tools/convert on tiny made-up downloads: pixels land where they belong; broken downloads are refused in one line."""
import gzip
import pathlib
import struct
import subprocess
import sys
import tarfile
import tempfile
import unittest

import h5py
import numpy as np

TOOL = pathlib.Path(__file__).resolve().parents[2] / "tools" / "convert"


def convert(*args):
    done = subprocess.run([sys.executable, TOOL, *map(str, args)], capture_output=True, text=True)
    return done.returncode, done.stdout, done.stderr


def idx(array):
    return bytes([0, 0, 8, array.ndim]) + struct.pack(f">{array.ndim}I", *array.shape) + array.tobytes()


class Convert(unittest.TestCase):
    def setUp(self):
        self.folder = tempfile.TemporaryDirectory()
        self.root = pathlib.Path(self.folder.name)
        self.out = self.root / "out.h5"
        self.rng = np.random.default_rng(1)

    def tearDown(self):
        self.folder.cleanup()

    def refused(self, *args, word):
        code, _, errors = convert(*args)
        self.assertEqual(code, 3, errors)
        self.assertEqual(len(errors.splitlines()), 1, errors)
        self.assertIn(word, errors)
        self.assertFalse(self.out.exists())
        self.assertEqual(list(self.root.rglob("*.partial")), [])

    def cifar(self, records=3):
        folder = self.root / "cifar-10-batches-bin"
        folder.mkdir()
        names = [f"data_batch_{i}.bin" for i in range(1, 6)] + ["test_batch.bin"]
        images = self.rng.integers(0, 256, (6, records, 32, 32, 3), np.uint8)
        labels = self.rng.integers(0, 10, (6, records), np.uint8)
        for name, x, y in zip(names, images, labels):
            (folder / name).write_bytes(b"".join(
                bytes([label]) + image.transpose(2, 0, 1).tobytes() for image, label in zip(x, y)))
        return folder, images, labels

    def mnist(self, **replace):
        folder = self.root / "mnist"
        folder.mkdir()
        arrays = {"train-images-idx3-ubyte": self.rng.integers(0, 256, (5, 4, 3), np.uint8),
                  "train-labels-idx1-ubyte": np.arange(5, dtype=np.uint8),
                  "t10k-images-idx3-ubyte": self.rng.integers(0, 256, (2, 4, 3), np.uint8),
                  "t10k-labels-idx1-ubyte": np.array([9, 0], np.uint8)}
        for name, array in {**arrays, **replace}.items():
            (folder / (name + ".gz")).write_bytes(gzip.compress(idx(array)))
        return folder, arrays

    def test_cifar10_folder_and_archive(self):
        folder, images, labels = self.cifar()
        archive = self.root / "cifar-10-binary.tar.gz"
        with tarfile.open(archive, "w:gz") as tar:
            tar.add(folder, arcname="cifar-10-batches-bin")
        for source in (folder, archive):
            code, _, errors = convert("cifar10", source, self.out, "--force")
            self.assertEqual(code, 0, errors)
            with h5py.File(self.out) as file:
                np.testing.assert_array_equal(file["train/x"][:], images[:5].reshape(15, 32, 32, 3))
                np.testing.assert_array_equal(file["train/y"][:], labels[:5].reshape(15))
                np.testing.assert_array_equal(file["test/x"][:], images[5])
                np.testing.assert_array_equal(file["test/y"][:], labels[5])
                self.assertEqual(file["train/x"].dtype, np.uint8)

    def test_cifar10_broken(self):
        folder, _, _ = self.cifar()
        last = folder / "test_batch.bin"
        whole = last.read_bytes()
        last.write_bytes(whole[:-1])
        self.refused("cifar10", folder, self.out, word="multiple of 3073")
        last.write_bytes(whole[:3073] + bytes([10]) + whole[3074:])
        self.refused("cifar10", folder, self.out, word="record 1: expected a label 0..9, got 10")
        last.unlink()
        self.refused("cifar10", folder, self.out, word="missing test_batch.bin")
        self.refused("cifar10", self.root / "none.tar.gz", self.out, word="none.tar.gz")

    def test_mnist(self):
        folder, arrays = self.mnist()
        code, _, errors = convert("mnist", folder, self.out)
        self.assertEqual(code, 0, errors)
        with h5py.File(self.out) as file:
            np.testing.assert_array_equal(file["train/x"][..., 0], arrays["train-images-idx3-ubyte"])
            np.testing.assert_array_equal(file["test/y"][:], arrays["t10k-labels-idx1-ubyte"])
            self.assertEqual(file["test/x"].shape, (2, 4, 3, 1))

    def test_mnist_broken(self):
        folder, arrays = self.mnist(**{"t10k-labels-idx1-ubyte": np.array([1, 2, 3], np.uint8)})
        self.refused("mnist", folder, self.out, word="got 3 and 2")
        labels = folder / "t10k-labels-idx1-ubyte.gz"
        labels.write_bytes(gzip.compress(idx(np.array([1, 11], np.uint8))))
        self.refused("mnist", folder, self.out, word="row 1: expected a label 0..9, got 11")
        labels.write_bytes(gzip.compress(idx(np.array([1, 2], np.uint8))[:-1]))
        self.refused("mnist", folder, self.out, word="expected 2 bytes of data")
        labels.write_bytes(gzip.compress(b"\0\0\x0d\1\0\0\0\0"))
        self.refused("mnist", folder, self.out, word="magic 0x00000801")
        labels.write_bytes(gzip.compress(idx(np.array([1, 2], np.uint8)))[:-9])
        self.refused("mnist", folder, self.out, word=f"{folder}: damaged")
        labels.write_bytes(labels.read_bytes()[:10] + b"\xff" * 20)
        self.refused("mnist", folder, self.out, word=f"{folder}: damaged")
        labels.unlink()
        self.refused("mnist", folder, self.out, word="t10k-labels-idx1-ubyte")

    def test_existing_output_is_kept(self):
        folder, _ = self.mnist()
        self.out.write_text("mine")
        code, _, errors = convert("mnist", folder, self.out)
        self.assertEqual(code, 3)
        self.assertIn("--force", errors)
        self.assertEqual(self.out.read_text(), "mine")

    def test_digits(self):
        code, _, errors = convert("digits", self.out)
        self.assertEqual(code, 0, errors)
        with h5py.File(self.out) as file:
            self.assertEqual(file["train/x"].shape, (1437, 8, 8, 1))
            self.assertEqual(file["test/x"].shape, (360, 8, 8, 1))
            self.assertEqual(file["train/x"][:].max(), 16)
            both = np.concatenate([file["train/x"][:], file["test/x"][:]]).reshape(1797, 64)
            y = np.concatenate([file["train/y"][:], file["test/y"][:]])
        from sklearn.datasets import load_digits
        truth = load_digits()
        pairs = lambda x, labels: sorted(map(tuple, np.column_stack([x, labels]).astype(int).tolist()))
        self.assertEqual(pairs(both, y), pairs(truth.data, truth.target))


if __name__ == "__main__":
    unittest.main()
