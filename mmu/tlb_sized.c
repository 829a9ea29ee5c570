/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The sized form: two levels and a walk cache.
 *
 * A fill goes to both levels.  What only the second has is copied to the first by a hit, and becomes
 * the most recent entry of both.  Each level replaces by itself: what the second gives up stays in
 * the first, what the first gives up is dropped.  A tag word of the first level says whether the
 * second holds the entry too, so that each entry counts once.
 * SIMPLIFIED: one first level for data and instructions and for all page sizes; no prefetch.
 */
#include <string.h>

#include "mmu/tlb_bank.h"
#include "mmu/tlb_priv.h"

#define TAG_HEIGHT_MASK GENMASK(TLB_TAG_KIND - 1, TLB_TAG_HEIGHT)
#define SLOT_MASK       GENMASK(TLB_TAG_SLOT_BITS - 1, 0)
/* One array's bits of tlb.heights. */
#define HEIGHTS  0xffU
#define TAG_SORT GENMASK(TLB_TAG_SLOT - 1, TLB_TAG_HEIGHT) /* kind and height */

static const struct tlb_array_cfg *array_cfg(const struct tlb_cfg *cfg, unsigned int array)
{
	return array == TLB_L1 ? &cfg->l1 : array == TLB_L2 ? &cfg->l2 : &cfg->walk;
}

/* --- Layout: slots, then per array its sets and its data. */

struct tlb_bank sized_bank(const struct tlb_cfg *cfg, unsigned int array)
{
	uint32_t at = (uint32_t)(cfg->contexts * sizeof(struct slot) / sizeof(uint64_t));

	for (unsigned int i = 0;; i++) {
		const struct tlb_array_cfg *a = array_cfg(cfg, i);
		struct tlb_bank b = { .start = at, .mask = a->sets - 1U, .ways = a->ways };

		if (a->sets == 0)
			b.ways = 0;
		b.groups = (uint16_t)((b.ways + BANK_GROUP - 1) / BANK_GROUP);
		b.tags = BANK_SIG_AT + 3U * b.groups;
		b.stride = b.tags + b.ways;
		b.data = at + a->sets * b.stride;
		if (i == array)
			return b;
		at = b.data + (uint32_t)a->sets * b.ways * BANK_DATA_WORDS;
	}
}

size_t sized_bytes(const struct tlb_cfg *cfg)
{
	struct tlb_bank last = sized_bank(cfg, TLB_WALK);

	return (last.data + (size_t)cfg->walk.sets * last.ways * BANK_DATA_WORDS) *
	       sizeof(uint64_t);
}

static struct slot *slots_of(struct tlb *t)
{
	return (struct slot *)t->words;
}

static const struct slot *slots_const(const struct tlb *t)
{
	return (const struct slot *)t->words;
}

/* The TLB with its layout worked out; the context is set by who needs it. */
static struct tlb_hot open_all(const struct tlb_cfg *cfg, struct tlb *t)
{
	struct tlb_hot o = { .cfg = cfg, .t = t };

	for (unsigned int array = 0; array < TLB_NR_ARRAYS; array++)
		o.bank[array] = sized_bank(cfg, array);
	return o;
}

/* --- contexts. */

uint32_t sized_slot(const struct tlb_cfg *cfg, const struct tlb *t, const struct ident *id)
{
	const struct slot *s = slots_const(t);
	uint32_t i;

	for (i = 0; i < cfg->contexts; i++)
		if (s[i].refs && ctx_eq(s[i].ctx, id->ctx) && s[i].global == id->global)
			break;
	return i;
}

static void slot_put(struct tlb *t, uint32_t slot)
{
	struct slot *s = &slots_of(t)[slot];

	if (--s->refs == 0) {
		memset(s, 0, sizeof(*s));
		t->nr_slots--;
	}
}

/* --- tag words. */

static uint32_t tag_slot(uint64_t tag)
{
	return (uint32_t)(tag >> TLB_TAG_SLOT) & SLOT_MASK;
}

