/* SPDX-License-Identifier: Apache-2.0 */
#include "mmu/tlb.h"

#include <string.h>

#include "mmu/tlb_priv.h"

/* The members of a context that tag this kind. */
struct tlb_ctx tlb_ctx_for(unsigned int kind, struct tlb_ctx ctx)
{
	if (class_of(kind) == 0) {
		ctx.asid = 0;
		if (ctx.root)
			ctx.vmid = 0;
	}
	return ctx;
}

static struct ident ident_at(const struct tlb_cfg *cfg, const struct tlb_key *key,
			     unsigned int height, bool global)
{
	struct ident id = {
		.page = align_down_u64(key->page, span_of(cfg, height)),
		.ctx = tlb_ctx_for(key->kind, key->ctx),
		.kind = key->kind,
		.height = (uint8_t)height,
		.global = global,
	};

	if (global)
		id.ctx.asid = 0;
	return id;
}

/* --- Configurations. */

static struct tlb_cfg cfg_base(const struct pt_geom *g, enum tlb_form form)
{
	return (struct tlb_cfg){
		.form = (uint8_t)form,
		.index_bits = g->index_bits,
		.heights = g->heights,
	};
}

struct tlb_cfg tlb_cfg_sized(const struct pt_geom *g)
{
	struct tlb_cfg cfg = cfg_base(g, TLB_SIZED);

	cfg.contexts = 8;
	cfg.l1 = (struct tlb_array_cfg){ 16, 4 };
	cfg.l2 = (struct tlb_array_cfg){ 128, 12 };
	cfg.walk = (struct tlb_array_cfg){ 8, 4 };
	return cfg;
}

struct tlb_cfg tlb_cfg_drop(const struct pt_geom *g)
{
	return cfg_base(g, TLB_DROP);
}

struct tlb_cfg tlb_cfg_set(const struct pt_geom *g, uint16_t capacity)
{
	struct tlb_cfg cfg = cfg_base(g, TLB_SET);

	cfg.capacity = capacity;
	return cfg;
}

static bool array_check(const struct tlb_array_cfg *a)
{
	return a->sets == 0 ||
	       (a->ways > 0 && a->ways <= TLB_WAYS_MAX && (a->sets & (a->sets - 1)) == 0);
}

bool tlb_cfg_check(const struct tlb_cfg *cfg)
{
	if (cfg->index_bits < 1 || cfg->index_bits > 13 || cfg->heights < 1 ||
	    cfg->heights > GEOM_MAX_HEIGHTS || cfg->scope > TLB_GENEROUS)
		return false;
	switch ((enum tlb_form)cfg->form) {
	case TLB_SIZED:
		return cfg->contexts >= 1 && cfg->contexts < BIT(TLB_TAG_SLOT_BITS) &&
		       cfg->l1.sets > 0 && cfg->replacement <= TLB_FIFO && array_check(&cfg->l1) &&
		       array_check(&cfg->l2) && array_check(&cfg->walk);
	case TLB_DROP:
		return true;
	case TLB_SET:
		return cfg->capacity >= 1;
	}
	return false;
}

size_t tlb_bytes(const struct tlb_cfg *cfg)
{
	size_t bytes = 0;

	if (cfg->form == TLB_SIZED)
		bytes = sized_bytes(cfg);
	else if (cfg->form == TLB_SET)
		bytes = cfg->capacity * sizeof(struct tlb_entry);
	return sizeof(struct tlb) + bytes;
}

void tlb_reset(const struct tlb_cfg *cfg, struct tlb *t)
{
	memset(t, 0, tlb_bytes(cfg));
}

/* The entries of TLB_SET. */
static struct tlb_entry *list_of(struct tlb *t)
{
	return (struct tlb_entry *)t->words;
}

static const struct tlb_entry *list_const(const struct tlb *t)
{
	return (const struct tlb_entry *)t->words;
}

/* --- TLB_SET: a list in the order of the identities. */

static int order_u64(uint64_t a, uint64_t b)
{
	return (a > b) - (a < b);
}

static int ident_order(const struct ident *a, const struct ident *b)
{
	int r = order_u64(a->kind, b->kind);

	r = r ? r : order_u64(a->height, b->height);
	r = r ? r : order_u64(a->global, b->global);
	r = r ? r : order_u64(a->ctx.root, b->ctx.root);
	r = r ? r : order_u64(a->ctx.vmid, b->ctx.vmid);
	r = r ? r : order_u64(a->ctx.asid, b->ctx.asid);
	return r ? r : order_u64(a->page, b->page);
}

