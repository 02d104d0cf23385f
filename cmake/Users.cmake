# Our one class for the archive server. Eclipse's compiler needs no more than a JRE, where javac would need a JDK.
set(users_source "${CMAKE_SOURCE_DIR}/java/aeron_py/Users.java")
set(AERON_PY_CLASSES "${CMAKE_BINARY_DIR}/classes")
set(pins "${users_source}" "${ECJ_JAR}" "${AERON_ALL_JAR}")
aeron_py_fetch("${CMAKE_BINARY_DIR}/users.stamp" "${pins}" MISSING "${JAVA_ADVICE}"
    COMMAND "${JAVA}" -jar "${ECJ_JAR}" -17 -proc:none -cp "${AERON_ALL_JAR}" -d "${AERON_PY_CLASSES}"
    "${users_source}")
