"""Every broken input gives one line on stderr that names the trouble, its exit code, and no output, at 1 and 3 ranks.

usage: test_broken_inputs.py PROGRAM RANKS [TEST...]
"""
import collections
import concurrent.futures
import os
import re
import sys
import tempfile
import unittest

import h5py
import numpy as np

import broken_files
import program

CONFIG = """\
run: {seed: 1, out: out}
data:
  train: {file: good.h5, x: /train/x, y: /train/y}
  test: {file: good.h5, x: /test/x, y: /test/y}
  task: classification
network:
  - conv: {filter: 3, w_std: 1.4, padding: same}
  - activation: relu
  - flatten
  - dense: {}
embedding: {kernel: ntk, method: random_features, features: 64}
solver: {lambda: [1e-3, 1e-2]}
"""

# name, text of CONFIG, what stands there instead, exit code, pattern of the message
Config = collections.namedtuple("Config", "name old new code says")
# Rows that show when the model is solved: it is written, and the answer is the same.
UNSCORED = [
    Config("test x has NaN", "x: /test/x", "x: /bad/nan_test", 3, r"/bad/nan_test.*row 1\b.*column 0"),
    Config("test label unseen", "y: /test/y", "y: /bad/unseen", 3, r"row 2.*9|9.*row 2"),
]

