#include "daemon/model/scanout_log.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "daemon/model/lease.h"

#define FIELD_SIZE 320

void scanout_log(int level, const struct scanout *scanout, const char *format, ...) {
	int saved = errno;
	const struct lease *lease = scanout->lease;
	char text[LOG_FIELDS_MAX][FIELD_SIZE];

	snprintf(text[0], FIELD_SIZE, "SCANOUT_ID=%s", scanout->id);
	snprintf(text[1], FIELD_SIZE, "SCANOUT_STATE=%s",
		scanout_state_name(scanout_state(scanout)));
	snprintf(text[2], FIELD_SIZE, "SCANOUT_LABEL=%s", lease ? lease->label : "");
	snprintf(text[3], FIELD_SIZE, "SCANOUT_LESSEE=%" PRIu32, lease ? lease->lessee : 0);
	snprintf(text[4], FIELD_SIZE, "SCANOUT_GENERATION=%" PRIu64, scanout->generation);
	snprintf(text[5], FIELD_SIZE, "SCANOUT_UID=%d", lease ? (int)lease->holder.uid : -1);
	snprintf(text[6], FIELD_SIZE, "SCANOUT_PID=%d", lease ? (int)lease->holder.pid : -1);
	snprintf(text[7], FIELD_SIZE, "SCANOUT_CONTAINER=%s", lease ? lease->holder.container : "");

	struct iovec fields[LOG_FIELDS_MAX];
	for (size_t i = 0; i < LOG_FIELDS_MAX; i++) {
		fields[i] = (struct iovec){text[i], strlen(text[i])};
	}

	va_list args;
	va_start(args, format);
	errno = saved;
	log_about(level, scanout->id, fields, LOG_FIELDS_MAX, format, args);
	va_end(args);
}
