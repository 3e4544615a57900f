# The snippets in the adapters' comments, as tests/headers.cmake has those of the other headers.
#
#   adapters_snippets_*         each snippet alone, as C and as C++
#   test_adapter_snippets*      call every function of them, with each library
set(adapt ${PROJECT_SOURCE_DIR}/include/holdfast/adapt)
file(GLOB c_adapters CONFIGURE_DEPENDS ${adapt}/*.h)
file(GLOB cxx_adapters CONFIGURE_DEPENDS ${adapt}/*.hpp)
set_property(DIRECTORY APPEND PROPERTY CMAKE_CONFIGURE_DEPENDS ${c_adapters} ${cxx_adapters}
             ${PROJECT_SOURCE_DIR}/tests/snippets.awk)

# Writes the snippets of these headers to a folder, and makes an object library of them: each has to
# compile. A header without a snippet is an error.
function(adapter_snippets way language)
    set(folder ${CMAKE_CURRENT_BINARY_DIR}/snippets/${way})
    file(REMOVE_RECURSE ${folder})
    file(MAKE_DIRECTORY ${folder})
    execute_process(COMMAND awk -v folder=${folder} -v language=${language}
                            -f ${PROJECT_SOURCE_DIR}/tests/snippets.awk ${ARGN}
                    COMMAND_ERROR_IS_FATAL ANY OUTPUT_QUIET)
    foreach(header ${ARGN})
        cmake_path(GET header STEM name)
        file(GLOB of_header ${folder}/${name}_*.${language})
        if(NOT of_header)
            message(FATAL_ERROR "${header} has no snippet: @code{.c}, in an .hpp @code{.cpp}")
        endif()
    endforeach()
    file(GLOB sources ${folder}/*.${language})
    add_library(adapters_snippets_${way} OBJECT ${sources})
    target_link_libraries(adapters_snippets_${way} PRIVATE adapters_workloads holdfast_warnings)
    if(language STREQUAL "cc") # C's {0} initialises all members; g++ warns of it
        target_compile_options(adapters_snippets_${way} PRIVATE -Wno-missing-field-initializers)
    endif()
endfunction()

adapter_snippets(c c ${c_adapters})
adapter_snippets(c_as_cxx cc ${c_adapters})
adapter_snippets(cxx cc ${cxx_adapters})
set_target_properties(adapters_snippets_c_as_cxx PROPERTIES CXX_STANDARD 11)

holdfast_test(test_adapter_snippets test_adapter_snippets.c LABELS adapters)
target_include_directories(test_adapter_snippets PRIVATE
                           ${CMAKE_CURRENT_BINARY_DIR}/snippets/c)
target_link_libraries(test_adapter_snippets PRIVATE adapters_workloads)

holdfast_test(test_adapter_snippets_cxx test_adapter_snippets_cxx.cc LABELS adapters)
target_include_directories(test_adapter_snippets_cxx PRIVATE
                           ${CMAKE_CURRENT_BINARY_DIR}/snippets/cxx)
target_link_libraries(test_adapter_snippets_cxx PRIVATE ${adapters_box2d})
