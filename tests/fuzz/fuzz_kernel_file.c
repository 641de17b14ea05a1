/* A kernel file, whole or of some tiles: opened to go on with, which tiles it holds, one of them read and marked. */
#include "h5_edit.h"

#include "run/kernel_file.h"

static const char *const objects[] = {"/", "/train/nngp", "/train/ntk", "/test/ntk", "/done", "/tiles/ntk", "/tiles/nngp",
                                      NULL};
static const char *const keys[] = {"nke", "kind", "identity", "tile", "first", "last", NULL};
static h5_base bases[2] = {{.objects = objects, .keys = keys}, {.objects = objects, .keys = keys}};

enum { TILE = 2 };

static nke_status open_kernel(const char *path, int part, nke_kernel_file *file)
{
  const nke_tiling tiling = nke_tiling_of(5, 3, TILE);
  const nke_range tiles = {part, part ? 4 : tiling.total};
  return nke_kernel_file_open(MPI_COMM_SELF, path, "the same", NKE_DOUBLE, &tiling, tiles, part, false, file);
}

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
  (void)argc, (void)argv;
  nke_kernel_file file;
  fuzz_start();
  for (int part = 0; part < 2; part++) {
    FUZZ_CHECK(open_kernel(fuzz_path(part ? "part.h5" : "whole.h5"), part, &file) == NKE_OK);
    nke_kernel_file_close(&file);
    h5_base_take(part ? "part.h5" : "whole.h5", &bases[part]);
  }
  return 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
  const int part = size > 0 && data[0] & 64;
  const int64_t first = part;
  double ntk[TILE * TILE], nngp[TILE * TILE] = {0};
  unsigned char done[32];
  nke_kernel_file file;
  if (open_kernel(h5_edit(&bases[part], "in.h5", data, size), part, &file) != NKE_OK) {
    h5_check_closed();
    return 0;
  }
  FUZZ_CHECK(file.last - file.first <= (int64_t)sizeof done);
  if (nke_kernel_file_done(&file, done) == NKE_OK) {
    if (part) nke_kernel_file_read(&file, first, nngp, ntk);
    if (nke_kernel_file_write(&file, first, nngp, nngp) == NKE_OK) nke_kernel_file_mark(&file, 1, &first);
  }
  nke_kernel_file_close(&file);
  h5_check_closed();
  return 0;
}
