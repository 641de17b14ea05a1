/* Named stage timers and counters of one run, reduced over ranks for the report. The only place for MPI_Wtime. */
#ifndef NKE_BASE_TIMER_H
#define NKE_BASE_TIMER_H

#include "base/status.h"

#include <stdint.h>

typedef enum nke_stage {
  NKE_STAGE_READ,
  NKE_STAGE_PREPROCESS,
  NKE_STAGE_EMBED,
  NKE_STAGE_GRAM,
  NKE_STAGE_SOLVE,
  NKE_STAGE_PREDICT,
  NKE_STAGE_WRITE,
  NKE_STAGE_TOTAL,
  NKE_STAGE_COUNT
} nke_stage;

extern const char *const nke_stage_name[NKE_STAGE_COUNT];

typedef struct nke_stats {
  double seconds[NKE_STAGE_COUNT]; /* this rank, wall time */
  double flops[NKE_STAGE_COUNT];   /* this rank, counted by formula */
  int64_t bytes_sent;              /* this rank, by the exchanges of src/dist */
  int64_t messages_sent;
  double begun[NKE_STAGE_COUNT];
} nke_stats;

/* Wall-clock seconds since an arbitrary point. Local. */
double nke_seconds(void);

/* Start and stop a stage; stages may nest but not overlap themselves. stats may be NULL (then nothing happens). Local. */
void nke_stage_begin(nke_stats *stats, nke_stage stage);
void nke_stage_end(nke_stats *stats, nke_stage stage);

typedef struct nke_spread {
  double min, mean, max, sum;
} nke_spread;

/* Min, mean, max and sum of one number over the ranks, on every rank. Collective. */
nke_spread nke_spread_over_ranks(MPI_Comm comm, double value);

#endif
