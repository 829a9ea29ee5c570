/* SPDX-License-Identifier: Apache-2.0 */
#include "model/script.h"

#include "model/hostmm.h"
#include "model/kick.h"
#include "model/lines.h"
#include "model/observe.h"

G_DEFINE_QUARK(s2_script_error, script_error)

struct script {
	struct vm *vm;
	struct ctx ctx;
	struct recorder *rec;
	struct lines lines;
	bool refused;
};

struct script *script_new(const struct lang_scenario *sc, const char *policy,
			  const struct kvm_params *params, GError **error)
{
	struct vm_cfg cfg = { .nr_vcpus = 0 };
	struct script *s;

	if (!setup_cfg(sc, policy, params, &cfg, error))
		return NULL;
	s = g_new0(struct script, 1);
	s->refused = setup_is_refused(sc, &cfg);
	s->vm = vm_new(&cfg);
	s->lines.vm = s->vm;
	s->rec = recorder_new(s->vm, sc->trace);
	s->ctx = (struct ctx){ .vm = s->vm,
			       .rules = &s->vm->cfg->rules,
			       .event = recorder_event,
			       .event_arg = s->rec };
	s->vm->pt.obs = recorder_pt_observer(s->vm);
	s->vm->pt.obs_arg = s->rec;
	setup_contents(s->vm, &s->ctx.work);
	return s;
}

void script_free(struct script *s)
{
	if (!s)
		return;
	recorder_free(s->rec);
	vm_free(s->vm);
	g_free(s);
}

bool script_is_refused(const struct script *s)
{
	return s->refused;
}

const struct work *script_work(const struct script *s)
{
	return &s->ctx.work;
}

struct vm *script_vm(struct script *s)
{
	return s->vm;
}

/* ---- running ------------------------------------------------------------------------------- */

static enum step_result step_actor(struct script *s, uint32_t a)
{
	struct ctx *c = &s->ctx;
	enum step_result r;

	c->me = &s->vm->actors[a];
	c->me_nr = a;
	c->nr_woke = 0;
	memset(&c->stats, 0, sizeof(c->stats));
	r = thread_step(c);
	recorder_stats(s->rec, &c->stats, a < s->vm->cfg->nr_vcpus ? a : UINT32_MAX);
	return r;
}

/* Runs @a to its end, others only while it is blocked. */
static bool run_actor(struct script *s, uint32_t a, GError **error)
{
	while (!actor_idle(s->vm, a)) {
		uint32_t other = 0;

		if (actor_enabled(s->vm, a)) {
			step_actor(s, a);
			continue;
		}
		if (s->vm->actors[a].wait.kind == W_GUEST)
			return true; /* spins inside the guest */
		if (rules_run(&s->ctx))
			continue;
		while (other < s->vm->nr_actors && !actor_enabled(s->vm, other))
			other++;
		if (other == s->vm->nr_actors) {
			g_set_error(error, SCRIPT_ERROR, SCRIPT_ERROR_DEADLOCK,
				    "deadlock: actor %u waits at '%s' and nobody can run", a,
				    s->ctx.label ? s->ctx.label : "start");
			return false;
		}
		step_actor(s, other);
	}
	return true;
}

/* vCPUs that were kicked out of their loop go back into it. */
static bool run_spinners(struct script *s, GError **error)
{
	for (uint32_t v = 0; v < s->vm->cfg->nr_vcpus; v++)
		if (s->vm->vcpus[v].spinning && !run_actor(s, v, error))
			return false;
	return true;
}

/* ---- lines ---------------------------------------------------------------------------------- */

