/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Access sources: which page a vCPU's i-th access goes to, and whether it writes.
 *
 * A source is a pure function of the guest step's arguments and the position, so that its whole state
 * is the position and any access can be asked for again.  No floating point.
 *
 *   ACCESS_SEQ      gpa, gpa + stride, gpa + 2 stride, ...; from the start again after op.over pages
 *                   (over 0: never)
 *   ACCESS_UNIFORM  each of op.over pages with the same probability
 *   ACCESS_ZIPF     the page of rank r with a probability near 1/r, the ranks spread over the range
 *   ACCESS_CHASE    a fixed order that meets every page of the range once a round, as a pointer chase
 *   ACCESS_FILE     what a binary trace says, see struct access_file
 */
#ifndef MODEL_ACCESS_H
#define MODEL_ACCESS_H

#include "model/vm.h"

enum access_pattern {
	ACCESS_SEQ,
	ACCESS_UNIFORM,
	ACCESS_ZIPF,
	ACCESS_CHASE,
	ACCESS_FILE,
};

/* An access. */
struct guest_access {
	gpa_t gpa;
	unsigned int acc; /* ACC_* */
};

/*
 * The bytes of a trace file: words, bits 63..2 the gpa in units of 4 bytes, bit 0 write, bit 1 fetch.
 * Borrowed; outside the arena, a function of the position.
 */
struct access_file {
	const uint64_t *words;
	uint64_t n;
};

/**
 * access_at() - the i-th access of a guest step.
 * @op: .gpa first byte, .over pages (all patterns but SEQ: at least 1), .stride bytes, .access, .reads,
 *      .seed
 * @file: for ACCESS_FILE; positions behind its end start over.
 */
struct guest_access access_at(const struct op *op, const struct access_file *file, uint64_t i,
			      unsigned int page_shift);

#endif
