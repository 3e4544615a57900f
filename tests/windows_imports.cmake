# Checks the import table of a program with holdfast and the symbols of the library. None may refer
# to the functions that came with placeholders: a program that imports one does not start on an
# older Windows. And the program may need only the libraries that every Windows has.
#
#   cmake -D LIBRARY=libholdfast.a -D PROGRAM=program.exe -D NM=nm -D OBJDUMP=objdump
#         -P windows_imports.cmake
set(younger VirtualAlloc2 VirtualAlloc2FromApp MapViewOfFile3 MapViewOfFile3FromApp
            UnmapViewOfFile2 CreateFileMapping2 OfferVirtualMemory PrefetchVirtualMemory)

function(read_output result)
    execute_process(COMMAND ${ARGN} OUTPUT_VARIABLE output COMMAND_ERROR_IS_FATAL ANY)
    set(${result} "${output}" PARENT_SCOPE)
endfunction()

# "         U __imp_VirtualAlloc", or without __declspec(dllimport) " U VirtualAlloc".
read_output(symbols ${NM} --undefined-only ${LIBRARY})
if(NOT symbols MATCHES " U (__imp_)?VirtualAlloc\n")
    message(FATAL_ERROR "no call of VirtualAlloc: the symbols of ${LIBRARY} were not read")
endif()

# "	DLL Name: KERNEL32.dll", and below it each function: "	9f2a4	 1496  VirtualAlloc".
read_output(imports ${OBJDUMP} -p ${PROGRAM})
if(NOT imports MATCHES "[ \t]VirtualAlloc\r?\n" OR NOT imports MATCHES "DLL Name: KERNEL32.dll")
    message(FATAL_ERROR "no import of VirtualAlloc: the imports of ${PROGRAM} were not read")
endif()

foreach(name IN LISTS younger)
    if(symbols MATCHES " U (__imp_)?${name}\n")
        message(FATAL_ERROR "the library calls ${name} without looking it up")
    endif()
    if(imports MATCHES "[ \t]${name}\r?\n")
        message(FATAL_ERROR "${PROGRAM} imports ${name}")
    endif()
endforeach()

string(REGEX MATCHALL "DLL Name: [^\r\n]*" libraries "${imports}")
foreach(library IN LISTS libraries)
    if(NOT library MATCHES "^DLL Name: (KERNEL32|msvcrt|ntdll|api-ms-win-crt-[a-z0-9-]+)[.]dll$")
        message(FATAL_ERROR "${PROGRAM} needs another library: ${library}")
    endif()
endforeach()
