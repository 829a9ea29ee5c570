/* SPDX-License-Identifier: Apache-2.0 */
#include "model/lint.h"

#include "model/memslots.h"
#include "model/vtlb.h"
#include "model/x86.h"

typedef bool (*lint_fn)(const struct transition *t);

#define X(id, name, check, text) static bool check(const struct transition *t);
#include "model/lint.def"
#undef X

static const struct {
	const char *name, *text;
	lint_fn check;
} rows[NR_LINTS] = {
#define X(id, name, check, text) [LINT_##id] = { name, text, check },
#include "model/lint.def"
#undef X
};

const char *lint_name(enum lint i)
{
	return rows[i].name;
}

const char *lint_text(enum lint i)
{
	return rows[i].text;
}

uint64_t lint_check(const struct transition *t)
{
	uint64_t found = 0;

	for (unsigned int i = 0; i < NR_LINTS; i++)
		if (rows[i].check(t))
			found |= BIT(i);
	return found;
}

/* ---- flushes -------------------------------------------------------------------------------- */

struct held {
	const struct vm *vm;
	bool stale;
};

/* Has memory something else than the entry: another frame, fewer rights, a cleared D flag, or nothing? */
static enum tlb_keep differs(void *arg, const struct tlb_entry *e)
{
	struct held *h = arg;
	const struct vm *vm = h->vm;
	uint32_t root = e->ctx.root;
	struct pt_pos p;
	unsigned int access;

	if (e->kind != TLB_S2 || h->stale)
		return TLB_KEEP;
	for (uint32_t i = 0; !root && i < VM_MAX_ROOTS; i++)
		if (vm->st->roots[i].in_use)
			root = vm->st->roots[i].table;
	p = pt_lookup(&vm->pt, root, e->gfn);
	access = inv_leaf_access(vm, p.value, p.height);
	h->stale =
		!access || p.height != e->height || (e->access & ~access) ||
		pte_pfn(vm->pt.fmt, p.value) != pte_pfn(vm->pt.fmt, e->pte) ||
		(vm->cfg->rules.arch == PT_X86 && !(e->flags & TLB_CLEAN) && (e->access & ACC_W) &&
		 vm_x86_fmt(vm)->dirty && !(p.value.v & vm_x86_fmt(vm)->dirty));
	return TLB_KEEP;
}

/* A walk-cache entry may be all that a flush is for: one that leads to an unlinked table. */
static enum tlb_keep leads_astray(void *arg, const struct tlb_entry *e)
{
	struct held *h = arg;

	if (e->kind == TLB_S2_WALK &&
	    h->vm->pt.meta[pt_table_of(&h->vm->pt, e->pte)].state != PT_LIVE)
		h->stale = true;
	return differs(arg, e);
}

static bool lint_flush(const struct transition *t)
{
	const struct vm *vm = t->before;
	struct held h = { .vm = t->after };

	if (!t->c->stats.remote_tlb_flush_requests || vm->cfg->tlb.form == TLB_DROP)
		return false;
	for (uint32_t v = 0; v < vm->cfg->nr_vcpus && !h.stale; v++)
		tlb_visit(&vm->cfg->tlb, vtlb(vm, v), leads_astray, &h);
	return !h.stale;
}

/* ---- leaves --------------------------------------------------------------------------------- */

static bool is_gone(const struct transition *t, const struct leaf *l)
{
	return pte_is_leaf(t->after->pt.fmt, l->old, l->height) &&
	       !pte_is_leaf(t->after->pt.fmt, l->now, l->height);
}

static bool lint_protect(const struct transition *t)
{
	const struct ghost_line *gl = &t->before->ghost_line[t->mv.who];

	for (unsigned int i = 0; i < t->nr_changes; i++)
		if (is_gone(t, &t->changes[i]) && (gl->protected & ghost_bit(t->changes[i].gfn)))
			return true;
	return false;
}

/* Leaves of a table page that the move has unlinked, outside of @wanted. */
static bool unlinked_others(const struct transition *t, uint32_t table, uint64_t wanted)
{
	const struct pt *b = &t->before->pt;
	const struct pt_meta *m = &b->meta[table];

	if (m->state != PT_LIVE || t->after->pt.meta[table].state == PT_LIVE)
		return false;
	for (uint32_t i = 0; i < geom_entries(&b->geom); i++)
		if (pte_is_leaf(b->fmt, *pt_entry(b, table, i), m->height) &&
		    !(wanted &
		      ghost_bits(pt_entry_gfn(b, table, i), geom_pages(&b->geom, m->height))))
			return true;
	return false;
}

static bool lint_zap(const struct transition *t)
{
	const struct ghost_line *gl = &t->before->ghost_line[t->mv.who];
	uint64_t wanted = gl->slot | gl->target;

	if (!t->line || t->line->kind != LANG_OP_SET_REGION)
		return false;
	for (unsigned int i = 0; i < t->nr_changes; i++)
		if (is_gone(t, &t->changes[i]) &&
		    !(wanted & ghost_bits(t->changes[i].gfn,
					  geom_pages(&t->after->cfg->geom, t->changes[i].height))))
			return true;
	for (uint32_t table = 1; table < t->before->pt.head->high_water; table++)
		if (unlinked_others(t, table, wanted))
			return true;
	return false;
}
