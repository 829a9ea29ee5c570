/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The arch commit hooks as decision tables.
 *
 * A row matches when all its conditions hold; its actions are appended; a row with `stop` ends the
 * table.  LOG and UF conditions are sets of transitions old -> new, where an absent slot counts as 0.
 *
 *   T00 0->0   T01 0->1   T10 1->0   T11 1->1   ANY all four   TOGGLED T01|T10   NEW1 T01|T11
 *
 * Sources: [KVM v6.1, v6.12 arch/x86/kvm/x86.c: kvm_mmu_slot_apply_flags;
 * arch/arm64/kvm/mmu.c: kvm_arch_commit_memory_region], and the userfault series v1 (Dec 2024), v2
 * (Jan 2025), the rewrite (May 2025) and v3 (June 2025).
 */
#include "model/patch.h"
#include "model/policy.h"
#include "model/vm.h"

enum transition {
	T00 = 1,
	T01 = 2,
	T10 = 4,
	T11 = 8,
	ANY = 15,
	TOGGLED = T01 | T10,
	SAME = T00 | T11,
	NEW0 = T00 | T10,
	NEW1 = T01 | T11,
};

enum change_set {
	C_CREATE = 1 << KVM_MR_CREATE,
	C_DELETE = 1 << KVM_MR_DELETE,
	C_MOVE = 1 << KVM_MR_MOVE,
	C_FLAGS = 1 << KVM_MR_FLAGS_ONLY,
	C_ANY = 15,
	C_NOT_FLAGS = C_ANY & ~C_FLAGS,
};

/* A condition that may be of no interest. */
enum tri {
	X = 0,
	NO,
	YES,
};

/* Stand for actions that other axes choose. */
enum {
	UF_ON = NR_COMMIT_ACTIONS, /* USERFAULT 0 -> 1: here the arch hook may invalidate */
	UF_OFF,                    /* USERFAULT 1 -> 0: here it may recover */
	LOG_OFF,                   /* logging 1 -> 0 on arm64 */
};

struct commit_row {
	uint8_t change, log, uf;
	uint8_t ro, init_set, eager, pml; /* enum tri */
	bool stop;
	uint8_t act[4];
};

/* clang-format off */
#define ROW_APPLY_LOG                                                                           \
	{ C_NOT_FLAGS, ANY,     ANY, X,   X,   X,   X,   true,  { 0 } },                         \
	{ C_ANY,       ANY,     ANY, YES, X,   X,   X,   true,  { 0 } },                         \
	{ C_FLAGS,     T10,     ANY, X,   X,   X,   X,   true,  { ACT_REC } },                   \
	{ C_FLAGS,     T01,     ANY, X,   YES, X,   X,   true,  { 0 } },                         \
	{ C_FLAGS,     T01,     ANY, X,   X,   YES, X,   false, { ACT_SPLIT } },                 \
	{ C_FLAGS,     T01,     ANY, X,   X,   X,   YES, true,  { ACT_CLR, ACT_WP2, ACT_FLUSH } }, \
	{ C_FLAGS,     T01,     ANY, X,   X,   X,   NO,  true,  { ACT_WP4, ACT_FLUSH } },        \
	{ 0 }

static const struct commit_row x86_rows[] = {
	/* change      log      uf   ro   init eps  pml  stop */
	{ C_ANY,       TOGGLED, ANY, X,   X,   X,   X,   false, { ACT_CNT } },
	{ C_FLAGS,     SAME,    ANY, X,   X,   X,   X,   true,  { 0 } }, /* WARN upstream */
	ROW_APPLY_LOG
};

/* v2, the rewrite and v3: they differ in who invalidates */
static const struct commit_row x86_uf_rows[] = {
	{ C_FLAGS,     ANY,     T10, X,   X,   X,   X,   false, { UF_OFF } },
	{ C_FLAGS,     ANY,     T01, X,   X,   X,   X,   false, { UF_ON } },
	{ C_ANY,       SAME,    ANY, X,   X,   X,   X,   true,  { 0 } },
	{ C_ANY,       TOGGLED, ANY, X,   X,   X,   X,   false, { ACT_CNT } },
	ROW_APPLY_LOG
};

/* huge pages come back when the last of the two flags that forbid them goes, and once */
static const struct commit_row x86_uf_guarded_rows[] = {
	{ C_FLAGS,     T00,     T10, X,   X,   X,   X,   false, { UF_OFF } },
	{ C_FLAGS,     ANY,     T01, X,   X,   X,   X,   false, { UF_ON } },
	{ C_ANY,       SAME,    ANY, X,   X,   X,   X,   true,  { 0 } },
	{ C_ANY,       TOGGLED, ANY, X,   X,   X,   X,   false, { ACT_CNT } },
	{ C_FLAGS,     T10,     NEW1, X,  X,   X,   X,   true,  { 0 } },
	ROW_APPLY_LOG
};