static unsigned int tag_kind(uint64_t tag)
{
	return (unsigned int)(tag >> TLB_TAG_KIND) & 3;
}

static unsigned int tag_height(uint64_t tag)
{
	return (unsigned int)(tag >> TLB_TAG_HEIGHT) & 7;
}

static inline uint64_t hot_tag(const struct tlb_cfg *cfg, uint32_t slot, uint64_t page,
			       unsigned int kind, unsigned int height)
{
	return (page >> (cfg->index_bits * height)) << TLB_TAG_PAGE |
	       (uint64_t)slot << TLB_TAG_SLOT | (uint64_t)kind << TLB_TAG_KIND |
	       (uint64_t)height << TLB_TAG_HEIGHT | BIT(TLB_TAG_VALID);
}

uint64_t sized_tag(const struct tlb_cfg *cfg, const struct ident *id, uint32_t slot)
{
	return hot_tag(cfg, slot, id->page, id->kind, id->height);
}

uint64_t sized_tag_attr(const struct tlb_entry *e)
{
	unsigned int has = e->access & ACC_RWX;
	uint64_t attr = has & ACC_W ? BIT(TLB_TAG_WRITE) : 0;

	if (e->flags & TLB_CLEAN) {
		has &= ~(unsigned int)ACC_W;
		attr |= BIT(TLB_TAG_CLEAN);
	}
	return attr | (uint64_t)(ACC_RWX & ~has) << TLB_TAG_LACKS;
}

static uint32_t set_of(const struct tlb_bank *b, uint64_t tag)
{
	return (uint32_t)(tag >> TLB_TAG_PAGE) & b->mask;
}

static uint64_t *set_words(const struct tlb_hot *o, unsigned int array, uint32_t set)
{
	return &o->t->words[bank_set_at(&o->bank[array], set)];
}

static uint64_t tag_page(const struct tlb_cfg *cfg, uint64_t tag)
{
	return tag >> TLB_TAG_PAGE << (cfg->index_bits * tag_height(tag));
}

/* The entry that a way holds: all but descriptor and gfn follows from the tag word. */
static struct tlb_entry entry_in(const struct tlb_cfg *cfg, const struct tlb *t,
				 const struct tlb_bank *b, struct place p)
{
	uint64_t tag = t->words[bank_set_at(b, p.set) + b->tags + p.way];
	const uint64_t *data = &t->words[bank_data_at(b, p.set, p.way)];
	const struct slot *s = &slots_const(t)[tag_slot(tag)];
	struct tlb_entry e = {
		.gfn = data[1],
		.pte = { data[0] },
		.ctx = s->ctx,
		.kind = (uint8_t)tag_kind(tag),
		.height = (uint8_t)tag_height(tag),
		.access = (uint8_t)(ACC_RWX & ~(tag >> TLB_TAG_LACKS)),
		.flags = (uint8_t)(s->global | (tag & BIT(TLB_TAG_CLEAN) ? TLB_CLEAN : 0)),
	};

	if (tag & BIT(TLB_TAG_WRITE))
		e.access |= ACC_W;
	e.page = tag_page(cfg, tag);
	return e;
}

struct tlb_entry sized_entry(const struct tlb_cfg *cfg, const struct tlb *t, struct place p)
{
	struct tlb_bank b = sized_bank(cfg, p.array);

	return entry_in(cfg, t, &b, p);
}

/* --- ways. */

static uint32_t find_in(const struct tlb_hot *o, unsigned int array, uint64_t tag)
{
	const struct tlb_bank *b = &o->bank[array];

	if (!(o->t->heights & bank_height_bit(array, tag_height(tag))))
		return BANK_NO_WAY;
	return bank_find(b, set_words(o, array, set_of(b, tag)), tag);
}

