/*
 * Decimal numbers, for programs that run in containers. With the headers of glibc 2.38 and later,
 * scanf() and strtol() become functions that the glibc of an older image does not have.
 */
#ifndef SCANOUT_NUMBER_H
#define SCANOUT_NUMBER_H

#include <stdbool.h>

/* Reads the digits at *text and advances it. False, without changes, if there are none or the
 * number is greater than max. */
bool number_take(const char **text, unsigned max, unsigned *ret);

#endif
