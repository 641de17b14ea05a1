"""What a command says beforehand and refuses: --dry-run of every command prints the same things and checks what the run
checks, and none begins what does not fit into run.memory_per_rank.

usage: test_plan.py PROGRAM
"""
import os
import re
import subprocess
import sys
import unittest

import h5py
import numpy as np

import program

CONFIG = """\
run: {out: out}
data:
  train: {file: data.h5, x: /train/x, y: /train/y}
  test: {file: data.h5, x: /test/x, y: /test/y}
  task: classification
  preprocess: [standardize]
network: [dense: {}, activation: relu, dense: {}]
embedding: {features: 64}
solver: {lambda: [0.01, 0.1]}
kernel: {tile: 16}
compare: {methods: [random_features], features: [64], seeds: [1]}
synth: {n: 50, d: 5, n_test: 10}
"""
N, N_TEST, D = 60, 20, 5
OUTPUTS = {"fit": ["model.h5", "report.json"], "embed": ["features.h5"], "kernel": ["kernel.h5"],
           "compare": ["compare.json", "compare.csv", "kernel.h5"], "synth": ["synth.h5"], "predict": ["p.h5"]}
PLAN = (r"(?s)\Arun:.*\n# [^\n]*\d[^\n]*\n# memory of a rank, MiB: peak \d+ of \d+ allowed\n#   program and embedding \d+ "
        r"\(embedding \d+\), data sets \d+, preprocessing \d+ \(its fit \d+\), rows in flight \d+\n#   matrix \d+, factor and "
        r"right-hand sides \d+, weights \d+\n# work, GFlop in all: embedding \d+, Gram matrix \d+, solves \d+\n"
        r"# file: [^\n]*\.h5, [\d.]+ MiB\n(# a rank receives[^\n]*\n)?\Z")


