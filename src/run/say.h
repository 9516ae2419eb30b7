/* What scanout-run tells the person who started it: single sentences on standard error. */
#ifndef SCANOUT_RUN_SAY_H
#define SCANOUT_RUN_SAY_H

/* scanout-run's own failures, apart from those of the command; as env(1) and docker have it. */
#define EXIT_OWN_FAILURE 125
#define EXIT_NOT_EXECUTABLE 126
#define EXIT_NOT_FOUND 127

void say(const char *format, ...) __attribute__((format(printf, 1, 2)));

#endif
