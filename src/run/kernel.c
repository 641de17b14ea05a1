/* `nke kernel`: exact NNGP and NTK of data.train with itself and of data.test with data.train, tile by tile, into a
 * file that a stopped or killed run goes on with; a range of tiles into a file of its own; and the joining of such
 * files. */
#include "base/memory.h"
#include "dist/collect.h"
#include "run/input.h"
#include "run/kernel_blocks.h"
#include "run/kernel_file.h"
#include "run/kernel_merge.h"
#include "run/plan.h"
#include "run/progress.h"
#include "run/signals.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

/* Least and most seconds of work that ranks take on before they agree on failures and stops; seconds of work that tell
 * a rank's speed; and between marks of finished tiles, of which each waits for the disk. */
static const double least_seconds = 0.5, most_seconds = 60, telling_seconds = 0.1, mark_seconds = 1;

typedef struct kernel_job {
  MPI_Comm comm;
  int rank, ranks;
  const nke_invocation *invocation;
  nke_config *config;
  nke_dataset *train, *test;
  nke_preprocess *preprocess;
  nke_exact *exact;
  nke_tiling tiling;
  nke_range tiles;
  nke_kernel_blocks blocks;
  nke_kernel_file file;
  char path[4096];
  char *identity;
  double *nngp, *ntk; /* one tile */
  int64_t *open, n_open, *mine, *unmarked, n_unmarked;
  int *owner;
  double *speed, *load;
  double started, marked, pairs, work, seconds; /* this rank's */
} kernel_job;

/* ---- set up ---- */

/* Whether the call asked for some of the tiles. */
static bool is_part(const kernel_job *job)
{
  return job->invocation->tiles.begin >= 0;
}

/* Tiles of this call: all, or --tiles a:b. */
static nke_status set_tiles(kernel_job *job)
{
  nke_range asked = job->invocation->tiles;
  job->tiles = (nke_range){0, job->tiling.total};
  if (!is_part(job)) return NKE_OK;
  if (job->invocation->merge) return nke_fail(NKE_ERR_USAGE, "--merge joins all tiles; it goes without --tiles");
  if (asked.end < 0) asked.end = job->tiling.total;
  if (asked.begin >= asked.end || asked.end > job->tiling.total)
    return nke_fail(NKE_ERR_USAGE, "--tiles %lld:%lld: expected a range within 0:%lld", (long long)asked.begin,
                    (long long)asked.end, (long long)job->tiling.total);
  job->tiles = asked;
  return NKE_OK;
}

/* kernel.file, or kernel.h5 in run.out; a part's tiles stand before the extension. */
static nke_status set_path(kernel_job *job)
{
  char whole[sizeof job->path];
  int length = nke_kernel_file_path(job->config, whole, sizeof whole);
  if (length < (int)sizeof whole) {
    if (is_part(job))
      length = nke_kernel_part_path(whole, job->tiles, job->path, sizeof job->path);
    else
      length = snprintf(job->path, sizeof job->path, "%s", whole);
  }
  if (length >= (int)sizeof job->path) return nke_fail(NKE_ERR_OUTPUT, "kernel.file: path too long");
  return NKE_OK;
}

static nke_status set_tiling(kernel_job *job)
{
  const int64_t n = nke_dataset_rows(job->train), n_test = job->test ? nke_dataset_rows(job->test) : 0;
  const int64_t tile = job->config->kernel.tile;
  if (!nke_tiling_fits(n, n_test, tile))
    return nke_fail(NKE_ERR_USAGE, "%s: kernel.tile: %lld rows are more than 2^53 tiles of %lld rows; use larger ones",
                    job->config->name, (long long)n, (long long)tile);
  job->tiling = nke_tiling_of(n, n_test, tile);
  return NKE_OK;
}

static nke_status open_job(kernel_job *job)
{
  nke_status st = NKE_OK;
  nke_config *config = job->config;
  NKE_TRY(nke_config_require(config, NKE_NEEDS_TRAIN | NKE_NEEDS_NETWORK));
  if (config->data.sketch.kind == NKE_INPUT_AUTO) config->data.sketch.kind = NKE_INPUT_AS_IT_IS; /* exact */
  NKE_TRY(nke_input_open(job->comm, config, &config->data.train, &job->train));
  if (config->data.test.file) {
    NKE_TRY(nke_input_open(job->comm, config, &config->data.test, &job->test));
    NKE_TRY(nke_dataset_check_shape(job->train, job->test));
  }
  NKE_TRY(nke_session_shape(config, nke_dataset_shape(job->train)));
  NKE_TRY(nke_agree(job->comm,
                    nke_exact_create(config->network, config->run.precision, config->embedding.flip, &job->exact)));
  NKE_TRY(set_tiling(job));
  NKE_TRY(set_tiles(job));
  NKE_TRY(set_path(job));
  st = nke_kernel_identity(job->comm, config, &job->tiling, job->train, job->test, &job->identity);
done:
  return st;
}

