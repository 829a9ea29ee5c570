/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The scenario language: the list of all input lines and their keys, and the operations on a parsed
 * line. Parsing is in lang_parse.c and lang_obs.c, printing in lang_print.c.
 */
#include "model/lang.h"

#include <errno.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include "model/lang_priv.h"

G_DEFINE_QUARK(s2sim_lang_error, lang_error)

static const struct lang_choice choices_arch[] = { { "both", LANG_ARCH_BOTH },
						   { "x86", LANG_ARCH_X86 },
						   { "arm64", LANG_ARCH_ARM64 },
						   { NULL, 0 } };
static const struct lang_choice choices_manual[] = {
	{ "0", 0 }, { "1", 1 }, { "3", 3 }, { NULL, 0 }
};
static const struct lang_choice choices_yes_no[] = { { "Y", 1 }, { "N", 0 }, { NULL, 0 } };
static const struct lang_choice choices_bit[] = { { "0", 0 }, { "1", 1 }, { NULL, 0 } };
static const struct lang_choice choices_nx[] = { { "off", LANG_NX_OFF },
						 { "force", LANG_NX_FORCE },
						 { NULL, 0 } };
static const struct lang_choice choices_timing[] = { { "racy", 1 }, { NULL, 0 } };
static const struct lang_choice choices_backing[] = {
	{ "anon", LANG_BACKING_ANON },           { "thp", LANG_BACKING_THP },
	{ "huge2m", LANG_BACKING_HUGE2M },       { "huge1g", LANG_BACKING_HUGE1G },
	{ "memfd", LANG_BACKING_MEMFD },         { "gmem", LANG_BACKING_GMEM },
	{ "gmem_huge", LANG_BACKING_GMEM_HUGE }, { NULL, 0 }
};
static const struct lang_choice choices_mode[] = { { "r", 0 }, { "w", 1 }, { NULL, 0 } };
static const struct lang_choice choices_prot[] = { { "r", 0 }, { "rw", 1 }, { NULL, 0 } };
static const struct lang_choice choices_advice[] = { { "dontneed", LANG_ADVICE_DONTNEED },
						     { "hugepage", LANG_ADVICE_HUGEPAGE },
						     { "nohugepage", LANG_ADVICE_NOHUGEPAGE },
						     { "collapse", LANG_ADVICE_COLLAPSE },
						     { "free", LANG_ADVICE_FREE },
						     { "cold", LANG_ADVICE_COLD },
						     { "pageout", LANG_ADVICE_PAGEOUT },
						     { "remove", LANG_ADVICE_REMOVE },
						     { "populate_read", LANG_ADVICE_POPULATE_READ },
						     { "populate_write",
						       LANG_ADVICE_POPULATE_WRITE },
						     { NULL, 0 } };
static const struct lang_choice choices_age[] = { { "clear_flush_young",
						    LANG_AGE_CLEAR_FLUSH_YOUNG },
						  { "clear_young", LANG_AGE_CLEAR_YOUNG },
						  { "test_young", LANG_AGE_TEST_YOUNG },
						  { NULL, 0 } };
static const struct lang_choice choices_pattern[] = { { "seq", LANG_PATTERN_SEQ },
						      { "uniform", LANG_PATTERN_UNIFORM },
						      { "zipf", LANG_PATTERN_ZIPF },
						      { "chase", LANG_PATTERN_CHASE },
						      { NULL, 0 } };
static const struct lang_choice choices_until[] = { { "join", 1 }, { NULL, 0 } };
static const struct lang_choice choices_tracker[] = { { "ext", LANG_TRACKER_EXT },
						      { "kvm", LANG_TRACKER_KVM },
						      { NULL, 0 } };
static const struct lang_choice choices_choose[] = { { "any", 0 }, { "fixed", 1 }, { NULL, 0 } };
static const struct lang_choice choices_queue[] = { { "any", 0 }, { "fifo", 1 }, { NULL, 0 } };
static const struct lang_choice choices_keep[] = { { "set", 0 }, { "drop", 1 }, { NULL, 0 } };
static const struct lang_choice choices_order[] = { { "relaxed", LANG_ORDER_RELAXED },
						    { "release", LANG_ORDER_RELEASE },
						    { NULL, 0 } };

#define AT(member) offsetof(struct lang_line, member), sizeof(((struct lang_line *)NULL)->member)