CONFIGS = [
    # the text itself
    Config("empty config", CONFIG, "", 2, r"case\.yaml"),
    Config("not a mapping", CONFIG, "- 1\n- 2\n", 2, r"case\.yaml"),
    Config("not YAML", "seed: 1", "seed: [1", 2, r"case\.yaml:\d+"),
    Config("binary", CONFIG, "\x01\x02\x03", 2, r"case\.yaml"),
    Config("duplicate key", "seed: 1", "seed: 1, seed: 2", 2, r"case\.yaml:1.*seed"),
    Config("unknown section", "solver:", "solvers:", 2, r"case\.yaml:12.*solvers"),
    Config("unknown key", "seed: 1", "sead: 1", 2, r"case\.yaml:1.*sead"),
    Config("unknown key deep", "w_std: 1.4", "wstd: 1.4", 2, r"case\.yaml:7.*wstd"),
    # values
    Config("seed is text", "seed: 1", "seed: one", 2, r"case\.yaml:1.*seed"),
    Config("seed is negative", "seed: 1", "seed: -1", 2, r"case\.yaml:1.*seed"),
    Config("seed has a fraction", "seed: 1", "seed: 1.5", 2, r"case\.yaml:1.*seed"),
    Config("bad precision", "seed: 1", "precision: half", 2, r"case\.yaml:1.*precision.*half"),
    Config("bad memory", "seed: 1", "memory_per_rank: lots", 2, r"case\.yaml:1.*memory_per_rank"),
    Config("memory is zero", "seed: 1", "memory_per_rank: 0", 2, r"memory_per_rank"),
    Config("too little memory", "seed: 1", "memory_per_rank: 64KiB", 2, r"memory_per_rank"),
    Config("bad task", "task: classification", "task: clustering", 2, r"case\.yaml:5.*clustering"),
    Config("bad kernel", "kernel: ntk", "kernel: gp", 2, r"case\.yaml:11.*gp"),
    Config("bad method", "method: random_features", "method: magic", 2, r"case\.yaml:11.*magic"),
    Config("no features", "features: 64", "features: 0", 2, r"features"),
    Config("negative features", "features: 64", "features: -64", 2, r"case\.yaml:11.*features"),
    Config("huge features", "features: 64", "features: 99999999999999999999", 2, r"case\.yaml:11.*features"),
    Config("features is a list", "features: 64", "features: [64]", 2, r"case\.yaml:11.*features"),
    Config("too many widths", "features: 64", "widths: [64, 64, 64]", 2, r"widths"),
    Config("lambda is negative", "[1e-3, 1e-2]", "[-1e-3]", 2, r"case\.yaml:12.*lambda"),
    Config("lambda is NaN", "[1e-3, 1e-2]", "[.nan]", 2, r"case\.yaml:12.*lambda"),
    Config("lambda is text", "[1e-3, 1e-2]", "[small]", 2, r"case\.yaml:12.*lambda"),
    Config("lambda is empty", "[1e-3, 1e-2]", "[]", 2, r"case\.yaml:12.*lambda"),
    Config("bad solver", "lambda: [1e-3, 1e-2]", "type: quantum", 2, r"case\.yaml:12.*quantum"),
    Config("validation above 1", "task: classification", "validation: 1.5", 2, r"case\.yaml:5.*validation"),
    Config("bad preprocessing", "task: classification", "preprocess: [whiten]", 2, r"case\.yaml:5.*whiten"),
    Config("zca is zero", "task: classification", "preprocess: [{zca: 0}]", 2, r"case\.yaml:5.*zca"),
    # known keys that nothing reads yet
    Config("columns", "task: classification", "layout: columns", 2, r"case\.yaml.*data\.layout"),
    Config("copies", "task: classification", "augment: {copies: 3}", 2, r"case\.yaml.*data\.augment\.copies"),
    Config("class weights", "task: classification", "class_weights: [1, 2, 3, 4, 5, 6, 7]", 2,
           r"case\.yaml: data\.class_weights: expected \d weights, one a class, got 7"),
    Config("loo by Cholesky", "lambda: [1e-3, 1e-2]", "type: cholesky, select: loo", 2, r"solver\.select: loo and gcv need"),
    Config("precondition", "lambda: [1e-3, 1e-2]", "precondition: jacobi", 2,
           r"case\.yaml: solver\.precondition: expected none.*cg"),
    Config("precondition lsqr", "lambda: [1e-3, 1e-2]", "type: lsqr, precondition: nystrom", 2,
           r"case\.yaml: solver\.precondition: expected none.*cg"),
    Config("sketch of features", "lambda: [1e-3, 1e-2]", "type: cg, precondition: sketch", 2,
           r"case\.yaml: solver\.precondition: expected none, jacobi or nystrom.*exact"),
    # networks
    Config("no network", CONFIG[CONFIG.index("network"):CONFIG.index("embedding")], "", 2, r"network"),
    Config("unknown layer", "- flatten", "- maxpool: 2", 2, r"case\.yaml:9.*maxpool"),
    Config("unknown activation", "activation: relu", "activation: rellu", 2, r"case\.yaml:8.*rellu"),
    Config("unknown parameter", "activation: relu", "activation: {relu: {slope: 1}}", 2, r"case\.yaml:8.*slope"),
    Config("filter is zero", "filter: 3", "filter: 0", 2, r"case\.yaml:7.*filter"),
    Config("filter above the image", "filter: 3, w_std: 1.4, padding: same", "filter: 7, padding: valid", 2, r"line 7.*7 x 7.*6 x 6"),
    Config("pool above the image", "- flatten", "- avgpool: 9\n  - flatten", 2, r"line 9.*9 x 9.*6 x 6"),
    Config("bad padding", "padding: same", "padding: mirror", 2, r"case\.yaml:7.*mirror"),
    Config("negative w_std", "w_std: 1.4", "w_std: -1.4", 2, r"case\.yaml:7.*w_std"),
    Config("infinite w_std", "w_std: 1.4", "w_std: .inf", 2, r"case\.yaml:7.*w_std"),
    Config("output has axes", "  - flatten\n", "", 2, r"case\.yaml:9|flatten"),
    # data
    Config("no train", "  train: {file: good.h5, x: /train/x, y: /train/y}\n", "", 2, r"train"),
    Config("file is missing", "train: {file: good.h5", "train: {file: none.h5", 3, r"none\.h5"),
    Config("file is a folder", "train: {file: good.h5", "train: {file: folder.h5", 3, r"folder\.h5"),
    Config("file is empty", "train: {file: good.h5", "train: {file: empty.h5", 3, r"empty\.h5"),
    Config("file is text", "train: {file: good.h5", "train: {file: text.h5", 3, r"text\.h5"),
    Config("file is cut", "train: {file: good.h5", "train: {file: cut.h5", 3, r"cut\.h5"),
    Config("a chunk is damaged", "train: {file: good.h5", "train: {file: damaged.h5", 3, r"damaged\.h5"),
    Config("unknown format", "train: {file: good.h5", "train: {file: good.xyz", 3, r"good\.xyz"),
    Config("x is missing", "x: /train/x", "x: /train/z", 3, r"/train/z"),
    Config("x is a group", "x: /train/x", "x: /train", 3, r"/train"),
    Config("x is text", "x: /train/x", "x: /bad/text", 3, r"/bad/text"),
    Config("x has one axis", "x: /train/x", "x: /bad/one", 3, r"/bad/one"),
    Config("x has five axes", "x: /train/x", "x: /bad/five", 3, r"/bad/five"),
    Config("x has no rows", "x: /train/x, y: /train/y", "x: /bad/none, y: /bad/none_y", 3, r"/bad/none"),
    Config("x has NaN", "x: /train/x", "x: /bad/nan", 3, r"/bad/nan.*row 7.*column 3"),
    Config("x has infinity", "x: /train/x", "x: /bad/inf", 3, r"/bad/inf.*row 39.*column 35"),
    Config("y is missing", "y: /train/y", "y: /train/w", 3, r"/train/w"),
    Config("no training y", "x: /train/x, y: /train/y", "x: /train/x", 3, r"no targets.*data\.train\.y"),
    Config("y is short", "y: /train/y", "y: /bad/short", 3, r"/bad/short.*"),
    Config("y has three axes", "y: /train/y", "y: /bad/y3", 3, r"/bad/y3"),
    Config("y is a scalar", "y: /train/y", "y: /bad/scalar", 3, r"/bad/scalar.*got 0"),
    Config("y has NaN", "y: /train/y", "y: /bad/nan_y", 3, r"/bad/nan_y.*row 5"),
    Config("label has a fraction", "y: /train/y", "y: /bad/half", 3, r"row 4.*0\.5|0\.5.*row 4"),
    Config("labels have two columns", "y: /train/y", "y: /bad/y2", 3, r"/bad/y2|column"),
    Config("one class only", "y: /train/y", "y: /bad/zeros", 3, r"class"),
    Config("test shape differs", "x: /test/x", "x: /bad/wide", 3, r"got \[n, 6, 5, 1\]"),
    Config("rows past the end", "y: /train/y", "y: /train/y, rows: 0:41", 3, r"41.*40|40.*41"),
    Config("rows reversed", "y: /train/y", "y: /train/y, rows: 9:3", (2, 3), r"9.*3"),
    Config("rows are text", "y: /train/y", "y: /train/y, rows: all", 2, r"case\.yaml:3.*rows"),
    Config("regression y is text", "y: /train/y", "y: /bad/text", 3, r"/bad/text"),
    # output
    Config("out is a file", "out: out", "out: good.h5", 6, r"good\.h5"),
    Config("out is under a file", "out: out", "out: good.h5/deeper", 6, r"good\.h5"),
    Config("model is not ours", "out: out", "out: theirs", 2, r"model\.h5.*--force"),
]