static double pairs_of(const kernel_job *job)
{
  double pairs = 0;
  if (!is_part(job)) return nke_tiling_pairs(&job->tiling);
  for (int64_t k = job->tiles.begin; k < job->tiles.end; k++) {
    const nke_tile tile = nke_tile_at(&job->tiling, k);
    pairs += nke_tile_pairs(&tile);
  }
  return pairs;
}

/* The work space of a tile, both kernels of it and what the file packs, and the lists of tiles; blocks of rows: all, or
 * those that half of what is left beside all that stays can hold, as that is not foreseen to the byte, two at least. */
static nke_plan plan_of(const kernel_job *job)
{
  const double t = (double)job->tiling.tile,
               entries = (double)job->tiling.n * (double)(job->tiling.n + job->tiling.n_test);
  const double word = (double)nke_precision_bytes(job->config->run.precision), pairs = pairs_of(job);
  const double tiles = (double)(job->tiles.end - job->tiles.begin);
  nke_plan plan = nke_plan_begin(job->train, NULL, job->test);
  snprintf(plan.what, sizeof plan.what, "%.256s: tiles %.0f of %lld, pairs %.0f, %.1f MFlop a pair", job->path, tiles,
           (long long)job->tiling.total, pairs, 1e-6 * nke_exact_flops_per_pair(job->exact));
  nke_plan_preprocess(job->config, nke_dataset_shape(job->train), &plan);
  plan.matrix = (double)nke_exact_block_bytes(job->exact, job->tiling.tile, job->tiling.tile) + 24 * t * t + 29 * tiles;
  const double block = (double)nke_kernel_block_bytes(job->exact, nke_dataset_length(job->train), job->tiling.tile);
  const double left =
      (double)job->config->run.memory_per_rank - (plan.program + plan.data + plan.preprocess + plan.matrix);
  plan.slab = block * fmax(2, fmin((double)(job->tiling.blocks + job->tiling.test_blocks), floor(left / 2 / block)));
  plan.flops_gram = pairs * nke_exact_flops_per_pair(job->exact);
  plan.file = job->path;
  plan.file_bytes = 2 * word * (is_part(job) ? tiles * t * t : entries);
  plan.advice = "a smaller kernel.tile, or a larger limit";
  return plan;
}

static nke_status alloc_job(kernel_job *job, int64_t block_bytes)
{
  nke_status st = NKE_OK;
  const int64_t t = job->tiling.tile, tiles = job->tiles.end - job->tiles.begin;
  NKE_TRY(nke_calloc(t * t, sizeof *job->nngp, "a tile", &job->nngp));
  NKE_TRY(nke_calloc(t * t, sizeof *job->ntk, "a tile", &job->ntk));
  NKE_TRY(nke_alloc(tiles, sizeof *job->open, "the list of tiles", &job->open));
  NKE_TRY(nke_alloc(tiles, sizeof *job->mine, "the list of tiles", &job->mine));
  NKE_TRY(nke_alloc(tiles, sizeof *job->unmarked, "the list of tiles", &job->unmarked));
  NKE_TRY(nke_alloc(tiles, sizeof *job->owner, "the list of tiles", &job->owner));
  NKE_TRY(nke_alloc(job->ranks, sizeof *job->speed, "speeds", &job->speed));
  NKE_TRY(nke_alloc(job->ranks, sizeof *job->load, "loads", &job->load));
  job->blocks = (nke_kernel_blocks){.train = job->train,
                                    .test = job->test,
                                    .preprocess = job->preprocess,
                                    .exact = job->exact,
                                    .tiling = job->tiling};
  NKE_TRY(nke_kernel_blocks_init(&job->blocks, block_bytes));
done:
  return st;
}

static void close_job(kernel_job *job)
{
  nke_kernel_file_close(&job->file);
  nke_kernel_blocks_clear(&job->blocks);
  nke_free(job->identity);
  nke_free(job->nngp);
  nke_free(job->ntk);
  nke_free(job->open);
  nke_free(job->mine);
  nke_free(job->unmarked);
  nke_free(job->owner);
  nke_free(job->speed);
  nke_free(job->load);
  nke_exact_destroy(&job->exact);
  nke_preprocess_destroy(&job->preprocess);
  nke_dataset_close(&job->test);
  nke_dataset_close(&job->train);
}

/* ---- tiles ---- */

