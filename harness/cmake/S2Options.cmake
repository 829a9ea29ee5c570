# SPDX-License-Identifier: Apache-2.0
#
# How everything is compiled. Two interface targets that every target of ours links:
#   s2_warnings  the house warnings
#   s2_flags     include root, sanitizers, coverage

if(NOT CMAKE_BUILD_TYPE)
	set(CMAKE_BUILD_TYPE Release CACHE STRING "Debug or Release" FORCE)
endif()

set(CMAKE_C_STANDARD 11)
set(CMAKE_C_STANDARD_REQUIRED ON)
set(CMAKE_C_EXTENSIONS OFF)
# The C++ is model/sc_sim.cpp, and SystemC links with the standard that it was built with only.
set(CMAKE_CXX_STANDARD 17)
set(CMAKE_CXX_STANDARD_REQUIRED ON)
set(CMAKE_CXX_EXTENSIONS OFF)
set(CMAKE_EXPORT_COMPILE_COMMANDS ON)

# Warnings are errors; "cmake --compile-no-warning-as-error" lifts that for another compiler.
if(NOT DEFINED CMAKE_COMPILE_WARNING_AS_ERROR)
	set(CMAKE_COMPILE_WARNING_AS_ERROR ON)
endif()

# CMake's own Release defines NDEBUG. Checks stay on here.
set(CMAKE_C_FLAGS_DEBUG "-Og -g")
set(CMAKE_C_FLAGS_RELEASE "-O2 -g")
set(CMAKE_CXX_FLAGS_DEBUG "${CMAKE_C_FLAGS_DEBUG}")
set(CMAKE_CXX_FLAGS_RELEASE "${CMAKE_C_FLAGS_RELEASE}")

# What gcc 12 and clang 14 both know. harness/tests/flags.sh checks that each one arrives.
set(S2_WARNINGS
	-Wall -Wextra -Wpedantic -Wshadow -Wconversion -Wsign-conversion
	-Wundef -Wvla -Wswitch-enum
	-Wcast-qual -Wwrite-strings -Wpointer-arith -Wformat=2
	-Wnull-dereference -Wdouble-promotion -Wimplicit-fallthrough)
# What C++ has not.
set(S2_WARNINGS_C -Wstrict-prototypes -Wmissing-prototypes)

add_library(s2_warnings INTERFACE)
target_compile_options(s2_warnings INTERFACE ${S2_WARNINGS} "$<$<COMPILE_LANGUAGE:C>:${S2_WARNINGS_C}>")

add_library(s2_flags INTERFACE)
target_include_directories(s2_flags INTERFACE "${PROJECT_SOURCE_DIR}")
# ISO C11 and POSIX.1-2008, nothing more.
target_compile_definitions(s2_flags INTERFACE _POSIX_C_SOURCE=200809L)
# A failed check names mmu/geom.c, wherever the tree lies.
target_compile_options(s2_flags INTERFACE "-fmacro-prefix-map=${PROJECT_SOURCE_DIR}/=")

if(S2_SANITIZE)
	# every line of a script ends with a check of the VM's invariants
	target_compile_definitions(s2_flags INTERFACE S2_DEBUG)
	target_compile_options(s2_flags INTERFACE
		-fsanitize=address,undefined -fno-sanitize-recover=all
		-fno-omit-frame-pointer -ftrivial-auto-var-init=pattern)
	target_link_options(s2_flags INTERFACE -fsanitize=address,undefined)
	if(CMAKE_C_COMPILER_ID STREQUAL "GNU")
		# The sanitizers' own branches set off these two; the release build has them as errors.
		target_compile_options(s2_warnings INTERFACE
			-Wno-error=null-dereference -Wno-error=maybe-uninitialized)
	endif()
endif()

if(S2_FUZZ)
	if(NOT CMAKE_C_COMPILER_ID STREQUAL "Clang")
		message(FATAL_ERROR "S2_FUZZ needs clang: expected Clang, found ${CMAKE_C_COMPILER_ID}")
	endif()
	target_compile_options(s2_flags INTERFACE -fsanitize=fuzzer-no-link)
	target_link_options(s2_flags INTERFACE -fsanitize=fuzzer-no-link)
endif()

if(S2_COVERAGE)
	target_compile_options(s2_flags INTERFACE --coverage -O0)
	target_link_options(s2_flags INTERFACE --coverage)
endif()

# Some containers forbid the tracing that leak detection needs: ask once, and say so.
set(S2_LEAKS 0)
if(S2_SANITIZE)
	include(CheckCSourceRuns)
	set(ENV{ASAN_OPTIONS} detect_leaks=1)
	set(CMAKE_REQUIRED_FLAGS -fsanitize=address)
	check_c_source_runs("int main(void) { return 0; }" S2_LEAK_DETECTION_WORKS)
	unset(CMAKE_REQUIRED_FLAGS)
	unset(ENV{ASAN_OPTIONS})
	if(S2_LEAK_DETECTION_WORKS)
		set(S2_LEAKS 1)
	else()
		message(WARNING "leak detection cannot run on this machine: tests run without it")
	endif()
endif()
