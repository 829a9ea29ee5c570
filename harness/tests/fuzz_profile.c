/* SPDX-License-Identifier: Apache-2.0 */
/* Any bytes are a profile or are refused with a message; what is read keeps P1 of model/cost.h. */
#include <stddef.h>
#include <stdint.h>

#include <glib.h>

#include "harness/profile.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct cost_profile p;
	GError *error = NULL;
	int i;

	if (!profile_load_text("fuzz", (const char *)data, size, &p, &error)) {
		g_assert(error && g_str_has_prefix(error->message, "fuzz:"));
		g_error_free(error);
		return 0;
	}
	g_assert(!error);
	for (i = 0; i < NR_COST_PARAMS; i++)
		g_assert(p.low[i] <= p.v[i] && p.v[i] <= p.high[i]);
	return 0;
}
