/* SPDX-License-Identifier: Apache-2.0 */
#include "model/lines.h"

#include "model/gmem.h"
#include "model/host_op.h"
#include "model/hostmm.h"
#include "model/mem.h"
#include "model/memslots.h"
#include "model/procs.h"
#include "model/set_region.h"

G_DEFINE_QUARK(s2_lines_error, lines_error)

enum {
	/* a userfault bitmap named before the slot whose pages it covers: room for 256 MiB */
	BITMAP_DEFAULT_PAGES = 65536,
	SEED_VCPU_BITS = 6, /* each vCPU draws from a stream of its own */
};

const char *const fail_point_names[NR_FAIL_POINTS] = {
	[FP_NONE] = "none",     [FP_SLOT] = "slot",         [FP_SCRATCH] = "scratch",
	[FP_BITMAP] = "bitmap", [FP_ARCHMETA] = "archmeta", [FP_ARCHVETO] = "archveto",
};

bool lines_resolve(const struct lines *s, const struct lang_loc *loc, hva_t *hva, GError **error)
{
	int m;

	if (loc->is_hva) {
		*hva = loc->hva;
		return true;
	}
	m = hostmm_map_find(s->vm, loc->map);
	if (m < 0) {
		g_set_error(error, LINES_ERROR, LINES_ERROR_LINE,
			    "expected the name of a mapping, found '%s'", loc->map);
		return false;
	}
	*hva = s->vm->st->maps[m].hva + loc->off;
	return true;
}

static bool need_inside(const struct lines *s, const struct lang_host *h, hva_t hva, GError **error)
{
	if (hostmm_view(s->vm, hva).map >= 0 &&
	    hostmm_view(s->vm, hva + h->len - 1).map == hostmm_view(s->vm, hva).map)
		return true;
	g_set_error(error, LINES_ERROR, LINES_ERROR_LINE,
		    "expected a range inside one mapping, found %s+0x%" G_GINT64_MODIFIER
		    "x len=0x%" G_GINT64_MODIFIER "x",
		    h->loc.map, h->loc.off, h->len);
	return false;
}

/* Bitmap object by name; made on first use, with room for the default or for all that a VM can have. */
static uint32_t find_bitmap(struct lines *s, const char *name, uint64_t pages)
{
	pages = max_u64(pages, min_u64(BITMAP_DEFAULT_PAGES, geom_limit(&s->vm->cfg->geom)));
	for (int i = 0; i < NR_BITMAPS; i++) {
		struct uf_bitmap *b = &s->bitmaps[i];

		if (b->words && strcmp(b->name, name) == 0)
			return b->words;
		if (b->words)
			continue;
		g_strlcpy(b->name, name, sizeof(b->name));
		b->words = words_alloc(s->vm, bitmap_words(pages));
		return b->words;
	}
	return 0;
}

/* The file that a region line names, if it names one. */
static bool find_gmem(const struct lines *s, const struct lang_loc *loc, struct op *op,
		      GError **error)
{
	int m = *loc->map ? hostmm_map_find(s->vm, loc->map) : -1;

	if (*loc->map && m < 0) {
		g_set_error(error, LINES_ERROR, LINES_ERROR_LINE,
			    "gmem: expected the name of a mapping, found '%s'", loc->map);
		return false;
	}
	op->gmem = (uint8_t)(m + 1);
	op->gmem_off = loc->off;
	return true;
}

