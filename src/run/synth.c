/* `nke synth`: rows and targets from a random finite network plus noise, written in parallel. */
#include "base/memory.h"
#include "data/h5file.h"
#include "run/plan.h"
#include "run/progress.h"
#include "run/signals.h"
#include "run/synth_teacher.h"

#include <stdio.h>

/* One part of the file being written. */
typedef struct part {
  nke_synth_part id;
  const char *x, *y;
  int64_t n;
} part;

/* About 8 MiB of rows to a write. */
static int64_t slab_rows(int64_t d)
{
  return nke_max(1, ((int64_t)1 << 20) / d / NKE_SYNTH_BLOCK) * NKE_SYNTH_BLOCK;
}

static nke_status write_slab(nke_h5file *file, nke_teacher *teacher, const part *p, nke_range rows, double *x,
                             double *y)
{
  nke_status st = NKE_OK;
  const int64_t d = teacher->d;
  for (int64_t first = rows.begin; first < rows.end; first += NKE_SYNTH_BLOCK) {
    if (nke_signals_here())
      return nke_fail(NKE_STOPPED, "stopped by a signal; the file is not written: the same command starts again");
    NKE_TRY(nke_teacher_block(teacher, p->id, first, x + (first - rows.begin) * d, y + (first - rows.begin)));
  }
  const int64_t start[2] = {rows.begin, 0}, count[2] = {rows.end - rows.begin, d};
  NKE_TRY(nke_h5file_write(file, p->x, NKE_H5_F64, 2, start, count, x));
  NKE_TRY(nke_h5file_write(file, p->y, NKE_H5_F64, 1, start, count, y));
done:
  return st;
}

static nke_status write_mine(MPI_Comm comm, nke_h5file *file, nke_teacher *teacher, const part *p)
{
  nke_status st = NKE_OK;
  double *x = NULL, *y = NULL;
  nke_progress progress;
  const int64_t slab = slab_rows(teacher->d);
  const nke_range mine = nke_split_mine(comm, p->n);
  nke_progress_begin(&progress, comm, "synth", "rows", mine.end - mine.begin);
  NKE_TRY(nke_alloc(slab * teacher->d, sizeof *x, "rows", &x));
  NKE_TRY(nke_alloc(slab, sizeof *y, "targets", &y));
  for (int64_t first = mine.begin; first < mine.end; first += slab) {
    const nke_range rows = {.begin = first, .end = nke_min(first + slab, mine.end)};
    NKE_TRY(write_slab(file, teacher, p, rows, x, y));
    nke_progress_update(&progress, rows.end - mine.begin);
  }
done:
  nke_progress_end(&progress);
  nke_free(x);
  nke_free(y);
  return st;
}

static nke_status write_file(const nke_invocation *invocation, const char *path, nke_teacher *teacher)
{
  nke_status st = NKE_OK;
  nke_h5file *file = NULL;
  char *config = NULL;
  const nke_config_synth *const synth = &invocation->config->synth;
  const part parts[] = {{NKE_SYNTH_TRAIN, "/train/x", "/train/y", synth->n},
                        {NKE_SYNTH_TEST, "/test/x", "/test/y", synth->n_test}};
  NKE_TRY(nke_h5file_create(invocation->comm, path, invocation->force, &file));
  NKE_TRY(nke_agree(invocation->comm, nke_config_print(invocation->config, &config)));
  NKE_TRY(nke_h5file_put_string(file, "/", "kind", "data"));
  NKE_TRY(nke_h5file_put_string(file, "/", "config", config));
  NKE_TRY(nke_h5file_put_double(file, "/", "noise_variance", synth->noise));
  for (int k = 0; k < 2; k++) {
    if (parts[k].n == 0) continue;
    NKE_TRY(nke_h5file_create_dataset(file, parts[k].x, NKE_H5_F32, 2, (const int64_t[]){parts[k].n, synth->d}, NULL));
    NKE_TRY(nke_h5file_create_dataset(file, parts[k].y, NKE_H5_F32, 1, &parts[k].n, NULL));
    NKE_TRY(nke_agree(invocation->comm, write_mine(invocation->comm, file, teacher, &parts[k])));
  }
  st = nke_h5file_commit(&file);
done:
  nke_free(config);
  nke_h5file_close(&file);
  return st;
}

static void print_result(const nke_config_synth *synth, const char *path)
{
  printf("%s: %lld training and %lld test rows of %lld columns; noise variance %g\n", path, (long long)synth->n,
         (long long)synth->n_test, (long long)synth->d, synth->noise);
  fflush(stdout);
}

static nke_plan plan_of(const nke_config *config, const char *path)
{
  const nke_config_synth *const synth = &config->synth;
  const double rows = (double)(synth->n + synth->n_test), entries = (double)(synth->d + 1);
  nke_plan plan = nke_plan_begin(NULL, NULL, NULL);
  snprintf(plan.what, sizeof plan.what, "rows %lld and %lld, entries a row %lld", (long long)synth->n,
           (long long)synth->n_test, (long long)synth->d);
  plan.slab = 8 * (double)slab_rows(synth->d) * entries;
  plan.weights = nke_teacher_bytes(config);
  plan.flops_embed = rows * nke_teacher_flops_per_row(config);
  plan.file = path;
  plan.file_bytes = 4 * rows * entries;
  plan.advice = "fewer columns, narrower layers, or a larger limit";
  return plan;
}

nke_status nke_synth_run(const nke_invocation *invocation)
{
  nke_status st = NKE_OK;
  nke_teacher *teacher = NULL;
  char in_out[4096];
  const nke_config *const config = invocation->config;
  const char *const path = config->synth.file ? config->synth.file : in_out;
  int rank;
  MPI_Comm_rank(invocation->comm, &rank);
  NKE_TRY(nke_config_out(config, "synth.h5", in_out, sizeof in_out));
  NKE_TRY(nke_teacher_check(config));
  const nke_plan plan = plan_of(config, path);
  NKE_TRY(nke_plan_settle(invocation, config, &plan));
  NKE_TRY(nke_h5file_may_create(invocation->comm, path, invocation->force));
  if (invocation->dry_run) goto done;
  nke_signals_catch();
  NKE_TRY(nke_teacher_create(invocation->comm, config, &teacher));
  NKE_TRY(write_file(invocation, path, teacher));
  if (rank == 0) print_result(&config->synth, path);
done:
  nke_teacher_destroy(&teacher);
  nke_signals_release();
  return st;
}
