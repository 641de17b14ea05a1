#include "run/signals.h"

#include <signal.h>
#include <string.h>

static const int caught[] = {SIGUSR1, SIGTERM};
enum { SIGNALS = sizeof caught / sizeof *caught };

static volatile sig_atomic_t signalled;
static struct sigaction before[SIGNALS];
static bool catching;

static void remember(int number)
{
  (void)number;
  signalled = 1;
}

void nke_signals_catch(void)
{
  struct sigaction action;
  if (catching) return;
  memset(&action, 0, sizeof action);
  action.sa_handler = remember;
  action.sa_flags = SA_RESTART; /* reads and writes in flight go on */
  sigemptyset(&action.sa_mask);
  signalled = 0;
  for (int i = 0; i < SIGNALS; i++) sigaction(caught[i], &action, &before[i]);
  catching = true;
}

bool nke_signals_here(void)
{
  return signalled != 0;
}

bool nke_signals_agree(MPI_Comm comm)
{
  int any = nke_signals_here();
  MPI_Allreduce(MPI_IN_PLACE, &any, 1, MPI_INT, MPI_MAX, comm);
  return any != 0;
}

void nke_signals_release(void)
{
  if (!catching) return;
  for (int i = 0; i < SIGNALS; i++) sigaction(caught[i], &before[i], NULL);
  catching = false;
  signalled = 0;
}