static bool fill_region(struct lines *s, const struct lang_region *l, struct op *op, GError **error)
{
	uint64_t pages = l->size >> s->vm->cfg->geom.page_shift;

	*op = (struct op){ .slot = l->slot, .flags = l->flags, .gpa = l->gpa, .size = l->size };
	if (!lines_resolve(s, &l->loc, &op->hva, error))
		return false;
	if (l->has_bitmap && l->bitmap.is_hva) {
		/* an address that holds no bitmap; 0 is the NULL pointer */
		if (l->bitmap.hva)
			op->uf_bad = is_user_range(s->vm, l->bitmap.hva, 1) ? UF_POINTER_UNREADABLE
									    : UF_POINTER_KERNEL;
	} else if (l->has_bitmap) {
		op->uf_bitmap = find_bitmap(s, l->bitmap.map, pages);
	}
	if (!find_gmem(s, &l->gmem, op, error))
		return false;
	while (*l->fail && op->fail < NR_FAIL_POINTS &&
	       strcmp(fail_point_names[op->fail], l->fail) != 0)
		op->fail++;
	if (op->fail == NR_FAIL_POINTS) {
		g_set_error(
			error, LINES_ERROR, LINES_ERROR_LINE,
			"fail: expected slot, scratch, bitmap, archmeta or archveto, found '%s'",
			l->fail);
		return false;
	}
	return true;
}

/* The user's bitmap of a CLEAR, in the words pool for the time of the call. */
static bool fill_clear(struct lines *s, const struct lang_log *l, struct op *op, GError **error)
{
	*op = (struct op){ .slot = l->slot, .first = l->first, .n = l->n };
	if (l->all || l->n == 0)
		return true;
	op->nr_mask_words = (uint32_t)MIN(bitmap_words(l->n), 1U << 20);
	op->mask_words = words_alloc(s->vm, op->nr_mask_words);
	if (!op->mask_words) {
		g_set_error(error, LINES_ERROR, LINES_ERROR_LINE,
			    "n: expected room for the pages' mask, found 0x%" G_GINT64_MODIFIER "x",
			    l->n);
		return false;
	}
	for (unsigned int i = 0; i < l->nr_ranges; i++)
		for (uint64_t p = l->ranges[i].start; p < l->ranges[i].end; p++)
			if (p >= l->first && (p - l->first) / 64 < op->nr_mask_words)
				s->vm->words[op->mask_words + (p - l->first) / 64] |=
					BIT((p - l->first) % 64);
	return true;
}

static void host_kind(const struct lang_line *l, struct op *op)
{
	static const int advice[] = {
		[LANG_ADVICE_DONTNEED] = HOST_DONTNEED,
		[LANG_ADVICE_HUGEPAGE] = HOST_HUGEPAGE,
		[LANG_ADVICE_NOHUGEPAGE] = HOST_NOHUGEPAGE,
		[LANG_ADVICE_COLLAPSE] = HOST_COLLAPSE,
		[LANG_ADVICE_FREE] = HOST_FREE,
		[LANG_ADVICE_COLD] = HOST_COLD,
		[LANG_ADVICE_PAGEOUT] = HOST_COLD,
		[LANG_ADVICE_REMOVE] = HOST_REMOVE,
	};
	const struct lang_host *h = &l->u.host;

	op->stride = h->stride;
	op->access = h->write ? ACC_W : ACC_R;
	if (l->kind == LANG_HOST_TOUCH)
		op->kind = HOST_TOUCH;
	else if (l->kind == LANG_HOST_MUNMAP)
		op->kind = HOST_MUNMAP;
	else if (l->kind == LANG_HOST_REMAP)
		op->kind = HOST_REMAP;
	else if (l->kind == LANG_HOST_MPROTECT)
		op->kind = h->prot_write ? HOST_PROTECT_RW : HOST_PROTECT_R;
	else if (l->kind == LANG_HOST_COPY)
		op->kind = HOST_COPY;
	else if (l->kind == LANG_HOST_AGE)
		op->kind = HOST_AGE;
	else if ((size_t)h->advice < G_N_ELEMENTS(advice))
		op->kind = (uint8_t)advice[h->advice];
	else {
		op->kind = HOST_POPULATE;
		op->stride = 4096;
		op->access = h->advice == LANG_ADVICE_POPULATE_WRITE ? ACC_W : ACC_R;
	}
	op->flags = (uint32_t)h->age;
}

