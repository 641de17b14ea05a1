#include "run/report.h"

#include "base/memory.h"
#include "data/h5file.h"
#include "num/blas.h"
#include "run/version.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

json_t *nke_report_number(double value)
{
  return isfinite(value) ? json_real(value) : json_null();
}

json_t *nke_report_metrics(const nke_metrics *metrics)
{
  json_t *const out = json_object();
  json_object_set_new(out, "accuracy", nke_report_number(metrics->accuracy));
  json_object_set_new(out, "mse", nke_report_number(metrics->mse));
  json_object_set_new(out, "rmse", nke_report_number(metrics->rmse));
  json_object_set_new(out, "r2", nke_report_number(metrics->r2));
  json_object_set_new(out, "rows", json_integer(metrics->n));
  return out;
}

/* Times, work and rates by stage: every rank takes part, rank 0 keeps the result. */
static void add_stages(MPI_Comm comm, const nke_stats *stats, json_t *out)
{
  json_t *const most = json_object(), *const least = json_object(), *const mean = json_object();
  json_t *const flops = json_object(), *const rate = json_object();
  for (int i = 0; i < NKE_STAGE_COUNT; i++) {
    const char *const name = nke_stage_name[i];
    const nke_spread seconds = nke_spread_over_ranks(comm, stats->seconds[i]);
    const nke_spread work = nke_spread_over_ranks(comm, stats->flops[i]);
    json_object_set_new(most, name, json_real(seconds.max));
    json_object_set_new(least, name, json_real(seconds.min));
    json_object_set_new(mean, name, json_real(seconds.mean));
    if (work.sum > 0) json_object_set_new(flops, name, json_real(work.sum));
    if (work.sum > 0 && seconds.max > 0)
      json_object_set_new(rate, name, json_real(work.sum / seconds.max * 1e-9));
  }
  json_object_set_new(out, "seconds", most);
  json_object_set_new(out, "seconds_min", least);
  json_object_set_new(out, "seconds_mean", mean);
  json_object_set_new(out, "flops", flops);
  json_object_set_new(out, "gflops_per_second", rate);
}

static void add_resources(MPI_Comm comm, const nke_stats *stats, json_t *out)
{
  const nke_spread rss = nke_spread_over_ranks(comm, (double)nke_peak_rss());
  const nke_spread bytes = nke_spread_over_ranks(comm, (double)stats->bytes_sent);
  const nke_spread messages = nke_spread_over_ranks(comm, (double)stats->messages_sent);
  json_object_set_new(out, "peak_rss_bytes", json_integer((json_int_t)rss.max));
  json_object_set_new(out, "bytes_sent", json_integer((json_int_t)bytes.sum));
  json_object_set_new(out, "bytes_sent_max", json_integer((json_int_t)bytes.max));
  json_object_set_new(out, "messages_sent", json_integer((json_int_t)messages.sum));
}

nke_status nke_report_create(MPI_Comm comm, const char *command, const nke_config *config, const nke_stats *stats,
                             json_t **out)
{
  nke_status st = NKE_OK;
  char *text = NULL, host[256] = "";
  int rank, size;
  MPI_Comm_rank(comm, &rank);
  MPI_Comm_size(comm, &size);
  json_t *json = json_object();
  NKE_TRY(nke_agree(comm, nke_config_print(config, &text)));
  gethostname(host, sizeof host - 1);
  json_object_set_new(json, "command", json_string(command));
  json_object_set_new(json, "version", json_string(nke_version()));
  json_object_set_new(json, "git", json_string(nke_git()));
  json_object_set_new(json, "compiler", json_string(nke_compiler()));
  json_object_set_new(json, "host", json_string(host));
  json_object_set_new(json, "config", json_string(text));
  json_object_set_new(json, "seed", json_integer((json_int_t)config->run.seed));
  json_object_set_new(json, "ranks", json_integer(size));
  json_object_set_new(json, "threads", json_integer(nke_blas_threads()));
  json_object_set_new(json, "kernel", json_string(config->embedding.kernel == NKE_KERNEL_NTK ? "ntk" : "nngp"));
  json_object_set_new(json, "method", json_string(config->embedding.method));
  add_stages(comm, stats, json);
  add_resources(comm, stats, json);
done:
  nke_free(text);
  if (rank != 0 || st != NKE_OK) {
    json_decref(json);
    json = NULL;
  }
  *out = json;
  return st;
}

nke_status nke_report_write_text(const char *path, const char *text)
{
  char temporary[4096];
  if (snprintf(temporary, sizeof temporary, "%s.part", path) >= (int)sizeof temporary)
    return nke_fail(NKE_ERR_OUTPUT, "%s: path too long", path);
  FILE *const file = fopen(temporary, "w");
  if (!file) return nke_fail(NKE_ERR_OUTPUT, "%s: cannot be written", path);
  int good = fputs(text, file) != EOF;
  good = fputc('\n', file) != EOF && good;
  good = fflush(file) == 0 && fsync(fileno(file)) == 0 && good;
  good = fclose(file) == 0 && good;
  if (good && rename(temporary, path) == 0) return NKE_OK;
  remove(temporary);
  return nke_fail(NKE_ERR_OUTPUT, "%s: cannot be written (disk full?)", path);
}

static nke_status write_json(const char *path, const json_t *json)
{
  char *const text = json_dumps(json, JSON_INDENT(2) | JSON_PRESERVE_ORDER);
  if (!text) return nke_fail(NKE_ERR_MEMORY, "%s: out of memory for its text", path);
  const nke_status st = nke_report_write_text(path, text);
  free(text);
  return st;
}

static bool is_report(const char *path)
{
  json_t *const json = json_load_file(path, 0, NULL);
  const bool ours =
      json_is_string(json_object_get(json, "command")) && json_is_string(json_object_get(json, "version"));
  json_decref(json);
  return ours;
}

static bool begins_with(const char *path, const char *header)
{
  FILE *const file = fopen(path, "r");
  bool ours = file != NULL;
  for (const char *c = header; ours && *c; c++) ours = fgetc(file) == *c;
  if (file) fclose(file);
  return ours;
}

nke_status nke_report_check(MPI_Comm comm, const char *folder, const char *name, const char *header, bool force)
{
  nke_status st = NKE_OK;
  char path[4096];
  int rank;
  MPI_Comm_rank(comm, &rank);
  if (rank != 0) return nke_agree(comm, st);
  if (snprintf(path, sizeof path, "%s/%s", folder, name) >= (int)sizeof path)
    st = nke_fail(NKE_ERR_OUTPUT, "%s/%s: path too long", folder, name);
  else if (!force && access(path, F_OK) == 0 && !(header ? begins_with(path, header) : is_report(path)))
    st = nke_fail(NKE_ERR_USAGE, "%s: exists and was not written by nke: --force replaces it", path);
  else
    st = nke_check_folder(path);
  return nke_agree(comm, st);
}

nke_status nke_report_write(MPI_Comm comm, const char *folder, const char *name, json_t *json)
{
  nke_status st = NKE_OK;
  char path[4096];
  int rank;
  MPI_Comm_rank(comm, &rank);
  NKE_TRY(nke_make_folders(comm, folder));
  if (rank == 0) {
    if (snprintf(path, sizeof path, "%s/%s", folder, name) >= (int)sizeof path)
      st = nke_fail(NKE_ERR_OUTPUT, "%s/%s: path too long", folder, name);
    else
      st = write_json(path, json);
  }
  st = nke_agree(comm, st);
done:
  return st;
}
