#include "run/selftest.h"

#include "base/hash.h"
#include "base/memory.h"
#include "base/rng.h"
#include "base/timer.h"
#include "data/h5file.h"
#include "gram/gram.h"
#include "kernel/exact.h"
#include "kernel/features.h"
#include "num/gemm.h"
#include "solve/library.h"
#include "solve/ridge.h"

#include <math.h>
#include <stdio.h>
#include <unistd.h>

enum { IMAGES = 8, SIDE = 8, FEATURES = 4096 };

static void fill_normal(uint64_t number, int64_t n, double *out)
{
  for (int64_t i = 0; i < n; i++)
    out[i] = nke_random_normal(1, nke_stream(NKE_STREAM_SAMPLE, (uint32_t)number), (uint64_t)i);
}

/* conv 3x3, relu, pool 2, flatten, dense on 8 x 8 images. */
static nke_status small_network(nke_network **out)
{
  nke_status st = NKE_OK;
  nke_activation relu;
  NKE_TRY(nke_network_create(out));
  NKE_TRY(nke_activation_init(&relu, "relu", 0, NULL, NULL));
  const nke_layer layers[] = {nke_layer_conv(3, sqrt(2.0), 0), nke_layer_activation(&relu), nke_layer_avgpool(2),
                              nke_layer_simple(NKE_LAYER_FLATTEN), nke_layer_dense(sqrt(2.0), 0)};
  for (size_t l = 0; l < sizeof layers / sizeof *layers; l++) NKE_TRY(nke_network_append(*out, &layers[l]));
  st = nke_network_shape(*out, (nke_shape){.axes = 2, .height = SIDE, .width = SIDE, .channels = 1});
done:
  return st;
}

static nke_status exact_kernel(const nke_network *network, const double *x, double *kernel, char *simd, size_t size)
{
  nke_status st = NKE_OK;
  nke_exact *exact = NULL;
  double *norms = NULL;
  NKE_TRY(nke_exact_create(network, NKE_SINGLE, 0, &exact));
  NKE_TRY(nke_alloc(IMAGES * nke_exact_norms_length(exact), sizeof *norms, "norms", &norms));
  NKE_TRY(nke_exact_norms(exact, IMAGES, x, norms));
  NKE_TRY(nke_exact_triangle(exact, IMAGES, x, norms, NULL, kernel, IMAGES));
  snprintf(simd, size, "%s", nke_exact_variant_name(exact));
done:
  nke_free(norms);
  nke_exact_destroy(&exact);
  return st;
}

static nke_status sketched_kernel(const nke_network *network, const double *x, float *z, float *kernel)
{
  nke_status st = NKE_OK;
  nke_features *features = NULL;
  const nke_embedding_options options = {
      .kernel = NKE_KERNEL_NTK, .method = "random_features", .features = FEATURES, .precision = NKE_SINGLE, .seed = 1};
  NKE_TRY(nke_features_create(network, &options, &features));
  NKE_TRY(nke_features_apply(features, IMAGES, x, z));
  st = nke_gemm(NKE_SINGLE, NKE_PLAIN, NKE_TRANSPOSED, IMAGES, IMAGES, FEATURES, z, FEATURES, z, FEATURES, 0, kernel,
                IMAGES);
done:
  nke_features_destroy(&features);
  return st;
}

/* Whether the bytes are the same on all ranks. */
static bool same_everywhere(MPI_Comm comm, const void *bytes, size_t size)
{
  const uint64_t hash = nke_hash(NKE_HASH_BEGIN, size, bytes);
  uint64_t ends[2] = {hash, ~hash};
  MPI_Allreduce(MPI_IN_PLACE, ends, 2, MPI_UINT64_T, MPI_MAX, comm);
  return ends[0] == ~ends[1];
}

