/* Kernel files of parts: their names, and the joining of them into a whole file. */
#ifndef NKE_RUN_KERNEL_MERGE_H
#define NKE_RUN_KERNEL_MERGE_H

#include "run/kernel_file.h"

#include <stddef.h>

/* The part of `whole` with these tiles: a/kernel.h5 -> a/kernel.10-20.h5. Returns the length as snprintf does. Local.
 */
int nke_kernel_part_path(const char *whole, nke_range tiles, char *path, size_t size);

/* Copy the finished tiles of every part file beside the open whole file into it, and print what came of it.
 * NKE_ERR_USAGE: a part is another kernel's; NKE_ERR_DATA: no parts, or tiles that none of them nor the file has (the
 * copied ones stay, and `nke kernel` computes the rest). Collective. */
nke_status nke_kernel_merge(MPI_Comm comm, nke_kernel_file *whole, const char *identity);

#endif
