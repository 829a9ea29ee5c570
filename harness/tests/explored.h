/* SPDX-License-Identifier: Apache-2.0 */
/* Small scenarios that tests have explored, as text. */
#ifndef HARNESS_TESTS_EXPLORED_H
#define HARNESS_TESTS_EXPLORED_H

#include <stdbool.h>

/* A mapping of four pages, and a slot over it from gfn 4 on. */
#define MAP         "host map name=m0 size=0x4000 backing=anon\n"
#define SLOT_AT     "op set_region slot=0 size=0x4000 map=m0+0x0 gpa="
#define SLOT(flags) SLOT_AT "0x4000 flags=" flags "\n"
#define MOVE(more)  SLOT_AT "0x8000 flags=none " more "\n"
#define WRITE       "guest write vcpu=0 gpa=0x4000"
#define PAR         "par\n"
#define JOIN        "join\n"

/* Explored under @policy with @inject (empty: none): @inv is asked only, and holds or not. */
struct control {
	const char *policy, *inject, *inv;
	bool holds;
	const char *lines;
};

/*
 * check_control() - fails the test when something else is found, or not every state was visited.
 * @keys: further ones of the scenario line.
 */
void check_control(const struct control *t, const char *keys);

#endif