# name, arguments, exit code, pattern
Call = collections.namedtuple("Call", "name args code says")
CALLS = [
    Call("no command", [], 2, r"command"),
    Call("unknown command", ["train", "good.yaml"], 2, r"train"),
    Call("fit without config", ["fit"], 2, r"fit|config"),
    Call("config is missing", ["fit", "none.yaml"], 2, r"none\.yaml"),
    Call("config is a folder", ["fit", "folder.h5"], 2, r"folder\.h5"),
    Call("unknown option", ["fit", "good.yaml", "--fast"], 2, r"--fast"),
    Call("two configs", ["fit", "good.yaml", "good.yaml"], 2, r"good\.yaml"),
    Call("set without value", ["fit", "good.yaml", "--set"], 2, r"--set"),
    Call("set without =", ["fit", "good.yaml", "--set", "run.seed"], 2, r"run\.seed"),
    Call("set unknown key", ["fit", "good.yaml", "--set", "run.sead=1"], 2, r"sead"),
    Call("set bad value", ["fit", "good.yaml", "--set", "run.seed=x"], 2, r"seed"),
    Call("set not YAML", ["fit", "good.yaml", "--set", "run.seed=[1"], 2, r"run\.seed|seed"),
    Call("model is missing", ["predict", "none.h5", "good.h5"], 3, r"none\.h5"),
    Call("model is not ours", ["predict", "good.h5", "good.h5"], 3, r"good\.h5"),
    Call("model is cut", ["predict", "cut.h5", "good.h5"], 3, r"cut\.h5"),
    Call("config is a pipe", ["fit", "pipe.csv"], 2, r"pipe\.csv.*pipe"),
    Call("model is a pipe", ["predict", "pipe.h5", "good.h5"], 3, r"pipe\.h5"),
    Call("info of a missing file", ["info", "none.h5"], 3, r"none\.h5"),
    Call("info of a missing file without a type", ["info", "none"], 3, r"none: No such file"),
    Call("info of an unknown type", ["info", "good/report.json"], 3, r"report\.json: unknown file type.*\.yaml"),
    Call("info of a table named like that", ["info", "unknown file type.csv"], 3, r"^[^;]*unknown file type\.csv: ((?!yaml).)*no rows((?!yaml).)*$"),
    Call("info of a text", ["info", "text.h5"], 3, r"text\.h5"),
    Call("info of a bad config", ["info", "bad.yaml"], 2, r"bad\.yaml:1"),
    Call("a long word", ["fit" * 3000], 2, r"unknown command"),
    Call("option of another command", ["fit", "good.yaml", "--rows", "0:3"], 2, r"--rows"),
    Call("flag with a value", ["fit", "good.yaml", "--force=yes"], 2, r"--force"),
    Call("rows without colon", ["predict", "good/model.h5", "good.h5", "--rows", "7"], 2, r"--rows.*7"),
    Call("rows reversed", ["predict", "good/model.h5", "good.h5", "--rows", "7:3"], 2, r"--rows.*7:3"),
    Call("rows negative", ["predict", "good/model.h5", "good.h5", "--rows=-3:7"], 2, r"--rows.*-3:7"),
    Call("rows past 64 bits", ["predict", "good/model.h5", "good.h5", "--rows", "0:99999999999999999999"], (2, 3), r"rows"),
    Call("rows past the end", ["predict", "good/model.h5", "good.h5", "--rows", "5:11"], 3, r"5:11"),
    Call("tiles past the end", ["kernel", "table.yaml", "--tiles", "0:99"], 2, r"--tiles"),
    Call("tiles are text", ["kernel", "table.yaml", "--tiles", "all"], 2, r"--tiles.*all"),
    Call("set of a section", ["fit", "good.yaml", "--set", "run=3"], 2, r"run"),
    Call("set of a list", ["fit", "good.yaml", "--set", "run.seed=[1, 2]"], 2, r"run\.seed"),
    Call("set with an empty key", ["fit", "good.yaml", "--set", "=3"], 2, r"--set"),
    Call("set below a value", ["fit", "good.yaml", "--set", "run.seed.low=3"], 2, r"run\.seed"),
    Call("formula is not one", ["fit", "good.yaml", "--set", 'network=[flatten, {activation: {formula: "x+"}}, dense]'], 2,
         r"formula"),
    Call("formula runs nothing", ["fit", "good.yaml", "--set", 'network=[flatten, {activation: {formula: "system(x)"}}, dense]'],
         2, r"formula"),
    Call("preset for other rows", ["fit", "good.yaml", "--set", "network={preset: fc2}"], 2,
         r"ends with an image of 6 x 6 pixels; expected a vector: reshape rows to \[n, d\], or .* flatten"),
    Call("data of other shape", ["predict", "good/model.h5", "good.h5", "--x", "/bad/wide", "--y", "/test/y"], 3,
         r"\[n, 6, 5, 1\].*\[n, 6, 6, 1\]"),
    Call("predict with NaN", ["predict", "good/model.h5", "good.h5", "--x", "/bad/nan", "--y", "/train/y"], 3, r"/bad/nan.*row 7"),
    Call("predict unseen label", ["predict", "good/model.h5", "good.h5", "--y", "/bad/unseen"], 3, r"row 2.*9|9.*row 2"),
    Call("predict x missing", ["predict", "good/model.h5", "good.h5", "--x", "/none"], 3, r"/none"),
    Call("predictions not ours", ["predict", "good/model.h5", "good.h5", "--out", "theirs/model.h5"], 2, r"model\.h5.*--force"),
    Call("predictions under a file", ["predict", "good/model.h5", "good.h5", "--out", "good.h5/p.h5"], 6, r"good\.h5"),
    Call("predictions in a folder", ["predict", "good/model.h5", "good.h5", "--out", "theirs"], 2, r"theirs"),
    Call("synth without rows", ["synth", "good.yaml", "--set", "synth.n=0"], 2, r"synth\.n"),
    Call("synth negative noise", ["synth", "good.yaml", "--set", "synth.noise=-1"], 2, r"synth\.noise"),
    Call("predict without data", ["predict", "none.h5"], 2, r"predict|DATA"),
]


