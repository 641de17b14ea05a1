/* The file of a checkpoint: layout, writing, reading.
 *
 * Root attributes kind = "checkpoint", identity, config (the lines that identity has a hash of), rows, phase, position
 * (of folds: those done), best, failed_lambda; /path [n_path + 2, 10] (path_file.h: points, the final one, training
 * metrics), /squares, /cross, /weights, /path_weights, /sums; /gram, as matrix_file.h says. */
#include "run/checkpoint.h"

#include "base/checked.h"
#include "base/memory.h"
#include "run/input.h"
#include "run/matrix_file.h"
#include "run/path_file.h"

#include <stdio.h>
#include <string.h>

/* ---- small parts ---- */

/* The path, the final point, and the metrics of the training. */
static nke_status write_path(nke_h5file *file, const nke_fit *fit)
{
  nke_status st = NKE_OK;
  nke_path_point *points = NULL;
  NKE_TRY(nke_agree(fit->session.comm, nke_alloc(fit->n_path + 2, sizeof *points, "the path", &points)));
  memcpy(points, fit->path, (size_t)fit->n_path * sizeof *points);
  points[fit->n_path] = fit->final;
  points[fit->n_path + 1] = (nke_path_point){.validation = fit->train};
  st = nke_path_file_write(file, "/path", fit->n_path + 2, points);
done:
  nke_free(points);
  return st;
}

static nke_status read_path(nke_h5file *file, nke_fit *fit)
{
  nke_status st = NKE_OK;
  nke_path_point *points = NULL;
  NKE_TRY(nke_agree(fit->session.comm, nke_alloc(fit->n_path + 2, sizeof *points, "the path", &points)));
  NKE_TRY(nke_path_file_read(file, "/path", fit->n_path + 2, points));
  memcpy(fit->path, points, (size_t)fit->n_path * sizeof *points);
  fit->final = points[fit->n_path];
  fit->train = points[fit->n_path + 1].validation;
done:
  nke_free(points);
  return st;
}

/* Sums of the scores so far, of all ranks. */
static nke_status write_sums(nke_h5file *file, const nke_fit *fit)
{
  nke_status st = NKE_OK;
  double *v = NULL;
  if (!fit->sums || fit->n_sums == 0 || fit->in_folds) return NKE_OK; /* a fold begins again */
  const int64_t length = nke_metrics_sum_length(fit->sums[0]);
  NKE_TRY(nke_agree(fit->session.comm, nke_alloc(fit->n_sums * length, sizeof *v, "sums", &v)));
  for (int i = 0; i < fit->n_sums; i++)
    NKE_TRY(nke_metrics_sum_values(fit->session.comm, fit->sums[i], v + i * length));
  st = nke_h5file_put(file, "/sums", NKE_H5_F64, 2, (const int64_t[]){fit->n_sums, length}, v);
done:
  nke_free(v);
  return st;
}

static nke_status read_sums(nke_h5file *file, nke_fit *fit)
{
  int64_t dims[2] = {fit->phase == NKE_PHASE_TEST ? 1 : fit->n_path, -1};
  nke_free(fit->resumed_sums);
  fit->resumed_sums = NULL;
  if (!nke_h5file_has(file, "/sums")) return NKE_OK;
  const nke_status st = nke_h5file_get(file, "/sums", NKE_H5_F64, 2, dims, 1 << 26, &fit->resumed_sums);
  fit->resumed_length = dims[1];
  return st;
}

static nke_status read_array(nke_h5file *file, const char *name, int64_t rows, int64_t cols, double *into)
{
  nke_status st = NKE_OK;
  int64_t dims[2] = {rows, cols};
  double *v = NULL;
  NKE_TRY(nke_h5file_get(file, name, NKE_H5_F64, 2, dims, 8 * rows * cols, &v));
  memcpy(into, v, (size_t)(rows * cols) * sizeof *into);
done:
  nke_free(v);
  return st;
}

/* ---- the Gram matrix ---- */

/* After the final solution only the factor of the variance still needs it. */
static int holds_gram(const nke_fit *fit)
{
  return fit->phase <= NKE_PHASE_FINAL || fit->with_variance;
}

static nke_status write_gram(nke_h5file *file, nke_fit *fit)
{
  nke_status st = NKE_OK;
  const nke_session *const s = &fit->session;
  double *cross = NULL;
  NKE_TRY(nke_agree(s->comm, nke_alloc(s->m * s->k, sizeof *cross, "cross products", &cross)));
  NKE_TRY(nke_gram_cross(fit->gram, cross));
  NKE_TRY(nke_h5file_put_int(file, "/", "rows", nke_gram_rows(fit->gram)));
  NKE_TRY(nke_h5file_put(file, "/cross", NKE_H5_F64, 2, (const int64_t[]){s->m, s->k}, cross));
  NKE_TRY(nke_h5file_put(file, "/squares", NKE_H5_F64, 2, (const int64_t[]){1, s->k}, nke_gram_squares(fit->gram)));
  st = nke_matrix_file_write(file, "/gram", nke_gram_matrix(fit->gram));
done:
  nke_free(cross);
  return st;
}