static __attribute__((noinline)) void count_way(const struct tlb_hot *o, unsigned int array,
						uint64_t *set, uint64_t tag, int n)
{
	unsigned int shift = BANK_NR_SHIFT * (1 + class_of(tag_kind(tag)));
	unsigned int height = tag_height(tag);
	uint32_t bit = bank_height_bit(array, height);
	uint32_t nr = o->t->at[array][height] + (uint32_t)n;

	set[0] += (uint64_t)(int64_t)n << shift;
	o->t->at[array][height] = nr;
	o->t->heights = nr ? o->t->heights | bit : o->t->heights & ~bit;
}

/* What a way holds beside its tag. */
struct data {
	uint64_t pte;
	uint64_t gfn;
};

static inline void data_put(const struct tlb_hot *o, const struct tlb_bank *b, struct place p,
			    struct data d)
{
	uint64_t *to = &o->t->words[bank_data_at(b, p.set, p.way)];

	to[0] = d.pte;
	to[1] = d.gfn;
}

static inline struct data data_get(const struct tlb_hot *o, const struct tlb_bank *b,
				   struct place p)
{
	const uint64_t *from = &o->t->words[bank_data_at(b, p.set, p.way)];

	return (struct data){ from[0], from[1] };
}

/* Empties a way; the last one in use takes its place. */
static void way_remove(const struct tlb_hot *o, struct place p)
{
	const struct tlb_bank *b = &o->bank[p.array];
	uint64_t *set = set_words(o, p.array, p.set);
	uint8_t *sig = (uint8_t *)&set[BANK_SIG_AT];
	uint8_t *before = (uint8_t *)&set[BANK_SIG_AT + b->groups];
	uint8_t *after = (uint8_t *)&set[BANK_SIG_AT + 2 * b->groups];
	uint64_t *tags = &set[b->tags];
	uint32_t last = bank_nr(set) - 1;
	struct place gap = { p.array, p.set, last };

	bank_ring_remove(b, set, p.way);
	count_way(o, p.array, set, tags[p.way], -1);
	if (last == 0)
		set[0] &= ~BANK_FRONT;
	if (last != p.way) {
		sig[p.way] = sig[last];
		tags[p.way] = tags[last];
		data_put(o, b, p, data_get(o, b, gap));
		/* a ring of one follows itself */
		before[p.way] = before[last] == last ? (uint8_t)p.way : before[last];
		after[p.way] = after[last] == last ? (uint8_t)p.way : after[last];
		after[before[p.way]] = before[after[p.way]] = (uint8_t)p.way;
		if (bank_front(set) == last)
			set[0] = (set[0] & ~BANK_FRONT) | p.way;
	}
	sig[last] = before[last] = after[last] = 0;
	tags[last] = 0;
	data_put(o, b, gap, (struct data){ 0, 0 });
}

/* Puts an entry in front of its set; returns the tag word of the one that had to go, or 0. */
static BANK_INLINE uint64_t way_add(const struct tlb_hot *o, unsigned int array, uint64_t tag,
				    struct data d)
{
	const struct tlb_bank b =
		o->bank[array]; /* a copy: stores of bytes could change the other */
	struct place p = { .array = array, .set = set_of(&b, tag) };
	uint64_t *set = &o->t->words[bank_set_at(&b, p.set)], victim;

	p.way = bank_take(&b, set);
	victim = set[b.tags + p.way];
	/* counts do not change when one makes room for its like */
	if (!victim || ((victim ^ tag) & TAG_SORT)) {
		if (victim)
			count_way(o, array, set, victim, -1);
		count_way(o, array, set, tag, 1);
	}
	bank_sig_put(set, p.way, bank_sig(tag));
	set[b.tags + p.way] = tag;
	data_put(o, &b, p, d);
	return victim;
}

/* An entry left one array for want of room: does no other array hold it? */
static BANK_INLINE bool is_gone(const struct tlb_hot *o, unsigned int array, uint64_t tag)
{
	const struct tlb_bank b = o->bank[TLB_L1];
	uint64_t *set;
	uint32_t way;

	if (array != TLB_L2)
		return !(tag & BIT(TLB_TAG_TWIN));
	set = &o->t->words[bank_set_at(&b, set_of(&b, tag))];
	way = bank_find(&b, set, tag);
	if (way == BANK_NO_WAY)
		return true;
	set[b.tags + way] &= ~BIT(TLB_TAG_TWIN);
	return false;
}

