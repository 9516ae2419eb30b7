#include "common/number.h"

#include <stdint.h>

bool number_take(const char **text, unsigned max, unsigned *ret) {
	const char *c = *text;
	uint64_t value = 0;

	for (; *c >= '0' && *c <= '9'; c++) {
		value = 10 * value + (unsigned)(*c - '0');
		if (value > max) {
			return false;
		}
	}
	if (c == *text) {
		return false;
	}
	*text = c;
	*ret = (unsigned)value;
	return true;
}