/* One key: its name, its type if that is not said, whether it is needed, where its value lives. */
/* clang-format off */
#define NUMBER(key, type, need, member, min, max, dflt) \
	{ key, type, need, AT(member), min, max, dflt, NULL }
#define CHOICE(key, need, member, dflt, choices) \
	{ key, FIELD_CHOICE, need, AT(member), 0, 0, dflt, choices }
#define OTHER(key, type, need, member) \
	{ key, type, need, AT(member), 0, 0, 0, NULL }
#define TIME(key, member, dflt) \
	{ key, FIELD_TIME, NEED_NO, AT(member), 0, LANG_TIME_NONE - 1, dflt, NULL }
/* Keys of every line that an actor runs, and the end of its list; a vCPU names itself. */
#define TIMES \
	TIME("at", when.at, 0), \
	TIME("delay", when.delay, 0), \
	NUMBER("repeat", FIELD_DEC, NEED_NO, when.repeat, 1, UINT32_MAX, 1)
#define END_OF_VCPU_FIELDS TIMES, END_OF_FIELDS
#define END_OF_ACTOR_FIELDS \
	TIMES, \
	NUMBER("by", FIELD_DEC, NEED_NO, when.by, 0, LANG_THREADS_MAX - 1, 0), \
	END_OF_FIELDS
#define END_OF_FIELDS \
	{ NULL, FIELD_DEC, NEED_NO, 0, 0, 0, 0, 0, NULL }
/* clang-format on */