static void evicted(const struct tlb_hot *o, unsigned int array, uint64_t tag, struct work *wk)
{
	if (!is_gone(o, array, tag))
		return;
	slot_put(o->t, tag_slot(tag));
	o->t->nr--;
	wk->tlb_evict++;
}

/* Enters into one array, over what stands there under the same identity: then true. */
static bool put_in(const struct tlb_hot *o, unsigned int array, uint64_t tag, struct data d,
		   struct work *wk)
{
	const struct tlb_bank *b = &o->bank[array];
	struct place p = { array, set_of(b, tag), find_in(o, array, tag) };
	uint64_t victim, *set = set_words(o, array, p.set);

	if (p.way == BANK_NO_WAY) {
		victim = way_add(o, array, tag, d);
		if (victim)
			evicted(o, array, victim, wk);
		return false;
	}
	set[b->tags + p.way] = tag;
	data_put(o, b, p, d);
	bank_touch(b, set, p.way);
	return true;
}

/* Takes an entry out of all arrays. */
static void entry_remove(const struct tlb_hot *o, struct place p)
{
	const struct tlb_bank *l1 = &o->bank[TLB_L1];
	uint64_t tag = set_words(o, p.array, p.set)[o->bank[p.array].tags + p.way];

	if (p.array == TLB_L2) {
		uint32_t way = find_in(o, TLB_L1, tag);

		if (way != BANK_NO_WAY)
			way_remove(o, (struct place){ TLB_L1, set_of(l1, tag), way });
	}
	way_remove(o, p);
	slot_put(o->t, tag_slot(tag));
	o->t->nr--;
}

/* --- Filters. */

/* Does the tag alone say that the filter has nothing to ask? */
static bool is_outside(const struct tlb_cfg *cfg, const struct filter *f, uint64_t tag)
{
	uint64_t page = tag_page(cfg, tag);

	if ((tag & f->tag_mask) != f->tag)
		return true;
	return f->pages && class_of(tag_kind(tag)) == TLB_CLASS_S2 &&
	       (page >= f->first + f->pages || page + span_of(cfg, tag_height(tag)) <= f->first);
}

/* What both levels hold is seen in the second.  From the last way on: removal fills the gap from there. */
static uint64_t filter_set(const struct tlb_hot *o, struct place p, const struct filter *f)
{
	const uint64_t *set = set_words(o, p.array, p.set);
	const uint64_t *tags = &set[o->bank[p.array].tags];
	uint64_t removed = 0;

	for (p.way = bank_nr(set); p.way-- > 0;) {
		struct tlb_entry e;

		if (is_outside(o->cfg, f, tags[p.way]) ||
		    (p.array == TLB_L1 && (tags[p.way] & BIT(TLB_TAG_TWIN))))
			continue;
		e = entry_in(o->cfg, o->t, &o->bank[p.array], p);
		if (f->fn(f->arg, &e) == TLB_KEEP)
			continue;
		entry_remove(o, p);
		removed++;
	}
	return removed;
}

uint64_t sized_filter(const struct tlb_cfg *cfg, struct tlb *t, const bool *classes,
		      const struct filter *f)
{
	struct tlb_hot o = open_all(cfg, t);
	uint64_t removed = 0, wanted = 0;

	for (unsigned int class = 0; class < TLB_NR_CLASSES; class ++)
		if (classes[class])
			wanted |= BANK_FRONT << (BANK_NR_SHIFT * (1 + class));
	for (unsigned int array = 0; array < TLB_NR_ARRAYS && wanted; array++)
		for (uint32_t set = 0; t->nr && set < array_cfg(cfg, array)->sets; set++)
			if (*set_words(&o, array, set) & wanted)
				removed += filter_set(&o, (struct place){ array, set, 0 }, f);
	return removed;
}

