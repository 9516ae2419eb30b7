#include "daemon/model/config.h"

#include <stdlib.h>

#include "daemon/util/string_list.h"

void config_finish(struct config *config) {
	string_list_free(config->devices);
	string_list_free(config->exclude);
	free(config->agent_socket);
	free(config->admin_group);
	*config = (struct config){0};
}