nke_status nke_selftest_features(MPI_Comm comm, char *found, size_t size)
{
  nke_status st = NKE_OK;
  nke_network *network = NULL;
  float *z = NULL, sketched[IMAGES * IMAGES];
  double x[IMAGES * SIDE * SIDE], exact[IMAGES * IMAGES], error = 0, norm = 0;
  char simd[64] = "";
  fill_normal(0, IMAGES * SIDE * SIDE, x);
  st = small_network(&network);
  if (st == NKE_OK) st = nke_alloc(IMAGES * FEATURES, sizeof *z, "features", &z);
  if (st == NKE_OK) st = exact_kernel(network, x, exact, simd, sizeof simd);
  if (st == NKE_OK) st = sketched_kernel(network, x, z, sketched);
  NKE_TRY(nke_agree(comm, st));
  for (int i = 0; i < IMAGES * IMAGES; i++) {
    error += (sketched[i] - exact[i]) * (sketched[i] - exact[i]);
    norm += exact[i] * exact[i];
  }
  error = sqrt(error / norm);
  snprintf(found, size, "%d features within %.3f of the exact kernel, %s", FEATURES, error, simd);
  if (!same_everywhere(comm, z, sizeof *z * IMAGES * FEATURES))
    st = nke_fail(NKE_ERR_INTERNAL, "the features of one row differ between ranks: are the nodes of different kinds?");
  else if (!(error < 0.1))
    st = nke_fail(NKE_ERR_INTERNAL, "%d features: expected an error below 0.1, got %g", FEATURES, error);
  st = nke_agree(comm, st);
done:
  nke_free(z);
  nke_network_destroy(&network);
  return st;
}

nke_status nke_selftest_exchange(MPI_Comm comm, char *found, size_t size)
{
  nke_status st = NKE_OK;
  enum { WORDS = 1 << 20, TIMES = 4 };
  double *sums = NULL;
  int rank, ranks;
  MPI_Comm_rank(comm, &rank);
  MPI_Comm_size(comm, &ranks);
  NKE_TRY(nke_agree(comm, nke_alloc(WORDS, sizeof *sums, "words to exchange", &sums)));
  const double begun = nke_seconds();
  for (int k = 0; k < TIMES; k++) {
    for (int i = 0; i < WORDS; i++) sums[i] = (double)(rank + 1) * (i % 7);
    MPI_Allreduce(MPI_IN_PLACE, sums, WORDS, MPI_DOUBLE, MPI_SUM, comm);
  }
  const double seconds = nke_seconds() - begun, expected = 0.5 * ranks * (ranks + 1.0);
  for (int i = 0; i < WORDS && st == NKE_OK; i++)
    if (sums[i] != expected * (i % 7)) st = nke_fail(NKE_ERR_INTERNAL, "MPI_Allreduce gave a wrong sum");
  snprintf(found, size, "allreduce of 8 MiB over %d ranks in %.1f ms", ranks, 1e3 * seconds / TIMES);
  st = nke_agree(comm, st);
done:
  nke_free(sums);
  return st;
}

static nke_status write_and_read(MPI_Comm comm, const char *path)
{
  nke_status st = NKE_OK;
  nke_h5file *file = NULL;
  int rank, ranks;
  MPI_Comm_rank(comm, &rank);
  MPI_Comm_size(comm, &ranks);
  const int64_t dims[2] = {ranks, 1000}, start[2] = {rank, 0}, other[2] = {(rank + 1) % ranks, 0}, count[2] = {1, 1000};
  double row[1000], back[1000];
  for (int i = 0; i < 1000; i++) row[i] = 1000.0 * rank + i;
  NKE_TRY(nke_h5file_create(comm, path, false, &file));
  NKE_TRY(nke_h5file_create_dataset(file, "/x", NKE_H5_F32, 2, dims, NULL));
  NKE_TRY(nke_agree(comm, nke_h5file_write(file, "/x", NKE_H5_F64, 2, start, count, row)));
  NKE_TRY(nke_h5file_commit(&file));
  NKE_TRY(nke_h5file_open(comm, path, &file));
  st = nke_h5file_read(file, "/x", NKE_H5_F64, 2, other, count, back);
  for (int i = 0; i < 1000 && st == NKE_OK; i++)
    if (back[i] != 1000.0 * (double)other[0] + i)
      st = nke_fail(NKE_ERR_INTERNAL, "%s: row of rank %lld came back changed: do the ranks share this folder?", path,
                    (long long)other[0]);
  st = nke_agree(comm, st);
done:
  nke_h5file_close(&file);
  return st;
}

