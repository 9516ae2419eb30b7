/* JSON as --json prints it. */
#ifndef SCANOUT_JSON_H
#define SCANOUT_JSON_H

#include <cjson/cJSON.h>

/* Prints to stdout, in several lines. Returns 0 or -ENOMEM. */
int json_print(const cJSON *json);

#endif
