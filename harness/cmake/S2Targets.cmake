# SPDX-License-Identifier: Apache-2.0
#
# Functions with which the folders declare what they hold.
#
#   s2_add_library(NAME [SOURCES file...] [LIBS target...])
#       The static library of a folder; without sources yet, an empty one that passes LIBS on.
#   s2_add_check_test(NAME [ONCE] [SOURCES file...] [LIBS target...])
#       tests/NAME.c (and SOURCES) of this folder as a Check program, run twice by ctest: as
#       <folder>.<NAME>, each test in a process of its own, and, unless ONCE, as <folder>.<NAME>.nofork.
#   s2_add_script_test(NAME COMMAND word... [TIMEOUT seconds])
#       <folder>.<NAME>, any other command.
#   s2_add_fuzzer(NAME [SOURCES file...] [LIBS target...] [SEEDS folder] [RUNS n] [MAX_LEN n])
#       tests/NAME.c (and SOURCES) with LLVMFuzzerTestOneInput; nothing unless S2_FUZZ is on.
#
# All tests start in the root of the source tree, carry the folder's name as label, and are
# skipped, not passed, when they exit with 77.

set(S2_TEST_TIMEOUT_S 180)
set(S2_FUZZ_RUNS 200000)
set(S2_FUZZ_TIME_S 20)
set(S2_FUZZ_MAX_LEN 4096)

set(S2_ASAN_OPTIONS
	"ASAN_OPTIONS=detect_leaks=${S2_LEAKS}:strict_string_checks=1:detect_stack_use_after_return=1")
set(S2_UBSAN_OPTIONS "UBSAN_OPTIONS=print_stacktrace=1")

function(s2_folder OUT)
	cmake_path(GET CMAKE_CURRENT_SOURCE_DIR FILENAME folder)
	set(${OUT} ${folder} PARENT_SCOPE)
endfunction()

function(s2_refuse_leftovers)
	if(ARG_UNPARSED_ARGUMENTS)
		message(FATAL_ERROR "unknown arguments: ${ARG_UNPARSED_ARGUMENTS}")
	endif()
endfunction()

function(s2_add_library NAME)
	cmake_parse_arguments(PARSE_ARGV 1 ARG "" "" "SOURCES;LIBS")
	s2_refuse_leftovers()
	if(ARG_SOURCES)
		add_library(${NAME} STATIC ${ARG_SOURCES})
		target_link_libraries(${NAME} PRIVATE s2_warnings PUBLIC s2_flags ${ARG_LIBS})
	else()
		add_library(${NAME} INTERFACE)
		target_link_libraries(${NAME} INTERFACE s2_flags ${ARG_LIBS})
	endif()
endfunction()

function(s2_add_program NAME)
	cmake_parse_arguments(PARSE_ARGV 1 ARG "" "" "SOURCES;LIBS")
	s2_refuse_leftovers()
	add_executable(${NAME} ${ARG_SOURCES})
	target_link_libraries(${NAME} PRIVATE s2_warnings s2_flags ${ARG_LIBS})
endfunction()

function(s2_set_test_properties TEST TIMEOUT)
	s2_folder(folder)
	set_tests_properties(${TEST} PROPERTIES
		WORKING_DIRECTORY "${PROJECT_SOURCE_DIR}"
		SKIP_RETURN_CODE 77
		TIMEOUT ${TIMEOUT}
		ENVIRONMENT "${S2_ASAN_OPTIONS};${S2_UBSAN_OPTIONS};${ARGN}")
	set_property(TEST ${TEST} APPEND PROPERTY LABELS ${folder})
endfunction()

function(s2_add_check_test NAME)
	cmake_parse_arguments(PARSE_ARGV 1 ARG "ONCE" "" "SOURCES;LIBS")
	s2_refuse_leftovers()
	if(NOT BUILD_TESTING)
		return()
	endif()
	s2_folder(folder)
	s2_add_program(${NAME} SOURCES tests/${NAME}.c ${ARG_SOURCES} LIBS ${ARG_LIBS} PkgConfig::CHECK)
	foreach(mode fork nofork)
		set(test ${folder}.${NAME})
		set(environment CK_DEFAULT_TIMEOUT=60)
		if(mode STREQUAL nofork)
			if(ARG_ONCE)
				break()
			endif()
			string(APPEND test .nofork)
			list(APPEND environment CK_FORK=no)
		endif()
		add_test(NAME ${test} COMMAND ${NAME})
		s2_set_test_properties(${test} ${S2_TEST_TIMEOUT_S} ${environment})
	endforeach()
endfunction()

function(s2_add_script_test NAME)
	cmake_parse_arguments(PARSE_ARGV 1 ARG "" "TIMEOUT" "COMMAND")
	s2_refuse_leftovers()
	if(NOT BUILD_TESTING)
		return()
	endif()
	if(NOT ARG_TIMEOUT)
		set(ARG_TIMEOUT ${S2_TEST_TIMEOUT_S})
	endif()
	s2_folder(folder)
	add_test(NAME ${folder}.${NAME} COMMAND ${ARG_COMMAND})
	s2_set_test_properties(${folder}.${NAME} ${ARG_TIMEOUT})
endfunction()

# The run is bounded twice, by count and by time; the seed is fixed. What the fuzzer finds and
# keeps goes to the build tree, SEEDS is only read. (A crash would exit with 77: that is a skip.)
function(s2_add_fuzzer NAME)
	cmake_parse_arguments(PARSE_ARGV 1 ARG "" "SEEDS;RUNS;MAX_LEN" "SOURCES;LIBS")
	s2_refuse_leftovers()
	if(NOT S2_FUZZ OR NOT BUILD_TESTING)
		return()
	endif()
	if(NOT ARG_RUNS)
		set(ARG_RUNS ${S2_FUZZ_RUNS})
	endif()
	if(NOT ARG_MAX_LEN)
		set(ARG_MAX_LEN ${S2_FUZZ_MAX_LEN})
	endif()
	if(ARG_SEEDS)
		cmake_path(ABSOLUTE_PATH ARG_SEEDS)
	endif()
	set(kept "${CMAKE_CURRENT_BINARY_DIR}/${NAME}.kept")
	file(MAKE_DIRECTORY "${kept}")

	s2_folder(folder)
	s2_add_program(${NAME} SOURCES tests/${NAME}.c ${ARG_SOURCES} LIBS ${ARG_LIBS})
	target_compile_options(${NAME} PRIVATE -fsanitize=fuzzer,address,undefined)
	target_link_options(${NAME} PRIVATE -fsanitize=fuzzer,address,undefined)
	add_test(NAME ${folder}.${NAME} COMMAND ${NAME}
		-seed=1 -runs=${ARG_RUNS} -max_total_time=${S2_FUZZ_TIME_S} -max_len=${ARG_MAX_LEN}
		-error_exitcode=1 -timeout=10 -rss_limit_mb=2048 -verbosity=0 -print_final_stats=1
		"-artifact_prefix=${kept}/" "${kept}" ${ARG_SEEDS})
	s2_set_test_properties(${folder}.${NAME} ${S2_TEST_TIMEOUT_S})
	set_property(TEST ${folder}.${NAME} APPEND PROPERTY LABELS fuzz)
endfunction()
