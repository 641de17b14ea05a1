# Every dependency is a Debian package; pkg-config knows all but ScaLAPACK and FFTW-MPI, which may lie under a path of
# CMAKE_PREFIX_PATH, as the .pc files of the others may.
find_package(PkgConfig REQUIRED)
find_package(MPI REQUIRED COMPONENTS C)
find_package(ZLIB REQUIRED)
pkg_check_modules(PETSC REQUIRED IMPORTED_TARGET petsc)
pkg_search_module(HDF5 REQUIRED IMPORTED_TARGET hdf5-openmpi hdf5) # Debian's name, HDF5's own
pkg_check_modules(OPENBLAS REQUIRED IMPORTED_TARGET openblas)
pkg_check_modules(FFTW REQUIRED IMPORTED_TARGET fftw3)
pkg_check_modules(FFTWF REQUIRED IMPORTED_TARGET fftw3f)
pkg_check_modules(FYAML REQUIRED IMPORTED_TARGET libfyaml)
pkg_check_modules(JANSSON REQUIRED IMPORTED_TARGET jansson)
pkg_check_modules(MUPARSER REQUIRED IMPORTED_TARGET muparser)
find_library(SCALAPACK_LIBRARY NAMES scalapack-openmpi scalapack REQUIRED)
find_library(FFTW_MPI_LIBRARY NAMES fftw3_mpi REQUIRED)
find_library(FFTWF_MPI_LIBRARY NAMES fftw3f_mpi REQUIRED)
if(BUILD_TESTING OR NOT DEFINED BUILD_TESTING)
  pkg_check_modules(CMOCKA REQUIRED IMPORTED_TARGET cmocka)
endif()

include(CheckSymbolExists)
set(CMAKE_REQUIRED_LIBRARIES PkgConfig::HDF5 MPI::MPI_C)
check_symbol_exists(H5Pset_fapl_mpio hdf5.h NKE_HDF5_IS_PARALLEL)
unset(CMAKE_REQUIRED_LIBRARIES)
if(NOT NKE_HDF5_IS_PARALLEL)
  unset(NKE_HDF5_IS_PARALLEL CACHE) # asked again once another is found
  message(FATAL_ERROR "HDF5 (${HDF5_MODULE_NAME} ${HDF5_VERSION}) was built without MPI: nke needs a parallel one")
endif()
