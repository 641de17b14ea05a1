#include "dist/split.h"

#include "base/checked.h"

nke_range nke_split(int64_t n, int parts, int part)
{
  const int64_t least = n / parts, extra = n % parts;
  const int64_t begin = part * least + nke_min(part, extra);
  return (nke_range){begin, begin + least + (part < extra)};
}

nke_range nke_split_blocks(int64_t n, int parts, int part)
{
  const nke_range blocks = nke_split(nke_ceil_div(n, NKE_BLOCK_ROWS), parts, part);
  return (nke_range){nke_min(n, blocks.begin * NKE_BLOCK_ROWS), nke_min(n, blocks.end * NKE_BLOCK_ROWS)};
}

nke_range nke_split_mine(MPI_Comm comm, int64_t n)
{
  int rank, size;
  MPI_Comm_rank(comm, &rank);
  MPI_Comm_size(comm, &size);
  return nke_split_blocks(n, size, rank);
}
