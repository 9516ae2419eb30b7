#include "config_rig.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int config_rig_setup(void **state) {
	struct config_rig *rig = calloc(1, sizeof(*rig));
	rig->directory = make_directory();
	assert_true(asprintf(&rig->path, "%s/scanoutd.conf", rig->directory) > 0);
	*state = rig;
	return 0;
}

int config_rig_teardown(void **state) {
	struct config_rig *rig = *state;
	config_finish(&rig->config);
	remove_directory(rig->directory);
	free(rig->path);
	free(rig);
	return 0;
}

int config_rig_load(struct config_rig *rig) {
	config_finish(&rig->config);
	return config_load(rig->path, &rig->config, rig->error, sizeof(rig->error));
}

int config_rig_load_bytes(struct config_rig *rig, const void *content, size_t size) {
	free(write_file(rig->directory, "scanoutd.conf", content, size));
	return config_rig_load(rig);
}

void assert_right(struct config_rig *rig, const char *content) {
	if (config_rig_load_bytes(rig, content, strlen(content)) != 0) {
		fail_msg("\"%s\" is refused: %s", content, rig->error);
	}
	assert_string_equal(rig->error, "");
}

void assert_wrong(struct config_rig *rig, const char *content, const char *error) {
	size_t length = strlen(rig->path);
	if (config_rig_load_bytes(rig, content, strlen(content)) != -EINVAL) {
		fail_msg("\"%s\" is accepted", content);
	}
	assert_memory_equal(rig->error, rig->path, length);
	assert_string_equal(rig->error + length, error);
}
