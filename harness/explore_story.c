/* SPDX-License-Identifier: Apache-2.0 */
#include "harness/explore_story.h"

#include "harness/output.h"
#include "harness/repro.h"
#include "harness/story_from.h"

bool explore_files_check(const struct explore_files *files, const struct explore_cfg *cfg,
			 GError **error)
{
	return !files->repro || repro_check(cfg, error);
}

static bool write_repro(const char *path, const struct explore_cfg *cfg,
			const struct explore_finding *f, const struct story *story, GError **error)
{
	g_autoptr(GString) table = g_string_new(NULL), text = g_string_new(NULL);

	story_print_table(story, table);
	return repro_print(cfg, f, table->str, text, error) && output_write(path, text, error);
}

static bool write_picture(const char *path, const struct story *story,
			  void (*print)(const struct story *, GString *), GError **error)
{
	g_autoptr(GString) text = g_string_new(NULL);

	print(story, text);
	return output_write(path, text, error);
}

bool explore_files_write(struct explore_files *files, const struct explore_cfg *cfg,
			 const struct explore_result *result, GError **error)
{
	const struct explore_finding *f;
	struct story *story;
	bool ok;

	if (files->written || !result->findings->len ||
	    !(files->story || files->svg || files->repro))
		return true;
	files->written = true;
	f = g_ptr_array_index(result->findings, 0);
	story = story_from_finding(cfg, f);
	ok = (!files->story || write_picture(files->story, story, story_print_table, error)) &&
	     (!files->svg || write_picture(files->svg, story, story_print_svg, error)) &&
	     (!files->repro || write_repro(files->repro, cfg, f, story, error));
	story_free(story);
	return ok;
}
