"""Broken data, model and kernel files: how each is made, the command that meets it, its exit code and message."""
import collections
import gzip
import io
import os
import pathlib
import zlib

import h5py
import numpy as np


TABLE = """\
data: {train: {file: good.csv}}
network: [dense, {activation: relu}, dense]
embedding: {kernel: ntk, method: random_features, features: 64}
kernel: {tile: 8}
"""
CSV = "a,b,c,label\n" + "".join(f"{i % 7},{i % 5},{i * i % 11},{i % 2}\n" for i in range(30))
SVM = "".join(f"{i % 2} 1:{i % 7} 3:{i % 5}\n" for i in range(30))


def npy(array, **options):
    file = io.BytesIO()
    np.lib.format.write_array(file, array, **options)
    return file.getvalue()


X, Y = np.arange(60, dtype="f8").reshape(30, 2), np.arange(30) % 2


def chunked(stored, skipped=0, **filters):
    """30 x 2 numbers in two gzipped chunks of 15 rows, the second of them as `stored`."""
    memory = io.BytesIO()
    with h5py.File(memory, "w") as file:
        x = file.create_dataset("x", data=X, chunks=(15, 2), compression="gzip", **filters)
        x.id.write_direct_chunk((15, 0), stored, filter_mask=skipped)
        file["y"] = Y
    return memory.getvalue()


NPY = npy(X)