static const struct lang_field fields_scenario[] = {
	OTHER("name", FIELD_NAME, NEED_YES, u.scenario.name),
	CHOICE("arch", NEED_NO, u.scenario.arch, LANG_ARCH_BOTH, choices_arch),
	NUMBER("vcpus", FIELD_DEC, NEED_NO, u.scenario.vcpus, 1, LANG_VCPUS_MAX, 1),
	CHOICE("manual", NEED_NO, u.scenario.manual, 0, choices_manual),
	CHOICE("eager", NEED_NO, u.scenario.eager, UINT32_MAX, choices_yes_no),
	CHOICE("nx", NEED_NO, u.scenario.nx, LANG_NX_UNSET, choices_nx),
	CHOICE("zapall", NEED_NO, u.scenario.zapall, 1, choices_bit),
	NUMBER("chunk", FIELD_HEX, NEED_NO, u.scenario.chunk, 0, UINT64_MAX, 0),
	CHOICE("trace", NEED_NO, u.scenario.trace, 1, choices_bit),
	CHOICE("timing", NEED_NO, u.scenario.racy, 0, choices_timing),
	CHOICE("raw", NEED_NO, u.scenario.raw, 0, choices_bit),
	OTHER("policy", FIELD_TEXT, NEED_NO, u.scenario.policy),
	OTHER("geom", FIELD_NAME, NEED_NO, u.scenario.geom),
	CHOICE("code", NEED_NO, u.scenario.code, 1, choices_bit),
	OTHER("inject", FIELD_TEXT, NEED_NO, u.scenario.inject),
	OTHER("mem", FIELD_NAME, NEED_NO, u.scenario.mem),
	OTHER("tlb", FIELD_NAME, NEED_NO, u.scenario.tlb),
	NUMBER("ring", FIELD_HEX, NEED_NO, u.scenario.ring, 0, UINT32_MAX, 0),
	END_OF_FIELDS,
};
static const struct lang_field fields_map[] = {
	OTHER("name", FIELD_NAME, NEED_YES, u.host_map.name),
	NUMBER("size", FIELD_HEX, NEED_YES, u.host_map.size, 1, UINT64_MAX, 0),
	CHOICE("backing", NEED_YES, u.host_map.backing, 0, choices_backing),
	CHOICE("uffd", NEED_NO, u.host_map.uffd, 0, choices_bit),
	END_OF_FIELDS,
};
static const struct lang_field fields_range[] = {
	OTHER("map", FIELD_LOC, NEED_YES, u.host.loc),
	NUMBER("len", FIELD_HEX, NEED_YES, u.host.len, 1, UINT64_MAX, 0),
	END_OF_ACTOR_FIELDS,
};
static const struct lang_field fields_touch[] = {
	OTHER("map", FIELD_LOC, NEED_YES, u.host.loc),
	NUMBER("len", FIELD_HEX, NEED_YES, u.host.len, 1, UINT64_MAX, 0),
	CHOICE("mode", NEED_YES, u.host.write, 0, choices_mode),
	NUMBER("stride", FIELD_HEX, NEED_NO, u.host.stride, 1, UINT64_MAX, 0x1000),
	END_OF_ACTOR_FIELDS,
};
static const struct lang_field fields_madvise[] = {
	OTHER("map", FIELD_LOC, NEED_YES, u.host.loc),
	NUMBER("len", FIELD_HEX, NEED_YES, u.host.len, 1, UINT64_MAX, 0),
	CHOICE("advice", NEED_YES, u.host.advice, 0, choices_advice),
	END_OF_ACTOR_FIELDS,
};
static const struct lang_field fields_mprotect[] = {
	OTHER("map", FIELD_LOC, NEED_YES, u.host.loc),
	NUMBER("len", FIELD_HEX, NEED_YES, u.host.len, 1, UINT64_MAX, 0),
	CHOICE("prot", NEED_YES, u.host.prot_write, 0, choices_prot),
	END_OF_ACTOR_FIELDS,
};
static const struct lang_field fields_age[] = {
	OTHER("map", FIELD_LOC, NEED_YES, u.host.loc),
	NUMBER("len", FIELD_HEX, NEED_YES, u.host.len, 1, UINT64_MAX, 0),
	CHOICE("mode", NEED_YES, u.host.age, 0, choices_age),
	END_OF_ACTOR_FIELDS,
};
static const struct lang_field fields_set_region[] = {
	NUMBER("slot", FIELD_DEC, NEED_YES, u.region.slot, 0, UINT32_MAX, 0),
	NUMBER("gpa", FIELD_HEX, NEED_YES, u.region.gpa, 0, UINT64_MAX, 0),
	NUMBER("size", FIELD_HEX, NEED_YES, u.region.size, 0, UINT64_MAX, 0),
	OTHER("flags", FIELD_FLAGS, NEED_YES, u.region.flags),
	OTHER("map", FIELD_LOC, NEED_EITHER, u.region.loc),
	OTHER("hva", FIELD_HVA, NEED_EITHER, u.region.loc),
	OTHER("bitmap", FIELD_BITMAP, NEED_NO, u.region.bitmap),
	OTHER("gmem", FIELD_LOC, NEED_NO, u.region.gmem),
	OTHER("fail", FIELD_NAME, NEED_NO, u.region.fail),
	END_OF_ACTOR_FIELDS,
};
static const struct lang_field fields_get_dirty[] = {
	NUMBER("slot", FIELD_DEC, NEED_YES, u.log.slot, 0, UINT32_MAX, 0),
	TIME("per_page", u.log.per_page, 0),
	END_OF_ACTOR_FIELDS,
};
static const struct lang_field fields_clear_log[] = {
	NUMBER("slot", FIELD_DEC, NEED_YES, u.log.slot, 0, UINT32_MAX, 0),
	NUMBER("first", FIELD_HEX, NEED_YES, u.log.first, 0, UINT64_MAX, 0),
	NUMBER("n", FIELD_HEX, NEED_YES, u.log.n, 0, UINT32_MAX, 0),
	OTHER("pages", FIELD_PAGES, NEED_YES, u.log),
	END_OF_ACTOR_FIELDS,
};
static const struct lang_field fields_track[] = {
	NUMBER("slot", FIELD_DEC, NEED_YES, u.track.slot, 0, UINT32_MAX, 0),
	NUMBER("page", FIELD_HEX, NEED_YES, u.track.page, 0, UINT64_MAX, 0),
	CHOICE("user", NEED_NO, u.track.user, LANG_TRACKER_EXT, choices_tracker),
	END_OF_ACTOR_FIELDS,
};
static const struct lang_field fields_param[] = {
	OTHER("name", FIELD_NAME, NEED_YES, u.param.name),
	OTHER("value", FIELD_TEXT, NEED_YES, u.param.value),
	END_OF_ACTOR_FIELDS,
};
static const struct lang_field fields_user_bit[] = {
	OTHER("map", FIELD_NAME, NEED_YES, u.user_bit.map),
	NUMBER("page", FIELD_HEX, NEED_YES, u.user_bit.page, 0, UINT64_MAX, 0),
	NUMBER("n", FIELD_HEX, NEED_NO, u.user_bit.n, 1, UINT64_MAX, 1),
	CHOICE("value", NEED_YES, u.user_bit.value, 0, choices_bit),
	CHOICE("order", NEED_NO, u.user_bit.order, LANG_ORDER_RELAXED, choices_order),
	END_OF_ACTOR_FIELDS,
};
static const struct lang_field fields_private[] = {
	NUMBER("gpa", FIELD_HEX, NEED_YES, u.private.gpa, 0, UINT64_MAX, 0),
	NUMBER("size", FIELD_HEX, NEED_YES, u.private.size, 1, UINT64_MAX, 0),
	CHOICE("value", NEED_YES, u.private.value, 0, choices_bit),
	END_OF_ACTOR_FIELDS,
};
static const struct lang_field fields_slot[] = {
	NUMBER("slot", FIELD_DEC, NEED_YES, u.log.slot, 0, UINT32_MAX, 0),
	END_OF_ACTOR_FIELDS,
};
static const struct lang_field fields_actor[] = {
	END_OF_ACTOR_FIELDS,
};
static const struct lang_field fields_phase[] = {
	OTHER("name", FIELD_NAME, NEED_YES, u.phase.name),
	END_OF_FIELDS,
};
static const struct lang_field fields_choose[] = {
	NUMBER("n", FIELD_DEC, NEED_YES, u.choose.n, 1, 64, 0),
	CHOICE("order", NEED_NO, u.choose.fixed, 0, choices_choose),
	END_OF_FIELDS,
};
static const struct lang_field fields_scope[] = {
	NUMBER("tables", FIELD_DEC, NEED_NO, u.scope.tables, 1, 1 << 16, 0),
	NUMBER("slots", FIELD_DEC, NEED_NO, u.scope.slots, 1, 64, 0),
	NUMBER("words", FIELD_DEC, NEED_NO, u.scope.words, 1, 1 << 16, 0),
	NUMBER("tlb", FIELD_DEC, NEED_NO, u.scope.tlb, 1, 1 << 12, 0),
	NUMBER("pml", FIELD_DEC, NEED_NO, u.scope.pml, 1, 512, 0),
	OTHER("invariants", FIELD_TEXT, NEED_NO, u.scope.invariants),
	END_OF_FIELDS,
};
static const struct lang_field fields_grain[] = {
	NUMBER("walk", FIELD_DEC, NEED_YES, u.grain.walk, 1, UINT32_MAX, 0),
	CHOICE("hw", NEED_YES, u.grain.hw, 0, choices_bit),
	CHOICE("queue", NEED_YES, u.grain.fifo, 0, choices_queue),
	CHOICE("tlb", NEED_YES, u.grain.drop, 0, choices_keep),
	END_OF_FIELDS,
};
static const struct lang_field fields_sched[] = {
	NUMBER("n", FIELD_DEC, NEED_NO, u.sched.n, 1, UINT32_MAX, 1),
	NUMBER("line", FIELD_DEC, NEED_NO, u.sched.line, 1, 64, 0),
	NUMBER("pick", FIELD_DEC, NEED_NO, u.sched.pick, 0, UINT8_MAX, 0),
	OTHER("at", FIELD_TEXT, NEED_NO, u.sched.at),
	END_OF_FIELDS,
};
static const struct lang_field fields_vcpu[] = {
	OTHER("vcpu", FIELD_VCPUS, NEED_YES, u.guest.vcpu_mask),
	END_OF_VCPU_FIELDS,
};
static const struct lang_field fields_page[] = {
	OTHER("vcpu", FIELD_VCPUS, NEED_YES, u.guest.vcpu_mask),
	NUMBER("gpa", FIELD_HEX, NEED_YES, u.guest.gpa, 0, UINT64_MAX, 0),
	END_OF_VCPU_FIELDS,
};
static const struct lang_field fields_prefault[] = {
	OTHER("vcpu", FIELD_VCPUS, NEED_YES, u.guest.vcpu_mask),
	NUMBER("gpa", FIELD_HEX, NEED_YES, u.guest.gpa, 0, UINT64_MAX, 0),
	NUMBER("n", FIELD_DEC, NEED_NO, u.guest.n, 1, UINT32_MAX, 1),
	END_OF_VCPU_FIELDS,
};
static const struct lang_field fields_access[] = {
	OTHER("vcpu", FIELD_VCPUS, NEED_YES, u.guest.vcpu_mask),
	NUMBER("gpa", FIELD_HEX, NEED_YES, u.guest.gpa, 0, UINT64_MAX, 0),
	NUMBER("vstride", FIELD_HEX, NEED_NO, u.guest.vstride, 0, UINT64_MAX, 0),
	NUMBER("n", FIELD_DEC, NEED_NO, u.guest.n, 1, UINT32_MAX, 1),
	NUMBER("stride", FIELD_HEX, NEED_NO, u.guest.stride, 0, UINT64_MAX, 0x1000),
	CHOICE("pattern", NEED_NO, u.guest.pattern, LANG_PATTERN_SEQ, choices_pattern),
	NUMBER("over", FIELD_HEX, NEED_NO, u.guest.over, 0, UINT64_MAX, 0),
	NUMBER("mix", FIELD_DEC, NEED_NO, u.guest.mix, 0, 100, 100),
	NUMBER("seed", FIELD_DEC, NEED_NO, u.guest.seed, 0, UINT64_MAX, 0),
	TIME("think", u.guest.think, 0),
	TIME("for", u.guest.limit, LANG_TIME_NONE),
	CHOICE("until", NEED_NO, u.guest.until_join, 0, choices_until),
	TIME("answer", u.guest.answer, LANG_TIME_NONE),
	OTHER("file", FIELD_TEXT, NEED_NO, u.guest.file),
	END_OF_VCPU_FIELDS,
};

