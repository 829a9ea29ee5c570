/* SPDX-License-Identifier: Apache-2.0 */
#include "model/vtlb.h"

#include "model/gmem.h"
#include "model/hostmm.h"
#include "model/memslots.h"
#include "model/vcpu.h"
#include "model/x86.h"

enum {
	GUEST_VMID = 1, /* VMID, ASID: the host's is 0; one VM a model */
};

uint64_t vtlb_words(const struct vm_cfg *cfg)
{
	return tlb_bytes(&cfg->tlb) / sizeof(uint64_t);
}

struct tlb *vtlb(const struct vm *vm, uint32_t vcpu)
{
	return (struct tlb *)(void *)(vm->tlbs + vcpu * vtlb_words(vm->cfg));
}

/* EPT tags by root, the others by VMID or ASID. */
static struct tlb_ctx context(const struct vm *vm, uint32_t root)
{
	bool ept = vm->cfg->rules.arch == PT_X86 && vm->cfg->rules.nested != X86_NPT;

	return (struct tlb_ctx){ .root = ept ? root : 0, .vmid = ept ? 0 : GUEST_VMID };
}

enum vtlb_level vtlb_hit(struct ctx *c, uint32_t root, gfn_t gfn, unsigned int acc)
{
	uint64_t l2 = c->work.tlb_l2_hit;
	struct tlb_key key = { .page = gfn, .ctx = context(c->vm, root), .kind = TLB_S2 };

	if (c->vm->cfg->tlb.form == TLB_DROP || tlb_probe(&c->vm->cfg->tlb, vtlb(c->vm, c->me_nr),
							  &key, acc, NULL, &c->work) != TLB_HIT)
		return VTLB_NONE;
	return c->work.tlb_l2_hit > l2 ? VTLB_L2 : VTLB_L1;
}

struct hw_mode vtlb_mode(const struct vm *vm)
{
	const struct rules *r = &vm->cfg->rules;

	if (r->arch == PT_ARM64)
		return (struct hw_mode){ .update_ad = true };
	return (struct hw_mode){
		.x86 = x86_fmt_get((enum x86_spte_version)r->spte_version,
				   (enum x86_nested)r->nested),
		.update_ad = r->nested != X86_EPT_NOAD,
	};
}

struct vtlb_hw *vtlb_hw_open(struct ctx *c)
{
	struct vtlb_hw *hw = c->hw ? &c->hw[c->me_nr] : NULL;
	struct vm *vm = c->vm;
	struct hw_mode mode;
	uint32_t root;

	if (!hw)
		return NULL;
	root = vm->st->roots[vm->vcpus[c->me_nr].root - 1].table;
	if (hw->root == root)
		return hw;
	mode = vtlb_mode(vm);
	hw->root = root;
	hw->hot = tlb_hot_open(&vm->cfg->tlb, vtlb(vm, c->me_nr), context(vm, root));
	hw_xlate_init(&hw->x, &vm->pt, root, &mode, &hw->hot, &hw->caches);
	return hw;
}

/* A set never evicts: where it is full, the exploration's scope is too small. */
static void fill(struct ctx *c, const struct tlb_entry *e)
{
	if (tlb_fill(&c->vm->cfg->tlb, vtlb(c->vm, c->me_nr), e, &c->work))
		return;
	if (!c->vm->cfg->free_order)
		g_error("the TLB of vCPU %u is full: the scope needs a larger capacity", c->me_nr);
	c->short_of = "entries of a TLB, found --tlb";
}

void vtlb_fill(struct ctx *c, uint32_t root, gfn_t gfn, const struct hw_result *res)
{
	const struct vm_cfg *cfg = c->vm->cfg;
	struct tlb_entry e = {
		.pte = res->pte, .ctx = context(c->vm, root), .kind = TLB_S2, .height = res->height
	};

	if (cfg->tlb.form == TLB_DROP)
		return;
	e.page = e.gfn = geom_base(&cfg->geom, gfn, res->height);
	if (cfg->rules.arch == PT_ARM64) {
		e.access = (uint8_t)s2_access(res->pte);
	} else {
		const struct x86_fmt *f = vm_x86_fmt(c->vm);

		e.access = (uint8_t)spte_access(f, res->pte);
		e.flags = f->dirty && !(res->pte.v & f->dirty) ? TLB_CLEAN : 0;
	}
	fill(c, &e);
}

void vtlb_fill_walk(struct ctx *c, uint32_t root, gfn_t gfn, unsigned int height, pte_t e)
{
	const struct vm_cfg *cfg = c->vm->cfg;
	struct tlb_entry t = { .pte = e,
			       .ctx = context(c->vm, root),
			       .kind = TLB_S2_WALK,
			       .height = (uint8_t)height,
			       .access = ACC_RWX };

	if (cfg->tlb.form == TLB_DROP)
		return;
	t.page = t.gfn = geom_base(&cfg->geom, gfn, height);
	fill(c, &t);
}