# A data file: its name and bytes, more of data.train's map, exit code, pattern of the message.
Data = collections.namedtuple("Data", "name bytes more code says")
DATA = [
    Data("empty.csv", "", "", 3, r"empty\.csv.*no rows"),
    Data("header.csv", "a,b,label\n", "", 3, r"header\.csv.*no rows"),
    Data("comments.csv", "# a\n\n# b\n", "", 3, r"comments\.csv.*no rows"),
    Data("ragged.csv", CSV + "1,2,3\n", "", 3, r"ragged\.csv: row 30: .*4 fields, got 3"),
    Data("wide.csv", CSV + "1,2,3,4,5\n", "", 3, r"wide\.csv: row 30: .*4 fields, got 5"),
    Data("word.csv", CSV + "1,two,3,0\n", "", 3, r"word\.csv: row 30: column 1.*two"),
    Data("gap.csv", CSV + "1,,3,0\n", "", 3, r"gap\.csv: row 30: column 1"),
    Data("quote.csv", CSV + '1,"2,3,0\n', "", 3, r"quote\.csv: row 30"),
    Data("nan.csv", CSV + "1,nan,3,0\n", "", 3, r"nan\.csv: x: row 30, column 1.*nan"),
    Data("inf.csv", CSV + "1,2,-1e999,0\n", "", 3, r"inf\.csv: x: row 30, column 2.*inf"),
    Data("half.csv", CSV + "1,2,3,0.5\n", "", 3, r"half\.csv.*row 30.*0\.5"),
    Data("narrow.csv", "1\n2\n", "", 3, r"narrow\.csv.*two columns"),
    Data("zero.csv", CSV + "1,2\0,3,0\n", "", 3, r"zero\.csv: after row 29: a zero byte"),
    Data("column.csv", CSV, "y: nothing", 3, r"column\.csv: no column nothing among 4"),
    Data("number.csv", CSV, "y: 4", 3, r"number\.csv: no column 4 among 4"),
    Data("rows.csv", CSV, "rows: 0:31", 3, r"rows\.csv.*31.*30"),
    Data("constant.csv", "a,label\n" + "1,0\n" * 9, "", 3, r"constant\.csv.*class"),
    Data("binary.csv", bytes(range(1, 256)) * 3, "", 3, r"binary\.csv"),
    Data("cut.csv.gz", gzip.compress((CSV * 20).encode())[:-30], "", 3, r"cut\.csv\.gz.*truncated or damaged"),
    Data("crc.csv.gz", gzip.compress(CSV.encode())[:-8] + bytes(8), "", 3, r"crc\.csv\.gz.*truncated or damaged"),
    Data("flip.csv.gz", gzip.compress(CSV.encode())[:20] + b"\xff" * 9, "", 3, r"flip\.csv\.gz.*truncated or damaged"),
    Data("start.csv.gz", gzip.compress(CSV.encode())[:14] + b"\xff" * 9, "", 3, r"start\.csv\.gz: before row 0: cannot be read"),
    Data("empty.csv.gz", b"", "", 3, r"empty\.csv\.gz.*no rows"),
    Data("label.libsvm", SVM + "yes 1:2\n", "", 3, r"label\.libsvm: row 30: .*label.*yes"),
    Data("zero.libsvm", SVM + "1 0:2\n", "", 3, r"zero\.libsvm: row 30: .*index from 1.*0:2"),
    Data("order.libsvm", SVM + "1 3:2 2:1\n", "", 3, r"order\.libsvm: row 30: index 2 after 3"),
    Data("twice.libsvm", SVM + "1 3:2 3:1\n", "", 3, r"twice\.libsvm: row 30: index 3 after 3"),
    Data("colon.libsvm", SVM + "1 3 2\n", "", 3, r"colon\.libsvm: row 30: .*index:value"),
    Data("value.libsvm", SVM + "1 3:\n", "", 3, r"value\.libsvm: row 30: index 3.*number"),
    Data("space.libsvm", SVM + "1 3: 2\n", "", 3, r"space\.libsvm: row 30: index 3.*number"),
    Data("word.libsvm", SVM + "1 3:x\n", "", 3, r"word\.libsvm: row 30: index 3.*x"),
    Data("nan.libsvm", SVM + "1 3:nan\n", "", 3, r"nan\.libsvm: x: row 30, column 2"),
    Data("huge.libsvm", SVM + "1 1099511627776:1\n", "", 2, r"out of memory|memory_per_rank"),
    Data("past.libsvm", SVM + "1 99999999999999999999:1\n", "", 3, r"past\.libsvm: row 30"),
    Data("labels.libsvm", "1\n0\n1\n", "", 3, r"labels\.libsvm: no index:value"),
    Data("few.libsvm", SVM, "x: 2", 3, r"few\.libsvm: index 3.*2"),
    Data("cut.svm.gz", gzip.compress((SVM * 20).encode())[:-30], "", 3, r"cut\.svm\.gz.*truncated or damaged"),
    Data("text.npy", "not npy, but long enough", "y: y.npy", 3, r"text\.npy: not an npy file"),
    Data("empty.npy", "", "y: y.npy", 3, r"empty\.npy: not an npy file"),
    Data("header.npy", NPY[:40], "y: y.npy", 3, r"header\.npy.*truncated or damaged"),
    Data("cut.npy", NPY[:-8], "y: y.npy", 3, r"cut\.npy: truncated"),
    Data("version.npy", NPY[:6] + b"\x09" + NPY[7:], "y: y.npy", 3, r"version\.npy: npy version 9"),
    Data("order.npy", npy(np.asfortranarray(X)).replace(b"True", b"Trve"), "y: y.npy", 3, r"order\.npy: no fortran_order"),
    Data("endian.npy", npy(X.astype(">f8")), "y: y.npy", 3, r"endian\.npy: big-endian"),
    Data("complex.npy", npy(X.astype("c16")), "y: y.npy", 3, r"complex\.npy.*<c16"),
    Data("half.npy", npy(X.astype("f2")), "y: y.npy", 3, r"half\.npy.*<f2"),
    Data("text-array.npy", npy(X.astype("U3")), "y: y.npy", 3, r"text-array\.npy.*<U"),
    Data("pickle.npy", npy(X.astype(object), allow_pickle=True), "y: y.npy", 3, r"pickle\.npy.*\|O"),
    Data("one.npy", npy(X[:, 0].copy()), "y: y.npy", 3, r"one\.npy.*1 dimension"),
    Data("five.npy", npy(X.reshape(30, 1, 1, 1, 2)), "y: y.npy", 3, r"five\.npy.*4 dimensions"),
    Data("none.npy", npy(X[:0]), "y: y.npy", 3, r"none\.npy.*dimension 0 is empty"),
    Data("shape.npy", NPY.replace(b"(30, 2)", b"(9e9, )"), "y: y.npy", 3, r"shape\.npy: bad shape"),
    Data("huge.npy", NPY.replace(b"(30, 2), }" + b" " * 20, b"(4611686018427387903, 5), }   "), "y: y.npy", 3,
         r"huge\.npy: truncated"),
    Data("short.npy", npy(X[:20]), "y: y.npy", 3, r"y\.npy.*20 rows.*30"),
    Data("target.npy", NPY, "y: nowhere.npy", 3, r"nowhere\.npy: No such file"),
    Data("bare.npy", NPY, "", 3, r"bare\.npy.*no targets"),
    Data("pipe.csv", None, "", 3, r"pipe\.csv: expected a file"),
    Data("pipe.npy", None, "y: y.npy", 3, r"pipe\.npy: expected a file"),
    Data("pipe.h5", None, "x: /x, y: /y", 3, r"pipe\.h5: expected a file"),
    Data("chunk-short.h5", chunked(zlib.compress(bytes(8))), "x: /x, y: /y", 3, r"chunk-short\.h5: /x: the chunk.* row 15 "),
    Data("chunk-long.h5", chunked(zlib.compress(bytes(480))), "x: /x, y: /y", 3, r"chunk-long\.h5: /x: the chunk.* row 15 "),
    Data("chunk-plain.h5", chunked(bytes(8), 1), "x: /x, y: /y", 3, r"chunk-plain\.h5: /x: the chunk.* row 15 "),
    Data("chunk-filter.h5", chunked(bytes(240), 1, scaleoffset=2), "x: /x, y: /y", 3, r"chunk-filter\.h5: /x: packed by filter 6"),
    Data("chunk-noise.h5", chunked(bytes(range(99))), "x: /x, y: /y", 3, r"chunk-noise\.h5: /x: the chunk.* row 15 "),
    Data("no-extension", CSV, "", 3, r"no-extension: unknown file type"),
]