/* clang-format off */
static const struct lang_shape shapes[] = {
	{ LANG_SCENARIO,	"scenario",	NULL,		fields_scenario },
	{ LANG_HOST_MAP,	"host",		"map",		fields_map },
	{ LANG_HOST_TOUCH,	"host",		"touch",	fields_touch },
	{ LANG_HOST_MADVISE,	"host",		"madvise",	fields_madvise },
	{ LANG_HOST_MUNMAP,	"host",		"munmap",	fields_range },
	{ LANG_HOST_REMAP,	"host",		"remap",	fields_range },
	{ LANG_HOST_MPROTECT,	"host",		"mprotect",	fields_mprotect },
	{ LANG_HOST_COPY,	"host",		"copy",		fields_range },
	{ LANG_HOST_PUNCH,	"host",		"punch",	fields_range },
	{ LANG_HOST_AGE,	"host",		"age",		fields_age },
	{ LANG_OP_SET_REGION,	"op",		"set_region",	fields_set_region },
	{ LANG_OP_GET_DIRTY,	"op",		"get_dirty",	fields_get_dirty },
	{ LANG_OP_CLEAR_DIRTY,	"op",		"clear_dirty",	fields_clear_log },
	{ LANG_OP_RESET_RINGS,	"op",		"reset_rings",	fields_actor },
	{ LANG_OP_TRACK,	"op",		"track",	fields_track },
	{ LANG_OP_UNTRACK,	"op",		"untrack",	fields_track },
	{ LANG_OP_SHADOW_ROOT,	"op",		"shadow_root",	fields_vcpu },
	{ LANG_OP_PARAM,	"op",		"param",	fields_param },
	{ LANG_OP_DUMP,		"op",		"dump",		fields_actor },
	{ LANG_OP_USER_BIT,	"op",		"user_bit",	fields_user_bit },
	{ LANG_OP_RESCAN,	"op",		"rescan",	fields_slot },
	{ LANG_OP_SET_PRIVATE,	"op",		"set_private",	fields_private },
	{ LANG_OP_PREFAULT,	"op",		"prefault",	fields_prefault },
	{ LANG_OP_KVM_READ,	"op",		"kvm_read",	fields_page },
	{ LANG_OP_KVM_WRITE,	"op",		"kvm_write",	fields_page },
	{ LANG_GUEST_NOP,	"guest",	"nop",		fields_vcpu },
	{ LANG_GUEST_READ,	"guest",	"read",		fields_access },
	{ LANG_GUEST_WRITE,	"guest",	"write",	fields_access },
	{ LANG_GUEST_EXEC,	"guest",	"exec",		fields_access },
	{ LANG_GUEST_SPIN,	"guest",	"spin",		fields_vcpu },
	{ LANG_GUEST_UNSPIN,	"guest",	"unspin",	fields_vcpu },
	{ LANG_PHASE,		"phase",	NULL,		fields_phase },
	{ LANG_PAR,		"par",		NULL,		NULL },
	{ LANG_JOIN,		"join",		NULL,		NULL },
	{ LANG_CHOOSE,		"choose",	NULL,		fields_choose },
	{ LANG_ENDCHOOSE,	"endchoose",	NULL,		NULL },
	{ LANG_SCOPE,		"scope",	NULL,		fields_scope },
	{ LANG_GRAIN,		"grain",	NULL,		fields_grain },
	{ LANG_SCHED,		"sched",	NULL,		fields_sched },
	{ LANG_SKIP,		"skip",		NULL,		NULL },
	{ LANG_END,		"end",		NULL,		NULL },
	{ LANG_BLANK,		NULL,		NULL,		NULL },
};
/* clang-format on */

