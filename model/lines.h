/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Input lines of a scenario as work for actors, for every driver: which actors a line is for, the
 * arguments it gives them, and the procedure that each starts with.
 */
#ifndef MODEL_LINES_H
#define MODEL_LINES_H

#include "model/engine.h"
#include "model/lang.h"

enum {
	NR_BITMAPS = 8,
};

#define LINES_ERROR lines_error_quark()
GQuark lines_error_quark(void);

enum lines_error {
	LINES_ERROR_LINE, /* the line cannot be run: unknown name, limit of the VM */
};

/* A userfault bitmap that a line named. */
struct uf_bitmap {
	char name[LANG_NAME_MAX];
	uint32_t words; /* words pool */
};

/* What lines of one VM have named so far. */
struct lines {
	struct vm *vm;
	struct uf_bitmap bitmaps[NR_BITMAPS];
};

/*
 * lines_actors() - who the line is for, a bit an actor: vCPUs, the VMM or the host mm; 0 nobody.
 * With a memory model `host touch` is the VMM's: what it writes is ordered with the bits that it clears.
 */
uint64_t lines_actors(const struct lines *s, const struct lang_line *l);

/**
 * lines_start() - gives one of the line's actors its arguments and its first frame.
 * Lines that take no time (host map, op user_bit, guest unspin) leave the actor as it is.
 * Return: false with @error when the line cannot be run; the VM is then in an undefined state.
 */
bool lines_start(struct lines *s, const struct lang_line *l, uint32_t actor, GError **error);

/* lines_finish() - after the actor became idle: gives back what the line took; what the call returned. */
int lines_finish(struct lines *s, uint32_t actor);

/*
 * lines_threads() - how many threads of VMM and host mm the lines (struct lang_line *) name, at least 1.
 * @mem: there is a memory model, see lines_actors().
 */
void lines_threads(const GPtrArray *lines, bool mem, uint32_t *vmms, uint32_t *mms);

/* lines_name() - makes what a line names, so that lines_start() of it makes nothing new. */
void lines_name(struct lines *s, const struct lang_line *l);

/* lines_resolve() - a place in host memory as hva. */
bool lines_resolve(const struct lines *s, const struct lang_loc *loc, hva_t *hva, GError **error);

#endif
