/* nke: kernel ridge regression with infinitely wide networks, from a program of your own.
 *
 *   MPI_Init(&argc, &argv);
 *   nke_config *config = NULL;
 *   nke_config_parse("mine", "network: {preset: fc2}\nembedding: {features: 4096}", 0, NULL, &config);
 *   nke_config_set_rows(config, NKE_ROWS_TRAIN, n, 1, (int64_t[]){d}, x, 1, y);
 *   nke_config_fit(MPI_COMM_WORLD, config, 1);                // writes <run.out>/model.h5 and report.json
 *   nke_predictor *model = NULL;
 *   nke_predictor_load(MPI_COMM_WORLD, "runs/mine/model.h5", &model);
 *   nke_predictor_apply(model, n_new, x_new, scores, values);
 *
 * Every key of the config does here what it does for the program `nke`. Start MPI first and end it last; the
 * library starts and ends PETSc inside nke_config_fit() unless the program has started it before. "Collective": all
 * ranks of the communicator call it, and all get the same status; "local": a rank calls it alone. Rows are row-major
 * arrays of double; an image [H, W, C] has its channels fastest. Handles are made by _create, _load, _read or
 * _parse, which set *out to NULL on failure, and freed by _destroy, which sets the pointer to NULL and takes NULL.
 *
 * A function that fails returns a status other than NKE_OK and leaves one line in nke_error_text(); a NULL where an
 * argument is needed, or a negative n, is NKE_ERR_USAGE. */
#ifndef NKE_H
#define NKE_H

#include <mpi.h>
#include <stdint.h>

#include "nke/status.h"

#ifdef __cplusplus
extern "C" {
#endif

/* "0.1.0". Local. */
const char *nke_version(void);

/* What the last failure of this thread was, "" without one; valid until the next. Local. */
const char *nke_error_text(void);

/* ---- config ---- */

typedef struct nke_config nke_config;

/* A config from a YAML file, or from a text at hand (`name` stands for the file in error lines and gives run.out its
 * default, runs/<name>); sets: n_sets texts key.path=value that override it. read is collective, parse local.
 * NKE_ERR_USAGE: unreadable, unknown key, value of the wrong type or out of range. */
nke_status nke_config_read(MPI_Comm comm, const char *path, int n_sets, const char *const *sets, nke_config **out);
nke_status nke_config_parse(const char *name, const char *text, int n_sets, const char *const *sets, nke_config **out);
void nke_config_destroy(nke_config **config);

typedef enum nke_rows_role { NKE_ROWS_TRAIN, NKE_ROWS_TEST } nke_rows_role;

/* Take data.train or data.test from memory instead of a file: each rank gives its own n rows x [n, d], d the product
 * of dims[n_dims] ({d}, {L, C} or {H, W, C}), and targets y [n, k] (k = 0: none; classification: k = 1, class
 * numbers). The ranks' rows follow each other in rank order; a rank may have none. The arrays are read by
 * nke_config_fit() and nke_embedding_create(), which put a copy of all rows on every rank: data that is too large
 * for that goes through a file. Local. NKE_ERR_USAGE: role or n_dims out of range; the rest is checked on reading. */
nke_status nke_config_set_rows(nke_config *config, nke_rows_role role, int64_t n, int n_dims, const int64_t *dims,
                               const double *x, int64_t k, const double *y);

/* ---- train ---- */

/* What `nke fit` does: fit preprocessing, embed, solve the lambda path, choose lambda, and write model.h5 and
 * report.json into run.out; without its table on stdout. While it runs, SIGUSR1 and SIGTERM make it write a
 * checkpoint and return NKE_STOPPED; the next call with the same config goes on from there. force: replace files there
 * that are not nke's, and start anew (a checkpoint does not know rows in memory by their values). Collective.
 * Statuses: those of the program's exit codes. */
nke_status nke_config_fit(MPI_Comm comm, nke_config *config, int force);

/* ---- predict ---- */

typedef struct nke_predictor nke_predictor;

/* Load a model.h5. Collective. NKE_ERR_DATA: missing, damaged or not a model. */
nke_status nke_predictor_load(MPI_Comm comm, const char *path, nke_predictor **out);
void nke_predictor_destroy(nke_predictor **predictor);

/* Length d of a row; number k of scores of a row (classes, or target columns). Local. */
int64_t nke_predictor_row_length(const nke_predictor *predictor);
int64_t nke_predictor_count(const nke_predictor *predictor);

/* For n rows x [n, d], as they come from the data: scores [n, k], and values, either may be NULL. Classification:
 * values [n] are the classes of the largest scores, as numbered in the training rows; regression: values [n, k] in
 * the units of the training targets, scores the same without their means. Local. The same as `nke predict`, but for
 * rounding where preprocessing has a zca step, whose products go by blocks of 64 rows. NKE_ERR_DATA: a value that is
 * not finite. */
nke_status nke_predictor_apply(nke_predictor *predictor, int64_t n, const double *x, double *scores, double *values);

/* ---- features and exact kernels ---- */

typedef struct nke_embedding nke_embedding;

/* The features and the exact kernel of a config's network for rows like its training rows, to which preprocessing is
 * fitted. The config must outlive it and not change. Collective. Statuses as for nke_config_fit(). */
nke_status nke_embedding_create(MPI_Comm comm, nke_config *config, nke_embedding **out);
void nke_embedding_destroy(nke_embedding **embedding);

/* Length d of a row; length m of a feature vector; 1 where features are float, 0 where double (run.precision).
 * Local. */
int64_t nke_embedding_row_length(const nke_embedding *embedding);
int64_t nke_embedding_features(const nke_embedding *embedding);
int nke_embedding_is_single(const nke_embedding *embedding);

/* z [n, m], float or double, of rows x [n, d]: <z(x), z(x')> is close to the kernel. Depends on config, seed and the
 * row alone. Local. NKE_ERR_DATA: a value that is not finite. */
nke_status nke_embedding_apply(nke_embedding *embedding, int64_t n, const double *x, void *z);

/* nngp and ntk [nx, ny], either may be NULL: the exact kernels of rows x [nx, d] with rows y [ny, d]; y NULL: of the
 * rows x with themselves, symmetric, with correlation exactly 1 on the diagonal. Local. NKE_ERR_DATA: a value that
 * is not finite. */
nke_status nke_embedding_kernel(const nke_embedding *embedding, int64_t nx, const double *x, int64_t ny,
                                const double *y, double *nngp, double *ntk);

#ifdef __cplusplus
}
#endif

#endif