static const char *const obs_names[LANG_OBS_CLASSES] = {
	[LANG_OBS_RET] = "ret",           [LANG_OBS_EXIT] = "exit", [LANG_OBS_DIRTY] = "dirty",
	[LANG_OBS_TRACE] = "trace",       [LANG_OBS_STAT] = "stat", [LANG_OBS_PAGES] = "pages",
	[LANG_OBS_SUM] = "sum",           [LANG_OBS_TAB] = "tab",   [LANG_OBS_HOLDS] = "holds",
	[LANG_OBS_VIOLATED] = "violated",
};

static const struct {
	const char *name;
	int err;
} errnos[] = {
	{ "EPERM", EPERM },           { "ENOENT", ENOENT },
	{ "EINTR", EINTR },           { "EIO", EIO },
	{ "ENXIO", ENXIO },           { "E2BIG", E2BIG },
	{ "EBADF", EBADF },           { "EAGAIN", EAGAIN },
	{ "ENOMEM", ENOMEM },         { "EACCES", EACCES },
	{ "EFAULT", EFAULT },         { "EBUSY", EBUSY },
	{ "EEXIST", EEXIST },         { "EXDEV", EXDEV },
	{ "ENODEV", ENODEV },         { "EINVAL", EINVAL },
	{ "ENOTTY", ENOTTY },         { "EFBIG", EFBIG },
	{ "ENOSPC", ENOSPC },         { "ERANGE", ERANGE },
	{ "ENOSYS", ENOSYS },         { "EOVERFLOW", EOVERFLOW },
	{ "EOPNOTSUPP", EOPNOTSUPP }, { "ETIMEDOUT", ETIMEDOUT },
	{ "EHWPOISON", EHWPOISON },
};