/* 6.1 looks at the new flags only: logging on and not deleted means write-protect */
static const struct commit_row arm_61_rows[] = {
	{ C_ANY,       NEW1,    ANY, X,   YES, X,   X,   true,  { 0 } },
	{ C_ANY,       NEW1,    ANY, X,   X,   X,   X,   true,  { ACT_WP_S2 } },
	{ 0 },
};

#define ROWS_ARM_LOG                                                                            \
	{ C_FLAGS,     T10,     ANY, X,   X,   X,   X,   false, { LOG_OFF } },                   \
	ROWS_ARM_LOG_V1
#define ROWS_ARM_LOG_V1                                                                         \
	{ C_ANY,       NEW0,    ANY, X,   X,   X,   X,   true,  { ACT_CACHE } },                 \
	{ C_ANY,       NEW1,    ANY, X,   YES, X,   X,   true,  { 0 } },                         \
	{ C_ANY,       NEW1,    ANY, X,   X,   X,   X,   true,  { ACT_WP_S2, ACT_SPLIT_S2 } },   \
	{ 0 }

#define ROWS_ARM_UF                                                                             \
	{ C_FLAGS,     ANY,     T10, X,   X,   X,   X,   false, { UF_OFF } },                    \
	{ C_FLAGS,     ANY,     T01, X,   X,   X,   X,   false, { UF_ON } },

static const struct commit_row arm_cur_rows[] = {
	ROWS_ARM_LOG
};

static const struct commit_row arm_uf_v1_rows[] = {
	ROWS_ARM_UF
	{ C_ANY,       SAME,    ANY, X,   X,   X,   X,   true,  { 0 } },
	ROWS_ARM_LOG_V1
};

/* v2, the rewrite and v3: they differ in who invalidates */
static const struct commit_row arm_uf_rows[] = {
	ROWS_ARM_UF
	{ C_ANY,       SAME,    ANY, X,   X,   X,   X,   true,  { 0 } },
	ROWS_ARM_LOG
};

static const struct commit_row arm_james_flags_only_rows[] = {
	ROWS_ARM_UF
	{ C_FLAGS,     SAME,    ANY, X,   X,   X,   X,   true,  { 0 } },
	ROWS_ARM_LOG
};

/* what logging asks for is done at every change of a logged slot, as upstream */
static const struct commit_row arm_no_early_return_rows[] = {
	ROWS_ARM_UF
	ROWS_ARM_LOG
};
/* clang-format on */

static const struct commit_row *const hooks[NR_COMMIT_HOOKS] = {
	[COMMIT_X86] = x86_rows,
	[COMMIT_X86_UF_V2] = x86_uf_rows,
	[COMMIT_X86_UF_SEAN] = x86_uf_rows,
	[COMMIT_X86_UF_V3] = x86_uf_rows,
	[COMMIT_X86_UF_GUARDED] = x86_uf_guarded_rows,
	[COMMIT_ARM_61] = arm_61_rows,
	[COMMIT_ARM_CUR] = arm_cur_rows,
	[COMMIT_ARM_UF_V1] = arm_uf_v1_rows,
	[COMMIT_ARM_JAMES_V2] = arm_uf_rows,
	[COMMIT_ARM_SEAN] = arm_uf_rows,
	[COMMIT_ARM_JAMES_FLAGS_ONLY] = arm_james_flags_only_rows,
	[COMMIT_ARM_NO_EARLY_RETURN] = arm_no_early_return_rows,
};

static const char *const action_names[NR_COMMIT_ACTIONS] = {
	[ACT_NONE] = "-",
	[ACT_CNT] = "update_cpu_dirty_logging",
	[ACT_REC] = "recover_huge_pages",
	[ACT_SPLIT] = "slot_try_split_huge_pages",
	[ACT_CLR] = "slot_leaf_clear_dirty",
	[ACT_WP2] = "slot_remove_write_access(2M)",
	[ACT_WP4] = "slot_remove_write_access(4K)",
	[ACT_FLUSH] = "flush_remote_tlbs_memslot",
	[ACT_ZAP] = "flush_shadow_memslot",
	[ACT_WP_S2] = "wp_memory_region",
	[ACT_SPLIT_S2] = "split_memory_region",
	[ACT_CACHE] = "free_split_cache",
	[ACT_ZAP_SET] = "zap_userfault_pages",
	[ACT_REAP] = "reap_permissions",
};

const char *policy_action_name(enum commit_action a)
{
	return action_names[a];
}

static unsigned int transition(uint32_t old, uint32_t new, uint32_t flag)
{
	return 1U << (((old & flag) ? 2U : 0U) + ((new &flag) ? 1U : 0U));
}

