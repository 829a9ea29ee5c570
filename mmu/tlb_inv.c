/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What each invalidation removes, as one table, and its execution.
 */
#include "mmu/tlb_priv.h"

/* Which tags must agree. */
enum tag_rule {
	TAG_ANY,
	TAG_VMID, /* Arm VMID, Intel VPID, AMD ASID */
	TAG_ROOT,
	TAG_CTX, /* all that the kind carries; an entry of every asid matches any */
	TAG_VPID0,
};

/* Which addresses must agree. */
enum addr_rule {
	ADDR_ANY,
	ADDR_GFN,  /* the span meets [gfn, gfn + pages) */
	ADDR_PAGE, /* the span covers the virtual page */
};

struct rule {
	uint8_t kinds; /* BIT(enum tlb_kind) */
	uint8_t tag;
	uint8_t addr;
	uint8_t hinted; /* a level hint counts */
};

#define K_S2   (1U << TLB_S2)
#define K_WALK (1U << TLB_S2_WALK)
#define K_S1   (1U << TLB_S1)
#define K_COMB (1U << TLB_COMBINED)
#define K_ALL  (K_S2 | K_WALK | K_S1 | K_COMB)

enum {
	RULES_MAX = 2, /* an entry goes when either rule names it */
};

/*
 * Legend: kinds that go, tags that must agree, addresses that must agree, whether a hint counts.
 * One line of why per operation:
 *   IPAS2E1     S2 of the gfn; with a leaf hint neither other leaf sizes nor walk entries must go
 *   IPAS2LE1    the same for the last level only
 *   VMALLE1     what software cannot name because it does not know the virtual addresses
 *   VMALLS12E1, ALLE1  everything of one VMID, of all
 *   INVEPT      guest-physical and combined, of one EP4TA or all
 *   INVVPID     linear and combined; guest-physical entries stay
 *   no VPID     VM entries and exits drop what VPID 0 tags
 *   AMD ASID    one flush covers guest and nested translations
 *   violation   drops what would translate the gfn, and the combined entry of the linear address
 * [Arm ARM "Scope of TLB maintenance"; SDM "Operations that invalidate cached mappings", "INVEPT",
 *  "INVVPID"; APM "TLB management"]
 */
/* clang-format off */
static const struct rule rules[TLB_NR_INV_OPS][RULES_MAX] = {
	[TLB_INV_IPAS2E1]       = { { K_S2 | K_WALK,          TAG_VMID,  ADDR_GFN,  1 } },
	[TLB_INV_IPAS2LE1]      = { { K_S2,                   TAG_VMID,  ADDR_GFN,  1 } },
	[TLB_INV_VMALLE1]       = { { K_S1 | K_COMB,          TAG_VMID,  ADDR_ANY,  0 } },
	[TLB_INV_VMALLS12E1]    = { { K_ALL,                  TAG_VMID,  ADDR_ANY,  0 } },
	[TLB_INV_ALLE1]         = { { K_ALL,                  TAG_ANY,   ADDR_ANY,  0 } },
	[TLB_INV_EPT_SINGLE]    = { { K_S2 | K_WALK | K_COMB, TAG_ROOT,  ADDR_ANY,  0 } },
	[TLB_INV_EPT_ALL]       = { { K_S2 | K_WALK | K_COMB, TAG_ANY,   ADDR_ANY,  0 } },
	[TLB_INV_VPID_ADDR]     = { { K_S1 | K_COMB,          TAG_VMID,  ADDR_PAGE, 0 } },
	[TLB_INV_VPID]          = { { K_S1 | K_COMB,          TAG_VMID,  ADDR_ANY,  0 } },
	[TLB_INV_VPID_ALL]      = { { K_S1 | K_COMB,          TAG_ANY,   ADDR_ANY,  0 } },
	[TLB_INV_ENTRY_NOVPID]  = { { K_S1 | K_COMB,          TAG_VPID0, ADDR_ANY,  0 } },
	[TLB_INV_SVM_ASID]      = { { K_ALL,                  TAG_VMID,  ADDR_ANY,  0 } },
	[TLB_INV_SVM_ALL]       = { { K_ALL,                  TAG_ANY,   ADDR_ANY,  0 } },
	[TLB_INV_EPT_VIOLATION] = { { K_S2 | K_WALK,          TAG_CTX,   ADDR_GFN,  0 },
				    { K_COMB,                 TAG_CTX,   ADDR_PAGE, 0 } },
};
/* clang-format on */

