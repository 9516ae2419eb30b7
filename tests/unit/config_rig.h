/* A scanoutd.conf of the test's own, and what became of reading it. */
#ifndef TESTS_CONFIG_RIG_H
#define TESTS_CONFIG_RIG_H

#include "daemon/model/config_file.h"
#include "support.h"

struct config_rig {
	char *directory, *path;
	struct config config;
	char error[512];
};

/* As cmocka's setup and teardown; there is no file yet. */
int config_rig_setup(void **state);
int config_rig_teardown(void **state);

/* Reads it, with its drop-ins. */
int config_rig_load(struct config_rig *rig);
/* The same after writing this into it. */
int config_rig_load_bytes(struct config_rig *rig, const void *content, size_t size);

void assert_right(struct config_rig *rig, const char *content);
/* `error` is all of it that comes after the path of the file. */
void assert_wrong(struct config_rig *rig, const char *content, const char *error);

#endif
