/* SPDX-License-Identifier: Apache-2.0 */
/*
 * From a finding of the explorer to its story: the path is made once more, and what the model reports on
 * the way (events, notes) and what differs from state to state becomes the notes of the steps.
 */
#ifndef HARNESS_STORY_FROM_H
#define HARNESS_STORY_FROM_H

#include "harness/explore.h"
#include "harness/story.h"

/**
 * story_from_finding() - the story of a path
 * @cfg: with which the explorer came to the finding
 * @f: the finding
 *
 * Steps of one actor that stand together are one as long as nothing happens that others could see. An
 * interrupt is a step of the vCPU that it reaches, a grace period one of "rcu", a store that becomes visible one of
 * the thread whose it is.
 *
 * Return: caller owns.
 */
struct story *story_from_finding(const struct explore_cfg *cfg, const struct explore_finding *f);

#endif
