/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The sized form: two exclusive levels and a walk cache.
 *
 * The valid ways of a set stand in front, the most recent one first, so that replacement needs no
 * counters and the hit path of a port looks at one way.  A fill goes to the first level, what leaves
 * that goes to the second, and a hit there brings it back.
 * SIMPLIFIED: real second levels are often not exclusive; the same sizes hold a little more here.
 */
#include <string.h>

#include "mmu/tlb_priv.h"

enum {
	BITS_PER_WORD = 64,
};

#define SLOT_MASK  GENMASK(TLB_TAG_SLOT_BITS - 1, 0)
#define LACKS_MASK ((uint64_t)ACC_RWX << TLB_TAG_LACKS)

/* A context in use; its number stands in the tag words.  All zero while unused. */
struct slot {
	struct tlb_ctx ctx;
	uint32_t refs;   /* entries that name it */
	uint32_t global; /* entries of every asid */
};

static const struct tlb_array_cfg *array_cfg(const struct tlb_cfg *cfg, unsigned int array)
{
	return array == TLB_L1 ? &cfg->l1 : array == TLB_L2 ? &cfg->l2 : &cfg->walk;
}

/* --- Layout: slots, then per array tags, entries and one occupancy bitmap of sets per class. */

static size_t array_ways(const struct tlb_array_cfg *a)
{
	return (size_t)a->sets * a->ways;
}

static size_t bitmap_words(const struct tlb_array_cfg *a)
{
	return ((size_t)a->sets + BITS_PER_WORD - 1) / BITS_PER_WORD;
}

static size_t entry_words(size_t entries)
{
	return entries * (sizeof(struct tlb_entry) / sizeof(uint64_t));
}

static size_t array_words(const struct tlb_array_cfg *a)
{
	return array_ways(a) + entry_words(array_ways(a)) + TLB_NR_CLASSES * bitmap_words(a);
}

static size_t array_start(const struct tlb_cfg *cfg, unsigned int array)
{
	size_t at = (size_t)cfg->contexts * (sizeof(struct slot) / sizeof(uint64_t));

	for (unsigned int i = 0; i < array; i++)
		at += array_words(array_cfg(cfg, i));
	return at;
}

size_t sized_bytes(const struct tlb_cfg *cfg)
{
	return array_start(cfg, TLB_NR_ARRAYS) * sizeof(uint64_t);
}

static struct slot *slots_of(struct tlb *t)
{
	return (struct slot *)t->words;
}

static const struct slot *slots_const(const struct tlb *t)
{
	return (const struct slot *)t->words;
}

static size_t tags_at(const struct tlb_cfg *cfg, unsigned int array, uint32_t set)
{
	return array_start(cfg, array) + (size_t)set * array_cfg(cfg, array)->ways;
}

static size_t entries_at(const struct tlb_cfg *cfg, unsigned int array, uint32_t set)
{
	const struct tlb_array_cfg *a = array_cfg(cfg, array);

	return array_start(cfg, array) + array_ways(a) + entry_words((size_t)set * a->ways);
}

static size_t bitmap_at(const struct tlb_cfg *cfg, unsigned int array, unsigned int class)
{
	const struct tlb_array_cfg *a = array_cfg(cfg, array);

	return array_start(cfg, array) + array_ways(a) + entry_words(array_ways(a)) +
	       class * bitmap_words(a);
}

static uint64_t *set_tags(const struct tlb_cfg *cfg, struct tlb *t, unsigned int array,
			  uint32_t set)
{
	return &t->words[tags_at(cfg, array, set)];
}

static struct tlb_entry *set_entries(const struct tlb_cfg *cfg, struct tlb *t, unsigned int array,
				     uint32_t set)
{
	return (struct tlb_entry *)&t->words[entries_at(cfg, array, set)];
}

const struct tlb_entry *sized_entry(const struct tlb_cfg *cfg, const struct tlb *t, struct place p)
{
	return (const struct tlb_entry *)&t->words[entries_at(cfg, p.array, p.set)] + p.way;
}

/* --- contexts. */

static uint32_t slot_find(const struct tlb_cfg *cfg, const struct tlb *t, const struct ident *id)
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

/* --- sets.  The valid ways of a set stand in front, the most recent one first. */

