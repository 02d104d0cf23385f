# The codecs of the archive's protocol. They are made while configuring: as a build step they would be made again
# whenever an isolated build puts its Java somewhere else.
set(AERON_ARCHIVE_C_DIR "${AERON_SOURCE_DIR}/aeron-archive/src/main/c")
set(schema "${AERON_SOURCE_DIR}/aeron-archive/src/main/resources/archive/aeron-archive-codecs.xml")

if (NOT AERON_CODECS_DIR)
    set(AERON_CODECS_DIR "${CMAKE_BINARY_DIR}/codecs")
    set(pins "${schema}" "${SBE_ALL_JAR}")
    aeron_py_fetch("${CMAKE_BINARY_DIR}/codecs.stamp" "${pins}" MISSING "${JAVA_ADVICE}"
        COMMAND "${JAVA}" --add-opens java.base/jdk.internal.misc=ALL-UNNAMED
        "-Dsbe.output.dir=${AERON_CODECS_DIR}/c" -Dsbe.target.language=C
        -Dsbe.target.namespace=aeron.archive.client -jar "${SBE_ALL_JAR}" "${schema}")
endif ()
if (NOT EXISTS "${AERON_CODECS_DIR}/c/aeron_archive_client/messageHeader.h")
    message(FATAL_ERROR "AERON_CODECS_DIR (${AERON_CODECS_DIR}) does not hold c/aeron_archive_client/messageHeader.h. "
        "Unset it to have the codecs generated.")
endif ()