/* Only the sets that can hold an entry for this page. */
uint64_t sized_filter_page(const struct tlb_cfg *cfg, struct tlb *t, uint64_t page,
			   const struct filter *f)
{
	struct tlb_hot o = open_all(cfg, t);
	uint64_t removed = 0;

	for (unsigned int array = 0; array < TLB_NR_ARRAYS; array++)
		for (unsigned int h = 0; h < cfg->heights; h++)
			if (t->at[array][h]) {
				uint64_t unit = page >> (cfg->index_bits * h);
				uint32_t set = set_of(&o.bank[array], unit << TLB_TAG_PAGE);
				struct filter here = *f;

				here.tag_mask = GENMASK(63, TLB_TAG_PAGE) | TAG_HEIGHT_MASK;
				here.tag = unit << TLB_TAG_PAGE | (uint64_t)h << TLB_TAG_HEIGHT;
				removed += filter_set(&o, (struct place){ array, set, 0 }, &here);
			}
	return removed;
}

static enum tlb_keep drop_slot(void *arg, const struct tlb_entry *e)
{
	const struct slot *s = arg;

	return ctx_eq(e->ctx, s->ctx) && (e->flags & TLB_GLOBAL) == s->global ? TLB_REMOVE
									      : TLB_KEEP;
}

/* --- Fill. */

/* A slot for a new context: a free one; when all are taken, the context with the fewest entries goes. */
static uint32_t slot_new(const struct tlb_cfg *cfg, struct tlb *t, const struct ident *id,
			 struct work *wk)
{
	static const bool both[TLB_NR_CLASSES] = { true, true };
	struct slot *s = slots_of(t);
	uint32_t pick = 0;

	for (uint32_t i = 1; i < cfg->contexts; i++)
		if (s[i].refs < s[pick].refs)
			pick = i;
	if (s[pick].refs) {
		struct slot old = s[pick];

		wk->tlb_evict += sized_filter(cfg, t, both,
					      &(struct filter){ .fn = drop_slot, .arg = &old });
	}
	s[pick] = (struct slot){ .ctx = id->ctx, .global = id->global };
	t->nr_slots++;
	return pick;
}

/* Enters @e under a context that has slot @slot already. */
static void fill_slot(const struct tlb_hot *o, const struct tlb_entry *e, uint32_t slot,
		      struct work *wk)
{
	uint64_t tag = hot_tag(o->cfg, slot, e->page, e->kind, e->height) | sized_tag_attr(e);
	const struct data data = { e->pte.v, e->gfn };
	bool walk = e->kind == TLB_S2_WALK, had = false;

	slots_of(o->t)[slot].refs++;
	o->t->nr++;
	if (!walk && o->bank[TLB_L2].ways) {
		had |= put_in(o, TLB_L2, tag, data, wk);
		tag |= BIT(TLB_TAG_TWIN);
	}
	had |= put_in(o, walk ? TLB_WALK : TLB_L1, tag, data, wk);
	if (had) { /* it was counted before */
		slots_of(o->t)[slot].refs--;
		o->t->nr--;
	}
}

/* Into one array; returns by how much the entries of the slot become fewer for it. */
static BANK_INLINE uint32_t add_new(const struct tlb_hot *o, unsigned int array, uint64_t tag,
				    struct data d, struct work *wk)
{
	uint64_t victim = way_add(o, array, tag, d);

	if (!victim || !is_gone(o, array, victim))
		return 0;
	wk->tlb_evict++;
	if (tag_slot(victim) == tag_slot(tag))
		return 1;
	slot_put(o->t, tag_slot(victim));
	o->t->nr--;
	return 0;
}

/* The same for an entry that is held nowhere; mostly one of its context goes for it. */
static BANK_INLINE void fill_new(const struct tlb_hot *o, const struct tlb_entry *e, uint32_t slot,
				 struct work *wk)
{
	uint64_t tag = hot_tag(o->cfg, slot, e->page, e->kind, e->height) | sized_tag_attr(e);
	const struct data data = { e->pte.v, e->gfn };
	uint32_t gone = 0;