const struct lang_shape *lang_shapes(void)
{
	return shapes;
}

const struct lang_shape *lang_shape_of(enum lang_kind kind)
{
	for (const struct lang_shape *s = shapes; s->word; s++)
		if (s->kind == kind)
			return s;
	return NULL;
}

static const struct {
	const char *name;
	unsigned below; /* its number is; 0: it has none */
} movers[LANG_MOVERS] = {
	[LANG_MOVER_VCPU] = { "v", LANG_VCPUS_MAX },
	[LANG_MOVER_VMM] = { "vmm", LANG_THREADS_MAX },
	[LANG_MOVER_MM] = { "mm", LANG_THREADS_MAX },
	[LANG_MOVER_STORE_VCPU] = { "store-v", LANG_VCPUS_MAX },
	[LANG_MOVER_STORE_VMM] = { "store-vmm", LANG_THREADS_MAX },
	[LANG_MOVER_STORE_MM] = { "store-mm", LANG_THREADS_MAX },
	[LANG_MOVER_ACK] = { "ack", LANG_VCPUS_MAX },
	[LANG_MOVER_RCU] = { "rcu", 0 },
};

bool lang_mover_from_name(const char *name, struct lang_sched *s)
{
	for (unsigned m = 0; m < LANG_MOVERS; m++) {
		size_t len = strlen(movers[m].name);
		uint64_t who = 0;

		if (strncmp(name, movers[m].name, len) != 0)
			continue;
		if (movers[m].below
			    ? !g_ascii_isdigit(name[len]) || name[len + 1] == 'x' ||
				      !lang_parse_u64(name + len, &who) || who >= movers[m].below
			    : name[len] != '\0')
			continue;
		s->mover = (enum lang_mover)m;
		s->who = (unsigned)who;
		return true;
	}
	return false;
}

