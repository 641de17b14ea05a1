"""tools/plot on small made-up results: what is drawn is what the file says; what is missing is left out by name."""
import contextlib
import importlib.machinery
import importlib.util
import io
import json
import pathlib
import re
import sys
import tempfile
import unittest
import xml.etree.ElementTree

import h5py
import numpy as np

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tools"))
from plotting import figures, heat, results

# In this process, for matplotlib takes a second to load.
LOADER = importlib.machinery.SourceFileLoader("plot", str(ROOT / "tools/plot"))
TOOL = importlib.util.module_from_spec(importlib.util.spec_from_loader("plot", LOADER))
LOADER.exec_module(TOOL)
PICTURES = ["error-features", "error-seconds", "accuracy-seconds", "spectra"]


def made_up(**drop):
    """Two methods, two feature counts, two seeds; seeds lie 10 % to both sides of the first."""
    rows = [{"method": method, "features": features, "seed": seed, "n": 100, "lambda": 1e-2,
             "relative_frobenius": factor * (0.9 + 0.2 * seed) / features, "spectral_eps": 8 * factor / features,
             "accuracy_exact": 0.75, "accuracy_sketch": 0.7, "seconds_exact": 10.0, "seconds_sketch": features / 1000,
             "speedup_measured": 10000 / features, "speedup_at_n": None}
            for method, factor in (("random_features", 1), ("polysketch", 2)) for features in (64, 128)
            for seed in (0, 1)]
    data = {"config": "run: {seed: 1}", "ranks": 2, "rows": rows,
            "spectra": {"exact": [4, 2, 1],
                        "sketch": [{"method": "polysketch", "features": 64, "eigenvalues": [4.5, 2, 0.5]}]}}
    for row in rows:
        for key in drop.get("rows", ()):
            del row[key]
    return {key: value for key, value in data.items() if key not in drop.get("top", ())}


REPORT = {"command": "fit", "version": "1", "ranks": 2, "lambda": 0.01, "warnings": ["a <word>"],
          "metrics": {"test": {"accuracy": 0.875, "mse": 0.5, "r2": None, "rows": 16}}, "seconds": {"embed": 1.5},
          "path": [{"lambda": 0, "validation": {"mse": 9.0}}, {"lambda": 1.0, "validation": {"mse": None}},
                   {"lambda": 0.1, "validation": {"mse": 0.4, "accuracy": 0.5}},
                   {"lambda": 0.01, "validation": {"mse": 0.3, "accuracy": 0.6}}]}


