# What a program with holdfast asks of the Windows that it starts on, read from its import table and
# from the library's symbols: none of the functions that came with placeholders, for a program that
# imports one does not even start where there is none; and no library but the system's oldest.
#
#   cmake -D LIBRARY=libholdfast.a -D PROGRAM=program.exe -D NM=nm -D OBJDUMP=objdump
#         -P windows_imports.cmake
set(younger VirtualAlloc2 VirtualAlloc2FromApp MapViewOfFile3 MapViewOfFile3FromApp
            UnmapViewOfFile2 CreateFileMapping2 OfferVirtualMemory PrefetchVirtualMemory)

function(read_output result)
    execute_process(COMMAND ${ARGN} OUTPUT_VARIABLE output COMMAND_ERROR_IS_FATAL ANY)
    set(${result} "${output}" PARENT_SCOPE)
endfunction()

# "         U __imp_VirtualAlloc", and where a compiler was not told dllimport, " U VirtualAlloc".
read_output(symbols ${NM} --undefined-only ${LIBRARY})
if(NOT symbols MATCHES " U (__imp_)?VirtualAlloc\n")
    message(FATAL_ERROR "no call of VirtualAlloc: the symbols of ${LIBRARY} were not read")
endif()

# "	DLL Name: KERNEL32.dll", and under each its functions: "	9f2a4	 1496  VirtualAlloc".
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