static bool tri_matches(uint8_t want, bool is)
{
	return want == X || (want == YES) == is;
}

static bool row_matches(const struct commit_row *row, const struct rules *r,
			const struct commit_in *in)
{
	uint32_t flags = in->change == KVM_MR_DELETE ? in->old_flags : in->new_flags;

	return (row->change >> in->change) & 1 &&
	       (row->log & transition(in->old_flags, in->new_flags, MEM_LOG_DIRTY_PAGES)) &&
	       (row->uf & transition(in->old_flags, in->new_flags, MEM_USERFAULT)) &&
	       tri_matches(row->ro, (flags & MEM_READONLY) != 0) &&
	       tri_matches(row->init_set, in->init_set) && tri_matches(row->eager, in->eager) &&
	       tri_matches(row->pml, r->pml);
}

enum commit_action policy_recovery(const struct rules *r)
{
	switch ((enum recovery)r->recovery) {
	case REC_ZAP:
	case REC_INPLACE:
	case REC_COLLAPSE:
		return ACT_REC;
	case REC_UNMAP_ALL:
		return ACT_ZAP;
	case REC_NONE:
		break;
	}
	return ACT_NONE;
}

/* An action of a row, with what it stands for in its place; ACT_NONE: nothing is to be done. */
static uint8_t row_action(const struct rules *r, uint8_t act)
{
	if (act == UF_ON)
		return r->uf_inval == UF_INV_ARCH && r->inject != INJ_SKIP_UF_ZAP ? ACT_ZAP
										  : ACT_NONE;
	if (act == UF_OFF)
		return r->uf_inval == UF_INV_CHANGED_HOOK ? ACT_NONE : (uint8_t)policy_recovery(r);
	if (act == LOG_OFF || act == ACT_REC)
		return (uint8_t)policy_recovery(r);
	return act;
}

/* What generic commit does about USERFAULT, after the arch hook. */
static uint8_t common_action(const struct rules *r, const struct commit_in *in)
{
	unsigned int t = transition(in->old_flags, in->new_flags, MEM_USERFAULT);

	if (in->change == KVM_MR_FLAGS_ONLY && t == T10 && r->uf_inval == UF_INV_CHANGED_HOOK)
		return (uint8_t)policy_recovery(r);
	if ((in->change != KVM_MR_MOVE && in->change != KVM_MR_FLAGS_ONLY) || t != T01 ||
	    r->inject == INJ_SKIP_UF_ZAP)
		return ACT_NONE;
	switch ((enum uf_invalidate)r->uf_inval) {
	case UF_INV_COMMON:
	case UF_INV_HOOK:
	case UF_INV_CHANGED_HOOK:
		return ACT_ZAP;
	case UF_INV_PERM_REAP:
	case UF_INV_PERM_REAP_TLB:
		return ACT_REAP;
	case UF_INV_SELECTIVE:
		return ACT_ZAP_SET;
	case UF_INV_NONE:
	case UF_INV_ARCH:
	case UF_INV_BEFORE_SWAP:
		break;
	}
	return ACT_NONE;
}

/* The hook of a patch, which is code. */
static unsigned int run_patch(const struct rules *r, const struct commit_in *in, uint8_t *out)
{
	struct kvm_commit c = { .change = (enum mr_change)in->change,
				.old_flags = in->old_flags,
				.new_flags = in->new_flags,
				.initially_all_set = in->init_set,
				.eager_page_split = in->eager,
				.pml = r->pml,
				.rules = r,
				.actions = out };

	patch_get(r->commit - NR_COMMIT_HOOKS)->commit(&c);
	return c.nr_actions;
}

/* The hook of a released or posted kernel, which is a table. */
static unsigned int run_table(const struct rules *r, const struct commit_in *in, uint8_t *out)
{
	unsigned int n = 0;

	for (const struct commit_row *row = hooks[r->commit]; row->change; row++) {
		if (!row_matches(row, r, in))
			continue;
		for (unsigned int i = 0; i < 4 && row->act[i]; i++) {
			uint8_t act = row_action(r, row->act[i]);

			if (act)
				out[n++] = act;
		}
		if (row->stop)
			break;
	}
	return n;
}

unsigned int policy_commit_actions(const struct rules *r, const struct commit_in *in, uint8_t *out)
{
	unsigned int n = 0;
	uint8_t common = common_action(r, in);

	if (common && r->inject == INJ_UF_HOOK_FIRST)
		out[n++] = common;
	n += r->commit < NR_COMMIT_HOOKS ? run_table(r, in, out + n) : run_patch(r, in, out + n);
	if (common && r->inject != INJ_UF_HOOK_FIRST)
		out[n++] = common;
	return n;
}