/* What has a meaning in simulated time only. */
static bool check_untimed(const struct lang_line *l, GError **error)
{
	const char *word =
		l->kind == LANG_PAR || l->kind == LANG_JOIN ? lang_kind_name(l->kind) : NULL;

	if (l->kind >= LANG_GUEST_READ && l->kind <= LANG_GUEST_EXEC)
		word = l->u.guest.limit != LANG_TIME_NONE ? "for="
		       : l->u.guest.until_join            ? "until="
		       : *l->u.guest.file                 ? "file="
							  : NULL;
	if (l->kind == LANG_GRAIN || l->kind == LANG_SCHED) {
		g_set_error(error, SCRIPT_ERROR, SCRIPT_ERROR_TIMED,
			    "expected lines in the order written down, found '%s', which "
			    "'s2sim replay' has for a whole scenario",
			    lang_kind_name(l->kind));
		return false;
	}
	if (!word && l->when.repeat <= 1)
		return true;
	g_set_error(error, SCRIPT_ERROR, SCRIPT_ERROR_TIMED,
		    "expected a line without simulated time, which 's2sim run' has, found '%s'",
		    word ? word : "repeat=");
	return false;
}

/* The line's actors, one after the other. */
static bool run_line(struct script *s, const struct lang_line *l, int *ret, GError **error)
{
	uint64_t actors = lines_actors(&s->lines, l);

	*ret = 0;
	if (!check_untimed(l, error))
		return false;
	for (uint32_t a = 0; a < s->vm->nr_actors; a++) {
		if (!(actors >> a & 1))
			continue;
		if (!lines_start(&s->lines, l, a, error) || !run_actor(s, a, error))
			return false;
		if (actor_idle(s->vm, a))
			*ret = lines_finish(&s->lines, a);
	}
	return true;
}

/* Do records have a `ret` for lines of this kind? */
static bool has_ret(enum lang_kind kind)
{
	return (kind >= LANG_HOST_MAP && kind <= LANG_OP_KVM_WRITE) || kind == LANG_GUEST_SPIN ||
	       kind == LANG_GUEST_UNSPIN;
}

/* The record's host ranges of this step, as hva. */
static GArray *ranges_of_record(const struct script *s, const GPtrArray *obs)
{
	static const char word[] = "trace unmap_hva_range ";
	GArray *ranges = g_array_new(FALSE, FALSE, sizeof(struct gfn_range));

	for (guint i = 0; obs && i < obs->len; i++) {
		const struct lang_line *l = g_ptr_array_index(obs, i);
		g_autofree char *start = NULL, *len = NULL;
		struct gfn_range r;
		struct lang_loc loc;
		uint64_t bytes;

		if (!g_str_has_prefix(l->u.obs.text, word))
			continue;
		start = lang_obs_value(l->u.obs.text, "start");
		len = lang_obs_value(l->u.obs.text, "len");
		if (!start || !len || !lang_parse_loc(start, &loc) ||
		    !lang_parse_u64(len, &bytes) || !lines_resolve(&s->lines, &loc, &r.start, NULL))
			continue;
		r.end = r.start + bytes;
		g_array_append_val(ranges, r);
	}
	return ranges;
}

/* In debug builds every line ends in a state that satisfies the invariants. */
static void check_at_rest(const struct script *s)
{
#ifdef S2_DEBUG
	const char *why;

	for (uint32_t v = 0; v < s->vm->cfg->nr_vcpus; v++)
		if (s->vm->vcpus[v].spinning)
			return;
	if (s->vm->cfg->rules.inject == INJ_NONE && !vm_check(s->vm, &why))
		g_error("%s", why);
#else
	(void)s;
#endif
}

bool script_run_line(struct script *s, const struct lang_line *input, const GPtrArray *recorded,
		     GString *out, GError **error)
{
	g_autoptr(GArray) ranges = ranges_of_record(s, recorded);
	struct hva_queue queue = { .ranges = (const struct gfn_range *)(const void *)ranges->data,
				   .n = ranges->len };
	bool ok;
	int ret;

	s->ctx.hva_queue = recorded ? &queue : NULL;
	ok = run_line(s, input, &ret, error) && run_spinners(s, error);
	s->ctx.hva_queue = NULL;
	if (!ok)
		return false;
	if (queue.mismatches || queue.next < queue.n)
		g_string_append_printf(
			out,
			"# host mm: %u ranges asked for that the record has not, %u of "
			"the record left over\n",
			queue.mismatches, queue.n - queue.next);
	while (rules_run(&s->ctx))
		;
	if (!recorded)
		check_at_rest(s);
	recorder_print(s->rec, has_ret(input->kind) ? &ret : NULL, input->kind == LANG_OP_DUMP,
		       out);
	return true;
}