	if (e->kind == TLB_S2_WALK) {
		gone = add_new(o, TLB_WALK, tag, data, wk);
	} else {
		if (o->bank[TLB_L2].ways) {
			gone = add_new(o, TLB_L2, tag, data, wk);
			tag |= BIT(TLB_TAG_TWIN);
		}
		gone += add_new(o, TLB_L1, tag, data, wk);
	}
	if (gone != 1) {
		slots_of(o->t)[slot].refs += 1 - gone;
		o->t->nr += 1 - gone;
	}
}

void sized_fill(const struct tlb_cfg *cfg, struct tlb *t, const struct tlb_entry *e,
		struct work *wk)
{
	struct tlb_hot o = open_all(cfg, t);
	struct ident id = ident_of(e);
	uint32_t slot;

	if (e->kind == TLB_S2_WALK && cfg->walk.sets == 0)
		return;
	slot = sized_slot(cfg, t, &id);
	fill_slot(&o, e, slot == cfg->contexts ? slot_new(cfg, t, &id, wk) : slot, wk);
}

/* --- Look-up. */

bool sized_find(const struct tlb_cfg *cfg, const struct tlb *t, const struct ident *id,
		struct place *p)
{
	struct tlb_bank b = sized_bank(cfg, p->array);
	uint32_t slot;

	if (b.ways == 0 || t->at[p->array][id->height] == 0)
		return false;
	slot = sized_slot(cfg, t, id);
	if (slot == cfg->contexts)
		return false;
	p->set = set_of(&b, sized_tag(cfg, id, slot));
	p->way = bank_find(&b, &t->words[bank_set_at(&b, p->set)], sized_tag(cfg, id, slot));
	return p->way != BANK_NO_WAY;
}

bool sized_is_twin(const struct tlb_cfg *cfg, const struct tlb *t, struct place p)
{
	struct tlb_bank b = sized_bank(cfg, TLB_L1);
	uint64_t tag;

	if (p.array != TLB_L2)
		return false;
	tag = t->words[tlb_tag_at(cfg, p)];
	return bank_find(&b, &t->words[bank_set_at(&b, set_of(&b, tag))], tag) != BANK_NO_WAY;
}

/* A hit in the second level: what it holds is copied to the first. */
static __attribute__((noinline)) uint64_t promote(const struct tlb_hot *o, struct place p)
{
	const struct tlb_bank *b = &o->bank[TLB_L2];
	uint64_t *set = set_words(o, TLB_L2, p.set);

	if (o->cfg->replacement == TLB_LRU)
		bank_touch(b, set, p.way);
	return way_add(o, TLB_L1, set[b->tags + p.way] | BIT(TLB_TAG_TWIN), data_get(o, b, p));
}

void sized_touch(const struct tlb_cfg *cfg, struct tlb *t, struct place p, struct work *wk)
{
	struct tlb_hot o = open_all(cfg, t);
	uint64_t victim;

	if (p.array == TLB_L2) {
		wk->tlb_l2_hit++;
		victim = promote(&o, p);
		if (victim)
			evicted(&o, TLB_L1, victim, wk);
	} else if (cfg->replacement == TLB_LRU) {
		bank_touch(&o.bank[p.array], set_words(&o, p.array, p.set), p.way);
	}
}

/* --- The hot path. */

struct tlb_hot tlb_hot_open(const struct tlb_cfg *cfg, struct tlb *t, struct tlb_ctx ctx)
{
	struct tlb_hot hot = open_all(cfg, t);

	hot.ctx = tlb_ctx_for(TLB_S2, ctx);
	return hot;
}

/* The slot may have gone to another context, or to the same one elsewhere. */
static bool hot_slot_lost(struct tlb_hot *hot)
{
	struct ident id = { .ctx = hot->ctx };
	uint32_t slot = sized_slot(hot->cfg, hot->t, &id);

	if (slot == hot->cfg->contexts)
		return true;
	hot->slot = slot;
	return false;
}