static uint32_t tag_slot(uint64_t tag)
{
	return (uint32_t)(tag >> TLB_TAG_SLOT) & SLOT_MASK;
}

static unsigned int tag_class(uint64_t tag)
{
	return class_of((unsigned int)(tag >> TLB_TAG_KIND) & 3);
}

/* Everything of a tag word but what the entry lacks. */
static uint64_t tag_ident(const struct tlb_cfg *cfg, const struct ident *id, uint32_t slot)
{
	return (id->page >> (cfg->index_bits * id->height)) << TLB_TAG_PAGE |
	       (uint64_t)slot << TLB_TAG_SLOT | (uint64_t)id->kind << TLB_TAG_KIND |
	       (uint64_t)id->height << TLB_TAG_HEIGHT | BIT(TLB_TAG_VALID);
}

static uint64_t tag_lacks(const struct tlb_entry *e)
{
	unsigned int has = e->access & ACC_RWX;

	if (e->flags & TLB_CLEAN)
		has &= ~(unsigned int)ACC_W;
	return (uint64_t)(ACC_RWX & ~has) << TLB_TAG_LACKS;
}

static uint32_t set_of(const struct tlb_cfg *cfg, unsigned int array, uint64_t page,
		       unsigned int height)
{
	return (uint32_t)(page >> (cfg->index_bits * height)) & (array_cfg(cfg, array)->sets - 1U);
}

/* Notes that the set holds the class, or does so no more. */
static void bitmap_put(const struct tlb_cfg *cfg, struct tlb *t, struct place p, unsigned int class,
		       bool holds)
{
	uint64_t *word = &t->words[bitmap_at(cfg, p.array, class) + p.set / BITS_PER_WORD];
	uint64_t bit = BIT(p.set % BITS_PER_WORD);

	*word = holds ? *word | bit : *word & ~bit;
}

/* After entries of a class left the set. */
static void bitmap_review(const struct tlb_cfg *cfg, struct tlb *t, struct place p,
			  unsigned int class)
{
	const uint64_t *tags = set_tags(cfg, t, p.array, p.set);
	uint32_t ways = array_cfg(cfg, p.array)->ways, w = 0;

	while (w < ways && tags[w] && tag_class(tags[w]) != class)
		w++;
	bitmap_put(cfg, t, p, class, w < ways && tags[w]);
}

/* An entry between two places; it keeps its hold on the context. */
struct carried {
	struct tlb_entry e;
	uint32_t slot;
};

static struct carried take_out(const struct tlb_cfg *cfg, struct tlb *t, struct place p)
{
	uint64_t *tags = set_tags(cfg, t, p.array, p.set);
	struct tlb_entry *entries = set_entries(cfg, t, p.array, p.set);
	struct carried c = { entries[p.way], tag_slot(tags[p.way]) };
	uint32_t last = array_cfg(cfg, p.array)->ways - 1U;

	memmove(&tags[p.way], &tags[p.way + 1], (last - p.way) * sizeof(*tags));
	memmove(&entries[p.way], &entries[p.way + 1], (last - p.way) * sizeof(*entries));
	tags[last] = 0;
	memset(&entries[last], 0, sizeof(entries[last]));
	t->at[p.array][c.e.height]--;
	t->nr--;
	bitmap_review(cfg, t, p, class_of(c.e.kind));
	return c;
}

static void drop(const struct tlb_cfg *cfg, struct tlb *t, struct place p)
{
	slot_put(t, take_out(cfg, t, p).slot);
}

/* Puts an entry in front of its set; true and @victim when the last way had to go. */
static bool put_in(const struct tlb_cfg *cfg, struct tlb *t, unsigned int array,
		   const struct carried *c, struct carried *victim)
{
	struct ident id = ident_of(&c->e);
	uint32_t set = set_of(cfg, array, c->e.page, c->e.height);
	uint32_t last = array_cfg(cfg, array)->ways - 1U;
	uint64_t *tags = set_tags(cfg, t, array, set);
	struct tlb_entry *entries = set_entries(cfg, t, array, set);
	bool full = tags[last] != 0;

	if (full)
		*victim = take_out(cfg, t, (struct place){ array, set, last });
	memmove(&tags[1], &tags[0], last * sizeof(*tags));
	memmove(&entries[1], &entries[0], last * sizeof(*entries));
	tags[0] = tag_ident(cfg, &id, c->slot) | tag_lacks(&c->e);
	entries[0] = c->e;
	t->at[array][c->e.height]++;
	t->nr++;
	bitmap_put(cfg, t, (struct place){ array, set, 0 }, class_of(c->e.kind), true);
	return full;
}

