/* What a comparison under way leaves, <out>/compare.part.json, and goes on from: the rows of its finished sketches,
 * their spectra, and whose they are. Every row is checked before it is believed. */
#include "run/compare.h"

#include "data/h5file.h"
#include "dist/collect.h"
#include "run/report.h"

#include <stdio.h>
#include <string.h>

static const char part_name[] = "compare.part.json";

static int part_path(const nke_compare *c, char *path, size_t size)
{
  return snprintf(path, size, "%s/%s", c->session.config->run.out, part_name);
}

int nke_compare_rows_path(const nke_compare *c, char *path, size_t size)
{
  return snprintf(path, size, "%s/compare.part.h5", c->session.config->run.out);
}

/* Whether an entry of the file is of this sketch. */
static bool is_of(const json_t *entry, const nke_compare_case *which)
{
  const char *const method = json_string_value(json_object_get(entry, "method"));
  const json_t *const features = json_object_get(entry, "features"), *const seed = json_object_get(entry, "seed");
  return method && strcmp(method, which->options.method) == 0 && json_is_integer(features) &&
         json_integer_value(features) == which->m && json_is_integer(seed) &&
         json_integer_value(seed) == (json_int_t)which->options.seed;
}

/* The sketch of the list that an entry is of, or NULL. */
static const nke_compare_case *case_of(const nke_compare *c, const json_t *entry)
{
  for (int i = 0; i < c->n_cases; i++)
    if (is_of(entry, &c->cases[i])) return &c->cases[i];
  return NULL;
}

static bool is_value(const json_t *value)
{
  return json_is_number(value) || json_is_null(value); /* null: not known */
}

/* n eigenvalues. */
static bool is_spectrum(const json_t *values, int64_t n)
{
  size_t index;
  const json_t *value;
  if (!json_is_array(values) || json_array_size(values) != (size_t)n) return false;
  json_array_foreach(values, index, value) if (!is_value(value)) return false;
  return true;
}

/* The parts of a row that are no single values. */
static bool has_details(const json_t *row)
{
  static const char *const objects[] = {"stages_exact", "stages_sketch", "spread_exact_per_pair",
                                        "spread_sketch_per_row"};
  static const char *const ranges[] = {"eigenvalue_range", "eigenvalue_range_krylov", "eigenvalue_range_scaled"};
  bool ok = true;
  for (size_t i = 0; i < sizeof objects / sizeof *objects; i++)
    ok = ok && json_is_object(json_object_get(row, objects[i]));
  for (size_t i = 0; i < sizeof ranges / sizeof *ranges; i++)
    ok = ok && is_spectrum(json_object_get(row, ranges[i]), 2);
  return ok;
}

/* What is wrong with a row, and the entry of its spectrum, that come after `before` other rows; NULL: nothing. */
static const char *wrong_row(const nke_compare *c, const json_t *rows, size_t before, const json_t *spectrum)
{
  const json_t *const row = json_array_get(rows, before), *const n = json_object_get(row, "n");
  const nke_compare_case *const which = case_of(c, row);
  if (!which) return "method, features and seed";
  for (size_t i = 0; i < before; i++)
    if (is_of(json_array_get(rows, i), which)) return "twice the same sketch";
  if (!json_is_integer(n) || json_integer_value(n) != c->n) return "n";
  for (const char *const *key = nke_compare_columns + 1; *key; key++) /* behind the method */
    if (!is_value(json_object_get(row, *key))) return *key;
  if (!has_details(row)) return "stages, spreads and ranges";
  return is_of(spectrum, which) && is_spectrum(json_object_get(spectrum, "eigenvalues"), c->n) ? NULL : "spectrum";
}

/* Whether what the file says of this comparison is whole; the reason why not, with its path. */
static nke_status check_part(const nke_compare *c, const char *path, const json_t *json)
{
  const json_t *const rows = json_object_get(json, "rows"), *const spectra = json_object_get(json, "spectra");
  const json_t *const sketch = json_object_get(spectra, "sketch");
  if (!json_is_array(rows) || !json_is_array(sketch) || json_array_size(rows) != json_array_size(sketch) ||
      !is_spectrum(json_object_get(spectra, "exact"), c->n))
    return nke_fail(NKE_ERR_DATA, "%s: damaged: rows, or spectra", path);
  for (size_t i = 0; i < json_array_size(rows); i++) {
    const char *const wrong = wrong_row(c, rows, i, json_array_get(sketch, i));
    if (wrong) return nke_fail(NKE_ERR_DATA, "%s: damaged: row %zu: %s", path, i, wrong);
  }
  return NKE_OK;
}

/* The part file where it is of this config and data, NULL where there is none or it is of others. NKE_ERR_DATA:
 * damaged. Rank 0. */
static nke_status load_part(const nke_compare *c, const char *hash, json_t **out)
{
  nke_status st = NKE_OK;
  char path[4096];
  json_error_t error;
  *out = NULL;
  if (part_path(c, path, sizeof path) >= (int)sizeof path || !nke_h5file_exists(MPI_COMM_SELF, path)) return NKE_OK;
  json_t *const json = json_load_file(path, 0, &error);
  const char *const found = json_string_value(json_object_get(json, "config_hash"));
  if (!json)
    st = nke_fail(NKE_ERR_DATA, "%s: damaged: line %d: %s", path, error.line, error.text);
  else if (!found)
    st = nke_fail(NKE_ERR_DATA, "%s: damaged: config_hash", path);
  else if (strcmp(found, hash) == 0)
    st = check_part(c, path, json);
  if (st == NKE_OK && found && strcmp(found, hash) == 0)
    *out = json;
  else
    json_decref(json);
  return st;
}

nke_status nke_compare_resume(nke_compare *c)
{
  char hash[32];
  if (c->rank != 0) return NKE_OK;
  snprintf(hash, sizeof hash, "%016llx", (unsigned long long)c->hash);
  if (load_part(c, hash, &c->json) != NKE_OK)
    fprintf(stderr, "warning: %s; the comparison starts anew\n", nke_error_text());
  if (c->json) return NKE_OK;
  c->json = json_object();
  json_object_set_new(c->json, "config_hash", json_string(hash));
  json_object_set_new(c->json, "spectra", json_object());
  json_object_set_new(c->json, "rows", json_array());
  return NKE_OK;
}

bool nke_compare_has(nke_compare *c, const nke_compare_case *which)
{
  double found = 0;
  size_t index;
  json_t *row;
  json_array_foreach(json_object_get(c->json, "rows"), index, row) found += is_of(row, which);
  nke_sum_over_ranks(c->session.comm, 1, &found);
  return found > 0;
}

nke_status nke_compare_keep(nke_compare *c)
{
  return nke_report_write(c->session.comm, c->session.config->run.out, part_name, c->json);
}

void nke_compare_part_remove(const nke_compare *c)
{
  char path[4096];
  if (c->rank != 0) return;
  if (part_path(c, path, sizeof path) < (int)sizeof path) remove(path);
  if (nke_compare_rows_path(c, path, sizeof path) < (int)sizeof path) remove(path);
}
