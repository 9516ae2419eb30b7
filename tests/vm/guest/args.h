/* Values of command line options; each returns false on anything but a whole, valid value. */
#ifndef GUEST_ARGS_H
#define GUEST_ARGS_H

#include <stdbool.h>
#include <stdint.h>

bool args_number(const char *text, uint64_t max, uint64_t *ret);

/* WIDTHxHEIGHT */
bool args_mode(const char *text, uint32_t *ret_width, uint32_t *ret_height);

/* RRGGBB */
bool args_colour(const char *text, uint32_t *ret);

#endif
