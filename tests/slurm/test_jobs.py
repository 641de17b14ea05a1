"""The job scripts under a real Slurm. Run by tools/with-slurm: test_jobs.py PROGRAM [TEST]...

Each test works in a folder of its own that has the program and the scripts, as a clone would.
"""
import json
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile
import unittest

import h5py
import numpy as np

from slurm import Job

ROOT = pathlib.Path(__file__).resolve().parents[2]
SMALL = ["--ntasks-per-node=2", "--mem-per-cpu=256M"]
CONFIG = """\
run: {seed: 1, out: out}
data:
  train: {file: data.h5, x: /train/x, y: /train/y}
  test: {file: data.h5, x: /test/x, y: /test/y}
network: {preset: fc2, activation: relu}
embedding: {features: 512}
solver: {lambda: [1e-2, 1e-1]}
checkpoint: {seconds: 5}
"""

DIGITS = """\
run: {seed: 1, out: out}
data:
  train: {file: digits.h5, x: /train/x, y: /train/y}
  test: {file: digits.h5, x: /test/x, y: /test/y}
network:
  - conv: {filter: 3}
  - activation: relu
  - avgpool: 2
  - conv: {filter: 3}
  - activation: relu
  - global_avgpool
  - dense
embedding: {kernel: ntk}
solver: {lambda: [1e-2]}
compare: {methods: [random_features], features: [128, 1024], seeds: [1]}
"""


def make_folder(path):
    """Scripts, program, a config and 4000 rows in 3 classes: the sign pattern of a random projection."""
    for name in ("jobs", "configs", "tools"):
        shutil.copytree(ROOT / name, path / name)
    (path / "build" / "release").mkdir(parents=True)
    (path / "build" / "release" / "nke").symlink_to(PROGRAM)
    (path / "fit.yaml").write_text(CONFIG)
    rng = np.random.default_rng(0)
    x = rng.standard_normal((4500, 20)).astype(np.float32)
    y = (x @ rng.standard_normal((20, 3))).argmax(axis=1).astype(np.uint8)
    with h5py.File(path / "data.h5", "w") as file:
        for name, rows in (("train", slice(0, 4000)), ("test", slice(4000, None))):
            file[f"{name}/x"], file[f"{name}/y"] = x[rows], y[rows]