void lang_print_mover(const struct lang_sched *s, GString *out)
{
	g_assert(s->mover < LANG_MOVERS);
	g_string_append(out, movers[s->mover].name);
	if (movers[s->mover].below)
		g_string_append_printf(out, "%u", s->who);
}

enum lang_obs_class lang_obs_class_from_name(const char *word)
{
	unsigned cls = 0;

	while (cls < LANG_OBS_CLASSES && strcmp(obs_names[cls], word) != 0)
		cls++;
	return (enum lang_obs_class)cls;
}

const char *lang_obs_name(enum lang_obs_class cls)
{
	g_assert(cls < LANG_OBS_CLASSES);
	return obs_names[cls];
}

const char *lang_kind_name(enum lang_kind kind)
{
	static const char *const both[] = {
		[LANG_HOST_MAP] = "host map",
		[LANG_HOST_TOUCH] = "host touch",
		[LANG_HOST_MADVISE] = "host madvise",
		[LANG_HOST_MUNMAP] = "host munmap",
		[LANG_HOST_REMAP] = "host remap",
		[LANG_HOST_MPROTECT] = "host mprotect",
		[LANG_HOST_COPY] = "host copy",
		[LANG_HOST_PUNCH] = "host punch",
		[LANG_HOST_AGE] = "host age",
		[LANG_OP_SET_REGION] = "op set_region",
		[LANG_OP_GET_DIRTY] = "op get_dirty",
		[LANG_OP_CLEAR_DIRTY] = "op clear_dirty",
		[LANG_OP_RESET_RINGS] = "op reset_rings",
		[LANG_OP_TRACK] = "op track",
		[LANG_OP_UNTRACK] = "op untrack",
		[LANG_OP_SHADOW_ROOT] = "op shadow_root",
		[LANG_OP_PARAM] = "op param",
		[LANG_OP_DUMP] = "op dump",
		[LANG_OP_USER_BIT] = "op user_bit",
		[LANG_OP_RESCAN] = "op rescan",
		[LANG_OP_SET_PRIVATE] = "op set_private",
		[LANG_OP_PREFAULT] = "op prefault",
		[LANG_OP_KVM_READ] = "op kvm_read",
		[LANG_OP_KVM_WRITE] = "op kvm_write",
		[LANG_GUEST_NOP] = "guest nop",
		[LANG_GUEST_READ] = "guest read",
		[LANG_GUEST_WRITE] = "guest write",
		[LANG_GUEST_EXEC] = "guest exec",
		[LANG_GUEST_SPIN] = "guest spin",
		[LANG_GUEST_UNSPIN] = "guest unspin",
		[LANG_PHASE] = "phase",
		[LANG_PAR] = "par",
		[LANG_JOIN] = "join",
		[LANG_CHOOSE] = "choose",
		[LANG_ENDCHOOSE] = "endchoose",
		[LANG_SCOPE] = "scope",
		[LANG_GRAIN] = "grain",
		[LANG_SCHED] = "sched",
		[LANG_BLANK] = "a blank line",
		[LANG_SCENARIO] = "scenario",
		[LANG_EXPECT] = "expect",
		[LANG_SKIP] = "skip",
		[LANG_END] = "end",
		[LANG_OBS] = "an observation",
	};

	g_assert((size_t)kind < G_N_ELEMENTS(both));
	return both[kind];
}

bool lang_has_vcpus(enum lang_kind kind)
{
	return (kind >= LANG_GUEST_NOP && kind <= LANG_GUEST_UNSPIN) ||
	       kind == LANG_OP_SHADOW_ROOT || kind == LANG_OP_PREFAULT ||
	       kind == LANG_OP_KVM_READ || kind == LANG_OP_KVM_WRITE;
}

const char *lang_errno_name(int err)
{
	for (size_t i = 0; i < G_N_ELEMENTS(errnos); i++)
		if (errnos[i].err == err || errnos[i].err == -err)
			return errnos[i].name;
	return NULL;
}

int lang_errno_from_name(const char *name)
{
	for (size_t i = 0; i < G_N_ELEMENTS(errnos); i++)
		if (strcmp(errnos[i].name, name) == 0)
			return errnos[i].err;
	return 0;
}

