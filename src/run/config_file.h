/* A program's own configuration files, which are never written to, and where it looks for them. */
#ifndef SCANOUT_RUN_CONFIG_FILE_H
#define SCANOUT_RUN_CONFIG_FILE_H

#include <stdbool.h>

#include "run/environment.h"

/*
 * The path of the first of the patterns that is a readable file, or NULL; %h is $HOME, %c the
 * user's configuration folder. The caller frees it.
 */
char *config_file_find(const struct environment *env, const char *const patterns[]);

/* Puts a folder in front of $XDG_CONFIG_DIRS, which are searched in order; once. */
int config_file_add_folder(struct environment *env, const char *folder);

/* Where weston's own configuration is, for config_file_find(). */
extern const char *const config_file_weston[];

/* Whether a file of [sections] has this key in the first section of this name. */
bool config_file_has(const char *path, const char *section, const char *key);

#endif
