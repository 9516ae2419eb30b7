/*
 * Scope-bound ownership. A variable marked with one of these owns its value. TAKE_PTR() and
 * TAKE_FD() give the value away and leave the variable empty.
 */
#ifndef SCANOUT_CLEANUP_H
#define SCANOUT_CLEANUP_H

#include <cjson/cJSON.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <systemd/sd-bus.h>
#include <unistd.h>

#define CLEANUP(fn) __attribute__((cleanup(fn)))

#define TAKE_PTR(ptr)                           \
	({                                      \
		__typeof__(ptr) taken_ = (ptr); \
		(ptr) = NULL;                   \
		taken_;                         \
	})

#define TAKE_FD(fd)                \
	({                         \
		int taken_ = (fd); \
		(fd) = -1;         \
		taken_;            \
	})

static inline void cleanup_free(void *p) {
	free(*(void **)p);
}

static inline void cleanup_close(const int *fd) {
	if (*fd >= 0) {
		int saved = errno;
		close(*fd);
		errno = saved;
	}
}

static inline void cleanup_fclose(FILE **f) {
	if (*f) {
		fclose(*f);
	}
}

static inline void cleanup_json(cJSON **json) {
	cJSON_Delete(*json);
}

static inline void cleanup_cstring(char **s) {
	cJSON_free(*s);
}

#define AUTO_FREE CLEANUP(cleanup_free)
#define AUTO_CLOSE CLEANUP(cleanup_close)
#define AUTO_FCLOSE CLEANUP(cleanup_fclose)
#define AUTO_JSON CLEANUP(cleanup_json)
#define AUTO_JSON_TEXT CLEANUP(cleanup_cstring)
#define AUTO_BUS CLEANUP(sd_bus_flush_close_unrefp)
#define AUTO_MESSAGE CLEANUP(sd_bus_message_unrefp)
#define AUTO_BUS_ERROR CLEANUP(sd_bus_error_free)

#endif