class Jobs(unittest.TestCase):
    def setUp(self):
        self.temporary = tempfile.TemporaryDirectory()
        self.folder = pathlib.Path(self.temporary.name)
        make_folder(self.folder)

    def tearDown(self):
        self.temporary.cleanup()

    def job(self, script, *args, options=(), **environment):
        return Job(self.folder, script, *args, options=[*SMALL, *options], **environment)

    def report(self, out="out"):
        return json.loads((self.folder / out / "report.json").read_text())

    def test_fit_and_predict_by_both_launchers_on_two_nodes(self):
        for launcher in ("srun", "mpirun"):
            with self.subTest(launcher):
                out = "out-" + launcher
                fit = self.job("fit", "fit.yaml", "--set", f"run.out={out}", options=["--nodes=2"], NKE_LAUNCHER=launcher)
                self.assertEqual(fit.must(), 0)
                self.assertEqual(self.report(out)["ranks"], 4)
                self.assertGreater(self.report(out)["metrics"]["test"]["accuracy"], 0.8)
                predict = self.job("predict", f"{out}/model.h5", "data.h5", "--out", f"{out}.h5", NKE_LAUNCHER=launcher)
                predict.must()
                with h5py.File(self.folder / f"{out}.h5") as file, h5py.File(self.folder / "data.h5") as data:
                    accuracy = (file["class"][:] == data["test/y"][:]).mean()
                self.assertEqual(accuracy, self.report(out)["metrics"]["test"]["accuracy"])

    def test_a_failing_job_keeps_its_exit_code(self):
        for name, args, code in (("config", ["none.yaml"], 2), ("data", ["fit.yaml", "--set", "data.train.file=none.h5"], 3)):
            with self.subTest(name):
                state, exit_code, restarts = self.job("fit", *args).wait()
                self.assertEqual((state, exit_code, restarts), ("FAILED", code, 0))

    def test_a_lost_node(self):
        """The node goes down in the middle: the job goes back into the queue and is done on the other one."""
        fit = self.job("fit", "fit.yaml", "--set", "embedding.features=2048")
        node = fit.wait_for(lambda fields: fields["JobState"] == "RUNNING", "start")["NodeList"]
        fit.wait_for(lambda fields: "ranks, start 1" in fit.output, "first line")
        subprocess.run(["scontrol", "update", f"nodename={node}", "state=down", "reason=test"], check=True)
        try:
            self.assertEqual(fit.must(), 1)
        finally:  # it may have come back by itself: ReturnToService
            subprocess.run(["scontrol", "update", f"nodename={node}", "state=resume"], stderr=subprocess.DEVNULL)
        self.assertIn("start 2", fit.output)
        self.assertEqual(self.report()["features"], 2048)

    def recording_program(self):
        """./program, which writes its arguments to the file `ran` and is the program."""
        program = self.folder / "program"
        program.write_text(f"""#!/bin/bash
if [ "${{SLURM_PROCID:-0}}" = 0 ]; then echo "$*" >>{self.folder}/ran; fi
exec {PROGRAM} "$@"
""")
        program.chmod(0o755)

    def long_fit(self, n):
        """Arguments of a fit of n rows of 20 columns, made for it."""
        sizes = [f"synth.n={n}", "synth.n_test=1000", "synth.d=20", "synth.file=long.h5", "run.out=long",
                 "data.train.file=long.h5", "data.test.file=long.h5", "data.task=regression", "embedding.features=3072"]
        args = ["fit.yaml", *[word for size in sizes for word in ("--set", size)]]
        subprocess.run([PROGRAM, "synth", *args], cwd=self.folder, check=True, stdin=subprocess.DEVNULL,
                       stdout=subprocess.DEVNULL)
        return args

    def test_time_is_up(self):
        """A time limit that is too short: USR1, checkpoint, back into the queue, done; as without the limit."""
        few = 10000
        subprocess.run([PROGRAM, "fit", *self.long_fit(few)], cwd=self.folder, check=True, stdin=subprocess.DEVNULL,
                       stdout=subprocess.DEVNULL)
        seconds = self.report("long")["seconds"]
        rate = few / (seconds["embed"] + seconds["gram"])
        shutil.rmtree(self.folder / "long")
        args = self.long_fit(min(int(35 * rate), 2000000))  # so many that a machine as fast as this needs 35 s, and has 12
        fit = self.job("fit", *args, options=["--time=1", "--signal=B:USR1@48", "--ntasks-per-node=1"],
                       NKE_MAX_RESTARTS="20")
        self.assertGreater(fit.must(seconds=500), 0)
        self.assertIn("checkpoint written, back into the queue", fit.output)
        self.assertIn("goes on from a checkpoint", fit.output)
        self.assertTrue((self.folder / "long/model.h5").exists())
        self.assertFalse((self.folder / "long/checkpoint.h5").exists())

    def test_time_is_up_before_the_program_heeds_it(self):
        """USR1 ends it: the job begins again."""
        program = self.folder / "program"
        program.write_text(f"""#!/bin/bash
if [ -z "$SLURM_RESTART_COUNT" ]; then touch waiting; exec sleep 600; fi
exec {PROGRAM} "$@"
""")
        program.chmod(0o755)
        for launcher in ("srun", "mpirun"):
            with self.subTest(launcher):
                job = self.job("fit", "fit.yaml", "--set", f"run.out={launcher}", NKE_PROGRAM="./program",
                               NKE_LAUNCHER=launcher)
                job.wait_for(lambda fields: (self.folder / "waiting").exists(), "the program")
                subprocess.run(["scancel", "--signal=USR1", "--batch", job.id], check=True)
                self.assertEqual(job.must(), 1)
                self.assertIn("time is up at the start: back into the queue", job.output)
                self.assertTrue((self.folder / launcher / "model.h5").exists())
                (self.folder / "waiting").unlink()

    def test_million_in_small(self):
        sizes = ["synth.n=4000", "synth.n_test=500", "embedding.features=512"]
        self.job("million", *[word for size in sizes for word in ("--set", size)], NKE_DATA="elsewhere").must()
        report = self.report("runs/million")
        self.assertEqual((report["n_train"], report["n_test"], report["ranks"]), (4000, 500, 2))
        self.assertLess(report["metrics"]["test"]["mse"], 0.5)

    def test_million_is_out_of_time_in_synth(self):
        """The job begins again; once the data are there another start of it goes on with fit."""
        program = self.folder / "program"
        program.write_text(f"""#!/bin/bash
if [ "${{SLURM_PROCID:-0}}" = 0 ]; then echo "$SLURM_RESTART_COUNT $1" >>ran; fi
if [ "$SLURM_RESTART_COUNT $1" = "1 fit" ]; then trap 'exit 5' USR1; touch waiting; while :; do sleep 0.1; done; fi
exec {PROGRAM} "$@"
""")
        program.chmod(0o755)
        sizes = ["synth.n=200000", "synth.n_test=500", "synth.d=20", "synth.hidden=[1024,1024]", "embedding.features=64"]
        job = self.job("million", *[word for size in sizes for word in ("--set", size)], NKE_PROGRAM="./program",
                       NKE_LAUNCHER="srun")
        job.wait_for(lambda fields: list((self.folder / "data").glob("*")), "data being written")
        subprocess.run(["scancel", "--signal=USR1", "--batch", job.id], check=True)
        job.wait_for(lambda fields: (self.folder / "waiting").exists(), "fit")
        subprocess.run(["scancel", "--signal=USR1", "--batch", job.id], check=True)
        self.assertEqual(job.must(), 2)
        self.assertIn("stopped by a signal; the file is not written", job.output)
        self.assertEqual((self.folder / "ran").read_text().split("\n"), [" synth", "1 synth", "1 fit", "2 fit", ""])
        self.assertFalse(list(self.folder.glob("*.made")))

    def test_scaling(self):
        job = self.job("scaling", "fit.yaml", 500, "--", "-nke_ksp_rtol", "1e-8")
        job.must()
        table = [line.split()[:3] for line in job.output.splitlines()[-4:]]
        self.assertEqual(table, [["strong", "1", "1000"], ["strong", "2", "1000"], ["weak", "1", "500"],
                                 ["weak", "2", "1000"]])

    def test_compare_on_digits(self):
        """300 images of handwritten digits: more features come nearer to the exact kernel; the result is drawn."""
        from sklearn.datasets import load_digits
        digits = load_digits()
        with h5py.File(self.folder / "digits.h5", "w") as file:
            for name, rows in (("train", slice(0, 300)), ("test", slice(300, 600))):
                file[f"{name}/x"], file[f"{name}/y"] = digits.images[rows, :, :, None] / 16, digits.target[rows]
        (self.folder / "digits.yaml").write_text(DIGITS)
        self.job("compare", "digits.yaml").must()
        result = self.folder / "out/compare.json"
        rows = {row["features"]: row for row in json.loads(result.read_text())["rows"]}
        self.assertLess(rows[1024]["relative_frobenius"], rows[128]["relative_frobenius"])
        self.assertGreater(rows[1024]["accuracy_exact"], 0.8)
        drawn = subprocess.run(["tools/plot", result, "--html", "report.html"], cwd=self.folder, text=True,
                               capture_output=True)
        self.assertEqual(drawn.returncode, 0, drawn.stderr)
        self.assertIn("<html", (self.folder / "report.html").read_text())

    def test_kernel_in_parts_equals_the_whole(self):
        few = ["kernel.tile=16", "data.train.rows=0:100", "data.test.rows=0:30", "run.precision=double"]
        args = ["fit.yaml", *[word for size in few for word in ("--set", size)]]
        parts = self.job("kernel-array", *args, options=["--array=0-2"])
        merge = self.job("kernel-merge", *args, options=[f"--dependency=afterok:{parts.id}", "--kill-on-invalid-dep=yes"])
        merge.must()
        done = subprocess.run([PROGRAM, "kernel", *args, "--set", "run.out=whole"], cwd=self.folder, text=True,
                              stdin=subprocess.DEVNULL, capture_output=True)
        self.assertEqual(done.returncode, 0, done.stderr)
        with h5py.File(self.folder / "out/kernel.h5") as joined, h5py.File(self.folder / "whole/kernel.h5") as whole:
            for name in ("train/ntk", "train/nngp", "test/ntk", "test/nngp", "done"):
                np.testing.assert_array_equal(joined[name][:], whole[name][:], name)
            self.assertTrue(whole["done"][:].all())

    def test_one_task_of_an_array_is_out_of_time(self):
        """Only that task goes back into the queue: the last one, whose number is also that of the whole array."""
        program = self.folder / "program"
        program.write_text(f"""#!/bin/bash
case "$SLURM_ARRAY_TASK_ID $SLURM_RESTART_COUNT $*" in
  *--dry-run*) ;;
  "1  "*) trap 'exit 5' USR1; touch waiting; while :; do sleep 0.1; done ;;
esac
exec {PROGRAM} "$@"
""")
        program.chmod(0o755)
        args = ["fit.yaml", "--set", "data.train.rows=0:100", "--set", "data.test=null", "--set", "kernel.tile=16"]
        parts = self.job("kernel-array", *args, options=["--array=0-1"], NKE_PROGRAM="./program")
        first, last = (Job.submitted(self.folder, f"{parts.id}_{task}") for task in (0, 1))
        first.must()
        last.wait_for(lambda fields: (self.folder / "waiting").exists(), "start")
        subprocess.run(["scancel", "--signal=USR1", "--batch", last.id], check=True)
        self.assertEqual((last.must(), first.must()), (1, 0))
        self.job("kernel-merge", *args).must()

    def submit(self, *args, **environment):
        return subprocess.run(["jobs/submit", *SMALL, *args], cwd=self.folder, text=True, stdin=subprocess.DEVNULL,
                              capture_output=True, env={**os.environ, **environment})

    def test_submit(self):
        self.assertIn("jobs/submit [--check]", self.submit("--help").stdout)
        done = self.submit("jobs/fit.sbatch", "fit.yaml")  # by its path, or as "fit"
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertIn("asking for 2 ranks, 256 MiB each", done.stdout)
        self.assertRegex(done.stdout, r"about \d+ minutes")
        Job.submitted(self.folder, done.stdout.split()[-1]).must()
        self.assertEqual(self.report()["ranks"], 2)

    def test_submit_runs_here_what_it_has_to_only(self):
        """One rank at a time without mpirun, never the whole fit, whatever options of PETSc there are; no folders left."""
        self.recording_program()
        (self.folder / "tmp").mkdir()
        path = self.folder / "bin"
        path.mkdir()
        (path / "mpirun").write_text("#!/bin/bash\nexit 9\n")
        (path / "sbatch").write_text(f'#!/bin/bash\necho "$OMPI_MCA_mpi_yield_when_idle" >yield\nexec {shutil.which("sbatch")} "$@"\n')
        for tool in path.iterdir():
            tool.chmod(0o755)
        where = {"NKE_PROGRAM": "./program", "TMPDIR": str(self.folder / "tmp"), "PATH": f"{path}:{os.environ['PATH']}",
                 "OMPI_MCA_mpi_yield_when_idle": "0"}
        done = self.submit("--check", "fit", "fit.yaml", "--", "-nke_ksp_rtol", "1e-8", **where)
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertRegex(done.stdout, r"about \d+ minutes")
        ran = (self.folder / "ran").read_text().splitlines()
        self.assertEqual([line.split()[0] for line in ran], ["fit", "fit", "doctor"])
        self.assertIn("--dry-run --ranks 2 -- -nke_ksp_rtol 1e-8", ran[0])
        self.assertIn("data.train.rows=0:256", ran[1].split(" -- ")[0])
        self.assertFalse((self.folder / "out").exists())
        with h5py.File(self.folder / "few.h5", "w") as file, h5py.File(self.folder / "data.h5") as data:
            file["train/x"], file["train/y"] = data["train/x"][:200], data["train/y"][:200]
        done = self.submit("--check", "fit", "fit.yaml", "--set", "data.train.file=few.h5", **where)
        self.assertEqual((done.returncode, done.stderr), (0, ""))
        self.assertIn("no estimate of the time", done.stdout)
        self.assertFalse(list((self.folder / "tmp").glob("tmp.*")))  # of mktemp; Open MPI clears its own a little later

    def test_submit_plans_comparisons_and_kernels(self):
        for script, words in (("compare", "sketches, pairs"), ("kernel-array", "pairs 10002000")):
            with self.subTest(script):
                done = self.submit("--check", "--mem-per-cpu=32768K", script, "fit.yaml")
                self.assertIn(words, done.stdout)
                if script == "compare":  # the plan is that of the job's two ranks
                    self.assertEqual(done.returncode, 2)
                    self.assertRegex(done.stderr, "a rank needs .* MiB, the job has 32:")
                else:  # an upper bound
                    self.assertEqual(done.returncode, 0, done.stderr)
                    self.assertIn("each of 1 ranks would need", done.stdout)

    def test_submit_counts_ranks_and_not_cores(self):
        for options, words in ((["--cpus-per-task=2"], "2 ranks, 512 MiB and 2 cores each"),
                               (["--nodes=2", "--ntasks=3"], "3 ranks, 256 MiB each"),
                               (["--nodes=2"], "4 ranks, 256 MiB each")):
            with self.subTest(options):
                done = self.submit("--check", *options, "scaling", "fit.yaml", "100")
                self.assertEqual(done.returncode, 0, done.stderr)
                self.assertIn(words, done.stdout)

    def test_submit_refuses(self):
        for args, code, word in ((["fit", "none.yaml"], 2, "none.yaml"), (["fit", "fit.yaml", "--set", "data.train.file=no.h5"], 3, "no.h5"),
                                 (["--partition=none", "fit", "fit.yaml"], 2, "partition"),
                                 (["-N", "1", "fit", "fit.yaml"], 2, "--name=value"), (["--mem=1G", "fit", "fit.yaml"], 2, "--mem-per-cpu"), (["train", "fit.yaml"], 2, "train"),
                                 (["--mem-per-cpu=8M", "fit", "fit.yaml"], 2, "a rank needs")):
            with self.subTest(word):
                done = self.submit(*args)
                self.assertEqual(done.returncode, code, done.stdout + done.stderr)
                self.assertIn(word, done.stderr)
                self.assertNotIn("Submitted", done.stdout)

    def test_every_script_says_how_it_is_used(self):
        for script in ("fit", "predict", "compare", "scaling", "kernel-merge"):
            with self.subTest(script):
                job = self.job(script)
                self.assertEqual(job.wait()[:2], ("FAILED", 2))
                self.assertIn(f"usage: sbatch jobs/{script}.sbatch", job.output)

    def test_from_elsewhere(self):
        for script in ("fit", "million"):
            with self.subTest(script):
                done = subprocess.run(["sbatch", "--parsable", *SMALL, f"../jobs/{script}.sbatch", "fit.yaml"], text=True,
                                      cwd=self.folder / "configs", check=True, stdout=subprocess.PIPE)
                job = Job.submitted(self.folder / "configs", done.stdout.strip())
                self.assertEqual(job.wait()[:2], ("FAILED", 2))
                self.assertIn("set NKE_HOME", job.output)

    def test_without_the_program_or_its_modules(self):
        for name in ("NKE_PROGRAM", "NKE_MODULES"):
            with self.subTest(name):
                self.assertEqual(self.job("fit", "fit.yaml", **{name: "none"}).wait()[:2], ("FAILED", 2))

    def test_a_program_whose_mpi_knows_no_pmix(self):
        """Started by srun its processes do not find each other: mpirun is taken."""
        program = self.folder / "program"
        program.write_text(f"""#!/bin/bash
if [ -z "$OMPI_COMM_WORLD_SIZE" ]; then unset ${{!PMI@}}; fi
exec {PROGRAM} "$@"
""")
        program.chmod(0o755)
        self.job("fit", "fit.yaml", NKE_PROGRAM="./program").must()
        self.assertEqual(self.report()["ranks"], 2)


if __name__ == "__main__":
    PROGRAM = pathlib.Path(sys.argv[1]).resolve()
    unittest.main(argv=[sys.argv[0], *sys.argv[2:]], verbosity=2)