static bool make_map(struct lines *s, const struct lang_host_map *m, GError **error)
{
	static const enum host_backing backing[] = {
		[LANG_BACKING_ANON] = HOST_ANON,           [LANG_BACKING_THP] = HOST_THP,
		[LANG_BACKING_HUGE2M] = HOST_HUGE2M,       [LANG_BACKING_HUGE1G] = HOST_HUGE1G,
		[LANG_BACKING_MEMFD] = HOST_MEMFD,         [LANG_BACKING_GMEM] = HOST_GMEM,
		[LANG_BACKING_GMEM_HUGE] = HOST_GMEM_HUGE,
	};
	int map = hostmm_map_new(s->vm, m->name, m->size, backing[m->backing]);
	struct host_map *made = &s->vm->st->maps[map < 0 ? 0 : map];

	if (map >= 0 && m->uffd && m->backing != LANG_BACKING_ANON &&
	    m->backing != LANG_BACKING_MEMFD) {
		g_set_error(error, LINES_ERROR, LINES_ERROR_LINE,
			    "host map: expected backing=anon or memfd with uffd=1, found '%s'",
			    m->name);
		return false;
	}
	made->uffd = map >= 0 ? m->uffd : made->uffd;
	if (map >= 0 && m->backing >= LANG_BACKING_GMEM)
		made->bindings = words_alloc(s->vm, made->npages);
	if (map >= 0 && (made->bindings || m->backing < LANG_BACKING_GMEM))
		return true;
	g_set_error(
		error, LINES_ERROR, LINES_ERROR_LINE,
		"host map: expected room for it (at most %d maps), found size 0x%" G_GINT64_MODIFIER
		"x",
		VM_MAX_MAPS, m->size);
	return false;
}

static bool start_ioctl(struct lines *s, const struct lang_line *l, uint32_t a, GError **error)
{
	struct op *op = &s->vm->ops[a];
	enum proc p = P_set_memory_region;

	if (l->kind == LANG_OP_SET_REGION) {
		if (!fill_region(s, &l->u.region, op, error))
			return false;
	} else if (l->kind == LANG_OP_GET_DIRTY) {
		*op = (struct op){ .slot = l->u.log.slot, .per_page_ps = l->u.log.per_page };
		p = P_get_dirty_log;
	} else if (l->kind == LANG_OP_CLEAR_DIRTY) {
		if (!fill_clear(s, &l->u.log, op, error))
			return false;
		p = P_clear_dirty_log;
	} else {
		*op = (struct op){ 0 };
		p = P_reset_dirty_rings;
	}
	actor_start(s->vm, a, p, &(struct l_slot){ 0 }, sizeof(struct l_slot));
	return true;
}

static void start_track(struct lines *s, const struct lang_line *l, uint32_t a)
{
	const struct lang_track *t = &l->u.track;

	s->vm->ops[a] = (struct op){ .slot = t->slot, .first = t->page };
	actor_start(s->vm, a, l->kind == LANG_OP_TRACK ? P_track_page : P_untrack_page,
		    &(struct l_range){ .flag = t->user == LANG_TRACKER_EXT },
		    sizeof(struct l_range));
}

/* A hole in a file of guest_memfd. */
static bool start_punch(struct lines *s, const struct lang_host *h, uint32_t a, GError **error)
{
	unsigned int shift = s->vm->cfg->geom.page_shift;
	int m = hostmm_map_find(s->vm, h->loc.map);
	hva_t hva;

	if (!lines_resolve(s, &h->loc, &hva, error) || !need_inside(s, h, hva, error))
		return false;
	if (m < 0 || !s->vm->st->maps[m].bindings ||
	    ((h->loc.off | h->len) & (geom_page_size(&s->vm->cfg->geom) - 1))) {
		g_set_error(error, LINES_ERROR, LINES_ERROR_LINE,
			    "host punch: expected whole pages of guest_memfd, found "
			    "%s+0x%" G_GINT64_MODIFIER "x len=0x%" G_GINT64_MODIFIER "x",
			    h->loc.map, h->loc.off, h->len);
		return false;
	}
	actor_start(s->vm, a, P_gmem_punch,
		    &(struct l_range){ .i = (uint32_t)m,
				       .start = h->loc.off >> shift,
				       .end = (h->loc.off + h->len) >> shift },
		    sizeof(struct l_range));
	return true;
}

