/* SPDX-License-Identifier: Apache-2.0 */
/*
 * s2sim list: what there is to choose from.
 */
#include <string.h>

#include "harness/cmd.h"
#include "harness/output.h"
#include "harness/profile.h"
#include "model/inv.h"
#include "model/policy.h"
#include "traces/record.h"

static enum cmd_exit write_out(const GString *out)
{
	g_autoptr(GError) error = NULL;

	if (output_write(NULL, out, &error))
		return CMD_OK;
	return cmd_fail(CMD_USAGE, "list", "%s", error->message);
}

static enum cmd_exit list_scenarios(const char *path)
{
	g_autoptr(GString) out = g_string_new(NULL);
	g_autoptr(GError) error = NULL;
	struct record *file = record_read(path, &error);

	if (!file)
		return cmd_fail(CMD_USAGE, "list", "%s", error->message);
	for (guint i = 0; i < file->scenarios->len; i++) {
		const struct record_scenario *scen = g_ptr_array_index(file->scenarios, i);

		g_string_append_printf(out, "%-32s %4u %s  %s\n", scen->header.u.scenario.name,
				       scen->steps->len, scen->skip ? "skip " : "steps",
				       scen->header.text);
	}
	record_free(file);
	return write_out(out);
}

static const char *const unit_names[] = {
	[COST_UNIT_PS] = "ps",
	[COST_UNIT_KHZ] = "kHz",
	[COST_UNIT_COUNT] = "",
	[COST_UNIT_BYTES] = "B",
};

/* Every parameter of a profile with its source: what a run's costs rest on. */
static void list_parameters(const struct cost_profile *p, GString *out)
{
	for (int i = 0; i < NR_COST_PARAMS; i++)
		if (p->tag[i])
			g_string_append_printf(out, "%-20s %14" G_GUINT64_FORMAT " %-5s %c  %s\n",
					       cost_desc[i].name, p->v[i],
					       unit_names[cost_desc[i].unit], p->tag[i],
					       p->source[i]);
}

/* The built-in profiles, or one with its parameters. */
static enum cmd_exit list_profiles(const char *only)
{
	static struct cost_profile p;
	g_autoptr(GString) out = g_string_new(NULL);
	g_autoptr(GError) error = NULL;

	if (only) {
		if (!profile_find(only, &p, &error))
			return cmd_fail(CMD_USAGE, "list", "%s", error->message);
		list_parameters(&p, out);
		return write_out(out);
	}
	for (const char *const *name = profile_names(); *name; name++) {
		if (!profile_find(*name, &p, &error))
			return cmd_fail(CMD_INTERNAL, "list", "%s", error->message);
		g_string_append_printf(out, "%-20s %-6s %s\n", p.name,
				       p.arch == PT_X86 ? "x86" : "arm64", p.text);
	}
	return write_out(out);
}

/* Each invariant, when it must hold, and what it says. */
static enum cmd_exit list_invariants(void)
{
	g_autoptr(GString) out = g_string_new(NULL);

	for (unsigned int i = 1; i < NR_INVS; i++)
		g_string_append_printf(out, "%-12s %-6s %s:\n%20s%s\n", inv_name((enum inv)i),
				       inv_arch((enum inv)i), inv_where((enum inv)i), "",
				       inv_text((enum inv)i));
	return write_out(out);
}

enum cmd_exit cmd_list(int argc, char **argv)
{
	static const struct {
		const char *name;
		void (*print)(GString *out);
	} lists[] = {
		{ "policies", policy_list },
		{ "axes", policy_list_axes },
		{ "injections", policy_list_injections },
	};
	const GOptionEntry entries[] = { G_OPTION_ENTRY_NULL };
	g_autoptr(GString) out = NULL;
	g_autofree char *found = NULL;

	if (!cmd_parse(
		    &argc, &argv,
		    "policies | axes | injections | invariants | profiles [NAME] | scenarios FILE",
		    "Lists the policies and where they stand on the axes, the axes on which "
		    "policies differ, the rules that can be broken, the invariants that "
		    "explorations ask about, the cost profiles or one profile's parameters with "
		    "their sources, or the scenarios of a file.",
		    entries))
		return CMD_USAGE;
	if (argc == 3 && strcmp(argv[1], "scenarios") == 0)
		return list_scenarios(argv[2]);
	if (argc >= 2 && argc <= 3 && strcmp(argv[1], "profiles") == 0)
		return list_profiles(argv[2]);
	if (argc == 2 && strcmp(argv[1], "invariants") == 0)
		return list_invariants();
	out = g_string_new(NULL);
	for (size_t i = 0; argc == 2 && i < G_N_ELEMENTS(lists); i++) {
		if (strcmp(argv[1], lists[i].name) != 0)
			continue;
		lists[i].print(out);
		return write_out(out);
	}
	found = g_strjoinv(" ", argv + 1);
	return cmd_fail(CMD_USAGE, "list",
			"operands, expected policies, axes, injections, invariants, profiles "
			"[NAME] or scenarios FILE, found '%s'",
			found);
}
