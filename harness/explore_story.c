/* SPDX-License-Identifier: Apache-2.0 */
#include "harness/explore_story.h"

#include "harness/output.h"
#include "harness/repro.h"
#include "harness/schedule.h"
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

static bool write_trace(const char *path, const struct explore_cfg *cfg,
			const struct explore_finding *f, GError **error)
{
	g_autoptr(GString) text = g_string_new(NULL);

	return schedule_print(cfg, f, text, error) && output_write(path, text, error);
}

static bool write_story(const struct explore_files *files, const struct explore_cfg *cfg,
			const struct explore_finding *f, GError **error)
{
	struct story *story = story_from_finding(cfg, f);
	bool ok;

	ok = (!files->story || write_picture(files->story, story, story_print_table, error)) &&
	     (!files->svg || write_picture(files->svg, story, story_print_svg, error)) &&
	     (!files->repro || write_repro(files->repro, cfg, f, story, error));
	story_free(story);
	return ok;
}

const char *explore_files_next(const struct explore_files *files)
{
	if (files->written)
		return NULL;
	return files->trace ? files->trace : files->story;
}

bool explore_files_write(struct explore_files *files, const struct explore_cfg *cfg,
			 const struct explore_finding *f, GError **error)
{
	if (files->written)
		return true;
	files->written = true;
	if (files->trace && !write_trace(files->trace, cfg, f, error))
		return false;
	return !(files->story || files->svg || files->repro) || write_story(files, cfg, f, error);
}
