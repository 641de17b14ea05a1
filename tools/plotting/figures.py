"""The pictures of one results file. Each is a matplotlib figure, or says what it lacked."""
import statistics

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt
from matplotlib.lines import Line2D
from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter

from .results import number, numbers

plt.rcParams.update({
    "svg.hashsalt": "nke", "svg.fonttype": "path", "font.size": 10, "axes.grid": True, "grid.alpha": 0.3,
    "axes.spines.top": False, "axes.spines.right": False, "legend.frameon": False, "figure.dpi": 100,
})
EXACT = "black"
# The same colour for a method in every picture (Okabe and Ito's, told apart by the colour-blind).
COLOURS = {"random_features": "#0072B2", "polysketch": "#D55E00", "tensorsketch": "#009E73"}
OTHERS = ["#CC79A7", "#E69F00", "#56B4E9"]
ERRORS = [
    ("relative Frobenius error", [("relative_frobenius", "-", "as it is"),
                                  ("relative_frobenius_scaled", "--", "scale corrected"),
                                  ("relative_frobenius_centred", ":", "centred")]),
    ("spectral error of K + lambda I", [("spectral_eps", "-", "exact"),
                                        ("spectral_eps_krylov", "--", "Krylov estimate")]),
]


def percent(value):
    return None if value is None else 100 * value


# A score: its word, its unit, how a level of it is written, and what is drawn of the number in the file.
SCORES = {"accuracy": ("Accuracy", " (%)", "{:.1f} %", percent),
          "mse": ("Mean squared error", "", "{:.4g}", lambda value: value)}


class Picture:
    """A figure by name, or figure None and in `missing` what it lacked."""

    def __init__(self, name, title, figure=None, missing=None):
        self.name, self.title, self.figure, self.missing = name, title, figure, missing

    def save(self, folder, prefix):
        folder.mkdir(parents=True, exist_ok=True)
        paths = [folder / f"{prefix}{self.name}.{kind}" for kind in ("png", "svg")]
        self.figure.savefig(paths[0], dpi=150)
        self.figure.savefig(paths[1], metadata={"Date": None})
        return paths


def method_text(method):
    return method.replace("_", " ")


def colour(run, method):
    others = [name for name in run.methods() if name not in COLOURS]
    return COLOURS[method] if method in COLOURS else OTHERS[others.index(method) % len(OTHERS)]


def core_seconds(run, side):
    """How to read the cost of a row: a function of a row; the text of its axis."""
    ranks = number(run.data, "ranks")

    def cost(row):
        direct, seconds = number(row, f"core_seconds_{side}"), number(row, f"seconds_{side}")
        if direct is not None or seconds is None:
            return direct
        return seconds * (number(row, "ranks") or ranks or 1)

    return cost


def by_features(rows, x, y):
    """[(median x, median y, lowest y, highest y), ...] over the seeds of each feature count, in ascending order."""
    points = []
    for features in sorted(set(numbers(rows, "features"))):
        pairs = [(x(row), y(row)) for row in rows if number(row, "features") == features]
        pairs = [(a, b) for a, b in pairs if a is not None and b is not None]
        if pairs:
            xs, ys = zip(*pairs)
            points.append((statistics.median(xs), statistics.median(ys), min(ys), max(ys)))
    return points


def draw_line(axis, points, label, **style):
    """Medians as a line, the spread over seeds as bars."""
    x, y, low, high = zip(*points)
    spread = [[b - a for a, b in zip(low, y)], [b - a for a, b in zip(y, high)]]
    axis.errorbar(x, y, yerr=spread, marker="o", markersize=4, linewidth=1.5, capsize=3, elinewidth=1, label=label,
                  **style)


def draw_errors(run, axis, variants, x):
    """One line a method and variant; returns whether there was anything."""
    drawn = False
    for method in run.methods():
        rows = run.rows_of(method)
        for key, dash, _ in variants:
            points = by_features(rows, x, lambda row: number(row, key))
            if points:
                draw_line(axis, points, None, color=colour(run, method), linestyle=dash)
                drawn = True
    return drawn


