#include "daemon/model/state_record.h"

#include "common/cleanup.h"

void state_lease_finish(struct state_lease *lease) {
	cleanup_close(&lease->copy_fd);
	cleanup_close(&lease->asker_fd);
	lease->copy_fd = lease->asker_fd = -1;
}
