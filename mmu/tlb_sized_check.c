/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The invariants of the sized form.
 */
#include <string.h>

#include "mmu/tlb_bank.h"
#include "mmu/tlb_priv.h"

/* What a walk over all ways counts, to be compared with what is kept. */
struct tally {
	uint32_t nr;
	uint32_t at[TLB_NR_ARRAYS][GEOM_MAX_HEIGHTS];
	uint32_t refs[BIT(TLB_TAG_SLOT_BITS)];
};

/* The other copy of an entry: equal but for the word of its tag that says that there are two. */
static bool twin_check(const struct tlb_cfg *cfg, const struct tlb *t, struct place p, bool *held)
{
	struct tlb_entry e = sized_entry(cfg, t, p), other;
	struct ident id = ident_of(&e);
	struct place q = { .array = p.array == TLB_L1 ? TLB_L2 : TLB_L1 };
	bool says = (t->words[tlb_tag_at(cfg, p)] & BIT(TLB_TAG_TWIN)) != 0;

	*held = p.array != TLB_WALK && sized_find(cfg, t, &id, &q);
	if (says != (*held && p.array == TLB_L1))
		return false;
	if (!*held)
		return true;
	other = sized_entry(cfg, t, q);
	return memcmp(&e, &other, sizeof(e)) == 0;
}

static bool way_check(const struct tlb_cfg *cfg, const struct tlb *t, struct place p,
		      struct tally *sum, const char **why)
{
	uint64_t tag = t->words[tlb_tag_at(cfg, p)];
	struct tlb_bank b = sized_bank(cfg, p.array);
	struct tlb_entry e = sized_entry(cfg, t, p);
	const uint8_t *sig = (const uint8_t *)&t->words[bank_set_at(&b, p.set) + BANK_SIG_AT];
	struct ident id = ident_of(&e);
	uint32_t slot = sized_slot(cfg, t, &id);
	struct place first = { .array = p.array };
	bool twin;

	if (!tlb_entry_check(cfg, &e, why))
		return false;
	if (slot == cfg->contexts ||
	    (tag & ~BIT(TLB_TAG_TWIN)) != (sized_tag(cfg, &id, slot) | sized_tag_attr(&e)))
		*why = "tag word that does not belong to its entry";
	else if ((p.array == TLB_WALK) != (e.kind == TLB_S2_WALK))
		*why = "entry in the wrong array";
	else if (class_of(e.kind) == TLB_CLASS_S2 && e.gfn != e.page)
		*why = "stage-2 entry with two gfns";
	else if (sig[p.way] != bank_sig(tag))
		*why = "signature of another tag";
	else if (!sized_find(cfg, t, &id, &first) || memcmp(&first, &p, sizeof(p)) != 0)
		*why = "entry that is held twice, or in the wrong set";
	else if (!twin_check(cfg, t, p, &twin))
		*why = "levels that differ about an entry of both";
	else if (p.array != TLB_L2 || !twin) {
		sum->nr++;
		sum->refs[slot]++;
	}
	sum->at[p.array][e.height]++;
	return *why == NULL;
}

/* The ring passes through each way in use once, from each to the one after it and back. */
static bool ring_check(const struct tlb_bank *b, const uint64_t *set, uint32_t nr)
{
	const uint8_t *before = (const uint8_t *)&set[BANK_SIG_AT + b->groups];
	const uint8_t *after = (const uint8_t *)&set[BANK_SIG_AT + 2 * b->groups];
	uint32_t way = bank_front(set), steps = 0;

	if (nr == 0)
		return way == 0;
	do {
		if (way >= nr || before[after[way]] != way)
			return false;
		way = after[way];
		steps++;
	} while (way != bank_front(set) && steps <= nr);
	return steps == nr;
}

static bool rest_is_zero(const struct tlb_cfg *cfg, const struct tlb *t, struct place p)
{
	static const uint64_t none[BANK_DATA_WORDS];
	struct tlb_bank b = sized_bank(cfg, p.array);
	const uint64_t *set = &t->words[bank_set_at(&b, p.set)];

	for (uint32_t i = p.way; i < b.ways; i++)
		if (set[b.tags + i] ||
		    memcmp(&t->words[bank_data_at(&b, p.set, i)], none, sizeof(none)) != 0)
			return false;
	for (uint32_t part = 0; part < 3; part++) {
		const uint8_t *bytes = (const uint8_t *)&set[BANK_SIG_AT + part * b.groups];

		for (uint32_t i = p.way; i < (uint32_t)b.groups * BANK_GROUP; i++)
			if (bytes[i])
				return false;
	}
	return true;
}

