# Sourced by the scripts of this folder: site settings, the launcher, and what to do with signals.

nke_modules() { # the site's modules; without them nothing can run
  if [ -n "$NKE_MODULES" ]; then module load $NKE_MODULES || exit 2; fi
}

# nke_split ARGUMENT...: into own=() and, from -- on, petsc=(): what is added for the program has to stand between.
nke_split() {
  own=() petsc=()
  while [ $# -gt 0 ] && [ "$1" != -- ]; do
    own+=("$1")
    shift
  done
  petsc=("$@")
}

nke_setup() { # in a job: go to the repository, load the site's settings
  cd "${NKE_HOME:-$SLURM_SUBMIT_DIR}" || exit 2
  . jobs/site.conf
  nke_modules
  if [ ! -x "$NKE_PROGRAM" ]; then
    echo "$NKE_PROGRAM: no such program in $PWD; submit from the repository, or set NKE_HOME and NKE_PROGRAM" >&2
    exit 2
  fi
  export OMP_NUM_THREADS="${SLURM_CPUS_PER_TASK:-1}" OPENBLAS_NUM_THREADS="${SLURM_CPUS_PER_TASK:-1}"
  echo "job $SLURM_JOB_ID on ${SLURM_JOB_NODELIST:-?}: $SLURM_NTASKS ranks, start $((${SLURM_RESTART_COUNT:-0} + 1)), $(date '+%F %T')"
  if [ "$NKE_LAUNCHER" = auto ]; then
    # By the program itself: its MPI may know no PMIx, and its processes then do not find each other.
    if srun --mpi=pmix "$NKE_PROGRAM" doctor --dry-run >/dev/null 2>&1; then NKE_LAUNCHER=srun; else NKE_LAUNCHER=mpirun; fi
  fi
}

# nke_run ARGUMENT...: one run of the program on NKE_RANKS ranks (unset: all of the job's); its exit code.
# USR1 (time is nearly up) and TERM (preempted or cancelled) are passed on, so that it writes a checkpoint and exits 5.
nke_run() {
  local pid status ranks=${NKE_RANKS:-$SLURM_NTASKS}
  nke_signal=
  if [ "$NKE_LAUNCHER" = srun ]; then
    # srun does not inherit the job's --cpus-per-task since Slurm 22.05.
    srun --mpi=pmix --ntasks="$ranks" --cpus-per-task="${SLURM_CPUS_PER_TASK:-1}" --wait=15 "$NKE_PROGRAM" "$@" &
  else
    mpirun -n "$ranks" "$NKE_PROGRAM" "$@" &
  fi
  pid=$!
  trap 'nke_signal=USR1; kill -USR1 $pid' USR1
  trap 'nke_signal=TERM; kill -USR1 $pid' TERM
  wait "$pid"
  status=$?
  while kill -0 "$pid" 2>/dev/null; do # a trap interrupts wait
    wait "$pid"
    status=$?
  done
  trap - USR1 TERM
  return "$status"
}

# nke_requeue: put this job into the queue again, as its time is up; returns where it may not be.
nke_requeue() {
  if [ "${SLURM_RESTART_COUNT:-0}" -ge "$NKE_MAX_RESTARTS" ]; then
    echo "time is up after $NKE_MAX_RESTARTS restarts; submit again to go on" >&2
    return 1
  fi
  # Of an array this task alone: the number of its last task is also that of the whole array.
  scontrol requeue "${SLURM_ARRAY_JOB_ID:-$SLURM_JOB_ID}${SLURM_ARRAY_TASK_ID:+_$SLURM_ARRAY_TASK_ID}" &&
    exec sleep 60 # until the requeue ends it
}

# nke_out_of_time STATUS: whether it was USR1 that ended a run so: 5, or 138 where the program had yet to catch it, as
# Slurm may send it a minute early.
nke_out_of_time() {
  [ "$nke_signal" = USR1 ] && { [ "$1" = 5 ] || [ "$1" = 138 ]; }
}

# nke_job ARGUMENT...: nke_run, and if it stopped because time was up, put this job into the queue again.
nke_job() {
  local status=0
  nke_run "$@" || status=$?
  if nke_out_of_time "$status"; then
    if [ "$status" = 5 ]; then echo "time is up: checkpoint written, back into the queue"; fi
    if [ "$status" = 138 ]; then echo "time is up at the start: back into the queue"; fi
    nke_requeue
  fi
  exit "$status"
}
