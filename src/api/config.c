/* Configs of the public API: rows from memory, and `nke fit`. */
#include "api/given.h"
#include "base/checked.h"
#include "nke.h"
#include "run/commands.h"

nke_status nke_config_set_rows(nke_config *config, nke_rows_role role, int64_t n, int n_dims, const int64_t *dims,
                               const double *x, int64_t k, const double *y)
{
  nke_status st = NKE_OK;
  NKE_TRY(nke_given("config", config));
  NKE_TRY(nke_given("dims", dims));
  if (role != NKE_ROWS_TRAIN && role != NKE_ROWS_TEST)
    return nke_fail(NKE_ERR_USAGE, "rows in memory: role: expected NKE_ROWS_TRAIN or NKE_ROWS_TEST, got %d", (int)role);
  if (n_dims < 1 || n_dims > 3)
    return nke_fail(NKE_ERR_USAGE, "rows in memory: n_dims: expected 1, 2 or 3, got %d", n_dims);
  nke_data_spec spec = {.file = role == NKE_ROWS_TRAIN ? "training rows in memory" : "test rows in memory",
                        .row_end = -1,
                        .memory = {.n = n, .n_dims = n_dims, .k = k, .x = x, .y = y}};
  for (int i = 0; i < n_dims; i++) spec.memory.dims[i] = dims[i];
  *(role == NKE_ROWS_TRAIN ? &config->data.train : &config->data.test) = spec;
done:
  return st;
}

nke_status nke_config_fit(MPI_Comm comm, nke_config *config, int force)
{
  const nke_status st = nke_agree(comm, nke_given("config", config));
  if (st != NKE_OK) return st;
  const nke_invocation invocation = {.comm = comm, .config = config, .rows = {0, -1}, .tiles = {-1, -1},
                                     .force = force != 0, .quiet = true};
  return nke_fit_run(&invocation);
}
