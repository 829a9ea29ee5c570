/* SPDX-License-Identifier: Apache-2.0 */
/*
 * From a record's header to the policy line that models the machine it was made on.
 */
#include <string.h>

#include "traces/record.h"

/* The rest of the header's first line that starts so; NULL if there is none. */
static const char *header_rest(const struct record *r, const char *prefix)
{
	for (guint i = 0; i < r->header->len; i++) {
		const char *text = g_ptr_array_index(r->header, i);

		if (g_str_has_prefix(text, prefix))
			return text + strlen(prefix);
	}
	return NULL;
}

/* A module parameter as "Y" or "N"; NULL if the header does not list it. */
static const char *module_param(const struct record *r, const char *name)
{
	g_autofree char *prefix = g_strdup_printf("# /sys/module/%s = ", name);

	return header_rest(r, prefix);
}

static bool is_off(const char *param)
{
	return param && (strcmp(param, "N") == 0 || strcmp(param, "0") == 0);
}

static bool fail(const struct record *r, GError **error, const char *what, const char *expected,
		 const char *found)
{
	g_set_error(error, RECORD_ERROR, RECORD_ERROR_POLICY,
		    "%s: no policy for this machine: %s, expected %s, found '%s'", r->name, what,
		    expected, found);
	return false;
}

/* Major and minor number of a release such as 6.12.95+deb12-amd64. */
static char *major_minor(const char *release)
{
	size_t major = strspn(release, "0123456789");
	size_t minor;

	if (major == 0 || release[major] != '.')
		return NULL;
	minor = strspn(release + major + 1, "0123456789");
	if (minor == 0)
		return NULL;
	return g_strndup(release, major + 1 + minor);
}

static bool base_of(const struct record *r, const char *arch, const char *release, GString *policy,
		    GError **error)
{
	static const char *const bases[] = { "x86-6.12", "x86-6.1", "arm64-6.12", "arm64-6.1" };
	g_autofree char *version = major_minor(release);
	g_autofree char *base = g_strdup_printf("%s-%s", arch, version ? version : release);

	for (size_t i = 0; i < G_N_ELEMENTS(bases); i++) {
		if (strcmp(bases[i], base) == 0) {
			g_string_append(policy, base);
			return true;
		}
	}
	return fail(r, error, "arch and kernel", "x86 or arm64 and 6.1 or 6.12", base);
}

static bool x86_machine(const struct record *r, GString *policy, GError **error)
{
	const char *npt = module_param(r, "kvm_amd/parameters/npt");
	const char *ept = module_param(r, "kvm_intel/parameters/ept");

	if (npt && ept)
		return fail(r, error, "kvm_amd and kvm_intel", "one of them", "both");
	if (is_off(npt) || is_off(ept))
		return fail(r, error, "npt or ept", "Y", "N");
	if (npt)
		g_string_append(policy, "+machine=npt");
	else if (ept && is_off(module_param(r, "kvm_intel/parameters/eptad")))
		g_string_append(policy, "+machine=ept-noad");
	else if (ept && is_off(module_param(r, "kvm_intel/parameters/pml")))
		g_string_append(policy, "+machine=ept-nopml");
	else if (ept)
		g_string_append(policy, "+machine=ept");
	if (is_off(module_param(r, "kvm/parameters/tdp_mmu")))
		g_string_append(policy, "+mmu=legacy");
	return true;
}

/* Which kinds of event an arm64 record holds. */
struct events {
	bool has_s2, has_tlbi;
};

static void note_events(const struct record_step *step, struct events *seen)
{
	for (guint i = 0; i < step->obs->len; i++) {
		const struct lang_line *l = g_ptr_array_index(step->obs, i);
		const char *text = l->u.obs.text;

		if (l->u.obs.cls != LANG_OBS_TRACE)
			continue;
		seen->has_s2 |= g_str_has_prefix(text, "trace s2_");
		seen->has_tlbi |= g_str_has_prefix(text, "trace tlbi") ||
				  g_str_has_prefix(text, "trace call tlbi");
	}
}

static bool arm64_machine(const struct record *r, GString *policy)
{
	struct events seen = { false, false };

	for (guint i = 0; i < r->scenarios->len; i++) {
		const struct record_scenario *scen = g_ptr_array_index(r->scenarios, i);

		for (guint j = 0; j < scen->steps->len; j++)
			note_events(g_ptr_array_index(scen->steps, j), &seen);
	}
	g_string_append(policy, seen.has_s2 && !seen.has_tlbi ? "+machine=nvhe" : "+machine=vhe");
	return true;
}

/* The value of KEY= in a header line, up to the next space. */
static char *header_value(const char *text, const char *key)
{
	return text ? lang_obs_value(text, key) : NULL;
}

bool record_policy(const struct record *r, char **policy, GError **error)
{
	const char *oracle = header_rest(r, "# oracle begin ");
	g_autofree char *own = header_value(header_rest(r, "# s2sim replay "), "policy");
	g_autofree char *arch = header_value(oracle, "arch");
	g_autofree char *release = header_value(oracle, "kernel");
	g_autoptr(GString) p = NULL;

	*policy = NULL;
	if (own) {
		*policy = g_steal_pointer(&own);
		return true;
	}
	if (!oracle)
		return true;
	if (!arch || !release)
		return fail(r, error, "line '# oracle begin'", "arch= and kernel=", oracle);
	p = g_string_new(NULL);
	if (!base_of(r, arch, release, p, error))
		return false;
	if (strcmp(arch, "x86") == 0 ? !x86_machine(r, p, error) : !arm64_machine(r, p))
		return false;
	*policy = g_strdup(p->str);
	return true;
}