void *lang_field_at(struct lang_line *l, const struct lang_field *f)
{
	return (char *)l + f->offset;
}

const void *lang_field_at_const(const struct lang_line *l, const struct lang_field *f)
{
	return (const char *)l + f->offset;
}

uint64_t lang_field_get(const struct lang_line *l, const struct lang_field *f)
{
	uint8_t u8;
	uint32_t u32;
	uint64_t u64;

	switch (f->size) {
	case sizeof(u8):
		memcpy(&u8, lang_field_at_const(l, f), sizeof(u8));
		return u8;
	case sizeof(u32):
		memcpy(&u32, lang_field_at_const(l, f), sizeof(u32));
		return u32;
	case sizeof(u64):
		memcpy(&u64, lang_field_at_const(l, f), sizeof(u64));
		return u64;
	default:
		g_assert_not_reached();
	}
}

void lang_field_set(struct lang_line *l, const struct lang_field *f, uint64_t value)
{
	uint8_t u8 = (uint8_t)value;
	uint32_t u32 = (uint32_t)value;

	switch (f->size) {
	case sizeof(u8):
		memcpy(lang_field_at(l, f), &u8, sizeof(u8));
		break;
	case sizeof(u32):
		memcpy(lang_field_at(l, f), &u32, sizeof(u32));
		break;
	case sizeof(value):
		memcpy(lang_field_at(l, f), &value, sizeof(value));
		break;
	default:
		g_assert_not_reached();
	}
}

/* NOLINTNEXTLINE(bugprone-easily-swappable-parameters): three texts, in one order everywhere */
bool lang_fail(const struct lang_ctx *c, enum lang_error code, const char *found,
	       const char *expected, const char *what, ...)
{
	enum { FOUND_MAX = 60 };
	g_autofree char *subject = NULL;
	g_autofree char *quoted = NULL;
	va_list ap;

	va_start(ap, what);
	subject = g_strdup_vprintf(what, ap);
	va_end(ap);
	if (!found)
		quoted = g_strdup("the end of the line");
	else
		quoted = g_strdup_printf("'%.*s'%s", FOUND_MAX, found,
					 strlen(found) > FOUND_MAX ? "..." : "");
	g_set_error(c->error, LANG_ERROR, (int)code, "%s:%u: %s, expected %s, found %s", c->file,
		    c->line, subject, expected, quoted);
	return false;
}

static bool kind_has_obs(enum lang_kind kind)
{
	return kind == LANG_OBS || kind == LANG_EXPECT;
}

void lang_line_clear(struct lang_line *l)
{
	g_free(l->text);
	if (l->kind == LANG_OP_CLEAR_DIRTY)
		g_free(l->u.log.ranges);
	if (kind_has_obs(l->kind))
		g_free(l->u.obs.text);
	memset(l, 0, sizeof(*l));
}

void lang_line_copy(struct lang_line *dst, const struct lang_line *src)
{
	*dst = *src;
	dst->text = g_strdup(src->text);
	if (src->kind == LANG_OP_CLEAR_DIRTY)
		dst->u.log.ranges = g_memdup2(src->u.log.ranges,
					      src->u.log.nr_ranges * sizeof(struct lang_range));
	if (kind_has_obs(src->kind))
		dst->u.obs.text = g_strdup(src->u.obs.text);
}

bool lang_line_equal(const struct lang_line *a, const struct lang_line *b)
{
	g_autoptr(GString) ta = NULL;
	g_autoptr(GString) tb = NULL;

	if (a->kind != b->kind)
		return false;
	/* The canonical text names every field that differs from its default. */
	ta = g_string_new(NULL);
	tb = g_string_new(NULL);
	lang_print_canonical(a, ta);
	lang_print_canonical(b, tb);
	return g_string_equal(ta, tb);
}

/* NOLINTNEXTLINE(bugprone-easily-swappable-parameters): the long text, then the short key */
char *lang_obs_value(const char *text, const char *key)
{
	size_t len = strlen(key);
	const char *word = text;

	while (word) {
		if (strncmp(word, key, len) == 0 && word[len] == '=') {
			const char *value = word + len + 1;

			return g_strndup(value, strcspn(value, " "));
		}
		word = strchr(word, ' ');
		if (word)
			word++;
	}
	return NULL;
}