static bool start_private(struct lines *s, const struct lang_private *p, uint32_t a, GError **error)
{
	const struct pt_geom *g = &s->vm->cfg->geom;
	uint64_t end = p->gpa + p->size;

	if (((p->gpa | p->size) & (geom_page_size(g) - 1)) || end < p->gpa ||
	    end >> g->page_shift > gmem_gfns(s->vm) || !gmem_attributes_new(s->vm)) {
		g_set_error(error, LINES_ERROR, LINES_ERROR_LINE,
			    "set_private: expected whole pages below gfn 0x%" G_GINT64_MODIFIER
			    "x and room for their attributes, found gpa=0x%" G_GINT64_MODIFIER
			    "x size=0x%" G_GINT64_MODIFIER "x",
			    gmem_gfns(s->vm), p->gpa, p->size);
		return false;
	}
	s->vm->ops[a] = (struct op){ .first = p->gpa >> g->page_shift,
				     .n = p->size >> g->page_shift,
				     .kind = p->value };
	actor_start(s->vm, a, P_set_private, &(struct l_range){ 0 }, sizeof(struct l_range));
	return true;
}

static void start_prefault(struct vm *vm, const struct lang_guest *g, uint32_t v)
{
	gfn_t gfn = gpa_to_gfn(&vm->cfg->geom, g->gpa);

	actor_start(vm, v, P_prefault,
		    &(struct l_prefault){ .gfn = gfn, .end = gfn + g->n, .first = gfn },
		    sizeof(struct l_prefault));
}

static void start_kvm_access(struct vm *vm, const struct lang_line *l, uint32_t v)
{
	actor_start(vm, v, P_kvm_access,
		    &(struct l_kvm_access){ .gfn = gpa_to_gfn(&vm->cfg->geom, l->u.guest.gpa),
					    .write = l->kind == LANG_OP_KVM_WRITE },
		    sizeof(struct l_kvm_access));
}

static bool start_host(struct lines *s, const struct lang_line *l, uint32_t a, GError **error)
{
	struct op *op = &s->vm->ops[a];

	*op = (struct op){ .size = l->u.host.len };
	host_kind(l, op);
	if (!lines_resolve(s, &l->u.host.loc, &op->hva, error) ||
	    !need_inside(s, &l->u.host, op->hva, error))
		return false;
	actor_start(s->vm, a, P_host_op, &(struct l_req){ 0 }, sizeof(struct l_req));
	return true;
}