/* Place of an entry, or where it would be; *@there says which. */
static uint32_t list_find(const struct tlb *t, const struct ident *id, bool *there)
{
	const struct tlb_entry *list = list_const(t);
	uint32_t low = 0, high = t->nr;

	*there = false;
	while (low < high) {
		uint32_t mid = (low + high) / 2;
		struct ident at = ident_of(&list[mid]);
		int r = ident_order(&at, id);

		if (r == 0) {
			*there = true;
			return mid;
		}
		if (r < 0)
			low = mid + 1;
		else
			high = mid;
	}
	return low;
}

static bool fill_list(const struct tlb_cfg *cfg, struct tlb *t, const struct tlb_entry *e)
{
	struct ident id = ident_of(e);
	struct tlb_entry *list = list_of(t);
	bool there;
	uint32_t i = list_find(t, &id, &there);

	if (!there) {
		if (t->nr == cfg->capacity)
			return false;
		memmove(&list[i + 1], &list[i], (t->nr - i) * sizeof(*list));
		t->nr++;
	}
	list[i] = *e;
	return true;
}

uint64_t list_filter(struct tlb *t, const struct filter *f)
{
	struct tlb_entry *list = list_of(t);
	uint32_t kept = 0, nr = t->nr;

	for (uint32_t i = 0; i < nr; i++)
		if (f->fn(f->arg, &list[i]) == TLB_KEEP)
			list[kept++] = list[i];
	memset(&list[kept], 0, (nr - kept) * sizeof(*list));
	t->nr = kept;
	return nr - kept;
}

/* --- The interface. */

bool tlb_fill(const struct tlb_cfg *cfg, struct tlb *t, const struct tlb_entry *e, struct work *wk)
{
	struct tlb_entry own = *e;
	bool ok = true;

	own.ctx = tlb_ctx_for(e->kind, e->ctx);
	if (own.flags & TLB_GLOBAL)
		own.ctx.asid = 0;
	own.spare = 0;
	switch ((enum tlb_form)cfg->form) {
	case TLB_SIZED:
		sized_fill(cfg, t, &own, wk);
		break;
	case TLB_DROP:
		break;
	case TLB_SET:
		ok = fill_list(cfg, t, &own);
		break;
	}
	wk->tlb_fill += ok;
	return ok;
}

/* Each array in its turn; what both levels hold is met in the first. */
static bool match_sized(const struct tlb_cfg *cfg, const struct tlb *t, const struct tlb_key *key,
			unsigned int n, struct place *p)
{
	unsigned int globals = class_of(key->kind);
	unsigned int end = key->kind == TLB_S2_WALK ? TLB_WALK : TLB_L2;

	for (p->array = key->kind == TLB_S2_WALK ? TLB_WALK : TLB_L1; p->array <= end; p->array++)
		for (unsigned int h = 0; t->nr && h < cfg->heights; h++)
			for (unsigned int g = 0; g <= globals; g++) {
				struct ident id = ident_at(cfg, key, h, g);

				if (sized_find(cfg, t, &id, p) && !sized_is_twin(cfg, t, *p) &&
				    n-- == 0)
					return true;
			}
	return false;
}

static bool match_list(const struct tlb_cfg *cfg, const struct tlb *t, const struct tlb_key *key,
		       unsigned int n, struct tlb_entry *out)
{
	unsigned int globals = class_of(key->kind);

	for (unsigned int h = 0; t->nr && h < cfg->heights; h++)
		for (unsigned int g = 0; g <= globals; g++) {
			struct ident id = ident_at(cfg, key, h, g);
			bool there;
			uint32_t i = list_find(t, &id, &there);

			if (there && n-- == 0) {
				*out = list_const(t)[i];
				return true;
			}
		}
	return false;
}

static bool match(const struct tlb_cfg *cfg, const struct tlb *t, const struct tlb_key *key,
		  unsigned int n, struct place *p, struct tlb_entry *out)
{
	bool there = false;

	switch ((enum tlb_form)cfg->form) {
	case TLB_SIZED:
		there = match_sized(cfg, t, key, n, p);
		if (there)
			*out = sized_entry(cfg, t, *p);
		break;
	case TLB_DROP:
		break;
	case TLB_SET:
		there = match_list(cfg, t, key, n, out);
		break;
	}
	return there;
}

