#include "args.h"

#include <ctype.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

static bool parse(const char *text, int base, char terminator, uint64_t max, uint64_t *ret,
	const char **rest) {
	unsigned long long value;
	char *end;

	if (!isxdigit((unsigned char)text[0])) {
		return false; // strtoull() would take blanks and signs
	}
	errno = 0;
	value = strtoull(text, &end, base);
	if (errno != 0 || end == text || *end != terminator || value > max) {
		return false;
	}
	*ret = value;
	*rest = end;
	return true;
}

bool args_number(const char *text, uint64_t max, uint64_t *ret) {
	const char *rest;

	return parse(text, 10, '\0', max, ret, &rest);
}

bool args_mode(const char *text, uint32_t *ret_width, uint32_t *ret_height) {
	uint64_t width, height;
	const char *rest;

	if (!parse(text, 10, 'x', UINT16_MAX, &width, &rest) ||
		!parse(rest + 1, 10, '\0', UINT16_MAX, &height, &rest)) {
		return false;
	}
	*ret_width = (uint32_t)width;
	*ret_height = (uint32_t)height;
	return true;
}

bool args_colour(const char *text, uint32_t *ret) {
	const char *rest;
	uint64_t value;

	if (strlen(text) != 6 || !parse(text, 16, '\0', 0xFFFFFF, &value, &rest)) {
		return false;
	}
	*ret = (uint32_t)value;
	return true;
}
