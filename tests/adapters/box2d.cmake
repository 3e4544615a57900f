# Runs two programs: they succeed and print the same.
execute_process(COMMAND ${WITH} OUTPUT_VARIABLE with COMMAND_ERROR_IS_FATAL ANY)
execute_process(COMMAND ${WITHOUT} OUTPUT_VARIABLE without COMMAND_ERROR_IS_FATAL ANY)
string(LENGTH "${with}" length)
if(NOT with STREQUAL without OR length LESS 1000)
    message(FATAL_ERROR "with the adapter Box2D prints something else:\n${with}\n---\n${without}")
endif()
