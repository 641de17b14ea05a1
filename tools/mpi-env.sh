# Sourced by the scripts here: lets Open MPI start in a container, as root, with more ranks than cores.
export OMPI_ALLOW_RUN_AS_ROOT=1 OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1
export OMPI_MCA_rmaps_base_oversubscribe=1       # more ranks than cores
export OMPI_MCA_mpi_yield_when_idle=1            # waiting ranks give their core to working ones
export OMPI_MCA_hwloc_base_binding_policy=none   # no pinning: cores may be shared, or hidden by a cgroup
export OMPI_MCA_btl_vader_single_copy_mechanism=none  # cross-memory attach is often forbidden in containers
export PMIX_MCA_gds=hash                         # the shared-memory store of PMIx warns in containers
export OPENBLAS_NUM_THREADS="${OPENBLAS_NUM_THREADS:-1}"
