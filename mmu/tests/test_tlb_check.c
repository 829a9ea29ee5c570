/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the checks of a TLB refuse: bad configurations, broken contents.
 */
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include "mmu/tests/mmu_test.h"
#include "mmu/tlb.h"

enum { NR_FORMS = 2 };

static struct tlb_cfg config(int form)
{
	struct pt_geom g;

	ck_assert(geom_find("arm64-2x3", &g));
	return form ? tlb_cfg_sized(&g) : tlb_cfg_set(&g, 1000);
}

static const struct {
	size_t offset;
	uint32_t size, value;
	int form;
} bad[] = {
#define BAD(form, field, value)                                                                    \
	{                                                                                          \
		offsetof(struct tlb_cfg, field), sizeof(((struct tlb_cfg *)0)->field), value, form \
	}
	BAD(1, l1.sets, 3),  BAD(1, l1.sets, 0),   BAD(1, l2.ways, 0),
	BAD(1, contexts, 0), BAD(1, l1.ways, 257), BAD(1, contexts, 64),
	BAD(1, form, 3),     BAD(1, scope, 2),     BAD(0, capacity, 0),
#undef BAD
};

START_TEST(configuration_out_of_range_is_refused)
{
	struct tlb_cfg cfg = config(bad[_i].form);

	ck_assert(tlb_cfg_check(&cfg));
	/* little-endian: the low bytes of the value come first */
	memcpy((char *)&cfg + bad[_i].offset, &bad[_i].value, bad[_i].size);
	ck_assert(!tlb_cfg_check(&cfg));
}
END_TEST

/* Where in the block the entries of a list stand. */
struct places {
	const uint8_t *block;
	size_t at[4];
	unsigned int nr;
};

static enum tlb_keep note_place(void *arg, const struct tlb_entry *e)
{
	struct places *p = arg;

	must(p->nr < 4, "too many entries");
	p->at[p->nr++] = (size_t)((const uint8_t *)e - p->block);
	return TLB_KEEP;
}

/*
 * Bit 6 of this byte is free.  In a list: data of an entry (gfn, descriptor), and whatever keeps the
 * order, which is page and VMID of the last entry.  The sized form holds all entries here twice, once
 * a level, and no byte can change unseen but the VMID of the one context, which its slot alone has.
 */
static bool is_free(const struct tlb_cfg *cfg, const struct places *p, size_t byte)
{
	enum {
		GFN = offsetof(struct tlb_entry, gfn),
		CTX = offsetof(struct tlb_entry, ctx),
		VMID = CTX + offsetof(struct tlb_ctx, vmid),
		ASID = CTX + offsetof(struct tlb_ctx, asid),
	};

	if (cfg->form == TLB_SIZED)
		return byte - sizeof(struct tlb) - (VMID - CTX) < ASID - VMID;
	for (unsigned int i = 0; i < p->nr; i++) {
		size_t at = byte - p->at[i]; /* huge in front of the entry */

		if (at >= sizeof(struct tlb_entry))
			continue;
		if (at >= GFN && at < CTX)
			return true;
		return i == p->nr - 1 && (at < GFN || (at >= VMID && at < ASID));
	}
	return false;
}

START_TEST(check_finds_a_changed_byte_wherever_it_is_but_in_the_data_of_an_entry)
{
	struct tlb_cfg cfg = config(_i);
	struct tlb *t = calloc(1, tlb_bytes(&cfg));
	uint8_t *bytes = (uint8_t *)t;
	struct places places = { .block = bytes };
	struct work wk = { 0 };
	const char *why;

	ck_assert_ptr_nonnull(t);
	tlb_reset(&cfg, t);
	for (gfn_t gfn = 0; gfn < 4; gfn++) {
		struct tlb_entry e = { .kind = TLB_S2,
				       .page = gfn,
				       .gfn = gfn,
				       .access = ACC_RWX,
				       .ctx = { .vmid = 1 } };

		ck_assert(tlb_fill(&cfg, t, &e, &wk));
	}
	ck_assert(tlb_check(&cfg, t, &why));
	tlb_visit(&cfg, t, note_place, &places);
	ck_assert_uint_eq(places.nr, 4);
	for (size_t i = 0; i < tlb_bytes(&cfg); i++) {
		bool ok;

		bytes[i] ^= 0x40;
		ok = tlb_check(&cfg, t, &why);
		must(ok == is_free(&cfg, &places, i), "byte %zu: %s", i, ok ? "unseen" : why);
		must(ok || why != NULL, "no reason given");
		bytes[i] ^= 0x40;
	}
	for (uint32_t i = 0; i < 2; i++) {
		t->nr += i ? 1 : (uint32_t)-1;
		ck_assert(!tlb_check(&cfg, t, &why));
		t->nr -= i ? 1 : (uint32_t)-1;
	}
	free(t);
}
END_TEST

static void fill(TCase *tc)
{
	tcase_add_loop_test(tc, configuration_out_of_range_is_refused, 0,
			    (int)(sizeof(bad) / sizeof(bad[0])));
	tcase_add_loop_test(tc,
			    check_finds_a_changed_byte_wherever_it_is_but_in_the_data_of_an_entry,
			    0, NR_FORMS);
}

int main(void)
{
	return run_suite("tlb_check", fill);
}