def log_axis(which):
    """Ticks at 1, 2 and 5 of every decade, of more than three only at 1 and 3, written as plain numbers."""
    low, high = which.get_view_interval()
    which.set_major_locator(LogLocator(base=10, subs=(1, 3) if high > 1e3 * low else (1, 2, 5), numticks=12))
    which.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}" if value < 1e4 else f"{value:,.0f}"))
    which.set_minor_formatter(NullFormatter())


def features_axis(axis, values):
    """Feature counts as themselves, not as powers of ten."""
    axis.set_xscale("log", base=2)
    axis.set_xticks(sorted(values))
    axis.set_xticklabels([f"{int(v):,}" for v in sorted(values)], rotation=30 if len(values) > 5 else 0)
    axis.minorticks_off()


def error_legend(run, figure, axes, present):
    """Colours are methods, told once below; dashes are kinds of error, told in each half."""
    methods = [Line2D([], [], color=colour(run, method), marker="o", markersize=4, label=method_text(method))
               for method in run.methods()]
    for axis, (_, variants) in zip(axes, present):
        shown = [variant for variant in variants if numbers(run.rows, variant[0])]
        if len(shown) > 1:
            axis.legend(handles=[Line2D([], [], color="grey", linestyle=dash, label=word) for _, dash, word in shown],
                        fontsize=8, loc="upper right")
    figure.tight_layout(rect=(0, 0.07, 1, 1))
    figure.legend(handles=methods, loc="lower center", ncol=len(methods), fontsize=9)


def error_figure(run, name, title, x, x_label, need):
    present = [(text, variants) for text, variants in ERRORS if any(numbers(run.rows, key) for key, _, _ in variants)]
    if not present:
        return Picture(name, title, missing="no row has relative_frobenius or spectral_eps")
    figure, axes = plt.subplots(1, len(present), figsize=(5.2 * len(present), 4.6), squeeze=False)
    drawn = [draw_errors(run, axis, variants, x) for axis, (_, variants) in zip(axes[0], present)]
    if not any(drawn):
        plt.close(figure)
        return Picture(name, title, missing=f"no row has {need}")
    for axis, (text, _) in zip(axes[0], present):
        axis.set(xscale="log", yscale="log", xlabel=x_label, ylabel=text)
        log_axis(axis.yaxis)
        if x_label == "features":
            features_axis(axis, set(numbers(run.rows, "features")))
        else:
            log_axis(axis.xaxis)
    error_legend(run, figure, axes[0], present)
    return Picture(name, title, figure)


def error_features(run):
    return error_figure(run, "error-features", "Error against features",
                        lambda row: number(row, "features"), "features", "features")


def error_seconds(run):
    return error_figure(run, "error-seconds", "Error against core-seconds", core_seconds(run, "sketch"), "core-seconds",
                        "seconds_sketch")


def score_seconds(run):
    """Accuracy of classes; of other targets, which have none, the mean squared error."""
    score = "mse" if numbers(run.rows, "mse_exact") and not numbers(run.rows, "accuracy_exact") else "accuracy"
    word, unit, form, shown = SCORES[score]
    name, title = f"{score}-seconds", f"{word} against core-seconds, with the exact kernel"
    exact, cost = numbers(run.rows, f"{score}_exact"), core_seconds(run, "exact")
    spent = [value for value in map(cost, run.rows) if value is not None]
    lines = [(method, by_features(run.rows_of(method), core_seconds(run, "sketch"),
                                  lambda row: shown(number(row, f"{score}_sketch")))) for method in run.methods()]
    if not any(points for _, points in lines):
        return Picture(name, title, missing=f"no row has {score}_sketch and seconds_sketch")
    figure, axis = plt.subplots(figsize=(6.4, 4.4))
    for method, points in lines:
        if points:
            draw_line(axis, points, method_text(method), color=colour(run, method))
    if exact:
        level = shown(statistics.median(exact))
        axis.axhline(level, color=EXACT, linewidth=1.2, label=f"exact kernel, {form.format(level)}")
        if spent:
            axis.plot(statistics.median(spent), level, "*", color=EXACT, markersize=13,
                      label="what the exact kernel costs")
    axis.set(xscale="log", xlabel="core-seconds", ylabel=f"{word.lower()} on rows not trained on{unit}")
    log_axis(axis.xaxis)
    axis.legend(fontsize=8)
    figure.tight_layout()
    return Picture(name, title, figure)


