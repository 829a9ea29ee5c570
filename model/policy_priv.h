/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Inside of the policies, for model/policy*.c only: the axes and their variants.
 *
 * A variant sets one member of struct rules, or more by a function.  A policy has a variant when setting
 * it again would change nothing that belongs to the axis.
 */
#ifndef MODEL_POLICY_PRIV_H
#define MODEL_POLICY_PRIV_H

#include <stddef.h>

#include "model/policy.h"

enum {
	ON_X86 = 1,
	ON_ARM = 2,
	ON_BOTH = 3,
};

struct axis {
	const char *name;
	uint8_t kind; /* enum axis_kind */
	uint16_t own
		[4]; /* members of struct rules, a byte each, that variants with @apply are known by */
	uint8_t nr_own;
};

/* Each axis once, in the order of the lists. */
extern const struct axis policy_axes[];
extern const unsigned int policy_axes_len;

/* Bases and presets. */
struct policy_name {
	const char *name, *line, *text; /* line: of a preset; NULL: a base */
};

/* policy_name() - the @i-th, bases first; false: there is none. */
bool policy_name(unsigned int i, struct policy_name *out);

struct variant {
	const char *axis, *name; /* NULL ends the list; an axis' variants stand together */
	uint8_t where;           /* ON_* */
	uint8_t value;           /* for the one-byte member at @offset, without @apply */
	uint16_t offset;
	void (*apply)(struct rules *r);
	const char *text;
};

extern const struct variant policy_variants[];

/* variant_find() - what a word axis=variant names on the architecture of @r; NULL: nothing. */
const struct variant *variant_find(const struct rules *r, const char *word);

/* variant_is() - the rules have the variant. */
bool variant_is(const struct variant *v, const struct rules *r);

/* variant_apply() - sets what the variant stands for. */
void variant_apply(const struct variant *v, struct rules *r);

/* variant_is_for() - the architecture of @r knows the variant. */
bool variant_is_for(const struct variant *v, const struct rules *r);

#endif
