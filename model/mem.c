/* SPDX-License-Identifier: Apache-2.0 */
#include "model/mem.h"

#include "model/inject.h"

static bool is_on(const struct vm *vm)
{
	return vm_cfg_mem(vm->cfg) != MEM_SC;
}

static hva_t page_of(const struct vm *vm, hva_t hva)
{
	return align_down_u64(hva, geom_page_size(&vm->cfg->geom));
}

/* ---- what INV-DATA needs to know ------------------------------------------------------------- */

/* Is the bit of the page at @hva one that the store changes, in whatever slot? */
static bool is_bit_of(const struct vm *vm, const struct mem_store *s, hva_t hva)
{
	unsigned int shift = vm->cfg->geom.page_shift;

	for (uint32_t i = 1; i < memslot_objects(&vm->cfg->limits); i++) {
		const struct memslot *m = &vm->slots[i];
		uint64_t rel = (hva - m->hva) >> shift;

		if (m->in_use && m->uf_bitmap && hva >= m->hva && rel < m->npages &&
		    m->uf_bitmap + rel / 64 == s->at && (s->mask >> rel % 64 & 1))
			return true;
	}
	return false;
}

static bool is_data(const struct mem_store *s, hva_t hva)
{
	return s->kind == MEM_STORE_DATA && s->at == hva;
}

/* A clearing store, entry @k of the thread, becomes visible: what of data is older than that. */
static void clear_is_visible(struct vm *vm, struct mem_thread *t, unsigned int k)
{
	for (unsigned int i = 0; i < k; i++)
		if (t->stores[i].kind == MEM_STORE_DATA &&
		    is_bit_of(vm, &t->stores[k], t->stores[i].at))
			t->stores[i].due = 1;
	for (uint32_t v = 0; v < vm->cfg->nr_vcpus; v++) {
		struct mem_ahead *e = &vm->mem[v].ahead;

		if (!e->used || !is_bit_of(vm, &t->stores[k], e->hva))
			continue;
		e->due |= e->old;
		for (unsigned int i = 0; i < k; i++)
			e->due |= is_data(&t->stores[i], e->hva);
	}
}

static void data_is_visible(struct vm *vm, hva_t hva)
{
	for (uint32_t v = 0; v < vm->cfg->nr_vcpus; v++)
		if (vm->mem[v].ahead.used && vm->mem[v].ahead.hva == hva)
			vm->mem[v].ahead.old = 1;
}

/* ---- stores ---------------------------------------------------------------------------------- */

static bool same_location(const struct mem_store *a, const struct mem_store *b)
{
	return a->kind == b->kind && a->at == b->at;
}

static void change_bits(struct vm *vm, uint64_t word, uint64_t mask, bool value)
{
	if (value)
		vm->words[word] |= mask;
	else
		vm->words[word] &= ~mask;
}

void mem_commit(struct vm *vm, uint32_t a, unsigned int k)
{
	struct mem_thread *t = &vm->mem[a];
	const struct mem_store s = t->stores[k];

	g_assert(mem_visible_next(vm, a) >> k & 1);
	if (s.kind == MEM_STORE_DATA) {
		data_is_visible(vm, s.at);
	} else {
		if (!s.value)
			clear_is_visible(vm, t, k);
		change_bits(vm, s.at, s.mask, s.value);
	}
	memmove(&t->stores[k], &t->stores[k + 1], (MEM_STORES - 1 - k) * sizeof(s));
	t->stores[MEM_STORES - 1] = (struct mem_store){ .kind = MEM_STORE_NONE };
}

uint32_t mem_visible_next(const struct vm *vm, uint32_t a)
{
	uint32_t can = 0;

	if (!is_on(vm))
		return 0;
	for (unsigned int k = 0; k < MEM_STORES && vm->mem[a].stores[k].kind; k++) {
		const struct mem_store *s = &vm->mem[a].stores[k];
		bool waits = k && (s->release || vm_cfg_mem(vm->cfg) == MEM_TSO);

		for (unsigned int i = 0; i < k && !waits; i++)
			waits = same_location(&vm->mem[a].stores[i], s);
		if (!waits)
			can |= 1U << k;
	}
	return can;
}

bool mem_pending(const struct vm *vm, uint32_t a)
{
	return is_on(vm) && vm->mem[a].stores[0].kind;
}

