#include "dist/exchange.h"

#include "base/memory.h"

struct nke_exchange {
  nke_grid grid;
  int64_t n, nb;
  nke_precision precision;
  nke_stats *stats;
  int64_t *offset;      /* [blocks] of this rank's panel */
  int64_t *length;      /* [ranks] entries of a row that each needs */
  int64_t *rows;        /* [ranks] of the current call */
  int *counts, *starts; /* [ranks], for gathers */
  MPI_Datatype *column; /* [ranks] one row's entries for that rank; the next row starts n entries later */
  MPI_Datatype *chunk;  /* [ranks] what that rank gets in the current call of nke_exchange_rows() */
  MPI_Request *request; /* [2 ranks] of the current call */
  void *buffer;
  int64_t capacity; /* of buffer, in entries */
};

static int64_t block_count(const nke_exchange *x)
{
  return nke_ceil_div(x->n, x->nb);
}

static int64_t block_end(int64_t b, int64_t n, int64_t nb)
{
  return nke_min(n, (b + 1) * nb);
}

/* Does `rank` own a tile in block row or block column b? */
static int needs(const nke_grid *g, int rank, int64_t b)
{
  return b % g->nprow == rank / g->npcol || b % g->npcol == rank % g->npcol;
}

/* Entries of a row of n that `rank` needs. Which blocks those are comes round after as many as there are ranks. */
static int64_t length_of(const nke_grid *grid, int rank, int64_t n, int64_t nb)
{
  const int64_t round = grid->size * nb;
  int64_t length = 0;
  if (n > round) return n / round * length_of(grid, rank, round, nb) + length_of(grid, rank, n % round, nb);
  for (int64_t b = 0; b * nb < n; b++)
    if (needs(grid, rank, b)) length += block_end(b, n, nb) - b * nb;
  return length;
}

/* Of the first grid row, whose blocks are no fewer than another's; how many of them a column's blocks repeat goes round
 * with the column, within as many as there are grid rows. The first rank, on the diagonal of the grid, may need half.
 */
int64_t nke_exchange_most(const nke_grid *grid, int64_t n, int64_t nb)
{
  int64_t most = 0;
  for (int q = 0; q < grid->npcol && q <= grid->nprow; q++) most = nke_max(most, length_of(grid, q, n, nb));
  return most;
}

static MPI_Datatype entry_type(const nke_exchange *x)
{
  return x->precision == NKE_SINGLE ? MPI_FLOAT : MPI_DOUBLE;
}

/* Pieces of [begin, end) that `rank` needs, adjacent blocks joined, relative to begin. lens and at have a place for
 * every block; returns how many are used. */
static int pieces(const nke_exchange *x, int rank, int64_t begin, int64_t end, int *lens, int *at)
{
  int count = 0, joined = 0;
  for (int64_t b = begin / x->nb; b * x->nb < end; b++) {
    const int64_t from = nke_max(begin, b * x->nb), to = nke_min(end, block_end(b, x->n, x->nb));
    const int wanted = needs(&x->grid, rank, b) && to > from;
    if (wanted && joined) lens[count - 1] += (int)(to - from);
    if (wanted && !joined) {
      lens[count] = (int)(to - from);
      at[count++] = (int)(from - begin);
    }
    joined = wanted;
  }
  return count;
}

/* A committed type of the pieces of [begin, end) for `rank`, in units of `unit`; *extent bytes from one such to the
 * next. */
static nke_status piece_type(const nke_exchange *x, int rank, int64_t begin, int64_t end, MPI_Datatype unit,
                             int64_t extent, MPI_Datatype *out)
{
  nke_status st = NKE_OK;
  int *lens = NULL, *at = NULL;
  MPI_Datatype packed = MPI_DATATYPE_NULL;
  NKE_TRY(nke_alloc(block_count(x), sizeof *lens, "message type", &lens));
  NKE_TRY(nke_alloc(block_count(x), sizeof *at, "message type", &at));
  const int count = pieces(x, rank, begin, end, lens, at);
  NKE_TRY_MPI(MPI_Type_indexed(count, lens, at, unit, &packed));
  NKE_TRY_MPI(MPI_Type_create_resized(packed, 0, (MPI_Aint)extent, out));
  NKE_TRY_MPI(MPI_Type_commit(out));
done:
  if (packed != MPI_DATATYPE_NULL) MPI_Type_free(&packed);
  nke_free(at);
  nke_free(lens);
  return st;
}