bool vtlb_match(const struct ctx *c, uint32_t root, gfn_t gfn, enum tlb_kind kind, unsigned int n,
		struct tlb_entry *out)
{
	struct tlb_key key = { .page = gfn, .ctx = context(c->vm, root), .kind = (uint8_t)kind };

	return c->vm->cfg->tlb.form != TLB_DROP &&
	       tlb_match(&c->vm->cfg->tlb, vtlb(c->vm, c->me_nr), &key, n, out);
}

void vtlb_fault(struct ctx *c, uint32_t root, gfn_t gfn)
{
	const struct vm_cfg *cfg = c->vm->cfg;
	struct tlb_inv inv = { .gfn = gfn,
			       .pages = 1,
			       .ctx = context(c->vm, root),
			       .op = TLB_INV_EPT_VIOLATION,
			       .level = TLB_LEVEL_NONE };

	/* Arm keeps entries that lack the right: KVM invalidates after it relaxed them */
	if (cfg->tlb.form != TLB_DROP && cfg->rules.arch == PT_X86)
		tlb_invalidate(&cfg->tlb, vtlb(c->vm, c->me_nr), &inv, &c->work);
}

void vtlb_flush(struct ctx *c, uint32_t vcpu)
{
	const struct vm_cfg *cfg = c->vm->cfg;
	bool ept = cfg->rules.nested != X86_NPT;
	struct tlb_inv inv = { .ctx = context(c->vm, 0),
			       .level = TLB_LEVEL_NONE,
			       .op = ept ? TLB_INV_EPT_ALL : TLB_INV_SVM_ASID };

	c->work.vcpu_tlb_flush++;
	if (cfg->tlb.form != TLB_DROP)
		tlb_invalidate(&cfg->tlb, vtlb(c->vm, vcpu), &inv, &c->work);
}

void vtlb_tlbi(struct ctx *c, uint32_t vcpu, const struct s2_tlbi *t)
{
	const struct vm_cfg *cfg = c->vm->cfg;
	struct tlb_inv inv = { .gfn = t->gfn,
			       .pages = t->kind == S2_TLBI_RANGE ? t->pages : 1,
			       .ctx = context(c->vm, 0),
			       .op = t->kind == S2_TLBI_VMID ? TLB_INV_VMALLS12E1 : TLB_INV_IPAS2E1,
			       .level = t->level == S2_LEVEL_NONE ? TLB_LEVEL_NONE : t->level };

	if (cfg->tlb.form != TLB_DROP)
		tlb_invalidate(&cfg->tlb, vtlb(c->vm, vcpu), &inv, &c->work);
	c->vm->vcpus[vcpu].walk_again = vcpu_walks(c->vm, vcpu);
}

struct check_arg {
	const struct vm *vm;
	uint32_t vcpu;
	const char *why;
};

static enum tlb_keep check_entry(void *arg, const struct tlb_entry *e)
{
	struct check_arg *a = arg;
	const struct vm *vm = a->vm;
	uint32_t slot = memslot_find(vm, vm->vcpus[a->vcpu].as_id, e->gfn);
	uint32_t root = root_find(vm, vm->vcpus[a->vcpu].as_id);
	struct host_view v;
	pte_t leaf;

	if (a->why || e->kind != TLB_S2 || !root)
		return TLB_KEEP;
	if (e->ctx.root && e->ctx.root != vm->st->roots[root - 1].table)
		return TLB_KEEP; /* of an older root: never used again before that tag's flush */
	if (!slot) {
		a->why = "T6: a TLB entry where no slot is";
		return TLB_KEEP;
	}
	v = hostmm_view(vm, memslot_backing(vm, slot, e->gfn));
	if ((!v.present || v.pfn != pte_pfn(vm->pt.fmt, e->pte)) && !gmem_is_lost(vm, slot, e->gfn))
		a->why = "T6: a TLB entry whose frame is no longer the host's";
	leaf = pt_lookup(&vm->pt, vm->st->roots[root - 1].table, e->gfn).value;
	if ((e->access & ACC_W) && !(e->flags & TLB_CLEAN) &&
	    memslot_is_logging(&vm->slots[slot]) && vm->slots[slot].bitmap &&
	    !(vm->cfg->rules.arch == PT_ARM64 ? (leaf.v & S2_AP_W) != 0
					      : spte_is_writable(vm_x86_fmt(vm), leaf)))
		a->why = "T6: a writable TLB entry for a page that is write-protected for logging";
	return TLB_KEEP;
}

bool vtlb_check(const struct vm *vm, const char **why)
{
	struct check_arg a = { .vm = vm };

	for (a.vcpu = 0; a.vcpu < vm->cfg->nr_vcpus && vm->cfg->tlb.form != TLB_DROP; a.vcpu++)
		if (!(vm->vcpus[a.vcpu].requests & (REQ_TLB_FLUSH | REQ_MMU_FREE_OBSOLETE_ROOTS)))
			tlb_visit(&vm->cfg->tlb, vtlb(vm, a.vcpu), check_entry, &a);
	*why = a.why;
	return !a.why;
}
