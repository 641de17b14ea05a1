#ifdef __linux__
#define _GNU_SOURCE /* sync_file_range */
#endif
#include "data/h5file.h"

#include "base/memory.h"
#include "data/h5file_impl.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

static const char mark[] = "nke"; /* the root attribute that makes a file ours */
static const char part_suffix[] = ".nke-part";

/* Make the folders of path up to, not including, what follows its last slash. On rank 0. */
static nke_status make_parents(const char *path)
{
  char *folder = NULL;
  nke_status st = nke_strdup(path, &folder);
  if (st != NKE_OK) return st;
  for (char *c = folder + 1; folder[0] && *c; c++) {
    if (*c != '/') continue;
    *c = '\0';
    if (mkdir(folder, 0777) != 0 && errno != EEXIST) {
      st = nke_fail(NKE_ERR_OUTPUT, "%s: cannot make the folder: %s", folder, strerror(errno));
      break;
    }
    *c = '/';
  }
  nke_free(folder);
  return st;
}

static nke_status join(const char *a, const char *b, char **out)
{
  const size_t size = strlen(a) + strlen(b) + 1;
  char *text = NULL;
  const nke_status st = nke_alloc((int64_t)size, 1, "path", &text);
  if (st == NKE_OK) {
    snprintf(text, size, "%s%s", a, b);
    *out = text;
  }
  return st;
}

nke_status nke_make_folders(MPI_Comm comm, const char *folder)
{
  int rank;
  MPI_Comm_rank(comm, &rank);
  nke_status st = NKE_OK;
  char *path = NULL;
  if (rank == 0) {
    st = join(folder, "/", &path);
    if (st == NKE_OK) st = make_parents(path);
    if (st == NKE_OK && access(folder, W_OK | X_OK) != 0)
      st = nke_fail(NKE_ERR_OUTPUT, "%s: cannot write into the folder: %s", folder, strerror(errno));
  }
  nke_free(path);
  return nke_agree(comm, st);
}

static bool has_mark(hid_t file)
{
  return file >= 0 && H5Aexists_by_name(file, "/", mark, H5P_DEFAULT) > 0;
}

bool nke_h5file_exists(MPI_Comm comm, const char *path)
{
  int rank;
  MPI_Comm_rank(comm, &rank);
  int there = rank == 0 && access(path, F_OK) == 0;
  MPI_Bcast(&there, 1, MPI_INT, 0, comm);
  return there;
}

bool nke_same_file(const char *a, const char *b)
{
  struct stat one, other;
  return stat(a, &one) == 0 && stat(b, &other) == 0 && one.st_dev == other.st_dev && one.st_ino == other.st_ino;
}

/* What stands at path may be replaced: nothing, a file of ours, or by force any regular file. On rank 0. */
static nke_status check_replaceable(const char *path, bool force)
{
  struct stat info;
  if (stat(path, &info) != 0) return NKE_OK; /* nothing there; what else is wrong shows when the new file is made */
  if (!S_ISREG(info.st_mode))
    return nke_fail(NKE_ERR_USAGE, "%s: expected a file to write, got a folder or device", path);
  if (force) return NKE_OK;
  const hid_t file = nke_hdf5_open_read(path);
  const bool ours = has_mark(file);
  if (file >= 0) H5Fclose(file);
  if (ours) return NKE_OK;
  return nke_fail(NKE_ERR_USAGE, "%s: exists and was not written by nke: --force replaces it", path);
}

/* Cut `path` to the folder above it, "." at last; false where there is none above. */
static bool cut_to_parent(char *path)
{
  if (strcmp(path, "/") == 0 || strcmp(path, ".") == 0) return false;
  char *slash = strrchr(path, '/');
  if (!slash) {
    strcpy(path, ".");
    return true;
  }
  while (slash > path && slash[-1] == '/') slash--;
  slash[slash == path] = '\0';
  return true;
}

nke_status nke_check_folder(const char *path)
{
  struct stat info;
  char *folder = NULL;
  nke_status st = nke_alloc((int64_t)strlen(path) + 2, 1, "path", &folder);
  if (st != NKE_OK) return st;
  strcpy(folder, path);
  bool there = false;
  while (!there && cut_to_parent(folder)) there = stat(folder, &info) == 0;
  if (there && !S_ISDIR(info.st_mode))
    st = nke_fail(NKE_ERR_OUTPUT, "%s: cannot make the folder: %s", folder, strerror(ENOTDIR));
  else if (!there || access(folder, W_OK | X_OK) != 0)
    st = nke_fail(NKE_ERR_OUTPUT, "%s: cannot write into the folder: %s", folder, strerror(errno));
  nke_free(folder);
  return st;
}

