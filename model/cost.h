/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What counted work costs on a platform: the parameters of cost.def, and a profile that has a value for
 * each parameter of its architecture.  Data only; harness/profile.h reads profiles, the timed driver
 * turns work into time with them.
 *
 * Invariants of a profile that was read without an error
 *   P1  A parameter of its architecture has a tag, a source, and low <= v <= high within the limits of
 *       cost.def.  One of another architecture is all zero.
 *   P2  Times are in ps, the clock in kHz, sizes in bytes.
 */
#ifndef MODEL_COST_H
#define MODEL_COST_H

#include <stdbool.h>
#include <stdint.h>

#include "mmu/geom.h"

enum cost_param {
#define X(name, unit, arch, low, high, text) COST_##name,
#include "model/cost.def"
#undef X
	NR_COST_PARAMS,
};

enum cost_unit {
	COST_UNIT_PS,
	COST_UNIT_KHZ,
	COST_UNIT_COUNT,
	COST_UNIT_BYTES,
};

/* Whose parameter it is. */
enum cost_arch {
	COST_ARCH_BOTH,
	COST_ARCH_X86,
	COST_ARCH_ARM64,
};

struct cost_desc {
	const char *name;
	enum cost_unit unit;
	enum cost_arch arch;
	uint64_t low, high; /* a value outside is a mistake of units */
	const char *text;
};

extern const struct cost_desc cost_desc[NR_COST_PARAMS];

/* cost_applies() - a profile of @arch gives this parameter */
bool cost_applies(enum cost_param param, enum pt_arch arch);

enum {
	COST_NAME_SIZE = 32,
	COST_TEXT_SIZE = 256,
};

/* Where a value comes from, in order of trust. */
enum cost_tag {
	COST_MEASURED = 'M', /* printed in its source */
	COST_DERIVED = 'D',  /* arithmetic on such numbers; the source says which */
	COST_RECALLED = 'R', /* from a manual or paper that was not read again */
	COST_ASSUMED = 'A',  /* no source */
};

struct cost_profile {
	char name[COST_NAME_SIZE];
	enum pt_arch arch;
	uint64_t v[NR_COST_PARAMS];
	uint64_t low[NR_COST_PARAMS]; /* the plausible range */
	uint64_t high[NR_COST_PARAMS];
	char tag[NR_COST_PARAMS]; /* enum cost_tag; 0: not of this architecture */
	char text[COST_TEXT_SIZE];
	char source[NR_COST_PARAMS][COST_TEXT_SIZE];
};

#endif