static inline bool hot_has_slot(struct tlb_hot *hot)
{
	const struct slot *s = &slots_const(hot->t)[hot->slot];

	return (s->refs && !s->global && ctx_eq(s->ctx, hot->ctx)) || !hot_slot_lost(hot);
}

/* What a look-up of one height looks for. */
struct look {
	uint64_t tag;
	uint64_t pattern;
	unsigned int acc;
};

static BANK_INLINE struct look look_for(const struct tlb_hot *hot, gfn_t gfn, unsigned int height,
					unsigned int acc)
{
	uint64_t tag = hot_tag(hot->cfg, hot->slot, gfn, TLB_S2, height);

	return (struct look){ tag, bank_pattern(tag), acc };
}

/*
 * The levels keep copies of their banks: stores of bytes to the TLB might change anything else, as far
 * as a compiler knows.
 */
static BANK_INLINE enum tlb_hot_found hot_first(struct tlb_hot *hot, const struct look *k)
{
	const struct tlb_bank b = hot->bank[TLB_L1];
	uint64_t *set = &hot->t->words[bank_set_at(&b, set_of(&b, k->tag))];
	uint64_t *tags = &set[b.tags], tag = tags[bank_front(set)];
	uint32_t way;

	if (bank_same(tag, k->tag))
		return tag >> TLB_TAG_LACKS & k->acc ? TLB_HOT_NONE : TLB_HOT_L1;
	way = bank_find_as(&b, k->pattern, set, k->tag);
	if (way == BANK_NO_WAY)
		return TLB_HOT_MISS;
	if (tags[way] >> TLB_TAG_LACKS & k->acc)
		return TLB_HOT_NONE;
	if (hot->cfg->replacement == TLB_LRU)
		bank_touch(&b, set, way);
	return TLB_HOT_L1;
}

/*
 * A copy to the first level, as promote() makes it.  TLB_HOT_NONE, and nothing was done, when another
 * entry than a twin has to go for it.
 */
static BANK_INLINE enum tlb_hot_found hot_second(struct tlb_hot *hot, const struct look *k)
{
	const struct tlb_bank first = hot->bank[TLB_L1], b = hot->bank[TLB_L2];
	bool lru = hot->cfg->replacement == TLB_LRU;
	uint64_t *words = hot->t->words, *set, *to_set, tag, victim;
	struct place p = { .array = TLB_L2, .set = set_of(&b, k->tag) };
	struct place to = { .array = TLB_L1, .set = set_of(&first, k->tag) };
	const uint64_t *data;

	set = &words[bank_set_at(&b, p.set)];
	p.way = bank_find_as(&b, k->pattern, set, k->tag);
	if (p.way == BANK_NO_WAY)
		return TLB_HOT_MISS;
	tag = set[b.tags + p.way];
	if (tag >> TLB_TAG_LACKS & k->acc)
		return TLB_HOT_NONE;
	to_set = &words[bank_set_at(&first, to.set)];
	to.way = bank_last(&first, to_set);
	victim = to_set[first.tags + to.way];
	if (bank_nr(to_set) < first.ways || ((victim ^ tag) & (TAG_SORT | BIT(TLB_TAG_VALID)))) {
		if (bank_nr(to_set) == first.ways && !(victim & BIT(TLB_TAG_TWIN)))
			return TLB_HOT_NONE;
		promote(hot, p);
		return TLB_HOT_L2;
	}
	if (!(victim & BIT(TLB_TAG_TWIN)))
		return TLB_HOT_NONE;
	/* one of the same kind and height makes room: no count changes */
	if (lru)
		bank_touch(&b, set, p.way);
	to_set[0] = (to_set[0] & ~BANK_FRONT) | to.way;
	to_set[first.tags + to.way] = tag | BIT(TLB_TAG_TWIN);
	bank_sig_put(to_set, to.way, (uint8_t)k->pattern);
	data = &words[bank_data_at(&b, p.set, p.way)];
	data_put(hot, &first, to, (struct data){ data[0], data[1] });
	return TLB_HOT_L2;
}