nke_status nke_h5file_may_create(MPI_Comm comm, const char *path, bool force)
{
  nke_status st = NKE_OK;
  int rank;
  MPI_Comm_rank(comm, &rank);
  nke_hdf5_quiet();
  if (rank == 0) st = check_replaceable(path, force);
  if (rank == 0 && st == NKE_OK) st = nke_check_folder(path);
  return nke_agree(comm, st);
}

/* The spare file, held by this run alone; another run that ended just now may have taken its name away. On rank 0. */
static nke_status hold_spare(nke_h5file *f)
{
  struct stat held, named;
  f->spare = open(f->spare_name, O_CREAT | O_WRONLY | O_NOFOLLOW | O_CLOEXEC, 0600);
  if (f->spare < 0) return nke_fail(NKE_ERR_OUTPUT, "%s: cannot be written: %s", f->path, strerror(errno));
  const bool taken = flock(f->spare, LOCK_EX | LOCK_NB) != 0 && errno == EWOULDBLOCK;
  if (!taken && fstat(f->spare, &held) == 0 && stat(f->spare_name, &named) == 0 && held.st_ino == named.st_ino)
    return NKE_OK; /* where locks are not supported runs are not told apart */
  close(f->spare);
  f->spare = -1;
  return nke_fail(NKE_ERR_OUTPUT, "%s: another run is writing it", f->path);
}

/* Fill it with SPARE bytes, so that they are kept on the disk until it is released. On rank 0. */
static nke_status fill_spare(const nke_h5file *f)
{
  enum { SPARE = 512 << 10 }; /* the metadata of a new file */
  static const char zeros[1 << 14];
  int64_t written = 0;
  errno = ENOSPC; /* for a write that is cut short */
  for (ssize_t now = 1; now > 0 && written < SPARE; written += now) now = write(f->spare, zeros, sizeof zeros);
  if (written >= SPARE) return NKE_OK;
  return nke_fail(NKE_ERR_OUTPUT, "%s: cannot be written: %s", f->path, strerror(errno));
}

/* The part file, empty: whoever may write it here may also rename it. A stale one of a killed run goes. On rank 0. */
static nke_status make_part(nke_h5file *f, bool force)
{
  nke_status st = NKE_OK;
  NKE_TRY(check_replaceable(f->path, force));
  NKE_TRY(make_parents(f->path));
  NKE_TRY(hold_spare(f));
  unlink(f->part);
  const int fd = open(f->part, O_CREAT | O_EXCL | O_WRONLY, 0666);
  if (fd < 0) return nke_fail(NKE_ERR_OUTPUT, "%s: cannot be written: %s", f->path, strerror(errno));
  close(fd);
  NKE_TRY(fill_spare(f));
done:
  return st;
}

static nke_status h5file_alloc(MPI_Comm comm, const char *path, nke_h5file **out)
{
  nke_status st = NKE_OK;
  nke_hdf5_quiet();
  NKE_TRY(nke_calloc(1, sizeof **out, "file", out));
  (*out)->comm = comm;
  (*out)->file = H5I_INVALID_HID;
  (*out)->spare = (*out)->fd = -1;
  MPI_Comm_rank(comm, &(*out)->rank);
  NKE_TRY(nke_strdup(path, &(*out)->path));
done:
  return st;
}

static hid_t parallel_access(MPI_Comm comm)
{
  const hid_t list = H5Pcreate(H5P_FILE_ACCESS);
  H5Pset_fapl_mpio(list, comm, MPI_INFO_NULL);
  H5Pset_libver_bounds(list, H5F_LIBVER_V18, H5F_LIBVER_LATEST); /* attributes above 64 KiB */
  return list;
}

/* The file system's own limit shows when a file is made as long: the spare one, a hole, for a moment. On rank 0. */
static nke_status can_be_as_long(const nke_h5file *f, uint64_t end)
{
  static const uint64_t always = (uint64_t)1 << 31; /* not worth a question */
  struct stat spare;
  if (end <= always || f->spare < 0 || fstat(f->spare, &spare) != 0) return NKE_OK;
  const int error = end > INT64_MAX ? EFBIG : ftruncate(f->spare, (off_t)end) == 0 ? 0 : errno;
  if (error == 0 && ftruncate(f->spare, spare.st_size) == 0) return NKE_OK;
  if (error != EFBIG && error != EINVAL) return NKE_OK; /* it does not tell */
  return nke_fail(NKE_ERR_OUTPUT, "%s: needs %llu bytes, more than a file of this file system may have", f->path,
                  (unsigned long long)end);
}

