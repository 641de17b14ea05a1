# cmake --install BUILD --prefix P: bin/nke, lib/libnke, include/nke.h, lib/cmake/nke (find_package(nke)), nke.pc.
include(CMakePackageConfigHelpers)
set(package ${CMAKE_INSTALL_LIBDIR}/cmake/nke)

install(TARGETS nke RUNTIME DESTINATION ${CMAKE_INSTALL_BINDIR})
install(TARGETS nke_api EXPORT nkeTargets LIBRARY DESTINATION ${CMAKE_INSTALL_LIBDIR})
install(FILES ${CMAKE_SOURCE_DIR}/src/nke.h DESTINATION ${CMAKE_INSTALL_INCLUDEDIR})
install(FILES ${CMAKE_SOURCE_DIR}/src/nke/status.h DESTINATION ${CMAKE_INSTALL_INCLUDEDIR}/nke)
install(EXPORT nkeTargets NAMESPACE nke:: DESTINATION ${package})

configure_package_config_file(cmake/nkeConfig.cmake.in ${CMAKE_BINARY_DIR}/nkeConfig.cmake
                              INSTALL_DESTINATION ${package})
write_basic_package_version_file(${CMAKE_BINARY_DIR}/nkeConfigVersion.cmake COMPATIBILITY SameMinorVersion)
install(FILES ${CMAKE_BINARY_DIR}/nkeConfig.cmake ${CMAKE_BINARY_DIR}/nkeConfigVersion.cmake DESTINATION ${package})

# Found from where the file lies, so that an installed tree can be moved.
file(RELATIVE_PATH NKE_PC_PREFIX /p/${CMAKE_INSTALL_LIBDIR}/pkgconfig /p)
configure_file(cmake/nke.pc.in ${CMAKE_BINARY_DIR}/nke.pc @ONLY)
install(FILES ${CMAKE_BINARY_DIR}/nke.pc DESTINATION ${CMAKE_INSTALL_LIBDIR}/pkgconfig)
