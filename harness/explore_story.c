/* SPDX-License-Identifier: Apache-2.0 */
#include "harness/explore_story.h"

#include "harness/output.h"
#include "harness/repro.h"

bool explore_files_check(const struct explore_files *files, const struct explore_cfg *cfg,
			 GError **error)
{
	return !files->repro || repro_check(cfg, error);
}

bool explore_files_write(struct explore_files *files, const struct explore_cfg *cfg,
			 const struct explore_result *result, GError **error)
{
	g_autoptr(GString) text = g_string_new(NULL);

	if (files->written || !result->findings->len)
		return true;
	files->written = true;
	if (files->repro &&
	    (!repro_print(cfg, g_ptr_array_index(result->findings, 0), NULL, text, error) ||
	     !output_write(files->repro, text, error)))
		return false;
	return true;
}