nke_status nke_exchange_create(const nke_bcmat *a, nke_precision precision, nke_stats *stats, nke_exchange **out)
{
  nke_status st = NKE_OK;
  nke_exchange *x = NULL;
  const int size = a->grid.size;
  int narrow;
  *out = NULL;
  NKE_TRY(nke_calloc(1, sizeof *x, "exchange", &x));
  *x = (nke_exchange){.grid = a->grid, .n = a->rows, .nb = a->nb, .precision = precision, .stats = stats};
  NKE_TRY(nke_to_int(x->n, "order of a distributed matrix", &narrow));
  NKE_TRY(nke_alloc(block_count(x), sizeof *x->offset, "exchange", &x->offset));
  NKE_TRY(nke_alloc(size, sizeof *x->length, "exchange", &x->length));
  for (int q = 0; q < size; q++) x->length[q] = length_of(&x->grid, q, x->n, x->nb);
  NKE_TRY(nke_alloc(size, sizeof *x->rows, "exchange", &x->rows));
  NKE_TRY(nke_alloc(size, sizeof *x->counts, "exchange", &x->counts));
  NKE_TRY(nke_alloc(size, sizeof *x->starts, "exchange", &x->starts));
  NKE_TRY(nke_alloc(2 * size, sizeof(MPI_Request), "exchange", &x->request));
  NKE_TRY(nke_alloc(size, sizeof(MPI_Datatype), "exchange", &x->column));
  for (int q = 0; q < size; q++) x->column[q] = MPI_DATATYPE_NULL;
  NKE_TRY(nke_alloc(size, sizeof(MPI_Datatype), "exchange", &x->chunk));
  for (int q = 0; q < size; q++) x->chunk[q] = MPI_DATATYPE_NULL;
  int64_t at = 0;
  for (int64_t b = 0; b < block_count(x); b++) {
    const int wanted = needs(&x->grid, x->grid.rank, b);
    x->offset[b] = wanted ? at : -1;
    if (wanted) at += block_end(b, x->n, x->nb) - b * x->nb;
  }
  const int64_t row_bytes = x->n * nke_precision_bytes(precision);
  for (int q = 0; q < size; q++) NKE_TRY(piece_type(x, q, 0, x->n, entry_type(x), row_bytes, &x->column[q]));

done:
  st = nke_agree(a->grid.comm, st);
  if (st != NKE_OK) nke_exchange_destroy(&x);
  *out = x;
  return st;
}

static void free_types(const nke_exchange *x, MPI_Datatype *types)
{
  for (int q = 0; types && q < x->grid.size; q++)
    if (types[q] != MPI_DATATYPE_NULL) MPI_Type_free(&types[q]);
}

void nke_exchange_destroy(nke_exchange **x)
{
  if (!*x) return;
  free_types(*x, (*x)->column);
  free_types(*x, (*x)->chunk);
  nke_free((*x)->column);
  nke_free((*x)->chunk);
  nke_free((*x)->request);
  nke_free((*x)->starts);
  nke_free((*x)->counts);
  nke_free((*x)->rows);
  nke_free((*x)->length);
  nke_free((*x)->offset);
  nke_free((*x)->buffer);
  nke_free(*x);
  *x = NULL;
}

/* Room for `entries` in the panel buffer. Local. */
static nke_status reserve(nke_exchange *x, int64_t entries)
{
  if (entries <= x->capacity) return NKE_OK;
  nke_free(x->buffer);
  x->capacity = 0;
  const nke_status st = nke_alloc(entries, (size_t)nke_precision_bytes(x->precision), "panel of features", &x->buffer);
  if (st == NKE_OK) x->capacity = entries;
  return st;
}

/* x->rows <- everyone's rows; *total their sum. Collective. */
static nke_status gather_rows(nke_exchange *x, int64_t rows_loc, int64_t *total)
{
  nke_status st = NKE_OK;
  NKE_TRY_MPI(MPI_Allgather(&rows_loc, 1, MPI_INT64_T, x->rows, 1, MPI_INT64_T, x->grid.comm));
  *total = 0;
  for (int q = 0; q < x->grid.size; q++) *total += x->rows[q];
done:
  return st;
}

/* Of a rank: MPI counts by message. */
static int64_t most_rows(const nke_exchange *x)
{
  int64_t most = 0;
  for (int q = 0; q < x->grid.size; q++) most = nke_max(most, x->rows[q]);
  return most;
}

static void count_message(nke_exchange *x, int to, int64_t bytes)
{
  if (!x->stats || to == x->grid.rank || bytes == 0) return;
  x->stats->bytes_sent += bytes;
  x->stats->messages_sent++;
}

/* No message is sent without entries: of a panel of many ranks few have rows. */
nke_status nke_exchange_columns(nke_exchange *x, int64_t rows_loc, const void *z_loc, nke_panel *panel)
{
  nke_status st = NKE_OK;
  const nke_grid *g = &x->grid;
  const int64_t bytes = nke_precision_bytes(x->precision), mine = x->length[g->rank];
  int64_t total = 0;
  int narrow, posted = 0;
  NKE_TRY(gather_rows(x, rows_loc, &total));
  st = nke_part_to_int(most_rows(x) * mine, "entries of a message of features", &narrow);
  if (st == NKE_OK) st = reserve(x, total * mine);
  NKE_TRY(nke_agree(g->comm, st));
  char *to = x->buffer;
  for (int q = 0; q < g->size; q++) {
    const int64_t count = x->rows[q] * mine;
    if (count == 0) continue;
    NKE_TRY_MPI(MPI_Irecv(to, (int)count, entry_type(x), q, 0, g->comm, &x->request[posted++]));
    to += count * bytes;
  }
  for (int q = 0; q < g->size && rows_loc > 0; q++) {
    if (x->length[q] == 0) continue;
    NKE_TRY_MPI(MPI_Isend(z_loc, (int)rows_loc, x->column[q], q, 0, g->comm, &x->request[posted++]));
    count_message(x, q, rows_loc * bytes * x->length[q]);
  }
  NKE_TRY_MPI(MPI_Waitall(posted, x->request, MPI_STATUSES_IGNORE));
  *panel = (nke_panel){.data = x->buffer, .ld = mine, .step = 1, .depth = total, .offset = x->offset};
done:
  return st;
}

