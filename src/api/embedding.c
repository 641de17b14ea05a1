/* Features and exact kernels of rows in memory. */
#include "api/given.h"
#include "api/map.h"
#include "base/memory.h"
#include "kernel/exact.h"
#include "nke.h"
#include "run/session.h"

struct nke_embedding {
  nke_invocation invocation;
  nke_session session;
  int64_t d;
  nke_exact *exact;
};

static nke_status create(MPI_Comm comm, nke_config *config, nke_embedding *e)
{
  nke_status st = NKE_OK;
  nke_session *const s = &e->session;
  e->invocation = (nke_invocation){.comm = comm, .config = config};
  NKE_TRY(nke_session_open(&e->invocation, s));
  NKE_TRY(nke_session_need_features(s, "nke_embedding_create"));
  NKE_TRY(nke_session_fit(s));
  NKE_TRY(nke_agree(comm, nke_exact_create(config->network, config->run.precision, config->embedding.flip, &e->exact)));
  e->d = nke_shape_length(s->shape);
  nke_dataset_close(&s->train);
  nke_dataset_close(&s->validation);
  nke_dataset_close(&s->test);
done:
  return st;
}

nke_status nke_embedding_create(MPI_Comm comm, nke_config *config, nke_embedding **out)
{
  nke_status st = NKE_OK;
  nke_embedding *e = NULL;
  if (out) *out = NULL;
  st = nke_given("config", config);
  if (st == NKE_OK) st = nke_given("out", out);
  NKE_TRY(nke_agree(comm, st));
  NKE_TRY(nke_agree(comm, nke_calloc(1, sizeof *e, "an embedding", &e)));
  NKE_TRY(create(comm, config, e));
  *out = e;
  e = NULL;
done:
  nke_embedding_destroy(&e);
  return st;
}

void nke_embedding_destroy(nke_embedding **embedding)
{
  nke_embedding *const e = embedding ? *embedding : NULL;
  if (!e) return;
  nke_exact_destroy(&e->exact);
  nke_session_close(&e->session);
  nke_free(e);
  *embedding = NULL;
}

int64_t nke_embedding_row_length(const nke_embedding *e) { return e ? e->d : 0; }
int64_t nke_embedding_features(const nke_embedding *e) { return e ? e->session.m : 0; }
int nke_embedding_is_single(const nke_embedding *e) { return e && e->session.embedder.precision == NKE_SINGLE; }

nke_status nke_embedding_apply(nke_embedding *e, int64_t n, const double *x, void *z)
{
  nke_status st = NKE_OK;
  NKE_TRY(nke_given("embedding", e));
  NKE_TRY(nke_given_rows("x", n, x));
  NKE_TRY(nke_given_rows("z", n, z));
  st = nke_map_apply(&e->session.embedder, n, e->d, x, z);
done:
  return st;
}

/* Rows ready for the exact kernel. */
typedef struct rows {
  int64_t n;
  double *x, *norms;
} rows;

static nke_status rows_make(const nke_embedding *e, int64_t n, const double *x, rows *out)
{
  nke_status st = NKE_OK;
  out->n = n;
  NKE_TRY(nke_alloc(n * e->d, sizeof *out->x, "rows of a kernel", &out->x));
  NKE_TRY(nke_alloc(n * nke_exact_norms_length(e->exact), sizeof *out->norms, "norms of a kernel", &out->norms));
  NKE_TRY(nke_map_prepare(e->session.preprocess, n, e->d, x, out->x));
  st = nke_exact_norms(e->exact, n, out->x, out->norms);
done:
  return st;
}

static void rows_clear(rows *r)
{
  nke_free(r->x);
  nke_free(r->norms);
}

/* The tile at (i, j), computed; `self`: of rows with themselves. */
static nke_status tile(const nke_embedding *e, const rows *a, const rows *b, int64_t i, int64_t j, int self,
                       double *nngp, double *ntk)
{
  const int64_t side = e->session.config->kernel.tile, d = e->d, length = nke_exact_norms_length(e->exact);
  const int64_t ni = nke_min(side, a->n - i), nj = nke_min(side, b->n - j), at = i * b->n + j;
  double *const to[2] = {nngp ? nngp + at : NULL, ntk ? ntk + at : NULL};
  if (self && i == j)
    return nke_exact_triangle(e->exact, ni, a->x + i * d, a->norms + i * length, to[0], to[1], b->n);
  return nke_exact_block(e->exact, ni, a->x + i * d, a->norms + i * length, nj, b->x + j * d, b->norms + j * length,
                         to[0], to[1], b->n);
}

static void mirror(int64_t n, double *k)
{
  for (int64_t i = 0; i < n && k; i++)
    for (int64_t j = 0; j < i; j++) k[j * n + i] = k[i * n + j];
}

nke_status nke_embedding_kernel(const nke_embedding *e, int64_t nx, const double *x, int64_t ny, const double *y,
                                double *nngp, double *ntk)
{
  nke_status st = NKE_OK;
  const int self = y == NULL;
  rows a = {0}, other = {0};
  const rows *const b = self ? &a : &other;
  NKE_TRY(nke_given("embedding", e));
  NKE_TRY(nke_given_rows("x", nx, x));
  if (!self) NKE_TRY(nke_given_rows("y", ny, y));
  const int64_t side = e->session.config->kernel.tile;
  NKE_TRY(rows_make(e, nx, x, &a));
  if (!self) NKE_TRY(rows_make(e, ny, y, &other));
  for (int64_t i = 0; i < nx; i += side)
    for (int64_t j = 0; j < (self ? i + 1 : ny); j += side) NKE_TRY(tile(e, &a, b, i, j, self, nngp, ntk));
  if (self) {
    mirror(nx, nngp);
    mirror(nx, ntk);
  }
done:
  rows_clear(&a);
  rows_clear(&other);
  return st;
}
