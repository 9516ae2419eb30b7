/* Messages to the person who started the program: single sentences on standard error. */
#ifndef SCANOUT_SAY_H
#define SCANOUT_SAY_H

void say(const char *format, ...) __attribute__((format(printf, 1, 2)));

#endif