/* How many of rows [begin, end) rank q needs. */
static int64_t needed_of(const nke_exchange *x, int q, int64_t begin, int64_t end)
{
  int64_t count = 0;
  for (int64_t b = begin / x->nb; b * x->nb < end; b++)
    if (needs(&x->grid, q, b)) count += nke_min(end, block_end(b, x->n, x->nb)) - nke_max(begin, b * x->nb);
  return count;
}

/* x->chunk <- the messages of this rank's rows [begin, begin + rows_loc), `width` columns of rows of ld entries. Before
 * any message is posted: a rank that fails here must leave none that the others wait for. */
static nke_status make_chunks(nke_exchange *x, int64_t begin, int64_t rows_loc, int64_t ld, int64_t width)
{
  nke_status st = NKE_OK;
  MPI_Datatype row = MPI_DATATYPE_NULL, long_row = MPI_DATATYPE_NULL;
  const int64_t bytes = nke_precision_bytes(x->precision);
  NKE_TRY_MPI(MPI_Type_contiguous((int)width, entry_type(x), &row));
  NKE_TRY_MPI(MPI_Type_create_resized(row, 0, (MPI_Aint)(ld * bytes), &long_row));
  for (int q = 0; q < x->grid.size; q++)
    NKE_TRY(piece_type(x, q, begin, begin + rows_loc, long_row, ld * bytes, &x->chunk[q]));
done:
  if (long_row != MPI_DATATYPE_NULL) MPI_Type_free(&long_row);
  if (row != MPI_DATATYPE_NULL) MPI_Type_free(&row);
  return st;
}

nke_status nke_exchange_rows(nke_exchange *x, int64_t rows_loc, int64_t ld, int64_t first, int64_t width,
                             const void *z_loc, nke_panel *panel)
{
  nke_status st = NKE_OK;
  const nke_grid *g = &x->grid;
  const int64_t bytes = nke_precision_bytes(x->precision), mine = x->length[g->rank];
  int64_t total = 0, begin = 0, own = 0;
  int narrow, posted = 0;
  NKE_TRY(gather_rows(x, rows_loc, &total));
  for (int q = 0; q < g->rank; q++) own += x->rows[q];
  st = nke_part_to_int(most_rows(x) * width, "entries of a message of features", &narrow);
  if (st == NKE_OK) st = reserve(x, mine * width);
  if (st == NKE_OK && total != x->n)
    st = nke_fail(NKE_ERR_INTERNAL, "the ranks hold %lld rows, the matrix has %lld", (long long)total, (long long)x->n);
  if (st == NKE_OK) st = make_chunks(x, own, rows_loc, ld, width);
  NKE_TRY(nke_agree(g->comm, st));
  char *to = x->buffer;
  for (int q = 0; q < g->size; begin += x->rows[q++]) {
    const int64_t count = needed_of(x, g->rank, begin, begin + x->rows[q]) * width;
    if (count == 0) continue;
    NKE_TRY_MPI(MPI_Irecv(to, (int)count, entry_type(x), q, 0, g->comm, &x->request[posted++]));
    to += count * bytes;
  }
  for (int q = 0; q < g->size; q++) {
    const char *const from = (const char *)z_loc + first * bytes;
    const int64_t count = needed_of(x, q, own, own + rows_loc) * width;
    if (count == 0) continue;
    NKE_TRY_MPI(MPI_Isend(from, 1, x->chunk[q], q, 0, g->comm, &x->request[posted++]));
    count_message(x, q, bytes * count);
  }
  NKE_TRY_MPI(MPI_Waitall(posted, x->request, MPI_STATUSES_IGNORE));
  *panel = (nke_panel){.data = x->buffer, .ld = width, .step = width, .depth = width, .offset = x->offset};
done:
  free_types(x, x->chunk);
  return st;
}

nke_status nke_exchange_gather(nke_exchange *x, int64_t count, const double *mine, double *all)
{
  nke_status st = NKE_OK;
  const nke_grid *g = &x->grid;
  int64_t total = 0;
  int narrow, at = 0;
  NKE_TRY(gather_rows(x, count, &total));
  NKE_TRY(nke_to_int(total, "entries to gather", &narrow));
  for (int q = 0; q < g->size; q++) {
    x->counts[q] = (int)x->rows[q];
    x->starts[q] = at;
    at += x->counts[q];
    count_message(x, q, count * 8);
  }
  NKE_TRY_MPI(MPI_Allgatherv(mine, (int)count, MPI_DOUBLE, all, x->counts, x->starts, MPI_DOUBLE, g->comm));
done:
  return st;
}