static bool tag_agrees(const struct rule *r, const struct tlb_inv *inv, const struct tlb_entry *e)
{
	struct tlb_ctx want = tlb_ctx_for(e->kind, inv->ctx);

	switch ((enum tag_rule)r->tag) {
	case TAG_ANY:
		return true;
	case TAG_VMID:
		return e->ctx.vmid == inv->ctx.vmid;
	case TAG_ROOT:
		return e->ctx.root == inv->ctx.root;
	case TAG_CTX:
		if (e->flags & TLB_GLOBAL)
			want.asid = 0;
		return ctx_eq(e->ctx, want);
	case TAG_VPID0:
		return e->ctx.vmid == 0;
	}
	return true;
}

static bool meets(const struct tlb_cfg *cfg, const struct tlb_inv *inv, const struct tlb_entry *e)
{
	return inv->gfn < e->gfn + span_of(cfg, e->height) && e->gfn < inv->gfn + inv->pages;
}

static bool addr_agrees(const struct tlb_cfg *cfg, const struct rule *r, const struct tlb_inv *inv,
			const struct tlb_entry *e)
{
	switch ((enum addr_rule)r->addr) {
	case ADDR_ANY:
		return true;
	case ADDR_GFN:
		return meets(cfg, inv, e);
	case ADDR_PAGE:
		return (inv->has_page || inv->op == TLB_INV_VPID_ADDR) &&
		       e->page == align_down_u64(inv->page, span_of(cfg, e->height));
	}
	return true;
}

/*
 * A hint names the level of the leaf that was changed.  Strict hardware then looks for a leaf of
 * that size only: after a wrong hint nothing is removed.
 */
static bool hint_agrees(const struct tlb_inv *inv, const struct tlb_entry *e)
{
	if (inv->level == TLB_LEVEL_NONE)
		return true;
	return e->kind == TLB_S2 && geom_arm_level(e->height) == inv->level;
}

static bool is_stage2_by_gfn(const struct rule *r)
{
	return (r->kinds & K_S2) && r->addr == ADDR_GFN;
}

bool tlb_inv_removes(const struct tlb_cfg *cfg, const struct tlb_inv *inv,
		     const struct tlb_entry *e)
{
	bool generous = cfg->scope == TLB_GENEROUS;

	for (unsigned int i = 0; i < RULES_MAX; i++) {
		const struct rule *r = &rules[inv->op][i];
		unsigned int kinds = r->kinds;

		if (generous && is_stage2_by_gfn(r))
			kinds |= K_WALK | K_COMB;
		if ((kinds & (1U << e->kind)) && tag_agrees(r, inv, e) &&
		    addr_agrees(cfg, r, inv, e) && (generous || !r->hinted || hint_agrees(inv, e)))
			return true;
	}
	return false;
}

struct inv_arg {
	const struct tlb_cfg *cfg;
	const struct tlb_inv *inv;
};

static enum tlb_keep inv_visit(void *arg, const struct tlb_entry *e)
{
	const struct inv_arg *a = arg;

	return tlb_inv_removes(a->cfg, a->inv, e) ? TLB_REMOVE : TLB_KEEP;
}

/* Looks where the rule's entries can be: the sets of one page, or all occupied sets of a class. */
static uint64_t apply_sized(const struct tlb_cfg *cfg, struct tlb *t, const struct rule *r,
			    struct inv_arg *a)
{
	struct filter f = { .fn = inv_visit, .arg = a };
	bool wide = cfg->scope == TLB_GENEROUS && is_stage2_by_gfn(r);
	bool classes[TLB_NR_CLASSES] = {
		[TLB_CLASS_S2] = (r->kinds & (K_S2 | K_WALK)) != 0,
		[TLB_CLASS_S1] = (r->kinds & (K_S1 | K_COMB)) != 0 || wide,
	};
	uint64_t removed = 0;

	if (r->addr == ADDR_GFN && a->inv->pages == 1) {
		removed += sized_filter_page(cfg, t, a->inv->gfn, &f);
		classes[TLB_CLASS_S2] = false;
	} else if (r->addr == ADDR_PAGE) {
		removed += sized_filter_page(cfg, t, a->inv->page, &f);
		classes[TLB_CLASS_S1] = false;
	}
	if (r->addr == ADDR_GFN) {
		f.first = a->inv->gfn;
		f.pages = a->inv->pages;
	}
	return removed + sized_filter(cfg, t, classes, &f);
}

uint64_t tlb_invalidate(const struct tlb_cfg *cfg, struct tlb *t, const struct tlb_inv *inv,
			struct work *wk)
{
	struct inv_arg a = { cfg, inv };
	const struct filter f = { .fn = inv_visit, .arg = &a };
	uint64_t removed = 0;

	switch ((enum tlb_form)cfg->form) {
	case TLB_SIZED:
		for (unsigned int i = 0; i < RULES_MAX && t->nr; i++)
			removed += apply_sized(cfg, t, &rules[inv->op][i], &a);
		break;
	case TLB_DROP:
		break;
	case TLB_SET:
		removed = list_filter(t, &f);
		break;
	}
	wk->tlb_inv += removed;
	return removed;
}