class Plan(program.Case):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        rng = np.random.default_rng(0)
        x = rng.standard_normal((N + N_TEST, D))
        y = (x[:, 0] > 0).astype(np.uint8)
        program.write_h5(cls.folder / "data.h5", train__x=x[:N], train__y=y[:N], test__x=x[N:], test__y=y[N:])
        (cls.folder / "case.yaml").write_text(CONFIG)
        cls.program.must("fit", "case.yaml", "--set", "run.out=model")
        cls.program.must("fit", "case.yaml", "--set", "run.out=small")
        with h5py.File(cls.folder / "small/model.h5", "r+") as file:  # predict has its limit from the model
            config = file.attrs["config"].decode().replace(f"memory_per_rank: {4 << 30}", f"memory_per_rank: {1 << 20}")
            del file.attrs["config"]
            file.attrs["config"] = np.array(config.encode(), h5py.string_dtype("utf-8", len(config) + 1))

    @staticmethod
    def call(command, out, *options):
        """Its words, with outputs in a folder."""
        if command == "predict":
            model = "small" if options else "model"
            return ["predict", f"{model}/model.h5", "data.h5", "--out", f"{out}/p.h5"]
        return [command, "case.yaml", "--set", f"run.out={out}", *options]

    def files(self):
        return sorted((path, path.stat().st_mtime_ns) for path in self.folder.rglob("*"))

    def answer(self, code, says, *args, **options):
        """Exit code and line; what it printed. It leaves no files."""
        before = self.files()
        done = self.program.run(*args, **options)
        self.assertEqual(done.returncode, code, done.stdout + done.stderr)
        lines = [line for line in done.stderr.splitlines() if line.startswith("nke: ")]
        self.assertEqual(len(lines), 1 if says else 0, done.stderr)
        self.assertRegex("".join(lines), says or "^$")
        self.assertEqual(self.files(), before)
        return done.stdout

    def test_every_dry_run_prints_the_same(self):
        for command in OUTPUTS:
            for ranks in (1, 3):
                with self.subTest(command=command, ranks=ranks):
                    text = self.answer(0, "", *self.call(command, "dry"), "--dry-run", ranks=ranks)
                    self.assertRegex(text, PLAN)
            (self.folder / "again.yaml").write_text(text)  # what follows the config is a comment
            if command != "predict":
                resolved = self.program.must(command, "again.yaml", "--dry-run")
                self.assertEqual(resolved.split("\n#")[0], text.split("\n#")[0])

    def test_what_does_not_fit_is_refused(self):
        words = (r"run\.memory_per_rank: a rank needs about \d+ MiB \(program \d+, data sets \d+, preprocessing \d+, rows in "
                 r"flight \d+, matrix \d+, factor \d+\), got 1 MiB; use ")
        for command in OUTPUTS:
            for ranks in (1, 3):
                with self.subTest(command=command, ranks=ranks):
                    call = self.call(command, "little", "--set", "run.memory_per_rank=1MiB")
                    self.assertEqual(self.answer(2, words, *call, ranks=ranks), "")
                    self.assertRegex(self.answer(2, words, *call, "--dry-run", ranks=ranks), PLAN)

    def test_a_dry_run_looks_at_the_outputs(self):
        (self.folder / "file").write_text("")
        for command, names in OUTPUTS.items():
            for k, name in enumerate(names):
                out = f"taken-{command}-{k}"
                (self.folder / out).mkdir()
                program.write_h5(self.folder / out / name, mine=np.arange(3))
                with self.subTest(out):
                    for dry in (["--dry-run"], []):
                        self.answer(3 if name == "kernel.h5" else 2, f"{out}/{name}: e?x", *self.call(command, out), *dry,
                                    ranks=2)
                    self.answer(0, "", *self.call(command, out), "--dry-run", "--force")
            with self.subTest(command):
                self.answer(6, "file: cannot make the folder", *self.call(command, "file/deep/down"), "--dry-run", ranks=2)
                self.answer(6, "file: cannot make the folder", *self.call(command, "file/deep/down"))

    def test_a_dry_run_spares_the_inputs(self):
        for command, names in OUTPUTS.items():
            if command not in ("synth", "predict"):
                (self.folder / f"own-{command}").mkdir()
                path = f"own-{command}/{names[-1] if command == 'compare' else names[0]}"
                (self.folder / path).write_bytes((self.folder / "data.h5").read_bytes())
                self.answer(2, "is read by this run", *self.call(command, f"own-{command}"), "--set",
                            f"data.test.file={path}", "--dry-run", "--force", ranks=2)
        self.answer(2, "is read by this run", "predict", "model/model.h5", "data.h5", "--out", "data.h5", "--dry-run")

    def test_a_kernel_of_another_config_is_seen_by_a_dry_run(self):
        self.program.must("kernel", "case.yaml", "--set", "run.out=other", "--set", "data.preprocess=[]")
        for command in ("kernel", "compare"):
            self.answer(2, "other/kernel.h5: holds the kernel of another config", *self.call(command, "other"), "--dry-run")
            self.answer(2, "other/kernel.h5: holds the kernel of another config", *self.call(command, "other"), ranks=3)

    def test_rows_past_all_memory_are_refused_before_anything_is_made_of_them(self):
        """The file says 10^12 rows, and has none of them."""
        with h5py.File(self.folder / "rows.h5", "w") as file:
            file.create_dataset("x", (10**12, 2), np.float32)
            file.create_dataset("y", (10**12,), np.uint8)
        data = ("--set", "data={train: {file: rows.h5, x: /x, y: /y}, test: {file: null}, task: classification}")
        for command, *options in (("fit",), ("fit", "solver.select={kfold: 3}"), ("fit", "solver.type=dual"),
                                  ("fit", "solver.type=cg"), ("fit", "embedding.method=none"),
                                  ("fit", "embedding.method=none", "solver.type=cg"), ("compare",)):
            with self.subTest(command=command, options=options):
                more = [word for option in options for word in ("--set", option)]
                self.answer(2, "run.memory_per_rank: a rank needs about", *self.call(command, "huge"), *data, *more,
                            ranks=2, timeout=40)

    def test_chunks_that_are_kept_unpacked_are_planned(self):
        """All columns of a chunk's rows, where they are no more than an eighth of the memory; otherwise a few chunks."""
        with h5py.File(self.folder / "chunks.h5", "w") as file:
            file.create_dataset("x", data=np.ones((20000, 200)), chunks=(20000, 10), compression="gzip")
        data = ("--set", "data={train: {file: chunks.h5, x: /x, y: null}, test: {file: null}}", "--dry-run")
        for limit, least, most in (("4GiB", 30, 37), ("300MiB", 30, 37), ("200MiB", 1, 7)):
            text = self.program.must("embed", "case.yaml", *data, "--set", f"run.memory_per_rank={limit}")
            held = int(re.search(r"data sets (\d+)", text)[1])
            self.assertTrue(least <= held <= most, held)

    def test_the_plan_of_rows_in_flight_holds(self):
        """Of embed, predict and synth: most of what they take beyond the program. Some MiB of its libraries come later."""
        program.write_h5(self.folder / "wide.h5", x=np.ones((6000, 400)), y=np.arange(6000) % 2)
        data = ("--set", "data={train: {file: wide.h5, x: /x, y: /y}, test: {file: null}, preprocess: []}")
        big = ("--set", "embedding.features=8192", "--set", "solver={type: cg, lambda: [1]}")
        self.program.must("fit", "case.yaml", "--set", "run.out=slab", *data, *big, "--set", "data.train.rows=0:200")
        for call in (self.call("embed", "slab", *data, *big), ["predict", "slab/model.h5", "wide.h5", "--out", "slab/p.h5"],
                     self.call("synth", "slab", "--set", "synth={n: 64, d: 20000, n_test: 0, hidden: [500]}")):
            text = self.program.must(*call, "--dry-run")
            program_mib, peak = (int(re.search(pattern, text)[1]) for pattern in (r"embedding (\d+)", r"peak (\d+)"))
            process = subprocess.Popen([self.program.path, *call], cwd=self.folder, env=self.program.environment(),
                                       stdout=subprocess.DEVNULL)
            usage = os.wait4(process.pid, 0)[2]
            took = usage.ru_maxrss / 1024
            self.assertLess(took, peak + 16)
            self.assertGreater(took, program_mib + (peak - program_mib) / 3)

    def test_blocks_of_rows_and_copies_of_a_factor_are_planned(self):
        program.write_h5(self.folder / "wide.h5", x=np.ones((6000, 400)), y=np.arange(6000) % 2)
        data = ("--set", "data={train: {file: wide.h5, x: /x, y: /y}, test: {file: null}, preprocess: []}")
        for command, part, least, more in (("kernel", "rows in flight", 18, ()),  # all rows in double
                                           ("fit", "factor and right-hand sides", 128 + 32,  # two block columns of 512
                                            ("--set", "embedding.features=4096", "--set", "solver.type=cholesky"))):
            text = self.program.must(*self.call(command, "kept", *data, *more), "--dry-run")
            self.assertGreaterEqual(int(re.search(part + r" (\d+)", text)[1]), least)


if __name__ == "__main__":
    unittest.main(argv=sys.argv[:1])
