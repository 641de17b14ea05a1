/* Checkpoints of `fit`: what a run that was stopped or killed goes on from.
 *
 * <out>/checkpoint.h5 and, of the one before, <out>/checkpoint-previous.h5. They hold the lower triangle of the Gram
 * matrix block by block, the cross products, the solutions of the path and the sums of scores so far, each with a
 * checksum: 4 m^2 bytes and a little. They say nothing of ranks: a run at another number of ranks goes on too, with the
 * same result to rounding; at the same number, to the bit, but for eigendecompositions, which by several ranks differ in
 * their last bits from run to run. Trainers that keep features and no Gram matrix (fewer rows than features) write none,
 * but their rows (fit_keep.h). */
#ifndef NKE_RUN_CHECKPOINT_H
#define NKE_RUN_CHECKPOINT_H

#include "data/h5file.h"
#include "run/fit.h"

typedef struct nke_checkpoint {
  char path[4096], previous[4096];
  double saved;        /* when the last one was written, or the run began */
  double seconds;      /* that the last one took */
  int written;
  int resumed;         /* this run went on from a checkpoint */
  char warning[1024];  /* what went wrong with a checkpoint; "" */
} nke_checkpoint;

/* Catch signals, and go on from the last checkpoint where there is one: sets phase, position and all that was computed.
 * Collective, once the trainer is made. NKE_ERR_USAGE: it is another config's or other data's (unless --force, which
 * starts anew); NKE_ERR_DATA: damaged, and so is the one before. */
nke_status nke_checkpoint_begin(nke_fit *fit);

/* At the end of every slab, solution and fold: write a checkpoint where checkpoint.seconds have passed or a signal
 * came; after a signal NKE_STOPPED (within folds without a checkpoint too). One that cannot be written is a warning,
 * unless a signal came and there is no older one. Collective; same status on all ranks. Cost: a broadcast and
 * an allreduce of an int. */
nke_status nke_checkpoint_step(nke_fit *fit);

/* The fit is done and saved: its checkpoints go. Collective. */
void nke_checkpoint_remove(const nke_fit *fit);

/* What of the phase is done: rows or solutions, fit->position, or folds, fit->folds_done. Local. */
int64_t nke_checkpoint_position(const nke_fit *fit);

/* Give the signals back, and free. Local. */
void nke_checkpoint_end(nke_fit *fit);

/* What a checkpoint shares with the run that goes on from it: the config, and the sizes and fingerprints of the data.
 * Collective. */
nke_status nke_checkpoint_identity(const nke_fit *fit, char *text, size_t size);
enum { NKE_CHECKPOINT_IDENTITY = 256 };

/* Mark a new file as of this kind, of this fit's config and data; whether one is: NKE_ERR_USAGE: another config's or
 * other data's; NKE_ERR_DATA: of another kind. Collective. */
nke_status nke_checkpoint_mark(nke_h5file *file, const nke_fit *fit, const char *kind);
nke_status nke_checkpoint_check(nke_h5file *file, const nke_fit *fit, const char *kind);

/* Write, or read into the fit, one checkpoint file. Collective. */
nke_status nke_checkpoint_write(nke_fit *fit, const char *path);
nke_status nke_checkpoint_read(nke_fit *fit, const char *path);

#endif
