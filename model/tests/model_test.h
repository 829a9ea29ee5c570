/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Shared by the tests of model/: a VM made from the keys of a scenario line, lines run as text, the
 * rules of a VM at rest, and a driver that moves one actor at a time.
 */
#ifndef MODEL_TESTS_MODEL_TEST_H
#define MODEL_TESTS_MODEL_TEST_H

#include <check.h>

#include "mmu/tests/mmu_test.h"
#include "model/engine.h"
#include "model/script.h"

/* A VM for `scenario name=t KEYS`; fails the test when there is none. */
struct script *test_script(const char *policy, const char *keys);

enum {
	SLOT_BYTES = 0x400000,
	GPA_0 = 0x1000000, /* slots 0 and 1, and a place for a third */
	GPA_1 = 0x2000000,
	GPA_FREE = 0x4000000,
};

/* Slots 0 (flags as given) and 1 over the two halves of a mapping m0, no code page. */
struct script *test_two_slots(const char *policy, const char *keys, const char *flags);

/* Where the first mapping starts. */
hva_t test_map_hva(const struct vm *vm);

/* The observations of one line; fails the test when it cannot be run.  Freed by the caller. */
char *test_line(struct script *s, const char *text);

/* Runs a line and forgets what it showed, but demands `ret 0` of one that returns something. */
void test_do(struct script *s, const char *text);

/* Runs a line that the driver must refuse; the message.  Freed by the caller. */
char *test_refused(struct script *s, const char *text);

/* True when a line of @text equals @line, or begins with it and goes on with a space. */
bool test_has_line(const char *text, const char *line);

/* ---- scenarios as text ------------------------------------------------------------------------ */

/*
 * Input lines, each followed by what is demanded of its observations:
 *   = LINE   a line that begins with these words
 *   ! LINE   no line that begins with them
 *   ? TEXT   the line is refused, with this in the message
 */
struct scenario {
	const char *name;
	const char *policies; /* each in turn */
	const char *keys;
	const char *text;
};

/* test_scenario() - runs it under each policy; a VM that is not at rest in the end fails it too. */
void test_scenario(const struct scenario *sc);

/* ---- a VM at rest ------------------------------------------------------------------------------ */

/* V1 to V5 of vm.h, written a second time.  On failure @why is a constant sentence. */
bool test_at_rest(const struct vm *vm, const char **why);
void test_check_rest(const struct vm *vm);

/* Words of the words pool that are given out, headers left out. */
uint64_t test_words_in_use(const struct vm *vm);

/* ---- one actor at a time --------------------------------------------------------------------- */

/* A VM and the order in which its actors move: runs without a script. */
struct stepper {
	struct vm *vm;
	struct ctx ctx;
};

struct stepper stepper_of(struct vm *vm);

/* One step of @a, which is enabled. */
enum step_result stepper_step(struct stepper *s, uint32_t a);

/* Acknowledgements and freed tables; true when there was one. */
bool stepper_rules(struct stepper *s);

/* Runs @a to its end, rules and then the others only while it is blocked; false: nobody can run. */
bool stepper_run(struct stepper *s, uint32_t a);

/* One KVM_SET_USER_MEMORY_REGION by the VMM; its return value. */
int stepper_set_region(struct stepper *s, const struct op *op);

#endif
