/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Running scenarios through the script driver.
 */
#include "harness/replay.h"

#include <string.h>

#include "model/policy.h"
#include "model/script.h"

static const char own_header[] = "# s2sim replay ";

/* A file without a header is for the newest recorded base of the architecture it speaks of. */
static const char *default_policy(const struct record *file)
{
	for (guint i = 0; i < file->scenarios->len; i++) {
		const struct record_scenario *scen = g_ptr_array_index(file->scenarios, i);

		if (scen->header.u.scenario.arch != LANG_ARCH_ARM64)
			return "x86-6.12";
	}
	return "arm64-6.12";
}

const char *replay_policy(const struct replay *r, const struct record_scenario *scen)
{
	const char *own = scen->header.u.scenario.policy;

	return r->forced || *own == '\0' ? r->policy : own;
}

/* All of them, so that no scenario runs if another one cannot. */
static bool check_policies(const struct replay *r, GError **error)
{
	struct rules rules;

	if (!policy_parse(r->policy, &rules, error)) {
		g_prefix_error(error, "%s: ", r->forced ? "--policy" : r->file->name);
		return false;
	}
	for (guint i = 0; i < r->file->scenarios->len; i++) {
		const struct record_scenario *scen = g_ptr_array_index(r->file->scenarios, i);

		if (policy_parse(replay_policy(r, scen), &rules, error))
			continue;
		g_prefix_error(error, "%s:%u: ", r->file->name, scen->header.line);
		return false;
	}
	return true;
}

bool replay_init(struct replay *r, const struct record *file, const char *policy, GError **error)
{
	memset(r, 0, sizeof(*r));
	r->file = file;
	r->forced = policy != NULL;
	if (policy)
		r->policy = g_strdup(policy);
	else if (!record_policy(file, &r->policy, error))
		return false;
	if (!r->policy)
		r->policy = g_strdup(default_policy(file));
	if (check_policies(r, error))
		return true;
	replay_fini(r);
	return false;
}

void replay_fini(struct replay *r)
{
	g_free(r->policy);
	memset(r, 0, sizeof(*r));
}

bool replay_applies(const struct replay *r, const struct record_scenario *scen)
{
	const char *policy = replay_policy(r, scen);

	switch (scen->header.u.scenario.arch) {
	case LANG_ARCH_BOTH:
		return true;
	case LANG_ARCH_X86:
		return !g_str_has_prefix(policy, "arm64-");
	case LANG_ARCH_ARM64:
		return !g_str_has_prefix(policy, "x86-");
	}
	g_assert_not_reached();
}

void replay_header(const struct replay *r, GString *out)
{
	const GPtrArray *header = r->file->header;

	for (guint i = 0; r->file->is_record && i < header->len; i++) {
		const char *text = g_ptr_array_index(header, i);

		if (!g_str_has_prefix(text, own_header))
			g_string_append_printf(out, "%s\n", text);
	}
	g_string_append_printf(out, "%spolicy=%s\n", own_header, r->policy);
}

/* The kernel's parameters as the record's header lists them. */
static struct kvm_params params_of(const struct record_params *header)
{
	const char *nx = header->nx_huge_pages;
	struct kvm_params p = { .eager = -1, .nx = LANG_NX_UNSET };

	if (*header->eager_page_split)
		p.eager = strcmp(header->eager_page_split, "Y") == 0;
	if (strcmp(nx, "N") == 0 || strcmp(nx, "off") == 0 || strcmp(nx, "never") == 0)
		p.nx = LANG_NX_OFF;
	else if (*nx)
		p.nx = LANG_NX_FORCE;
	return p;
}

static void print_header(const struct replay *r, const struct record_scenario *scen, GString *out)
{
	struct lang_line l;

	lang_line_copy(&l, &scen->header);
	if (r->forced && *l.u.scenario.policy) {
		g_strlcpy(l.u.scenario.policy, r->policy, sizeof(l.u.scenario.policy));
		g_clear_pointer(&l.text, g_free);
	}
	lang_print_line(&l, out);
	g_string_append_c(out, '\n');
	lang_line_clear(&l);
}

static bool run_input(struct script *script, const struct lang_line *input,
		      const GPtrArray *recorded_obs, GString *out, GError **error)
{
	gsize start = out->len;

	lang_print_line(input, out);
	g_string_append_c(out, '\n');
	if (script_run_line(script, input, recorded_obs, out, error))
		return true;
	g_string_truncate(out, start);
	return false;
}

static bool run_added(struct script *script, const char *text, GString *out, GError **error)
{
	struct lang_line l;
	bool ok = lang_parse_line(text, "recorder", 1, &l, NULL);

	g_assert(ok);
	ok = run_input(script, &l, NULL, out, error);
	lang_line_clear(&l);
	return ok;
}

