"""A fit that is killed, signalled or finds damaged checkpoints ends with the model of an undisturbed run.

usage: test_checkpoint.py PROGRAM [KILLS]
"""
import contextlib
import io
import json
import os
import random
import signal
import subprocess
import sys
import time
import unittest

import h5py
import numpy as np

import program

CONFIG = """\
run: {out: out, memory_per_rank: 600MiB}
data:
  train: {file: data.h5, x: /train/x, y: /train/y}
  test: {file: data.h5, x: /test/x, y: /test/y}
  task: regression
  preprocess: [standardize]
network: {preset: fc3, activation: relu}
embedding: {features: 512}
solver: {lambda: [1e-6, 1e-4, 1e-2]}
checkpoint: {seconds: 0}
"""
N, N_TEST, D = 14000, 5000, 12  # 7 slabs of training rows in all, 3 of test rows
KILLS = int(sys.argv[2]) if len(sys.argv) > 2 else 5


class Checkpoint(program.Case):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        rng = np.random.default_rng(5)
        x = rng.standard_normal((N + N_TEST, D)).astype(np.float32)
        y = np.sin(x @ rng.standard_normal(D)) + 0.1 * rng.standard_normal(N + N_TEST)
        program.write_h5(cls.folder / "data.h5", train__x=x[:N], train__y=y[:N], test__x=x[N:], test__y=y[N:])
        (cls.folder / "case.yaml").write_text(CONFIG)
        begun = time.monotonic()
        cls.table = {3: cls.fit("whole3", ranks=3)}
        cls.seconds = time.monotonic() - begun
        cls.table[1] = cls.fit("whole1")

    @classmethod
    def fit(cls, out, *args, ranks=1):
        return cls.metrics(cls.program.must("fit", "case.yaml", "--set", f"run.out={out}", *args, ranks=ranks))

    @staticmethod
    def metrics(table):
        """The lines of the result table that do not depend on time."""
        return [line for line in table.splitlines()[1:] if not line.startswith(("  seconds", "  warning"))]

    def weights(self, out):
        with h5py.File(self.folder / out / "model.h5") as file:
            return file["weights"][...]

    def start(self, out, *args, ranks=3):
        command = ["mpirun", "-n", str(ranks), str(self.program.path), "fit", "case.yaml", "--set", f"run.out={out}",
                   *args]
        with open(self.folder / "stderr", "wb") as stderr:
            return subprocess.Popen(command, cwd=self.folder, env=self.program.environment(),
                                    stdout=subprocess.DEVNULL, stderr=stderr, start_new_session=True)

    def written(self, out):
        """Checkpoints that the last whole run wrote, by its own report: one a slab and one a solution."""
        return json.loads((self.folder / out / "report.json").read_text())["checkpoints"]

    def stop_after(self, out, checkpoints, ranks=1):
        """Signal a run once so many checkpoints were written (their inode changes); its exit code."""
        process = self.start(out, ranks=ranks)
        seen, path = set(), self.folder / out / "checkpoint.h5"
        while process.poll() is None and len(seen) < checkpoints:
            try:
                seen.add(path.stat().st_mtime_ns)
            except OSError:
                pass
        process.send_signal(signal.SIGUSR1)
        return process.wait(60)

    def same(self, out, ranks):
        np.testing.assert_array_equal(self.weights(out), self.weights(f"whole{ranks}"))
        self.assertFalse(list((self.folder / out).glob("checkpoint*")))

    def test_signalled_in_every_phase_it_goes_on_to_the_same_bits(self):
        for ranks, stops in ((1, (1, 8, 11)), (3, (3, 9, 10))):
            for checkpoints in stops:
                out = f"signalled{ranks}-{checkpoints}"
                code = self.stop_after(out, checkpoints, ranks)
                self.assertIn(code, (0, 5), (self.folder / "stderr").read_text())
                if code == 5:
                    self.assertIn("stopped by a signal", (self.folder / "stderr").read_text())
                    self.assertTrue((self.folder / out / "checkpoint.h5").exists())
                    self.assertEqual(self.fit(out, ranks=ranks), self.table[ranks])
                self.same(out, ranks)

    def kill(self, out, seconds, rank):
        """Kill a rank of a run after a while; whether that ended it before its model was saved, and the checkpoints seen
        before."""
        process, seen, path = self.start(out), set(), self.folder / out / "checkpoint.h5"
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            with contextlib.suppress(OSError):
                seen.add(path.stat().st_mtime_ns)
            time.sleep(0.001)
        program.kill_rank(process, rank)
        program.wait_for_ranks(process)
        return process.returncode != 0 and not (self.folder / out / "model.h5").exists(), len(seen)

    def test_killed_ranks(self):
        """Each step ends in a checkpoint here: those before the kill and after it are all of them, so no step that was
        finished is done again."""
        rng, hits, late = random.Random(7), 0, 0
        for kill in range(KILLS):
            out = f"killed{kill}"
            hit, before = self.kill(out, rng.uniform(0.1, 1.0) * self.seconds, rng.randrange(3))
            self.assertEqual(self.fit(out, ranks=3), self.table[3])
            if hit:
                self.assertLessEqual(before + self.written(out), self.written("whole3"))
            hits += hit
            late += hit and before > 0
            self.same(out, 3)
        print(f"{hits} of {KILLS} kills ended their run, {late} of them after a checkpoint", file=sys.stderr)

    def test_another_number_of_ranks_goes_on(self):
        if self.stop_after("moved", 2) == 5:
            self.assertEqual(self.fit("moved", ranks=3)[-1][:30], self.table[1][-1][:30])
            np.testing.assert_allclose(self.weights("moved"), self.weights("whole1"), rtol=1e-6, atol=1e-8)

    @staticmethod
    def folds(kind, rows, out):
        return ["case.yaml", "--set", f"run.out={out}", "--set", "solver.select={kfold: 12}", "--set",
                f"solver.type={kind}", "--set", f"data.train.rows=0:{rows}"]

    def path(self, out):
        return json.loads((self.folder / out / "report.json").read_text())["path"]

    def test_stopped_within_folds_it_goes_on_with_them(self):
        """A checkpoint has the folds that are done, and where there is none, a file of their own."""
        for kind, rows, says, goes_on in (
                ("cholesky", N, r"stopped by a signal; the same command goes on with .*checkpoint\.h5",
                 "goes on from a checkpoint: phase 1, position [1-9][0-9]*"),
                ("dual", 400, "stopped by a signal within the folds of solver.select; the same command goes on after "
                              "[0-9]+ of 12", "goes on after [0-9]+ of 12 folds")):
            whole = f"folds-{kind}"
            self.program.must("fit", *self.folds(kind, rows, whole), ranks=2)
            for how in (signal.SIGUSR1, signal.SIGKILL):
                with self.subTest(f"{kind}, {how.name}"):
                    out = f"{whole}-{how.name}"
                    said = self.stop_in_folds(out, self.folds(kind, rows, out), how)
                    if how == signal.SIGUSR1:
                        self.assertRegex(said, f"(?m)^nke: stopped: {says}$")
                    done = self.program.run("fit", *self.folds(kind, rows, out), ranks=2)
                    self.assertEqual(done.returncode, 0, done.stderr)
                    self.assertRegex(done.stderr, f"(?m)^fit: {goes_on}$")
                    self.assertEqual(self.path(out), self.path(whole))
                    np.testing.assert_array_equal(self.weights(out), self.weights(whole))
                    self.assertFalse(list((self.folder / out).glob("folds*")) + list((self.folder / out).glob("check*")))

    def folds_kept(self, out):
        """Whether a fold is kept; of a checkpoint, one and not the last but one, so that others are left."""
        if (self.folder / out / "folds.part.h5").exists():
            return True
        try:
            with h5py.File(self.folder / out / "checkpoint.h5", locking=False) as file:
                return file.attrs["phase"] == 1 and 1 <= file.attrs["position"] <= 10
        except (OSError, KeyError):  # not there, or being replaced
            return False

    def stop_in_folds(self, out, args, how):
        """Stop a run once it has kept a fold, and before the last; what it said."""
        for _ in range(10):  # until it is caught in time
            for kept in (self.folder / out).glob("*.h5"):
                kept.unlink()
            process = self.program.start("fit", *args, "--force", ranks=2)
            while process.poll() is None and not self.folds_kept(out):
                time.sleep(0.001)
            if how == signal.SIGKILL:
                program.kill_rank(process, 1)
            else:
                process.send_signal(how)
            program.wait_for_ranks(process, 120)
            said = process.communicate()[1]
            if process.returncode != 0:
                return said
        self.fail("no run was caught within its folds")

    def test_kept_folds_that_do_not_fit(self):
        args = [*self.folds("cholesky", 400, "unfit"), "--set", "embedding.method=none"]
        self.stop_in_folds("unfit", args, signal.SIGUSR1)
        kept = self.folder / "unfit" / "folds.part.h5"
        done = self.program.run("fit", *args, "--set", "run.seed=2", ranks=2)
        self.assertEqual(done.returncode, 2, done.stderr)
        self.assertRegex(done.stderr, r"(?m)^nke: error: unfit/folds\.part\.h5: the folds of another config .*; remove it, or "
                                      r"--force to start anew$")
        os.truncate(kept, kept.stat().st_size // 2)
        done = self.program.run("fit", *args, ranks=2)
        self.assertEqual(done.returncode, 3, done.stderr)
        self.assertRegex(done.stderr, r"(?m)^nke: error: unfit/folds\.part\.h5: .*; remove it, or --force to start anew$")
        self.program.must("fit", *args, "--force", ranks=2)
        self.assertFalse(kept.exists())

    def damaged(self, out, checkpoints=3):
        code = self.stop_after(out, checkpoints)
        self.assertEqual(code, 5, (self.folder / "stderr").read_text())
        return self.folder / out / "checkpoint.h5", self.folder / out / "checkpoint-previous.h5"

    @staticmethod
    def flip(path, name="gram/blocks"):
        with h5py.File(path, "r+") as file:
            file[name][-1] = file[name][-1] + 1e-9

    def test_a_flipped_or_truncated_one_gives_way_to_the_one_before(self):
        newest, _ = self.damaged("flipped")
        self.flip(newest)
        done = self.program.run("fit", "case.yaml", "--set", "run.out=flipped")
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertRegex(done.stderr, "corrupt: block .* checksum; the checkpoint before it is used")
        self.same("flipped", 1)
        newest, _ = self.damaged("cut")
        os.truncate(newest, newest.stat().st_size // 2)
        self.assertEqual(self.fit("cut"), self.table[1])
        self.same("cut", 1)

    def snapshots(self, args, out):
        """Checkpoints of a run, as bytes: one of rows to fit, one of folds, of which others are left, one of test rows."""
        seen = {}
        for _ in range(10):  # until each is caught
            process = self.program.start("fit", *args, "--force", ranks=2)
            while process.poll() is None:
                with contextlib.suppress(OSError):  # not there, or being replaced
                    taken = (self.folder / out / "checkpoint.h5").read_bytes()
                    with h5py.File(io.BytesIO(taken)) as file:
                        phase, position = file.attrs["phase"], file.attrs["position"]
                        self.assertNotIn("path_weights", file)  # of a fold, or not yet set
                    if position > 0 and (phase != 1 or position <= 10):
                        seen[int(phase)] = taken
            process.communicate()
            if {0, 1, 4} <= set(seen):
                return seen[0], seen[1], seen[4]
        self.fail("no run was caught in every phase")

    def test_a_flipped_one_gives_way_to_one_of_another_phase(self):
        """Nothing of where it was is left: neither its folds nor its rows."""
        args = self.folds("cholesky", N, "phases")
        folder = self.folder / "phases"
        rows, folds, test = self.snapshots(args, "phases")
        path, weights = self.path("phases"), self.weights("phases")
        for newest, before in ((folds, rows), (test, folds)):
            (folder / "model.h5").unlink()
            (folder / "report.json").unlink()
            (folder / "checkpoint.h5").write_bytes(newest)
            (folder / "checkpoint-previous.h5").write_bytes(before)
            self.flip(folder / "checkpoint.h5", "weights" if newest == test else "gram/blocks")
            done = self.program.run("fit", *args, ranks=2)
            self.assertEqual(done.returncode, 0, done.stderr)
            self.assertIn("the checkpoint before it is used", done.stderr)
            self.assertEqual(self.path("phases"), path)
            np.testing.assert_array_equal(self.weights("phases"), weights)

    def test_two_damaged_ones_are_an_error(self):
        for path in self.damaged("both"):
            self.flip(path, "cross")
        done = self.program.run("fit", "case.yaml", "--set", "run.out=both", ranks=3)
        self.assertEqual(done.returncode, 3, done.stderr)
        self.assertIn("--force to start anew", done.stderr)
        self.assertEqual(self.fit("both", "--force"), self.table[1])

    def test_another_configs_is_refused(self):
        newest, _ = self.damaged("other")
        before = newest.read_bytes()
        done = self.program.run("fit", "case.yaml", "--set", "run.out=other", "--set", "run.seed=2", ranks=3)
        self.assertEqual(done.returncode, 2, done.stderr)
        self.assertIn("the checkpoint of another config (in run it says `seed: 1`, this run `seed: 2`); remove it", done.stderr)
        done = self.program.run("fit", "case.yaml", "--set", "run.out=other", "--set", "data.validation=0.2", ranks=3)
        self.assertIn("another config (in data it says `validation: 0.", done.stderr)
        with h5py.File(newest, "a") as file:  # as earlier versions wrote it
            del file.attrs["config"]
        self.assertRegex(self.program.run("fit", "case.yaml", "--set", "run.out=other", "--set", "run.seed=2", ranks=2).stderr,
                         "another config .[0-9a-f]{16}, .*; this run: [0-9a-f]{16}, ")
        newest.write_bytes(before)
        self.assertEqual(before, newest.read_bytes())

    def test_of_other_data_it_is_refused(self):
        newest, _ = self.damaged("data")
        before = newest.read_bytes()
        with program.changed(self.folder / "data.h5", "test/y"):
            done = self.program.run("fit", "case.yaml", "--set", "run.out=data", ranks=3)
        self.assertEqual(done.returncode, 2, done.stderr)
        self.assertIn("the checkpoint of other data", done.stderr)
        self.assertEqual(before, newest.read_bytes())

    @unittest.skipUnless(os.geteuid() == 0, "needs root to mount a small tmpfs")
    def test_a_full_disk_costs_no_result(self):
        (self.folder / "small").mkdir()
        if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=600k", "none", self.folder / "small"]).returncode:
            self.skipTest("no tmpfs can be mounted here")
        try:
            done = self.program.run("fit", "case.yaml", "--set", "run.out=small", ranks=3)
            self.assertEqual(done.returncode, 0, done.stderr)
            self.assertEqual(done.stderr.count("warning: no checkpoint"), 1, done.stderr)
            np.testing.assert_array_equal(self.weights("small"), self.weights("whole3"))
        finally:
            subprocess.run(["umount", self.folder / "small"], check=True)


class KeptFeatures(program.Case):
    """Fits that keep features, and no Gram matrix, go on with the rows that are left."""
    CASES = (("dual", "900", "1024"), ("lsqr", "6000", "256"))

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        rng = np.random.default_rng(6)
        x = rng.standard_normal((6000, D)).astype(np.float32)
        y = np.sin(x @ rng.standard_normal(D))
        program.write_h5(cls.folder / "data.h5", train__x=x, train__y=y, test__x=x[:50], test__y=y[:50])
        (cls.folder / "case.yaml").write_text(CONFIG)
        for case in cls.CASES:
            cls.program.must(*cls.command(*case, f"{case[0]}-whole", "--set", "checkpoint.seconds=600"), ranks=2)

    @staticmethod
    def command(solver, rows, features, out, *args):
        return ["fit", "case.yaml", "--set", f"solver.type={solver}", "--set", f"data.train.rows=0:{rows}", "--set",
                f"embedding.features={features}", "--set", f"run.out={out}", *args]

    def weights(self, out):
        with h5py.File(self.folder / out / "model.h5") as file:
            return file["weights"][...]

    def stopped(self, command, out):
        """The file of a run that a signal stopped while it embedded."""
        path = self.folder / out / "features.part.h5"
        process = self.program.start(*command, ranks=2)
        while process.poll() is None and not path.exists():
            time.sleep(0.001)
        process.send_signal(signal.SIGUSR1)
        says = process.communicate(timeout=60)[1]
        self.assertEqual(process.returncode, 5, says)
        self.assertIn("stopped by a signal", says)
        return path

    def test_stopped_while_they_embed_they_go_on_to_the_same_bits(self):
        for solver, rows, features in self.CASES:
            with self.subTest(solver):
                command = self.command(solver, rows, features, solver)
                path = self.stopped(command, solver)
                with h5py.File(path, "r+") as file:
                    self.assertGreater(np.count_nonzero(file["seconds"]), 0)
                    self.assertEqual(file["features"].shape, (int(rows), int(features)))
                    file["seconds"][1::7] = 0
                self.program.must(*command, ranks=2)
                np.testing.assert_array_equal(self.weights(solver), self.weights(f"{solver}-whole"))
                self.assertFalse(path.exists())

    def test_stopped_within_the_first_fold_it_says_what_it_goes_on_with(self):
        command = self.command("dual", "1800", "1900", "first", "--set", "solver.select={kfold: 3}")
        for attempt in range(20):  # until it is caught after its rows and before a fold is done
            (self.folder / "first/features.part.h5").unlink(missing_ok=True)  # those seen are of this attempt
            process = self.program.start(*command, "--force", ranks=2)
            while process.poll() is None and not self.all_made("first"):
                time.sleep(0.01)
            time.sleep(0.1 * attempt)
            process.send_signal(signal.SIGUSR1)
            says = process.communicate(timeout=60)[1]
            if "within the folds" in says and not (self.folder / "first/folds.part.h5").exists():
                break
        self.assertIn("stopped by a signal within the folds of solver.select; the same command goes on with the features "
                      "of first/features.part.h5\n", says)

    def all_made(self, out):
        try:
            with h5py.File(self.folder / out / "features.part.h5", locking=False) as file:
                return np.all(file["seconds"][...] > 0)
        except (OSError, KeyError):  # not there yet
            return False

    def test_rows_that_are_there_are_not_made_again(self):
        solver, rows, features = self.CASES[0]
        command = self.command(solver, rows, features, "reused")
        path = self.stopped(command, "reused")
        with h5py.File(path, "r+") as file:
            done = file["seconds"][...] > 0
            done[np.count_nonzero(done) // 2:] = False
            file["features"][...] = np.where(done[:, None], 0, file["features"][...])
        self.program.must(*command, ranks=3)
        self.assertGreater(np.max(abs(self.weights("reused") - self.weights("dual-whole"))), 0.01)

    def test_another_configs_are_refused_unless_forced(self):
        solver, rows, features = self.CASES[0]
        command = self.command(solver, rows, features, "other")
        before = self.stopped(command, "other").read_bytes()
        with program.changed(self.folder / "data.h5", "train/x"):
            done = self.program.run(*command, ranks=2)
        self.assertEqual(done.returncode, 2, done.stderr)
        self.assertRegex(done.stderr, "features.part.h5: the rows of other data")
        done = self.program.run(*command, "--set", "run.seed=2", ranks=2)
        self.assertEqual(done.returncode, 2, done.stderr)
        self.assertRegex(done.stderr, "features.part.h5: the rows of another config")
        self.assertEqual(before, (self.folder / "other/features.part.h5").read_bytes())
        self.program.must(*command, "--set", "run.seed=2", "--force", ranks=2)
        self.assertFalse((self.folder / "other/features.part.h5").exists())

    @unittest.skipUnless(os.geteuid() == 0, "needs root to mount a small tmpfs")
    def test_a_full_disk_costs_no_result(self):
        solver, rows, features = self.CASES[0]
        (self.folder / "small").mkdir()
        if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=1m", "none", self.folder / "small"]).returncode:
            self.skipTest("no tmpfs can be mounted here")
        try:
            done = self.program.run(*self.command(solver, rows, features, "small"), ranks=2)
            self.assertEqual(done.returncode, 0, done.stderr)
            self.assertRegex(done.stderr, "warning: .*features.part.h5.*; rows are kept no more")
            self.assertEqual(done.stderr.count("rows are kept no more"), 1)
            np.testing.assert_array_equal(self.weights("small"), self.weights("dual-whole"))
            self.assertFalse((self.folder / "small/features.part.h5").exists())
        finally:
            subprocess.run(["umount", self.folder / "small"], check=True)


if __name__ == "__main__":
    unittest.main(argv=sys.argv[:1])
