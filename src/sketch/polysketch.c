/* The tree as a heap of levels: node (L, i) covers the leaves [i 2^L, (i + 1) 2^L). What a node gives to its parent is
 * a `factor`, its value through its side of the parent's TensorSRHT. A node is full (all x), constant (all e1), or
 * mixed; in power l exactly the ancestors of the boundary between leaf l - 1 and leaf l are mixed, one a level. So the
 * factors of full nodes are made once a row, those of constant nodes once a plan, and a power walks from the boundary
 * up. */
#include "sketch/polysketch.h"

#include "base/memory.h"
#include "sketch/plan.h"
#include "sketch/tensor_srht.h"

enum { LEVELS = 7 }; /* of leaves 0 .. 6: 2^6 leaves */

struct nke_polysketch {
  nke_precision precision;
  int q, top; /* p = 2^top leaves */
  int64_t m;
  nke_sketch **leaf;              /* [p]; those from q on see e1 only */
  nke_tensor_srht **node[LEVELS]; /* [level][p >> level], from level 1 */
  void *full[LEVELS];             /* factors [level][p >> level][m] */
  void *constant[LEVELS];
  void *value, *factor; /* [m] */
};

static int node_count(const nke_polysketch *t, int level)
{
  return 1 << (t->top - level);
}

static void *at(const nke_polysketch *t, void *const *factors, int level, int i)
{
  return nke_entry(t->precision, factors[level], i * t->m);
}

/* The factor of node (level, i) from its value. */
static void to_factor(const nke_polysketch *t, int level, int i, const void *value, void *factor)
{
  nke_tensor_srht_factor(t->node[level + 1][i / 2], i % 2, value, factor);
}

/* value = node (level, i) from the factors of its children. */
static void combine(const nke_polysketch *t, void *const *factors, int level, int i, void *value)
{
  nke_tensor_srht_multiply(t->node[level][i], at(t, factors, level - 1, 2 * i), at(t, factors, level - 1, 2 * i + 1),
                           value);
}

/* Factors of the constant nodes, and of all others as if they were: only those right of leaf 0 are ever read. */
static nke_status plan_constants(nke_polysketch *t, int64_t n)
{
  nke_status st = NKE_OK;
  void *e1 = NULL;
  NKE_TRY(nke_calloc(n, (size_t)nke_precision_bytes(t->precision), "PolySketch", &e1));
  nke_entry_set(t->precision, e1, 0, 1);
  for (int i = 0; t->top > 0 && i < node_count(t, 0); i++) {
    nke_sketch_apply(t->leaf[i], e1, t->value);
    to_factor(t, 0, i, t->value, at(t, t->constant, 0, i));
  }
  for (int level = 1; level < t->top; level++)
    for (int i = 0; i < node_count(t, level); i++) {
      combine(t, t->constant, level, i, t->value);
      to_factor(t, level, i, t->value, at(t, t->constant, level, i));
    }
done:
  nke_free(e1);
  return st;
}

static nke_status plan(nke_polysketch *t, const nke_sketch_kind *leaf, int64_t n, nke_draws *draws)
{
  nke_status st = NKE_OK;
  const size_t size = (size_t)nke_precision_bytes(t->precision);
  NKE_TRY(nke_calloc(node_count(t, 0), sizeof *t->leaf, "PolySketch", &t->leaf));
  for (int i = 0; i < node_count(t, 0); i++)
    NKE_TRY(nke_sketch_create(leaf, t->precision, n, t->m, draws, &t->leaf[i]));
  for (int level = 1; level <= t->top; level++) {
    NKE_TRY(nke_calloc(node_count(t, level), sizeof *t->node[level], "PolySketch", &t->node[level]));
    for (int i = 0; i < node_count(t, level); i++)
      NKE_TRY(nke_tensor_srht_create(t->precision, t->m, t->m, t->m, draws, &t->node[level][i]));
  }
  for (int level = 0; level < t->top; level++) {
    NKE_TRY(nke_alloc(node_count(t, level) * t->m, size, "PolySketch", &t->full[level]));
    NKE_TRY(nke_alloc(node_count(t, level) * t->m, size, "PolySketch", &t->constant[level]));
  }
  NKE_TRY(nke_alloc(t->m, size, "PolySketch", &t->value));
  NKE_TRY(nke_alloc(t->m, size, "PolySketch", &t->factor));
  NKE_TRY(plan_constants(t, n));
done:
  return st;
}

nke_status nke_polysketch_create(const nke_sketch_kind *leaf, nke_precision precision, int q, int64_t n, int64_t m,
                                 nke_draws *draws, nke_polysketch **out)
{
  nke_status st = NKE_OK;
  nke_polysketch *t = NULL;
  *out = NULL;
  if (q < 1 || q > NKE_POLYSKETCH_MAX_DEGREE) {
    st = nke_fail(NKE_ERR_USAGE, "PolySketch: degree %d, expected 1 to %d", q, NKE_POLYSKETCH_MAX_DEGREE);
    goto done;
  }
  NKE_TRY(nke_calloc(1, sizeof *t, "PolySketch", &t));
  t->precision = precision;
  t->q = q;
  t->m = m;
  while (1 << t->top < q) t->top++;
  NKE_TRY(plan(t, leaf, n, draws));
  *out = t;
  t = NULL;
done:
  nke_polysketch_destroy(&t);
  return st;
}

