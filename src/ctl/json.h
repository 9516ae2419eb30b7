/* JSON as --json prints it. */
#ifndef SCANOUT_CTL_JSON_H
#define SCANOUT_CTL_JSON_H

#include <cjson/cJSON.h>

/* Prints to stdout, in several lines. Returns 0 or -ENOMEM. */
int json_print(const cJSON *json);

#endif