/* A vCPU of the line begins where the line's numbering puts it. */
static bool start_guest(struct lines *s, const struct lang_line *l, uint32_t v, GError **error)
{
	static const uint8_t pattern[] = { [LANG_PATTERN_SEQ] = ACCESS_SEQ,
					   [LANG_PATTERN_UNIFORM] = ACCESS_UNIFORM,
					   [LANG_PATTERN_ZIPF] = ACCESS_ZIPF,
					   [LANG_PATTERN_CHASE] = ACCESS_CHASE };
	const struct lang_guest *g = &l->u.guest;
	uint64_t before = g->vcpu_mask & (BIT(v) - 1);
	struct op *op = &s->vm->ops[v];
	bool idle = l->kind == LANG_GUEST_NOP || l->kind == LANG_GUEST_SPIN;
	/* n=, if it is given too, still ends the line */
	bool endless = g->n == 1 && (g->limit != LANG_TIME_NONE || g->until_join);

	if (l->kind == LANG_GUEST_UNSPIN) {
		s->vm->vcpus[v].stop_spin = s->vm->vcpus[v].spinning;
		return true;
	}
	if (!actor_idle(s->vm, v)) {
		g_set_error(error, LINES_ERROR, LINES_ERROR_LINE,
			    "expected a vCPU that does not spin, found vcpu=%u", v);
		return false;
	}
	*op = (struct op){ .gpa = g->gpa + (uint64_t)__builtin_popcountll(before) * g->vstride,
			   .n = idle      ? 0
				: endless ? UINT64_MAX
					  : g->n,
			   .stride = g->stride,
			   .pattern = *g->file ? ACCESS_FILE : pattern[g->pattern],
			   .reads = (uint8_t)(100 - g->mix),
			   .over = g->over >> s->vm->cfg->geom.page_shift,
			   .seed = (g->seed << SEED_VCPU_BITS) + v,
			   .think_ps = g->think,
			   .resolve = g->answer != LANG_TIME_NONE,
			   .resolve_ps = g->answer != LANG_TIME_NONE ? g->answer : 0 };
	if (op->pattern != ACCESS_SEQ && op->pattern != ACCESS_FILE && op->over == 0) {
		g_set_error(error, LINES_ERROR, LINES_ERROR_LINE,
			    "over: expected at least one page, found 0x%" G_GINT64_MODIFIER "x",
			    g->over);
		return false;
	}
	op->access = l->kind == LANG_GUEST_WRITE  ? ACC_W
		     : l->kind == LANG_GUEST_READ ? ACC_R
						  : ACC_X;
	actor_start(s->vm, v, l->kind == LANG_GUEST_SPIN ? P_guest_spin : P_guest_op,
		    &(struct l_run){ 0 }, sizeof(struct l_run));
	return true;
}

static bool start_param(struct lines *s, const struct lang_param *p, uint32_t a, GError **error)
{
	bool on = strcmp(p->value, "Y") == 0 || strcmp(p->value, "1") == 0 ||
		  strcmp(p->value, "force") == 0;

	if (strcmp(p->name, "eager_page_split") == 0) {
		s->vm->cfg->eager_split = on;
	} else if (strcmp(p->name, "nx_huge_pages") == 0) {
		if (s->vm->cfg->rules.arch == PT_X86)
			actor_start(s->vm, a, P_set_nx_huge_pages, &(struct l_range){ .flag = on },
				    sizeof(struct l_range));
	} else {
		g_set_error(error, LINES_ERROR, LINES_ERROR_LINE,
			    "param: expected eager_page_split or nx_huge_pages, found '%s'",
			    p->name);
		return false;
	}
	return true;
}

/* Where the bits are attributes that KVM keeps the line is an ioctl, else a store of user space. */
static bool start_user_bit(struct lines *s, const struct lang_user_bit *b, uint32_t a,
			   GError **error)
{
	uint32_t words = find_bitmap(s, b->map, b->page + b->n);

	if (!words || b->n > words_len(s->vm, words) * 64 ||
	    b->page > words_len(s->vm, words) * 64 - b->n) {
		g_set_error(
			error, LINES_ERROR, LINES_ERROR_LINE,
			"user_bit: expected pages inside the bitmap, found 0x%" G_GINT64_MODIFIER
			"x and 0x%" G_GINT64_MODIFIER "x from there",
			b->page, b->n);
		return false;
	}
	if (s->vm->cfg->rules.uf_uapi == UAPI_ATTR_RFC) {
		s->vm->ops[a] = (struct op){
			.uf_bitmap = words, .first = b->page, .n = b->n, .kind = b->value
		};
		actor_start(s->vm, a, P_set_attributes, &(struct l_range){ 0 },
			    sizeof(struct l_range));
		return true;
	}
	for (uint64_t p = b->page; p < b->page + b->n;) {
		uint64_t n = min_u64(64 - p % 64, b->page + b->n - p);

		mem_store_bits(s->vm, a,
			       &(struct mem_bits){ .word = words + (uint32_t)(p / 64),
						   .mask = (n == 64 ? ~0ULL : BIT(n) - 1) << p % 64,
						   .value = b->value,
						   .release = b->order == LANG_ORDER_RELEASE });
		p += n;
	}
	return true;
}

