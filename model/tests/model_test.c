/* SPDX-License-Identifier: Apache-2.0 */
#include "model/tests/model_test.h"

#include <string.h>

#include "model/kick.h"
#include "model/memslots.h"
#include "model/procs.h"

static struct lang_line parse(const char *text)
{
	g_autoptr(GError) error = NULL;
	struct lang_line l;

	if (!lang_parse_line(text, "test", 1, &l, &error))
		ck_abort_msg("%s", error->message);
	return l;
}

struct script *test_script(const char *policy, const char *keys)
{
	g_autofree char *text = g_strdup_printf("scenario name=t %s", keys);
	struct lang_line l = parse(text);
	g_autoptr(GError) error = NULL;
	struct script *s = script_new(&l.u.scenario, policy, NULL, &error);

	if (!s)
		ck_abort_msg("%s, %s: %s", policy, keys, error->message);
	lang_line_clear(&l);
	return s;
}

char *test_line(struct script *s, const char *text)
{
	struct lang_line l = parse(text);
	g_autoptr(GError) error = NULL;
	GString *out = g_string_new(NULL);

	if (!script_run_line(s, &l, NULL, out, &error))
		ck_abort_msg("%s: %s", text, error->message);
	lang_line_clear(&l);
	return g_string_free(out, FALSE);
}

void test_do(struct script *s, const char *text)
{
	g_autofree char *out = test_line(s, text);

	if (g_str_has_prefix(out, "ret ") && !test_has_line(out, "ret 0"))
		ck_abort_msg("%s: expected ret 0, found\n%s", text, out);
}

char *test_refused(struct script *s, const char *text)
{
	struct lang_line l = parse(text);
	g_autoptr(GError) error = NULL;
	g_autoptr(GString) out = g_string_new(NULL);
	bool ran = script_run_line(s, &l, NULL, out, &error);

	lang_line_clear(&l);
	if (ran)
		ck_abort_msg("%s: expected a refusal, found\n%s", text, out->str);
	return g_strdup(error->message);
}

bool test_has_line(const char *text, const char *line)
{
	size_t n = strlen(line);

	for (const char *at = text; at && *at; at = strchr(at, '\n'), at = at ? at + 1 : NULL)
		if (strncmp(at, line, n) == 0 && (at[n] == '\n' || at[n] == '\0' || at[n] == ' '))
			return true;
	return false;
}

hva_t test_map_hva(const struct vm *vm)
{
	return vm->st->maps[0].hva;
}

/* NOLINTNEXTLINE(bugprone-easily-swappable-parameters): three texts, in the order of a scenario */
struct script *test_two_slots(const char *policy, const char *keys, const char *flags)
{
	g_autofree char *all = g_strconcat("code=0 ", keys, NULL);
	struct script *s = test_script(policy, all);
	g_autofree char *line =
		g_strdup_printf("op set_region slot=0 gpa=0x%x size=0x%x flags=%s map=m0+0x0%s",
				GPA_0, SLOT_BYTES, flags, strstr(flags, "uf") ? " bitmap=b0" : "");

	test_do(s, "host map name=m0 size=0x800000 backing=thp");
	test_do(s, line);
	test_do(s, "op set_region slot=1 gpa=0x2000000 size=0x400000 flags=none map=m0+0x400000");
	return s;
}

/* ---- scenarios as text ------------------------------------------------------------------------ */

struct run {
	const struct scenario *sc;
	const char *policy;
	struct script *s;
	char *input, *out;
};

static void demand(struct run *r, char mark, const char *line)
{
	bool has = test_has_line(r->out, line);

	if (has == (mark == '='))
		return;
	ck_abort_msg("%s (%s %s): after '%s' expected %s'%s', found\n%s", r->sc->name, r->policy,
		     r->sc->keys, r->input, has ? "no " : "", line, r->out);
}

static void refuse(struct run *r, const char *line, const char *text)
{
	g_autofree char *why = test_refused(r->s, line);

	if (!strstr(why, text))
		ck_abort_msg("%s: '%s': expected a message with '%s', found '%s'", r->sc->name,
			     line, text, why);
}

static void run_policy(const struct scenario *sc, const char *policy)
{
	g_auto(GStrv) lines = g_strsplit(sc->text, "\n", -1);
	struct run r = { .sc = sc, .policy = policy, .s = test_script(policy, sc->keys) };

	ck_assert_msg(!script_is_refused(r.s), "%s: %s refuses %s", sc->name, policy, sc->keys);
	for (size_t i = 0; lines[i]; i++) {
		if (*lines[i] == '\0')
			continue;
		if (*lines[i] == '=' || *lines[i] == '!') {
			demand(&r, *lines[i], lines[i] + 2);
			continue;
		}
		if (lines[i + 1] && *lines[i + 1] == '?') {
			refuse(&r, lines[i], lines[i + 1] + 2);
			i++;
			continue;
		}
		g_free(r.out);
		r.input = lines[i];
		r.out = test_line(r.s, lines[i]);
	}
	if (script_vm(r.s)->cfg->rules.inject == INJ_NONE)
		test_check_rest(script_vm(r.s));
	g_free(r.out);
	script_free(r.s);
}

void test_scenario(const struct scenario *sc)
{
	g_auto(GStrv) policies = g_strsplit(sc->policies, " ", -1);

	for (size_t i = 0; policies[i]; i++)
		run_policy(sc, policies[i]);
}

/* ---- a VM at rest ------------------------------------------------------------------------------ */

