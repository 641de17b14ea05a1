#!/usr/bin/env python3
"""Reference values of dual activations, for tests/num/test_dual.c.

    python3 -m venv /tmp/v && /tmp/v/bin/pip install mpmath numpy
    /tmp/v/bin/python tools/reference/duals.py > tests/num/data/duals.txt

Each line: kind, number of parameters, parameters, qx, qy, s, k, kdot, every number a double that is read back exactly.
Kinds with a closed form are evaluated from the textbook formula with 150 digits; every such formula is first checked
against quadrature at random points. The others come from that quadrature: Gauss-Legendre panels, graded towards the kinks
and the sharp places of phi, over u and then v given u, in 80-bit floating point (19 digits). It shares neither the
coordinates nor the rule with the library's own quadrature.
"""
import math
import random
import sys

import mpmath as mp
import numpy as np

mp.mp.dps = 150
L = np.longdouble
PI = mp.pi
SELU_SCALE, SELU_ALPHA = 1.0507009873554805, 1.6732632423543772
SIGMOID_LIKE = 1 / mp.mpf("2.4020563531719796")

# ---- quadrature in 80-bit floats -----------------------------------------------------------------------------------


def gauss_legendre(n):
    x, w = np.polynomial.legendre.leggauss(n)
    x = x.astype(L)
    for _ in range(3):  # Newton in 80 bits
        p0, p1 = np.ones_like(x), x
        for k in range(1, n):
            p0, p1 = p1, ((2 * k + 1) * x * p1 - k * p0) / L(k + 1)
        dp = n * (x * p1 - p0) / (x * x - 1)
        x = x - p1 / dp
    return x, 2 / ((1 - x * x) * dp * dp)


NODES, WEIGHTS = gauss_legendre(20)
SPAN = L(12)


def rule(edges):
    edges = np.unique(np.concatenate([[-SPAN, SPAN], np.arange(-11, 12).astype(L), edges]).astype(L))
    edges = edges[(edges >= -SPAN) & (edges <= SPAN)]
    half, mid = (edges[1:] - edges[:-1]) / 2, (edges[1:] + edges[:-1]) / 2
    z = (mid[:, None] + half[:, None] * NODES).ravel()
    w = (half[:, None] * WEIGHTS).ravel() * np.exp(-z * z / 2) / np.sqrt(2 * L(math.pi) + L(2.4492935982947064e-16))
    return z, w


def graded(centre, least, most=L(8)):
    """Edges at doubling distances on both sides of a centre."""
    out, step = [centre], L(least)
    while step < most:
        out += [centre - step, centre + step]
        step *= 2
    return out


def quadrature(f, kinks, sharp, qx, qy, s):
    """(E[f(u) f(v)], E[f'(u) f'(v)]); f gives (phi, phi'). sharp: scale of x on which phi varies."""
    qx, qy, s = L(qx), L(qy), L(s)
    sx, sy = np.sqrt(qx), np.sqrt(qy)
    centres = [L(t) for t in kinks] or [L(0)]
    det = L(0)
    exact = mp.mpf(float(qx)) * mp.mpf(float(qy)) - mp.mpf(float(s)) ** 2
    if exact > 0:
        det = L(mp.nstr(exact, 25))
    tau = np.sqrt(det / qx)
    slope = s / qx
    edges = []
    layer = max(min(tau / sy, L(1)), L(1e-16))
    for t in centres:
        edges += graded(t / sx, min(L(0.5), L(sharp) / sx if not kinks else L(0.5)))
        edges += graded(t / (slope * sx), min(layer, L(0.5))) if s != 0 else []
        if s != 0:
            edges += graded(t / (slope * sx), min(max(layer, L(sharp) / sy), L(0.5)))
    edges = [e for e in edges if np.isfinite(e)]
    z, w = rule(np.array(edges, dtype=L))
    u = sx * z
    fu, du = f(u)
    if det == 0:
        fv, dv = f(slope * u)
        return float(np.sum(w * fu * fv)), float(np.sum(w * du * dv))
    k = kd = L(0)
    for i in range(len(z)):
        if w[i] < 1e-26:
            continue
        m = slope * u[i]
        near = []
        for t in centres:
            c = (t - m) / tau
            if abs(c) < SPAN + 2:
                near += graded(c, max(min(L(0.5), L(sharp) / tau), L(1e-18))) if not kinks else graded(c, L(0.5))
        y, wy = rule(np.array(near, dtype=L))
        fv, dv = f(m + tau * y)
        k += w[i] * fu[i] * np.sum(wy * fv)
        kd += w[i] * du[i] * np.sum(wy * dv)
    return float(k), float(kd)