def spectra_of(run):
    """[(label, colour, eigenvalues in descending order), ...] from the top-level `spectra`."""
    spectra = run.data.get("spectra")
    entries = []
    if isinstance(spectra, dict):
        entries.append(("exact", EXACT, spectra.get("exact")))
        for item in spectra.get("sketch") or []:
            if isinstance(item, dict) and "method" in item:
                features = number(item, "features")
                label = method_text(str(item["method"])) + (f", {int(features):,}" if features else "")
                entries.append((label, item["method"], item.get("eigenvalues")))
    found = []
    for label, key, values in entries:
        if isinstance(values, list):
            values = sorted(numbers([{"v": value} for value in values], "v"), reverse=True)
            if values and values[0] > 0:
                found.append((label, key, values))
    return found


def spectra(run):
    name, title = "spectra", "Eigenvalues of the exact and the sketched kernel"
    entries = spectra_of(run)
    if not entries:
        return Picture(name, title, missing="no spectra")
    figure, axis = plt.subplots(figsize=(6.4, 4.4))
    floor = 1e-12 * max(values[0] for _, _, values in entries)
    for label, key, values in entries:
        kept = [value for value in values if value > floor]
        style = {"color": EXACT, "linewidth": 2} if key == EXACT else {"color": colour(run, key), "linewidth": 1.2}
        axis.plot(range(1, len(kept) + 1), kept, label=label, **style)
    axis.set(xscale="log", yscale="log", xlabel="number, largest first", ylabel="eigenvalue")
    axis.legend(fontsize=8)
    figure.tight_layout()
    return Picture(name, title, figure)


def path_points(run, key, scale):
    """[(lambda, scale times a validation metric), ...] in ascending order; lambda 0 has no place on the axis."""
    path = [row for row in run.data.get("path") or [] if isinstance(row, dict) and (number(row, "lambda") or 0) > 0]
    points = [(number(row, "lambda"), number(row.get("validation") or {}, key)) for row in path]
    return sorted((x, scale * y) for x, y in points if y is not None)


def lambda_path(run):
    name, title = "lambda-path", "The lambda path"
    mse, accuracy = path_points(run, "mse", 1), path_points(run, "accuracy", 100)
    if not mse:
        return Picture(name, title, missing="no lambda above 0 with a validation mse in path")
    figure, axis = plt.subplots(figsize=(6.4, 4.2))
    axis.semilogx(*zip(*mse), "o-", color="#0072B2", label="validation mse")
    axis.set(xlabel="lambda, relative to the mean diagonal", ylabel="validation mse")
    handles = axis.get_legend_handles_labels()
    if accuracy:
        other = axis.twinx()
        other.semilogx(*zip(*accuracy), "s--", color="#D55E00", label="validation accuracy")
        other.set_ylabel("validation accuracy (%)")
        other.grid(False)
        other.spines["right"].set_visible(True)
        handles = [a + b for a, b in zip(handles, other.get_legend_handles_labels())]
    if number(run.data, "lambda"):
        axis.axvline(number(run.data, "lambda"), color="grey", linewidth=1, linestyle=":")
    axis.legend(*handles, fontsize=8, loc="best")
    figure.tight_layout()
    return Picture(name, title, figure)


def pictures(run):
    if run.kind == "report":
        return [lambda_path(run)]
    return [make(run) for make in (error_features, error_seconds, score_seconds, spectra)]
