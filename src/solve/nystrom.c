#include "solve/precondition.h"

#include "base/checked.h"
#include "base/memory.h"
#include "base/rng.h"
#include "dist/collect.h"
#include "num/blas.h"
#include "num/gemm.h"
#include "solve/petsc_status.h"
#include "solve/scratch.h"

#include <math.h>
#include <petscsys.h>
#include <string.h>

/* Columns of a product with A, whose vectors are whole on every rank; where it makes A anew. */
enum { COLUMNS = 32, COLUMNS_DEAR = 256 };

typedef struct nystrom {
  MPI_Comm comm;
  int64_t n_loc, rank; /* the rank falls to what the numbers bear */
  double *u;           /* [n_loc, rank] */
  double *w;           /* [rank] ascending */
  double shift;
  nke_scratch part; /* U'r [rank, k] */
} nystrom;

static nke_status set(void *context, double shift)
{
  ((nystrom *)context)->shift = shift;
  return NKE_OK;
}

static nke_status apply(void *context, int k, const double *r_loc, double *z_loc)
{
  nke_status st = NKE_OK;
  nystrom *const p = context;
  NKE_TRY(nke_scratch_reserve(p->comm, p->rank, k, &p->part));
  double *const part = p->part.at;
  st = nke_gemm(NKE_DOUBLE, NKE_TRANSPOSED, NKE_PLAIN, p->rank, k, p->n_loc, p->u, p->rank, r_loc, k, 0.0, part, k);
  if (p->n_loc == 0) memset(part, 0, (size_t)(p->rank * k) * sizeof *part);
  NKE_TRY(nke_agree(p->comm, st));
  nke_sum_over_ranks(p->comm, p->rank * k, part);
  for (int64_t i = 0; i < p->rank; i++)
    for (int c = 0; c < k; c++) part[i * k + c] *= (p->w[0] + p->shift) / (p->w[i] + p->shift) - 1;
  if (p->n_loc > 0) memcpy(z_loc, r_loc, (size_t)(p->n_loc * k) * sizeof *z_loc);
  st = nke_gemm(NKE_DOUBLE, NKE_PLAIN, NKE_PLAIN, p->n_loc, k, p->rank, p->u, p->rank, part, k, 1.0, z_loc, k);
done:
  return st;
}

static void destroy(void *context)
{
  nystrom *const p = context;
  nke_free(p->u);
  nke_free(p->w);
  nke_scratch_clear(&p->part);
  nke_free(p);
}

int nke_nystrom_columns(bool dear)
{
  return dear ? COLUMNS_DEAR : COLUMNS;
}

/* y [mine, r] = A x, a few columns at a time. */
static nke_status multiply(const nke_operator *a, int64_t r, const double *x, double *y)
{
  nke_status st = NKE_OK;
  const int64_t n_loc = a->parts.mine.end - a->parts.mine.begin;
  const int64_t most = nke_nystrom_columns(a->dear);
  double *in = NULL, *out = NULL;
  st = nke_alloc(n_loc * most, sizeof *in, "random vectors", &in);
  if (st == NKE_OK) st = nke_alloc(n_loc * most, sizeof *out, "random vectors", &out);
  NKE_TRY(nke_agree(a->parts.comm, st));
  for (int64_t first = 0; first < r; first += most) {
    const int64_t k = nke_min(most, r - first);
    for (int64_t i = 0; i < n_loc; i++) memcpy(in + i * k, x + i * r + first, (size_t)k * sizeof *in);
    NKE_TRY(a->multiply(a->context, (int)k, in, out));
    for (int64_t i = 0; i < n_loc; i++) memcpy(y + i * r + first, out + i * k, (size_t)k * sizeof *out);
  }
done:
  nke_free(in);
  nke_free(out);
  return st;
}

/* c [p, q] <- A'B summed over the ranks, A [n_loc, p], B [n_loc, q]. Collective. */
static nke_status inner(MPI_Comm comm, int64_t n_loc, int64_t p, const double *a, int64_t q, const double *b, double *c)
{
  memset(c, 0, (size_t)(p * q) * sizeof *c);
  const nke_status st = nke_agree(comm, nke_gemm(NKE_DOUBLE, NKE_TRANSPOSED, NKE_PLAIN, p, q, n_loc, a, p, b, q, 0.0, c, q));
  if (st == NKE_OK) nke_sum_over_ranks(comm, p * q, c);
  return st;
}

/* Symmetric s [r, r] = V diag(w) V': afterwards row i of s is the eigenvector of w[i], ascending; rank 0's on every
 * rank, so that all have the same signs and bases. Collective. */
static nke_status decompose(MPI_Comm comm, int64_t r, double *s, double *w)
{
  nke_status st = NKE_OK;
  NKE_TRY(nke_agree(comm, nke_dsyevd(r, s, w)));
  nke_share_bytes(comm, r * r * (int64_t)sizeof *s, s);
  NKE_TRY_MPI(MPI_Bcast(w, (int)r, MPI_DOUBLE, 0, comm));
done:
  return st;
}

/* Rows of the eigenvectors in s whose value is above `least` times the largest, each over the value's root, come first;
 * returns how many. */
static int64_t take_roots(int64_t r, double least, double *s, double *w)
{
  int64_t kept = 0;
  for (int64_t i = 0; i < r; i++) {
    if (!(w[i] > least * w[r - 1])) continue;
    for (int64_t j = 0; j < r; j++) s[kept * r + j] = s[i * r + j] / sqrt(w[i]);
    w[kept++] = w[i];
  }
  return kept;
}

