/* SPDX-License-Identifier: Apache-2.0 */
/* What a host line asks of the host-mm actor (op.kind; op.hva and op.size give the range). */
#ifndef MODEL_HOST_OP_H
#define MODEL_HOST_OP_H

enum host_op_kind {
	HOST_TOUCH,    /* op.access, op.stride */
	HOST_POPULATE, /* the same */
	HOST_DONTNEED,
	HOST_HUGEPAGE,
	HOST_NOHUGEPAGE,
	HOST_COLLAPSE,
	HOST_FREE,
	HOST_COLD, /* and MADV_PAGEOUT, which finds no swap */
	HOST_REMOVE,
	HOST_MUNMAP,
	HOST_REMAP,
	HOST_PROTECT_R,
	HOST_PROTECT_RW,
	HOST_COPY, /* UFFDIO_COPY */
	HOST_AGE,  /* op.flags: enum age_kind */
};

enum age_kind {
	AGE_CLEAR_FLUSH_YOUNG,
	AGE_CLEAR_YOUNG,
	AGE_TEST_YOUNG,
};

#endif
