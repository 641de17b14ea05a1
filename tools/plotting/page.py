"""One self-contained HTML page: tables and pictures of every run; no scripts, nothing fetched."""
import base64
import io
import json
import statistics
from html import escape

from .figures import method_text
from .results import number, numbers

STYLE = """
:root { color-scheme: light; }
body { font: 16px/1.5 system-ui, -apple-system, "Segoe UI", "DejaVu Sans", sans-serif; color: #1c1c1c; background: #fff;
       max-width: 1120px; margin: 2rem auto; padding: 0 1.25rem; }
h1 { font-size: 1.6rem; margin: 0 0 .5rem; }
h2 { font-size: 1.25rem; margin: 2.5rem 0 .5rem; border-top: 1px solid #ccc; padding-top: 1.5rem; }
h3 { font-size: 1.05rem; margin: 1.75rem 0 .4rem; }
p { margin: .4rem 0; }
.note, figcaption { color: #555; font-size: .9rem; }
.wide, pre { overflow-x: auto; }
table { border-collapse: collapse; font-size: .85rem; margin: .5rem 0; font-variant-numeric: tabular-nums; }
th, td { padding: .3rem 0 .3rem .8rem; text-align: right; border-bottom: 1px solid #ddd; }
td { white-space: nowrap; }
th { border-bottom: 2px solid #888; vertical-align: bottom; font-weight: 600; }
th:first-child, td:first-child { text-align: left; padding-left: 0; }
tr.exact td { font-weight: 600; }
figure { margin: 1rem 0; }
figure img { max-width: 100%; height: auto; display: block; }
pre { background: #f5f5f5; padding: .8rem; font-size: .82rem; line-height: 1.35; }
.warning { border-left: 4px solid #D55E00; padding-left: .7rem; }
summary { cursor: pointer; }
"""
# Keys of report.json in the first table.
FACTS = [("command", "command"), ("kernel", "kernel"), ("method", "method"), ("features", "features"),
         ("n_train", "training rows"), ("n_test", "test rows"), ("d", "columns"), ("solver", "solver"),
         ("lambda", "lambda (relative)"), ("ranks", "ranks"), ("seed", "seed"),
         ("peak_rss_bytes", "peak memory of a rank (bytes)")]
# Columns of the table of metrics, and of the table of a comparison: key, heading, factor, format.
METRICS = [("accuracy", "accuracy (%)", 100, "{:.2f}"), ("mse", "mse", 1, "{:.5g}"), ("r2", "r2", 1, "{:.4f}")]
COLUMNS = [
    ("relative_frobenius", "Frobenius error", 1, "{:.4f}"),
    ("relative_frobenius_scaled", "scale corrected", 1, "{:.4f}"),
    ("relative_frobenius_centred", "centred", 1, "{:.4f}"), ("spectral_eps", "spectral error", 1, "{:.3f}"),
    ("accuracy_sketch", "accuracy (%)", 100, "{:.1f}"), ("mse_sketch", "mse", 1, "{:.4g}"), ("seconds_sketch", "seconds", 1, "{:.4g}"),
    ("speedup_measured", "speed-up measured", 1, "{:.3g}"), ("speedup_at_n", "speed-up at full n", 1, "{:.3g}"),
]


def table(head, rows, marked=()):
    """HTML of a table; cells are text. Rows whose number is in `marked` are set in bold."""
    lines = ["<div class=wide><table><thead><tr>", *(f"<th>{escape(text)}</th>" for text in head), "</tr></thead>"]
    lines.append("<tbody>")
    for i, row in enumerate(rows):
        lines += ["<tr class=exact>" if i in marked else "<tr>", *(f"<td>{escape(text)}</td>" for text in row), "</tr>"]
    return "".join(lines) + "</tbody></table></div>\n"


def spread(values, factor, form):
    """Mean over the seeds, and how far the seeds lie from it at most where that can be seen."""
    if not values:
        return "–"
    mean = statistics.fmean(values) * factor
    away = max(abs(value * factor - mean) for value in values)
    return form.format(mean) + (f" ± {form.format(away)}" if away > 1e-6 * abs(mean) else "")


def compare_table(run):
    """One line a method and feature count, the exact kernel last."""
    columns = [column for column in COLUMNS if numbers(run.rows, column[0])]
    lines = []
    for method in run.methods():
        rows = run.rows_of(method)
        for features in sorted(set(numbers(rows, "features"))):
            same = [row for row in rows if number(row, "features") == features]
            lines.append([method_text(method), f"{int(features):,}", str(len(same)),
                          *(spread(numbers(same, key), factor, form) for key, _, factor, form in columns)])
    exact = {"accuracy_sketch": "accuracy_exact", "mse_sketch": "mse_exact", "seconds_sketch": "seconds_exact"}
    found = [(numbers(run.rows, exact.get(key, "")), factor, form) for key, _, factor, form in columns]
    cells = [spread([statistics.median(values)] if values else [], factor, form) for values, factor, form in found]
    lines.append(["exact kernel", "–", "–", *cells])
    return table(["method", "features", "seeds", *(text for _, text, _, _ in columns)], lines, {len(lines) - 1})