/* What the recorder does before a scenario's first line. */
static bool run_setup(struct script *script, const struct lang_scenario *s, GString *out,
		      GError **error)
{
	if (!run_added(script,
		       "op set_region slot=31 gpa=0xe0000000 size=0x2000 flags=none map=code+0x0",
		       out, error))
		return false;
	for (unsigned v = 0; v < s->vcpus; v++) {
		g_autofree char *nop = g_strdup_printf("guest nop vcpu=%u", v);

		if (!run_added(script, nop, out, error))
			return false;
	}
	return true;
}

/* One scenario on its way. */
struct run {
	const struct replay *replay;
	const struct record_scenario *scen;
	struct script *script;
	GString *out;
	GPtrArray *unmet; /* NULL: expectations are not looked at */
};

/* Does a line start with a text that ends where one of the line's words ends. */
static bool starts_with_words(const char *line, const char *words)
{
	size_t len = strlen(words);

	return strncmp(line, words, len) == 0 && (line[len] == '\0' || line[len] == ' ');
}

/* The line of the answer that an `expect no` rules out; NULL: there is none. */
static const char *ruled_out(const struct lang_line *expect, char **answer)
{
	for (unsigned i = 0; answer[i]; i++)
		if (starts_with_words(answer[i], expect->u.obs.text))
			return answer[i];
	return NULL;
}

/* What was found instead of what is expected, caller owns; NULL: the expectation is met. */
static char *unmet_by(const struct lang_line *expect, char **answer)
{
	if (expect->u.obs.cls >= LANG_OBS_HOLDS)
		return g_strdup("that replay cannot decide it");
	if (expect->u.obs.absent) {
		const char *line = ruled_out(expect, answer);

		return line ? g_strdup_printf("'%s'", line) : NULL;
	}
	if (g_strv_contains((const char *const *)answer, expect->u.obs.text))
		return NULL;
	return g_strdup("no such line");
}

/* The step's expectations against its observations; the lines are repeated in the output. */
static void check_expects(const struct run *run, const struct record_step *step, gsize start)
{
	g_auto(GStrv) answer = g_strsplit(run->out->str + start, "\n", 0);

	for (guint i = 0; i < step->expects->len; i++) {
		const struct lang_line *l = g_ptr_array_index(step->expects, i);
		g_autofree char *found = unmet_by(l, answer);

		lang_print_line(l, run->out);
		g_string_append_c(run->out, '\n');
		if (!run->unmet || !found)
			continue;
		g_ptr_array_add(run->unmet,
				g_strdup_printf("%s:%u: after '%s' expected %s'%s', found %s",
						run->replay->file->name, l->line, step->input.text,
						l->u.obs.absent ? "no " : "", l->u.obs.text,
						found));
	}
}

static bool run_steps(const struct run *run, GError **error)
{
	const struct record *file = run->replay->file;
	const struct lang_scenario *s = &run->scen->header.u.scenario;

	if (!file->is_record && s->code && !run_setup(run->script, s, run->out, error))
		return false;
	for (guint i = 0; i < run->scen->steps->len; i++) {
		const struct record_step *step = g_ptr_array_index(run->scen->steps, i);
		bool fed = file->is_record && !run->replay->own_mm;
		const GPtrArray *recorded = fed ? step->obs : NULL;
		gsize start = run->out->len;

		if (!run_input(run->script, &step->input, recorded, run->out, error)) {
			g_prefix_error(error, "%s:%u: ", file->name, step->input.line);
			return false;
		}
		check_expects(run, step, start);
	}
	return true;
}

struct kvm_params replay_params(const struct replay *r)
{
	return params_of(&r->file->params);
}

bool replay_scenario(const struct replay *r, const struct record_scenario *scen, GString *out,
		     GPtrArray *unmet, GError **error)
{
	const struct kvm_params params = params_of(&r->file->params);
	struct run run = { r, scen, NULL, out, unmet };
	bool ok = true;

	print_header(r, scen, out);
	run.script = script_new(&scen->header.u.scenario, replay_policy(r, scen), &params, error);
	if (!run.script) {
		g_prefix_error(error, "%s:%u: scenario '%s': ", r->file->name, scen->header.line,
			       scen->header.u.scenario.name);
		ok = false;
	} else if (script_is_refused(run.script)) {
		g_string_append(out, "skip\n");
	} else {
		ok = run_steps(&run, error);
	}
	g_string_append(out, "end\n");
	script_free(run.script);
	return ok;
}
