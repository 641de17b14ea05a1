"""Which files the program reads, replaces and refuses.

usage: test_files.py PROGRAM
"""
import fcntl
import json
import os
import signal
import sys
import time
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
solver: {lambda: [0.01], select: loo}
kernel: {tile: 16}
"""
N, N_TEST, D = 60, 20, 5


def table(n, seed=0):
    """n rows [n, D] and their two classes."""
    x = np.random.default_rng(seed).standard_normal((n, D))
    return x, (x[:, 0] > 0).astype(np.uint8)


class Files(program.Case):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.write_data(cls.folder / "data.h5")
        (cls.folder / "case.yaml").write_text(CONFIG)
        cls.program.must("fit", "case.yaml")

    @staticmethod
    def write_data(path, seed=0):
        x, y = table(N + N_TEST, seed)
        program.write_h5(path, train__x=x[:N], train__y=y[:N], test__x=x[N:], test__y=y[N:])

    def refused(self, code, says, *args, **options):
        """Exit code and one line."""
        done = self.program.run(*args, **options)
        self.assertEqual(done.returncode, code, done.stdout + done.stderr)
        lines = [line for line in done.stderr.splitlines() if line.startswith("nke: ")]
        self.assertEqual(len(lines), 1, done.stderr)
        self.assertRegex(lines[0], says)

    def kept(self, path, *command, says="is read by this run", **options):
        """Refused with and without --force, and the file is as it was."""
        before = (self.folder / path).read_bytes()
        for force in ((), ("--force",)):
            self.refused(2, says, *command, *force, **options)
        self.assertEqual((self.folder / path).read_bytes(), before)

    def test_predictions_do_not_replace_what_they_are_of(self):
        for ranks in (1, 2):
            self.kept("out/model.h5", "predict", "out/model.h5", "data.h5", "--out", "out/model.h5", ranks=ranks)
        self.kept("data.h5", "predict", "out/model.h5", "data.h5", "--out", "./data.h5")
        os.link(self.folder / "data.h5", self.folder / "other-name.h5")
        self.kept("data.h5", "predict", "out/model.h5", "data.h5", "--out", "other-name.h5")

    def test_a_second_run_in_one_folder_is_refused(self):
        """For as long as the first is at work; this test holds the folder in its place."""
        (self.folder / "shared").mkdir()
        held = os.open(self.folder / "shared", os.O_RDONLY)
        try:
            fcntl.flock(held, fcntl.LOCK_EX)
            for command in ("fit", "compare"):
                self.refused(6, "shared: another run is at work here", command, "case.yaml", "--set", "run.out=shared",
                             ranks=2)
        finally:
            os.close(held)
        self.assertEqual(list((self.folder / "shared").iterdir()), [])
        self.program.must("fit", "case.yaml", "--set", "run.out=shared", ranks=2)

    def test_outputs_do_not_replace_the_data(self):
        (self.folder / "own").mkdir()
        for command, name in (("embed", "features.h5"), ("fit", "model.h5"), ("kernel", "kernel.h5")):
            path = f"own/{name}"
            self.write_data(self.folder / path)
            for key in ("train", "test"):
                self.kept(path, command, "case.yaml", "--set", "run.out=own", "--set", f"data.{key}.file={path}")

    def test_a_fit_starts_from_features(self):
        """Made once, they give the fit that the rows give, whatever network the config still has, or none."""
        few = ("--set", "embedding.features=50", "--set", "embedding.kernel=nngp")  # 1/sqrt(50) is not exact
        self.program.must("fit", "case.yaml", "--set", "run.out=whole", *few)
        self.program.must("embed", "case.yaml", "--set", "run.out=made", *few)
        files = [option for key in ("train", "test")
                 for option in ("--set", f"data.{key}={{file: made/features.h5, rows: null}}")]
        named = ["--set", "data.train.x=/train/features", "--set", "data.test.x=/test/features"]
        for ranks, options in ((1, ["--set", "network=null"]), (2, named + ["--set", "embedding.widths=[8]"])):
            self.assertIn("features already", self.program.must("fit", "case.yaml", "--set", "run.out=from", *files,
                                                                *options, ranks=ranks))
            whole, start = (json.loads((self.folder / out / "report.json").read_text()) for out in ("whole", "from"))
            self.assertEqual(start["kernel"], "nngp")
            self.assertEqual(start["features"], 50)
            for value in ("lambda_absolute", "metrics"):
                self.close(whole[value], start[value])
        self.program.must("predict", "from/model.h5", "made/features.h5", "--out", "from/p.h5")
        self.refused(2, "got the features of made/features.h5", "fit", "case.yaml", *files, "--validate-pairs", "9")
        with h5py.File(self.folder / "made/features.h5", "a") as file:
            del file["train/features"]
            file["train/features"] = np.zeros(N)
        self.refused(3, "expected features .n, m., got 1 dimension$", "fit", "case.yaml", *files, ranks=2)
        with h5py.File(self.folder / "made/features.h5", "a") as file:
            del file.attrs["config"]
            del file["train/features"]
            file["train/features"] = np.zeros((N, 50))
        self.refused(3, "no attribute config", "fit", "case.yaml", *files, ranks=2)

    def test_test_rows_without_labels_are_embedded(self):
        """As they are fitted with; and labels of other columns are refused before any work."""
        x, _ = table(N_TEST, seed=4)
        program.write_h5(self.folder / "bare.h5", x=x, two=np.zeros((N_TEST, 2)))
        self.program.must("embed", "case.yaml", "--set", "run.out=bare", "--set", "data.test={file: bare.h5, x: /x, y: null}",
                          ranks=3)
        with h5py.File(self.folder / "bare/features.h5") as file:
            self.assertEqual(sorted(file["test"]), ["features"])
            self.assertEqual(sorted(file["train"]), ["features", "y"])
            self.assertEqual(file["test/features"].shape, (N_TEST, 64))
        files = [option for key in ("train", "test")
                 for option in ("--set", f"data.{key}={{file: bare/features.h5, rows: null}}")]
        self.program.must("fit", "case.yaml", "--set", "run.out=from-bare", *files)
        self.refused(3, "bare.h5: y: expected 1 target columns as in training, got 2", "embed", "case.yaml", "--dry-run",
                     "--set", "run.out=two", "--set", "data.test={file: bare.h5, x: /x, y: /two}")

    def close(self, a, b):
        """Numbers within single precision, in dictionaries too; null is null."""
        if isinstance(a, dict):
            for key in a:
                self.close(a[key], b[key])
        elif a is None:
            self.assertIsNone(b)
        else:
            self.assertLess(abs(a - b), 1e-4 * (abs(a) + 1e-3))

    def test_a_kernel_is_of_its_data(self):
        for command in ("kernel", "fit"):
            self.write_data(self.folder / "changing.h5", 1)
            args = ("case.yaml", "--set", f"run.out=stale-{command}", "--set", "data.train.file=changing.h5", "--set",
                    "embedding={method: none}")
            self.program.must("kernel", *args)
            self.assertIn("0 computed now", self.program.must("kernel", *args, ranks=2))
            with h5py.File(self.folder / "changing.h5", "a") as file:
                file["train/y"][...] = 1 - file["train/y"][...]
            self.program.must(command, *args)  # the kernel is of the rows alone
            self.write_data(self.folder / "changing.h5", 2)
            self.refused(2, "holds the kernel of other data: it says `data: train.*`nke kernel --force`", command, *args, ranks=2)
            self.assertNotIn(" 0 computed now", self.program.must("kernel", *args, "--force"))
            self.program.must(command, *args)

    def test_a_kernel_without_a_fingerprint_goes_on(self):
        """As earlier versions wrote it."""
        self.program.must("kernel", "case.yaml", "--set", "run.out=early")
        with h5py.File(self.folder / "early/kernel.h5", "a") as file:
            lines = file.attrs["identity"].decode().splitlines(keepends=True)
            self.assertRegex(lines[-1], "^data: train [0-9a-f]{8}, test [0-9a-f]{8}$")
            before = "".join(lines[:-1]).encode()
            file.attrs["identity"] = np.array(before, h5py.string_dtype("utf-8", len(before) + 1))
        self.assertIn("0 computed now", self.program.must("kernel", "case.yaml", "--set", "run.out=early"))

    def test_the_seed_of_a_sketch_is_the_kernel_s_too(self):
        args = ("case.yaml", "--set", "run.out=sketched", "--set", "data.preprocess=[]", "--set",
                "data.sketch={kind: countsketch, columns: 4}")
        self.program.must("kernel", *args)
        self.refused(2, "it says `seed: 1`, this run `seed: 2`", "kernel", *args, "--set", "run.seed=2")
        self.program.must("kernel", "case.yaml", "--set", "run.out=plain")
        self.assertIn("0 computed now",
                      self.program.must("kernel", "case.yaml", "--set", "run.out=plain", "--set", "run.seed=2"))

    def test_an_exact_model_is_read_where_it_is(self):
        self.program.must("fit", "case.yaml", "--set", "embedding={method: none}", "--set", "run.out=exact")
        (self.folder / "elsewhere").mkdir()
        self.write_data(self.folder / "elsewhere/new.h5", 3)
        self.program.must("predict", "exact/model.h5", "new.h5", NKE_DATA="elsewhere")

    def test_a_file_that_the_data_folder_lacks_is_taken_from_here(self):
        (self.folder / "data").mkdir()
        args = ("--set", "run.out=made", "--set", "data.train.file=made.h5", "--set", "data.test.file=made.h5", "--set",
                "data.task=regression", "--set", "synth={file: made.h5, n: 50, d: 5, n_test: 10}")
        self.refused(3, "data/made.h5: no such file, in the current folder neither", "fit", "case.yaml", *args,
                     NKE_DATA="data")
        self.program.must("synth", "case.yaml", *args, NKE_DATA="data")
        self.program.must("fit", "case.yaml", *args, NKE_DATA="data")
        self.program.must("fit", "case.yaml", *args, ranks=2, NKE_DATA=self.folder / "data")
        (self.folder / "data/made.h5").write_text("not HDF5")  # the data folder comes first
        self.refused(3, "data/made.h5: not an HDF5 file", "fit", "case.yaml", *args, NKE_DATA="data")

    def test_a_signal_ends_synth_without_a_file(self):
        folder = self.folder / "signalled"
        folder.mkdir()
        process = self.program.start("synth", "case.yaml", "--set", "synth={file: signalled/made.h5, n: 1000000, d: 5, "
                                     "n_test: 10, hidden: [512, 512]}", ranks=2)
        while process.poll() is None and not list(folder.iterdir()):
            time.sleep(0.01)
        process.send_signal(signal.SIGUSR1)
        says = process.communicate(timeout=120)[1]
        self.assertEqual(process.returncode, 5, says)
        self.assertIn("nke: stopped: stopped by a signal; the file is not written", says)
        self.assertEqual(list(folder.iterdir()), [])

    def predicted(self, data, *args, labels, model="out"):
        """Scores of the test rows in another file: those of data.h5."""
        table = self.program.must("predict", f"{model}/model.h5", data, "--out", "scores.h5", *args)
        self.assertEqual("accuracy" in table, labels, table)
        with h5py.File(self.folder / "scores.h5") as file:
            scores = file["scores"][...]
        self.program.must("predict", "out/model.h5", "data.h5", "--out", "scores.h5")
        with h5py.File(self.folder / "scores.h5") as file:
            np.testing.assert_allclose(scores, file["scores"][...], rtol=1e-5, atol=1e-6)

    def test_rows_without_labels_are_predicted(self):
        x, y = table(N + N_TEST)
        x, y = x[N:], y[N:]
        program.write_h5(self.folder / "bare.h5", test__x=x)
        self.predicted("bare.h5", labels=False)
        self.predicted("data.h5", "--y", "none", labels=False)
        self.refused(3, "no data set /test/y", "predict", "out/model.h5", "bare.h5", "--y", "/test/y")
        names = ",".join("abcde")
        for header in (names, ""):
            np.savetxt(self.folder / "bare.csv", x, delimiter=",", header=header, comments="")
            self.predicted("bare.csv", labels=False)
            self.predicted("bare.csv", "--y", "none", labels=False)
        np.savetxt(self.folder / "both.csv", np.column_stack([y, x]), delimiter=",", header="/test/y," + names, comments="")
        self.predicted("both.csv", labels=True)
        self.predicted("both.csv", "--y", "0", labels=True)
        (self.folder / "rows.svm").write_text("".join(
            "0 " + " ".join(f"{j + 1}:{v!r}" for j, v in enumerate(row.tolist())) + "\n" for row in x))
        self.predicted("rows.svm", "--y", "none", labels=False)

    def test_labels_of_old_rows_are_not_those_of_new_ones_in_npy(self):
        x, y = table(N + N_TEST)
        for name, array in (("x", x[:N]), ("y", y[:N]), ("new", x[N:]), ("newy", y[N:])):
            np.save(self.folder / f"{name}.npy", array)
        self.program.must("fit", "case.yaml", "--set", "run.out=npy", "--set", "data.train={file: x.npy, y: y.npy}",
                          "--set", "data.test={file: null}")
        self.predicted("new.npy", labels=False, model="npy")
        self.predicted("new.npy", "--y", "newy.npy", labels=True, model="npy")
        self.refused(2, "newy.npy: is read by this run", "predict", "npy/model.h5", "new.npy", "--y", "newy.npy", "--out",
                     "newy.npy", "--force")

    def test_a_users_own_reports_are_kept(self):
        (self.folder / "mine").mkdir()
        sketch = ("--set", "compare={methods: [random_features], features: [64], seeds: [1]}")
        for command, name, text in (("fit", "report.json", '{"command": 3, "version": "1"}'), ("fit", "report.json", "-"),
                                    ("compare", "compare.json", "[]"), ("compare", "compare.csv", "a,b\n1,2\n")):
            (self.folder / "mine" / name).write_text(text)
            args = (command, "case.yaml", "--set", "run.out=mine", *(sketch if command == "compare" else ()))
            self.refused(2, f"mine/{name}: exists and was not written by nke", *args, ranks=2)
            self.assertEqual((self.folder / "mine" / name).read_text(), text)
            self.program.must(*args, "--force")
            self.program.must(*args)

    def test_kernels_of_very_many_rows_are_planned_or_refused(self):
        with h5py.File(self.folder / "rows.h5", "w") as file:  # a hole on the disk
            file.create_dataset("x", (10**12, 2), np.float32)
        args = ("kernel", "case.yaml", "--dry-run", "--set", "data.test={file: null}", "--set")
        rows = "data.train={file: rows.h5, x: /x, y: null, rows: 0:10000000}"
        done = self.program.run(*args, rows)
        self.assertIn("pairs 50000005000000,", done.stdout)
        self.assertEqual(done.returncode, 2, done.stderr)  # its list of tiles does not fit
        self.assertIn("run.memory_per_rank: a rank needs about", done.stderr)
        self.assertIn("pairs 50000005000000,", self.program.must(*args, rows, "--set", "kernel.tile=1024",
                                                                 "--set", "run.memory_per_rank=8GiB"))
        rows = "data.train={file: rows.h5, x: /x, y: null}"
        self.refused(2, "kernel.tile: 1000000000000 rows are more than 2.53 tiles", *args, rows, "--set", "kernel.tile=1")

    def test_channels_that_come_first_are_a_warning(self):
        images = np.random.default_rng(3).standard_normal((40, 3, 8, 8))
        for name, x, warns in (("first", images, True), ("last", images.transpose(0, 2, 3, 1), False)):
            program.write_h5(self.folder / "order.h5", x=x, y=np.arange(40) % 2)
            done = self.program.run(
                "fit", "case.yaml", "--set", "data={train: {file: order.h5, x: /x, y: /y}, test: {file: null}}",
                "--set", "network=[conv: {filter: 3}, activation: relu, flatten, dense: {}]", "--set", f"run.out={name}", ranks=2)
            self.assertEqual(done.returncode, 0, done.stderr)
            said = "order.h5: images of 3 x 8 pixels with 8 channels; if they have 3 of 8 x 8 pixels, these have to come last: "
            self.assertEqual(done.stderr.count(said + "[n, 8, 8, 3]"), int(warns), done.stderr)

    def test_what_a_table_should_not_be_taken_for_is_a_warning(self):
        """An index that pandas wrote, and numbers fitted as classes."""
        table = ["--set", "data.train={file: index.csv, x: null, y: null}", "--set", "data.test=null", "--set", "run.out=index"]
        for header, says in ((",a,y", True), ("a,b,y", False)):
            rows = [f"{i},{i % 7},{i % (120 if says else 40)}" for i in range(400)]
            (self.folder / "index.csv").write_text("\n".join([header, *rows]) + "\n")
            told = self.program.must("fit", "case.yaml", *table)
            self.assertEqual("column 0 of x has no name: an index" in told, says)
            self.assertEqual("120 classes in 400 rows" in told, says)

    def test_csv_columns_in_another_order_are_refused(self):
        """Whether the target is among them or not; another place of the target, blanks and quotes are no difference."""
        x, y = table(N)
        names = ["width", "a, b", "age", "x3", "x4"]

        def write(name, order, target="class", quote='"'):
            at = {**{n: x[:, j] for j, n in enumerate(names)}, "class": y}
            wanted = order + [target] if target else order
            lines = [",".join(f'{quote}{n}{quote}' if quote or "," not in n else f'"{n}"' for n in wanted)]
            lines += [", ".join(repr(float(at[n][i])) for n in wanted) for i in range(N)]
            (self.folder / name).write_text("\n".join(lines) + "\n")

        write("table.csv", names)
        write("turned.csv", names[::-1])
        write("turned-no-class.csv", names[::-1], target=None)
        write("first.csv", ["class"] + names, target=None, quote=" ")
        fit = ["fit", "case.yaml", "--set", "run.out=csv", "--set", "data.train={file: table.csv, x: null, y: class}"]
        for key in ("test", "validation"):
            self.refused(3, "turned.csv: column 0 of x: expected 'width' as in table.csv, got 'x4'", *fit, "--set",
                         f"data.{key}={{file: turned.csv, x: null, y: class}}", ranks=3)
        self.refused(2, "case.yaml: table.csv: x: expected none, .* got 'width'", *fit, "--set", "data.train.x=width", ranks=2)
        self.program.must(*fit, "--set", "data.train.x=/train/x", "--set",  # left from a config of HDF5 files
                          "data.test={file: first.csv, x: null, y: class}", ranks=3)
        for name in ("turned.csv", "turned-no-class.csv"):
            self.refused(3, f"{name}: column 0 of x: expected 'width' as in csv/model.h5, got 'x4'", "predict", "csv/model.h5",
                         name, "--out", "csv/p.h5", ranks=3)
        self.assertFalse((self.folder / "csv/p.h5").exists())
        self.program.must("predict", "csv/model.h5", "first.csv", "--out", "csv/p.h5", ranks=2)
        write("bare.csv", names)
        bare = self.folder / "bare.csv"
        bare.write_text(bare.read_text().split("\n", 1)[1])
        self.program.must("predict", "csv/model.h5", "bare.csv", "--out", "csv/p.h5", "--y", "5")

    def test_zca_of_too_few_rows_is_a_warning(self):
        x = np.random.default_rng(5).standard_normal((60, 30))
        program.write_h5(self.folder / "zca.h5", x=x, y=np.arange(60) % 2)
        for rows, warns in ((60, False), (30, True)):
            self.program.must("fit", "case.yaml", "--set", f"data.train={{file: zca.h5, x: /x, y: /y, rows: '0:{rows}'}}", "--set",
                              "data.test=null", "--set", "data.preprocess=[{zca: 0.1}]", "--set", "run.out=zca", ranks=2)
            warnings = json.loads((self.folder / "zca/report.json").read_text())["warnings"]
            said = [w for w in warnings if w.startswith(f"data.preprocess: zca of {rows} rows of 30 entries: other")]
            self.assertEqual(len(said), int(warns), warnings)

    def test_images_without_channels_are_a_warning(self):
        """Also where the network does not fit what they are taken for."""
        program.write_h5(self.folder / "flat.h5", x=np.zeros((20, 8, 8)), long=np.zeros((20, 9, 8)), y=np.arange(20) % 2)
        said = "flat.h5: signals of 8 points with 8 channels; if they are images of 8 x 8 pixels, these need an axis of channels: "
        for name, network, code in (("x", "[flatten, dense: {}, activation: relu, dense: {}]", 0), ("x", "{preset: myrtle5}", 2),
                                    ("long", "[flatten, dense: {}, activation: relu, dense: {}]", 0)):
            done = self.program.run("fit", "case.yaml", "--dry-run", "--set",
                                    f"data={{train: {{file: flat.h5, x: /{name}, y: /y}}, test: {{file: null}}}}", "--set",
                                    f"network={network}", ranks=2)
            self.assertEqual(done.returncode, code, done.stderr)
            self.assertEqual(done.stderr.count(said + "[n, 8, 8, 1]"), int(name == "x"), done.stderr)

    def test_booleans_are_numbers(self):
        """As h5py and numpy write them; the model is that of 0 and 1."""
        x, y = table(N)
        program.write_h5(self.folder / "truth.h5", x=x > 0.5, y=y > 0, number_x=(x > 0.5) * 1, number_y=y, text=np.array([b"no"] * N),
                         complex=x * 1j)
        np.save(self.folder / "truth-x.npy", x > 0.5)
        np.save(self.folder / "truth-y.npy", y > 0)
        reports = []
        for rows in ("file: truth.h5, x: /number_x, y: /number_y", "file: truth.h5, x: /x, y: /y",
                     "file: truth-x.npy, x: null, y: truth-y.npy"):
            self.program.must("fit", "case.yaml", "--set", f"data.train={{{rows}}}", "--set", "data.test=null", "--set",
                              "run.out=truth", ranks=2)
            reports.append(json.loads((self.folder / "truth/report.json").read_text())["metrics"])
        self.assertEqual(reports[0], reports[1])
        self.assertEqual(reports[0], reports[2])
        for name, got in (("text", r"text; number the classes, as numpy.unique\(y, return_inverse=True\)"),
                          ("complex", "a compound")):
            self.refused(3, f"truth.h5: /{name}: expected an integer or floating type, got {got}$", "fit", "case.yaml", "--set",
                         f"data.train={{file: truth.h5, x: /x, y: /{name}}}", ranks=3)

    def test_libsvm_rows_are_as_long_as_those_of_training(self):
        """Files leave out zeros: that of the last column in all rows too."""
        x, y = table(N)
        x[N // 2:, -1] = 0
        program.write_h5(self.folder / "filled.h5", train__x=x, train__y=y, test__x=x[N // 2:], test__y=y[N // 2:])

        def write(name, rows, d=D):
            (self.folder / name).write_text("".join(
                f"{y[i]} " + " ".join(f"{j + 1}:{float(x[i, j])!r}" for j in range(d) if x[i, j] != 0) + "\n" for i in rows))

        write("wide.libsvm", range(N))
        write("narrow.libsvm", range(N // 2, N))
        self.program.must("fit", "case.yaml", "--set", "run.out=filled", "--set", "data.train.file=filled.h5", "--set",
                          "data.test.file=filled.h5")
        text = ["--set", "data.train={x: null, y: null}", "--set", "data.test={x: null, y: null}"]
        self.program.must("fit", "case.yaml", *text, "--set", "data.train.file=wide.libsvm", "--set",
                          "data.test.file=narrow.libsvm", "--set", "run.out=text", ranks=3)
        filled, padded = (json.loads((self.folder / out / "report.json").read_text()) for out in ("filled", "text"))
        self.close(filled["metrics"], padded["metrics"])
        self.program.must("predict", "text/model.h5", "narrow.libsvm", "--out", "text/p.h5", ranks=3)
        self.program.must("predict", "filled/model.h5", "filled.h5", "--out", "filled/p.h5")
        with h5py.File(self.folder / "text/p.h5") as a, h5py.File(self.folder / "filled/p.h5") as b:
            np.testing.assert_allclose(a["scores"][...], b["scores"][...], atol=1e-5)
        self.refused(3, r"wide.libsvm: rows \[n, 4\] expected as in narrow.libsvm, got \[n, 5\]", "fit", "case.yaml", *text,
                     "--set", "data.train.file=narrow.libsvm", "--set", "data.test.file=wide.libsvm", "--set", "run.out=no")
        self.refused(3, r"rows \[n, 4\], but filled/model.h5 was trained on \[n, 5\]", "predict", "filled/model.h5",
                     "narrow.libsvm", "--x", "4")

    def test_rows_are_scored_by_the_labels_that_belong_to_them(self):
        """Training rows by those of the training rows; rows that the config does not know have none but by --y."""
        self.write_data(self.folder / "pairs.h5")
        with h5py.File(self.folder / "pairs.h5", "r+") as file:
            file["copy"] = file["train/x"][:N_TEST]
            del file["test/y"]
            file["test/y"] = 1 - file["train/y"][:N_TEST]  # as many, and all wrong
        copied = ("predict", "out/model.h5", "pairs.h5", "--out", "pairs.out.h5", "--force")
        train = self.program.must(*copied, "--x", "/train/x")
        self.assertEqual(train.split(":")[1], self.program.must(*copied, "--x", "/train/x", "--y", "/train/y").split(":")[1])
        self.assertIn(f"{N} rows, accuracy", train)
        self.assertRegex(self.program.must(*copied, "--x", "/copy"), f": {N_TEST} rows\n")
        self.assertIn("accuracy", self.program.must(*copied, "--x", "/copy", "--y", "/test/y"))

    def test_a_filter_that_is_not_installed_is_named(self):
        x, y = table(N)
        with h5py.File(self.folder / "lzf.h5", "w") as file:  # h5py brings its own
            file.create_dataset("x", data=np.round(x), compression="lzf")
            file["y"] = y
        self.refused(3, "lzf.h5: /x: rows .* cannot be read: packed by filter 32000, which is not installed", "fit",
                     "case.yaml", "--set", "data.train={file: lzf.h5, x: /x, y: /y}", "--set", "run.out=lzf", ranks=2)


if __name__ == "__main__":
    unittest.main(argv=sys.argv[:1])
