# nke_library(FOLDER SOURCES ... LINK ...): one static library a folder of the ladder, target nke_<folder>.
# nke_isa_sources(TARGET FILE): compile FILE once for each instruction set (NKE_ISA) and precision.
# nke_test(NAME SOURCES ... LINK ... RANKS ...): tests/<folder>/<NAME>.c, registered at each rank count.

add_library(nke_flags INTERFACE)
target_include_directories(nke_flags INTERFACE ${CMAKE_SOURCE_DIR}/src)
target_compile_options(nke_flags INTERFACE -Wall -Wextra -Wshadow -Wconversion -Wno-sign-conversion
                       -Wstrict-prototypes -Wmissing-prototypes -fopenmp-simd -fno-math-errno -fno-trapping-math)
if(NKE_STRICT)
  target_compile_options(nke_flags INTERFACE -Werror)
endif()
if(NKE_SANITIZE)
  target_compile_options(nke_flags INTERFACE -fsanitize=address,undefined -fno-omit-frame-pointer -fno-sanitize-recover=undefined)
  target_link_options(nke_flags INTERFACE -fsanitize=address,undefined)
endif()
if(NKE_FUZZ)
  target_compile_options(nke_flags INTERFACE -fsanitize=fuzzer-no-link -Wno-pass-failed) # instrumented loops stay scalar
endif()
target_link_libraries(nke_flags INTERFACE MPI::MPI_C m)

function(nke_library folder)
  cmake_parse_arguments(ARG "" "" "SOURCES;LINK" ${ARGN})
  add_library(nke_${folder} STATIC ${ARG_SOURCES})
  target_link_libraries(nke_${folder} PUBLIC nke_flags ${ARG_LINK})
endfunction()

# The instruction sets that hot loops are compiled for, in the order of nke_simd (src/num/simd.h), and their flags.
set(NKE_ISA plain avx2 avx512)
set(NKE_ISA_FLAGS_plain "")
set(NKE_ISA_FLAGS_avx2 -mavx2 -mfma)
set(NKE_ISA_FLAGS_avx512 -mavx512f -mavx512dq -mavx512vl -mavx512bw -mfma -mprefer-vector-width=512)

# Each variant is compiled from the same file with NKE_REAL (float or double), NKE_SUFFIX (f32_avx512, ...) and
# NKE_LANES (vector length in elements) defined; the caller picks one at run time by the CPU.
function(nke_isa_sources target file)
  set(bytes_plain 16)
  set(bytes_avx2 32)
  set(bytes_avx512 64)
  get_filename_component(name ${file} NAME_WE)
  foreach(isa ${NKE_ISA})
    foreach(real f32 f64)
      if(real STREQUAL f32)
        set(type float)
        math(EXPR lanes "${bytes_${isa}} / 4")
      else()
        set(type double)
        math(EXPR lanes "${bytes_${isa}} / 8")
      endif()
      set(object ${target}_${name}_${real}_${isa})
      add_library(${object} OBJECT ${file})
      target_link_libraries(${object} PRIVATE nke_flags)
      target_compile_definitions(${object} PRIVATE NKE_REAL=${type} NKE_SUFFIX=${real}_${isa} NKE_LANES=${lanes}
                                 NKE_REAL_${real}=1 NKE_ISA_${isa}=1)
      target_compile_options(${object} PRIVATE ${NKE_ISA_FLAGS_${isa}} $<$<CONFIG:Release>:-O3>)
      target_sources(${target} PRIVATE $<TARGET_OBJECTS:${object}>)
    endforeach()
  endforeach()
endfunction()

set(NKE_MPIRUN ${MPIEXEC_EXECUTABLE} --oversubscribe --allow-run-as-root
    --mca mpi_yield_when_idle 1 --mca hwloc_base_binding_policy none)

# Leaks are errors, but for those of the libraries in lsan.supp.
set(NKE_SANITIZE_ENVIRONMENT
    "ASAN_OPTIONS=detect_leaks=1:fast_unwind_on_malloc=0;LSAN_OPTIONS=suppressions=${CMAKE_SOURCE_DIR}/tests/support/lsan.supp:print_suppressions=0")

function(nke_test name)
  cmake_parse_arguments(ARG "" "TIMEOUT" "SOURCES;LINK;RANKS;LABELS" ${ARGN})
  if(NOT ARG_SOURCES)
    set(ARG_SOURCES ${name}.c)
  endif()
  if(NOT ARG_TIMEOUT)
    set(ARG_TIMEOUT 300)
  endif()
  add_executable(${name} ${ARG_SOURCES})
  target_include_directories(${name} PRIVATE ${CMAKE_SOURCE_DIR}/tests)
  target_link_libraries(${name} PRIVATE ${ARG_LINK} nke_flags PkgConfig::CMOCKA)
  if(NOT ARG_RANKS)
    set(ARG_RANKS 1)
  endif()
  foreach(ranks ${ARG_RANKS})
    if(ARG_RANKS STREQUAL "1")
      set(test ${name})
    else()
      set(test ${name}_np${ranks})
    endif()
    add_test(NAME ${test} COMMAND ${NKE_MPIRUN} -n ${ranks} $<TARGET_FILE:${name}>)
    set_tests_properties(${test} PROPERTIES PROCESSORS ${ranks} TIMEOUT ${ARG_TIMEOUT} LABELS "${ARG_LABELS}"
      ENVIRONMENT "OPENBLAS_NUM_THREADS=1;OMP_NUM_THREADS=1;OMPI_MCA_rmaps_base_oversubscribe=1;${NKE_SANITIZE_ENVIRONMENT}")
  endforeach()
endfunction()