# ---- activations (phi, phi') in 80 bits ----------------------------------------------------------------------------


def sigmoid(x):
    e = np.exp(-np.abs(x))
    return np.where(x >= 0, 1, e) / (1 + e)


def softplus(x):
    return np.maximum(x, 0) + np.log1p(np.exp(-np.abs(x)))


def sech2(x):
    return 4 * sigmoid(2 * x) * sigmoid(-2 * x)


def clip(x, lo, hi):
    return np.clip(x, L(lo), L(hi)), ((x > lo) & (x < hi)).astype(L)


def silu(x):
    g = sigmoid(x)
    return x * g, g + x * g * sigmoid(-x)


def mish(x):
    t = np.tanh(softplus(x))
    return x * t, t + x * sech2(softplus(x)) * sigmoid(x)


def hard_sigmoid(x):
    f, d = clip(x + 3, 0, 6)
    return f / 6, d / 6


def hard_silu(x):
    f, d = hard_sigmoid(x)
    return x * f, f + x * d


def elu(alpha):
    return lambda x: (np.where(x > 0, x, alpha * np.expm1(np.minimum(x, 0))),
                      np.where(x > 0, 1, alpha * np.exp(np.minimum(x, 0))))


def celu(alpha):
    return lambda x: (np.where(x > 0, x, alpha * np.expm1(np.minimum(x, 0) / alpha)),
                      np.where(x > 0, 1, np.exp(np.minimum(x, 0) / alpha)))


def selu(x):
    f, d = elu(L(SELU_ALPHA))(x)
    return SELU_SCALE * f, SELU_SCALE * d


# kind, parameters, function, kinks, sharpness
NUMERIC = [
    ("elu", [1.0], elu(L(1)), [0], 1), ("elu", [0.5], elu(L(0.5)), [0], 1), ("celu", [2.0], celu(L(2)), [0], 1),
    ("selu", [], selu, [0], 1), ("tanh", [], lambda x: (np.tanh(x), sech2(x)), [], 0.7),
    ("sigmoid", [], lambda x: (sigmoid(x), sigmoid(x) * sigmoid(-x)), [], 1.5),
    ("softplus", [], lambda x: (softplus(x), sigmoid(x)), [], 1.5),
    ("log_sigmoid", [], lambda x: (-softplus(-x), sigmoid(-x)), [], 1.5), ("silu", [], silu, [], 1.5),
    ("mish", [], mish, [], 0.7), ("relu6", [], lambda x: clip(x, 0, 6), [0, 6], 1),
    ("hard_tanh", [], lambda x: clip(x, -1, 1), [-1, 1], 1), ("hard_sigmoid", [], hard_sigmoid, [-3, 3], 1),
    ("hard_silu", [], hard_silu, [-3, 3], 1),
    ("softsign", [], lambda x: (x / (1 + np.abs(x)), 1 / (1 + np.abs(x)) ** 2), [0], 0.5),
]

erf = np.vectorize(lambda x: L(math.erf(float(x))), otypes=[L])

# ---- closed forms with 150 digits -----------------------------------------------------------------------------------


def angle(qx, qy, s):
    r = mp.sqrt(qx * qy)
    return r, (PI / 2 if r == 0 else mp.acos(s / r))


def arc_cosine(n, theta):
    c, w, phi = mp.cos(theta), mp.sin(theta), PI - theta
    j = [phi, w + phi * c]
    for m in range(2, n + 1):
        j.append((2 * m - 1) * c * j[m - 1] + (m - 1) ** 2 * w * w * j[m - 2])
    return j[n]


def rectified(n):
    def f(qx, qy, s):
        r, t = angle(qx, qy, s)
        k = r ** n * arc_cosine(n, t) / (2 * PI)
        return k, (n * n * r ** (n - 1) * arc_cosine(n - 1, t) / (2 * PI) if n else mp.mpf(0))
    return f