static void store(struct vm *vm, uint32_t a, const struct mem_store *s)
{
	struct mem_thread *t = &vm->mem[a];
	unsigned int n = 0;

	if (t->stores[MEM_STORES - 1].kind)
		mem_commit(vm, a, 0);
	while (t->stores[n].kind)
		n++;
	t->stores[n] = *s;
}

void mem_store_data(struct vm *vm, uint32_t a, hva_t hva)
{
	if (is_on(vm))
		store(vm, a, &(struct mem_store){ .kind = MEM_STORE_DATA, .at = page_of(vm, hva) });
}

void mem_store_bits(struct vm *vm, uint32_t a, const struct mem_bits *b)
{
	if (is_on(vm))
		store(vm, a,
		      &(struct mem_store){ .kind = MEM_STORE_BITS,
					   .at = b->word,
					   .mask = b->mask,
					   .value = b->value,
					   .release = b->release });
	else
		change_bits(vm, b->word, b->mask, b->value);
}

/* NOLINTNEXTLINE(bugprone-easily-swappable-parameters): an actor, an element of the pool */
uint64_t mem_own_word(const struct vm *vm, uint32_t a, uint32_t word)
{
	uint64_t is = vm->words[word];

	for (unsigned int i = 0; mem_pending(vm, a) && i < MEM_STORES; i++) {
		const struct mem_store *s = &vm->mem[a].stores[i];

		if (s->kind == MEM_STORE_BITS && s->at == word)
			is = s->value ? is | s->mask : is & ~s->mask;
	}
	return is;
}

void mem_drain(struct ctx *c)
{
	while (mem_pending(c->vm, c->me_nr))
		mem_commit(c->vm, c->me_nr, 0);
}

/* ---- loads ----------------------------------------------------------------------------------- */

void mem_load_ahead(struct ctx *c, hva_t hva)
{
	struct mem_ahead e = { .hva = page_of(c->vm, hva), .used = 1 };

	if (vm_cfg_mem(c->vm->cfg) != MEM_ARMLIKE)
		return;
	mem_load_over(c);
	if (!pick(c, 2))
		return;
	for (uint32_t a = 0; a < c->vm->nr_actors; a++)
		for (unsigned int i = 0; i < MEM_STORES; i++)
			e.due |= is_data(&c->vm->mem[a].stores[i], e.hva) &&
				 c->vm->mem[a].stores[i].due;
	c->vm->mem[c->me_nr].ahead = e;
}

void mem_load_over(struct ctx *c)
{
	if (is_on(c->vm))
		c->vm->mem[c->me_nr].ahead = (struct mem_ahead){ .used = 0 };
}

void mem_barrier(struct ctx *c, enum mem_place place)
{
	if (injects(c, INJ_LOADS_UNORDERED) ||
	    (injects(c, INJ_ONLY_MAP_DSB) && place != MEM_MAP_DSB) ||
	    (injects(c, INJ_ONLY_SRCU_MB) && place != MEM_SRCU_MB) ||
	    (injects(c, INJ_ONLY_ENTRY_ISB) && place != MEM_ENTRY_ISB))
		return;
	mem_load_over(c);
}

void mem_bit_seen(struct ctx *c, hva_t hva, bool bit)
{
	struct vm *vm = c->vm;

	if (!is_on(vm))
		return;
	hva = page_of(vm, hva);
	if (bit || c->rules->uf_read == UF_READ_ACQUIRE)
		mem_load_over(c); /* of the load that comes first: what was ahead of it, is not */
	if (bit)
		return;
	for (uint32_t a = 0; a < vm->nr_actors; a++)
		for (unsigned int i = 0; i < MEM_STORES; i++)
			if (is_data(&vm->mem[a].stores[i], hva))
				vm->mem[a].stores[i].promised |= vm->mem[a].stores[i].due;
	if (vm->mem[c->me_nr].ahead.used && vm->mem[c->me_nr].ahead.hva == hva)
		vm->mem[c->me_nr].ahead.bad = vm->mem[c->me_nr].ahead.due;
}

bool mem_is_stale(const struct vm *vm, uint32_t a, hva_t hva)
{
	const struct mem_ahead *e;

	if (!is_on(vm))
		return false;
	hva = page_of(vm, hva);
	e = &vm->mem[a].ahead;
	if (e->used && e->hva == hva && e->bad)
		return true;
	for (uint32_t b = 0; b < vm->nr_actors; b++)
		for (unsigned int i = 0; b != a && i < MEM_STORES; i++)
			if (is_data(&vm->mem[b].stores[i], hva) && vm->mem[b].stores[i].promised)
				return true;
	return false;
}
