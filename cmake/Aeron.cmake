# Aeron as static libraries: its client and driver by its own CMake, its archive client as a target of ours, because
# Aeron's own one calls gradle.
set(CMAKE_POSITION_INDEPENDENT_CODE ON)

if (AERON_PY_SANITIZE)
    add_compile_options(-g -fsanitize=address)
    add_link_options(-fsanitize=address)
endif ()

set(BUILD_AERON_ARCHIVE_API OFF)
set(AERON_TESTS OFF)
set(AERON_UNIT_TESTS OFF)
set(AERON_SYSTEM_TESTS OFF)
set(AERON_BUILD_SAMPLES OFF)
set(AERON_BUILD_DOCUMENTATION OFF)
set(AERON_INSTALL_TARGETS OFF)

# Only what every Linux has: a libbsd or libuuid found here would have to be there wherever the wheel goes.
foreach (library IN ITEMS LIBBSD_EXISTS BSDSTDLIB_H_EXISTS LIBUUID_EXISTS UUID_H_EXISTS UUID_GENERATE_PROTOTYPE_EXISTS
        ARC4RANDOM_PROTOTYPE_EXISTS)
    set(${library} OFF CACHE INTERNAL "")
endforeach ()

# Aeron compiles in the commit of its checkout. Where it is none git would find ours, and each commit would build it anew.
set(ENV{GIT_DIR} "${AERON_SOURCE_DIR}/.git")
add_subdirectory("${AERON_SOURCE_DIR}" aeron EXCLUDE_FROM_ALL SYSTEM)
unset(ENV{GIT_DIR})

file(GLOB archive_sources CONFIGURE_DEPENDS "${AERON_ARCHIVE_C_DIR}/client/*.c")
# The driver's library holds all of the client but this one file.
add_library(aeron_archive STATIC EXCLUDE_FROM_ALL
    ${archive_sources} "${AERON_SOURCE_DIR}/aeron-client/src/main/c/uri/aeron_uri_string_builder.c")
target_include_directories(aeron_archive SYSTEM PUBLIC "${AERON_ARCHIVE_C_DIR}" "${AERON_CODECS_DIR}")
string(REPLACE "." ";" version "${AERON_VERSION}")
list(GET version 0 major)
list(GET version 1 minor)
list(GET version 2 patch)
target_compile_definitions(aeron_archive PRIVATE _GNU_SOURCE _FILE_OFFSET_BITS=64 DISABLE_BOUNDS_CHECKS
    AERON_VERSION_TXT="${AERON_VERSION}" AERON_VERSION_GITSHA="" AERON_VERSION_MAJOR=${major}
    AERON_VERSION_MINOR=${minor} AERON_VERSION_PATCH=${patch})
target_link_libraries(aeron_archive PUBLIC aeron_driver_static)
