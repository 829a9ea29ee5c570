/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Observations: events and state as the text of a record.  One struct recorder collects what a line
 * of the script caused and prints it in the order ret, exit, dirty, trace, stat, pages, sum, tab.
 *
 * An event joins the line before it when all words but gfn are equal and its gfn is the next one; on
 * arm64 only events of one page do.  `call` and `prepare_zap_page` lines never join.
 */
#ifndef MODEL_OBSERVE_H
#define MODEL_OBSERVE_H

#include <glib.h>

#include "model/engine.h"

struct recorder;

/* recorder_new() - @full_trace false: only the events that trace=0 keeps.  Borrows @vm. */
struct recorder *recorder_new(const struct vm *vm, bool full_trace);
void recorder_free(struct recorder *r);

/* For struct ctx: event and event_arg. */
void recorder_event(void *recorder, const struct event *e);

/* For struct pt: observer of the tables, with the recorder as argument. */
const struct pt_observer *recorder_pt_observer(const struct vm *vm);

/* Adds a step's counters; @vcpu is the acting vCPU or UINT32_MAX. */
void recorder_stats(struct recorder *r, const struct kvm_stats *s, uint32_t vcpu);

/**
 * recorder_print() - appends the observations since the last call, each ended by a newline.
 * @ret: the line's return value, or NULL for guest steps.
 * @always: print sum and tab even when nothing changed.
 */
void recorder_print(struct recorder *r, const int *ret, bool always, GString *out);

/* "4k", "2m", "1g", "512g" for a height. */
void height_name(const struct pt_geom *g, unsigned int height, char *buf, size_t size);

/*
 * observe_entry() - a descriptor: none, table, leaf:rwx with its flags, ... x86's as the recorder spells it:
 * a, d and mw are A, D and MMU-writable; arm64's a and dbm are AF and DBM.
 */
void observe_entry(const struct vm *vm, pte_t e, unsigned int height, char *buf, size_t size);

/* observe_pages() - leaves by height (4 KiB, 2 MiB, 1 GiB), and tables that only the NX mitigation keeps. */
void observe_pages(const struct vm *vm, uint64_t pages[3], int64_t *nx);

#endif