/* Into the first level; what leaves it goes to the second.  The walk cache has one level. */
static void insert(const struct tlb_cfg *cfg, struct tlb *t, const struct carried *c,
		   struct work *wk)
{
	bool walk = c->e.kind == TLB_S2_WALK;
	struct carried victim, gone;

	if (!put_in(cfg, t, walk ? TLB_WALK : TLB_L1, c, &victim))
		return;
	gone = victim;
	if (walk || cfg->l2.sets == 0 || put_in(cfg, t, TLB_L2, &victim, &gone)) {
		slot_put(t, gone.slot);
		wk->tlb_evict++;
	}
}

/* Makes a way the most recent one of its set. */
static void move_to_front(const struct tlb_cfg *cfg, struct tlb *t, struct place p)
{
	uint64_t *tags = set_tags(cfg, t, p.array, p.set);
	struct tlb_entry *entries = set_entries(cfg, t, p.array, p.set);
	uint64_t tag = tags[p.way];
	struct tlb_entry e = entries[p.way];

	memmove(&tags[1], &tags[0], p.way * sizeof(*tags));
	memmove(&entries[1], &entries[0], p.way * sizeof(*entries));
	tags[0] = tag;
	entries[0] = e;
}

static bool find_in(const struct tlb_cfg *cfg, const struct tlb *t, unsigned int array,
		    const struct ident *id, struct place *p)
{
	const struct tlb_array_cfg *a = array_cfg(cfg, array);
	uint32_t slot = slot_find(cfg, t, id);
	uint64_t want = tag_ident(cfg, id, slot);
	const uint64_t *tags;

	if (slot == cfg->contexts || a->sets == 0 || t->at[array][id->height] == 0)
		return false;
	p->array = array;
	p->set = set_of(cfg, array, id->page, id->height);
	tags = &t->words[tags_at(cfg, array, p->set)];
	for (p->way = 0; p->way < a->ways; p->way++)
		if ((tags[p->way] & ~LACKS_MASK) == want)
			return true;
	return false;
}

/* One pass over a set: what stays moves to the front. */
static uint64_t filter_set(const struct tlb_cfg *cfg, struct tlb *t, struct place p,
			   const struct filter *f)
{
	uint64_t *tags = set_tags(cfg, t, p.array, p.set);
	struct tlb_entry *entries = set_entries(cfg, t, p.array, p.set);
	uint32_t ways = array_cfg(cfg, p.array)->ways, kept = 0, w;

	for (w = 0; w < ways && tags[w]; w++) {
		if (f->fn(f->arg, &entries[w]) == TLB_KEEP) {
			tags[kept] = tags[w];
			entries[kept++] = entries[w];
			continue;
		}
		slot_put(t, tag_slot(tags[w]));
		t->at[p.array][entries[w].height]--;
	}
	if (kept == w)
		return 0;
	memset(&tags[kept], 0, (w - kept) * sizeof(*tags));
	memset(&entries[kept], 0, (w - kept) * sizeof(*entries));
	t->nr -= w - kept;
	for (unsigned int class = 0; class < TLB_NR_CLASSES; class ++)
		bitmap_review(cfg, t, p, class);
	return w - kept;
}

uint64_t sized_filter(const struct tlb_cfg *cfg, struct tlb *t, const bool *classes,
		      const struct filter *f)
{
	uint64_t removed = 0;

	for (unsigned int array = 0; array < TLB_NR_ARRAYS; array++) {
		for (size_t w = 0; w < bitmap_words(array_cfg(cfg, array)); w++) {
			uint64_t sets = 0;

			for (unsigned int class = 0; class < TLB_NR_CLASSES; class ++)
				if (classes[class])
					sets |= t->words[bitmap_at(cfg, array, class) + w];
			for (; sets; sets &= sets - 1) {
				uint32_t bit = (uint32_t)__builtin_ctzll(sets);
				struct place p = { array, (uint32_t)w * BITS_PER_WORD + bit, 0 };

				removed += filter_set(cfg, t, p, f);
			}
		}
	}
	return removed;
}

