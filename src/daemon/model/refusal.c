#include "daemon/model/refusal.h"

#include <assert.h>
#include <stdarg.h>
#include <stdio.h>

#include "scanout/dbus_names.h"

enum refusal_code refusal_set(
	struct refusal *refusal, enum refusal_code code, const char *format, ...) {
	va_list args;
	refusal->code = code;
	va_start(args, format);
	vsnprintf(refusal->message, sizeof(refusal->message), format, args);
	va_end(args);
	/* What a caller sent may be quoted, and may be cut in the middle of a character: D-Bus
	 * takes no string that is not UTF-8, and a log line shall stay one line. */
	for (char *p = refusal->message; *p != '\0'; p++) {
		if (*p < ' ' || *p > '~') {
			*p = '?';
		}
	}
	return code;
}

const char *refusal_error_name(enum refusal_code code) {
	static const char *const names[] = {
		[REFUSAL_NO_FREE] = SCANOUT_ERROR_NO_FREE,
		[REFUSAL_NO_SUCH] = SCANOUT_ERROR_NO_SUCH,
		[REFUSAL_BUSY] = SCANOUT_ERROR_BUSY,
		[REFUSAL_NOT_HOLDER] = SCANOUT_ERROR_NOT_HOLDER,
		[REFUSAL_NOT_ALLOWED] = SCANOUT_ERROR_NOT_ALLOWED,
		[REFUSAL_QUOTA] = SCANOUT_ERROR_QUOTA,
		[REFUSAL_INVALID_OPTION] = SCANOUT_ERROR_INVALID_OPTION,
		[REFUSAL_TIMEOUT] = SCANOUT_ERROR_TIMEOUT,
		[REFUSAL_DEVICE_GONE] = SCANOUT_ERROR_DEVICE_GONE,
		[REFUSAL_DEVICE_BUSY] = SCANOUT_ERROR_DEVICE_BUSY,
	};
	assert(code > REFUSAL_NONE && code < sizeof(names) / sizeof(names[0]));
	return names[code];
}
