/* What a comparison leaves: <out>/compare.json, <out>/compare.csv and a table. */
#include "run/compare.h"

#include "base/memory.h"
#include "run/report.h"
#include "run/text.h"
#include "solve/ridge.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

const char *const nke_compare_columns[] = {
  "method", "features", "seed", "n", "lambda", "relative_frobenius", "relative_frobenius_scaled",
  "relative_frobenius_centred", "spectral_eps", "spectral_eps_krylov", "spectral_eps_scaled",
  "statistical_dimension_exact", "statistical_dimension_sketch", "condition_exact", "condition_sketch",
  "accuracy_exact", "accuracy_sketch", "mse_exact", "mse_sketch", "loo_accuracy_exact", "loo_accuracy_sketch",
  "loo_mse_exact", "loo_mse_sketch", "seconds_exact", "seconds_sketch", "core_seconds_exact", "core_seconds_sketch",
  "seconds_exact_per_pair", "seconds_sketch_per_row", "speedup_measured", "speedup_at_n", "peak_rss_bytes_exact",
  "peak_rss_bytes", NULL,
};

nke_status nke_compare_output_check(const nke_compare *c)
{
  nke_status st = NKE_OK;
  const nke_session *const s = &c->session;
  NKE_TRY(nke_report_check(s->comm, s->config->run.out, "compare.json", NULL, s->invocation->force));
  st = nke_report_check(s->comm, s->config->run.out, "compare.csv", "method,features,seed,n,", s->invocation->force);
done:
  return st;
}

static void add_cell(nke_text *text, const json_t *value)
{
  if (json_is_string(value)) nke_text_add(text, "%s", json_string_value(value));
  if (json_is_integer(value)) nke_text_add(text, "%lld", (long long)json_integer_value(value));
  if (json_is_real(value)) nke_text_add_double(text, json_real_value(value));
}

/* Rank 0. */
static nke_status write_csv(const nke_compare *c)
{
  nke_status st = NKE_OK;
  nke_text text = {0};
  char path[4096], *whole = NULL;
  const char *const *const columns = nke_compare_columns;
  size_t index;
  json_t *row;
  for (int i = 0; columns[i]; i++) nke_text_add(&text, "%s%s", i ? "," : "", columns[i]);
  json_array_foreach(json_object_get(c->json, "rows"), index, row) {
    for (int i = 0; columns[i]; i++) {
      nke_text_add(&text, "%s", i ? "," : "\n");
      add_cell(&text, json_object_get(row, columns[i]));
    }
  }
  NKE_TRY(nke_text_take(&text, &whole));
  NKE_TRY(nke_config_out(c->session.config, "compare.csv", path, sizeof path));
  st = nke_report_write_text(path, whole);
done:
  nke_text_clear(&text);
  nke_free(whole);
  return st;
}

/* A number of a row with the gap before it, as %f or %g; a dash: not known. */
static void print_cell(const json_t *row, const char *key, char form, int width, int digits)
{
  const json_t *const value = json_object_get(row, key);
  char text[64] = "-";
  if (json_is_number(value))
    snprintf(text, sizeof text, form == 'g' ? "%.*g" : "%.*f", digits, json_number_value(value));
  printf("  %*s", width, text);
}

static void print_row(const json_t *row, int classes)
{
  printf("%-16s %8lld %5lld", json_string_value(json_object_get(row, "method")),
         (long long)json_integer_value(json_object_get(row, "features")),
         (long long)json_integer_value(json_object_get(row, "seed")));
  print_cell(row, "relative_frobenius", 'f', 9, 4);
  print_cell(row, "spectral_eps_krylov", 'f', 8, 4);
  if (classes) {
    print_cell(row, "accuracy_exact", 'f', 14, 4);
    print_cell(row, "accuracy_sketch", 'f', 9, 4);
  } else { /* of any unit */
    print_cell(row, "mse_exact", 'g', 14, 4);
    print_cell(row, "mse_sketch", 'g', 9, 4);
  }
  print_cell(row, "seconds_exact", 'f', 13, 2);
  print_cell(row, "seconds_sketch", 'f', 7, 2);
  print_cell(row, "speedup_measured", 'f', 8, 2);
  print_cell(row, "speedup_at_n", 'f', 0, 1);
  printf("\n");
}

static void print_table(const nke_compare *c, const json_t *warnings)
{
  const nke_config *const config = c->session.config;
  const int classes = config->data.task == NKE_TASK_CLASSIFICATION;
  size_t index;
  json_t *row, *line;
  printf("%s: %lld rows, lambda %g\n", config->run.out, (long long)c->n, c->lambda);
  printf("%-16s %8s %5s  frobenius  spectral  %14s     sketch  seconds exact   sketch  speed-up  at %lld\n", "method",
         "features", "seed", classes ? "accuracy exact" : "mse exact", (long long)config->compare.at_n);
  json_array_foreach(json_object_get(c->json, "rows"), index, row) print_row(row, classes);
  json_array_foreach(warnings, index, line) printf("  warning: %s\n", json_string_value(line));
  fflush(stdout);
}

/* Where rounding shows in the scores, of the exact kernel or of sketches: rows whose condition is past its limit. */
static json_t *warnings_json(const nke_compare *c)
{
  static const char *const advice[] = {"; run.precision: double takes smaller ones", ""};
  const nke_precision precision = c->session.config->run.precision;
  json_t *const list = json_array(), *row;
  double worst = 0, exact = 0;
  int past = 0;
  size_t index;
  char line[256];
  json_array_foreach(json_object_get(c->json, "rows"), index, row)
  {
    const double condition = json_number_value(json_object_get(row, "condition_sketch"));
    const int64_t m = json_integer_value(json_object_get(row, "features"));
    past += condition > nke_ridge_condition_limit(precision, c->n, m);
    worst = fmax(worst, condition);
    exact = json_number_value(json_object_get(row, "condition_exact"));
  }
  if (exact > nke_ridge_condition_limit(precision, c->n, 1)) {
    snprintf(line, sizeof line, "exact kernel: condition estimate %.1e: lambda %g is small for the precision%s", exact,
             c->lambda, advice[precision]);
    json_array_append_new(list, json_string(line));
  }
  if (past > 0) {
    snprintf(line, sizeof line,
             "%d of %d sketches: condition estimates up to %.1e: lambda %g is small for the precision%s", past,
             c->n_cases, worst, c->lambda, advice[precision]);
    json_array_append_new(list, json_string(line));
  }
  return list;
}

nke_status nke_compare_finish(nke_compare *c)
{
  nke_status st = NKE_OK;
  nke_session *const s = &c->session;
  json_t *json = NULL;
  nke_stage_end(&s->stats, NKE_STAGE_TOTAL);
  NKE_TRY(nke_report_create(s->comm, "compare", s->config, &s->stats, &json));
  if (json) {
    json_object_set_new(json, "n_train", json_integer(c->n));
    json_object_set_new(json, "n_test", json_integer(s->test ? nke_dataset_rows(s->test) : 0));
    json_object_set_new(json, "d", json_integer(nke_shape_length(s->shape)));
    json_object_update(json, c->json);
    json_object_set_new(json, "warnings", warnings_json(c));
  }
  NKE_TRY(nke_report_write(s->comm, s->config->run.out, "compare.json", json));
  if (c->json) st = write_csv(c);
  NKE_TRY(nke_agree(s->comm, st));
  nke_compare_part_remove(c);
  if (c->json && !s->invocation->quiet) print_table(c, json_object_get(json, "warnings"));
done:
  json_decref(json);
  return st;
}