/* Where lines run one after the other there is one thread for all. */
static uint32_t thread_of(const struct lang_line *l, uint32_t threads)
{
	return l->when.by < threads ? (uint32_t)l->when.by : 0;
}

/* Where stores have an order, user space's accesses to pages are of the threads that set and clear bits. */
static bool is_of_mm(const struct lang_line *l, bool mem)
{
	return l->kind >= LANG_HOST_MAP && l->kind <= LANG_HOST_AGE &&
	       !(mem && l->kind == LANG_HOST_TOUCH);
}

void lines_threads(const GPtrArray *lines, bool mem, uint32_t *vmms, uint32_t *mms)
{
	*vmms = *mms = 1;
	for (guint i = 0; i < lines->len; i++) {
		const struct lang_line *l = g_ptr_array_index(lines, i);
		bool mm = is_of_mm(l, mem);

		*(mm ? mms : vmms) = max_u32(*(mm ? mms : vmms), (uint32_t)l->when.by + 1);
	}
}

void lines_name(struct lines *s, const struct lang_line *l)
{
	if (l->kind == LANG_OP_SET_PRIVATE)
		(void)gmem_attributes_new(s->vm);
	if (l->kind == LANG_OP_USER_BIT)
		(void)find_bitmap(s, l->u.user_bit.map, l->u.user_bit.page + l->u.user_bit.n);
	if (l->kind == LANG_OP_SET_REGION && l->u.region.has_bitmap && !l->u.region.bitmap.is_hva)
		(void)find_bitmap(s, l->u.region.bitmap.map,
				  l->u.region.size >> s->vm->cfg->geom.page_shift);
}

uint64_t lines_actors(const struct lines *s, const struct lang_line *l)
{
	switch (l->kind) {
	case LANG_HOST_MAP:
	case LANG_HOST_TOUCH:
	case LANG_HOST_MADVISE:
	case LANG_HOST_MUNMAP:
	case LANG_HOST_REMAP:
	case LANG_HOST_MPROTECT:
	case LANG_HOST_COPY:
	case LANG_HOST_PUNCH:
	case LANG_HOST_AGE:
		if (!is_of_mm(l, vm_cfg_mem(s->vm->cfg) != MEM_SC))
			return BIT(vm_vmm_thread(s->vm, thread_of(l, s->vm->cfg->nr_vmms)));
		return BIT(vm_mm_thread(s->vm, thread_of(l, s->vm->cfg->nr_mms)));
	case LANG_OP_SET_REGION:
	case LANG_OP_GET_DIRTY:
	case LANG_OP_CLEAR_DIRTY:
	case LANG_OP_RESET_RINGS:
	case LANG_OP_TRACK:
	case LANG_OP_UNTRACK:
	case LANG_OP_PARAM:
	case LANG_OP_USER_BIT:
	case LANG_OP_RESCAN:
	case LANG_OP_SET_PRIVATE:
	case LANG_OP_DUMP:
		return BIT(vm_vmm_thread(s->vm, thread_of(l, s->vm->cfg->nr_vmms)));
	case LANG_OP_SHADOW_ROOT:
	case LANG_OP_PREFAULT:
	case LANG_OP_KVM_READ:
	case LANG_OP_KVM_WRITE:
	case LANG_GUEST_NOP:
	case LANG_GUEST_READ:
	case LANG_GUEST_WRITE:
	case LANG_GUEST_EXEC:
	case LANG_GUEST_SPIN:
	case LANG_GUEST_UNSPIN:
		return l->u.guest.vcpu_mask;
	case LANG_BLANK:
	case LANG_SCENARIO:
	case LANG_EXPECT:
	case LANG_SKIP:
	case LANG_END:
	case LANG_OBS:
	case LANG_PHASE:
	case LANG_PAR:
	case LANG_JOIN:
	case LANG_CHOOSE:
	case LANG_ENDCHOOSE:
	case LANG_SCOPE:
	case LANG_GRAIN:
	case LANG_SCHED:
		return 0;
	}
	return 0;
}