void nke_polysketch_destroy(nke_polysketch **sketch)
{
  nke_polysketch *t = *sketch;
  if (!t) return;
  for (int level = 0; level <= t->top; level++) {
    for (int i = 0; t->node[level] && i < node_count(t, level); i++) nke_tensor_srht_destroy(&t->node[level][i]);
    nke_free(t->node[level]);
    nke_free(t->full[level]);
    nke_free(t->constant[level]);
  }
  for (int i = 0; t->leaf && i < node_count(t, 0); i++) nke_sketch_destroy(&t->leaf[i]);
  nke_free(t->leaf);
  nke_free(t->value);
  nke_free(t->factor);
  nke_free(t);
  *sketch = NULL;
}

/* Power l < p: from the boundary node up, each time joined with its sibling, constant right or full left. */
static void mixed_power(nke_polysketch *t, int l, void *out)
{
  int level = __builtin_ctz((unsigned)l), i = l >> level; /* (level, i) is constant, (level, i - 1) full */
  nke_tensor_srht_multiply(t->node[level + 1][i / 2], at(t, t->full, level, i - 1), at(t, t->constant, level, i), out);
  for (level++, i /= 2; level < t->top; level++, i /= 2) {
    to_factor(t, level, i, out, t->factor);
    if (i % 2)
      nke_tensor_srht_multiply(t->node[level + 1][i / 2], at(t, t->full, level, i - 1), t->factor, out);
    else
      nke_tensor_srht_multiply(t->node[level + 1][i / 2], t->factor, at(t, t->constant, level, i + 1), out);
  }
}

/* All powers once the leaves' factors are in place. */
static void climb(nke_polysketch *t, void *powers)
{
  for (int level = 1; level < t->top; level++)
    for (int i = 0; i < t->q >> level; i++) {
      combine(t, t->full, level, i, t->value);
      to_factor(t, level, i, t->value, at(t, t->full, level, i));
    }
  for (int l = 1; l <= t->q; l++) {
    void *const out = nke_entry(t->precision, powers, (l - 1) * t->m);
    if (l < 1 << t->top)
      mixed_power(t, l, out);
    else
      combine(t, t->full, t->top, 0, out);
  }
}

void nke_polysketch_apply(nke_polysketch *t, const void *x, void *powers)
{
  if (t->top == 0) {
    nke_sketch_apply(t->leaf[0], x, powers);
    return;
  }
  for (int i = 0; i < t->q; i++) {
    nke_sketch_apply(t->leaf[i], x, t->value);
    to_factor(t, 0, i, t->value, at(t, t->full, 0, i));
  }
  climb(t, powers);
}

void nke_polysketch_apply_sparse(nke_polysketch *t, int64_t nnz, const int64_t *index, const void *value, void *powers)
{
  if (t->top == 0) {
    nke_sketch_apply_sparse(t->leaf[0], nnz, index, value, powers);
    return;
  }
  for (int i = 0; i < t->q; i++) {
    nke_sketch_apply_sparse(t->leaf[i], nnz, index, value, t->value);
    to_factor(t, 0, i, t->value, at(t, t->full, 0, i));
  }
  climb(t, powers);
}

/* Transforms of m that power l < p needs: one for each mixed node below the root. */
static int mixed_transforms(const nke_polysketch *t, int l)
{
  return l < 1 << t->top ? t->top - 1 - __builtin_ctz((unsigned)l) : 0;
}

double nke_polysketch_flops(const nke_polysketch *t)
{
  double flops = t->q * nke_sketch_flops(t->leaf[0]);
  if (t->top == 0) return flops;
  double transforms = 0, products = 0;
  for (int level = 0; level < t->top; level++) {
    transforms += t->q >> level;
    products += t->q >> (level + 1);
  }
  for (int l = 1; l <= t->q; l++) {
    transforms += mixed_transforms(t, l);
    products += l < 1 << t->top ? mixed_transforms(t, l) + 1 : 0;
  }
  return flops + transforms * nke_tensor_srht_flops(t->node[1][0], 0) + 2 * products * (double)t->m;
}

int64_t nke_polysketch_bytes(const nke_polysketch *t)
{
  const int64_t p = node_count(t, 0);
  int64_t bytes = (2 + (t->top > 0 ? 2 * (2 * p - 2) : 0)) * t->m * nke_precision_bytes(t->precision);
  for (int i = 0; i < p; i++) bytes += nke_sketch_bytes(t->leaf[i]);
  if (t->top > 0) bytes += (p - 1) * nke_tensor_srht_bytes(t->node[1][0]);
  return bytes;
}
