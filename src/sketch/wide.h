/* Sketches of rows wider than one rank's memory: the columns are spread over the ranks of a communicator, the sketch
 * [m] ends up on all of them. The map is that of sketch.h: it depends on (seed, stream number, dimensions), not on the
 * ranks.
 *
 *   columns       rank 0 | rank 1 | rank 2        each rank holds nke_wide_columns() of every row
 *   row x        [ ..... | ...... | .....  ]  ->  y = S x [m], the same on every rank
 *
 * Memory a rank: proportional to its columns and to m. */
#ifndef NKE_SKETCH_WIDE_H
#define NKE_SKETCH_WIDE_H

#include "dist/split.h"
#include "sketch/draws.h"

typedef struct nke_wide nke_wide;

/* One variant; see plan_wide.h. */
typedef struct nke_wide_kind nke_wide_kind;

/* CountSketch: every rank adds up its columns in double, then one reduction of m numbers a row. The map equals that of
 * nke_sketch_countsketch bit for bit. n <= 2^40. */
extern const nke_wide_kind nke_wide_countsketch;
/* SRFT by FFTW-MPI: a row of L = 2 h reals is transformed as h complex numbers (neighbours paired), so that the row
 * itself is the work space; the m / 2 sampled frequencies come from the h outputs by one reduction of 2 m numbers. n <=
 * 2^30; L is n padded to twice a product of 2, 3, 5. The map equals that of nke_sketch_srft where their padded lengths
 * agree, as for all powers of two. */
extern const nke_wide_kind nke_wide_srft;

/* What it pads rows of n to; compare nke_srft_period(). Local. */
int64_t nke_wide_srft_period(int64_t n);

/* Plan. Collective over comm, which the plan borrows. NKE_ERR_USAGE where n or m is out of range. */
nke_status nke_wide_create(MPI_Comm comm, const nke_wide_kind *kind, nke_precision precision, int64_t n, int64_t m,
                           nke_draws *draws, nke_wide **out);
void nke_wide_destroy(nke_wide **wide);

/* The columns that this rank must hold (may be none). Local. */
nke_range nke_wide_columns(const nke_wide *wide);

/* y [rows, m] = the sketches of `rows` rows, on every rank; x [rows, columns of this rank], row-major, both in the
 * plan's precision. Collective; every rank passes the same number of rows. Cost: CountSketch one addition an entry,
 * SRFT 2.5 L log2 L operations a row; communication m doubles a row, of SRFT 2 m and FFTW's transpositions. */
nke_status nke_wide_apply(nke_wide *wide, int64_t rows, const void *x, void *y);

/* Bytes of tables and work space on this rank. */
int64_t nke_wide_bytes(const nke_wide *wide);

#endif