static nke_status compute_tile(kernel_job *job, int64_t number)
{
  nke_status st = NKE_OK;
  const nke_tile tile = nke_tile_at(&job->tiling, number);
  const nke_kernel_block *rows, *cols;
  const int64_t t = job->tiling.tile;
  NKE_TRY(nke_kernel_blocks_get(&job->blocks, tile.test, tile.row_block, &rows));
  NKE_TRY(nke_kernel_blocks_get(&job->blocks, 0, tile.col_block, &cols));
  st = nke_tile_is_diagonal(&tile)
           ? nke_exact_triangle(job->exact, rows->n, rows->x, rows->norms, job->nngp, job->ntk, t)
           : nke_exact_block(job->exact, rows->n, rows->x, rows->norms, cols->n, cols->x, cols->norms, job->nngp,
                             job->ntk, t);
  if (st == NKE_ERR_NUMERIC)
    st = nke_fail(st, "%s, tile of rows %lld.. and %lld..: %s", job->path, (long long)tile.rows.begin,
                  (long long)tile.cols.begin, nke_error_text());
  if (st != NKE_OK) goto done;
  NKE_TRY(nke_kernel_file_write(&job->file, number, job->nngp, job->ntk));
  job->unmarked[job->n_unmarked++] = number;
  job->pairs += nke_tile_pairs(&tile);
  job->work += nke_tile_work(&tile);
done:
  return st;
}

static nke_status mark(kernel_job *job)
{
  const nke_status st = nke_kernel_file_mark(&job->file, job->n_unmarked, job->unmarked);
  job->n_unmarked = 0;
  job->marked = nke_seconds();
  return st;
}

/* This rank's tiles of a round, in the order of their numbers: neighbours share blocks of rows. A signal ends it early. */
static nke_status compute_round(kernel_job *job, int64_t n)
{
  nke_status st = NKE_OK;
  const double begun = nke_seconds();
  for (int64_t k = 0; k < n && !nke_signals_here(); k++) {
    NKE_TRY(compute_tile(job, job->mine[k]));
    if (nke_seconds() - job->marked >= mark_seconds) NKE_TRY(mark(job));
  }
done:
  job->seconds += nke_seconds() - begun;
  return st;
}

/* Work a second of every rank so far; the mean for those that had nothing to do yet, and for all while that is too
 * short to tell. */
static void share_speeds(kernel_job *job)
{
  const double own = job->seconds > 0 ? job->work / job->seconds : 0;
  double sum = 0, least = job->seconds;
  int known = 0;
  MPI_Allgather(&own, 1, MPI_DOUBLE, job->speed, 1, MPI_DOUBLE, job->comm);
  MPI_Allreduce(MPI_IN_PLACE, &least, 1, MPI_DOUBLE, MPI_MIN, job->comm);
  for (int r = 0; r < job->ranks; r++) {
    sum += job->speed[r];
    known += job->speed[r] > 0;
  }
  for (int r = 0; r < job->ranks; r++)
    if (job->speed[r] <= 0 || least < telling_seconds) job->speed[r] = known > 0 ? sum / known : 1;
}

/* One round: deal tiles out, compute, agree. *stop: a rank was asked to. */
static nke_status run_round(kernel_job *job, int64_t *next, double seconds, bool *stop)
{
  nke_status st = NKE_OK;
  const int64_t count = nke_tiles_deal(&job->tiling, job->n_open - *next, job->open + *next, job->ranks, job->speed,
                                       seconds, job->load, job->owner);
  int64_t n = 0;
  for (int64_t k = 0; k < count; k++)
    if (job->owner[k] == job->rank) job->mine[n++] = job->open[*next + k];
  NKE_TRY(nke_agree(job->comm, compute_round(job, n)));
  share_speeds(job);
  *stop = nke_signals_agree(job->comm);
  *next += count;
done:
  return st;
}

/* Seconds of the round to come: as long as all before it, whose speeds it is dealt by, and half of what is left, so that
 * later rounds make good what speeds got wrong. */
static double next_round(const kernel_job *job, int64_t next, double elapsed)
{
  double left = 0, speed = 0;
  for (int64_t k = next; k < job->n_open; k++) {
    const nke_tile tile = nke_tile_at(&job->tiling, job->open[k]);
    left += nke_tile_work(&tile);
  }
  for (int r = 0; r < job->ranks; r++) speed += job->speed[r];
  return fmin(most_seconds, fmax(least_seconds, fmin(elapsed, left / speed / 2)));
}

/* All finished tiles marked, and the marks on disk. */
static nke_status mark_all(kernel_job *job)
{
  const nke_status st = nke_agree(job->comm, mark(job));
  return st == NKE_OK ? nke_h5file_flush(job->file.h5) : st;
}