def abrelu(a, b):
    def f(qx, qy, s):
        kp, dp = rectified(1)(qx, qy, s)
        km, dm = rectified(1)(qx, qy, -s)
        return (a * a + b * b) * kp - 2 * a * b * km, (a * a + b * b) * dp + 2 * a * b * dm
    return f


def sign(qx, qy, s):
    r, t = angle(qx, qy, s)
    return 1 - 2 * t / PI, mp.mpf(0)


def polynomial(coefs):
    def moment(i, j, qx, qy, s):  # Isserlis: l pairs across, the rest within
        total = mp.mpf(0)
        for l in range(min(i, j) % 2 if (i + j) % 2 == 0 else 99, min(i, j) + 1, 2):
            if (i - l) % 2 or (j - l) % 2:
                continue
            total += (mp.factorial(i) * mp.factorial(j) * s ** l * (qx / 2) ** ((i - l) // 2) * (qy / 2) ** ((j - l) // 2)
                      / (mp.factorial(l) * mp.factorial((i - l) // 2) * mp.factorial((j - l) // 2)))
        return total

    def both(c, qx, qy, s):
        return sum(ci * cj * moment(i, j, qx, qy, s) for i, ci in enumerate(c) for j, cj in enumerate(c))

    c = [mp.mpf(x) for x in coefs]
    d = [i * c[i] for i in range(1, len(c))] or [mp.mpf(0)]
    return lambda qx, qy, s: (both(c, qx, qy, s), both(d, qx, qy, s))


def hermite_coefs(n):
    he = [[mp.mpf(1)], [mp.mpf(0), mp.mpf(1)]]
    for m in range(1, n + 1):
        up = [mp.mpf(0)] + he[m]
        for i, x in enumerate(he[m - 1]):
            up[i] -= m * x
        he.append(up)
    return [x / mp.sqrt(mp.factorial(n)) for x in he[n]]


def erf_dual(a, b, c):
    def f(qx, qy, s):
        t = 2 * b * b
        root = mp.sqrt((1 + t * qx) * (1 + t * qy))
        det = (1 + t * qx) * (1 + t * qy) - t * t * s * s
        return a * a * 2 / PI * mp.asin(t * s / root) + c * c, a * a * 2 * t / PI / mp.sqrt(det)
    return f


def gelu(qx, qy, s):
    r2 = (1 + qx) * (1 + qy)
    w = mp.sqrt(r2 - s * s)
    k = s / 4 + ((s * s + qx * qy * w * w) / (r2 * w) + s * mp.asin(s / mp.sqrt(r2))) / (2 * PI)
    kd = mp.mpf(1) / 4 + (mp.asin(s / mp.sqrt(r2)) + s / w * (1 / (w * w) + (1 - qx * qy) / r2 + 1)) / (2 * PI)
    return k, kd


def sine(a, b, c):
    def f(qx, qy, s):
        p, m = mp.exp(-b * b * (qx + qy - 2 * s) / 2), mp.exp(-b * b * (qx + qy + 2 * s) / 2)
        return a * a / 2 * (p - mp.cos(2 * c) * m), a * a * b * b / 2 * (p + mp.cos(2 * c) * m)
    return f


def exponential(a, b):
    def f(qx, qy, s):
        k = a * a * mp.exp(b * b * (qx + qy + 2 * s) / 2)
        return k, b * b * k
    return f


def gaussian(a, b):
    def f(qx, qy, s):
        det = (1 - 2 * b * qx) * (1 - 2 * b * qy) - 4 * b * b * s * s
        return a * a / mp.sqrt(det), a * a * 4 * b * b * s / det ** mp.mpf(1.5)
    return f


def gabor(qx, qy, s):  # by the imaginary shift of the Gaussian: sin u sin v = (cos(u - v) - cos(u + v)) / 2
    def value(s):
        n = (1 + 2 * qx) * (1 + 2 * qy) - 4 * s * s
        px, py, c = (qx + 2 * (qx * qy - s * s)) / n, (qy + 2 * (qx * qy - s * s)) / n, s / n
        return (mp.exp(-(px + py - 2 * c) / 2) - mp.exp(-(px + py + 2 * c) / 2)) / (2 * mp.sqrt(n))
    return value(s), mp.diff(value, s)


def exp_normalized(gamma, shift):
    def f(qx, qy, s):
        r = mp.sqrt(qx * qy)
        e = mp.exp(gamma * (s / r + shift))
        return r * e, gamma * e
    return f


def np_poly(coefs):
    c = np.array([float(x) for x in coefs])
    return lambda x: (np.polyval(c[::-1].astype(L), x), np.polyval(np.polyder(np.poly1d(c[::-1])).coeffs.astype(L), x))


def step_of(x):
    return (np.sign(x) + 1) / 2


def closed():
    """kind, parameters, formula, (phi, phi') for the check or None, kinks, largest variance asked for."""
    m = mp.mpf
    rows = [("identity", [], polynomial([0, 1]), np_poly([0, 1]), [], 1e12)]
    rows += [("relu", [], abrelu(0, 1), lambda x: (np.maximum(x, 0), step_of(x)), [0], 1e12)]
    for a, b in [(0.25, 2.0), (-1.5, 0.5)]:
        rows += [("abrelu", [a, b], abrelu(m(a), m(b)),
                  lambda x, a=a, b=b: (np.where(x > 0, b * x, a * x), np.where(x > 0, b, a)), [0], 1e12)]
    rows += [("leaky_relu", [0.125], abrelu(m(0.125), 1),
              lambda x: (np.where(x > 0, x, 0.125 * x), np.where(x > 0, 1, 0.125)), [0], 1e12)]
    rows += [("abs", [], abrelu(-1, 1), lambda x: (np.abs(x), np.sign(x)), [0], 1e12)]
    rows += [("sign", [], sign, lambda x: (np.sign(x), 0 * x), [0], 1e12)]
    rows += [("step", [], rectified(0), lambda x: (step_of(x), 0 * x), [0], 1e12)]
    for n in [0, 2, 3, 5]:
        rows += [("rectified_monomial", [float(n)], rectified(n),
                  lambda x, n=n: (np.maximum(x, 0) ** n * step_of(x), n * np.maximum(x, 0) ** max(n - 1, 0) * step_of(x)),
                  [0], 1e6)]
    for n in [0, 2, 5, 8]:
        c = [0.0] * n + [1.0]
        rows += [("monomial", [float(n)], polynomial(c), np_poly(c) if n else None, [], 1e6)]
    c = [0.5, -1.0, 0.25, 0.125]
    rows += [("polynomial", c, polynomial(c), np_poly(c), [], 1e6)]
    for n in [1, 4, 7]:
        rows += [("hermite", [float(n)], polynomial(hermite_coefs(n)), np_poly(hermite_coefs(n)), [], 1e6)]
    for a, b, c in [(1.0, 1.0, 0.0), (2.0, 0.5, -0.75)]:
        rows += [("erf", [a, b, c], erf_dual(m(a), m(b), m(c)),
                  lambda x, a=a, b=b, c=c: (a * erf(b * x) + c, 2 * a * b / L(math.sqrt(math.pi)) * np.exp(-(b * x) ** 2)),
                  [], 1e12)]
    rows += [("sigmoid_like", [], erf_dual(m(0.5), SIGMOID_LIKE, m(0.5)), None, [], 1e12)]
    rows += [("gelu", [], gelu,
              lambda x: (x * (1 + erf(x / math.sqrt(2))) / 2,
                         (1 + erf(x / math.sqrt(2))) / 2 + x * np.exp(-x * x / 2) / math.sqrt(2 * math.pi)), [], 1e12)]
    for a, b, c in [(1.0, 1.0, 0.0), (0.5, 2.0, 0.75)]:
        rows += [("sin", [a, b, c], sine(m(a), m(b), m(c)),
                  lambda x, a=a, b=b, c=c: (a * np.sin(b * x + c), a * b * np.cos(b * x + c)), [], 1e4)]
        rows += [("cos", [a, b, c], sine(m(a), m(b), m(c) + PI / 2),
                  lambda x, a=a, b=b, c=c: (a * np.cos(b * x + c), -a * b * np.sin(b * x + c)), [], 1e4)]
    g = 0.75
    rows += [("rbf", [g], sine(mp.sqrt(2), mp.sqrt(2 * m(g)), PI / 4),
              lambda x: (np.sqrt(L(2)) * np.sin(np.sqrt(L(2 * g)) * x + math.pi / 4),
                         np.sqrt(L(4 * g)) * np.cos(np.sqrt(L(2 * g)) * x + math.pi / 4)), [], 1e4)]
    rows += [("exp", [2.0, 0.5], exponential(m(2), m(0.5)), lambda x: (2 * np.exp(x / 2), np.exp(x / 2)), [], 100)]
    for a, b in [(1.0, -1.0), (1.5, -0.25)]:
        rows += [("gaussian", [a, b], gaussian(m(a), m(b)),
                  lambda x, a=a, b=b: (a * np.exp(b * x * x), 2 * a * b * x * np.exp(b * x * x)), [], 1e12)]
    rows += [("gabor", [], gabor,
              lambda x: (np.exp(-x * x) * np.sin(x), np.exp(-x * x) * (np.cos(x) - 2 * x * np.sin(x))), [], 1e6)]
    rows += [("exp_normalized", [1.0, -1.0], exp_normalized(m(1), m(-1)), None, [], 1e12)]
    rows += [("exp_normalized", [2.5, 0.25], exp_normalized(m(2.5), m(0.25)), None, [], 1e12)]
    return rows


# ---- points --------------------------------------------------------------------------------------------------------

RHOS = [-1, mp.mpf(-1) + mp.mpf(10) ** -12, mp.mpf(-0.999), mp.mpf(0), mp.mpf(0.999), 1 - mp.mpf(10) ** -12, 1]


def covariance(qx, qy, rho):
    return float(rho * mp.sqrt(mp.mpf(qx) * mp.mpf(qy)))


def corners(pairs, rhos):
    return [(qx, qy, covariance(qx, qy, r)) for qx, qy in pairs for r in rhos]


def random_points(rng, n, lo, hi):
    out = []
    for _ in range(n):
        qx, qy = 10 ** rng.uniform(lo, hi), 10 ** rng.uniform(lo, hi)
        out.append((qx, qy, covariance(qx, qy, mp.mpf(rng.uniform(-0.99, 0.99)))))
    return out


def emit(kind, params, qx, qy, s, k, kd):
    numbers = [repr(float(v)) for v in (qx, qy, s, k, kd)]
    print(kind, len(params), *[repr(p) for p in params], *numbers)


def main():
    rng = random.Random(20261123)
    print(f"# kind n parameters qx qy s k kdot; by tools/reference/duals.py, Python {sys.version.split()[0]}, "
          f"mpmath {mp.__version__}, numpy {np.__version__}")
    for kind, params, formula, f, kinks, most in closed():
        if f is not None:
            for qx, qy, s in random_points(rng, 1, -0.5, 0.3):
                want = formula(*[mp.mpf(v) for v in (qx, qy, s)])
                got = quadrature(f, kinks, 0.5, qx, qy, s)
                for g, w in zip(got, want):
                    assert abs(g - w) <= 1e-13 * (1 + abs(w)), (kind, params, qx, qy, s, g, mp.nstr(w, 17))
        points = random_points(rng, 4, -2, 1.5 if most > 1e3 else 0.5)
        points += corners([(1.0, 1.0), (4.0, 1.0), (1e-12, 1e-12), (most, most), (1e-6, 4e-6 * most)], RHOS)
        for qx, qy, s in points:
            k, kd = formula(mp.mpf(qx), mp.mpf(qy), mp.mpf(s))
            emit(kind, params, qx, qy, s, mp.re(k), mp.re(kd))
        print(kind, params, file=sys.stderr)
    for kind, params, f, kinks, sharp in NUMERIC:
        points = random_points(rng, 4, -2, 1.2)
        points += corners([(1.0, 1.0)], RHOS) + corners([(4.0, 1.0), (1e-8, 1e-8), (400.0, 100.0)], [-1, mp.mpf(0.75), 1])
        for qx, qy, s in points:
            emit(kind, params, qx, qy, s, *quadrature(f, kinks, sharp, qx, qy, s))
        print(kind, params, file=sys.stderr)


if __name__ == "__main__":
    main()