/* Only the sets that can hold an entry for this page. */
uint64_t sized_filter_page(const struct tlb_cfg *cfg, struct tlb *t, uint64_t page,
			   const struct filter *f)
{
	uint64_t removed = 0;

	for (unsigned int array = 0; array < TLB_NR_ARRAYS; array++)
		for (unsigned int h = 0; h < cfg->heights; h++)
			if (t->at[array][h]) {
				struct place p = { array, set_of(cfg, array, page, h), 0 };

				removed += filter_set(cfg, t, p, f);
			}
	return removed;
}

static enum tlb_keep drop_slot(void *arg, const struct tlb_entry *e)
{
	const struct slot *s = arg;

	return ctx_eq(e->ctx, s->ctx) && (e->flags & TLB_GLOBAL) == s->global ? TLB_REMOVE
									      : TLB_KEEP;
}

/*
 * The slot of a context, held once more.  A new context takes a free slot; when all are taken, the
 * context with the fewest entries loses them.
 */
static uint32_t slot_get(const struct tlb_cfg *cfg, struct tlb *t, const struct ident *id,
			 struct work *wk)
{
	static const bool both[TLB_NR_CLASSES] = { true, true };
	struct slot *s = slots_of(t);
	uint32_t pick = slot_find(cfg, t, id);

	if (pick == cfg->contexts) {
		pick = 0;
		for (uint32_t i = 1; i < cfg->contexts; i++)
			if (s[i].refs < s[pick].refs)
				pick = i;
		if (s[pick].refs) {
			struct slot old = s[pick];

			wk->tlb_evict +=
				sized_filter(cfg, t, both, &(struct filter){ drop_slot, &old });
		}
		s[pick] = (struct slot){ .ctx = id->ctx, .global = id->global };
		t->nr_slots++;
	}
	s[pick].refs++;
	return pick;
}

void sized_fill(const struct tlb_cfg *cfg, struct tlb *t, const struct tlb_entry *e,
		struct work *wk)
{
	struct ident id = ident_of(e);
	struct carried c = { .e = *e };
	struct place p;

	if (e->kind == TLB_S2_WALK && cfg->walk.sets == 0)
		return;
	for (unsigned int array = 0; array < TLB_NR_ARRAYS; array++)
		if (find_in(cfg, t, array, &id, &p))
			drop(cfg, t, p);
	c.slot = slot_get(cfg, t, &id, wk);
	insert(cfg, t, &c, wk);
}

bool sized_find(const struct tlb_cfg *cfg, const struct tlb *t, const struct ident *id,
		struct place *p)
{
	if (id->kind == TLB_S2_WALK)
		return find_in(cfg, t, TLB_WALK, id, p);
	return find_in(cfg, t, TLB_L1, id, p) || find_in(cfg, t, TLB_L2, id, p);
}

/* A hit: the entry becomes the most recent one of the first level. */
void sized_touch(const struct tlb_cfg *cfg, struct tlb *t, struct place p, struct work *wk)
{
	struct carried c;

	if (p.array == TLB_L2) {
		wk->tlb_l2_hit++;
		c = take_out(cfg, t, p);
		insert(cfg, t, &c, wk);
	} else if (cfg->replacement == TLB_LRU) {
		move_to_front(cfg, t, p);
	}
}

void sized_port(const struct tlb_cfg *cfg, const struct tlb *t, const struct ident *id,
		struct tlb_port *port)
{
	uint32_t slot = slot_find(cfg, t, id);

	if (slot == cfg->contexts)
		return;
	*port = (struct tlb_port){
		.tags = &t->words[array_start(cfg, TLB_L1)],
		.low = tag_ident(cfg, id, slot) & (BIT(TLB_TAG_PAGE) - 1),
		.set_mask = cfg->l1.sets - 1U,
		.ways = cfg->l1.ways,
		.shift = (uint32_t)cfg->index_bits * id->height,
	};
}

/* What a walk over all ways counts, to be compared with what is kept. */
struct tally {
	uint32_t nr;
	uint32_t at[TLB_NR_ARRAYS][GEOM_MAX_HEIGHTS];
	uint32_t refs[BIT(TLB_TAG_SLOT_BITS)];
};