static nke_status list_open(kernel_job *job)
{
  nke_status st = NKE_OK;
  unsigned char *done = NULL;
  const int64_t tiles = job->tiles.end - job->tiles.begin;
  NKE_TRY(nke_alloc(tiles, 1, "the map of tiles", &done));
  NKE_TRY(nke_kernel_file_done(&job->file, done));
  job->n_open = 0;
  for (int64_t k = 0; k < tiles; k++)
    if (!done[k]) job->open[job->n_open++] = job->tiles.begin + k;
done:
  nke_free(done);
  return st;
}

static void print_result(const kernel_job *job, double pairs, double busy)
{
  if (job->rank != 0 || job->invocation->quiet) return;
  const int64_t tiles = job->tiles.end - job->tiles.begin;
  printf("%s: %lld tiles, %lld computed now, %.0f pairs", job->path, (long long)tiles, (long long)job->n_open, pairs);
  if (pairs > 0)
    printf(", %.2f s, %.4f ms a pair and rank, %s", nke_seconds() - job->started, 1e3 * busy / pairs,
           nke_exact_variant_name(job->exact));
  printf("\n");
  fflush(stdout);
}

static nke_status compute_all(kernel_job *job)
{
  nke_status st = NKE_OK;
  nke_progress progress;
  bool stop = false;
  int64_t next = 0;
  NKE_TRY(nke_agree(job->comm, list_open(job)));
  for (int r = 0; r < job->ranks; r++) job->speed[r] = 1;
  nke_progress_begin(&progress, job->comm, "kernel", "tiles", job->n_open);
  const double begun = nke_seconds();
  double elapsed = 0, marked = 0; /* rank 0's: all deal alike */
  job->marked = begun;
  while (next < job->n_open && !stop && st == NKE_OK) {
    /* The first round is a tile for each rank, to learn their speeds. */
    st = run_round(job, &next, next > 0 ? next_round(job, next, elapsed) : 0, &stop);
    elapsed = nke_seconds() - begun;
    MPI_Bcast(&elapsed, 1, MPI_DOUBLE, 0, job->comm);
    if (st == NKE_OK && (next == job->n_open || stop || elapsed - marked >= mark_seconds)) {
      st = mark_all(job);
      marked = elapsed;
    }
    nke_progress_update(&progress, next);
  }
  nke_progress_end(&progress);
  if (st != NKE_OK) goto done;
  double sums[2] = {job->pairs, job->seconds};
  nke_sum_over_ranks(job->comm, 2, sums);
  if (stop) NKE_TRY(nke_fail(NKE_STOPPED, "stopped by a signal; the same command goes on with %s", job->path));
  print_result(job, sums[0], sums[1]);
done:
  return st;
}

static nke_status run_job(kernel_job *job)
{
  nke_status st = NKE_OK;
  const nke_config_data *data = &job->config->data;
  NKE_TRY(open_job(job));
  const nke_plan plan = plan_of(job);
  NKE_TRY(nke_plan_settle(job->invocation, job->config, &plan));
  NKE_TRY(nke_input_spare(job->comm, job->train, job->path, "kernel.file"));
  NKE_TRY(nke_input_spare(job->comm, job->test, job->path, "kernel.file"));
  NKE_TRY(nke_kernel_file_check(job->comm, job->path, job->identity, &job->tiling, job->tiles, is_part(job),
                                job->invocation->force));
  if (job->invocation->dry_run) goto done;
  NKE_TRY(nke_kernel_file_open(job->comm, job->path, job->identity, job->config->run.precision, &job->tiling,
                               job->tiles, is_part(job), job->invocation->force, &job->file));
  if (job->invocation->merge) return nke_kernel_merge(job->comm, &job->file, job->identity);
  nke_signals_catch();
  NKE_TRY(nke_preprocess_fit(job->comm, job->train, data->n_preprocess, data->preprocess,
                             job->config->run.memory_per_rank, &job->preprocess));
  NKE_TRY(nke_agree(job->comm, alloc_job(job, (int64_t)plan.slab)));
  NKE_TRY(compute_all(job));
done:
  return st;
}

nke_status nke_kernel_run(const nke_invocation *invocation)
{
  kernel_job job = {.comm = invocation->comm,
                    .invocation = invocation,
                    .config = invocation->config,
                    .started = nke_seconds()};
  MPI_Comm_rank(job.comm, &job.rank);
  MPI_Comm_size(job.comm, &job.ranks);
  const nke_status st = run_job(&job);
  close_job(&job);
  nke_signals_release();
  return st;
}