static nke_status read_gram(nke_h5file *file, nke_fit *fit)
{
  nke_status st = NKE_OK;
  const nke_session *const s = &fit->session;
  double *cross = NULL, *squares = NULL;
  int64_t rows;
  st = nke_alloc(s->m * s->k, sizeof *cross, "cross products", &cross);
  if (st == NKE_OK) st = nke_alloc(s->k, sizeof *squares, "squares", &squares);
  NKE_TRY(nke_agree(s->comm, st));
  NKE_TRY(nke_h5file_get_int(file, "/", "rows", &rows));
  NKE_TRY(read_array(file, "/cross", s->m, s->k, cross));
  NKE_TRY(read_array(file, "/squares", 1, s->k, squares));
  NKE_TRY(nke_matrix_file_read(file, "/gram", nke_gram_matrix(fit->gram)));
  nke_gram_restore(fit->gram, rows, squares, cross);
done:
  nke_free(cross);
  nke_free(squares);
  return st;
}

/* ---- the file ---- */

nke_status nke_checkpoint_identity(const nke_fit *fit, char *text, size_t size)
{
  const nke_session *const s = &fit->session;
  nke_status st = NKE_OK;
  uint64_t hash;
  char data[NKE_INPUT_FINGERPRINT];
  NKE_TRY(nke_agree(s->comm, nke_config_hash(s->config, &hash)));
  NKE_TRY(nke_input_fingerprint(s->comm, s->train, s->validation, s->test, true, data, sizeof data));
  snprintf(text, size, "%016llx, %lld rows, %lld features of revision %d, %lld targets%s" NKE_INPUT_DATA "%s",
           (unsigned long long)hash, (long long)nke_dataset_rows(s->train), (long long)s->m, NKE_FEATURES_REVISION,
           (long long)s->k, fit->with_variance ? ", --variance" : "", data);
done:
  return st;
}

nke_status nke_checkpoint_mark(nke_h5file *file, const nke_fit *fit, const char *kind)
{
  nke_status st = NKE_OK;
  char text[NKE_CHECKPOINT_IDENTITY], *config = NULL;
  NKE_TRY(nke_agree(fit->session.comm, nke_config_bound(fit->session.config, &config)));
  NKE_TRY(nke_checkpoint_identity(fit, text, sizeof text));
  NKE_TRY(nke_h5file_put_string(file, "/", "kind", kind));
  NKE_TRY(nke_h5file_put_string(file, "/", "config", config));
  st = nke_h5file_put_string(file, "/", "identity", text);
done:
  nke_free(config);
  return st;
}

/* The first line in which two configs differ, as a refusal names it; nothing where there is none. */
static void difference(const char *found, const char *now, char *text, size_t size)
{
  const char *a, *b;
  if (!nke_config_differs(found, now, &a, &b)) return;
  const char *const of = nke_config_section(found, a);
  a += strspn(a, " ");
  b += strspn(b, " ");
  const char *const section = of ? of : a;
  const int most = 160;
  snprintf(text, size, "in %.*s it says `%.*s`, this run `%.*s`", (int)nke_min(strcspn(section, ":\n"), most), section,
           (int)nke_min(strcspn(a, "\n"), most), a, (int)nke_min(strcspn(b, "\n"), most), b);
}

static nke_status say_other(nke_h5file *file, const nke_fit *fit, const char *kind, const char *stored, const char *now)
{
  nke_status st = NKE_OK;
  char text[2 * NKE_CHECKPOINT_IDENTITY + 64], *found = NULL, *config = NULL;
  snprintf(text, sizeof text, "%s; this run: %s", stored, now);
  NKE_TRY(nke_agree(fit->session.comm, nke_config_bound(fit->session.config, &config)));
  /* Earlier versions have not written it. */
  if (nke_h5file_get_string(file, "/", "config", &found) == NKE_OK) difference(found, config, text, sizeof text);
  st = nke_fail(NKE_ERR_USAGE, "%s: the %s of %s (%s); remove it, or --force to start anew", nke_h5file_path(file),
                kind, nke_input_other(stored, now), text);
done:
  nke_free(found);
  nke_free(config);
  return st;
}

nke_status nke_checkpoint_check(nke_h5file *file, const nke_fit *fit, const char *kind)
{
  nke_status st = NKE_OK;
  char text[NKE_CHECKPOINT_IDENTITY], *is = NULL, *stored = NULL;
  NKE_TRY(nke_checkpoint_identity(fit, text, sizeof text));
  NKE_TRY(nke_h5file_get_string(file, "/", "kind", &is));
  if (strcmp(is, kind) != 0)
    NKE_TRY(
        nke_fail(NKE_ERR_DATA, "%s: corrupt: expected a file of kind %s, got '%s'", nke_h5file_path(file), kind, is));
  NKE_TRY(nke_h5file_get_string(file, "/", "identity", &stored));
  if (strcmp(stored, text) != 0) st = say_other(file, fit, kind, stored, text);
done:
  nke_free(is);
  nke_free(stored);
  return st;
}

