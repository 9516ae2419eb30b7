/* What is logged about one scanout. */
#ifndef SCANOUTD_SCANOUT_LOG_H
#define SCANOUTD_SCANOUT_LOG_H

#include "daemon/model/scanout.h"
#include "daemon/util/log.h"

/*
 * Logs a sentence about a scanout, with a syslog priority: the line starts with its id, and the
 * journal entry carries SCANOUT_ID=, SCANOUT_STATE=, SCANOUT_LABEL=, SCANOUT_LESSEE=,
 * SCANOUT_GENERATION=, SCANOUT_UID=, SCANOUT_PID= and SCANOUT_CONTAINER=. A value that is longer
 * than a label or an id of a container may be is cut. errno is left as it was; "%m" works.
 */
void scanout_log(int level, const struct scanout *scanout, const char *format, ...)
	__attribute__((format(printf, 3, 4)));

#endif