/* NOLINTNEXTLINE(readability-function-size): a flat switch over all kinds of lines */
bool lines_start(struct lines *s, const struct lang_line *l, uint32_t actor, GError **error)
{
	switch (l->kind) {
	case LANG_HOST_MAP:
		return make_map(s, &l->u.host_map, error);
	case LANG_HOST_TOUCH:
	case LANG_HOST_MADVISE:
	case LANG_HOST_MUNMAP:
	case LANG_HOST_REMAP:
	case LANG_HOST_MPROTECT:
	case LANG_HOST_COPY:
	case LANG_HOST_AGE:
		return start_host(s, l, actor, error);
	case LANG_HOST_PUNCH:
		return start_punch(s, &l->u.host, actor, error);
	case LANG_OP_SET_PRIVATE:
		return start_private(s, &l->u.private, actor, error);
	case LANG_OP_SET_REGION:
	case LANG_OP_GET_DIRTY:
	case LANG_OP_CLEAR_DIRTY:
	case LANG_OP_RESET_RINGS:
		return start_ioctl(s, l, actor, error);
	case LANG_OP_TRACK:
	case LANG_OP_UNTRACK:
		start_track(s, l, actor);
		return true;
	case LANG_OP_SHADOW_ROOT:
		actor_start(s->vm, actor, P_first_shadow_root, &(struct l_range){ 0 },
			    sizeof(struct l_range));
		return true;
	case LANG_OP_PREFAULT:
		start_prefault(s->vm, &l->u.guest, actor);
		return true;
	case LANG_OP_KVM_READ:
	case LANG_OP_KVM_WRITE:
		start_kvm_access(s->vm, l, actor);
		return true;
	case LANG_OP_PARAM:
		return start_param(s, &l->u.param, actor, error);
	case LANG_OP_USER_BIT:
		return start_user_bit(s, &l->u.user_bit, actor, error);
	case LANG_OP_RESCAN:
		s->vm->ops[actor] = (struct op){ .slot = l->u.log.slot };
		actor_start(s->vm, actor, P_rescan_userfault, &(struct l_range){ 0 },
			    sizeof(struct l_range));
		return true;
	case LANG_GUEST_SPIN:
	case LANG_GUEST_UNSPIN:
	case LANG_GUEST_NOP:
	case LANG_GUEST_READ:
	case LANG_GUEST_WRITE:
	case LANG_GUEST_EXEC:
		return start_guest(s, l, actor, error);
	case LANG_OP_DUMP:
	case LANG_BLANK:
	case LANG_SCENARIO:
	case LANG_EXPECT:
	case LANG_SKIP:
	case LANG_END:
	case LANG_OBS:
	case LANG_PHASE:
	case LANG_PAR:
	case LANG_JOIN:
	case LANG_CHOOSE:
	case LANG_ENDCHOOSE:
	case LANG_SCOPE:
	case LANG_GRAIN:
	case LANG_SCHED:
		return true;
	}
	return true;
}

int lines_finish(struct lines *s, uint32_t actor)
{
	int ret = s->vm->actors[actor].ret;

	words_free(s->vm, s->vm->ops[actor].mask_words);
	s->vm->ops[actor] = (struct op){ 0 };
	s->vm->actors[actor].ret = 0;
	return ret;
}