/* Weights of the path; those of a fold are of no use to the next, nor to one that begins again. */
static int holds_path_weights(const nke_fit *fit)
{
  return fit->path_weights && fit->phase >= NKE_PHASE_PATH && !nke_fit_by_folds(fit);
}

static nke_status write_all(nke_h5file *file, nke_fit *fit)
{
  nke_status st = NKE_OK;
  const nke_session *const s = &fit->session;
  NKE_TRY(nke_checkpoint_mark(file, fit, "checkpoint"));
  NKE_TRY(nke_h5file_put_int(file, "/", "phase", fit->phase));
  NKE_TRY(nke_h5file_put_int(file, "/", "position", nke_checkpoint_position(fit)));
  NKE_TRY(nke_h5file_put_int(file, "/", "best", fit->best));
  NKE_TRY(nke_h5file_put_double(file, "/", "failed_lambda", fit->failed_lambda));
  NKE_TRY(write_path(file, fit));
  NKE_TRY(write_sums(file, fit));
  if (holds_path_weights(fit))
    NKE_TRY(nke_h5file_put(file, "/path_weights", NKE_H5_F64, 2, (const int64_t[]){s->m, s->k * fit->n_path},
                           fit->path_weights));
  if (fit->phase > NKE_PHASE_FINAL)
    NKE_TRY(nke_h5file_put(file, "/weights", NKE_H5_F64, 2, (const int64_t[]){s->m, s->k}, fit->weights));
  if (holds_gram(fit)) st = write_gram(file, fit);
done:
  return st;
}

/* The newest becomes the previous one just before the new one takes its name: one of them is whole at every moment. */
nke_status nke_checkpoint_write(nke_fit *fit, const char *path)
{
  nke_status st = NKE_OK;
  nke_h5file *file = NULL;
  int rank;
  MPI_Comm_rank(fit->session.comm, &rank);
  NKE_TRY(nke_h5file_create(fit->session.comm, path, true, &file));
  NKE_TRY(write_all(file, fit));
  NKE_TRY(nke_h5file_flush(file));
  if (rank == 0) rename(path, fit->checkpoint->previous);
  st = nke_h5file_commit(&file);
done:
  nke_h5file_close(&file);
  return st;
}

static nke_status read_position(nke_h5file *file, nke_fit *fit)
{
  nke_status st = NKE_OK;
  int64_t phase, position, best;
  const int64_t parts = nke_fit_by_folds(fit) ? fit->session.config->solver.folds : fit->n_path;
  NKE_TRY(nke_h5file_get_int(file, "/", "phase", &phase));
  NKE_TRY(nke_h5file_get_int(file, "/", "position", &position));
  NKE_TRY(nke_h5file_get_int(file, "/", "best", &best));
  NKE_TRY(nke_h5file_get_double(file, "/", "failed_lambda", &fit->failed_lambda));
  if (phase < NKE_PHASE_ADD || phase > NKE_PHASE_TEST || position < 0 || best < 0 || best >= fit->n_path ||
      (phase == NKE_PHASE_PATH && position > parts))
    NKE_TRY(nke_fail(NKE_ERR_DATA, "%s: corrupt: phase %lld, position %lld, best %lld", nke_h5file_path(file),
                     (long long)phase, (long long)position, (long long)best));
  const int folds = phase == NKE_PHASE_PATH && nke_fit_by_folds(fit);
  fit->phase = (nke_fit_phase)phase;
  /* Both: a damaged file that was read before this one may have set the other. */
  fit->folds_done = folds ? position : 0;
  fit->position = folds ? 0 : position;
  fit->best = (int)best;
done:
  return st;
}

static nke_status read_all(nke_h5file *file, nke_fit *fit)
{
  nke_status st = NKE_OK;
  const nke_session *const s = &fit->session;
  NKE_TRY(nke_checkpoint_check(file, fit, "checkpoint"));
  NKE_TRY(read_position(file, fit));
  NKE_TRY(read_path(file, fit));
  if (fit->path_weights) fit->validation = fit->path[fit->best].validation;
  NKE_TRY(read_sums(file, fit));
  if (holds_path_weights(fit))
    NKE_TRY(read_array(file, "/path_weights", s->m, s->k * fit->n_path, fit->path_weights));
  if (fit->phase > NKE_PHASE_FINAL) NKE_TRY(read_array(file, "/weights", s->m, s->k, fit->weights));
  if (holds_gram(fit)) st = read_gram(file, fit);
done:
  return st;
}

nke_status nke_checkpoint_read(nke_fit *fit, const char *path)
{
  nke_status st = NKE_OK;
  nke_h5file *file = NULL;
  NKE_TRY(nke_h5file_open(fit->session.comm, path, &file));
  st = read_all(file, fit);
done:
  nke_h5file_close(&file);
  return st;
}
