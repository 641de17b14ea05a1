#include "run/progress.h"

#include "base/timer.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

static const double seconds_between_lines = 30, seconds_between_frames = 0.2;

void nke_progress_begin(nke_progress *p, MPI_Comm comm, const char *what, const char *unit, int64_t total)
{
  int rank;
  MPI_Comm_rank(comm, &rank);
  const double now = nke_seconds();
  *p = (nke_progress){.what = what, .unit = unit, .total = total, .started = now, .shown = now};
  p->speaks = rank == 0;
  p->terminal = isatty(STDERR_FILENO);
}

void nke_progress_update(nke_progress *p, int64_t done)
{
  const double now = nke_seconds(), spent = now - p->started;
  if (!p->speaks || done <= 0 || now - p->shown < (p->terminal ? seconds_between_frames : seconds_between_lines)) return;
  p->shown = now;
  const double rate = (double)done / spent, left = (double)(p->total - done) / rate;
  if (!p->terminal) {
    fprintf(stderr, "%s: %lld of %lld %s, %.1f a second, %.0f s left\n", p->what, (long long)done, (long long)p->total,
            p->unit, rate, left);
    return;
  }
  char bar[31];
  const int filled = p->total > 0 ? (int)(30.0 * (double)done / (double)p->total) : 30;
  memset(bar, '.', 30);
  memset(bar, '#', (size_t)filled);
  bar[30] = 0;
  fprintf(stderr, "\r\033[K%s [%s] %lld/%lld %s, %.1f/s, %.0f s left", p->what, bar, (long long)done,
          (long long)p->total, p->unit, rate, left);
  p->drawn = 1;
}

void nke_progress_end(nke_progress *p)
{
  if (p->drawn) fprintf(stderr, "\n");
  p->drawn = 0;
}