/* Entries of several heights: each in its turn, the first level before the second. */
static __attribute__((noinline)) enum tlb_hot_found hot_heights(struct tlb_hot *hot, gfn_t gfn,
								unsigned int acc)
{
	enum tlb_hot_found found = TLB_HOT_MISS;
	uint32_t h;

	for (h = hot->t->heights & HEIGHTS; h && found == TLB_HOT_MISS; h &= h - 1) {
		struct look k = look_for(hot, gfn, (unsigned int)__builtin_ctz(h), acc);

		found = hot_first(hot, &k);
	}
	for (h = hot->t->heights >> 8 & HEIGHTS; h && found == TLB_HOT_MISS; h &= h - 1) {
		struct look k = look_for(hot, gfn, (unsigned int)__builtin_ctz(h), acc);

		found = hot_second(hot, &k);
	}
	return found;
}

enum tlb_hot_found tlb_hot_probe(struct tlb_hot *hot, gfn_t gfn, unsigned int acc)
{
	uint32_t heights = hot->t->heights & HEIGHTS;
	enum tlb_hot_found found;
	struct look k;

	if (!hot_has_slot(hot))
		return TLB_HOT_MISS;
	if ((heights & (heights - 1)) || (hot->t->heights >> 8 & HEIGHTS) != heights || !heights)
		return hot_heights(hot, gfn, acc);
	k = look_for(hot, gfn, (unsigned int)__builtin_ctz(heights), acc);
	found = hot_first(hot, &k);
	return found == TLB_HOT_MISS ? hot_second(hot, &k) : found;
}

/* False: the TLB has no walk cache for this walk entry; else the context has a slot. */
static inline bool hot_fill_begin(struct tlb_hot *hot, const struct tlb_entry *e, struct work *wk)
{
	wk->tlb_fill++;
	if (e->kind == TLB_S2_WALK && hot->bank[TLB_WALK].ways == 0)
		return false;
	if (!hot_has_slot(hot)) {
		struct ident id = { .ctx = hot->ctx };

		hot->slot = slot_new(hot->cfg, hot->t, &id, wk);
	}
	return true;
}

void tlb_hot_fill(struct tlb_hot *hot, const struct tlb_entry *e, struct work *wk)
{
	if (hot_fill_begin(hot, e, wk))
		fill_slot(hot, e, hot->slot, wk);
}

void tlb_hot_fill_new(struct tlb_hot *hot, const struct tlb_entry *e, struct work *wk)
{
	if (hot_fill_begin(hot, e, wk))
		fill_new(hot, e, hot->slot, wk);
}

bool tlb_hot_walk(struct tlb_hot *hot, gfn_t gfn, unsigned int acc, struct tlb_step *out)
{
	const struct tlb_bank b = hot->bank[TLB_WALK];
	uint32_t heights = hot->t->heights >> (8 * TLB_WALK) & HEIGHTS;

	out->denied = false;
	if (!hot_has_slot(hot))
		return false;
	for (; heights; heights &= heights - 1) {
		unsigned int h = (unsigned int)__builtin_ctz(heights);
		uint64_t tag = hot_tag(hot->cfg, hot->slot, gfn, TLB_S2_WALK, h), lacks;
		uint64_t *set = &hot->t->words[bank_set_at(&b, set_of(&b, tag))];
		uint32_t way = bank_find(&b, set, tag);

		if (way == BANK_NO_WAY)
			continue;
		lacks = set[b.tags + way] >> TLB_TAG_LACKS & ACC_RWX;
		if (lacks & acc) {
			out->denied = true;
			continue;
		}
		out->pte.v = hot->t->words[bank_data_at(&b, set_of(&b, tag), way)];
		out->height = (uint8_t)h;
		out->access = (uint8_t)(ACC_RWX & ~lacks);
		if (hot->cfg->replacement == TLB_LRU)
			bank_touch(&b, set, way);
		return true;
	}
	return false;
}
