/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Stories that several tests print.
 */
#ifndef HARNESS_TESTS_STORY_SAMPLE_H
#define HARNESS_TESTS_STORY_SAMPLE_H

#include "harness/story.h"

/* A dirty page is lost: v0 writes while vmm0 harvests, two columns. Caller owns, as below. */
struct story *story_sample_dirty(void);

/* Four actors, requests and answers, texts that do not fit. */
struct story *story_sample_kick(void);

/* Twelve vCPUs: more than fit side by side. */
struct story *story_sample_many(void);

#endif