/* V1 for one set: sorted, disjoint, slots of this address space. */
static bool set_is_sound(const struct vm *vm, unsigned int as, unsigned int set)
{
	const uint16_t *ids = memslots_ids(vm, as, set);
	gfn_t end = 0;

	for (uint32_t i = 0; i < vm->st->sets[as][set].count; i++) {
		const struct memslot *s = &vm->slots[ids[i]];

		if (!s->in_use || s->as_id != as || s->npages == 0 || s->base_gfn < end ||
		    (s->flags & MEMSLOT_INVALID))
			return false;
		end = s->base_gfn + s->npages;
	}
	for (uint32_t i = vm->st->sets[as][set].count; i < vm->cfg->limits.nr_slots; i++)
		if (i < 64 && ids[i])
			return false;
	return true;
}

static bool sets_are_equal(const struct vm *vm, unsigned int as)
{
	uint32_t n = vm->st->sets[as][0].count;

	return n == vm->st->sets[as][1].count &&
	       memcmp(memslots_ids(vm, as, 0), memslots_ids(vm, as, 1), n * sizeof(uint16_t)) == 0;
}

/* Slot objects in use are those of the sets; slots that log are counted. */
static bool slots_are_counted(const struct vm *vm)
{
	uint32_t objects = 0, logging = 0;
	uint64_t pages = 0;

	for (unsigned int as = 0; as < VM_MAX_AS; as++) {
		const uint16_t *ids = memslots_ids(vm, as, 0);

		objects += vm->st->sets[as][0].count;
		for (uint32_t i = 0; i < vm->st->sets[as][0].count; i++) {
			logging += memslot_is_logging(&vm->slots[ids[i]]);
			pages += vm->slots[ids[i]].npages;
		}
	}
	return vm->st->nr_slots == objects && vm->st->nr_memslots_dirty_logging == logging &&
	       vm->st->nr_memslot_pages == pages;
}

static bool locks_are_free(const struct vm *vm)
{
	for (int i = 0; i < OBJ_NR_LOCKS; i++)
		if (vm->st->lock[i].writer || vm->st->lock[i].readers)
			return false;
	return !vm->st->srcu.count[0] && !vm->st->srcu.count[1] && !vm->st->rcu.count[0] &&
	       !vm->st->rcu.count[1];
}

bool test_at_rest(const struct vm *vm, const char **why)
{
	*why = "V1: a set is not sorted, not disjoint or holds a slot that it must not";
	for (unsigned int as = 0; as < VM_MAX_AS; as++)
		if (!set_is_sound(vm, as, 0) || !set_is_sound(vm, as, 1))
			return false;
	*why = "V1: the two sets of an address space differ";
	for (unsigned int as = 0; as < VM_MAX_AS; as++)
		if (!sets_are_equal(vm, as))
			return false;
	*why = "V2: a lock is owned or an epoch has a reader";
	if (!locks_are_free(vm))
		return false;
	*why = "V3: an update or an invalidation is in progress";
	for (unsigned int as = 0; as < VM_MAX_AS; as++)
		if (memslots_generation(vm, as) & MEMSLOT_GEN_UPDATE_IN_PROGRESS)
			return false;
	if (vm->st->mn_active_invalidate_count || vm->st->mmu_invalidate_in_progress)
		return false;
	*why = "V4: slot objects, pages or logging slots are not counted right";
	if (!slots_are_counted(vm))
		return false;
	return pt_check(&vm->pt, why);
}

void test_check_rest(const struct vm *vm)
{
	const char *why;

	if (!test_at_rest(vm, &why) || !vm_check(vm, &why))
		ck_abort_msg("%s", why);
}

uint64_t test_words_in_use(const struct vm *vm)
{
	uint64_t used = 0;

	for (uint64_t at = 1; at < vm->st->words_used; at += 1 + (vm->words[at] >> 1))
		if (vm->words[at] & 1)
			used += vm->words[at] >> 1;
	return used;
}

/* ---- one actor at a time --------------------------------------------------------------------- */

struct stepper stepper_of(struct vm *vm)
{
	return (struct stepper){ .vm = vm, .ctx = { .vm = vm, .rules = &vm->cfg->rules } };
}

enum step_result stepper_step(struct stepper *s, uint32_t a)
{
	ck_assert(actor_enabled(s->vm, a));
	s->ctx.me = &s->vm->actors[a];
	s->ctx.me_nr = a;
	s->ctx.nr_woke = 0;
	return thread_step(&s->ctx);
}

bool stepper_rules(struct stepper *s)
{
	return rules_run(&s->ctx);
}

bool stepper_run(struct stepper *s, uint32_t a)
{
	while (!actor_idle(s->vm, a)) {
		uint32_t next = a;

		if (!actor_enabled(s->vm, a)) {
			if (stepper_rules(s))
				continue;
			for (next = 0; next < s->vm->nr_actors; next++)
				if (actor_enabled(s->vm, next))
					break;
			if (next == s->vm->nr_actors)
				return false;
		}
		stepper_step(s, next);
	}
	while (stepper_rules(s))
		;
	return true;
}

int stepper_set_region(struct stepper *s, const struct op *op)
{
	uint32_t a = vm_actor_vmm(s->vm);
	int ret;

	s->vm->ops[a] = *op;
	actor_start(s->vm, a, P_set_memory_region, &(struct l_slot){ 0 }, sizeof(struct l_slot));
	ck_assert(stepper_run(s, a));
	ret = s->vm->actors[a].ret;
	s->vm->ops[a] = (struct op){ 0 };
	s->vm->actors[a].ret = 0;
	return ret;
}