class Plot(unittest.TestCase):
    def setUp(self):
        self.folder = tempfile.TemporaryDirectory()
        self.root = pathlib.Path(self.folder.name)

    def tearDown(self):
        figures.plt.close("all")
        self.folder.cleanup()

    def file(self, data, name="a/compare.json"):
        path = self.root / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(data if isinstance(data, str) else json.dumps(data))
        return path

    def plot(self, *args, code=0):
        """What the tool says on stderr, once it has ended with `code`."""
        said = io.StringIO()
        with contextlib.redirect_stderr(said), contextlib.redirect_stdout(io.StringIO()):
            try:
                done = TOOL.main([str(arg) for arg in args])
            except SystemExit as end:
                done = end.code
        self.assertEqual(done, code, said.getvalue())
        return said.getvalue()

    def run_of(self, data, name="a/compare.json"):
        return results.load(self.file(data, name))

    def test_every_picture_as_png_and_svg(self):
        path = self.file(made_up())
        self.assertEqual(self.plot(path), "")
        for name in PICTURES:
            self.assertEqual((path.parent / f"plots/{name}.png").read_bytes()[:4], b"\x89PNG")
            xml.etree.ElementTree.parse(path.parent / f"plots/{name}.svg")

    def test_the_numbers_that_are_drawn(self):
        run = self.run_of(made_up())
        axis = figures.score_seconds(run).figure.axes[0]
        level = [line for line in axis.lines if list(line.get_ydata()) == [75.0, 75.0]]
        star = [line for line in axis.lines if line.get_marker() == "*"]
        self.assertEqual(len(level), 1)
        self.assertEqual((star[0].get_xdata()[0], star[0].get_ydata()[0]), (20.0, 75.0))  # 10 s on 2 ranks
        axis = figures.error_features(run).figure.axes[0]
        drawn = {line.get_color(): list(line.get_ydata()) for line in axis.lines if line.get_linestyle() != "None"}
        np.testing.assert_allclose(drawn[figures.COLOURS["random_features"]], [1 / 64, 1 / 128])
        np.testing.assert_allclose(drawn[figures.COLOURS["polysketch"]], [2 / 64, 2 / 128])
        axis = figures.spectra(run).figure.axes[0]
        self.assertEqual([list(line.get_ydata()) for line in axis.lines], [[4, 2, 1], [4.5, 2, 0.5]])

    def test_targets_without_classes_have_their_error_drawn(self):
        data = made_up(rows=["accuracy_exact", "accuracy_sketch"])
        for row in data["rows"]:
            row.update(mse_exact=2e-7, mse_sketch=3e-7, accuracy_exact=None)
        path = self.file({**data, "warnings": ["a small <lambda>"]})
        self.assertEqual(self.plot(path, "--html", self.root / "out.html"), "")
        axis = figures.score_seconds(results.load(path)).figure.axes[0]
        self.assertIn([2e-7, 2e-7], [list(line.get_ydata()) for line in axis.lines])
        self.assertTrue((path.parent / "plots/mse-seconds.svg").exists())
        page = (self.root / "out.html").read_text()
        for text in ("<td>3e-07</td>", "<td>2e-07</td>", "a small &lt;lambda&gt;"):
            self.assertIn(text, page)

    def test_comparisons_with_one_exact_kernel_are_joined(self):
        config = "run:\n  seed: {}\n  precision: {}\ndata:\n  train:\n    rows: {}\nembedding:\n  kernel: {}\n  features: {}\n" \
            "solver:\n  lambda: {}\n"
        alike = [self.file({**made_up(), "config": config.format(seed, "single", "0:100", "ntk", seed * 64, "[0.1]"), "ranks": seed},
                           f"{seed}/compare.json") for seed in (1, 2)]
        whole = results.load_all([alike[0], self.file(REPORT, "report.json"), alike[1]], join=True)
        self.assertEqual([run.kind for run in whole], ["compare", "report"])
        self.assertEqual([len(run.rows) for run in whole], [16, 0])
        self.assertEqual([row["ranks"] for row in whole[0].rows], [1] * 8 + [2] * 8)
        self.assertEqual(whole[0].prefix, "")
        for precision, rows, kernel, path, section in (
                ("single", "0:99", "ntk", "[0.1]", "data"), ("single", "0:100", "nngp", "[0.1]", "embedding.kernel"),
                ("double", "0:100", "ntk", "[0.1]", "run.precision"), ("single", "0:100", "ntk", "[1]", "solver.lambda")):
            other = self.file({**made_up(), "config": config.format(1, precision, rows, kernel, 64, path)},
                              "c/compare.json")
            self.assertIn(f"another {section}", self.plot("--join", alike[0], other, code=3))

    def test_lambda_path_leaves_out_what_has_no_number(self):
        axes = figures.lambda_path(self.run_of(REPORT, "report.json")).figure.axes
        self.assertEqual(list(axes[0].lines[0].get_xdata()), [0.01, 0.1])
        self.assertEqual(list(axes[1].lines[0].get_ydata()), [60.0, 50.0])

    def test_missing_numbers_are_named(self):
        for key, name in (("seconds_sketch", "accuracy-seconds"), ("accuracy_sketch", "accuracy-seconds")):
            with self.subTest(key):
                said = self.plot(self.file(made_up(rows=[key])), "--html", self.root / "out.html")
                self.assertIn(f"no {name}: no row has ", said)
        self.assertEqual(self.plot(self.file(made_up(rows=["relative_frobenius"]))), "")  # the spectral half remains
        said = self.plot(self.file(made_up(rows=["relative_frobenius", "spectral_eps"], top=["spectra", "ranks"])))
        for name in ("error-features", "error-seconds", "spectra"):
            self.assertIn(f"no {name}: no", said)

    def test_nothing_to_draw_and_broken_files(self):
        broken = [({"rows": []}, "nothing to draw"), ("{", "not JSON"), ("[1]", "expected an object"),
                  ({"x": 1}, "neither")]
        for data, word in broken:
            with self.subTest(word):
                self.assertIn(word, self.plot(self.file(data), code=3))
        self.assertIn("none.json", self.plot(self.root / "none.json", code=3))
        self.plot(code=2)
        self.plot(self.file(made_up()), "--features", "f.h5", code=2)

    def test_page_is_self_contained(self):
        page = self.root / "out.html"
        self.plot(self.file(made_up()), self.file(REPORT, "b/report.json"), "--html", page)
        text = page.read_text()
        text, images = re.subn(r' src="data:image/svg\+xml;base64,[A-Za-z0-9+/=]+"', "", text)
        self.assertEqual(images, len(PICTURES) + 1)
        self.assertIsNone(re.search(r"(?i)src\s*=|href|<script|<link|@import|url\(", text))
        for word in ("0.0156 ± 0.0016", "75.0", "87.50", "a &lt;word&gt;"):
            self.assertIn(word, text)

    def test_two_comparisons_do_not_overwrite_each_other(self):
        files = [self.file(made_up(), f"{name}/compare.json") for name in "ab"]
        self.plot(*files, "--out", self.root / "plots")
        self.assertEqual(len(list((self.root / "plots").glob("*-error-features.png"))), 2)

    def test_heat_map(self):
        z = np.random.default_rng(0).standard_normal((12, 5))
        kernel, features = self.root / "kernel.h5", self.root / "features.h5"
        with h5py.File(kernel, "w") as file:
            file["train/ntk"] = z @ z.T + np.eye(12)
        with h5py.File(features, "w") as file:
            file["train/features"] = z
        axes = heat.picture(kernel, features, "ntk").figure.axes
        images = [axis.images[0].get_array() for axis in axes if axis.images]
        np.testing.assert_allclose(images[0] - np.eye(12), images[1])
        np.testing.assert_allclose(images[2], -np.eye(12), atol=1e-12)
        self.plot("--kernel", kernel, "--features", features, "--out", self.root / "plots")
        self.assertIn("no /train/nngp", self.plot("--kernel", kernel, "--which", "nngp", code=3))
        with h5py.File(features, "w") as file:
            file["train/features"] = z[:11]
        self.assertIn("11 rows", self.plot("--kernel", kernel, "--features", features, code=3))


if __name__ == "__main__":
    unittest.main()