nke_status nke_selftest_file(MPI_Comm comm, char *found, size_t size)
{
  char path[64];
  int rank;
  MPI_Comm_rank(comm, &rank);
  long process = (long)getpid();
  MPI_Bcast(&process, 1, MPI_LONG, 0, comm);
  snprintf(path, sizeof path, "nke-doctor-%ld.h5", process);
  const double begun = nke_seconds();
  const nke_status st = write_and_read(comm, path);
  if (rank == 0) unlink(path);
  snprintf(found, size, "HDF5 file written by all ranks and read back in %.0f ms", 1e3 * (nke_seconds() - begun));
  return st;
}

nke_status nke_selftest_solve(MPI_Comm comm, char *found, size_t size)
{
  nke_status st = NKE_OK;
  enum { ROWS = 96, COLUMNS = 80 };
  double z[ROWS * COLUMNS], y[ROWS], cross[COLUMNS], x[COLUMNS];
  nke_gram *gram = NULL;
  nke_ridge_info info = {0};
  int rank;
  MPI_Comm_rank(comm, &rank);
  fill_normal((uint64_t)rank + 1, ROWS * COLUMNS, z);
  for (int i = 0; i < ROWS; i++) y[i] = z[i * COLUMNS];
  NKE_TRY(nke_solve_init(comm, 0, NULL));
  NKE_TRY(nke_gram_create(comm, COLUMNS, 1, NKE_DOUBLE, NULL, &gram));
  NKE_TRY(nke_gram_add(gram, ROWS, z, y));
  NKE_TRY(nke_gram_cross(gram, cross));
  NKE_TRY(nke_ridge_solve(nke_gram_matrix(gram), 1e-6, 1, cross, NULL, x, &info));
  double error = fabs(x[0] - 1); /* the targets are the first column */
  for (int j = 1; j < COLUMNS; j++) error = fmax(error, fabs(x[j]));
  snprintf(found, size, "ScaLAPACK solved %d equations, error %.1e", COLUMNS, error);
  if (!(error < 1e-5)) st = nke_fail(NKE_ERR_INTERNAL, "ridge solve: expected an error below 1e-5, got %g", error);
  st = nke_agree(comm, st);
done:
  nke_gram_destroy(&gram);
  nke_solve_finalize();
  return st;
}

nke_status nke_selftest_blas(MPI_Comm comm, char *found, size_t size)
{
  nke_status st = NKE_OK;
  enum { N = 768, TIMES = 4 };
  float *a = NULL, *c = NULL;
  st = nke_calloc(N * N, sizeof *a, "a matrix", &a);
  if (st == NKE_OK) st = nke_calloc(N * N, sizeof *c, "a matrix", &c);
  NKE_TRY(nke_agree(comm, st));
  for (int i = 0; i < N * N; i++) a[i] = (float)(i % 5);
  NKE_TRY(nke_gemm(NKE_SINGLE, NKE_PLAIN, NKE_TRANSPOSED, N, N, N, a, N, a, N, 0, c, N));
  const double begun = nke_seconds();
  for (int k = 0; k < TIMES; k++)
    NKE_TRY(nke_gemm(NKE_SINGLE, NKE_PLAIN, NKE_TRANSPOSED, N, N, N, a, N, a, N, 0, c, N));
  const nke_spread rate = nke_spread_over_ranks(comm, TIMES * 2.0 * N * N * N / (nke_seconds() - begun) * 1e-9);
  snprintf(found, size, "single precision, each rank: %.0f GFlop/s, slowest %.0f", rate.mean, rate.min);
done:
  nke_free(a);
  nke_free(c);
  return st;
}