/* x [n_loc, r] <- x V w^-1/2 [n_loc, *q] for the symmetric s = V diag(w) V', w > least * the largest; w [*q] ascending.
 * Directions in which the small matrix is rounding alone are left out. Collective. */
static nke_status change_basis(const nystrom *p, int64_t r, double least, double *s, double *w, double *x, int64_t *q)
{
  nke_status st = NKE_OK;
  double *y = NULL;
  NKE_TRY(nke_agree(p->comm, nke_alloc(p->n_loc * r, sizeof *y, "preconditioner", &y)));
  for (int64_t i = 0; i < r; i++)
    for (int64_t j = 0; j < i; j++) s[i * r + j] = s[j * r + i] = (s[i * r + j] + s[j * r + i]) / 2;
  NKE_TRY(decompose(p->comm, r, s, w));
  *q = take_roots(r, least, s, w);
  if (*q == 0) st = nke_fail(NKE_ERR_NUMERIC, "Nystrom approximation: the matrix is zero or not positive");
  if (*q == 0) goto done;
  NKE_TRY(nke_agree(p->comm, nke_gemm(NKE_DOUBLE, NKE_PLAIN, NKE_TRANSPOSED, p->n_loc, *q, r, x, r, s, r, 0.0, y, *q)));
  if (p->n_loc > 0) memcpy(x, y, (size_t)(p->n_loc * *q) * sizeof *x);
done:
  nke_free(y);
  return st;
}

/* omega [mine, *q]: random normals, or an orthonormal basis of the guide times them. */
static nke_status start(const nystrom *p, const nke_operator *a, const nke_operator *guide, uint64_t seed, double *small,
                        double *omega, int64_t *q)
{
  nke_status st = NKE_OK;
  const int64_t r = *q;
  double *normals = guide ? p->u : omega;
  for (int64_t i = 0; i < p->n_loc * r; i++)
    normals[i] = nke_random_normal(seed, nke_stream(NKE_STREAM_SAMPLE, 2), (uint64_t)(a->parts.mine.begin * r + i));
  if (!guide) return NKE_OK;
  NKE_TRY(multiply(guide, r, normals, omega));
  NKE_TRY(inner(p->comm, p->n_loc, r, omega, r, omega, small));
  st = change_basis(p, r, 1e-13, small, p->w, omega, q);
done:
  return st;
}

/* Y = A Omega; B = Y C'^-1 with C C' = Omega'Y; U = B W w^-1/2 from B'B = W diag(w) W'. */
static nke_status build(const nke_operator *a, const nke_operator *guide, int64_t r, uint64_t seed, nystrom *p)
{
  nke_status st = NKE_OK;
  int64_t q = r;
  double *omega = NULL, *small = NULL;
  st = nke_alloc(p->n_loc * r, sizeof *omega, "random vectors", &omega);
  if (st == NKE_OK) st = nke_alloc(p->n_loc * r, sizeof *p->u, "preconditioner", &p->u);
  if (st == NKE_OK) st = nke_alloc(r, sizeof *p->w, "preconditioner", &p->w);
  if (st == NKE_OK) st = nke_alloc(r * r, sizeof *small, "preconditioner", &small);
  NKE_TRY(nke_agree(a->parts.comm, st));
  NKE_TRY(start(p, a, guide, seed, small, omega, &q));
  NKE_TRY(multiply(a, q, omega, p->u));
  NKE_TRY(inner(p->comm, p->n_loc, q, omega, q, p->u, small));
  NKE_TRY(change_basis(p, q, 1e-13, small, p->w, p->u, &p->rank));
  NKE_TRY(inner(p->comm, p->n_loc, p->rank, p->u, p->rank, p->u, small));
  st = change_basis(p, p->rank, 1e-11, small, p->w, p->u, &p->rank);
done:
  nke_free(omega);
  nke_free(small);
  return st;
}

nke_status nke_nystrom_rank(int64_t asked, int64_t *rank)
{
  nke_status st = NKE_OK;
  PetscInt value = (PetscInt)nke_min(asked, 1 << 14);
  NKE_TRY_PETSC_AS(NKE_ERR_USAGE, PetscOptionsGetInt(NULL, "nke_", "-nystrom_rank", &value, NULL));
  if (value < 1 || value > 1 << 14)
    return nke_fail(NKE_ERR_USAGE, "-nke_nystrom_rank: expected 1 to %d, got %d", 1 << 14, (int)value);
  *rank = value;
done:
  return st;
}

nke_status nke_nystrom_create(const nke_operator *a, const nke_operator *guide, int64_t asked, uint64_t seed,
                              nke_preconditioner **out)
{
  nke_status st = NKE_OK;
  nystrom *p = NULL;
  int64_t rank = 0;
  *out = NULL;
  NKE_TRY(nke_nystrom_rank(asked, &rank));
  rank = nke_min(rank, a->parts.n);
  st = nke_calloc(1, sizeof *p, "preconditioner", &p);
  if (st == NKE_OK) st = nke_alloc(1, sizeof **out, "preconditioner", out);
  NKE_TRY(nke_agree(a->parts.comm, st));
  *p = (nystrom){.comm = a->parts.comm, .n_loc = a->parts.mine.end - a->parts.mine.begin};
  NKE_TRY(build(a, guide, rank, seed, p));
  **out = (nke_preconditioner){.context = p, .set = set, .apply = apply, .destroy = destroy,
                               .flops = 4.0 * (double)(p->n_loc * p->rank)};
done:
  if (st != NKE_OK) {
    if (p) destroy(p);
    nke_free(*out);
    *out = NULL;
  }
  return st;
}
