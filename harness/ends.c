/* SPDX-License-Identifier: Apache-2.0 */
#include "harness/ends.h"

#include <inttypes.h>
#include <string.h>

#include "model/memslots.h"
#include "model/observe.h"

void ends_init(struct ends *e)
{
	g_mutex_init(&e->lock);
	e->texts = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
}

void ends_fini(struct ends *e)
{
	g_hash_table_unref(e->texts);
	g_mutex_clear(&e->lock);
}

static void add_slot(const struct vm *vm, unsigned int as, const struct memslot *s, GString *out)
{
	g_string_append_printf(out, "slot %u:%u gfn=%" PRIx64 " n=%" PRIx64 " flags=%x dirty", as,
			       s->id, s->base_gfn, s->npages, s->flags);
	for (uint64_t w = 0; s->bitmap && w < (s->npages + 63) / 64; w++)
		g_string_append_printf(out, " %" PRIx64, vm->words[s->bitmap + w]);
	g_string_append_c(out, '\n');
}

static void on_end(void *arg, const struct vm *vm)
{
	g_autoptr(GString) out = g_string_new(NULL);
	struct recorder *recorder = recorder_new(vm, false);
	struct ends *e = arg;

	for (unsigned int as = 0; as < vm->cfg->rules.nr_as; as++) {
		unsigned int set = memslots_active(vm, as);

		for (uint32_t i = 0; i < vm->st->sets[as][set].count; i++)
			add_slot(vm, as, &vm->slots[memslots_ids(vm, as, set)[i]], out);
	}
	if (vm->st->split_cache)
		g_string_append_printf(out, "split cache %u\n", vm->st->split_cache);
	for (uint32_t i = 0; i < vm->cfg->nr_vcpus * vm->cfg->ring_entries; i++)
		if (vm->rings[i].flags)
			g_string_append_printf(
				out, "ring entry %u: flags=%x slot=%u page=%" PRIx64 "\n", i,
				vm->rings[i].flags, vm->rings[i].slot, vm->rings[i].offset);
	recorder_print(recorder, NULL, true, out);
	recorder_free(recorder);
	g_mutex_lock(&e->lock);
	g_hash_table_add(e->texts, g_strdup(out->str));
	g_mutex_unlock(&e->lock);
}

bool ends_find(const struct explore_cfg *cfg, struct ends *e, uint64_t *states, GError **error)
{
	static const uint64_t none = 0;
	struct explore_cfg own = *cfg;
	struct explore_result *r;
	bool complete;

	own.invariants = &none;
	own.no_progress = true;
	own.end = on_end;
	own.end_arg = e;
	r = explore(&own, error);
	if (!r)
		return false;
	*states += r->states;
	complete = r->complete;
	explore_result_free(r);
	if (!complete)
		g_set_error(error, EXPLORE_ERROR, EXPLORE_ERROR_SCOPE,
			    "expected all orders to be tried, found more than %" PRIu64 " states",
			    cfg->max_states);
	return complete;
}

unsigned int ends_only(const struct ends *a, const struct ends *b)
{
	GHashTableIter i;
	gpointer text;
	unsigned int n = 0;

	g_hash_table_iter_init(&i, a->texts);
	while (g_hash_table_iter_next(&i, &text, NULL))
		n += !g_hash_table_contains(b->texts, text);
	return n;
}

const char *ends_example(const struct ends *a, const struct ends *b)
{
	const char *first = NULL;
	GHashTableIter i;
	gpointer text;

	g_hash_table_iter_init(&i, a->texts);
	while (g_hash_table_iter_next(&i, &text, NULL))
		if (!g_hash_table_contains(b->texts, text) && (!first || strcmp(text, first) < 0))
			first = text;
	return first;
}
