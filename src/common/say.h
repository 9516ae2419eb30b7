/* What a program tells the person who started it: single sentences on standard error. */
#ifndef SCANOUT_SAY_H
#define SCANOUT_SAY_H

void say(const char *format, ...) __attribute__((format(printf, 1, 2)));

#endif
