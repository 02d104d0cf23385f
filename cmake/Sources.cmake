# The C sources of Aeron: AERON_SOURCE_DIR, or the crate that carries them.
set(AERON_WANTED_VERSION 1.52.2)

if (NOT AERON_SOURCE_DIR)
    set(fix "Install cargo 1.85 or newer (`apt-get install cargo`, or rustup), or set AERON_SOURCE_DIR to a checkout of \
Aeron ${AERON_WANTED_VERSION}.")
    find_program(CARGO cargo)
    if (NOT CARGO)
        message(FATAL_ERROR "cargo, which fetches the C sources of Aeron, was not found. ${fix}")
    endif ()
    set(pins "${CMAKE_SOURCE_DIR}/third_party/Cargo.toml" "${CMAKE_SOURCE_DIR}/third_party/Cargo.lock")
    aeron_py_fetch("${CMAKE_BINARY_DIR}/vendor.stamp" "${pins}" MISSING "${fix}"
        COMMAND "${CARGO}" vendor --locked --manifest-path "${CMAKE_SOURCE_DIR}/third_party/Cargo.toml"
        "${CMAKE_BINARY_DIR}/vendor")
    set(AERON_SOURCE_DIR "${CMAKE_BINARY_DIR}/vendor/rusteron-archive/aeron")
endif ()

if (NOT EXISTS "${AERON_SOURCE_DIR}/version.txt")
    message(FATAL_ERROR "${AERON_SOURCE_DIR} is not a source tree of Aeron: it has no version.txt. "
        "Set AERON_SOURCE_DIR to a checkout of Aeron ${AERON_WANTED_VERSION}, or unset it to have it fetched.")
endif ()
file(STRINGS "${AERON_SOURCE_DIR}/version.txt" AERON_VERSION LIMIT_COUNT 1)
if (NOT AERON_VERSION STREQUAL AERON_WANTED_VERSION)
    message(FATAL_ERROR "${AERON_SOURCE_DIR} is Aeron ${AERON_VERSION}, but the bindings are written for "
        "${AERON_WANTED_VERSION}. Set AERON_SOURCE_DIR to a checkout of that version, or unset it to have it fetched.")
endif ()