bool tlb_match(const struct tlb_cfg *cfg, const struct tlb *t, const struct tlb_key *key,
	       unsigned int n, struct tlb_entry *out)
{
	struct place p;

	return match(cfg, t, key, n, &p, out);
}

enum tlb_found tlb_probe(const struct tlb_cfg *cfg, struct tlb *t, const struct tlb_key *key,
			 unsigned int acc, struct tlb_entry *out, struct work *wk)
{
	struct tlb_entry e;
	struct place p;

	if (!match(cfg, t, key, 0, &p, &e)) {
		wk->tlb_miss++;
		return TLB_MISS;
	}
	if (out)
		*out = e;
	if ((e.access & acc) != acc || ((acc & ACC_W) && (e.flags & TLB_CLEAN))) {
		wk->tlb_denied++;
		return (e.access & acc) != acc ? TLB_DENIED : TLB_DIRTY;
	}
	if (cfg->form == TLB_SIZED)
		sized_touch(cfg, t, p, wk);
	wk->tlb_hit++;
	return TLB_HIT;
}

void tlb_visit(const struct tlb_cfg *cfg, struct tlb *t,
	       enum tlb_keep (*fn)(void *arg, const struct tlb_entry *e), void *arg)
{
	static const bool both[TLB_NR_CLASSES] = { true, true };
	const struct filter f = { .fn = fn, .arg = arg };

	if (cfg->form == TLB_SIZED)
		sized_filter(cfg, t, both, &f);
	else if (cfg->form == TLB_SET)
		list_filter(t, &f);
}

bool tlb_entry_check(const struct tlb_cfg *cfg, const struct tlb_entry *e, const char **why)
{
	*why = NULL;
	if (e->kind >= TLB_NR_KINDS || e->height >= cfg->heights)
		*why = "entry of an unknown kind or height";
	else if ((e->page | e->gfn) & (span_of(cfg, e->height) - 1))
		*why = "entry that is not aligned to its span";
	else if (e->spare || e->flags > (TLB_GLOBAL | TLB_CLEAN) || e->access > ACC_RWX)
		*why = "entry with a bit that means nothing";
	else if (e->kind == TLB_S2_WALK && e->height == 0)
		*why = "walk entry at the page level";
	else if (!ctx_eq(e->ctx, tlb_ctx_for(e->kind, e->ctx)))
		*why = "entry with a tag that its kind does not have";
	return *why == NULL;
}

static bool list_check(const struct tlb_cfg *cfg, const struct tlb *t, const char **why)
{
	static const struct tlb_entry none;
	const struct tlb_entry *list = list_const(t);

	if (t->nr > cfg->capacity)
		*why = "more entries than there is room for";
	for (uint32_t i = 0; i < cfg->capacity && *why == NULL; i++) {
		struct ident a, b;

		if (i >= t->nr) {
			if (memcmp(&list[i], &none, sizeof(none)) != 0)
				*why = "bytes behind the last entry that are not zero";
			continue;
		}
		if (!tlb_entry_check(cfg, &list[i], why))
			return false;
		a = ident_of(&list[i]);
		b = ident_of(&list[i > 0 ? i - 1 : 0]);
		if (i > 0 && ident_order(&b, &a) >= 0)
			*why = "entries that are not sorted, or twice the same";
	}
	return *why == NULL;
}

bool tlb_check(const struct tlb_cfg *cfg, const struct tlb *t, const char **why)
{
	static const uint32_t none[TLB_NR_ARRAYS][GEOM_MAX_HEIGHTS];
	bool sized = cfg->form == TLB_SIZED;

	*why = NULL;
	if (!sized && (t->heights || t->nr_slots || memcmp(t->at, none, sizeof(none)) != 0))
		*why = "head with a member that this form does not use";
	else if (t->nr && cfg->form == TLB_DROP)
		*why = "a form that holds nothing has entries";
	else if (sized)
		sized_check(cfg, t, why);
	else if (cfg->form == TLB_SET)
		list_check(cfg, t, why);
	return *why == NULL;
}
