/* A refusal: a condition with a name that the caller must be told, unlike a failure (-errno). */
#ifndef SCANOUTD_REFUSAL_H
#define SCANOUTD_REFUSAL_H

enum refusal_code {
	REFUSAL_NONE,
	REFUSAL_NO_FREE,
	REFUSAL_NO_SUCH,
	REFUSAL_BUSY,
	REFUSAL_NOT_HOLDER,
	REFUSAL_NOT_ALLOWED,
	REFUSAL_QUOTA,
	REFUSAL_INVALID_OPTION,
	REFUSAL_TIMEOUT,
	REFUSAL_DEVICE_GONE,
	REFUSAL_DEVICE_BUSY,
};

struct refusal {
	enum refusal_code code;
	char message[320]; // a sentence that says what to do next
};

/* Fills in `refusal` and returns its code. */
enum refusal_code refusal_set(struct refusal *refusal, enum refusal_code code, const char *format,
	...) __attribute__((format(printf, 3, 4)));

/* The D-Bus error name of a refusal, org.scanoutd.Scanout1.Error.…. */
const char *refusal_error_name(enum refusal_code code);

#endif