def make_data(folder):
    x, y = program.images(40)
    test_x, test_y = program.images(10, seed=1)
    nan, inf, nan_test = x.astype("f4"), x.astype("f8"), test_x.astype("f4")
    nan.reshape(40, 36)[7, 3] = np.nan
    inf.reshape(40, 36)[39, 35] = np.inf
    nan_test.reshape(10, 36)[1, 0] = np.nan
    nan_y, half, unseen = y.astype("f4"), y.astype("f4"), test_y.copy()
    nan_y[5], half[4], unseen[2] = np.nan, 0.5, 9
    program.write_h5(
        folder + "/good.h5", train__x=x, train__y=y, test__x=test_x, test__y=test_y, bad__nan=nan, bad__inf=inf,
        bad__nan_test=nan_test, bad__text=np.array([b"text"] * 40), bad__one=x[:, 0, 0, 0], bad__five=x[..., None],
        bad__none=x[:0], bad__none_y=y[:0], bad__short=y[:39], bad__y3=y.reshape(40, 1, 1), bad__nan_y=nan_y,
        bad__half=half, bad__y2=np.stack([y, y], 1), bad__zeros=0 * y, bad__unseen=unseen, bad__wide=test_x[:, :, :5],
        bad__scalar=np.float64(3))
    with open(folder + "/good.h5", "rb") as file:
        whole = file.read()
    for name, data in {"empty.h5": b"", "text.h5": b"not an HDF5 file\n" * 100, "cut.h5": whole[:len(whole) // 2],
                       "good.xyz": whole}.items():
        with open(os.path.join(folder, name), "wb") as file:
            file.write(data)
    os.mkdir(folder + "/folder.h5")
    os.mkdir(folder + "/theirs")
    program.write_h5(folder + "/theirs/model.h5", mine=np.arange(3))
    make_damaged(folder + "/damaged.h5", x, y)
    for name, text in {"good.yaml": CONFIG, "bad.yaml": "runs: {}\n", "unknown file type.csv": ""}.items():
        with open(os.path.join(folder, name), "w") as file:
            file.write(text)


def make_damaged(path, x, y):
    """One compressed chunk of /train/x is overwritten with zeros."""
    with h5py.File(path, "w") as file:
        data = file.create_dataset("train/x", data=x, chunks=(10, 6, 6, 1), compression="gzip")
        file["train/y"] = y
        file.flush()
        chunk = data.id.get_chunk_info(2)
    with open(path, "r+b") as file:
        file.seek(chunk.byte_offset)
        file.write(bytes(chunk.size))


def own_lines(text):
    """stderr without what mpirun adds about a rank's exit code, and its event library about a descriptor closed early."""
    text = re.sub(r"^-{50,}\n.*?^-{50,}\n", "", text, flags=re.M | re.S)
    return [line for line in text.strip().splitlines() if not line.startswith("[warn] Epoll")]


def alone(k, args):
    """The same arguments, predictions in a file of their own: two runs that write one file at a time are refused."""
    return [*args, "--out", f"p-{k}.h5"] if args[:1] == ["predict"] and "--out" not in args else args


class BrokenInputs(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.temporary = tempfile.TemporaryDirectory()
        cls.folder = cls.temporary.name
        make_data(cls.folder)
        broken_files.make_data(cls.folder)
        cls.program = program.Program(PROGRAM, cls.folder)
        cls.program.must("fit", "good.yaml", "--set", "run.out=good", "--set", "data.preprocess=[standardize]")
        cls.program.must("kernel", "table.yaml", "--set", "kernel.file=kernel.h5")
        broken_files.make_changed(cls.folder, "good/model.h5", broken_files.MODELS)
        broken_files.make_changed(cls.folder, "kernel.h5", broken_files.KERNELS)

    @classmethod
    def tearDownClass(cls):
        cls.temporary.cleanup()

    def files(self):
        return sorted(os.path.join(folder, name) for folder, _, names in os.walk(self.folder) for name in names)

    def check(self, calls, leaves=(), prints=""):
        """Every call is answered as it says, and none leaves another file; two run at a time, each waits most of its time."""
        before = sorted([*self.files(), *leaves])
        with concurrent.futures.ThreadPoolExecutor(2) as pool:
            runs = [pool.submit(self.program.run, *call.args, ranks=RANKS, launcher=RANKS > 1, timeout=60) for call in calls]
        for call, run in zip(calls, runs):
            with self.subTest(call.name):
                done = run.result()
                told = f"exit {done.returncode}\n{done.stderr}"
                codes = call.code if isinstance(call.code, tuple) else (call.code,)
                self.assertIn(done.returncode, codes, told)
                lines = own_lines(done.stderr)
                self.assertEqual(len(lines), 1, told)
                self.assertRegex(lines[0], call.says)
                self.assertRegex(done.stdout, f"^{prints}")
                self.assertEqual(bool(done.stdout), bool(prints))
        self.assertEqual(self.files(), before, "files were left behind")

    def test_good_inputs_are_accepted(self):
        self.program.must("fit", "good.yaml", "--set", "run.out=good", ranks=RANKS)
        self.program.must("predict", "good/model.h5", "good.h5", "--out", "good/p.h5", ranks=RANKS)
        self.program.must("fit", "table.yaml", "--set", "run.out=good-table", ranks=RANKS)
        self.program.must("kernel", "table.yaml", "--set", "kernel.file=kernel.h5", ranks=RANKS)

    def calls_of(self, configs, out):
        calls = []
        for k, case in enumerate(configs):
            self.assertEqual(CONFIG.count(case.old), 1, f"the text to replace: {case.name}")
            with open(f"{self.folder}/{out}-{k}-case.yaml", "w") as file:
                file.write(CONFIG.replace(case.old, case.new).replace("out: out", f"out: {out}-{k}"))
            calls.append(Call(case.name, ["fit", f"{out}-{k}-case.yaml"], case.code, case.says))
        return calls

    def test_configs(self):
        self.check(self.calls_of(CONFIGS, "out"))

    def test_rows_that_cannot_be_scored(self):
        calls = self.calls_of(UNSCORED, "unscored")
        models = [f"{self.folder}/unscored-{k}/{name}" for k in range(len(calls)) for name in ("model.h5", "report.json")]
        self.check(calls, models, "unscored-")

    def test_calls(self):
        self.check([call._replace(args=alone(k, call.args)) for k, call in enumerate(CALLS)])

    def test_data_files(self):
        calls = []
        for k, case in enumerate(broken_files.DATA):
            more = f", {case.more}" if case.more else ""
            args = ["fit", "table.yaml", "--set", f"data.train={{file: {case.name}{more}}}", "--set", f"run.out=out-{k}"]
            calls.append(Call(case.name, args, case.code, case.says))
        self.check(calls)

    def test_models(self):
        more = ["good.h5", "--x", "/test/x", "--y", "/test/y"]
        self.check([Call(case.name, alone(k, ["predict", case.name, *more]), case.code, case.says)
                    for k, case in enumerate(broken_files.MODELS)])

    def test_kernel_files(self):
        def stamps():
            found = [os.stat(os.path.join(self.folder, case.name)) for case in broken_files.KERNELS]
            return [(file.st_mtime_ns, file.st_size) for file in found]

        before = stamps()
        self.check([Call(case.name, ["kernel", "table.yaml", "--set", f"kernel.file={case.name}"], case.code, case.says)
                    for case in broken_files.KERNELS])
        self.assertEqual(stamps(), before)


if __name__ == "__main__":
    PROGRAM, RANKS = sys.argv[1], int(sys.argv[2])
    unittest.main(argv=sys.argv[:1] + sys.argv[3:])
