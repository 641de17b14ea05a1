"""`nke kernel` as a user runs it: any number of ranks, parts and their merge, kills and signals, other configs' files.

usage: test_kernel.py PROGRAM [KILLS]
"""
import random
import shutil
import signal
import subprocess
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
kernel: {tile: 8}
"""
N, N_TEST, TILES = 43, 11, 21 + 12  # 6 blocks of training rows, 2 of test rows
KILLS = int(sys.argv[2]) if len(sys.argv) > 2 else 3


def datasets(path):
    with h5py.File(path) as file:
        return {name: file[name][...] for name in ("train/ntk", "train/nngp", "test/ntk", "test/nngp", "done")}


class Kernel(program.Case):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        x, y = program.images(N + N_TEST, size=12, seed=3)
        program.write_h5(cls.folder / "data.h5", train__x=x[:N], train__y=y[:N], test__x=x[N:], test__y=y[N:])
        (cls.folder / "case.yaml").write_text(CONFIG)
        cls.program.must("kernel", "case.yaml", "--set", "run.out=whole")
        cls.whole = datasets(cls.folder / "whole/kernel.h5")

    def same(self, path):
        for name, values in datasets(self.folder / path).items():
            np.testing.assert_array_equal(values, self.whole[name], err_msg=name)

    def refused(self, code, says, *args, **options):
        done = self.program.run("kernel", "case.yaml", *args, **options)
        self.assertEqual(done.returncode, code, done.stderr)
        self.assertRegex(done.stderr, says)

    def test_the_kernel_is_whole_and_symmetric(self):
        self.assertEqual(self.whole["train/ntk"].shape, (N, N))
        self.assertEqual(self.whole["test/nngp"].shape, (N_TEST, N))
        np.testing.assert_array_equal(self.whole["done"], np.ones(TILES))
        for name in ("train/ntk", "train/nngp"):
            np.testing.assert_array_equal(self.whole[name], self.whole[name].T)
            self.assertGreater(np.linalg.eigvalsh(self.whole[name])[0], 0)
        self.assertTrue(np.all(self.whole["train/ntk"] > self.whole["train/nngp"]))

    def test_any_number_of_ranks_gives_the_same_bits(self):
        for ranks in (2, 3, 5):
            out = f"ranks{ranks}"
            self.program.must("kernel", "case.yaml", "--set", f"run.out={out}", ranks=ranks)
            self.same(f"{out}/kernel.h5")

    def test_a_finished_file_is_left_as_it_is(self):
        before = (self.folder / "whole/kernel.h5").read_bytes()
        self.assertIn("0 computed now", self.program.must("kernel", "case.yaml", "--set", "run.out=whole", ranks=2))
        self.assertEqual(before, (self.folder / "whole/kernel.h5").read_bytes())

    def test_a_tile_lies_in_one_piece(self):
        """A chunk is a tile, or as many as make 32 rows, or all."""
        for tile, side in ((8, 32), (30, N), (40, 40)):
            out = self.folder / f"tile{tile}"
            self.program.must("kernel", "case.yaml", "--set", f"run.out={out}", "--set", f"kernel.tile={tile}", ranks=2)
            with h5py.File(out / "kernel.h5") as file:
                for name in ("train/ntk", "train/nngp"):
                    self.assertEqual(file[name].chunks, (side, side))
                    np.testing.assert_allclose(file[name][...], self.whole[name], rtol=1e-12)

    def test_a_file_without_chunks_goes_on(self):
        """As earlier versions wrote it."""
        path = self.folder / "contiguous.h5"
        shutil.copy(self.folder / "whole/kernel.h5", path)
        with h5py.File(path, "a") as file:
            for name, values in self.whole.items():
                del file[name]
                file[name] = np.zeros_like(values)
        done = self.program.must("kernel", "case.yaml", "--set", f"kernel.file={path}", ranks=2)
        self.assertIn(f"{TILES} computed now", done)
        self.same(path)

    def test_parts_are_joined(self):
        self.program.must("kernel", "case.yaml", "--set", "run.out=parts", "--tiles", "0:10")
        self.program.must("kernel", "case.yaml", "--set", "run.out=parts", "--tiles", "20:", ranks=3)
        self.refused(3, "10 of 33 tiles are in none of 2 part files, tile 10", "--set", "run.out=parts", "--merge")
        self.program.must("kernel", "case.yaml", "--set", "run.out=parts", "--tiles", "10:20", ranks=2)
        joined = self.program.must("kernel", "case.yaml", "--set", "run.out=parts", "--merge", ranks=2)
        self.assertIn("3 part files", joined)
        self.same("parts/kernel.h5")

    def test_parts_are_found_by_whatever_name(self):
        out = self.folder / "o[1]*?\\x"
        self.program.must("kernel", "case.yaml", "--set", f"kernel.file='{out}/k[2].h5'", "--tiles", "0:")
        self.program.must("kernel", "case.yaml", "--set", f"kernel.file='{out}/k[2].h5'", "--merge")
        self.same(f"{out}/k[2].h5")

    def test_what_the_merge_lacks_is_computed(self):
        self.program.must("kernel", "case.yaml", "--set", "run.out=some", "--tiles", "5:15")
        self.refused(3, "23 of 33 tiles", "--set", "run.out=some", "--merge")
        self.assertIn("23 computed now", self.program.must("kernel", "case.yaml", "--set", "run.out=some", ranks=2))
        self.same("some/kernel.h5")

    def start(self, *args, ranks=1):
        launcher = ["mpirun", "-n", str(ranks)] if ranks > 1 else []
        command = [*launcher, str(self.program.path), "kernel", "case.yaml", *args]
        with open(self.folder / "stderr", "wb") as stderr:
            return subprocess.Popen(command, cwd=self.folder, env=self.program.environment(),
                                    stdout=subprocess.DEVNULL, stderr=stderr)

    def marked(self, out):
        try:
            with h5py.File(self.folder / out / "kernel.h5") as file:
                return int(file["done"][...].sum())
        except OSError:
            return 0

    def test_killed_runs_are_continued(self):
        """A random rank is killed at a random moment; what was marked is kept, the rest is computed once."""
        begun = time.monotonic()
        self.start("--set", "run.out=timed", ranks=3).wait(120)
        whole_run = time.monotonic() - begun
        rng, hits = random.Random(1), 0
        for kill in range(KILLS):
            out = f"killed{kill}"
            process = self.start("--set", f"run.out={out}", ranks=3)
            time.sleep(rng.uniform(0.1, 1) * whole_run)
            hits += program.kill_rank(process, rng.randrange(3))
            program.wait_for_ranks(process)
            marked = self.marked(out)
            rest = self.program.must("kernel", "case.yaml", "--set", f"run.out={out}", ranks=3)
            self.assertIn(f"{TILES - marked} computed now", rest)
            self.same(f"{out}/kernel.h5")
        print(f"{hits} of {KILLS} kills found their rank", file=sys.stderr)

    def test_a_signal_stops_it_or_comes_too_late(self):
        process = self.start("--set", "run.out=signalled")
        time.sleep(0.5)
        process.send_signal(signal.SIGTERM)
        self.assertIn(process.wait(60), (0, 5, -signal.SIGTERM), (self.folder / "stderr").read_text())
        self.program.must("kernel", "case.yaml", "--set", "run.out=signalled")
        self.same("signalled/kernel.h5")

    def test_another_configs_file_is_not_touched(self):
        before = (self.folder / "whole/kernel.h5").read_bytes()
        for change in ("kernel.tile=9", "run.precision=single", "data.preprocess=[layernorm]", "data.train.rows=0:40"):
            self.refused(2, "another config", "--set", "run.out=whole", "--set", change, ranks=2)
        self.assertEqual(before, (self.folder / "whole/kernel.h5").read_bytes())
        (self.folder / "text.h5").write_text("not ours")
        self.refused(3, r"text\.h5", "--set", "kernel.file=text.h5")
        self.program.must("kernel", "case.yaml", "--set", "kernel.file=text.h5", "--force")
        self.same("text.h5")

    def test_bad_requests_are_refused(self):
        self.refused(2, "0:33", "--tiles", "30:34")
        self.refused(2, "--tiles", "--tiles", "5:5")
        self.refused(2, "without --tiles", "--tiles", "0:5", "--merge")
        self.refused(2, "memory_per_rank", "--set", "run.memory_per_rank=1MiB")
        self.refused(2, "mirror", "--set", "embedding.symmetrize=[flip]", "--set",
                     "network=[{conv: {filter: 4}}, {activation: relu}, flatten, dense]")

    def test_dry_run_writes_nothing(self):
        text = self.program.must("kernel", "case.yaml", "--set", "run.out=dry", "--dry-run")
        self.assertRegex(text, r"tiles 33 of 33, pairs 1419")
        self.assertFalse((self.folder / "dry").exists())


if __name__ == "__main__":
    unittest.main(argv=sys.argv[:1])