/* Height and context are numbers that exist: only then an entry can be read off. */
static bool tag_is_plausible(const struct tlb_cfg *cfg, uint64_t tag)
{
	uint64_t slot = (tag >> TLB_TAG_SLOT) & (BIT(TLB_TAG_SLOT_BITS) - 1);

	return (tag & BIT(TLB_TAG_VALID)) && slot < cfg->contexts &&
	       ((tag >> TLB_TAG_HEIGHT) & 7) < cfg->heights;
}

static bool set_check(const struct tlb_cfg *cfg, const struct tlb *t, struct place p,
		      struct tally *sum, const char **why)
{
	struct tlb_bank b = sized_bank(cfg, p.array);
	const uint64_t *set = &t->words[bank_set_at(&b, p.set)];
	uint64_t first = bank_front(set);

	while (p.way < b.ways && set[b.tags + p.way]) {
		unsigned int kind = (unsigned int)(set[b.tags + p.way] >> TLB_TAG_KIND) & 3;

		if (!tag_is_plausible(cfg, set[b.tags + p.way])) {
			*why = "tag word that means nothing";
			return false;
		}
		first += 1ULL << (BANK_NR_SHIFT * (1 + class_of(kind)));
		if (!way_check(cfg, t, p, sum, why))
			return false;
		p.way++;
	}
	if (set[0] != first)
		*why = "set that counts other entries than it holds";
	else if (!rest_is_zero(cfg, t, p))
		*why = "empty way that is not zero, or before one in use";
	else if (!ring_check(&b, set, p.way))
		*why = "order of use that leaves the ways in use";
	return *why == NULL;
}

static bool counts_check(const struct tlb *t, const struct tally *sum)
{
	uint32_t heights = 0;

	for (unsigned int i = 0; i < TLB_NR_ARRAYS * GEOM_MAX_HEIGHTS; i++)
		if (sum->at[i / GEOM_MAX_HEIGHTS][i % GEOM_MAX_HEIGHTS])
			heights |= bank_height_bit(i / GEOM_MAX_HEIGHTS, i % GEOM_MAX_HEIGHTS);
	return heights == t->heights && sum->nr == t->nr &&
	       memcmp(sum->at, t->at, sizeof(sum->at)) == 0;
}

static bool slots_check(const struct tlb_cfg *cfg, const struct tlb *t, const struct tally *sum,
			const char **why)
{
	static const struct slot none;
	const struct slot *s = (const struct slot *)t->words;
	uint32_t slots = 0;

	for (uint32_t i = 0; i < cfg->contexts; i++) {
		slots += sum->refs[i] > 0;
		if (s[i].refs != sum->refs[i])
			*why = "context whose count differs from its entries";
		else if (sum->refs[i] == 0 && memcmp(&s[i], &none, sizeof(none)) != 0)
			*why = "unused context that is not zero";
		else if (s[i].global > TLB_GLOBAL)
			*why = "context with a flag that means nothing";
	}
	if (slots != t->nr_slots)
		*why = "number of contexts that differs from those in use";
	return *why == NULL;
}

bool sized_check(const struct tlb_cfg *cfg, const struct tlb *t, const char **why)
{
	const uint32_t sets[TLB_NR_ARRAYS] = { cfg->l1.sets, cfg->l2.sets, cfg->walk.sets };
	struct tally sum = { .nr = 0 };

	for (unsigned int array = 0; array < TLB_NR_ARRAYS; array++)
		for (uint32_t set = 0; set < sets[array]; set++)
			if (!set_check(cfg, t, (struct place){ array, set, 0 }, &sum, why))
				return false;
	if (!counts_check(t, &sum)) {
		*why = "counts that differ from the entries";
		return false;
	}
	return slots_check(cfg, t, &sum, why);
}