static bool way_check(const struct tlb_cfg *cfg, const struct tlb *t, struct place p,
		      struct tally *sum, const char **why)
{
	uint64_t tag = t->words[tags_at(cfg, p.array, p.set) + p.way];
	const struct tlb_entry *e = sized_entry(cfg, t, p);
	struct ident id = ident_of(e);
	uint32_t slot = slot_find(cfg, t, &id);
	unsigned int class = class_of(e->kind);
	uint64_t sets = t->words[bitmap_at(cfg, p.array, class) + p.set / BITS_PER_WORD];
	struct place first;

	if (!tlb_entry_check(cfg, e, why))
		return false;
	if (slot == cfg->contexts || tag != (tag_ident(cfg, &id, slot) | tag_lacks(e)))
		*why = "tag word that does not belong to its entry";
	else if (!sized_find(cfg, t, &id, &first) || memcmp(&first, &p, sizeof(p)) != 0)
		*why = "entry that is held twice, or in the wrong set or array";
	else if (!(sets >> (p.set % BITS_PER_WORD) & 1))
		*why = "entry in a set that counts as empty";
	sum->nr++;
	sum->at[p.array][e->height]++;
	sum->refs[slot]++;
	return *why == NULL;
}

static bool way_is_empty(const struct tlb_cfg *cfg, const struct tlb *t, struct place p)
{
	static const struct tlb_entry none;

	return t->words[tags_at(cfg, p.array, p.set) + p.way] == 0 &&
	       memcmp(sized_entry(cfg, t, p), &none, sizeof(none)) == 0;
}

/* No class is noted for a set without an entry of it. */
static bool bitmap_check(const struct tlb_cfg *cfg, const struct tlb *t, struct place p)
{
	const uint64_t *tags = &t->words[tags_at(cfg, p.array, p.set)];
	bool has[TLB_NR_CLASSES] = { false };

	for (uint32_t w = 0; w < array_cfg(cfg, p.array)->ways && tags[w]; w++)
		has[tag_class(tags[w])] = true;
	for (unsigned int class = 0; class < TLB_NR_CLASSES; class ++) {
		uint64_t sets = t->words[bitmap_at(cfg, p.array, class) + p.set / BITS_PER_WORD];
		uint32_t rest =
			array_cfg(cfg, p.array)->sets - p.set / BITS_PER_WORD * BITS_PER_WORD;

		if ((sets >> (p.set % BITS_PER_WORD) & 1) != has[class] ||
		    (rest < BITS_PER_WORD && sets >> rest))
			return false;
	}
	return true;
}

static bool set_check(const struct tlb_cfg *cfg, const struct tlb *t, struct place p,
		      struct tally *sum, const char **why)
{
	uint32_t ways = array_cfg(cfg, p.array)->ways;

	while (p.way < ways && t->words[tags_at(cfg, p.array, p.set) + p.way]) {
		if (!way_check(cfg, t, p, sum, why))
			return false;
		p.way++;
	}
	for (; p.way < ways; p.way++)
		if (!way_is_empty(cfg, t, p))
			*why = "empty way that is not zero, or before one in use";
	if (!bitmap_check(cfg, t, p))
		*why = "set that counts as holding what it does not hold";
	return *why == NULL;
}

bool sized_check(const struct tlb_cfg *cfg, const struct tlb *t, const char **why)
{
	static const struct slot none;
	struct tally sum = { .nr = 0 };
	uint32_t slots = 0;

	for (unsigned int array = 0; array < TLB_NR_ARRAYS; array++)
		for (uint32_t set = 0; set < array_cfg(cfg, array)->sets; set++)
			if (!set_check(cfg, t, (struct place){ array, set, 0 }, &sum, why))
				return false;
	if (sum.nr != t->nr || memcmp(sum.at, t->at, sizeof(sum.at)) != 0)
		*why = "counts that differ from the entries";
	for (uint32_t i = 0; i < cfg->contexts; i++) {
		slots += sum.refs[i] > 0;
		if (slots_const(t)[i].refs != sum.refs[i])
			*why = "context whose count differs from its entries";
		else if (sum.refs[i] == 0 && memcmp(&slots_const(t)[i], &none, sizeof(none)) != 0)
			*why = "unused context that is not zero";
	}
	if (slots != t->nr_slots)
		*why = "number of contexts that differs from those in use";
	return *why == NULL;
}
