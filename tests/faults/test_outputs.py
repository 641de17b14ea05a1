"""Outputs that cannot be written: a full disk, a read-only folder, a limit on the size of files. Every command ends with
exit 6 within 30 s and says so in one line; no half-written file is left, and good files of before survive.

usage: test_outputs.py PROGRAM. The disks are small tmpfs mounts: root only, skipped for others.
"""
import os
import pathlib
import resource
import subprocess
import sys
import tempfile
import time
import unittest

import h5py
import numpy as np

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "cli"))
import program

CONFIG = """\
run: {out: OUT}
data:
  train: {file: data.h5, x: /train/x, y: /train/y}
  test: {file: data.h5, x: /test/x, y: /test/y}
network: [flatten, dense, {activation: relu}, dense]
embedding: {features: 1000}
kernel: {tile: 16}
synth: {file: OUT/synth.h5, n: 1000, d: 100, hidden: [4]}
"""
COMMANDS = {
    "fit": ["fit", "case.yaml"],
    "embed": ["embed", "case.yaml"],
    "kernel": ["kernel", "case.yaml"],
    "synth": ["synth", "case.yaml"],
    "predict": ["predict", "model.h5", "data.h5", "--x", "/test/x", "--y", "/test/y", "--out", "OUT/p.h5"],
}
SIZE, N, N_TEST = 12 << 20, 100, 30


def own_lines(text):
    """The lines of the program, without those of mpirun and of MPI's file layer."""
    return [line for line in text.splitlines() if line.startswith("nke: ")]


def arrays(path):
    """The data sets of an HDF5 file."""
    found = {}
    with h5py.File(path) as file:
        file.visititems(lambda name, item: found.update({name: item[...]}) if isinstance(item, h5py.Dataset) else None)
    return found


class Outputs(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.scratch = tempfile.TemporaryDirectory()
        cls.folder = pathlib.Path(cls.scratch.name)
        cls.program = program.Program(sys.argv[1], cls.folder)
        x, y = program.images(N + N_TEST)
        program.write_h5(cls.folder / "data.h5", train__x=x[:N], train__y=y[:N], test__x=x[N:], test__y=y[N:])
        (cls.folder / "case.yaml").write_text(CONFIG.replace("OUT", "first"))
        cls.program.must("fit", "case.yaml")
        (cls.folder / "first/model.h5").rename(cls.folder / "model.h5")
        (cls.folder / "case.yaml").write_text(CONFIG.replace("OUT", "disk"))
        cls.disk = cls.folder / "disk"
        cls.disk.mkdir()

    @classmethod
    def tearDownClass(cls):
        cls.scratch.cleanup()

    def mount(self):
        if os.geteuid() != 0 or subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={SIZE}", "tmpfs", self.disk],
                                               capture_output=True).returncode != 0:
            self.skipTest("SKIPPED: needs root and mount(8) for a small tmpfs")
        self.addCleanup(subprocess.run, ["umount", "-l", self.disk], check=True)

    def command(self, name, *more):
        return [word.replace("OUT", "disk") for word in COMMANDS[name]] + list(more)

    def fails(self, says, *args, **options):
        begun = time.monotonic()
        done = self.program.run(*args, timeout=60, **options)
        self.assertEqual(done.returncode, 6, done.stderr)
        self.assertLess(time.monotonic() - begun, 30)
        self.assertEqual(len(own_lines(done.stderr)), 1, done.stderr)
        self.assertRegex(own_lines(done.stderr)[0], says)

    def files(self):
        return sorted(path.name for path in self.disk.iterdir())

    def fill(self, room):
        """Leave `room` bytes free."""
        free = os.statvfs(self.disk)
        with open(self.disk / "filler", "wb") as file:
            file.write(bytes(max(0, free.f_bavail * free.f_frsize - room)))

    def test_disk_full(self):
        for name in COMMANDS:
            for ranks, room in ((1, 0), (3, 1 << 15)):
                with self.subTest(name, ranks=ranks):
                    self.mount()
                    self.fill(room)
                    self.fails(r"cannot be|disk|No space", *self.command(name), ranks=ranks)
                    self.assertEqual(self.files(), ["filler"])
                    self.doCleanups()

    def test_good_files_survive_a_full_disk(self):
        for name in ("fit", "embed", "synth", "predict"):
            with self.subTest(name):
                self.mount()
                self.program.must(*self.command(name), ranks=2)
                files = self.files()
                good = {file: arrays(self.disk / file) for file in files if file.endswith(".h5")}
                self.assertGreater(len(good), 0)
                self.fill(0)
                self.fails(r"cannot be|disk|No space", *self.command(name), ranks=2)
                self.assertEqual(self.files(), sorted(files + ["filler"]))
                for file, before in good.items():
                    after = arrays(self.disk / file)
                    self.assertEqual(before.keys(), after.keys())
                    for key, values in before.items():
                        np.testing.assert_array_equal(after[key], values, f"{file} {key}")
                self.doCleanups()

    def test_a_kernel_on_a_full_disk_is_continued(self):
        whole = [*self.command("kernel"), "--set", "run.out=whole"]
        self.program.must(*whole, ranks=2)
        self.mount()
        self.fill(100 << 10)  # of 208 KB
        self.fails(r"kernel\.h5.*cannot be|disk|No space", *self.command("kernel"), ranks=2)
        (self.disk / "filler").unlink()
        self.program.must(*self.command("kernel"), ranks=3)
        for key, values in arrays(self.folder / "whole/kernel.h5").items():
            np.testing.assert_array_equal(arrays(self.disk / "kernel.h5")[key], values, key)

    def test_read_only_folder(self):
        self.mount()
        subprocess.run(["mount", "-o", "remount,ro", self.disk], check=True)
        for name in COMMANDS:
            for ranks in (1, 3):
                with self.subTest(name, ranks=ranks):
                    self.fails(r"disk.*Read-only|cannot", *self.command(name), ranks=ranks)

    def test_limit_on_file_size(self):
        """`ulimit -f`; at one rank without mpirun: MPI's own shared memory needs 4 MB files."""
        for name in COMMANDS:
            with self.subTest(name):
                before = self.files()
                self.limit(1 << 15)
                try:
                    self.fails(r"at most 32768 here \(ulimit -f\)", *self.command(name), launcher=False)
                finally:
                    self.limit(resource.RLIM_INFINITY)
                self.assertEqual(self.files(), before)
        self.limit(16 << 20)
        try:
            self.fails(r"at most 16777216 here \(ulimit -f\)", *self.command("synth"), "--set", "synth.n=100000", ranks=3)
        finally:
            self.limit(resource.RLIM_INFINITY)

    @staticmethod
    def limit(size):
        resource.setrlimit(resource.RLIMIT_FSIZE, (size, resource.RLIM_INFINITY))


if __name__ == "__main__":
    unittest.main(argv=sys.argv[:1] + sys.argv[2:])
