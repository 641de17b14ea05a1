"""Heat map of the exact kernel, and of the features' inner products on the same rows."""
import h5py
import matplotlib.pyplot as plt
import numpy as np

from .figures import Picture
from .results import Unusable

ROWS = 256


def read(path, name):
    """The first ROWS rows of a data set of two axes, in double."""
    try:
        with h5py.File(path, "r") as file:
            if name not in file or file[name].ndim != 2:
                raise Unusable(f"{path}: no /{name} with two axes; there is {', '.join(file) or 'nothing'}")
            return file[name][:ROWS].astype(np.float64), file[name].shape
    except OSError as error:
        raise Unusable(f"{path}: cannot be read as HDF5: {error}") from None


def panels(kernel, features, which):
    """[(title, matrix, scale), ...]; the difference has a scale of its own, symmetric around 0."""
    exact, shape = read(kernel, f"train/{which}")
    exact = exact[:, :len(exact)]
    if not np.isfinite(exact).all():
        raise Unusable(f"{kernel}: /train/{which}: not finite; are all tiles computed?")
    # The diagonal stands far above the rest: the scale is that of the pairs.
    pairs = exact[~np.eye(len(exact), dtype=bool)]
    scale = np.percentile(pairs, (0.5, 99.5)) if pairs.size else (0, exact.max())
    found = [(f"K, {which.upper()}, exact", exact, scale, "viridis")]
    if features:
        z, z_shape = read(features, "train/features")
        if z_shape[0] != shape[0]:
            raise Unusable(f"{features}: {z_shape[0]} rows, but {kernel} has {shape[0]}")
        sketched = z @ z.T
        edge = np.abs(sketched - exact).max()
        found += [(f"Z Z', {z_shape[1]:,} features", sketched, scale, "viridis"),
                  ("Z Z' - K", sketched - exact, (-edge, edge), "RdBu_r")]
    return found


def picture(kernel, features, which):
    found = panels(kernel, features, which)
    figure, axes = plt.subplots(1, len(found), figsize=(4.3 * len(found), 3.9), squeeze=False)
    for axis, (title, matrix, (low, high), colours) in zip(axes[0], found):
        image = axis.imshow(matrix, vmin=low, vmax=high, cmap=colours, interpolation="nearest")
        axis.set_title(title, fontsize=11)
        axis.grid(False)
        figure.colorbar(image, ax=axis, fraction=0.046, pad=0.04, extend="both" if colours == "viridis" else "neither")
    axes[0][0].set(xlabel="row", ylabel="row")
    figure.tight_layout()
    return Picture("kernel-heat", f"The first {len(found[0][1])} rows of the kernel", figure)