nke_status nke_h5file_may_grow(const nke_h5file *f, int64_t bytes)
{
  static const rlim_t metadata = 1 << 16; /* of one data set or attribute, and what HDF5 sets aside for more */
  struct rlimit limit;
  haddr_t size = 0;
  if (f->file >= 0) H5Fget_eoa(f->file, &size);
  const uint64_t end = size + (rlim_t)bytes + metadata;
  if (getrlimit(RLIMIT_FSIZE, &limit) != 0 || limit.rlim_cur == RLIM_INFINITY || end <= limit.rlim_cur)
    return can_be_as_long(f, end);
  return nke_fail(NKE_ERR_OUTPUT, "%s: needs %llu bytes and more, but a file may have at most %llu here (ulimit -f)",
                  f->path, (unsigned long long)size + (unsigned long long)bytes, (unsigned long long)limit.rlim_cur);
}

nke_status nke_h5file_create(MPI_Comm comm, const char *path, bool force, nke_h5file **out)
{
  nke_h5file *f = NULL;
  hid_t list = H5I_INVALID_HID;
  *out = NULL;
  nke_status st = h5file_alloc(comm, path, &f);
  if (st == NKE_OK) st = nke_h5file_may_grow(f, 0);
  if (st == NKE_OK) st = join(path, part_suffix, &f->part);
  if (st == NKE_OK) st = join(f->part, "-spare", &f->spare_name);
  if (st == NKE_OK && f->rank == 0) st = make_part(f, force);
  NKE_TRY(nke_agree(comm, st));
  list = parallel_access(comm);
  f->file = H5Fcreate(f->part, H5F_ACC_TRUNC, H5P_DEFAULT, list);
  if (f->file < 0) st = nke_fail(NKE_ERR_OUTPUT, "%s: cannot be written", path);
  NKE_TRY(nke_agree(comm, st));
  NKE_TRY(nke_h5file_put_string(f, "/", mark, "1"));
  *out = f;
  f = NULL;
done:
  nke_hdf5_close(list);
  nke_h5file_close(&f);
  return st;
}

/* What both ways of opening check on every rank. */
static nke_status check_opened(const nke_h5file *f)
{
  if (f->file < 0) return nke_fail(NKE_ERR_DATA, "%s: corrupt: not an HDF5 file, or truncated", f->path);
  if (!has_mark(f->file)) return nke_fail(NKE_ERR_DATA, "%s: expected a file written by nke", f->path);
  return NKE_OK;
}

nke_status nke_h5file_open_here(nke_h5file *f)
{
  if (access(f->path, R_OK) != 0) return nke_fail(NKE_ERR_DATA, "%s: %s", f->path, strerror(errno));
  f->file = nke_hdf5_open_read(f->path);
  return check_opened(f);
}

nke_status nke_h5file_open(MPI_Comm comm, const char *path, nke_h5file **out)
{
  nke_h5file *f = NULL;
  *out = NULL;
  nke_status st = h5file_alloc(comm, path, &f);
  if (st == NKE_OK && f->rank == 0) st = nke_h5file_open_here(f);
  NKE_TRY(nke_agree(comm, st));
  *out = f;
  f = NULL;
done:
  nke_h5file_close(&f);
  return st;
}

nke_status nke_h5file_update(MPI_Comm comm, const char *path, nke_h5file **out)
{
  nke_h5file *f = NULL, *look = NULL;
  hid_t list = H5I_INVALID_HID;
  *out = NULL;
  nke_status st = nke_h5file_open(comm, path, &look); /* a bad file must not reach the collective open */
  if (st != NKE_OK) return st;
  nke_h5file_close(&look);
  st = h5file_alloc(comm, path, &f);
  if (st == NKE_OK && access(path, W_OK) != 0) st = nke_fail(NKE_ERR_OUTPUT, "%s: %s", path, strerror(errno));
  NKE_TRY(nke_agree(comm, st));
  list = parallel_access(comm);
  f->file = H5Fopen(path, H5F_ACC_RDWR, list);
  NKE_TRY(nke_agree(comm, check_opened(f)));
  f->fd = open(path, O_RDONLY | O_CLOEXEC);
  if (f->fd < 0) st = nke_fail(NKE_ERR_OUTPUT, "%s: cannot be opened: %s", path, strerror(errno));
  NKE_TRY(nke_agree(comm, st));
  *out = f;
  f = NULL;
done:
  nke_hdf5_close(list);
  nke_h5file_close(&f);
  return st;
}

