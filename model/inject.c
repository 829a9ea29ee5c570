/* SPDX-License-Identifier: Apache-2.0 */
#include "model/inject.h"

#include <string.h>

#include "model/policy_priv.h"

static const struct injection_row {
	const char *name, *invariant, *variant, *text;
	uint8_t where; /* ON_* */
} rows[NR_INJECTIONS] = {
	[INJ_NONE] = { "none", "-", NULL, "every rule stands", ON_BOTH },
#define X(id, name, where, invariant, variant, text)                                               \
	[INJ_##id] = { name, invariant, variant, text, where },
#include "model/inject.def"
#undef X
};

bool injection_applies(enum injection i, enum pt_arch arch)
{
	return rows[i].where & (arch == PT_X86 ? ON_X86 : ON_ARM);
}

const char *injection_name(enum injection i)
{
	return rows[i].name;
}

const char *injection_invariant(enum injection i)
{
	return rows[i].invariant;
}

const char *injection_text(enum injection i)
{
	return rows[i].text;
}

bool policy_set_injection(struct rules *r, const char *name, GError **error)
{
	for (unsigned int i = 0; i < NR_INJECTIONS; i++) {
		if (strcmp(rows[i].name, name) != 0)
			continue;
		if (!injection_applies((enum injection)i, r->arch)) {
			g_set_error(error, POLICY_ERROR, POLICY_ERROR_NAME,
				    "inject: expected one that the policy's architecture has, "
				    "found '%s'",
				    name);
			return false;
		}
		r->inject = (uint8_t)i;
		if (rows[i].variant)
			variant_apply(variant_find(r, rows[i].variant), r);
		return true;
	}
	g_set_error(error, POLICY_ERROR, POLICY_ERROR_NAME,
		    "inject: expected one of `list injections`, found '%s'", name);
	return false;
}

void policy_list_injections(GString *out)
{
	enum { NAME = 24, INVARIANT = 10 };
	static const char *const where[] = { "", "x86", "arm64", "both" };

	g_string_append_printf(out, "%-*s  %-*s %-5s  %s\n", NAME, "injections", INVARIANT,
			       "violates", "on", "what is wrong");
	for (size_t i = 1; i < NR_INJECTIONS; i++)
		g_string_append_printf(out, "  %-*s%-*s %-5s  %s%s%s%s\n", NAME, rows[i].name,
				       INVARIANT, rows[i].invariant, where[rows[i].where],
				       rows[i].text, rows[i].variant ? " (" : "",
				       rows[i].variant ? rows[i].variant : "",
				       rows[i].variant ? ")" : "");
}