def all_rows(run):
    """Every number of every row, folded away."""
    plain = [{key: value for key, value in row.items() if not isinstance(value, (dict, list))} for row in run.rows]
    keys = list(dict.fromkeys(key for row in plain for key in row))
    lines = [[cell(row.get(key)) for key in keys] for row in plain]
    return f"<details><summary>Every row and number</summary>{table(keys, lines)}</details>\n"


def cell(value):
    if value is None:
        return "–"
    return f"{value:.5g}" if isinstance(value, float) else str(value)


def compare_html(run):
    sizes = sorted({int(n) for n in numbers(run.rows, "n")})
    parts = ["<p>Sketched kernels against the exact one on the same rows"]
    parts.append(f", n = {', '.join(f'{n:,}' for n in sizes)}" if sizes else "")
    dimension = numbers(run.rows, "statistical_dimension")
    parts.append(f"; statistical dimension {statistics.median(dimension):.1f}" if dimension else "")
    parts.append(".</p>\n" + compare_table(run))
    parts.append("<p class=note>Mean over the seeds ± the farthest seed. Times are those of this run on its machine. "
                 "The speed-up at full n is an extrapolation from the measured costs of a pair and of a row.</p>\n")
    return "".join(parts) + warnings(run) + all_rows(run)


def warnings(run):
    return "".join(f"<p class=warning>{escape(str(text))}</p>" for text in run.data.get("warnings") or [])


def metrics_table(metrics):
    lines = [[name, f"{m['rows']:,}", *(spread(numbers([m], key), factor, form) for key, _, factor, form in METRICS)]
             for name, m in metrics.items() if isinstance(m, dict) and m.get("rows")]
    return table(["rows", "how many", *(text for _, text, _, _ in METRICS)], lines) if lines else ""


def report_html(run):
    data = run.data
    facts = [(text, data[key]) for key, text in FACTS if data.get(key) is not None]
    parts = [table(["", "value"], [[text, f"{v:,}" if isinstance(v, int) else cell(v)] for text, v in facts])]
    metrics = metrics_table(data.get("metrics") or {})
    if metrics:
        parts.append("<h3>How well it predicts</h3>" + metrics)
    seconds = [(name, value) for name, value in (data.get("seconds") or {}).items() if value]
    if seconds:
        head, values = zip(*seconds)
        parts.append("<h3>Seconds, slowest rank</h3>" + table(head, [[f"{value:.2f}" for value in values]]))
    return "".join(parts) + warnings(run)


def config_html(run):
    config = run.data.get("config")
    if not config:
        return ""
    text = config if isinstance(config, str) else json.dumps(config, indent=2)
    return f"<details><summary>Config</summary><pre>{escape(text)}</pre></details>\n"


def image(picture):
    """As an image of its own: what is defined in one SVG cannot meet the same name in another."""
    buffer = io.BytesIO()
    picture.figure.savefig(buffer, format="svg", metadata={"Date": None})
    code = base64.b64encode(buffer.getvalue()).decode("ascii")
    return (f'<figure><img alt="{escape(picture.title)}" src="data:image/svg+xml;base64,{code}">'
            f"<figcaption>{escape(picture.title)}</figcaption></figure>\n")


def section(run, pictures):
    made = " ".join(str(run.data[key]) for key in ("version", "git", "host", "compiler") if run.data.get(key))
    body = compare_html(run) if run.kind == "compare" else report_html(run)
    return (f"<h2>{escape(run.name)}: {run.kind}</h2>\n<p class=note>{escape(str(run.path))}  {escape(made)}</p>\n"
            + body + "".join(map(image, pictures)) + config_html(run))


def write(path, runs, drawn):
    body = [section(run, [picture for picture, owner in drawn if owner is run]) for run in runs]
    rest = [picture for picture, owner in drawn if owner is None]
    if rest:
        body.append("<h2>Kernel</h2>\n" + "".join(map(image, rest)))
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("<!doctype html>\n<html lang=en>\n<head><meta charset=utf-8>\n"
                    '<meta name=viewport content="width=device-width, initial-scale=1">\n'
                    f"<title>nke report</title>\n<style>{STYLE}</style></head>\n<body>\n<h1>nke report</h1>\n"
                    + "".join(body) + "</body>\n</html>\n", encoding="utf-8")
