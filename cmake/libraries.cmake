# Third-party libraries (all from Debian 12) as imported targets, and the flags every target of ours has.

find_package(PkgConfig REQUIRED)
find_package(Threads REQUIRED)
find_package(OpenSSL 3 REQUIRED)
find_package(Protobuf 3.21 REQUIRED)
find_package(spdlog REQUIRED)
find_package(EXPAT REQUIRED)
find_package(ZLIB REQUIRED)
pkg_check_modules(ZMQ REQUIRED IMPORTED_TARGET libzmq)
pkg_check_modules(IDN REQUIRED IMPORTED_TARGET libidn)
pkg_check_modules(SODIUM REQUIRED IMPORTED_TARGET libsodium)
pkg_check_modules(SYSTEMD IMPORTED_TARGET libsystemd)
pkg_check_modules(SQLITE REQUIRED IMPORTED_TARGET sqlite3)

# Found by hand: their own packages' descriptions ask for development files of libraries that we do not use.
foreach(name unbound prometheus-cpp-core jemalloc cpp-httplib)
  find_library(library_${name} ${name} REQUIRED)
endforeach()
add_library(unbound INTERFACE)
target_link_libraries(unbound INTERFACE ${library_unbound})
add_library(prometheus_core INTERFACE)
target_link_libraries(prometheus_core INTERFACE ${library_prometheus-cpp-core})
add_library(cpp_httplib INTERFACE)
target_link_libraries(cpp_httplib INTERFACE ${library_cpp-httplib} Threads::Threads)

add_library(stox_flags INTERFACE)
target_compile_options(stox_flags INTERFACE -Wall -Wextra -Wconversion -Wshadow -Wsuggest-override -Wzero-as-null-pointer-constant)
if(STOX_TESTS)  # who only builds the programs need not share our compiler's opinion
  target_compile_options(stox_flags INTERFACE -Werror)
endif()
target_compile_definitions(stox_flags INTERFACE STOX_VERSION="${STOX_VERSION}" ASIO_STANDALONE ASIO_NO_DEPRECATED)
# Asio sees this by itself only in files that have included a standard header before it: half of the program
# would free what the other half has allocated otherwise.
target_compile_definitions(stox_flags INTERFACE ASIO_HAS_STD_ALIGNED_ALLOC=1)
target_include_directories(stox_flags INTERFACE ${PROJECT_SOURCE_DIR})
if(CMAKE_CXX_COMPILER_ID STREQUAL "Clang")
  # Asio 1.22 does not recognise clang 14's coroutines by itself.
  target_compile_definitions(stox_flags INTERFACE __cpp_impl_coroutine=201902L ASIO_HAS_CO_AWAIT=1
                                                  ASIO_HAS_STD_COROUTINE=1)
  target_compile_options(stox_flags INTERFACE -Wno-builtin-macro-redefined -Wno-sign-conversion)
endif()
if(CMAKE_BUILD_TYPE MATCHES "Rel" AND NOT STOX_SANITIZE)
  include(cmake/hardening.cmake)
endif()
if(STOX_SANITIZE)
  add_compile_options(-fsanitize=address,undefined -fno-sanitize-recover=all -fno-omit-frame-pointer)
  add_link_options(-fsanitize=address,undefined)
  if(CMAKE_CXX_COMPILER_ID STREQUAL "Clang")
    add_compile_options(-fsanitize=fuzzer-no-link)  # which code was reached, for tests/fuzz
  endif()
endif()
if(CMAKE_CXX_COMPILER_ID STREQUAL "Clang")
  include(cmake/precompiled.cmake)
endif()

# stox_uses_precompiled(TARGET): see precompiled.cmake.
function(stox_uses_precompiled name)
  if(TARGET stox_precompiled)
    target_precompile_headers(${name} REUSE_FROM stox_precompiled)
  endif()
endfunction()

# stox_library(NAME SOURCES... LINK LIBS...): a static library of ours.
function(stox_library name)
  cmake_parse_arguments(arg "" "" "LINK" ${ARGN})
  add_library(${name} STATIC ${arg_UNPARSED_ARGUMENTS})
  target_link_libraries(${name} PUBLIC stox_flags ${arg_LINK})
  stox_uses_precompiled(${name})
endfunction()

# stox_program(NAME SOURCES... LINK LIBS...): a program in build/PRESET/bin.
function(stox_program name)
  cmake_parse_arguments(arg "" "" "LINK" ${ARGN})
  add_executable(${name} ${arg_UNPARSED_ARGUMENTS})
  target_link_libraries(${name} PRIVATE stox_flags ${arg_LINK})
  stox_uses_precompiled(${name})
  if(NOT STOX_SANITIZE)
    # A fifth less CPU per message than with glibc's malloc, which consolidates its bins over and over when short
    # protobuf strings and long frames take turns.
    target_link_libraries(${name} PRIVATE ${library_jemalloc})
  endif()
endfunction()