# Another file made from a good one by `change`, which gets the open HDF5 file or, if it starts with bytes_, the bytes.
Changed = collections.namedtuple("Changed", "name change code says")


def bytes_cut(data):
    return data[:len(data) // 2]


def bytes_flip(data, marker=b"OHDR", after=30):
    at = data.rindex(marker) + after
    return data[:at] + bytes([data[at] ^ 16]) + data[at + 1:]


def bytes_signature(data):
    return b"\x89HDX" + data[4:]


def bytes_text(_):
    return b"a text\n" * 100


def bytes_nothing(_):
    return b""


def replace(name, array):
    def change(file):
        attributes = dict(file[name].attrs)
        del file[name]
        file[name] = array
        file[name].attrs.update(attributes)
    return change


def attribute(owner, key, value):
    def change(file):
        if value is None:
            del file[owner].attrs[key]
        elif isinstance(value, str):  # as nke stores it
            file[owner].attrs[key] = np.array(value.encode(), h5py.string_dtype("utf-8", len(value) + 1))
        else:
            file[owner].attrs[key] = value
    return change


def delete(name):
    def change(file):
        del file[name]
    return change


def one_weight(file):
    file["weights"][3, 0] += 1


MODELS = [  # predict NAME good.h5
    Changed("model-empty.h5", bytes_nothing, 3, "model-empty.*not an HDF5 file"),
    Changed("model-text.h5", bytes_text, 3, "model-text.*not an HDF5 file"),
    Changed("model-cut.h5", bytes_cut, 3, "model-cut.*truncated"),
    Changed("model-signature.h5", bytes_signature, 3, "model-signature.*not an HDF5 file"),
    Changed("model-flip.h5", bytes_flip, 3, "model-flip"),
    Changed("model-mark.h5", attribute("/", "nke", None), 3, "model-mark.*expected a file written by nke"),
    Changed("model-no-kind.h5", attribute("/", "kind", None), 3, "model-no-kind.*kind"),
    Changed("model-kind.h5", attribute("/", "kind", "kernel"), 3, "model-kind.*expected a model.*kernel"),
    Changed("model-kind-number.h5", attribute("/", "kind", 3), 3, "model-kind-number.*wrong type"),
    Changed("model-no-config.h5", attribute("/", "config", None), 3, "model-no-config.*config"),
    Changed("model-config.h5", attribute("/", "config", "{"), 3, "model-config"),
    Changed("model-no-network.h5", attribute("/", "config", "run: {}"), 3, "model-no-network.*network"),
    Changed("model-revision.h5", attribute("/", "features_revision", 1), 3, "model-revision.*revision 1 of the features"),
    Changed("model-lambda.h5", attribute("/", "lambda_relative", "x"), 3, "model-lambda.*wrong type"),
    Changed("model-no-weights.h5", delete("weights"), 3, "model-no-weights.*/weights"),
    Changed("model-weights-flip.h5", one_weight, 3, "model-weights-flip.*checksum"),
    Changed("model-weights-shape.h5", replace("weights", np.zeros((5, 3))), 3, "model-weights-shape"),
    Changed("model-weights-axes.h5", replace("weights", np.zeros(5)), 3, "model-weights-axes.*2 dimensions"),
    Changed("model-weights-none.h5", replace("weights", np.zeros((0, 3))), 3, "model-weights-none"),
    Changed("model-weights-text.h5", replace("weights", np.array([[b"a", b"b"]])), 3, "model-weights-text.*/weights"),
    Changed("model-no-shape.h5", delete("shape"), 3, "model-no-shape.*/shape"),
    Changed("model-shape.h5", replace("shape", np.array([2, 6, 6])), 3, "model-shape.*/shape"),
    Changed("model-no-targets.h5", delete("targets"), 3, "model-no-targets.*/targets"),
    Changed("model-classes.h5", delete("targets/classes"), 3, "model-classes.*/targets/classes"),
    Changed("model-task.h5", attribute("targets", "columns", 7), 3, "model-task.*/targets"),
    Changed("model-no-steps.h5", attribute("preprocess", "steps", None), 3, "model-no-steps.*steps"),
    Changed("model-steps.h5", attribute("preprocess", "steps", 1 << 40), 3, "model-steps.*steps"),
    Changed("model-step.h5", attribute("preprocess", "steps", 2), 3, "model-step.*step1"),
    Changed("model-mean.h5", replace("preprocess/step0/mean", np.zeros(3)), 3, "model-mean.*mean"),
    Changed("model-height.h5", attribute("preprocess", "height", 5), 3, r"model-height.*\[n, 5, 6, 1\]"),
]

KERNELS = [  # kernel table.yaml --set kernel.file=NAME
    Changed("kernel-text.h5", bytes_text, 3, "kernel-text"),
    Changed("kernel-empty.h5", bytes_nothing, 3, "kernel-empty"),
    Changed("kernel-cut.h5", bytes_cut, 3, "kernel-cut.*truncated"),
    Changed("kernel-flip.h5", bytes_flip, 3, "kernel-flip"),
    Changed("kernel-mark.h5", attribute("/", "nke", None), 3, "kernel-mark.*expected a file written by nke"),
    Changed("kernel-no-identity.h5", attribute("/", "identity", None), 2, "kernel-no-identity.*holds no kernel"),
    Changed("kernel-identity.h5", attribute("/", "identity", "x"), 2, "kernel-identity.*another config"),
    Changed("kernel-no-done.h5", delete("done"), 3, "kernel-no-done.*/done"),
    Changed("kernel-done.h5", replace("done", np.zeros(3, "u1")), 3, "kernel-done.*/done"),
    Changed("kernel-no-ntk.h5", delete("train/ntk"), 3, "kernel-no-ntk.*/train/ntk"),
    Changed("kernel-shape.h5", replace("train/nngp", np.zeros((30, 29))), 3, "kernel-shape.*/train/nngp"),
    Changed("kernel-text-values.h5", replace("train/ntk", np.full((30, 30), b"a")), 3, "kernel-text-values.*/train/ntk"),
    Changed("kernel-group.h5", lambda file: (delete("train/ntk")(file), file.create_group("train/ntk")), 3,
            "kernel-group.*/train/ntk"),
    Changed("kernel-chunks.h5", lambda file: (delete("train/ntk")(file), file["train"].create_dataset(
        "ntk", (1 << 40, 1 << 20), chunks=(1, 1))), 3, "kernel-chunks.*/train/ntk"),
    Changed("kernel-packed.h5", lambda file: (delete("train/ntk")(file), file["train"].create_dataset(
        "ntk", data=np.zeros((30, 30)), chunks=(8, 8), compression="gzip")), 3, "kernel-packed.*/train/ntk"),
    Changed("kernel-holes.h5", lambda file: (delete("train/ntk")(file), file["train"].create_dataset(
        "ntk", (30, 30), dtype="f8", chunks=(8, 8))), 3, "kernel-holes.*/train/ntk"),
]


def make_data(folder):
    for case in DATA:
        path = os.path.join(folder, case.name)
        if case.bytes is None:
            os.mkfifo(path)
        else:
            pathlib.Path(path).write_bytes(case.bytes.encode() if isinstance(case.bytes, str) else case.bytes)
    pathlib.Path(folder, "good.csv").write_text(CSV)
    pathlib.Path(folder, "y.npy").write_bytes(npy(Y))
    pathlib.Path(folder, "table.yaml").write_text(TABLE)


def make_changed(folder, good, cases):
    data = pathlib.Path(folder, good).read_bytes()
    for case in cases:
        path = pathlib.Path(folder, case.name)
        if getattr(case.change, "__name__", "").startswith("bytes_"):
            path.write_bytes(case.change(data))
        else:
            path.write_bytes(data)
            with h5py.File(path, "r+") as file:
                case.change(file)