static bool sync_path(const char *path, int flags)
{
  const int fd = open(path, flags);
  if (fd < 0) return false;
  const bool ok = fsync(fd) == 0;
  return close(fd) == 0 && ok;
}

nke_status nke_h5file_flush(nke_h5file *f)
{
  nke_status st = NKE_OK;
  if (H5Fflush(f->file, H5F_SCOPE_GLOBAL) < 0) /* by MPI_File_sync(), to the disk */
    st = nke_fail(NKE_ERR_OUTPUT, "%s: cannot be flushed to disk", f->path);
  return nke_agree(f->comm, st);
}

void nke_h5file_wrote(nke_h5file *f, int64_t bytes)
{
  enum { ENOUGH = 4 << 20 }; /* for a call to cost little beside the writing */
  f->held += bytes;
  if (f->fd < 0 || f->held < ENOUGH) return;
  f->held = 0;
#ifdef __linux__
  sync_file_range(f->fd, 0, 0, SYNC_FILE_RANGE_WRITE); /* an error shows when the file is flushed */
#endif
}

nke_status nke_h5file_sync(const nke_h5file *f)
{
  if (fdatasync(f->fd) == 0) return NKE_OK;
  return nke_fail(NKE_ERR_OUTPUT, "%s: cannot be written: %s", f->path, strerror(errno));
}

/* The new name lasts only when the folder is on disk too; a file system that cannot sync a folder is not an error. */
static nke_status rename_part(nke_h5file *f)
{
  if (rename(f->part, f->path) != 0)
    return nke_fail(NKE_ERR_OUTPUT, "%s: cannot take its name: %s", f->path, strerror(errno));
  char *slash = strrchr(f->part, '/');
  if (slash && slash != f->part) *slash = '\0';
  sync_path(slash ? (slash == f->part ? "/" : f->part) : ".", O_RDONLY | O_DIRECTORY);
  nke_free(f->part);
  f->part = NULL;
  return NKE_OK;
}

nke_status nke_h5file_commit(nke_h5file **file)
{
  nke_h5file *f = *file;
  nke_status st = NKE_OK;
  NKE_TRY(nke_h5file_flush(f));
  if (!nke_h5file_close_datasets(f) || H5Fclose(f->file) < 0)
    st = nke_fail(NKE_ERR_OUTPUT, "%s: cannot be closed: is the disk full?", f->path);
  f->file = H5I_INVALID_HID;
  NKE_TRY(nke_agree(f->comm, st));
  if (f->rank == 0) {
    if (!sync_path(f->part, O_RDONLY))
      st = nke_fail(NKE_ERR_OUTPUT, "%s: cannot be flushed to disk", f->path);
    else
      st = rename_part(f);
  }
  NKE_TRY(nke_agree(f->comm, st));
done:
  nke_h5file_close(file);
  return st;
}

/* On a full disk HDF5 could not write what it still holds, and it crashes at exit after a failed close: cutting the
 * part file to nothing, and the spare, make the room. */
static void give_up_part(nke_h5file *f)
{
  if (f->rank == 0 && (ftruncate(f->spare, 0) != 0 || truncate(f->part, 0) != 0)) unlink(f->part);
  MPI_Barrier(f->comm);
}

void nke_h5file_close(nke_h5file **file)
{
  nke_h5file *f = *file;
  if (!f) return;
  if (f->part && f->file >= 0) give_up_part(f);
  nke_h5file_close_datasets(f);
  if (f->file >= 0) H5Fclose(f->file);
  if (f->fd >= 0) close(f->fd);
  if (f->spare >= 0) { /* the part file is this run's while it holds the spare one */
    if (f->part) unlink(f->part);
    unlink(f->spare_name);
    close(f->spare);
  }
  nke_free(f->spare_name);
  nke_free(f->part);
  nke_free(f->path);
  nke_free(f);
  *file = NULL;
}

const char *nke_h5file_path(const nke_h5file *file)
{
  return file->path;
}

MPI_Comm nke_h5file_comm(const nke_h5file *file)
{
  return file->comm;
}
