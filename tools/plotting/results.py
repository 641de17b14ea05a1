"""compare.json and report.json, read with a clear word where they are not what they should be."""
import json
import math


class Unusable(Exception):
    """One line for the user: which file, and what is wrong with it."""


class Run:
    """One results file. kind: compare or report; data: the JSON object; prefix: what its pictures' names begin with."""

    def __init__(self, path, data):
        self.path, self.data, self.prefix = path, data, ""
        self.kind = "compare" if isinstance(data.get("rows"), list) else "report"
        self.name = path.resolve().parent.name
        if self.kind == "report" and "command" not in data:
            raise Unusable(f"{path}: neither compare.json (rows) nor report.json (command)")
        self.rows = [row for row in data.get("rows") or [] if isinstance(row, dict)]

    def methods(self):
        return list(dict.fromkeys(str(row["method"]) for row in self.rows if "method" in row))

    def rows_of(self, method):
        return [row for row in self.rows if row.get("method") == method]


def number(row, key):
    """row[key] as a finite float; None where it is missing, null or no number."""
    value = row.get(key)
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not math.isfinite(value):
        return None
    return float(value)


def numbers(rows, key):
    return [value for value in (number(row, key) for row in rows) if value is not None]


def load(path):
    try:
        data = json.loads(path.read_text(encoding="utf-8"))
    except (ValueError, RecursionError) as error:
        raise Unusable(f"{path}: not JSON: {error}") from None
    if not isinstance(data, dict):
        raise Unusable(f"{path}: expected an object, got {type(data).__name__}")
    return Run(path, data)


# What comparisons must have in common to be one: the same exact kernel of the same rows, and its lambda.
SAME = [("data",), ("network",), ("embedding", "kernel"), ("embedding", "symmetrize"), ("embedding", "scale_to_exact"),
        ("solver", "lambda"), ("run", "precision")]


def section(text, keys):
    """The lines of a key of a resolved config (YAML, indented by two spaces a level)."""
    lines, indent = text.splitlines(), ""
    for key in keys:
        begin = next((k for k, line in enumerate(lines) if line.startswith(f"{indent}{key}:")), None)
        if begin is None:
            return []
        end = begin + 1
        while end < len(lines) and lines[end].startswith(indent + " "):
            end += 1
        lines, indent = lines[begin:end], indent + "  "
    return lines


def joined(runs):
    """The comparisons as one, with the rows of all, at the place of the first; reports stay as they are."""
    parts = [run for run in runs if run.kind == "compare"]
    if len(parts) < 2:
        return runs
    first = parts[0]
    for run in parts[1:]:
        for keys in SAME:
            if section(run.data.get("config", ""), keys) != section(first.data.get("config", ""), keys):
                raise Unusable(f"{run.path}: cannot be joined to {first.path}: another {'.'.join(keys)}")
    rows = [{"ranks": run.data.get("ranks"), **row} for run in parts for row in run.rows]
    whole = Run(first.path, {**first.data, "rows": rows})
    return [whole if run is first else run for run in runs if run is first or run not in parts]


def load_all(paths, join=False):
    """All runs; where several are of one kind, each gets the name of its folder as a prefix, numbered if need be."""
    runs = [load(path) for path in paths]
    if join:
        runs = joined(runs)
    for run in runs:
        alike = [other for other in runs if other.kind == run.kind]
        if len(alike) > 1:
            same = [other for other in alike if other.name == run.name]
            run.prefix = run.name + (f"-{same.index(run) + 1}" if len(same) > 1 else "") + "-"
    return runs
