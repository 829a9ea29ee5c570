/* SPDX-License-Identifier: Apache-2.0 */
/* An activation that throws, for test_sim.c: the project's own C++ never does. */
#include <stdexcept>
#include <stdint.h>

extern "C" void throw_activation(void *arg, uint32_t method);

/* @arg NULL: an exception; else something that is none. */
extern "C" void throw_activation(void *arg, uint32_t)
{
	if (arg)
		throw 7;
	throw std::runtime_error("thrown inside");
}
